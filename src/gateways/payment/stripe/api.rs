//! Stripe's API, as far as it is used: requests, and answers as types.
//!
//! Whatever is no clear answer is `Unknown`: no connection, a wrong key's 401, 409 and 429 (somebody else
//! is at the same object), any 5xx, a body that cannot be read. What Stripe says in words is not kept: a
//! message may quote what it was sent.

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    domain::Money,
    gateways::payment::{
        AUTHENTICATION_REQUIRED, ChargeKey, GatewayError,
        http::{no_response, send, unreadable},
    },
};

/// What answers look like: an account's own default must not matter.
const VERSION: &str = "2024-06-20";
/// Under which name an intent carries the charge's key.
const KEY: &str = "saem_key";
/// The most characters a code may have: it becomes part of an event.
const CODE_MAX: usize = 64;

/// The way to Stripe. Cheap to clone.
#[derive(Clone)]
pub(super) struct Api {
    pub client: Client,
    pub base: Url,
    pub secret_key: String,
}

/// Where an intent is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
    /// What Stripe may think of some day: nothing is known from it.
    #[serde(other)]
    Other,
}

/// A PaymentIntent.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Intent {
    pub id: String,
    pub status: Status,
    pub amount: Money,
    pub currency: String,
    /// Why its last confirmation came to nothing.
    #[serde(default)]
    pub last_payment_error: Option<Refusal>,
    /// Whole, or by its id alone.
    #[serde(default)]
    latest_charge: serde_json::Value,
}

impl Intent {
    /// How much of it was given back; only [`Api::look_up`] asks for that.
    pub(super) fn refunded(&self) -> Result<Money, GatewayError> {
        let won = self.latest_charge.get("amount_refunded").and_then(serde_json::Value::as_u64);
        won.map(Money::won).ok_or_else(|| unclear("an intent that does not tell its refunds"))
    }
}

/// Why Stripe refused something, or declined it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Refusal {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
}

impl Refusal {
    /// Its reason, in a word: the issuer's own if it gave one.
    pub(super) fn code(&self) -> String {
        if self.code.as_deref() == Some(AUTHENTICATION_REQUIRED) {
            return AUTHENTICATION_REQUIRED.to_owned();
        }
        let plain = |code: &&String| {
            let word = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            word && (1..=CODE_MAX).contains(&code.len())
        };
        let codes = [&self.decline_code, &self.code, &self.r#type];
        codes.into_iter().flatten().find(plain).map_or_else(|| "declined".to_owned(), Clone::clone)
    }
}

/// What became of creating an intent.
pub(super) enum Created {
    /// It is there, or has been since an earlier call with the same key.
    Intent { id: String },
    /// There is none, and will not be.
    Refused(Refusal),
    /// The first call with this key failed inside Stripe, which repeats that answer now: if there is an
    /// intent, nobody was ever told its id, so nobody has confirmed it.
    ForNobody,
}

#[derive(Deserialize)]
struct Found {
    data: Vec<Hit>,
    has_more: bool,
}

#[derive(Deserialize)]
struct Hit {
    id: String,
    metadata: std::collections::HashMap<String, String>,
}

/// A refund.
#[derive(Deserialize)]
pub(super) struct Refund {
    pub status: Option<String>,
}

#[derive(Deserialize)]
struct ErrorBody {
    error: Refusal,
}

/// An answer, as it came.
struct Answer {
    status: StatusCode,
    /// Whether it is the first one's, said again.
    replayed: bool,
    body: Vec<u8>,
}

pub(super) fn unclear(what: impl Into<String>) -> GatewayError {
    GatewayError::Unknown(what.into())
}

impl Answer {
    async fn to(request: RequestBuilder) -> Result<Self, GatewayError> {
        let answer = send(request).await?;
        let status = answer.status();
        let replayed = answer.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
        Ok(Self { status, replayed, body: answer.bytes().await.map_err(no_response)?.to_vec() })
    }

    /// What it says, or why it was refused, if either is clear.
    fn read<T: DeserializeOwned>(&self) -> Result<Result<T, Refusal>, GatewayError> {
        const NOT_ABOUT_THE_REQUEST: [StatusCode; 5] = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::REQUEST_TIMEOUT,
            StatusCode::CONFLICT,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        let status = self.status;
        if status == StatusCode::OK {
            return serde_json::from_slice(&self.body).map(Ok).map_err(unreadable);
        }
        if status.is_client_error()
            && !NOT_ABOUT_THE_REQUEST.contains(&status)
            && let Ok(ErrorBody { error }) = serde_json::from_slice(&self.body)
            && let Some(kind) = &error.r#type
            // Not `idempotency_error`, for one: what became of this key's first request is another matter.
            && ["card_error", "invalid_request_error"].contains(&kind.as_str())
        {
            return Ok(Err(error));
        }
        Err(unclear(format!("an answer of status {status} that says nothing")))
    }
}

impl Api {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path).expect("ids are checked before they are part of a path");
        self.client.request(method, url).bearer_auth(&self.secret_key).header("stripe-version", VERSION)
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = Url::parse("x:").expect("a URL");
        url.query_pairs_mut().extend_pairs(query);
        self.request(Method::GET, &format!("{path}?{}", url.query().unwrap_or_default()))
    }

    /// Creates the intent of a charge, without what it is paid with: so this can be said again at any time,
    /// word for word, by those who do not know that, and leads to the same intent.
    pub(super) async fn create(&self, key: ChargeKey, amount: Money) -> Result<Created, GatewayError> {
        let key = key.to_string();
        let request = self.request(Method::POST, "v1/payment_intents").header("idempotency-key", &key);
        let amount = amount.as_won().to_string();
        let metadata = format!("metadata[{KEY}]");
        let answer = Answer::to(request.form(&[
            ("amount", amount.as_str()),
            ("currency", "krw"),
            ("payment_method_types[]", "card"),
            (&metadata, &key),
        ]));
        let answer = answer.await?;
        if answer.status.is_server_error() && answer.replayed {
            return Ok(Created::ForNobody);
        }
        Ok(match answer.read::<Intent>()? {
            Ok(Intent { id, .. }) => Created::Intent { id: checked(id)? },
            Err(refusal) => Created::Refused(refusal),
        })
    }

    /// Confirms an intent: this moves the money.
    pub(super) async fn confirm(
        &self,
        key: ChargeKey,
        id: &str,
        token: &str,
    ) -> Result<Result<Intent, Refusal>, GatewayError> {
        let mut form = vec![("error_on_requires_action", "true")];
        if token.starts_with("tok_") {
            form.push(("payment_method_data[type]", "card"));
            form.push(("payment_method_data[card][token]", token));
        } else {
            form.push(("payment_method", token));
        }
        let request = self.request(Method::POST, &format!("v1/payment_intents/{id}/confirm"));
        Answer::to(request.header("idempotency-key", format!("{key}-confirm")).form(&form)).await?.read()
    }

    /// Cancels an intent. Without a key: it is the intent that makes this safe to repeat, and an answer
    /// of long ago is not wanted.
    pub(super) async fn cancel(&self, id: &str) -> Result<Result<Intent, Refusal>, GatewayError> {
        Answer::to(self.request(Method::POST, &format!("v1/payment_intents/{id}/cancel"))).await?.read()
    }

    /// An intent as it is now, with what was refunded of it.
    pub(super) async fn look_up(&self, id: &str) -> Result<Intent, GatewayError> {
        let request = self.get(&format!("v1/payment_intents/{id}"), &[("expand[]", "latest_charge")]);
        Answer::to(request)
            .await?
            .read()?
            .map_err(|refusal: Refusal| unclear(format!("the intent cannot be seen: {}", refusal.code())))
    }

    /// The ids of the intents that carry a key. Those of the last minute may be missing.
    pub(super) async fn search(&self, key: ChargeKey) -> Result<Vec<String>, GatewayError> {
        let key = key.to_string();
        let query = format!("metadata['{KEY}']:'{key}'");
        let request = self.get("v1/payment_intents/search", &[("query", &query), ("limit", "100")]);
        let found: Result<Found, Refusal> = Answer::to(request).await?.read()?;
        match found {
            Ok(Found { data, has_more: false }) => {
                let ours = data.into_iter().filter(|hit| hit.metadata.get(KEY) == Some(&key));
                ours.map(|hit| checked(hit.id)).collect()
            }
            Ok(Found { has_more: true, .. }) => Err(unclear("more intents than can be looked at")),
            Err(refusal) => Err(unclear(format!("intents cannot be searched: {}", refusal.code()))),
        }
    }

    /// Gives an intent's money back.
    pub(super) async fn refund(
        &self,
        key: ChargeKey,
        id: &str,
        amount: Money,
    ) -> Result<Result<Refund, Refusal>, GatewayError> {
        let request = self.request(Method::POST, "v1/refunds");
        let request = request.header("idempotency-key", format!("{key}-refund"));
        let amount = amount.as_won().to_string();
        Answer::to(request.form(&[("payment_intent", id), ("amount", &amount)])).await?.read()
    }
}

/// An id, if it may be part of a path.
pub(super) fn checked(id: String) -> Result<String, GatewayError> {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if plain { Ok(id) } else { Err(unclear("an id that is none")) }
}
