//! Provider `http`: any gateway that speaks the protocol of `docs/gateway.md`; and the HTTP client that all
//! providers share.
//!
//! A response outside the protocol is `Unknown`, for example the 404 of a proxy or the 401 for a wrong key:
//! it does not tell whether money moved. Redirects are not followed and proxy variables of the environment
//! are ignored, so the settings alone determine the destination of payments.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect::Policy};
use serde::de::DeserializeOwned;

use super::{
    Call, ChargeKey, Charged, Found, GatewayError, InvalidMethod, PaymentGateway, PaymentMethod, PriorCharge,
    Voided, unclear, unknown_method,
    wire::{ChargeBody, ChargeRequest, Currency, ErrorBody, NOT_FOUND, RefundRequest},
};
use crate::{domain::Money, telemetry::trace::TraceContext};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Upper limit of a call; the payment actor's own timeout is much shorter.
const CALL_TIMEOUT: Duration = Duration::from_secs(60);
/// Idle time after which a pooled connection is closed; shorter than what gateways allow.
const POOL_IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum token length in characters.
const TOKEN_MAX: usize = 255;

/// Creates the HTTP client of the gateways, with pooled connections and rustls.
pub fn client() -> Result<Client, reqwest::Error> {
    // Fails if a provider is already installed, which is the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(CALL_TIMEOUT)
        .pool_idle_timeout(POOL_IDLE_TIMEOUT)
        .tcp_nodelay(true)
        .user_agent(concat!("saem/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Parses the base URL of a gateway and makes its path end with a slash. The error is the violated rule.
pub fn base_url(text: &str) -> Result<Url, &'static str> {
    const RULE: &str = "must be a URL, such as https://gateway.example or http://127.0.0.1:9090/";
    let mut url = Url::parse(text).map_err(|_| RULE)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && (url.username(), url.password(), url.query(), url.fragment()) == ("", None, None, None);
    if !plain {
        return Err(RULE);
    }
    // `Url::join` replaces everything after the last slash.
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

pub struct HttpGateway {
    client: Client,
    base: Url,
    /// Bearer token.
    key: Option<String>,
}

impl HttpGateway {
    pub const fn new(client: Client, base: Url, key: Option<String>) -> Self {
        Self { client, base, key }
    }

    fn request(&self, method: Method, key: ChargeKey, path: &str) -> RequestBuilder {
        let url =
            self.base.join(&format!("charges/{key}{path}")).expect("a charge key needs no URL escaping");
        let request = self.client.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }
}

/// Sends a request and interprets the response with `read`; `None` from it means an unknown outcome.
fn call<T: Send + 'static, B: DeserializeOwned + Send>(
    request: RequestBuilder,
    read: impl FnOnce(StatusCode, Option<B>) -> Option<T> + Send + 'static,
) -> Call<T> {
    Box::pin(async move {
        let (status, body) = fetch(request).await?;
        if status == StatusCode::UNPROCESSABLE_ENTITY {
            let error = serde_json::from_slice::<ErrorBody>(&body).map_err(unreadable)?;
            return Err(GatewayError::Refused(error.code));
        }
        let unexpected = || unclear(format!("unexpected response with status {status}"));
        read(status, serde_json::from_slice(&body).ok()).ok_or_else(unexpected)
    })
}

/// Sends a request with the `traceparent` header of the current trace.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, GatewayError> {
    let request = match TraceContext::current() {
        Some(context) => request.header("traceparent", context.to_string()),
        None => request,
    };
    request.send().await.map_err(no_response)
}

pub(super) async fn fetch(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), GatewayError> {
    let response = send(request).await?;
    let status = response.status();
    Ok((status, response.bytes().await.map_err(no_response)?.to_vec()))
}

/// Error of a request without a complete response. The text omits the URL, which could contain a secret.
pub(super) fn no_response(error: reqwest::Error) -> GatewayError {
    unclear(error.without_url().to_string())
}

pub(super) fn unreadable(error: serde_json::Error) -> GatewayError {
    unclear(format!("unreadable response: {error}"))
}

impl PaymentGateway for HttpGateway {
    fn provider(&self) -> &'static str {
        "http"
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), InvalidMethod> {
        let PaymentMethod::Card { token } = method else { return Err(InvalidMethod::NOT_A_CARD) };
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = (1..=TOKEN_MAX).contains(&token.len()) && printable;
        let rule = "must have 1 to 255 printable ASCII characters";
        fits.then_some(()).ok_or(InvalidMethod { field: "token", rule })
    }

    fn needs_checkout(&self) -> bool {
        false
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        let Ok(payment_method) = method.try_into() else { return unknown_method() };
        let body = ChargeRequest { amount, currency: Currency::Krw, payment_method };
        let request = self.request(Method::PUT, key, "").json(&body);
        call(request, |status, charge| match (status, charge?) {
            (StatusCode::OK, ChargeBody::Captured { reference, .. }) => Some(Charged::Approved { reference }),
            (StatusCode::PAYMENT_REQUIRED, ChargeBody::Declined { code }) => Some(Charged::Declined { code }),
            _ => None,
        })
    }

    fn find(&self, charge: &PriorCharge) -> Call<Found> {
        let request = self.request(Method::GET, charge.key, "");
        Box::pin(async move {
            let (status, body) = fetch(request).await?;
            match status {
                StatusCode::OK => Ok(match serde_json::from_slice(&body).map_err(unreadable)? {
                    ChargeBody::Captured { reference, refunded } => Found::Captured { reference, refunded },
                    ChargeBody::Declined { code } => Found::Declined { code },
                    ChargeBody::Voided => Found::Nothing,
                }),
                // A 404 without this code comes from something else, such as a proxy.
                StatusCode::NOT_FOUND => match serde_json::from_slice::<ErrorBody>(&body) {
                    Ok(error) if error.code == NOT_FOUND => Ok(Found::Nothing),
                    _ => Err(unclear("no gateway found at this URL")),
                },
                status => Err(unclear(format!("status {status}"))),
            }
        })
    }

    fn refund(&self, charge: &PriorCharge) -> Call<()> {
        let body = RefundRequest { amount: charge.amount, currency: Currency::Krw };
        let request = self.request(Method::POST, charge.key, "/refund").json(&body);
        call(request, |status, charge| match (status, charge?) {
            (StatusCode::OK, ChargeBody::Captured { .. }) => Some(()),
            _ => None,
        })
    }

    fn void(&self, charge: &PriorCharge) -> Call<Voided> {
        let request = self.request(Method::POST, charge.key, "/void");
        call(request, |status, charge: Option<ChargeBody>| match (status, charge) {
            (StatusCode::OK, Some(ChargeBody::Voided | ChargeBody::Declined { .. })) => Some(Voided::Settled),
            (StatusCode::CONFLICT, Some(ChargeBody::Captured { reference, .. })) => {
                Some(Voided::Captured { reference })
            }
            (StatusCode::NOT_IMPLEMENTED, _) => Some(Voided::Unsupported),
            _ => None,
        })
    }
}
