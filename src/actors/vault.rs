//! Sweeping the vault: records that are too old are erased, oldest first, a few at a time.

use std::{sync::Arc, time::Duration};

use tracing::debug;

use crate::store::{Journal, VaultWrite};

/// Pause after a full page of records was erased.
const PAUSE: Duration = Duration::from_millis(50);
/// Pause after nothing was left to erase.
const PAUSE_WHEN_DONE: Duration = Duration::from_secs(10 * 60);
/// Maximum number of records that are erased at once.
const SWEEP_MAX: usize = 256;

/// Erases records whose keys begin with `prefix` and are less than `kept_from()`, until dropped: again soon
/// after a full page, otherwise every ten minutes.
///
/// Errors are logged only: the store reports its own failures, and sweeping late does no harm.
pub(crate) async fn sweep_regularly(
    journal: &Arc<dyn Journal>,
    what: &'static str,
    prefix: &'static str,
    kept_from: impl Fn() -> String,
) -> Result<(), String> {
    loop {
        let pause = match erase_before(journal, prefix, &kept_from()).await {
            Ok(SWEEP_MAX) => PAUSE,
            Ok(_) => PAUSE_WHEN_DONE,
            Err(error) => {
                debug!(%error, what, "a sweep failed; trying again later");
                PAUSE_WHEN_DONE
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Erases a page of records; returns how many.
async fn erase_before(journal: &Arc<dyn Journal>, prefix: &str, kept_from: &str) -> Result<usize, String> {
    let oldest =
        journal.vault_first(prefix.to_owned(), SWEEP_MAX).await.map_err(|error| error.to_string())?;
    let old = oldest.into_iter().map(|(key, _)| key).filter(|key| key.as_str() < kept_from);
    let writes: Vec<_> = old.map(|key| VaultWrite { key, value: None }).collect();
    let erased = writes.len();
    if erased > 0 {
        journal.vault_write(writes).await.map_err(|error| error.to_string())?;
    }
    Ok(erased)
}
