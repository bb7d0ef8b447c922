//! What leaves a trace beside its own work: when a key was last used, when a session was last seen, what a provider's webhook
//! was refused for. Noted in memory and kept a moment later in small transactions, so that nobody waits for a write. What
//! cannot be kept is lost.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::error;

use super::provider_webhooks::NotedRefusal;
use super::{Store, micros, sessions};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, TeamId, WebhookId};
use crate::domain::provider_webhook::RefusalReason;

/// How long what was noted waits for more of its kind.
const PAUSE: Duration = Duration::from_millis(500);
/// How many notes of a kind may wait; past it, new ones are lost.
const CAPACITY: usize = 10_000;
/// How many are kept in one transaction.
const BATCH: usize = 200;

/// Notes that wait.
#[derive(Debug, Default)]
pub(super) struct Noted {
    waiting: Mutex<Waiting>,
    /// Held by whoever keeps what was noted: who asks for it meanwhile waits until that is kept.
    keeping: tokio::sync::Mutex<()>,
    /// When sessions were last seen, by their names, as far as that was read or noted: one that was seen just now need not be read.
    seen: Mutex<HashMap<String, DateTime<Utc>>>,
}

#[derive(Debug, Default)]
struct Waiting {
    keys: BTreeMap<(TeamId, ApiKeyId), DateTime<Utc>>,
    sessions: BTreeMap<String, DateTime<Utc>>,
    refusals: BTreeMap<(TeamId, WebhookId, RefusalReason), NotedRefusal>,
    /// Whether a task is going to keep them.
    is_due: bool,
}

impl Noted {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<String, DateTime<Utc>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Notes the use of a key.
    pub(super) fn note_key(&self, team_id: TeamId, id: ApiKeyId, at: DateTime<Utc>) {
        self.note(|waiting| put(&mut waiting.keys, (team_id, id), at));
    }

    /// When a session was last seen, as far as that is known without reading it.
    pub(super) fn session_seen(&self, name: &str) -> Option<DateTime<Utc>> {
        self.noted.seen().get(name).copied()
    }

    /// Remembers when a session was last seen.
    pub(super) fn remember_session(&self, name: &str, at: DateTime<Utc>) {
        let mut seen = self.noted.seen();
        if seen.len() >= CAPACITY {
            seen.clear();
        }
        seen.insert(name.to_owned(), at);
    }

    /// Notes that a session asked for something; `name` is the hash of its id.
    pub(super) fn note_session(&self, name: String, at: DateTime<Utc>) {
        self.remember_session(&name, at);
        self.note(|waiting| put(&mut waiting.sessions, name, at));
    }

    /// Counts something that was refused.
    pub(super) fn note_one_refusal(&self, key: (TeamId, WebhookId, RefusalReason), new: NotedRefusal) {
        self.note(|waiting| {
            let is_known = waiting.refusals.contains_key(&key);
            if is_known || waiting.refusals.len() < CAPACITY {
                let times = waiting.refusals.get(&key).map_or(0, |noted| noted.times);
                waiting.refusals.insert(key, NotedRefusal { times: times + new.times, ..new });
            }
        });
    }

    fn note(&self, put: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.noted.waiting();
        put(&mut waiting);
        if !std::mem::replace(&mut waiting.is_due, true) {
            let store = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(PAUSE).await;
                store.keep_noted().await;
            });
        }
    }

    /// Keeps what was noted about reading: uses of keys, visits of sessions. Happens by itself half a second after a note. Once this
    /// returns, everything is kept that was noted before.
    pub async fn keep_noted(&self) {
        let _keeping = self.noted.keeping.lock().await;
        let Waiting { keys, sessions, refusals, .. } = std::mem::take(&mut *self.noted.waiting());
        let keys: Vec<_> = keys.into_iter().collect();
        let sessions: Vec<_> = sessions.into_iter().collect();
        for batch in keys.chunks(BATCH) {
            if let Err(cause) = self.keep_keys(batch).await {
                error!(%cause, keys = batch.len(), "uses of keys were not noted");
            }
        }
        for batch in sessions.chunks(BATCH) {
            if let Err(cause) = self.keep_sessions(batch).await {
                error!(%cause, sessions = batch.len(), "visits of sessions were not noted");
            }
        }
        let refusals: Vec<_> = refusals.into_iter().collect();
        for batch in refusals.chunks(BATCH) {
            if let Err(cause) = self.keep_refusals(batch).await {
                error!(%cause, refusals = batch.len(), "refused webhooks were not counted");
            }
        }
    }

    async fn keep_keys(&self, used: &[((TeamId, ApiKeyId), DateTime<Utc>)]) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        for ((team_id, id), at) in used {
            tx.query(
                "UPDATE api_keys SET last_used_at = $3
                     WHERE team_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at < $3)",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(*at))
            .execute()
            .await?;
        }
        tx.commit().await
    }

    async fn keep_sessions(&self, seen: &[(String, DateTime<Utc>)]) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        for (name, at) in seen {
            tx.query(
                "UPDATE sessions SET last_seen_at = $2, expires_at = $3
                     WHERE id_hash = $1 AND user_id IS NOT NULL AND last_seen_at < $2",
            )
            .bind(name)
            .bind(micros(*at))
            .bind(sessions::ends_after_a_visit())
            .execute()
            .await?;
        }
        tx.commit().await
    }
}

fn put<K: Ord>(notes: &mut BTreeMap<K, DateTime<Utc>>, key: K, at: DateTime<Utc>) {
    if notes.len() < CAPACITY || notes.contains_key(&key) {
        notes.insert(key, at);
    }
}
