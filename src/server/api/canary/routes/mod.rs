//! The handlers, a file a noun: extract, call the use case, put the answer into the wire's shape.

pub mod adapters;
pub mod api_keys;
pub mod audit;
pub mod auth;
pub mod events;
pub mod logs;
pub mod send;
pub mod teams;
pub mod templates;

use axum::Json;

use super::error::CanaryError;
use super::wire::Success;

/// What a handler gives.
type Answer<T> = Result<Json<Success<T>>, CanaryError>;
