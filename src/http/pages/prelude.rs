//! Names that most page handlers use.

pub(super) use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path, Query},
};
pub(super) use maud::{Markup, html};

pub(super) use super::{
    error::OrErrorPage as _,
    form::{Form, FormFields},
    layout::{Field, Page, Section, alert, csrf_field, labelled, piece, when},
    response::{PageError, encoded, see_other},
    text::problems::{ErrorText, error_text},
    visitor::Visitor,
};
pub(super) use crate::http::{
    App,
    problem::{Problem, ProblemKind},
};

pub(super) type PageResult = Result<HttpResponse, PageError>;
