//! Retention of receipts.

use saem::ShopError;

use crate::kit::{
    runtime::{HOUR_MS, Runtime, keyed, product, request_key},
    until,
};

#[actix::test]
async fn receipt_is_kept_for_a_day_and_gone_after_two() {
    let (mut runtime, shop) = Runtime::start().await;
    let id = product(&shop, 0).await;
    shop.restock_product(id, 1, keyed(&shop, "a", 1)).await.unwrap();
    runtime.advance(24 * HOUR_MS);
    assert!(shop.restock_product(id, 1, keyed(&shop, "a", 1)).await.unwrap().replayed);
    let shop = runtime.crash().await;
    assert!(shop.restock_product(id, 1, keyed(&shop, "a", 1)).await.unwrap().replayed);
    runtime.advance(24 * HOUR_MS);
    let anew = shop.restock_product(id, 1, keyed(&shop, "a", 2)).await.unwrap();
    assert_eq!((anew.value.stock, anew.replayed), (2, false));
}

#[actix::test]
async fn old_receipts_are_swept_in_parts_and_new_ones_kept() {
    const OLD: usize = 600;
    let (mut runtime, shop) = Runtime::start().await;
    let done = async || Ok::<_, ShopError>(Vec::new());
    for n in 0..OLD {
        shop.once(Some(request_key(&shop, &n.to_string(), 1)), done()).await.unwrap();
    }
    runtime.advance(48 * HOUR_MS);
    shop.once(Some(request_key(&shop, "new", 1)), done()).await.unwrap();
    assert_eq!(runtime.vault("receipt/").await.len(), OLD + 1);
    let shop = runtime.crash().await;
    until("only the new one is left", || async { runtime.vault("receipt/").await.len() == 1 }).await;
    assert!(shop.once(Some(request_key(&shop, "new", 1)), done()).await.unwrap().replayed);
}
