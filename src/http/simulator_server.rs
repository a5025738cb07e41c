//! `saem gateway`: the payment simulator as a server of the protocol of provider `http` (`docs/gateway.md`).
//!
//! For drills and tests it also serves `/ledger`, all charges, and `/behaviour`, latency and faults.

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
    gateways::payment::{
        Call, ChargeKey, Charged, Found, GatewayError, PaymentGateway as _, PaymentMethod, Voided,
        simulator::{Behaviour, Simulator},
        wire::{ChargeBody, ChargeRequest, ErrorBody, NOT_FOUND, RefundRequest},
    },
};

/// Limit of a call that the simulator never answers. Clients give up earlier.
const CALL_TIMEOUT: Duration = Duration::from_secs(120);
/// Longer than clients keep idle connections, so that they never reuse a closed one.
const KEEP_ALIVE: Duration = Duration::from_secs(120);

type SimulatorResult = Result<HttpResponse, Error>;

struct Gateway {
    simulator: Simulator,
    /// Bearer token that charge requests must carry; `None` admits all.
    key: Option<String>,
}

/// Serves `simulator` on `listener`. With a `key`, charge requests need it as bearer token.
///
/// # Errors
/// I/O errors of the listener.
pub fn serve(simulator: Simulator, listener: TcpListener, key: Option<String>) -> std::io::Result<Server> {
    let gateway = Data::from(Arc::new(Gateway { simulator, key }));
    let app = move || {
        let malformed = JsonConfig::default().error_handler(|_, _| error(400, "malformed"));
        App::new()
            .app_data(gateway.clone())
            .app_data(malformed)
            .route("/charges/{key}", web::put().to(charge))
            .route("/charges/{key}", web::get().to(find))
            .route("/charges/{key}/refund", web::post().to(refund))
            .route("/charges/{key}/void", web::post().to(void))
            .route("/ledger", web::get().to(ledger))
            .route("/behaviour", web::get().to(behaviour))
            .route("/behaviour", web::put().to(set_behaviour))
            .default_service(web::to(|| async { error_response(404, "no_such_path") }))
    };
    Ok(HttpServer::new(app).keep_alive(KEEP_ALIVE).disable_signals().listen(listener)?.run())
}

fn error_response(status: u16, code: &str) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(status).expect("callers pass valid status codes");
    HttpResponse::build(status).json(ErrorBody { code: code.to_owned() })
}

fn error(status: u16, code: &'static str) -> Error {
    InternalError::from_response(code, error_response(status, code)).into()
}

impl Gateway {
    fn authorized(&self, request: &HttpRequest, key: &str) -> Result<ChargeKey, Error> {
        let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = token.and_then(|value| value.strip_prefix("Bearer "));
        if self.key.as_deref().is_some_and(|key| token != Some(key)) {
            return Err(error(401, "bad_key"));
        }
        key.parse().map_err(|()| error(400, "bad_charge_key"))
    }
}

/// Converts a simulator call to a response; 500 if it never answers.
async fn respond<T>(call: Call<T>, ok: impl FnOnce(T) -> HttpResponse) -> HttpResponse {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(value)) => ok(value),
        Ok(Err(GatewayError::Refused(code))) => error_response(422, &code),
        Ok(Err(GatewayError::Unknown(_))) | Err(_) => error_response(500, "internal"),
    }
}

const fn captured(reference: String, refunded: Money) -> ChargeBody {
    ChargeBody::Captured { reference, refunded }
}

async fn charge(
    gateway: Data<Gateway>,
    request: HttpRequest,
    key: Path<String>,
    Json(body): Json<ChargeRequest>,
) -> SimulatorResult {
    let key = gateway.authorized(&request, &key)?;
    let method = PaymentMethod::from(body.payment_method);
    gateway.simulator.accepts(&method).map_err(|_| error(422, "unknown_token"))?;
    let response = |charged| match charged {
        Charged::Approved { reference } => HttpResponse::Ok().json(captured(reference, Money::ZERO)),
        Charged::Declined { code } => HttpResponse::PaymentRequired().json(ChargeBody::Declined { code }),
    };
    Ok(respond(gateway.simulator.charge(key, body.amount, &method), response).await)
}

async fn find(gateway: Data<Gateway>, request: HttpRequest, key: Path<String>) -> SimulatorResult {
    let key = gateway.authorized(&request, &key)?;
    let response = |found| match found {
        Found::Captured { reference, refunded } => HttpResponse::Ok().json(captured(reference, refunded)),
        Found::Declined { code } => HttpResponse::Ok().json(ChargeBody::Declined { code }),
        Found::Nothing => error_response(404, NOT_FOUND),
    };
    Ok(respond(gateway.simulator.find_key(key), response).await)
}

async fn refund(
    gateway: Data<Gateway>,
    request: HttpRequest,
    key: Path<String>,
    Json(body): Json<RefundRequest>,
) -> SimulatorResult {
    let key = gateway.authorized(&request, &key)?;
    let refunded = captured(format!("sim_{key}"), body.amount);
    let call = gateway.simulator.refund_key(key, body.amount);
    Ok(respond(call, |()| HttpResponse::Ok().json(refunded)).await)
}

async fn void(gateway: Data<Gateway>, request: HttpRequest, key: Path<String>) -> SimulatorResult {
    let key = gateway.authorized(&request, &key)?;
    let response = |voided| match voided {
        Voided::Settled => HttpResponse::Ok().json(ChargeBody::Voided),
        Voided::Captured { reference } => HttpResponse::Conflict().json(captured(reference, Money::ZERO)),
        Voided::Unsupported => error_response(501, "unsupported"),
    };
    Ok(respond(gateway.simulator.void_key(key), response).await)
}

async fn ledger(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"items": gateway.simulator.ledger().unwrap_or_default()}))
}

/// Body of `/behaviour`. Fields missing in a request keep their value.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct BehaviourBody {
    latency_ms: Option<u64>,
    jitter_ms: Option<u64>,
    capacity: Option<usize>,
    error_rate: Option<f64>,
    decline_rate: Option<f64>,
    drop_rate: Option<f64>,
}

impl From<Behaviour> for BehaviourBody {
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

impl BehaviourBody {
    fn applied_to(&self, current: Behaviour) -> Behaviour {
        Behaviour {
            latency_ms: self.latency_ms.unwrap_or(current.latency_ms),
            jitter_ms: self.jitter_ms.unwrap_or(current.jitter_ms),
            capacity: self.capacity.unwrap_or(current.capacity),
            error_rate: self.error_rate.unwrap_or(current.error_rate),
            decline_rate: self.decline_rate.unwrap_or(current.decline_rate),
            drop_rate: self.drop_rate.unwrap_or(current.drop_rate),
            ..current
        }
    }

    fn rates_are_valid(&self) -> bool {
        let rates = [self.error_rate, self.decline_rate, self.drop_rate];
        rates.into_iter().flatten().all(|rate| (0.0..=1.0).contains(&rate))
    }
}

async fn behaviour(gateway: Data<Gateway>) -> HttpResponse {
    HttpResponse::Ok().json(BehaviourBody::from(gateway.simulator.behaviour()))
}

async fn set_behaviour(gateway: Data<Gateway>, Json(body): Json<BehaviourBody>) -> HttpResponse {
    if !body.rates_are_valid() {
        return error_response(400, "rates_are_0_to_1");
    }
    gateway.simulator.set_behaviour(body.applied_to(gateway.simulator.behaviour()));
    behaviour(gateway).await
}
