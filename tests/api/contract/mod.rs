//! The running server against its own OpenAPI document: matrices generated from what is served at
//! `/openapi.json`, so that a new route, field or parameter is covered by itself.
//!
//! What cannot be generated (which state makes a call succeed) stands in `cases.rs`, one entry an
//! operation. Every answer, whatever it was asked for, is held against the document in `check.rs`.

mod bodies;
mod cases;
mod check;
mod document;
mod fields;
mod keys;
mod lists;
mod owners;
mod parameters;
mod request;
mod roles;
mod routes;
mod world;
