//! Strict double of Toss Payments: the payment window, and the three calls behind it.
//!
//! Its books are an oracle outside the shop. It records calls that the real one would accept or punish much
//! later (without an idempotency key, with an unknown field), and these fail the test at its end. A call that
//! has arrived is carried out, even if its caller has gone.

mod books;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    web::{self, Bytes, Data, Path},
};
use saem::internal::config::{Secret, Settings};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub use self::books::{Books, Ends};
use super::{
    Client,
    doubles::{Served, serve},
    order, text,
};

/// The only secret key that it accepts.
pub const SECRET: &str = "test_sk_saem";
/// `printf 'test_sk_saem:' | base64`
const AUTHORIZATION: &str = "Basic dGVzdF9za19zYWVtOg==";

/// The double. When it is dropped, calls that were not as agreed fail the test.
pub struct Toss {
    pub url: String,
    desk: Arc<Desk>,
    served: Option<Served>,
}

struct Desk {
    books: Mutex<Books>,
    /// One permit for each held call that may continue.
    held: Semaphore,
}

impl Desk {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Toss {
    pub fn start() -> Self {
        let desk = Arc::new(Desk { books: Mutex::default(), held: Semaphore::new(0) });
        let data = Data::new(Arc::clone(&desk));
        let served = serve(move |config| {
            config
                .app_data(data.clone())
                .route("/v1/payments/confirm", web::post().to(confirm))
                .route("/v1/payments/{payment_key}/cancel", web::post().to(cancel))
                .route("/v1/payments/orders/{order_id}", web::get().to(look))
                .route("/v1/payments/{payment_key}", web::get().to(look))
                .default_service(web::to(stray));
        });
        Self { url: served.url.clone(), desk, served: Some(served) }
    }

    /// Makes this the payment provider.
    pub fn serve(&self, settings: &mut Settings) {
        settings.payment.provider = "toss".to_owned();
        settings.payment.toss.secret_key = Some(Secret(SECRET.to_owned()));
        settings.payment.toss.url.clone_from(&self.url);
    }

    /// Locks the books: calls wait meanwhile.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.desk.books()
    }

    /// Captures and refunds.
    pub fn moves(&self) -> (u32, u32) {
        let books = self.books();
        (books.captures, books.refunds)
    }

    /// Authorizes a payment in the window, to be confirmed, and returns its key.
    pub fn pay(&self, order: &str, won: u64, ends: Ends) -> String {
        self.books().open(order, won, ends)
    }

    /// Lets one held call continue.
    pub fn release(&self) {
        self.desk.held.add_permits(1);
    }

    /// Pays a checkout in the window, and returns the payment method for the order.
    pub fn pay_checkout(&self, checkout: &Value, ends: Ends) -> Value {
        let payment_key = self.pay(text(checkout, "orderId"), checkout["fee"].as_u64().unwrap(), ends);
        json!({"type": "TOSS", "paymentKey": payment_key, "checkoutId": checkout["checkoutId"]})
    }

    /// Opens a checkout and pays it in the window; `purchase` is a product or a rental.
    pub async fn check_out(&self, customer: &Client, purchase: Value, ends: Ends) -> Value {
        let checkout = customer.post("/v1/checkouts", purchase).await.expect(201);
        self.pay_checkout(&checkout, ends)
    }
}

impl Drop for Toss {
    fn drop(&mut self) {
        drop(self.served.take());
        let wrong = self.books().wrong.clone();
        assert!(wrong.is_empty() || std::thread::panicking(), "calls that were not as agreed: {wrong:?}");
    }
}

pub fn order_with(product: &str, method: &Value) -> Value {
    let mut order = order(product, "");
    order["paymentMethod"] = method.clone();
    order
}

type StatusAndBody = (u16, Value);

pub fn refusal(status: u16, code: &str) -> StatusAndBody {
    (status, json!({"code": code, "message": "사람이 읽는 메시지"}))
}

fn response((status, body): StatusAndBody) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(body)
}

fn known(request: &HttpRequest) -> Result<(), StatusAndBody> {
    let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if sent == Some(AUTHORIZATION) { Ok(()) } else { Err(refusal(401, "UNAUTHORIZED_KEY")) }
}

async fn stray(desk: Data<Arc<Desk>>, request: HttpRequest) -> HttpResponse {
    desk.books().wrong.push(format!("{} {}", request.method(), request.uri()));
    response(refusal(404, "NOT_FOUND"))
}

async fn look(desk: Data<Arc<Desk>>, request: HttpRequest, order: Path<String>) -> HttpResponse {
    response(known(&request).err().unwrap_or_else(|| desk.books().look(&order)))
}

async fn confirm(desk: Data<Arc<Desk>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    once(&desk, &request, body, |books, body| books.confirm(body)).await
}

async fn cancel(
    desk: Data<Arc<Desk>>,
    request: HttpRequest,
    payment_key: Path<String>,
    body: Bytes,
) -> HttpResponse {
    once(&desk, &request, body, move |books, body| books.cancel(&payment_key, body)).await
}

/// Carries out a POST, unless its idempotency key was seen before at this address.
async fn once(
    desk: &Data<Arc<Desk>>,
    request: &HttpRequest,
    body: Bytes,
    work: impl FnOnce(&mut Books, &Value) -> Ends + 'static,
) -> HttpResponse {
    if let Err(refused) = known(request) {
        return response(refused);
    }
    let key = request.headers().get("idempotency-key").and_then(|value| value.to_str().ok());
    let Some(key) = key.filter(|key| (1..=300).contains(&key.len())) else {
        desk.books().wrong.push(format!("{} without a fitting idempotency key", request.path()));
        return response(refusal(400, "INVALID_IDEMPOTENCY_KEY"));
    };
    let at = format!("{key} {}", request.path());
    if let Some(before) = desk.books().begin(&at) {
        return response(before);
    }
    let (desk, body) = (Arc::clone(desk), serde_json::from_slice(&body).unwrap_or(Value::Null));
    let carried_out = actix_web::rt::spawn(async move {
        if desk.books().holds(&body) {
            desk.held.acquire().await.unwrap().forget();
        }
        let mut books = desk.books();
        let ends = work(&mut books, &body);
        books.end(at, ends)
    });
    match carried_out.await.unwrap() {
        Some(answer) => response(answer),
        None => std::future::pending().await,
    }
}
