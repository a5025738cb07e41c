//! Entities: one actor for each rental, payment, product, delivery, account and context.
//!
//! A command goes through the [`exchange::Exchange`] to the [`supervisor::Supervisor`] of an arbiter, which
//! hands it to the entity's [`actor::EntityActor`]. The actor decides its queued commands as one [`batch`],
//! which is one commit.

pub(crate) mod actor;
pub(crate) mod ask;
pub(crate) mod batch;
pub(crate) mod delay;
pub(crate) mod exchange;
pub mod reads;
pub(crate) mod supervisor;
pub(crate) mod work;
