//! The HTTP contract, on a real port and a real store: sled, and where the store matters, each of them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(unreachable_pub, reason = "a test binary exports nothing")]

mod app;
mod backup;
mod breaker;
mod customers;
mod damage;
mod deliveries;
mod healing;
mod idempotency;
mod images;
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
#[path = "../support/mod.rs"]
mod support;
