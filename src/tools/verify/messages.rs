//! Messages: each change that a customer hears of has its record, and is in the list of all. How far it got
//! stands nowhere else, and is not compared.

use std::{collections::BTreeMap, sync::Arc};

use super::{Findings, PAGE, folding::Folding, page};
use crate::{
    actors::projection::notification::{ALL, RECORDS, Record, record_key},
    domain::{CustomerId, Event, NotificationId, Position, Recorded, RentalId, notice, rental::RentalEvent},
    store::{Journal, StoreError, codec},
};

/// The messages that there should be, of one reading's rentals.
pub(super) struct Due(BTreeMap<Position, Message>);

/// A message that there should be.
struct Message {
    id: NotificationId,
    rental: RentalId,
    customer: CustomerId,
}

impl Due {
    pub(super) fn of(folding: &Folding, stand: Position) -> Self {
        let due = folding.timelines.iter().flat_map(|(rental, timeline)| {
            let customer = timeline.iter().find_map(placed_by);
            let heard_of = timeline.iter().filter(move |event| event.position <= stand);
            let heard_of = heard_of.filter(|event| notice::notice(&event.event).is_some());
            heard_of.filter_map(move |event| {
                let (id, customer) = (notice::id(event.position, *rental), customer?);
                Some((event.position, Message { id, rental: *rental, customer }))
            })
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
            let keys = some.iter().map(|(position, message)| record_key(message.customer, **position));
            let rows = journal.view_get_all(keys.collect()).await?;
            for (row, (position, message)) in rows.into_iter().zip(some) {
                let (at, rental) = (position.0, message.rental);
                let Some(row) = row else {
                    findings.add(rental, format!("INV-9 is broken: no message tells of what stands at {at}"));
                    continue;
                };
                match codec::decode::<Record>(&row) {
                    Ok(record) if (record.id, record.rental_id) == (message.id, rental) => {}
                    Ok(_) => findings.add(rental, format!("INV-9 is broken: another message stands at {at}")),
                    // A wrong checksum is told where all rows are read.
                    Err(error) if codec::is_whole(&row) => {
                        findings.add(rental, format!("its message of {at} cannot be read: {error}"));
                    }
                    Err(_) => {}
                }
            }
        }
        self.are_listed(journal, findings).await?;
        Ok(self.0.len() as u64)
    }

    /// Each is in the list of all.
    async fn are_listed(
        &self,
        journal: &Arc<dyn Journal>,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let mut missing: BTreeMap<Position, &Message> =
            self.0.iter().map(|(position, message)| (*position, message)).collect();
        page::each_listed(journal, ALL, findings, |position, customer: CustomerId| {
            if missing.get(&position).is_some_and(|message| message.customer == customer) {
                missing.remove(&position);
            }
        })
        .await?;
        for (position, message) in missing {
            let what = format!("its message of {} is not in the list of all", position.0);
            findings.add(message.rental, what);
        }
        Ok(())
    }
}

fn placed_by(recorded: &Recorded) -> Option<CustomerId> {
    match &recorded.event {
        Event::Rental(RentalEvent::RentalPlaced(terms)) => Some(terms.customer_id),
        _ => None,
    }
}

/// That there are no other records, and that none is listed twice, their number shows.
pub(super) async fn count(
    journal: &Arc<dyn Journal>,
    due: u64,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let (mut records, mut listed, mut from) = (0, 0, RECORDS.to_vec());
    while let Some(some) = page::next(journal, &mut from, RECORDS).await? {
        records += some.len() as u64;
    }
    // What cannot be read was told before.
    page::each_listed(journal, ALL, &mut Findings::default(), |_, _: CustomerId| listed += 1).await?;
    if records > due {
        let what = format!("INV-9 is broken: there are {records} of them, for {due} changes");
        findings.add("messages", what);
    }
    if listed > due {
        findings.add("messages", format!("{listed} of them are listed, for {due} changes"));
    }
    Ok(())
}
