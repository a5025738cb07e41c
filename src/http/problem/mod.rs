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
use thiserror::Error;
use utoipa::ToSchema;

pub use self::kinds::ProblemKind;
use self::kinds::ProblemKind as Kind;
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
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}: {detail}", .kind.slug())]
pub struct Problem {
    pub kind: ProblemKind,
    pub detail: String,
    pub errors: Vec<FieldError>,
    /// Value of `Retry-After`, in ms; every 429 and 503 has one.
    pub retry_after_ms: Option<u64>,
    /// Value of `Location`: the resource that the failed command left behind.
    pub location: Option<String>,
    pub headers: Vec<(HeaderName, String)>,
    /// Reason for the log, never sent to the client.
    pub internal: Option<String>,
}

impl Problem {
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        let back_off = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            retry_after_ms: back_off.contains(&kind.status()).then_some(RETRY_AFTER_MS),
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

    fn internal(reason: &str) -> Self {
        Self::hidden(Kind::Internal, "internal error", &reason)
    }

    fn store_unavailable(reason: &str) -> Self {
        Self::hidden(Kind::StoreUnavailable, "the store is unavailable", &reason)
    }

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
        let later = |kind, ms| Self::new(kind, detail.as_str()).retry_after(ms);
        let kind = match error {
            ShopError::Ask(error) => return error.into(),
            ShopError::Store(StoreError::Unavailable(reason))
            | ShopError::Commit(CommitError::Unavailable(reason) | CommitError::Unknown(reason)) => {
                return Self::store_unavailable(&reason);
            }
            ShopError::Images(reason) => {
                return Self::hidden(Kind::StoreUnavailable, "the images cannot be read or written", &reason);
            }
            ShopError::Commit(CommitError::Conflict { .. }) => return Self::internal(&detail),
            ShopError::Commit(CommitError::Refused(reason))
            | ShopError::Store(StoreError::Corrupt(reason))
            | ShopError::GatewayRefused(reason)
            | ShopError::Internal(reason) => return Self::internal(&reason),
            ShopError::BackUp(BackUpError::Failed(reason)) => {
                let detail = "the backup failed, and was removed; the log says why";
                return Self::hidden(Kind::BackupFailed, detail, &reason);
            }
            ShopError::BackUp(BackUpError::Refused(_) | BackUpError::Running) => Kind::BackupRefused,
            ShopError::PaymentMethod(InvalidMethod { field, rule }) => {
                return Self::invalid_field(&format!("/paymentMethod/{field}"), rule);
            }
            ShopError::BadCursor => return Self::invalid_field("/query/cursor", detail),
            ShopError::PaymentOverloaded { retry_after_ms: ms } => return later(Kind::PaymentOverloaded, ms),
            ShopError::PaymentInProgress { retry_after_ms: ms } => return later(Kind::PaymentInProgress, ms),
            ShopError::TooManyTries { retry_after_ms: ms } => return later(Kind::TooManyRequests, ms),
            ShopError::NotFound("product") => Kind::ProductNotFound,
            ShopError::NotFound(_) | ShopError::NotParked => Kind::NotFound,
            ShopError::ContextPaused(_) => Kind::ContextPaused,
            ShopError::OutOfStock => Kind::OutOfStock,
            ShopError::FeeChanged { .. } => Kind::FeeChanged,
            ShopError::ProductWithdrawn => Kind::ProductWithdrawn,
            ShopError::CheckoutUnavailable => Kind::CheckoutUnavailable,
            ShopError::CheckoutExpired => Kind::CheckoutExpired,
            ShopError::RentalNotPayable => Kind::RentalNotPayable,
            ShopError::KeyReused => Kind::IdempotencyKeyReused,
            ShopError::KeyInProgress => Kind::IdempotencyInProgress,
            ShopError::BadCredentials => Kind::Unauthorized,
            ShopError::DeliveryOutOfOrder => Kind::DeliveryOutOfOrder,
        };
        Self::new(kind, detail)
    }
}

impl From<AskError> for Problem {
    fn from(error: AskError) -> Self {
        let detail = error.to_string();
        let kind = match error {
            AskError::Rejected(rejection) => return rejection.into(),
            AskError::Store(reason) => return Self::store_unavailable(&reason),
            AskError::Damaged(reason) => return Self::internal(&reason),
            AskError::Shed => Kind::Overloaded,
            AskError::Timeout => Kind::Timeout,
            AskError::Stopped => Kind::ActorRestarting,
            AskError::Quarantined => Kind::ActorQuarantined,
        };
        Self::new(kind, detail)
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let kind = match &rejection {
            Rejection::Rental(RentalError::NotFound)
            | Rejection::Delivery(DeliveryError::NotFound)
            | Rejection::Account(AccountError::NotFound)
            | Rejection::Context(ContextError::NotParked) => Kind::NotFound,
            Rejection::Rental(RentalError::NotCancelable) => Kind::RentalNotCancelable,
            Rejection::Rental(RentalError::Canceled)
            | Rejection::Delivery(DeliveryError::OutOfOrder(DeliveryStatus::Canceled)) => {
                Kind::RentalCanceled
            }
            Rejection::Rental(RentalError::NotDeliverable(_))
            | Rejection::Delivery(DeliveryError::OutOfOrder(_)) => Kind::DeliveryOutOfOrder,
            Rejection::Delivery(DeliveryError::NotReady) => Kind::DeliveryNotReady,
            Rejection::Payment(PaymentError::NotRequestable(_) | PaymentError::TooManyAttempts) => {
                Kind::RentalNotPayable
            }
            Rejection::Payment(PaymentError::Unsettled(_)) => Kind::PaymentInProgress,
            Rejection::Product(ProductError::NotFound) => Kind::ProductNotFound,
            Rejection::Product(ProductError::Exists) => Kind::Internal,
            Rejection::Product(ProductError::Stale) => Kind::PreconditionFailed,
            Rejection::Product(ProductError::StockLimit) => {
                return Self::invalid_field("/quantity", rejection.to_string());
            }
            // The account was deleted while this request ran; its session ended with it.
            Rejection::Account(AccountError::Left) => Kind::Unauthorized,
            Rejection::Account(AccountError::PhoneTaken) => Kind::PhoneTaken,
            Rejection::Account(AccountError::OpenRentals(_)) => Kind::RentalsOpen,
            Rejection::Context(ContextError::TooManyParked) => Kind::Overloaded,
        };
        Self::new(kind, rejection.to_string())
    }
}

#[cfg(test)]
mod tests;
