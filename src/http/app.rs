//! State that all handlers share.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use tokio::sync::watch;

use crate::{domain::Position, shop::Shop};

/// State that all handlers share.
pub(crate) struct App {
    /// The shop that handlers call.
    pub shop: Arc<Shop>,
    draining: watch::Receiver<bool>,
}

impl App {
    /// `draining` turns true when the server begins to stop.
    pub(crate) const fn new(shop: Arc<Shop>, draining: watch::Receiver<bool>) -> Self {
        Self { shop, draining }
    }

    /// Returns the state of the server that received `request`.
    pub(crate) fn of(request: &HttpRequest) -> &web::Data<Self> {
        request.app_data().expect("listen::serve installs the app")
    }

    /// Returns true once the server is stopping.
    pub(crate) fn draining(&self) -> bool {
        *self.draining.borrow()
    }

    /// Returns a receiver that turns true when the server begins to stop. Endless responses must end then.
    pub(crate) fn drain(&self) -> watch::Receiver<bool> {
        self.draining.clone()
    }

    /// Waits at most 1 s until reads reflect `position`.
    pub(crate) async fn caught_up(&self, position: Option<Position>) {
        if let Some(position) = position {
            self.shop.my_page_at(position).await;
        }
    }
}
