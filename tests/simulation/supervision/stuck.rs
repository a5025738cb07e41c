//! What waits for ever has not failed: nothing restarts it, and the process says that it is not alive.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use saem::{
    actors::sources::Sources,
    domain::{Money, address::Address, phone::Phone, product::Offer, rental::CancelReason},
    gateways::{
        payment::{
            PaymentMethod,
            ledger::Ledger,
            simulator::{Behaviour, Simulator},
        },
        sms::LogSms,
    },
    shop::{Order, PayOutcome, Shop, ShopParts, ShopSettings},
    store::memory::MemoryJournal,
};

use super::unreliable::Unreliable;

#[test]
fn a_reactor_that_waits_for_what_never_comes_is_stuck_though_its_timers_tick() {
    actix_rt::System::new().block_on(async {
        let journal = Arc::new(Unreliable::over(MemoryJournal::new()));
        let gateway = Simulator::new(Ledger::in_memory(), Behaviour::default(), 1);
        let parts = ShopParts {
            journal: journal.clone(),
            gateways: Arc::new(gateway).into(),
            sms: Arc::new(LogSms),
            sources: Sources::system(),
        };
        let plain = ShopSettings::new("operator-key-of-at-least-32-characters");
        let settings = ShopSettings { stuck_after_ms: 1_000, ask_timeout_ms: 500, ..plain };
        let shop = Shop::open(parts, settings).await.unwrap();
        let rental = rented(&shop).await;
        // A unit is put back only where the rental's timeline says that one was taken.
        journal.timelines_hang.store(true, Ordering::Relaxed);
        shop.cancel_rental(rental, CancelReason::Customer, shop.new_request()).await.unwrap();
        let noticed = async {
            while shop.alive() != Err("reactor product".to_owned()) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), noticed).await.expect("it is noticed");
        shop.close().await;
    });
}

async fn rented(shop: &Arc<Shop>) -> saem::domain::RentalId {
    let (name, model) = ("맑은샘 정수기".to_owned(), "MS-100".to_owned());
    let offer = Offer { name, model, description: String::new(), fee: Money::won(29_900) };
    let product = shop.register_product(offer, 1, shop.new_request()).await.unwrap().value;
    let phone = Phone::parse("010-1234-5678").unwrap();
    let customer = shop
        .sign_up("홍길동".to_owned(), phone, "password".to_owned(), shop.new_request())
        .await
        .unwrap()
        .value;
    let address = Address {
        recipient: "홍길동".to_owned(),
        postal_code: "04524".to_owned(),
        line1: "세종대로 110".to_owned(),
        line2: None,
    };
    let method = PaymentMethod::Card { token: "tok_ok".to_owned() };
    let (customer_id, product_id) = (customer.id, product.id);
    let order = Order { customer_id, product_id, address, method, expected_fee: None };
    let placed = shop.place_rental(order, shop.new_request()).await.unwrap();
    assert_eq!(placed.outcome, PayOutcome::Confirmed);
    placed.rental.id
}
