//! The shop: what `http` and embedders call. It puts the actors together, and takes them apart.

mod accounts;
mod checkouts;
mod customers;
mod deliveries;
pub mod error;
mod leaving;
mod live;
mod lockout;
mod metrics;
mod operations;
mod paying;
mod products;
mod rentals;
mod requests;
mod secrets;
mod settings;
pub mod views;
mod watched;

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use actix::{Arbiter, ArbiterHandle};

use self::accounts::Accounts;
pub(crate) use self::accounts::{Person, person_key};
pub use self::{
    checkouts::{CheckoutView, Purchase},
    error::ShopError,
    live::{MISSED_MAX, Missed, WATCHED_MAX, Watching},
    metrics::{Lag, MessageFigures},
    operations::{ActorKind, ActorTree, ContextView, HeldView},
    requests::ANSWER_BYTES_MAX,
    settings::ShopSettings,
    views::*,
};
pub use crate::actors::{
    customer_locks::Presence,
    payment::{
        breaker::{BreakerMode, BreakerView},
        handle::PaymentDeskView,
    },
};
use crate::{
    actors::{
        checkouts::Checkouts,
        customer_locks::Presences,
        entity::{ask::RequestContext, exchange::Exchange},
        jobs::{queue::Agenda, runner::Errands},
        payment::{admission::Admission, handle::Payments},
        projection::{
            self,
            catalogue::Catalogue,
            live::Live,
            mypage::MyPage,
            notification::{Courier, Messages, Outbox},
            progress::Progress,
        },
        reactor::{Reactor, contexts::Contexts},
        receipts::Receipts,
        sources::Sources,
        supervision::{
            service::Services,
            watchdog::{Pulse, Watchdog},
        },
    },
    domain::{
        Position, Timestamp,
        context::{Context, Group},
    },
    gateways::{payment::Gateways, sms::SmsGateway},
    store::Journal,
    telemetry::trace::TraceContext,
};

/// How long a reader waits for a projection to get to what it has seen elsewhere.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a shop is made of.
pub struct ShopParts {
    /// Where everything is kept.
    pub journal: Arc<dyn Journal>,
    /// Who takes the money.
    pub gateways: Gateways,
    /// Who sends the messages.
    pub sms: Arc<dyn SmsGateway>,
    /// Time, ids and randomness.
    pub sources: Sources,
}

/// How far each consumer of the journal got.
#[derive(Default)]
struct Progresses {
    rental: Arc<Progress>,
    payment: Arc<Progress>,
    delivery: Arc<Progress>,
    product: Arc<Progress>,
    catalogue: Arc<Progress>,
    mypage: Arc<Progress>,
    notification: Arc<Progress>,
    agenda: Arc<Progress>,
}

impl Progresses {
    const fn of(&self, context: Context) -> &Arc<Progress> {
        match context {
            Context::Rental => &self.rental,
            Context::Payment => &self.payment,
            Context::Delivery => &self.delivery,
            Context::Product => &self.product,
            Context::Notification => &self.notification,
        }
    }
}

/// A shop that is open for business.
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
    presences: Arc<Presences>,
    catalogue: Catalogue,
    agenda: Agenda,
    live: Live,
    progress: Progresses,
    errands_pulse: Arc<Pulse>,
    messages: Arc<MessageFigures>,
    arbiters: Vec<Arbiter>,
    /// What arbiters that were made to hang wait for: nobody sends it.
    hung: Mutex<Vec<mpsc::Sender<()>>>,
    watchdog: Watchdog,
}

impl Shop {
    /// Opens a shop, within an actix system: returns once its projections have caught up with the journal, or
    /// have met something on their way that cannot be read.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use saem::{
    ///     actors::{
    ///         shop::{Shop, ShopParts, ShopSettings},
    ///         sources::Sources,
    ///     },
    ///     gateways::{
    ///         payment::{
    ///             Gateways,
    ///             ledger::Ledger,
    ///             simulator::{Behaviour, Simulator},
    ///         },
    ///         sms::LogSms,
    ///     },
    ///     store::memory::MemoryJournal,
    /// };
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// actix_rt::System::new().block_on(async {
    ///     let parts = ShopParts {
    ///         journal: MemoryJournal::new(),
    ///         gateways: Gateways::from(Arc::new(Simulator::new(
    ///             Ledger::in_memory(),
    ///             Behaviour::default(),
    ///             1,
    ///         ))),
    ///         sms: Arc::new(LogSms),
    ///         sources: Sources::system(),
    ///     };
    ///     let key = "an operator's key has 32 characters or more";
    ///     let shop = Shop::open(parts, ShopSettings::new(key)).await?;
    ///     assert!(shop.ready().is_ok());
    ///     shop.close().await;
    ///     Ok(())
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ShopError::Store`] or [`ShopError::Commit`]
    pub async fn open(parts: ShopParts, settings: ShopSettings) -> Result<Arc<Self>, ShopError> {
        let ShopParts { journal, gateways, sms, sources } = parts;
        let arbiters: Vec<Arbiter> = (0..settings.arbiters).map(|_| Arbiter::new()).collect();
        let mut handles: Vec<ArbiterHandle> = arbiters.iter().map(Arbiter::handle).collect();
        if handles.is_empty() {
            handles.push(Arbiter::current());
        }
        let exchange =
            Exchange::new(handles.clone(), settings.exchange(), Arc::clone(&journal), sources.clone());
        let contexts = Arc::new(Contexts::open(exchange.clone(), &journal).await?);
        let desk = settings.desk(&journal, &exchange, &gateways, &sources);
        let admission = Admission::new(settings.admission);
        let payments = Payments::start(handles[0].clone(), desk, admission, settings.restart_limits);
        let payments = Arc::new(payments);
        let receipts = Arc::new(Receipts::new(Arc::clone(&journal), sources.clone()));
        let accounts = Accounts::open(
            Arc::clone(&journal),
            sources.clone(),
            Arc::clone(&receipts),
            &settings.operator_key,
        );
        let accounts = accounts.await?;
        let agenda = Agenda::new(settings.payment.conversation_ms());
        let (progress, errands_pulse) = (Progresses::default(), Arc::default());
        // Without arbiters of its own, a shop shares its thread with whoever simulates it.
        let watchdog = if arbiters.is_empty() {
            Watchdog::idle()
        } else {
            let conversation_ms = settings.payment.conversation_ms();
            let errands = watched::errands(&errands_pulse, &agenda, &contexts, &sources, conversation_ms);
            let parts = watched::parts(&handles, &journal, &contexts, &progress, errands);
            Watchdog::start(parts, settings.stuck_after_s())
        };
        let checkouts = Arc::new(Checkouts::new(Arc::clone(&journal), sources.clone()));
        let shop = Arc::new(Self {
            services: Services::new(sources.clone(), settings.restart_limits),
            catalogue: Catalogue::default(),
            agenda,
            live: Live::default(),
            progress,
            errands_pulse,
            messages: Arc::default(),
            hung: Mutex::default(),
            watchdog,
            settings,
            journal,
            gateways,
            sources,
            exchange,
            contexts,
            payments,
            accounts,
            receipts,
            checkouts,
            presences: Arc::default(),
            arbiters,
        });
        shop.start_projections(&handles);
        shop.catches_up().await?;
        shop.start_reactors(&handles, sms);
        Ok(shop)
    }

    fn start_projections(&self, handles: &[ArbiterHandle]) {
        let arbiter = |index: usize| &handles[index % handles.len()];
        let catalogue = self.catalogue.clone();
        let projections = [("catalogue", &self.progress.catalogue), ("mypage", &self.progress.mypage)];
        let [(name, progress), my_page] = projections;
        let (journal, progress) = (Arc::clone(&self.journal), Arc::clone(progress));
        self.services.start(arbiter(0), ("projection", name), move || {
            projection::run(catalogue.clone(), Arc::clone(&journal), Arc::clone(&progress))
        });
        let (name, progress) = my_page;
        let (journal, progress) = (Arc::clone(&self.journal), Arc::clone(progress));
        self.services.start(arbiter(1), ("projection", name), move || {
            projection::run(MyPage::default(), Arc::clone(&journal), Arc::clone(&progress))
        });
        let (journal, progress) = (Arc::clone(&self.journal), Arc::clone(&self.progress.agenda));
        let agenda = self.agenda.clone();
        self.services.start(arbiter(0), ("projection", "agenda"), move || {
            projection::run(agenda.clone(), Arc::clone(&journal), Arc::clone(&progress))
        });
    }

    fn start_reactors(&self, handles: &[ArbiterHandle], sms: Arc<dyn SmsGateway>) {
        let arbiter = |index: usize| &handles[index % handles.len()];
        for (index, group) in Group::REACTORS.into_iter().enumerate() {
            let reactor = Reactor {
                group,
                journal: Arc::clone(&self.journal),
                exchange: self.exchange.clone(),
                contexts: Arc::clone(&self.contexts),
                progress: Arc::clone(self.progress.of(group.context())),
            };
            let name = ("reactor", group.as_str());
            self.services.start(arbiter(index), name, move || reactor.clone().run());
        }
        let errands = Errands {
            agenda: self.agenda.clone(),
            payments: Arc::clone(&self.payments),
            exchange: self.exchange.clone(),
            contexts: Arc::clone(&self.contexts),
            journal: Arc::clone(&self.journal),
            sources: self.sources.clone(),
            pulse: Arc::clone(&self.errands_pulse),
        };
        self.services.start(arbiter(0), ("errands", "agenda"), move || errands.clone().run());
        let receipts = Arc::clone(&self.receipts);
        self.services.start(arbiter(0), ("sweeper", "receipts"), move || Arc::clone(&receipts).run());
        let checkouts = Arc::clone(&self.checkouts);
        self.services.start(arbiter(0), ("sweeper", "checkouts"), move || Arc::clone(&checkouts).run());
        let (live, journal) = (self.live.clone(), Arc::clone(&self.journal));
        self.services.start(arbiter(1), ("stream", "mypage"), move || live.clone().run(Arc::clone(&journal)));
        let outbox = Outbox::default();
        let courier = Courier {
            journal: Arc::clone(&self.journal),
            sms,
            contexts: Arc::clone(&self.contexts),
            sources: self.sources.clone(),
            outbox: outbox.clone(),
            figures: Arc::clone(&self.messages),
        };
        self.services.start(arbiter(1), ("courier", "notification"), move || courier.clone().run());
        let (journal, progress) = (Arc::clone(&self.journal), Arc::clone(&self.progress.notification));
        let locale = self.settings.locale;
        self.services.start(arbiter(1), ("projection", "notification"), move || {
            let messages = Messages::new(locale, outbox.clone());
            projection::run(messages, Arc::clone(&journal), Arc::clone(&progress))
        });
    }

    /// Closes the shop: actors end, and everything that was acknowledged is on disk.
    pub async fn close(&self) {
        self.services.stop();
        self.hung.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.journal.close().await;
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }

    /// Whether it takes commands; the reason when it does not.
    ///
    /// # Errors
    /// What the store says.
    pub fn ready(&self) -> Result<(), String> {
        self.journal.health()
    }

    /// Whether it gets on. When it does not, only a new process helps.
    ///
    /// # Errors
    /// What makes no progress.
    pub fn alive(&self) -> Result<(), String> {
        let mut stuck = self.watchdog.stuck();
        if self.journal.is_poisoned() {
            stuck.push("the store takes nothing more".to_owned());
        }
        if stuck.is_empty() { Ok(()) } else { Err(stuck.join(", ")) }
    }

    /// Where the newest event stands.
    #[must_use]
    pub fn head(&self) -> Position {
        *self.journal.head().borrow()
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.sources.now()
    }

    /// A reason for a request that brings none.
    #[must_use]
    pub fn new_request(&self) -> RequestContext {
        RequestContext::new(TraceContext::root(self.sources.correlation()))
    }

    fn not_paused(&self, context: Context) -> Result<(), ShopError> {
        if self.contexts.paused(context) { Err(ShopError::ContextPaused(context)) } else { Ok(()) }
    }

    async fn within_patience(&self, wait: impl Future<Output = ()>) {
        // Impatience is no error: the reader sees what there is.
        let _ = tokio::time::timeout(PATIENCE, wait).await;
    }

    /// Waits, at most a second, until My Page has got to `position`.
    pub async fn my_page_at(&self, position: Position) {
        self.within_patience(self.progress.mypage.at(position)).await;
    }
}
