//! The actors: they send commands to the domain, commit its decisions, and recover from failures.
//!
//! | module | contents |
//! | --- | --- |
//! | [`entity`] | one actor for each rental, payment, product, delivery, account and context; the exchange |
//! | [`payment`] | the payment actor, which alone calls the payment gateways; circuit breaker, admission |
//! | [`reactor`] | policies at work: one reactor for each group of contexts, 64 lanes each |
//! | [`projection`] | My Page, the catalogue and messages, folded from the journal |
//! | [`jobs`] | job queue, job runner, and the courier that sends messages |
//! | [`supervision`] | restarts after failures, and a watchdog |
//! | [`contexts`] | paused contexts and parked targets |
//! | [`receipts`], [`request`] | idempotency keys and request contexts |
//! | [`checkouts`] | order and amount of payments in a provider's window |
//! | [`sources`] | time, ids and randomness |
//!
//! A file's `Restart` paragraph says what a restart of its actor loses and repeats.

pub(crate) mod checkouts;
pub(crate) mod contexts;
pub(crate) mod customer_locks;
pub(crate) mod entity;
pub(crate) mod jobs;
pub(crate) mod payment;
pub(crate) mod people;
pub(crate) mod progress;
pub(crate) mod projection;
pub(crate) mod reactor;
pub(crate) mod receipts;
pub(crate) mod request;
pub(crate) mod sources;
pub(crate) mod supervision;
pub(crate) mod vault;
mod waiting;
