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

pub mod api;
pub mod app;
pub mod auth;
pub mod body;
pub mod clients;
pub mod connection;
pub mod correlation;
pub mod cors;
pub mod headers;
pub mod limits;
pub mod listen;
pub mod metrics;
pub mod pages;
pub mod problem;
pub mod routing;
pub mod session;
pub mod settings;
pub mod simulator_server;
pub mod tls;

pub use self::{
    app::App,
    listen::{Draining, Listeners, RunningServer, serve},
};
