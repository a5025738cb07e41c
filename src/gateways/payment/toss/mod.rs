//! Provider `toss`: Toss Payments, where the customer authorizes a payment in the provider's own window and
//! the server confirms it (`docs/toss.md`).
//!
//! An attempt is an *order* there: its id is the attempt's key. Money moves only when this side confirms an
//! order, and it does so once an attempt; all that is said here of declines rests on that. An answer that is
//! not in [`codes`] is `Unknown`: of money, only what is known counts.

mod codes;
mod payment;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde_json::json;

use self::payment::{Payment, Refusal, Stage};
use super::{
    Call, ChargeKey, Charged, Found, GatewayError, InvalidMethod, PaymentGateway, PaymentMethod, PriorCharge,
    Voided, ledger, unknown_method,
};
use crate::{domain::Money, gateways::payment::http::fetch};

/// Where Toss Payments is.
pub const URL: &str = "https://api.tosspayments.com";
/// The most characters the provider's name for a payment has.
const PAYMENT_KEY_MAX: usize = 200;

/// The gateway. Cheap to clone.
#[derive(Clone)]
pub struct TossGateway {
    inner: Arc<Inner>,
}

struct Inner {
    client: Client,
    base: Url,
    secret: String,
    /// How often a refund was refused, by its key: see [`Inner::refund_key`].
    refused: Mutex<HashMap<ChargeKey, u32>>,
}

/// An answer that is not the one hoped for.
struct Failed {
    /// Status and the provider's code, if it is an answer that can be read.
    refusal: Option<(StatusCode, String)>,
    /// What goes into the log.
    reason: String,
}

impl Failed {
    fn unclear(reason: String) -> Self {
        Self { refusal: None, reason }
    }

    /// The code, if the request itself is refused, and not its sender, its moment or its pace.
    fn of_request(&self) -> Option<&str> {
        let (status, code) = self.refusal.as_ref()?;
        matches!(*status, StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
            .then_some(code)
    }

    /// Whether the provider has dealt with the request, and so answers its idempotency key alike from now on.
    fn kept(&self) -> bool {
        self.of_request().is_some()
            || self.refusal.as_ref().is_some_and(|(status, _)| status.is_server_error())
    }
}

impl TossGateway {
    /// The gateway at `base`, for whoever this secret key belongs to.
    #[must_use]
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
        let mut segments = url.path_segments_mut().expect("the base is a URL that can have a path");
        segments.pop_if_empty().extend(["v1", "payments"]).extend(path);
        drop(segments);
        // The secret is the user; there is no password.
        self.client.request(method, url).basic_auth(&self.secret, Some(""))
    }

    fn post(&self, path: &[&str], key: &str, body: &impl Serialize) -> RequestBuilder {
        self.request(Method::POST, path).header("Idempotency-Key", key).json(body)
    }

    /// What the provider knows of the payment that an attempt was sent for; without its name, of the order.
    /// Whoever closes a window and opens another one has two payments for one order, and which of them a look
    /// at the order shows is not said.
    async fn look(&self, sought: &PriorCharge) -> Result<Option<Payment>, GatewayError> {
        let order = sought.key.to_string();
        let path = match &sought.reference {
            Some(payment_key) => vec![payment_key.as_str()],
            None => vec!["orders", &order],
        };
        let this =
            |payment: &Payment| sought.reference.as_ref().is_none_or(|key| *key == payment.payment_key);
        match answered(self.request(Method::GET, &path)).await {
            Ok(payment) if payment.order_id == order && this(&payment) => Ok(Some(payment)),
            Ok(_) => Err(GatewayError::Unknown("an answer about another payment".to_owned())),
            // Somebody else's 404 says nothing of an order.
            Err(failed) if failed.of_request() == Some(codes::NO_PAYMENT) => Ok(None),
            Err(failed) => Err(failed.into()),
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
        match answered(self.post(&["confirm"], &order, &body)).await {
            Ok(payment) => {
                let same = (&payment.payment_key, &payment.order_id, payment.total_amount)
                    == (&payment_key, &order, amount);
                match payment.stage() {
                    Stage::Captured { .. } if same => Ok(Charged::Approved { reference: payment_key }),
                    _ => Err(GatewayError::Unknown("confirmed, but not as it was asked for".to_owned())),
                }
            }
            Err(failed) => match failed.of_request().and_then(codes::decline) {
                Some(code) => Ok(Charged::Declined { code: code.to_owned() }),
                None => Err(failed.into()),
            },
        }
    }

    async fn cancel(&self, payment: &Payment, key: &str, reason: &str) -> Result<Payment, Failed> {
        let body = json!({"cancelReason": reason, "cancelAmount": payment.balance_amount});
        answered(self.post(&[&payment.payment_key, "cancel"], key, &body)).await
    }

    async fn refund(&self, sought: &PriorCharge) -> Result<(), GatewayError> {
        let PriorCharge { key, amount, .. } = *sought;
        let Some(payment) = self.look(sought).await? else {
            return Err(GatewayError::Refused(codes::NO_PAYMENT.to_owned()));
        };
        match payment.stage() {
            Stage::Captured { refunded } if refunded >= amount => return Ok(()),
            // What is left is given back, so that the provider's own balance keeps it from being given twice.
            Stage::Captured { .. } if payment.total_amount == amount => {}
            Stage::Captured { .. } => return Err(GatewayError::Refused("amount_mismatch".to_owned())),
            Stage::Declined { .. } | Stage::Untouched | Stage::Deposit => {
                return Err(GatewayError::Refused("not_captured".to_owned()));
            }
            Stage::Open => return Err(open()),
        }
        let failed = match self.cancel(&payment, &self.refund_key(key), "the rental was canceled").await {
            Ok(after) if after.refunded() >= amount => {
                self.refused().remove(&key);
                return Ok(());
            }
            Ok(_) => return Err(GatewayError::Unknown("canceled, but not enough".to_owned())),
            Err(failed) => failed,
        };
        // "Already canceled", or a failure after it was carried out: what counts is what there is now.
        if self.look(sought).await?.is_some_and(|after| after.refunded() >= amount) {
            return Ok(());
        }
        if failed.kept() {
            *self.refused().entry(key).or_default() += 1;
        }
        match failed.of_request().filter(|code| codes::refuses_refund(code)) {
            Some(code) => Err(GatewayError::Refused(code.to_owned())),
            None => Err(failed.into()),
        }
    }

    /// The provider answers a key as it did first, failures too, for 15 days. So a refund that was refused
    /// takes another key the next time. That refunds nothing twice: it is the whole balance, or nothing.
    fn refund_key(&self, key: ChargeKey) -> String {
        match self.refused().get(&key) {
            None => format!("{key}-refund"),
            Some(times) => format!("{key}-refund-{times}"),
        }
    }

    fn refused(&self) -> MutexGuard<'_, HashMap<ChargeKey, u32>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn void(&self, sought: &PriorCharge) -> Result<Voided, GatewayError> {
        let Some(payment) = self.look(sought).await? else { return Ok(Voided::Unsupported) };
        match payment.stage() {
            Stage::Captured { .. } => Ok(Voided::Captured { reference: payment.payment_key }),
            Stage::Declined { .. } => Ok(Voided::Settled),
            // There is no call that has an order refused from now on.
            Stage::Untouched => Ok(Voided::Unsupported),
            // An account that waits for money takes none any more once it is canceled.
            Stage::Deposit => {
                let (key, reason) = (format!("{}-void", sought.key), "the payment was called off");
                match self.cancel(&payment, &key, reason).await?.stage() {
                    Stage::Declined { .. } => Ok(Voided::Settled),
                    _ => Err(GatewayError::Unknown("called off, but not closed".to_owned())),
                }
            }
            Stage::Open => Err(open()),
        }
    }
}

/// Sends a request, and reads the payment that it is answered with.
async fn answered(request: RequestBuilder) -> Result<Payment, Failed> {
    let (status, body) = fetch(request).await.map_err(|error| Failed::unclear(error.to_string()))?;
    // What cannot be read is not told: it may hold what must not be logged.
    let unread = || Failed::unclear(format!("status {status}, and nothing clear"));
    if status == StatusCode::OK {
        return serde_json::from_slice(&body).map_err(|_| unread());
    }
    let code = serde_json::from_slice::<Refusal>(&body).ok().and_then(Refusal::known).ok_or_else(unread)?;
    Err(Failed { reason: format!("status {status}, {code}"), refusal: Some((status, code)) })
}

impl From<Failed> for GatewayError {
    fn from(failed: Failed) -> Self {
        Self::Unknown(failed.reason)
    }
}

/// Authorized, and perhaps being confirmed at this moment: the provider ends that within ten minutes.
fn open() -> GatewayError {
    GatewayError::Unknown("neither confirmed nor expired yet".to_owned())
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

    fn find(&self, sought: &PriorCharge) -> Call<Found> {
        let sought = sought.clone();
        self.call(|inner| async move {
            let Some(payment) = inner.look(&sought).await? else { return Ok(Found::Nothing) };
            match payment.stage() {
                Stage::Captured { refunded } => {
                    Ok(Found::Captured { reference: payment.payment_key, refunded })
                }
                Stage::Declined { code } => Ok(Found::Declined { code }),
                Stage::Untouched | Stage::Deposit => Ok(Found::Nothing),
                Stage::Open => Err(open()),
            }
        })
    }

    fn refund(&self, sought: &PriorCharge) -> Call<()> {
        let sought = sought.clone();
        self.call(|inner| async move { inner.refund(&sought).await })
    }

    fn void(&self, sought: &PriorCharge) -> Call<Voided> {
        let sought = sought.clone();
        self.call(|inner| async move { inner.void(&sought).await })
    }

    fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        None
    }
}
