//! Events and what follows from them: a message's status by rank, its times, the rollups. What events come to is decided by
//! [Fold]; [record_events] and [super::ingest] keep it.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use sqlx::types::Json;

use super::engine::{Engine, Transaction};
use super::event_rows::{EventRow, by_message, events_query, in_order};
use super::failures::keep_diagnoses;
use super::rollups::{Rollups, counted};
use super::search::index::delete_search_rows;
use super::suppressions::suppress;
use super::webhook_deliveries::tell_webhooks;
use super::{Store, instant, micros};
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, Entry, EventSet, Fold, Mark, StatusRank, Told};
use crate::domain::ids::{EmailId, TeamId, TemplateId};
use crate::domain::mailbox::mailbox_key;

pub use crate::domain::event::NewEvent;

/// What the events of one message change beside its status.
#[derive(Clone, Debug, Default)]
pub struct EmailFacts {
    /// Why it failed or bounced, in place of the failing events' own words.
    pub error_message: Option<String>,
    /// The provider's id for the message. Where it has several, it is found by each.
    pub provider_message_id: Option<String>,
}

impl EmailFacts {
    /// What they come to, beside events that may tell more.
    pub(super) fn fold(&self) -> Fold {
        let without_failure = Mark { weakness: 0, at: i64::MAX, event: String::new() };
        Fold {
            reason: self.error_message.clone().map(|value| Told { mark: without_failure, value }),
            provider_message_id: self.provider_message_id.clone().map(|value| Told { mark: Mark::first(), value }),
            ..Fold::default()
        }
    }
}

/// The sender of a message of which no event named one.
pub(super) const UNKNOWN_SENDER: &str = "(unknown sender)";
/// The subject of a message of which no event named one.
pub(super) const NO_SUBJECT: &str = "(no subject)";

/// Which events told what a message's row holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Marks {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider_message_id: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    from_address: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<Mark>,
}

impl Marks {
    /// The marks to keep; `None` where there are none.
    pub fn of(fold: &Fold) -> Option<Json<Self>> {
        fn mark<T>(told: &Option<Told<T>>) -> Option<Mark> {
            told.as_ref().map(|told| told.mark.clone()).filter(|mark| *mark != Mark::first())
        }
        let marks = Self {
            reason: mark(&fold.reason),
            provider_message_id: mark(&fold.provider_message_id),
            from_address: mark(&fold.entry.from_address),
            subject: mark(&fold.entry.subject),
            channel: mark(&fold.entry.channel),
        };
        (marks != Self::default()).then_some(Json(marks))
    }
}

/// A message before events are applied to it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub(super) struct MessageRow {
    pub id: EmailId,
    pub status: i16,
    pub status_rank: i16,
    pub template_id: Option<TemplateId>,
    pub channel: i16,
    pub event_set: i64,
    pub sent_at: Option<i64>,
    pub delivered_at: Option<i64>,
    pub provider_message_id: Option<String>,
    pub error_message: Option<String>,
    pub told_by: Option<Json<Marks>>,
    pub recipients: Json<Vec<Recipient>>,
    pub from_address: String,
    pub subject: String,
    pub is_from_outside: i64,
}

/// The columns of a [MessageRow]. As `Email::is_from_outside` has it, a message without key, request, adapter and original
/// is known from events only.
pub(super) const MESSAGE_COLUMNS: &str =
    "id, status, status_rank, template_id, channel, event_set, sent_at, delivered_at, provider_message_id,
     error_message, told_by, recipients, from_address, subject,
     CAST(CASE WHEN api_request_id IS NULL AND api_key_id IS NULL AND adapter_id IS NULL AND resend_of IS NULL
         THEN 1 ELSE 0 END AS BIGINT) AS is_from_outside";

fn find_message_statement(engine: Engine) -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM emails WHERE team_id = $1 AND id = $2{}", engine.for_update())
}

/// The statement that finds the other messages than `$3` that have a name of a provider's, `$2`.
pub(super) fn find_namesakes_statement(engine: Engine) -> String {
    format!(
        "SELECT {MESSAGE_COLUMNS} FROM emails WHERE team_id = $1 AND id <> $3 AND id IN (
             SELECT n.id FROM emails n WHERE n.team_id = $1 AND n.provider_message_id = $2
             UNION SELECT a.email_id FROM email_aliases a WHERE a.team_id = $1 AND a.alias = $2)
         ORDER BY id{}",
        engine.for_update()
    )
}

const UPDATE_MESSAGE: &str = "UPDATE emails SET status = $3, status_rank = $4, sent_at = $5,
        delivered_at = $6, error_message = $7, provider_message_id = $8, event_set = $9, told_by = $10
    WHERE team_id = $1 AND id = $2";

/// What the events of a message (`$2`) are looked up by, as the triggers of `email_keys` have it.
const EVENT_KEYS: &str = "FROM email_events v
     CROSS JOIN (
         SELECT 1 AS kind, 'server' AS field
         UNION ALL SELECT 2, 'server_ip'
         UNION ALL SELECT 3, 'mx'
         UNION ALL SELECT 4, 'protocol'
     ) k
     WHERE v.team_id = $1 AND v.email_id = $2 AND v.detail ->> k.field IS NOT NULL";

/// What makes a message (`$2`) a part of another one (`$3`), but for its name.
fn retire_statements() -> [Cow<'static, str>; 6] {
    [
        format!(
            "INSERT INTO email_keys (team_id, kind, key, email_id)
             SELECT v.team_id, k.kind, LOWER(v.detail ->> k.field), $3 {EVENT_KEYS} ON CONFLICT DO NOTHING"
        )
        .into(),
        format!(
            "DELETE FROM email_keys WHERE team_id = $1 AND kind IN (1, 2, 3, 4) AND key IN (
                 SELECT LOWER(v.detail ->> k.field) {EVENT_KEYS}) AND email_id = $2 AND email_id <> $3"
        )
        .into(),
        "UPDATE email_events SET email_id = $3 WHERE team_id = $1 AND email_id = $2".into(),
        "UPDATE webhook_deliveries SET email_id = $3 WHERE team_id = $1 AND email_id = $2".into(),
        "INSERT INTO email_aliases (team_id, alias, email_id)
         SELECT team_id, alias, $3 FROM email_aliases WHERE team_id = $1 AND email_id = $2 ON CONFLICT DO NOTHING"
            .into(),
        "DELETE FROM emails WHERE team_id = $1 AND id = $2 AND id <> $3".into(),
    ]
}

impl MessageRow {
    /// Whether it is known from events only.
    pub fn is_from_outside(&self) -> bool {
        self.is_from_outside != 0
    }

    /// What its events came to so far.
    pub fn fold(&self) -> Fold {
        let marks = self.told_by.as_ref().map(|marks| marks.0.clone()).unwrap_or_default();
        let told = |mark: Option<Mark>, value: String| Told { mark: mark.unwrap_or_else(Mark::first), value };
        // Kept before marks were: nothing that is as strong takes its place.
        let unmarked = Mark { weakness: -self.status_rank.min(70), at: i64::MIN, event: String::new() };
        let entry = if self.is_from_outside() {
            let address = |to: &Recipient| (mailbox_key(&to.address), to.address.clone());
            let channel = Channel::from_code(self.channel).unwrap_or_default();
            Entry {
                began_at: Some(self.id.created_at()),
                recipients: self.recipients.iter().map(address).collect(),
                from_address: Some(self.from_address.clone())
                    .filter(|from| from != UNKNOWN_SENDER)
                    .map(|from| told(marks.from_address, from)),
                subject: Some(self.subject.clone())
                    .filter(|subject| subject != NO_SUBJECT)
                    .map(|subject| told(marks.subject, subject)),
                channel: match marks.channel {
                    Some(mark) => Some(Told { mark, value: channel }),
                    None if channel == Channel::default() => None,
                    None => Some(Told { mark: Mark::first(), value: channel }),
                },
            }
        } else {
            Entry::default()
        };
        Fold {
            rank: StatusRank(self.status_rank),
            event_set: EventSet::from_bits(self.event_set),
            sent_at: self.sent_at.map(instant),
            delivered_at: self.delivered_at.map(instant),
            reason: self.error_message.clone().map(|value| Told { mark: marks.reason.unwrap_or(unmarked), value }),
            provider_message_id: self.provider_message_id.clone().map(|name| told(marks.provider_message_id, name)),
            entry,
        }
    }
}

/// A provider's id or `Message-ID` without the brackets that belong to its notation.
pub(super) fn bare_name(name: &str) -> &str {
    name.trim().trim_start_matches('<').trim_end_matches('>')
}

const INSERT_EVENT: &str = "INSERT INTO email_events
    (team_id, email_id, id, kind, at, recipient, detail, provider_event_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

impl Rollups {
    /// Takes a message out.
    pub fn remove(&mut self, before: &MessageRow) {
        let channel = Channel::from_code(before.channel).unwrap_or_default();
        if let Some(status) = EmailStatus::from_code(before.status) {
            self.add(before.id, before.template_id, channel, counted(status, -1));
        }
    }

    /// Puts a message in another place: what it was before, its id now, and what its events come to now.
    pub fn replace(&mut self, before: &MessageRow, id: EmailId, fold: &Fold) {
        self.remove(before);
        let channel = match &fold.entry.channel {
            Some(told) => told.value,
            None => Channel::from_code(before.channel).unwrap_or_default(),
        };
        self.add(id, before.template_id, channel, counted(fold.status(), 1));
    }
}

/// Keeps what a message's events come to.
pub(super) async fn update_message(
    tx: &mut Transaction,
    team_id: TeamId,
    id: EmailId,
    fold: &Fold,
) -> Result<(), AppError> {
    tx.query(UPDATE_MESSAGE)
        .bind(team_id)
        .bind(id)
        .bind(fold.status().code())
        .bind(fold.rank.0)
        .bind(fold.sent_at.map(micros))
        .bind(fold.delivered_at.map(micros))
        .bind(fold.reason.as_ref().map(|told| &told.value))
        .bind(fold.provider_message_id.as_ref().map(|told| &told.value))
        .bind(fold.event_set.bits())
        .bind(Marks::of(fold))
        .execute()
        .await?;
    Ok(())
}

/// Makes a message findable by another name than the one that is shown.
pub(super) async fn insert_alias(
    tx: &mut Transaction,
    team_id: TeamId,
    alias: &str,
    id: EmailId,
) -> Result<(), AppError> {
    let insert = "INSERT INTO email_aliases (team_id, alias, email_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
    tx.query(insert).bind(team_id).bind(alias).bind(id).execute().await?;
    Ok(())
}

/// Makes a message a part of another one, which has its events from then on and is found by its id.
pub(super) async fn retire(tx: &mut Transaction, team_id: TeamId, old: EmailId, new: EmailId) -> Result<(), AppError> {
    // PostgreSQL's index follows by itself.
    if tx.engine() == Engine::Sqlite && old != new {
        delete_search_rows(tx, team_id, &[old.0]).await?;
    }
    for statement in retire_statements() {
        tx.query(statement).bind(team_id).bind(old).bind(new).execute().await?;
    }
    insert_alias(tx, team_id, &old.to_string(), new).await
}

/// Records events of one message and folds them into its status, times, facts and rollups. Gives `false`, and does nothing,
/// when there is no such message. Whoever gives a provider's id for it has taken turns: a message that was only known by
/// that id becomes a part of this one. It ends with the rollups, the transaction's last act.
pub(super) async fn record_events(
    tx: &mut Transaction,
    team_id: TeamId,
    email_id: EmailId,
    new_events: &[NewEvent],
    facts: &EmailFacts,
) -> Result<bool, AppError> {
    let rollups = fold_events(tx, team_id, email_id, new_events, facts).await?;
    let is_found = rollups.is_some();
    rollups.unwrap_or_default().apply(tx, team_id).await?;
    Ok(is_found)
}

/// The same but for the rollups, which it gives: whoever records events of several messages applies them all at the end.
pub(super) async fn fold_events(
    tx: &mut Transaction,
    team_id: TeamId,
    email_id: EmailId,
    new_events: &[NewEvent],
    facts: &EmailFacts,
) -> Result<Option<Rollups>, AppError> {
    let find = find_message_statement(tx.engine());
    let Some(before) = tx.query(find).bind(team_id).bind(email_id).fetch_optional::<MessageRow>().await? else {
        return Ok(None);
    };
    let known = before.fold();
    let (mut fold, mut added) = (known.clone(), Vec::new());
    for new in new_events {
        if insert_event(tx, team_id, email_id, new).await? {
            fold.merge(new.fold(facts.error_message.as_deref()));
            added.push(&new.event);
        }
    }
    let channel = Channel::from_code(before.channel).unwrap_or_default();
    suppress(tx, team_id, email_id, (channel, &before.recipients.0), &added).await?;
    fold.merge(facts.fold());
    let mut rollups = Rollups::default();
    if let Some(name) = facts.provider_message_id.as_deref().map(bare_name) {
        let find = find_namesakes_statement(tx.engine());
        let namesakes: Vec<MessageRow> = tx.query(find).bind(team_id).bind(name).bind(email_id).fetch_all().await?;
        for other in namesakes.iter().filter(|other| other.is_from_outside()) {
            retire(tx, team_id, other.id, email_id).await?;
            rollups.remove(other);
            fold.merge(Fold { provider_message_id: None, ..other.fold() });
        }
    }
    // Whom a message is for and from, events tell only through [super::ingest].
    fold.entry = known.entry.clone();
    // What the provider called it beside the id that is shown.
    let shown = fold.provider_message_id.as_ref().map(|told| told.value.as_str());
    let names = [before.provider_message_id.as_deref(), facts.provider_message_id.as_deref()];
    for name in names.into_iter().flatten().filter(|name| Some(*name) != shown) {
        insert_alias(tx, team_id, bare_name(name), email_id).await?;
    }
    if fold != known {
        update_message(tx, team_id, email_id, &fold).await?;
        rollups.replace(&before, email_id, &fold);
    }
    if fold.status().can_be_resent() {
        keep_diagnoses(tx, team_id, &[email_id]).await?;
    }
    let told: Vec<(EmailId, &EmailEvent)> = added.into_iter().map(|event| (email_id, event)).collect();
    tell_webhooks(tx, team_id, &told).await?;
    Ok(Some(rollups))
}

/// Inserts an event; `false` when the message has it already.
async fn insert_event(
    tx: &mut Transaction,
    team_id: TeamId,
    email_id: EmailId,
    new: &NewEvent,
) -> Result<bool, AppError> {
    let inserted = tx
        .query(INSERT_EVENT)
        .bind(team_id)
        .bind(email_id)
        .bind(new.event.id)
        .bind(new.event.kind.as_str())
        .bind(micros(new.event.at))
        .bind(&new.event.recipient)
        .bind(Json(&new.event.detail))
        .bind(&new.provider_event_id)
        .execute()
        .await?;
    Ok(inserted == 1)
}

impl Store {
    /// Records events of one message; [AppError::NotFound] when the team has no such message.
    pub async fn record_events(
        &self,
        team_id: TeamId,
        email_id: EmailId,
        new_events: &[NewEvent],
        facts: &EmailFacts,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        if facts.provider_message_id.is_some() {
            tx.take_turns(team_id).await?;
        }
        if !record_events(&mut tx, team_id, email_id, new_events, facts).await? {
            return Err(AppError::not_found("Email log"));
        }
        tx.commit().await
    }

    /// The events of a message, by the time they happened.
    pub async fn list_events(&self, team_id: TeamId, email_id: EmailId) -> Result<Vec<EmailEvent>, AppError> {
        let rows: Vec<EventRow> = self
            .read(
                "SELECT provider_event_id, id, kind, at, recipient, detail FROM email_events
                 WHERE team_id = $1 AND email_id = $2 ORDER BY at, id",
            )
            .bind(team_id)
            .bind(email_id)
            .fetch_all()
            .await?;
        in_order(rows).into_iter().map(EmailEvent::try_from).collect()
    }

    /// The events of several messages, each message's by the time they happened.
    pub async fn list_events_of(
        &self,
        team_id: TeamId,
        ids: &[EmailId],
    ) -> Result<HashMap<EmailId, Vec<EmailEvent>>, AppError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        by_message(self.read(events_query(self.engine(), team_id, ids)).fetch_all().await?)
    }
}
