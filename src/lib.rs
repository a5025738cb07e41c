//! Saem.

pub mod actors;
pub mod domain;
pub mod gateways;
pub mod store;
