//! Rental: from placing to delivery or cancellation.
//!
//! ```text
//!            place               confirm             mark delivered
//!   ABSENT ────────▶ PLACED ───────────────▶ CONFIRMED ────────────▶ DELIVERED
//!                      │ defer                 ▲    │ cancel, short
//!                      ▼            confirm    │    ▼
//!               PAYMENT_DEFERRED ──────────────┘  CANCELED ◀── declined, expire, cancel
//! ```
//!
//! `DELIVERED` and `CANCELED` are final. A command that is repeated, or comes too late to matter, is a
//! no-op: after a crash, sagas repeat their commands.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    aggregate::Aggregate,
    id::{CustomerId, DeliveryId, EntityKind, ProductId, RentalId},
    meta::Correlation,
    money::Money,
    time::Timestamp,
};
use crate::planted::{self, Bug};

/// Status of a rental.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RentalStatus {
    /// Not placed.
    #[default]
    Absent,
    /// Placed, and its payment is under way.
    Placed,
    /// Placed, and to be paid later.
    PaymentDeferred,
    /// The fee is paid.
    Confirmed,
    /// Installed at the customer's address. Final.
    Delivered,
    /// Ended without a delivery. Final.
    Canceled,
}

/// Reason for a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelReason {
    /// The customer canceled it.
    Customer,
    /// An operator canceled it.
    Operator,
    /// The payment was declined when the rental was placed.
    PaymentDeclined,
    /// A deferred payment was not made in time.
    PaymentExpired,
    /// The payment's outcome stayed unknown, and deferring is switched off.
    PaymentUnavailable,
    /// There was no unit left in stock when the delivery started.
    OutOfStock,
}

/// Terms of a rental, fixed when it is placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub customer_id: CustomerId,
    pub product_id: ProductId,
    /// Product name at the time of placing.
    pub product_name: String,
    pub fee: Money,
    /// Payment gateway of the first attempt.
    pub provider: String,
    /// Fingerprint of the request body, if the request had an `Idempotency-Key`.
    pub fingerprint: Option<[u8; 16]>,
    pub correlation: Correlation,
}

/// Time limits of a deferred payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferral {
    /// Earliest time at which another attempt makes sense.
    pub retry_at: Timestamp,
    /// Time at which an unpaid rental expires.
    pub due_at: Timestamp,
}

/// Result of the call that placed a rental. A repeat of that call gets the same response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacementOutcome {
    /// First status after `Placed`: confirmed, deferred or canceled.
    pub status: RentalStatus,
    pub at: Timestamp,
}

/// State of a rental, folded from its events.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rental {
    pub status: RentalStatus,
    /// Set when the rental is placed.
    pub terms: Option<Terms>,
    /// Set when the payment is deferred, and kept afterwards.
    pub deferral: Option<Deferral>,
    /// True if the first charge was never sent, because the breaker was open at placing.
    pub never_sent: bool,
    pub cancel_reason: Option<CancelReason>,
    /// True if the rental was ever confirmed, so that a delivery may exist.
    pub was_confirmed: bool,
    pub outcome: Option<PlacementOutcome>,
    pub placed_at: Timestamp,
    pub updated_at: Timestamp,
}

impl Rental {
    /// Returns the terms; [`RentalError::NotFound`] before the rental is placed.
    pub fn terms(&self) -> Result<&Terms, RentalError> {
        self.terms.as_ref().ok_or(RentalError::NotFound)
    }

    /// Returns the gateway of the first attempt; empty before the rental is placed.
    pub fn provider(&self) -> &str {
        self.terms.as_ref().map_or("", |terms| &terms.provider)
    }

    /// Returns the id of the rental's delivery, if one may exist.
    pub fn delivery_id(&self, id: RentalId) -> Option<DeliveryId> {
        self.was_confirmed.then_some(id.delivery())
    }

    /// Returns the rental as it was when placing ended, or `None` while that is open. A repeated placing call
    /// is answered with this, not with later changes.
    pub fn when_placed(mut self) -> Option<Self> {
        let PlacementOutcome { status, at } = self.outcome?;
        if planted::is(Bug::FirstAnswerForgotten) {
            return Some(self);
        }
        self.was_confirmed &= status == RentalStatus::Confirmed;
        self.status = status;
        self.updated_at = at;
        if status != RentalStatus::Canceled {
            self.cancel_reason = None;
        }
        Some(self)
    }

    fn canceled(&self, reason: CancelReason) -> Result<Vec<RentalEvent>, RentalError> {
        let terms = self.terms()?;
        Ok(vec![RentalEvent::RentalCanceled { reason, amount: terms.fee, provider: terms.provider.clone() }])
    }

    fn confirmed(&self) -> Result<Vec<RentalEvent>, RentalError> {
        Ok(vec![RentalEvent::RentalConfirmed { product_id: self.terms()?.product_id }])
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RentalCommand {
    Place {
        terms: Box<Terms>,
        /// Set if the breaker is open: no charge is attempted now.
        deferral: Option<Deferral>,
    },
    Confirm,
    Declined,
    /// The payment's outcome is unknown, or the gateway unavailable: let the customer pay later.
    Defer(Deferral),
    Cancel(CancelReason),
    /// The deferred payment was not made in time.
    Expire,
    /// There is no unit left in stock.
    Short,
    MarkDelivered,
}

/// An event of a rental. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum RentalEvent {
    /// A customer placed it. The first charge may follow, unless the same commit defers the payment.
    RentalPlaced(Terms),
    /// The customer may pay later. `sent` is true if a charge may have been sent; false if the breaker was
    /// open at placing.
    PaymentDeferred { deferral: Deferral, sent: bool },
    /// The rental is paid, and the delivery can start.
    RentalConfirmed { product_id: ProductId },
    /// The product is installed at the customer's address.
    RentalDelivered,
    /// The rental ended, and its payment is to be canceled: `amount` is the fee, to be refunded if it was
    /// captured, and `provider` the gateway of the first attempt.
    RentalCanceled { reason: CancelReason, amount: Money, provider: String },
}

impl RentalEvent {
    /// Returns the event's type as the API shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::RentalPlaced(_) => "RentalPlaced",
            Self::PaymentDeferred { .. } => "PaymentDeferred",
            Self::RentalConfirmed { .. } => "RentalConfirmed",
            Self::RentalDelivered => "RentalDelivered",
            Self::RentalCanceled { .. } => "RentalCanceled",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RentalError {
    #[error("the rental does not exist")]
    NotFound,
    #[error("a delivered rental cannot be canceled")]
    NotCancelable,
    #[error("the rental is not confirmed, so it cannot be delivered")]
    NotDeliverable(RentalStatus),
    #[error("the rental was canceled")]
    Canceled,
}

impl Aggregate for Rental {
    const KIND: EntityKind = EntityKind::Rental;
    type Command = RentalCommand;
    type Event = RentalEvent;
    type Error = RentalError;

    fn decide(&self, command: RentalCommand) -> Result<Vec<RentalEvent>, RentalError> {
        use RentalCommand as C;
        use RentalStatus as S;
        let nothing = Ok(Vec::new());
        match (self.status, command) {
            (S::Absent, C::Place { terms, deferral }) => {
                let deferred =
                    deferral.map(|deferral| RentalEvent::PaymentDeferred { deferral, sent: false });
                Ok(std::iter::once(RentalEvent::RentalPlaced(*terms)).chain(deferred).collect())
            }
            // The same idempotency key again: the caller answers from the state.
            (S::Placed | S::PaymentDeferred | S::Confirmed | S::Delivered | S::Canceled, C::Place { .. }) => {
                nothing
            }

            (S::Placed | S::PaymentDeferred, C::Confirm) => self.confirmed(),
            (S::Absent | S::Confirmed | S::Delivered | S::Canceled, C::Confirm) => nothing,

            (S::Placed, C::Declined) => self.canceled(CancelReason::PaymentDeclined),
            (S::Absent | S::PaymentDeferred | S::Confirmed | S::Delivered | S::Canceled, C::Declined) => {
                nothing
            }

            (S::Placed, C::Defer(deferral)) => {
                Ok(vec![RentalEvent::PaymentDeferred { deferral, sent: true }])
            }
            (S::Absent | S::PaymentDeferred | S::Confirmed | S::Delivered | S::Canceled, C::Defer(_)) => {
                nothing
            }

            (S::Absent, C::Cancel(_)) => Err(RentalError::NotFound),
            (S::Placed | S::PaymentDeferred | S::Confirmed, C::Cancel(reason)) => self.canceled(reason),
            (S::Canceled, C::Cancel(_)) => nothing,
            (S::Delivered, C::Cancel(_)) => Err(RentalError::NotCancelable),

            (S::PaymentDeferred, C::Expire) => self.canceled(CancelReason::PaymentExpired),
            (S::Absent | S::Placed | S::Confirmed | S::Delivered | S::Canceled, C::Expire) => nothing,

            (S::Confirmed, C::Short) => self.canceled(CancelReason::OutOfStock),
            (S::Absent | S::Placed | S::PaymentDeferred | S::Delivered | S::Canceled, C::Short) => nothing,

            (S::Confirmed, C::MarkDelivered) => Ok(vec![RentalEvent::RentalDelivered]),
            (S::Absent | S::Delivered, C::MarkDelivered) => nothing,
            (S::Placed | S::PaymentDeferred, C::MarkDelivered) => {
                Err(RentalError::NotDeliverable(self.status))
            }
            (S::Canceled, C::MarkDelivered) => Err(RentalError::Canceled),
        }
    }

    fn evolve(mut self, event: &RentalEvent, at: Timestamp) -> Self {
        self.updated_at = at;
        match event {
            RentalEvent::RentalPlaced(terms) => {
                self.status = RentalStatus::Placed;
                self.terms = Some(terms.clone());
                self.placed_at = at;
                return self;
            }
            RentalEvent::PaymentDeferred { deferral, sent } => {
                self.status = RentalStatus::PaymentDeferred;
                self.deferral = Some(*deferral);
                self.never_sent = !sent;
            }
            RentalEvent::RentalConfirmed { .. } => {
                self.status = RentalStatus::Confirmed;
                self.was_confirmed = true;
            }
            RentalEvent::RentalDelivered => self.status = RentalStatus::Delivered,
            RentalEvent::RentalCanceled { reason, .. } => {
                self.status = RentalStatus::Canceled;
                self.cancel_reason = Some(*reason);
            }
        }
        self.outcome.get_or_insert(PlacementOutcome { status: self.status, at });
        self
    }

    fn is_first(command: &RentalCommand) -> bool {
        matches!(command, RentalCommand::Place { .. })
    }
}

#[cfg(test)]
#[path = "rental_tests.rs"]
mod tests;
