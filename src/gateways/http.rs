//! Provider `http`: any gateway behind a small protocol over HTTP (`docs/gateway.md`).
//!
//! What is not a clear answer by the protocol is `Unknown`, a proxy's 404 or a wrong key's 401 too: of
//! money, only what is known counts. Redirects are not followed, and no proxy of the environment is used:
//! where payments go to comes from the settings alone.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url, redirect::Policy};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    Call, ChargeKey, Charged, Found, GatewayError, PaymentGateway, PaymentMethod, Sought, Unfit, Voided,
    ledger, unknown_method,
    wire::{Charge, ChargeOrder, Currency, NOT_FOUND, RefundOrder, Refusal},
};
use crate::{domain::Money, trace::TraceContext};

/// How long a connection may take to come about.
const CONNECT_WITHIN: Duration = Duration::from_secs(1);
/// No call takes longer, whatever its caller does; the payment actor gives up much earlier.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
/// How long a connection is kept in reserve: not as long as gateways keep theirs.
const IDLE: Duration = Duration::from_secs(30);
/// The most characters a token may have.
const TOKEN_MAX: usize = 255;

/// A client of the gateways' own: connections are reused, TLS is rustls.
///
/// # Errors
/// When TLS cannot be set up.
pub fn client() -> Result<Client, reqwest::Error> {
    // Only the first call installs it; all install the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(ANSWER_WITHIN)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .user_agent(concat!("saem/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Where a gateway is, from a setting.
///
/// # Errors
/// The rule that it breaks.
pub fn base_url(text: &str) -> Result<Url, &'static str> {
    const RULE: &str = "must be a URL, such as https://gateway.example or http://127.0.0.1:9090/";
    let mut url = Url::parse(text).map_err(|_| RULE)?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && (url.username(), url.password(), url.query(), url.fragment()) == ("", None, None, None);
    if !plain {
        return Err(RULE);
    }
    // What is joined to it comes after its last slash.
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// The gateway.
pub struct HttpGateway {
    client: Client,
    base: Url,
    /// Sent as `Authorization: Bearer`, if there is one.
    key: Option<String>,
}

impl HttpGateway {
    /// The gateway at `base`.
    #[must_use]
    pub const fn new(client: Client, base: Url, key: Option<String>) -> Self {
        Self { client, base, key }
    }

    fn request(&self, method: Method, key: ChargeKey, path: &str) -> RequestBuilder {
        let url = self.base.join(&format!("charges/{key}{path}")).expect("a key needs no escaping");
        let request = self.client.request(method, url);
        match &self.key {
            Some(key) => request.bearer_auth(key),
            None => request,
        }
    }

    fn post(&self, key: ChargeKey, path: &str, body: &impl Serialize) -> RequestBuilder {
        self.request(Method::POST, key, path).json(body)
    }
}

/// Sends a request, and reads its answer with `read`.
fn answered<T: Send + 'static, B: DeserializeOwned + Send>(
    request: RequestBuilder,
    read: impl FnOnce(StatusCode, Option<B>) -> Option<T> + Send + 'static,
) -> Call<T> {
    Box::pin(async move {
        let (status, body) = sent(request).await?;
        if status == StatusCode::UNPROCESSABLE_ENTITY {
            let refusal = serde_json::from_slice::<Refusal>(&body).map_err(unreadable)?;
            return Err(GatewayError::Refused(refusal.code));
        }
        let unclear = || GatewayError::Unknown(format!("an answer of status {status} that says nothing"));
        read(status, serde_json::from_slice(&body).ok()).ok_or_else(unclear)
    })
}

/// Sends a request, as part of the trace that it was made for.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, GatewayError> {
    let request = match TraceContext::current() {
        Some(context) => request.header("traceparent", context.to_string()),
        None => request,
    };
    request.send().await.map_err(broken_off)
}

pub(super) async fn sent(request: RequestBuilder) -> Result<(StatusCode, Vec<u8>), GatewayError> {
    let answer = send(request).await?;
    let status = answer.status();
    Ok((status, answer.bytes().await.map_err(broken_off)?.to_vec()))
}

/// What is known when there is no answer. Its text holds no URL: there might be a secret in one some day.
pub(super) fn broken_off(error: reqwest::Error) -> GatewayError {
    GatewayError::Unknown(error.without_url().to_string())
}

pub(super) fn unreadable(error: serde_json::Error) -> GatewayError {
    GatewayError::Unknown(format!("an answer that cannot be read: {error}"))
}

impl PaymentGateway for HttpGateway {
    fn provider(&self) -> &'static str {
        "http"
    }

    fn accepts(&self, method: &PaymentMethod) -> Result<(), Unfit> {
        let PaymentMethod::Card { token } = method else { return Err(Unfit::NO_CARD) };
        let printable = token.bytes().all(|byte| byte.is_ascii_graphic());
        let fits = (1..=TOKEN_MAX).contains(&token.len()) && printable;
        let rule = "must have 1 to 255 printable ASCII characters";
        fits.then_some(()).ok_or(Unfit { field: "token", rule })
    }

    fn needs_checkout(&self) -> bool {
        false
    }

    fn charge(&self, key: ChargeKey, amount: Money, method: &PaymentMethod) -> Call<Charged> {
        let Ok(payment_method) = method.try_into() else { return unknown_method() };
        let order = ChargeOrder { amount, currency: Currency::Krw, payment_method };
        let request = self.request(Method::PUT, key, "").json(&order);
        answered(request, |status, charge| match (status, charge?) {
            (StatusCode::OK, Charge::Captured { reference, .. }) => Some(Charged::Approved { reference }),
            (StatusCode::PAYMENT_REQUIRED, Charge::Declined { code }) => Some(Charged::Declined { code }),
            _ => None,
        })
    }

    fn find(&self, sought: &Sought) -> Call<Found> {
        let request = self.request(Method::GET, sought.key, "");
        Box::pin(async move {
            let (status, body) = sent(request).await?;
            match status {
                StatusCode::OK => Ok(match serde_json::from_slice(&body).map_err(unreadable)? {
                    Charge::Captured { reference, refunded } => Found::Captured { reference, refunded },
                    Charge::Declined { code } => Found::Declined { code },
                    Charge::Voided => Found::Nothing,
                }),
                // Somebody else's 404 says nothing of a charge.
                StatusCode::NOT_FOUND => match serde_json::from_slice::<Refusal>(&body) {
                    Ok(refusal) if refusal.code == NOT_FOUND => Ok(Found::Nothing),
                    _ => Err(GatewayError::Unknown("there is no gateway under this URL".to_owned())),
                },
                status => Err(GatewayError::Unknown(format!("status {status}"))),
            }
        })
    }

    fn refund(&self, sought: &Sought) -> Call<()> {
        let order = RefundOrder { amount: sought.amount, currency: Currency::Krw };
        let request = self.post(sought.key, "/refund", &order);
        answered(request, |status, charge| match (status, charge?) {
            (StatusCode::OK, Charge::Captured { .. }) => Some(()),
            _ => None,
        })
    }

    fn void(&self, sought: &Sought) -> Call<Voided> {
        let request = self.request(Method::POST, sought.key, "/void");
        answered(request, |status, charge: Option<Charge>| match (status, charge) {
            (StatusCode::OK, Some(Charge::Voided | Charge::Declined { .. })) => Some(Voided::Settled),
            (StatusCode::CONFLICT, Some(Charge::Captured { reference, .. })) => {
                Some(Voided::Captured { reference })
            }
            (StatusCode::NOT_IMPLEMENTED, _) => Some(Voided::Unsupported),
            _ => None,
        })
    }

    fn ledger(&self) -> Option<Vec<ledger::Entry>> {
        None
    }
}
