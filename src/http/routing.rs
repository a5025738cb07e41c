//! Listeners, and the rows of the two route tables (`api::table` and `pages`).

use actix_web::{Route, guard, web};

/// The routes that a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// All routes: the only listener.
    All,
    /// The routes of customers and of the shop's pages.
    Shop,
    /// The routes of the server's operator.
    Operations,
}

/// A route's row names one of these methods: the listener that serves it.
impl Listener {
    pub(super) fn shop(self) -> bool {
        self != Self::Operations
    }

    pub(super) fn operations(self) -> bool {
        self != Self::Shop
    }

    pub(super) const fn both(self) -> bool {
        true
    }
}

/// GET, and HEAD, which is GET without the body.
pub(super) fn get() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Makes `serve`, which adds the routes of a listener, from the rows of a route table.
macro_rules! serve {
    ($($on:ident $path:literal { $($method:ident: $module:ident::$handler:ident),+ $(,)? })+) => {
        pub(crate) fn serve(listener: Listener, config: &mut actix_web::web::ServiceConfig) {
            $(if listener.$on() {
                config.service(actix_web::web::resource($path)$(.route($method().to($module::$handler)))+);
            })+
        }
    };
}

pub(super) use serve;
