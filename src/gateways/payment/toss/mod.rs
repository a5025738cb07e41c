//! Provider `toss`: Toss Payments. The customer authorizes a payment in the provider's window, and the server
//! confirms it (`docs/toss.md`).
//!
//! An attempt is an *order* at Toss; the order id is the charge key. Money moves only when this server
//! confirms an order, at most once per attempt. The treatment of declines relies on that. An error code that
//! [`codes`] does not list is `Unknown`.

mod codes;
mod payment;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde_json::json;

use self::payment::{Payment, TossError, TossState};
use super::{
    Call, ChargeKey, Charged, Found, GatewayError, InvalidMethod, PaymentGateway, PaymentMethod, PriorCharge,
    Voided, unclear, unknown_method,
};
use crate::{domain::Money, gateways::payment::http::fetch};

/// Maximum length of a `paymentKey` in characters.
const PAYMENT_KEY_MAX: usize = 200;

pub struct TossGateway {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    base: Url,
    secret: String,
    /// Number of refused refunds by charge key: see [`Inner::refund_key`].
    refused: Mutex<HashMap<ChargeKey, u32>>,
}

struct TossFailure {
    /// Status and error code, if the response contained a code.
    error: Option<(StatusCode, String)>,
    /// Text for the log.
    reason: String,
}

impl TossFailure {
    fn unclear(reason: String) -> Self {
        Self { error: None, reason }
    }

    /// Returns the error code if it is about the request itself, not about credentials, conflicts or rate.
    fn request_error(&self) -> Option<&str> {
        let (status, code) = self.error.as_ref()?;
        matches!(*status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
            .then_some(code)
    }

    /// True if the provider stored this failure as the response to the idempotency key.
    fn is_stored(&self) -> bool {
        self.request_error().is_some()
            || self.error.as_ref().is_some_and(|(status, _)| status.is_server_error())
    }
}

impl TossGateway {
    pub fn new(client: Client, base: Url, secret: String) -> Self {
        Self { inner: Arc::new(Inner { client, base, secret, refused: Mutex::default() }) }
    }

    fn call<T, F>(&self, work: impl FnOnce(Arc<Inner>) -> F) -> Call<T>
    where
        F: Future<Output = Result<T, GatewayError>> + Send + 'static,
    {
        Box::pin(work(Arc::clone(&self.inner)))
    }
}

impl Inner {
    fn request(&self, method: Method, path: &[&str]) -> RequestBuilder {
        let mut url = self.base.clone();
        let mut segments = url.path_segments_mut().expect("base_url accepts only URLs with a path");
        segments.pop_if_empty().extend(["v1", "payments"]).extend(path);
        drop(segments);
        // Basic authentication with the secret as user name and no password.
        self.client.request(method, url).basic_auth(&self.secret, Some(""))
    }

    fn post(&self, path: &[&str], key: &str, body: &impl Serialize) -> RequestBuilder {
        self.request(Method::POST, path).header("Idempotency-Key", key).json(body)
    }

    /// Fetches the payment of a charge by payment key, or by order id if the key is unknown.
    ///
    /// A customer who closes a window and opens another has two payments for one order. The API does not
    /// specify which of them a look-up by order id returns.
    async fn look_up(&self, charge: &PriorCharge) -> Result<Option<Payment>, GatewayError> {
        let order = charge.key.to_string();
        let path = match &charge.reference {
            Some(payment_key) => vec![payment_key.as_str()],
            None => vec!["orders", &order],
        };
        let matches_key =
            |payment: &Payment| charge.reference.as_ref().is_none_or(|key| *key == payment.payment_key);
        match payment_response(self.request(Method::GET, &path)).await {
            Ok(payment) if payment.order_id == order && matches_key(&payment) => Ok(Some(payment)),
            Ok(_) => Err(unclear("the response is about another payment")),
            // A 404 without this code comes from something else, such as a proxy.
            Err(failure) if failure.request_error() == Some(codes::NO_PAYMENT) => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn confirm(
        &self,
        key: ChargeKey,
        amount: Money,
        payment_key: String,
    ) -> Result<Charged, GatewayError> {
        let order = key.to_string();
        let body = json!({"paymentKey": payment_key, "orderId": order, "amount": amount});
        match payment_response(self.post(&["confirm"], &order, &body)).await {
            Ok(payment) => {
                let same = (&payment.payment_key, &payment.order_id, payment.total_amount)
                    == (&payment_key, &order, amount);
                match payment.state() {
                    TossState::Captured { .. } if same => Ok(Charged::Approved { reference: payment_key }),
                    _ => Err(unclear("confirmed with another key, order or amount")),
                }
            }
            Err(failure) => match failure.request_error().and_then(codes::decline) {
                Some(code) => Ok(Charged::Declined { code: code.to_owned() }),
                None => Err(failure.into()),
            },
        }
    }

    async fn cancel(&self, payment: &Payment, key: &str, reason: &str) -> Result<Payment, TossFailure> {
        let body = json!({"cancelReason": reason, "cancelAmount": payment.balance_amount});
        payment_response(self.post(&[&payment.payment_key, "cancel"], key, &body)).await
    }

    async fn refund(&self, charge: &PriorCharge) -> Result<(), GatewayError> {
        let PriorCharge { key, amount, .. } = *charge;
        let refused = |code: &str| Err(GatewayError::Refused(code.to_owned()));
        let Some(payment) = self.look_up(charge).await? else { return refused(codes::NO_PAYMENT) };
        match payment.state() {
            TossState::Captured { refunded } if refunded >= amount => return Ok(()),
            // Refunds the remaining balance, so that the provider's balance check prevents a double refund.
            TossState::Captured { .. } if payment.total_amount == amount => {}
            TossState::Captured { .. } => return refused("amount_mismatch"),
            TossState::Declined { .. } | TossState::NotAuthorized | TossState::AwaitingDeposit => {
                return refused("not_captured");
            }
            TossState::Open => return Err(open()),
        }
        let failure = match self.cancel(&payment, &self.refund_key(key), "the rental was canceled").await {
            Ok(after) if after.refunded() >= amount => {
                self.refused().remove(&key);
                return Ok(());
            }
            Ok(_) => return Err(unclear("canceled, and less than the amount is refunded")),
            Err(failure) => failure,
        };
        // The cancellation may have been carried out, now or earlier: check the current state.
        if self.look_up(charge).await?.is_some_and(|after| after.refunded() >= amount) {
            return Ok(());
        }
        if failure.is_stored() {
            *self.refused().entry(key).or_default() += 1;
        }
        match failure.request_error().filter(|code| codes::refuses_refund(code)) {
            Some(code) => refused(code),
            None => Err(failure.into()),
        }
    }

    /// Returns the idempotency key of a refund. The provider repeats the first response to a key for 15 days,
    /// failures included, so a refused refund is retried with a new key. A double refund is impossible, since
    /// each request refunds the whole balance.
    fn refund_key(&self, key: ChargeKey) -> String {
        match self.refused().get(&key) {
            None => format!("{key}-refund"),
            Some(times) => format!("{key}-refund-{times}"),
        }
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<ChargeKey, u32>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn void(&self, charge: &PriorCharge) -> Result<Voided, GatewayError> {
        let Some(payment) = self.look_up(charge).await? else { return Ok(Voided::Unsupported) };
        match payment.state() {
            TossState::Captured { .. } => Ok(Voided::Captured { reference: payment.payment_key }),
            TossState::Declined { .. } => Ok(Voided::Settled),
            // The API has no call that blocks an order.
            TossState::NotAuthorized => Ok(Voided::Unsupported),
            // A canceled virtual account accepts no more deposits.
            TossState::AwaitingDeposit => {
                let (key, reason) = (format!("{}-void", charge.key), "the payment was canceled");
                match self.cancel(&payment, &key, reason).await?.state() {
                    TossState::Declined { .. } => Ok(Voided::Settled),
                    _ => Err(unclear("canceled, and not closed")),
                }
            }
            TossState::Open => Err(open()),
        }
    }
}

async fn payment_response(request: RequestBuilder) -> Result<Payment, TossFailure> {
    let (status, body) = fetch(request).await.map_err(|error| TossFailure::unclear(error.to_string()))?;
    // The body is not quoted: it may contain personal data.
    let unreadable = || TossFailure::unclear(format!("unreadable response with status {status}"));
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|_| unreadable());
    }
    let code = serde_json::from_slice::<TossError>(&body)
        .ok()
        .and_then(TossError::into_code)
        .ok_or_else(unreadable)?;
    Err(TossFailure { reason: format!("status {status}, {code}"), error: Some((status, code)) })
}

impl From<TossFailure> for GatewayError {
    fn from(failure: TossFailure) -> Self {
        Self::Unknown(failure.reason)
    }
}

/// Error for an authorized order, which may be in confirmation. The provider ends this state within ten
/// minutes.
fn open() -> GatewayError {
    unclear("neither confirmed nor expired yet")
}

impl PaymentGateway for TossGateway {
    fn provider(&self) -> &'static str {
        "toss"
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod> {
        let PaymentMethod::Toss { payment_key, .. } = method else {
            let rule = "must be TOSS, with the payment provider of this server";
            return Err(InvalidMethod { field: "type", rule });
        };
        let printable = payment_key.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = (1..=PAYMENT_KEY_MAX).contains(&payment_key.len()) && printable;
        let rule = "must have 1 to 200 printable ASCII characters";
        fits.then_some(()).ok_or(InvalidMethod { field: "paymentKey", rule })
    }

    fn needs_checkout(&self) -> bool {
        true
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        let PaymentMethod::Toss { payment_key, .. } = method else { return unknown_method() };
        let payment_key = payment_key.clone();
        self.call(|inner| async move { inner.confirm(key, amount, payment_key).await })
    }

    fn find(&self, charge: &PriorCharge) -> Call<Found> {
        let charge = charge.clone();
        self.call(|inner| async move {
            let Some(payment) = inner.look_up(&charge).await? else { return Ok(Found::Nothing) };
            match payment.state() {
                TossState::Captured { refunded } => {
                    Ok(Found::Captured { reference: payment.payment_key, refunded })
                }
                TossState::Declined { code } => Ok(Found::Declined { code }),
                TossState::NotAuthorized | TossState::AwaitingDeposit => Ok(Found::Nothing),
                TossState::Open => Err(open()),
            }
        })
    }

    fn refund(&self, charge: &PriorCharge) -> Call<()> {
        let charge = charge.clone();
        self.call(|inner| async move { inner.refund(&charge).await })
    }

    fn void(&self, charge: &PriorCharge) -> Call<Voided> {
        let charge = charge.clone();
        self.call(|inner| async move { inner.void(&charge).await })
    }
}
