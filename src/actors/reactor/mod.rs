//! Reactor of one group of contexts: reads the journal, and sends the commands that its policies ask for.
//!
//! Events are handled in 64 lanes, which run concurrently. Within a lane they are handled one after the
//! other, so that one rental's saga is totally ordered. The queues of lanes are bounded, and so is memory: a
//! reactor that lags reads the journal.
//!
//! **Restart:** the reactor begins at its cursor, which is stored about once a second. Events after it are
//! handled again without effect: targets ignore repeated commands.

pub(crate) mod lane;

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::mpsc;
use tracing::{Instrument as _, debug_span};

use self::lane::{Lane, Task};
use super::{
    contexts::Contexts,
    entity::{ask::AskError, exchange::Exchange},
    progress::{Cursor, Progress},
    request::RequestContext,
};
use crate::{
    domain::{
        Command, LANES, Position, Recorded,
        context::Group,
        delivery::Delivery,
        payment::Payment,
        policies::{Reaction, react},
        product::Product,
        rental::Rental,
    },
    planted::{self, Bug},
    store::{Follower, Journal, StoreError},
    telemetry::trace::{self, TraceContext},
};

const LANE_QUEUE: usize = 256;
const READ_MAX: usize = 512;
const STORE_CURSOR_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(crate) struct Reactor {
    pub group: Group,
    pub journal: Arc<dyn Journal>,
    pub exchange: Exchange,
    pub contexts: Arc<Contexts>,
    pub progress: Arc<Progress>,
}

impl Reactor {
    pub(crate) async fn run(self) -> Result<(), String> {
        let cursor = Cursor::new(Arc::clone(&self.journal), self.group.as_str());
        let start = cursor.load().await.map_err(|error| error.to_string())?.unwrap_or_default();
        // A damaged record makes the reactor fail again and again, but not hang: a new process would not
        // help, and the other reactors go on.
        self.progress.reached(start);
        let positions = Rc::new(LanePositions::new(start));
        let reactor = Rc::new(self);
        let (senders, mut lanes): (Vec<_>, FuturesUnordered<_>) = (0..LANES)
            .map(|index| {
                let (sender, tasks) = mpsc::channel(LANE_QUEUE);
                let (reactor, positions) = (Rc::clone(&reactor), Rc::clone(&positions));
                (sender, Lane { index, reactor, positions, seen: start }.run(tasks))
            })
            .unzip();
        tokio::select! {
            biased;
            read = pump(&reactor, &positions, start, &senders) => read,
            ended = pump_retries(&reactor, &senders) => ended,
            () = store_cursor(&reactor, &positions, &cursor) => Ok(()),
            // A lane ends only with its queue, which this function owns.
            _ = lanes.next() => Err("a lane ended".to_owned()),
        }
    }

    pub(crate) async fn send(&self, reaction: Reaction, cause: &Recorded) -> Result<(), AskError> {
        let (group, event) = (self.group.as_str(), cause.event.name());
        let (correlation, target) = (cause.meta.correlation, reaction.target);
        let span = debug_span!("reaction", group, event, %target, %correlation);
        let span = trace::join(span, TraceContext::root(correlation));
        self.send_now(reaction, cause).instrument(span).await
    }

    async fn send_now(&self, reaction: Reaction, cause: &Recorded) -> Result<(), AskError> {
        let reaction = if reaction.needs_timeline {
            let rental = cause.rental().expect("policies that need a timeline react to a rental's events");
            let timeline = self.journal.timeline(rental).await.map_err(|error| match error {
                StoreError::Unavailable(reason) => AskError::Store(reason),
                StoreError::Corrupt(what) => AskError::Damaged(what),
            })?;
            reaction.with_evidence(&timeline)
        } else {
            reaction
        };
        let request = RequestContext::after_event(cause.meta.correlation, cause.position);
        let (exchange, target) = (&self.exchange, reaction.target);
        match reaction.command {
            Command::Rental(command) => exchange.ask::<Rental>(target, command, request).await.map(drop),
            Command::Payment(command) => exchange.ask::<Payment>(target, command, request).await.map(drop),
            Command::Delivery(command) => exchange.ask::<Delivery>(target, command, request).await.map(drop),
            Command::Product(command) => exchange.ask::<Product>(target, command, request).await.map(drop),
        }
    }
}

async fn pump(
    reactor: &Reactor,
    positions: &LanePositions,
    start: Position,
    lanes: &[mpsc::Sender<Task>],
) -> Result<(), String> {
    let context = reactor.group.context();
    let mut follower = Follower::new(Arc::clone(&reactor.journal), start);
    loop {
        for recorded in follower.next(READ_MAX).await.map_err(|error| error.to_string())? {
            let position = recorded.position;
            if !planted::is(Bug::PauseNotNoticed) {
                reactor.contexts.noticed(&recorded).await.map_err(|error| error.to_string())?;
            }
            if let Some(reaction) = react(reactor.group, &recorded) {
                reactor.contexts.running(context).await;
                let lane = usize::from(recorded.lane());
                positions.dispatched(lane, position);
                let _ = lanes[lane].send(Task::React(reaction, recorded)).await;
            }
            positions.read.set(position);
        }
        reactor.progress.reached(positions.settled());
    }
}

/// Hands retries to their lanes; apart from events, which wait when one lane is full.
async fn pump_retries(reactor: &Reactor, lanes: &[mpsc::Sender<Task>]) -> Result<(), String> {
    let mut retries = reactor.contexts.take_retries(reactor.group);
    while let Some(key) = retries.recv().await {
        reactor.contexts.running(reactor.group.context()).await;
        if let Some(lane) = lanes.get(usize::from(key.lane)) {
            let _ = lane.send(Task::Retry(key)).await;
        }
    }
    Err("another reactor of this group has taken over its retries".to_owned())
}

async fn store_cursor(reactor: &Reactor, positions: &LanePositions, cursor: &Cursor) {
    let mut stored = positions.settled();
    loop {
        reactor.progress.at(Position(stored.0 + 1)).await;
        tokio::time::sleep(STORE_CURSOR_AFTER).await;
        let settled = positions.settled();
        // Storing late is harmless, and so is a failure: the next round stores it.
        if settled > stored && cursor.store(settled).await.is_ok() {
            stored = settled;
        }
    }
}

/// Positions of the lanes: every event up to [`LanePositions::settled`] is handled or parked.
pub(crate) struct LanePositions {
    read: Cell<Position>,
    lanes: Vec<Cell<LanePosition>>,
}

#[derive(Clone, Copy)]
struct LanePosition {
    dispatched: Position,
    done: Position,
}

impl LanePositions {
    fn new(start: Position) -> Self {
        let lane = LanePosition { dispatched: start, done: start };
        Self { read: Cell::new(start), lanes: vec![Cell::new(lane); usize::from(LANES)] }
    }

    fn dispatched(&self, lane: usize, position: Position) {
        let lane = &self.lanes[lane];
        let LanePosition { dispatched, done } = lane.get();
        // An idle lane has handled everything before this event.
        let done = if done < dispatched { done } else { Position(position.0 - 1) };
        lane.set(LanePosition { dispatched: position, done });
    }

    pub(crate) fn done(&self, lane: usize, position: Position) {
        let lane = &self.lanes[lane];
        lane.set(LanePosition { done: position, ..lane.get() });
    }

    pub(crate) fn settled(&self) -> Position {
        if planted::is(Bug::CursorAheadOfEffect) {
            return self.read.get();
        }
        let busy = self.lanes.iter().map(Cell::get).filter(|lane| lane.done < lane.dispatched);
        busy.map(|lane| lane.done).min().unwrap_or(self.read.get()).min(self.read.get())
    }
}
