//! The handlers, a file a noun: extract, call the use case, put the answer into the wire's shape.

pub mod emails;
pub mod logs;

use std::str::FromStr;

use axum::Json;

use super::error::ResendError;
use super::wire::Paging;
use crate::domain::page::Cursor;
use crate::server::api::request::RawQuery;

/// What a handler gives.
type Answer<T> = Result<Json<T>, ResendError>;

const DEFAULT_LIMIT: i64 = 20;
const MAX_LIMIT: i64 = 100;

/// Reads the parameters of a list.
fn read_paging<Id: FromStr>(query: Option<&str>) -> Result<Paging<Id>, ResendError> {
    let query = RawQuery::parse(query.unwrap_or_default(), &["limit", "after", "before"])?;
    let limit = query.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    let id = |name: &str, text: &str| {
        let wrong = || ResendError::invalid_parameter(format!("The `{name}` parameter must be the id of an item"));
        text.parse::<Id>().map_err(|_| wrong())
    };
    let cursor = match (query.text("after"), query.text("before")) {
        (Some(_), Some(_)) => {
            return Err(ResendError::invalid("`after` and `before` cannot be used together: use one of them"));
        }
        (Some(after), None) => Cursor::After(id("after", after)?),
        (None, Some(before)) => Cursor::Before(id("before", before)?),
        (None, None) => Cursor::Newest,
    };
    Ok(Paging { cursor, limit })
}

/// Passes only a request without parameters.
fn read_no_parameters(query: Option<&str>) -> Result<(), ResendError> {
    RawQuery::parse(query.unwrap_or_default(), &[])?;
    Ok(())
}

/// Reads an id. A text that is none becomes an id that nothing has, so that it is answered like any other id of nobody.
fn id_of<Id: FromStr + From<i64>>(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| Id::from(NO_ID))
}

/// Ids are times since 1970: none is negative.
const NO_ID: i64 = -1;
