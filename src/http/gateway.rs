//! `saem gateway`: the payment simulator as a process of its own, behind the protocol of provider `http`.
//!
//! `docs/gateway.md` tells the protocol. Beside it, for drills and tests: what the simulator has taken, and
//! how it behaves.

use std::{net::TcpListener, sync::Arc, time::Duration};

use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer,
    dev::Server,
    error::InternalError,
    http::header,
    web::{self, Data, Json, JsonConfig, Path},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    domain::Money,
    gateways::{
        Call, ChargeKey, Charged, Found, GatewayError, PaymentGateway as _, PaymentMethod, Voided,
        simulator::{Behaviour, Simulator},
        wire::{Charge, ChargeOrder, NOT_FOUND, RefundOrder, Refusal},
    },
};

/// A call that is never answered ends after so long: the client has gone long before.
const NEVER: Duration = Duration::from_secs(120);

/// Longer than clients keep connections in reserve: one of theirs should not find one of these closed.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

struct Gateway {
    simulator: Simulator,
    /// What callers have to bring, if anything.
    key: Option<String>,
}

/// Serves `simulator` on `listener`, to those who bring `key`, if there is one.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve(simulator: Simulator, listener: TcpListener, key: Option<String>) -> std::io::Result<Server> {
    let gateway = Data::from(Arc::new(Gateway { simulator, key }));
    let app = move || {
        let malformed = JsonConfig::default().error_handler(|_, _| refusal(400, "malformed"));
        App::new()
            .app_data(gateway.clone())
            .app_data(malformed)
            .route("/charges/{key}", web::put().to(charge))
            .route("/charges/{key}", web::get().to(find))
            .route("/charges/{key}/refund", web::post().to(refund))
            .route("/charges/{key}/void", web::post().to(void))
            .route("/ledger", web::get().to(ledger))
            .route("/behaviour", web::get().to(behaviour))
            .route("/behaviour", web::put().to(behave))
            .default_service(web::to(|| async { refused(404, "no_such_path") }))
    };
    Ok(HttpServer::new(app).keep_alive(KEEP_ALIVE).disable_signals().listen(listener)?.run())
}

fn refused(status: u16, code: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).expect("a status");
    HttpResponse::build(status).json(Refusal { code: code.to_owned() })
}

fn refusal(status: u16, code: &'static str) -> Error {
    InternalError::from_response(code, refused(status, code)).into()
}

impl Gateway {
    /// Whose call this is, and about which charge.
    fn about(&self, request: &HttpRequest, key: &str) -> Result<ChargeKey, Error> {
        let brought = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let brought = brought.and_then(|value| value.strip_prefix("Bearer "));
        if self.key.as_deref().is_some_and(|key| brought != Some(key)) {
            return Err(refusal(401, "bad_key"));
        }
        key.parse().map_err(|()| refusal(400, "bad_charge_key"))
    }
}

/// Waits for the simulator, which may never answer.
async fn answer<T>(call: Call<T>, shown: impl FnOnce(T) -> HttpResponse) -> HttpResponse {
    match tokio::time::timeout(NEVER, call).await {
        Ok(Ok(answer)) => shown(answer),
        Ok(Err(GatewayError::Refused(code))) => refused(422, &code),
        Ok(Err(GatewayError::Unknown(_))) | Err(_) => refused(500, "internal"),
    }
}

const fn captured(reference: String, refunded: Money) -> Charge {
    Charge::Captured { reference, refunded }
}

async fn charge(
    gateway: Data<Gateway>,
    request: HttpRequest,
    key: Path<String>,
    Json(order): Json<ChargeOrder>,
) -> Result<HttpResponse, Error> {
    let key = gateway.about(&request, &key)?;
    let method = PaymentMethod::from(order.payment_method);
    gateway.simulator.accepts(&method).map_err(|_| refusal(422, "unknown_token"))?;
    let call = gateway.simulator.charge(key, order.amount, &method);
    Ok(answer(call, |charged| match charged {
        Charged::Approved { reference } => HttpResponse::Ok().json(captured(reference, Money::ZERO)),
        Charged::Declined { code } => HttpResponse::PaymentRequired().json(Charge::Declined { code }),
    })
    .await)
}

async fn find(
    gateway: Data<Gateway>,
    request: HttpRequest,
    key: Path<String>,
) -> Result<HttpResponse, Error> {
    let key = gateway.about(&request, &key)?;
    Ok(answer(gateway.simulator.found(key), |found| match found {
        Found::Captured { reference, refunded } => HttpResponse::Ok().json(captured(reference, refunded)),
        Found::Declined { code } => HttpResponse::Ok().json(Charge::Declined { code }),
        Found::Nothing => refused(404, NOT_FOUND),
    })
    .await)
}

async fn refund(
    gateway: Data<Gateway>,
    request: HttpRequest,
    key: Path<String>,
    Json(order): Json<RefundOrder>,
) -> Result<HttpResponse, Error> {
    let key = gateway.about(&request, &key)?;
    let reference = format!("sim_{key}");
    Ok(answer(gateway.simulator.refunded(key, order.amount), |()| {
        HttpResponse::Ok().json(captured(reference, order.amount))
    })
    .await)
}

async fn void(
    gateway: Data<Gateway>,
    request: HttpRequest,
    key: Path<String>,
) -> Result<HttpResponse, Error> {
    let key = gateway.about(&request, &key)?;
    Ok(answer(gateway.simulator.voided(key), |voided| match voided {
        Voided::Settled => HttpResponse::Ok().json(Charge::Voided),
        Voided::Captured { reference } => HttpResponse::Conflict().json(captured(reference, Money::ZERO)),
        Voided::Unsupported => refused(501, "unsupported"),
    })
    .await)
}

async fn ledger(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"items": gateway.simulator.ledger().unwrap_or_default()}))
}

/// How the simulator behaves, or is to behave: what is left out stays as it is.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Manner {
    latency_ms: Option<u64>,
    jitter_ms: Option<u64>,
    capacity: Option<usize>,
    error_rate: Option<f64>,
    decline_rate: Option<f64>,
    drop_rate: Option<f64>,
}

impl From<Behaviour> for Manner {
    fn from(behaviour: Behaviour) -> Self {
        Self {
            latency_ms: Some(behaviour.latency_ms),
            jitter_ms: Some(behaviour.jitter_ms),
            capacity: Some(behaviour.capacity),
            error_rate: Some(behaviour.error_rate),
            decline_rate: Some(behaviour.decline_rate),
            drop_rate: Some(behaviour.drop_rate),
        }
    }
}

impl Manner {
    fn or(&self, now: Behaviour) -> Behaviour {
        Behaviour {
            latency_ms: self.latency_ms.unwrap_or(now.latency_ms),
            jitter_ms: self.jitter_ms.unwrap_or(now.jitter_ms),
            capacity: self.capacity.unwrap_or(now.capacity),
            error_rate: self.error_rate.unwrap_or(now.error_rate),
            decline_rate: self.decline_rate.unwrap_or(now.decline_rate),
            drop_rate: self.drop_rate.unwrap_or(now.drop_rate),
            ..now
        }
    }

    fn rates_fit(&self) -> bool {
        let rates = [self.error_rate, self.decline_rate, self.drop_rate];
        rates.into_iter().flatten().all(|rate| (0.0..=1.0).contains(&rate))
    }
}

async fn behaviour(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(Manner::from(gateway.simulator.behaviour()))
}

async fn behave(gateway: Data<Gateway>, Json(manner): Json<Manner>) -> HttpResponse {
    if !manner.rates_fit() {
        return refused(400, "rates_are_0_to_1");
    }
    gateway.simulator.set_behaviour(manner.or(gateway.simulator.behaviour()));
    behaviour(gateway).await
}
