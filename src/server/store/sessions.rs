//! Log-in sessions, as tower-sessions keeps them: [Store] is its storage. A session's id is kept only as its SHA-256, so
//! that a copy of the database opens no session.

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use time::{Duration, OffsetDateTime};
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};
use tower_sessions::session_store::{self, Error};

use super::accounts::append_to_teams_of;
use super::audit::AuditEvent;
use super::{Store, instant, micros, stored};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};

/// Where a session holds its account ([UserId]).
pub const SESSION_USER: &str = "user_id";
/// Where it holds the team that is looked at ([TeamId]).
pub const SESSION_TEAM: &str = "team_id";
/// Where it holds when the person logged in, in microseconds since 1970.
pub const SESSION_BEGAN: &str = "began_at";
/// Where it holds what the browser called itself then.
pub const SESSION_USER_AGENT: &str = "user_agent";
/// Where it holds the network address then.
pub const SESSION_ADDRESS: &str = "address";

/// How many days after its last visit a session ends.
pub const SESSION_DAYS: i64 = 30;
/// How many minutes a session lasts in which nobody is logged in.
const ANONYMOUS_MINUTES: i64 = 15;
/// How exactly it is known when a session was last seen.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A session of somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedInSession {
    /// Its public name, [hash] of its id.
    pub name: String,
    pub began_at: DateTime<Utc>,
    /// When it last asked for something, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// What the browser called itself at log-in.
    pub user_agent: Option<String>,
    pub address: Option<String>,
}

#[async_trait]
impl SessionStore for Store {
    async fn create(&self, record: &mut Record) -> session_store::Result<()> {
        while !self.insert_session(record).await.map_err(backend)? {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> session_store::Result<()> {
        self.save_session(record).await.map_err(backend)
    }

    async fn load(&self, id: &Id) -> session_store::Result<Option<Record>> {
        self.find_session(*id).await.map_err(backend)
    }

    async fn delete(&self, id: &Id) -> session_store::Result<()> {
        self.delete_session(*id).await.map_err(backend)
    }
}

impl Store {
    async fn insert_session(&self, record: &Record) -> Result<bool, AppError> {
        let data = stored("sessions.data", serde_json::to_string(&record.data))?;
        let mut tx = self.begin().await?;
        let inserted = tx
            .query(
                "INSERT INTO sessions
                 (id_hash, data, expires_at, user_id, team_id, began_at, last_seen_at, user_agent, address)
                 VALUES ($1, $2, $3, $4, $5, $6, $6, $7, $8) ON CONFLICT DO NOTHING",
            )
            .bind(hash(record.id))
            .bind(&data)
            .bind(expires_at(record))
            .bind(held::<UserId>(record, SESSION_USER))
            .bind(held::<TeamId>(record, SESSION_TEAM))
            .bind(held::<i64>(record, SESSION_BEGAN))
            .bind(held::<String>(record, SESSION_USER_AGENT))
            .bind(held::<String>(record, SESSION_ADDRESS))
            .execute()
            .await?;
        tx.commit().await?;
        Ok(inserted == 1)
    }

    async fn save_session(&self, record: &Record) -> Result<(), AppError> {
        let data = stored("sessions.data", serde_json::to_string(&record.data))?;
        let mut tx = self.begin().await?;
        tx.query(
            "UPDATE sessions SET data = $2, expires_at = $3, user_id = $4, team_id = $5, began_at = $6,
                     last_seen_at = COALESCE(last_seen_at, $6), user_agent = $7, address = $8
                 WHERE id_hash = $1",
        )
        .bind(hash(record.id))
        .bind(&data)
        .bind(expires_at(record))
        .bind(held::<UserId>(record, SESSION_USER))
        .bind(held::<TeamId>(record, SESSION_TEAM))
        .bind(held::<i64>(record, SESSION_BEGAN))
        .bind(held::<String>(record, SESSION_USER_AGENT))
        .bind(held::<String>(record, SESSION_ADDRESS))
        .execute()
        .await?;
        tx.commit().await
    }

    async fn find_session(&self, id: Id) -> Result<Option<Record>, AppError> {
        let row: Option<(String, i64)> = self
            .read("SELECT data, expires_at FROM sessions WHERE id_hash = $1")
            .bind(hash(id))
            .fetch_optional()
            .await?;
        let Some((data, expires_at)) = row else { return Ok(None) };
        let expiry_date = OffsetDateTime::from_unix_timestamp_nanos(i128::from(expires_at) * 1000);
        let expiry_date = stored("sessions.expires_at", expiry_date)?;
        if expiry_date <= OffsetDateTime::now_utc() {
            return Ok(None);
        }
        let data = stored("sessions.data", serde_json::from_str(&data))?;
        Ok(Some(Record { id, data, expiry_date }))
    }

    async fn delete_session(&self, id: Id) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query("DELETE FROM sessions WHERE id_hash = $1").bind(hash(id)).execute().await?;
        tx.commit().await
    }

    /// Notes that a session asks for something, at most once a minute, and lets it end [SESSION_DAYS] after that. What is
    /// before log-in is not noted.
    pub async fn touch_session(&self, id: Id, now: DateTime<Utc>) -> Result<(), AppError> {
        let name = hash(id);
        let is_recent = |seen: DateTime<Utc>| seen > now - SEEN_EVERY;
        if self.session_seen(&name).is_some_and(is_recent) {
            return Ok(());
        }
        let seen: Option<i64> = self
            .read("SELECT last_seen_at FROM sessions WHERE id_hash = $1 AND last_seen_at IS NOT NULL")
            .bind(&name)
            .fetch_optional_scalar()
            .await?;
        match seen.map(instant) {
            Some(seen) if is_recent(seen) => self.remember_session(&name, seen),
            Some(_) => self.note_session(name, now),
            None => {}
        }
        Ok(())
    }

    /// The sessions of an account that have not ended, the one that was seen last first.
    pub async fn list_sessions(&self, user_id: UserId, now: DateTime<Utc>) -> Result<Vec<LoggedInSession>, AppError> {
        type Row = (String, i64, i64, Option<String>, Option<String>);
        let rows: Vec<Row> = self
            .read(
                "SELECT id_hash, COALESCE(began_at, 0), COALESCE(last_seen_at, 0), user_agent, address FROM sessions
                 WHERE user_id = $1 AND expires_at > $2 ORDER BY last_seen_at DESC, id_hash",
            )
            .bind(user_id)
            .bind(micros(now))
            .fetch_all()
            .await?;
        let session = |(name, began_at, last_seen_at, user_agent, address): Row| LoggedInSession {
            name,
            began_at: instant(began_at),
            last_seen_at: instant(last_seen_at),
            user_agent,
            address,
        };
        Ok(rows.into_iter().map(session).collect())
    }

    /// Ends one session of an account, by its public name; `false` when there is none.
    pub async fn end_session(&self, user_id: UserId, name: &str, event: &AuditEvent) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let ended = tx
            .query("DELETE FROM sessions WHERE user_id = $1 AND id_hash = $2")
            .bind(user_id)
            .bind(name)
            .execute()
            .await?;
        if ended == 1 {
            append_to_teams_of(&mut tx, user_id, event).await?;
        }
        tx.commit().await?;
        Ok(ended == 1)
    }

    /// Ends every session of an account but the one with the public name `kept`; gives how many those were.
    pub async fn end_other_sessions(&self, user_id: UserId, kept: &str, event: &AuditEvent) -> Result<u64, AppError> {
        let mut tx = self.begin().await?;
        let ended = tx
            .query("DELETE FROM sessions WHERE user_id = $1 AND id_hash <> $2")
            .bind(user_id)
            .bind(kept)
            .execute()
            .await?;
        if ended > 0 {
            append_to_teams_of(&mut tx, user_id, event).await?;
        }
        tx.commit().await?;
        Ok(ended)
    }
}

/// What a session holds under a name.
fn held<T: DeserializeOwned>(record: &Record, name: &str) -> Option<T> {
    record.data.get(name).and_then(|value| serde_json::from_value(value.clone()).ok())
}

/// The public name of a session: a hash of its id, which opens nothing.
pub fn hash(id: Id) -> String {
    hex::encode(Sha256::digest(id.0.to_be_bytes()))
}

/// When a session ends: soon, while nobody is logged in.
fn expires_at(record: &Record) -> i64 {
    let is_somebodys = record.data.contains_key(SESSION_USER);
    let soon = OffsetDateTime::now_utc() + Duration::minutes(ANONYMOUS_MINUTES);
    micros_of(if is_somebodys { record.expiry_date } else { record.expiry_date.min(soon) })
}

/// When a session ends whose person was there just now.
pub(super) fn ends_after_a_visit() -> i64 {
    micros_of(OffsetDateTime::now_utc() + Duration::days(SESSION_DAYS))
}

fn micros_of(time: OffsetDateTime) -> i64 {
    (time.unix_timestamp_nanos() / 1000) as i64
}

fn backend(error: AppError) -> Error {
    Error::Backend(error.to_string())
}
