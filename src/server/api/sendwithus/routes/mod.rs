//! The handlers: extract, call the use case, put the answer into the wire's shape.

mod batch;
mod logs;
mod send;

use axum::Json;
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;

use super::error::SendwithusError;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::server::App;
use crate::server::api::request::{self, RawQuery};

/// Every endpoint.
pub fn routes() -> OpenApiRouter<App> {
    commands().merge(batch::routes())
}

/// What can be asked in a batch too.
fn commands() -> OpenApiRouter<App> {
    OpenApiRouter::new().merge(logs::routes()).merge(send::routes())
}

type Answer<T> = Result<Json<T>, SendwithusError>;
type Caller = request::Caller<SendwithusError>;
type Body = request::Body<SendwithusError>;
type PathText = request::PathText<String, SendwithusError>;

/// Reads the query string strictly.
fn query(uri: &Uri, names: &[&str]) -> Result<RawQuery, AppError> {
    RawQuery::parse(uri.query().unwrap_or_default(), names)
}

/// Reads an id. A text that is none becomes an id that nothing has, so that it is answered like any other id of nobody.
fn log_id(text: &str) -> EmailId {
    text.parse().unwrap_or(NO_LOG)
}

/// Ids are times since 1970: none is negative.
const NO_LOG: EmailId = EmailId(-1);
