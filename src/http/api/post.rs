//! POST requests: who calls, with which idempotency key and which body.
//!
//! Every POST takes an `Idempotency-Key`, and its handler gets the key as part of the request context: no
//! handler can forget it. The caller is authenticated before the body is read.

use std::pin::Pin;

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, HttpResponseBuilder,
    dev::Payload,
    http::header::{CONTENT_LENGTH, ContentType, TRANSFER_ENCODING},
    web::Bytes,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{
    extract::position_header,
    idempotency::IdempotencyKey,
    json::{self, Json},
};
use crate::{
    actors::request::RequestContext,
    domain::Position,
    http::{
        App,
        auth::{AnyRole, Anyone, Customer, Operator},
        headers::REPLAYED,
        problem::Problem,
    },
    shop::{Done, Once, Principal},
};

/// A POST by a caller `C` with a body `B`: [`Json`], `Option<Json>` (may be left out) or `()` (not read).
pub(crate) struct Post<C, B = ()> {
    pub caller: C,
    /// The request's context, with its idempotency key.
    pub context: RequestContext,
    pub body: B,
}

pub(crate) trait Caller: FromRequest<Error = Problem> + 'static {
    /// Returns the owner of the idempotency key; `None` where no login is needed.
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

pub(crate) trait PostBody: Sized + 'static {
    /// Reads and parses the body; returns its raw bytes, too.
    fn read(request: &HttpRequest, payload: &mut Payload) -> Reading<(Self, Bytes)>;
}

impl PostBody for () {
    fn read(_: &HttpRequest, _: &mut Payload) -> Reading<(Self, Bytes)> {
        Box::pin(std::future::ready(Ok(((), Bytes::new()))))
    }
}

impl<T: DeserializeOwned + 'static> PostBody for Json<T> {
    fn read(request: &HttpRequest, payload: &mut Payload) -> Reading<(Self, Bytes)> {
        let reading = json::read(request, payload);
        Box::pin(async move {
            let bytes = reading.await?;
            Ok((Self(json::parse(&bytes)?), bytes))
        })
    }
}

impl<T: DeserializeOwned + 'static> PostBody for Option<Json<T>> {
    fn read(request: &HttpRequest, payload: &mut Payload) -> Reading<(Self, Bytes)> {
        let has = |name| request.headers().get(name).is_some_and(|value| value != "0");
        if !has(CONTENT_LENGTH) && !has(TRANSFER_ENCODING) {
            return Box::pin(std::future::ready(Ok((None, Bytes::new()))));
        }
        let reading = Json::read(request, payload);
        Box::pin(async move { reading.await.map(|(body, bytes)| (Some(body), bytes)) })
    }
}

impl<C: Caller, B: PostBody> FromRequest for Post<C, B> {
    type Error = Problem;
    type Future = Reading<Self>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let caller = C::extract(&request).await?;
            let context = RequestContext::extract(&request).await?;
            let key = IdempotencyKey::extract(&request).await?;
            let (body, bytes) = B::read(&request, &mut payload).await?;
            let digest = || Sha256::digest(&bytes).into();
            let key = key.of(&App::of(&request).shop, caller.principal(), digest);
            Ok(Self { caller, context: RequestContext { key, ..context }, body })
        })
    }
}

/// Completes the response to a command: its result as `R`, its position, and true if it was replayed.
pub(crate) fn respond<'a, R: Serialize + From<&'a T>, T>(
    mut response: HttpResponseBuilder,
    done: &'a Done<T>,
) -> HttpResponse {
    insert_outcome(&mut response, done.position, done.replayed);
    response.json(R::from(&done.value))
}

/// Runs idempotent `work` unless a request with the same key ran it before; responds alike.
pub(crate) async fn respond_once<R: Serialize>(
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

/// Adds the headers that say where the command's newest event stands, and that the response is a replay.
pub(crate) fn insert_outcome(response: &mut HttpResponseBuilder, position: Position, replayed: bool) {
    response.insert_header(position_header(position));
    if replayed {
        response.insert_header((REPLAYED, "true"));
    }
}
