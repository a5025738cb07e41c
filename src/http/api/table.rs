//! The route table of the API. The OpenAPI document is generated from it, too.

use actix_web::web::{delete, patch, post, put};
use utoipa::OpenApi;

use super::{
    docs,
    resources::ActorKind,
    routes::{
        checkouts, contexts, customers, deliveries, health, images, mypage, operations, payments, placing,
        products, rentals, stream,
    },
};
use crate::http::{
    metrics,
    problem::ProblemBody,
    routing::{Listener, get, serve},
};

macro_rules! table {
    ($($on:ident $path:literal { $($method:ident: $module:ident::$handler:ident),+ $(,)? })+) => {
        serve! { $($on $path { $($method: $module::$handler),+ })+ }

        /// Path and method of every route of the API.
        pub const ROUTES: &[(&str, &str)] = &[$($(($path, stringify!($method)),)+)+];

        #[derive(OpenApi)]
        #[openapi(paths($($($module::$handler,)+)+), components(schemas(ProblemBody, ActorKind)))]
        pub(crate) struct Described;
    };
}

table! {
    shop "/v1/customers" { post: customers::sign_up }
    shop "/v1/customers/me" { get: customers::me, patch: customers::change, delete: customers::leave }
    shop "/v1/sessions" { post: customers::log_in }
    shop "/v1/sessions/current" { delete: customers::log_out }

    shop "/v1/products" { get: products::list, post: products::register }
    shop "/v1/products/{id}" { get: products::get, patch: products::change }
    shop "/v1/products/{id}/image" { put: images::change }
    shop "/v1/products/{id}/restock" { post: products::restock }
    shop "/v1/products/{id}/withdraw" { post: products::withdraw }

    shop "/images/{file}" { get: images::show }

    shop "/v1/checkouts" { post: checkouts::open }
    shop "/v1/rentals" { get: rentals::list, post: placing::place }
    shop "/v1/rentals/{id}" { get: rentals::get }
    shop "/v1/rentals/{id}/payment" { post: placing::pay }
    shop "/v1/rentals/{id}/cancel" { post: rentals::cancel }
    shop "/v1/rentals/{id}/timeline" { get: rentals::timeline }

    shop "/v1/payments" { get: payments::list }
    shop "/v1/payments/{id}" { get: payments::get }
    shop "/v1/deliveries" { get: deliveries::list }
    shop "/v1/deliveries/{id}" { get: deliveries::get }
    shop "/v1/deliveries/{id}/dispatch" { post: deliveries::dispatch }
    shop "/v1/deliveries/{id}/complete" { post: deliveries::complete }

    shop "/v1/mypage" { get: mypage::list }
    shop "/v1/mypage/stream" { get: stream::my_page }
    shop "/v1/mypage/{rentalId}" { get: mypage::get }
    shop "/v1/notifications" { get: mypage::notifications }

    operations "/v1/operations/actors" { get: operations::actors }
    operations "/v1/operations/actors/{kind}/{id}/revive" { post: operations::revive }
    operations "/v1/operations/contexts" { get: contexts::list }
    operations "/v1/operations/contexts/{context}/pause" { post: contexts::pause }
    operations "/v1/operations/contexts/{context}/resume" { post: contexts::resume }
    operations "/v1/operations/held" { get: contexts::held }
    operations "/v1/operations/held/{id}/retry" { post: contexts::retry }
    operations "/v1/operations/held/{id}/dismiss" { post: contexts::dismiss }
    operations "/v1/operations/ledger" { get: operations::ledger }
    operations "/v1/operations/payment" { get: operations::payment }
    operations "/v1/operations/payment/breaker" { put: operations::breaker }
    operations "/v1/operations/backup" { post: operations::back_up }
    operations "/v1/operations/faults" { post: operations::fault }

    both "/healthz" { get: health::healthz }
    both "/readyz" { get: health::readyz }
    operations "/metrics" { get: metrics::metrics }

    both "/openapi.json" { get: docs::document }
    both "/docs" { get: docs::index }
    both "/docs/{file}" { get: docs::file }
    both "/problems/{slug}" { get: docs::problem }
}
