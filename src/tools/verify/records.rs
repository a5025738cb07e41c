//! Checks the rows of views, the catalogue and the records of the vault.

use std::{collections::BTreeMap, sync::Arc};

use super::{Findings, PAGE, Progress, mypage};
use crate::{
    actors::projection::{
        Projection as _,
        catalogue::{self, Catalogue, ProductView},
    },
    domain::{Position, ProductId},
    store::{Journal, StoreError, codec},
};

/// First byte above all view keys.
pub(crate) const AFTER_VIEWS: u8 = 0xff;
/// Key prefixes of vault records whose value is a frame with a checksum.
const FRAMED: [&str; 5] = ["person/", "address/", "session/", "receipt/", "checkout/"];
const SECRET_BYTES: usize = 32;

/// Damage of a vault record, found by checksum or length.
pub(crate) fn record_damage(key: &str, value: &[u8]) -> Option<String> {
    if FRAMED.iter().any(|prefix| key.starts_with(prefix)) && !codec::is_whole(value) {
        return Some("the vault record is damaged: wrong checksum".to_owned());
    }
    let odd = key.starts_with("secret/") && value.len() != SECRET_BYTES;
    odd.then(|| format!("the secret has {} bytes, not {SECRET_BYTES}", value.len()))
}

/// Damage of a view row, found by checksum. Rows that are all key are empty.
pub(crate) fn row_damage(row: &[u8]) -> Option<&'static str> {
    let damaged = !row.is_empty() && !codec::is_whole(row);
    damaged.then_some("the row is damaged: wrong checksum")
}

pub(super) async fn compare_catalogue(
    journal: &Arc<dyn Journal>,
    expected: &BTreeMap<ProductId, ProductView>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let mut missing = expected.clone();
    let mut from = Catalogue::PREFIX.to_vec();
    while let Some(rows) = mypage::next_page(journal, &mut from, Catalogue::PREFIX).await? {
        for (key, row) in rows {
            match catalogue::read_row(&key, &row) {
                Ok(shown) if missing.remove(&shown.id).as_ref() == Some(&shown) => {}
                Ok(shown) => findings.add(shown.id, "its catalogue row differs from the fold of the journal"),
                // `read_views` reports wrong checksums.
                Err(error) if codec::is_whole(&row) => {
                    findings.add("the catalogue", format!("{} cannot be read: {error}", key.escape_ascii()));
                }
                Err(_) => {}
            }
        }
    }
    for id in missing.keys() {
        findings.add(id, "it has no catalogue row");
    }
    Ok(())
}

/// Reads every view row, checks that no cursor is beyond the journal's end, and returns true if all rows were
/// readable.
pub(super) async fn read_views(
    journal: &Arc<dyn Journal>,
    head: Position,
    progress: &mut Progress<'_>,
    findings: &mut Findings,
) -> Result<bool, StoreError> {
    progress.begin("rows of views read");
    let mut from = Vec::new();
    loop {
        let rows = match journal.view_scan(from.clone(), vec![AFTER_VIEWS], PAGE).await {
            Err(StoreError::Corrupt(problem)) => {
                findings.add("the views", format!("damaged: {problem}"));
                return Ok(false);
            }
            rows => rows?,
        };
        let Some((last, _)) = rows.last() else { return Ok(true) };
        from = [last, &[0][..]].concat();
        progress.add(rows.len() as u64);
        for (key, row) in rows {
            let name = || key.escape_ascii().to_string();
            if let Some(damage) = row_damage(&row) {
                findings.add(name(), damage);
            } else if key.starts_with(b"cursor/")
                && let Ok(at) = codec::decode::<Position>(&row)
                && at > head
            {
                findings.add(name(), format!("is at {}, but the journal ends at {}", at.0, head.0));
            }
        }
    }
}

/// Reads every vault record and returns their number.
pub(super) async fn read_vault(
    journal: &Arc<dyn Journal>,
    progress: &mut Progress<'_>,
    findings: &mut Findings,
) -> Result<u64, StoreError> {
    progress.begin("records of the vault read");
    let (mut count, mut after) = (0, None);
    loop {
        let rows = match journal.vault_after(after.clone(), PAGE).await {
            Err(StoreError::Corrupt(problem)) => {
                let after = after.map_or_else(String::new, |after| format!(" after {after}"));
                findings.add(format!("the vault{after}"), format!("damaged: {problem}"));
                return Ok(count);
            }
            rows => rows?,
        };
        let Some((last, _)) = rows.last() else { return Ok(count) };
        after = Some(last.clone());
        count += rows.len() as u64;
        progress.add(rows.len() as u64);
        for (key, value) in rows {
            if let Some(damage) = record_damage(&key, &value) {
                findings.add(key, damage);
            }
        }
    }
}
