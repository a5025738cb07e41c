//! Handlers, a file a part of the URL space: parse, ask, map. The route table is `http::table`.

pub mod contexts;
pub mod customers;
pub mod deliveries;
pub mod health;
pub mod mypage;
pub mod operations;
pub mod payments;
pub mod placing;
pub mod products;
pub mod rentals;
