//! Messages as rows, many in one statement, with the statuses, times, rollups and search rows that follow from their
//! events. Past ones are added by [crate::server::demo] and the benches, those that others sent by [super::ingest], and new
//! ones by [super::emails].

use sqlx::types::Json;

use super::bodies::Packed;
use super::emails::row::{INSERT_ROWS, bind_row};
use super::engine::Transaction;
use super::events::{EmailFacts, NewEvent};
use super::failures::keep_diagnoses;
use super::outbox::{NEVER, queue_of};
use super::rollups::{Rollups, counted};
use super::search::index::insert_search_rows;
use super::search::texts::texts_of;
use super::webhook_deliveries::tell_webhooks;
use super::{Store, micros};
use crate::domain::email::{Attachment, Mime, NewEmail};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, Entry, Fold};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::notification::{Notification, NotificationChannel};

pub use super::outbox::Waiting;

/// Messages in one transaction.
const BATCH: usize = 1000;

const INSERT_CONTENTS: &str =
    "INSERT INTO email_contents (team_id, email_id, variables, metadata, body, body_bytes, headers, subject) ";

const INSERT_ATTACHMENTS: &str =
    "INSERT INTO email_attachments (team_id, email_id, position, filename, content_type, content, content_id) ";

const INSERT_MIMES: &str = "INSERT INTO email_mimes (team_id, email_id, mime, mime_bytes, message_id) ";

const INSERT_ALIASES: &str = "INSERT INTO email_aliases (team_id, alias, email_id) ";

const INSERT_EVENTS: &str =
    "INSERT INTO email_events (team_id, email_id, id, kind, at, recipient, detail, provider_event_id) ";

const INSERT_NOTIFICATIONS: &str =
    "INSERT INTO notifications (team_id, id, kind, external_user_id, api_request_id, warnings, ignored_ways) ";

const INSERT_OUTBOX: &str = "INSERT INTO outbox (team_id, email_id, adapter_id, pending, attempts, run_at, trace) ";

/// A message of the past with everything that has happened to it.
#[derive(Clone, Debug)]
pub struct HistoricEmail {
    /// The message, with all its events in the order in which they became known. No two of the team's events have the
    /// same `provider_event_id`.
    pub email: NewEmail,
    pub facts: EmailFacts,
    /// Its place in the outbox; `None` for a message that is settled.
    pub waiting: Option<Waiting>,
}

impl HistoricEmail {
    fn folded<'a>(&'a self, body: &'a Option<Packed>) -> Folded<'a> {
        Folded::new(&self.email, body.as_ref(), &self.facts, self.waiting.as_ref())
    }
}

/// A message with what follows from its events.
pub(super) struct Folded<'a> {
    pub email: &'a NewEmail,
    pub body: Option<&'a Packed>,
    pub waiting: Option<&'a Waiting>,
    pub fold: Fold,
}

impl<'a> Folded<'a> {
    pub fn new(
        email: &'a NewEmail,
        body: Option<&'a Packed>,
        facts: &EmailFacts,
        waiting: Option<&'a Waiting>,
    ) -> Self {
        let mut fold = facts.fold();
        for new in &email.events {
            fold.merge(new.fold(facts.error_message.as_deref()));
        }
        // Sender, subject and channel are the message's own.
        fold.entry = Entry::default();
        Self { email, body, waiting, fold }
    }
}

/// Inserts messages with everything that belongs to them.
pub(super) async fn insert_folded(
    tx: &mut Transaction,
    team_id: TeamId,
    emails: &[Folded<'_>],
) -> Result<(), AppError> {
    tx.insert_rows(&INSERT_ROWS, emails, |values, row| bind_row(values, team_id, row.email, &row.fold)).await?;
    tx.insert_rows(INSERT_CONTENTS, emails, |values, row| {
        values.bind(team_id).bind(row.email.id).bind(Json(&row.email.variables)).bind(Json(&row.email.metadata));
        values.bind(row.body.map(|body| &body.bytes)).bind(row.body.map(|body| body.length));
        values.bind(Json(&row.email.headers)).bind(&row.email.sent_subject);
    })
    .await?;
    tx.insert_rows(INSERT_ATTACHMENTS, &attachments_of(emails), |values, (id, position, attachment)| {
        values.bind(team_id).bind(*id).bind(*position).bind(&attachment.filename).bind(&attachment.content_type);
        values.bind(&attachment.content).bind(&attachment.content_id);
    })
    .await?;
    tx.insert_rows(INSERT_MIMES, &mimes_of(emails), |values, (id, mime)| {
        values.bind(team_id).bind(*id).bind(&mime.packed).bind(mime.length).bind(&mime.message_id);
    })
    .await?;
    let own_ids: Vec<(EmailId, &String)> =
        mimes_of(emails).into_iter().filter_map(|(id, mime)| Some((id, mime.message_id.as_ref()?))).collect();
    tx.insert_rows(INSERT_ALIASES, &own_ids, |values, (id, own_id)| {
        values.bind(team_id).bind(*own_id).bind(*id);
    })
    .await?;
    insert_event_rows(tx, team_id, &events_of(emails)).await?;
    let failed = emails.iter().filter(|row| row.fold.status().can_be_resent());
    let failed: Vec<EmailId> = failed.map(|row| row.email.id).collect();
    keep_diagnoses(tx, team_id, &failed).await?;
    let new: Vec<&NewEmail> = emails.iter().map(|row| row.email).collect();
    let searched = texts_of(tx, team_id, &new).await?;
    insert_search_rows(tx, team_id, searched).await?;
    tx.insert_rows(INSERT_OUTBOX, &waiting_of(emails), |values, (email, waiting)| {
        values.bind(team_id).bind(email.id).bind(queue_of(email.adapter_id, email.channel));
        values.bind(Json(&waiting.pending)).bind(waiting.attempts);
        values.bind(waiting.next_attempt_at.map_or(NEVER, micros)).bind(&waiting.trace);
    })
    .await
}

/// Inserts events, each with its message's id.
pub(super) async fn insert_event_rows(
    tx: &mut Transaction,
    team_id: TeamId,
    events: &[(EmailId, &NewEvent)],
) -> Result<(), AppError> {
    tx.insert_rows(INSERT_EVENTS, events, |values, (id, new)| {
        values.bind(team_id).bind(*id).bind(new.event.id).bind(new.event.kind.as_str()).bind(micros(new.event.at));
        values.bind(&new.event.recipient).bind(Json(&new.event.detail)).bind(&new.provider_event_id);
    })
    .await
}

impl Store {
    /// Adds messages with all their events, a transaction for each thousand. Their ids are new to the team; ascending
    /// ids are quickest.
    pub async fn insert_history(&self, team_id: TeamId, emails: &[HistoricEmail]) -> Result<(), AppError> {
        for batch in emails.chunks(BATCH) {
            let emails: Vec<&NewEmail> = batch.iter().map(|historic| &historic.email).collect();
            let bodies = self.pack_bodies(team_id, &emails).await?;
            let folded: Vec<Folded> = batch.iter().zip(&bodies).map(|(historic, body)| historic.folded(body)).collect();
            let mut tx = self.begin().await?;
            insert_folded(&mut tx, team_id, &folded).await?;
            rollups_of(&folded).apply(&mut tx, team_id).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    /// Adds notifications of the past, without their messages, in one transaction. Their ids are new to the team.
    pub async fn insert_past_notifications(
        &self,
        team_id: TeamId,
        notifications: &[Notification],
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.insert_rows(INSERT_NOTIFICATIONS, notifications, |values, row| {
            values.bind(team_id).bind(row.id).bind(&row.kind).bind(&row.external_user_id);
            values
                .bind(row.api_request_id)
                .bind(Json(&row.warnings))
                .bind(NotificationChannel::bits(&row.ignored_channels));
        })
        .await?;
        tx.commit().await
    }
}

/// Writes down what webhooks are to be told of new messages.
pub(super) async fn tell_of_new(tx: &mut Transaction, team_id: TeamId, emails: &[Folded<'_>]) -> Result<(), AppError> {
    let events: Vec<(EmailId, &EmailEvent)> = events_of(emails).into_iter().map(|(id, new)| (id, &new.event)).collect();
    tell_webhooks(tx, team_id, &events).await
}

fn events_of<'a>(emails: &[Folded<'a>]) -> Vec<(EmailId, &'a NewEvent)> {
    emails.iter().flat_map(|row| row.email.events.iter().map(|new| (row.email.id, new))).collect()
}

fn attachments_of<'a>(emails: &[Folded<'a>]) -> Vec<(EmailId, i64, &'a Attachment)> {
    let of_email = |row: &Folded<'a>| {
        let id = row.email.id;
        (0..).zip(&row.email.attachments).map(move |(position, attachment)| (id, position, attachment))
    };
    emails.iter().flat_map(of_email).collect()
}

fn mimes_of<'a>(emails: &[Folded<'a>]) -> Vec<(EmailId, &'a Mime)> {
    emails.iter().filter_map(|row| Some((row.email.id, row.email.mime.as_ref()?))).collect()
}

fn waiting_of<'a>(emails: &[Folded<'a>]) -> Vec<(&'a NewEmail, &'a Waiting)> {
    emails.iter().filter_map(|row| Some((row.email, row.waiting?))).collect()
}

/// What the messages add to the rollups.
pub(super) fn rollups_of(emails: &[Folded]) -> Rollups {
    let mut rollups = Rollups::default();
    for row in emails {
        let of_template = row.email.template.map(|(template_id, _)| template_id);
        rollups.add(row.email.id, of_template, row.email.channel, counted(row.fold.status(), 1));
    }
    rollups
}
