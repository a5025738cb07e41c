//! Result of placing a rental, or of paying for it later.

use std::sync::Arc;

use crate::{
    actors::entity::ask::Decided,
    domain::{
        Position, RentalId,
        address::Address,
        rental::{CancelReason, Rental, RentalStatus},
    },
};

/// Result of placing a rental, or of paying for it later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayOutcome {
    /// The fee is captured and the rental confirmed.
    Confirmed,
    /// The rental waits for a payment.
    Deferred {
        /// Wait before the next payment attempt, in ms.
        retry_after_ms: u64,
    },
    /// The gateway declined the charge.
    Declined {
        /// Decline code of the provider; `None` if unknown.
        code: Option<String>,
    },
    /// The rental was canceled meanwhile; a captured fee is refunded.
    Canceled,
    /// The result of the charge is unknown and deferring is switched off: the rental is canceled, and a
    /// captured fee is refunded.
    Unavailable {
        /// Wait before the next order, in ms.
        retry_after_ms: u64,
    },
}

impl PayOutcome {
    /// Returns what a rental's state says about the call that led to it.
    pub(crate) fn of(rental: &Rental, retry_after_ms: u64) -> Self {
        match (rental.status, rental.cancel_reason) {
            (RentalStatus::Confirmed | RentalStatus::Delivered, _) => Self::Confirmed,
            // The code is not in the rental's state, but in its payment's events.
            (RentalStatus::Canceled, Some(CancelReason::PaymentDeclined)) => Self::Declined { code: None },
            (RentalStatus::Canceled, Some(CancelReason::PaymentUnavailable)) => {
                Self::Unavailable { retry_after_ms }
            }
            (RentalStatus::Canceled, _) => Self::Canceled,
            (RentalStatus::PaymentDeferred | RentalStatus::Placed | RentalStatus::Absent, _) => {
                Self::Deferred { retry_after_ms }
            }
        }
    }
}

/// A rental, as the write side has it.
#[derive(Clone, Debug)]
pub struct RentalView {
    pub id: RentalId,
    /// State of the aggregate.
    pub rental: Arc<Rental>,
    /// Delivery address; `None` once the customer has left.
    pub address: Option<Address>,
}

/// A rental that was placed or paid later, and how that ended.
#[derive(Clone, Debug)]
pub struct PlacedRental {
    /// The rental at the end of the call; for a replay, at the end of the first call.
    pub rental: RentalView,
    /// Result of the payment.
    pub outcome: PayOutcome,
    /// True if an earlier call with the same key led to this result.
    pub replayed: bool,
    /// Position of the rental's newest event.
    pub position: Position,
}

impl PlacedRental {
    /// Returns the result of placing a rental: its state when placing ended, which may be earlier than
    /// `decided`.
    pub(crate) fn when_placed(id: RentalId, decided: Decided<Rental>, retry_after_ms: u64) -> Self {
        let Decided { state, position, .. } = decided;
        let rental = match state.outcome {
            Some(outcome) if outcome.status != state.status => {
                Rental::clone(&state).when_placed().map_or(state, Arc::new)
            }
            _ => state,
        };
        Self::of(id, rental, position, retry_after_ms)
    }

    /// Returns the result of a payment that left the rental in this state; without the address.
    pub(crate) fn of(id: RentalId, rental: Arc<Rental>, position: Position, retry_after_ms: u64) -> Self {
        let outcome = PayOutcome::of(&rental, retry_after_ms);
        Self { rental: RentalView { id, rental, address: None }, outcome, replayed: false, position }
    }

    /// Adds the provider's decline code, if the charge was declined.
    pub fn with_decline_code(mut self, reason: impl Into<Option<String>>) -> Self {
        if let PayOutcome::Declined { code } = &mut self.outcome {
            *code = reason.into();
        }
        self
    }
}
