//! The shop under load: many products and customers, the calls of the load, and waiting until the server is
//! idle.

use std::{error::Error, time::Duration};

use serde_json::{Value, json};

use crate::{
    calls::{OPERATOR_KEY, call, listed, order, registered, signed_up},
    clock::now,
    load::{Call, Connection, Round, Until, round},
};

/// Default number of products.
pub const PRODUCTS: usize = 1_000;
/// Units of each product: half of the maximum, so that there is room to restock.
const STOCK: u64 = 500_000;
/// Time limit for reactions after the load.
const REST_MAX: Duration = Duration::from_secs(300);

pub struct Market {
    /// Interval between checks for unfinished work.
    pub poll: Duration,
    products: Vec<String>,
    /// Tokens of the customers who place rentals.
    placing: Vec<String>,
    /// Tokens of the customers who read My Page.
    reading: Vec<String>,
    address: String,
}

impl Market {
    /// Registers `products` products and signs up customers: `placing` who place rentals and `reading` who
    /// read My Page.
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

    /// Sets the address of a restarted server.
    pub fn move_to(&mut self, address: &str) {
        address.clone_into(&mut self.address);
    }

    /// The product of a request: each of the first `products` in turn.
    fn product(&self, request: u64, products: usize) -> &str {
        &self.products[usize::try_from(request).unwrap_or_default() % products]
    }

    /// The call that adds one unit to a product.
    pub fn restock(&self, request: u64) -> Call {
        let product = self.product(request, self.products.len());
        let path = format!("/v1/products/{product}/restock");
        call("POST", path, OPERATOR_KEY, Some(json!({"quantity": 1})), 200)
    }

    /// The call that reads the My Page of a reader.
    pub fn my_page(&self, reader: usize) -> Call {
        call("GET", "/v1/mypage", &self.reading[reader], None, 200)
    }

    /// Places `each` rentals for every reader of My Page. Returns their total.
    pub async fn give_rows(&self, each: usize) -> Result<u64, Box<dyn Error>> {
        let readers = &self.reading;
        let rentals = (readers.len() * each) as u64;
        // One connection, so that the requests come in order and each reader gets the same number.
        let place = |_, request: u64| {
            let reader = &readers[usize::try_from(request).unwrap_or_default() / each];
            order(self.product(request, self.products.len()), reader)
        };
        round(&self.address, 1, Until::Answered(rentals), place).await?;
        self.wait_until_idle().await?;
        let mut reader = Connection::open(&self.address).await?;
        let page: Value = serde_json::from_slice(&reader.ask(&self.my_page(0)).await?)?;
        let rows = page["items"].as_array().ok_or("a list has no items")?.len();
        if rows == each { Ok(rentals) } else { Err(format!("My Page shows {rows} rows, not {each}").into()) }
    }

    /// Places rentals and waits until the last unit is taken from stock, which is part of the measured time.
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

    /// Like [`whole_sagas`](Self::whole_sagas), but does not read the stock before and after.
    pub async fn sagas(
        &self,
        connections: usize,
        until: Until,
        products: usize,
    ) -> Result<Round, Box<dyn Error>> {
        let customers = &self.placing;
        // With more connections than customers, several connections share a customer.
        let place = |connection: usize, request| {
            order(self.product(request, products), &customers[connection % customers.len()])
        };
        let mut sagas = round(&self.address, connections, until, place).await?;
        // The time for opening connections is not counted: those that exceed the server's backlog are retried
        // after a second.
        let began = now();
        self.wait_until_idle().await?;
        sagas.elapsed += began.elapsed();
        Ok(sagas)
    }

    /// Waits until every context has handled all events.
    async fn wait_until_idle(&self) -> Result<(), Box<dyn Error>> {
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
        Err("the server does not become idle".into())
    }

    /// Total stock of all products.
    pub async fn units(&self) -> Result<u64, Box<dyn Error>> {
        let mut anyone = Connection::open(&self.address).await?;
        let products = listed(&mut anyone, "/v1/products?available=true", "").await?;
        Ok(products.iter().filter_map(|product| product["stock"].as_u64()).sum())
    }
}
