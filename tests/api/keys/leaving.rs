//! Customers who leave: refusals, erased data, and data that stays.

use futures_util::FutureExt as _;
use saem::{
    AccountError, BreakerMode, CancelReason, Context, CustomerId, NotificationStatus, PayOutcome, Phone,
    RentalFilter, Shop, ShopError,
};

use crate::kit::{
    runtime::{PAGE, Runtime, canceled, card, customer, deferred, happens, order, phone, product, rented},
    until,
};

async fn leave(shop: &Shop, who: CustomerId) -> Result<(), ShopError> {
    shop.leave(who, shop.new_request()).await.map(|done| done.value)
}

async fn log_in(shop: &Shop) -> Result<String, ShopError> {
    Ok(shop.log_in(phone(), "password".to_owned(), None).await?.token)
}

#[actix::test]
async fn leaving_with_an_open_rental_is_refused() {
    let (_, shop) = Runtime::start().await;
    let (who, what) = (customer(&shop).await, product(&shop, 9).await);
    let token = log_in(&shop).await.unwrap();
    let open = async |n| {
        assert_eq!(leave(&shop, who).await.unwrap_err(), AccountError::OpenRentals(n).into());
        assert!(shop.authenticate(&token).is_some() && shop.customer(who).await.is_ok());
    };
    let waiting = deferred(&shop, who, what).await;
    open(1).await;
    let delivered = rented(&shop, who, what).await;
    open(2).await;
    // The rental is canceled, its payment not yet.
    shop.pause(Context::Payment, shop.new_request()).await.unwrap();
    shop.cancel_rental(waiting.rental.id, CancelReason::Customer, shop.new_request()).await.unwrap();
    open(2).await;
    shop.resume(Context::Payment, shop.new_request()).await.unwrap();
    happens(&shop, &waiting, "PaymentCanceled").await;
    open(1).await;
    let delivery = delivered.rental.id.delivery();
    shop.dispatch_delivery(delivery, None, None, shop.new_request()).await.unwrap();
    open(1).await;
    shop.complete_delivery(delivery, shop.new_request()).await.unwrap();
    leave(&shop, who).await.unwrap();
    leave(&shop, who).await.unwrap();
    assert_eq!(shop.authenticate(&token), None);
    assert_eq!(leave(&shop, CustomerId(7)).await.unwrap_err(), AccountError::NotFound.into());
}

#[actix::test]
async fn leaving_erases_personal_data_and_nothing_else() {
    let (mut runtime, shop) = Runtime::start().await;
    let (who, what) = (customer(&shop).await, product(&shop, 9).await);
    let tokens = [log_in(&shop).await.unwrap(), log_in(&shop).await.unwrap()];
    let placed = rented(&shop, who, what).await;
    canceled(&shop, &placed).await;
    let events = shop.timeline(placed.rental.id).await.unwrap().len();
    for _ in 0..6 {
        let _ = shop.log_in(phone(), "drowssap".to_owned(), None).await;
    }
    assert!(matches!(log_in(&shop).await.unwrap_err(), ShopError::TooManyTries { .. }));
    leave(&shop, who).await.unwrap();
    let mut shop = shop;
    for _ in 0..2 {
        for token in &tokens {
            assert_eq!(shop.authenticate(token), None);
        }
        assert_eq!(shop.customer(who).await.unwrap_err(), ShopError::NotFound("customer"));
        assert_eq!(log_in(&shop).await.unwrap_err(), ShopError::BadCredentials);
        let rental = shop.rental(placed.rental.id).await.unwrap();
        assert!(rental.address.is_none());
        let delivery = shop.delivery(placed.rental.id.delivery()).await.unwrap();
        assert!(delivery.address.is_none());
        let filter = RentalFilter { customer_id: Some(who), ..RentalFilter::default() };
        assert_eq!(shop.rentals(filter, &PAGE).await.unwrap().items.len(), 1);
        assert!(shop.timeline(placed.rental.id).await.unwrap().len() >= events);
        let messages = shop.notifications(None, &PAGE).await.unwrap().items;
        assert!(!messages.is_empty() && messages.iter().all(|message| message.phone.is_none()));
        assert_eq!(runtime.vault("person/").await, [""; 0]);
        assert_eq!(runtime.vault("address/").await, [""; 0]);
        assert_eq!(runtime.vault("session/").await, [""; 0]);
        shop = runtime.crash().await;
    }
    let change = shop.change_customer(who, Some("새이름".to_owned()), None, shop.new_request()).await;
    assert!(change.is_err());
    let gone = shop.place_rental(order(who, what, "tok_ok"), shop.new_request()).await;
    assert_eq!(gone.unwrap_err(), AccountError::Left.into());
    let anew = customer(&shop).await;
    assert_ne!(anew, who);
    assert!(log_in(&shop).await.is_ok());
    assert!(rented(&shop, anew, what).await.rental.address.is_some());
    until("the new customer has messages of their own", || async {
        shop.notifications(Some(anew), &PAGE).await.unwrap().items.len() == 2
    })
    .await;
}

#[actix::test]
async fn messages_to_a_customer_who_left_are_failed() {
    let (_, shop) = Runtime::start().await;
    let who = customer(&shop).await;
    shop.pause(Context::Notification, shop.new_request()).await.unwrap();
    let placed = rented(&shop, who, product(&shop, 9).await).await;
    canceled(&shop, &placed).await;
    leave(&shop, who).await.unwrap();
    shop.resume(Context::Notification, shop.new_request()).await.unwrap();
    until("no message is pending", || async {
        let messages = shop.notifications(None, &PAGE).await.unwrap().items;
        let failed = messages.iter().all(|message| message.status == NotificationStatus::Failed);
        messages.len() == 5 && failed
    })
    .await;
}

#[actix::test]
async fn leaving_erases_all_addresses_of_one_customer() {
    const RENTALS: usize = 300;
    let (runtime, shop) = Runtime::start().await;
    let (who, what) = (customer(&shop).await, product(&shop, 1_000_000).await);
    let other = Phone::parse("010-8765-4321").unwrap();
    let (name, password) = ("성춘향".to_owned(), "password".to_owned());
    let other = shop.sign_up(name, other, password, shop.new_request()).await.unwrap().value.id;
    let kept = rented(&shop, other, what).await;
    for _ in 0..RENTALS {
        let declined = shop.place_rental(order(who, what, "tok_decline"), shop.new_request()).await.unwrap();
        assert!(matches!(declined.outcome, PayOutcome::Declined { .. }));
    }
    assert_eq!(runtime.vault("address/").await.len(), RENTALS + 1);
    leave(&shop, who).await.unwrap();
    assert_eq!(runtime.vault("address/").await, [format!("address/{}", kept.rental.id)]);
    assert!(shop.customer(other).await.is_ok());
}

#[actix::test]
async fn leaving_waits_for_a_rental_being_placed() {
    let (runtime, shop) = Runtime::start_on_one_thread().await;
    let (who, what) = (customer(&shop).await, product(&shop, 9).await);
    let mut placing = Box::pin(shop.place_rental(order(who, what, "tok_ok"), shop.new_request()));
    assert!(placing.as_mut().now_or_never().is_none(), "the request is under way");
    let (placed, left) = futures_util::join!(placing, leave(&shop, who));
    let placed = placed.unwrap();
    assert_eq!(left.unwrap_err(), AccountError::OpenRentals(1).into());
    canceled(&shop, &placed).await;

    // A request during the leaving finds the customer gone.
    let mut leaving = Box::pin(leave(&shop, who));
    assert!(leaving.as_mut().now_or_never().is_none());
    let (late, entering, left) = futures_util::join!(
        shop.place_rental(order(who, what, "tok_ok"), shop.new_request()),
        log_in(&shop),
        leaving
    );
    left.unwrap();
    assert_eq!(late.unwrap_err(), AccountError::Left.into());
    assert_eq!(entering.unwrap_err(), ShopError::BadCredentials);
    assert_eq!(runtime.vault("address/").await, [""; 0]);
    assert_eq!(runtime.vault("session/").await, [""; 0]);
}

#[actix::test]
async fn unawaited_payment_prevents_leaving() {
    let (_, shop) = Runtime::start_on_one_thread().await;
    let who = customer(&shop).await;
    let placed = deferred(&shop, who, product(&shop, 9).await).await;
    shop.set_breaker(BreakerMode::Disabled);
    let mut paying = Box::pin(shop.pay_rental(placed.rental.id, card("tok_slow"), shop.new_request()));
    assert!(paying.as_mut().now_or_never().is_none());
    drop(paying);
    assert_eq!(leave(&shop, who).await.unwrap_err(), AccountError::OpenRentals(1).into());
}
