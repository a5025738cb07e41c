//! Handlers of the API: they parse a request, call the shop, and map the result. Their routes are in
//! `api::table`.

pub(crate) mod checkouts;
pub(crate) mod contexts;
pub(crate) mod customers;
pub(crate) mod deliveries;
pub(crate) mod health;
pub(crate) mod images;
mod method;
pub(crate) mod mypage;
pub(crate) mod operations;
pub(crate) mod payments;
pub(crate) mod placing;
mod prelude;
pub(crate) mod products;
pub(crate) mod rentals;
pub(crate) mod stream;
