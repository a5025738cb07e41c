//! `/v1/products`.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::kit::{Answer, Client, TestApp, id};

fn purifier() -> Value {
    json!({"name": "맑은샘", "model": "MS-100", "description": "냉·온", "fee": 29_900, "stock": 3})
}

async fn change(operator: &Client, product: &str, tag: &str, body: Value) -> Answer {
    let request = operator.request(Method::PATCH, &format!("/v1/products/{product}"));
    Answer::of(request.header(header::IF_MATCH, tag).json(&body)).await
}

#[tokio::test]
async fn what_is_registered_is_browsed_by_anyone() {
    let app = TestApp::start();
    let answer = app.operator().post("/v1/products", purifier()).await;
    let location = answer.header("location").to_owned();
    let product = answer.expect(201);
    assert_eq!(location, format!("/v1/products/{}", id(&product)));
    assert_eq!(app.anyone().get(&location).await.expect(200), product);
    for (field, value) in [("fee", json!(29_900)), ("currency", json!("KRW")), ("available", json!(true))] {
        assert_eq!(product[field], value);
    }
    let list = app.anyone().get("/v1/products").await.expect(200);
    assert_eq!(list, json!({"items": [product], "nextCursor": null}));
}

#[tokio::test]
async fn only_the_operator_registers() {
    let app = TestApp::start();
    app.anyone().post("/v1/products", purifier()).await.problem(401, "unauthorized");
    app.customer(1).await.post("/v1/products", purifier()).await.problem(403, "forbidden");
    assert_eq!(app.anyone().get("/v1/products").await.expect(200)["items"], json!([]));
}

#[tokio::test]
async fn bounds_are_kept_on_both_sides() {
    let app = TestApp::start();
    let operator = app.operator();
    let with = |field: &str, value: Value| {
        let mut product = purifier();
        product[field] = value;
        let operator = operator.clone();
        async move { operator.post("/v1/products", product).await }
    };
    for (field, fits, too_low, too_high) in
        [("fee", [1, 100_000_000], 0, 100_000_001), ("stock", [0, 1_000_000], -1, 1_000_001)]
    {
        for value in fits {
            with(field, json!(value)).await.expect(201);
        }
        for value in [json!(too_low), json!(too_high), json!("1"), json!(1.5), json!(null)] {
            with(field, value).await.invalid(&[&format!("/{field}")]);
        }
    }
    for (field, max) in [("name", 100), ("model", 100), ("description", 2_000)] {
        with(field, json!("샘".repeat(max))).await.expect(201);
        with(field, json!("샘".repeat(max + 1))).await.invalid(&[&format!("/{field}")]);
    }
    let product = app.product(1, 1_000_000).await;
    let restock = format!("/v1/products/{product}/restock");
    for quantity in [0, 100_001] {
        app.operator().post(&restock, json!({"quantity": quantity})).await.invalid(&["/quantity"]);
    }
    let beyond = app.operator().post(&restock, json!({"quantity": 1})).await;
    assert_eq!(beyond.status, 400, "{}", beyond.body);
    assert_eq!(app.stock(&product).await, 1_000_000);
}

#[tokio::test]
async fn lists_are_newest_first_and_go_on_by_cursor() {
    let app = TestApp::start();
    let mut registered = Vec::new();
    for fee in 1..=5 {
        registered.insert(0, app.product(fee, 1).await);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/products?limit=2".to_owned();
    loop {
        let page = app.anyone().get(&path).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|product| id(product).to_owned()));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/v1/products?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, registered);
    for query in ["limit=0", "limit=101", "limit=x", "cursor=x", "available=maybe", "color=blue"] {
        app.anyone().get(&format!("/v1/products?{query}")).await.problem(400, "invalid-request");
    }
}

#[tokio::test]
async fn available_means_in_stock_and_not_withdrawn() {
    let app = TestApp::start();
    let (there, sold_out) = (app.product(1, 1).await, app.product(2, 0).await);
    let withdrawn = app.product(3, 1).await;
    let withdraw = format!("/v1/products/{withdrawn}/withdraw");
    for _ in 0..2 {
        let product = app.operator().call(Method::POST, &withdraw).await.expect(200);
        assert_eq!(product["available"], false);
    }
    let ids = |list: Value| -> Vec<String> {
        list["items"].as_array().unwrap().iter().map(|product| id(product).to_owned()).collect()
    };
    assert_eq!(
        ids(app.anyone().get("/v1/products?available=true").await.expect(200)),
        std::slice::from_ref(&there)
    );
    assert_eq!(
        ids(app.anyone().get("/v1/products?available=false").await.expect(200)),
        [withdrawn.clone(), sold_out.clone()]
    );
    let customer = app.customer(1).await;
    customer.rent(&withdrawn, "tok_ok").await.problem(409, "product-withdrawn");
    customer.rent(&sold_out, "tok_ok").await.problem(409, "out-of-stock");
    app.operator()
        .post(&format!("/v1/products/{sold_out}/restock"), json!({"quantity": 2}))
        .await
        .expect(200);
    customer.rent(&sold_out, "tok_ok").await.expect(201);
    assert_eq!(customer.get("/v1/rentals").await.expect(200)["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_edit_needs_the_etag_of_what_it_edits() {
    let app = TestApp::start();
    let (product, operator) = (app.product(100, 1).await, app.operator());
    let path = format!("/v1/products/{product}");
    let tag = app.anyone().get(&path).await.header("etag").to_owned();
    operator.patch(&path, json!({"fee": 200})).await.problem(428, "precondition-required");
    let answer = change(&operator, &product, &tag, json!({"fee": 200})).await;
    assert_ne!(answer.header("etag"), tag);
    let newer = answer.header("etag").to_owned();
    assert_eq!(answer.expect(200)["fee"], 200);
    let stale = change(&operator, &product, &tag, json!({"fee": 300})).await;
    stale.problem(412, "precondition-failed");
    change(&operator, &product, &newer, json!({"fee": 0})).await.invalid(&["/fee"]);
    // A stock move is no edit.
    app.customer(1).await.rented(&product).await;
    assert_eq!(app.anyone().get(&path).await.header("etag"), newer);
}

#[tokio::test]
async fn a_rental_keeps_the_fee_it_was_placed_for() {
    let app = TestApp::start();
    let (product, customer) = (app.product(100, 5).await, app.customer(1).await);
    let rental = customer.rented(&product).await;
    let tag = app.anyone().get(&format!("/v1/products/{product}")).await.header("etag").to_owned();
    change(&app.operator(), &product, &tag, json!({"fee": 200})).await.expect(200);
    let mut order = crate::kit::order(&product, "tok_ok");
    order["expectedFee"] = json!(100);
    customer.post("/v1/rentals", order.clone()).await.problem(409, "fee-changed");
    order["expectedFee"] = json!(200);
    assert_eq!(customer.post("/v1/rentals", order).await.expect(201)["fee"], 200);
    let path = format!("/v1/rentals/{}", id(&rental));
    assert_eq!(customer.get(&path).await.expect(200)["fee"], 100);
}

#[tokio::test]
async fn unknown_and_malformed_ids_are_not_found() {
    let app = TestApp::start();
    let customer = app.customer(1).await;
    let nobody = "00000000000000000000000000";
    for wrong in
        [&format!("product_{nobody}"), &format!("rental_{nobody}"), "x", "product_8zzzzzzzzzzzzzzzzzzzzzzzzz"]
    {
        app.anyone().get(&format!("/v1/products/{wrong}")).await.problem(404, "product-not-found");
        customer.rent(wrong, "tok_ok").await.problem(404, "product-not-found");
    }
}

#[tokio::test]
async fn what_is_known_is_not_sent_again_until_it_changes() {
    let app = TestApp::start();
    let (product, anyone) = (app.product(100, 5).await, app.anyone());
    let one = format!("/v1/products/{product}");
    let ask = async |path: &str, tag: &str| {
        Answer::of(anyone.request(Method::GET, path).header("if-none-match", tag)).await
    };
    for path in ["/v1/products", "/v1/products?available=true&limit=5", &one] {
        let first = anyone.get(path).await;
        let tag = first.header("etag").to_owned();
        for known in [tag.clone(), format!("W/{tag}"), format!("\"other\", {tag}"), "*".to_owned()] {
            let again = ask(path, &known).await;
            assert_eq!(
                (again.status, again.header("etag"), &again.body),
                (304, &*tag, &json!("")),
                "{known}"
            );
        }
        assert_eq!(ask(path, "\"other\"").await.expect(200), first.body);
    }
    let (listed, shown) = (anyone.get("/v1/products").await, anyone.get(&one).await);
    app.operator().post(&format!("{one}/restock"), json!({"quantity": 1})).await.expect(200);
    // The list tells of the stock; what an operator edits is as it was.
    assert_eq!(ask("/v1/products", listed.header("etag")).await.expect(200)["items"][0]["stock"], 6);
    assert_eq!(ask(&one, shown.header("etag")).await.status, 304);
    assert_eq!(shown.header("cache-control"), "no-store");
    let edit = app.operator().request(Method::PATCH, &one).header("if-match", "*");
    Answer::of(edit.json(&json!({"fee": 200}))).await.expect(200);
    assert_eq!(ask(&one, shown.header("etag")).await.expect(200)["fee"], 200);
}
