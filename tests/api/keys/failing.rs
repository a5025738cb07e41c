//! A store that fails at the commit of a request with a key: the request takes effect once, or not yet.

use saem::{
    Journal as _,
    internal::store::{Failure, FaultPlan},
};

use crate::kit::runtime::{PAGE, Runtime, keyed, offer, product};

const FAILURES: [Failure; 3] = [Failure::Before, Failure::After, Failure::Torn];

#[actix::test]
async fn failed_commit_never_restocks_twice() {
    for failure in FAILURES {
        let (mut runtime, shop) = Runtime::start().await;
        let id = product(&shop, 1).await;
        runtime.journal.plan(FaultPlan { nth: 1, failure, for_ever: true });
        let first = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await;
        // The commit is found in the journal, though the store did not confirm it.
        assert_eq!(first.is_ok(), failure == Failure::After, "{failure:?}: {first:?}");
        let shop = runtime.crash().await;
        let again = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!(again.replayed, failure == Failure::After, "{failure:?}");
        assert_eq!((again.value.stock, shop.product(id).unwrap().stock), (6, 6), "{failure:?}");
    }
}

#[actix::test]
async fn crash_right_after_the_commit_leaves_the_receipt() {
    let (mut runtime, shop) = Runtime::start().await;
    let id = product(&shop, 1).await;
    let mut committed = runtime.journal.head();
    let head = *committed.borrow();
    let mut asked = Box::pin(shop.restock_product(id, 5, keyed(&shop, "a", 1)));
    // The caller is dropped after the commit and before its answer.
    tokio::select! {
        biased;
        _ = committed.wait_for(|now| *now > head) => {}
        _ = &mut asked => {}
    }
    drop(asked);
    let shop = runtime.crash().await;
    let again = shop.restock_product(id, 5, keyed(&shop, "a", 1)).await.unwrap();
    assert_eq!((again.value.stock, again.replayed), (6, true));
}

#[actix::test]
async fn failed_commit_never_registers_twice() {
    for failure in FAILURES {
        let (mut runtime, shop) = Runtime::start().await;
        runtime.journal.plan(FaultPlan { nth: 1, failure, for_ever: true });
        let first = shop.register_product(offer(), 1, keyed(&shop, "a", 1)).await;
        let shop = runtime.crash().await;
        let again = shop.register_product(offer(), 1, keyed(&shop, "a", 1)).await.unwrap();
        assert_eq!(again.replayed, failure == Failure::After, "{failure:?}");
        if let Ok(first) = first {
            assert_eq!(first.value.id, again.value.id);
        }
        assert_eq!(shop.products(None, &PAGE).unwrap().items.len(), 1, "{failure:?}");
    }
}
