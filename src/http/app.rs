//! State that all handlers share, and the macro of extractors that need no body.

use std::sync::Arc;

use actix_web::{HttpRequest, web};
use tokio::sync::watch;

use crate::{domain::Position, shop::Shop};

pub(crate) struct App {
    pub shop: Arc<Shop>,
    draining: watch::Receiver<bool>,
}

impl App {
    /// `draining` turns true when the server begins to stop.
    pub(crate) const fn new(shop: Arc<Shop>, draining: watch::Receiver<bool>) -> Self {
        Self { shop, draining }
    }

    pub(crate) fn of(request: &HttpRequest) -> &web::Data<Self> {
        request.app_data().expect("listen::serve installs the app")
    }

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

macro_rules! from_request {
    ($($extractor:ty, $error:ty: $request:ident => $extracted:expr;)*) => {$(
        impl actix_web::FromRequest for $extractor {
            type Error = $error;
            type Future = std::future::Ready<Result<Self, $error>>;

            fn from_request(
                $request: &actix_web::HttpRequest,
                _: &mut actix_web::dev::Payload,
            ) -> Self::Future {
                std::future::ready($extracted)
            }
        }
    )*};
}

pub(crate) use from_request;
