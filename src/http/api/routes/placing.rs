//! `POST /v1/rentals` and `POST /v1/rentals/{id}/payment`: placing and paying.

use actix_web::{HttpResponseBuilder, http::header};

use super::{
    method::{PaymentMethodBody, PaymentMethodInput},
    prelude::*,
    products,
    rentals::visible,
};
use crate::{
    domain::{Money, RentalId, address::Address},
    gateways::payment::AUTHENTICATION_REQUIRED,
    http::{
        api::{extract::position_header, post::insert_outcome},
        headers::REPLAYED,
        problem::seconds,
    },
    shop::{Order, PayOutcome, PlacedRental, Principal},
};

/// The delivery address.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DeliverTo {
    /// Name of the recipient, one line.
    #[schema(min_length = 1, max_length = 100, example = "홍길동")]
    recipient: String,
    /// Postal code, five digits.
    #[schema(pattern = "^[0-9]{5}$", example = "04524")]
    postal_code: String,
    /// Street and number, one line.
    #[schema(min_length = 1, max_length = 200, example = "서울 중구 세종대로 110")]
    line1: String,
    /// Flat or floor, one line.
    #[schema(max_length = 200, example = "3층")]
    line2: Option<String>,
}

impl DeliverTo {
    fn checked(self, rules: &mut Rules) -> Option<Address> {
        let Self { recipient, postal_code, line1, line2 } = self;
        let checked = Address { recipient, postal_code, line1, line2 }.checked();
        let mut note = |(field, rule): (&str, String)| rules.broken(&format!("/address/{field}"), rule);
        checked.map_err(|wrong| wrong.into_iter().for_each(&mut note)).ok()
    }
}

/// An order.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PlaceRental {
    /// The product to rent.
    #[schema(example = "product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    product_id: String,
    address: DeliverTo,
    #[schema(inline = false, value_type = PaymentMethodBody)]
    payment_method: PaymentMethodInput,
    /// The fee shown to the customer; if the fee is another one, nothing is placed (409 `fee-changed`).
    #[schema(minimum = 0, maximum = 100_000_000, example = 29_900)]
    expected_fee: Option<u64>,
}

/// Places a rental and pays its fee in one call.
///
/// 201 is a paid rental. 202 is a rental that waits for its payment: show `paymentRetryAt` of its row of My
/// Page, and pay then with `POST /v1/rentals/{id}/payment`. With an `Idempotency-Key`, repeating the call
/// after a lost connection neither places nor charges twice.
#[utoipa::path(
    post, path = "/v1/rentals", tag = "rentals", operation_id = "placeRental",
    security(("bearer" = ["CUSTOMER"])),
    request_body = PlaceRental,
    responses(
        (status = 201, description = "Placed and paid", body = resources::Rental,
            headers(("Location"), ("Saem-Position"), ("Idempotency-Replayed"))),
        (status = 202, description = "Placed; to be paid later", body = resources::Rental,
            headers(("Location"), ("Saem-Position"), ("Retry-After"), ("Idempotency-Replayed"))),
    ),
    extensions(("x-problems" = json!([
        "payment-declined", "authentication-required", "product-not-found", "out-of-stock", "fee-changed",
        "product-withdrawn", "rental-canceled", "checkout-expired", "payment-in-progress",
        "payment-overloaded", "payment-unavailable",
    ]))),
)]
pub(crate) async fn place(app: Data<App>, post: Post<Customer, Json<PlaceRental>>) -> ApiResult {
    let Customer(customer_id) = post.caller;
    let PlaceRental { product_id, address, payment_method, expected_fee } = post.body.0;
    let mut rules = Rules::default();
    let (address, method) = (address.checked(&mut rules), payment_method.checked(&mut rules));
    let expected_fee =
        expected_fee.and_then(|fee| rules.number("/expectedFee", fee, 0, Money::MAX_FEE.as_won()));
    let (address, method) = rules.all(address.zip(method))?;
    let (product_id, expected_fee) = (products::product_id(&product_id)?, expected_fee.map(Money::won));
    let order = Order { customer_id, product_id, address, method, expected_fee };
    response(&app.shop.place_rental(order, post.context).await?, HttpResponse::Created())
}

/// Maps the outcome of placing or paying to a response; `confirmed` is the response of success.
fn response(placed: &PlacedRental, confirmed: HttpResponseBuilder) -> ApiResult {
    let mut response = match &placed.outcome {
        PayOutcome::Confirmed => confirmed,
        PayOutcome::Deferred { retry_after_ms } => {
            let mut accepted = HttpResponse::Accepted();
            accepted.insert_header((header::RETRY_AFTER, seconds(*retry_after_ms)));
            accepted
        }
        PayOutcome::Declined { code } if code.as_deref() == Some(AUTHENTICATION_REQUIRED) => {
            let detail = "the bank requires the card's owner to confirm the payment, which is not supported";
            return failed(placed, ProblemKind::AuthenticationRequired, detail);
        }
        PayOutcome::Declined { .. } => {
            return failed(placed, ProblemKind::PaymentDeclined, "the payment was declined");
        }
        PayOutcome::Canceled => {
            let detail = "the rental was canceled during the payment; the payment is refunded";
            return failed(placed, ProblemKind::RentalCanceled, detail);
        }
        PayOutcome::Unavailable { .. } => {
            let detail =
                "the payment's outcome is unknown; the rental is canceled, and refunded if it was charged";
            return failed(placed, ProblemKind::PaymentUnavailable, detail);
        }
    };
    response.insert_header((header::LOCATION, location(placed.rental.id)));
    insert_outcome(&mut response, placed.position, placed.replayed);
    Ok(response.json(resources::Rental::from(&placed.rental)))
}

fn location(id: RentalId) -> String {
    format!("/v1/rentals/{id}")
}

fn failed(placed: &PlacedRental, kind: ProblemKind, detail: &str) -> ApiResult {
    let mut problem = Problem::new(kind, detail);
    problem.location = Some(location(placed.rental.id));
    problem.headers.push(position_header(placed.position));
    if let PayOutcome::Unavailable { retry_after_ms } = placed.outcome {
        problem = problem.retry_after(retry_after_ms);
    }
    if placed.replayed {
        problem.headers.push((REPLAYED, "true".to_owned()));
    }
    Err(problem)
}

/// Payment of a deferred rental.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PayRental {
    #[schema(inline = false, value_type = PaymentMethodBody)]
    payment_method: PaymentMethodInput,
}

/// Pays a deferred rental.
#[utoipa::path(
    post, path = "/v1/rentals/{id}/payment", tag = "rentals", operation_id = "payRental",
    security(("bearer" = ["CUSTOMER"])),
    params(("id" = RentalId, Path)),
    request_body = PayRental,
    responses(
        (status = 200, description = "Paid", body = resources::Rental,
            headers(("Location"), ("Saem-Position"), ("Idempotency-Replayed"))),
        (status = 202, description = "Still to be paid later", body = resources::Rental,
            headers(("Location"), ("Saem-Position"), ("Retry-After"), ("Idempotency-Replayed"))),
    ),
    extensions(("x-problems" = json!([
        "payment-declined", "authentication-required", "rental-not-payable", "payment-in-progress",
        "rental-canceled", "checkout-expired", "payment-overloaded", "payment-unavailable",
    ]))),
)]
pub(crate) async fn pay(
    app: Data<App>,
    id: Path<String>,
    Post { caller: Customer(customer), context, body: Json(body) }: Post<Customer, Json<PayRental>>,
) -> ApiResult {
    let rental = visible(&app, AnyRole(Principal::Customer(customer)), &id).await?;
    let mut rules = Rules::default();
    let method = body.payment_method.checked(&mut rules);
    response(&app.shop.pay_rental(rental.id, rules.all(method)?, context).await?, HttpResponse::Ok())
}
