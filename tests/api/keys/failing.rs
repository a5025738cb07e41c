//! A store that fails at the very commit of a request with a key: afterwards it happened once, or not yet.

use saem::{
    shop::PageRequest,
    store::memory::{Failure, FaultPlan},
};

use crate::kit::runtime::{Works, keyed, offer, product, run};

const FAILURES: [Failure; 3] = [Failure::Before, Failure::After, Failure::Torn];

#[test]
fn a_restock_is_never_done_twice_whatever_its_commit_comes_to() {
    for failure in FAILURES {
        run(async move {
            let mut works = Works::new();
            let shop = works.open().await;
            let id = product(&shop, 1).await;
            works.journal.plan(FaultPlan { nth: 1, failure, for_ever: true });
            let first = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await;
            // It is found out that a commit got there, though the store did not say so.
            assert_eq!(first.is_ok(), failure == Failure::After, "{failure:?}: {first:?}");
            let shop = works.crashed().await;
            let again = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
            assert_eq!(again.replayed, failure == Failure::After, "{failure:?}");
            assert_eq!((again.value.stock, shop.product(id).unwrap().stock), (6, 6), "{failure:?}");
        });
    }
}

#[test]
fn a_crash_right_after_the_commit_leaves_the_receipt() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let id = product(&shop, 1).await;
        let head = *saem::store::Journal::head(&*works.journal).borrow();
        let request = keyed(&shop, "a", 1);
        let mut asked = Box::pin(shop.restock_product(id, 5, request));
        let mut committed = saem::store::Journal::head(&*works.journal);
        // The commit is seen before its answer is: the caller is dropped as it stands.
        tokio::select! {
            biased;
            _ = committed.wait_for(|now| *now > head) => {}
            _ = &mut asked => {}
        }
        drop(asked);
        let shop = works.crashed().await;
        let again = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!((again.value.stock, again.replayed), (6, true));
    });
}

#[test]
fn a_product_is_never_registered_twice_whatever_its_commit_comes_to() {
    for failure in FAILURES {
        run(async move {
            let mut works = Works::new();
            let shop = works.open().await;
            works.journal.plan(FaultPlan { nth: 1, failure, for_ever: true });
            let first = shop.register_product(offer(), 1, keyed(&shop, "a", 1)).await;
            let shop = works.crashed().await;
            let again = shop.register_product(offer(), 1, keyed(&shop, "a", 1)).await.unwrap();
            assert_eq!(again.replayed, failure == Failure::After, "{failure:?}");
            if let Ok(first) = first {
                assert_eq!(first.value.id, again.value.id);
            }
            let page = PageRequest { cursor: None, limit: 100 };
            assert_eq!(shop.products(None, &page).unwrap().items.len(), 1, "{failure:?}");
        });
    }
}
