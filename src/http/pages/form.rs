//! Forms sent from a page of this server.

use std::{collections::BTreeMap, pin::Pin};

use actix_web::{FromRequest, HttpMessage as _, HttpRequest, dev::Payload, web};
use sha2::{Digest as _, Sha256};

use super::{error::OrErrorPage as _, response::PageError, visitor::Visitor};
use crate::{
    actors::request::RequestContext,
    http::{
        app::App,
        body::Body,
        limits::Limits,
        problem::{Problem, ProblemKind},
        session::{SESSION, cookie, csrf_token, is_same, is_same_origin},
    },
};

/// A body that is a form.
const FORM: Body = Body { name: "form", max: (64 * 1_024, "64 KiB"), broken: ProblemKind::MalformedJson };

/// What stands in a form.
#[derive(Clone, Debug, Default)]
pub(crate) struct FormFields(BTreeMap<String, String>);

impl FormFields {
    /// These fields.
    pub(crate) fn of(fields: &[(&str, &String)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect())
    }

    /// Whether a field was sent, be it empty.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A field; empty if it is not there.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// A form that was filled in on a page of ours, and by whom.
pub(crate) struct Form {
    /// Who.
    pub visitor: Visitor,
    /// Why, and under which key: a form that is sent twice is done once.
    pub context: RequestContext,
    /// What.
    pub fields: FormFields,
}

/// A form that took some typing: of an earlier session it is not acted upon, but may be shown again.
pub(crate) enum SubmittedForm {
    /// It is of this session.
    Current(Form),
    /// It is of another one: who has this session, and what was typed.
    Stale(Visitor, FormFields),
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let typed = SubmittedForm::from_request(request, payload);
        Box::pin(async move {
            match typed.await? {
                SubmittedForm::Current(filled) => Ok(filled),
                SubmittedForm::Stale(visitor, _) => Err(foreign()).or_error_page(&visitor),
            }
        })
    }
}

impl FromRequest for SubmittedForm {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let visitor = Visitor::of(&request);
            let fields = read(&request, payload).await.or_error_page(&visitor)?;
            let expected = cookie(&request, SESSION).map(csrf_token);
            if expected.is_some_and(|expected| !is_same(fields.get("csrf"), &expected)) {
                return Ok(Self::Stale(visitor, fields));
            }
            let context = RequestContext::extract(&request).await.or_error_page(&visitor)?;
            let scope = format!("{} {}", request.method(), request.path());
            let mut said = fields.0.clone();
            said.retain(|name, _| name != "csrf");
            let digest = Sha256::digest(format!("{said:?}")).into();
            let key = Some(fields.get("key")).filter(|key| !key.is_empty());
            let key =
                key.map(|key| App::of(&request).shop.request_key(visitor.principal, &scope, key, digest));
            Ok(Self::Current(Form { visitor, context: RequestContext { key, ..context }, fields }))
        })
    }
}

fn foreign() -> Problem {
    Problem::new(ProblemKind::Forbidden, "the form comes from elsewhere, or from an earlier session")
}

/// Reads a form, and refuses one from elsewhere.
async fn read(request: &HttpRequest, payload: Payload) -> Result<FormFields, Problem> {
    if !is_same_origin(request) {
        return Err(foreign());
    }
    let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
    if !is_form {
        return Err(Problem::new(ProblemKind::UnsupportedMediaType, "the body must be a form"));
    }
    let body = FORM.read(payload, Limits::body_timeout(request)).await?;
    let body = std::str::from_utf8(&body).map_err(|_| Problem::invalid_field("", "must be UTF-8"))?;
    let pairs = web::Query::<Vec<(String, String)>>::from_query(body);
    let pairs = pairs.map_err(|_| Problem::invalid_field("", "is not a form"))?.into_inner();
    Ok(FormFields(pairs.into_iter().collect()))
}
