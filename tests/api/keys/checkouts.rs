//! Validity and retention of checkouts.

use std::sync::Arc;

use saem::{
    CheckoutView, CustomerId, Gateways, Order, PayOutcome, PaymentMethod, PlacedRental, ProductId, Purchase,
    Shop, ShopError,
    internal::gateways::{TossGateway, base_url, client},
};

use crate::kit::{
    runtime::{HOUR_MS, Runtime, customer, keyed, order, product},
    until,
};

const MINUTE_MS: u64 = 60_000;

/// Toss Payments at an address where nobody listens: these tests need no answer of it.
fn toss() -> Gateways {
    let away = base_url("http://127.0.0.1:9").unwrap();
    Gateways::from(Arc::new(TossGateway::new(client().unwrap(), away, "test_sk".to_owned())))
}

fn by(checkout: &CheckoutView, customer: CustomerId, product: ProductId) -> Order {
    let method = PaymentMethod::Toss { payment_key: "tgen_1".to_owned(), checkout_id: checkout.id };
    Order { method, ..order(customer, product, "") }
}

async fn place(shop: &Shop, order: &Order) -> Result<PlacedRental, ShopError> {
    shop.place_rental(order.clone(), shop.new_request()).await
}

#[actix::test]
async fn checkout_expires_after_half_an_hour_its_rental_does_not() {
    let (runtime, shop) = Runtime::start_with(toss()).await;
    let (customer, product) = (customer(&shop).await, product(&shop, 9).await);
    let unused = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
    let used = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
    runtime.advance(29 * MINUTE_MS);
    let first = place(&shop, &by(&used, customer, product)).await.unwrap();
    assert!(matches!(first.outcome, PayOutcome::Deferred { .. }), "its gateway does not answer");
    assert_eq!(first.rental.id.payment(), used.payment);
    let later = shop.check_out(customer, Purchase::Rental(first.rental.id)).await.unwrap();
    assert_eq!((later.payment, later.order.attempt), (used.payment, 2));
    runtime.advance(MINUTE_MS);
    let expired = place(&shop, &by(&unused, customer, product)).await;
    assert_eq!(expired.unwrap_err(), ShopError::CheckoutExpired);
    let again = place(&shop, &by(&used, customer, product)).await.unwrap();
    assert!(again.replayed && again.rental.id == first.rental.id);
    runtime.advance(29 * MINUTE_MS);
    let method = by(&later, customer, product).method;
    let late = shop.pay_rental(first.rental.id, method, shop.new_request()).await;
    assert_eq!(late.unwrap_err(), ShopError::CheckoutExpired);
}

#[actix::test]
async fn expired_checkout_is_swept_after_a_day() {
    let (mut runtime, shop) = Runtime::start_with(toss()).await;
    let (customer, product) = (customer(&shop).await, product(&shop, 9).await);
    let old = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
    let order = by(&old, customer, product);
    shop.place_rental(order.clone(), keyed(&shop, "a", 1)).await.unwrap();
    runtime.advance(24 * HOUR_MS);
    let again = shop.place_rental(order.clone(), keyed(&shop, "a", 1)).await.unwrap();
    assert!(again.replayed, "a day later it is replayed");
    runtime.advance(HOUR_MS);
    let new = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
    let shop = runtime.crash_to(toss()).await;
    let kept = [format!("checkout/{}", new.id)];
    until("the old one is swept", || async { runtime.vault("checkout/").await == kept }).await;
    let gone = shop.place_rental(order, shop.new_request()).await.unwrap_err();
    assert!(matches!(gone, ShopError::PaymentMethod(unfit) if unfit.field == "checkoutId"));
    assert!(place(&shop, &by(&new, customer, product)).await.is_ok());
}
