//! A shop whose customers pay in the window of Toss Payments.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{
    Answer, Client, TestApp, contains, eventually, files, id, text,
    toss::{Ends, SECRET, Toss, order_with},
};

struct Shop {
    toss: Toss,
    app: TestApp,
    customer: Client,
    product: String,
}

impl Shop {
    async fn start() -> Self {
        let toss = Toss::start();
        let app = TestApp::with(|settings| toss.serve(settings));
        Self::of(toss, app).await
    }

    /// With short payment deadlines.
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
        self.customer.post("/v1/checkouts", json!({"productId": self.product})).await.expect(201)
    }

    async fn checkout_again(&self, rental: &Value) -> Value {
        self.customer.post("/v1/checkouts", json!({"rentalId": id(rental)})).await.expect(201)
    }

    /// A new checkout, paid in the window.
    async fn paid(&self, ends: Ends) -> Value {
        self.toss.pay_checkout(&self.checkout().await, ends)
    }

    /// A checkout for the rental, paid in the window.
    async fn paid_again(&self, rental: &Value, ends: Ends) -> Value {
        self.toss.pay_checkout(&self.checkout_again(rental).await, ends)
    }

    fn order(&self, method: &Value) -> Value {
        order_with(&self.product, method)
    }

    async fn place(&self, method: &Value) -> Answer {
        self.customer.post("/v1/rentals", self.order(method)).await
    }

    async fn pay_later(&self, rental: &Value, method: &Value) -> Answer {
        self.customer.pay_with(rental, method.clone()).await
    }

    /// Pays as soon as the outcome of the last attempt is known.
    async fn pay_once_settled(&self, rental: &Value, method: &Value) -> Value {
        let paid = || async {
            let answer = self.pay_later(rental, method).await;
            let waits = answer.status == 409 && answer.body["type"] == "/problems/payment-in-progress";
            (!waits).then_some(answer)
        };
        eventually("the last attempt is settled", paid).await.expect(200)
    }

    /// A rental that was placed while the breaker was open: nothing was sent.
    async fn deferred(&self) -> Value {
        let method = self.paid(Ends::Well).await;
        self.app.operator().deferring(self.place(&method)).await.expect(202)
    }
}

/// Asserts that the answer repeats an earlier one.
fn replays(answer: Answer, status: u16, rental: &Value) {
    assert!(answer.is_replayed());
    assert_eq!(answer.expect(status), *rental);
}

#[tokio::test]
async fn rental_is_checked_out_paid_and_refunded() {
    let shop = Shop::start().await;
    let checkout = shop.checkout().await;
    assert_eq!((&checkout["fee"], &checkout["currency"]), (&json!(29_900), &json!("KRW")));
    let payment_id = text(&checkout, "paymentId");
    assert_eq!(text(&checkout, "orderId"), format!("{payment_id}-1"));
    assert_eq!(shop.customer.items("/v1/rentals").await.len(), 0, "nothing is recorded before it is paid");
    let method = shop.toss.pay_checkout(&checkout, Ends::Well);
    let rental = shop.place(&method).await.expect(201);
    assert_eq!((&rental["status"], &rental["paymentId"]), (&json!("CONFIRMED"), &json!(payment_id)));
    let payment = shop.customer.get(&format!("/v1/payments/{payment_id}")).await.expect(200);
    assert_eq!((&payment["provider"], &payment["attempts"]), (&json!("toss"), &json!(1)));
    assert_eq!(payment["providerReference"], method["paymentKey"]);
    assert_eq!(shop.toss.books().kept_won(text(&checkout, "orderId")), 29_900);
    shop.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(shop.toss.books().kept_won(text(&checkout, "orderId")), 0);
    assert_eq!(shop.toss.moves(), (1, 1));
}

#[tokio::test]
async fn decline_is_final_and_another_checkout_succeeds() {
    let shop = Shop::start().await;
    let method = shop.paid(Ends::Refused(403, "REJECT_CARD_PAYMENT")).await;
    shop.place(&method).await.problem(402, "payment-declined");
    shop.place(&method).await.problem(402, "payment-declined");
    let another = shop.paid(Ends::Well).await;
    shop.place(&another).await.expect(201);
    assert_eq!(shop.toss.moves(), (1, 0));
}

#[tokio::test]
async fn window_with_another_amount_captures_nothing() {
    let shop = Shop::impatient().await;
    let checkout = shop.checkout().await;
    let payment_key = shop.toss.pay(text(&checkout, "orderId"), 100, Ends::Well);
    let cheap = json!({"type": "TOSS", "paymentKey": payment_key, "checkoutId": checkout["checkoutId"]});
    let rental = shop.place(&cheap).await.expect(202);
    let second = shop.checkout_again(&rental).await;
    assert_eq!(text(&second, "orderId"), format!("{}-2", text(&rental, "paymentId")));
    let method = shop.toss.pay_checkout(&second, Ends::Well);
    shop.pay_later(&rental, &method).await.problem(409, "payment-in-progress");
    shop.toss.books().expire();
    // The second window has expired, too.
    let third = shop.paid_again(&rental, Ends::Well).await;
    assert_eq!(shop.pay_once_settled(&rental, &third).await["status"], "CONFIRMED");
    assert_eq!(shop.toss.moves(), (1, 0));
}

#[tokio::test]
async fn lost_answer_is_found_and_not_charged_again() {
    let shop = Shop::impatient().await;
    for (n, ends) in (1..).zip([Ends::Lost, Ends::DoneBut(400, "PROVIDER_ERROR")]) {
        let method = shop.paid(ends).await;
        let rental = shop.place(&method).await.expect(202);
        shop.customer.rental_becomes(&rental, "CONFIRMED").await;
        replays(shop.place(&method).await, 202, &rental);
        assert_eq!(shop.toss.moves(), (n, 0));
    }
}

#[tokio::test]
async fn of_two_windows_for_one_order_the_confirmed_one_counts() {
    let shop = Shop::impatient().await;
    let rental = shop.deferred().await;
    // A first window is declined inside Toss; the customer opens another one for the same attempt.
    let first = shop.checkout_again(&rental).await;
    let second = shop.checkout_again(&rental).await;
    assert_eq!(first["orderId"], second["orderId"], "both windows are for one order");
    let declined = shop.toss.pay(text(&first, "orderId"), 29_900, Ends::Well);
    shop.toss.books().abort(&declined);
    let lost = shop.toss.pay_checkout(&second, Ends::Lost);
    shop.pay_later(&rental, &lost).await.expect(202);
    // A lookup by the order shows the first one, which is declined. The second was captured.
    let paid = shop.customer.rental_becomes(&rental, "CONFIRMED").await;
    assert_eq!(shop.toss.moves(), (1, 0));
    shop.customer.cancel(&paid).await.expect(200);
    shop.customer.timeline_holds(&rental, "PaymentCanceled").await;
    assert_eq!(shop.toss.moves(), (1, 1));
}

#[tokio::test]
async fn checkout_makes_one_rental_across_keys_and_restarts() {
    let mut shop = Shop::start().await;
    let checkout = shop.checkout().await;
    let body = shop.order(&shop.toss.pay_checkout(&checkout, Ends::Well));
    let mut other = body.clone();
    other["address"]["recipient"] = json!("홍길순");
    let rental = shop.customer.post_keyed("/v1/rentals", "a", &body).await.expect(201);
    let another = shop.order(&shop.paid(Ends::Well).await);
    for _ in 0..2 {
        replays(shop.customer.post_keyed("/v1/rentals", "a", &body).await, 201, &rental);
        replays(shop.customer.post_keyed("/v1/rentals", "b", &body).await, 201, &rental);
        replays(shop.customer.post("/v1/rentals", body.clone()).await, 201, &rental);
        // The checkout was used: another body changes nothing.
        replays(shop.customer.post("/v1/rentals", other.clone()).await, 201, &rental);
        for (key, body) in [("a", &other), ("a", &another), ("b", &another)] {
            shop.customer.post_keyed("/v1/rentals", key, body).await.problem(422, "idempotency-key-reused");
        }
        shop.app.restart();
        shop.customer.move_to(&shop.app.url());
    }
    assert_eq!(shop.customer.items("/v1/rentals").await.len(), 1);
    assert_eq!(shop.toss.moves(), (1, 0));
    let second = shop.customer.post("/v1/rentals", another).await.expect(201);
    assert_ne!(second["id"], rental["id"], "a checkout outlives a restart, too");
}

#[tokio::test]
async fn concurrent_orders_with_one_checkout_are_one_rental() {
    let shop = Shop::start().await;
    let method = shop.paid(Ends::Well).await;
    let answers = join_all((0..8).map(|_| shop.place(&method))).await;
    let mut rentals = Vec::new();
    for answer in answers {
        match answer.status {
            201 => rentals.push(answer.body["id"].clone()),
            _ => drop(answer.problem(409, "payment-in-progress")),
        }
    }
    rentals.dedup();
    assert_eq!(rentals.len(), 1);
    assert_eq!(shop.toss.moves(), (1, 0));
}

#[tokio::test]
async fn paying_later_needs_its_own_checkout() {
    let shop = Shop::start().await;
    let rental = shop.deferred().await;
    let (first, second) = (shop.checkout_again(&rental).await, shop.checkout_again(&rental).await);
    let orders = [&first, &second].map(|checkout| text(checkout, "orderId").to_owned());
    let expected = format!("{}-2", text(&rental, "paymentId"));
    assert_eq!(orders, [expected.clone(), expected], "placing sent nothing, and was attempt 1");
    let (declined, overtaken) = (
        shop.toss.pay_checkout(&first, Ends::Refused(403, "REJECT_CARD_COMPANY")),
        shop.toss.pay_checkout(&second, Ends::Well),
    );
    for _ in 0..2 {
        shop.pay_later(&rental, &declined).await.problem(402, "payment-declined");
    }
    shop.pay_later(&rental, &overtaken).await.problem(409, "checkout-expired");
    let third = shop.paid_again(&rental, Ends::Well).await;
    let paid = shop.pay_later(&rental, &third).await.expect(200);
    assert_eq!(paid["status"], "CONFIRMED");
    replays(shop.pay_later(&rental, &third).await, 200, &paid);
    shop.pay_later(&rental, &declined).await.problem(402, "payment-declined");
    shop.pay_later(&rental, &overtaken).await.problem(409, "rental-not-payable");
    assert_eq!(shop.toss.moves(), (1, 0));
    let body = json!({"rentalId": id(&rental)});
    shop.customer.post("/v1/checkouts", body).await.problem(409, "rental-not-payable");
    shop.customer.cancel_until(&rental, "PaymentCanceled").await;
    assert_eq!(shop.toss.moves(), (1, 1));
}

#[tokio::test]
async fn checkout_is_valid_for_its_customer_and_purchase_only() {
    let shop = Shop::start().await;
    let wrong = ["/paymentMethod/checkoutId"];
    let checkout = shop.checkout().await;
    let method = shop.toss.pay_checkout(&checkout, Ends::Well);
    let stranger = shop.app.customer(2).await;
    stranger.post("/v1/rentals", shop.order(&method)).await.invalid(&wrong);
    let product = shop.app.product(29_900, 5).await;
    let mut another = shop.order(&method);
    another["productId"] = json!(product);
    shop.customer.post("/v1/rentals", another).await.invalid(&wrong);
    let mut unknown = method.clone();
    unknown["checkoutId"] = json!("checkout_01kb3q5v8rf7k9x2m4n6p8q0st");
    shop.place(&unknown).await.invalid(&wrong);

    let rental = shop.deferred().await;
    let later = shop.paid_again(&rental, Ends::Well).await;
    shop.place(&later).await.invalid(&wrong);
    shop.pay_later(&rental, &method).await.invalid(&wrong);
    let second = shop.deferred().await;
    shop.pay_later(&second, &later).await.invalid(&wrong);
    stranger.post("/v1/checkouts", json!({"rentalId": id(&rental)})).await.problem(404, "not-found");
    let unknown = json!({"rentalId": "rental_01kb3q5v8rf7k9x2m4n6p8q0st"});
    stranger.post("/v1/checkouts", unknown).await.problem(404, "not-found");
    let both = json!({"rentalId": "x", "productId": "x"});
    shop.customer.post("/v1/checkouts", both).await.invalid(&["/rentalId"]);

    let path = format!("/v1/products/{}", shop.product);
    let change = shop.app.operator().request(Method::PATCH, &path).header("if-match", "*");
    Answer::of(change.json(&json!({"fee": 30_000}))).await.expect(200);
    shop.place(&method).await.problem(409, "fee-changed");
    assert_eq!(shop.toss.moves(), (0, 0));
}

#[tokio::test]
async fn checkout_of_an_unavailable_product_is_refused() {
    let shop = Shop::start().await;
    let checkout = |product: &str| shop.customer.post("/v1/checkouts", json!({"productId": product}));
    for unknown in ["nonsense", "product_01kb3q5v8rf7k9x2m4n6p8q0st"] {
        checkout(unknown).await.problem(404, "product-not-found");
    }
    checkout(&shop.app.product(100, 0).await).await.problem(409, "out-of-stock");
    let withdrawn = shop.app.product(100, 1).await;
    shop.app.operator().call(Method::POST, &format!("/v1/products/{withdrawn}/withdraw")).await.expect(200);
    checkout(&withdrawn).await.problem(409, "product-withdrawn");
}

#[tokio::test]
async fn methods_of_another_provider_are_invalid() {
    let shop = Shop::start().await;
    shop.customer.rent(&shop.product, "tok_ok").await.invalid(&["/paymentMethod/type"]);
    let method = shop.paid(Ends::Well).await;
    let simulated = TestApp::start();
    let (customer, product) = (simulated.customer(1).await, simulated.product(100, 1).await);
    let mut order = shop.order(&method);
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

#[tokio::test]
async fn secret_and_unused_payment_keys_are_not_stored() {
    let mut shop = Shop::start().await;
    let refused = shop.paid(Ends::Well).await;
    let mut order = shop.order(&refused);
    order["expectedFee"] = json!(1);
    shop.customer.post("/v1/rentals", order).await.problem(409, "fee-changed");
    let approved = shop.paid(Ends::Well).await;
    shop.place(&approved).await.expect(201);
    shop.app.stop();
    let stored = files(&shop.app.data());
    let holds = |text: &str| contains(&stored, text);
    assert!(holds(text(&approved, "paymentKey")), "it is the reference of the capture");
    assert!(!holds(text(&refused, "paymentKey")) && !holds(SECRET));
}
