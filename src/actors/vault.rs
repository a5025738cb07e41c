//! Sweeping the vault: records that are too old are erased, oldest first, a few at a time.

use std::{sync::Arc, time::Duration};

use thiserror::Error;
use tracing::debug;

use crate::store::{CommitError, Journal, StoreError, VaultWrite};

/// Pause after a full page of records was erased.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause after nothing was left to erase.
const PAUSE_WHEN_DONE: Duration = Duration::from_secs(10 * 60);

/// A record of the vault could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// The vault could not be read, or a record cannot be encoded.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The vault takes no writes.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// Erases at most `max` records whose keys begin with `prefix` and are less than `kept_from`; returns how
/// many were erased.
pub(crate) async fn erase_before(
    journal: &Arc<dyn Journal>,
    prefix: &str,
    kept_from: &str,
    max: usize,
) -> Result<usize, VaultError> {
    let oldest = journal.vault_first(prefix.to_owned(), max).await?;
    let old = oldest.into_iter().map(|(key, _)| key).filter(|key| key.as_str() < kept_from);
    let writes: Vec<_> = old.map(|key| VaultWrite { key, value: None }).collect();
    let erased = writes.len();
    if erased > 0 {
        journal.vault_write(writes).await?;
    }
    Ok(erased)
}

/// Sweeps until dropped: again soon if a sweep erased `full` records, otherwise every ten minutes.
///
/// Errors are logged only: the store reports its own failures, and sweeping late does no harm.
pub(crate) async fn sweep_regularly(
    what: &'static str,
    full: usize,
    sweep: impl AsyncFn() -> Result<usize, VaultError>,
) -> Result<(), String> {
    loop {
        let pause = match sweep().await {
            Ok(swept) if swept == full => PAUSE,
            Ok(_) => PAUSE_WHEN_DONE,
            Err(error) => {
                debug!(%error, what, "a sweep failed; trying again later");
                PAUSE_WHEN_DONE
            }
        };
        tokio::time::sleep(pause).await;
    }
}
