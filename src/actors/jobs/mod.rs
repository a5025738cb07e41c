//! Jobs: work that is due at a time, done outside of the reactors' lanes.
//!
//! The [`queue`] is a projection of the journal: payments to resolve, refunds to make, deferrals to expire.
//! The [`runner`] does the jobs that are due; the [`courier`] sends text messages.

pub(crate) mod courier;
pub(crate) mod queue;
pub(crate) mod runner;
