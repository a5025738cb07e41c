//! Saem (샘, "a spring of water"): a rental-commerce server for water purifiers.
//!
//! One sentence: commands go to actors, actors ask a pure domain to decide, decisions are committed to
//! one journal, and policies read the journal to send the next commands.
//!
//! | module | holds | knows |
//! | --- | --- | --- |
//! | [`domain`] | aggregates, events, policies: what may be decided | nothing but itself |
//! | [`store`] | the journal behind a trait; sled, redb, memory | domain |
//! | [`gateways`] | payment and SMS providers behind traits | domain |
//! | [`actors`] | who does it, in which order, and what if it fails; the shop | all above |
//! | `http` | the REST API | actors |
//! | [`telemetry`] | counters, histograms, trace contexts; spans with feature `otlp` | domain |
//! | `planted` | bugs on purpose, which tests alone can switch on | nothing |
//! | `tools` | verifying, exporting and importing a store as a whole | actors |
//! | `config` | settings, and opening a shop from them | http |
//!
//! An embedder opens a [`Shop`](actors::shop::Shop) over a journal and calls it: `examples/embedded.rs`
//! shows how, `docs/embedding.md` explains it.
//!
//! Features: `server` (the default) is HTTP, metrics, settings and the command line: the modules `http`,
//! `config` and `tools`. `gateway-http`, which it includes, are payment gateways over HTTP.
//! An embedder needs neither.

pub mod actors;
#[cfg(feature = "server")]
pub mod config;
pub mod domain;
pub mod gateways;
#[cfg(feature = "server")]
pub mod http;
#[doc(hidden)]
pub mod planted;
pub mod shop;
pub mod store;
pub mod telemetry;
#[cfg(feature = "server")]
pub mod tools;
