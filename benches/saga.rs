//! Rentals a second, from order to confirmation, by 64 customers at once: on each journal, beside what
//! the disk alone can do.
//!
//! `cargo bench --bench saga` (or `-- 5000` for so many rentals). Machines differ, and differ from
//! minute to minute: compare ratios within one run, never figures of different ones.

use std::{error::Error, fs::File, io::Write as _, sync::Arc, time::Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use saem::{
    actors::{
        shop::{Order, PayOutcome, Shop, ShopParts},
        sources::Sources,
    },
    config::Settings,
    domain::{CustomerId, Money, ProductId, address::Address, phone::Phone, product::Offer},
    gateways::{
        PaymentMethod,
        ledger::Ledger,
        simulator::{Behaviour, Simulator},
        sms::LogSms,
    },
    store::{
        Journal,
        memory::MemoryJournal,
        sled::{SledJournal, SledOptions},
    },
};

const CUSTOMERS: usize = 64;
const PRODUCTS: usize = 10;
const RENTALS: usize = 20_000;
const SYNCS: u32 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let rentals = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(RENTALS);
    let directory = tempfile::tempdir()?;
    let syncs = syncs_per_second(directory.path())?;
    println!("raw fdatasync of 4 KiB        {syncs:>9.0} /s");
    let system = actix_rt::System::new();
    let memory = system.block_on(rentals_per_second(MemoryJournal::new(), rentals))?;
    println!("rentals confirmed, memory     {memory:>9.0} /s");
    let sled = SledJournal::open(&directory.path().join("store"), SledOptions::default())?;
    let sled = system.block_on(rentals_per_second(sled, rentals))?;
    println!("rentals confirmed, sled       {sled:>9.0} /s");
    println!("sled / memory                 {:>9.2}", sled / memory);
    println!("rentals a raw fdatasync       {:>9.2}", sled / syncs);
    Ok(())
}

/// What the disk alone can do.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn syncs_per_second(directory: &std::path::Path) -> std::io::Result<f64> {
    let mut file = File::create(directory.join("raw"))?;
    let began = Instant::now();
    for _ in 0..SYNCS {
        file.write_all(&[0; 4_096])?;
        file.sync_data()?;
    }
    Ok(f64::from(SYNCS) / began.elapsed().as_secs_f64())
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
async fn rentals_per_second(journal: Arc<dyn Journal>, rentals: usize) -> Result<f64, Box<dyn Error>> {
    let parts = ShopParts {
        journal,
        gateway: Arc::new(Simulator::new(Ledger::in_memory(), Behaviour::default(), 1)),
        sms: Arc::new(LogSms),
        sources: Sources::system(),
    };
    let key = "an operator's key has 32 characters or more".to_owned();
    let shop = Shop::open(parts, Settings::default().shop(key)).await?;
    let products = products(&shop).await?;
    let customers = customers(&shop).await?;
    let began = Instant::now();
    stream::iter(0..rentals)
        .map(|n| {
            let placed =
                shop.place_rental(order(customers[n % CUSTOMERS], products[n % PRODUCTS]), shop.because());
            async move { placed.await.map(|placed| assert_eq!(placed.outcome, PayOutcome::Confirmed)) }
        })
        .buffer_unordered(CUSTOMERS)
        .try_collect::<Vec<()>>()
        .await?;
    let per_second = rentals as f64 / began.elapsed().as_secs_f64();
    shop.close().await;
    Ok(per_second)
}

async fn products(shop: &Shop) -> Result<Vec<ProductId>, Box<dyn Error>> {
    let mut products = Vec::new();
    for n in 0..PRODUCTS {
        let offer = Offer {
            name: format!("purifier {n}"),
            model: "B-1".to_owned(),
            description: String::new(),
            fee: Money::won(29_900),
        };
        products.push(shop.register_product(offer, 1_000_000, shop.because()).await?.value.id);
    }
    Ok(products)
}

async fn customers(shop: &Shop) -> Result<Vec<CustomerId>, Box<dyn Error>> {
    let mut customers = Vec::new();
    for n in 0..CUSTOMERS {
        let phone = Phone::parse(&format!("010-1234-{n:04}"))?;
        let signed_up = shop.sign_up(format!("customer {n}"), phone, "password".to_owned(), shop.because());
        customers.push(signed_up.await?.value.id);
    }
    Ok(customers)
}

fn order(customer_id: CustomerId, product_id: ProductId) -> Order {
    Order {
        customer_id,
        product_id,
        address: Address {
            recipient: "customer".to_owned(),
            postal_code: "04524".to_owned(),
            line1: "Sejong-daero 110".to_owned(),
            line2: None,
        },
        method: PaymentMethod::Card { token: "tok_ok".to_owned() },
        expected_fee: None,
    }
}
