//! Double of Stripe, stricter than `localstripe`: it enforces idempotency keys, and fails on demand.
//!
//! From Stripe's documentation: the first answer of a key is saved, a 500 too, and repeated with
//! `Idempotent-Replayed`; a key with other parameters is a 400 `idempotency_error`; collisions (409, 429) are
//! not saved; the search finds an intent only after a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Bytes, Data},
};
use reqwest::Url;
use serde_json::{Value, json};

use crate::kit::doubles::{self, Served};

pub const SECRET: &str = "sk_test_double";

type Form = Vec<(String, String)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Create,
    Confirm,
    Cancel,
    LookUp,
    Search,
    Refund,
}

/// Failure of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call takes effect, and its answer is lost.
    LoseAnswer,
    /// 500, without effect.
    FailBefore,
    /// 500, with effect.
    FailAfter,
    /// This status and code, without effect and not saved.
    Busy(u16, &'static str),
    /// 400 with this code.
    Refuse(&'static str),
}

#[derive(Clone, Debug)]
pub struct Intent {
    pub id: String,
    pub status: &'static str,
    amount: u64,
    pub saem_key: String,
    error: Option<Value>,
    pub captures: u64,
    refunded: u64,
    pub refunds: u64,
}

impl Intent {
    fn shown(&self, expanded: bool) -> Value {
        let charge = match (self.captures, expanded) {
            (0, _) => Value::Null,
            (_, true) => json!({"id": format!("ch_{}", self.id), "amount_refunded": self.refunded}),
            (_, false) => json!(format!("ch_{}", self.id)),
        };
        json!({
            "id": self.id, "object": "payment_intent", "amount": self.amount, "currency": "krw",
            "status": self.status, "metadata": {"saem_key": self.saem_key},
            "last_payment_error": self.error, "latest_charge": charge,
        })
    }
}

/// The saved answer of a key.
#[derive(Clone)]
struct Saved {
    path: String,
    form: Form,
    status: u16,
    body: Value,
}

#[derive(Default)]
pub struct State {
    pub intents: Vec<Intent>,
    saved: HashMap<String, Saved>,
    faults: Vec<(Place, Fault)>,
    pub calls: Vec<Place>,
    /// `true` while the search finds nothing.
    pub search_lags: bool,
}

pub struct Double {
    state: Arc<Mutex<State>>,
    pub url: String,
    _served: Served,
}

impl Double {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = Data::from(Arc::clone(&state));
        let served = doubles::serve(move |config| {
            config.app_data(shared.clone()).default_service(web::to(serve));
        });
        Self { state, url: served.url.clone(), _served: served }
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Makes the next call at this place fail.
    pub fn fails(&self, place: Place, fault: Fault) {
        self.state().faults.push((place, fault));
    }

    /// Forgets the keys, and keeps the intents.
    pub fn a_day_passes(&self) {
        self.state().saved.clear();
    }

    /// The card's owner consents; returns true if that captures.
    pub fn owner_confirms(&self) -> bool {
        let mut state = self.state();
        let waiting = |intent: &&mut Intent| {
            let asked = intent.error.as_ref().is_some_and(|e| e["code"] == "authentication_required");
            intent.status == "requires_action" || (intent.status == "requires_payment_method" && asked)
        };
        let Some(intent) = state.intents.iter_mut().find(waiting) else { return false };
        (intent.status, intent.captures) = ("succeeded", intent.captures + 1);
        true
    }

    /// Captures and refunds of a payment.
    pub fn ledger(&self, payment: &str) -> (u64, u64) {
        let state = self.state();
        let its = state.intents.iter().filter(|intent| intent.saem_key.starts_with(payment));
        its.fold((0, 0), |(captures, refunds), i| (captures + i.captures, refunds + i.refunds))
    }

    pub fn count(&self, place: Place) -> usize {
        self.state().calls.iter().filter(|call| **call == place).count()
    }
}

fn error(kind: &str, code: &str) -> Value {
    json!({"error": {"type": kind, "code": code, "message": format!("{code}, with {SECRET}")}})
}

fn refusal(code: &str) -> (u16, Value) {
    (400, error("invalid_request_error", code))
}

fn pairs(text: &str) -> Form {
    Url::parse(&format!("x:?{text}")).unwrap().query_pairs().into_owned().collect()
}

fn value<'a>(form: &'a Form, name: &str) -> Option<&'a str> {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> &'a str {
    request.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn answer(status: u16, replayed: bool, body: Value) -> HttpResponse {
    let mut response = HttpResponse::build(StatusCode::from_u16(status).unwrap());
    if replayed {
        response.insert_header(("idempotent-replayed", "true"));
    }
    response.json(body)
}

/// The call, and its intent.
fn place(request: &HttpRequest) -> Option<(Place, String)> {
    let path: Vec<&str> = request.path().trim_matches('/').split('/').collect();
    let (place, id) = match (request.method().as_str(), &path[..]) {
        ("POST", ["v1", "payment_intents"]) => (Place::Create, ""),
        ("GET", ["v1", "payment_intents", "search"]) => (Place::Search, ""),
        ("GET", ["v1", "payment_intents", id]) => (Place::LookUp, *id),
        ("POST", ["v1", "payment_intents", id, "confirm"]) => (Place::Confirm, *id),
        ("POST", ["v1", "payment_intents", id, "cancel"]) => (Place::Cancel, *id),
        ("POST", ["v1", "refunds"]) => (Place::Refund, ""),
        _ => return None,
    };
    Some((place, id.to_owned()))
}

async fn serve(state: Data<Mutex<State>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    if header(&request, "authorization") != format!("Bearer {SECRET}") {
        return answer(401, false, error("invalid_request_error", "api_key_invalid"));
    }
    let Some((place, id)) = place(&request) else { return answer(404, false, refusal("url_invalid").1) };
    let form =
        pairs(&if body.is_empty() { request.query_string().into() } else { String::from_utf8_lossy(&body) });
    let key = header(&request, "idempotency-key").to_owned();
    let keyed = matches!(place, Place::Create | Place::Confirm | Place::Refund);
    // Stripe accepts less.
    let strict = !header(&request, "stripe-version").is_empty()
        && keyed != key.is_empty()
        && (body.is_empty() || header(&request, "content-type") == "application/x-www-form-urlencoded");
    if !strict {
        return answer(400, false, refusal("not_as_agreed").1);
    }
    let given = state.lock().unwrap().answer(place, &id, (request.path(), &key, form));
    match given {
        Some((status, replayed, body)) => answer(status, replayed, body),
        None => std::future::pending().await,
    }
}

impl State {
    /// Status, whether it is replayed, and body; nothing for a lost answer.
    fn answer(
        &mut self,
        place: Place,
        id: &str,
        (path, key, form): (&str, &str, Form),
    ) -> Option<(u16, bool, Value)> {
        self.calls.push(place);
        let fault = self.faults.iter().position(|(at, _)| *at == place);
        let fault = fault.map(|at| self.faults.remove(at).1);
        if let Some(Fault::Busy(status, code)) = fault {
            return Some((status, false, error("invalid_request_error", code)));
        }
        if let Some(saved) = self.saved.get(key) {
            if (saved.path.as_str(), &saved.form) != (path, &form) {
                return Some((400, false, error("idempotency_error", "idempotency_key_reused")));
            }
            return Some((saved.status, true, saved.body.clone()));
        }
        let failure = (500, error("api_error", "internal"));
        let (status, body) = match fault {
            Some(Fault::FailBefore) => failure,
            Some(Fault::Refuse(code)) => refusal(code),
            Some(Fault::FailAfter) => {
                self.work(place, id, &form);
                failure
            }
            Some(Fault::LoseAnswer | Fault::Busy(..)) | None => self.work(place, id, &form),
        };
        if !key.is_empty() {
            let saved = Saved { path: path.to_owned(), form, status, body: body.clone() };
            self.saved.insert(key.to_owned(), saved);
        }
        (fault != Some(Fault::LoseAnswer)).then_some((status, false, body))
    }

    fn work(&mut self, place: Place, id: &str, form: &Form) -> (u16, Value) {
        let known: &[&str] = match place {
            Place::Create => &["amount", "currency", "payment_method_types[]", "metadata[saem_key]"],
            Place::Confirm => &[
                "error_on_requires_action",
                "payment_method",
                "payment_method_data[type]",
                "payment_method_data[card][token]",
            ],
            Place::Cancel => &[],
            Place::LookUp => &["expand[]"],
            Place::Search => &["query", "limit"],
            Place::Refund => &["payment_intent", "amount"],
        };
        if form.iter().any(|(name, _)| !known.contains(&name.as_str())) {
            return refusal("parameter_unknown");
        }
        match place {
            Place::Create => self.create(form),
            Place::Search => (200, self.search(form)),
            Place::Refund => self.refund(form),
            Place::LookUp | Place::Confirm | Place::Cancel => {
                let Some(intent) = self.intents.iter_mut().find(|intent| intent.id == id) else {
                    return (404, error("invalid_request_error", "resource_missing"));
                };
                match place {
                    Place::Confirm => intent.confirm(form),
                    Place::Cancel => intent.cancel(),
                    _ => (200, intent.shown(value(form, "expand[]") == Some("latest_charge"))),
                }
            }
        }
    }

    fn create(&mut self, form: &Form) -> (u16, Value) {
        let amount = value(form, "amount").and_then(|amount| amount.parse().ok()).unwrap_or(0);
        let card = value(form, "payment_method_types[]") == Some("card");
        if value(form, "currency") != Some("krw") || !card {
            return refusal("parameter_missing");
        }
        if amount < 100 {
            return refusal("amount_too_small");
        }
        let intent = Intent {
            id: format!("pi_{}", self.intents.len() + 1),
            status: "requires_payment_method",
            amount,
            saem_key: value(form, "metadata[saem_key]").unwrap_or_default().to_owned(),
            error: None,
            captures: 0,
            refunded: 0,
            refunds: 0,
        };
        let shown = intent.shown(false);
        self.intents.push(intent);
        (200, shown)
    }

    fn search(&self, form: &Form) -> Value {
        let wanted = value(form, "query").unwrap_or_default();
        let hit = |intent: &&Intent| {
            !self.search_lags && wanted == format!("metadata['saem_key']:'{}'", intent.saem_key)
        };
        let data: Vec<Value> = self.intents.iter().filter(hit).map(|intent| intent.shown(false)).collect();
        json!({"object": "search_result", "has_more": false, "data": data})
    }

    fn refund(&mut self, form: &Form) -> (u16, Value) {
        let id = value(form, "payment_intent").unwrap_or_default();
        let amount: u64 = value(form, "amount").and_then(|amount| amount.parse().ok()).unwrap_or(0);
        let Some(intent) = self.intents.iter_mut().find(|intent| intent.id == id) else {
            return refusal("resource_missing");
        };
        if intent.status != "succeeded" {
            return refusal("payment_intent_unexpected_state");
        }
        if intent.refunded == intent.amount {
            return refusal("charge_already_refunded");
        }
        if amount == 0 || intent.refunded + amount > intent.amount {
            return refusal("amount_too_large");
        }
        intent.refunded += amount;
        intent.refunds += 1;
        (200, json!({"id": "re_1", "object": "refund", "amount": amount, "status": "succeeded"}))
    }
}

impl Intent {
    fn failed(&mut self, code: &str, decline_code: &str) -> (u16, Value) {
        let problem = json!({"type": "card_error", "code": code, "decline_code": decline_code});
        self.status = "requires_payment_method";
        self.error = Some(problem.clone());
        (402, json!({"error": problem}))
    }

    fn confirm(&mut self, form: &Form) -> (u16, Value) {
        if !["requires_payment_method", "requires_confirmation"].contains(&self.status) {
            return refusal("payment_intent_unexpected_state");
        }
        let token = value(form, "payment_method_data[card][token]")
            .filter(|_| value(form, "payment_method_data[type]") == Some("card"));
        let method = value(form, "payment_method").filter(|_| token.is_none());
        if value(form, "error_on_requires_action") != Some("true") {
            return refusal("parameter_missing");
        }
        self.status = match token.or(method).unwrap_or_default() {
            "pm_card_visa" | "tok_visa" => {
                self.captures += 1;
                "succeeded"
            }
            "pm_card_chargeDeclined" => return self.failed("card_declined", "generic_decline"),
            "pm_card_expired" => return self.failed("expired_card", "expired_card"),
            "pm_card_threeDSecure2Required" => {
                return self.failed("authentication_required", "authentication_required");
            }
            // As if the flag were unknown.
            "pm_card_asks_anyway" => "requires_action",
            "pm_card_slow" => "processing",
            _ => return refusal("resource_missing"),
        };
        (200, self.shown(false))
    }

    fn cancel(&mut self) -> (u16, Value) {
        if ["succeeded", "processing", "canceled"].contains(&self.status) {
            return refusal("payment_intent_unexpected_state");
        }
        self.status = "canceled";
        (200, self.shown(false))
    }
}
