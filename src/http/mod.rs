//! HTTP: the REST API, the pages, and the server that carries both.
//!
//! | module | holds |
//! | --- | --- |
//! | `listen` | the server: listeners, middleware, graceful stop |
//! | `routing` | listeners, and what a route's row says |
//! | `app` | state that handlers share |
//! | `settings`, `tls`, `connection` | settings, certificates, timeouts of a connection |
//! | `correlation`, `limits`, `cors`, `metrics` | middleware, in the order of a response |
//! | `auth`, `session`, `clients` | roles and tokens, the pages' cookie, client addresses |
//! | `problem` | failures as RFC 9457 problems |
//! | `api` | the REST API: its route table, handlers, resources and OpenAPI document |
//! | `pages` | the pages for customers and for the operator |
//! | `simulator_server` | `saem gateway`: the payment simulator as a process of its own |

mod api;
mod app;
mod auth;
mod body;
pub(crate) mod clients;
mod connection;
mod correlation;
pub(crate) mod cors;
mod headers;
mod limits;
mod listen;
mod metrics;
mod pages;
mod problem;
mod routing;
mod session;
mod settings;
pub mod simulator_server;
mod tls;

use self::app::App;
pub(crate) use self::tls::TlsError;
pub use self::{
    api::{openapi::document as openapi_document, table::ROUTES},
    listen::{Listeners, serve},
    problem::ProblemKind,
    settings::ServerSettings,
    tls::Tls,
};
