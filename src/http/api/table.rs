//! The route table: what is served, and thereby what the OpenAPI document tells of.

use actix_web::{
    Resource, Route, guard,
    web::{self, ServiceConfig, delete, patch, post, put},
};
use utoipa::OpenApi;

use super::{
    docs,
    resources::ActorKind,
    routes::{
        checkouts, contexts, customers, deliveries, health, images, mypage, operations, payments, placing,
        products, rentals, stream,
    },
};
use crate::http::{metrics, problem::Written};

/// GET, and HEAD, which is GET without the body.
pub(crate) fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    All,
    /// What customers and pages call.
    Shop,
    /// What whoever operates the server calls, and the contract that tells of it.
    Operations,
}

impl Part {
    /// Whether a page belongs to it: the console is for operations, and whoever uses it logs in there.
    pub(crate) fn has_page(self, path: &str) -> bool {
        let of_both = ["/log-out", "/language/{code}", "/admin/log-in", "/assets/{file}"];
        let of_console = path == "/console" || path.starts_with("/console/");
        self == Self::All || of_both.contains(&path) || of_console == (self == Self::Operations)
    }

    fn has(self, path: &str) -> bool {
        let of_both = ["/healthz", "/readyz", "/openapi.json", "/docs", "/docs/{file}", "/problems/{slug}"];
        let of_operations = path == "/metrics" || path.starts_with("/v1/operations/");
        self == Self::All || of_both.contains(&path) || of_operations == (self == Self::Operations)
    }
}

macro_rules! table {
    ($($path:literal { $($method:ident: $module:ident::$handler:ident),+ $(,)? })+) => {
        /// Serves by its methods every path that belongs to `part`.
        pub fn serve(part: Part, config: &mut ServiceConfig) {
            $(if part.has($path) {
                config.service(resource($path)$(.route($method().to($module::$handler)))+);
            })+
        }

        /// Every path and method that is served, as the document writes them.
        pub const SERVED: &[(&str, &str)] = &[$($(($path, stringify!($method)),)+)+];

        /// What the handlers say of themselves.
        #[derive(OpenApi)]
        #[openapi(paths($($($module::$handler,)+)+), components(schemas(Written, ActorKind)))]
        pub(crate) struct Described;
    };
}

fn resource(path: &str) -> Resource {
    web::resource(path)
}

table! {
    "/v1/customers" { post: customers::sign_up }
    "/v1/customers/me" { get: customers::me, patch: customers::change, delete: customers::leave }
    "/v1/sessions" { post: customers::log_in }
    "/v1/sessions/current" { delete: customers::log_out }

    "/v1/products" { get: products::list, post: products::register }
    "/v1/products/{id}" { get: products::get, patch: products::change }
    "/v1/products/{id}/image" { put: images::change }
    "/v1/products/{id}/restock" { post: products::restock }
    "/v1/products/{id}/withdraw" { post: products::withdraw }

    "/images/{file}" { get: images::show }

    "/v1/checkouts" { post: checkouts::open }
    "/v1/rentals" { get: rentals::list, post: placing::place }
    "/v1/rentals/{id}" { get: rentals::get }
    "/v1/rentals/{id}/payment" { post: placing::pay }
    "/v1/rentals/{id}/cancel" { post: rentals::cancel }
    "/v1/rentals/{id}/timeline" { get: rentals::timeline }

    "/v1/payments" { get: payments::list }
    "/v1/payments/{id}" { get: payments::get }
    "/v1/deliveries" { get: deliveries::list }
    "/v1/deliveries/{id}" { get: deliveries::get }
    "/v1/deliveries/{id}/dispatch" { post: deliveries::dispatch }
    "/v1/deliveries/{id}/complete" { post: deliveries::complete }

    "/v1/mypage" { get: mypage::list }
    "/v1/mypage/stream" { get: stream::my_page }
    "/v1/mypage/{rentalId}" { get: mypage::get }
    "/v1/notifications" { get: mypage::notifications }

    "/v1/operations/actors" { get: operations::actors }
    "/v1/operations/actors/{kind}/{id}/revive" { post: operations::revive }
    "/v1/operations/contexts" { get: contexts::list }
    "/v1/operations/contexts/{context}/pause" { post: contexts::pause }
    "/v1/operations/contexts/{context}/resume" { post: contexts::resume }
    "/v1/operations/held" { get: contexts::held }
    "/v1/operations/held/{id}/retry" { post: contexts::retry }
    "/v1/operations/held/{id}/dismiss" { post: contexts::dismiss }
    "/v1/operations/ledger" { get: operations::ledger }
    "/v1/operations/payment" { get: operations::payment }
    "/v1/operations/payment/breaker" { put: operations::breaker }
    "/v1/operations/backup" { post: operations::back_up }
    "/v1/operations/faults" { post: operations::fault }

    "/healthz" { get: health::healthz }
    "/readyz" { get: health::readyz }
    "/metrics" { get: metrics::metrics }

    "/openapi.json" { get: docs::document }
    "/docs" { get: docs::index }
    "/docs/{file}" { get: docs::file }
    "/problems/{slug}" { get: docs::problem }
}
