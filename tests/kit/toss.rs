//! A double of Toss Payments, strict about what it is sent: the window, and the three calls behind it.
//!
//! Its books are an oracle outside the shop. What a real one would let pass or punish much later (a call
//! without its idempotency key, a field that it does not know) is written down, and fails the test at its
//! end. A call that has arrived is carried out, whether or not anybody waits for the answer.

mod books;

use std::{
    net::TcpListener,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::StatusCode,
    web::{self, Bytes, Data, Path},
};
use saem::config::{Secret, Settings};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

pub use self::books::{Books, Ends};

/// Whose secret key it knows.
pub const SECRET: &str = "test_sk_saem";
/// `printf 'test_sk_saem:' | base64`
const AUTHORIZATION: &str = "Basic dGVzdF9za19zYWVtOg==";

/// The double; it ends with the test.
pub struct Toss {
    pub url: String,
    desk: Arc<Desk>,
    handle: ServerHandle,
    thread: Option<JoinHandle<()>>,
}

struct Desk {
    books: Mutex<Books>,
    /// One for each call that is held and may go on.
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
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (started, ready) = mpsc::channel();
        let data = Data::new(Arc::clone(&desk));
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let app = move || {
                    App::new()
                        .app_data(data.clone())
                        .route("/v1/payments/confirm", web::post().to(confirm))
                        .route("/v1/payments/{payment_key}/cancel", web::post().to(cancel))
                        .route("/v1/payments/orders/{order_id}", web::get().to(look))
                        .route("/v1/payments/{payment_key}", web::get().to(look))
                        .default_service(web::to(stray))
                };
                let server =
                    HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run();
                started.send(server.handle()).unwrap();
                server.await.unwrap();
            });
        });
        let handle = ready.recv().expect("it starts");
        Self { url, desk, handle, thread: Some(thread) }
    }

    /// Has a shop take its money here.
    pub fn serve(&self, settings: &mut Settings) {
        settings.payment.provider = "toss".to_owned();
        settings.payment.toss.secret_key = Some(Secret(SECRET.to_owned()));
        settings.payment.toss.url.clone_from(&self.url);
    }

    /// What it has taken, and how it behaves from now on. Others wait while this is looked at.
    pub fn books(&self) -> MutexGuard<'_, Books> {
        self.desk.books()
    }

    /// How often money was taken, and given back.
    pub fn moves(&self) -> (u32, u32) {
        let books = self.books();
        (books.captures, books.refunds)
    }

    /// The customer pays in the window: authorized, and to be confirmed. Answers the payment's key.
    pub fn pay(&self, order: &str, won: u64, ends: Ends) -> String {
        self.books().open(order, won, ends)
    }

    /// Lets one held call go on.
    pub fn release(&self) {
        self.desk.held.add_permits(1);
    }
}

impl Drop for Toss {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || std::thread::panicking(), "the double ends well");
        }
        let wrong = self.books().wrong.clone();
        assert!(wrong.is_empty() || std::thread::panicking(), "what it was sent was wrong: {wrong:?}");
    }
}

type Answer = (u16, Value);

pub fn refusal(status: u16, code: &str) -> Answer {
    (status, json!({"code": code, "message": "사람이 읽는 메시지"}))
}

fn response((status, body): Answer) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).json(body)
}

fn known(request: &HttpRequest) -> Result<(), Answer> {
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
