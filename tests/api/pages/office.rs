//! The operator's pages.

use reqwest::Method;

use super::{Browser, Shown};
use crate::kit::{Client, TestApp, id, text};

async fn operating(app: &TestApp, language: &'static str) -> Browser {
    let mut browser = Browser::at(app, language);
    browser.log_in_as_operator(app).await;
    browser
}

impl Browser {
    /// Sends a form with a `Referer`.
    async fn send_from(&mut self, at: &str, action: &str, fields: &[(&str, &str)]) -> Shown {
        let page = self.get("/admin").await;
        let mut all: Vec<_> = page.hidden("/log-out");
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let request = self.request(Method::POST, action).header("referer", format!("{}{at}", self.url));
        let response = request.form(&all).send().await.unwrap();
        self.shown(response).await
    }
}

#[tokio::test]
async fn operator_registers_dispatches_and_pauses_by_forms() {
    let app = TestApp::start();
    let mut browser = Browser::at(&app, "ko");
    assert_eq!(browser.get("/admin").await.location(), "/admin/log-in?to=/admin");
    assert_eq!(browser.get("/console").await.location(), "/admin/log-in?to=/console");
    browser.log_in_as_operator(&app).await;
    let page = browser.get("/admin").await;
    let offer =
        [("name", "샘 정수기"), ("model", "S-1"), ("description", "냉·온"), ("fee", "19900"), ("stock", "2")];
    let at = browser.fill(&page, "/admin/products", &offer).await.location();
    browser.get(&at).await.says("정수기를 등록했습니다.");
    let at = at.strip_suffix("?done=registered").unwrap().to_owned();
    let product = at.rsplit('/').next().unwrap().to_owned();
    let page = browser.get(&at).await;
    let edited = [("name", "샘 정수기 둘"), ("model", "S-2"), ("description", ""), ("fee", "29900")];
    let saved = browser.fill(&page, &at, &edited).await.location();
    assert_eq!(saved, format!("{at}?done=saved"));
    browser.get(&saved).await.says("저장했습니다.");
    // A stale page does not overwrite another change.
    assert_eq!(browser.fill(&page, &at, &edited).await.status, 412);
    let page = browser.get("/admin").await;
    let restocked = browser.fill(&page, &format!("{at}/restock"), &[("quantity", "3")]).await;
    browser.get(&restocked.location()).await.says("입고했습니다.");
    assert_eq!(app.stock(&product).await, 5);
    let customer: Client = app.customer(1).await;
    let rental = customer.rented(&product).await;
    let delivery = format!("/admin/deliveries/{}", text(&rental, "deliveryId"));
    let page = browser.get("/admin/deliveries").await;
    page.says_all(&["샘 정수기 둘", id(&rental)]);
    let sent = [("carrier", "우체국"), ("trackingNumber", "6012")];
    browser.fill(&page, &format!("{delivery}/dispatch"), &sent).await.location();
    browser.get("/admin/deliveries?status=IN_TRANSIT&done=dispatched").await.says("출고 처리했습니다.");
    let complete = format!("{delivery}/complete");
    let page = browser.eventually("/admin/deliveries?status=IN_TRANSIT", &complete).await;
    browser.fill(&page, &complete, &[]).await.location();
    customer.rental_becomes(&rental, "DELIVERED").await;
    let saga = format!("/console/saga?correlation={}", text(&rental, "correlationId"));
    let page = browser.get(&saga).await;
    page.says_all(&["<svg class=\"saga\"", "DeliveryCompleted", "ProductDecreased", "한국 시간"]);
    let page = browser.get("/console").await;
    browser.fill(&page, "/console/contexts/product/pause", &[]).await.location();
    assert_eq!(app.operator().context("product").await["paused"], true);
    let page = browser.get("/console").await;
    browser.fill(&page, "/console/contexts/product/resume", &[]).await.location();
    assert!(browser.get(&at).await.html.contains(&format!("href=\"{at}/withdraw\"")));
    let page = browser.get(&format!("{at}/withdraw")).await;
    page.says("신규 렌탈을 중단할까요?");
    let withdrawn = browser.fill(&page, &format!("{at}/withdraw"), &[]).await.location();
    browser.get(&withdrawn).await.says("신규 렌탈을 중단했습니다.");
    Browser::at(&app, "ko").get("/").await.says("곧 새 정수기를 준비하겠습니다.");
    let listed = browser.get("/admin").await;
    assert!(!listed.html.contains("/restock"), "nobody can rent what would be added: {}", listed.html);
    assert_eq!(browser.get(&format!("{at}/withdraw")).await.location(), at);
}

#[tokio::test]
async fn failed_form_names_the_rule_and_links_back() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 3).await);
    let rental = customer.rented(&product).await;
    let mut browser = operating(&app, "ko").await;
    let restock = format!("/admin/products/{product}/restock");
    let delivery = format!("/admin/deliveries/{}", text(&rental, "deliveryId"));
    let (dispatch, complete) = (format!("{delivery}/dispatch"), format!("{delivery}/complete"));
    let listed = "/admin/deliveries?status=STARTED";
    let long = "가".repeat(101);
    for (at, action, fields, status, said) in [
        ("/admin?done=saved", &restock, ("quantity", "0"), 400, "1대부터 100,000대까지"),
        (listed, &dispatch, ("carrier", long.as_str()), 400, "설치 기사는 100자까지"),
        (listed, &dispatch, ("trackingNumber", "1\u{202e}2"), 400, "방문 예정일은 100자까지"),
        (listed, &complete, ("listed", "STARTED"), 409, "지금은 할 수 없는 단계입니다"),
    ] {
        let shown = browser.send_from(at, action, &[fields]).await;
        assert_eq!(shown.status, status, "{said}: {}", shown.html);
        shown.says(said);
        shown.says("class=\"tabs\"");
        let back = at.split("?done").next().unwrap();
        shown.says(&format!("href=\"{back}\">돌아가기"));
        shown.says_not("처음으로");
    }
    customer.cancel(&rental).await.expect(200);
    let shown = browser.send_from(listed, &dispatch, &[]).await;
    assert_eq!(shown.status, 409);
    shown.says("정수기를 보내지 마세요");
    shown.says_not("환불됩니다");
    // A page of an earlier session, and an unknown one.
    browser.post(&restock, &[]).await.says("class=\"tabs\"");
    browser.get("/admin/products/nonsense").await.says("class=\"tabs\"");
    browser.get("/admin/rentals").await.says("고객이 취소했습니다");
}

#[tokio::test]
async fn log_in_returns_to_the_operators_page() {
    let app = TestApp::start();
    let mut browser = operating(&app, "en").await;
    let page = browser.get("/admin").await;
    browser.fill(&page, "/log-out", &[]).await.location();
    browser.cookies.clear();
    let send = |browser: &Browser, action: &str| browser.request(Method::POST, action).form(&[("x", "y")]);
    let to = |response: reqwest::Response| response.headers()["location"].to_str().unwrap().to_owned();
    for (action, at, section) in [
        ("/console/breaker", "/console", "/console"),
        ("/admin/rentals/x/cancel", "/admin/rentals?status=PLACED", "/admin/rentals"),
        ("/admin/products/x/restock", "/admin", "/admin"),
    ] {
        let referer = format!("{}{at}", app.url());
        let sent = send(&browser, action).header("referer", referer).send().await.unwrap();
        let escaped = at.replace('?', "%3F").replace('=', "%3D");
        assert_eq!(to(sent), format!("/admin/log-in?to={escaped}"));
        let sent = send(&browser, action).send().await.unwrap();
        assert_eq!(to(sent), format!("/admin/log-in?to={section}"), "without a referer");
    }
    let page = browser.get("/admin/log-in").await;
    let wrong = browser.fill(&page, "/admin/log-in?to=/admin", &[("operatorKey", "guessed")]).await;
    assert_eq!(wrong.status, 401);
    wrong.says("Wrong operator key");
    wrong.says_not("password.");
}

#[tokio::test]
async fn unknown_filters_and_trailing_slashes_lead_to_the_page() {
    let app = TestApp::start();
    let mut browser = operating(&app, "en").await;
    assert_eq!(browser.get("/admin/").await.location(), "/admin");
    assert_eq!(browser.get("/console/").await.location(), "/console");
    assert_eq!(browser.get("/my/").await.location(), "/my");
    assert_eq!(browser.get("/my").await.location(), "/admin", "an operator has no page of a customer");
    for path in ["/admin/rentals", "/admin/deliveries", "/admin/messages"] {
        let (page, odd) = (browser.get(path).await, browser.get(&format!("{path}?status=ODD")).await);
        for shown in [page, odd] {
            assert_eq!(shown.html.matches("aria-current=\"true\"").count(), 1, "{}", shown.html);
        }
    }
}

#[tokio::test]
async fn operator_cancels_a_rental_after_confirmation() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 3).await);
    let rental = customer.rented(&product).await;
    let mut browser = operating(&app, "en").await;
    let at = format!("/admin/rentals/{}/cancel", id(&rental));
    browser.get("/admin/rentals").await.says(&format!("href=\"{at}\""));
    let asked = browser.get(&at).await;
    asked.says("Cancel this rental?");
    let done = browser.fill(&asked, &at, &[]).await.location();
    browser.get(&done).await.says("The rental is canceled.");
    customer.rental_becomes(&rental, "CANCELED").await;
    let asked = browser.get(&at).await;
    assert_eq!(asked.status, 409);
}

#[tokio::test]
async fn parked_target_is_dismissed_after_a_warning() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 3).await);
    let operator = app.operator();
    operator.quarantine(&product).await;
    let rental = customer.rent(&product, "tok_ok").await.expect(201);
    let at = format!("/console/held/{}", id(&operator.first_held().await));
    let mut browser = operating(&app, "ko").await;
    let console = browser.get("/console").await;
    console.says_all(&["격리된 대상입니다", "1번 시도함", &format!("href=\"{at}/dismiss\"")]);
    let retried = browser.fill(&console, &format!("{at}/retry"), &[]).await.location();
    browser.get(&retried).await.says("재시도를 요청했습니다.");
    operator.first_held().await;
    let asked = browser.get(&format!("{at}/dismiss")).await;
    asked.says("그 렌탈은 더 이상 출고할 수 없으므로");
    let dismiss = format!("{at}/dismiss");
    let unfit = browser.fill(&asked, &dismiss, &[("reason", " ")]).await;
    assert_eq!(unfit.status, 400);
    unfit.says("종결 사유를 1자부터 200자까지");
    let done = browser.fill(&asked, &dismiss, &[("reason", "손으로 맞춤")]).await.location();
    browser.get(&done).await.says("보류 건을 종결했습니다.");
    let again = browser.fill(&asked, &dismiss, &[("reason", "손으로 맞춤")]).await;
    assert_eq!(again.status, 404);
    again.says("href=\"/console\"");
    // The warning was right.
    let dispatch = format!("/admin/deliveries/{}/dispatch", text(&rental, "deliveryId"));
    let shown = browser.send_from("/admin/deliveries", &dispatch, &[]).await;
    assert_eq!(shown.status, 409);
    shown.says("렌탈을 취소해 주세요");
}

#[tokio::test]
async fn console_shows_the_breaker_in_words() {
    let app = TestApp::start();
    let (customer, product) = (app.customer(1).await, app.product(100, 3).await);
    let mut browser = operating(&app, "ko").await;
    let page = browser.get("/console").await;
    page.says_all(&["닫힘 · 정상", "차단 사용 안 함", "제품·재고"]);
    browser.fill(&page, "/console/breaker", &[("mode", "FORCED_OPEN")]).await.location();
    customer.rent(&product, "tok_ok").await.expect(202);
    let page = browser.get("/console/live").await;
    page.says_all(&["열림 · 차단 중", "<dt>차단기가 거절</dt><dd>1</dd>"]);
}
