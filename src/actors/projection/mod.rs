//! Projections: fold the journal into rows, and apply the rows together with a checkpoint.
//!
//! A projection's rows can always be rebuilt, and are, from the first event on, if they are missing or of an
//! older format. Rows and checkpoint are applied together, so neither is ahead of the other.
//!
//! Writes are paid per key, and a saga changes the same rows several times. So rows are gathered for a moment
//! before they are applied, unless a reader waits for them.

pub(crate) mod catalogue;
pub(crate) mod lists;
pub(crate) mod live;
pub mod mypage;
pub(crate) mod notification;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::{Future, ready},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use tracing::error;

use super::progress::Progress;
use crate::{
    domain::{Position, Recorded},
    planted::{self, Bug},
    store::{Follower, Journal, StoreError, codec},
};

/// Maximum number of events folded at once, and of rows gathered.
const BATCH_MAX: usize = 1_024;
/// Time that rows are gathered if nobody waits for them.
const GATHER: Duration = Duration::from_millis(25);
/// Time that rows are gathered that only a restart reads.
const GATHER_FOR_RESTART: Duration = Duration::from_secs(1);
const REMOVE_MAX: usize = 1_000;

pub(crate) type Result<T, E = StoreError> = std::result::Result<T, E>;

/// A fold of events into rows.
pub(crate) trait Projection {
    /// Name of the projection and its checkpoint.
    const NAME: &'static str;
    /// Format of the rows. A change has them rebuilt.
    const FORMAT: u8;
    /// Prefix of all derived keys. Rows elsewhere outlive a rebuild.
    const PREFIX: &'static [u8];
    /// True if readers see the folded state in memory; the rows are for a restart.
    const IN_MEMORY: bool = false;

    /// Converts rows of an older format that cannot be rebuilt. Called first.
    fn upgrade(&mut self, _journal: &Arc<dyn Journal>) -> impl Future<Output = Result<()>> {
        ready(Ok(()))
    }

    fn open(&mut self, journal: &Arc<dyn Journal>) -> impl Future<Output = Result<()>>;

    /// Key of the row that folding `recorded` will read, if it is known: the rows of a batch are read at
    /// once.
    fn reads(&self, _recorded: &Recorded) -> Option<Vec<u8>> {
        None
    }

    fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> impl Future<Output = Result<()>>;

    fn amend(&mut self, _rows: &mut Rows) -> Result<()> {
        Ok(())
    }

    fn applied(&mut self) {}
}

/// Rows that are not applied yet. Reads see the writes.
pub(crate) struct Rows {
    journal: Arc<dyn Journal>,
    /// Rows that were read, and those of the last batch: a saga soon reads its rows again.
    read: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    written: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Keys in `written` that the store does not have.
    new: BTreeSet<Vec<u8>>,
}

impl Rows {
    pub(crate) const fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, read: BTreeMap::new(), written: BTreeMap::new(), new: BTreeSet::new() }
    }

    /// Reads the rows of `keys` that are not known, at once.
    async fn read_ahead(&mut self, keys: impl Iterator<Item = Vec<u8>>) -> Result<()> {
        let unknown = keys.filter(|key| !self.written.contains_key(key) && !self.read.contains_key(key));
        let keys: BTreeSet<Vec<u8>> = unknown.collect();
        if keys.is_empty() {
            return Ok(());
        }
        let rows = self.journal.view_get_all(keys.iter().cloned().collect()).await?;
        self.read.extend(keys.into_iter().zip(rows));
        Ok(())
    }

    pub(crate) const fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>> {
        if let Some(known) = self.written.get(key).or_else(|| self.read.get(key)) {
            return known.as_deref().map(codec::decode).transpose();
        }
        let row = self.journal.view_get(key.to_vec()).await?;
        row.as_deref().map(codec::decode).transpose()
    }

    pub(crate) fn put<T: Serialize>(&mut self, key: Vec<u8>, row: &T) -> Result<()> {
        self.written.insert(key, Some(codec::encode(row)?));
        Ok(())
    }

    pub(crate) fn put_encoded(&mut self, key: Vec<u8>, row: Vec<u8>) {
        self.written.insert(key, Some(row));
    }

    /// Puts a row that the store does not have: if it is removed before rows are applied, nothing is written.
    pub(crate) fn add<T: Serialize>(&mut self, key: Vec<u8>, row: &T) -> Result<()> {
        if !self.written.contains_key(&key) {
            self.new.insert(key.clone());
        }
        self.put(key, row)
    }

    /// Applies all writes or none. After an error, these rows must not be used any more.
    pub(crate) async fn apply(&mut self) -> Result<()> {
        let written = std::mem::take(&mut self.written);
        let has_value = |row: &Option<Vec<u8>>| row.as_ref().is_some_and(|row| !row.is_empty());
        let rows = written.iter().filter(|(_, row)| has_value(row));
        self.read = rows.map(|(key, row)| (key.clone(), row.clone())).collect();
        self.new.clear();
        self.journal.view_apply(written.into_iter().collect()).await
    }

    pub(crate) fn remove(&mut self, key: Vec<u8>) {
        if self.new.remove(&key) {
            self.written.remove(&key);
        } else {
            self.written.insert(key, None);
        }
    }
}

/// Format of the rows, and the position up to which they are folded. Stored with the rows.
type Checkpoint = (u8, Position);

/// Returns the position up to which stored rows are folded; `None` if they must be rebuilt.
pub(crate) async fn stored_position<P: Projection>(journal: &Arc<dyn Journal>) -> Result<Option<Position>> {
    let checkpoint = journal.view_get(checkpoint_key::<P>()).await?;
    let checkpoint = checkpoint.and_then(|row| codec::decode::<Checkpoint>(&row).ok());
    Ok(checkpoint.filter(|(format, _)| *format == P::FORMAT).map(|(_, position)| position))
}

/// Has the stored rows of a projection, if they are of the format `from`, taken for such of its own.
pub(crate) async fn move_stand<P: Projection>(journal: &Arc<dyn Journal>, from: u8) -> Result<()> {
    let checkpoint = journal.view_get(checkpoint_key::<P>()).await?;
    let checkpoint = checkpoint.and_then(|row| codec::decode::<Checkpoint>(&row).ok());
    let Some((_, position)) = checkpoint.filter(|(format, _)| *format == from) else { return Ok(()) };
    let checkpoint = codec::encode(&(P::FORMAT, position))?;
    journal.view_apply(vec![(checkpoint_key::<P>(), Some(checkpoint))]).await
}

pub(crate) async fn run<P: Projection>(
    mut projection: P,
    journal: Arc<dyn Journal>,
    progress: Arc<Progress>,
) -> Result<(), String> {
    let folding = fold_on(&mut projection, Arc::clone(&journal), Arc::clone(&progress)).await;
    let Err(error) = folding else { return Ok(()) };
    if let StoreError::Corrupt(what) = &error {
        if !progress.may_rebuild() {
            progress.damaged(what);
            return Err(error.to_string());
        }
        // If the damage is in the rows, a rebuild repairs it. Only once: if the damage is elsewhere,
        // rebuilding again and again would only remove rows.
        error!(
            projection = P::NAME,
            what, "a record that a projection reads is damaged; rebuilding its rows"
        );
        journal.view_apply(vec![(checkpoint_key::<P>(), None)]).await.map_err(|error| error.to_string())?;
    }
    Err(error.to_string())
}

fn checkpoint_key<P: Projection>() -> Vec<u8> {
    format!("stand/{}", P::NAME).into_bytes()
}

async fn fold_on<P: Projection>(
    projection: &mut P,
    journal: Arc<dyn Journal>,
    progress: Arc<Progress>,
) -> Result<()> {
    projection.upgrade(&journal).await?;
    let start = match stored_position::<P>(&journal).await? {
        Some(position) => position,
        None => {
            remove_all(&journal, P::PREFIX).await?;
            Position::default()
        }
    };
    projection.open(&journal).await?;
    progress.reached(start);
    let mut follower = Follower::new(Arc::clone(&journal), start);
    let mut rows = Rows::new(Arc::clone(&journal));
    loop {
        gather(projection, &mut follower, &mut rows, &progress).await?;
        let position = follower.position();
        projection.amend(&mut rows)?;
        if planted::is(Bug::CursorBeforeRows) {
            let checkpoint = codec::encode(&(P::FORMAT, position))?;
            journal.view_apply(vec![(checkpoint_key::<P>(), Some(checkpoint))]).await?;
        }
        rows.put(checkpoint_key::<P>(), &(P::FORMAT, position))?;
        rows.apply().await?;
        projection.applied();
        progress.reached(position);
    }
}

/// Folds events into rows until it is time to apply them; at least one event.
async fn gather<P: Projection>(
    projection: &mut P,
    follower: &mut Follower,
    rows: &mut Rows,
    progress: &Progress,
) -> Result<()> {
    let applied = follower.position();
    let mut events = follower.next(BATCH_MAX).await?;
    let mut time = pin!(tokio::time::sleep(if P::IN_MEMORY { GATHER_FOR_RESTART } else { GATHER }));
    loop {
        rows.read_ahead(events.iter().filter_map(|recorded| projection.reads(recorded))).await?;
        for recorded in &events {
            projection.fold(recorded, rows).await?;
        }
        if P::IN_MEMORY {
            progress.reached(follower.position());
        }
        if rows.written.len() >= BATCH_MAX {
            return Ok(());
        }
        events = tokio::select! {
            biased;
            () = &mut time => return Ok(()),
            () = progress.wanted_beyond(applied), if !P::IN_MEMORY => return Ok(()),
            events = follower.next(BATCH_MAX) => events?,
        };
    }
}

async fn remove_all(journal: &Arc<dyn Journal>, prefix: &[u8]) -> Result<()> {
    let end = after_prefix(prefix);
    loop {
        let rows = journal.view_scan(prefix.to_vec(), end.clone(), REMOVE_MAX).await?;
        if rows.is_empty() {
            return Ok(());
        }
        journal.view_apply(rows.into_iter().map(|(key, _)| (key, None)).collect()).await?;
    }
}

/// Returns the smallest key after all keys that begin with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let significant = prefix.iter().rposition(|&byte| byte != 0xff).map_or(0, |last| last + 1);
    let mut end = prefix[..significant].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

pub(crate) fn key(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    [&[prefix], parts].concat().concat()
}
