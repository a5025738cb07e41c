//! Saem (샘, "a spring of water"): a rental-commerce server for water purifiers.
//!
//! One sentence: commands go to actors, actors ask a pure domain to decide, decisions are committed to
//! one journal, and policies read the journal to send the next commands.
//!
//! | module | holds | knows |
//! | --- | --- | --- |
//! | [`domain`] | aggregates, events, policies: what may be decided | nothing but itself |
//! | [`store`] | the journal behind a trait; sled, memory | domain |
//! | [`gateways`] | payment and SMS providers behind traits | domain |
//! | [`actors`] | who does it, in which order, and what if it fails; the shop | all above |
//! | [`http`] | the REST API | actors |
//! | [`figures`] | counters and histograms, for whoever looks | nothing |
//! | [`config`], [`open`], [`demo`] | settings, opening a shop from them, sample products | actors |
//!
//! An embedder opens a [`Shop`](actors::shop::Shop) over a journal and calls it:
//! `examples/embedded.rs` shows how.

pub mod actors;
pub mod config;
pub mod demo;
pub mod domain;
pub mod figures;
pub mod gateways;
pub mod http;
pub mod open;
pub mod store;
