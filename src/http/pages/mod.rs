//! The pages: shop, My Page, admin and console, written on the server, in Korean and in English.
//!
//! Browsing, renting, paying and canceling are plain links and forms. Scripts only make pages move by
//! themselves. They are no part of the OpenAPI document, which is for programs.

pub mod admin;
pub mod assets;
pub mod console;
pub mod layout;
pub mod my;
pub mod shop;
pub mod text;

use self::{
    admin::{deliveries, orders, products},
    console::{history, parked},
    my::actions,
    shop::{account, renting},
};
use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    http::header,
    web::{self, ServiceConfig, post},
};

use self::layout::OrPage as _;
use super::{
    api::table::{Part, get},
    problem::Problem,
    session::Visitor,
};

/// The media type of a page.
pub const PAGE: &str = "text/html; charset=utf-8";

/// A page that says what went wrong, for whoever looks at pages; programs are told a problem.
#[must_use]
pub fn instead(request: &HttpRequest, problem: &Problem) -> Option<HttpResponse> {
    let accepted = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let looks = accepted.is_some_and(|accepted| accepted.contains("text/html"));
    if !looks || request.path().starts_with("/v1/") {
        return None;
    }
    let page = Err::<(), _>(problem.clone()).or_page(&Visitor::of(request)).err()?;
    Some(page.error_response())
}

macro_rules! table {
    ($($path:literal { $($method:ident: $module:ident::$handler:ident),+ $(,)? })+) => {
        /// Serves the pages of `part`.
        pub fn serve(part: Part, config: &mut ServiceConfig) {
            $(if part.has_page($path) {
                config.service(web::resource($path)$(.route($method().to($module::$handler)))+);
            })+
        }
    };
}

table! {
    "/" { get: shop::index }
    "/products/{id}" { get: renting::product }
    "/products/{id}/rent" { post: renting::rent }

    "/sign-up" { get: account::sign_up, post: account::do_sign_up }
    "/log-in" { get: account::log_in, post: account::do_log_in }
    "/log-out" { post: account::log_out }
    "/language/{code}" { get: account::language }

    "/my" { get: my::index }
    "/my/" { get: my::without_slash }
    "/my/messages" { get: my::messages }
    "/my/rentals/{id}" { get: my::rental }
    "/my/rentals/{id}/cancel" { get: actions::ask_cancel, post: actions::cancel }
    "/my/rentals/{id}/pay" { get: my::rental, post: actions::pay }
    "/my/rentals/{id}/{form}" { get: my::rental_piece }

    "/admin" { get: products::index }
    "/admin/" { get: products::without_slash }
    "/admin/log-in" { get: account::operator, post: account::do_operator }
    "/admin/products" { post: products::register }
    "/admin/products/{id}" { get: products::product, post: products::edit }
    "/admin/products/{id}/restock" { post: products::restock }
    "/admin/products/{id}/withdraw" { get: products::ask_withdraw, post: products::withdraw }
    "/admin/rentals" { get: orders::rentals }
    "/admin/rentals/{id}/cancel" { get: orders::ask_cancel, post: orders::cancel }
    "/admin/deliveries" { get: deliveries::index }
    "/admin/deliveries/{id}/dispatch" { post: deliveries::dispatch }
    "/admin/deliveries/{id}/complete" { post: deliveries::complete }
    "/admin/messages" { get: orders::messages }

    "/console" { get: console::index }
    "/console/" { get: console::without_slash }
    "/console/live" { get: console::live }
    "/console/saga" { get: history::show }
    "/console/breaker" { post: console::set_breaker }
    "/console/contexts/{context}/{verb}" { post: console::maintain }
    "/console/held/{id}/retry" { post: parked::retry }
    "/console/held/{id}/dismiss" { get: parked::ask, post: parked::dismiss }
    "/console/revive/{id}" { post: console::revive }

    "/assets/{file}" { get: assets::file }
}
