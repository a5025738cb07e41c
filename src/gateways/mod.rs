//! The outside world behind two traits: who takes the money, and who sends the text messages.
//!
//! Nothing in here decides anything. When to charge, to look up, to void or to refund is the payment
//! actor's business; how a provider is spoken to is a gateway's.

pub mod counted;
#[cfg(feature = "gateway-http")]
pub mod http;
pub mod ledger;
pub mod simulator;
pub mod sms;
#[cfg(feature = "gateway-http")]
pub mod stripe;
#[cfg(feature = "gateway-http")]
pub mod toss;
#[cfg(feature = "gateway-http")]
pub mod wire;

use std::{future::Future, pin::Pin, sync::Arc};

use thiserror::Error;

use self::counted::{CallFigures, Counted};
use crate::domain::{CheckoutId, Money, PaymentId, payment::Attempt};

/// A call to a gateway under way. Dropping it does not undo what it may have done.
pub type Call<T> = Pin<Box<dyn Future<Output = Result<T, GatewayError>> + Send>>;

/// Names one attempt at the gateway: its idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChargeKey {
    /// Which payment.
    pub payment: PaymentId,
    /// Which attempt of it.
    pub attempt: Attempt,
}

impl std::fmt::Display for ChargeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.payment, self.attempt)
    }
}

/// One attempt that was made earlier, as a gateway is asked about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sought {
    /// Which.
    pub key: ChargeKey,
    /// What was, or was to be captured.
    pub amount: Money,
    /// The gateway's own name for the capture, if one is known.
    pub reference: Option<String>,
}

/// The code of a decline because the card's owner has to agree in person, which this shop cannot ask for.
pub const AUTHENTICATION_REQUIRED: &str = "authentication_required";

/// What the customer pays with. Never stored, never logged: `Debug` is masked.
#[derive(Clone, PartialEq, Eq)]
pub enum PaymentMethod {
    /// A card, as the gateway's token.
    Card {
        /// The token.
        token: String,
    },
    /// What the customer has authorized in the window of Toss Payments.
    Toss {
        /// The provider's name for that: whoever has it and the secret key can charge.
        payment_key: String,
        /// What fixed order and amount before the window was opened.
        checkout_id: CheckoutId,
    },
}

/// Why a payment method does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit {
    /// The field at fault, as the contract names it.
    pub field: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
}

impl Unfit {
    /// Of providers that take cards alone.
    const NO_CARD: Self =
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

/// A definite answer to a charge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Charged {
    /// The money is captured.
    Approved {
        /// The gateway's own name for the capture.
        reference: String,
    },
    /// It is not, and never will be under this key.
    Declined {
        /// The gateway's reason, as a code.
        code: String,
    },
}

/// What a gateway knows of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The money was captured.
    Captured {
        /// The gateway's own name for the capture.
        reference: String,
        /// How much of it was refunded since.
        refunded: Money,
    },
    /// The charge was declined.
    Declined {
        /// The gateway's reason, as a code.
        code: String,
    },
    /// Nothing *so far*: no answer by itself, since a charge may still be on its way.
    Nothing,
}

/// What became of an attempt to void a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voided {
    /// Nothing was captured under this key, and the gateway will refuse it from now on.
    Settled,
    /// It was captured already: refund it instead.
    Captured {
        /// The gateway's own name for the capture.
        reference: String,
    },
    /// This gateway has no such thing; only time settles.
    Unsupported,
}

/// Why a gateway gave no definite answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GatewayError {
    /// A time-out, a broken connection, an answer of the 5xx kind: it may have been carried out.
    #[error("the outcome is unknown: {0}")]
    Unknown(String),
    /// The gateway refuses for good, whatever is tried again.
    #[error("the gateway refuses: {0}")]
    Refused(String),
}

/// The gateway that takes the money now, and those that took it earlier: what they took is looked up and
/// given back there. Cheap to clone.
#[derive(Clone)]
pub struct Gateways {
    current: Arc<Counted>,
    earlier: Vec<Arc<Counted>>,
}

impl Gateways {
    /// `current`, with others behind it.
    #[must_use]
    pub fn new(current: Arc<dyn PaymentGateway>, earlier: Vec<Arc<dyn PaymentGateway>>) -> Self {
        let counted = |gateway| Arc::new(Counted::new(gateway));
        Self { current: counted(current), earlier: earlier.into_iter().map(counted).collect() }
    }

    /// Where new charges go.
    #[must_use]
    pub fn current(&self) -> &dyn PaymentGateway {
        &*self.current
    }

    /// How the calls of each went, since it was set up.
    #[must_use]
    pub fn figures(&self) -> Vec<CallFigures> {
        let all = std::iter::once(&self.current).chain(&self.earlier);
        all.flat_map(|gateway| gateway.figures()).collect()
    }

    /// The gateway of a provider.
    ///
    /// # Errors
    /// [`GatewayError::Refused`] when it is not set up: only the operator can change that.
    pub fn of(&self, provider: &str) -> Result<&dyn PaymentGateway, GatewayError> {
        let mut all = std::iter::once(&self.current).chain(&self.earlier);
        let found = all.find(|gateway| gateway.provider() == provider);
        found
            .map(|gateway| &**gateway as &dyn PaymentGateway)
            .ok_or_else(|| GatewayError::Refused(format!("payment provider {provider} is not set up")))
    }
}

impl<G: PaymentGateway> From<Arc<G>> for Gateways {
    fn from(gateway: Arc<G>) -> Self {
        Self::new(gateway, Vec::new())
    }
}

/// The answer to a charge by a method that [`PaymentGateway::accepts`] turns away.
fn unknown_method() -> Call<Charged> {
    Box::pin(std::future::ready(Err(GatewayError::Refused("unknown_method".to_owned()))))
}

/// A payment gateway. All calls are idempotent by key; the payment actor bounds each with a time-out.
///
/// One that approves everything and keeps nothing; `examples/embedded.rs` has one that could be true:
///
/// ```
/// use std::{future::ready, sync::Arc};
///
/// use saem::{
///     domain::Money,
///     gateways::{
///         Call, ChargeKey, Charged, Found, Gateways, PaymentGateway, PaymentMethod, Sought, Unfit, Voided,
///         ledger,
///     },
/// };
///
/// struct Generous;
///
/// impl PaymentGateway for Generous {
///     fn provider(&self) -> &'static str {
///         "generous"
///     }
///     fn accepts(&self, _: &PaymentMethod) -> Result<(), Unfit> {
///         Ok(())
///     }
///     fn needs_checkout(&self) -> bool {
///         false
///     }
///     fn charge(&self, key: ChargeKey, _: Money, _: &PaymentMethod) -> Call<Charged> {
///         Box::pin(ready(Ok(Charged::Approved { reference: key.to_string() })))
///     }
///     fn find(&self, sought: &Sought) -> Call<Found> {
///         let found = Found::Captured { reference: sought.key.to_string(), refunded: Money::won(0) };
///         Box::pin(ready(Ok(found)))
///     }
///     fn refund(&self, _: &Sought) -> Call<()> {
///         Box::pin(ready(Ok(())))
///     }
///     fn void(&self, sought: &Sought) -> Call<Voided> {
///         Box::pin(ready(Ok(Voided::Captured { reference: sought.key.to_string() })))
///     }
///     fn ledger(&self) -> Option<Vec<ledger::Entry>> {
///         None
///     }
/// }
///
/// assert_eq!(Gateways::from(Arc::new(Generous)).current().provider(), "generous");
/// ```
pub trait PaymentGateway: Send + Sync + 'static {
    /// The provider's name, as events record it.
    fn provider(&self) -> &'static str;

    /// Checks what can be checked of a payment method without sending it anywhere.
    ///
    /// # Errors
    /// The rule that it breaks, for the one who sent it.
    fn accepts(&self, method: &PaymentMethod) -> Result<(), Unfit>;

    /// Whether customers pay in a window of the provider's, which needs to be told order and amount first.
    fn needs_checkout(&self) -> bool;

    /// Captures `amount`, unless this key was charged before: then answers as it did then.
    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged>;

    /// What became of a charge under this key.
    fn find(&self, sought: &Sought) -> Call<Found>;

    /// Gives back the capture under this key, all or nothing, once however often it is called.
    fn refund(&self, sought: &Sought) -> Call<()>;

    /// Makes sure that this key will never be charged, if the gateway can.
    fn void(&self, sought: &Sought) -> Call<Voided>;

    /// Every charge it knows, if it is a simulator: an oracle outside the journal.
    fn ledger(&self) -> Option<Vec<ledger::Entry>>;
}
