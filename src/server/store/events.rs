//! Events and what follows from them: a message's status by rank, its times, the rollups. [record_events!] is the one
//! place that changes a message's status.

use std::collections::{BTreeMap, HashMap};

use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::{Store, instant, read, stored, write};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail};
use crate::domain::filter::Slice;
use crate::domain::ids::{EmailId, EventId, TeamId, TemplateId};
use crate::domain::stats::StatusCounts;

/// An event to be recorded, with the provider's own id for it where a provider reports it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// The event.
    pub event: EmailEvent,
    /// The provider's id; a second event with the same id is dropped.
    pub provider_event_id: Option<String>,
}

impl From<EmailEvent> for NewEvent {
    fn from(event: EmailEvent) -> Self {
        Self { event, provider_event_id: None }
    }
}

/// What the events of one message change beside its status.
#[derive(Clone, Debug, Default)]
pub struct EmailFacts {
    /// Why it failed or bounced; keeps the earlier reason when `None`.
    pub error_message: Option<String>,
    /// The provider's id for the message; keeps the earlier one when `None`.
    pub provider_message_id: Option<String>,
}

/// A message's state before events are applied to it.
#[derive(sqlx::FromRow)]
pub(super) struct StatusRow {
    pub status: i16,
    pub status_rank: i16,
    pub template_id: Option<TemplateId>,
    pub channel: i16,
    pub event_set: i64,
}

pub(super) const INSERT_EVENT: &str = "INSERT INTO email_events
    (team_id, email_id, id, kind, at, recipient, detail, provider_event_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING";

pub(super) const ADD_TO_ROLLUP: &str = "INSERT INTO email_rollups
    (team_id, template_id, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (team_id, template_id, hour) DO UPDATE SET
        queued = email_rollups.queued + excluded.queued,
        sent = email_rollups.sent + excluded.sent,
        delivered = email_rollups.delivered + excluded.delivered,
        opened = email_rollups.opened + excluded.opened,
        clicked = email_rollups.clicked + excluded.clicked,
        bounced = email_rollups.bounced + excluded.bounced,
        failed = email_rollups.failed + excluded.failed,
        spam = email_rollups.spam + excluded.spam";

/// The rollup row that counts all templates together.
pub(super) const ANY_TEMPLATE: TemplateId = TemplateId(0);

/// The `template_id` of the rollup rows that count a slice of the log. Negative ones, which no template has, stand for
/// channels; the lowest for nothing.
pub(super) fn rollup_key(slice: Slice) -> TemplateId {
    match slice {
        Slice::All => ANY_TEMPLATE,
        Slice::Template(id) if id > ANY_TEMPLATE => id,
        Slice::Template(_) | Slice::Nothing => TemplateId(i64::MIN),
        Slice::Channel(channel) => TemplateId(-1 - i64::from(channel.code())),
    }
}

/// The hour, counted from 1970, in which a message was accepted.
pub(super) fn hour_of(id: EmailId) -> i64 {
    id.created_at().timestamp().div_euclid(3600)
}

/// The rollup change for a message that leaves one status, if it had any, for another.
pub(super) fn moved(from: Option<EmailStatus>, to: EmailStatus) -> StatusCounts {
    let mut change = StatusCounts::default();
    if let Some(from) = from {
        change.add(from, -1);
    }
    change.add(to, 1);
    change
}

/// The `template_id`s of the rollup rows that count a message.
fn rollup_keys(template_id: Option<TemplateId>, channel: Channel) -> impl Iterator<Item = TemplateId> {
    let of_channel = rollup_key(Slice::Channel(channel));
    [Some(of_channel), Some(ANY_TEMPLATE), template_id].into_iter().flatten()
}

/// What a transaction changes in the rollups, by their keys. It is summed while messages are changed and applied once, last,
/// in the order of the keys: two transactions that meet never wait for each other in a ring.
#[derive(Debug, Default)]
pub(super) struct Rollups(BTreeMap<(TemplateId, i64), StatusCounts>);

impl Rollups {
    /// Adds a change of one message's status to the rows of its hour: of its channel, of its template and of all.
    pub fn add(&mut self, id: EmailId, template_id: Option<TemplateId>, channel: Channel, change: StatusCounts) {
        for key in rollup_keys(template_id, channel) {
            *self.0.entry((key, hour_of(id))).or_default() += change;
        }
    }

    /// What changes, in the order in which every transaction takes the rows.
    pub fn changes(self) -> impl Iterator<Item = ((TemplateId, i64), StatusCounts)> {
        self.0.into_iter().filter(|(_, change)| *change != StatusCounts::default())
    }
}

/// Applies what a transaction changes in the rollups. Nothing of the transaction comes after it.
macro_rules! apply_rollups {
    ($tx:expr, $team_id:expr, $rollups:expr) => {
        for ((template_id, hour), counts) in $crate::server::store::events::Rollups::changes($rollups) {
            let mut statement =
                sqlx::query($crate::server::store::events::ADD_TO_ROLLUP).bind($team_id).bind(template_id).bind(hour);
            for count in counts.0 {
                statement = statement.bind(count);
            }
            statement.execute(&mut *$tx).await?;
        }
    };
}

/// Records events of one message inside a transaction and folds them into its status, times, facts and rollups. Gives
/// `false`, and does nothing, when there is no such message. It ends with the rollups: the transaction's last act.
macro_rules! record_events {
    ($tx:expr, $team_id:expr, $email_id:expr, $events:expr, $facts:expr) => {{
        use $crate::domain::event::{EventKind, StatusRank};
        use $crate::server::store::events;

        let (team_id, email_id): (TeamId, EmailId) = ($team_id, $email_id);
        let facts: &events::EmailFacts = $facts;
        // An update that changes nothing: it locks the row on both engines.
        let before: Option<events::StatusRow> = sqlx::query_as(
            "UPDATE emails SET status_rank = status_rank WHERE team_id = $1 AND id = $2
             RETURNING status, status_rank, template_id, channel, event_set",
        )
        .bind(team_id)
        .bind(email_id)
        .fetch_optional(&mut *$tx)
        .await?;
        if let Some(before) = before {
            let (mut rank, mut sent_at, mut delivered_at) = (before.status_rank, None, None);
            let mut event_set = $crate::domain::event::EventSet::from_bits(before.event_set);
            for new in $events {
                let new: &events::NewEvent = new;
                let inserted = sqlx::query(events::INSERT_EVENT)
                    .bind(team_id)
                    .bind(email_id)
                    .bind(new.event.id)
                    .bind(new.event.kind.as_str())
                    .bind($crate::server::store::micros(new.event.at))
                    .bind(&new.event.recipient)
                    .bind(sqlx::types::Json(&new.event.detail))
                    .bind(&new.provider_event_id)
                    .execute(&mut *$tx)
                    .await?;
                if inserted.rows_affected() == 1 {
                    rank = rank.max(new.event.kind.rank().0);
                    let seen = $crate::domain::event::EventSet::of(new.event.kind, new.event.detail.cause);
                    event_set = event_set.with(seen);
                    let at = Some($crate::server::store::micros(new.event.at));
                    match new.event.kind {
                        EventKind::Sent => sent_at = sent_at.or(at),
                        EventKind::Delivered => delivered_at = delivered_at.or(at),
                        _ => {}
                    }
                }
            }
            let status = StatusRank(rank).status();
            sqlx::query(
                "UPDATE emails SET status = $3, status_rank = $4, sent_at = COALESCE(sent_at, $5),
                     delivered_at = COALESCE(delivered_at, $6), error_message = COALESCE($7, error_message),
                     provider_message_id = COALESCE($8, provider_message_id), event_set = $9
                 WHERE team_id = $1 AND id = $2",
            )
            .bind(team_id)
            .bind(email_id)
            .bind(status.code())
            .bind(rank)
            .bind(sent_at)
            .bind(delivered_at)
            .bind(&facts.error_message)
            .bind(&facts.provider_message_id)
            .bind(event_set.bits())
            .execute(&mut *$tx)
            .await?;
            if status.code() != before.status {
                let change = events::moved($crate::domain::email::EmailStatus::from_code(before.status), status);
                let channel = $crate::domain::channel::Channel::from_code(before.channel).unwrap_or_default();
                let mut rollups = events::Rollups::default();
                rollups.add(email_id, before.template_id, channel, change);
                events::apply_rollups!($tx, team_id, rollups);
            }
            true
        } else {
            false
        }
    }};
}

pub(super) use {apply_rollups, record_events};

#[derive(sqlx::FromRow)]
struct EventRow {
    id: EventId,
    kind: String,
    at: i64,
    recipient: Option<String>,
    detail: Json<EventDetail>,
}

impl TryFrom<EventRow> for EmailEvent {
    type Error = AppError;

    fn try_from(row: EventRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            kind: stored("email_events.kind", row.kind.parse())?,
            at: instant(row.at),
            recipient: row.recipient,
            detail: row.detail.0,
        })
    }
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
        write!(self, |tx| {
            if record_events!(tx, team_id, email_id, new_events, facts) {
                Ok(())
            } else {
                Err(AppError::not_found("Email log"))
            }
        })
    }

    /// The events of a message, by the time they happened.
    pub async fn list_events(&self, team_id: TeamId, email_id: EmailId) -> Result<Vec<EmailEvent>, AppError> {
        let rows: Vec<EventRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT id, kind, at, recipient, detail FROM email_events
                 WHERE team_id = $1 AND email_id = $2 ORDER BY at, id",
            )
            .bind(team_id)
            .bind(email_id)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter().map(EmailEvent::try_from).collect()
    }

    /// The events of several messages, each message's by the time they happened.
    pub async fn list_events_of(
        &self,
        team_id: TeamId,
        ids: &[EmailId],
    ) -> Result<HashMap<EmailId, Vec<EmailEvent>>, AppError> {
        let mut events: HashMap<EmailId, Vec<EmailEvent>> = HashMap::new();
        if ids.is_empty() {
            return Ok(events);
        }
        type Row = (EmailId, EventId, String, i64, Option<String>, Json<EventDetail>);
        let rows: Vec<Row> = read!(self, |pool| {
            let mut query = QueryBuilder::new(
                "SELECT email_id, id, kind, at, recipient, detail FROM email_events WHERE team_id = ",
            );
            query.push_bind(team_id).push(" AND email_id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            query.push(") ORDER BY email_id, at, id").build_query_as().fetch_all(pool).await
        })?;
        for (email_id, id, kind, at, recipient, detail) in rows {
            let event = EmailEvent::try_from(EventRow { id, kind, at, recipient, detail })?;
            events.entry(email_id).or_default().push(event);
        }
        Ok(events)
    }
}
