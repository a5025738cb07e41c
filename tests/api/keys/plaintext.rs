//! After a customer has left and the store was compacted, no file identifies them.

use std::{path::Path, sync::Arc};

use saem::{
    Address, Backend, Behaviour, Ledger, NotificationStatus, OpenError, Order, PayOutcome, Phone,
    RentalStatus, Shop, Simulator,
    internal::{config::Settings, store::StoreOptions},
};

use crate::kit::{
    contains, files,
    runtime::{OPERATOR_KEY, PAGE, canceled, card, customer, keyed, open_on, product, rented},
    until,
};

const TYPED: &str = "019-4837-2615";
const NAME: &str = "독고탁순애";
const ADDRESS: [&str; 4] = ["제갈공명진", "98765", "해바라기로 31415", "제9274동 8163호"];

const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 64 << 20, min_free_bytes: 0 };

async fn open(backend: Backend, directory: &Path) -> Arc<Shop> {
    // A thread of the last owner may still be ending.
    let journal = loop {
        match backend.open(directory, OPTIONS) {
            Err(OpenError::Locked(_)) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    let ledger = Ledger::open(&directory.join("simulator.ledger")).unwrap();
    let gateway = Simulator::new(ledger, Behaviour::default(), 1);
    open_on(journal, gateway, Settings::default().shop(OPERATOR_KEY.to_owned())).await
}

/// Everything that identifies the customer: words, digits and parts of them.
fn personal() -> Vec<String> {
    let e164 = Phone::parse(TYPED).unwrap().as_e164().to_owned();
    let digits = TYPED.replace('-', "");
    let mut personal = vec![e164.clone(), e164[1..].to_owned(), digits, TYPED.to_owned(), NAME.to_owned()];
    personal.extend(ADDRESS.map(ToOwned::to_owned));
    personal.extend(["해바라기로", "31415"].map(ToOwned::to_owned));
    personal
}

/// The texts that are in some file below a directory.
fn found(directory: &Path, texts: &[String]) -> Vec<String> {
    let bytes = files(directory);
    texts.iter().filter(|text| contains(&bytes, text)).cloned().collect()
}

#[actix::test]
async fn no_file_identifies_a_customer_who_left() {
    for backend in Backend::ALL {
        no_file_identifies_who_left(backend).await;
    }
}

async fn no_file_identifies_who_left(backend: Backend) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let [recipient, postal_code, line1, line2] = ADDRESS.map(ToOwned::to_owned);
    let address = Address { recipient, postal_code, line1, line2: Some(line2) };
    let shop = open(backend, directory).await;
    let what = product(&shop, 9).await;
    let phone = Phone::parse(TYPED).unwrap();
    let (name, password) = (NAME.to_owned(), "password".to_owned());
    let who = shop.sign_up(name, phone.clone(), password.clone(), keyed(&shop, "up", 1)).await.unwrap();
    let who = who.value.id;
    let session = shop.log_in(phone.clone(), password.clone(), None).await.unwrap();
    let (method, expected_fee) = (card("tok_ok"), None);
    let order = Order { customer_id: who, product_id: what, address, method, expected_fee };
    let placed = shop.place_rental(order, keyed(&shop, "place", 1)).await.unwrap();
    assert_eq!(placed.outcome, PayOutcome::Confirmed);
    canceled(&shop, &placed).await;
    let other = customer(&shop).await;
    let kept = rented(&shop, other, what).await;
    until("messages are sent", || async {
        let messages = shop.notifications(Some(who), &PAGE).await.unwrap().items;
        let sent = messages.iter().all(|message| message.status == NotificationStatus::Sent);
        messages.len() == 5 && sent
    })
    .await;
    // The search finds what is there.
    let there = found(directory, &personal());
    for part in [NAME, &phone.as_e164()[1..], ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3]] {
        assert!(there.iter().any(|text| text == part), "{part} is not found before the customer leaves");
    }
    shop.leave(who, shop.new_request()).await.unwrap();
    shop.close().await;
    drop(shop);
    let compacted = loop {
        match backend.compact(directory, OPTIONS) {
            Err(OpenError::Locked(_)) => tokio::task::yield_now().await,
            compacted => break compacted.unwrap(),
        }
    };
    assert!(compacted.bytes_after > 0);
    assert_eq!(found(directory, &personal()), [""; 0]);

    let shop = open(backend, directory).await;
    assert!(shop.authenticate(&session.token).is_none());
    let rental = shop.rental(placed.rental.id).await.unwrap();
    assert!(rental.address.is_none() && rental.rental.status == RentalStatus::Canceled);
    assert!(shop.rental(kept.rental.id).await.unwrap().address.is_some());
    assert!(shop.customer(other).await.is_ok());
    assert_eq!(shop.notifications(Some(who), &PAGE).await.unwrap().items.len(), 5);
    assert_eq!(shop.product(what).unwrap().stock, 8);
    assert_eq!(shop.ledger().unwrap().len(), 2);
    let anew = shop.sign_up("새이름".to_owned(), phone, password, shop.new_request()).await.unwrap();
    assert_ne!(anew.value.id, who);
    shop.close().await;
    assert_eq!(found(directory, &[NAME.to_owned()]), [""; 0]);
}
