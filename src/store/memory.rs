//! A store in memory, for tests, simulation and demonstrations, with injected faults and crashes.
//!
//! Acknowledged commits are durable; rows of views are volatile until the next commit or
//! [`MemoryJournal::sync`]. Everything completes at once, on the caller's thread, so that a simulation is
//! deterministic.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use super::{
    BackUpError, BackedUp, Commit, CommitError, Committed, Journal, KnownEntity, ListedRow, Loaded, Pending,
    RecordedCommit, StoreError, VaultRow, VaultWrite, ViewRow, ViewWrite, at_once,
    record::{CommitRecord, IndexRecord},
};
use crate::domain::{EntityId, EntityKind, Position, Recorded, RentalId, Version};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nothing is written; the error is `Unavailable`.
    Before,
    /// The commit is written, but the error is `Unknown`.
    After,
    /// Nothing is written; the error is `Unknown`.
    Torn,
}

#[derive(Clone, Copy, Debug)]
pub struct FaultPlan {
    /// Number of the commit that fails: 1 is the next one.
    pub nth: u64,
    pub failure: Failure,
    /// True if all later commits are refused, too, until the store is reopened.
    pub for_ever: bool,
}

#[derive(Clone, Default)]
struct Contents {
    events: Vec<Arc<Recorded>>,
    commits: Vec<RecordedCommit>,
    index: HashMap<EntityId, IndexRecord>,
    vault: BTreeMap<String, Vec<u8>>,
    views: BTreeMap<Vec<u8>, Vec<u8>>,
}

#[derive(Default)]
struct State {
    now: Contents,
    durable_views: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Batches of writes to `now.views` that are not in `durable_views` yet.
    volatile: Vec<Vec<ViewWrite>>,
    fault: Option<FaultPlan>,
    poisoned: Option<String>,
}

/// A store in memory.
#[derive(Default)]
pub struct MemoryJournal {
    state: Mutex<State>,
    head: watch::Sender<Position>,
}

impl MemoryJournal {
    /// An empty store.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Injects a fault.
    #[doc(hidden)]
    pub fn plan(&self, fault: FaultPlan) {
        self.lock().fault = Some(fault);
    }

    /// Makes all rows of views durable.
    pub fn sync(&self) {
        self.lock().sync_views();
    }

    /// The store as a process finds it that starts after this one was killed: all that is durable, no faults.
    #[must_use]
    pub fn crash(&self) -> Arc<Self> {
        self.crash_keeping(0)
    }

    /// As [`Self::crash`], with the oldest `batches` volatile batches of rows on disk.
    #[must_use]
    pub fn crash_keeping(&self, batches: usize) -> Arc<Self> {
        let state = self.lock();
        let mut views = state.durable_views.clone();
        apply_views(&mut views, state.volatile.iter().take(batches).flatten().cloned());
        let contents = Contents { views, ..state.now.clone() };
        let head = watch::Sender::new(Position(contents.events.len() as u64));
        let state = State { durable_views: contents.views.clone(), now: contents, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), head })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn do_commit(&self, commit: &Commit) -> Result<Committed, CommitError> {
        let mut state = self.lock();
        if let Some(reason) = &state.poisoned {
            return Err(CommitError::Unavailable(reason.clone()));
        }
        let known = state.now.index.get(&commit.entity);
        let (version, last) = known.map_or_else(Default::default, |k| (k.version, k.last_commit_id));
        if last == commit.commit_id && version != Version::default() {
            return Ok(Committed { position: Position(version.0), version });
        }
        if version != commit.expected {
            return Err(CommitError::Conflict { current: version });
        }
        let (record, _) = CommitRecord::of(commit)?;
        state.check_room(commit, &record)?;
        let (failure, reason) = (state.strike(), "a planned fault".to_owned());
        match failure {
            Some(Failure::Before) => return Err(CommitError::Unavailable(reason)),
            Some(Failure::Torn) => return Err(CommitError::Unknown(reason)),
            Some(Failure::After) | None => {}
        }
        let committed = state.write(commit, &record);
        self.head.send_replace(committed.position);
        if failure.is_some() { Err(CommitError::Unknown(reason)) } else { Ok(committed) }
    }
}

impl State {
    fn sync_views(&mut self) {
        apply_views(&mut self.durable_views, self.volatile.drain(..).flatten());
    }

    fn strike(&mut self) -> Option<Failure> {
        let fault = self.fault.as_mut()?;
        fault.nth -= 1;
        if fault.nth > 0 {
            return None;
        }
        let FaultPlan { failure, for_ever, .. } = *fault;
        self.fault = None;
        if for_ever {
            self.poisoned = Some("a planned fault".to_owned());
        }
        Some(failure)
    }

    fn next(&self) -> Position {
        Position(self.now.events.len() as u64 + 1)
    }

    fn check_room(&mut self, commit: &Commit, record: &CommitRecord) -> Result<(), CommitError> {
        let timelines: Vec<_> = record.timelines(self.next()).collect();
        let own = timelines.iter().filter(|(rental, _)| EntityId::from(*rental) == commit.entity).count();
        let room = |entity: &EntityId| self.now.index.get(entity).cloned().unwrap_or_default();
        room(&commit.entity).check_room(commit.entity.kind, commit.snapshot.len(), own)?;
        for (rental, _) in &timelines {
            let known = room(&(*rental).into());
            known.check_room(EntityKind::Rental, known.snapshot.len(), timelines.len())?;
        }
        Ok(())
    }

    fn write(&mut self, commit: &Commit, record: &CommitRecord) -> Committed {
        let first = self.next();
        let last = record.last(first);
        for (rental, position) in record.timelines(first) {
            self.now.index.entry(rental.into()).or_default().in_timeline(position);
        }
        let known = self.now.index.entry(commit.entity).or_default();
        known.version = Version(last.0);
        known.last_commit_id = commit.commit_id;
        known.snapshot = commit.snapshot.to_vec();
        self.now.events.extend(record.clone().recorded(first));
        let (commit_id, events) = (commit.commit_id, commit.events.clone());
        self.now.commits.push(RecordedCommit { entity: commit.entity, commit_id, first, events });
        apply_vault(&mut self.now.vault, &commit.vault);
        // A commit's sync makes everything durable that was written before it.
        self.sync_views();
        Committed { position: last, version: Version(last.0) }
    }
}

fn apply_views(views: &mut BTreeMap<Vec<u8>, Vec<u8>>, writes: impl IntoIterator<Item = ViewWrite>) {
    for (key, value) in writes {
        match value {
            Some(value) => views.insert(key, value),
            None => views.remove(&key),
        };
    }
}

fn apply_vault(vault: &mut BTreeMap<String, Vec<u8>>, writes: &[VaultWrite]) {
    for VaultWrite { key, value } in writes {
        match value {
            Some(value) => vault.insert(key.clone(), value.clone()),
            None => vault.remove(key),
        };
    }
}

impl Journal for MemoryJournal {
    fn load(&self, entity: EntityId) -> Pending<Result<Loaded, StoreError>> {
        let state = self.lock();
        at_once(Ok(state.now.index.get(&entity).map_or_else(Loaded::default, IndexRecord::loaded)))
    }

    fn commit(&self, commit: Commit) -> Pending<Result<Committed, CommitError>> {
        at_once(self.do_commit(&commit))
    }

    fn read(&self, after: Position, max: usize) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        let state = self.lock();
        let from = usize::try_from(after.0).unwrap_or(usize::MAX);
        at_once(Ok(state.now.events.iter().skip(from).take(max).cloned().collect()))
    }

    fn timeline(&self, rental: RentalId) -> Pending<Result<Vec<Arc<Recorded>>, StoreError>> {
        let state = self.lock();
        let positions = state.now.index.get(&rental.into()).map_or(&[][..], |known| &known.timeline);
        at_once(Ok(positions.iter().map(|p| Arc::clone(&state.now.events[p.0 as usize - 1])).collect()))
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    fn vault_write(&self, writes: Vec<VaultWrite>) -> Pending<Result<(), CommitError>> {
        let mut state = self.lock();
        let taken = match &state.poisoned {
            Some(reason) => Err(CommitError::Unavailable(reason.clone())),
            None => super::check_vault(&writes),
        };
        if taken.is_ok() {
            apply_vault(&mut state.now.vault, &writes);
        }
        at_once(taken)
    }

    fn vault_get_all(&self, keys: Vec<String>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        let state = self.lock();
        at_once(Ok(keys.iter().map(|key| state.now.vault.get(key).cloned()).collect()))
    }

    fn vault_scan(&self, prefix: String) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        let state = self.lock();
        let found = state.now.vault.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix));
        at_once(Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }

    fn vault_after(&self, after: Option<String>, max: usize) -> Pending<Result<Vec<VaultRow>, StoreError>> {
        let state = self.lock();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let found = state.now.vault.range((from, Bound::Unbounded)).take(max);
        at_once(Ok(found.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }

    fn view_apply(&self, writes: Vec<ViewWrite>) -> Pending<Result<(), StoreError>> {
        let mut state = self.lock();
        if let Some(reason) = &state.poisoned {
            return at_once(Err(StoreError::Unavailable(reason.clone())));
        }
        apply_views(&mut state.now.views, writes.iter().cloned());
        state.volatile.push(writes);
        at_once(Ok(()))
    }

    fn view_get_all(&self, keys: Vec<Vec<u8>>) -> Pending<Result<Vec<Option<Vec<u8>>>, StoreError>> {
        let state = self.lock();
        at_once(Ok(keys.iter().map(|key| state.now.views.get(key).cloned()).collect()))
    }

    fn view_scan(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
    ) -> Pending<Result<Vec<ViewRow>, StoreError>> {
        let state = self.lock();
        if from >= to {
            return at_once(Ok(Vec::new()));
        }
        let rows = state.now.views.range(from..to).take(limit);
        at_once(Ok(rows.map(|(key, value)| (key.clone(), value.clone())).collect()))
    }

    fn view_list(
        &self,
        from: Vec<u8>,
        to: Vec<u8>,
        limit: usize,
        leads_to: fn(&[u8]) -> Vec<u8>,
    ) -> Pending<Result<Vec<ListedRow>, StoreError>> {
        let state = self.lock();
        if from >= to {
            return at_once(Ok(Vec::new()));
        }
        let listed = state.now.views.range(from..to).take(limit);
        let row = |key: &Vec<u8>| state.now.views.get(&leads_to(key)).cloned();
        at_once(Ok(listed.map(|(key, _)| (key.clone(), row(key))).collect()))
    }

    fn commits(&self, after: Position, max: usize) -> Pending<Result<Vec<RecordedCommit>, StoreError>> {
        let state = self.lock();
        let from = state.now.commits.partition_point(|commit| commit.first <= after);
        at_once(Ok(state.now.commits[from..].iter().take(max).cloned().collect()))
    }

    fn entities(&self, after: Option<EntityId>, max: usize) -> Pending<Result<Vec<KnownEntity>, StoreError>> {
        let state = self.lock();
        let mut entities: Vec<EntityId> = state.now.index.keys().copied().collect();
        entities.retain(|entity| after.is_none_or(|after| *entity > after));
        entities.sort_unstable();
        let known = |entity: &EntityId| (*entity, Ok(state.now.index[entity].clone()));
        at_once(Ok(entities.iter().take(max).map(known).collect()))
    }

    fn health(&self) -> Result<(), String> {
        self.lock().poisoned.clone().map_or(Ok(()), Err)
    }

    fn back_up(&self, _: PathBuf, _: Vec<PathBuf>) -> Pending<Result<BackedUp, BackUpError>> {
        at_once(Err(BackUpError::Refused("the store is in memory: it keeps nothing".to_owned())))
    }

    fn close(&self) -> Pending<()> {
        let mut state = self.lock();
        if state.poisoned.is_none() {
            state.sync_views();
            state.poisoned = Some("the journal is closed".to_owned());
        }
        at_once(())
    }
}
