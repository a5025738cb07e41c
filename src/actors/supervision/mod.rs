//! Supervision of the actors that always run: restarts after failures, and a watchdog for those that hang.

pub mod guard;
pub mod restart;
pub mod service;
pub mod watchdog;
