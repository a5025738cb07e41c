//! The outbox: whichever side fails, each message is sent, and its row gets that status.

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
fn row_is_written_once_if_the_message_is_sent_first() {
    let outbox = new([7, 8]);
    assert_eq!(taken(&outbox), [7, 8]);
    assert!(!sent(&outbox, 7), "there is no row yet");
    assert_eq!(settled(&outbox, 7), Some(NotificationStatus::Sent));
    outbox.applied(false);
    assert_eq!(settled(&outbox, 7), None, "its row is all there is of it");
    assert!(!outbox.take_rows_wait());
}

#[test]
fn row_being_applied_is_waited_for_and_corrected() {
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
fn row_written_before_the_message_is_sent_is_corrected() {
    let outbox = new([7]);
    assert_eq!(taken(&outbox), [7]);
    outbox.settle(Position(7));
    outbox.applied(true);
    assert!(sent(&outbox, 7));
    assert!(outbox.are_applied(&[Position(7)]).now_or_never().is_some());
    assert_eq!(settled(&outbox, 7), None);
}

#[test]
fn message_not_taken_in_time_is_sent_from_its_row() {
    let outbox = new([7]);
    outbox.settle(Position(7));
    assert_eq!(taken(&outbox), [0_u64; 0], "it would be sent twice");
    outbox.applied(true);
    assert!(outbox.take_rows_wait());
    assert_eq!(taken(&outbox), [0_u64; 0]);
}

#[test]
fn restarted_projection_sends_no_message_again() {
    let outbox = new([6, 7, 8]);
    assert_eq!(taken(&outbox), [6, 7, 8]);
    assert!(!sent(&outbox, 6));
    outbox.settle(Position(6));
    outbox.settle(Position(7));
    assert!(sent(&outbox, 7));
    // The row of 6 was applied, that of 7 was not.
    outbox.opened(Position(6));
    assert_eq!(settled(&outbox, 6), None);
    outbox.add(Position(7), &record(7, NotificationStatus::Pending));
    outbox.add(Position(8), &record(8, NotificationStatus::Pending));
    assert_eq!(taken(&outbox), [0_u64; 0]);
    assert_eq!(settled(&outbox, 7), Some(NotificationStatus::Sent));
    assert!(!sent(&outbox, 8));
}

#[test]
fn restarted_courier_sends_what_it_had_taken_again() {
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
fn messages_beyond_the_bound_are_sent_from_rows() {
    let outbox = new(1..=MESSAGES_MAX as u64 + 1);
    assert_eq!(settled(&outbox, MESSAGES_MAX as u64), Some(NotificationStatus::Pending));
    assert_eq!(settled(&outbox, MESSAGES_MAX as u64 + 1), None);
}
