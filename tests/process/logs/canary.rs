//! No personal data, secret or token is logged, at any level, in any situation.

use std::fs::File;

use reqwest::Method;
use serde_json::json;

use crate::kit::{Answer, Client, SHORT_DEADLINES, Site, gateway::Gateway, id, operator_key, text, until};

const NAME: &str = "독고카나리";
const RECIPIENT: &str = "선우카나리";
const LINE_1: &str = "서울 카나리구 참새로 71";
const LINE_2: &str = "둥지아파트 3동";
const NEW_NAME: &str = "제갈카나리";
const PASSWORD: &str = "canary-password";
const WRONG: &str = "canary-wrong-password";
const PHONE: &str = "010-2738-4951";
const TOKENS: [&str; 4] = ["tok_ok", "tok_decline", "tok_lost_response", "tok_canary"];

/// Spellings of a text in a log: plain, escaped bytes, numbers, URL, Unicode escapes.
fn spellings(text: &str) -> Vec<String> {
    let escaped: String = text.bytes().map(|byte| std::ascii::escape_default(byte).to_string()).collect();
    let listed: Vec<String> = text.bytes().map(|byte| byte.to_string()).collect();
    let in_url: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let unicode: String = text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    vec![text.to_owned(), escaped.replace('\\', "\\\\"), escaped, listed.join(", "), in_url, unicode]
}

async fn order(customer: &Client, product: &str, token: &str) -> Answer {
    let address = json!({"recipient": RECIPIENT, "postalCode": "04524", "line1": LINE_1, "line2": LINE_2});
    let method = json!({"type": "CARD", "token": token});
    customer
        .post("/v1/rentals", json!({"productId": product, "address": address, "paymentMethod": method}))
        .await
}

/// Sends bodies with a syntax error, a name too long and an unknown field.
async fn send_unreadable(anyone: &Client) {
    let malformed = format!(r#"{{"name": "{NAME}", "phone": "{PHONE}", "password": "{PASSWORD}",, }}"#);
    let request = anyone.request(Method::POST, "/v1/customers").header("content-type", "application/json");
    assert_eq!(Answer::of(request.body(malformed)).await.status, 400);
    let long =
        json!({"name": NAME.repeat(50), "phone": format!("{PHONE}x"), "password": PASSWORD, "x": NAME});
    assert_eq!(anyone.post("/v1/customers", long).await.status, 400);
    assert_eq!(anyone.get("/v1/customers/me").await.status, 401);
}

#[track_caller]
fn hides(log: &str, secrets: &[&str]) {
    let mut hidden = vec![NAME, NEW_NAME, RECIPIENT, LINE_1, LINE_2, PASSWORD, WRONG];
    hidden.extend(secrets);
    hidden.extend(TOKENS);
    hidden.extend(["canary-gateway-key", PHONE, "01027384951", "1027384951", "27384951", "2738 4951"]);
    let mut found = Vec::new();
    for text in hidden.iter().flat_map(|text| spellings(text)) {
        let lines = log.lines().filter(|line| line.contains(&text));
        found.extend(lines.take(3).map(|line| format!("{text}: {line}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[tokio::test]
async fn nothing_personal_or_secret_is_logged() {
    let directory = tempfile::tempdir().unwrap();
    let gateway_log = directory.path().join("gateway.log");
    let loud = [("SAEM_LOG", "trace"), ("SAEM_PAYMENT__KEY", "canary-gateway-key")];
    let log = File::create(&gateway_log).unwrap().into();
    let gateway = Gateway::start_logging("127.0.0.1:0", directory.path(), &loud, log).await;
    let settings = [
        ("SAEM_FAULTS__ENABLED", "true"),
        ("SAEM_PAYMENT__PROVIDER", "http"),
        ("SAEM_PAYMENT__URL", &gateway.url),
    ];
    let site = Site::start(&[&loud[..], &SHORT_DEADLINES, &settings].concat()).await;
    let (anyone, operator, product) = (Client::of(site.url(), None), site.operator(), &site.product);
    let signed_up = json!({"name": NAME, "phone": PHONE, "password": PASSWORD});
    anyone.post("/v1/customers", signed_up.clone()).await.expect(201);
    anyone.post("/v1/customers", signed_up).await.problem(409, "phone-taken");
    let wrong = json!({"phone": PHONE, "password": WRONG});
    anyone.post("/v1/sessions", wrong).await.problem(401, "unauthorized");
    let session = json!({"phone": "+82 10 2738 4951", "password": PASSWORD});
    let session = anyone.post("/v1/sessions", session).await.expect(201);
    let token = text(&session, "token").to_owned();
    let customer = Client::of(site.url(), Some(token.clone()));
    customer.patch("/v1/customers/me", json!({"name": NEW_NAME})).await.expect(200);

    let paid = order(&customer, product, "tok_ok").await.expect(201);
    order(&customer, product, "tok_decline").await.problem(402, "payment-declined");
    let deferred = order(&customer, product, "tok_lost_response").await.expect(202);
    customer.rental_becomes(&deferred, "CONFIRMED").await;
    customer.pay(&deferred, "tok_canary").await.problem(409, "rental-not-payable");
    customer.timeline_holds(&paid, "ProductDecreased").await;
    for step in ["dispatch", "complete"] {
        operator.deliver(&paid, step).await.expect(200);
    }
    for path in ["mypage", "notifications", "customers/me", &format!("rentals/{}", id(&paid))] {
        customer.get(&format!("/v1/{path}")).await.expect(200);
    }
    send_unreadable(&anyone).await;
    // A panic during a request, and an entity in quarantine.
    operator.quarantine(id(&deferred)).await;
    customer.cancel(&deferred).await.problem(503, "actor-quarantined");
    operator.revive(id(&deferred)).await.expect(200);
    customer.cancel_until(&deferred, "PaymentCanceled").await;
    let to = site.directory.path().join("backup");
    operator.post("/v1/operations/backup", json!({"directory": to.to_str().unwrap()})).await.expect(200);
    until("the customer leaves", || async {
        customer.call(Method::DELETE, "/v1/customers/me").await.status == 204
    })
    .await;

    let (key, log) =
        (operator_key(&site.data()), site.log() + &std::fs::read_to_string(gateway_log).unwrap());
    assert!(log.contains("TRACE"), "all levels are logged");
    hides(&log, &[&key, &token]);
}
