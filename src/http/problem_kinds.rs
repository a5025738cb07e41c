//! Every kind of problem, as a table: its slug, its status, its title, and what to do about it.

use actix_web::http::StatusCode;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $slug:literal, $status:ident, $title:literal, $advice:literal;)*) => {
        /// A kind of problem.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $(#[doc = $title] $kind,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)*];

            /// The last part of its URI.
            #[must_use]
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug,)* }
            }

            /// Its status.
            #[must_use]
            pub const fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            /// What it is, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }

            /// What to do about it.
            #[must_use]
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$kind => $advice,)* }
            }
        }
    };
}

kinds! {
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not JSON",
        "Send one JSON value, in UTF-8.";
    InvalidRequest = "invalid-request", BAD_REQUEST, "The request breaks a rule",
        "See `errors`: each names a field by its pointer, and the rule. Mend them and send it again.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "Who are you?",
        "Log in by POST /v1/sessions, and send its token as `Authorization: Bearer …`.";
    Forbidden = "forbidden", FORBIDDEN, "Not yours to do",
        "This call is for another role: customers rent, the operator operates.";
    NotFound = "not-found", NOT_FOUND, "There is no such thing",
        "Check the id and the path. What belongs to somebody else is not shown either.";
    ProductNotFound = "product-not-found", NOT_FOUND, "There is no such product",
        "Choose one from GET /v1/products.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Not by this method",
        "See the `Allow` header.";
    NotAcceptable = "not-acceptable", NOT_ACCEPTABLE, "Not in this form", "Accept application/json.";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request took too long to arrive",
        "Send it again, faster.";
    PhoneTaken = "phone-taken", CONFLICT, "The phone number has an account",
        "Log in with it instead.";
    OutOfStock = "out-of-stock", CONFLICT, "Out of stock",
        "Nothing was charged. Choose another product, or come back after a restock.";
    FeeChanged = "fee-changed", CONFLICT, "The fee has changed",
        "Nothing was charged. Show the new fee, and ask again.";
    ProductWithdrawn = "product-withdrawn", CONFLICT, "The product is withdrawn",
        "Nothing was charged. Choose another product.";
    RentalCanceled = "rental-canceled", CONFLICT, "The rental was canceled",
        "It was canceled meanwhile; whatever was captured is refunded. See the `Location`.";
    RentalNotPayable = "rental-not-payable", CONFLICT, "The rental is not waiting for a payment",
        "Look at the rental: it is paid, or canceled.";
    RentalNotCancelable = "rental-not-cancelable", CONFLICT, "The rental cannot be canceled any more",
        "It is delivered.";
    RentalsOpen = "rentals-open", CONFLICT, "Rentals are not finished",
        "Cancel them, or wait for their delivery.";
    PaymentInProgress = "payment-in-progress", CONFLICT, "The last payment's outcome is not known yet",
        "Nothing new was charged. Try again after `Retry-After`.";
    DeliveryOutOfOrder = "delivery-out-of-order", CONFLICT, "This step does not follow",
        "A delivery is dispatched first, then completed.";
    DeliveryNotReady = "delivery-not-ready", CONFLICT, "The stock is not taken yet",
        "Try again when the timeline shows ProductDecreased.";
    IdempotencyInProgress = "idempotency-in-progress", CONFLICT, "The first request is still running",
        "Wait a moment, and send the same request again.";
    PaymentDeclined = "payment-declined", PAYMENT_REQUIRED, "The payment was declined",
        "Nothing was charged. Try another card.";
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "It was changed meanwhile",
        "Get it anew, and send the change with the new ETag.";
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large",
        "A body may have 64 KiB.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "The body is not JSON",
        "Send `Content-Type: application/json`.";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "This key had another request",
        "Use a new Idempotency-Key for a new request.";
    PreconditionRequired = "precondition-required", PRECONDITION_REQUIRED, "Which version do you change?",
        "Send `If-Match` with the ETag that you got.";
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too often",
        "Wait for `Retry-After`, then try again.";
    PaymentOverloaded = "payment-overloaded", SERVICE_UNAVAILABLE, "Payments are overloaded",
        "Nothing was recorded and nothing charged. Try again after `Retry-After`.";
    PaymentUnavailable = "payment-unavailable", SERVICE_UNAVAILABLE, "The payment could not be made",
        "The rental is canceled; whatever was captured is refunded. Try again after `Retry-After`.";
    ContextPaused = "context-paused", SERVICE_UNAVAILABLE, "Under maintenance",
        "An operator has paused this part. Try again later.";
    ActorQuarantined = "actor-quarantined", SERVICE_UNAVAILABLE, "Out of order",
        "This one thing fails too often, and waits for an operator. Others are not affected.";
    ActorRestarting = "actor-restarting", SERVICE_UNAVAILABLE, "Restarting",
        "Send it again: with the same Idempotency-Key, it happens once.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too much at once", "Try again after `Retry-After`.";
    Timeout = "timeout", SERVICE_UNAVAILABLE, "No answer in time",
        "Look whether it happened; with the same Idempotency-Key, sending it again is safe.";
    StoreUnavailable = "store-unavailable", SERVICE_UNAVAILABLE, "The store is unavailable",
        "Try again after `Retry-After`; with the same Idempotency-Key, it happens once.";
    NotReady = "not-ready", SERVICE_UNAVAILABLE, "Not ready", "Starting, or stopping. Try again.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong",
        "It is logged under the correlation id; tell the operator.";
}

impl Kind {
    /// The URI that names it: a page that this server serves.
    #[must_use]
    pub fn type_uri(self) -> String {
        format!("/problems/{}", self.slug())
    }

    /// The kind that a bare status stands for.
    #[must_use]
    pub const fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::BAD_REQUEST => Self::InvalidRequest,
            StatusCode::UNAUTHORIZED => Self::Unauthorized,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::NOT_ACCEPTABLE => Self::NotAcceptable,
            StatusCode::REQUEST_TIMEOUT => Self::RequestTimeout,
            StatusCode::PAYLOAD_TOO_LARGE => Self::PayloadTooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::UnsupportedMediaType,
            StatusCode::TOO_MANY_REQUESTS => Self::TooManyRequests,
            StatusCode::SERVICE_UNAVAILABLE => Self::Overloaded,
            _ => Self::Internal,
        }
    }
}

/// The page that its URI leads to: what happened, and what to do.
#[must_use]
pub fn page(kind: Kind) -> String {
    let (title, status, advice) = (kind.title(), kind.status().as_u16(), kind.advice());
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{title}</title>\
         <h1>{title}</h1><p>Status {status}, <code>{}</code></p><p>{advice}</p></html>\n",
        kind.type_uri(),
    )
}
