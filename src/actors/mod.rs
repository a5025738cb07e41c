//! The actors: who does what, in which order, and what happens when one of them fails.
//!
//! | module | is |
//! | --- | --- |
//! | [`shop`] | the front: what `http` and embedders call |
//! | [`exchange`] | the one way to every entity |
//! | [`supervisor`], [`entity`], [`batch`] | one actor an entity, and its work |
//! | [`restart`], [`guard`] | what follows a failure, and how panics are caught |
//! | [`service`] | the supervision of the actors below, which are always there |
//! | [`payments`], [`payment`] | the payment actor, and the way to it |
//! | [`reactor`], [`lane`] | policies at work: one reactor a group, 64 lanes each |
//! | [`projection`] | the host of [`mypage`], [`catalogue`], [`notification`] and [`agenda`] |
//! | [`errands`] | does what the agenda says is due |
//! | [`watchdog`] | notices what makes no progress any more |
//! | [`contexts`] | what is paused, and what is held |
//! | [`receipts`] | what requests with an `Idempotency-Key` led to |
//! | [`sources`] | time, ids and randomness |
//! | [`transit`] | how messages travel in a simulation |

pub mod checkouts;
pub mod customer_locks;
pub mod entity;
pub mod jobs;
pub mod payment;
pub mod projection;
pub mod reactor;
pub mod receipts;
pub mod sources;
pub mod supervision;
mod waiting;
