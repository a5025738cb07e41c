//! Requests and responses of the Stripe API, as far as they are used.
//!
//! A response without a definite result is `Unknown`: no connection, 401 for a wrong key, 409 and 429
//! (concurrent use of the same object), 5xx, an unreadable body. Error messages are not kept, since they may
//! quote request data.

use reqwest::{Client, Method, RequestBuilder, StatusCode, Url};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    domain::Money,
    gateways::payment::{
        AUTHENTICATION_REQUIRED, ChargeKey, GatewayError,
        http::{no_response, send, unreadable},
        unclear,
    },
};

/// API version, sent with each request so that the account's default does not matter.
const VERSION: &str = "2024-06-20";
/// Metadata field of an intent that holds the charge key.
const KEY: &str = "saem_key";
/// Maximum length of an error code, which becomes part of an event.
const CODE_MAX: usize = 64;

#[derive(Clone)]
pub(super) struct Api {
    pub client: Client,
    pub base: Url,
    pub secret_key: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum IntentStatus {
    RequiresPaymentMethod,
    RequiresConfirmation,
    RequiresAction,
    Processing,
    RequiresCapture,
    Canceled,
    Succeeded,
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Intent {
    pub id: String,
    pub status: IntentStatus,
    pub amount: Money,
    pub currency: String,
    /// Error of the last confirmation.
    #[serde(default)]
    pub last_payment_error: Option<StripeError>,
    /// An object if expanded, otherwise an id.
    #[serde(default)]
    latest_charge: serde_json::Value,
}

impl Intent {
    /// Returns the refunded amount. Only [`Api::look_up`] fetches it.
    pub(super) fn refunded(&self) -> Result<Money, GatewayError> {
        let won = self.latest_charge.get("amount_refunded").and_then(serde_json::Value::as_u64);
        won.map(Money::won).ok_or_else(|| unclear("an intent without its refunded amount"))
    }
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct StripeError {
    #[serde(default)]
    r#type: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    decline_code: Option<String>,
}

impl StripeError {
    /// Returns the most specific error code: the issuer's decline code, if any.
    pub(super) fn code(&self) -> String {
        if self.code.as_deref() == Some(AUTHENTICATION_REQUIRED) {
            return AUTHENTICATION_REQUIRED.to_owned();
        }
        let well_formed = |code: &&String| {
            let word = code.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
            word && (1..=CODE_MAX).contains(&code.len())
        };
        let codes = [&self.decline_code, &self.code, &self.r#type];
        codes.into_iter().flatten().find(well_formed).map_or_else(|| "declined".to_owned(), Clone::clone)
    }
}

/// Result of creating an intent.
pub(super) enum Created {
    /// The intent exists, created now or by an earlier call with the same key.
    Intent { id: String },
    /// No intent was or will be created.
    Refused(StripeError),
    /// Stripe repeats the server error of the first call with this key. If an intent exists, no response
    /// ever contained its id, so it cannot have been confirmed.
    NeverConfirmed,
}

#[derive(Deserialize)]
struct SearchPage {
    data: Vec<SearchHit>,
    has_more: bool,
}

#[derive(Deserialize)]
struct SearchHit {
    id: String,
    metadata: std::collections::HashMap<String, String>,
}

#[derive(Deserialize)]
pub(super) struct Refund {
    pub status: Option<String>,
}

#[derive(Deserialize)]
struct StripeErrorBody {
    error: StripeError,
}

struct StripeResponse {
    status: StatusCode,
    /// True if Stripe repeats the response of an earlier request with the same idempotency key.
    replayed: bool,
    body: Vec<u8>,
}

impl StripeResponse {
    async fn of(request: RequestBuilder) -> Result<Self, GatewayError> {
        let response = send(request).await?;
        let status = response.status();
        let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
        Ok(Self { status, replayed, body: response.bytes().await.map_err(no_response)?.to_vec() })
    }

    /// Parses the body as `T` or as an error about the request. Anything else is [`GatewayError::Unknown`].
    fn read<T: DeserializeOwned>(&self) -> Result<Result<T, StripeError>, GatewayError> {
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
            && let Ok(StripeErrorBody { error }) = serde_json::from_slice(&self.body)
            && let Some(kind) = &error.r#type
            // Excludes `idempotency_error`, which says nothing about the first request with this key.
            && ["card_error", "invalid_request_error"].contains(&kind.as_str())
        {
            return Ok(Err(error));
        }
        Err(unclear(format!("unexpected response with status {status}")))
    }
}

impl Api {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = self.base.join(path).expect("ids in paths are validated by `checked`");
        self.client.request(method, url).bearer_auth(&self.secret_key).header("stripe-version", VERSION)
    }

    fn get(&self, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = Url::parse("x:").expect("the text is a valid URL");
        url.query_pairs_mut().extend_pairs(query);
        self.request(Method::GET, &format!("{path}?{}", url.query().unwrap_or_default()))
    }

    /// Creates the intent of a charge without a payment method. The request depends on key and amount only,
    /// so repeating it leads to the same intent.
    pub(super) async fn create(&self, key: ChargeKey, amount: Money) -> Result<Created, GatewayError> {
        let key = key.to_string();
        let request = self.request(Method::POST, "v1/payment_intents").header("idempotency-key", &key);
        let amount = amount.as_won().to_string();
        let metadata = format!("metadata[{KEY}]");
        let response = StripeResponse::of(request.form(&[
            ("amount", amount.as_str()),
            ("currency", "krw"),
            ("payment_method_types[]", "card"),
            (&metadata, &key),
        ]));
        let response = response.await?;
        if response.status.is_server_error() && response.replayed {
            return Ok(Created::NeverConfirmed);
        }
        Ok(match response.read::<Intent>()? {
            Ok(Intent { id, .. }) => Created::Intent { id: checked(id)? },
            Err(error) => Created::Refused(error),
        })
    }

    /// Confirms an intent, which moves the money.
    pub(super) async fn confirm(
        &self,
        key: ChargeKey,
        id: &str,
        token: &str,
    ) -> Result<Result<Intent, StripeError>, GatewayError> {
        let mut form = vec![("error_on_requires_action", "true")];
        if token.starts_with("tok_") {
            form.push(("payment_method_data[type]", "card"));
            form.push(("payment_method_data[card][token]", token));
        } else {
            form.push(("payment_method", token));
        }
        let request = self.request(Method::POST, &format!("v1/payment_intents/{id}/confirm"));
        let request = request.header("idempotency-key", format!("{key}-confirm")).form(&form);
        StripeResponse::of(request).await?.read()
    }

    /// Cancels an intent. Sent without an idempotency key: canceling is safe to repeat, and a stored response
    /// could be outdated.
    pub(super) async fn cancel(&self, id: &str) -> Result<Result<Intent, StripeError>, GatewayError> {
        let request = self.request(Method::POST, &format!("v1/payment_intents/{id}/cancel"));
        StripeResponse::of(request).await?.read()
    }

    /// Fetches an intent with its refunded amount.
    pub(super) async fn look_up(&self, id: &str) -> Result<Intent, GatewayError> {
        let request = self.get(&format!("v1/payment_intents/{id}"), &[("expand[]", "latest_charge")]);
        let unknown = |error: StripeError| unclear(format!("the intent cannot be fetched: {}", error.code()));
        StripeResponse::of(request).await?.read()?.map_err(unknown)
    }

    /// Searches for intents by charge key. Intents of the last minute may be missing.
    pub(super) async fn search(&self, key: ChargeKey) -> Result<Vec<String>, GatewayError> {
        let key = key.to_string();
        let query = format!("metadata['{KEY}']:'{key}'");
        let request = self.get("v1/payment_intents/search", &[("query", &query), ("limit", "100")]);
        let page: Result<SearchPage, StripeError> = StripeResponse::of(request).await?.read()?;
        match page {
            Ok(SearchPage { data, has_more: false }) => {
                let ours = data.into_iter().filter(|hit| hit.metadata.get(KEY) == Some(&key));
                ours.map(|hit| checked(hit.id)).collect()
            }
            Ok(SearchPage { has_more: true, .. }) => Err(unclear("more than 100 intents with the same key")),
            Err(error) => Err(unclear(format!("the search for intents failed: {}", error.code()))),
        }
    }

    pub(super) async fn refund(
        &self,
        key: ChargeKey,
        id: &str,
        amount: Money,
    ) -> Result<Result<Refund, StripeError>, GatewayError> {
        let request = self.request(Method::POST, "v1/refunds");
        let request = request.header("idempotency-key", format!("{key}-refund"));
        let amount = amount.as_won().to_string();
        StripeResponse::of(request.form(&[("payment_intent", id), ("amount", &amount)])).await?.read()
    }
}

/// Returns the id, or an error unless it can be used in a URL path.
pub(super) fn checked(id: String) -> Result<String, GatewayError> {
    let well_formed = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if well_formed { Ok(id) } else { Err(unclear("a malformed id")) }
}
