//! Errors of the shop: one enum, which one match in `http` maps to responses.

use thiserror::Error;

use crate::{
    actors::{
        entity::ask::AskError, payment::ConversationError, projection::lists::ListError,
        receipts::ReceiptError,
    },
    domain::{Money, Rejection, context::Context},
    gateways::payment::InvalidMethod,
    store::{BackUpError, CommitError, StoreError},
};

pub(crate) type Result<T, E = ShopError> = std::result::Result<T, E>;

/// Errors of the shop's calls.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShopError {
    /// An entity refused the command or did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store took no write.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The named thing does not exist.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The command's context is paused.
    #[error("the {} context is paused", .0.as_str())]
    ContextPaused(Context),
    /// The cursor was not issued by this server.
    #[error("the cursor is not one that this list gave")]
    BadCursor,
    /// The product is known to be sold out. Nothing was charged.
    #[error("the product is out of stock")]
    OutOfStock,
    /// The fee differs from the one that the customer saw.
    #[error("the fee is {} KRW now", fee.as_won())]
    FeeChanged {
        /// Current fee.
        fee: Money,
    },
    /// The product takes no more new rentals.
    #[error("the product takes no new rentals")]
    ProductWithdrawn,
    /// The payment method breaks a rule.
    #[error("the payment method's {} {}", .0.field, .0.rule)]
    PaymentMethod(InvalidMethod),
    /// The payment provider needs no checkout.
    #[error("payments are made without a checkout here")]
    CheckoutUnavailable,
    /// The checkout has expired, or a later attempt replaced it. Nothing was charged.
    #[error("the checkout has expired")]
    CheckoutExpired,
    /// Payments are overloaded, or (with deferring off) unavailable. Nothing was recorded.
    #[error("payments are overloaded; please try again a little later")]
    PaymentOverloaded {
        /// Recommended wait before the next try, in ms.
        retry_after_ms: u64,
    },
    /// The outcome of the last attempt is not known yet.
    #[error("the outcome of the last payment is not known yet")]
    PaymentInProgress {
        /// Recommended wait before the next try, in ms.
        retry_after_ms: u64,
    },
    /// The rental is not waiting to be paid.
    #[error("the rental is not waiting for a payment")]
    RentalNotPayable,
    /// The gateway refuses permanently; an operator has to act.
    #[error("the gateway refuses: {0}")]
    GatewayRefused(String),
    /// The backup failed.
    #[error(transparent)]
    BackUp(#[from] BackUpError),
    /// An image could not be read or written.
    #[error("an image cannot be read or written: {0}")]
    Images(String),
    /// No target is parked under this key.
    #[error("no target is parked under this key")]
    NotParked,
    /// The idempotency key was used with another body.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// The first request with this idempotency key is still running.
    #[error("the first request with this Idempotency-Key is still running")]
    KeyInProgress,
    /// Wrong phone number, password or operator key.
    #[error("these credentials do not match")]
    BadCredentials,
    /// Too many log-ins of this account have failed.
    #[error("too many log-ins have failed; please wait")]
    TooManyTries {
        /// Remaining wait, in ms.
        retry_after_ms: u64,
    },
    /// The delivery is not in transit, so that it cannot be completed.
    #[error("this step does not follow from where the delivery is")]
    DeliveryOutOfOrder,
    /// A bug, such as a password that could not be hashed.
    #[error("internal: {0}")]
    Internal(String),
}

impl From<ConversationError> for ShopError {
    fn from(error: ConversationError) -> Self {
        match error {
            ConversationError::Overloaded { retry_after_ms } => Self::PaymentOverloaded { retry_after_ms },
            ConversationError::InProgress { retry_after_ms } => Self::PaymentInProgress { retry_after_ms },
            ConversationError::NotPayable => Self::RentalNotPayable,
            ConversationError::CheckoutExpired => Self::CheckoutExpired,
            ConversationError::Ask(error) => Self::Ask(error),
            ConversationError::Store(error) => Self::Store(error),
            ConversationError::Commit(error) => Self::Commit(error),
            ConversationError::Refused(reason) => Self::GatewayRefused(reason),
            ConversationError::Failed => Self::Ask(AskError::Stopped),
        }
    }
}

impl From<ReceiptError> for ShopError {
    fn from(error: ReceiptError) -> Self {
        match error {
            ReceiptError::Store(error) => Self::Store(error),
            ReceiptError::InProgress => Self::KeyInProgress,
            ReceiptError::Reused => Self::KeyReused,
        }
    }
}

impl<E> From<E> for ShopError
where
    Rejection: From<E>,
{
    fn from(error: E) -> Self {
        AskError::Rejected(error.into()).into()
    }
}

impl From<ListError> for ShopError {
    fn from(error: ListError) -> Self {
        match error {
            ListError::BadCursor => Self::BadCursor,
            ListError::Store(error) => Self::Store(error),
        }
    }
}
