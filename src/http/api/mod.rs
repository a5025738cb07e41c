//! The REST API: the route table, its handlers, the resources they answer with, and the OpenAPI document.

pub(crate) mod docs;
pub(crate) mod extract;
pub(crate) mod idempotency;
pub(crate) mod json;
pub(crate) mod openapi;
pub(crate) mod post;
pub(crate) mod resources;
pub(crate) mod routes;
pub(crate) mod schema;
pub(crate) mod table;
