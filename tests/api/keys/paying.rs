//! Paying later with a key: a repetition gets the first answer, and nothing is charged twice.

use saem::{
    BreakerMode, CancelReason, PayOutcome, PlacedRental, RentalStatus, Shop, ShopError,
    internal::store::{Failure, FaultPlan},
};

use crate::kit::{
    eventually,
    runtime::{Runtime, card, customer, deferred, happens, keyed, product, reused},
};

async fn pay(shop: &Shop, placed: &PlacedRental, token: &str, key: &str) -> Result<PlacedRental, ShopError> {
    shop.pay_rental(placed.rental.id, card(token), keyed(shop, key, 1)).await
}

fn captures(shop: &Shop) -> u32 {
    shop.ledger().unwrap().iter().map(|entry| entry.captures).sum()
}

#[actix::test]
async fn confirmed_payment_is_replayed_as_confirmed() {
    let (mut runtime, shop) = Runtime::start().await;
    let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
    let first = pay(&shop, &placed, "tok_ok", "a").await.unwrap();
    assert_eq!((first.outcome.clone(), first.replayed), (PayOutcome::Confirmed, false));
    reused(shop.pay_rental(placed.rental.id, card("tok_ok"), keyed(&shop, "a", 2)).await);
    happens(&shop, &placed, "ProductDecreased").await;
    shop.cancel_rental(placed.rental.id, CancelReason::Customer, shop.new_request()).await.unwrap();
    happens(&shop, &placed, "PaymentCanceled").await;
    let shop = runtime.crash().await;
    let again = pay(&shop, &placed, "tok_ok", "a").await.unwrap();
    assert_eq!((again.outcome, again.replayed), (PayOutcome::Confirmed, true));
    assert_eq!(again.rental.rental, first.rental.rental, "the rental as it was then");
    assert_eq!(again.rental.address, first.rental.address);
    assert!(again.position > first.position);
    assert_eq!(captures(&shop), 1);
}

#[actix::test]
async fn decline_is_replayed_after_a_successful_attempt() {
    let (mut runtime, shop) = Runtime::start().await;
    let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
    let declined = || PayOutcome::Declined { code: Some("card_declined".to_owned()) };
    let first = pay(&shop, &placed, "tok_decline", "a").await.unwrap();
    assert_eq!((first.outcome.clone(), first.replayed), (declined(), false));
    assert_eq!(pay(&shop, &placed, "tok_ok", "b").await.unwrap().outcome, PayOutcome::Confirmed);
    let shop = runtime.crash().await;
    let again = pay(&shop, &placed, "tok_decline", "a").await.unwrap();
    assert_eq!((again.outcome, again.replayed), (declined(), true));
    assert_eq!(again.rental.rental, first.rental.rental);
    assert_eq!(captures(&shop), 1);
}

#[actix::test]
async fn deferral_is_replayed() {
    let (mut runtime, shop) = Runtime::start().await;
    let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
    shop.set_breaker(BreakerMode::ForcedOpen);
    let first = pay(&shop, &placed, "tok_ok", "breaker").await.unwrap();
    assert!(matches!(first.outcome, PayOutcome::Deferred { .. }) && !first.replayed);
    shop.set_breaker(BreakerMode::Disabled);
    let first = pay(&shop, &placed, "tok_timeout", "timeout").await.unwrap();
    assert!(matches!(first.outcome, PayOutcome::Deferred { .. }) && !first.replayed);
    let paid = eventually("the attempt is settled, and another is made", || async {
        pay(&shop, &placed, "tok_ok", "c").await.ok()
    })
    .await;
    assert_eq!(paid.outcome, PayOutcome::Confirmed);
    let shop = runtime.crash().await;
    for key in ["breaker", "timeout"] {
        let token = if key == "breaker" { "tok_ok" } else { "tok_timeout" };
        let again = pay(&shop, &placed, token, key).await.unwrap();
        assert!(matches!(again.outcome, PayOutcome::Deferred { .. }) && again.replayed, "{key}");
        assert_eq!(again.rental.rental.status, RentalStatus::PaymentDeferred);
    }
    assert_eq!(captures(&shop), 1);
}

#[actix::test]
async fn refusals_have_no_receipt() {
    let (_, shop) = Runtime::start().await;
    let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
    assert!(matches!(
        pay(&shop, &placed, "tok_unknown", "a").await.unwrap_err(),
        ShopError::PaymentMethod(_)
    ));
    assert_eq!(pay(&shop, &placed, "tok_ok", "a").await.unwrap().outcome, PayOutcome::Confirmed);
    assert_eq!(pay(&shop, &placed, "tok_ok", "b").await.unwrap_err(), ShopError::RentalNotPayable);
    assert_eq!(pay(&shop, &placed, "tok_ok", "b").await.unwrap_err(), ShopError::RentalNotPayable);
}

/// Paying has three commits: the request, the approval, the confirmation.
#[actix::test]
async fn failed_commit_of_a_payment_charges_once() {
    for nth in 1..=3 {
        for failure in [Failure::Before, Failure::After, Failure::Torn] {
            let (mut runtime, shop) = Runtime::start().await;
            let placed = deferred(&shop, customer(&shop).await, product(&shop, 9).await).await;
            runtime.journal.plan(FaultPlan { nth, failure, for_ever: true });
            let _ = pay(&shop, &placed, "tok_ok", "a").await;
            let shop = runtime.crash().await;
            shop.set_breaker(BreakerMode::Disabled);
            let paid = eventually("the same key is answered with the confirmation", || async {
                match pay(&shop, &placed, "tok_ok", "a").await {
                    Ok(paid) if paid.outcome == PayOutcome::Confirmed => Some(paid),
                    Ok(_) | Err(ShopError::KeyInProgress | ShopError::PaymentInProgress { .. }) => None,
                    Err(error) => panic!("{nth} {failure:?}: {error}"),
                }
            })
            .await;
            assert_eq!(paid.rental.rental.status, RentalStatus::Confirmed);
            assert_eq!(captures(&shop), 1, "{nth} {failure:?}");
            // The receipt of this attempt answers if the request was recorded.
            let recorded = nth > 1 || failure == Failure::After;
            assert_eq!(paid.replayed, recorded, "{nth} {failure:?}");
        }
    }
}
