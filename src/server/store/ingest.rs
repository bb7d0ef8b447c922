//! Events that others report, a batch in one transaction. Called by [crate::server::services::events]. What a batch
//! means is decided in memory ([Batch]), between reading the rows it is about and writing what follows from it: batches
//! take turns, messages are locked in the order of their ids before any rollup is, so that batches and workers never wait
//! for each other in a ring.
//!
//! A message that is known from events only follows from its events alone, whatever their order: its id, too, which is made
//! of its provider's name for it and of the time of its earliest event. When an earlier one becomes known, the message
//! moves, and stays known by the id that it had. When an event says that it is another message, it becomes a part of that.

mod batch;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::hash::Hash;

use super::Store;
use super::bulk::{Folded, insert_event_rows, insert_folded, rollups_of};
use super::emails::row::COPY_ROW;
use super::engine::{Bind, Engine, Record, Sql, Transaction};
use super::events::{MESSAGE_COLUMNS, NewEvent, insert_alias, retire, update_message};
use super::failures::keep_diagnoses;
use super::provider_webhooks::{Heard, claim_nonce, note_heard};
use super::recipients::kept_recipients;
use super::rollups::Rollups;
use super::search::index::index_again;
use super::suppressions::suppress;
use super::webhook_deliveries::tell_webhooks;
use crate::domain::email::NewEmail;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, Fold};
use crate::domain::ids::{EmailId, TeamId};

use batch::{Batch, Change, Knowledge};
pub use batch::{Ingested, NewEntry, ReportedEvent, entry_id};

/// Values in one statement.
const VALUES: usize = 500;

pub(super) const FIND_EVENTS: &str = "SELECT provider_event_id, email_id FROM email_events WHERE team_id = ";

/// Several messages can have one id of a provider's: mail servers count anew. The newest is meant.
pub(super) const FIND_BY_PROVIDER: &str = "SELECT provider_message_id, MAX(id) FROM emails WHERE team_id = ";

/// What is known of messages, to tell what a history repeats of it.
pub(super) const FIND_FACTS: &str = "SELECT email_id, kind, recipient, at FROM email_events WHERE team_id = ";

pub(super) const FIND_BY_ALIAS: &str = "SELECT alias, MAX(email_id) FROM email_aliases WHERE team_id = ";

/// The beginning of the statement that finds messages.
pub(super) fn find_emails_statement() -> String {
    format!("SELECT {MESSAGE_COLUMNS} FROM emails WHERE team_id = ")
}

/// Gives what a message (`$2`) says another id (`$3`).
const MOVE_CONTENTS: &str = "UPDATE email_contents SET email_id = $3 WHERE team_id = $1 AND email_id = $2";

const UPDATE_ENTRY: &str = "UPDATE emails SET recipients = $3, from_address = $4, subject = $5, channel = $6
    WHERE team_id = $1 AND id = $2";

/// The query for the rows of a team in which `column` is one of `values`.
pub(super) fn select_in<'t, T: Bind<'t>>(
    engine: Engine,
    select: impl Into<Cow<'static, str>>,
    team_id: TeamId,
    column: &str,
    values: impl IntoIterator<Item = T>,
    end: &str,
) -> Sql {
    let mut sql = Sql::new(engine, select);
    sql.push_bind(team_id).push(" AND ").push(column).push(" IN (").push_list(values).push(")").push(end);
    sql
}

/// Reads rows by a list of values, [VALUES] at a time; only statements of full length are kept prepared.
async fn fetch_in<'t, Row, T>(
    tx: &mut Transaction,
    select: &str,
    team_id: TeamId,
    column: &str,
    values: &[T],
    end: &str,
) -> Result<Vec<Row>, AppError>
where
    Row: Record,
    T: Bind<'t> + Copy + Sync,
{
    let mut rows = Vec::new();
    for values in values.chunks(VALUES) {
        let mut sql = select_in(tx.engine(), select.to_owned(), team_id, column, values.iter().copied(), end);
        sql.keep(values.len() == VALUES);
        rows.append(&mut tx.query(sql).fetch_all().await?);
    }
    Ok(rows)
}

impl Store {
    /// Records a batch of events, all or none, and tells what became of each, in their order. An event counts once by its
    /// `provider_event_id`, in the batch and over all batches. One about a message that nobody knows starts it, when it or
    /// another event of the batch about the same message names a recipient.
    pub async fn ingest_events(&self, team_id: TeamId, reported: &[ReportedEvent]) -> Result<Vec<Ingested>, AppError> {
        if reported.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin().await?;
        // Batches take turns, so that no two start the same message.
        tx.take_turns(team_id).await?;
        let outcomes = ingest(&mut tx, team_id, reported, Origin::News).await?;
        tx.commit().await?;
        Ok(outcomes)
    }

    /// Records what a provider posted, as [Store::ingest_events] does, together with that it was heard from; `None`, and
    /// nothing recorded, where it was posted before.
    pub async fn ingest_webhook(
        &self,
        team_id: TeamId,
        reported: &[ReportedEvent],
        heard: &Heard,
    ) -> Result<Option<Vec<Ingested>>, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        if !claim_nonce(&mut tx, team_id, heard).await? {
            return Ok(None);
        }
        let outcomes = ingest(&mut tx, team_id, reported, Origin::News).await?;
        let recorded = outcomes.iter().filter(|outcome| matches!(outcome, Ingested::Recorded(_))).count();
        note_heard(&mut tx, team_id, heard, recorded as i64).await?;
        tx.commit().await?;
        Ok(Some(outcomes))
    }

    /// The message that has this other id now; `None` when no message ever had it, or has it still.
    pub async fn find_moved_email(&self, team_id: TeamId, id: EmailId) -> Result<Option<EmailId>, AppError> {
        self.read("SELECT MAX(email_id) FROM email_aliases WHERE team_id = $1 AND alias = $2")
            .bind(team_id)
            .bind(id.to_string())
            .fetch_scalar()
            .await
    }
}

/// How events came to be known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// They happen now.
    News,
    /// They are read from what somebody kept: no webhook is told of them, and what the log knows by another id is not
    /// recorded again.
    History,
}

/// Records a batch of a history, whose turn it is, as [ingest] does.
pub(super) async fn ingest_history(
    tx: &mut Transaction,
    team_id: TeamId,
    reported: &[ReportedEvent],
) -> Result<Vec<Ingested>, AppError> {
    ingest(tx, team_id, reported, Origin::History).await
}

/// Records a batch, whose turn it is; what became of each event, in their order.
async fn ingest(
    tx: &mut Transaction,
    team_id: TeamId,
    reported: &[ReportedEvent],
    origin: Origin,
) -> Result<Vec<Ingested>, AppError> {
    if reported.is_empty() {
        return Ok(Vec::new());
    }
    let event_ids = distinct(reported.iter().map(ReportedEvent::event_id));
    let names = distinct(reported.iter().filter_map(ReportedEvent::name));
    // A worker keeps a provider's id as it was given, with its brackets.
    let bracketed: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
    let provider_ids: Vec<&str> = names.iter().copied().chain(bracketed.iter().map(String::as_str)).collect();
    let named: BTreeSet<EmailId> = reported.iter().flat_map(|line| [line.email_id, line.own_id]).flatten().collect();
    let former: Vec<String> = named.iter().map(EmailId::to_string).collect();
    let aliases: Vec<&str> = names.iter().copied().chain(former.iter().map(String::as_str)).collect();
    let known_events = fetch_in(tx, FIND_EVENTS, team_id, "provider_event_id", &event_ids, "").await?;
    let (column, end) = ("provider_message_id", " GROUP BY provider_message_id");
    let by_provider: Vec<(String, EmailId)> =
        fetch_in(tx, FIND_BY_PROVIDER, team_id, column, &provider_ids, end).await?;
    let by_alias: Vec<(String, EmailId)> =
        fetch_in(tx, FIND_BY_ALIAS, team_id, "alias", &aliases, " GROUP BY alias").await?;
    let found = by_provider.iter().chain(&by_alias).map(|(_, id)| *id);
    let email_ids: BTreeSet<EmailId> = named.iter().copied().chain(found).collect();
    let email_ids: Vec<EmailId> = email_ids.into_iter().collect();
    let end = format!(" ORDER BY id{}", tx.engine().for_update());
    let emails = fetch_in(tx, &find_emails_statement(), team_id, "id", &email_ids, &end).await?;

    let facts = match origin {
        Origin::News => Vec::new(),
        Origin::History => fetch_in(tx, FIND_FACTS, team_id, "email_id", &email_ids, "").await?,
    };

    let known = Knowledge { events: known_events, by_provider, by_alias, facts };
    let mut batch = Batch::new(team_id, reported, known, emails);
    loop {
        let (fresh, mut taken): (Vec<EmailId>, Vec<(EmailId,)>) = (batch.fresh_ids(), Vec::new());
        for (find, column) in tx.engine().taken_ids() {
            taken.append(&mut fetch_in(tx, find, team_id, column, &fresh, "").await?);
        }
        if taken.is_empty() {
            break;
        }
        batch.avoid(&taken.into_iter().map(|(id,)| id).collect());
    }
    let mut rollups = Rollups::default();
    for change in &batch.changes {
        keep_change(tx, team_id, change, &mut rollups).await?;
    }
    let moved: Vec<i64> =
        batch.changes.iter().filter(|change| change.entry.is_some()).map(|change| change.id.0).collect();
    index_again(tx, team_id, &moved).await?;
    let started: Vec<(NewEmail, Fold)> = batch.started();
    let folded: Vec<Folded> =
        started.iter().map(|(email, fold)| Folded { email, body: None, waiting: None, fold: fold.clone() }).collect();
    rollups.join(rollups_of(&folded));
    insert_folded(tx, team_id, &folded).await?;
    let added: Vec<(EmailId, &NewEvent)> =
        batch.changes.iter().flat_map(|change| change.events.iter().map(|line| (change.id, &line.event))).collect();
    insert_event_rows(tx, team_id, &added).await?;
    for change in batch.changes.iter().filter(|change| !change.events.is_empty()) {
        let events: Vec<&EmailEvent> = change.events.iter().map(|line| &line.event.event).collect();
        suppress(tx, team_id, change.id, change.addressed(), &events).await?;
    }
    for (email, _) in &started {
        let events: Vec<&EmailEvent> = email.events.iter().map(|new| &new.event).collect();
        suppress(tx, team_id, email.id, (email.channel, &email.recipients), &events).await?;
    }
    let failed = batch.changes.iter().filter(|change| change.fold.status().can_be_resent());
    let failed: Vec<EmailId> = failed.map(|change| change.id).collect();
    keep_diagnoses(tx, team_id, &failed).await?;
    let of_started = started.iter().flat_map(|(email, _)| email.events.iter().map(|new| (email.id, new)));
    let told: Vec<(EmailId, &EmailEvent)> =
        added.iter().copied().chain(of_started).map(|(id, new)| (id, &new.event)).collect();
    if origin == Origin::News {
        tell_webhooks(tx, team_id, &told).await?;
    }
    rollups.apply(tx, team_id).await?;
    Ok(batch.outcomes())
}

/// Keeps what the message is from now on, but for its new events and its place in the search index.
async fn keep_change(
    tx: &mut Transaction,
    team_id: TeamId,
    change: &Change<'_>,
    rollups: &mut Rollups,
) -> Result<(), AppError> {
    rollups.replace(&change.before, change.id, &change.fold);
    if change.id != change.before.id {
        for statement in [COPY_ROW.as_str(), MOVE_CONTENTS] {
            tx.query(statement).bind(team_id).bind(change.before.id).bind(change.id).execute().await?;
        }
        retire(tx, team_id, change.before.id, change.id).await?;
    }
    for part in &change.parts {
        retire(tx, team_id, part.id, change.id).await?;
        rollups.remove(part);
    }
    for alias in &change.aliases {
        insert_alias(tx, team_id, alias, change.id).await?;
    }
    if change.is_visible {
        update_message(tx, team_id, change.id, &change.fold).await?;
    }
    if let Some(entry) = &change.entry {
        tx.query(UPDATE_ENTRY)
            .bind(team_id)
            .bind(change.id)
            .bind(kept_recipients(&entry.recipients))
            .bind(&entry.from_address)
            .bind(&entry.subject)
            .bind(entry.channel.code())
            .execute()
            .await?;
    }
    Ok(())
}

fn distinct<T: Copy + Eq + Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.filter(|value| seen.insert(*value)).collect()
}
