//! Messages: each change that a customer hears of has its record, and is listed for that customer. How far
//! it got stands nowhere else, and is not compared.

use std::{collections::BTreeMap, sync::Arc};

use super::{Findings, PAGE, folding::Folding, page};
use crate::{
    actors::notification::{RECORDS, Record, listing_key, record_key},
    domain::{NotificationId, Position, RentalId, notice},
    store::{Journal, StoreError, codec},
};

/// The messages that there should be, of one reading's rentals.
pub(super) struct Due(BTreeMap<Position, (NotificationId, RentalId)>);

impl Due {
    pub(super) fn of(folding: &Folding, stand: Position) -> Self {
        let due = folding.timelines.iter().flat_map(|(rental, timeline)| {
            let heard_of = timeline.iter().filter(move |event| event.position <= stand);
            let heard_of = heard_of.filter(|event| notice::notice(&event.event).is_some());
            heard_of.map(|event| (event.position, (notice::id(event.position, *rental), *rental)))
        });
        Self(due.collect())
    }

    /// Compares them with the records; answers how many there should be.
    pub(super) async fn compare(
        &self,
        journal: &Arc<dyn Journal>,
        findings: &mut Findings,
    ) -> Result<u64, StoreError> {
        let due: Vec<_> = self.0.iter().collect();
        for some in due.chunks(PAGE) {
            let rows =
                journal.view_get_all(some.iter().map(|(position, _)| record_key(**position)).collect());
            let mut listings = Vec::new();
            for (row, (position, (id, rental))) in rows.await?.into_iter().zip(some) {
                let at = position.0;
                let Some(row) = row else {
                    findings.add(rental, format!("INV-9 is broken: no message tells of what stands at {at}"));
                    continue;
                };
                match Record::read(&row) {
                    Ok(record) if (record.id, record.rental_id) == (*id, *rental) => {
                        listings.push((*rental, at, listing_key(record.customer_id, **position)));
                    }
                    Ok(_) => findings.add(rental, format!("INV-9 is broken: another message stands at {at}")),
                    // A wrong checksum is told where all rows are read.
                    Err(error) if codec::is_whole(&row) => {
                        findings.add(rental, format!("its message of {at} cannot be read: {error}"));
                    }
                    Err(_) => {}
                }
            }
            let found = journal.view_get_all(listings.iter().map(|(_, _, key)| key.clone()).collect());
            for (listed, (rental, at, _)) in found.await?.iter().zip(&listings) {
                if listed.is_none() {
                    findings.add(rental, format!("its message of {at} is not listed for its customer"));
                }
            }
        }
        Ok(self.0.len() as u64)
    }
}

/// That there are no other records, their number shows.
pub(super) async fn count(
    journal: &Arc<dyn Journal>,
    due: u64,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let (mut records, mut from) = (0, RECORDS.to_vec());
    while let Some(some) = page::next(journal, &mut from, RECORDS).await? {
        records += some.len() as u64;
    }
    if records > due {
        let what = format!("INV-9 is broken: there are {records} of them, for {due} changes");
        findings.add("messages", what);
    }
    Ok(())
}
