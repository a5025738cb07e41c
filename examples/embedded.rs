//! A shop without HTTP, in memory: a rental from its order to its refund.
//!
//! `cargo run --example embedded`

use std::{error::Error, sync::Arc};

use saem::{
    actors::{
        shop::{Order, Shop, ShopParts},
        sources::Sources,
    },
    config::Settings,
    domain::{Money, address::Address, phone::Phone, product::Offer, rental::CancelReason},
    gateways::{
        PaymentMethod,
        ledger::Ledger,
        simulator::{Behaviour, Simulator},
        sms::LogSms,
    },
    store::{Journal, memory::MemoryJournal},
};

fn main() -> Result<(), Box<dyn Error>> {
    actix_rt::System::new().block_on(rent())
}

async fn rent() -> Result<(), Box<dyn Error>> {
    let journal = MemoryJournal::new();
    let parts = ShopParts {
        journal: journal.clone(),
        gateways: Arc::new(Simulator::new(Ledger::in_memory(), Behaviour::default(), 1)).into(),
        sms: Arc::new(LogSms),
        sources: Sources::system(),
    };
    let key = "an operator's key has 32 characters or more".to_owned();
    let shop = Shop::open(parts, Settings::default().shop(key)).await?;

    let offer = Offer {
        name: "맑은샘 정수기".to_owned(),
        model: "MS-100".to_owned(),
        description: String::new(),
        fee: Money::won(29_900),
    };
    let product = shop.register_product(offer, 10, shop.because()).await?.value;
    let phone = Phone::parse("010-1234-5678")?;
    let signed_up = shop.sign_up("홍길동".to_owned(), phone, "correct horse".to_owned(), shop.because());
    let order = Order {
        customer_id: signed_up.await?.value.id,
        product_id: product.id,
        address: Address {
            recipient: "홍길동".to_owned(),
            postal_code: "04524".to_owned(),
            line1: "서울 중구 세종대로 110".to_owned(),
            line2: None,
        },
        method: PaymentMethod::Card { token: "tok_ok".to_owned() },
        expected_fee: None,
    };
    let rental = shop.place_rental(order, shop.because()).await?.rental;
    println!("{} is {:?}", rental.id, rental.rental.status);
    shop.cancel_rental(rental.id, CancelReason::Customer, shop.because()).await?;

    // Everything else follows by itself: the journal tells when.
    let mut head = journal.head();
    while shop.timeline(rental.id).await?.last().is_none_or(|last| last.event.name() != "ProductIncreased") {
        head.changed().await?;
    }
    for recorded in shop.timeline(rental.id).await? {
        println!("{:>3} {}", recorded.position.0, recorded.event.name());
    }
    shop.close().await;
    Ok(())
}
