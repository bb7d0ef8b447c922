//! All SQL. Services call it; nothing else does. One SQL text serves SQLite and PostgreSQL, through [engine]; what truly
//! differs between their texts is in [dialect] and [search]. `team_id` leads every key and every `WHERE` of a team's data.

pub mod accounts;
pub mod adapter_order;
pub mod adapters;
pub mod api_keys;
pub mod api_requests;
pub mod attempts;
pub mod audit;
mod bodies;
pub mod bulk;
pub mod checks;
mod constraints;
pub mod copies;
mod criteria;
pub mod deletion;
mod dialect;
pub mod drafts;
pub mod emails;
mod engine;
mod event_rows;
pub mod events;
mod failures;
mod folding;
pub mod gauges;
mod health;
pub mod history_imports;
pub mod holds;
pub mod ingest;
mod like;
pub mod mimes;
mod names;
mod noted;
pub mod notifications;
pub mod openid;
pub mod outbox;
mod outgoing;
pub mod persons;
pub mod provider_webhooks;
mod range;
pub mod reasons;
mod recipients;
pub mod resend_changes;
pub mod resends;
pub mod retention;
pub mod roles;
mod rollups;
mod search;
pub mod sessions;
mod settling;
pub mod sizes;
pub mod stats;
pub mod suppressions;
pub mod teams;
pub mod templates;
#[cfg(test)]
pub(crate) mod tests;
pub mod tracking;
pub mod two_factor;
pub mod values;
pub mod webhook_deliveries;
pub mod webhooks;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use tracing::error;

use crate::domain::error::AppError;

use bodies::Versions;
use emails::together::Accepting;
pub use engine::OpenError;
use engine::{Database, Engine, Limits, Query, Reading, Statement, Transaction, without_password};
use health::Health;
use noted::Noted;
use search::common::CommonSearches;
pub use search::is_in_sight;

/// The database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Database,
    health: Health,
    noted: Arc<Noted>,
    common: Arc<CommonSearches>,
    versions: Arc<Versions>,
    accepting: Arc<Accepting>,
}

impl Store {
    /// Opens the database at `url` (`sqlite://PATH` or `postgres://…`) and brings its tables up to date. A SQLite file
    /// is made when it is absent, with its folder.
    pub async fn open(url: &str) -> Result<Self, OpenError> {
        Self::open_within(url, Limits::default()).await
    }

    /// The same with other limits of time.
    async fn open_within(url: &str, limits: Limits) -> Result<Self, OpenError> {
        let (db, health) = Database::open(url, limits).await?;
        let store = Self::over(db, Health::new(health));
        if store.is_unfinished_copy().await.unwrap_or_default() {
            store.close().await;
            return Err(OpenError::Unfinished { url: without_password(url) });
        }
        Ok(store)
    }

    fn over(db: Database, health: Health) -> Self {
        let (noted, common, versions, accepting) = Default::default();
        Self { db, health, noted, common, versions, accepting }
    }

    /// Keeps what was noted, waits for running statements and closes every connection.
    pub async fn close(&self) {
        self.keep_noted().await;
        self.health.close().await;
        self.db.close().await;
    }

    fn engine(&self) -> Engine {
        self.db.engine()
    }

    /// See [Database::read].
    fn read(&self, statement: impl Statement) -> Query<'_> {
        self.db.read(statement)
    }

    /// See [Database::begin_reading].
    async fn begin_reading(&self) -> Result<Reading, AppError> {
        self.db.begin_reading().await
    }

    /// See [Database::begin].
    async fn begin(&self) -> Result<Transaction, AppError> {
        self.db.begin().await
    }
}

/// An instant as it is stored.
fn micros(time: DateTime<Utc>) -> i64 {
    time.timestamp_micros()
}

/// A stored instant.
fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::microseconds(micros)
}

/// Makes a stored value that this program does not know into an error that is logged once.
fn stored<T, E: std::fmt::Display>(column: &str, value: Result<T, E>) -> Result<T, AppError> {
    value.map_err(|cause| {
        error!(column, %cause, "unexpected value in the database");
        AppError::Internal
    })
}
