//! The host of projections: folds the journal into rows, and applies them together with its cursor.
//!
//! A projection's rows can always be made again: they are, from the first event on, when they are
//! missing or of an older format. Rows and cursor are applied together, so neither runs ahead.
//!
//! Keys are what a store costs, and a saga changes the same rows several times: so rows gather for a
//! moment before they are applied, unless somebody waits to read them.

pub mod catalogue;
pub mod lists;
pub mod live;
pub mod mypage;
pub mod notification;

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

/// How many events are folded at once, and how many rows gather at most.
const BATCH_MAX: usize = 1_024;
/// How long rows gather that are read from the store, while nobody waits for them.
const GATHER: Duration = Duration::from_millis(25);
/// How long rows gather that only a restart reads.
const GATHER_FOR_RESTART: Duration = Duration::from_secs(1);
/// How many rows are removed at once when a projection is made anew.
const REMOVE_MAX: usize = 1_000;

/// Folds events into rows.
pub trait Projection {
    /// Its name, under which its cursor is kept.
    const NAME: &'static str;
    /// Raised whenever its rows' format or meaning changes: then they are made anew.
    const FORMAT: u8;
    /// What all its derived keys begin with. Rows elsewhere outlive a rebuild.
    const PREFIX: &'static [u8];
    /// Whether what is folded can be seen at once, as it is in memory: the rows are for a restart.
    const IN_MEMORY: bool = false;

    /// Brings rows into this format that cannot be made anew. Comes before all else.
    fn upgrade(&mut self, _journal: &Arc<dyn Journal>) -> impl Future<Output = Result<(), StoreError>> {
        ready(Ok(()))
    }

    /// Begins, with the rows as they are stored.
    fn open(&mut self, journal: &Arc<dyn Journal>) -> impl Future<Output = Result<(), StoreError>>;

    /// The row that folding `recorded` will read, if it is known beforehand: those of a batch are read
    /// in one go.
    fn reads(&self, _recorded: &Recorded) -> Option<Vec<u8>> {
        None
    }

    /// Folds one event.
    fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> impl Future<Output = Result<(), StoreError>>;

    /// Rows are about to be applied.
    fn amend(&mut self, _rows: &mut Rows) -> Result<(), StoreError> {
        Ok(())
    }

    /// Rows have been applied.
    fn applied(&mut self) {}
}

/// The rows that are read and written until they are applied; what was written is read.
pub struct Rows {
    journal: Arc<dyn Journal>,
    /// What was read, and what the batch before has written: a saga soon comes back to its rows.
    read: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    written: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// Those of `written` that the store does not have.
    new: BTreeSet<Vec<u8>>,
}

impl Rows {
    pub(crate) const fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, read: BTreeMap::new(), written: BTreeMap::new(), new: BTreeSet::new() }
    }

    /// Reads the rows under `keys`, but for those that are known, in one go.
    async fn read_ahead(&mut self, keys: impl Iterator<Item = Vec<u8>>) -> Result<(), StoreError> {
        let unknown = keys.filter(|key| !self.written.contains_key(key) && !self.read.contains_key(key));
        let keys: BTreeSet<Vec<u8>> = unknown.collect();
        if keys.is_empty() {
            return Ok(());
        }
        let rows = self.journal.view_get_all(keys.iter().cloned().collect()).await?;
        self.read.extend(keys.into_iter().zip(rows));
        Ok(())
    }

    /// The journal, for what an event does not say.
    #[must_use]
    pub const fn journal(&self) -> &Arc<dyn Journal> {
        &self.journal
    }

    /// The row under `key`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn get<T: DeserializeOwned>(&self, key: &[u8]) -> Result<Option<T>, StoreError> {
        self.get_as(key, codec::decode).await
    }

    /// A row, read by `decode`.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn get_as<T>(
        &self,
        key: &[u8],
        decode: impl Fn(&[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        if let Some(known) = self.written.get(key).or_else(|| self.read.get(key)) {
            return known.as_deref().map(decode).transpose();
        }
        let row = self.journal.view_get(key.to_vec()).await?;
        row.as_deref().map(decode).transpose()
    }

    /// Puts a row.
    ///
    /// # Errors
    /// [`StoreError`] when it is too large.
    pub fn put<T: Serialize>(&mut self, key: Vec<u8>, row: &T) -> Result<(), StoreError> {
        self.written.insert(key, Some(codec::encode(row)?));
        Ok(())
    }

    /// Puts a row that is encoded already.
    pub fn put_encoded(&mut self, key: Vec<u8>, row: Vec<u8>) {
        self.written.insert(key, Some(row));
    }

    /// Puts a row that was not there before: if it is removed before it is applied, the store never hears
    /// of it.
    ///
    /// # Errors
    /// [`StoreError`] when it is too large.
    pub fn add<T: Serialize>(&mut self, key: Vec<u8>, row: &T) -> Result<(), StoreError> {
        if !self.written.contains_key(&key) {
            self.new.insert(key.clone());
        }
        self.put(key, row)
    }

    /// Puts a key that says all by being there.
    pub fn mark(&mut self, key: Vec<u8>) {
        self.written.insert(key, Some(Vec::new()));
    }

    /// Applies what was written, all or none.
    ///
    /// # Errors
    /// [`StoreError`]; then nothing of what is in here is to be used any more.
    pub(crate) async fn apply(&mut self) -> Result<(), StoreError> {
        let written = std::mem::take(&mut self.written);
        let says_something = |row: &Option<Vec<u8>>| row.as_ref().is_some_and(|row| !row.is_empty());
        let rows = written.iter().filter(|(_, row)| says_something(row));
        self.read = rows.map(|(key, row)| (key.clone(), row.clone())).collect();
        self.new.clear();
        self.journal.view_apply(written.into_iter().collect()).await
    }

    /// Removes a row.
    pub fn remove(&mut self, key: Vec<u8>) {
        if self.new.remove(&key) {
            self.written.remove(&key);
        } else {
            self.written.insert(key, None);
        }
    }
}

/// Where a projection stands: stored with its rows.
type Checkpoint = (u8, Position);

/// Up to which event the stored rows of a projection are folded; none if they are to be made anew.
///
/// # Errors
/// [`StoreError`]
pub async fn stored_position<P: Projection>(
    journal: &Arc<dyn Journal>,
) -> Result<Option<Position>, StoreError> {
    let stand = journal.view_get(checkpoint_key::<P>()).await?;
    let stand = stand.and_then(|stand| codec::decode::<Checkpoint>(&stand).ok());
    Ok(stand.filter(|(format, _)| *format == P::FORMAT).map(|(_, position)| position))
}

/// Has the stored rows of a projection, if they are of the format `from`, taken for such of its own.
///
/// # Errors
/// [`StoreError`]
pub(crate) async fn move_stand<P: Projection>(
    journal: &Arc<dyn Journal>,
    from: u8,
) -> Result<(), StoreError> {
    let stand = journal.view_get(checkpoint_key::<P>()).await?;
    let stand = stand.and_then(|stand| codec::decode::<Checkpoint>(&stand).ok());
    let Some((_, position)) = stand.filter(|(format, _)| *format == from) else { return Ok(()) };
    let stand = codec::encode(&(P::FORMAT, position))?;
    journal.view_apply(vec![(checkpoint_key::<P>(), Some(stand))]).await
}

/// Folds for as long as the journal is open.
///
/// # Errors
/// What the store says.
pub async fn run<P: Projection>(
    mut projection: P,
    journal: Arc<dyn Journal>,
    progress: Arc<Progress>,
) -> Result<(), String> {
    let folding = fold_on(&mut projection, Arc::clone(&journal), Arc::clone(&progress)).await;
    let Err(error) = folding else { return Ok(()) };
    if let StoreError::Corrupt(what) = &error {
        if !progress.may_begin_anew() {
            progress.damaged(what);
            return Err(error.to_string());
        }
        // Its rows follow from the journal: if the damage is in them, new ones mend it. Once, though: if
        // it is elsewhere, making them again and again would only take away what there is.
        error!(projection = P::NAME, what, "something a projection reads is damaged; its rows are made anew");
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
) -> Result<(), StoreError> {
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
            let stand = codec::encode(&(P::FORMAT, position))?;
            journal.view_apply(vec![(checkpoint_key::<P>(), Some(stand))]).await?;
        }
        rows.put(checkpoint_key::<P>(), &(P::FORMAT, position))?;
        rows.apply().await?;
        projection.applied();
        progress.reached(position);
    }
}

/// Folds events into rows until it is time to apply them; at least one.
async fn gather<P: Projection>(
    projection: &mut P,
    follower: &mut Follower,
    rows: &mut Rows,
    progress: &Progress,
) -> Result<(), StoreError> {
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

async fn remove_all(journal: &Arc<dyn Journal>, prefix: &[u8]) -> Result<(), StoreError> {
    let end = after_prefix(prefix);
    loop {
        let rows = journal.view_scan(prefix.to_vec(), end.clone(), REMOVE_MAX).await?;
        if rows.is_empty() {
            return Ok(());
        }
        journal.view_apply(rows.into_iter().map(|(key, _)| (key, None)).collect()).await?;
    }
}

/// The smallest key after all that begin with `prefix`.
#[must_use]
pub fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let significant = prefix.iter().rposition(|&byte| byte != 0xff).map_or(0, |last| last + 1);
    let mut end = prefix[..significant].to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// A key made of a prefix and parts.
#[must_use]
pub fn key(prefix: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    [&[prefix], parts].concat().concat()
}
