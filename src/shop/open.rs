//! Opening and closing a shop: starts the actors and connects them.

use std::sync::{Arc, Mutex, PoisonError};

use actix::{Arbiter, ArbiterHandle};

use super::{Result, Shop, ShopError, ShopSettings, accounts::Accounts, watched};
use crate::{
    actors::{
        checkouts::Checkouts,
        contexts::Contexts,
        entity::exchange::Exchange,
        jobs::{courier::Courier, queue::JobQueue, runner::JobRunner},
        payment::{PaymentParts, admission::Admission, breaker::Breaker, handle::Payments},
        progress::Progress,
        projection::{
            self, Projection,
            catalogue::Catalogue,
            live::Live,
            mypage::MyPage,
            notification::{Messages, Outbox},
        },
        reactor::Reactor,
        receipts::Receipts,
        sources::Sources,
        supervision::{service::Services, watchdog::Watchdog},
    },
    domain::context::{Context, Group},
    gateways::{payment::Gateways, sms::SmsGateway},
    store::Journal,
};

/// Parts that a shop is opened over.
pub struct ShopParts {
    /// Journal that everything is stored in.
    pub journal: Arc<dyn Journal>,
    /// Payment gateways.
    pub gateways: Gateways,
    pub sms: Arc<dyn SmsGateway>,
    /// Time, ids and randomness.
    pub sources: Sources,
}

#[derive(Default)]
pub(super) struct Progresses {
    pub rental: Arc<Progress>,
    pub payment: Arc<Progress>,
    pub delivery: Arc<Progress>,
    pub product: Arc<Progress>,
    pub catalogue: Arc<Progress>,
    pub mypage: Arc<Progress>,
    pub notification: Arc<Progress>,
    pub job_queue: Arc<Progress>,
}

impl Progresses {
    /// Returns kind, name and progress of each consumer.
    pub(super) const fn all(&self) -> [(&'static str, &'static str, &Arc<Progress>); 8] {
        [
            ("reactor", "rental", &self.rental),
            ("reactor", "payment", &self.payment),
            ("reactor", "delivery", &self.delivery),
            ("reactor", "product", &self.product),
            ("projection", "catalogue", &self.catalogue),
            ("projection", "mypage", &self.mypage),
            ("projection", "notification", &self.notification),
            ("projection", "agenda", &self.job_queue),
        ]
    }

    pub(super) const fn of(&self, context: Context) -> &Arc<Progress> {
        match context {
            Context::Rental => &self.rental,
            Context::Payment => &self.payment,
            Context::Delivery => &self.delivery,
            Context::Product => &self.product,
            Context::Notification => &self.notification,
        }
    }
}

impl Shop {
    /// Opens a shop within an actix system. Returns once its projections have caught up with the journal.
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use saem::{
    ///     Behaviour, Gateways, Ledger, LogSms, MemoryJournal, Shop, ShopParts, ShopSettings, Simulator,
    ///     Sources,
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
    /// [`ShopError::Store`] if the store cannot be read or a record that a projection needs is damaged;
    /// [`ShopError::Commit`] if it takes no writes.
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
        let parts = PaymentParts {
            journal: Arc::clone(&journal),
            exchange: exchange.clone(),
            gateways: gateways.clone(),
            sources: sources.clone(),
            rules: settings.payment,
            breaker: Arc::new(Breaker::new(settings.breaker, sources.clone())),
        };
        let admission = Admission::new(settings.admission);
        let payments = Payments::start(handles[0].clone(), parts, admission, settings.restart_limits);
        let receipts = Arc::new(Receipts::new(Arc::clone(&journal), sources.clone()));
        let (vault, key) = (Arc::clone(&journal), &settings.operator_key);
        let accounts = Accounts::open(vault, sources.clone(), Arc::clone(&receipts), key).await?;
        let job_queue = JobQueue::new(settings.payment.conversation_ms());
        let (progress, runner_pulse) = (Progresses::default(), Arc::default());
        // A simulation runs everything on its own thread, which has no watchdog.
        let watchdog = if arbiters.is_empty() {
            Watchdog::idle()
        } else {
            let conversation_ms = settings.payment.conversation_ms();
            let runner = watched::job_runner(&runner_pulse, &job_queue, &contexts, &sources, conversation_ms);
            let parts = watched::parts(&handles, &journal, &contexts, &progress, runner);
            Watchdog::start(parts, settings.stuck_after_s())
        };
        let shop = Arc::new(Self {
            services: Services::new(sources.clone(), settings.restart_limits),
            catalogue: Catalogue::default(),
            live: Live::default(),
            messages: Arc::default(),
            hung: Mutex::default(),
            customer_locks: Arc::default(),
            checkouts: Arc::new(Checkouts::new(Arc::clone(&journal), sources.clone())),
            payments: Arc::new(payments),
            job_queue,
            progress,
            runner_pulse,
            watchdog,
            settings,
            journal,
            gateways,
            sources,
            exchange,
            contexts,
            accounts,
            receipts,
            arbiters,
        });
        shop.start_projections();
        shop.catch_up().await?;
        shop.start_reactors();
        shop.start_workers();
        shop.start_messages(sms);
        Ok(shop)
    }

    /// Returns one of the arbiters that services are spread over.
    fn arbiter(&self, index: usize) -> ArbiterHandle {
        match self.arbiters.len() {
            0 => Arbiter::current(),
            count => self.arbiters[index % count].handle(),
        }
    }

    fn start_projection<P: Projection + 'static>(
        &self,
        arbiter: usize,
        progress: &Arc<Progress>,
        make: impl Fn() -> P + Send + 'static,
    ) {
        let (journal, progress) = (Arc::clone(&self.journal), Arc::clone(progress));
        self.services.start(&self.arbiter(arbiter), ("projection", P::NAME), move || {
            projection::run(make(), Arc::clone(&journal), Arc::clone(&progress))
        });
    }

    fn start_projections(&self) {
        let (catalogue, job_queue) = (self.catalogue.clone(), self.job_queue.clone());
        self.start_projection(0, &self.progress.catalogue, move || catalogue.clone());
        self.start_projection(1, &self.progress.mypage, MyPage::default);
        self.start_projection(0, &self.progress.job_queue, move || job_queue.clone());
    }

    /// Waits until the projections that are read from memory or from rows have reached the journal's head.
    async fn catch_up(&self) -> Result<()> {
        let head = self.head();
        for progress in [&self.progress.catalogue, &self.progress.mypage, &self.progress.job_queue] {
            if let Err(error) = progress.at_or_damaged(head).await {
                // A damaged record would show wrong data: only a backup helps.
                self.close().await;
                return Err(error.into());
            }
        }
        Ok(())
    }

    fn start_reactors(&self) {
        for (index, group) in Group::REACTORS.into_iter().enumerate() {
            let reactor = Reactor {
                group,
                journal: Arc::clone(&self.journal),
                exchange: self.exchange.clone(),
                contexts: Arc::clone(&self.contexts),
                progress: Arc::clone(self.progress.of(group.context())),
            };
            let name = ("reactor", group.as_str());
            self.services.start(&self.arbiter(index), name, move || reactor.clone().run());
        }
    }

    fn start_workers(&self) {
        let runner = JobRunner {
            queue: self.job_queue.clone(),
            payments: Arc::clone(&self.payments),
            exchange: self.exchange.clone(),
            contexts: Arc::clone(&self.contexts),
            journal: Arc::clone(&self.journal),
            sources: self.sources.clone(),
            pulse: Arc::clone(&self.runner_pulse),
        };
        self.services.start(&self.arbiter(0), ("errands", "agenda"), move || runner.clone().run());
        let (receipts, checkouts) = (Arc::clone(&self.receipts), Arc::clone(&self.checkouts));
        self.services.start(&self.arbiter(0), ("sweeper", "receipts"), move || Arc::clone(&receipts).run());
        self.services.start(&self.arbiter(0), ("sweeper", "checkouts"), move || Arc::clone(&checkouts).run());
        let (live, journal) = (self.live.clone(), Arc::clone(&self.journal));
        let run = move || live.clone().run(Arc::clone(&journal));
        self.services.start(&self.arbiter(1), ("stream", "mypage"), run);
    }

    fn start_messages(&self, sms: Arc<dyn SmsGateway>) {
        let outbox = Outbox::default();
        let courier = Courier {
            journal: Arc::clone(&self.journal),
            sms,
            contexts: Arc::clone(&self.contexts),
            sources: self.sources.clone(),
            outbox: outbox.clone(),
            counters: Arc::clone(&self.messages),
        };
        self.services.start(&self.arbiter(1), ("courier", "notification"), move || courier.clone().run());
        let style = self.settings.notice_style();
        let messages = move || Messages::new(style.clone(), outbox.clone());
        self.start_projection(1, &self.progress.notification, messages);
    }

    /// Closes the shop: ends its actors, and returns once everything that was acknowledged is on disk.
    pub async fn close(&self) {
        self.services.stop();
        self.hung.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.journal.close().await;
        for arbiter in &self.arbiters {
            arbiter.stop();
        }
    }
}
