//! Supervision: restarts after failures, and a watchdog for parts that hang.

pub(crate) mod guard;
pub(crate) mod restart;
pub(crate) mod service;
pub(crate) mod watchdog;
