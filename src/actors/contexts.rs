//! Paused contexts and parked targets: a mirror in memory of the [`Maintenance`] aggregates, so that reactors
//! can wait for a context without a message.

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

#[derive(Default)]
struct Mirror {
    state: Mutex<(Version, Arc<Maintenance>)>,
    changed: Notify,
}

impl Mirror {
    fn lock(&self) -> MutexGuard<'_, (Version, Arc<Maintenance>)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, version: Version, state: &Arc<Maintenance>) {
        let mut shown = self.lock();
        if version > shown.0 {
            *shown = (version, Arc::clone(state));
            drop(shown);
            self.changed.notify_waiters();
        }
    }
}

pub(crate) struct Contexts {
    exchange: Exchange,
    journal: Arc<dyn Journal>,
    mirrors: [Mirror; Context::ALL.len()],
    retries: Mutex<HashMap<Group, mpsc::UnboundedSender<ParkedKey>>>,
}

impl Contexts {
    pub(crate) async fn open(exchange: Exchange, journal: &Arc<dyn Journal>) -> Result<Self, StoreError> {
        let (mirrors, retries) = Default::default();
        let contexts = Self { exchange, journal: Arc::clone(journal), mirrors, retries };
        for context in Context::ALL {
            contexts.refresh(context).await?;
        }
        Ok(contexts)
    }

    async fn refresh(&self, context: Context) -> Result<(), StoreError> {
        let loaded = self.journal.load(EntityId::from(context)).await?;
        let state = reads::restore::<Maintenance>(&loaded)?;
        self.mirrors[context as usize].show(loaded.version, &Arc::new(state));
        Ok(())
    }

    /// Refreshes a context when a reactor reads one of its events: a command whose answer was lost may have
    /// changed it.
    pub(crate) async fn noticed(&self, recorded: &Recorded) -> Result<(), StoreError> {
        let context = Context::ALL.into_iter().find(|context| EntityId::from(*context) == recorded.entity);
        let is_old = |context: &Context| self.mirrors[*context as usize].lock().0.0 < recorded.position.0;
        let Some(context) = context.filter(is_old) else { return Ok(()) };
        match self.refresh(context).await {
            Err(StoreError::Corrupt(what)) => {
                error!(context = context.as_str(), what, "a context is damaged; it stays as it was");
                Ok(())
            }
            refreshed => refreshed,
        }
    }

    pub(crate) async fn command(
        &self,
        context: Context,
        command: ContextCommand,
        request: RequestContext,
        receipt: Option<PendingReceipt>,
    ) -> Result<Decided<Maintenance>, AskError> {
        match self.exchange.ask_once::<Maintenance>(context, command, request, Vec::new(), receipt).await {
            Ok(decided) => {
                self.mirrors[context as usize].show(decided.version, &decided.state);
                Ok(decided)
            }
            Err(error) => {
                // The command may have taken effect. If it does so later, a reactor notices.
                let _ = self.refresh(context).await;
                Err(error)
            }
        }
    }

    pub(crate) fn state(&self, context: Context) -> Arc<Maintenance> {
        Arc::clone(&self.mirrors[context as usize].lock().1)
    }

    pub(crate) fn full(&self, context: Context) -> bool {
        self.state(context).parked.len() >= PARKED_MAX
    }

    pub(crate) fn paused(&self, context: Context) -> bool {
        self.state(context).paused
    }

    pub(crate) async fn running(&self, context: Context) {
        let mirror = &self.mirrors[context as usize];
        found(&mirror.changed, || (!mirror.lock().1.paused).then_some(())).await;
    }

    pub(crate) fn parked(&self, key: ParkedKey) -> Option<Parked> {
        self.state(key.group.context()).parked.get(&key).cloned()
    }

    pub(crate) fn all_parked(&self) -> Vec<(ParkedKey, Parked)> {
        Context::ALL.into_iter().flat_map(|context| self.state(context).parked.clone()).collect()
    }

    /// Takes over the retries of a group. All its parked targets are retried at once: the reason may have
    /// gone with the last process.
    pub(crate) fn take_retries(&self, group: Group) -> mpsc::UnboundedReceiver<ParkedKey> {
        let (sender, receiver) = mpsc::unbounded_channel();
        for (key, _) in self.all_parked().into_iter().filter(|(key, _)| key.group == group) {
            let _ = sender.send(key);
        }
        self.retries.lock().unwrap_or_else(PoisonError::into_inner).insert(group, sender);
        receiver
    }

    /// Retries a parked target, in order; returns true if it is parked.
    pub(crate) fn retry(&self, key: ParkedKey) -> bool {
        let parked = self.parked(key).is_some();
        if parked
            && let Some(sender) = self.retries.lock().unwrap_or_else(PoisonError::into_inner).get(&key.group)
        {
            // A reactor that is being restarted retries all parked targets anyway.
            let _ = sender.send(key);
        }
        parked
    }

    /// Retries everything that is parked for `target`, which was revived.
    pub(crate) fn retry_target(&self, target: EntityId) {
        // A job about a payment may wait for its rental, which has the same id.
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
