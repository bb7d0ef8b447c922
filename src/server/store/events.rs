//! Events and what follows from them: a message's status by rank, its times, the rollups. [record_events!] is the one
//! place that changes a message's status.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::{Store, instant, read, stored, write};
use crate::domain::address::mailbox_key;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, Entry, EventDetail, EventSet, Fold, Mark, StatusRank, Told};
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
    /// Why it failed or bounced, in place of the failing events' own words.
    pub error_message: Option<String>,
    /// The provider's id for the message. Where it has several, it is found by each.
    pub provider_message_id: Option<String>,
}

impl NewEvent {
    /// What it comes to; `reason` tells why the message did not arrive, where that is more than the event's own words.
    pub(super) fn fold(&self, reason: Option<&str>) -> Fold {
        Fold::of(&self.event, self.provider_event_id.as_deref(), reason)
    }
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

/// The columns of a [MessageRow], behind `SELECT`. As `Email::is_from_outside` has it, a message without key, request,
/// adapter and original is known from events only.
macro_rules! message_columns {
    () => {
        "id, status, status_rank, template_id, channel, event_set, sent_at, delivered_at, provider_message_id,
         error_message, told_by, recipients, from_address, subject,
         CAST(CASE WHEN api_request_id IS NULL AND api_key_id IS NULL AND adapter_id IS NULL AND resend_of IS NULL
             THEN 1 ELSE 0 END AS BIGINT) AS is_from_outside"
    };
}

pub(super) const FIND_MESSAGE: &str =
    concat!("SELECT ", message_columns!(), " FROM emails WHERE team_id = $1 AND id = $2");

/// The other messages that have a name of a provider's, `$2`.
pub(super) const FIND_NAMESAKES: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM emails WHERE team_id = $1 AND id <> $3 AND id IN (
         SELECT n.id FROM emails n WHERE n.team_id = $1 AND n.provider_message_id = $2
         UNION SELECT a.email_id FROM email_aliases a WHERE a.team_id = $1 AND a.alias = $2)
     ORDER BY id"
);

pub(super) const UPDATE_MESSAGE: &str = "UPDATE emails SET status = $3, status_rank = $4, sent_at = $5,
        delivered_at = $6, error_message = $7, provider_message_id = $8, event_set = $9, told_by = $10
    WHERE team_id = $1 AND id = $2";

pub(super) const INSERT_ALIAS: &str =
    "INSERT INTO email_aliases (team_id, alias, email_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";

/// What the events of a message (`$2`) are looked up by, as the triggers of `email_keys` have it.
macro_rules! event_keys {
    () => {
        " FROM email_events v
         CROSS JOIN (
             SELECT 1 AS kind, 'server' AS field
             UNION ALL SELECT 2, 'server_ip'
             UNION ALL SELECT 3, 'mx'
             UNION ALL SELECT 4, 'protocol'
         ) k
         WHERE v.team_id = $1 AND v.email_id = $2 AND v.detail ->> k.field IS NOT NULL"
    };
}

/// What makes a message (`$2`) a part of another one (`$3`), but for its name.
pub(super) const RETIRE: [&str; 5] = [
    concat!(
        "INSERT INTO email_keys (team_id, kind, key, email_id)
         SELECT v.team_id, k.kind, LOWER(v.detail ->> k.field), $3",
        event_keys!(),
        " ON CONFLICT DO NOTHING"
    ),
    concat!(
        "DELETE FROM email_keys WHERE team_id = $1 AND kind IN (1, 2, 3, 4) AND key IN (
             SELECT LOWER(v.detail ->> k.field)",
        event_keys!(),
        ") AND email_id = $2 AND email_id <> $3"
    ),
    "UPDATE email_events SET email_id = $3 WHERE team_id = $1 AND email_id = $2",
    "INSERT INTO email_aliases (team_id, alias, email_id)
     SELECT team_id, alias, $3 FROM email_aliases WHERE team_id = $1 AND email_id = $2 ON CONFLICT DO NOTHING",
    "DELETE FROM emails WHERE team_id = $1 AND id = $2 AND id <> $3",
];

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

/// One message of this status, or one less.
pub(super) fn counted(status: EmailStatus, count: i64) -> StatusCounts {
    let mut change = StatusCounts::default();
    change.add(status, count);
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

    /// The rows that change, in the order in which every transaction takes them.
    pub fn keys(&self) -> Vec<(TemplateId, i64)> {
        self.0.keys().copied().collect()
    }

    /// Adds other changes.
    pub fn join(&mut self, other: Rollups) {
        for (key, change) in other.0 {
            *self.0.entry(key).or_default() += change;
        }
    }

    /// What changes, in the order in which every transaction takes the rows.
    pub fn changes(self) -> impl Iterator<Item = ((TemplateId, i64), StatusCounts)> {
        self.0.into_iter().filter(|(_, change)| *change != StatusCounts::default())
    }
}

/// Applies what a transaction changes in the rollups. Only those rows are touched after it.
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

/// Keeps what a message's events come to, inside a transaction.
macro_rules! update_message {
    ($tx:expr, $team_id:expr, $id:expr, $fold:expr) => {{
        let fold: &$crate::domain::event::Fold = $fold;
        sqlx::query($crate::server::store::events::UPDATE_MESSAGE)
            .bind($team_id)
            .bind($id)
            .bind(fold.status().code())
            .bind(fold.rank.0)
            .bind(fold.sent_at.map($crate::server::store::micros))
            .bind(fold.delivered_at.map($crate::server::store::micros))
            .bind(fold.reason.as_ref().map(|told| told.value.clone()))
            .bind(fold.provider_message_id.as_ref().map(|told| told.value.clone()))
            .bind(fold.event_set.bits())
            .bind($crate::server::store::events::Marks::of(fold))
            .execute(&mut *$tx)
            .await?;
    }};
}

/// Makes a message a part of another one, which has its events from then on and is found by its id, inside a transaction.
macro_rules! retire {
    ($tx:expr, $store:expr, $team_id:expr, $old:expr, $new:expr) => {{
        use $crate::server::store::events;
        let (team_id, old, new): (TeamId, EmailId, EmailId) = ($team_id, $old, $new);
        for statement in $store.delete_searched_statement().into_iter().chain(events::RETIRE) {
            sqlx::query(statement).bind(team_id).bind(old).bind(new).execute(&mut *$tx).await?;
        }
        sqlx::query(events::INSERT_ALIAS).bind(team_id).bind(old.to_string()).bind(new).execute(&mut *$tx).await?;
    }};
}

/// Makes the transactions of a team that name messages take turns, so that no two find a name free. It comes before every
/// other lock.
macro_rules! take_turns {
    ($tx:expr, $store:expr, $team_id:expr) => {
        if let Some(statement) = $store.take_turns_statement() {
            sqlx::query(statement).bind($team_id).execute(&mut *$tx).await?;
        }
    };
}

/// Records events of one message inside a transaction and folds them into its status, times, facts and rollups. Gives
/// `false`, and does nothing, when there is no such message. Whoever gives a provider's id for it has taken turns: a
/// message that was only known by that id becomes a part of this one. It ends with the rollups, the transaction's last act.
macro_rules! record_events {
    ($tx:expr, $store:expr, $team_id:expr, $email_id:expr, $events:expr, $facts:expr) => {{
        use $crate::server::store::events;

        let (team_id, email_id): (TeamId, EmailId) = ($team_id, $email_id);
        let facts: &events::EmailFacts = $facts;
        let find = format!("{}{}", events::FIND_MESSAGE, $store.for_update());
        let before: Option<events::MessageRow> =
            sqlx::query_as(sqlx::AssertSqlSafe(&*find)).bind(team_id).bind(email_id).fetch_optional(&mut *$tx).await?;
        if let Some(before) = before {
            let known = before.fold();
            let mut fold = known.clone();
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
                    fold.merge(new.fold(facts.error_message.as_deref()));
                }
            }
            fold.merge(facts.fold());
            let mut rollups = events::Rollups::default();
            if let Some(name) = facts.provider_message_id.as_deref().map(events::bare_name) {
                let find = format!("{}{}", events::FIND_NAMESAKES, $store.for_update());
                let namesakes: Vec<events::MessageRow> = sqlx::query_as(sqlx::AssertSqlSafe(&*find))
                    .bind(team_id)
                    .bind(name)
                    .bind(email_id)
                    .fetch_all(&mut *$tx)
                    .await?;
                for other in namesakes.iter().filter(|other| other.is_from_outside()) {
                    events::retire!($tx, $store, team_id, other.id, email_id);
                    rollups.remove(other);
                    fold.merge($crate::domain::event::Fold { provider_message_id: None, ..other.fold() });
                }
            }
            // Whom a message is for and from, events tell only through [super::ingest].
            fold.entry = known.entry.clone();
            // What the provider called it beside the id that is shown.
            let shown = fold.provider_message_id.as_ref().map(|told| told.value.as_str());
            let names = [before.provider_message_id.as_deref(), facts.provider_message_id.as_deref()];
            for name in names.into_iter().flatten().filter(|name| Some(*name) != shown) {
                let name = events::bare_name(name);
                sqlx::query(events::INSERT_ALIAS).bind(team_id).bind(name).bind(email_id).execute(&mut *$tx).await?;
            }
            if fold != known {
                events::update_message!($tx, team_id, email_id, &fold);
                rollups.replace(&before, email_id, &fold);
            }
            events::apply_rollups!($tx, team_id, rollups);
            true
        } else {
            false
        }
    }};
}

pub(super) use {apply_rollups, message_columns, record_events, retire, take_turns, update_message};

#[derive(sqlx::FromRow)]
struct EventRow {
    provider_event_id: Option<String>,
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
            if facts.provider_message_id.is_some() {
                take_turns!(tx, self, team_id);
            }
            if record_events!(tx, self, team_id, email_id, new_events, facts) {
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
                "SELECT provider_event_id, id, kind, at, recipient, detail FROM email_events
                 WHERE team_id = $1 AND email_id = $2 ORDER BY at, id",
            )
            .bind(team_id)
            .bind(email_id)
            .fetch_all(pool)
            .await
        })?;
        in_order(rows).into_iter().map(EmailEvent::try_from).collect()
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
        #[derive(sqlx::FromRow)]
        struct Row {
            email_id: EmailId,
            #[sqlx(flatten)]
            event: EventRow,
        }
        let rows: Vec<Row> = read!(self, |pool| {
            let mut query = QueryBuilder::new(
                "SELECT email_id, provider_event_id, id, kind, at, recipient, detail FROM email_events
                 WHERE team_id = ",
            );
            query.push_bind(team_id).push(" AND email_id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            query.push(") ORDER BY email_id, at, id").build_query_as().fetch_all(pool).await
        })?;
        let mut rows_of: HashMap<EmailId, Vec<EventRow>> = HashMap::new();
        for row in rows {
            rows_of.entry(row.email_id).or_default().push(row.event);
        }
        for (email_id, rows) in rows_of {
            let of_email = in_order(rows).into_iter().map(EmailEvent::try_from);
            events.insert(email_id, of_email.collect::<Result<_, _>>()?);
        }
        Ok(events)
    }
}

/// Puts the events of a message in the order of their times; those of one instant by the providers' ids for them, so that
/// the order of arrival does not show.
fn in_order(mut rows: Vec<EventRow>) -> Vec<EventRow> {
    rows.sort_by(|one, other| {
        (one.at, &one.provider_event_id, one.id).cmp(&(other.at, &other.provider_event_id, other.id))
    });
    rows
}
