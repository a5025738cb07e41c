//! Messages of an older format, under two keys each, become messages under one.
//!
//! | key | row |
//! | --- | --- |
//! | `n/r` position (newest first) | the record |
//! | `n/c` customer, position (newest first) | – |
//! | `n/p` position | – |
//!
//! Their delivery status is not in the journal, so they are moved instead of rebuilt, a page at a time. A
//! crash leaves the rest for the next start. Nothing is sent meanwhile, and no event is folded.

use std::sync::Arc;

use tracing::{info, warn};

use super::{ALL, Messages, Record, pending_key, record::NotificationStatus, record_key};
use crate::{
    actors::projection::{after_prefix, key, lists::Items, move_stand},
    domain::{CustomerId, Position},
    store::{Journal, StoreError, ViewRow, ViewWrite, codec},
};

const RECORD: &[u8] = b"n/r";
const BY_CUSTOMER: &[u8] = b"n/c";
const FORMAT: u8 = 1;
/// Number of messages moved at once, the maximum for one key of the list.
const PAGE: usize = 256;

pub(crate) async fn upgrade(journal: &Arc<dyn Journal>) -> Result<(), StoreError> {
    let (mut from, mut moved, mut unreadable) = (RECORD.to_vec(), 0, 0);
    loop {
        let page = journal.view_scan(from, after_prefix(RECORD), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        from = key(last, &[&[0]]);
        let (writes, of) = moves(&page)?;
        moved += of;
        unreadable += page.len() - of;
        journal.view_apply(writes).await?;
    }
    if unreadable > 0 {
        warn!(
            unreadable,
            "messages of an older format are damaged: they stay as they are, and are not shown"
        );
    }
    if moved > 0 {
        info!(moved, "messages of an older format were moved");
    }
    move_stand::<Messages>(journal, FORMAT).await
}

/// Returns the writes that move a page of messages, newest first, and the number of moved messages.
fn moves(page: &[ViewRow]) -> Result<(Vec<ViewWrite>, usize), StoreError> {
    let mut writes = Vec::new();
    let mut listed = Items::<CustomerId>::new();
    for (old, row) in page.iter().rev() {
        let position = old.last_chunk().map(|position| Position(!u64::from_be_bytes(*position)));
        let (Some(position), Ok(record)) = (position, Record::read(row)) else { continue };
        let customer = record.customer_id;
        writes.push((old.clone(), None));
        writes.push((key(BY_CUSTOMER, &[&customer.0.to_be_bytes(), &(!position.0).to_be_bytes()]), None));
        writes.push((record_key(customer, position), Some(codec::encode(&record)?)));
        if record.status == NotificationStatus::Pending {
            writes.push((pending_key(position), Some(codec::encode(&customer)?)));
        }
        listed.push((position, customer));
    }
    if let Some((first, _)) = listed.first() {
        writes.push((ALL.key(*first), Some(codec::encode(&listed)?)));
    }
    Ok((writes, listed.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        actors::projection::{
            notification::{record::sample, records},
            stored_position,
        },
        store::memory::MemoryJournal,
    };

    const CUSTOMERS: [CustomerId; 2] = [CustomerId(1), CustomerId(2)];

    /// The message about the event at a position, as it was kept.
    fn old(position: u64, status: NotificationStatus) -> (Record, Vec<ViewWrite>) {
        let customer_id = CUSTOMERS[usize::from(position.is_multiple_of(2))];
        let record = Record { customer_id, attempts: 3, ..sample(position, status) };
        let newest_first = (!position).to_be_bytes();
        let mut writes = vec![
            (key(RECORD, &[&newest_first]), Some(codec::encode(&record).unwrap())),
            (key(BY_CUSTOMER, &[&customer_id.0.to_be_bytes(), &newest_first]), Some(Vec::new())),
        ];
        if status == NotificationStatus::Pending {
            writes.push((pending_key(Position(position)), Some(Vec::new())));
        }
        (record, writes)
    }

    async fn keys(journal: &Arc<dyn Journal>, prefix: &[u8]) -> usize {
        journal.view_scan(prefix.to_vec(), after_prefix(prefix), usize::MAX).await.unwrap().len()
    }

    /// Ids of messages, with how far they got, as a customer or the operator sees them page by page.
    async fn shown(
        journal: &Arc<dyn Journal>,
        customer: Option<CustomerId>,
    ) -> Vec<(u128, NotificationStatus)> {
        let (mut shown, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = records(journal, customer, cursor, 97).await.unwrap();
            shown.extend(page.into_iter().map(|(record, _)| (record.id.0, record.status)));
            cursor = next;
            if cursor.is_none() {
                return shown;
            }
        }
    }

    #[tokio::test]
    async fn old_messages_are_moved_and_damaged_ones_stay() {
        let journal: Arc<dyn Journal> = MemoryJournal::new();
        let status = |position: u64| match position % 3 {
            0 => NotificationStatus::Pending,
            1 => NotificationStatus::Sent,
            _ => NotificationStatus::Failed,
        };
        for position in 1..=700 {
            journal.view_apply(old(position, status(position)).1).await.unwrap();
        }
        let damaged = key(RECORD, &[&(!701_u64).to_be_bytes()]);
        journal.view_apply(vec![(damaged, Some(vec![1, 2, 3]))]).await.unwrap();
        let stand = codec::encode(&(FORMAT, Position(705))).unwrap();
        journal.view_apply(vec![(b"stand/notification".to_vec(), Some(stand))]).await.unwrap();
        let expected = |of: &dyn Fn(u64) -> bool| -> Vec<(u128, NotificationStatus)> {
            (1..=700).rev().filter(|at| of(*at)).map(|at| (at.into(), status(at))).collect()
        };
        // A crash may have it begin again.
        for _ in 0..2 {
            upgrade(&journal).await.unwrap();
            assert_eq!(shown(&journal, None).await, expected(&|_| true));
            assert_eq!(shown(&journal, Some(CUSTOMERS[0])).await, expected(&|at| at % 2 == 1));
            assert_eq!(shown(&journal, Some(CUSTOMERS[1])).await, expected(&|at| at % 2 == 0));
            assert_eq!((keys(&journal, RECORD).await, keys(&journal, BY_CUSTOMER).await), (1, 0));
        }
        let stand = stored_position::<Messages>(&journal).await.unwrap();
        assert_eq!(stand, Some(Position(705)), "nothing is folded again");
        let marks = journal.view_scan(b"n/p".to_vec(), b"n/q".to_vec(), usize::MAX).await.unwrap();
        assert_eq!(marks.len(), 700 / 3);
        let customer: CustomerId = codec::decode(&marks[0].1).unwrap();
        assert_eq!(customer, CUSTOMERS[0], "the first is about the event at 3");
    }
}
