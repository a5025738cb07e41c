//! What a POST brings: who asks, why, under which key, and what.
//!
//! Every POST takes an `Idempotency-Key`, so the key goes wherever a POST does: a handler cannot
//! forget it. Who asks is settled before the body is read.

use std::pin::Pin;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder, dev::Payload, http::header::ContentType,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    extract::{Digest, Json, position_header, read_json},
    idempotency::IdempotencyKey,
};
use crate::{
    actors::entity::ask::RequestContext,
    domain::Position,
    http::{
        App,
        auth::{AnyRole, Anyone, Customer, Operator},
        headers::REPLAYED,
        problem::Problem,
    },
    shop::{Done, Once, Principal},
};

/// A POST by `W` with a body `B`: [`Json`], `Option<Json>` (it may be left out) or `()` (none is read).
pub struct Posted<W, B = ()> {
    /// Who asks.
    pub by: W,
    /// Why, and under which key.
    pub context: RequestContext,
    /// What.
    pub body: B,
}

/// Somebody who may POST.
pub trait Caller: FromRequest<Error = Problem> + 'static {
    /// Whose keys these are; nobody's where no log-in is needed.
    fn principal(&self) -> Option<Principal>;
}

impl Caller for Anyone {
    fn principal(&self) -> Option<Principal> {
        None
    }
}

impl Caller for Customer {
    fn principal(&self) -> Option<Principal> {
        Some(Principal::Customer(self.0))
    }
}

impl Caller for Operator {
    fn principal(&self) -> Option<Principal> {
        Some(Principal::Operator)
    }
}

impl Caller for AnyRole {
    fn principal(&self) -> Option<Principal> {
        Some(self.0)
    }
}

type Reading<T> = Pin<Box<dyn Future<Output = Result<T, Problem>>>>;

/// A body, and the digest that tells it from others with the same key.
pub trait Input: Sized + 'static {
    /// Reads it; without a key, nobody asks for its digest.
    fn read(request: &HttpRequest, payload: &mut Payload, keyed: bool) -> Reading<(Self, Digest)>;
}

impl Input for () {
    fn read(_: &HttpRequest, _: &mut Payload, _: bool) -> Reading<(Self, Digest)> {
        Box::pin(std::future::ready(Ok(((), Digest::default()))))
    }
}

impl<T: DeserializeOwned + 'static> Input for Json<T> {
    fn read(request: &HttpRequest, payload: &mut Payload, keyed: bool) -> Reading<(Self, Digest)> {
        let reading = read_json(request, payload, keyed);
        Box::pin(async move { reading.await.map(|(value, digest)| (Self(value), digest)) })
    }
}

impl<T: DeserializeOwned + 'static> Input for Option<Json<T>> {
    fn read(request: &HttpRequest, payload: &mut Payload, keyed: bool) -> Reading<(Self, Digest)> {
        use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
        let said = |name| request.headers().get(name).is_some_and(|value| value != "0");
        if !said(CONTENT_LENGTH) && !said(TRANSFER_ENCODING) {
            return Box::pin(std::future::ready(Ok((None, Digest::default()))));
        }
        let reading = Json::read(request, payload, keyed);
        Box::pin(async move { reading.await.map(|(body, digest)| (Some(body), digest)) })
    }
}

impl<W: Caller, B: Input> FromRequest for Posted<W, B> {
    type Error = Problem;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let by = W::extract(&request).await?;
            let context = RequestContext::extract(&request).await?;
            let key = IdempotencyKey::extract(&request).await?;
            let (body, digest) = B::read(&request, &mut payload, key.is_given()).await?;
            let key = key.of(&App::of(&request).shop, by.principal(), digest);
            Ok(Self { by, context: RequestContext { key, ..context }, body })
        })
    }
}

/// What a command answers: what was done as `R`, where to read it, and whether it was done before.
pub fn done<'a, R: Serialize + From<&'a T>, T>(
    mut response: HttpResponseBuilder,
    done: &'a Done<T>,
) -> HttpResponse {
    tell(&mut response, done.position, done.replayed);
    response.json(R::from(&done.value))
}

/// Does some work that is safe to repeat, unless a call with the same key did it before; answers alike.
///
/// # Errors
/// What the work says, and what keys have: [`Shop::once`](crate::shop::Shop::once).
pub async fn once<R: Serialize>(
    app: &App,
    context: RequestContext,
    mut response: HttpResponseBuilder,
    work: impl Future<Output = Result<R, Problem>>,
) -> Result<HttpResponse, Problem> {
    let work = async { Ok::<_, Problem>(json!(work.await?).to_string().into_bytes()) };
    let Once { answer, replayed } = app.shop.once(context.key, work).await?;
    if replayed {
        response.insert_header((REPLAYED, "true"));
    }
    Ok(response.content_type(ContentType::json()).body(answer))
}

/// Tells where a command's newest event stands, and whether the answer is an earlier one.
pub fn tell(response: &mut HttpResponseBuilder, position: Position, replayed: bool) {
    response.insert_header(position_header(position));
    if replayed {
        response.insert_header((REPLAYED, "true"));
    }
}
