//! Saem.

pub mod domain;
