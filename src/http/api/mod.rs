//! The REST API: the route table, its handlers, the resources they answer with, and the OpenAPI document.

pub mod docs;
pub mod extract;
pub mod idempotency;
pub mod json;
pub mod openapi;
pub mod post;
pub mod resources;
pub mod routes;
pub mod schema;
pub mod table;
