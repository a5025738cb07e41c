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
    entity::{
        ask::AskError,
        supervisor::{EntityStatus, EvictionPolicy, KindStatus},
    },
    payment::{
        PaymentRules,
        admission::AdmissionBounds,
        breaker::{BreakerRules, BreakerSpan, BreakerState, Tally},
    },
    request::{RequestContext, RequestKey},
    sources::{Clock, Sources},
    supervision::restart::RestartLimits,
};
pub use domain::{
    Causation, CheckoutId, Correlation, CustomerId, DeliveryId, EntityId, EntityKind, Event, Meta, Money,
    NewEvent, NotificationId, PaymentId, Position, ProductId, Recorded, Rejection, RentalId, Timestamp,
    Version,
    account::{AccountError, AccountEvent},
    address::Address,
    context::{Context, ContextError, ContextEvent, Group, Parked, ParkedKey},
    delivery::{Delivery, DeliveryError, DeliveryEvent, DeliveryStatus},
    id::InvalidId,
    image::{Image, ImageFormat},
    notice::Locale,
    payment::{PaymentError, PaymentEvent, PaymentPhase},
    phone::{InvalidPhone, Phone},
    product::{Fence, Offer, ProductError, ProductEvent},
    rental::{
        CancelReason, Deferral, PlacementOutcome, Rental, RentalError, RentalEvent, RentalStatus, Terms,
    },
};
pub use gateways::{
    payment::{
        Call, CallMetrics, ChargeKey, Charged, Found, GatewayError, Gateways, InvalidMethod, PaymentGateway,
        PaymentMethod, PriorCharge, Voided,
        ledger::{Entry, EntryStatus, KeyState, Ledger, LedgerError, LedgerScan, Operation},
        simulator::{Behaviour, Simulator},
    },
    sms::{LogSms, Sending, SmsError, SmsGateway, TextMessage},
};
pub use shop::{
    ActorKind, ActorTree, Brand, BreakerMode, BreakerView, CheckoutView, ContextView, CustomerView,
    DeliveryView, Done, Lag, MessageCounters, Missed, NotificationStatus, NotificationView, Once, Order,
    Page, PageRequest, ParkedView, PayOutcome, PaymentActorView, PaymentStatus, PaymentView, PlacedRental,
    Principal, ProductView, Purchase, RentalFilter, RentalRow, RentalView, SessionView, Shop, ShopError,
    ShopParts, ShopSettings, Watching,
};
pub use store::{
    Aside, BackUpError, BackedUp, Backend, Commit, CommitError, CommitId, Committed, Compacted, Follower,
    Journal, KnownEntity, ListedRow, Loaded, OpenError, Pending, RecordedCommit, StoreError, StoreFigures,
    VaultRow, VaultWrite, ViewRow, ViewWrite,
    images::Images,
    memory::MemoryJournal,
    redb::{RedbJournal, RedbOptions},
    sled::{SledJournal, SledOptions},
};
pub use telemetry::{
    metrics::{Counter, HistogramSnapshot},
    trace::TraceContext,
};
