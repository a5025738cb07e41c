//! One lane of a reactor: its reactions, strictly one after the other, and its parked targets.

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

/// Number of attempts before the target of a failing reaction is parked.
const ATTEMPTS_MAX: u32 = 6;
/// Pause after the first failure, in ms; it doubles with each further one.
const PAUSE_MS: u64 = 20;
const PAUSE_MAX_MS: u64 = 1_000;
const READ_MAX: usize = 512;

pub(crate) enum Task {
    React(Reaction, Arc<Recorded>),
    Retry(ParkedKey),
}

pub(crate) struct Lane {
    pub index: u8,
    pub reactor: Rc<Reactor>,
    pub positions: Rc<LanePositions>,
    /// All events of this lane up to this position are handled or parked.
    pub seen: Position,
}

impl Lane {
    pub(crate) async fn run(mut self, mut tasks: mpsc::Receiver<Task>) {
        while let Some(task) = tasks.recv().await {
            self.reactor.contexts.running(self.reactor.group.context()).await;
            match task {
                Task::React(reaction, recorded) => {
                    let (group, target) = (self.reactor.group, reaction.target);
                    let key = ParkedKey { group, lane: self.index, target };
                    let passes = self.reactor.contexts.parked(key).is_none() || planted::is(Bug::HoldByEvent);
                    if passes
                        && let Err((reason, attempts)) = self.send_with_retries(&reaction, &recorded).await
                    {
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

    /// Sends a reaction until it succeeds, is refused, or fails too often.
    async fn send_with_retries(&self, reaction: &Reaction, recorded: &Recorded) -> Result<(), (String, u32)> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.reactor.progress.pulse().beat();
            let sent = guarded(self.reactor.send(reaction.clone(), recorded)).await;
            let reason = match sent {
                Ok(Ok(())) => return Ok(()),
                // While the store takes no commits, parking could not be recorded either.
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

    /// Parks a target. Returns once that is durable: no later event of the target may pass before.
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
            self.reactor.contexts.command(key.group.context(), command.clone(), request, None).await
        } {
            attempts += 1;
            self.reactor.progress.pulse().beat();
            warn!(held = %key, %correlation, %error, "cannot be recorded yet; waiting");
            pause(attempts).await;
        }
    }

    /// Reads the journal from the event that parked the target, and handles the events that wait for it, in
    /// order.
    async fn retry(&self, key: ParkedKey) {
        let Some(parked) = self.reactor.contexts.parked(key) else { return };
        let mut after = Position(parked.position.0 - 1);
        let mut correlation = Correlation::default();
        while after < self.seen {
            let read = self.reactor.journal.read(after, READ_MAX).await;
            let events = match read {
                Ok(events) if events.is_empty() => break,
                Ok(events) => events,
                // The target stays parked, and the operator may retry.
                Err(error) => return warn!(held = %key, %error, "the journal cannot be read"),
            };
            for recorded in events.iter().take_while(|recorded| recorded.position <= self.seen) {
                after = recorded.position;
                let waiting = react(key.group, recorded).filter(|_| recorded.lane() == self.index);
                let Some(reaction) = waiting.filter(|reaction| reaction.target == key.target) else {
                    continue;
                };
                correlation = recorded.meta.correlation;
                if let Err((reason, attempts)) = self.send_with_retries(&reaction, recorded).await {
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
