//! The shop: everything that `http` and embedders call.
//!
//! [`open`](Shop::open) starts the actors; the other files add methods to [`Shop`], one file for each area:
//!
//! | file | holds |
//! | --- | --- |
//! | `open` | starting the actors, closing, waiting for projections |
//! | `rentals`, `paying`, `checkouts` | placing, paying and canceling rentals |
//! | `deliveries` | payments and deliveries; dispatch and completion |
//! | `products` | the catalogue, images |
//! | `customers`, `accounts`, `leaving`, `lockout` | sign-up, log-in, sessions, erasure |
//! | `live` | My Page, read and watched |
//! | `brand` | name, slogan and SMS prefix |
//! | `operations`, `metrics`, `watched` | the operator's view, metrics, the watchdog's view |
//! | `requests`, `secrets` | idempotency keys |
//! | `error`, `views`, `settings` | errors, values returned, settings |

mod accounts;
mod brand;
mod checkouts;
mod customers;
mod deliveries;
pub(crate) mod error;
mod leaving;
mod live;
mod lockout;
mod metrics;
mod open;
mod operations;
mod paying;
mod products;
mod rentals;
mod requests;
mod secrets;
mod settings;
pub(crate) mod views;
mod watched;

use std::{
    future::Future,
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use actix::Arbiter;

use self::{accounts::Accounts, error::Result, open::Progresses};
pub use self::{
    brand::Brand,
    checkouts::{CheckoutView, Purchase},
    error::ShopError,
    live::{Missed, Watching},
    metrics::Lag,
    open::ShopParts,
    operations::{ActorKind, ActorTree, ContextView, ParkedView},
    settings::ShopSettings,
    views::*,
};
pub use crate::actors::{
    jobs::courier::MessageCounters,
    payment::{
        breaker::{BreakerMode, BreakerView},
        handle::PaymentActorView,
    },
};
use crate::{
    actors::{
        checkouts::Checkouts,
        contexts::Contexts,
        customer_locks::CustomerLocks,
        entity::exchange::Exchange,
        jobs::queue::JobQueue,
        payment::handle::Payments,
        projection::{catalogue::Catalogue, live::Live},
        receipts::Receipts,
        request::RequestContext,
        sources::Sources,
        supervision::{
            service::Services,
            watchdog::{Pulse, Watchdog},
        },
    },
    domain::{Position, Timestamp, context::Context},
    gateways::payment::Gateways,
    store::Journal,
    telemetry::trace::TraceContext,
};

/// Maximum wait for a projection to reach a position; after it, the reader gets older data.
const PATIENCE: Duration = Duration::from_secs(1);

/// An open shop.
pub struct Shop {
    settings: ShopSettings,
    journal: Arc<dyn Journal>,
    gateways: Gateways,
    sources: Sources,
    exchange: Exchange,
    contexts: Arc<Contexts>,
    payments: Arc<Payments>,
    services: Services,
    accounts: Accounts,
    receipts: Arc<Receipts>,
    checkouts: Arc<Checkouts>,
    customer_locks: Arc<CustomerLocks>,
    catalogue: Catalogue,
    job_queue: JobQueue,
    live: Live,
    progress: Progresses,
    runner_pulse: Arc<Pulse>,
    messages: Arc<MessageCounters>,
    arbiters: Vec<Arbiter>,
    /// Senders that arbiters hung by an injected fault wait for. Dropped when the shop closes.
    hung: Mutex<Vec<mpsc::Sender<()>>>,
    watchdog: Watchdog,
}

impl Shop {
    /// Returns whether the store takes commands.
    ///
    /// # Errors
    /// The reason why it does not.
    pub fn ready(&self) -> Result<(), String> {
        self.journal.health()
    }

    /// Returns whether all watched components make progress. If one does not, only a new process helps.
    ///
    /// # Errors
    /// Names of the components that are stuck, separated by commas.
    pub fn alive(&self) -> Result<(), String> {
        let mut stuck = self.watchdog.stuck();
        if self.journal.is_poisoned() {
            stuck.push("the store takes no more commits".to_owned());
        }
        if stuck.is_empty() { Ok(()) } else { Err(stuck.join(", ")) }
    }

    /// Returns the position of the newest event.
    #[must_use]
    pub fn head(&self) -> Position {
        *self.journal.head().borrow()
    }

    /// Returns the current time of the shop's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.sources.now()
    }

    /// Returns the context of a request that brings none: a new correlation id, no idempotency key.
    #[must_use]
    pub fn new_request(&self) -> RequestContext {
        RequestContext::new(TraceContext::root(self.sources.correlation()))
    }

    fn not_paused(&self, context: Context) -> Result<()> {
        if self.contexts.paused(context) { Err(ShopError::ContextPaused(context)) } else { Ok(()) }
    }

    async fn within_patience(&self, wait: impl Future<Output = ()>) {
        let _ = tokio::time::timeout(PATIENCE, wait).await;
    }

    /// Waits until My Page shows everything up to `position`, at most one second.
    pub(crate) async fn my_page_at(&self, position: Position) {
        self.within_patience(self.progress.mypage.at(position)).await;
    }
}
