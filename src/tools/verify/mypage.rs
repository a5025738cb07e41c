//! Compares the rows and lists of My Page with the fold of the journal up to the projection's position.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::{
    Findings, PAGE, Progress,
    folding::{Folding, LaneGroup},
};
use crate::{
    actors::projection::{
        after_prefix,
        lists::{self, List},
        mypage::{self, ALL, BY_CUSTOMER, ROWS, RentalRow},
    },
    domain::{Position, RentalId},
    store::{Journal, StoreError, ViewRow, codec},
};

pub(super) struct ExpectedRows(HashMap<RentalId, RentalRow>);

impl ExpectedRows {
    pub(super) fn of(folding: &Folding, up_to: Position) -> Self {
        let row = |rental: &RentalId| {
            let timeline = folding.timelines[rental].iter().take_while(|event| event.position <= up_to);
            timeline.fold(None, |row, recorded| mypage::folded(row, *rental, recorded))
        };
        Self(folding.timelines.keys().filter_map(|rental| Some((*rental, row(rental)?))).collect())
    }

    /// Compares them with the stored rows and lists, and returns how many are expected.
    pub(super) async fn compare(
        &mut self,
        journal: &Arc<dyn Journal>,
        lanes: LaneGroup,
        progress: &mut Progress<'_>,
        findings: &mut Findings,
    ) -> Result<u64, StoreError> {
        let count = self.0.len() as u64;
        self.compare_customer_lists(journal, findings).await?;
        self.compare_list(journal, lanes, findings).await?;
        progress.begin("rows of My Page compared");
        let mut from = ROWS.to_vec();
        while let Some(rows) = next_page(journal, &mut from, ROWS).await? {
            progress.add(rows.len() as u64);
            for (key, stored) in rows {
                let Some(id) = key.strip_prefix(ROWS).and_then(|id| id.try_into().ok()) else {
                    findings.add("My Page", format!("{} is not the key of a row", key.escape_ascii()));
                    continue;
                };
                let rental = RentalId(u128::from_be_bytes(id));
                if lanes.contains(rental.0) {
                    self.compare_row(rental, &stored, findings);
                }
            }
        }
        let mut missing: Vec<RentalId> = std::mem::take(&mut self.0).into_keys().collect();
        missing.sort_unstable();
        for rental in missing {
            findings.add(rental, "INV-10 is broken: it has no row of My Page");
        }
        Ok(count)
    }

    fn compare_row(&mut self, rental: RentalId, stored: &[u8], findings: &mut Findings) {
        let expected = self.0.remove(&rental);
        match (codec::decode::<RentalRow>(stored), expected) {
            (Ok(row), Some(expected)) if row == expected => {}
            (Ok(row), Some(expected)) => {
                let (row, fold) = (row.version, expected.version);
                let problem = format!(
                    "its row of My Page (version {row}) differs from the fold of the journal ({fold})"
                );
                findings.add(rental, format!("INV-10 is broken: {problem}"));
            }
            (Ok(_), None) => {
                findings.add(rental, "INV-10 is broken: it is in My Page, but not in the journal");
            }
            // `read_views` reports wrong checksums.
            (Err(error), _) if codec::is_whole(stored) => {
                findings.add(rental, format!("its row of My Page cannot be read: {error}"));
            }
            (Err(_), _) => {}
        }
    }

    async fn compare_customer_lists(
        &self,
        journal: &Arc<dyn Journal>,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let rows: Vec<&RentalRow> = self.0.values().collect();
        for chunk in rows.chunks(PAGE) {
            let found = journal.view_get_all(chunk.iter().map(|row| mypage::listing(row)).collect()).await?;
            for (row, listed) in chunk.iter().zip(found) {
                if listed.is_none() {
                    findings.add(row.rental_id, "INV-10 is broken: it is not in the list of its customer");
                }
            }
        }
        Ok(())
    }

    /// Checks that each row is in the list of all exactly once.
    async fn compare_list(
        &self,
        journal: &Arc<dyn Journal>,
        lanes: LaneGroup,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let mut missing: BTreeSet<RentalId> = self.0.keys().copied().collect();
        let mut extra = Vec::new();
        for_each_listed(journal, ALL, findings, |_, rental: RentalId| {
            if lanes.contains(rental.0) && !missing.remove(&rental) {
                extra.push(rental);
            }
        })
        .await?;
        for rental in extra {
            findings.add(rental, "INV-10 is broken: it is in the list of all twice, or unexpectedly");
        }
        for rental in missing {
            findings.add(rental, "INV-10 is broken: it is not in the list of all");
        }
        Ok(())
    }
}

/// Finds surplus entries of the customers' lists by their number.
pub(super) async fn count_listings(
    journal: &Arc<dyn Journal>,
    expected: u64,
    up_to: Position,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let (mut listed, mut from) = (0, BY_CUSTOMER.to_vec());
    while let Some(rows) = next_page(journal, &mut from, BY_CUSTOMER).await? {
        listed += rows.len() as u64;
    }
    if listed > expected {
        let problem =
            format!("the customers' lists have {listed} rentals, {expected} are expected up to {}", up_to.0);
        findings.add("My Page", format!("INV-10 is broken: {problem}"));
    }
    Ok(())
}

/// Calls `item` for each entry of a list of all.
pub(super) async fn for_each_listed<T: DeserializeOwned>(
    journal: &Arc<dyn Journal>,
    list: List,
    findings: &mut Findings,
    mut item: impl FnMut(Position, T),
) -> Result<(), StoreError> {
    let mut from = list.0.to_vec();
    while let Some(rows) = next_page(journal, &mut from, list.0).await? {
        for (key, row) in rows {
            match lists::read(&row) {
                Ok(items) => items.into_iter().for_each(|(position, listed)| item(position, listed)),
                // `read_views` reports wrong checksums.
                Err(error) if codec::is_whole(&row) => {
                    findings.add("a list of all", format!("{} cannot be read: {error}", key.escape_ascii()));
                }
                Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Reads the next page of rows with this key prefix, from `from` on; none at the end.
pub(super) async fn next_page(
    journal: &Arc<dyn Journal>,
    from: &mut Vec<u8>,
    prefix: &[u8],
) -> Result<Option<Vec<ViewRow>>, StoreError> {
    let rows = journal.view_scan(from.clone(), after_prefix(prefix), PAGE).await?;
    if let Some((last, _)) = rows.last() {
        // The smallest key above the last one.
        *from = [last, &[0][..]].concat();
    }
    Ok(Some(rows).filter(|rows| !rows.is_empty()))
}
