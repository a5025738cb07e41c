//! The pages as a browser without scripts sees them: links, forms, a cookie.

mod customer;
mod office;

use std::collections::BTreeMap;

use reqwest::{Method, Response, header::HeaderMap};
use serde_json::json;

use crate::kit::{TestApp, eventually, id, operator_key};

struct Browser {
    http: reqwest::Client,
    url: String,
    language: &'static str,
    cookies: BTreeMap<String, String>,
}

struct Shown {
    status: u16,
    headers: HeaderMap,
    html: String,
}

impl Shown {
    #[track_caller]
    fn says(&self, text: &str) {
        assert!(self.html.contains(text), "{text}: {}", self.html);
    }

    #[track_caller]
    fn says_all(&self, texts: &[&str]) {
        texts.iter().for_each(|text| self.says(text));
    }

    #[track_caller]
    fn says_not(&self, text: &str) {
        assert!(!self.html.contains(text), "{text}: {}", self.html);
    }

    /// Target of the redirect.
    #[track_caller]
    fn location(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.html);
        self.headers["location"].to_str().unwrap().to_owned()
    }

    /// Hidden fields of the form with this action.
    fn hidden(&self, action: &str) -> Vec<(String, String)> {
        let forms = self.html.split("<form ");
        let form = forms.into_iter().find(|form| form.contains(&format!("action=\"{action}\""))).unwrap();
        let form = form.split("</form>").next().unwrap();
        let attribute = |input: &str, name: &str| {
            let (_, rest) = input.split_once(&format!("{name}=\"")).unwrap();
            rest.split('"').next().unwrap().to_owned()
        };
        let inputs = form.split("<input ").skip(1).filter(|input| input.contains("type=\"hidden\""));
        inputs.map(|input| (attribute(input, "name"), attribute(input, "value"))).collect()
    }
}

impl Browser {
    fn at(app: &TestApp, language: &'static str) -> Self {
        let http = saem::internal::gateways::client().unwrap();
        Self { http, url: app.url(), language, cookies: BTreeMap::new() }
    }

    async fn signed_up(app: &TestApp, language: &'static str) -> Self {
        let mut browser = Self::at(app, language);
        browser.sign_up().await;
        browser
    }

    /// Reloads a page until it has this text.
    async fn eventually(&self, path: &str, text: &str) -> Shown {
        eventually(&format!("{path} says {text}"), || async {
            let (http, url, cookies) = (self.http.clone(), self.url.clone(), self.cookies.clone());
            let page = Self { http, url, language: self.language, cookies }.get(path).await;
            page.html.contains(text).then_some(page)
        })
        .await
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.http.request(method, format!("{}{path}", self.url));
        let request = request.header("accept-language", self.language);
        if cookies.is_empty() { request } else { request.header("cookie", cookies.join("; ")) }
    }

    async fn shown(&mut self, response: Response) -> Shown {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        for set in headers.get_all("set-cookie") {
            let (name, value) = set.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        Shown { status, headers, html: response.text().await.unwrap() }
    }

    async fn get(&mut self, path: &str) -> Shown {
        let response = self.request(Method::GET, path).send().await.unwrap();
        self.shown(response).await
    }

    async fn post(&mut self, path: &str, fields: &[(String, String)]) -> Shown {
        let request = self.request(Method::POST, path).header("origin", self.url.clone());
        let response = request.form(fields).send().await.unwrap();
        self.shown(response).await
    }

    /// Fills in the page's form with this action, and sends it.
    async fn fill(&mut self, page: &Shown, action: &str, fields: &[(&str, &str)]) -> Shown {
        let mut all = page.hidden(action);
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.post(action, &all).await
    }

    async fn sign_up(&mut self) {
        let page = self.get("/sign-up").await;
        let fields = [("name", "홍길동"), ("phone", "010-1234-5678"), ("password", "correct horse")];
        assert_eq!(self.fill(&page, "/sign-up?to=/", &fields).await.location(), "/");
    }

    async fn log_in_as_operator(&mut self, app: &TestApp) {
        let page = self.get("/admin/log-in").await;
        let key = operator_key(&app.data());
        let sent = self.fill(&page, "/admin/log-in?to=/admin", &[("operatorKey", &key)]).await;
        assert_eq!(sent.location(), "/admin");
    }

    async fn rent(&mut self, product: &str, card: &str) -> Shown {
        let page = self.get(&format!("/products/{product}")).await;
        let fields = [
            ("recipient", "홍길동"),
            ("postalCode", "04524"),
            ("line1", "서울 중구 세종대로 110"),
            ("line2", ""),
            ("card", card),
        ];
        self.fill(&page, &format!("/products/{product}/rent"), &fields).await
    }
}

#[tokio::test]
async fn customer_signs_up_rents_and_cancels_by_forms() {
    let app = TestApp::start();
    let product = app.product(29_900, 3).await;
    let mut browser = Browser::at(&app, "ko");
    browser.get("/").await.says("29,900원");
    assert_eq!(browser.get("/my").await.location(), "/log-in?to=/my");
    browser.sign_up().await;
    let rented = browser.rent(&product, "tok_ok").await.location();
    let at = rented.strip_suffix("?new").unwrap().to_owned();
    browser.get(&rented).await.says("렌탈이 확정되었습니다");
    app.stock_becomes(&product, 2).await;
    let listed = browser.get("/my").await;
    listed.says("홍길동님의 렌탈");
    listed.says("배송 준비");
    let asked = browser.get(&format!("{at}/cancel")).await;
    asked.says("렌탈을 취소할까요?");
    assert_eq!(browser.fill(&asked, &format!("{at}/cancel"), &[]).await.location(), at);
    app.stock_becomes(&product, 3).await;
    let page = browser.get(&at).await;
    page.says("고객님이 취소하셨습니다");
    page.says("환불 완료");
    let html = browser.get("/my").await;
    let out = browser.fill(&html, "/log-out", &[]).await;
    assert_eq!(out.location(), "/");
    assert_eq!(browser.get("/my").await.location(), "/log-in?to=/my");
}

#[tokio::test]
async fn form_sent_twice_rents_once() {
    let app = TestApp::start();
    let product = app.product(100, 3).await;
    let mut browser = Browser::signed_up(&app, "en").await;
    let page = browser.get(&format!("/products/{product}")).await;
    let fields =
        [("recipient", "Hong"), ("postalCode", "04524"), ("line1", "Sejong-daero 110"), ("card", "tok_ok")];
    let action = format!("/products/{product}/rent");
    let first = browser.fill(&page, &action, &fields).await.location();
    assert_eq!(browser.fill(&page, &action, &fields).await.location(), first);
    app.stock_becomes(&product, 2).await;
}

#[tokio::test]
async fn failed_form_explains_and_keeps_its_fields() {
    let app = TestApp::impatient(|_| {});
    let product = app.product(100, 1).await;
    let mut browser = Browser::signed_up(&app, "en-US,en;q=0.9").await;
    let declined = browser.rent(&product, "tok_decline").await;
    assert_eq!(declined.status, 402);
    declined.says("Your card was declined");
    declined.says("value=\"서울 중구 세종대로 110\"");
    // A form that was answered is a new request.
    let deferred = browser.rent(&product, "tok_timeout").await.location();
    let page = browser.get(&deferred).await;
    page.says("Waiting for your payment");
    let pay = format!("{}/pay", deferred.strip_suffix("?new").unwrap());
    let paid = eventually("it can be paid", || async {
        let mut browser = Browser { cookies: browser.cookies.clone(), ..Browser::at(&app, "en") };
        let page = browser.get(&deferred).await;
        let paid = browser.fill(&page, &pay, &[("card", "tok_ok")]).await;
        (paid.status == 303).then_some(paid)
    });
    assert_eq!(paid.await.location(), deferred);
    app.stock_becomes(&product, 0).await;
    browser.get(&format!("/products/{product}")).await.says("Sold out for now");
    let other = app.product(100, 1).await;
    let page = browser.get(&format!("/products/{other}")).await;
    let fields = [("recipient", "Hong"), ("postalCode", "123"), ("line1", ""), ("card", "tok_ok")];
    let unfit = browser.fill(&page, &format!("/products/{other}/rent"), &fields).await;
    assert_eq!(unfit.status, 400);
    unfit.says("Please enter five digits.");
    assert_eq!(browser.get("/products/nonsense").await.status, 404);
}

#[tokio::test]
async fn foreign_form_is_refused() {
    let app = TestApp::start();
    let product = app.product(100, 1).await;
    let (mut browser, mut other) = (Browser::at(&app, "en"), Browser::at(&app, "en"));
    browser.sign_up().await;
    let page = browser.get(&format!("/products/{product}")).await;
    let action = format!("/products/{product}/rent");
    let mut fields = page.hidden(&action);
    fields.extend([
        ("recipient".to_owned(), "Hong".to_owned()),
        ("postalCode".to_owned(), "04524".to_owned()),
        ("line1".to_owned(), "Sejong-daero 110".to_owned()),
        ("card".to_owned(), "tok_ok".to_owned()),
    ]);
    let foreign = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("origin", "null")];
    for (name, value) in foreign {
        let request = browser.request(Method::POST, &action).header(name, value).form(&fields);
        assert_eq!(request.send().await.unwrap().status(), 403, "{name}: {value}");
    }
    for token in ["", "0123456789abcdef0123456789abcdef"] {
        let mut fields = fields.clone();
        fields.iter_mut().filter(|(name, _)| name == "csrf").for_each(|(_, value)| token.clone_into(value));
        assert_eq!(browser.post(&action, &fields).await.status, 403, "{token:?}");
    }
    // Another site's page cannot log in, either.
    let request = other.request(Method::POST, "/log-in").header("origin", "https://evil.example");
    let sent = request.form(&[("phone", "010-1234-5678"), ("password", "correct horse")]).send().await;
    let sent = other.shown(sent.unwrap()).await;
    assert_eq!((sent.status, other.cookies.len()), (403, 0));
    assert_eq!(app.stock(&product).await, 1);
    browser.post(&action, &fields).await.location();
}

#[tokio::test]
async fn session_cookie_is_http_only_and_reads_the_api() {
    let app = TestApp::start();
    let mut browser = Browser::at(&app, "ko");
    let page = browser.get("/sign-up").await;
    let fields = [("name", "홍길동"), ("phone", "010-1234-5678"), ("password", "correct horse")];
    let sent = browser.fill(&page, "/sign-up?to=/", &fields).await;
    let cookie = sent.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly") && cookie.contains("; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains("Secure"), "{cookie}");
    for path in ["/v1/mypage", "/v1/customers/me", "/v1/mypage/stream"] {
        assert_eq!(browser.request(Method::GET, path).send().await.unwrap().status(), 200, "{path}");
    }
    let leave = || browser.request(Method::DELETE, "/v1/customers/me");
    assert_eq!(leave().send().await.unwrap().status(), 401);
    assert_eq!(leave().header("x-csrf-token", "guessed").send().await.unwrap().status(), 401);
    let page = Browser { cookies: browser.cookies.clone(), ..Browser::at(&app, "ko") }.get("/my").await;
    let token = page.html.split("data-csrf=\"").nth(1).unwrap().split('"').next().unwrap();
    let foreign = leave().header("x-csrf-token", token).header("origin", "https://evil.example");
    assert_eq!(foreign.send().await.unwrap().status(), 401);
    assert_eq!(leave().header("x-csrf-token", token).send().await.unwrap().status(), 204);
}

#[tokio::test]
async fn pages_load_nothing_from_elsewhere() {
    let app = TestApp::start();
    let shop = json!({"name": "<script>alert(1)</script>\"'&", "model": "A&B", "fee": 100, "stock": 3,
        "description": "<img src=x onerror=alert(1)>"});
    let product = app.operator().post("/v1/products", shop).await.expect(201);
    let product = id(&product);
    let (mut customer, mut operator) = (Browser::at(&app, "ko"), Browser::at(&app, "en"));
    customer.sign_up().await;
    operator.log_in_as_operator(&app).await;
    let rented = customer.rent(product, "tok_ok").await.location();
    let mut pages = Vec::new();
    for path in
        ["/", "/my", "/log-in", "/sign-up", &rented, &format!("/products/{product}"), "/products/none"]
    {
        pages.push(customer.get(path).await);
    }
    let admin = ["/admin", "/admin/rentals", "/admin/deliveries", "/admin/messages?status=ALL"];
    for path in admin.into_iter().chain(["/console", "/console/saga", &format!("/admin/products/{product}")])
    {
        pages.push(operator.get(path).await);
    }
    for Shown { status, headers, html } in pages {
        assert!([200, 404].contains(&status), "{status}: {html}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(!html.contains("<script>") && !html.contains("<img src=x"), "{html}");
        assert!(!html.contains(" style=") && !html.contains(" onclick="), "{html}");
        for quote in ["src=\"http", "src=\"//", "href=\"http", "href=\"//", "action=\"http"] {
            assert!(!html.contains(quote), "{quote}: {html}");
        }
        for asset in html.split("\"/assets/").skip(1) {
            let path = format!("/assets/{}", asset.split('"').next().unwrap());
            let got = customer.get(&path).await;
            assert_eq!(got.status, 200, "{path}");
            assert_eq!(got.headers["cache-control"], "public, max-age=31536000, immutable");
        }
    }
}

#[tokio::test]
async fn pages_are_in_the_browsers_or_the_chosen_language() {
    let app = TestApp::start();
    for (asked, lang) in [("ko-KR,ko;q=0.9", "ko"), ("en-GB", "en"), ("fr", "ko")] {
        let mut browser = Browser::at(&app, asked);
        browser.get("/").await.says(&format!("<html lang=\"{lang}\">"));
        let other = if lang == "ko" { "en" } else { "ko" };
        assert_eq!(browser.get(&format!("/language/{other}?to=/my")).await.location(), "/my");
        browser.get("/").await.says(&format!("<html lang=\"{other}\">"));
        assert_eq!(browser.get("/language/ko?to=https://evil.example").await.location(), "/");
    }
}

#[tokio::test]
async fn pages_of_others_and_of_the_operator_are_refused() {
    let app = TestApp::start();
    let product = app.product(100, 3).await;
    let theirs = app.customer(7).await.rented(&product).await;
    let mut browser = Browser::signed_up(&app, "ko").await;
    let at = format!("/my/rentals/{}", id(&theirs));
    for path in [at.clone(), format!("{at}/card"), format!("{at}/whole"), format!("{at}/cancel")] {
        assert_eq!(browser.get(&path).await.status, 404, "{path}");
    }
    for path in ["/admin", "/admin/rentals", "/console", "/console/live", "/console/saga"] {
        assert_eq!(browser.get(path).await.status, 303, "{path}");
    }
    let home = browser.get("/").await;
    let csrf = home.hidden("/log-out");
    for path in ["/admin/products", "/console/contexts/product/pause", "/console/breaker"] {
        assert_eq!(browser.post(path, &csrf).await.status, 303, "{path}");
    }
    assert_eq!(app.operator().items("/v1/products").await.len(), 1);
    assert_eq!(browser.post(&format!("{at}/cancel"), &csrf).await.status, 404);
}

#[tokio::test]
async fn failures_are_pages_for_browsers_and_problems_for_programs() {
    let app = TestApp::start();
    let mut browser = Browser::at(&app, "en");
    let look = browser.request(Method::GET, "/nowhere").header("accept", "text/html,*/*;q=0.8");
    let shown = look.send().await.unwrap();
    let shown = browser.shown(shown).await;
    assert_eq!(shown.status, 404);
    shown.says("Page not found");
    assert_eq!(browser.get("/nowhere").await.headers["content-type"], "application/problem+json");
    let call = browser.request(Method::GET, "/v1/nowhere").header("accept", "text/html");
    assert_eq!(call.send().await.unwrap().headers()["content-type"], "application/problem+json");
    // The page that answers a form links to the form.
    let form =
        browser.request(Method::POST, "/log-in").header("referer", format!("{}/log-in?to=/my", app.url()));
    let sent = form.form(&[("phone", "010-1234-5678"), ("password", "wrong")]).send().await.unwrap();
    let sent = browser.shown(sent).await;
    assert_eq!(sent.status, 401);
    sent.says("/language/ko?to=/log-in%3Fto%3D/my");
}
