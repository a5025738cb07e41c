//! The handlers, by resource. Which call leads to which stands in the route table, one module up.

pub mod customers;
pub mod deliveries;
pub mod mypage;
pub mod operations;
pub mod products;
pub mod rentals;
