//! What tests are written with: the server in their process, those who ask it, and what is in its log.

mod app;
mod client;
mod message;
pub(crate) mod providers;
mod routes;
pub(crate) mod sns;

pub(crate) use app::{PASSWORD, TestApp, test_key};
use chrono::{DateTime, Utc};
pub(crate) use client::{Answer, Client};
pub(crate) use message::{Message, events_of};
pub(crate) use routes::{Route, routes_of};

/// An instant.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}
