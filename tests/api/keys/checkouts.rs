//! How long a checkout is good for, and how long it is kept.

use std::sync::Arc;

use saem::{
    domain::{CustomerId, ProductId},
    gateways::payment::{
        Gateways, PaymentMethod,
        http::{base_url, client},
        toss::TossGateway,
    },
    shop::{CheckoutView, Order, PayOutcome, Placed, Purchase, Shop, ShopError},
};

use crate::kit::runtime::{HOUR_MS, Works, customer, eventually, keyed, order, product, run};

const MINUTE_MS: u64 = 60_000;

/// Toss Payments, which is away: nothing of this is for it to say.
fn toss() -> Gateways {
    let away = base_url("http://127.0.0.1:9").unwrap();
    Gateways::from(Arc::new(TossGateway::new(client().unwrap(), away, "test_sk".to_owned())))
}

fn by(checkout: &CheckoutView, customer: CustomerId, product: ProductId) -> Order {
    let method = PaymentMethod::Toss { payment_key: "tgen_1".to_owned(), checkout_id: checkout.id };
    Order { method, ..order(customer, product, "") }
}

async fn place(shop: &Shop, order: &Order) -> Result<Placed, ShopError> {
    shop.place_rental(order.clone(), shop.new_request()).await
}

#[test]
fn a_checkout_is_good_for_half_an_hour_and_what_it_led_to_is_said_for_longer() {
    run(async {
        let works = Works::new();
        let shop = works.open_with(toss()).await;
        let (customer, product) = (customer(&shop).await, product(&shop, 9).await);
        let unused = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
        let used = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
        works.put_forward(29 * MINUTE_MS);
        let first = place(&shop, &by(&used, customer, product)).await.unwrap();
        assert!(matches!(first.outcome, PayOutcome::Deferred { .. }), "its gateway is away");
        assert_eq!(first.rental.id.payment(), used.payment);
        let later = shop.check_out(customer, Purchase::Rental(first.rental.id)).await.unwrap();
        assert_eq!((later.payment, later.order.attempt), (used.payment, 2));
        works.put_forward(MINUTE_MS);
        assert_eq!(
            place(&shop, &by(&unused, customer, product)).await.unwrap_err(),
            ShopError::CheckoutExpired
        );
        let again = place(&shop, &by(&used, customer, product)).await.unwrap();
        assert!(again.replayed && again.rental.id == first.rental.id);
        works.put_forward(29 * MINUTE_MS);
        let method = by(&later, customer, product).method;
        let late = shop.pay_rental(first.rental.id, method, shop.new_request()).await;
        assert_eq!(late.unwrap_err(), ShopError::CheckoutExpired);
    });
}

#[test]
fn a_checkout_is_swept_a_day_after_it_expired_and_its_keys_are_still_known() {
    run(async {
        let mut works = Works::new();
        let shop = works.open_with(toss()).await;
        let (customer, product) = (customer(&shop).await, product(&shop, 9).await);
        let old = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
        let order = by(&old, customer, product);
        shop.place_rental(order.clone(), keyed(&shop, "a", 1)).await.unwrap();
        works.put_forward(24 * HOUR_MS);
        let again = shop.place_rental(order.clone(), keyed(&shop, "a", 1)).await.unwrap();
        assert!(again.replayed, "a day later it is said again");
        works.put_forward(HOUR_MS);
        let new = shop.check_out(customer, Purchase::Product(product)).await.unwrap();
        works.journal = works.journal.crash();
        shop.close().await;
        let shop = works.open_with(toss()).await;
        eventually("the old one is swept", || async {
            (works.vault("checkout/").await == [format!("checkout/{}", new.id)]).then_some(())
        })
        .await;
        let gone = shop.place_rental(order, shop.new_request()).await.unwrap_err();
        assert!(matches!(gone, ShopError::PaymentMethod(unfit) if unfit.field == "checkoutId"));
        assert!(place(&shop, &by(&new, customer, product)).await.is_ok());
    });
}
