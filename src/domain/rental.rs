//! The life of a rental.
//!
//! ```text
//!            place               confirm             mark delivered
//!   ABSENT ────────▶ PLACED ───────────────▶ CONFIRMED ────────────▶ DELIVERED
//!                      │ defer                 ▲    │ cancel, short
//!                      ▼            confirm    │    ▼
//!               PAYMENT_DEFERRED ──────────────┘  CANCELED ◀── declined, expire, cancel
//! ```
//!
//! `DELIVERED` and `CANCELED` are final. A command that comes twice, or too late to matter, is a
//! no-op: sagas repeat themselves after a crash, and repeating must be harmless.

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

/// Where a rental is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RentalStatus {
    /// Not placed.
    #[default]
    Absent,
    /// Placed, its payment under way.
    Placed,
    /// Waiting for the customer to pay a little later.
    PaymentDeferred,
    /// Paid.
    Confirmed,
    /// Installed at the customer's. Final.
    Delivered,
    /// Over without a delivery. Final.
    Canceled,
}

/// Why a rental was canceled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancelReason {
    /// The customer asked for it.
    Customer,
    /// The operator did.
    Operator,
    /// The payment was declined when the rental was placed.
    PaymentDeclined,
    /// A deferred payment was not made in time.
    PaymentExpired,
    /// The payment's outcome stayed unknown, and deferring is switched off.
    PaymentUnavailable,
    /// The stock had run out by the time the delivery started.
    OutOfStock,
}

/// What was agreed when the rental was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// Who rents.
    pub customer_id: CustomerId,
    /// What.
    pub product_id: ProductId,
    /// The product's name at that time.
    pub product_name: String,
    /// The fee, fixed from then on.
    pub fee: Money,
    /// Which payment gateway the first attempt goes to.
    pub provider: String,
    /// Fingerprint of the request's body, when it came with an `Idempotency-Key`.
    pub fingerprint: Option<[u8; 16]>,
    /// Ties all events of the rental together.
    pub correlation: Correlation,
}

/// Until when a payment may be made later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deferral {
    /// When it is worth trying again.
    pub retry_at: Timestamp,
    /// When the rental expires unpaid.
    pub due_at: Timestamp,
}

/// What can be asked of a rental.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RentalCommand {
    /// Place it; with `deferral` (the breaker is open) no charge is tried now.
    Place {
        /// What is agreed.
        terms: Box<Terms>,
        /// Pay later instead of now.
        deferral: Option<Deferral>,
    },
    /// The payment was approved.
    Confirm,
    /// The payment was declined.
    Declined,
    /// The payment's outcome is unknown, or the gateway unavailable: let the customer pay later.
    Defer(Deferral),
    /// Cancel it, for the customer, the operator or (after a send, with deferring off) the payment.
    Cancel(CancelReason),
    /// The deferred payment was not made in time.
    Expire,
    /// The stock has run out.
    Short,
    /// The purifier is installed.
    MarkDelivered,
}

/// What can happen to a rental. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum RentalEvent {
    /// A customer placed it; unless deferred in the same commit, the first charge may follow.
    RentalPlaced(Terms),
    /// The customer may pay later.
    PaymentDeferred {
        /// Until when.
        deferral: Deferral,
        /// Whether a charge may have been sent; not when the breaker was open as it was placed.
        sent: bool,
    },
    /// It is paid; the delivery can start.
    RentalConfirmed {
        /// The product to deliver.
        product_id: ProductId,
    },
    /// The purifier is installed.
    RentalDelivered,
    /// It is over; its payment is to be canceled.
    RentalCanceled {
        /// Why.
        reason: CancelReason,
        /// The fee, to be refunded if it was captured.
        amount: Money,
        /// The gateway of the first attempt.
        provider: String,
    },
}

impl RentalEvent {
    /// The event's type, as the contract names it.
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

/// Why a rental refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RentalError {
    /// There is no such rental.
    #[error("the rental does not exist")]
    NotFound,
    /// It is delivered.
    #[error("a delivered rental cannot be canceled")]
    NotCancelable,
    /// It is not paid yet.
    #[error("the rental is not confirmed, so it cannot be delivered")]
    NotDeliverable(RentalStatus),
    /// It was canceled.
    #[error("the rental was canceled")]
    Canceled,
}

/// How the call that placed a rental ended: what a repeat of that call is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The status it reached first: confirmed, deferred or canceled.
    pub status: RentalStatus,
    /// When.
    pub at: Timestamp,
}

/// A rental. `terms` is there from `PLACED` on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rental {
    /// Where it is in its life.
    pub status: RentalStatus,
    /// What was agreed.
    pub terms: Option<Terms>,
    /// Set while, and after, the payment is or was deferred.
    pub deferral: Option<Deferral>,
    /// Whether the first charge was never sent, because the breaker was open when it was placed.
    pub never_sent: bool,
    /// Why it was canceled.
    pub cancel_reason: Option<CancelReason>,
    /// Whether it was ever confirmed, so that a delivery may exist.
    pub was_confirmed: bool,
    /// How placing it ended.
    pub outcome: Option<Outcome>,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Rental {
    /// What was agreed.
    ///
    /// # Errors
    /// [`RentalError::NotFound`] before it is placed.
    pub fn terms(&self) -> Result<&Terms, RentalError> {
        self.terms.as_ref().ok_or(RentalError::NotFound)
    }

    /// The gateway of the first attempt; empty before it is placed.
    #[must_use]
    pub fn provider(&self) -> &str {
        self.terms.as_ref().map_or("", |terms| &terms.provider)
    }

    /// The rental's delivery, once there may be one.
    #[must_use]
    pub fn delivery_id(&self, id: RentalId) -> Option<DeliveryId> {
        self.was_confirmed.then_some(id.delivery())
    }

    /// As it was when placing it had come to its end; none while that is open. What has happened since is for
    /// a look at the rental to tell: whoever repeats the call is told what was told first.
    #[must_use]
    pub fn when_placed(mut self) -> Option<Self> {
        let Outcome { status, at } = self.outcome?;
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
            // The same key again: the caller answers from the state.
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
        self.outcome.get_or_insert(Outcome { status: self.status, at });
        self
    }

    fn is_first(command: &RentalCommand) -> bool {
        matches!(command, RentalCommand::Place { .. })
    }
}

#[cfg(test)]
#[path = "rental_tests.rs"]
mod tests;
