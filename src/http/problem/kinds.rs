//! Every kind of problem, as a table: its slug, status and title, what happened, and what to do about it.

use actix_web::http::StatusCode;

macro_rules! kinds {
    ($($kind:ident = $slug:literal, $status:ident, $title:literal; $happened:literal; $advice:literal;)*) => {
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

            /// What happened.
            #[must_use]
            pub const fn happened(self) -> &'static str {
                match self { $(Self::$kind => $happened,)* }
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
    MalformedJson = "malformed-json", BAD_REQUEST, "The body is not JSON";
        "The body could not be read: it is no JSON, or broke off.";
        "Send one JSON value, in UTF-8.";
    InvalidRequest = "invalid-request", BAD_REQUEST, "The request breaks a rule";
        "A field of the body, a query parameter or a header is missing, unknown, said twice, or out of \
         bounds; or the body is nested deeper than 16 levels. Nothing was done.";
        "See `errors`: each names a field by its pointer, and the rule. Mend them and send it again.";
    Unauthorized = "unauthorized", UNAUTHORIZED, "Who are you?";
        "There is no token, or it is not valid any more; or phone number and password do not match.";
        "Log in by POST /v1/sessions, and send its token as `Authorization: Bearer …`.";
    Forbidden = "forbidden", FORBIDDEN, "Not yours to do";
        "The token is good, but this call is for another role: customers rent, the operator operates.";
        "Log in as somebody who may.";
    NotFound = "not-found", NOT_FOUND, "There is no such thing";
        "Nothing has this path or this id. What belongs to somebody else is not shown either.";
        "Check the id and the path, and whose token you send.";
    ProductNotFound = "product-not-found", NOT_FOUND, "There is no such product";
        "No product has this id. Nothing was charged.";
        "Choose one from GET /v1/products.";
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "Not by this method";
        "The path is served, but not by this method.";
        "See the `Allow` header, and the contract at /docs.";
    RequestTimeout = "request-timeout", REQUEST_TIMEOUT, "The request took too long to arrive";
        "The body did not arrive in time. Nothing was done.";
        "Send it again.";
    PhoneTaken = "phone-taken", CONFLICT, "The phone number has an account";
        "Somebody signed up with this number before; a number has one account at a time.";
        "Log in with it instead.";
    OutOfStock = "out-of-stock", CONFLICT, "Out of stock";
        "The product is sold out. Nothing was recorded and nothing charged.";
        "Choose another product, or come back after a restock. A rental that is confirmed may still be \
         canceled with `OUT_OF_STOCK`, when others took the last units in the same moment: it is then \
         refunded.";
    FeeChanged = "fee-changed", CONFLICT, "The fee has changed";
        "The fee is not the `expectedFee` that the customer was shown, or not the checkout's. Nothing was \
         charged.";
        "Get the product anew, show its fee, and ask again; with a new checkout, where one is needed.";
    ProductWithdrawn = "product-withdrawn", CONFLICT, "The product is withdrawn";
        "The product takes no new rentals. Nothing was charged.";
        "Choose another product.";
    RentalCanceled = "rental-canceled", CONFLICT, "The rental was canceled";
        "It was canceled meanwhile; whatever was captured is refunded.";
        "Look at the rental: `Location` says where. To have it after all, place a new one.";
    RentalNotPayable = "rental-not-payable", CONFLICT, "The rental is not waiting for a payment";
        "It is paid already, or canceled, or was tried too often. Nothing was charged.";
        "Look at the rental.";
    RentalNotCancelable = "rental-not-cancelable", CONFLICT, "The rental cannot be canceled any more";
        "The purifier is installed.";
        "Nothing can be done about it here.";
    RentalsOpen = "rentals-open", CONFLICT, "Rentals are not finished";
        "Who leaves must have no rental under way, nor a refund. Nothing was erased.";
        "Cancel them, or wait for their delivery or refund; then leave.";
    CheckoutUnavailable = "checkout-unavailable", CONFLICT, "There is no checkout here";
        "The payment provider of this server takes payments without one. Nothing was recorded.";
        "Pay in the call that places the rental: see `paymentMethod` of POST /v1/rentals.";
    CheckoutExpired = "checkout-expired", CONFLICT, "The checkout has expired";
        "It is older than 30 minutes, or another payment of this rental has overtaken it. Nothing was \
         charged.";
        "Ask for a new one by POST /v1/checkouts, and have the customer pay in a new window.";
    PaymentInProgress = "payment-in-progress", CONFLICT, "The last payment's outcome is not known yet";
        "The gateway has not told yet what became of the last try. Nothing new was charged.";
        "Try again after `Retry-After`: if the last try was captured after all, that pays the rental.";
    DeliveryOutOfOrder = "delivery-out-of-order", CONFLICT, "This step does not follow";
        "The delivery is not where this step begins.";
        "A delivery is dispatched first, then completed: look where it is.";
    DeliveryNotReady = "delivery-not-ready", CONFLICT, "The stock is not taken yet";
        "The purifier has not been taken from the stock, so it cannot be on its way.";
        "Try again when the rental's timeline shows ProductDecreased.";
    IdempotencyInProgress = "idempotency-in-progress", CONFLICT, "The first request is still running";
        "A request with the same Idempotency-Key has not been answered yet.";
        "Wait a moment, and send the same request again: it gets the first one's answer.";
    BackupRefused = "backup-refused", CONFLICT, "No backup can be made there, or not now";
        "The directory is not new or empty, cannot be made, lies inside the data directory or has too little \
         room; or another backup is being made; or the store keeps nothing. Nothing was written.";
        "Name a new or an empty directory of the server's machine; or wait for the other backup.";
    PaymentDeclined = "payment-declined", PAYMENT_REQUIRED, "The payment was declined";
        "The gateway declined. Nothing was charged; a rental that was just placed is canceled.";
        "Try another card.";
    AuthenticationRequired = "authentication-required", PAYMENT_REQUIRED, "The card wants its owner's word";
        "The card's bank takes this payment only if the card's owner confirms it (3-D Secure), which cannot \
         be done here. Nothing was charged, and nothing will be; a rental that was just placed is canceled.";
        "Try another card, or ask the bank to allow payments to this shop.";
    PreconditionFailed = "precondition-failed", PRECONDITION_FAILED, "It was changed meanwhile";
        "`If-Match` names an older version. Nothing was changed.";
        "Get it anew, and send the change with the new ETag.";
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE, "The body is too large";
        "A body may have 64 KiB, and a picture 1 MiB.";
        "Send less.";
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE, "Not in this format";
        "The body does not say that it is JSON, or is compressed; or a picture is no PNG, JPEG or WebP.";
        "Send `Content-Type: application/json`, and no `Content-Encoding`; or a picture's bytes as they are.";
    IdempotencyKeyReused = "idempotency-key-reused", UNPROCESSABLE_ENTITY, "This key had another request";
        "The Idempotency-Key came with another body before. Nothing was done.";
        "Use a new Idempotency-Key for a new request.";
    PreconditionRequired = "precondition-required", PRECONDITION_REQUIRED, "Which version do you change?";
        "A change must say which version it starts from, so that nobody else's is overwritten.";
        "Send `If-Match` with the ETag that you got.";
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS, "Too often";
        "This client sent more requests than it may, or an account had too many failed log-ins.";
        "Wait for `Retry-After`, then try again.";
    PaymentOverloaded = "payment-overloaded", SERVICE_UNAVAILABLE, "Payments are overloaded";
        "Too many customers pay at this moment. Nothing was recorded and nothing charged.";
        "Ask the customer to pay a little later: send it again after `Retry-After`.";
    PaymentUnavailable = "payment-unavailable", SERVICE_UNAVAILABLE, "The payment could not be made";
        "The gateway gave no answer. The rental is canceled; whatever was captured is refunded.";
        "Place a new rental after `Retry-After`.";
    ContextPaused = "context-paused", SERVICE_UNAVAILABLE, "Under maintenance";
        "An operator has paused this part. Nothing was done.";
        "Try again later.";
    ActorQuarantined = "actor-quarantined", SERVICE_UNAVAILABLE, "Out of order";
        "This one thing fails too often, and waits for an operator. Others are not affected.";
        "Tell the operator, and try again later.";
    ActorRestarting = "actor-restarting", SERVICE_UNAVAILABLE, "Restarting";
        "What was to do this failed, and is being restarted. It may have been done.";
        "Send it again: with the same Idempotency-Key, it happens once.";
    Overloaded = "overloaded", SERVICE_UNAVAILABLE, "Too much at once";
        "Too much waits already. Nothing was done.";
        "Try again after `Retry-After`.";
    Timeout = "timeout", SERVICE_UNAVAILABLE, "No answer in time";
        "It took too long, and may still be done.";
        "Look whether it happened; with the same Idempotency-Key, sending it again is safe.";
    StoreUnavailable = "store-unavailable", SERVICE_UNAVAILABLE, "The store is unavailable";
        "The server cannot read or write its data now.";
        "Try again after `Retry-After`; with the same Idempotency-Key, it happens once.";
    NotAlive = "not-alive", SERVICE_UNAVAILABLE, "The process does not get on";
        "A part of the server has got nothing done for long, or the store takes nothing more.";
        "Replace the process; nothing that was acknowledged is lost. systemd and Kubernetes do so when they \
         watch this.";
    NotReady = "not-ready", SERVICE_UNAVAILABLE, "Not ready";
        "The server is starting, stopping, or cannot write.";
        "Try again.";
    BackupFailed = "backup-failed", INTERNAL_SERVER_ERROR, "The backup failed";
        "The copy could not be read, or not be written. What was made of it is removed.";
        "The log says why: see to the disk, and make another one.";
    Internal = "internal", INTERNAL_SERVER_ERROR, "Something went wrong";
        "A fault on our side; it is logged under the correlation id.";
        "Tell the operator the correlation id.";
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

/// Code between backticks, as HTML. These texts are ours: nothing in them needs escaping.
fn marked(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(n, part)| if n % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}
