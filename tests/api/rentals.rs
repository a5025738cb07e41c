//! `/v1/rentals`: whose they are, what may be asked of them, and what is refused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{TestApp, id, order};

#[tokio::test]
async fn two_customers_cannot_see_each_others_things() {
    let app = TestApp::start();
    let (owner, other, product) = (app.customer(1).await, app.customer(2).await, app.product(100, 5).await);
    let rental = owner.rented(&product).await;
    let (payment, delivery) = (rental["paymentId"].as_str().unwrap(), rental["deliveryId"].as_str().unwrap());
    let rental_id = id(&rental);
    let paths = [
        format!("/v1/rentals/{rental_id}"),
        format!("/v1/rentals/{rental_id}/timeline"),
        format!("/v1/mypage/{rental_id}"),
        format!("/v1/payments/{payment}"),
        format!("/v1/deliveries/{delivery}"),
    ];
    for path in &paths {
        owner.get(path).await.expect(200);
        other.get(path).await.problem(404, "not-found");
        app.anyone().get(path).await.problem(401, "unauthorized");
    }
    other.cancel(&rental).await.problem(404, "not-found");
    let method = json!({"paymentMethod": {"type": "CARD", "token": "tok_ok"}});
    other.post(&format!("/v1/rentals/{rental_id}/payment"), method).await.problem(404, "not-found");
    for list in ["/v1/rentals", "/v1/mypage", "/v1/payments", "/v1/deliveries", "/v1/notifications"] {
        assert_eq!(other.get(list).await.expect(200)["items"], json!([]), "{list}");
        app.anyone().get(list).await.problem(401, "unauthorized");
    }
    let by_rental = format!("/v1/payments?rentalId={rental_id}");
    assert_eq!(other.get(&by_rental).await.expect(200)["items"], json!([]));
    other.get(&format!("/v1/rentals?customerId={}", owner.id)).await.problem(403, "forbidden");
    let operator = app.operator();
    for path in paths.iter().filter(|path| !path.contains("mypage")) {
        operator.get(path).await.expect(200);
    }
    assert_eq!(owner.get(&paths[0]).await.expect(200)["status"], "CONFIRMED");
}

#[tokio::test]
async fn only_customers_rent() {
    let app = TestApp::start();
    let product = app.product(100, 5).await;
    app.anyone().rent(&product, "tok_ok").await.problem(401, "unauthorized");
    app.operator().rent(&product, "tok_ok").await.problem(403, "forbidden");
}

#[tokio::test]
async fn an_order_that_breaks_rules_names_every_field_and_charges_nothing() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let with = |pointer: &str, value: Value| {
        let mut body = order(&product, "tok_ok");
        *body.pointer_mut(pointer).unwrap() = value;
        let customer = customer.clone();
        async move { customer.post("/v1/rentals", body).await }
    };
    let long = Value::String("길".repeat(201));
    with("/address/postalCode", json!("0452")).await.invalid(&["/address/postalCode"]);
    with("/address/postalCode", json!("0452a")).await.invalid(&["/address/postalCode"]);
    with("/address/recipient", json!(" ")).await.invalid(&["/address/recipient"]);
    with("/address/line1", long).await.invalid(&["/address/line1"]);
    with("/address/line1", json!(null)).await.invalid(&["/address/line1"]);
    with("/address", json!({})).await.invalid(&["/address/recipient"]);
    with("/paymentMethod/token", json!("4242424242424242")).await.invalid(&["/paymentMethod/token"]);
    with("/paymentMethod/type", json!("CASH")).await.invalid(&["/paymentMethod/type"]);
    with("/productId", json!("nonsense")).await.problem(404, "product-not-found");
    with("/productId", json!("product_01m8566x4bf0b8xr8gp45nfe7c")).await.problem(404, "product-not-found");
    let both = json!({"recipient": "", "postalCode": "x", "line1": "길"});
    with("/address", both).await.invalid(&["/address/recipient", "/address/postalCode"]);
    assert_eq!(customer.get("/v1/rentals").await.expect(200)["items"], json!([]));
    assert_eq!(app.operator().get("/v1/operations/ledger").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn canceling_is_safe_to_repeat_and_refunds_once() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    let cancels = (0..16).map(|_| customer.cancel(&rental));
    for answer in futures_util::future::join_all(cancels).await {
        assert_eq!(answer.expect(200)["status"], "CANCELED");
    }
    customer.timeline_holds(&rental, "ProductIncreased").await;
    assert_eq!(app.ledger(&rental["paymentId"]).await, (1, 1));
    assert_eq!(customer.events(&rental).await.iter().filter(|e| *e == "RentalCanceled").count(), 1);
    app.stock_becomes(&product, 5).await;
}

#[tokio::test]
async fn the_operator_cancels_in_their_own_name() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    assert_eq!(app.operator().cancel(&rental).await.expect(200)["cancelReason"], "OPERATOR");
}

#[tokio::test]
async fn lists_are_filtered_and_go_on_by_cursor() {
    let app = TestApp::start();
    let (customer, other) = (app.customer(1).await, app.customer(2).await);
    let (first, second) = (app.product(100, 50).await, app.product(200, 50).await);
    let mut rentals = Vec::new();
    for product in [&first, &second, &first, &second, &first] {
        rentals.insert(0, customer.rent(product, "tok_ok").await.expect(201));
    }
    let foreign = other.rent(&first, "tok_ok").await;
    let position = foreign.header("saem-position").to_owned();
    let foreign = foreign.expect(201);
    let canceled = customer.cancel(&rentals[0]).await;
    let position =
        [position, canceled.header("saem-position").to_owned()].into_iter().max_by_key(|p| p.len()).unwrap();
    let ids = async |client: &crate::kit::Client, query: &str| -> Vec<String> {
        let request = client.request(Method::GET, &format!("/v1/rentals?{query}"));
        let list = crate::kit::Answer::of(request.header("saem-position", &position)).await.expect(200);
        list["items"].as_array().unwrap().iter().map(|rental| id(rental).to_owned()).collect()
    };
    let wanted = |indexes: &[usize]| -> Vec<String> {
        indexes.iter().map(|index| id(&rentals[*index]).to_owned()).collect()
    };
    customer.rental_becomes(&rentals[0], "CANCELED").await;
    assert_eq!(ids(&customer, "").await, wanted(&[0, 1, 2, 3, 4]));
    assert_eq!(ids(&customer, &format!("productId={second}")).await, wanted(&[1, 3]));
    assert_eq!(ids(&customer, "status=CONFIRMED&limit=2").await, wanted(&[1, 2]));
    assert_eq!(ids(&customer, "status=CANCELED").await, wanted(&[0]));
    let trace = foreign["correlationId"].as_str().unwrap();
    assert_eq!(ids(&app.operator(), &format!("correlationId={trace}")).await, [id(&foreign)]);
    assert_eq!(ids(&app.operator(), &format!("customerId={}", other.id)).await, [id(&foreign)]);
    assert_eq!(ids(&app.operator(), "").await.len(), 6);
    for query in ["status=ABSENT", "status=confirmed", "cursor=zz", "correlationId=x", "customerId=x", "x=y"]
    {
        customer.get(&format!("/v1/rentals?{query}")).await.problem(400, "invalid-request");
    }
    let page = customer.get("/v1/rentals?limit=3").await.expect(200);
    let next = page["nextCursor"].as_str().unwrap();
    assert_eq!(ids(&customer, &format!("limit=3&cursor={next}")).await, wanted(&[3, 4]));
}

#[tokio::test]
async fn the_timeline_is_paged_too() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 5).await);
    let rental = customer.rented(&product).await;
    let path = format!("/v1/rentals/{}/timeline?limit=3", id(&rental));
    let first = customer.get(&path).await.expect(200);
    let cursor = first["nextCursor"].as_str().unwrap();
    let second = customer.get(&format!("{path}&cursor={cursor}")).await.expect(200);
    assert_eq!((first["items"].as_array().unwrap().len(), second["items"].as_array().unwrap().len()), (3, 2));
    assert_eq!(second["nextCursor"], Value::Null);
}
