//! Provider `stripe`: PaymentIntents, in won (`docs/stripe.md`, ADR 0017).
//!
//! A charge is two calls. The first creates an intent without saying what it is paid with; the second
//! confirms it, and moves the money. The first can be repeated by anybody who knows the charge's key: so
//! an intent is found again when an answer was lost, and canceling it is a void that Stripe keeps to.
//!
//! **Invariant:** a decline is told only when the intent cannot be paid any more, or its one confirmation
//! has failed for good. What an error says is not enough: the intent itself is looked at.

mod api;

use reqwest::{Client, Url};

use self::api::{Api, Created, Intent, Refusal, Status, checked, unclear};
use super::{
    AUTHENTICATION_REQUIRED, Call, ChargeKey, Charged, Found, GatewayError, InvalidMethod, PaymentGateway,
    PaymentMethod, PriorCharge, Voided, ledger, unknown_method,
};
use crate::domain::Money;

/// Where Stripe is.
pub const URL: &str = "https://api.stripe.com";
/// The most characters a token may have.
const TOKEN_MAX: usize = 255;

/// The gateway.
pub struct StripeGateway {
    api: Api,
}

impl StripeGateway {
    /// Stripe, or what speaks like it, at `base`, as the account of `secret_key`.
    #[must_use]
    pub const fn new(client: Client, base: Url, secret_key: String) -> Self {
        Self { api: Api { client, base, secret_key } }
    }

    /// Runs `flow` with an API of its own: calls outlive the gateway's borrow.
    fn call<T, F>(&self, flow: impl FnOnce(Api) -> F) -> Call<T>
    where
        F: Future<Output = Result<T, GatewayError>> + Send + 'static,
    {
        Box::pin(flow(self.api.clone()))
    }
}

/// How an intent stands.
enum Standing {
    /// It is paid.
    Captured,
    /// Its one confirmation failed for good.
    Declined { code: String },
    /// It was canceled, and cannot be paid any more.
    Canceled,
    /// It is not paid, and could still be.
    Open,
}

/// How an intent of ours stands. One that waits for the card's owner is canceled first: whoever went
/// through with that later would pay for what the shop has given up.
async fn standing(api: &Api, intent: &Intent, amount: Money) -> Result<Standing, GatewayError> {
    if intent.amount != amount || intent.currency != "krw" {
        return Err(unclear("the intent is about another amount"));
    }
    let error = intent.last_payment_error.as_ref().map(Refusal::code);
    match (intent.status, error) {
        (Status::Succeeded, _) => Ok(Standing::Captured),
        (Status::Canceled, None) => Ok(Standing::Canceled),
        (Status::RequiresAction, _) => declined(api, intent, AUTHENTICATION_REQUIRED.to_owned()).await,
        (Status::RequiresPaymentMethod, Some(code)) if code == AUTHENTICATION_REQUIRED => {
            declined(api, intent, code).await
        }
        (Status::RequiresPaymentMethod | Status::Canceled, Some(code)) => Ok(Standing::Declined { code }),
        (Status::RequiresPaymentMethod, None)
        | (Status::RequiresConfirmation | Status::RequiresCapture, _) => Ok(Standing::Open),
        (Status::Processing | Status::Other, _) => Err(unclear("the intent is still being processed")),
    }
}

/// Cancels an intent, so that it is declined for good; unless it is paid already.
async fn declined(api: &Api, intent: &Intent, code: String) -> Result<Standing, GatewayError> {
    let paid = closed(api, &intent.id).await?;
    Ok(if paid { Standing::Captured } else { Standing::Declined { code } })
}

/// Cancels an intent, if it is not at its end yet; answers whether it is paid.
async fn closed(api: &Api, id: &str) -> Result<bool, GatewayError> {
    let intent = match api.cancel(id).await? {
        Ok(canceled) => canceled,
        Err(_) => api.look_up(id).await?,
    };
    match intent.status {
        Status::Canceled => Ok(false),
        Status::Succeeded => Ok(true),
        Status::RequiresPaymentMethod
        | Status::RequiresConfirmation
        | Status::RequiresAction
        | Status::Processing
        | Status::RequiresCapture
        | Status::Other => Err(unclear("the intent cannot be canceled now")),
    }
}

/// The intents of an attempt. The search knows those of any time but the last minute; repeating the first
/// call knows those of the last day. Where there is none yet, that makes one: it is never confirmed.
async fn intents(api: &Api, sought: &PriorCharge) -> Result<Vec<String>, GatewayError> {
    if let Some(reference) = &sought.reference {
        return Ok(vec![checked(reference.clone())?]);
    }
    let found = api.search(sought.key).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    match api.create(sought.key, sought.amount).await? {
        Created::Intent { id } => Ok(vec![id]),
        Created::ForNobody => Ok(Vec::new()),
        Created::Refused(refusal) => Err(GatewayError::Refused(refusal.code())),
    }
}

async fn charge(api: Api, key: ChargeKey, amount: Money, token: String) -> Result<Charged, GatewayError> {
    let id = match api.create(key, amount).await? {
        Created::Intent { id } => id,
        Created::ForNobody => return Err(unclear("Stripe failed, and says so again")),
        Created::Refused(refusal) => return Err(GatewayError::Refused(refusal.code())),
    };
    let (intent, refusal) = match api.confirm(key, &id, &token).await? {
        Ok(intent) => (intent, None),
        Err(refusal) => (api.look_up(&id).await?, Some(refusal.code())),
    };
    let standing = match (standing(&api, &intent, amount).await?, refusal) {
        (Standing::Open, Some(code)) => declined(&api, &intent, code).await?,
        (standing, _) => standing,
    };
    match standing {
        Standing::Captured => Ok(Charged::Approved { reference: id }),
        Standing::Declined { code } => Ok(Charged::Declined { code }),
        Standing::Canceled => Ok(Charged::Declined { code: "canceled".to_owned() }),
        Standing::Open => Err(unclear("the intent was confirmed, and is not paid")),
    }
}

async fn find(api: Api, sought: PriorCharge) -> Result<Found, GatewayError> {
    let mut found = Found::Nothing;
    for id in intents(&api, &sought).await? {
        let intent = api.look_up(&id).await?;
        match standing(&api, &intent, sought.amount).await? {
            Standing::Captured => {
                // If it was paid only after it was looked at, nothing is refunded yet.
                let paid_then = intent.status == Status::Succeeded;
                let refunded = if paid_then { intent.refunded()? } else { Money::ZERO };
                return Ok(Found::Captured { reference: id, refunded });
            }
            Standing::Declined { code } => found = Found::Declined { code },
            Standing::Canceled | Standing::Open => {}
        }
    }
    Ok(found)
}

async fn void(api: Api, sought: PriorCharge) -> Result<Voided, GatewayError> {
    for id in intents(&api, &sought).await? {
        if closed(&api, &id).await? {
            return Ok(Voided::Captured { reference: id });
        }
    }
    Ok(Voided::Settled)
}

async fn refund(api: Api, sought: PriorCharge) -> Result<(), GatewayError> {
    let refused = |code: &str| Err(GatewayError::Refused(code.to_owned()));
    for id in intents(&api, &sought).await? {
        let intent = api.look_up(&id).await?;
        let Standing::Captured = standing(&api, &intent, sought.amount).await? else { continue };
        // Keys are forgotten after a day: this is what keeps a refund from being made twice later.
        let refunded = intent.refunded()?;
        if refunded >= sought.amount {
            return Ok(());
        }
        if refunded > Money::ZERO {
            return refused("partially_refunded");
        }
        return match api.refund(sought.key, &id, sought.amount).await? {
            Ok(refund) => match refund.status.as_deref() {
                Some("succeeded" | "pending") => Ok(()),
                Some("failed" | "canceled") => refused("refund_failed"),
                _ => Err(unclear("a refund that is neither made nor failed")),
            },
            // By somebody else, since it was looked at.
            Err(refusal) if refusal.code() == "charge_already_refunded" => Ok(()),
            Err(refusal) => Err(GatewayError::Refused(refusal.code())),
        };
    }
    refused("not_captured")
}

impl PaymentGateway for StripeGateway {
    fn provider(&self) -> &'static str {
        "stripe"
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod> {
        let PaymentMethod::Card { token } = method else { return Err(InvalidMethod::NOT_A_CARD) };
        let plain = token.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let kind = token.strip_prefix("pm_").or_else(|| token.strip_prefix("tok_"));
        let fits = kind.is_some_and(|rest| !rest.is_empty()) && plain && token.len() <= TOKEN_MAX;
        let rule = "must be one of Stripe's: pm_… or tok_…, at most 255 characters";
        fits.then_some(()).ok_or(InvalidMethod { field: "token", rule })
    }

    fn needs_checkout(&self) -> bool {
        false
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        let PaymentMethod::Card { token } = method else { return unknown_method() };
        let token = token.clone();
        self.call(|api| charge(api, key, amount, token))
    }

    fn find(&self, sought: &PriorCharge) -> Call<Found> {
        let sought = sought.clone();
        self.call(|api| find(api, sought))
    }

    fn refund(&self, sought: &PriorCharge) -> Call<()> {
        let sought = sought.clone();
        self.call(|api| refund(api, sought))
    }

    fn void(&self, sought: &PriorCharge) -> Call<Voided> {
        let sought = sought.clone();
        self.call(|api| void(api, sought))
    }

    fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        None
    }
}
