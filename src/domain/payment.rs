//! Payment: one per rental, in numbered attempts.
//!
//! ```text
//!                 approve n                 cancel                   refunded
//!   NEW, REQUESTED n ─────▶ APPROVED ────────────────▶ REFUNDING ───────────────▶ CANCELED
//!      │ ▲       │ cancel                    approve n ▲  ▲ approve n (late)         ▲
//!      │ │       └─────────▶ CANCELING ────────────────┘  │                          │
//!      │ │ request n + 1         │ decline n, void n      │                          │
//!      ▼ │                       └────────────────────────┼──────────────────────────┤
//!   DECLINED n ───────────────────────────────────────────┘           cancel         │
//!      └─────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! The aggregate moves no money: it records what the gateway did, and what is owed. A decline or void of
//! another attempt is always a no-op. A capture of another attempt is always refunded
//! ([`PaymentEvent::StrayCaptureFound`]), in every phase.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::PaymentPhase as P;
use super::{aggregate::Aggregate, id::EntityKind, money::Money, rental::CancelReason, time::Timestamp};

/// Number of an attempt to charge a payment: 1 for the one that placing the rental makes.
pub(crate) type Attempt = u32;
/// Most attempts of a payment. Each adds events to the rental's timeline.
pub(crate) const ATTEMPTS_MAX: Attempt = 50;

/// Phase of a payment; an attempt moves it, a cancel ends it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentPhase {
    /// Nothing recorded; `RentalPlaced` stands for the request of attempt 1.
    #[default]
    New,
    /// Attempt n is recorded, and may be sent.
    Requested,
    /// To be canceled; the outcome of attempt n is still open.
    Canceling,
    /// The gateway captured the fee.
    Approved,
    /// Captured, and to be refunded.
    Refunding,
    /// Attempt n was declined.
    Declined,
    /// Refunded, or never charged. Final, unless a capture comes to light later.
    Canceled,
}

/// A charge at a gateway. Rental and payment share its terms, so each command carries them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub attempt: Attempt,
    pub amount: Money,
    pub provider: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub phase: PaymentPhase,
    /// Current attempt; 0 while nothing is recorded, which stands for attempt 1.
    pub attempt: Attempt,
    pub amount: Money,
    /// Gateway of the current attempt.
    pub provider: String,
    /// The gateway's id of the capture.
    pub reference: Option<String>,
    pub refunded: Money,
    /// Captures of other attempts that are still to be refunded.
    pub strays: Vec<Charge>,
    /// Time of the current attempt's request; none for attempt 1, which `RentalPlaced` requests.
    pub requested_at: Option<Timestamp>,
    pub approved_at: Option<Timestamp>,
    pub declined_at: Option<Timestamp>,
    pub canceled_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentCommand {
    /// The gateway captured this charge; `reference` is its id there.
    Approve { charge: Charge, reference: String },
    /// The gateway declined this charge for good; `code` is its reason.
    Decline { charge: Charge, code: String },
    /// Record the intent of the next attempt, before it is sent. `settled` is evidence: the attempt before
    /// it, which is settled (also if attempt 1 was never sent).
    Request { charge: Charge, settled: Attempt },
    /// The rental was canceled; `provider` is the gateway of its first attempt.
    Cancel { amount: Money, provider: String, reason: CancelReason },
    /// The attempt is settled as never charged.
    Void { attempt: Attempt },
    /// The capture was refunded in full.
    Refunded,
    /// The stray capture of an attempt was refunded in full.
    StrayRefunded { attempt: Attempt },
}

/// An event of a payment. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum PaymentEvent {
    /// An attempt after the first is about to be sent.
    PaymentRequested { attempt: Attempt, amount: Money, provider: String },
    /// The fee is captured.
    PaymentApproved { attempt: Attempt, amount: Money, provider: String, reference: String },
    /// The gateway declined; `code` is its reason.
    PaymentDeclined { attempt: Attempt, amount: Money, provider: String, code: String },
    /// The payment is to be undone: refunded if captured, else settled as never charged.
    PaymentCancelRequested {
        attempt: Attempt,
        amount: Money,
        provider: String,
        /// The gateway's id of a capture that came to light after its attempt counted as settled.
        late_capture: Option<String>,
    },
    /// The payment is undone; `amount` was refunded, 0 if nothing was captured.
    PaymentCanceled { amount: Money },
    /// An attempt other than the current one was captured: that capture alone is to be refunded.
    StrayCaptureFound { attempt: Attempt, amount: Money, provider: String, reference: String },
    /// A stray capture was refunded.
    StrayCaptureRefunded { attempt: Attempt },
}

impl PaymentEvent {
    /// Returns the event's type as the API shows it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::PaymentRequested { .. } => "PaymentRequested",
            Self::PaymentApproved { .. } => "PaymentApproved",
            Self::PaymentDeclined { .. } => "PaymentDeclined",
            Self::PaymentCancelRequested { .. } => "PaymentCancelRequested",
            Self::PaymentCanceled { .. } => "PaymentCanceled",
            Self::StrayCaptureFound { .. } => "StrayCaptureFound",
            Self::StrayCaptureRefunded { .. } => "StrayCaptureRefunded",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PaymentError {
    #[error("no further attempt is possible for this payment")]
    NotRequestable(PaymentPhase),
    #[error("the outcome of attempt {0} is not known yet")]
    Unsettled(Attempt),
    #[error("{ATTEMPTS_MAX} attempts were made already")]
    TooManyAttempts,
}

impl Payment {
    /// Returns the attempt whose outcome counts now.
    pub const fn current(&self) -> Attempt {
        if self.attempt == 0 { 1 } else { self.attempt }
    }

    fn current_is(&mut self, attempt: Attempt, amount: Money, provider: &str) {
        (self.attempt, self.amount) = (attempt, amount);
        provider.clone_into(&mut self.provider);
    }

    fn cancel_requested(&self, amount: Money, provider: &str, late_capture: Option<String>) -> PaymentEvent {
        let provider = if self.provider.is_empty() { provider } else { &self.provider };
        PaymentEvent::PaymentCancelRequested {
            attempt: self.current(),
            amount,
            provider: provider.to_owned(),
            late_capture,
        }
    }

    fn approve(&self, charge: Charge, reference: String) -> Vec<PaymentEvent> {
        let Charge { attempt, amount, provider } = charge;
        if attempt != self.current() {
            let known = self.strays.iter().any(|stray| stray.attempt == attempt);
            let stray = PaymentEvent::StrayCaptureFound { attempt, amount, provider, reference };
            return if known { Vec::new() } else { vec![stray] };
        }
        match self.phase {
            P::New | P::Requested | P::Canceling => {
                vec![PaymentEvent::PaymentApproved { attempt, amount, provider, reference }]
            }
            P::Approved | P::Refunding => Vec::new(),
            P::Canceled if self.refunded > Money::ZERO => Vec::new(),
            // The attempt counted as settled, but was captured: refund it.
            P::Declined | P::Canceled => vec![self.cancel_requested(amount, &provider, Some(reference))],
        }
    }

    fn request(&self, charge: Charge, settled: Attempt) -> Result<Vec<PaymentEvent>, PaymentError> {
        match self.phase {
            P::New | P::Requested | P::Declined => {}
            P::Canceling | P::Approved | P::Refunding | P::Canceled => {
                return Err(PaymentError::NotRequestable(self.phase));
            }
        }
        if settled != self.current() || charge.attempt != settled + 1 {
            return Err(PaymentError::Unsettled(self.current()));
        }
        if charge.attempt > ATTEMPTS_MAX {
            return Err(PaymentError::TooManyAttempts);
        }
        let Charge { attempt, amount, provider } = charge;
        Ok(vec![PaymentEvent::PaymentRequested { attempt, amount, provider }])
    }

    fn cancel(&self, amount: Money, provider: &str, reason: CancelReason) -> Vec<PaymentEvent> {
        match self.phase {
            P::New | P::Requested | P::Approved => vec![self.cancel_requested(amount, provider, None)],
            P::Canceling | P::Refunding | P::Canceled => Vec::new(),
            P::Declined if reason == CancelReason::PaymentDeclined => Vec::new(),
            P::Declined => Self::canceled_uncharged(),
        }
    }

    fn canceled_uncharged() -> Vec<PaymentEvent> {
        vec![PaymentEvent::PaymentCanceled { amount: Money::ZERO }]
    }

    fn decline(&self, charge: Charge, code: String) -> Vec<PaymentEvent> {
        let Charge { attempt, amount, provider } = charge;
        if attempt != self.current() {
            return Vec::new();
        }
        match self.phase {
            P::New | P::Requested => vec![PaymentEvent::PaymentDeclined { attempt, amount, provider, code }],
            P::Canceling => Self::canceled_uncharged(),
            P::Approved | P::Refunding | P::Declined | P::Canceled => Vec::new(),
        }
    }

    /// Settles a cancel. In other phases a void changes nothing here: the rental is deferred instead.
    fn void(&self, attempt: Attempt) -> Vec<PaymentEvent> {
        match self.phase {
            P::Canceling if attempt == self.current() => Self::canceled_uncharged(),
            P::New | P::Requested | P::Canceling | P::Approved => Vec::new(),
            P::Refunding | P::Declined | P::Canceled => Vec::new(),
        }
    }

    fn refunded(&self) -> Vec<PaymentEvent> {
        match self.phase {
            P::Refunding => vec![PaymentEvent::PaymentCanceled { amount: self.amount }],
            P::New | P::Requested | P::Canceling | P::Approved | P::Declined | P::Canceled => Vec::new(),
        }
    }
}

impl Aggregate for Payment {
    const KIND: EntityKind = EntityKind::Payment;
    type Command = PaymentCommand;
    type Event = PaymentEvent;
    type Error = PaymentError;

    fn decide(&self, command: PaymentCommand) -> Result<Vec<PaymentEvent>, PaymentError> {
        use PaymentCommand as C;
        Ok(match command {
            C::Approve { charge, reference } => self.approve(charge, reference),
            C::Decline { charge, code } => self.decline(charge, code),
            C::Request { charge, settled } => return self.request(charge, settled),
            C::Cancel { amount, provider, reason } => self.cancel(amount, &provider, reason),
            C::Void { attempt } => self.void(attempt),
            C::Refunded => self.refunded(),
            C::StrayRefunded { attempt } => {
                let owed = self.strays.iter().any(|stray| stray.attempt == attempt);
                owed.then_some(PaymentEvent::StrayCaptureRefunded { attempt }).into_iter().collect()
            }
        })
    }

    fn evolve(mut self, event: &PaymentEvent, at: Timestamp) -> Self {
        match event {
            PaymentEvent::PaymentRequested { attempt, amount, provider } => {
                self.current_is(*attempt, *amount, provider);
                self.phase = P::Requested;
                self.requested_at = Some(at);
            }
            PaymentEvent::PaymentApproved { attempt, amount, provider, reference } => {
                self.current_is(*attempt, *amount, provider);
                self.phase = if self.phase == P::Canceling { P::Refunding } else { P::Approved };
                self.reference = Some(reference.clone());
                self.approved_at = Some(at);
            }
            PaymentEvent::PaymentDeclined { attempt, amount, provider, .. } => {
                self.current_is(*attempt, *amount, provider);
                self.phase = P::Declined;
                self.declined_at = Some(at);
            }
            PaymentEvent::PaymentCancelRequested { attempt, amount, provider, late_capture } => {
                self.current_is(*attempt, *amount, provider);
                let captured = self.phase == P::Approved || late_capture.is_some();
                self.phase = if captured { P::Refunding } else { P::Canceling };
                self.reference = late_capture.clone().or(self.reference);
            }
            PaymentEvent::PaymentCanceled { amount } => {
                self.phase = P::Canceled;
                self.refunded = *amount;
                self.canceled_at = Some(at);
            }
            PaymentEvent::StrayCaptureFound { attempt, amount, provider, .. } => {
                self.strays.push(Charge { attempt: *attempt, amount: *amount, provider: provider.clone() });
            }
            PaymentEvent::StrayCaptureRefunded { attempt } => {
                self.strays.retain(|stray| stray.attempt != *attempt);
            }
        }
        self
    }
}

#[cfg(test)]
#[path = "payment_tests.rs"]
mod tests;
