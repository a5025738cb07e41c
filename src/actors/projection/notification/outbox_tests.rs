//! The outbox: whoever fails, each message is sent, and its row says so in the end.

use futures_util::FutureExt as _;

use super::*;
use crate::actors::projection::notification::record::{NotificationStatus, sample as record};

fn new(positions: impl IntoIterator<Item = u64>) -> Outbox {
    let outbox = Outbox::default();
    outbox.opened(Position(0));
    assert!(outbox.take_rows_wait(), "rows of an earlier process may wait");
    for position in positions {
        outbox.add(Position(position), &record(position, NotificationStatus::Pending));
    }
    outbox
}

fn taken(outbox: &Outbox) -> Vec<u64> {
    outbox.take(10).into_iter().map(|(position, _)| position.0).collect()
}

fn sent(outbox: &Outbox, position: u64) -> bool {
    outbox.tried(Position(position), &record(position, NotificationStatus::Sent))
}

fn settled(outbox: &Outbox, position: u64) -> Option<NotificationStatus> {
    outbox.settle(Position(position)).map(|record| record.status)
}

#[test]
fn what_is_sent_before_its_row_is_written_has_it_written_once() {
    let outbox = new([7, 8]);
    assert_eq!(taken(&outbox), [7, 8]);
    assert!(!sent(&outbox, 7), "there is no row yet");
    assert_eq!(settled(&outbox, 7), Some(NotificationStatus::Sent));
    outbox.applied(false);
    assert_eq!(settled(&outbox, 7), None, "its row is all there is of it");
    assert!(!outbox.take_rows_wait());
}

#[test]
fn what_is_sent_while_its_row_is_on_its_way_waits_for_it_and_has_it_corrected() {
    let outbox = new([7]);
    assert_eq!(taken(&outbox), [7]);
    assert_eq!(settled(&outbox, 7), Some(NotificationStatus::Pending));
    assert!(sent(&outbox, 7), "its row says otherwise");
    assert!(outbox.are_applied(&[Position(7)]).now_or_never().is_none());
    outbox.applied(true);
    assert!(outbox.are_applied(&[Position(7)]).now_or_never().is_some());
    assert!(outbox.take_rows_wait());
}

#[test]
fn what_is_sent_after_its_row_was_written_has_it_corrected() {
    let outbox = new([7]);
    assert_eq!(taken(&outbox), [7]);
    outbox.settle(Position(7));
    outbox.applied(true);
    assert!(sent(&outbox, 7));
    assert!(outbox.are_applied(&[Position(7)]).now_or_never().is_some());
    assert_eq!(settled(&outbox, 7), None);
}

#[test]
fn what_nobody_took_in_time_is_sent_from_its_row() {
    let outbox = new([7]);
    outbox.settle(Position(7));
    assert_eq!(taken(&outbox), [0_u64; 0], "it would be sent twice");
    outbox.applied(true);
    assert!(outbox.take_rows_wait());
    assert_eq!(taken(&outbox), [0_u64; 0]);
}

#[test]
fn when_the_projection_begins_anew_nothing_is_sent_again_that_was_sent() {
    let outbox = new([6, 7, 8]);
    assert_eq!(taken(&outbox), [6, 7, 8]);
    assert!(!sent(&outbox, 6));
    outbox.settle(Position(6));
    outbox.settle(Position(7));
    assert!(sent(&outbox, 7));
    // The row of 6 was applied, though nobody was told; that of 7 was not.
    outbox.opened(Position(6));
    assert_eq!(settled(&outbox, 6), None);
    outbox.add(Position(7), &record(7, NotificationStatus::Pending));
    outbox.add(Position(8), &record(8, NotificationStatus::Pending));
    assert_eq!(taken(&outbox), [0_u64; 0]);
    assert_eq!(settled(&outbox, 7), Some(NotificationStatus::Sent));
    assert!(!sent(&outbox, 8));
}

#[test]
fn when_the_courier_begins_anew_what_it_had_is_sent_again() {
    let outbox = new([5, 6, 7]);
    assert_eq!(taken(&outbox), [5, 6, 7]);
    outbox.settle(Position(5));
    outbox.applied(true);
    outbox.settle(Position(6));
    outbox.courier_begins();
    assert!(outbox.take_rows_wait(), "5 is sent from its row");
    assert_eq!(taken(&outbox), [7]);
    outbox.applied(true);
    assert!(outbox.take_rows_wait(), "and 6 from its own");
    assert_eq!((settled(&outbox, 5), settled(&outbox, 6)), (None, None));
}

#[test]
fn beyond_its_bound_messages_are_sent_from_their_rows() {
    let outbox = new(1..=MESSAGES_MAX as u64 + 1);
    assert_eq!(settled(&outbox, MESSAGES_MAX as u64), Some(NotificationStatus::Pending));
    assert_eq!(settled(&outbox, MESSAGES_MAX as u64 + 1), None);
}
