//! After leaving and compaction, nothing in the data directory tells who somebody was.

use std::{fs, path::Path, sync::Arc};

use saem::{
    actors::sources::Sources,
    config::Settings,
    domain::{address::Address, phone::Phone, rental::RentalStatus},
    gateways::{
        payment::{
            ledger::Ledger,
            simulator::{Behaviour, Simulator},
        },
        sms::LogSms,
    },
    shop::{NotificationStatus, Order, PageRequest, PayOutcome, Shop, ShopParts},
    store::{Backend, OpenError, StoreOptions},
};

use crate::kit::runtime::{OPERATOR_KEY, canceled, card, customer, eventually, keyed, product, rented, run};

const PAGE: PageRequest = PageRequest { cursor: None, limit: 100 };
const TYPED: &str = "019-4837-2615";
const NAME: &str = "독고탁순애";
const ADDRESS: [&str; 4] = ["제갈공명진", "98765", "해바라기로 31415", "제9274동 8163호"];

const OPTIONS: StoreOptions = StoreOptions { cache_bytes: 64 << 20, min_free_bytes: 0 };

async fn open(backend: Backend, directory: &Path) -> Arc<Shop> {
    // Its last owner may be a thread that is just ending.
    let journal = loop {
        match backend.open(directory, OPTIONS) {
            Err(OpenError::Locked(_)) => tokio::task::yield_now().await,
            opened => break opened.unwrap(),
        }
    };
    let ledger = Ledger::open(&directory.join("simulator.ledger")).unwrap();
    let gateway = Arc::new(Simulator::new(ledger, Behaviour::default(), 1));
    let parts =
        ShopParts { journal, gateways: gateway.into(), sms: Arc::new(LogSms), sources: Sources::system() };
    Shop::open(parts, Settings::default().shop(OPERATOR_KEY.to_owned())).await.unwrap()
}

/// All that tells who they are: in words, in digits, in parts.
fn personal() -> Vec<String> {
    let e164 = Phone::parse(TYPED).unwrap().as_e164().to_owned();
    let digits = TYPED.replace('-', "");
    let mut personal = vec![e164.clone(), e164[1..].to_owned(), digits, TYPED.to_owned(), NAME.to_owned()];
    personal.extend(ADDRESS.map(ToOwned::to_owned));
    personal.extend(["해바라기로", "31415"].map(ToOwned::to_owned));
    personal
}

/// Which of these stand in some file below a directory.
fn found(directory: &Path, texts: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(self::found(&path, texts));
        } else {
            let bytes = fs::read(&path).unwrap();
            let holds = |text: &&String| bytes.windows(text.len()).any(|part| part == text.as_bytes());
            found.extend(texts.iter().filter(holds).cloned());
        }
    }
    found.sort();
    found.dedup();
    found
}

#[test]
fn nothing_in_the_data_directory_tells_who_has_left() {
    Backend::ALL.into_iter().for_each(nothing_tells_who_has_left);
}

fn nothing_tells_who_has_left(backend: Backend) {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let [recipient, postal_code, line1, line2] = ADDRESS.map(ToOwned::to_owned);
    let address = Address { recipient, postal_code, line1, line2: Some(line2) };
    run(async {
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
        eventually("messages are sent", || async {
            let messages = shop.notifications(Some(who), &PAGE).await.unwrap().items;
            let sent = messages.iter().all(|message| message.status == NotificationStatus::Sent);
            (messages.len() == 5 && sent).then_some(())
        })
        .await;
        // That it can be found shows that it would be.
        let there = found(directory, &personal());
        for part in [NAME, &phone.as_e164()[1..], ADDRESS[0], ADDRESS[1], ADDRESS[2], ADDRESS[3]] {
            assert!(there.iter().any(|text| text == part), "{part} is not there while they are");
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
    });
    assert_eq!(found(directory, &[NAME.to_owned()]), [""; 0]);
}
