//! Saem under load: many products and customers, the calls of the load, and when it has come to rest.

use std::{error::Error, time::Duration};

use serde_json::{Value, json};

use crate::{
    calls::{OPERATOR_KEY, call, listed, order, registered, signed_up},
    clock::now,
    load::{Call, Connection, Round, Until, round},
};

/// How many products there are, where nobody wants fewer.
pub const PRODUCTS: usize = 1_000;
/// How many units of each: half of what there may be, so that there is room to restock.
const STOCK: u64 = 500_000;
/// How long reactions may take after the load.
const REST_MAX: Duration = Duration::from_secs(300);

/// A shop that has products and customers.
pub struct Market {
    /// How often is asked whether there is something left to do.
    pub poll: Duration,
    products: Vec<String>,
    /// The tokens of those who place rentals.
    placing: Vec<String>,
    /// The tokens of those who read My Page.
    reading: Vec<String>,
    address: String,
}

impl Market {
    /// Registers so many products, and signs so many customers up: those who place the load's rentals, and
    /// others who read My Page.
    pub async fn prepare(
        address: &str,
        products: usize,
        placing: usize,
        reading: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let mut connection = Connection::open(address).await?;
        let mut ids = Vec::with_capacity(products);
        for n in 0..products {
            ids.push(registered(&mut connection, &format!("purifier {n}"), STOCK).await?);
        }
        let mut tokens = signed_up(&mut connection, placing + reading).await?;
        let reading = tokens.split_off(placing);
        let (address, poll) = (address.to_owned(), Duration::from_millis(5));
        Ok(Self { poll, products: ids, placing: tokens, reading, address })
    }

    /// The server has moved.
    pub fn move_to(&mut self, address: &str) {
        address.clone_into(&mut self.address);
    }

    /// The product that a request is about, of the first so many in turn.
    fn product(&self, request: u64, products: usize) -> &str {
        &self.products[usize::try_from(request).unwrap_or_default() % products]
    }

    /// One more unit of some product.
    pub fn restock(&self, request: u64) -> Call {
        let product = self.product(request, self.products.len());
        let path = format!("/v1/products/{product}/restock");
        call("POST", path, OPERATOR_KEY, Some(json!({"quantity": 1})), 200)
    }

    /// The My Page of one of those who read it.
    pub fn my_page(&self, reader: usize) -> Call {
        call("GET", "/v1/mypage", &self.reading[reader], None, 200)
    }

    /// Gives each of those who read My Page so many rentals. Answers how many that were in all.
    pub async fn give_rows(&self, each: usize) -> Result<u64, Box<dyn Error>> {
        let readers = &self.reading;
        let rentals = (readers.len() * each) as u64;
        // In order, over one connection, so that each has as many.
        let place = |_, request: u64| {
            let reader = &readers[usize::try_from(request).unwrap_or_default() / each];
            order(self.product(request, self.products.len()), reader)
        };
        round(&self.address, 1, Until::Answered(rentals), place).await?;
        self.rests().await?;
        let mut reader = Connection::open(&self.address).await?;
        let page: Value = serde_json::from_slice(&reader.ask(&self.my_page(0)).await?)?;
        let rows = page["items"].as_array().ok_or("a list has no items")?.len();
        if rows == each { Ok(rentals) } else { Err(format!("My Page shows {rows} rows, not {each}").into()) }
    }

    /// Places rentals, and waits until the last one's unit is taken: the time for that counts, too.
    pub async fn whole_sagas(
        &self,
        connections: usize,
        until: Until,
        products: usize,
    ) -> Result<Round, Box<dyn Error>> {
        let units = self.units().await?;
        let sagas = self.sagas(connections, until, products).await?;
        let taken = units - self.units().await?;
        if taken != sagas.answers() as u64 {
            return Err(format!("{} rentals took {taken} units", sagas.answers()).into());
        }
        Ok(sagas)
    }

    /// The same, without a look at the stock before and after: nothing else is asked of the server.
    pub async fn sagas(
        &self,
        connections: usize,
        until: Until,
        products: usize,
    ) -> Result<Round, Box<dyn Error>> {
        let customers = &self.placing;
        // Where there are more connections than customers, these begin again.
        let place = |connection: usize, request| {
            order(self.product(request, products), &customers[connection % customers.len()])
        };
        let mut sagas = round(&self.address, connections, until, place).await?;
        // Opening the connections is no part of it: of many at once, those that the server's backlog has no
        // room for try again after a second.
        let began = now();
        self.rests().await?;
        sagas.elapsed += began.elapsed();
        Ok(sagas)
    }

    /// Waits until every context has handled every event there is.
    async fn rests(&self) -> Result<(), Box<dyn Error>> {
        let contexts = call("GET", "/v1/operations/contexts", OPERATOR_KEY, None, 200);
        let mut operator = Connection::open(&self.address).await?;
        let began = now();
        while began.elapsed() < REST_MAX {
            let answer: Value = serde_json::from_slice(&operator.ask(&contexts).await?)?;
            let contexts = answer["items"].as_array().ok_or("a list has no items")?;
            if contexts.iter().all(|context| context["backlog"] == 0) {
                return Ok(());
            }
            tokio::time::sleep(self.poll).await;
        }
        Err("the server does not come to rest".into())
    }

    /// How many units there are in all.
    pub async fn units(&self) -> Result<u64, Box<dyn Error>> {
        let mut anyone = Connection::open(&self.address).await?;
        let products = listed(&mut anyone, "/v1/products?available=true", "").await?;
        Ok(products.iter().filter_map(|product| product["stock"].as_u64()).sum())
    }
}
