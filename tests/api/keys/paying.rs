//! Paying later with a key: what came of the first call is said again, and nobody pays twice.

use saem::{
    domain::rental::{CancelReason, RentalStatus},
    shop::{BreakerMode, PayOutcome, Placed, Shop, ShopError},
    store::memory::{Failure, FaultPlan},
};

use crate::kit::runtime::{
    Works, card, customer, deferred, eventually, happens, keyed, product, reused, run,
};

async fn pay(shop: &Shop, placed: &Placed, token: &str, key: &str) -> Result<Placed, ShopError> {
    shop.pay_rental(placed.rental.id, card(token), keyed(shop, key, 1)).await
}

fn captures(shop: &Shop) -> u32 {
    shop.ledger().unwrap().iter().map(|entry| entry.captures).sum()
}

#[test]
fn a_payment_is_confirmed_once_and_stays_so_in_its_replay() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
        let first = pay(&shop, &placed, "tok_ok", "a").await.unwrap();
        assert_eq!((first.outcome.clone(), first.replayed), (PayOutcome::Confirmed, false));
        reused(shop.pay_rental(placed.rental.id, card("tok_ok"), keyed(&shop, "a", 2)).await);
        happens(&shop, &placed, "ProductDecreased").await;
        shop.cancel_rental(placed.rental.id, CancelReason::Customer, shop.new_request()).await.unwrap();
        happens(&shop, &placed, "PaymentCanceled").await;
        let shop = works.crashed().await;
        let again = pay(&shop, &placed, "tok_ok", "a").await.unwrap();
        assert_eq!((again.outcome, again.replayed), (PayOutcome::Confirmed, true));
        assert_eq!(again.rental.rental, first.rental.rental, "as it was then");
        assert_eq!(again.rental.address, first.rental.address);
        assert!(again.position > first.position);
        assert_eq!(captures(&shop), 1);
    });
}

#[test]
fn a_decline_is_said_again_even_after_another_try_went_well() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
        let declined = || PayOutcome::Declined { code: Some("card_declined".to_owned()) };
        let first = pay(&shop, &placed, "tok_decline", "a").await.unwrap();
        assert_eq!((first.outcome.clone(), first.replayed), (declined(), false));
        assert_eq!(pay(&shop, &placed, "tok_ok", "b").await.unwrap().outcome, PayOutcome::Confirmed);
        let shop = works.crashed().await;
        let again = pay(&shop, &placed, "tok_decline", "a").await.unwrap();
        assert_eq!((again.outcome, again.replayed), (declined(), true));
        assert_eq!(again.rental.rental, first.rental.rental);
        assert_eq!(captures(&shop), 1);
    });
}

#[test]
fn whoever_was_put_off_is_put_off_again() {
    run(async {
        let mut works = Works::new();
        let shop = works.open().await;
        let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
        shop.set_breaker(BreakerMode::ForcedOpen);
        let first = pay(&shop, &placed, "tok_ok", "breaker").await.unwrap();
        assert!(matches!(first.outcome, PayOutcome::Deferred { .. }) && !first.replayed);
        shop.set_breaker(BreakerMode::Disabled);
        let first = pay(&shop, &placed, "tok_timeout", "timeout").await.unwrap();
        assert!(matches!(first.outcome, PayOutcome::Deferred { .. }) && !first.replayed);
        let paid = eventually("the try is settled, and another is made", || async {
            pay(&shop, &placed, "tok_ok", "c").await.ok()
        })
        .await;
        assert_eq!(paid.outcome, PayOutcome::Confirmed);
        let shop = works.crashed().await;
        for key in ["breaker", "timeout"] {
            let token = if key == "breaker" { "tok_ok" } else { "tok_timeout" };
            let again = pay(&shop, &placed, token, key).await.unwrap();
            assert!(matches!(again.outcome, PayOutcome::Deferred { .. }) && again.replayed, "{key}");
            assert_eq!(again.rental.rental.status, RentalStatus::PaymentDeferred);
        }
        assert_eq!(captures(&shop), 1);
    });
}

#[test]
fn refusals_are_not_kept() {
    run(async {
        let works = Works::new();
        let shop = works.open().await;
        let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
        assert!(matches!(
            pay(&shop, &placed, "tok_unknown", "a").await.unwrap_err(),
            ShopError::PaymentMethod(_)
        ));
        assert_eq!(pay(&shop, &placed, "tok_ok", "a").await.unwrap().outcome, PayOutcome::Confirmed);
        assert_eq!(pay(&shop, &placed, "tok_ok", "b").await.unwrap_err(), ShopError::RentalNotPayable);
        assert_eq!(pay(&shop, &placed, "tok_ok", "b").await.unwrap_err(), ShopError::RentalNotPayable);
    });
}

/// The commits of paying: the request, the approval, the confirmation.
#[test]
fn whatever_commit_fails_the_same_key_pays_once_and_learns_of_it() {
    for nth in 1..=3 {
        for failure in [Failure::Before, Failure::After, Failure::Torn] {
            run(async move {
                let mut works = Works::new();
                let shop = works.open().await;
                let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
                works.journal.plan(FaultPlan { nth, failure, for_ever: true });
                let _ = pay(&shop, &placed, "tok_ok", "a").await;
                let shop = works.crashed().await;
                shop.set_breaker(BreakerMode::Disabled);
                let paid = eventually("the same key says that it is paid", || async {
                    match pay(&shop, &placed, "tok_ok", "a").await {
                        Ok(paid) if paid.outcome == PayOutcome::Confirmed => Some(paid),
                        Ok(_) | Err(ShopError::KeyInProgress | ShopError::PaymentInProgress { .. }) => None,
                        Err(error) => panic!("{nth} {failure:?}: {error}"),
                    }
                })
                .await;
                assert_eq!(paid.rental.rental.status, RentalStatus::Confirmed);
                assert_eq!(captures(&shop), 1, "{nth} {failure:?}");
                // Had the request been recorded, it was this attempt's receipt that said so.
                let recorded = nth > 1 || failure == Failure::After;
                assert_eq!(paid.replayed, recorded, "{nth} {failure:?}");
            });
        }
    }
}
