//! A message as it is stored. Its status is stored nowhere else, so old rows must stay readable.

use serde::{Deserialize, Serialize};

use crate::{
    domain::{Correlation, CustomerId, NotificationId, RentalId, Timestamp},
    store::{StoreError, codec},
};

/// Status of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NotificationStatus {
    /// Not sent yet.
    Pending,
    /// Handed to the SMS gateway.
    Sent,
    /// Delivered to the phone.
    Delivered,
    /// Given up after too many attempts.
    Failed,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Id; it follows from rental and event, so a rebuild makes the same one.
    pub id: NotificationId,
    pub rental_id: RentalId,
    pub customer_id: CustomerId,
    pub event: String,
    /// Text; it contains no personal data.
    pub text: String,
    pub status: NotificationStatus,
    pub attempts: u32,
    pub created_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    /// Correlation id of the rental; `None` in messages of record format 1.
    pub correlation: Option<Correlation>,
}

/// A message of record format 1, which had no correlation id. Read for exports.
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
    /// Decodes a row of this format or of record format 1.
    pub(crate) fn read(row: &[u8]) -> Result<Self, StoreError> {
        codec::decode::<Self>(row).or_else(|unreadable| {
            // A row of neither format is reported as one of this format.
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
    fn message_of_version_0_1_is_read_without_correlation() {
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
