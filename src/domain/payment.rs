//! The life of a payment: one a rental, in numbered attempts.
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
//! Money is moved at the gateway before or after, never in here: this aggregate only records what is
//! known, and what is owed. Another attempt's decline or void is always a no-op; another attempt's
//! capture is always given back ([`PaymentEvent::StrayCaptureFound`]), whatever the phase.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{aggregate::Aggregate, id::EntityKind, money::Money, rental::CancelReason, time::Timestamp};

/// Which try at charging a payment: 1 for the one that placing the rental makes.
pub type Attempt = u32;
/// How many attempts a payment may take: each leaves its events on the rental's timeline.
pub const ATTEMPTS_MAX: Attempt = 50;

/// Where a payment is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PaymentPhase {
    /// Nothing recorded; `RentalPlaced` stands for the request of attempt 1.
    #[default]
    New,
    /// Attempt n is recorded, and may be sent.
    Requested,
    /// To be canceled, the outcome of attempt n still open.
    Canceling,
    /// Captured.
    Approved,
    /// Captured, and to be refunded.
    Refunding,
    /// Attempt n was declined.
    Declined,
    /// Refunded, or never charged. Final, but for a capture that comes to light later.
    Canceled,
}

/// What is agreed between rental and payment: carried by each command, so that it stays pure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Which attempt.
    pub attempt: Attempt,
    /// How much.
    pub amount: Money,
    /// At which gateway.
    pub provider: String,
}

/// What can be asked of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PaymentCommand {
    /// The gateway captured this charge.
    Approve {
        /// What was charged.
        charge: Charge,
        /// The gateway's own name for it.
        reference: String,
    },
    /// The gateway declined this charge for good.
    Decline {
        /// What was not charged.
        charge: Charge,
        /// The gateway's reason, as a code.
        code: String,
    },
    /// Record the intent of the next attempt, before it is sent.
    Request {
        /// What is to be charged.
        charge: Charge,
        /// Evidence: the attempt before it that is known to be settled (1 too, if it was never sent).
        settled: Attempt,
    },
    /// The rental was canceled.
    Cancel {
        /// The rental's fee.
        amount: Money,
        /// The gateway of the rental's first attempt.
        provider: String,
        /// Why.
        reason: CancelReason,
    },
    /// Attempt n is settled as never charged.
    Void {
        /// Which.
        attempt: Attempt,
    },
    /// The capture was refunded in full.
    Refunded,
    /// A stray capture was refunded in full.
    StrayRefunded {
        /// Which attempt's.
        attempt: Attempt,
    },
}

/// What can happen to a payment. Part of the format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all_fields = "camelCase")]
pub enum PaymentEvent {
    /// An attempt after the first is about to be sent.
    PaymentRequested {
        /// Which.
        attempt: Attempt,
        /// How much.
        amount: Money,
        /// At which gateway.
        provider: String,
    },
    /// The fee is captured.
    PaymentApproved {
        /// By which attempt.
        attempt: Attempt,
        /// How much.
        amount: Money,
        /// At which gateway.
        provider: String,
        /// The gateway's own name for it.
        reference: String,
    },
    /// The gateway declined.
    PaymentDeclined {
        /// Which attempt.
        attempt: Attempt,
        /// How much.
        amount: Money,
        /// At which gateway.
        provider: String,
        /// Its reason, as a code.
        code: String,
    },
    /// The payment is to be undone: refunded if captured, else settled as never charged.
    PaymentCancelRequested {
        /// The attempt whose outcome counts.
        attempt: Attempt,
        /// The fee.
        amount: Money,
        /// At which gateway.
        provider: String,
        /// Set when a capture came to light after its attempt was taken for settled.
        late_capture: Option<String>,
    },
    /// The payment is undone.
    PaymentCanceled {
        /// What was refunded; 0 when nothing had been captured.
        amount: Money,
    },
    /// An attempt other than the current one turned out captured: it alone is to be refunded.
    StrayCaptureFound {
        /// Which attempt.
        attempt: Attempt,
        /// How much.
        amount: Money,
        /// At which gateway.
        provider: String,
        /// The gateway's own name for it.
        reference: String,
    },
    /// A stray capture was refunded.
    StrayCaptureRefunded {
        /// Which attempt's.
        attempt: Attempt,
    },
}

impl PaymentEvent {
    /// The event's type, as the contract names it.
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

/// Why a payment refuses a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PaymentError {
    /// No further attempt can be made in this phase.
    #[error("no further attempt can be made at this payment")]
    NotRequestable(PaymentPhase),
    /// The outcome of an earlier attempt is still unknown.
    #[error("the outcome of attempt {0} is not known yet")]
    Unsettled(Attempt),
    /// Enough is enough.
    #[error("{ATTEMPTS_MAX} attempts were made already")]
    TooManyAttempts,
}

/// A payment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    /// Where it is in its life.
    pub phase: PaymentPhase,
    /// The current attempt; 0 while nothing is recorded, which stands for attempt 1.
    pub attempt: Attempt,
    /// The fee.
    pub amount: Money,
    /// The gateway of the current attempt.
    pub provider: String,
    /// The gateway's own name for the capture.
    pub reference: Option<String>,
    /// What was refunded when it was canceled.
    pub refunded: Money,
    /// Captures of other attempts that are still to be refunded.
    pub strays: Vec<Charge>,
    /// When the current attempt was requested; none for attempt 1, which `RentalPlaced` requests.
    pub requested_at: Option<Timestamp>,
    /// When it was approved.
    pub approved_at: Option<Timestamp>,
    /// When its last decline was.
    pub declined_at: Option<Timestamp>,
    /// When it was canceled.
    pub canceled_at: Option<Timestamp>,
}

impl Payment {
    /// The attempt whose outcome counts now.
    #[must_use]
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
        use PaymentPhase as P;
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
            // It was taken for settled, and was captured after all: give it back, never keep it.
            P::Declined | P::Canceled => vec![self.cancel_requested(amount, &provider, Some(reference))],
        }
    }

    fn request(&self, charge: Charge, settled: Attempt) -> Result<Vec<PaymentEvent>, PaymentError> {
        use PaymentPhase as P;
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
        use PaymentPhase as P;
        match self.phase {
            P::New | P::Requested | P::Approved => vec![self.cancel_requested(amount, provider, None)],
            P::Canceling | P::Refunding | P::Canceled => Vec::new(),
            P::Declined if reason == CancelReason::PaymentDeclined => Vec::new(),
            P::Declined => Self::canceled_uncharged(),
        }
    }

    /// What follows from a decline or a void of a payment that is to be canceled.
    fn canceled_uncharged() -> Vec<PaymentEvent> {
        vec![PaymentEvent::PaymentCanceled { amount: Money::ZERO }]
    }

    fn decline(&self, charge: Charge, code: String) -> Vec<PaymentEvent> {
        use PaymentPhase as P;
        let Charge { attempt, amount, provider } = charge;
        match self.phase {
            _ if attempt != self.current() => Vec::new(),
            P::New | P::Requested => vec![PaymentEvent::PaymentDeclined { attempt, amount, provider, code }],
            P::Canceling => Self::canceled_uncharged(),
            P::Approved | P::Refunding | P::Declined | P::Canceled => Vec::new(),
        }
    }

    /// In any other phase there is nothing to void: the rental is told to defer.
    fn void(&self, attempt: Attempt) -> Vec<PaymentEvent> {
        let due = self.phase == PaymentPhase::Canceling && attempt == self.current();
        if due { Self::canceled_uncharged() } else { Vec::new() }
    }

    fn refund_done(&self) -> Vec<PaymentEvent> {
        let done = (self.phase == PaymentPhase::Refunding).then_some(self.amount);
        done.map(|amount| PaymentEvent::PaymentCanceled { amount }).into_iter().collect()
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
            C::Refunded => self.refund_done(),
            C::StrayRefunded { attempt } => {
                let owed = self.strays.iter().any(|stray| stray.attempt == attempt);
                owed.then_some(PaymentEvent::StrayCaptureRefunded { attempt }).into_iter().collect()
            }
        })
    }

    fn evolve(mut self, event: &PaymentEvent, at: Timestamp) -> Self {
        use PaymentPhase as P;
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
