//! Handlers, a file a part of the URL space: parse, ask, map. The route table is `http::table`.

pub mod checkouts;
pub mod contexts;
pub mod customers;
pub mod deliveries;
pub mod health;
pub mod images;
mod method;
pub mod mypage;
pub mod operations;
pub mod payments;
pub mod placing;
pub mod products;
pub mod rentals;
pub mod stream;
