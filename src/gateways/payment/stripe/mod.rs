//! Provider `stripe`: PaymentIntents in KRW (`docs/stripe.md`, ADR 0017).
//!
//! A charge is two calls. The first creates an intent without a payment method; the second confirms it and
//! moves the money. The first can be repeated from the charge key alone, so an intent is found again after a
//! lost response. Canceling the intent is a void that Stripe enforces.
//!
//! **Invariant:** a charge is reported as declined only if the intent can no longer be paid, or if its single
//! confirmation failed for good. An error response is not enough: the intent itself is fetched.

mod api;

use reqwest::{Client, Url};

use self::api::{Api, Created, Intent, IntentStatus, StripeError, checked};
use super::{
    AUTHENTICATION_REQUIRED, Call, ChargeKey, Charged, Found, GatewayError, InvalidMethod, PaymentGateway,
    PaymentMethod, PriorCharge, Voided, unclear, unknown_method,
};
use crate::domain::Money;

/// Maximum token length in characters.
const TOKEN_MAX: usize = 255;

pub struct StripeGateway {
    api: Api,
}

impl StripeGateway {
    pub const fn new(client: Client, base: Url, secret_key: String) -> Self {
        Self { api: Api { client, base, secret_key } }
    }

    /// Runs `flow` with a clone of the API client, since calls outlive the borrow of the gateway.
    fn call<T, F>(&self, flow: impl FnOnce(Api) -> F) -> Call<T>
    where
        F: Future<Output = Result<T, GatewayError>> + Send + 'static,
    {
        Box::pin(flow(self.api.clone()))
    }
}

/// State of an intent with regard to the money.
enum IntentState {
    Captured,
    /// The single confirmation failed for good.
    Declined {
        code: String,
    },
    /// Canceled without a failed confirmation; it can no longer be paid.
    Canceled,
    /// Not paid, and still payable.
    Open,
}

/// Returns the state of an intent. An intent that waits for cardholder authentication is canceled first:
/// otherwise the cardholder could pay later for an order that the shop has given up.
async fn state_of(api: &Api, intent: &Intent, amount: Money) -> Result<IntentState, GatewayError> {
    if intent.amount != amount || intent.currency != "krw" {
        return Err(unclear("the intent has another amount or currency"));
    }
    let error = intent.last_payment_error.as_ref().map(StripeError::code);
    match (intent.status, error) {
        (IntentStatus::Succeeded, _) => Ok(IntentState::Captured),
        (IntentStatus::Canceled, None) => Ok(IntentState::Canceled),
        (IntentStatus::RequiresAction, _) => decline(api, intent, AUTHENTICATION_REQUIRED.to_owned()).await,
        (IntentStatus::RequiresPaymentMethod, Some(code)) if code == AUTHENTICATION_REQUIRED => {
            decline(api, intent, code).await
        }
        (IntentStatus::RequiresPaymentMethod | IntentStatus::Canceled, Some(code)) => {
            Ok(IntentState::Declined { code })
        }
        (IntentStatus::RequiresPaymentMethod, None)
        | (IntentStatus::RequiresConfirmation | IntentStatus::RequiresCapture, _) => Ok(IntentState::Open),
        (IntentStatus::Processing | IntentStatus::Other, _) => {
            Err(unclear("the intent is still being processed"))
        }
    }
}

/// Cancels an intent so that the decline is final. Returns `Captured` if it is already paid.
async fn decline(api: &Api, intent: &Intent, code: String) -> Result<IntentState, GatewayError> {
    let paid = close(api, &intent.id).await?;
    Ok(if paid { IntentState::Captured } else { IntentState::Declined { code } })
}

/// Cancels an intent unless it is final. Returns true if it is paid.
async fn close(api: &Api, id: &str) -> Result<bool, GatewayError> {
    let intent = match api.cancel(id).await? {
        Ok(canceled) => canceled,
        Err(_) => api.look_up(id).await?,
    };
    match intent.status {
        IntentStatus::Canceled => Ok(false),
        IntentStatus::Succeeded => Ok(true),
        IntentStatus::RequiresPaymentMethod
        | IntentStatus::RequiresConfirmation
        | IntentStatus::RequiresAction
        | IntentStatus::RequiresCapture
        | IntentStatus::Processing
        | IntentStatus::Other => Err(unclear("the intent cannot be canceled now")),
    }
}

/// Finds the intents of a charge. The search covers everything but the last minute; repeating the first
/// call covers the last day. Without an earlier intent, that call creates one, which is never confirmed.
async fn intents(api: &Api, charge: &PriorCharge) -> Result<Vec<String>, GatewayError> {
    if let Some(reference) = &charge.reference {
        return Ok(vec![checked(reference.clone())?]);
    }
    let found = api.search(charge.key).await?;
    if !found.is_empty() {
        return Ok(found);
    }
    match api.create(charge.key, charge.amount).await? {
        Created::Intent { id } => Ok(vec![id]),
        Created::NeverConfirmed => Ok(Vec::new()),
        Created::Refused(refusal) => Err(GatewayError::Refused(refusal.code())),
    }
}

async fn charge(api: Api, key: ChargeKey, amount: Money, token: String) -> Result<Charged, GatewayError> {
    let id = match api.create(key, amount).await? {
        Created::Intent { id } => id,
        Created::NeverConfirmed => return Err(unclear("Stripe repeats an earlier server error")),
        Created::Refused(refusal) => return Err(GatewayError::Refused(refusal.code())),
    };
    let (intent, refusal) = match api.confirm(key, &id, &token).await? {
        Ok(intent) => (intent, None),
        Err(refusal) => (api.look_up(&id).await?, Some(refusal.code())),
    };
    let state = match (state_of(&api, &intent, amount).await?, refusal) {
        (IntentState::Open, Some(code)) => decline(&api, &intent, code).await?,
        (state, _) => state,
    };
    match state {
        IntentState::Captured => Ok(Charged::Approved { reference: id }),
        IntentState::Declined { code } => Ok(Charged::Declined { code }),
        IntentState::Canceled => Ok(Charged::Declined { code: "canceled".to_owned() }),
        IntentState::Open => Err(unclear("the intent was confirmed and is not paid")),
    }
}

async fn find(api: Api, charge: PriorCharge) -> Result<Found, GatewayError> {
    let mut found = Found::Nothing;
    for id in intents(&api, &charge).await? {
        let intent = api.look_up(&id).await?;
        match state_of(&api, &intent, charge.amount).await? {
            IntentState::Captured => {
                // Paid between the fetch and the cancellation: nothing is refunded yet.
                let paid_when_fetched = intent.status == IntentStatus::Succeeded;
                let refunded = if paid_when_fetched { intent.refunded()? } else { Money::ZERO };
                return Ok(Found::Captured { reference: id, refunded });
            }
            IntentState::Declined { code } => found = Found::Declined { code },
            IntentState::Canceled | IntentState::Open => {}
        }
    }
    Ok(found)
}

async fn void(api: Api, charge: PriorCharge) -> Result<Voided, GatewayError> {
    for id in intents(&api, &charge).await? {
        if close(&api, &id).await? {
            return Ok(Voided::Captured { reference: id });
        }
    }
    Ok(Voided::Settled)
}

async fn refund(api: Api, charge: PriorCharge) -> Result<(), GatewayError> {
    let refused = |code: &str| Err(GatewayError::Refused(code.to_owned()));
    for id in intents(&api, &charge).await? {
        let intent = api.look_up(&id).await?;
        let IntentState::Captured = state_of(&api, &intent, charge.amount).await? else { continue };
        // Idempotency keys expire after a day. This check prevents a second refund after that.
        let refunded = intent.refunded()?;
        if refunded >= charge.amount {
            return Ok(());
        }
        if refunded > Money::ZERO {
            return refused("partially_refunded");
        }
        return match api.refund(charge.key, &id, charge.amount).await? {
            Ok(refund) => match refund.status.as_deref() {
                Some("succeeded" | "pending") => Ok(()),
                Some("failed" | "canceled") => refused("refund_failed"),
                _ => Err(unclear("a refund with an unknown status")),
            },
            // Refunded by somebody else since the intent was fetched.
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
        let rule = "must be a Stripe token: pm_… or tok_…, at most 255 characters";
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

    fn find(&self, charge: &PriorCharge) -> Call<Found> {
        let charge = charge.clone();
        self.call(|api| find(api, charge))
    }

    fn refund(&self, charge: &PriorCharge) -> Call<()> {
        let charge = charge.clone();
        self.call(|api| refund(api, charge))
    }

    fn void(&self, charge: &PriorCharge) -> Call<Voided> {
        let charge = charge.clone();
        self.call(|api| void(api, charge))
    }
}
