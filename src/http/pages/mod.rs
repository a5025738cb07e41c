//! Pages for customers and for the operator, rendered on the server in Korean and English.
//!
//! Browsing, renting, paying and canceling work with plain links and forms; scripts only add live updates.
//! The OpenAPI document leaves the pages out.

pub(crate) mod admin;
pub(crate) mod assets;
pub(crate) mod console;
pub(crate) mod error;
pub(crate) mod form;
pub(crate) mod layout;
pub(crate) mod my;
mod prelude;
pub(crate) mod response;
pub(crate) mod shop;
pub(crate) mod text;
pub(crate) mod visitor;

use actix_web::web::post;

pub(crate) use self::error::error_page;
use self::{
    admin::{deliveries, orders, products},
    console::{history, parked},
    my::actions,
    shop::{account, renting},
};
use super::routing::{Listener, get, serve};

serve! {
    shop "/" { get: shop::index }
    shop "/products/{id}" { get: renting::product }
    shop "/products/{id}/rent" { post: renting::rent }

    shop "/sign-up" { get: account::sign_up, post: account::do_sign_up }
    shop "/log-in" { get: account::log_in, post: account::do_log_in }
    both "/log-out" { post: account::log_out }
    both "/language/{code}" { get: account::language }

    shop "/my" { get: my::index }
    shop "/my/" { get: response::without_slash }
    shop "/my/messages" { get: my::messages }
    shop "/my/rentals/{id}" { get: my::rental }
    shop "/my/rentals/{id}/cancel" { get: actions::ask_cancel, post: actions::cancel }
    shop "/my/rentals/{id}/pay" { get: my::rental, post: actions::pay }
    shop "/my/rentals/{id}/{form}" { get: my::rental_piece }

    shop "/admin" { get: products::index }
    shop "/admin/" { get: response::without_slash }
    both "/admin/log-in" { get: account::operator, post: account::do_operator }
    shop "/admin/products" { post: products::register }
    shop "/admin/products/{id}" { get: products::product, post: products::edit }
    shop "/admin/products/{id}/restock" { post: products::restock }
    shop "/admin/products/{id}/withdraw" { get: products::ask_withdraw, post: products::withdraw }
    shop "/admin/rentals" { get: orders::rentals }
    shop "/admin/rentals/{id}/cancel" { get: orders::ask_cancel, post: orders::cancel }
    shop "/admin/deliveries" { get: deliveries::index }
    shop "/admin/deliveries/{id}/dispatch" { post: deliveries::dispatch }
    shop "/admin/deliveries/{id}/complete" { post: deliveries::complete }
    shop "/admin/messages" { get: orders::messages }

    operations "/console" { get: console::index }
    operations "/console/" { get: response::without_slash }
    operations "/console/live" { get: console::live }
    operations "/console/saga" { get: history::show }
    operations "/console/breaker" { post: console::set_breaker }
    operations "/console/contexts/{context}/{verb}" { post: console::maintain }
    operations "/console/held/{id}/retry" { post: parked::retry }
    operations "/console/held/{id}/dismiss" { get: parked::ask, post: parked::dismiss }
    operations "/console/revive/{id}" { post: console::revive }

    both "/assets/{file}" { get: assets::file }
}
