//! How long receipts are kept, and that they go away.

use saem::shop::ShopError;

use crate::kit::runtime::{HOUR_MS, Works, eventually, keyed, product, request_key, run};

#[test]
fn a_receipt_is_kept_for_a_day_and_is_gone_after_two() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let id = product(&shop, 0).await;
        shop.restock_product(id, 1, keyed(&shop, "a", 1)).await.unwrap();
        works.put_forward(24 * HOUR_MS);
        assert!(shop.restock_product(id, 1, keyed(&shop, "a", 1)).await.unwrap().replayed);
        let shop = works.crashed().await;
        assert!(shop.restock_product(id, 1, keyed(&shop, "a", 1)).await.unwrap().replayed);
        works.put_forward(24 * HOUR_MS);
        let anew = shop.restock_product(id, 1, keyed(&shop, "a", 2)).await.unwrap();
        assert_eq!((anew.value.stock, anew.replayed), (2, false));
    });
}

#[test]
fn old_receipts_are_swept_a_part_at_a_time_and_the_others_are_kept() {
    const OLD: usize = 600;
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let done = async || Ok::<_, ShopError>(Vec::new());
        for n in 0..OLD {
            shop.once(Some(request_key(&shop, &n.to_string(), 1)), done()).await.unwrap();
        }
        works.put_forward(48 * HOUR_MS);
        shop.once(Some(request_key(&shop, "new", 1)), done()).await.unwrap();
        assert_eq!(works.vault("receipt/").await.len(), OLD + 1);
        let shop = works.crashed().await;
        eventually("only the new one is left", || async {
            (works.vault("receipt/").await.len() == 1).then_some(())
        })
        .await;
        assert!(shop.once(Some(request_key(&shop, "new", 1)), done()).await.unwrap().replayed);
    });
}
