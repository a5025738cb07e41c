//! `/v1/customers` and `/v1/sessions`: accounts and logins.

use super::prelude::*;
use crate::{
    actors::request::RequestContext,
    domain::phone::Phone,
    http::{
        api::{post::insert_outcome, schema::PHONE_CHARS_MAX},
        auth::Token,
        headers::REPLAYED,
    },
};

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignUp {
    /// Name, one line.
    #[schema(min_length = 1, max_length = 100, example = "홍길동")]
    name: String,
    /// Korean mobile number, as people type it.
    #[schema(value_type = Phone)]
    phone: String,
    #[schema(min_length = 8, max_length = 128, example = "correct horse")]
    password: String,
}

fn phone(rules: &mut Rules, typed: &str) -> Option<Phone> {
    let short = typed.chars().count() <= PHONE_CHARS_MAX;
    let short = rules.check("/phone", if short { Ok(()) } else { Err("must have at most 32 characters") });
    short.and_then(|()| rules.check("/phone", Phone::parse(typed)))
}

fn password(rules: &mut Rules, password: String) -> Option<String> {
    let fits = (8..=128).contains(&password.chars().count());
    rules.check("/password", if fits { Ok(password) } else { Err("must have 8 to 128 characters") })
}

/// Signs up a customer.
///
/// A mobile number has one account at a time. Log in next with `POST /v1/sessions`.
#[utoipa::path(
    post, path = "/v1/customers", tag = "customers", operation_id = "signUp",
    request_body = SignUp,
    responses((status = 201, description = "Signed up", body = resources::Customer,
        headers(("Location"), ("Saem-Position"), ("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["phone-taken"]))),
)]
pub(crate) async fn sign_up(app: Data<App>, post: Post<Anyone, Json<SignUp>>) -> ApiResult {
    let SignUp { name, phone, password } = post.body.0;
    let mut rules = Rules::default();
    let name = rules.line("/name", &name, 1, 100);
    let phone = self::phone(&mut rules, &phone);
    let password = self::password(&mut rules, password);
    let ((name, phone), password) = rules.all(name.zip(phone).zip(password))?;
    let signed_up = app.shop.sign_up(name, phone, password, post.context).await?;
    let mut response = HttpResponse::Created();
    response.insert_header(("Location", "/v1/customers/me"));
    Ok(respond::<resources::Customer, _>(response, &signed_up))
}

/// Shows the customer who is logged in.
#[utoipa::path(
    get, path = "/v1/customers/me", tag = "customers", operation_id = "showMe",
    security(("bearer" = ["CUSTOMER"])),
    responses((status = 200, description = "The customer", body = resources::Customer)),
)]
pub(crate) async fn me(app: Data<App>, Customer(id): Customer) -> ApiResult {
    Ok(HttpResponse::Ok().json(resources::Customer::from(&app.shop.customer(id).await?)))
}

/// Changes of an account; absent fields stay as they are.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ChangeCustomer {
    /// Name, one line.
    #[schema(min_length = 1, max_length = 100, example = "홍길순")]
    name: Option<String>,
    #[schema(min_length = 8, max_length = 128, example = "battery staple")]
    password: Option<String>,
}

/// Changes name, password, or both.
#[utoipa::path(
    patch, path = "/v1/customers/me", tag = "customers", operation_id = "changeMe",
    security(("bearer" = ["CUSTOMER"])),
    request_body = ChangeCustomer,
    responses((status = 200, description = "Changed", body = resources::Customer,
        headers(("Saem-Position")))),
)]
pub(crate) async fn change(
    app: Data<App>,
    Customer(id): Customer,
    context: RequestContext,
    Json(change): Json<ChangeCustomer>,
) -> ApiResult {
    let mut rules = Rules::default();
    let name = change.name.and_then(|name| rules.line("/name", &name, 1, 100));
    let new_password = change.password.and_then(|new| password(&mut rules, new));
    rules.all(Some(()))?;
    let changed = app.shop.change_customer(id, name, new_password, context).await?;
    Ok(respond::<resources::Customer, _>(HttpResponse::Ok(), &changed))
}

/// Deletes the account.
///
/// Erases name, phone number, password, addresses and sessions. Rentals must be finished first, and canceled
/// ones refunded.
#[utoipa::path(
    delete, path = "/v1/customers/me", tag = "customers", operation_id = "leave",
    security(("bearer" = ["CUSTOMER"])),
    responses((status = 204, description = "Deleted", headers(("Saem-Position")))),
    extensions(("x-problems" = json!(["rentals-open"]))),
)]
pub(crate) async fn leave(app: Data<App>, Customer(id): Customer, context: RequestContext) -> ApiResult {
    let left = app.shop.leave(id, context).await?;
    let mut response = HttpResponse::NoContent();
    insert_outcome(&mut response, left.position, left.replayed);
    Ok(response.finish())
}

/// The body, parsed by hand as either variant of [`Credentials`]: an untagged enum could not name the field
/// at fault.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct LogIn {
    phone: Option<String>,
    password: Option<String>,
    operator_key: Option<String>,
}

/// Credentials: a customer's `phone` and `password`, or the `operatorKey` alone.
#[derive(ToSchema)]
#[schema(example = json!({"phone": "010-1234-5678", "password": "correct horse"}))]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document what `LogIn` reads")]
enum Credentials {
    #[schema(title = "customer")]
    Customer(CustomerCredentials),
    #[schema(title = "operator")]
    Operator(OperatorCredentials),
}

/// Credentials of a customer.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `LogIn` reads")]
struct CustomerCredentials {
    /// Mobile number, as people type it.
    #[schema(value_type = Phone)]
    phone: String,
    #[schema(example = "correct horse")]
    password: String,
}

/// Credentials of the operator.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `LogIn` reads")]
struct OperatorCredentials {
    #[schema(example = "the operator's key, 32 characters or more")]
    operator_key: String,
}

/// Logs in.
///
/// Send the `token` of the response as `Authorization: Bearer …`. After several failures, an account is
/// locked for some time, also for the right password.
#[utoipa::path(
    post, path = "/v1/sessions", tag = "customers", operation_id = "logIn",
    request_body = Credentials,
    responses((status = 201, description = "Logged in", body = resources::OpenedSession,
        headers(("Idempotency-Replayed")))),
    extensions(("x-problems" = json!(["unauthorized"]))),
)]
pub(crate) async fn log_in(app: Data<App>, post: Post<Anyone, Json<LogIn>>) -> ApiResult {
    let LogIn { phone, password, operator_key } = post.body.0;
    let mut rules = Rules::default();
    let session = match (operator_key, phone, password) {
        (Some(key), None, None) => app.shop.log_in_operator(&key, post.context.key).await?,
        (None, Some(phone), Some(password)) => {
            let phone = self::phone(&mut rules, &phone);
            app.shop.log_in(rules.all(phone)?, password, post.context.key).await?
        }
        (Some(_), _, _) => return Err(Problem::invalid_field("/operatorKey", "excludes phone and password")),
        (None, None, None) => {
            let missing = |pointer| rules.broken(pointer, "is required: phone and password, or operatorKey");
            ["/phone", "/password", "/operatorKey"].into_iter().for_each(missing);
            return rules.all(None);
        }
        (None, None, Some(_)) => return Err(Problem::invalid_field("/phone", "is required")),
        (None, Some(_), None) => return Err(Problem::invalid_field("/password", "is required")),
    };
    let mut response = HttpResponse::Created();
    if session.replayed {
        response.insert_header((REPLAYED, "true"));
    }
    Ok(response.json(resources::OpenedSession::from(&session)))
}

/// Logs out: ends the session of the token.
#[utoipa::path(
    delete, path = "/v1/sessions/current", tag = "customers", operation_id = "logOut",
    security(("bearer" = ["CUSTOMER", "OPERATOR"])),
    responses((status = 204, description = "Logged out")),
)]
pub(crate) async fn log_out(app: Data<App>, _: AnyRole, Token(token): Token) -> ApiResult {
    app.shop.log_out(&token).await?;
    Ok(HttpResponse::NoContent().finish())
}
