//! Every error has a pinned status and slug.

use super::*;
use crate::domain::{
    Money, context::Context, delivery::DeliveryStatus, payment::PaymentPhase, rental::RentalStatus,
};

fn status_of(error: impl Into<ShopError>) -> (u16, &'static str) {
    let problem = Problem::from(error.into());
    (problem.kind.status().as_u16(), problem.kind.slug())
}

fn rejected(rejection: impl Into<Rejection>) -> (u16, &'static str) {
    status_of(AskError::Rejected(rejection.into()))
}

#[test]
fn every_refusal_of_the_shop_is_pinned() {
    let text = || "x".to_owned();
    for (error, expected) in [
        (ShopError::Store(StoreError::Unavailable(text())), (503, "store-unavailable")),
        (ShopError::Store(StoreError::Corrupt(text())), (500, "internal")),
        (ShopError::Commit(CommitError::Unavailable(text())), (503, "store-unavailable")),
        (ShopError::Commit(CommitError::Unknown(text())), (503, "store-unavailable")),
        (ShopError::NotFound("product"), (404, "product-not-found")),
        (ShopError::NotFound("rental"), (404, "not-found")),
        (ShopError::NotParked, (404, "not-found")),
        (ShopError::ContextPaused(Context::Product), (503, "context-paused")),
        (ShopError::BadCursor, (400, "invalid-request")),
        (ShopError::OutOfStock, (409, "out-of-stock")),
        (ShopError::FeeChanged { fee: Money::won(1) }, (409, "fee-changed")),
        (ShopError::ProductWithdrawn, (409, "product-withdrawn")),
        (ShopError::PaymentMethod(InvalidMethod { field: "token", rule: "x" }), (400, "invalid-request")),
        (ShopError::CheckoutUnavailable, (409, "checkout-unavailable")),
        (ShopError::CheckoutExpired, (409, "checkout-expired")),
        (ShopError::PaymentOverloaded { retry_after_ms: 1 }, (503, "payment-overloaded")),
        (ShopError::PaymentInProgress { retry_after_ms: 1 }, (409, "payment-in-progress")),
        (ShopError::RentalNotPayable, (409, "rental-not-payable")),
        (ShopError::GatewayRefused(text()), (500, "internal")),
        (ShopError::KeyReused, (422, "idempotency-key-reused")),
        (ShopError::KeyInProgress, (409, "idempotency-in-progress")),
        (ShopError::BadCredentials, (401, "unauthorized")),
        (ShopError::TooManyTries { retry_after_ms: 1 }, (429, "too-many-requests")),
        (ShopError::DeliveryOutOfOrder, (409, "delivery-out-of-order")),
        (ShopError::Internal(text()), (500, "internal")),
        (ShopError::Ask(AskError::Shed), (503, "overloaded")),
        (ShopError::Ask(AskError::Timeout), (503, "timeout")),
        (ShopError::Ask(AskError::Stopped), (503, "actor-restarting")),
        (ShopError::Ask(AskError::Quarantined), (503, "actor-quarantined")),
        (ShopError::Ask(AskError::Store(text())), (503, "store-unavailable")),
    ] {
        assert_eq!(status_of(error.clone()), expected, "{error:?}");
    }
}

#[test]
fn every_refusal_of_an_aggregate_is_pinned() {
    assert_eq!(rejected(RentalError::NotFound), (404, "not-found"));
    assert_eq!(rejected(RentalError::NotCancelable), (409, "rental-not-cancelable"));
    assert_eq!(rejected(RentalError::NotDeliverable(RentalStatus::Placed)), (409, "delivery-out-of-order"));
    assert_eq!(rejected(RentalError::Canceled), (409, "rental-canceled"));
    assert_eq!(rejected(PaymentError::NotRequestable(PaymentPhase::Approved)), (409, "rental-not-payable"));
    assert_eq!(rejected(PaymentError::Unsettled(1)), (409, "payment-in-progress"));
    assert_eq!(rejected(DeliveryError::NotFound), (404, "not-found"));
    assert_eq!(rejected(DeliveryError::OutOfOrder(DeliveryStatus::Started)), (409, "delivery-out-of-order"));
    assert_eq!(rejected(DeliveryError::NotReady), (409, "delivery-not-ready"));
    assert_eq!(rejected(ProductError::NotFound), (404, "product-not-found"));
    assert_eq!(rejected(ProductError::Stale), (412, "precondition-failed"));
    assert_eq!(rejected(ProductError::StockLimit), (400, "invalid-request"));
    assert_eq!(rejected(AccountError::NotFound), (404, "not-found"));
    assert_eq!(rejected(AccountError::PhoneTaken), (409, "phone-taken"));
    assert_eq!(rejected(AccountError::OpenRentals(1)), (409, "rentals-open"));
    assert_eq!(rejected(ContextError::NotParked), (404, "not-found"));
}

#[test]
fn every_503_has_retry_after_and_no_5xx_leaks_reasons() {
    let secret = "secret path /var/lib";
    for error in [
        ShopError::Store(StoreError::Corrupt(secret.to_owned())),
        ShopError::Ask(AskError::Store(secret.to_owned())),
        ShopError::Internal(secret.to_owned()),
    ] {
        let problem = Problem::from(error);
        assert!(!problem.detail.contains(secret) && problem.internal.is_some());
        assert_eq!(
            problem.kind.status() == StatusCode::SERVICE_UNAVAILABLE,
            problem.retry_after_ms.is_some()
        );
    }
}

#[test]
fn slugs_are_unique_and_retry_after_is_whole_seconds() {
    let slugs: std::collections::HashSet<_> = ProblemKind::ALL.iter().map(|kind| kind.slug()).collect();
    assert_eq!(slugs.len(), ProblemKind::ALL.len());
    assert_eq!([0, 1, 1_000, 1_001].map(seconds), ["1", "1", "1", "2"]);
}

#[test]
fn api_guide_lists_every_kind() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/api-guide.md");
    let guide = std::fs::read_to_string(path).expect("the guide is there");
    for kind in ProblemKind::ALL {
        let (slug, status) = (kind.slug(), kind.status().as_u16());
        let row = format!("| `{slug}` | {status} | {} | {} |", kind.happened(), kind.advice());
        assert!(guide.contains(&row), "docs/api-guide.md lacks: {row}");
    }
}
