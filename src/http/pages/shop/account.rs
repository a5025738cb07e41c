//! Sign-up, log-in, log-out and choice of language.

use actix_web::http::header::HeaderName;
use serde::Deserialize;

use crate::{
    domain::{phone::Phone, text::line},
    http::{
        pages::{
            admin::wording,
            prelude::*,
            text::{
                LANGUAGE, Lang,
                problems::{of_line, wait},
            },
        },
        session::{SESSION, set_cookie},
    },
};

#[derive(Default, Deserialize)]
pub(crate) struct ReturnTo {
    #[serde(default)]
    to: String,
}

impl ReturnTo {
    /// Returns the path if it belongs to this site, otherwise `otherwise`: no open redirect.
    fn path(&self, otherwise: &str) -> String {
        let ours = self.to.starts_with('/')
            && !self.to.starts_with("//")
            && self.to.bytes().all(|byte| (0x21..0x7f).contains(&byte) && byte != b'\\');
        if ours { self.to.clone() } else { otherwise.to_owned() }
    }
}

pub(crate) async fn language(
    request: HttpRequest,
    code: Path<String>,
    return_to: Query<ReturnTo>,
) -> HttpResponse {
    let chosen = Lang::named(&code).map(|lang| set_cookie(&request, LANGUAGE, lang.code(), true));
    go_on(&return_to.path("/"), chosen)
}

#[derive(Default)]
struct LastAttempt<'a> {
    name: &'a str,
    phone: &'a str,
    problem: Option<Problem>,
    wrong: Vec<(&'static str, String)>,
}

impl LastAttempt<'_> {
    fn wrong(&self, field: &str) -> Option<&str> {
        self.wrong.iter().find(|(name, _)| *name == field).map(|(_, text)| text.as_str())
    }
}

fn refusal(visitor: &Visitor, problem: Option<&Problem>) -> Markup {
    let told = |problem| alert("bad", error_text(visitor.lang, problem), wait(visitor.lang, problem));
    problem.map(told).unwrap_or_default()
}

fn phone_field<'a>(visitor: &Visitor, last: &'a LastAttempt<'_>) -> Field<'a> {
    Field {
        kind: "tel",
        autocomplete: "username",
        max: Some(32),
        wrong: last.wrong("phone"),
        ..Field::new("phone", visitor.t("휴대폰 번호", "Mobile number"), last.phone)
    }
}

fn sign_up_page<'a>(visitor: &'a Visitor, to: &str, last: &LastAttempt<'_>) -> Page<'a> {
    let title = visitor.t("회원가입", "Sign up");
    let long = visitor.t("8자 이상", "At least 8 characters");
    let content = html! {
        div class="wide narrow stack" {
            h1 { (title) }
            (refusal(visitor, last.problem.as_ref()))
            form class="card stack" method="post" action={ "/sign-up?to=" (encoded(to)) } {
                (csrf_field(visitor))
                div class="fields" {
                    (Field { autocomplete: "name", max: Some(100), wrong: last.wrong("name"),
                        ..Field::new("name", visitor.t("이름", "Name"), last.name) })
                    (phone_field(visitor, last))
                    (Field { kind: "password", autocomplete: "new-password", hint: Some(long), max: Some(128),
                        wrong: last.wrong("password"),
                        ..Field::new("password", visitor.t("비밀번호", "Password"), "") })
                }
                button class="button full" { (visitor.t("가입하기", "Sign up")) }
                p class="small soft" { (visitor.t(
                    "배송과 결제 소식을 이 번호로 알려 드립니다.",
                    "We send text messages about your delivery and payment to this number.",
                )) }
            }
            p { (visitor.t("이미 회원이신가요? ", "Have an account? "))
                a href={ "/log-in?to=" (encoded(to)) } { (visitor.t("로그인", "Log in")) } }
        }
    };
    Page { visitor, section: Section::Elsewhere, title, script: Some("form.js"), content }
}

pub(crate) async fn sign_up(visitor: Visitor, return_to: Query<ReturnTo>) -> HttpResponse {
    sign_up_page(&visitor, &return_to.path("/"), &LastAttempt::default()).show()
}

fn wrong_password(visitor: &Visitor, password: &str) -> Option<&'static str> {
    match password.chars().count() {
        0 => Some(visitor.t("비밀번호를 입력해 주세요.", "Please choose a password.")),
        1..8 => Some(visitor.t("비밀번호가 너무 짧습니다.", "The password is too short.")),
        8..=128 => None,
        _ => Some(visitor.t(
            "비밀번호가 너무 깁니다. 128자까지 쓸 수 있습니다.",
            "The password is too long: at most 128 characters.",
        )),
    }
}

pub(crate) async fn do_sign_up(
    app: Data<App>,
    request: HttpRequest,
    return_to: Query<ReturnTo>,
    filled: Form,
) -> HttpResponse {
    let Form { visitor, context, fields } = filled;
    let (to, password) = (return_to.path("/"), fields.get("password").to_owned());
    let (name, phone) = (line(fields.get("name"), 1, 100), Phone::parse(fields.get("phone")));
    let mut last =
        LastAttempt { name: fields.get("name"), phone: fields.get("phone"), ..LastAttempt::default() };
    let rule = name.clone().err().map(|rule| ("name", of_line(visitor.lang, last.name, rule)));
    last.wrong.extend(rule);
    let (ko, en) =
        ("010으로 시작하는 휴대폰 번호를 입력해 주세요.", "A Korean mobile number, such as 010-1234-5678.");
    last.wrong.extend(phone.is_err().then(|| ("phone", visitor.t(ko, en).to_owned())));
    last.wrong.extend(wrong_password(&visitor, &password).map(|text| ("password", text.to_owned())));
    let (Ok(name), Ok(phone), true) = (name, phone.clone(), last.wrong.is_empty()) else {
        last.problem = Some(Problem::new(ProblemKind::InvalidRequest, ""));
        return sign_up_page(&visitor, &to, &last).show_as(ProblemKind::InvalidRequest.status());
    };
    let opened = match app.shop.sign_up(name, phone.clone(), password.clone(), context).await {
        Ok(_) => app.shop.log_in(phone, password, None).await,
        Err(error) => Err(error),
    };
    match opened.map_err(Problem::from) {
        Ok(session) => begin(&request, &session.token, &to),
        Err(problem) => {
            let status = problem.kind.status();
            last.problem = Some(problem);
            sign_up_page(&visitor, &to, &last).show_as(status)
        }
    }
}

fn begin(request: &HttpRequest, token: &str, to: &str) -> HttpResponse {
    go_on(to, Some(set_cookie(request, SESSION, token, false)))
}

fn go_on(to: &str, cookie: Option<(HeaderName, String)>) -> HttpResponse {
    let mut response = see_other(to);
    if let Some((name, value)) = cookie
        && let Ok(value) = value.parse()
    {
        response.headers_mut().append(name, value);
    }
    response
}

fn log_in_page<'a>(visitor: &'a Visitor, to: &str, last: &LastAttempt<'_>) -> Page<'a> {
    let title = visitor.t("로그인", "Log in");
    let content = html! {
        div class="wide narrow stack" {
            h1 { (title) }
            (refusal(visitor, last.problem.as_ref()))
            form class="card stack" method="post" action={ "/log-in?to=" (encoded(to)) } {
                (csrf_field(visitor))
                div class="fields" {
                    (phone_field(visitor, last))
                    (Field { kind: "password", autocomplete: "current-password", max: Some(128),
                        ..Field::new("password", visitor.t("비밀번호", "Password"), "") })
                }
                button class="button full" { (title) }
            }
            p { (visitor.t("처음이신가요? ", "New here? "))
                a href={ "/sign-up?to=" (encoded(to)) } { (visitor.t("회원가입", "Sign up")) } }
        }
    };
    Page { visitor, section: Section::Elsewhere, title, script: Some("form.js"), content }
}

pub(crate) async fn log_in(visitor: Visitor, return_to: Query<ReturnTo>) -> HttpResponse {
    log_in_page(&visitor, &return_to.path("/"), &LastAttempt::default()).show()
}

pub(crate) async fn do_log_in(
    app: Data<App>,
    request: HttpRequest,
    return_to: Query<ReturnTo>,
    filled: Form,
) -> HttpResponse {
    let Form { visitor, fields, .. } = filled;
    let (to, password) = (return_to.path("/"), fields.get("password").to_owned());
    let opened = match Phone::parse(fields.get("phone")) {
        Ok(phone) => app.shop.log_in(phone, password, None).await.map_err(Problem::from),
        // An invalid number has no account.
        Err(_) => Err(Problem::new(ProblemKind::Unauthorized, "")),
    };
    match opened {
        Ok(session) => begin(&request, &session.token, &to),
        Err(problem) => {
            let status = problem.kind.status();
            let last =
                LastAttempt { phone: fields.get("phone"), problem: Some(problem), ..LastAttempt::default() };
            log_in_page(&visitor, &to, &last).show_as(status)
        }
    }
}

pub(crate) async fn log_out(app: Data<App>, request: HttpRequest, filled: Form) -> PageResult {
    if let Some(token) = filled.visitor.token().filter(|_| filled.visitor.principal.is_some()) {
        app.shop.log_out(token).await.or_error_page(&filled.visitor)?;
    }
    Ok(begin(&request, "", "/"))
}

fn operator_page<'a>(visitor: &'a Visitor, to: &str, error: Option<ErrorText>) -> Page<'a> {
    let title = visitor.t("관리자 로그인", "Operator log-in");
    let hint = visitor.t(
        "서버의 데이터 디렉터리에 있는 operator.key 파일의 내용입니다.",
        "The content of the file operator.key in the server's data directory.",
    );
    let content = html! {
        div class="wide narrow stack" {
            h1 { (title) }
            @if let Some(error) = error { (alert("bad", error, None)) }
            form class="card stack" method="post" action={ "/admin/log-in?to=" (encoded(to)) } {
                (csrf_field(visitor))
                div class="fields" {
                    (Field { kind: "password", hint: Some(hint), autocomplete: "current-password",
                        ..Field::new("operatorKey", visitor.t("운영자 키", "Operator key"), "") })
                }
                button class="button full" { (visitor.t("로그인", "Log in")) }
            }
        }
    };
    Page { visitor, section: Section::Admin, title, script: Some("form.js"), content }
}

pub(crate) async fn operator(visitor: Visitor, return_to: Query<ReturnTo>) -> HttpResponse {
    operator_page(&visitor, &return_to.path("/admin"), None).show()
}

pub(crate) async fn do_operator(
    app: Data<App>,
    request: HttpRequest,
    return_to: Query<ReturnTo>,
    filled: Form,
) -> HttpResponse {
    let Form { visitor, fields, .. } = filled;
    let to = return_to.path("/admin");
    match app.shop.log_in_operator(fields.get("operatorKey").trim(), None).await {
        Ok(session) => begin(&request, &session.token, &to),
        Err(error) => {
            let problem = Problem::from(error);
            let error = wording::error_text(visitor.lang, &problem);
            operator_page(&visitor, &to, Some(error)).show_as(problem.kind.status())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_to_other_sites_are_refused() {
        for bad in ["https://evil.example", "//evil.example", "", "my", "/\\evil.example", "/ x", "/\r\nx"] {
            assert_eq!(ReturnTo { to: bad.to_owned() }.path("/"), "/", "{bad:?}");
        }
        assert_eq!(ReturnTo { to: "/my?x=1".to_owned() }.path("/"), "/my?x=1");
    }
}
