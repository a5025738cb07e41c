//! Saem as a library: the whole saga without HTTP, on each journal.

use std::{future::Future, sync::Arc, time::Duration};

use saem::{
    actors::sources::Sources,
    config::Settings,
    domain::{
        CustomerId, Money, ProductId,
        address::Address,
        delivery::DeliveryStatus,
        phone::Phone,
        product::Offer,
        rental::{CancelReason, RentalStatus},
    },
    gateways::{
        payment::{
            PaymentMethod,
            ledger::{EntryStatus, Ledger},
            simulator::{Behaviour, Simulator},
        },
        sms::LogSms,
    },
    shop::{Order, PageRequest, PayOutcome, PaymentStatus, RentalFilter, Shop, ShopError, ShopParts},
    store::{
        Journal,
        memory::MemoryJournal,
        redb::{RedbJournal, RedbOptions},
        sled::{SledJournal, SledOptions},
    },
};

const OPERATOR_KEY: &str = "operator-key-of-at-least-32-characters";

async fn open(journal: Arc<dyn Journal>) -> Arc<Shop> {
    let gateway = Simulator::new(Ledger::in_memory(), Behaviour::default(), 1);
    let parts = ShopParts {
        journal,
        gateways: Arc::new(gateway).into(),
        sms: Arc::new(LogSms),
        sources: Sources::system(),
    };
    Shop::open(parts, Settings::default().shop(OPERATOR_KEY.to_owned())).await.unwrap()
}

/// Asks again until the answer is there: what is asynchronous has no other sign.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asking).await.unwrap_or_else(|_| panic!("never: {what}"))
}

fn offer() -> Offer {
    Offer {
        name: "맑은샘 정수기".to_owned(),
        model: "MS-100".to_owned(),
        description: String::new(),
        fee: Money::won(29_900),
    }
}

fn order(customer_id: CustomerId, product_id: ProductId, token: &str) -> Order {
    Order {
        customer_id,
        product_id,
        address: Address {
            recipient: "홍길동".to_owned(),
            postal_code: "04524".to_owned(),
            line1: "세종대로 110".to_owned(),
            line2: None,
        },
        method: PaymentMethod::Card { token: token.to_owned() },
        expected_fee: None,
    }
}

async fn the_whole_saga(journal: Arc<dyn Journal>) {
    let shop = open(journal).await;
    let product = shop.register_product(offer(), 1, shop.new_request()).await.unwrap().value;
    let phone = Phone::parse("010-1234-5678").unwrap();
    let customer = shop
        .sign_up("홍길동".to_owned(), phone.clone(), "password".to_owned(), shop.new_request())
        .await
        .unwrap()
        .value;
    let placed =
        shop.place_rental(order(customer.id, product.id, "tok_ok"), shop.new_request()).await.unwrap();
    assert_eq!(placed.outcome, PayOutcome::Confirmed);
    let id = placed.rental.id;
    eventually("the stock goes down", || async { shop.product(product.id).filter(|p| p.stock == 0) }).await;
    let sold_out = shop.place_rental(order(customer.id, product.id, "tok_ok"), shop.new_request()).await;
    assert_eq!(sold_out.unwrap_err(), ShopError::OutOfStock);
    assert_eq!(shop.delivery(id.delivery()).await.unwrap().delivery.status, DeliveryStatus::Started);
    shop.cancel_rental(id, CancelReason::Customer, shop.new_request()).await.unwrap();
    eventually("the stock comes back", || async { shop.product(product.id).filter(|p| p.stock == 1) }).await;
    assert_eq!(shop.payment(id.payment()).await.unwrap().status, PaymentStatus::Canceled);
    let events: Vec<_> = shop.timeline(id).await.unwrap().iter().map(|r| r.event.name()).collect();
    assert_eq!(
        events,
        [
            "RentalPlaced",
            "PaymentApproved",
            "RentalConfirmed",
            "DeliveryStarted",
            "ProductDecreased",
            "RentalCanceled",
            "PaymentCancelRequested",
            "PaymentCanceled",
            "DeliveryCanceled",
            "ProductIncreased",
        ]
    );
    let row = eventually("My Page shows it all", || async {
        shop.my_page_row(id).await.ok().filter(|row| row.delivery_status == Some(DeliveryStatus::Canceled))
    })
    .await;
    assert_eq!((row.rental_status, row.payment_status), (RentalStatus::Canceled, PaymentStatus::Canceled));
    let [entry] = &shop.ledger().unwrap()[..] else { panic!("one payment") };
    assert_eq!((entry.captures, entry.refunds, entry.status), (1, 1, EntryStatus::Refunded));
    let page = PageRequest { cursor: None, limit: 20 };
    let messages = eventually("five messages are sent", || async {
        let messages = shop.notifications(Some(customer.id), &page).await.unwrap().items;
        (messages.len() == 5 && messages.iter().all(|m| m.sent_at.is_some())).then_some(messages)
    })
    .await;
    let about: Vec<_> = messages.iter().rev().map(|message| message.event.as_str()).collect();
    let expected =
        ["RentalConfirmed", "DeliveryStarted", "RentalCanceled", "PaymentCanceled", "DeliveryCanceled"];
    assert_eq!(about, expected);
    let filter = RentalFilter { status: Some(RentalStatus::Canceled), ..RentalFilter::default() };
    assert_eq!(shop.rentals(filter, &page).await.unwrap().items.len(), 1);
    assert!(shop.log_in(phone, "password".to_owned(), None).await.is_ok());
    shop.close().await;
}

#[test]
fn the_whole_saga_runs_in_memory() {
    actix_rt::System::new().block_on(the_whole_saga(MemoryJournal::new()));
}

#[test]
fn the_whole_saga_runs_on_sled() {
    let directory = tempfile::tempdir().unwrap();
    actix_rt::System::new().block_on(async {
        the_whole_saga(SledJournal::open(directory.path(), SledOptions::default()).unwrap()).await;
    });
}

#[test]
fn the_whole_saga_runs_on_redb() {
    let directory = tempfile::tempdir().unwrap();
    actix_rt::System::new().block_on(async {
        the_whole_saga(RedbJournal::open(directory.path(), RedbOptions::default()).unwrap()).await;
    });
}
