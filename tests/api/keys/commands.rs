//! Commands with a key: each takes effect once, and its repetition gets the first answer.

use futures_util::{FutureExt as _, future::join_all};
use saem::{
    AccountError, AskError, Context, Journal as _, Money, Offer, ProductError, ProductId, Rejection,
    RequestContext, ShopError, StoreError,
    internal::{
        actors::{Receipt, ReceiptOutcome},
        domain::MAX_STOCK,
        store::codec,
    },
};

use crate::kit::runtime::{Runtime, keyed, phone, product, request_key, reused};

#[actix::test]
async fn restock_takes_effect_once_across_crashes() {
    let (mut runtime, shop) = Runtime::start().await;
    let id = product(&shop, 1).await;
    let first = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
    assert_eq!((first.value.stock, first.replayed), (6, false));
    // Another key is another request, even with the same body.
    let other = shop.restock_product(id, 5, keyed(&shop, "b", 1)).await.unwrap();
    assert_eq!((other.value.stock, other.replayed), (11, false));
    let mut shop = shop;
    for _ in 0..2 {
        let again = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!((again.value.clone(), again.replayed), (first.value.clone(), true));
        assert!(again.position >= first.position);
        reused(shop.restock_product(id, 7, keyed(&shop, "a", 2)).await);
        assert_eq!(shop.product(id).unwrap().stock, 11);
        shop = runtime.crash().await;
    }
}

#[actix::test]
async fn largest_product_has_a_receipt() {
    let (mut runtime, shop) = Runtime::start().await;
    let text = |chars| "𠮷".repeat(chars);
    let fee = Money::won(100_000_000);
    let offer = Offer { name: text(100), model: text(100), description: text(2_000), fee };
    let request = keyed(&shop, "a", 1);
    let first = shop.register_product(offer.clone(), MAX_STOCK, request).await.unwrap();
    let [row] = &runtime.journal.vault_scan("receipt/".to_owned()).await.unwrap()[..] else {
        panic!("one receipt")
    };
    assert!(row.1.len() > 8 * 1_024, "{}: larger than the vault once took", row.1.len());
    let shop = runtime.crash().await;
    let again = shop.register_product(offer, MAX_STOCK, keyed(&shop, "a", 1)).await.unwrap();
    assert_eq!((again.value, again.replayed), (first.value, true));
}

#[actix::test]
async fn command_without_effect_has_a_receipt() {
    let (mut runtime, shop) = Runtime::start().await;
    let id = product(&shop, 1).await;
    shop.withdraw_product(id, shop.new_request()).await.unwrap();
    assert!(!shop.withdraw_product(id, keyed(&shop, "a", 1)).await.unwrap().replayed);
    let shop = runtime.crash().await;
    assert!(shop.withdraw_product(id, keyed(&shop, "a", 1)).await.unwrap().replayed);
    reused(shop.withdraw_product(id, keyed(&shop, "a", 2)).await);
}

#[actix::test]
async fn refused_command_leaves_no_receipt_and_frees_its_key() {
    let (runtime, shop) = Runtime::start().await;
    let id = product(&shop, 1).await;
    for _ in 0..2 {
        let refused = shop.restock_product(id, MAX_STOCK, keyed(&shop, "a", 1)).await.unwrap_err();
        assert_eq!(refused, ProductError::StockLimit.into());
    }
    assert_eq!(runtime.vault("receipt/").await, [""; 0]);
    shop.pause(Context::Product, shop.new_request()).await.unwrap();
    let paused = shop.restock_product(id, 5, keyed(&shop, "a", 2)).await;
    assert_eq!(paused.unwrap_err(), ShopError::ContextPaused(Context::Product));
    shop.resume(Context::Product, shop.new_request()).await.unwrap();
    assert_eq!(shop.restock_product(id, 5, keyed(&shop, "a", 2)).await.unwrap().value.stock, 6);
    // A receipt is answered even while its context is paused.
    shop.pause(Context::Product, shop.new_request()).await.unwrap();
    assert!(shop.restock_product(id, 5, keyed(&shop, "a", 2)).await.unwrap().replayed);
}

#[actix::test]
async fn of_concurrent_repetitions_one_takes_effect() {
    let (_, shop) = Runtime::start().await;
    let id = product(&shop, 0).await;
    for round in 1..=20 {
        let key = round.to_string();
        let all = join_all((0..8).map(|_| shop.restock_product(id, 1, keyed(&shop, &key, 1)))).await;
        let (mut first, mut running) = (0, 0);
        for one in all {
            match one {
                Ok(done) => first += u32::from(!done.replayed),
                Err(ShopError::KeyInProgress) => running += 1,
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(first, 1);
        assert!(running < 8);
        assert_eq!(shop.product(id).unwrap().stock, round);
    }
}

#[actix::test]
async fn key_is_in_use_until_its_request_is_decided() {
    let (_, shop) = Runtime::start_on_one_thread().await;
    let id = product(&shop, 0).await;
    let mut first = Box::pin(shop.restock_product(id, 1, keyed(&shop, "a", 1)));
    assert!(first.as_mut().now_or_never().is_none(), "the request is under way");
    let second = shop.restock_product(id, 1, keyed(&shop, "a", 1)).now_or_never();
    assert_eq!(second.unwrap().unwrap_err(), ShopError::KeyInProgress);
    reused(shop.restock_product(id, 1, keyed(&shop, "a", 2)).now_or_never().unwrap());
    drop(first);
    let again = loop {
        match shop.restock_product(id, 1, keyed(&shop, "a", 1)).await {
            Err(ShopError::KeyInProgress) => tokio::task::yield_now().await,
            decided => break decided.unwrap(),
        }
    };
    assert_eq!((again.value.stock, again.replayed), (1, true));
}

#[actix::test]
async fn repeated_sign_up_shows_its_own_name_and_number() {
    let (mut runtime, shop) = Runtime::start().await;
    let sign_up = async |shop: &saem::Shop, request: RequestContext| {
        shop.sign_up("홍길동".to_owned(), phone(), "password".to_owned(), request).await
    };
    let first = sign_up(&shop, keyed(&shop, "a", 1)).await.unwrap();
    let taken = sign_up(&shop, shop.new_request()).await.unwrap_err();
    assert_eq!(taken, ShopError::Ask(AskError::Rejected(Rejection::Account(AccountError::PhoneTaken))));
    let shop = runtime.crash().await;
    let again = sign_up(&shop, keyed(&shop, "a", 1)).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.value.id, &again.value.phone), (first.value.id, &first.value.phone));
    assert_eq!((again.value.name, again.value.created_at), (first.value.name, first.value.created_at));
    reused(sign_up(&shop, keyed(&shop, "a", 2)).await);
    for (_, receipt) in runtime.journal.vault_scan("receipt/".to_owned()).await.unwrap() {
        let ReceiptOutcome::State { snapshot, .. } = codec::decode::<Receipt>(&receipt).unwrap().outcome
        else {
            panic!("a state")
        };
        assert!(snapshot.len() < 32, "it has no room for a name");
    }
}

#[actix::test]
async fn repeated_pause_does_not_pause_a_resumed_context() {
    let (mut runtime, shop) = Runtime::start().await;
    assert!(!shop.pause(Context::Product, keyed(&shop, "a", 1)).await.unwrap().replayed);
    assert!(!shop.resume(Context::Product, keyed(&shop, "b", 1)).await.unwrap().replayed);
    let shop = runtime.crash().await;
    let paused = shop.pause(Context::Product, keyed(&shop, "a", 1)).await.unwrap();
    assert_eq!((paused.value.paused, paused.replayed), (true, true), "as it was then");
    assert!(!shop.contexts().iter().any(|context| context.paused));
}

#[actix::test]
async fn work_with_a_key_is_done_once_and_its_answer_kept() {
    let (mut runtime, shop) = Runtime::start().await;
    let key = |shop: &saem::Shop, body| Some(request_key(shop, "a", body));
    let failed = shop.once(key(&shop, 1), async { Err(ShopError::NotParked) }).await;
    assert_eq!(failed.unwrap_err(), ShopError::NotParked);
    let (go, wait) = tokio::sync::oneshot::channel::<()>();
    let work = async {
        wait.await.unwrap();
        Ok::<_, ShopError>(b"done".to_vec())
    };
    let mut first = Box::pin(shop.once(key(&shop, 1), work));
    assert!(first.as_mut().now_or_never().is_none());
    let never = async || -> Result<Vec<u8>, ShopError> { panic!("done a second time") };
    let second = shop.once(key(&shop, 1), never()).await;
    assert_eq!(second.unwrap_err(), ShopError::KeyInProgress);
    go.send(()).unwrap();
    let first = first.await.unwrap();
    assert_eq!((&first.answer[..], first.replayed), (&b"done"[..], false));
    let shop = runtime.crash().await;
    let again = shop.once(key(&shop, 1), never()).await.unwrap();
    assert_eq!((&again.answer[..], again.replayed), (&b"done"[..], true));
    reused(shop.once(key(&shop, 2), never()).await);
    // Without a key there is no receipt.
    let unkeyed = shop.once(None, async { Ok::<_, ShopError>(Vec::new()) }).await.unwrap();
    assert!(!unkeyed.replayed);
    assert_eq!(runtime.vault("receipt/").await.len(), 1);
}

#[actix::test]
async fn receipt_of_another_command_is_corrupt() {
    let (_, shop) = Runtime::start().await;
    shop.once(Some(request_key(&shop, "a", 1)), async { Ok::<_, ShopError>(Vec::new()) }).await.unwrap();
    let restocked = shop.restock_product(ProductId(1), 1, keyed(&shop, "a", 1)).await;
    assert!(matches!(restocked, Err(ShopError::Store(StoreError::Corrupt(_)))));
}
