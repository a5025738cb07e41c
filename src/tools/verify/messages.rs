//! Compares message records with the journal: each event that a customer is notified of has one record, which
//! is in the list of all. The delivery status exists only in the record and is not compared.

use std::{collections::BTreeMap, sync::Arc};

use super::{Findings, PAGE, folding::Folding, mypage};
use crate::{
    actors::projection::notification::{ALL, RECORDS, Record, record_key},
    domain::{CustomerId, Event, NotificationId, Position, Recorded, RentalId, notice, rental::RentalEvent},
    store::{Journal, StoreError, codec},
};

/// Expected messages of the rentals of one pass, by the position of their event.
pub(super) struct ExpectedMessages(BTreeMap<Position, ExpectedMessage>);

struct ExpectedMessage {
    id: NotificationId,
    rental: RentalId,
    customer: CustomerId,
}

impl ExpectedMessages {
    pub(super) fn of(folding: &Folding, up_to: Position) -> Self {
        let expected = folding.timelines.iter().flat_map(|(rental, timeline)| {
            let customer = timeline.iter().find_map(placed_by);
            let notified = timeline.iter().filter(move |event| event.position <= up_to);
            let notified = notified.filter(|event| notice::notice(&event.event).is_some());
            notified.filter_map(move |event| {
                let (id, customer) = (notice::id(event.position, *rental), customer?);
                Some((event.position, ExpectedMessage { id, rental: *rental, customer }))
            })
        });
        Self(expected.collect())
    }

    pub(super) async fn compare(
        &self,
        journal: &Arc<dyn Journal>,
        findings: &mut Findings,
    ) -> Result<u64, StoreError> {
        let expected: Vec<_> = self.0.iter().collect();
        for chunk in expected.chunks(PAGE) {
            let keys = chunk.iter().map(|(position, message)| record_key(message.customer, **position));
            let rows = journal.view_get_all(keys.collect()).await?;
            for (row, (position, message)) in rows.into_iter().zip(chunk) {
                let (at, rental) = (position.0, message.rental);
                let Some(row) = row else {
                    findings.add(rental, format!("INV-9 is broken: there is no message for event {at}"));
                    continue;
                };
                match codec::decode::<Record>(&row) {
                    Ok(record) if (record.id, record.rental_id) == (message.id, rental) => {}
                    Ok(_) => findings
                        .add(rental, format!("INV-9 is broken: the message for event {at} is another one")),
                    // `read_views` reports wrong checksums.
                    Err(error) if codec::is_whole(&row) => {
                        findings.add(rental, format!("its message for event {at} cannot be read: {error}"));
                    }
                    Err(_) => {}
                }
            }
        }
        self.compare_list(journal, findings).await?;
        Ok(self.0.len() as u64)
    }

    async fn compare_list(
        &self,
        journal: &Arc<dyn Journal>,
        findings: &mut Findings,
    ) -> Result<(), StoreError> {
        let mut missing: BTreeMap<Position, &ExpectedMessage> =
            self.0.iter().map(|(position, message)| (*position, message)).collect();
        mypage::for_each_listed(journal, ALL, findings, |position, customer: CustomerId| {
            if missing.get(&position).is_some_and(|message| message.customer == customer) {
                missing.remove(&position);
            }
        })
        .await?;
        for (position, message) in missing {
            let problem = format!("its message for event {} is not in the list of all", position.0);
            findings.add(message.rental, problem);
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

/// Finds surplus records and list entries by their number.
pub(super) async fn count(
    journal: &Arc<dyn Journal>,
    expected: u64,
    findings: &mut Findings,
) -> Result<(), StoreError> {
    let (mut records, mut listed, mut from) = (0, 0, RECORDS.to_vec());
    while let Some(rows) = mypage::next_page(journal, &mut from, RECORDS).await? {
        records += rows.len() as u64;
    }
    // Unreadable list entries have been reported already.
    mypage::for_each_listed(journal, ALL, &mut Findings::default(), |_, _: CustomerId| listed += 1).await?;
    if records > expected {
        let problem = format!("INV-9 is broken: there are {records} records, {expected} are expected");
        findings.add("messages", problem);
    }
    if listed > expected {
        findings.add("messages", format!("{listed} are listed, {expected} are expected"));
    }
    Ok(())
}
