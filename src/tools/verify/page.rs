//! My Page, compared with the fold of the journal up to where its rows stand.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use super::{
    Findings, PAGE, Progress,
    folding::{Folding, Part},
};
use crate::{
    actors::projection::{
        after_prefix,
        lists::{self, List},
        mypage::{self, ALL, BY_CUSTOMER, ROWS},
    },
    domain::{Position, RentalId},
    shop::views::Row,
    store::{Journal, StoreError, ViewRow, codec},
};

/// The rows that there should be, of one reading's rentals.
pub(super) struct Pages(HashMap<RentalId, Row>);

impl Pages {
    pub(super) fn of(folding: &Folding, stand: Position) -> Self {
        let row = |rental: &RentalId| {
            let timeline = folding.timelines[rental].iter().take_while(|event| event.position <= stand);
            timeline.fold(None, |row, recorded| mypage::folded(row, *rental, recorded))
        };
        Self(folding.timelines.keys().filter_map(|rental| Some((*rental, row(rental)?))).collect())
    }

    /// Compares them with those that there are, and sees that each is listed; answers how many there
    /// should be.
    pub(super) async fn compare(
        &mut self,
        journal: &Arc<dyn Journal>,
        part: Part,
        progress: &mut Progress<'_>,
        findings: &mut Findings,
    ) -> Result<u64, StoreError> {
        let count = self.0.len() as u64;
        self.are_listed(journal, findings).await?;
        self.are_all_listed(journal, part, findings).await?;
        progress.begin("rows of My Page compared");
        let mut from = ROWS.to_vec();
        while let Some(rows) = next(journal, &mut from, ROWS).await? {
            progress.add(rows.len() as u64);
            for (key, stored) in rows {
                let Some(id) = key.strip_prefix(ROWS).and_then(|id| id.try_into().ok()) else {
                    findings.add("My Page", format!("{} is no key of a row", key.escape_ascii()));
                    continue;
                };
                let rental = RentalId(u128::from_be_bytes(id));
                if part.has(rental.0) {
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
        match (codec::decode::<Row>(stored), expected) {
            (Ok(row), Some(expected)) if row == expected => {}
            (Ok(row), Some(expected)) => {
                let (row, fold) = (row.version, expected.version);
                let what = format!("its row of My Page, at {row}, is not the fold of the journal, at {fold}");
                findings.add(rental, format!("INV-10 is broken: {what}"));
            }
            (Ok(_), None) => {
                findings
                    .add(rental, "INV-10 is broken: My Page has a row of it, the journal does not know it");
            }
            // A wrong checksum is told where all rows are read.
            (Err(error), _) if codec::is_whole(stored) => {
                findings.add(rental, format!("its row of My Page cannot be read: {error}"));
            }
            (Err(_), _) => {}
        }
    }

    /// Each row is listed for its customer.
    async fn are_listed(
        &self,
        journal: &Arc<dyn Journal>,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let rows: Vec<&Row> = self.0.values().collect();
        for some in rows.chunks(PAGE) {
            let found = journal.view_get_all(some.iter().map(|row| mypage::listing(row)).collect()).await?;
            for (row, listed) in some.iter().zip(found) {
                if listed.is_none() {
                    findings
                        .add(row.rental_id, "INV-10 is broken: My Page does not list it for its customer");
                }
            }
        }
        Ok(())
    }

    /// Each row is once in the list of all.
    async fn are_all_listed(
        &self,
        journal: &Arc<dyn Journal>,
        part: Part,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let mut missing: BTreeSet<RentalId> = self.0.keys().copied().collect();
        let mut extra = Vec::new();
        each_listed(journal, ALL, findings, |_, rental: RentalId| {
            if part.has(rental.0) && !missing.remove(&rental) {
                extra.push(rental);
            }
        })
        .await?;
        for rental in extra {
            findings.add(rental, "INV-10 is broken: it is in the list of all, and should not be");
        }
        for rental in missing {
            findings.add(rental, "INV-10 is broken: it is not in the list of all");
        }
        Ok(())
    }
}

/// Each row is listed for its customer. That there are no other listings, their number shows.
pub(super) async fn count_listings(
    journal: &Arc<dyn Journal>,
    rows: u64,
    stand: Position,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let (mut listed, mut from) = (0, BY_CUSTOMER.to_vec());
    while let Some(some) = next(journal, &mut from, BY_CUSTOMER).await? {
        listed += some.len() as u64;
    }
    if listed > rows {
        let what = format!("customers' lists have {listed} rentals, of {rows} up to {}", stand.0);
        findings.add("My Page", format!("INV-10 is broken: {what}"));
    }
    Ok(())
}

/// Goes through a list of all.
pub(super) async fn each_listed<T: DeserializeOwned>(
    journal: &Arc<dyn Journal>,
    list: List,
    findings: &mut Findings,
    mut item: impl FnMut(Position, T),
) -> Result<(), StoreError> {
    let mut from = list.0.to_vec();
    while let Some(rows) = next(journal, &mut from, list.0).await? {
        for (key, row) in rows {
            match lists::read(&row) {
                Ok(items) => items.into_iter().for_each(|(position, listed)| item(position, listed)),
                // A wrong checksum is told where all rows are read.
                Err(error) if codec::is_whole(&row) => {
                    findings.add("a list of all", format!("{} cannot be read: {error}", key.escape_ascii()));
                }
                Err(_) => {}
            }
        }
    }
    Ok(())
}

/// The next rows whose keys begin with `prefix`, from `from` on; none at the end.
pub(super) async fn next(
    journal: &Arc<dyn Journal>,
    from: &mut Vec<u8>,
    prefix: &[u8],
) -> Result<Option<Vec<ViewRow>>, StoreError> {
    let rows = journal.view_scan(from.clone(), after_prefix(prefix), PAGE).await?;
    if let Some((last, _)) = rows.last() {
        // The smallest key behind it.
        *from = [last, &[0][..]].concat();
    }
    Ok(Some(rows).filter(|rows| !rows.is_empty()))
}
