//! Idempotency keys of every command, and customers who leave, on the shop without HTTP.

mod checkouts;
mod commands;
mod expiry;
mod failing;
mod leaving;
mod paying;
mod plaintext;
mod sessions;
