//! The actors: who does what, in which order, and what happens when one of them fails.
//!
//! | module | is |
//! | --- | --- |
//! | [`entity`] | one actor for each rental, payment, product, delivery and account; the way to them |
//! | [`payment`] | the payment actor, which alone calls the payment gateway |
//! | [`reactor`] | policies at work: one reactor for each group of contexts, 64 lanes each |
//! | [`projection`] | My Page, the catalogue and messages, folded from the journal |
//! | [`jobs`] | work that is due at a time, and the courier that sends messages |
//! | [`supervision`] | restarts after failures, and a watchdog for what hangs |
//! | [`contexts`] | which contexts are paused, and which targets are parked |
//! | [`receipts`] | what requests with an `Idempotency-Key` led to |
//! | [`checkouts`] | payments fixed before a customer pays in a provider's window |
//! | [`sources`] | time, ids and randomness |

pub mod checkouts;
pub mod contexts;
pub mod customer_locks;
pub mod entity;
pub mod jobs;
pub mod payment;
pub(crate) mod people;
pub mod progress;
pub mod projection;
pub mod reactor;
pub mod receipts;
pub mod request;
pub mod sources;
pub mod supervision;
pub(crate) mod vault;
mod waiting;
