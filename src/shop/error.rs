//! Why the shop refuses: one enum, mapped to answers by one match in `http`.

use thiserror::Error;

use crate::{
    actors::{
        entity::ask::AskError, payment::ConversationError, projection::lists::ListError,
        receipts::ReceiptError, vault::VaultError,
    },
    domain::{Money, context::Context},
    gateways::payment::InvalidMethod,
    store::{BackUpError, CommitError, StoreError},
};

/// Why the shop refuses a request.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShopError {
    /// An actor refused, or did not answer.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// Something could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something could not be written.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The context of an operator's command is paused.
    #[error("the {} context is paused", .0.as_str())]
    ContextPaused(Context),
    /// The cursor is not one of ours.
    #[error("the cursor is not one that this list gave")]
    BadCursor,
    /// The product is known to be sold out. Nothing was charged.
    #[error("the product is out of stock")]
    OutOfStock,
    /// The fee is not what the customer saw.
    #[error("the fee is {} KRW now", fee.as_won())]
    FeeChanged {
        /// What it is now.
        fee: Money,
    },
    /// The product takes no more new rentals.
    #[error("the product takes no new rentals")]
    ProductWithdrawn,
    /// The payment method breaks a rule.
    #[error("the payment method's {} {}", .0.field, .0.rule)]
    PaymentMethod(InvalidMethod),
    /// The payment provider has no window that a checkout could be for.
    #[error("payments are made without a checkout here")]
    CheckoutUnavailable,
    /// The checkout is too old, or is for an attempt that another one has overtaken. Nothing was charged.
    #[error("the checkout has expired")]
    CheckoutExpired,
    /// Payments are overloaded, or (with deferring off) unavailable. Nothing was recorded.
    #[error("payments are overloaded; please try again a little later")]
    PaymentOverloaded {
        /// When it is worth trying again, in ms.
        retry_after_ms: u64,
    },
    /// The outcome of the last try is still unknown.
    #[error("the outcome of the last payment is not known yet")]
    PaymentInProgress {
        /// When it is worth trying again, in ms.
        retry_after_ms: u64,
    },
    /// The rental is not waiting to be paid.
    #[error("the rental is not waiting for a payment")]
    RentalNotPayable,
    /// The gateway refuses something for good; an operator has to look.
    #[error("the gateway refuses: {0}")]
    GatewayRefused(String),
    /// There is no backup.
    #[error(transparent)]
    BackUp(#[from] BackUpError),
    /// A picture could not be read or written.
    #[error("the pictures: {0}")]
    Images(String),
    /// Nothing is held under this name.
    #[error("nothing is held under this name")]
    NotHeld,
    /// The same key came with another body.
    #[error("this Idempotency-Key was used for another request")]
    KeyReused,
    /// The first request with this key is still running.
    #[error("the first request with this Idempotency-Key is still running")]
    KeyInProgress,
    /// Phone number and password, or key, do not match.
    #[error("these credentials do not match")]
    BadCredentials,
    /// Too many log-ins of this account have failed.
    #[error("too many log-ins have failed; please wait")]
    TooManyTries {
        /// For how long, in ms.
        retry_after_ms: u64,
    },
    /// The delivery is not in transit, so that it cannot be completed.
    #[error("this step does not follow from where the delivery is")]
    DeliveryOutOfOrder,
    /// A password could not be hashed, or the like: a bug, not a request's fault.
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

impl From<VaultError> for ShopError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Store(error) => Self::Store(error),
            VaultError::Commit(error) => Self::Commit(error),
        }
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
