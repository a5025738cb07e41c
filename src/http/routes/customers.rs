//! `/v1/customers`, `/v1/sessions`: signing up, logging in, being somebody.

use actix_web::{HttpResponse, web};
use serde::Deserialize;

use crate::{
    domain::phone::Phone,
    http::{
        App,
        auth::{Customer, Token},
        correlation::Cause,
        extract::{Body, Rules, position_header},
        json,
        problem::Problem,
    },
};

/// `POST /v1/customers`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignUp {
    name: String,
    phone: String,
    password: String,
}

impl SignUp {
    fn checked(self) -> Result<(String, Phone, String), Problem> {
        let mut rules = Rules::default();
        let name = rules.line("/name", &self.name, 1, 100);
        let phone = rules.check("/phone", Phone::parse(&self.phone));
        let password = password(&mut rules, self.password);
        rules.all(name.zip(phone).zip(password).map(|((name, phone), password)| (name, phone, password)))
    }
}

fn password(rules: &mut Rules, password: String) -> Option<String> {
    let fits = (8..=128).contains(&password.chars().count());
    rules.check("/password", if fits { Ok(password) } else { Err("must have 8 to 128 characters") })
}

/// Signs a customer up.
///
/// # Errors
/// 400, 409 `phone-taken`
pub async fn sign_up(
    app: web::Data<App>,
    Cause(because): Cause,
    body: Body<SignUp>,
) -> Result<HttpResponse, Problem> {
    let (name, phone, password) = body.value.checked()?;
    let done = app.shop.sign_up(name, phone, password, because).await?;
    let mut response = HttpResponse::Created();
    response.insert_header(position_header(done.position));
    response.insert_header(("Location", "/v1/customers/me"));
    Ok(response.json(json::customer(&done.value)))
}

/// Shows the customer who asks.
///
/// # Errors
/// 401, 403
pub async fn me(app: web::Data<App>, Customer(id): Customer) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(json::customer(&app.shop.customer(id).await?)))
}

/// `PATCH /v1/customers/me`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    name: Option<String>,
    password: Option<String>,
}

/// Changes name or password, or both.
///
/// # Errors
/// 400, 401, 403
pub async fn change(
    app: web::Data<App>,
    Customer(id): Customer,
    Cause(because): Cause,
    body: Body<Change>,
) -> Result<HttpResponse, Problem> {
    let mut rules = Rules::default();
    let name = body.value.name.and_then(|name| rules.line("/name", &name, 1, 100));
    let new_password = body.value.password.and_then(|new| password(&mut rules, new));
    rules.all(Some(()))?;
    let done = app.shop.change_customer(id, name, new_password, because).await?;
    Ok(HttpResponse::Ok().insert_header(position_header(done.position)).json(json::customer(&done.value)))
}

/// `POST /v1/sessions`: a customer's credentials, or the operator's key.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogIn {
    phone: Option<String>,
    password: Option<String>,
    operator_key: Option<String>,
}

/// Opens a session.
///
/// # Errors
/// 400, 401
pub async fn log_in(app: web::Data<App>, body: Body<LogIn>) -> Result<HttpResponse, Problem> {
    let LogIn { phone, password, operator_key } = body.value;
    let mut rules = Rules::default();
    let session = match (operator_key, phone, password) {
        (Some(key), None, None) => app.shop.log_in_operator(&key, None).await?,
        (None, Some(phone), Some(password)) => {
            let phone = rules.check("/phone", Phone::parse(&phone));
            app.shop.log_in(rules.all(phone)?, password, None).await?
        }
        (Some(_), _, _) => return Err(Problem::invalid_field("/operatorKey", "stands alone")),
        (None, None, _) => return Err(Problem::invalid_field("/phone", "is required")),
        (None, Some(_), None) => return Err(Problem::invalid_field("/password", "is required")),
    };
    Ok(HttpResponse::Created().json(json::session(&session)))
}

/// Ends the session that asks.
///
/// # Errors
/// 401
pub async fn log_out(
    app: web::Data<App>,
    _: crate::http::auth::AnyRole,
    Token(token): Token,
) -> Result<HttpResponse, Problem> {
    app.shop.log_out(&token).await?;
    Ok(HttpResponse::NoContent().finish())
}
