//! Messages as rows, many in one statement, with the statuses, times, rollups and search rows that follow from their
//! events. Past ones are added by [crate::server::demo] and the benches, those that others sent by [super::ingest], and new
//! ones by [super::emails].

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::emails::{Attachment, NewEmail};
use super::engine::Engine;
use super::events::{self, EmailFacts, NewEvent, Rollups, apply_rollups};
use super::{Store, write};
use crate::domain::error::AppError;
use crate::domain::event::{Entry, Fold};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::notification::{Notification, Way};

/// Messages in one transaction.
const BATCH: usize = 1000;

/// Rows in one statement: 27 values each stay below SQLite's 32,766 and PostgreSQL's 65,535 parameters.
pub(super) const ROWS: usize = 200;

pub(super) const INSERT_EMAILS: &str = "INSERT INTO emails
    (team_id, id, template_id, template_version_id, adapter_id, api_key_id, api_request_id, recipients, from_address,
     reply_to, subject, tags, status, status_rank, provider_message_id, error_message, has_pdf_attachment, job_id,
     resend_of, sent_at, delivered_at, channel, notification_id, external_user_id, scheduled_at, event_set,
     told_by) ";

pub(super) const INSERT_CONTENTS: &str =
    "INSERT INTO email_contents (team_id, email_id, variables, metadata, html, text, headers, subject) ";

pub(super) const INSERT_ATTACHMENTS: &str =
    "INSERT INTO email_attachments (team_id, email_id, position, filename, content_type, content, content_id) ";

pub(super) const INSERT_EVENTS: &str =
    "INSERT INTO email_events (team_id, email_id, id, kind, at, recipient, detail, provider_event_id) ";

const INSERT_NOTIFICATIONS: &str =
    "INSERT INTO notifications (team_id, id, kind, external_user_id, api_request_id, warnings, ignored_ways) ";

pub(super) const INSERT_OUTBOX: &str = "INSERT INTO outbox (team_id, email_id, adapter_id, pending, attempts, run_at) ";

/// A message of the past with everything that has happened to it.
#[derive(Clone, Debug)]
pub struct HistoricEmail {
    /// The message, with all its events in the order in which they became known. No two of the team's events have the
    /// same `provider_event_id`.
    pub email: NewEmail,
    /// What its events made known.
    pub facts: EmailFacts,
    /// Its place in the outbox; `None` for a message that is settled.
    pub waiting: Option<Waiting>,
}

/// The next attempt at a message that still has to be sent.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// The addresses not yet settled.
    pub pending: Vec<String>,
    /// How many attempts were made.
    pub attempts: i64,
    /// When the next one is due; `None` for a message that waits for an adapter.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// A message with what follows from its events.
pub(super) struct Folded<'a> {
    pub email: &'a NewEmail,
    pub waiting: Option<&'a Waiting>,
    pub fold: Fold,
}

impl<'a> From<&'a HistoricEmail> for Folded<'a> {
    fn from(historic: &'a HistoricEmail) -> Self {
        Self::new(&historic.email, &historic.facts, historic.waiting.as_ref())
    }
}

impl<'a> Folded<'a> {
    pub fn new(email: &'a NewEmail, facts: &EmailFacts, waiting: Option<&'a Waiting>) -> Self {
        let mut fold = facts.fold();
        for new in &email.events {
            fold.merge(new.fold(facts.error_message.as_deref()));
        }
        // Sender, subject and channel are the message's own.
        fold.entry = Entry::default();
        Self { email, waiting, fold }
    }
}

/// Inserts rows, [ROWS] at a time; only statements of full length, and those of a single row, are kept prepared.
macro_rules! insert_rows {
    ($tx:expr, $into:expr, $rows:expr, |$values:ident, $row:pat_param| $binds:expr) => {
        for rows in $rows.chunks($crate::server::store::bulk::ROWS) {
            let mut query = sqlx::QueryBuilder::new($into);
            query.push_values(rows, |mut $values, $row| {
                $binds;
            });
            let is_kept = matches!(rows.len(), 1 | $crate::server::store::bulk::ROWS);
            query.build().persistent(is_kept).execute(&mut *$tx).await?;
        }
    };
}

/// Inserts messages with everything that belongs to them, inside a transaction.
macro_rules! insert_folded {
    ($tx:expr, $store:expr, $team_id:expr, $emails:expr) => {{
        use $crate::server::store::bulk;
        use $crate::server::store::{emails, micros};

        let (team_id, folded): ($crate::domain::ids::TeamId, &[bulk::Folded<'_>]) = ($team_id, $emails);
        let (insert_search, names_team) = $store.insert_search_rows();
        bulk::insert_rows!($tx, bulk::INSERT_EMAILS, folded, |values, row| {
            let (template_id, version_id) = row.email.template.unzip();
            let version_id = version_id.or(row.email.worded_by);
            values.push_bind(team_id).push_bind(row.email.id);
            values.push_bind(template_id).push_bind(version_id);
            values.push_bind(row.email.adapter_id);
            values.push_bind(row.email.api_key_id).push_bind(row.email.api_request_id);
            values.push_bind(sqlx::types::Json(&row.email.recipients));
            values.push_bind(&row.email.from_address).push_bind(&row.email.reply_to);
            values.push_bind(&row.email.subject).push_bind(sqlx::types::Json(&row.email.tags));
            values.push_bind(row.fold.status().code()).push_bind(row.fold.rank.0);
            values.push_bind(row.fold.provider_message_id.as_ref().map(|told| told.value.as_str()));
            values.push_bind(row.fold.reason.as_ref().map(|told| told.value.as_str()));
            values.push_bind(row.email.attachments.iter().any(bulk::is_pdf));
            values.push_bind(row.email.job_id).push_bind(row.email.resend_of);
            values.push_bind(row.fold.sent_at.map(micros)).push_bind(row.fold.delivered_at.map(micros));
            values.push_bind(row.email.channel.code()).push_bind(row.email.notification_id);
            values.push_bind(&row.email.external_user_id).push_bind(row.email.scheduled_at.map(micros));
            values.push_bind(row.fold.event_set.bits());
            values.push_bind($crate::server::store::events::Marks::of(&row.fold));
        });
        bulk::insert_rows!($tx, bulk::INSERT_CONTENTS, folded, |values, row| {
            values.push_bind(team_id).push_bind(row.email.id);
            values.push_bind(sqlx::types::Json(&row.email.variables)).push_bind(sqlx::types::Json(&row.email.metadata));
            values.push_bind(&row.email.html).push_bind(&row.email.text);
            values.push_bind(sqlx::types::Json(&row.email.headers)).push_bind(&row.email.sent_subject);
        });
        bulk::insert_rows!($tx, bulk::INSERT_ATTACHMENTS, bulk::attachments_of(folded), |values,
                                                                                         (
            id,
            position,
            attachment,
        )| {
            values.push_bind(team_id).push_bind(*id).push_bind(*position);
            values.push_bind(&attachment.filename).push_bind(&attachment.content_type);
            values.push_bind(&attachment.content).push_bind(&attachment.content_id);
        });
        bulk::insert_event_rows!($tx, team_id, bulk::events_of(folded));
        bulk::insert_rows!($tx, insert_search, folded, |values, row| {
            if names_team {
                values.push_bind(team_id);
            }
            values.push_bind(row.email.id);
            values.push_bind(emails::searched_recipients(&row.email.recipients));
            values.push_bind(row.email.subject.to_lowercase());
        });
        bulk::insert_rows!($tx, bulk::INSERT_OUTBOX, bulk::waiting_of(folded), |values, (email, waiting)| {
            values.push_bind(team_id).push_bind(email.id);
            values.push_bind($crate::server::store::outbox::queue_of(email.adapter_id, email.channel));
            values.push_bind(sqlx::types::Json(&waiting.pending)).push_bind(waiting.attempts);
            values.push_bind(waiting.next_attempt_at.map_or($crate::server::store::outbox::NEVER, micros));
        });
    }};
}

/// Inserts events, each with its message's id, inside a transaction.
macro_rules! insert_event_rows {
    ($tx:expr, $team_id:expr, $events:expr) => {{
        use $crate::server::store::bulk;
        use $crate::server::store::micros;

        bulk::insert_rows!($tx, bulk::INSERT_EVENTS, $events, |values, (id, new)| {
            values.push_bind($team_id).push_bind(*id).push_bind(new.event.id);
            values.push_bind(new.event.kind.as_str()).push_bind(micros(new.event.at));
            values.push_bind(&new.event.recipient).push_bind(sqlx::types::Json(&new.event.detail));
            values.push_bind(&new.provider_event_id);
        });
    }};
}

pub(super) use {insert_event_rows, insert_folded, insert_rows};

impl Store {
    /// Adds messages with all their events, a transaction for each thousand. Their ids are new to the team; ascending
    /// ids are quickest.
    pub async fn insert_history(&self, team_id: TeamId, emails: &[HistoricEmail]) -> Result<(), AppError> {
        for batch in emails.chunks(BATCH) {
            let folded: Vec<Folded> = batch.iter().map(Folded::from).collect();
            self.insert_folded(team_id, &folded).await?;
        }
        Ok(())
    }

    /// Adds notifications of the past, without their messages, in one transaction. Their ids are new to the team.
    pub async fn insert_past_notifications(
        &self,
        team_id: TeamId,
        notifications: &[Notification],
    ) -> Result<(), AppError> {
        write!(self, |tx| {
            insert_rows!(tx, INSERT_NOTIFICATIONS, notifications, |values, row| {
                values.push_bind(team_id).push_bind(row.id);
                values.push_bind(&row.kind).push_bind(&row.external_user_id);
                values.push_bind(row.api_request_id).push_bind(Json(&row.warnings));
                values.push_bind(Way::bits(&row.ignored_ways));
            });
            Ok(())
        })
    }

    async fn insert_folded(&self, team_id: TeamId, emails: &[Folded<'_>]) -> Result<(), AppError> {
        let rollups = rollups_of(emails);
        write!(self, |tx| {
            insert_folded!(tx, self, team_id, emails);
            apply_rollups!(tx, team_id, rollups);
            Ok(())
        })
    }

    /// The beginning of the statement that adds rows to the search index, and whether they begin with the team:
    /// SQLite's index knows none.
    pub(super) fn insert_search_rows(&self) -> (&'static str, bool) {
        match self.engine() {
            Engine::Sqlite => ("INSERT INTO email_search (rowid, recipients, subject) ", false),
            Engine::Postgres => ("INSERT INTO email_search (team_id, email_id, recipients, subject) ", true),
        }
    }
}

pub(super) fn events_of<'a>(emails: &[Folded<'a>]) -> Vec<(EmailId, &'a NewEvent)> {
    emails.iter().flat_map(|row| row.email.events.iter().map(|new| (row.email.id, new))).collect()
}

pub(super) fn attachments_of<'a>(emails: &[Folded<'a>]) -> Vec<(EmailId, i64, &'a Attachment)> {
    let of_email = |row: &Folded<'a>| {
        let id = row.email.id;
        (0..).zip(&row.email.attachments).map(move |(position, attachment)| (id, position, attachment))
    };
    emails.iter().flat_map(of_email).collect()
}

pub(super) fn waiting_of<'a>(emails: &[Folded<'a>]) -> Vec<(&'a NewEmail, &'a Waiting)> {
    emails.iter().filter_map(|row| Some((row.email, row.waiting?))).collect()
}

/// What the messages add to the rollups.
pub(super) fn rollups_of(emails: &[Folded]) -> Rollups {
    let mut rollups = Rollups::default();
    for row in emails {
        let of_template = row.email.template.map(|(template_id, _)| template_id);
        rollups.add(row.email.id, of_template, row.email.channel, events::counted(row.fold.status(), 1));
    }
    rollups
}

pub(super) fn is_pdf(attachment: &Attachment) -> bool {
    attachment.content_type.eq_ignore_ascii_case("application/pdf")
}
