//! `POST /v1/checkouts`: fixes order and amount before a customer pays in a provider's window.

use super::{prelude::*, products::product_id, rentals::visible};
use crate::shop::{Principal, Purchase};

/// The body, parsed by hand as either variant of [`OpenCheckoutBody`]: an untagged enum could not name the
/// field at fault.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OpenCheckout {
    product_id: Option<String>,
    rental_id: Option<String>,
}

/// The subject of the payment: a product to rent, or a deferred rental.
#[derive(ToSchema)]
#[schema(as = OpenCheckout, example = json!({"productId": "product_01kb3q5v8rf7k9x2m4n6p8q0st"}))]
#[serde(untagged)]
#[expect(dead_code, reason = "tells the document what `OpenCheckout` reads")]
enum OpenCheckoutBody {
    #[schema(title = "product")]
    Product(ProductCheckout),
    #[schema(title = "rental")]
    Rental(RentalCheckout),
}

/// A checkout for placing a rental.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `OpenCheckout` reads")]
struct ProductCheckout {
    /// The product to rent.
    #[schema(example = "product_01kb3q5v8rf7k9x2m4n6p8q0st")]
    product_id: String,
}

/// A checkout for paying a deferred rental.
#[derive(ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(dead_code, reason = "tells the document what `OpenCheckout` reads")]
struct RentalCheckout {
    /// The rental, which is `PAYMENT_DEFERRED`.
    #[schema(example = "rental_01kb3q5v8rf7k9x2m4n6p8q0st")]
    rental_id: String,
}

/// Fixes order and amount, for a payment provider whose own window needs both first.
///
/// Open the window of Toss Payments with `orderId` and `fee`, then send the `paymentKey` that it returns as
/// `paymentMethod`, with this `checkoutId`, to `POST /v1/rentals` or `POST /v1/rentals/{id}/payment`. Nothing
/// is charged before. A checkout is for one window: open another one if the window was closed.
#[utoipa::path(
    post, path = "/v1/checkouts", tag = "rentals", operation_id = "openCheckout",
    security(("bearer" = ["CUSTOMER"])),
    request_body = OpenCheckoutBody,
    responses((status = 201, description = "Opened, for 30 minutes", body = resources::Checkout,
        headers(("Idempotency-Replayed")))),
    extensions(("x-problems" = json!([
        "product-not-found", "product-withdrawn", "out-of-stock", "not-found", "rental-not-payable",
        "checkout-unavailable",
    ]))),
)]
pub(crate) async fn open(app: Data<App>, post: Post<Customer, Json<OpenCheckout>>) -> ApiResult {
    let Post { caller: Customer(customer), context, body: Json(body) } = post;
    let named = match (body.product_id, body.rental_id) {
        (Some(product), None) => Payable::Product(product),
        (None, Some(rental)) => Payable::Rental(rental),
        (Some(_), Some(_)) => return Err(Problem::invalid_field("/rentalId", "excludes productId")),
        (None, None) => {
            let mut rules = Rules::default();
            let missing = |pointer| rules.broken(pointer, "is required: productId or rentalId");
            ["/productId", "/rentalId"].into_iter().for_each(missing);
            return rules.all(None);
        }
    };
    let work = async {
        let what = match named {
            Payable::Product(id) => Purchase::Product(product_id(&id)?),
            Payable::Rental(id) => {
                Purchase::Rental(visible(&app, AnyRole(Principal::Customer(customer)), &id).await?.id)
            }
        };
        Ok(resources::Checkout::from(&app.shop.check_out(customer, what).await?))
    };
    respond_once(&app, context, HttpResponse::Created(), work).await
}

/// Ids of the body, not looked up yet.
enum Payable {
    Product(String),
    Rental(String),
}
