//! Saem under load: its products and customers, the calls of the load, and when it has come to rest.

use std::{error::Error, time::Duration};

use serde_json::{Value, json};

use crate::{
    calls::{OPERATOR_KEY, call, listed, order, registered, signed_up},
    load::{Call, Connection},
};

/// How many products there are.
pub const PRODUCTS: usize = 1_000;
/// How many units of each: half of what there may be, so that there is room to restock.
const STOCK: u64 = 500_000;
/// How often is asked whether there is something left to do.
const POLL: Duration = Duration::from_millis(5);

/// A shop that has products and customers.
pub struct Shop {
    products: Vec<String>,
    tokens: Vec<String>,
    address: String,
}

impl Shop {
    /// Registers products, and signs so many customers up.
    pub async fn prepare(address: &str, customers: usize) -> Result<Self, Box<dyn Error>> {
        let mut connection = Connection::open(address).await?;
        let mut products = Vec::with_capacity(PRODUCTS);
        for n in 0..PRODUCTS {
            products.push(registered(&mut connection, &format!("purifier {n}"), STOCK).await?);
        }
        let tokens = signed_up(&mut connection, customers).await?;
        Ok(Self { products, tokens, address: address.to_owned() })
    }

    /// A rental of a customer, over the first so many products in turn.
    pub fn place(&self, customer: usize, request: u64, products: usize) -> Call {
        let product = &self.products[usize::try_from(request).unwrap_or_default() % products];
        order(product, &self.tokens[customer])
    }

    /// One more unit of some product.
    pub fn restock(&self, request: u64) -> Call {
        let product = &self.products[usize::try_from(request).unwrap_or_default() % PRODUCTS];
        let path = format!("/v1/products/{product}/restock");
        call("POST", path, OPERATOR_KEY, Some(json!({"quantity": 1})), 200)
    }

    /// A customer's My Page.
    pub fn my_page(&self, customer: usize) -> Call {
        call("GET", "/v1/mypage", &self.tokens[customer], None, 200)
    }

    /// How many rows a customer's My Page shows.
    pub async fn rows(&self, customer: usize) -> Result<usize, Box<dyn Error>> {
        let mut reader = Connection::open(&self.address).await?;
        let page: Value = serde_json::from_slice(&reader.ask(&self.my_page(customer)).await?)?;
        Ok(page["items"].as_array().ok_or("a list has no items")?.len())
    }

    /// Waits until every context has handled every event there is.
    pub async fn rests(&self) -> Result<(), Box<dyn Error>> {
        let contexts = call("GET", "/v1/operations/contexts", OPERATOR_KEY, None, 200);
        let mut operator = Connection::open(&self.address).await?;
        loop {
            let answer: Value = serde_json::from_slice(&operator.ask(&contexts).await?)?;
            let contexts = answer["items"].as_array().ok_or("a list has no items")?;
            if contexts.iter().all(|context| context["backlog"] == 0) {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// How many units there are in all.
    pub async fn units(&self) -> Result<u64, Box<dyn Error>> {
        let mut anyone = Connection::open(&self.address).await?;
        let products = listed(&mut anyone, "/v1/products?available=true", "").await?;
        Ok(products.iter().filter_map(|product| product["stock"].as_u64()).sum())
    }
}
