//! Commands to one entity: each happens once, and is answered as it was then.

use futures_util::{FutureExt as _, future::join_all};
use saem::{
    actors::{
        entity::ask::{AskError, RequestContext},
        receipts::{Outcome, Receipt},
    },
    domain::{
        Money, ProductId, Rejection,
        account::AccountError,
        context::Context,
        delivery::DeliveryStatus,
        product::{MAX_STOCK, Offer, ProductError},
        rental::{CancelReason, RentalStatus},
    },
    shop::{PageRequest, ShopError},
    store::{Journal as _, codec},
};

use crate::kit::runtime::{Works, customer, keyed, offer, phone, product, rented, request_key, reused, run};

#[test]
fn a_restock_happens_once_and_is_answered_alike_across_restarts() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let id = product(&shop, 1).await;
        let first = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!((first.value.stock, first.replayed), (6, false));
        // Another key is another request, whatever its body.
        let other = shop.restock_product(id, 5, keyed(&shop, "b", 1)).await.unwrap();
        assert_eq!((other.value.stock, other.replayed), (11, false));
        let mut shop = shop;
        for _ in 0..2 {
            let again = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
            assert_eq!((again.value.clone(), again.replayed), (first.value.clone(), true));
            assert!(again.position >= first.position);
            reused(shop.restock_product(id, 7, keyed(&shop, "a", 2)).await);
            assert_eq!(shop.product(id).unwrap().stock, 11);
            shop = works.crashed().await;
        }
    });
}

#[test]
fn a_product_is_registered_once() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let first = shop.register_product(offer(), 3, keyed(&shop, "a", 1)).await.unwrap();
        let shop = works.crashed().await;
        let again = shop.register_product(offer(), 3, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!((again.value, again.replayed), (first.value, true));
        let page = PageRequest { cursor: None, limit: 100 };
        assert_eq!(shop.products(None, &page).unwrap().items.len(), 1);
    });
}

#[test]
fn the_largest_product_has_a_receipt_too() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let text = |chars| "𠮷".repeat(chars);
        let fee = Money::won(100_000_000);
        let offer = Offer { name: text(100), model: text(100), description: text(2_000), fee };
        let request = keyed(&shop, "a", 1);
        let first = shop.register_product(offer.clone(), MAX_STOCK, request).await.unwrap();
        let [row] = &works.journal.vault_scan("receipt/".to_owned()).await.unwrap()[..] else {
            panic!("one receipt")
        };
        assert!(row.1.len() > 8 * 1_024, "{}: larger than the vault once took", row.1.len());
        let shop = works.crashed().await;
        let again = shop.register_product(offer, MAX_STOCK, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!((again.value, again.replayed), (first.value, true));
    });
}

#[test]
fn a_command_that_changes_nothing_is_remembered_too() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let id = product(&shop, 1).await;
        shop.withdraw_product(id, shop.new_request()).await.unwrap();
        assert!(!shop.withdraw_product(id, keyed(&shop, "a", 1)).await.unwrap().replayed);
        let shop = works.crashed().await;
        assert!(shop.withdraw_product(id, keyed(&shop, "a", 1)).await.unwrap().replayed);
        reused(shop.withdraw_product(id, keyed(&shop, "a", 2)).await);
    });
}

#[test]
fn what_is_refused_leaves_no_receipt_and_frees_its_key() {
    run(async {
        let works = Works::new();
        let shop = works.open().await;
        let id = product(&shop, 1).await;
        for _ in 0..2 {
            let refused = shop.restock_product(id, MAX_STOCK, keyed(&shop, "a", 1)).await.unwrap_err();
            assert_eq!(refused, ProductError::StockLimit.into());
        }
        assert_eq!(works.vault("receipt/").await, [""; 0]);
        shop.pause(Context::Product, shop.new_request()).await.unwrap();
        let paused = shop.restock_product(id, 5, keyed(&shop, "a", 2)).await;
        assert_eq!(paused.unwrap_err(), ShopError::ContextPaused(Context::Product));
        shop.resume(Context::Product, shop.new_request()).await.unwrap();
        assert_eq!(shop.restock_product(id, 5, keyed(&shop, "a", 2)).await.unwrap().value.stock, 6);
        // What has happened is told even while nothing can happen.
        shop.pause(Context::Product, shop.new_request()).await.unwrap();
        assert!(shop.restock_product(id, 5, keyed(&shop, "a", 2)).await.unwrap().replayed);
    });
}

#[test]
fn of_many_at_once_one_happens() {
    run(async {
        let works = Works::new();
        let shop = works.open().await;
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
    });
}

#[test]
fn a_key_is_in_use_until_its_request_is_decided_even_if_nobody_waits_for_it() {
    run(async {
        let works = Works::on_one_thread();
        let shop = works.open().await;
        let id = product(&shop, 0).await;
        let mut first = Box::pin(shop.restock_product(id, 1, keyed(&shop, "a", 1)));
        assert!(first.as_mut().now_or_never().is_none(), "it is on its way");
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
    });
}

#[test]
fn signing_up_again_shows_the_request_s_own_name_and_number() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let sign_up = async |shop: &saem::shop::Shop, request: RequestContext| {
            shop.sign_up("홍길동".to_owned(), phone(), "password".to_owned(), request).await
        };
        let first = sign_up(&shop, keyed(&shop, "a", 1)).await.unwrap();
        let taken = sign_up(&shop, shop.new_request()).await.unwrap_err();
        assert_eq!(taken, ShopError::Ask(AskError::Rejected(Rejection::Account(AccountError::PhoneTaken))));
        let shop = works.crashed().await;
        let again = sign_up(&shop, keyed(&shop, "a", 1)).await.unwrap();
        assert!(again.replayed);
        assert_eq!((again.value.id, &again.value.phone), (first.value.id, &first.value.phone));
        assert_eq!((again.value.name, again.value.created_at), (first.value.name, first.value.created_at));
        reused(sign_up(&shop, keyed(&shop, "a", 2)).await);
        for (_, receipt) in works.journal.vault_scan("receipt/".to_owned()).await.unwrap() {
            let Outcome::State { snapshot, .. } = codec::decode::<Receipt>(&receipt).unwrap().outcome else {
                panic!("a state")
            };
            assert!(snapshot.len() < 32, "there is no room for a name in it");
        }
    });
}

#[test]
fn a_rental_s_steps_are_answered_as_they_were() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let (who, what) = (customer(&shop).await, product(&shop, 9).await);
        let kept = rented(&shop, who, what).await.rental.id;
        let given_up = rented(&shop, who, what).await.rental.id;
        let mut shop = shop;
        for round in 0..3 {
            let again = round > 0;
            let request = keyed(&shop, "dispatch", 1);
            let sent = shop.dispatch_delivery(kept.delivery(), None, None, request).await.unwrap();
            assert_eq!((sent.value.delivery.status, sent.replayed), (DeliveryStatus::InTransit, again));
            let done = shop.complete_delivery(kept.delivery(), keyed(&shop, "complete", 1)).await.unwrap();
            assert_eq!((done.value.delivery.status, done.replayed), (DeliveryStatus::Delivered, again));
            assert!(done.value.address.is_some());
            let request = keyed(&shop, "cancel", 1);
            let canceled = shop.cancel_rental(given_up, CancelReason::Customer, request).await.unwrap();
            assert_eq!((canceled.value.rental.status, canceled.replayed), (RentalStatus::Canceled, again));
            reused(shop.cancel_rental(given_up, CancelReason::Customer, keyed(&shop, "cancel", 2)).await);
            if round == 1 {
                shop = works.crashed().await;
            }
        }
    });
}

#[test]
fn pausing_again_does_not_pause_what_was_resumed_since() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        assert!(!shop.pause(Context::Product, keyed(&shop, "a", 1)).await.unwrap().replayed);
        assert!(!shop.resume(Context::Product, keyed(&shop, "b", 1)).await.unwrap().replayed);
        let shop = works.crashed().await;
        let paused = shop.pause(Context::Product, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!((paused.value.paused, paused.replayed), (true, true), "as it was then");
        assert!(!shop.contexts().iter().any(|context| context.paused));
    });
}

#[test]
fn other_work_is_done_once_and_its_answer_kept() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let key = |shop: &saem::shop::Shop, body| Some(request_key(shop, "a", body));
        let failed = shop.once(key(&shop, 1), async { Err(ShopError::NotHeld) }).await;
        assert_eq!(failed.unwrap_err(), ShopError::NotHeld);
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
        let shop = works.crashed().await;
        let again = shop.once(key(&shop, 1), never()).await.unwrap();
        assert_eq!((&again.answer[..], again.replayed), (&b"done"[..], true));
        reused(shop.once(key(&shop, 2), never()).await);
        // Without a key, nothing is kept.
        let unkeyed = shop.once(None, async { Ok::<_, ShopError>(Vec::new()) }).await.unwrap();
        assert!(!unkeyed.replayed);
        assert_eq!(works.vault("receipt/").await.len(), 1);
    });
}

#[test]
fn a_receipt_of_something_else_is_never_an_answer() {
    run(async {
        let works = Works::new();
        let shop = works.open().await;
        shop.once(Some(request_key(&shop, "a", 1)), async { Ok::<_, ShopError>(Vec::new()) }).await.unwrap();
        let id = ProductId(1);
        assert!(matches!(
            shop.restock_product(id, 1, keyed(&shop, "a", 1)).await,
            Err(ShopError::Store(saem::store::StoreError::Corrupt(_)))
        ));
    });
}
