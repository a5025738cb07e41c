//! The table of problem kinds: slug, status, title, explanation and advice.

use actix_web::http::StatusCode;

macro_rules! kinds {
    ($($kind:ident = $slug:literal, $status:ident, $title:literal; $happened:literal; $advice:literal;)*) => {
        /// Kind of a problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $(#[doc = $title] $kind,)*
        }

        impl ProblemKind {
            /// All kinds.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// Last part of the type URI.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)* }
            }

            /// HTTP status.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// Short summary.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            #[must_use]
            pub const fn happened(self) -> &'static str {
                match self { $(Self::$kind => $happened,)* }
            }

            /// Advice to the client's developer or user.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)* }
            }
        }
    };
}

kinds! {
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not valid JSON";
        "The body is not JSON, or is incomplete.";
        "Send one JSON value in UTF-8.";
    InvalidRequest = "invalid-request", BAD_REQUEST, "The request is invalid";
        "A field of the body, a query parameter or a header is missing, unknown, duplicated or out of \
         bounds; or the body is nested deeper than 16 levels. Nothing was done.";
        "See `errors`: each entry has a pointer to the field and the violated rule. Correct the fields and \
         send the request again.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "Authentication required";
        "The token is missing or no longer valid; or phone number and password do not match.";
        "Log in with POST /v1/sessions and send the token as `Authorization: Bearer …`.";
    Forbidden = "forbidden", FORBIDDEN, "Not permitted for this role";
        "The token is valid, but the call is for another role: customers rent, the operator operates.";
        "Log in with an account of the required role.";
    NotFound = "not-found", NOT_FOUND, "Not found";
        "Nothing has this path or id. Data of other customers is reported as not found too.";
        "Check the path, the id and the token.";
    ProductNotFound = "product-not-found", NOT_FOUND, "Product not found";
        "No product has this id. Nothing was charged.";
        "Choose a product from GET /v1/products.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Method not allowed";
        "The path exists, but not with this method.";
        "See the `Allow` header, and the contract at /docs.";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request arrived too slowly";
        "The body did not arrive in time. Nothing was done.";
        "Send the request again.";
    PhoneTaken = "phone-taken", CONFLICT, "The phone number has an account";
        "An account with this number exists; a number has one account at a time.";
        "Log in with that number instead.";
    OutOfStock = "out-of-stock", CONFLICT, "Out of stock";
        "The product is sold out. Nothing was recorded or charged.";
        "Choose another product, or try again after a restock. A confirmed rental may still be canceled with \
         `OUT_OF_STOCK` if other customers took the last units at the same time; it is then refunded.";
    FeeChanged = "fee-changed", CONFLICT, "The fee has changed";
        "The fee differs from the `expectedFee` shown to the customer, or from the checkout's fee. Nothing \
         was charged.";
        "Read the product again, show its fee, and ask the customer again, with a new checkout where one is \
         needed.";
    ProductWithdrawn = "product-withdrawn", CONFLICT, "The product is withdrawn";
        "The product accepts no new rentals. Nothing was charged.";
        "Choose another product.";
    RentalCanceled = "rental-canceled", CONFLICT, "The rental was canceled";
        "The rental was canceled in the meantime; any captured amount is refunded.";
        "Read the rental at `Location`. To rent after all, place a new rental.";
    RentalNotPayable = "rental-not-payable", CONFLICT, "The rental is not waiting for a payment";
        "The rental is paid already, canceled, or had too many payment attempts. Nothing was charged.";
        "Read the rental for its state.";
    RentalNotCancelable = "rental-not-cancelable", CONFLICT, "The rental can no longer be canceled";
        "The purifier is installed.";
        "A cancellation is not possible through this API.";
    RentalsOpen = "rentals-open", CONFLICT, "Rentals are not finished";
        "A customer cannot leave while a rental or refund is in progress. Nothing was erased.";
        "Cancel the rentals, or wait for their delivery or refund; then leave.";
    CheckoutUnavailable = "checkout-unavailable", CONFLICT, "Checkouts are not available";
        "The payment provider of this server needs no checkout. Nothing was recorded.";
        "Pay in the call that places the rental: see `paymentMethod` of POST /v1/rentals.";
    CheckoutExpired = "checkout-expired", CONFLICT, "The checkout has expired";
        "The checkout is older than 30 minutes, or another payment of this rental came first. Nothing was \
         charged.";
        "Create a new checkout with POST /v1/checkouts, and let the customer pay in a new window.";
    PaymentInProgress = "payment-in-progress", CONFLICT, "The result of the last payment is not known yet";
        "The result of the last payment attempt is not known yet. Nothing new was charged.";
        "Try again after `Retry-After`. If the last attempt was captured, it pays the rental.";
    DeliveryOutOfOrder = "delivery-out-of-order", CONFLICT, "The delivery is not ready for this step";
        "The delivery is in a state that does not permit this step.";
        "A delivery is dispatched first, then completed: read its state.";
    DeliveryNotReady = "delivery-not-ready", CONFLICT, "The stock is not taken yet";
        "The purifier has not been taken from the stock, so it cannot be dispatched.";
        "Try again when the rental's timeline contains ProductDecreased.";
    IdempotencyInProgress = "idempotency-in-progress", CONFLICT, "The first request is still running";
        "A request with the same Idempotency-Key has not been answered yet.";
        "Wait a moment and send the same request again; it gets the first request's answer.";
    BackupRefused = "backup-refused", CONFLICT, "The backup was refused";
        "The directory is not new or empty, cannot be created, is inside the data directory, or has too \
         little space; or another backup is running; or the store is in memory only. Nothing was written.";
        "Name a new or empty directory on the server's machine, or wait for the other backup.";
    PaymentDeclined = "payment-declined", PAYMENT_REQUIRED, "The payment was declined";
        "The gateway declined the payment. Nothing was charged; a rental that was just placed is canceled.";
        "Try another card.";
    AuthenticationRequired = "authentication-required", PAYMENT_REQUIRED, "The card requires authentication";
        "The card's bank accepts this payment only with cardholder authentication (3-D Secure), which is not \
         supported. Nothing was or will be charged; a rental that was just placed is canceled.";
        "Try another card, or ask the bank to allow payments to this shop.";
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "The version is outdated";
        "`If-Match` contains an outdated version. Nothing was changed.";
        "Read the resource again, and send the change with the new ETag.";
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
        "A body is limited to 64 KiB, and an image to 1 MiB.";
        "Send a smaller body.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Unsupported media type";
        "The body is not declared as JSON, or is compressed; or an image is not a PNG, JPEG or WebP.";
        "Send `Content-Type: application/json` and no `Content-Encoding`; or the uncompressed bytes of an \
         image.";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "The key has another request";
        "The Idempotency-Key was used with another body before. Nothing was done.";
        "Use a new Idempotency-Key for a new request.";
    PreconditionRequired = "precondition-required", PRECONDITION_REQUIRED, "If-Match is required";
        "A change must name the version it is based on, so that it does not overwrite other changes.";
        "Send `If-Match` with the ETag of the version you read.";
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too many requests";
        "This client exceeded its request rate, or an account had too many failed log-ins.";
        "Wait for `Retry-After`, then try again.";
    PaymentOverloaded = "payment-overloaded", SERVICE_UNAVAILABLE, "Payments are overloaded";
        "Too many customers are paying at the moment. Nothing was recorded or charged.";
        "Ask the customer to pay later: send the request again after `Retry-After`.";
    PaymentUnavailable = "payment-unavailable", SERVICE_UNAVAILABLE, "The payment could not be made";
        "The gateway gave no answer. The rental is canceled; any captured amount is refunded.";
        "Place a new rental after `Retry-After`.";
    ContextPaused = "context-paused", SERVICE_UNAVAILABLE, "Under maintenance";
        "An operator has paused this part of the shop. Nothing was done.";
        "Try again later.";
    ActorQuarantined = "actor-quarantined", SERVICE_UNAVAILABLE, "Quarantined after repeated failures";
        "This entity failed too often and waits for an operator. Others are not affected.";
        "Inform the operator, and try again later.";
    ActorRestarting = "actor-restarting", SERVICE_UNAVAILABLE, "Restarting";
        "The entity failed while handling the request and is being restarted. The command may have been \
         carried out.";
        "Send the request again; with the same Idempotency-Key it is carried out once.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "The server is overloaded";
        "Too many requests are waiting. Nothing was done.";
        "Try again after `Retry-After`.";
    Timeout = "timeout", SERVICE_UNAVAILABLE, "Timeout";
        "The request took too long, and may still be carried out.";
        "Check the result; with the same Idempotency-Key, sending the request again is safe.";
    StoreUnavailable = "store-unavailable", SERVICE_UNAVAILABLE, "The store is unavailable";
        "The server cannot read or write its data at the moment.";
        "Try again after `Retry-After`; with the same Idempotency-Key it is carried out once.";
    NotAlive = "not-alive", SERVICE_UNAVAILABLE, "The process makes no progress";
        "A component has made no progress for too long, or the store accepts no more writes.";
        "Replace the process; no acknowledged data is lost. systemd and Kubernetes do so if they watch this \
         endpoint.";
    NotReady = "not-ready", SERVICE_UNAVAILABLE, "Not ready";
        "The server is starting, stopping, or cannot write.";
        "Try again.";
    BackupFailed = "backup-failed", INTERNAL_SERVER_ERROR, "The backup failed";
        "The copy could not be read or written. The incomplete backup was removed.";
        "The log gives the reason: check the disk, and make another backup.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Internal error";
        "An error in the server; it is logged under the correlation id.";
        "Report the correlation id to the operator.";
}

impl ProblemKind {
    /// Type URI: a page of this server.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("/problems/{}", self.slug())
    }

    /// Returns the kind for a response that has only a status.
    #[must_use]
    pub const fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST => Self::InvalidRequest,
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            _ => Self::Internal,
        }
    }
}

/// Renders the page that explains a kind.
#[must_use]
pub(crate) fn problem_page(kind: ProblemKind) -> String {
    let (title, status, uri) = (kind.title(), kind.status(), kind.type_uri());
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title} · Saem</title>\n\
         <h1>{title}</h1>\n<p><code>{uri}</code> · {status}</p>\n\
         <h2>What happened</h2>\n<p>{}</p>\n<h2>What to do</h2>\n<p>{}</p>\n\
         <p><a href=\"/docs\">The whole contract</a></p>\n</html>\n",
        marked(kind.happened()),
        marked(kind.advice()),
    )
}

/// Converts code in backticks to HTML. The texts are constants without special characters.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}
