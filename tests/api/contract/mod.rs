//! The server against its OpenAPI document: the tests are generated from `/openapi.json`, so that they cover
//! each new route, field and parameter.
//!
//! What cannot be generated (the state in which a call succeeds) is in `cases.rs`, one entry for each
//! operation. `check.rs` checks every answer against the document.

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
