//! Supervision: restarts after failures, and a watchdog for parts that hang.

pub mod guard;
pub mod restart;
pub mod service;
pub mod watchdog;
