//! The host of projections: folds the journal into rows, batch by batch, each with its cursor.
//!
//! A projection's rows can always be made again: they are, from the first event on, when they are
//! missing or of an older format. Rows and cursor are applied together, so neither runs ahead.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use serde::{Serialize, de::DeserializeOwned};
use tracing::error;

use super::progress::Progress;
use crate::{
    domain::{Position, Recorded},
    store::{Follower, Journal, StoreError, codec},
};

/// How many events are folded into one batch of rows.
const BATCH_MAX: usize = 1_024;
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

    /// Begins, with the rows as they are stored.
    fn open(&mut self, journal: &Arc<dyn Journal>) -> impl Future<Output = Result<(), StoreError>>;

    /// Folds one event.
    fn fold(&mut self, recorded: &Recorded, rows: &mut Rows) -> impl Future<Output = Result<(), StoreError>>;

    /// A batch has been applied.
    fn applied(&mut self) {}
}

/// The rows that a batch reads and writes; what it wrote, it reads.
pub struct Rows {
    journal: Arc<dyn Journal>,
    written: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Rows {
    fn new(journal: Arc<dyn Journal>) -> Self {
        Self { journal, written: BTreeMap::new() }
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
        let row = match self.written.get(key) {
            Some(written) => written.clone(),
            None => self.journal.view_get(key.to_vec()).await?,
        };
        row.map(|row| codec::decode(&row)).transpose()
    }

    /// Puts a row.
    ///
    /// # Errors
    /// [`StoreError`] when it is too large.
    pub fn put<T: Serialize>(&mut self, key: Vec<u8>, row: &T) -> Result<(), StoreError> {
        self.written.insert(key, Some(codec::encode(row)?));
        Ok(())
    }

    /// Puts a key that says all by being there.
    pub fn mark(&mut self, key: Vec<u8>) {
        self.written.insert(key, Some(Vec::new()));
    }

    /// Removes a row.
    pub fn remove(&mut self, key: Vec<u8>) {
        self.written.insert(key, None);
    }
}

/// Where a projection stands: stored with its rows.
type Stand = (u8, Position);

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
    if let StoreError::Corrupt(what) = &error
        && progress.may_begin_anew()
    {
        // Its rows follow from the journal: if the damage is in them, new ones mend it. Once, though: if
        // it is elsewhere, making them again and again would only take away what there is.
        error!(projection = P::NAME, what, "something a projection reads is damaged; its rows are made anew");
        journal.view_apply(vec![(stand_key::<P>(), None)]).await.map_err(|error| error.to_string())?;
    }
    Err(error.to_string())
}

fn stand_key<P: Projection>() -> Vec<u8> {
    format!("stand/{}", P::NAME).into_bytes()
}

async fn fold_on<P: Projection>(
    projection: &mut P,
    journal: Arc<dyn Journal>,
    progress: Arc<Progress>,
) -> Result<(), StoreError> {
    let stand = journal.view_get(stand_key::<P>()).await?;
    let stand = stand.and_then(|stand| codec::decode::<Stand>(&stand).ok());
    let start = match stand {
        Some((format, position)) if format == P::FORMAT => position,
        Some(_) | None => {
            remove_all(&journal, P::PREFIX).await?;
            Position::default()
        }
    };
    projection.open(&journal).await?;
    progress.reached(start);
    let mut follower = Follower::new(Arc::clone(&journal), start);
    loop {
        let events = follower.next(BATCH_MAX).await?;
        let mut rows = Rows::new(Arc::clone(&journal));
        for recorded in &events {
            projection.fold(recorded, &mut rows).await?;
        }
        let position = follower.position();
        rows.put(stand_key::<P>(), &(P::FORMAT, position))?;
        journal.view_apply(rows.written.into_iter().collect()).await?;
        projection.applied();
        progress.reached(position);
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
