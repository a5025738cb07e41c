//! One lane of a reactor: its reactions, strictly one after the other, and what is held among them.

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::{debug, error, warn};

use super::{LanePositions, Reactor};
use crate::{
    actors::{entity::ask::AskError, request::RequestContext, supervision::guard::guarded},
    domain::{
        Correlation, Position, Recorded,
        context::{ContextCommand, Parked, ParkedKey},
        policies::{Reaction, react},
    },
    planted::{self, Bug},
};

/// How often a failing reaction is tried before its target is held.
const ATTEMPTS_MAX: u32 = 6;
/// The pause after the first failure; it doubles with each further one.
const PAUSE_MS: u64 = 20;
/// The longest pause.
const PAUSE_MAX_MS: u64 = 1_000;
/// How many events a retry reads at once.
const READ_MAX: usize = 512;

/// Something for a lane to do.
pub(crate) enum Task {
    /// React to an event.
    React(Reaction, Arc<Recorded>),
    /// Try again what waits for a held target.
    Retry(ParkedKey),
}

/// A lane.
pub(crate) struct Lane {
    index: u8,
    reactor: Rc<Reactor>,
    positions: Rc<LanePositions>,
    /// Up to here, all of this lane's events are handled or held.
    seen: Position,
}

impl Lane {
    pub(crate) const fn new(
        index: u8,
        reactor: Rc<Reactor>,
        positions: Rc<LanePositions>,
        start: Position,
    ) -> Self {
        Self { index, reactor, positions, seen: start }
    }

    pub(crate) async fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(task) = tasks.recv().await {
            self.reactor.contexts.running(self.reactor.group.context()).await;
            match task {
                Task::React(reaction, recorded) => {
                    let key = self.key(&reaction);
                    let passes = self.reactor.contexts.parked(key).is_none() || planted::is(Bug::HoldByEvent);
                    if passes && let Err((reason, attempts)) = self.insist(&reaction, &recorded).await {
                        self.park(key, &recorded, reason, attempts).await;
                    }
                    self.seen = recorded.position;
                    self.positions.done(usize::from(self.index), recorded.position);
                    self.reactor.progress.reached(self.positions.settled());
                }
                Task::Retry(key) => self.retry(key).await,
            }
        }
    }

    fn key(&self, reaction: &Reaction) -> ParkedKey {
        ParkedKey { group: self.reactor.group, lane: self.index, target: reaction.target }
    }

    /// Sends a reaction until it is done, or there is no point in trying on.
    async fn insist(&self, reaction: &Reaction, recorded: &Recorded) -> Result<(), (String, u32)> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.reactor.progress.pulse().beat();
            let sent = guarded(self.reactor.send(reaction.clone(), recorded)).await;
            let reason = match sent {
                Ok(Ok(())) => return Ok(()),
                // While the store takes nothing, parking could not be recorded either: wait.
                Ok(Err(AskError::Store(reason))) => {
                    let (group, correlation) = (self.reactor.group.as_str(), recorded.meta.correlation);
                    debug!(group, %correlation, reason, "the store is unavailable; waiting");
                    pause(attempts).await;
                    continue;
                }
                Ok(Err(_)) if self.reactor.contexts.full(self.reactor.group.context()) => {
                    pause(attempts).await;
                    continue;
                }
                Ok(Err(refused @ (AskError::Rejected(_) | AskError::Quarantined | AskError::Damaged(_)))) => {
                    return Err((refused.to_string(), attempts));
                }
                Ok(Err(passing @ (AskError::Shed | AskError::Timeout | AskError::Stopped))) => {
                    passing.to_string()
                }
                Err(panic) => panic,
            };
            if attempts >= ATTEMPTS_MAX {
                return Err((reason, attempts));
            }
            pause(attempts).await;
        }
    }

    /// Records that a target is held. Nothing may pass before that is durable.
    async fn park(&self, key: ParkedKey, recorded: &Recorded, reason: String, attempts: u32) {
        let (position, event) = (recorded.position, recorded.event.name());
        let (at, correlation) = (position.0, recorded.meta.correlation);
        error!(held = %key, event, position = at, %correlation, reason, "a target is held for the operator");
        let parked = Parked::new(position, event, reason, attempts);
        self.record(key, correlation, ContextCommand::Park { key, parked }).await;
    }

    async fn record(&self, key: ParkedKey, correlation: Correlation, command: ContextCommand) {
        let mut attempts = 0;
        while let Err(error) = {
            let request = RequestContext::scheduled(correlation);
            self.reactor.contexts.command(key.group.context(), command.clone(), request).await
        } {
            attempts += 1;
            self.reactor.progress.pulse().beat();
            warn!(held = %key, %correlation, %error, "cannot be recorded yet; waiting");
            pause(attempts).await;
        }
    }

    /// Re-reads the lane from where the target was held, and handles what waits for it, in order.
    async fn retry(&self, key: ParkedKey) {
        let Some(parked) = self.reactor.contexts.parked(key) else { return };
        let mut after = Position(parked.position.0 - 1);
        let mut correlation = Correlation::default();
        while after < self.seen {
            let read = self.reactor.journal.read(after, READ_MAX).await;
            let events = match read {
                Ok(events) if events.is_empty() => break,
                Ok(events) => events,
                // It stays held; the operator sees it, and tries again.
                Err(error) => return warn!(held = %key, %error, "the journal cannot be read"),
            };
            for recorded in events.iter().take_while(|recorded| recorded.position <= self.seen) {
                after = recorded.position;
                let waiting = react(key.group, recorded).filter(|_| recorded.lane() == self.index);
                let Some(reaction) = waiting.filter(|reaction| reaction.target == key.target) else {
                    continue;
                };
                correlation = recorded.meta.correlation;
                if let Err((reason, attempts)) = self.insist(&reaction, recorded).await {
                    return self.park(key, recorded, reason, parked.attempts + attempts).await;
                }
            }
            if events.last().is_some_and(|last| last.position > self.seen) {
                break;
            }
        }
        self.record(key, correlation, ContextCommand::Release { key }).await;
    }
}

async fn pause(attempts: u32) {
    let pause_ms = (PAUSE_MS << attempts.min(10)).min(PAUSE_MAX_MS);
    tokio::time::sleep(Duration::from_millis(pause_ms)).await;
}
