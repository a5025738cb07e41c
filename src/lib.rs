//! Saem (샘, "a spring of water"): a rental-commerce server for water purifiers.
//!
//! Commands go to actors, actors ask a pure domain to decide, decisions are committed to one journal, and
//! policies read the journal to send the next commands.
//!
//! An embedder opens a [`Shop`] over a [`Journal`], with a [`PaymentGateway`] and an [`SmsGateway`].
//! `examples/embedded.rs` is a complete program, and `docs/embedding.md` explains it.
//!
//! Features: `server` (the default) is the binary, HTTP, metrics and settings. It includes `gateway-http`:
//! payment gateways over HTTP. An embedder needs neither.

// Not in Cargo.toml: a test binary exports nothing, so there each `pub` would be unreachable.
#![warn(unreachable_pub)]

mod actors;
#[cfg(feature = "server")]
mod config;
mod domain;
mod gateways;
#[cfg(feature = "server")]
mod http;
#[doc(hidden)]
pub mod internal;
mod planted;
mod shop;
mod store;
mod telemetry;
#[cfg(feature = "server")]
mod tools;

pub use actors::{
    request::RequestContext,
    sources::{Clock, Sources},
};
pub use domain::{
    Correlation, CustomerId, DeliveryId, Event, Money, NotificationId, PaymentId, Position, ProductId,
    Recorded, RentalId, Timestamp,
    account::AccountEvent,
    address::Address,
    context::ContextEvent,
    delivery::{DeliveryEvent, DeliveryStatus},
    notice::Locale,
    payment::PaymentEvent,
    phone::Phone,
    product::{Offer, ProductEvent},
    rental::{CancelReason, RentalEvent, RentalStatus},
};
pub use gateways::{
    payment::{
        Call, ChargeKey, Charged, Found, GatewayError, Gateways, InvalidMethod, PaymentGateway,
        PaymentMethod, PriorCharge, Voided,
        ledger::Ledger,
        simulator::{Behaviour, Simulator},
    },
    sms::{LogSms, Sending, SmsError, SmsGateway, TextMessage},
};
pub use shop::{
    ActorKind, ActorTree, Brand, BreakerMode, BreakerView, CheckoutView, ContextView, CustomerView,
    DeliveryView, Done, Lag, Missed, NotificationStatus, NotificationView, Order, Page, PageRequest,
    ParkedView, PayOutcome, PaymentActorView, PaymentStatus, PaymentView, PlacedRental, Principal,
    ProductView, Purchase, RentalFilter, RentalRow, RentalView, SessionView, Shop, ShopError, ShopParts,
    ShopSettings, Watching,
};
pub use store::{
    Commit, CommitError, CommitId, Committed, Follower, Journal, Loaded, StoreError,
    memory::MemoryJournal,
    redb::{RedbJournal, RedbOptions},
    sled::{SledJournal, SledOptions},
};
