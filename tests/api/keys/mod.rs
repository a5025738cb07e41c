//! Requests with an `Idempotency-Key`, and customers who leave: what happens once, what is said again,
//! and what is no longer there.

mod checkouts;
mod commands;
mod expiry;
mod failing;
mod leaving;
mod paying;
mod plaintext;
mod sessions;
