//! Failing entities: what their callers and other entities see, and which state they have afterwards.

mod slow;
mod stuck;

use std::{rc::Rc, sync::Arc, task::Poll, time::Duration};

use actix::Arbiter;
use saem::{
    AskError, Correlation, EntityKind, EntityStatus, Event, EvictionPolicy, Journal as _, MemoryJournal,
    Position, ProductError, ProductEvent, ProductId, RequestContext, RestartLimits, Sources, Timestamp,
    TraceContext,
    internal::{
        actors::{Exchange, ExchangeSettings, TokioClock},
        domain::{Aggregate, Journaled},
        store::{Failure, FaultMode, FaultPlan},
    },
};
use serde::{Deserialize, Serialize};

use crate::kit::unreliable::{LoadFault, Unreliable};

/// An aggregate that counts, and fails on demand.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counter {
    count: u32,
}

#[derive(Clone, Copy, Debug)]
enum CounterCommand {
    Add,
    AddFirst,
    /// No event if the count is 0.
    AddMore,
    PanicDeciding,
    PanicEvolving,
    Refuse,
}

impl Aggregate for Counter {
    const KIND: EntityKind = EntityKind::Product;
    type Command = CounterCommand;
    type Event = ProductEvent;
    type Error = ProductError;

    fn decide(&self, command: CounterCommand) -> Result<Vec<ProductEvent>, ProductError> {
        match command {
            CounterCommand::AddMore if self.count == 0 => Ok(Vec::new()),
            CounterCommand::Add | CounterCommand::AddFirst | CounterCommand::AddMore => {
                Ok(vec![ProductEvent::ProductRestocked { quantity: 1 }])
            }
            CounterCommand::PanicDeciding => panic!("while deciding"),
            CounterCommand::PanicEvolving => Ok(vec![ProductEvent::ProductWithdrawn]),
            CounterCommand::Refuse => Err(ProductError::NotFound),
        }
    }

    fn evolve(self, event: &ProductEvent, _: Timestamp) -> Self {
        match event {
            ProductEvent::ProductRestocked { quantity } => Self { count: self.count + quantity },
            _ => panic!("while evolving"),
        }
    }

    fn is_first(command: &CounterCommand) -> bool {
        matches!(command, CounterCommand::AddFirst)
    }
}

impl Journaled for Counter {
    fn own(event: &Event) -> Option<&ProductEvent> {
        match event {
            Event::Product(event) => Some(event),
            _ => None,
        }
    }
}

struct Entities {
    exchange: Exchange,
    memory: Arc<MemoryJournal>,
    journal: Arc<Unreliable>,
}

const ONE: ProductId = ProductId(1);
const OTHER: ProductId = ProductId(2);

impl Entities {
    fn start() -> Self {
        Self::over(MemoryJournal::new(), 1)
    }

    fn over(memory: Arc<MemoryJournal>, seed: u64) -> Self {
        Self::evicting_after(10_000, memory, seed)
    }

    fn evicting_after(idle_ms: u64, memory: Arc<MemoryJournal>, seed: u64) -> Self {
        let journal = Arc::new(Unreliable::over(Arc::clone(&memory)));
        let settings = ExchangeSettings {
            ask_timeout: Duration::from_secs(5),
            mailbox: 1_024,
            eviction: EvictionPolicy { idle_ms, live_max: 100, mailbox: 4, limits: RestartLimits::default() },
            delay_hook: None,
        };
        let sources = Sources::seeded(Arc::new(TokioClock::starting_at(Timestamp(1))), seed);
        let exchange = Exchange::new(vec![Arbiter::current()], settings, journal.clone(), sources);
        Self { exchange, memory, journal }
    }

    async fn tell(&self, id: ProductId, command: CounterCommand) -> Result<u32, AskError> {
        let request = RequestContext::new(TraceContext::root(Correlation(1)));
        Ok(self.exchange.ask::<Counter>(id, command, request).await?.state.count)
    }

    async fn add(&self, id: ProductId) -> Result<u32, AskError> {
        self.tell(id, CounterCommand::Add).await
    }

    fn sabotage(&self, id: ProductId, mode: FaultMode) {
        self.exchange.sabotage_one::<Counter>(id.into(), mode, None).unwrap();
    }

    async fn status(&self, id: ProductId) -> &'static str {
        self.exchange.inspect(id.into()).await.unwrap().status
    }

    /// Evicts the entity, and makes its next loads fail.
    async fn forget(&self, id: ProductId, faults: &[LoadFault]) {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(self.status(id).await, "PASSIVE");
        self.journal.loads.lock().unwrap().extend(faults);
    }
}

/// After `fail`, the caller has an error, the entity its state, and another entity did not notice.
async fn survives(
    entities: &Entities,
    fail: impl AsyncFn(&Entities) -> Result<u32, AskError>,
    error: AskError,
) {
    let before = entities.add(ONE).await.unwrap();
    let other = entities.add(OTHER).await.unwrap();
    assert_eq!(fail(entities).await, Err(error));
    assert_eq!(entities.add(OTHER).await, Ok(other + 1));
    assert_eq!(entities.add(ONE).await, Ok(before + 1), "its state is the one in the journal");
}

#[actix::test]
async fn panic_while_deciding_is_an_error_of_its_caller_only() {
    tokio::time::pause();
    let entities = Entities::start();
    survives(&entities, async |w| w.tell(ONE, CounterCommand::PanicDeciding).await, AskError::Stopped).await;
}

#[actix::test]
async fn panic_while_evolving_writes_nothing() {
    tokio::time::pause();
    let entities = Entities::start();
    survives(&entities, async |w| w.tell(ONE, CounterCommand::PanicEvolving).await, AskError::Stopped).await;
    let events = entities.memory.read(Position(0), 100).await.unwrap();
    assert!(events.iter().all(|event| event.event.name() == "ProductRestocked"));
}

#[actix::test]
async fn requests_queued_with_a_panicking_one_are_answered() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    let (a, failed, b) =
        tokio::join!(entities.add(ONE), entities.tell(ONE, CounterCommand::PanicDeciding), entities.add(ONE));
    assert_eq!(failed, Err(AskError::Stopped));
    assert_eq!((a, b), (Ok(2), Ok(3)));
}

#[actix::test]
async fn refusal_is_not_a_failure() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    let refused = entities.tell(ONE, CounterCommand::Refuse).await;
    assert_eq!(refused, Err(AskError::Rejected(ProductError::NotFound.into())));
    let census = entities.exchange.census(EntityKind::Product).await.unwrap();
    assert_eq!((census.live, census.restarted), (1, 0));
}

#[actix::test]
async fn stopped_entity_is_restarted() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    entities.sabotage(ONE, FaultMode::Stop);
    assert_eq!(entities.add(ONE).await, Ok(2));
    assert_eq!(entities.exchange.census(EntityKind::Product).await.unwrap().restarted, 1);
}

#[actix::test]
async fn hung_entity_is_restarted() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    entities.sabotage(ONE, FaultMode::Hang);
    assert_eq!(entities.add(ONE).await, Err(AskError::Timeout), "the outcome is open");
    let count = entities.add(ONE).await.unwrap();
    assert!((2..=3).contains(&count));
    assert_eq!(entities.exchange.census(EntityKind::Product).await.unwrap().restarted, 1);
}

#[actix::test]
async fn failed_load_is_an_error_and_the_next_one_works() {
    tokio::time::pause();
    for (fault, error) in [
        (LoadFault::Damaged, AskError::Damaged("on demand".to_owned())),
        (LoadFault::Panic, AskError::Stopped),
        (LoadFault::Never, AskError::Timeout),
    ] {
        let entities = Entities::start();
        let fail = async |w: &Entities| {
            w.forget(ONE, &[fault]).await;
            w.add(ONE).await
        };
        survives(&entities, fail, error).await;
    }
}

#[actix::test]
async fn conflict_is_decided_again_on_the_journals_state() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    let elsewhere = Entities::over(Arc::clone(&entities.memory), 2);
    assert_eq!(elsewhere.add(ONE).await, Ok(2));
    assert_eq!(entities.add(ONE).await, Ok(3), "its state was stale");
    assert_eq!(elsewhere.add(ONE).await, Ok(4));
}

#[actix::test]
async fn first_command_needs_no_load() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.journal.loads.lock().unwrap().push_back(LoadFault::Panic);
    assert_eq!(entities.tell(ONE, CounterCommand::AddFirst).await, Ok(1));
    let fault = entities.journal.loads.lock().unwrap().pop_front();
    assert!(matches!(fault, Some(LoadFault::Panic)), "nothing was loaded");
    let elsewhere = Entities::over(Arc::clone(&entities.memory), 2);
    assert_eq!(elsewhere.tell(ONE, CounterCommand::AddFirst).await, Ok(2), "it was not the first");
}

#[actix::test]
async fn unknown_outcome_of_a_commit_is_looked_up() {
    tokio::time::pause();
    for (failure, count) in [(Failure::After, Ok(2)), (Failure::Torn, Err(())), (Failure::Before, Err(()))] {
        let entities = Entities::start();
        entities.add(ONE).await.unwrap();
        entities.memory.plan(FaultPlan { nth: 1, failure, for_ever: false });
        assert_eq!(entities.add(ONE).await.map_err(|_| ()), count);
        assert_eq!(entities.add(ONE).await, Ok(count.unwrap_or(1) + 1));
    }
}

#[actix::test]
#[expect(clippy::disallowed_methods, reason = "tokio's clock, paused")]
async fn too_many_failures_quarantine_one_entity_until_revived() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    let began = tokio::time::Instant::now();
    for _ in 0..6 {
        assert_eq!(entities.tell(ONE, CounterCommand::PanicDeciding).await, Err(AskError::Stopped));
    }
    assert!(began.elapsed() >= Duration::from_millis(10 + 20 + 40 + 80), "restarts are spaced out");
    assert_eq!(entities.add(ONE).await, Err(AskError::Quarantined));
    assert_eq!(entities.status(ONE).await, "QUARANTINED");
    let census = entities.exchange.census(EntityKind::Product).await.unwrap();
    assert_eq!((census.quarantined, census.restarted), (1, 5));
    assert_eq!(entities.add(OTHER).await, Ok(1));
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert_eq!(entities.add(ONE).await, Err(AskError::Quarantined), "waiting does not end it");

    assert_eq!(entities.exchange.revive(ONE.into()).await, Ok(true));
    assert_eq!(entities.exchange.revive(ONE.into()).await, Ok(false));
    assert_eq!(entities.add(ONE).await, Ok(2));
}

/// Yields to the tasks that are ready now; tokio's `yield_now` also runs those that they wake.
async fn turn() {
    let mut had = false;
    std::future::poll_fn(|ctx| {
        if std::mem::replace(&mut had, true) {
            return Poll::Ready(());
        }
        ctx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[actix::test]
async fn one_failure_is_counted_once() {
    tokio::time::pause();
    let entities = Rc::new(Entities::start());
    // A request after so many turns: one of them is between the end of the entity and its report.
    for turns in 0..10 {
        let id = ProductId(100 + turns);
        entities.add(id).await.unwrap();
        let (one, other) = (Rc::clone(&entities), Rc::clone(&entities));
        let failed = actix_rt::spawn(async move { one.tell(id, CounterCommand::PanicDeciding).await });
        let added = actix_rt::spawn(async move {
            for _ in 0..turns {
                turn().await;
            }
            other.add(id).await
        });
        assert_eq!((failed.await.unwrap(), added.await.unwrap()), (Err(AskError::Stopped), Ok(2)), "{turns}");
        let EntityStatus { restarted, last_failure, .. } =
            entities.exchange.inspect(id.into()).await.unwrap();
        assert_eq!((restarted, last_failure.as_deref()), (1, Some("panic: while deciding")), "{turns}");
    }
}

#[actix::test]
async fn failures_far_apart_do_not_add_up() {
    tokio::time::pause();
    let entities = Entities::start();
    for _ in 0..20 {
        assert_eq!(entities.tell(ONE, CounterCommand::PanicDeciding).await, Err(AskError::Stopped));
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    assert_eq!(entities.add(ONE).await, Ok(1));
}

#[actix::test]
async fn idle_entity_is_evicted_and_loaded_again() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    assert_eq!(entities.status(ONE).await, "LIVE");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(entities.status(ONE).await, "PASSIVE");
    assert_eq!(entities.add(ONE).await, Ok(2));
}

#[actix::test]
async fn full_mailbox_sheds() {
    tokio::time::pause();
    let entities = Entities::start();
    entities.add(ONE).await.unwrap();
    entities.sabotage(ONE, FaultMode::Hang);
    let answers = futures_util::future::join_all((0..64).map(|_| entities.add(ONE))).await;
    assert!(answers.contains(&Err(AskError::Shed)), "{answers:?}");
}
