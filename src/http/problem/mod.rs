//! Failures as RFC 9457 problems.
//!
//! A handler returns a [`Problem`]; the `correlation` middleware renders it, because it knows the request.
//! Failures of the framework become problems there, too.

mod kinds;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

pub use self::kinds::ProblemKind;
pub(crate) use self::kinds::problem_page;
use crate::{
    actors::entity::ask::AskError,
    domain::{
        Rejection,
        account::AccountError,
        context::ContextError,
        delivery::{DeliveryError, DeliveryStatus},
        payment::PaymentError,
        product::ProductError,
        rental::RentalError,
    },
    gateways::payment::InvalidMethod,
    shop::ShopError,
    store::{BackUpError, CommitError, StoreError},
};

pub(crate) const PROBLEM_JSON: &str = "application/problem+json";
/// Default of `Retry-After`, in ms.
const RETRY_AFTER_MS: u64 = 1_000;

/// A field that violates a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON Pointer (RFC 6901) into the body, or `/query/…`, `/headers/…`.
    pub pointer: String,
    /// The violated rule.
    pub detail: String,
}

/// A failure (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// URI of the kind: a page of this server that explains it.
    #[serde(rename = "type")]
    #[schema(example = "/problems/out-of-stock")]
    kind: String,
    /// Title of the kind.
    title: &'static str,
    /// Status of the response.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Explanation of this occurrence.
    detail: &'a str,
    /// Path of the call.
    instance: &'a str,
    /// Id to quote to support.
    correlation_id: &'a str,
    /// The fields at fault.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: &'a [FieldError],
}

/// A failure before it is rendered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub kind: ProblemKind,
    /// Explanation of this occurrence.
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Value of `Retry-After`, in ms; every 429 and 503 has one.
    pub retry_after_ms: Option<u64>,
    /// Value of `Location`: the resource that the failed command left behind.
    pub location: Option<String>,
    /// Further headers.
    pub headers: Vec<(HeaderName, String)>,
    /// Reason for the log, never sent to the client.
    pub internal: Option<String>,
}

impl Problem {
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let back_off =
            matches!(kind.status(), StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_ms: back_off.then_some(RETRY_AFTER_MS),
            location: None,
            headers: Vec::new(),
            internal: None,
        }
    }

    /// Returns the 404 of something that does not exist, or not for this client.
    pub fn not_found(what: &str) -> Self {
        Self::new(ProblemKind::NotFound, format!("there is no such {what}"))
    }

    pub fn invalid(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::new(ProblemKind::InvalidRequest, "fields are invalid") }
    }

    pub fn invalid_field(pointer: &str, detail: impl Into<String>) -> Self {
        Self::invalid(vec![FieldError { pointer: pointer.to_owned(), detail: detail.into() }])
    }

    pub fn retry_after(mut self, ms: u64) -> Self {
        self.retry_after_ms = Some(ms);
        self
    }

    pub fn at(mut self, location: String) -> Self {
        self.location = Some(location);
        self
    }

    /// Returns the JSON body for the request to `instance`.
    pub fn body(&self, instance: &str, correlation: &str) -> Value {
        json!(ProblemBody {
            kind: self.kind.type_uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            instance,
            correlation_id: correlation,
            errors: &self.errors,
        })
    }

    /// Returns a problem whose reason goes to the log only.
    pub fn hidden(kind: ProblemKind, detail: &str, internal: &impl std::fmt::Display) -> Self {
        Self { internal: Some(internal.to_string()), ..Self::new(kind, detail) }
    }

    /// Returns the response for the request to `instance`.
    pub fn render(&self, instance: &str, correlation: &str) -> HttpResponse {
        let mut response = HttpResponse::build(self.kind.status());
        if let Some(ms) = self.retry_after_ms {
            response.insert_header((header::RETRY_AFTER, seconds(ms)));
        }
        if let Some(location) = &self.location {
            response.insert_header((header::LOCATION, location.as_str()));
        }
        for (name, value) in &self.headers {
            response.insert_header((name, value.as_str()));
        }
        if self.kind == ProblemKind::Unauthorized {
            response.insert_header((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        }
        response.content_type(PROBLEM_JSON).body(self.body(instance, correlation).to_string())
    }
}

/// Returns the value of `Retry-After`: whole seconds, rounded up, at least 1.
pub(crate) fn seconds(ms: u64) -> String {
    ms.div_ceil(1_000).max(1).to_string()
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.slug(), self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::new(self.kind.status());
        // Rendered by the middleware, which knows the request.
        response.extensions_mut().insert(self.clone());
        response
    }
}

impl From<ShopError> for Problem {
    fn from(error: ShopError) -> Self {
        let detail = error.to_string();
        match error {
            ShopError::Ask(error) => error.into(),
            ShopError::Store(StoreError::Unavailable(reason))
            | ShopError::Commit(CommitError::Unavailable(reason) | CommitError::Unknown(reason)) => {
                Self::hidden(ProblemKind::StoreUnavailable, "the store is unavailable", &reason)
            }
            ShopError::Commit(CommitError::Refused(reason)) => {
                Self::hidden(ProblemKind::Internal, "the store refused a record", &reason)
            }
            ShopError::Commit(CommitError::Conflict { .. }) => {
                Self::hidden(ProblemKind::Internal, "internal error", &detail)
            }
            ShopError::Store(StoreError::Corrupt(reason)) | ShopError::Internal(reason) => {
                Self::hidden(ProblemKind::Internal, "internal error", &reason)
            }
            ShopError::Images(reason) => {
                Self::hidden(ProblemKind::StoreUnavailable, "the images cannot be read or written", &reason)
            }
            ShopError::GatewayRefused(reason) => {
                Self::hidden(ProblemKind::Internal, "internal error", &reason)
            }
            ShopError::NotFound("product") => Self::new(ProblemKind::ProductNotFound, detail),
            ShopError::NotFound(_) | ShopError::NotHeld => Self::new(ProblemKind::NotFound, detail),
            ShopError::ContextPaused(_) => Self::new(ProblemKind::ContextPaused, detail),
            ShopError::BadCursor => Self::invalid_field("/query/cursor", detail),
            ShopError::OutOfStock => Self::new(ProblemKind::OutOfStock, detail),
            ShopError::FeeChanged { .. } => Self::new(ProblemKind::FeeChanged, detail),
            ShopError::ProductWithdrawn => Self::new(ProblemKind::ProductWithdrawn, detail),
            ShopError::PaymentMethod(InvalidMethod { field, rule }) => {
                Self::invalid_field(&format!("/paymentMethod/{field}"), rule)
            }
            ShopError::CheckoutUnavailable => Self::new(ProblemKind::CheckoutUnavailable, detail),
            ShopError::CheckoutExpired => Self::new(ProblemKind::CheckoutExpired, detail),
            ShopError::PaymentOverloaded { retry_after_ms } => {
                Self::new(ProblemKind::PaymentOverloaded, detail).retry_after(retry_after_ms)
            }
            ShopError::PaymentInProgress { retry_after_ms } => {
                Self::new(ProblemKind::PaymentInProgress, detail).retry_after(retry_after_ms)
            }
            ShopError::RentalNotPayable => Self::new(ProblemKind::RentalNotPayable, detail),
            ShopError::KeyReused => Self::new(ProblemKind::IdempotencyKeyReused, detail),
            ShopError::KeyInProgress => Self::new(ProblemKind::IdempotencyInProgress, detail),
            ShopError::TooManyTries { retry_after_ms } => {
                Self::new(ProblemKind::TooManyRequests, detail).retry_after(retry_after_ms)
            }
            ShopError::BackUp(BackUpError::Refused(_) | BackUpError::Running) => {
                Self::new(ProblemKind::BackupRefused, detail)
            }
            ShopError::BackUp(BackUpError::Failed(reason)) => Self::hidden(
                ProblemKind::BackupFailed,
                "the backup failed, and was removed; the log says why",
                &reason,
            ),
            ShopError::BadCredentials => Self::new(ProblemKind::Unauthorized, detail),
            ShopError::DeliveryOutOfOrder => Self::new(ProblemKind::DeliveryOutOfOrder, detail),
        }
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let detail = error.to_string();
        match error {
            AskError::Rejected(rejection) => rejection.into(),
            AskError::Shed => Self::new(ProblemKind::Overloaded, detail),
            AskError::Timeout => Self::new(ProblemKind::Timeout, detail),
            AskError::Stopped => Self::new(ProblemKind::ActorRestarting, detail),
            AskError::Quarantined => Self::new(ProblemKind::ActorQuarantined, detail),
            AskError::Damaged(reason) => Self::hidden(ProblemKind::Internal, "a record is damaged", &reason),
            AskError::Store(reason) => {
                Self::hidden(ProblemKind::StoreUnavailable, "the store is unavailable", &reason)
            }
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let kind = match &rejection {
            Rejection::Rental(RentalError::NotFound) => ProblemKind::NotFound,
            Rejection::Rental(RentalError::NotCancelable) => ProblemKind::RentalNotCancelable,
            Rejection::Rental(RentalError::NotDeliverable(_)) => ProblemKind::DeliveryOutOfOrder,
            Rejection::Rental(RentalError::Canceled) => ProblemKind::RentalCanceled,
            Rejection::Payment(PaymentError::NotRequestable(_) | PaymentError::TooManyAttempts) => {
                ProblemKind::RentalNotPayable
            }
            Rejection::Payment(PaymentError::Unsettled(_)) => ProblemKind::PaymentInProgress,
            Rejection::Delivery(DeliveryError::NotFound) => ProblemKind::NotFound,
            Rejection::Delivery(DeliveryError::OutOfOrder(DeliveryStatus::Canceled)) => {
                ProblemKind::RentalCanceled
            }
            Rejection::Delivery(DeliveryError::OutOfOrder(_)) => ProblemKind::DeliveryOutOfOrder,
            Rejection::Delivery(DeliveryError::NotReady) => ProblemKind::DeliveryNotReady,
            Rejection::Product(ProductError::NotFound) => ProblemKind::ProductNotFound,
            Rejection::Product(ProductError::Exists) => ProblemKind::Internal,
            Rejection::Product(ProductError::Stale) => ProblemKind::PreconditionFailed,
            Rejection::Product(ProductError::StockLimit) => {
                return Self::invalid_field("/quantity", rejection.to_string());
            }
            Rejection::Account(AccountError::NotFound) => ProblemKind::NotFound,
            // The account was deleted while this request ran; its session ended with it.
            Rejection::Account(AccountError::Left) => ProblemKind::Unauthorized,
            Rejection::Account(AccountError::PhoneTaken) => ProblemKind::PhoneTaken,
            Rejection::Account(AccountError::OpenRentals(_)) => ProblemKind::RentalsOpen,
            Rejection::Context(ContextError::NotParked) => ProblemKind::NotFound,
            Rejection::Context(ContextError::TooManyParked) => ProblemKind::Overloaded,
        };
        Self::new(kind, rejection.to_string())
    }
}

#[cfg(test)]
mod tests;
