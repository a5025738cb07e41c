//! A message as the view keeps it. How far it got is nowhere else, so old rows have to be readable.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Correlation, CustomerId, NotificationId, RentalId, Timestamp},
    store::{StoreError, codec},
};

/// How far a message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationStatus {
    /// To be sent.
    Pending,
    /// Handed to the SMS gateway.
    Sent,
    /// On the customer's phone.
    Delivered,
    /// Given up.
    Failed,
}

/// A message, and how far it got.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Record {
    /// Its id: the same, however often it is made.
    pub id: NotificationId,
    /// About which rental.
    pub rental_id: RentalId,
    /// For whom.
    pub customer_id: CustomerId,
    /// About which event.
    pub event: String,
    /// What it says. Holds no personal data.
    pub text: String,
    /// How far it got.
    pub status: NotificationStatus,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was sent.
    pub sent_at: Option<Timestamp>,
    /// The rental's. Messages that were written by version 0.1 do not know it.
    pub correlation: Option<Correlation>,
}

/// A message as version 0.1 wrote it: a record but for its last field.
#[derive(Deserialize)]
#[cfg_attr(test, derive(Serialize))]
struct RecordV1 {
    id: NotificationId,
    rental_id: RentalId,
    customer_id: CustomerId,
    event: String,
    text: String,
    status: NotificationStatus,
    attempts: u32,
    created_at: Timestamp,
    sent_at: Option<Timestamp>,
}

impl Record {
    /// Reads a row, an old one too.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]
    pub fn read(row: &[u8]) -> Result<Self, StoreError> {
        codec::decode::<Self>(row).or_else(|unreadable| {
            // What is neither is told as what it should be.
            let old = codec::decode::<RecordV1>(row).map_err(|_| unreadable)?;
            let RecordV1 { id, rental_id, customer_id, event, text, .. } = old;
            let RecordV1 { status, attempts, created_at, sent_at, .. } = old;
            let correlation = None;
            Ok(Self {
                id,
                rental_id,
                customer_id,
                event,
                text,
                status,
                attempts,
                created_at,
                sent_at,
                correlation,
            })
        })
    }
}

/// A message of which nothing but its position matters, for tests.
#[cfg(test)]
pub(crate) fn sample(position: u64, status: NotificationStatus) -> Record {
    Record {
        id: NotificationId(position.into()),
        rental_id: RentalId(1),
        customer_id: CustomerId(2),
        event: "RentalConfirmed".to_owned(),
        text: "[샘]".to_owned(),
        status,
        attempts: 0,
        created_at: Timestamp(3),
        sent_at: None,
        correlation: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_version_0_1_is_read_and_knows_no_correlation() {
        let old = RecordV1 {
            id: NotificationId(1),
            rental_id: RentalId(2),
            customer_id: CustomerId(3),
            event: "RentalConfirmed".to_owned(),
            text: "[샘]".to_owned(),
            status: NotificationStatus::Sent,
            attempts: 1,
            created_at: Timestamp(4),
            sent_at: Some(Timestamp(5)),
        };
        let read = Record::read(&codec::encode(&old).unwrap()).unwrap();
        assert_eq!((read.text.as_str(), read.sent_at, read.correlation), ("[샘]", old.sent_at, None));
        let new = Record { correlation: Some(Correlation(6)), ..read };
        let read = Record::read(&codec::encode(&new).unwrap()).unwrap();
        assert_eq!(read.correlation, new.correlation);
        assert!(Record::read(&[1, 2, 3]).is_err());
    }
}
