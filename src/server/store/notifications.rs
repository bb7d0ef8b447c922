//! Notifications, and the log by them: a notification with its messages is one entry, a message that is no part of one
//! another. Notifications are inserted with their messages, by [super::emails].

use std::collections::HashMap;

use sqlx::types::Json;

use super::Store;
use super::criteria::{RECIPIENT_KEY, push_key_list};
use super::engine::{Engine, Sql};
use super::range::IdRange;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::{ApiRequestId, EmailId, NotificationId, TeamId};
use crate::domain::notification::{EntryId, Notification, NotificationChannel, NotificationFilter, NotificationState};
use crate::domain::page::PartialPage;

/// How many of the newest notifications, and of the newest messages, are looked at for an answer, one stretch after the
/// other as long as too little was found. The answer says where the next one goes on.
pub(super) const STRETCHES: [i64; 3] = [500, 4_500, 25_000];

/// The most messages of one notification that a list reads: those it was sent with, and some resent ones.
const MESSAGES_PER_NOTIFICATION: i64 = 50;

#[derive(sqlx::FromRow)]
pub(super) struct NotificationRow {
    id: NotificationId,
    kind: String,
    external_user_id: Option<String>,
    api_request_id: Option<ApiRequestId>,
    warnings: Json<Vec<String>>,
    ignored_ways: i64,
}

impl From<NotificationRow> for Notification {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            external_user_id: row.external_user_id,
            api_request_id: row.api_request_id,
            warnings: row.warnings.0,
            ignored_channels: NotificationChannel::of_bits(row.ignored_ways),
        }
    }
}

/// Adds what `selected` is of the messages that go to one of the users by address or number, from the index.
fn push_addressed(sql: &mut Sql, team_id: TeamId, selected: &str, users: &[String]) {
    sql.push(format!("SELECT {selected} WHERE x.team_id = ")).push_bind(team_id);
    sql.push(format!(" AND x.kind = {RECIPIENT_KEY} AND x.key IN "));
    push_key_list(sql, users.iter().map(String::as_str));
}

/// Adds that a notification, `notifications n`, or one of its messages is for one of the users.
fn push_notified(sql: &mut Sql, team_id: TeamId, users: &[String]) {
    let (open, close) = sql.engine().id_list();
    sql.push(format!(" AND n.id {open}SELECT u.id FROM notifications u WHERE u.team_id = ")).push_bind(team_id);
    sql.push(" AND u.external_user_id IN (").push_list(users).push(") UNION ");
    let of_message = "m.notification_id FROM email_keys x
         JOIN emails m ON m.team_id = x.team_id AND m.id = x.email_id AND m.notification_id IS NOT NULL";
    push_addressed(sql, team_id, of_message, users);
    sql.push(close);
}

/// Adds that a message, `emails e`, is for one of the users.
fn push_sent_to(sql: &mut Sql, team_id: TeamId, users: &[String]) {
    let (open, close) = sql.engine().id_list();
    sql.push(format!(" AND e.id {open}SELECT u.id FROM emails u WHERE u.team_id = ")).push_bind(team_id);
    sql.push(" AND u.external_user_id IN (").push_list(users).push(") UNION ");
    push_addressed(sql, team_id, "x.email_id FROM email_keys x", users);
    sql.push(close);
}

/// Adds ` AND …` for the entries of a filter that are notifications, `notifications n`.
fn push_notification_conditions(sql: &mut Sql, team_id: TeamId, filter: &NotificationFilter, known: &Known) {
    let engine = sql.engine();
    if let Some(ids) = &known.named {
        sql.push(" AND n.id IN (").push_list(&ids.notifications).push(")");
    }
    if !filter.kinds.is_empty() {
        sql.push(" AND n.kind IN (").push_list(&filter.kinds).push(")");
    }
    if !filter.users.is_empty() {
        push_notified(sql, team_id, &filter.users);
    }
    if !filter.channels.is_empty() {
        let (channels, ignored) = (channels_sql(&filter.channels), NotificationChannel::bits(&filter.channels));
        let gone = has_message(engine, &format!(" AND ({channels})"));
        sql.push(format!(" AND (n.ignored_ways & {ignored} <> 0 OR {gone})"));
    }
    if !filter.states.is_empty() {
        let has = |state| has_message(engine, &format!(" AND e.status IN ({})", codes_of(state)));
        let (failed, waiting) = (has(NotificationState::Failure), has(NotificationState::Received));
        let any = has_message(engine, "");
        let states = filter.states.iter().map(|state| match state {
            NotificationState::Failure => format!("{failed} OR NOT {any}"),
            NotificationState::Received => format!("{waiting} AND NOT {failed}"),
            NotificationState::Success => format!("{any} AND NOT {waiting} AND NOT {failed}"),
        });
        sql.push(format!(" AND (({}))", states.collect::<Vec<_>>().join(") OR (")));
    }
}

/// Adds ` AND …` for the entries of a filter that are messages, `emails e`.
fn push_message_conditions(sql: &mut Sql, team_id: TeamId, filter: &NotificationFilter, known: &Known) {
    if let Some(ids) = &known.named {
        sql.push(" AND e.id IN (").push_list(&ids.messages).push(")");
    }
    match &known.templates {
        Some(templates) if templates.is_empty() => {
            sql.push(" AND 1 = 0");
        }
        Some(templates) => {
            // Hidden from the planner, which would rather read all messages of a template than those of a stretch.
            sql.push(" AND +e.template_id IN (").push_list(templates).push(")");
        }
        None => {}
    }
    if !filter.users.is_empty() {
        push_sent_to(sql, team_id, &filter.users);
    }
    if !filter.channels.is_empty() {
        sql.push(format!(" AND ({})", channels_sql(&filter.channels)));
    }
    if !filter.states.is_empty() {
        let codes: Vec<String> = filter.states.iter().map(|state| codes_of(*state)).collect();
        sql.push(format!(" AND e.status IN ({})", codes.join(", ")));
    }
}

/// Adds the query for the newest entries with ids from `low` up to, and without, `below`: notifications and messages.
pub(super) fn push_entries(
    sql: &mut Sql,
    team_id: TeamId,
    filter: &NotificationFilter,
    known: &Known,
    low: i64,
    below: (i64, i64),
    wanted: i64,
) {
    let names_rows = known.names_rows(filter);
    let is_by_kind = !names_rows && !filter.kinds.is_empty();
    let by_kind = if is_by_kind { sql.engine().by_index("notifications_by_kind") } else { String::new() };
    // Hidden from the planner of SQLite, which would rather walk the range than look up the ids that are named.
    let hidden = if names_rows { "+" } else { "" };
    sql.push(format!(
        "SELECT id, CAST(is_message AS BIGINT) FROM (SELECT id, is_message FROM (
         SELECT n.id, 0 AS is_message FROM notifications n{by_kind} WHERE n.team_id = "
    ));
    sql.push_bind(team_id).push(format!(" AND {hidden}n.id >= ")).push_bind(low);
    sql.push(format!(" AND {hidden}n.id < ")).push_bind(below.0);
    push_notification_conditions(sql, team_id, filter, known);
    sql.push(" ORDER BY n.id DESC LIMIT ").push_bind(wanted);
    sql.push(") AS newest UNION ALL SELECT id, is_message FROM (");
    sql.push("SELECT e.id, 1 AS is_message FROM emails e WHERE e.team_id = ").push_bind(team_id);
    sql.push(format!(" AND +e.notification_id IS NULL AND {hidden}e.id >= ")).push_bind(low);
    sql.push(format!(" AND {hidden}e.id < ")).push_bind(below.1);
    push_message_conditions(sql, team_id, filter, known);
    sql.push(" ORDER BY e.id DESC LIMIT ").push_bind(wanted);
    sql.push(") AS newest) AS entries ORDER BY id DESC, is_message LIMIT ").push_bind(wanted);
}

/// Adds the query for where a stretch ends that begins at `below` and holds no more than `most` notifications of these
/// kinds, and no more than `most` messages: at the first of both ends, or nowhere.
pub(super) fn push_end_of_stretch(
    sql: &mut Sql,
    team_id: TeamId,
    filter: &NotificationFilter,
    known: &Known,
    low: i64,
    below: (i64, i64),
    most: i64,
) {
    let kinds: Vec<Option<&String>> = match filter.kinds.as_slice() {
        [] => vec![None],
        kinds => kinds.iter().map(Some).collect(),
    };
    let each = (most / kinds.len() as i64).max(1);
    let mut before = "SELECT MAX(id) FROM (";
    for kind in kinds {
        sql.push(before).push("SELECT id FROM (SELECT id FROM notifications WHERE team_id = ").push_bind(team_id);
        if let Some(kind) = kind {
            sql.push(" AND kind = ").push_bind(kind);
        }
        sql.push(" AND id >= ").push_bind(low).push(" AND id < ").push_bind(below.0);
        sql.push(" ORDER BY id DESC LIMIT 1 OFFSET ").push_bind(each - 1).push(") AS walk");
        before = " UNION ALL ";
    }
    if known.templates.as_ref().is_none_or(|templates| !templates.is_empty()) {
        sql.push(before).push("SELECT id FROM (SELECT id FROM emails WHERE team_id = ").push_bind(team_id);
        sql.push(" AND id >= ").push_bind(low).push(" AND id < ").push_bind(below.1);
        sql.push(" ORDER BY id DESC LIMIT 1 OFFSET ").push_bind(most - 1).push(") AS walk");
    }
    sql.push(") AS walks");
}

/// What is known of a filter before the log is looked at.
#[derive(Default)]
pub(super) struct Known {
    /// The ids that it names.
    pub(super) named: Option<EntryIds>,
    /// The templates of the kinds that it names.
    pub(super) templates: Option<Vec<i64>>,
}

impl Known {
    /// Whether the entries that are meant are found by their ids, so that none need be looked at in vain.
    fn names_rows(&self, filter: &NotificationFilter) -> bool {
        !filter.users.is_empty() || self.named.is_some()
    }
}

/// The ids that a filter names, told apart.
#[derive(Default)]
pub(super) struct EntryIds {
    notifications: Vec<i64>,
    messages: Vec<i64>,
}

/// The condition that a notification, `notifications n`, has a message of which this holds too. PostgreSQL makes no join of
/// a query with an `OFFSET`: it would read every message of the team for a few notifications.
fn has_message(engine: Engine, condition: &str) -> String {
    let by_index = engine.by_index("emails_by_notification");
    format!(
        "EXISTS (SELECT 1 FROM emails e{by_index} WHERE e.team_id = n.team_id AND e.notification_id = n.id{condition}
         LIMIT 1 OFFSET 0)"
    )
}

/// The statement that lists a person's messages of a kind that wait: `$1` team, `$2` kind, `$3` person, `$4` limit. SQLite
/// keeps the order of a CROSS JOIN; left to itself it begins with every message of the team.
pub(super) fn list_waiting_statement(engine: Engine) -> String {
    let (of_person, of_notification) =
        (engine.by_index("notifications_by_external_user"), engine.by_index("emails_by_notification"));
    format!(
        "SELECT e.id FROM notifications n{of_person}
         CROSS JOIN emails e{of_notification}
         CROSS JOIN outbox o
         WHERE n.team_id = $1 AND n.external_user_id = $3 AND n.kind = $2
             AND e.team_id = n.team_id AND e.notification_id = n.id
             AND o.team_id = e.team_id AND o.email_id = e.id AND o.lease_id IS NULL
         ORDER BY e.id DESC LIMIT $4"
    )
}

/// The statuses that give a message alone this state, as codes.
fn codes_of(state: NotificationState) -> String {
    let of_state = EmailStatus::ALL.into_iter().filter(|status| NotificationState::of([*status]) == state);
    of_state.map(|status| status.code().to_string()).collect::<Vec<_>>().join(", ")
}

/// The condition that a message, `emails e`, went by one of these channels. Tags are JSON on both engines.
fn channels_sql(channels: &[NotificationChannel]) -> String {
    let to_browser =
        format!("CAST(e.tags AS TEXT) LIKE '%\"{}\"%'", NotificationChannel::WEB_PUSH_TAG.replace('_', "\\_"));
    let condition = |channel: &NotificationChannel| {
        let is_channel = format!("e.channel = {}", channel.message_channel().code());
        match channel {
            NotificationChannel::Email
            | NotificationChannel::Sms
            | NotificationChannel::Call
            | NotificationChannel::InApp => is_channel,
            NotificationChannel::Push => format!("({is_channel} AND NOT {to_browser} ESCAPE '\\')"),
            NotificationChannel::WebPush => format!("({is_channel} AND {to_browser} ESCAPE '\\')"),
        }
    };
    channels.iter().map(condition).collect::<Vec<_>>().join(" OR ")
}

impl Store {
    /// The notification with this id.
    pub async fn find_notification(
        &self,
        team_id: TeamId,
        id: NotificationId,
    ) -> Result<Option<Notification>, AppError> {
        Ok(self.find_notifications(team_id, &[id]).await?.remove(&id))
    }

    /// The notifications with these ids, without those that the team does not have.
    pub async fn find_notifications(
        &self,
        team_id: TeamId,
        ids: &[NotificationId],
    ) -> Result<HashMap<NotificationId, Notification>, AppError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut sql = Sql::new(
            self.engine(),
            "SELECT id, kind, external_user_id, api_request_id, warnings, ignored_ways
             FROM notifications WHERE team_id = ",
        );
        sql.push_bind(team_id).push(" AND id IN (").push_list(ids).push(")");
        let rows: Vec<NotificationRow> = self.read(sql).fetch_all().await?;
        Ok(rows.into_iter().map(|row| (row.id, Notification::from(row))).collect())
    }

    /// The ids of a notification's messages, oldest first.
    pub async fn list_emails_of_notification(&self, team_id: TeamId, id: NotificationId) -> Result<Vec<i64>, AppError> {
        Ok(self.list_emails_of_notifications(team_id, &[id]).await?.remove(&id).unwrap_or_default())
    }

    /// The ids of several notifications' messages, each one's oldest first, at most [MESSAGES_PER_NOTIFICATION].
    pub async fn list_emails_of_notifications(
        &self,
        team_id: TeamId,
        ids: &[NotificationId],
    ) -> Result<HashMap<NotificationId, Vec<i64>>, AppError> {
        let mut emails: HashMap<NotificationId, Vec<i64>> = HashMap::new();
        if ids.is_empty() {
            return Ok(emails);
        }
        let mut sql = Sql::new(
            self.engine(),
            "SELECT notification_id, id FROM (
                 SELECT notification_id, id, ROW_NUMBER() OVER (PARTITION BY notification_id ORDER BY id) AS place
                 FROM emails WHERE team_id = ",
        );
        sql.push_bind(team_id).push(" AND notification_id IN (").push_list(ids);
        sql.push(")) AS placed WHERE place <= ").push_bind(MESSAGES_PER_NOTIFICATION).push(" ORDER BY id");
        let rows: Vec<(NotificationId, i64)> = self.read(sql).fetch_all().await?;
        for (notification_id, id) in rows {
            emails.entry(notification_id).or_default().push(id);
        }
        Ok(emails)
    }

    /// The entries of the log by notifications behind `after`, newest first. Where neither users nor entries are named, no
    /// more is looked at than [STRETCHES] say.
    pub async fn list_entries(
        &self,
        team_id: TeamId,
        filter: &NotificationFilter,
        after: Option<EntryId>,
        limit: i64,
    ) -> Result<PartialPage<EntryId, EntryId>, AppError> {
        let named = match &filter.entries {
            Some(entries) => Some(self.tell_apart(team_id, entries).await?),
            None => None,
        };
        let ids = IdRange::from(filter.range);
        // Of a notification and a message with the same number, the notification comes first.
        let (notifications_below, messages_below) = match after {
            None => (ids.high, ids.high),
            Some(EntryId::Notification(NotificationId(id))) => (id, id.saturating_add(1)),
            Some(EntryId::Message(EmailId(id))) => (id, id),
        };
        let mut below = (notifications_below.min(ids.high), messages_below.min(ids.high));
        let mut items: Vec<EntryId> = Vec::new();
        let is_empty = |ids: &EntryIds| ids.notifications.is_empty() && ids.messages.is_empty();
        if ids.low >= ids.high || named.as_ref().is_some_and(is_empty) {
            return Ok(PartialPage { items, next: None });
        }
        let templates = match filter.kinds.as_slice() {
            [] => None,
            kinds => Some(self.list_template_ids(team_id, kinds).await?),
        };
        let known = Known { named, templates };
        for most in STRETCHES {
            let end: Option<i64> = if known.names_rows(filter) {
                None
            } else {
                let mut sql = Sql::new(self.engine(), "");
                push_end_of_stretch(&mut sql, team_id, filter, &known, ids.low, below, most);
                self.read(sql).fetch_scalar().await?
            };
            let (low, wanted) = (end.unwrap_or(ids.low), limit.saturating_add(1) - items.len() as i64);
            let mut sql = Sql::new(self.engine(), "");
            push_entries(&mut sql, team_id, filter, &known, low, below, wanted);
            let rows: Vec<(i64, i64)> = self.read(sql).fetch_all().await?;
            items.extend(rows.into_iter().map(|(id, is_message)| match is_message {
                0 => EntryId::Notification(NotificationId(id)),
                _ => EntryId::Message(EmailId(id)),
            }));
            if items.len() as i64 > limit {
                items.truncate(usize::try_from(limit).unwrap_or_default());
                return Ok(PartialPage { next: items.last().copied(), items });
            }
            let Some(end) = end else { return Ok(PartialPage { items, next: None }) };
            below = (end, end);
        }
        // Every entry from there on was looked at, whichever of both it is.
        Ok(PartialPage { items, next: Some(EntryId::Message(EmailId(below.1))) })
    }

    /// The ids of the templates that have one of these names.
    async fn list_template_ids(&self, team_id: TeamId, names: &[String]) -> Result<Vec<i64>, AppError> {
        let mut sql = Sql::new(self.engine(), "SELECT id FROM templates WHERE team_id = ");
        sql.push_bind(team_id).push(" AND deleted_at IS NULL AND name IN (").push_list(names).push(")");
        self.read(sql).fetch_scalars().await
    }

    /// The ids of the messages of a person's notifications of a kind that have not gone out yet, newest first.
    pub async fn list_waiting_emails(
        &self,
        team_id: TeamId,
        kind: &str,
        external_user_id: &str,
        limit: i64,
    ) -> Result<Vec<i64>, AppError> {
        let statement = list_waiting_statement(self.engine());
        self.read(statement).bind(team_id).bind(kind).bind(external_user_id).bind(limit).fetch_scalars().await
    }

    /// A UUID does not say whether it stands for a notification or for a message, so each is looked for as both. A message
    /// that is a part of a notification stands for that.
    async fn tell_apart(&self, team_id: TeamId, entries: &[EntryId]) -> Result<EntryIds, AppError> {
        let numbers: Vec<i64> = entries
            .iter()
            .map(|entry| match entry {
                EntryId::Notification(id) => id.0,
                EntryId::Message(id) => id.0,
            })
            .collect();
        if numbers.is_empty() {
            return Ok(EntryIds { notifications: Vec::new(), messages: Vec::new() });
        }
        let mut sql = Sql::new(self.engine(), "SELECT notification_id FROM emails WHERE team_id = ");
        sql.push_bind(team_id).push(" AND notification_id IS NOT NULL AND id IN (").push_list(&numbers).push(")");
        let parts: Vec<NotificationId> = self.read(sql).fetch_scalars().await?;
        let mut notifications = numbers.clone();
        notifications.extend(parts.into_iter().map(|id| id.0));
        Ok(EntryIds { notifications, messages: numbers })
    }
}
