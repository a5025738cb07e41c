//! Products over HTTP: `/v1/products`.

use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::kit::{Answer, Client, TestApp, id, order};

fn purifier() -> Value {
    json!({"name": "맑은샘", "model": "MS-100", "description": "냉·온", "fee": 29_900, "stock": 3})
}

async fn change(operator: &Client, product: &str, tag: &str, body: Value) -> Answer {
    let request = operator.request(Method::PATCH, &format!("/v1/products/{product}"));
    Answer::of(request.header(header::IF_MATCH, tag).json(&body)).await
}

#[tokio::test]
async fn registered_product_is_listed_for_anybody() {
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
async fn restock_beyond_the_largest_stock_is_refused() {
    let app = TestApp::start();
    let product = app.product(1, 1_000_000).await;
    let beyond = app.operator().restock(&product, 1).await;
    assert_eq!(beyond.status, 400, "{}", beyond.body);
    assert_eq!(app.stock(&product).await, 1_000_000);
}

#[tokio::test]
async fn available_products_are_in_stock_and_not_withdrawn() {
    let app = TestApp::start();
    let (there, sold_out) = (app.product(1, 1).await, app.product(2, 0).await);
    let withdrawn = app.product(3, 1).await;
    let withdraw = format!("/v1/products/{withdrawn}/withdraw");
    for _ in 0..2 {
        let product = app.operator().call(Method::POST, &withdraw).await.expect(200);
        assert_eq!(product["available"], false);
    }
    for (available, expected) in [(true, vec![&there]), (false, vec![&withdrawn, &sold_out])] {
        let found = app.anyone().items(&format!("/v1/products?available={available}")).await;
        assert!(found.iter().map(id).eq(expected), "{found:?}");
    }
    let customer = app.customer(1).await;
    customer.rent(&withdrawn, "tok_ok").await.problem(409, "product-withdrawn");
    customer.rent(&sold_out, "tok_ok").await.problem(409, "out-of-stock");
    app.operator().restock(&sold_out, 2).await.expect(200);
    customer.rent(&sold_out, "tok_ok").await.expect(201);
    assert_eq!(customer.items("/v1/rentals").await.len(), 1);
}

#[tokio::test]
async fn edit_needs_the_current_etag() {
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
    // A stock move is not an edit.
    app.customer(1).await.rented(&product).await;
    assert_eq!(app.anyone().get(&path).await.header("etag"), newer);
}

#[tokio::test]
async fn rental_keeps_the_fee_it_was_placed_for() {
    let app = TestApp::start();
    let (product, customer) = (app.product(100, 5).await, app.customer(1).await);
    let rental = customer.rented(&product).await;
    let tag = app.anyone().get(&format!("/v1/products/{product}")).await.header("etag").to_owned();
    change(&app.operator(), &product, &tag, json!({"fee": 200})).await.expect(200);
    let mut order = order(&product, "tok_ok");
    order["expectedFee"] = json!(100);
    customer.post("/v1/rentals", order.clone()).await.problem(409, "fee-changed");
    order["expectedFee"] = json!(200);
    assert_eq!(customer.post("/v1/rentals", order).await.expect(201)["fee"], 200);
    let path = format!("/v1/rentals/{}", id(&rental));
    assert_eq!(customer.get(&path).await.expect(200)["fee"], 100);
}

#[tokio::test]
async fn unchanged_product_is_not_sent_again() {
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
    app.operator().restock(&product, 1).await.expect(200);
    // The list shows the stock; the offer, which an operator edits, is unchanged.
    assert_eq!(ask("/v1/products", listed.header("etag")).await.expect(200)["items"][0]["stock"], 6);
    assert_eq!(ask(&one, shown.header("etag")).await.status, 304);
    assert_eq!(shown.header("cache-control"), "no-store");
    let edit = app.operator().request(Method::PATCH, &one).header("if-match", "*");
    Answer::of(edit.json(&json!({"fee": 200}))).await.expect(200);
    assert_eq!(ask(&one, shown.header("etag")).await.expect(200)["fee"], 200);
}
