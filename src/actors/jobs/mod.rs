//! Jobs: work that is due at a time, done by workers outside of the lanes.
//!
//! The [`queue`] is a projection of the journal (payments to resolve, refunds to make, deferrals to
//! expire); the [`runner`] does what is due; the [`courier`] sends text messages.

pub mod courier;
pub mod queue;
pub mod runner;
