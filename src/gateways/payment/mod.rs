//! Payment gateways behind the trait [`PaymentGateway`], and the answers that they give.
//!
//! To add a provider: implement the trait in a file of this folder, add its settings to
//! `src/config/payment.rs`, and construct it in `gateways` of `src/config/open.rs`. A provider that
//! cannot void a charge relies on the settle horizon (ADR 0011).
//!
//! Calls are idempotent by [`ChargeKey`]. A call without a definite answer is [`GatewayError::Unknown`] and
//! is looked up later, since the money may have moved.

#[cfg(feature = "gateway-http")]
pub mod http;
pub mod ledger;
mod metered;
pub(crate) mod simulator;
#[cfg(feature = "gateway-http")]
pub(crate) mod stripe;
#[cfg(feature = "gateway-http")]
pub(crate) mod toss;
#[cfg(feature = "gateway-http")]
pub(crate) mod wire;

use std::{pin::Pin, sync::Arc};

use thiserror::Error;

pub use self::metered::CallMetrics;
use self::metered::MeteredGateway;
use crate::domain::{CheckoutId, Money, PaymentId, payment::Attempt};

/// A gateway call in progress. Dropping it does not cancel the request at the provider.
pub type Call<T> = Pin<Box<dyn Future<Output = Result<T, GatewayError>> + Send>>;

/// Idempotency key of one charge attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChargeKey {
    /// Payment being charged.
    pub payment: PaymentId,
    /// Attempt number of that payment, from 1.
    pub attempt: Attempt,
}

impl std::fmt::Display for ChargeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.payment, self.attempt)
    }
}

/// An earlier charge attempt, to be looked up, refunded or voided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorCharge {
    /// Key that the charge was sent with.
    pub key: ChargeKey,
    /// Amount of the charge in KRW.
    pub amount: Money,
    /// Provider's id of the capture, if known.
    pub reference: Option<String>,
}

/// Decline code of a charge that needs cardholder authentication, which this server cannot ask for.
#[cfg(feature = "gateway-http")]
pub(crate) const AUTHENTICATION_REQUIRED: &str = "authentication_required";

/// Payment method of one charge. Never stored, never logged: `Debug` is masked.
#[derive(Clone, PartialEq, Eq)]
pub enum PaymentMethod {
    /// A card.
    Card {
        /// Card token issued by the gateway.
        token: String,
    },
    /// A payment that the customer authorized in the Toss Payments window.
    Toss {
        /// Provider's id of the authorized payment. A secret: with the secret key it allows a charge.
        payment_key: String,
        /// Checkout that fixed order id and amount before the window was opened.
        checkout_id: CheckoutId,
    },
}

/// A payment method that the provider does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMethod {
    /// Invalid field, by its name in the API.
    pub field: &'static str,
    /// Violated rule, for the client.
    pub rule: &'static str,
}

impl InvalidMethod {
    /// Answer of providers that accept cards only.
    const NOT_A_CARD: Self =
        Self { field: "type", rule: "must be CARD, with the payment provider of this server" };
}

impl std::fmt::Debug for PaymentMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Card { .. } => f.write_str("Card(…)"),
            Self::Toss { .. } => f.write_str("Toss(…)"),
        }
    }
}

/// Definite result of a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    /// The money is captured.
    Approved {
        /// Provider's id of the capture.
        reference: String,
    },
    /// Nothing is captured, and nothing ever will be under this key.
    Declined {
        /// Provider's decline code.
        code: String,
    },
}

/// Result of a look-up by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The money was captured.
    Captured {
        /// Provider's id of the capture.
        reference: String,
        /// Amount refunded since, in KRW.
        refunded: Money,
    },
    /// The charge was declined.
    Declined {
        /// Provider's decline code.
        code: String,
    },
    /// No charge *yet*. Not final: a charge request may still be in flight.
    Nothing,
}

/// Result of voiding a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voided {
    /// Nothing was captured under this key, and the gateway refuses it from now on.
    Settled,
    /// The money is already captured and must be refunded instead.
    Captured {
        /// Provider's id of the capture.
        reference: String,
    },
    /// The gateway cannot void. The outcome is settled once the settle horizon has passed.
    Unsupported,
}

/// A gateway call without a definite result.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GatewayError {
    /// A timeout, a broken connection or a 5xx response: the request may have been carried out.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// A permanent refusal: a retry fails in the same way.
    #[error("the gateway refuses: {0}")]
    Refused(String),
}

/// The current gateway for new charges, and gateways of earlier settings. Earlier charges are looked up and
/// refunded at the gateway that made them. Cheap to clone.
#[derive(Clone)]
pub struct Gateways {
    current: Arc<MeteredGateway>,
    earlier: Vec<Arc<MeteredGateway>>,
}

impl Gateways {
    /// Creates a set of gateways: `current` for new charges, `earlier` for charges made before.
    #[must_use]
    pub fn new(current: Arc<dyn PaymentGateway>, earlier: Vec<Arc<dyn PaymentGateway>>) -> Self {
        let metered = |gateway| Arc::new(MeteredGateway::new(gateway));
        Self { current: metered(current), earlier: earlier.into_iter().map(metered).collect() }
    }

    /// Returns the gateway for new charges.
    #[must_use]
    pub fn current(&self) -> &dyn PaymentGateway {
        &*self.current
    }

    /// Returns call counts and durations of all gateways since start-up.
    #[must_use]
    pub fn metrics(&self) -> Vec<CallMetrics> {
        let all = std::iter::once(&self.current).chain(&self.earlier);
        all.flat_map(|gateway| gateway.metrics()).collect()
    }

    /// Returns the gateway of a provider.
    ///
    /// # Errors
    /// [`GatewayError::Refused`] when the provider is not configured; only an operator can change that.
    pub fn of(&self, provider: &str) -> Result<&dyn PaymentGateway, GatewayError> {
        let mut all = std::iter::once(&self.current).chain(&self.earlier);
        let found = all.find(|gateway| gateway.provider() == provider);
        let found = found.map(|gateway| &**gateway as &dyn PaymentGateway);
        found.ok_or_else(|| GatewayError::Refused(format!("payment provider {provider} is not set up")))
    }
}

impl<G: PaymentGateway> From<Arc<G>> for Gateways {
    fn from(gateway: Arc<G>) -> Self {
        Self::new(gateway, Vec::new())
    }
}

/// Result of a charge whose method [`PaymentGateway::accepts`] does not accept.
fn unknown_method() -> Call<Charged> {
    Box::pin(std::future::ready(Err(GatewayError::Refused("unknown_method".to_owned()))))
}

fn unclear(reason: impl Into<String>) -> GatewayError {
    GatewayError::Unknown(reason.into())
}

/// A payment gateway. All calls are idempotent by key. The payment actor applies a timeout to each.
///
/// A gateway that approves every charge and stores nothing; `examples/embedded.rs` has a realistic one:
///
/// ```
/// use std::{future::ready, sync::Arc};
///
/// use saem::{
///     Call, ChargeKey, Charged, Found, Gateways, InvalidMethod, Money, PaymentGateway, PaymentMethod,
///     PriorCharge, Voided,
/// };
///
/// struct AlwaysApproves;
///
/// impl PaymentGateway for AlwaysApproves {
///     fn provider(&self) -> &'static str {
///         "always-approves"
///     }
///     fn accepts(&self, _: &PaymentMethod) -> Result<(), InvalidMethod> {
///         Ok(())
///     }
///     fn needs_checkout(&self) -> bool {
///         false
///     }
///     fn charge(&self, key: ChargeKey, _: Money, _: &PaymentMethod) -> Call<Charged> {
///         Box::pin(ready(Ok(Charged::Approved { reference: key.to_string() })))
///     }
///     fn find(&self, charge: &PriorCharge) -> Call<Found> {
///         let found = Found::Captured { reference: charge.key.to_string(), refunded: Money::won(0) };
///         Box::pin(ready(Ok(found)))
///     }
///     fn refund(&self, _: &PriorCharge) -> Call<()> {
///         Box::pin(ready(Ok(())))
///     }
///     fn void(&self, charge: &PriorCharge) -> Call<Voided> {
///         Box::pin(ready(Ok(Voided::Captured { reference: charge.key.to_string() })))
///     }
/// }
///
/// assert_eq!(Gateways::from(Arc::new(AlwaysApproves)).current().provider(), "always-approves");
/// ```
pub trait PaymentGateway: Send + Sync + 'static {
    /// Name of the provider, as recorded in events.
    fn provider(&self) -> &'static str;

    /// Validates a payment method without a call to the provider.
    ///
    /// # Errors
    /// [`InvalidMethod`] names the field and the violated rule.
    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod>;

    /// True if customers pay in a window of the provider, which needs order id and amount beforehand.
    fn needs_checkout(&self) -> bool;

    /// Captures `amount`. A repeated call with the same key returns the first call's result.
    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged>;

    /// Looks up the result of an earlier charge.
    fn find(&self, charge: &PriorCharge) -> Call<Found>;

    /// Refunds an earlier charge, in full or not at all. Repeated calls refund once.
    fn refund(&self, charge: &PriorCharge) -> Call<()>;

    /// Makes sure that an earlier key is never charged, if the gateway supports this.
    fn void(&self, charge: &PriorCharge) -> Call<Voided>;

    /// Returns all charges of a simulated gateway; `None` for a real one. Tests compare it with the journal.
    fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        None
    }
}
