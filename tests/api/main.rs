//! The contract of clients: the HTTP API, its document and its pages, and the shop as a library.
#![allow(unreachable_pub, reason = "a test binary exports nothing")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backup;
mod breaker;
mod contract;
mod customers;
mod damage;
mod deliveries;
mod embedded;
mod healing;
mod idempotency;
mod images;
mod keys;
#[path = "../kit/mod.rs"]
mod kit;
mod limits;
mod metrics;
mod mypage;
mod operations;
mod pages;
mod payments;
mod problems;
mod products;
mod raw;
mod rentals;
mod rush;
mod saga;
mod slow_clients;
mod stream;
