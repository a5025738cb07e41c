//! What stands beside the journal: the catalogue, every other row of the views, and the vault.

use std::{collections::BTreeMap, sync::Arc};

use super::{Findings, PAGE, Progress, page};
use crate::{
    actors::projection::{
        Projection as _,
        catalogue::{self, Catalogue},
    },
    domain::{Position, ProductId},
    shop::views::ProductView,
    store::{Journal, StoreError, codec},
};

/// What no key of a view begins with.
const AFTER_VIEWS: u8 = 0xff;
/// Records of the vault whose value is a frame, with a checksum.
const FRAMED: [&str; 5] = ["person/", "address/", "session/", "receipt/", "checkout/"];
/// Secrets have so many bytes.
const SECRET_BYTES: usize = 32;

/// What is wrong with a record of the vault, as far as its bytes show.
pub(crate) fn wrong_with_record(key: &str, value: &[u8]) -> Option<String> {
    if FRAMED.iter().any(|prefix| key.starts_with(prefix)) && !codec::is_whole(value) {
        return Some("the record of the vault is damaged: its checksum is wrong".to_owned());
    }
    let odd = key.starts_with("secret/") && value.len() != SECRET_BYTES;
    odd.then(|| format!("the secret has {} bytes, not {SECRET_BYTES}", value.len()))
}

/// What is wrong with a row of a view, as far as its bytes show. Where the key says all, it has none.
pub(crate) fn wrong_with_row(row: &[u8]) -> Option<&'static str> {
    let damaged = !row.is_empty() && !codec::is_whole(row);
    damaged.then_some("the row is damaged: its checksum is wrong")
}

/// Compares the catalogue's rows with the products that the journal tells of.
pub(super) async fn compare_catalogue(
    journal: &Arc<dyn Journal>,
    expected: &BTreeMap<ProductId, ProductView>,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let mut missing = expected.clone();
    let mut from = Catalogue::PREFIX.to_vec();
    while let Some(rows) = page::next(journal, &mut from, Catalogue::PREFIX).await? {
        for (key, row) in rows {
            match catalogue::read_row(&key, &row) {
                Ok(shown) => {
                    let expected = missing.remove(&shown.id);
                    if expected.as_ref() != Some(&shown) {
                        findings.add(shown.id, "its row of the catalogue is not the fold of the journal");
                    }
                }
                // A wrong checksum is told where all rows are read.
                Err(error) if codec::is_whole(&row) => {
                    let key = key.escape_ascii();
                    findings.add("the catalogue", format!("{key} cannot be read: {error}"));
                }
                Err(_) => {}
            }
        }
    }
    for id in missing.keys() {
        findings.add(id, "it has no row of the catalogue");
    }
    Ok(())
}

/// Reads every row of the views, and sees that no consumer stands behind the journal's end; answers whether
/// all of them could be read.
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
            Err(StoreError::Corrupt(what)) => {
                findings.add("the views", format!("damaged: {what}"));
                return Ok(false);
            }
            rows => rows?,
        };
        let Some((last, _)) = rows.last() else { return Ok(true) };
        from = [last, &[0][..]].concat();
        progress.add(rows.len() as u64);
        for (key, row) in rows {
            let name = || key.escape_ascii().to_string();
            if let Some(what) = wrong_with_row(&row) {
                findings.add(name(), what);
            } else if key.starts_with(b"cursor/")
                && let Ok(at) = codec::decode::<Position>(&row)
                && at > head
            {
                findings.add(name(), format!("stands at {}, but the journal ends at {}", at.0, head.0));
            }
        }
    }
}

/// Reads every record of the vault; answers how many there are.
pub(super) async fn read_vault(
    journal: &Arc<dyn Journal>,
    progress: &mut Progress<'_>,
    findings: &mut Findings,
) -> Result<u64, StoreError> {
    progress.begin("records of the vault read");
    let (mut count, mut after) = (0, None);
    loop {
        let rows = match journal.vault_after(after.clone(), PAGE).await {
            Err(StoreError::Corrupt(what)) => {
                let after = after.map_or_else(String::new, |after| format!(" after {after}"));
                findings.add(format!("the vault{after}"), format!("damaged: {what}"));
                return Ok(count);
            }
            rows => rows?,
        };
        let Some((last, _)) = rows.last() else { return Ok(count) };
        after = Some(last.clone());
        count += rows.len() as u64;
        progress.add(rows.len() as u64);
        for (key, value) in rows {
            if let Some(what) = wrong_with_record(&key, &value) {
                findings.add(key, what);
            }
        }
    }
}
