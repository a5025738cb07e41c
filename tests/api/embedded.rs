//! Saem as a library: the whole saga without HTTP, on each journal.

use std::sync::Arc;

use saem::{
    CancelReason, DeliveryStatus, EntryStatus, Journal, MemoryJournal, PayOutcome, PaymentStatus,
    RedbJournal, RedbOptions, RentalFilter, RentalStatus, ShopError, SledJournal, SledOptions,
    internal::config::Settings,
};

use crate::kit::{
    eventually,
    runtime::{OPERATOR_KEY, PAGE, customer, open_on, order, phone, product, simulator},
    until,
};

async fn whole_saga(journal: Arc<dyn Journal>) {
    let settings = Settings::default().shop(OPERATOR_KEY.to_owned());
    let shop = open_on(journal, simulator(), settings).await;
    let (product, customer) = (product(&shop, 1).await, customer(&shop).await);
    let stock = || shop.product(product).unwrap().stock;
    let order = order(customer, product, "tok_ok");
    let placed = shop.place_rental(order.clone(), shop.new_request()).await.unwrap();
    assert_eq!(placed.outcome, PayOutcome::Confirmed);
    let id = placed.rental.id;
    until("the unit is taken", || async { stock() == 0 }).await;
    let sold_out = shop.place_rental(order, shop.new_request()).await;
    assert_eq!(sold_out.unwrap_err(), ShopError::OutOfStock);
    assert_eq!(shop.delivery(id.delivery()).await.unwrap().delivery.status, DeliveryStatus::Started);
    shop.cancel_rental(id, CancelReason::Customer, shop.new_request()).await.unwrap();
    until("the unit is put back", || async { stock() == 1 }).await;
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
    let row = eventually("My Page has every event", || async {
        shop.my_page_row(id).await.ok().filter(|row| row.delivery_status == Some(DeliveryStatus::Canceled))
    })
    .await;
    assert_eq!((row.rental_status, row.payment_status), (RentalStatus::Canceled, PaymentStatus::Canceled));
    let [entry] = &shop.ledger().unwrap()[..] else { panic!("one payment") };
    assert_eq!((entry.captures, entry.refunds, entry.status), (1, 1, EntryStatus::Refunded));
    let messages = eventually("five messages are sent", || async {
        let messages = shop.notifications(Some(customer), &PAGE).await.unwrap().items;
        (messages.len() == 5 && messages.iter().all(|m| m.sent_at.is_some())).then_some(messages)
    })
    .await;
    let about: Vec<_> = messages.iter().rev().map(|message| message.event.as_str()).collect();
    let expected =
        ["RentalConfirmed", "DeliveryStarted", "RentalCanceled", "PaymentCanceled", "DeliveryCanceled"];
    assert_eq!(about, expected);
    let filter = RentalFilter { status: Some(RentalStatus::Canceled), ..RentalFilter::default() };
    assert_eq!(shop.rentals(filter, &PAGE).await.unwrap().items.len(), 1);
    assert!(shop.log_in(phone(), "password".to_owned(), None).await.is_ok());
    shop.close().await;
}

#[actix::test]
async fn whole_saga_runs_on_each_journal() {
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    whole_saga(MemoryJournal::new()).await;
    whole_saga(SledJournal::open(directories[0].path(), SledOptions::default()).unwrap()).await;
    whole_saga(RedbJournal::open(directories[1].path(), RedbOptions::default()).unwrap()).await;
}
