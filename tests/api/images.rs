//! Product images: accepted types and sizes, addresses, durability.

use reqwest::Method;
use serde_json::{Value, json};

use crate::kit::{Answer, Client, TestApp, operator_key};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\na small image";

async fn put(by: &Client, product: &str, bytes: Vec<u8>) -> Answer {
    let request = by.request(Method::PUT, &format!("/v1/products/{product}/image"));
    Answer::of(request.body(bytes)).await
}

fn url(product: &Value) -> &str {
    product["imageUrl"].as_str().expect("it has an image")
}

#[track_caller]
fn shows(answer: &Answer, bytes: &[u8]) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "image/png");
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.body, String::from_utf8_lossy(bytes).into_owned());
}

#[tokio::test]
async fn image_is_shown_at_its_own_address_for_ever() {
    for backend in ["sled", "redb"] {
        let mut app = TestApp::on(backend);
        let (operator, product) = (app.operator(), app.product(100, 5).await);
        let before = app.anyone().get(&format!("/v1/products/{product}")).await.expect(200);
        assert!(before.get("imageUrl").is_none(), "{before}");
        let first = put(&operator, &product, PNG.to_vec()).await.expect(200);
        shows(&app.anyone().get(url(&first)).await, PNG);
        let other = [PNG, b"!"].concat();
        let second = put(&operator, &product, other.clone()).await.expect(200);
        assert_ne!(url(&first), url(&second));
        shows(&app.anyone().get(url(&first)).await, PNG);
        // The same image again is no change.
        assert_eq!(put(&operator, &product, other.clone()).await.expect(200), second);
        let copy = app.data().with_file_name("copy");
        operator.post("/v1/operations/backup", json!({"directory": copy})).await.expect(200);
        app.restart();
        let listed = app.anyone().get("/v1/products").await.expect(200);
        assert_eq!(listed["items"][0], second);
        shows(&app.anyone().get(url(&second)).await, &other);
        let copied = TestApp::with(|settings| {
            settings.store.backend = backend.to_owned();
            settings.store.path.clone_from(&copy);
        });
        assert_eq!(copied.anyone().get("/v1/products").await.expect(200), listed);
        shows(&copied.anyone().get(url(&second)).await, &other);
        assert_eq!(operator_key(&copy), operator_key(&app.data()));
    }
}

#[tokio::test]
async fn other_types_and_large_images_are_refused() {
    let app = TestApp::start();
    let (operator, product) = (app.operator(), app.product(100, 5).await);
    let of_size = |bytes: usize| [PNG, &vec![0; bytes - PNG.len()]].concat();
    put(&operator, &product, of_size(1_024 * 1_024)).await.expect(200);
    put(&operator, &product, of_size(1_024 * 1_024 + 1)).await.problem(413, "payload-too-large");
    for other in ["", "GIF89a", "<svg xmlns='http://www.w3.org/2000/svg'/>", "\u{89}PNG\r\n\u{1a}\n"] {
        let refused = put(&operator, &product, other.as_bytes().to_vec()).await;
        refused.problem(415, "unsupported-media-type");
    }
    let unknown = "product_01kb3q5v8rf7k9x2m4n6p8q0st";
    put(&operator, unknown, PNG.to_vec()).await.problem(404, "product-not-found");
    put(&app.customer(1).await, &product, PNG.to_vec()).await.problem(403, "forbidden");
    put(&app.anyone(), &product, PNG.to_vec()).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn other_image_addresses_are_not_found() {
    let app = TestApp::start();
    let (operator, product) = (app.operator(), app.product(100, 5).await);
    let shown = put(&operator, &product, PNG.to_vec()).await.expect(200);
    let stem = url(&shown).strip_suffix(".png").unwrap();
    for other in [format!("{stem}.jpg"), format!("{stem}.webp"), stem.to_owned(), format!("{stem}x.png")] {
        app.anyone().get(&other).await.problem(404, "not-found");
    }
    app.anyone().get("/images/..%2foperator.key").await.problem(404, "not-found");
    app.anyone().get(&format!("/images/{}.png", "0".repeat(64))).await.problem(404, "not-found");
}
