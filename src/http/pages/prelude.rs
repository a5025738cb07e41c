//! Names that most page handlers use.

pub(super) use actix_web::{HttpResponse, web};
pub(super) use maud::{Markup, html};

pub(super) use super::{
    error::OrErrorPage as _,
    form::{Form, FormFields},
    layout::{Field, Page, Section, csrf_field},
    response::{PageError, encoded, see_other},
    text::problems::{ErrorText, error_text},
    visitor::Visitor,
};
pub(super) use crate::http::{
    App,
    problem::{Problem, ProblemKind},
};

/// Result of a page handler.
pub(super) type PageResult = Result<HttpResponse, PageError>;
