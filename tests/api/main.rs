//! The HTTP contract, on a real port and a real sled.

mod app;
mod customers;
mod deliveries;
mod idempotency;
mod mypage;
mod operations;
mod payments;
mod problems;
mod products;
mod rentals;
mod rush;
mod saga;
