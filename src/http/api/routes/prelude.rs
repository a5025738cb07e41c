//! Names that most handlers use.

pub(super) use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Path},
};
pub(super) use serde::Deserialize;
pub(super) use utoipa::ToSchema;

pub(super) use crate::http::{
    App,
    api::{
        extract::{PageParameters, Query, Rules},
        json::Json,
        post::{Post, respond, respond_once},
        resources::{self, Items, List},
    },
    auth::{AnyRole, Anyone, Customer, Operator},
    problem::{Problem, ProblemKind},
};

pub(super) type ApiResult = Result<HttpResponse, Problem>;
