//! Entities that fail in every way, and what their callers, their state and their neighbours see of it.
//!
//! On one thread, with tokio's clock paused: time passes only when nothing else can happen.

mod slow;
mod stuck;
mod unreliable;

use std::{future::Future, rc::Rc, sync::Arc, task::Poll, time::Duration};

use actix::Arbiter;
use saem::{
    actors::{
        entity::{
            ask::{AskError, FaultMode, RequestContext},
            exchange::{Exchange, ExchangeSettings},
            supervisor::{EntityStatus, Keeping},
        },
        sources::{Sources, TokioClock},
        supervision::restart::RestartLimits,
    },
    domain::{
        Aggregate, Correlation, EntityKind, Event, Journaled, Position, ProductId, Timestamp,
        product::{ProductError, ProductEvent},
    },
    store::{
        Journal as _,
        memory::{Failure, FaultPlan, MemoryJournal},
    },
    telemetry::trace::TraceContext,
};
use serde::{Deserialize, Serialize};

use self::unreliable::{LoadFault, Unreliable};

/// Counts, and fails where it is told to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Counter {
    count: u32,
}

#[derive(Clone, Copy, Debug)]
enum CounterCommand {
    Add,
    AddFirst,
    /// Nothing to do where there is nothing yet.
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

struct Works {
    exchange: Exchange,
    memory: Arc<MemoryJournal>,
    journal: Arc<Unreliable>,
}

const ONE: ProductId = ProductId(1);
const OTHER: ProductId = ProductId(2);

impl Works {
    fn start() -> Self {
        Self::over(MemoryJournal::new(), 1)
    }

    fn over(memory: Arc<MemoryJournal>, seed: u64) -> Self {
        Self::letting_go_after(10_000, memory, seed)
    }

    fn letting_go_after(idle_ms: u64, memory: Arc<MemoryJournal>, seed: u64) -> Self {
        let journal = Arc::new(Unreliable::over(Arc::clone(&memory)));
        let settings = ExchangeSettings {
            ask_timeout: Duration::from_secs(5),
            mailbox: 1_024,
            keeping: Keeping { idle_ms, live_max: 100, mailbox: 4, limits: RestartLimits::default() },
            transit: None,
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

    /// The next load of an entity not in memory goes wrong.
    async fn forget(&self, id: ProductId, faults: &[LoadFault]) {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(self.status(id).await, "PASSIVE");
        self.journal.loads.lock().unwrap().extend(faults);
    }
}

fn run(test: impl Future<Output = ()>) {
    actix_rt::System::new().block_on(async {
        tokio::time::pause();
        test.await;
    });
}

/// After `fail`, the caller has an error, the entity its state, and the neighbour never noticed.
async fn survives(works: &Works, fail: impl AsyncFn(&Works) -> Result<u32, AskError>, told: AskError) {
    let before = works.add(ONE).await.unwrap();
    let other = works.add(OTHER).await.unwrap();
    assert_eq!(fail(works).await, Err(told));
    assert_eq!(works.add(OTHER).await, Ok(other + 1));
    assert_eq!(works.add(ONE).await, Ok(before + 1), "its state is what is in the journal");
}

#[test]
fn a_panic_while_deciding_is_its_callers_error_alone() {
    run(async {
        let works = Works::start();
        survives(&works, async |w| w.tell(ONE, CounterCommand::PanicDeciding).await, AskError::Stopped).await;
    });
}

#[test]
fn a_panic_while_evolving_writes_nothing() {
    run(async {
        let works = Works::start();
        survives(&works, async |w| w.tell(ONE, CounterCommand::PanicEvolving).await, AskError::Stopped).await;
        let events = works.memory.read(Position(0), 100).await.unwrap();
        assert!(events.iter().all(|event| event.event.name() == "ProductRestocked"));
    });
}

#[test]
fn those_who_wait_with_the_one_that_panics_are_answered() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        let (a, failed, b) =
            tokio::join!(works.add(ONE), works.tell(ONE, CounterCommand::PanicDeciding), works.add(ONE));
        assert_eq!(failed, Err(AskError::Stopped));
        assert_eq!((a, b), (Ok(2), Ok(3)));
    });
}

#[test]
fn a_refusal_is_no_failure() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        let refused = works.tell(ONE, CounterCommand::Refuse).await;
        assert_eq!(refused, Err(AskError::Rejected(ProductError::NotFound.into())));
        let census = works.exchange.census(EntityKind::Product).await.unwrap();
        assert_eq!((census.live, census.restarted), (1, 0));
    });
}

#[test]
fn an_entity_that_stops_is_restarted() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        works.sabotage(ONE, FaultMode::Stop);
        assert_eq!(works.add(ONE).await, Ok(2));
        assert_eq!(works.exchange.census(EntityKind::Product).await.unwrap().restarted, 1);
    });
}

#[test]
fn an_entity_that_hangs_is_given_up_and_restarted() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        works.sabotage(ONE, FaultMode::Hang);
        assert_eq!(works.add(ONE).await, Err(AskError::Timeout), "which may still happen");
        let count = works.add(ONE).await.unwrap();
        assert!((2..=3).contains(&count));
        assert_eq!(works.exchange.census(EntityKind::Product).await.unwrap().restarted, 1);
    });
}

#[test]
fn an_error_a_panic_and_a_hang_at_load_are_told_and_the_next_load_works() {
    run(async {
        for (fault, told) in [
            (LoadFault::Damaged, AskError::Damaged("on demand".to_owned())),
            (LoadFault::Panic, AskError::Stopped),
            (LoadFault::Never, AskError::Timeout),
        ] {
            let works = Works::start();
            let fail = async |w: &Works| {
                w.forget(ONE, &[fault]).await;
                w.add(ONE).await
            };
            survives(&works, fail, told).await;
        }
    });
}

#[test]
fn a_conflict_is_decided_again_on_what_is_in_the_journal() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        let elsewhere = Works::over(Arc::clone(&works.memory), 2);
        assert_eq!(elsewhere.add(ONE).await, Ok(2));
        assert_eq!(works.add(ONE).await, Ok(3), "its memory was behind");
        assert_eq!(elsewhere.add(ONE).await, Ok(4));
    });
}

#[test]
fn the_first_command_needs_no_load_and_one_that_only_seems_to_be_is_decided_again() {
    run(async {
        let works = Works::start();
        works.journal.loads.lock().unwrap().push_back(LoadFault::Panic);
        assert_eq!(works.tell(ONE, CounterCommand::AddFirst).await, Ok(1));
        let fault = works.journal.loads.lock().unwrap().pop_front();
        assert!(matches!(fault, Some(LoadFault::Panic)), "nothing was loaded");
        let elsewhere = Works::over(Arc::clone(&works.memory), 2);
        assert_eq!(elsewhere.tell(ONE, CounterCommand::AddFirst).await, Ok(2), "there was something before");
    });
}

#[test]
fn a_commit_that_may_or_may_not_have_happened_is_looked_up() {
    run(async {
        for (failure, count) in
            [(Failure::After, Ok(2)), (Failure::Torn, Err(())), (Failure::Before, Err(()))]
        {
            let works = Works::start();
            works.add(ONE).await.unwrap();
            works.memory.plan(FaultPlan { nth: 1, failure, for_ever: false });
            assert_eq!(works.add(ONE).await.map_err(|_| ()), count);
            assert_eq!(works.add(ONE).await, Ok(count.unwrap_or(1) + 1));
        }
    });
}

#[test]
#[expect(clippy::disallowed_methods, reason = "tokio's clock, paused")]
fn one_failure_too_many_is_quarantine_for_that_entity_alone_until_it_is_revived() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        let began = tokio::time::Instant::now();
        for _ in 0..6 {
            assert_eq!(works.tell(ONE, CounterCommand::PanicDeciding).await, Err(AskError::Stopped));
        }
        assert!(began.elapsed() >= Duration::from_millis(10 + 20 + 40 + 80), "restarts are spaced out");
        assert_eq!(works.add(ONE).await, Err(AskError::Quarantined));
        assert_eq!(works.status(ONE).await, "QUARANTINED");
        let census = works.exchange.census(EntityKind::Product).await.unwrap();
        assert_eq!((census.quarantined, census.restarted), (1, 5));
        assert_eq!(works.add(OTHER).await, Ok(1));
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        assert_eq!(works.add(ONE).await, Err(AskError::Quarantined), "time alone does not mend it");

        assert_eq!(works.exchange.revive(ONE.into()).await, Ok(true));
        assert_eq!(works.exchange.revive(ONE.into()).await, Ok(false));
        assert_eq!(works.add(ONE).await, Ok(2));
    });
}

/// Lets others have a turn that are waiting for one already; tokio's own lets those have one that they wake,
/// too.
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

#[test]
fn whoever_finds_it_gone_before_its_last_words_are_heard_counts_no_second_failure() {
    run(async {
        let works = Rc::new(Works::start());
        // One that comes later by so many turns: among them is the one between its end and its last words.
        for turns in 0..10 {
            let id = ProductId(100 + turns);
            works.add(id).await.unwrap();
            let (one, other) = (Rc::clone(&works), Rc::clone(&works));
            let failed = actix_rt::spawn(async move { one.tell(id, CounterCommand::PanicDeciding).await });
            let added = actix_rt::spawn(async move {
                for _ in 0..turns {
                    turn().await;
                }
                other.add(id).await
            });
            assert_eq!(
                (failed.await.unwrap(), added.await.unwrap()),
                (Err(AskError::Stopped), Ok(2)),
                "{turns}"
            );
            let EntityStatus { restarted, last_failure, .. } =
                works.exchange.inspect(id.into()).await.unwrap();
            assert_eq!((restarted, last_failure.as_deref()), (1, Some("panic: while deciding")), "{turns}");
        }
    });
}

#[test]
fn failures_now_and_then_never_add_up() {
    run(async {
        let works = Works::start();
        for _ in 0..20 {
            assert_eq!(works.tell(ONE, CounterCommand::PanicDeciding).await, Err(AskError::Stopped));
            tokio::time::sleep(Duration::from_secs(10)).await;
        }
        assert_eq!(works.add(ONE).await, Ok(1));
    });
}

#[test]
fn idle_entities_are_let_go_and_come_back_from_the_journal() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        assert_eq!(works.status(ONE).await, "LIVE");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(works.status(ONE).await, "PASSIVE");
        assert_eq!(works.add(ONE).await, Ok(2));
    });
}

#[test]
fn a_full_mailbox_sheds() {
    run(async {
        let works = Works::start();
        works.add(ONE).await.unwrap();
        works.sabotage(ONE, FaultMode::Hang);
        let answers = futures_util::future::join_all((0..64).map(|_| works.add(ONE))).await;
        assert!(answers.contains(&Err(AskError::Shed)), "{answers:?}");
    });
}
