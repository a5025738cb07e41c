//! Entities: one actor for each rental, payment, product, delivery and account, and the one way to reach it.
//!
//! A command goes through the [`exchange::Exchange`] to the [`supervisor::Supervisor`] of its arbiter,
//! which hands it to the entity's [`actor::EntityActor`]. The actor decides queued commands as one [`batch`]:
//! one commit.

pub mod actor;
pub mod ask;
pub mod batch;
pub mod delay;
pub mod exchange;
pub mod reads;
pub mod supervisor;
pub mod work;
