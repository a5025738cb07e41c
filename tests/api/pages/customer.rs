//! A customer's pages: deferred payments, rentals that change, forms of an earlier session.

use serde_json::json;

use super::{Browser, Shown};
use crate::kit::TestApp;

/// Places a rental by the form; returns its address and its page.
async fn rented(browser: &mut Browser, product: &str, card: &str) -> (String, Shown) {
    let at = browser.rent(product, card).await.location();
    let page = browser.get(&at).await;
    (at.strip_suffix("?new").unwrap().to_owned(), page)
}

/// Makes the operator take a step of the only delivery.
async fn step(app: &TestApp, step: &str) {
    let deliveries = app.operator().items("/v1/deliveries").await;
    app.operator().deliver(&json!({"deliveryId": deliveries[0]["id"]}), step).await.expect(200);
}

/// The current step.
fn current(page: &Shown) -> &str {
    let (_, after) = page.html.split_once("aria-current=\"step\"><b>").unwrap();
    after.split('<').next().unwrap()
}

#[tokio::test]
async fn deferred_payment_holds_no_unit_and_can_be_paid_later() {
    let app = TestApp::start();
    let product = app.product(100, 3).await;
    let mut browser = Browser::signed_up(&app, "ko").await;
    app.operator().set_breaker("FORCED_OPEN").await.expect(200);
    let (at, page) = rented(&mut browser, &product, "tok_ok").await;
    page.says("신청은 그대로 남아 있고, 중복 결제되지 않습니다.");
    page.says("100원 · 결제 대기");
    page.says_not("예약");
    assert_eq!(app.stock(&product).await, 3, "no unit is held");
    let again = browser.fill(&page, &format!("{at}/pay"), &[("card", "tok_ok")]).await;
    assert_eq!(again.status, 202);
    again.says("아직 결제를 마치지 못했습니다");
    again.says_not("앞선 결제를");
    let left = again.html.split("data-left=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(left.parse::<u64>().unwrap() > 0, "{left}");
    // GET of the form's address leads to the rental.
    browser.get(&format!("{at}/pay")).await.says("결제 대기 중입니다");
    app.operator().set_breaker("AUTO").await.expect(200);
    let declined = browser.fill(&again, &format!("{at}/pay"), &[("card", "tok_decline")]).await;
    assert_eq!(declined.status, 402);
    declined.says("신청은 그대로 남아 있으니");
    let paid = browser.fill(&declined, &format!("{at}/pay"), &[("card", "tok_ok")]).await;
    browser.get(&paid.location()).await.says("렌탈이 확정되었습니다");
}

#[tokio::test]
async fn rental_page_follows_the_delivery() {
    let app = TestApp::start();
    let product = app.product(100, 3).await;
    let mut browser = Browser::signed_up(&app, "ko").await;
    let (at, page) = rented(&mut browser, &product, "tok_ok").await;
    page.says("id=\"new\"");
    app.stock_becomes(&product, 2).await;
    let page = browser.get(&at).await;
    assert_eq!(current(&page), "배송 준비");
    page.says("data-announcement=\"맑은샘: 결제되었습니다. 배송을 준비합니다.\"");
    let asked = browser.get(&format!("{at}/cancel")).await;
    step(&app, "dispatch").await;
    let page = browser.get(&format!("{at}?new")).await;
    assert_eq!(current(&page), "배송 중");
    page.says("data-announcement=\"맑은샘: 설치 기사님이 출발했습니다.\"");
    page.says_not("id=\"new\"");
    step(&app, "complete").await;
    let installed = browser.eventually(&at, "tag good\">설치 완료<");
    installed.await.says("data-announcement=\"맑은샘: 설치를 마쳤습니다.\"");
    // Too late to cancel: the page of the rental explains it.
    let late = browser.fill(&asked, &format!("{at}/cancel"), &[]).await;
    assert_eq!(late.status, 409);
    late.says("설치가 끝나 취소할 수 없습니다");
    late.says("진행 상황");
    // So does the address of the confirmation.
    let kept = browser.get(&format!("{at}/cancel")).await;
    assert_eq!(kept.status, 409);
    kept.says("설치가 끝나 취소할 수 없습니다");
}

#[tokio::test]
async fn canceled_rental_shows_the_cancel_at_once() {
    let app = TestApp::start();
    let product = app.product(100, 3).await;
    let mut browser = Browser::signed_up(&app, "ko").await;
    let (at, _) = rented(&mut browser, &product, "tok_ok").await;
    app.stock_becomes(&product, 2).await;
    // The delivery does not follow yet.
    app.operator().pause("delivery").await;
    let asked = browser.get(&format!("{at}/cancel")).await;
    browser.fill(&asked, &format!("{at}/cancel"), &[]).await.location();
    let page = browser.get(&at).await;
    page.says("<dd>배송 취소</dd>");
    page.says_not("배송 준비");
    app.operator().resume("delivery").await;
    let refunded = browser.eventually(&at, "100원 · 환불 완료");
    refunded.await.says("data-announcement=\"맑은샘: 취소되었고, 환불을 마쳤습니다.\"");
}

#[tokio::test]
async fn invalid_field_shows_its_rule_and_keeps_its_text() {
    let app = TestApp::start();
    let product = app.product(100, 1).await;
    let mut browser = Browser::at(&app, "ko");
    let page = browser.get("/sign-up").await;
    let joined = "민지👩\u{200d}🔧";
    for (name, password, rule) in [
        (joined, "correct horse", "보이지 않는 문자나 여러 개를 이어 붙인 이모지는"),
        ("  ", "correct horse", "이 항목을 입력해 주세요."),
        ("민지", "short", "비밀번호가 너무 짧습니다."),
    ] {
        let fields = [("name", name), ("phone", "010-1234-5678"), ("password", password)];
        let refused = browser.fill(&page, "/sign-up?to=/", &fields).await;
        assert_eq!(refused.status, 400);
        refused.says(&format!("-wrong\">{rule}"));
    }
    browser.sign_up().await;
    let page = browser.get(&format!("/products/{product}")).await;
    page.says("id=\"recipient\" name=\"recipient\" type=\"text\" value=\"홍길동\"");
    let long = "가".repeat(201);
    let fields = [("recipient", ""), ("postalCode", "04524"), ("line1", &long), ("line2", "1\u{200f}층")];
    let refused = browser.fill(&page, &format!("/products/{product}/rent"), &fields).await;
    assert_eq!(refused.status, 400);
    refused.says("id=\"recipient\" name=\"recipient\" type=\"text\" value=\"\"");
    refused.says("id=\"recipient-wrong\">이 항목을 입력해 주세요.");
    refused.says("id=\"line1-wrong\">너무 깁니다. 200자까지 쓸 수 있습니다.");
    refused.says("id=\"line2-wrong\">보이지 않는 문자나");
    refused.says("카드를 골라 주세요.");
}

#[tokio::test]
async fn order_of_an_earlier_session_is_kept_and_not_placed() {
    let app = TestApp::start();
    let product = app.product(100, 2).await;
    let mut browser = Browser::signed_up(&app, "ko").await;
    let page = browser.get(&format!("/products/{product}")).await;
    let action = format!("/products/{product}/rent");
    let fields =
        [("recipient", "김철수"), ("postalCode", "04524"), ("line1", "세종대로 110"), ("card", "tok_ok")];
    let out = browser.get("/").await;
    browser.fill(&out, "/log-out", &[]).await.location();
    browser.cookies.clear();
    let nobody = browser.fill(&page, &action, &fields).await;
    assert_eq!(nobody.status, 401);
    nobody.says("로그인이 필요합니다");
    nobody.says("value=\"세종대로 110\"");
    let form = browser.get("/log-in").await;
    let account = [("phone", "010-1234-5678"), ("password", "correct horse")];
    browser.fill(&form, "/log-in?to=/", &account).await.location();
    let anew = browser.fill(&nobody, &action, &fields).await;
    assert_eq!(anew.status, 403);
    anew.says("한 번 더 확인해 주세요");
    anew.says("value=\"김철수\"");
    assert_eq!(app.stock(&product).await, 2);
    browser.fill(&anew, &action, &fields).await.location();
}

#[tokio::test]
async fn sold_out_product_has_one_notice() {
    let app = TestApp::start();
    let product = app.product(100, 1).await;
    let mut browser = Browser::signed_up(&app, "ko").await;
    let page = browser.get(&format!("/products/{product}")).await;
    page.says("렌탈료(일시납)");
    app.customer(7).await.rented(&product).await;
    let fields =
        [("recipient", "홍"), ("postalCode", "04524"), ("line1", "세종대로 110"), ("card", "tok_ok")];
    let refused = browser.fill(&page, &format!("/products/{product}/rent"), &fields).await;
    assert_eq!(refused.status, 409);
    refused.says("품절되었습니다");
    assert_eq!(refused.html.matches("class=\"notice").count(), 1, "{}", refused.html);
}

#[tokio::test]
async fn too_many_wrong_passwords_show_the_wait() {
    let app = TestApp::start();
    let mut browser = Browser::signed_up(&app, "ko").await;
    browser.cookies.clear();
    let page = browser.get("/log-in").await;
    for _ in 0..50 {
        let fields = [("phone", "010-1234-5678"), ("password", "wrong horse")];
        let refused = browser.fill(&page, "/log-in?to=/", &fields).await;
        if refused.status == 429 {
            return refused.says(" 뒤에 다시 시도할 수 있습니다.");
        }
    }
    panic!("no limit was reached");
}

#[tokio::test]
async fn pages_of_the_contract_have_a_policy() {
    let app = TestApp::start();
    let mut browser = Browser::at(&app, "en");
    for path in ["/docs/index.html", "/docs/swagger-ui.css", "/problems/out-of-stock"] {
        let page = browser.get(path).await;
        assert_eq!(
            (page.status, &page.headers["x-content-type-options"]),
            (200, &"nosniff".parse().unwrap())
        );
        assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src"), "{path}");
    }
}

#[tokio::test]
async fn brand_of_the_settings_is_on_pages_and_in_messages() {
    let app = TestApp::with(|settings| {
        settings.shop.name = Some("맑은물".to_owned());
        settings.shop.tagline = Some("물은 맑아야 합니다".to_owned());
        settings.shop.sms_prefix = Some("[맑은물]".to_owned());
    });
    let product = app.product(100, 1).await;
    let mut browser = Browser::signed_up(&app, "ko").await;
    let first = browser.get("/").await;
    first.says_all(&["· 맑은물</title>", "<span>맑은물</span>", "<h1>물은 맑아야 합니다</h1>"]);
    first.says_not("Saem");
    browser.rent(&product, "tok_ok").await.location();
    browser.eventually("/my/messages", "[맑은물] 맑은샘 렌탈이 확정되었습니다").await;
    let english = Browser::at(&app, "en").get("/").await;
    english.says_all(&[
        "<h1><span lang=\"ko\">물은 맑아야",
        "<span lang=\"ko\">맑은샘</span>",
        "<span><span lang=\"ko\">맑은물</span></span>",
    ]);
}
