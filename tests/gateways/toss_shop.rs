//! A shop whose customers pay in the window of Toss Payments.

use std::path::Path;

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{
    Answer, Client, TestApp, eventually, id, order,
    toss::{Ends, SECRET, Toss},
};

/// A shop, a customer, and a product.
struct Works {
    toss: Toss,
    app: TestApp,
    customer: Client,
    product: String,
}

impl Works {
    async fn start() -> Self {
        let toss = Toss::start();
        let app = TestApp::with(|settings| toss.serve(settings));
        Self::of(toss, app).await
    }

    /// One that waits for no answer for long.
    async fn impatient() -> Self {
        let toss = Toss::start();
        let app = TestApp::impatient(|settings| toss.serve(settings));
        Self::of(toss, app).await
    }

    async fn of(toss: Toss, app: TestApp) -> Self {
        let (customer, product) = (app.customer(1).await, app.product(29_900, 100).await);
        Self { toss, app, customer, product }
    }

    async fn checkout(&self) -> Value {
        let body = json!({"productId": self.product});
        self.customer.post("/v1/checkouts", body).await.expect(201)
    }

    async fn checkout_again(&self, rental: &Value) -> Value {
        self.customer.post("/v1/checkouts", json!({"rentalId": id(rental)})).await.expect(201)
    }

    /// The customer pays in the window, as the checkout says.
    fn pays(&self, checkout: &Value, ends: Ends) -> Value {
        let fee = checkout["fee"].as_u64().unwrap();
        let payment_key = self.toss.pay(text(checkout, "orderId"), fee, ends);
        json!({"type": "TOSS", "paymentKey": payment_key, "checkoutId": checkout["checkoutId"]})
    }

    fn order(&self, method: &Value) -> Value {
        let mut order = order(&self.product, "");
        order["paymentMethod"] = method.clone();
        order
    }

    async fn place(&self, method: &Value) -> Answer {
        self.customer.post("/v1/rentals", self.order(method)).await
    }

    async fn keyed(&self, key: &str, body: &Value) -> Answer {
        let request = self.customer.request(Method::POST, "/v1/rentals").header("idempotency-key", key);
        Answer::of(request.json(body)).await
    }

    async fn pay_later(&self, rental: &Value, method: &Value) -> Answer {
        let path = format!("/v1/rentals/{}/payment", id(rental));
        self.customer.post(&path, json!({"paymentMethod": method})).await
    }

    /// Pays as soon as the last try's outcome is known.
    async fn pay_once_settled(&self, rental: &Value, method: &Value) -> Value {
        let paid = || async {
            let answer = self.pay_later(rental, method).await;
            let waits = answer.status == 409 && answer.body["type"] == "/problems/payment-in-progress";
            (!waits).then_some(answer)
        };
        eventually("the last try is settled", paid).await.expect(200)
    }

    async fn breaker(&self, mode: &str) {
        let request = self.app.operator().request(Method::PUT, "/v1/operations/payment/breaker");
        Answer::of(request.json(&json!({"mode": mode}))).await.expect(200);
    }

    /// A rental that was placed while the breaker was open: nothing was sent.
    async fn deferred(&self) -> Value {
        let method = self.pays(&self.checkout().await, Ends::Well);
        self.breaker("FORCED_OPEN").await;
        let rental = self.place(&method).await.expect(202);
        self.breaker("AUTO").await;
        rental
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap()
}

/// The same call was made before, and this is what came of it then.
fn replays(answer: Answer, status: u16, rental: &Value) {
    assert_eq!(answer.header("idempotency-replayed"), "true");
    assert_eq!(answer.expect(status), *rental);
}

#[tokio::test]
async fn a_rental_is_checked_out_paid_canceled_and_refunded() {
    let works = Works::start().await;
    let checkout = works.checkout().await;
    assert_eq!((&checkout["fee"], &checkout["currency"]), (&json!(29_900), &json!("KRW")));
    let payment_id = text(&checkout, "paymentId");
    assert_eq!(text(&checkout, "orderId"), format!("{payment_id}-1"));
    let rentals = works.customer.get("/v1/rentals").await.expect(200);
    assert_eq!(rentals["items"], json!([]), "nothing is recorded before it is paid");
    let method = works.pays(&checkout, Ends::Well);
    let rental = works.place(&method).await.expect(201);
    assert_eq!((&rental["status"], &rental["paymentId"]), (&json!("CONFIRMED"), &json!(payment_id)));
    let payment = works.customer.get(&format!("/v1/payments/{payment_id}")).await.expect(200);
    assert_eq!((&payment["provider"], &payment["attempts"]), (&json!("toss"), &json!(1)));
    assert_eq!(payment["providerReference"], method["paymentKey"]);
    assert_eq!(works.toss.books().kept_won(text(&checkout, "orderId")), 29_900);
    works.customer.cancel(&rental).await.expect(200);
    works.customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(works.toss.books().kept_won(text(&checkout, "orderId")), 0);
    assert_eq!(works.toss.moves(), (1, 1));
}

#[tokio::test]
async fn a_decline_leaves_nothing_behind_but_a_canceled_rental() {
    let works = Works::start().await;
    let method = works.pays(&works.checkout().await, Ends::Refused(403, "REJECT_CARD_PAYMENT"));
    works.place(&method).await.problem(402, "payment-declined");
    works.place(&method).await.problem(402, "payment-declined");
    let another = works.pays(&works.checkout().await, Ends::Well);
    works.place(&another).await.expect(201);
    assert_eq!(works.toss.moves(), (1, 0));
}

#[tokio::test]
async fn a_window_with_another_amount_takes_nothing_and_the_rental_can_be_paid_anew() {
    let works = Works::impatient().await;
    let checkout = works.checkout().await;
    let payment_key = works.toss.pay(text(&checkout, "orderId"), 100, Ends::Well);
    let cheap = json!({"type": "TOSS", "paymentKey": payment_key, "checkoutId": checkout["checkoutId"]});
    let rental = works.place(&cheap).await.expect(202);
    let second = works.checkout_again(&rental).await;
    assert_eq!(text(&second, "orderId"), format!("{}-2", text(&rental, "paymentId")));
    let method = works.pays(&second, Ends::Well);
    works.pay_later(&rental, &method).await.problem(409, "payment-in-progress");
    works.toss.books().expire();
    // The second window is as old by then.
    let third = works.pays(&works.checkout_again(&rental).await, Ends::Well);
    assert_eq!(works.pay_once_settled(&rental, &third).await["status"], "CONFIRMED");
    assert_eq!(works.toss.moves(), (1, 0));
}

#[tokio::test]
async fn an_answer_that_was_lost_is_found_and_not_charged_again() {
    let works = Works::impatient().await;
    for (n, ends) in (1..).zip([Ends::Lost, Ends::DoneBut(400, "PROVIDER_ERROR")]) {
        let method = works.pays(&works.checkout().await, ends);
        let rental = works.place(&method).await.expect(202);
        works.customer.rental_becomes(&rental, "CONFIRMED").await;
        replays(works.place(&method).await, 202, &rental);
        assert_eq!(works.toss.moves(), (n, 0));
    }
}

#[tokio::test]
async fn of_several_windows_for_one_order_the_one_that_was_confirmed_counts() {
    let works = Works::impatient().await;
    let rental = works.deferred().await;
    // A first window is declined inside Toss; the customer opens another one for the same attempt.
    let first = works.checkout_again(&rental).await;
    let second = works.checkout_again(&rental).await;
    assert_eq!(first["orderId"], second["orderId"], "else this shows nothing");
    let declined = works.toss.pay(text(&first, "orderId"), 29_900, Ends::Well);
    works.toss.books().abort(&declined);
    let lost = works.pays(&second, Ends::Lost);
    works.pay_later(&rental, &lost).await.expect(202);
    // A look at the order shows the first one: declined. What was sent was captured.
    let paid = works.customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(works.toss.moves(), (1, 0));
    works.customer.cancel(&paid).await.expect(200);
    works.customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(works.toss.moves(), (1, 1));
}

#[tokio::test]
async fn a_checkout_makes_one_rental_however_it_is_sent_and_a_restart_forgets_nothing() {
    let mut works = Works::start().await;
    let checkout = works.checkout().await;
    let body = works.order(&works.pays(&checkout, Ends::Well));
    let mut other = body.clone();
    other["address"]["recipient"] = json!("홍길순");
    let rental = works.keyed("a", &body).await.expect(201);
    let another = works.order(&works.pays(&works.checkout().await, Ends::Well));
    for _ in 0..2 {
        replays(works.keyed("a", &body).await, 201, &rental);
        replays(works.keyed("b", &body).await, 201, &rental);
        replays(works.customer.post("/v1/rentals", body.clone()).await, 201, &rental);
        // The checkout was used: what else the body says changes nothing any more.
        replays(works.customer.post("/v1/rentals", other.clone()).await, 201, &rental);
        for (key, body) in [("a", &other), ("a", &another), ("b", &another)] {
            works.keyed(key, body).await.problem(422, "idempotency-key-reused");
        }
        works.app.restart();
        works.customer.move_to(&works.app.url());
    }
    let rentals = works.customer.get("/v1/rentals").await.expect(200);
    assert_eq!(rentals["items"].as_array().unwrap().len(), 1);
    assert_eq!(works.toss.moves(), (1, 0));
    let second = works.customer.post("/v1/rentals", another).await.expect(201);
    assert_ne!(second["id"], rental["id"], "a checkout outlives a restart, too");
}

#[tokio::test]
async fn many_at_once_with_one_checkout_are_one_rental() {
    let works = Works::start().await;
    let method = works.pays(&works.checkout().await, Ends::Well);
    let answers = futures_util::future::join_all((0..8).map(|_| works.place(&method))).await;
    let mut rentals = Vec::new();
    for answer in answers {
        match answer.status {
            201 => rentals.push(answer.body["id"].clone()),
            _ => drop(answer.problem(409, "payment-in-progress")),
        }
    }
    rentals.dedup();
    assert_eq!(rentals.len(), 1);
    assert_eq!(works.toss.moves(), (1, 0));
}

#[tokio::test]
async fn paying_later_takes_a_checkout_of_its_own_and_charges_the_attempt_that_it_is_for() {
    let works = Works::start().await;
    let rental = works.deferred().await;
    let (first, second) = (works.checkout_again(&rental).await, works.checkout_again(&rental).await);
    let orders = [&first, &second].map(|checkout| text(checkout, "orderId").to_owned());
    let expected = format!("{}-2", text(&rental, "paymentId"));
    assert_eq!(orders, [expected.clone(), expected], "placing sent nothing, and was attempt 1");
    let (declined, overtaken) =
        (works.pays(&first, Ends::Refused(403, "REJECT_CARD_COMPANY")), works.pays(&second, Ends::Well));
    for _ in 0..2 {
        works.pay_later(&rental, &declined).await.problem(402, "payment-declined");
    }
    works.pay_later(&rental, &overtaken).await.problem(409, "checkout-expired");
    let third = works.pays(&works.checkout_again(&rental).await, Ends::Well);
    let paid = works.pay_later(&rental, &third).await.expect(200);
    assert_eq!(paid["status"], "CONFIRMED");
    replays(works.pay_later(&rental, &third).await, 200, &paid);
    works.pay_later(&rental, &declined).await.problem(402, "payment-declined");
    works.pay_later(&rental, &overtaken).await.problem(409, "rental-not-payable");
    assert_eq!(works.toss.moves(), (1, 0));
    let body = json!({"rentalId": id(&rental)});
    works.customer.post("/v1/checkouts", body).await.problem(409, "rental-not-payable");
    works.customer.cancel(&rental).await.expect(200);
    works.customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(works.toss.moves(), (1, 1));
}

#[tokio::test]
async fn a_checkout_is_its_customers_and_good_for_what_it_was_made_for() {
    let works = Works::start().await;
    let wrong = ["/paymentMethod/checkoutId"];
    let checkout = works.checkout().await;
    let method = works.pays(&checkout, Ends::Well);
    let stranger = works.app.customer(2).await;
    stranger.post("/v1/rentals", works.order(&method)).await.invalid(&wrong);
    let product = works.app.product(29_900, 5).await;
    let mut another = works.order(&method);
    another["productId"] = json!(product);
    works.customer.post("/v1/rentals", another).await.invalid(&wrong);
    let mut unknown = method.clone();
    unknown["checkoutId"] = json!("checkout_01kb3q5v8rf7k9x2m4n6p8q0st");
    works.place(&unknown).await.invalid(&wrong);

    let rental = works.deferred().await;
    let later = works.pays(&works.checkout_again(&rental).await, Ends::Well);
    works.place(&later).await.invalid(&wrong);
    works.pay_later(&rental, &method).await.invalid(&wrong);
    let second = works.deferred().await;
    works.pay_later(&second, &later).await.invalid(&wrong);
    stranger.post("/v1/checkouts", json!({"rentalId": id(&rental)})).await.problem(404, "not-found");
    let unknown = json!({"rentalId": "rental_01kb3q5v8rf7k9x2m4n6p8q0st"});
    stranger.post("/v1/checkouts", unknown).await.problem(404, "not-found");
    works
        .customer
        .post("/v1/checkouts", json!({"rentalId": "x", "productId": "x"}))
        .await
        .invalid(&["/rentalId"]);

    let path = format!("/v1/products/{}", works.product);
    let change = works.app.operator().request(Method::PATCH, &path).header("if-match", "*");
    Answer::of(change.json(&json!({"fee": 30_000}))).await.expect(200);
    works.place(&method).await.problem(409, "fee-changed");
    assert_eq!(works.toss.moves(), (0, 0));
}

#[tokio::test]
async fn a_checkout_is_refused_for_what_cannot_be_had() {
    let works = Works::start().await;
    let checkout = |product: &str| works.customer.post("/v1/checkouts", json!({"productId": product}));
    for unknown in ["nonsense", "product_01kb3q5v8rf7k9x2m4n6p8q0st"] {
        checkout(unknown).await.problem(404, "product-not-found");
    }
    checkout(&works.app.product(100, 0).await).await.problem(409, "out-of-stock");
    let withdrawn = works.app.product(100, 1).await;
    works.app.operator().call(Method::POST, &format!("/v1/products/{withdrawn}/withdraw")).await.expect(200);
    checkout(&withdrawn).await.problem(409, "product-withdrawn");
}

#[tokio::test]
async fn the_payment_provider_says_which_method_fits() {
    let works = Works::start().await;
    works.customer.rent(&works.product, "tok_ok").await.invalid(&["/paymentMethod/type"]);
    let method = works.pays(&works.checkout().await, Ends::Well);
    let simulated = TestApp::start();
    let (customer, product) = (simulated.customer(1).await, simulated.product(100, 1).await);
    let mut order = works.order(&method);
    order["productId"] = json!(product);
    customer.post("/v1/rentals", order.clone()).await.invalid(&["/paymentMethod/type"]);
    customer.post("/v1/checkouts", json!({"productId": product})).await.problem(409, "checkout-unavailable");
    let rules = [
        (json!({"type": "TOSS"}), vec!["/paymentMethod/paymentKey", "/paymentMethod/checkoutId"]),
        (json!({"type": "CARD"}), vec!["/paymentMethod/token"]),
        (json!({"type": "CASH"}), vec!["/paymentMethod/type"]),
        (json!({"type": "CARD", "token": "tok_ok", "paymentKey": "x"}), vec!["/paymentMethod/paymentKey"]),
        (json!({"type": "CARD", "token": "tok_ok", "checkoutId": null}), vec!["/paymentMethod/checkoutId"]),
        (json!({"type": "TOSS", "paymentKey": "x", "checkoutId": "x"}), vec!["/paymentMethod/checkoutId"]),
    ];
    for (method, pointers) in rules {
        order["paymentMethod"] = method;
        customer.post("/v1/rentals", order.clone()).await.invalid(&pointers);
    }
}

/// Every byte of every file below a directory.
fn files(directory: &Path) -> Vec<u8> {
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { std::fs::read(path).unwrap() }).collect()
}

#[tokio::test]
async fn neither_secret_nor_a_payment_key_that_was_not_sent_is_kept() {
    let mut works = Works::start().await;
    let refused = works.pays(&works.checkout().await, Ends::Well);
    let mut order = works.order(&refused);
    order["expectedFee"] = json!(1);
    works.customer.post("/v1/rentals", order).await.problem(409, "fee-changed");
    let approved = works.pays(&works.checkout().await, Ends::Well);
    works.place(&approved).await.expect(201);
    works.app.stop();
    let kept = files(&works.app.data());
    let holds = |text: &str| kept.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds(text(&approved, "paymentKey")), "it is what the capture is called");
    assert!(!holds(text(&refused, "paymentKey")) && !holds(SECRET));
}
