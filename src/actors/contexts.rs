//! Paused contexts and parked targets, as every reactor sees them at once.
//!
//! The truth is journaled ([`Maintenance`] is an aggregate like any other); this is its mirror in
//! memory, watched, so that a reaction can wait without asking.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, mpsc};
use tracing::error;

use super::{
    entity::{
        ask::{AskError, Decided},
        exchange::Exchange,
        reads,
    },
    receipts::PendingReceipt,
    request::RequestContext,
    waiting::found,
};
use crate::{
    domain::{
        EntityId, Recorded, Version,
        context::{Context, ContextCommand, Group, Maintenance, PARKED_MAX, Parked, ParkedKey},
    },
    store::{Journal, StoreError},
};

/// A context's state in memory.
#[derive(Default)]
struct Mirror {
    /// As of which version.
    state: Mutex<(Version, Arc<Maintenance>)>,
    changed: Notify,
}

impl Mirror {
    fn lock(&self) -> MutexGuard<'_, (Version, Arc<Maintenance>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn get(&self) -> Arc<Maintenance> {
        Arc::clone(&self.lock().1)
    }

    fn show(&self, version: Version, state: &Arc<Maintenance>) {
        let mut shown = self.lock();
        if version > shown.0 {
            *shown = (version, Arc::clone(state));
            drop(shown);
            self.changed.notify_waiters();
        }
    }

    /// Returns once the context is not paused.
    async fn running(&self) {
        found(&self.changed, || (!self.lock().1.paused).then_some(())).await;
    }
}

/// The maintenance state of every context.
pub struct Contexts {
    exchange: Exchange,
    journal: Arc<dyn Journal>,
    mirrors: [Mirror; Context::ALL.len()],
    retries: Mutex<HashMap<Group, mpsc::UnboundedSender<ParkedKey>>>,
}

impl Contexts {
    /// The contexts as the journal knows them.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn open(exchange: Exchange, journal: &Arc<dyn Journal>) -> Result<Self, StoreError> {
        let (mirrors, retries) = Default::default();
        let contexts = Self { exchange, journal: Arc::clone(journal), mirrors, retries };
        for context in Context::ALL {
            contexts.refresh(context).await?;
        }
        Ok(contexts)
    }

    /// Shows a context as the journal has it.
    async fn refresh(&self, context: Context) -> Result<(), StoreError> {
        let loaded = self.journal.load(EntityId::from(context)).await?;
        let state = reads::restore::<Maintenance>(&loaded)?;
        self.show(context, loaded.version, &Arc::new(state));
        Ok(())
    }

    /// Whoever follows the journal tells what they see: a command whose answer came too late, or never, may
    /// have changed a context, and nobody else would notice.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn noticed(&self, recorded: &Recorded) -> Result<(), StoreError> {
        let context = Context::ALL.into_iter().find(|context| EntityId::from(*context) == recorded.entity);
        match context {
            Some(context) if self.mirrors[context as usize].lock().0.0 < recorded.position.0 => {
                match self.refresh(context).await {
                    Err(StoreError::Corrupt(what)) => {
                        error!(context = context.as_str(), what, "a context is damaged; it stays as it was");
                        Ok(())
                    }
                    refreshed => refreshed,
                }
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Has a context decide, and shows what it decided.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn command(
        &self,
        context: Context,
        command: ContextCommand,
        request: RequestContext,
    ) -> Result<Arc<Maintenance>, AskError> {
        Ok(self.command_once(context, command, request, None).await?.state)
    }

    /// Like [`Self::command`] for a request that may have come with a key.
    ///
    /// # Errors
    /// [`AskError`]
    pub async fn command_once(
        &self,
        context: Context,
        command: ContextCommand,
        request: RequestContext,
        receipt: Option<PendingReceipt>,
    ) -> Result<Decided<Maintenance>, AskError> {
        match self.exchange.ask_once::<Maintenance>(context, command, request, Vec::new(), receipt).await {
            Ok(decided) => {
                self.show(context, decided.version, &decided.state);
                Ok(decided)
            }
            Err(error) => {
                // It may have happened all the same; if it only will, the journal tells.
                let _ = self.refresh(context).await;
                Err(error)
            }
        }
    }

    fn show(&self, context: Context, version: Version, state: &Arc<Maintenance>) {
        self.mirrors[context as usize].show(version, state);
    }

    /// The state of a context.
    #[must_use]
    pub fn state(&self, context: Context) -> Arc<Maintenance> {
        self.mirrors[context as usize].get()
    }

    /// Returns true if no more targets of a context can be parked.
    #[must_use]
    pub fn full(&self, context: Context) -> bool {
        self.state(context).parked.len() >= PARKED_MAX
    }

    /// Whether a context's reactions wait.
    #[must_use]
    pub fn paused(&self, context: Context) -> bool {
        self.state(context).paused
    }

    /// Returns once the context is not paused.
    pub async fn running(&self, context: Context) {
        self.mirrors[context as usize].running().await;
    }

    /// Returns why a target is parked, if it is.
    #[must_use]
    pub fn parked(&self, key: ParkedKey) -> Option<Parked> {
        self.state(key.group.context()).parked.get(&key).cloned()
    }

    /// Returns all parked targets.
    #[must_use]
    pub fn all_parked(&self) -> Vec<(ParkedKey, Parked)> {
        let states = Context::ALL.map(|context| self.state(context));
        states
            .iter()
            .flat_map(|state| state.parked.iter().map(|(key, parked)| (*key, parked.clone())))
            .collect()
    }

    /// Takes over the retries of a group, from now on; every parked target is retried at once, since what
    /// stood in its way may have gone with the last process.
    pub fn take_retries(&self, group: Group) -> mpsc::UnboundedReceiver<ParkedKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        for (key, _) in self.all_parked().into_iter().filter(|(key, _)| key.group == group) {
            let _ = sender.send(key);
        }
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).insert(group, sender);
        receiver
    }

    /// Retries a parked target, in order; returns true if it is parked.
    pub fn retry(&self, key: ParkedKey) -> bool {
        let parked = self.parked(key).is_some();
        if parked
            && let Some(sender) = self.retries.lock().unwrap_or_else(PoisonError::into_inner).get(&key.group)
        {
            // A reactor that is being restarted retries all parked targets anyway.
            let _ = sender.send(key);
        }
        parked
    }

    /// Has everything that waits for `target` tried again: it has been revived.
    pub fn retry_target(&self, target: EntityId) {
        // An errand about a payment may wait for its rental: these share an id.
        let waits = |key: &ParkedKey| {
            key.target == target || (key.group == Group::Agenda && key.target.id == target.id)
        };
        for (key, _) in self.all_parked().into_iter().filter(|(key, _)| waits(key)) {
            self.retry(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{Position, id::ProductId},
        store::{SNAPSHOT_BYTES_MAX, codec},
    };

    #[test]
    fn the_most_parked_targets_fit_into_a_snapshot() {
        let details = Parked::new(Position(u64::MAX), "PaymentCancelRequested", "이유".repeat(100), u32::MAX);
        let parked = (0..PARKED_MAX).map(|n| {
            let target = ProductId(u128::MAX - n as u128).into();
            (ParkedKey { group: Group::Agenda, lane: 63, target }, details.clone())
        });
        let state = Maintenance { paused: true, parked: parked.collect() };
        let snapshot = codec::encode_snapshot(&state).unwrap();
        assert!(snapshot.len() <= SNAPSHOT_BYTES_MAX, "{}", snapshot.len());
    }
}
