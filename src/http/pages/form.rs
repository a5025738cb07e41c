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

const FORM: Body = Body { name: "form", max: (64 * 1_024, "64 KiB"), broken: ProblemKind::MalformedJson };

#[derive(Clone, Debug, Default)]
pub(crate) struct FormFields(BTreeMap<String, String>);

impl FormFields {
    pub(crate) fn of(fields: &[(&str, &String)]) -> Self {
        Self(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).clone())).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Form sent from a page of this session. Forms with the same key take effect once.
pub(crate) struct Form {
    pub visitor: Visitor,
    pub context: RequestContext,
    pub fields: FormFields,
}

/// Form that may outlive its session: it is then not executed, but can be shown again.
pub(crate) enum SubmittedForm {
    Current(Form),
    /// Current visitor, and the fields of a form from an earlier session.
    Stale(Visitor, FormFields),
}

impl FromRequest for Form {
    type Error = PageError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, PageError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let submitted = SubmittedForm::from_request(request, payload);
        Box::pin(async move {
            match submitted.await? {
                SubmittedForm::Current(form) => Ok(form),
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
            let mut content = fields.0.clone();
            content.retain(|name, _| name != "csrf");
            let digest = Sha256::digest(format!("{content:?}")).into();
            let key = Some(fields.get("key")).filter(|key| !key.is_empty());
            let key =
                key.map(|key| App::of(&request).shop.request_key(visitor.principal, &scope, key, digest));
            Ok(Self::Current(Form { visitor, context: RequestContext { key, ..context }, fields }))
        })
    }
}

fn foreign() -> Problem {
    Problem::new(ProblemKind::Forbidden, "the form comes from another site or an earlier session")
}

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
