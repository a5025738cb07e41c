//! A whole shop whose payment provider is `localstripe`.

use crate::{
    bridge::{Bridge, SECRET},
    kit::{Site, text, until},
};

#[tokio::test]
async fn rentals_are_paid_declined_deferred_and_refunded() {
    let bridge = Bridge::start();
    let shop = Site::start(&[
        ("SAEM_PAYMENT__PROVIDER", "stripe"),
        ("SAEM_PAYMENT__STRIPE__URL", &bridge.url),
        ("SAEM_PAYMENT__STRIPE__SECRET_KEY", SECRET),
        ("SAEM_PAYMENT__DEADLINE_MS", "12000"),
        ("SAEM_PAYMENT__TIMEOUT_MS", "3000"),
    ])
    .await;
    let rental = shop.rent("pm_card_visa").await.expect(201);
    assert_eq!(bridge.ledger(text(&rental, "paymentId")).await, (1, 0));
    shop.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(bridge.ledger(text(&rental, "paymentId")).await, (1, 1));

    shop.rent("pm_card_chargeCustomerFail").await.problem(402, "payment-declined");

    bridge.loses_a_confirmation();
    let rental = shop.rent("pm_card_visa").await.expect(202);
    shop.customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(bridge.ledger(text(&rental, "paymentId")).await, (1, 0));

    // A decline without an answer is found, and the rental still waits for its payment.
    bridge.loses_a_confirmation();
    let rental = shop.rent("pm_card_chargeCustomerFail").await.expect(202);
    until("it is paid by another card", || async {
        shop.customer.pay(&rental, "pm_card_visa").await.status == 200
    })
    .await;
    assert_eq!(bridge.ledger(text(&rental, "paymentId")).await, (1, 0));
}
