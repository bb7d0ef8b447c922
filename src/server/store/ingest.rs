//! Events that others report, a batch in one transaction. Called by [crate::server::services::events]. What a batch
//! means is decided in memory ([Batch]), between reading the rows it is about and writing what follows from it: messages
//! are locked in the order of their ids before any rollup is, so that batches and workers never wait for each other in a
//! ring.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use serde_json::json;
use sqlx::QueryBuilder;

use super::bulk::{Folded, HistoricEmail, insert_event_rows, insert_folded, rollups_of};
use super::emails::NewEmail;
use super::events::{self, EmailFacts, NewEvent, Rollups, apply_rollups};
use super::{Db, Store, micros, write};
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::event::{EventKind, EventSet, StatusRank};
use crate::domain::ids::{EmailId, JobId, TeamId, TemplateId};

/// Values in one statement.
const VALUES: usize = 500;

/// The most recipients of a message that is known from events only.
const MAX_RECIPIENTS: usize = 50;

/// An event as somebody reported it. It is about the message `email_id`, or else about the one that the provider calls
/// `provider_message_id`.
#[derive(Clone, Debug)]
pub struct ReportedEvent {
    /// The event; its `provider_event_id` is what it is told apart by.
    pub event: NewEvent,
    /// The message.
    pub email_id: Option<EmailId>,
    /// What the provider calls the message.
    pub provider_message_id: Option<String>,
    /// The message of ours that `provider_message_id` names, where it has the form of our own `Message-ID`.
    pub own_id: Option<EmailId>,
    /// The message that it starts when there is none.
    pub entry: NewEntry,
}

impl ReportedEvent {
    fn event_id(&self) -> &str {
        self.event.provider_event_id.as_deref().unwrap_or_default()
    }
}

/// What is known of a message that an event is about and that Sendlog never sent.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// The id it gets; the next one that is free when it is taken.
    pub id: EmailId,
    /// Its job's id.
    pub job_id: JobId,
    /// How it reached its recipient.
    pub channel: Option<Channel>,
    /// The sender.
    pub from_address: Option<String>,
    /// The subject.
    pub subject: Option<String>,
}

/// What became of a reported event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// It was added to the message.
    Recorded(EmailId),
    /// The message has an event of this id already; nothing was done.
    Duplicate(EmailId),
    /// It is about no message, and does not say enough to start one; nothing was done.
    Unknown,
}

/// A message that events are about.
#[derive(Clone, Debug, sqlx::FromRow)]
struct KnownEmail {
    id: EmailId,
    status: i16,
    status_rank: i16,
    template_id: Option<TemplateId>,
    channel: i16,
    event_set: i64,
    sent_at: Option<i64>,
    delivered_at: Option<i64>,
    provider_message_id: Option<String>,
    error_message: Option<String>,
}

pub(super) const FIND_EVENTS: &str = "SELECT provider_event_id, email_id FROM email_events WHERE team_id = ";

/// Several messages can have one id of a provider's: mail servers count anew. The newest is meant.
pub(super) const FIND_BY_PROVIDER: &str = "SELECT provider_message_id, MAX(id) FROM emails WHERE team_id = ";

pub(super) const FIND_EMAILS: &str =
    "SELECT id, status, status_rank, template_id, channel, event_set, sent_at, delivered_at,
    provider_message_id, error_message FROM emails WHERE team_id = ";

/// The query for the rows of a team in which `column` is one of `values`.
pub(super) fn select_in<'args, Engine, Value>(
    select: &str,
    team_id: TeamId,
    column: &str,
    values: &'args [Value],
    end: &str,
) -> QueryBuilder<'args, Engine>
where
    Engine: sqlx::Database,
    TeamId: sqlx::Type<Engine> + sqlx::Encode<'args, Engine>,
    &'args Value: sqlx::Type<Engine> + sqlx::Encode<'args, Engine>,
{
    let mut query = QueryBuilder::new(select);
    query.push_bind(team_id).push(" AND ").push(column).push(" IN (");
    let mut list = query.separated(", ");
    for value in values {
        list.push_bind(value);
    }
    query.push(")").push(end);
    query
}

/// Reads rows by a list of values, [VALUES] at a time; only statements of full length are kept prepared.
macro_rules! fetch_in {
    ($tx:expr, $select:expr, $team_id:expr, $column:expr, $values:expr, $end:expr) => {{
        let mut rows = Vec::new();
        for values in $values.chunks(VALUES) {
            let mut query = select_in($select, $team_id, $column, values, $end);
            let is_kept = values.len() == VALUES;
            rows.append(&mut query.build_query_as().persistent(is_kept).fetch_all(&mut *$tx).await?);
        }
        rows
    }};
}

impl Store {
    /// Records a batch of events, all or none, and tells what became of each, in their order. An event counts once by its
    /// `provider_event_id`, in the batch and over all batches. One about a message that nobody knows starts it, when it or
    /// another event of the batch about the same message names a recipient.
    pub async fn ingest_events(&self, team_id: TeamId, reported: &[ReportedEvent]) -> Result<Vec<Ingested>, AppError> {
        if reported.is_empty() {
            return Ok(Vec::new());
        }
        let event_ids = distinct(reported.iter().map(ReportedEvent::event_id));
        let provider_ids = distinct(reported.iter().filter_map(provider_name));
        write!(self, |tx| {
            // Batches take turns, so that no two start the same message.
            if let Some(statement) = self.take_turns_statement() {
                sqlx::query(statement).bind(team_id).execute(&mut *tx).await?;
            }
            let known_events: Vec<(String, EmailId)> =
                fetch_in!(tx, FIND_EVENTS, team_id, "provider_event_id", event_ids, "");
            let by_provider: Vec<(String, EmailId)> = fetch_in!(
                tx,
                FIND_BY_PROVIDER,
                team_id,
                "provider_message_id",
                provider_ids,
                " GROUP BY provider_message_id"
            );
            let named = reported.iter().filter_map(|line| line.email_id.or(line.own_id));
            let email_ids: BTreeSet<EmailId> = named.chain(by_provider.iter().map(|(_, id)| *id)).collect();
            let email_ids: Vec<EmailId> = email_ids.into_iter().collect();
            let end = format!(" ORDER BY id{}", self.for_update());
            let emails: Vec<KnownEmail> = fetch_in!(tx, FIND_EMAILS, team_id, "id", email_ids, &end);

            let mut batch = Batch::new(reported, known_events, by_provider, emails);
            while !batch.new.is_empty() {
                let ids: Vec<EmailId> = batch.new.iter().map(|entry| entry.id).collect();
                let (find_taken, column) = self.taken_ids();
                let taken: Vec<(EmailId,)> = fetch_in!(tx, find_taken, team_id, column, ids, "");
                if taken.is_empty() {
                    break;
                }
                batch.avoid(&taken.into_iter().map(|(id,)| id).collect());
            }
            let outcomes = batch.outcomes();
            let changes = batch.changes();
            let started = batch.started();
            let folded: Vec<Folded> = started.iter().map(Folded::from).collect();
            let mut rollups = rollups_of(&folded);
            insert_folded!(tx, self, team_id, &folded);
            let added: Vec<(EmailId, &NewEvent)> =
                changes.iter().flat_map(|change| change.events.iter().map(|event| (change.id, *event))).collect();
            insert_event_rows!(tx, team_id, &added);
            for change in &changes {
                change.add_to(&mut rollups);
                if !change.is_visible {
                    continue;
                }
                sqlx::query(
                    "UPDATE emails SET status = $3, status_rank = $4, sent_at = $5, delivered_at = $6,
                         error_message = $7, provider_message_id = $8, event_set = $9
                     WHERE team_id = $1 AND id = $2",
                )
                .bind(team_id)
                .bind(change.id)
                .bind(change.status.code())
                .bind(change.rank.0)
                .bind(change.sent_at)
                .bind(change.delivered_at)
                .bind(&change.error_message)
                .bind(&change.provider_message_id)
                .bind(change.event_set.bits())
                .execute(&mut *tx)
                .await?;
            }
            apply_rollups!(tx, team_id, rollups);
            Ok(outcomes)
        })
    }

    /// The beginning of the statement that tells which ids are in use, and the column. SQLite's search index is one for all
    /// teams: an id must be free in it, whosever message has it.
    fn taken_ids(&self) -> (&'static str, &'static str) {
        match &self.db {
            Db::Sqlite { .. } => ("SELECT rowid FROM email_search WHERE 0 <> ", "rowid"),
            Db::Postgres(_) => ("SELECT id FROM emails WHERE team_id = ", "id"),
        }
    }
}

/// What the provider calls the message, where that is what the event is about.
fn provider_name(line: &ReportedEvent) -> Option<&str> {
    line.provider_message_id.as_deref().filter(|_| line.email_id.is_none())
}

fn distinct<T: Copy + Eq + Hash>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    values.filter(|value| seen.insert(*value)).collect()
}

/// What an event is about.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// A message that is there.
    Known(EmailId),
    /// One that the batch starts, by its place in [Batch::new].
    New(usize),
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug)]
enum Plan {
    Record(Target),
    Duplicate(Target),
    Unknown,
}

/// A message that a batch starts.
struct Started<'a> {
    id: EmailId,
    provider_message_id: &'a str,
    events: Vec<&'a ReportedEvent>,
    recipients: Vec<&'a str>,
}

/// What a batch comes to.
struct Batch<'a> {
    plans: Vec<Plan>,
    new: Vec<Started<'a>>,
    emails: BTreeMap<EmailId, (KnownEmail, Vec<&'a ReportedEvent>)>,
}

impl<'a> Batch<'a> {
    fn new(
        reported: &'a [ReportedEvent],
        known_events: Vec<(String, EmailId)>,
        by_provider: Vec<(String, EmailId)>,
        emails: Vec<KnownEmail>,
    ) -> Self {
        let mut seen: HashMap<&str, Target> = HashMap::new();
        for (event_id, email_id) in &known_events {
            seen.insert(event_id, Target::Known(*email_id));
        }
        let by_provider: HashMap<String, EmailId> = by_provider.into_iter().collect();
        let mut with_recipient: HashSet<&str> = HashSet::new();
        for line in reported.iter().filter(|line| line.event.event.recipient.is_some()) {
            with_recipient.extend(provider_name(line));
        }
        let emails = emails.into_iter().map(|email| (email.id, (email, Vec::new()))).collect();
        let mut batch = Self { plans: Vec::with_capacity(reported.len()), new: Vec::new(), emails };
        let mut started: HashMap<&str, usize> = HashMap::new();
        let mut seen_here: HashMap<&'a str, Target> = HashMap::new();
        for line in reported {
            if let Some(target) = seen.get(line.event_id()).or_else(|| seen_here.get(line.event_id())) {
                batch.plans.push(Plan::Duplicate(*target));
                continue;
            }
            let known = match (line.email_id, &line.provider_message_id) {
                (Some(id), _) => Some(id),
                (None, Some(name)) => by_provider.get(name).copied().or(line.own_id),
                (None, None) => None,
            };
            let target = match (known.filter(|id| batch.emails.contains_key(id)), provider_name(line)) {
                (Some(id), _) => Target::Known(id),
                (None, Some(name)) if with_recipient.contains(name) => {
                    Target::New(*started.entry(name).or_insert_with(|| batch.start(name)))
                }
                (None, _) => {
                    batch.plans.push(Plan::Unknown);
                    continue;
                }
            };
            seen_here.insert(line.event_id(), target);
            batch.add(target, line);
        }
        batch.new.iter_mut().for_each(Started::settle);
        batch.avoid(&HashSet::new());
        batch
    }

    fn start(&mut self, provider_message_id: &'a str) -> usize {
        let (events, recipients) = (Vec::new(), Vec::new());
        self.new.push(Started { id: EmailId(0), provider_message_id, events, recipients });
        self.new.len() - 1
    }

    fn add(&mut self, target: Target, line: &'a ReportedEvent) {
        self.plans.push(Plan::Record(target));
        match target {
            Target::Known(id) => {
                if let Some((_, events)) = self.emails.get_mut(&id) {
                    events.push(line);
                }
            }
            Target::New(index) => self.new[index].events.push(line),
        }
    }

    /// Moves messages that the batch starts away from ids that are taken, by others or among themselves.
    fn avoid(&mut self, taken: &HashSet<EmailId>) {
        let mut used: HashSet<EmailId> = HashSet::new();
        for entry in &mut self.new {
            while taken.contains(&entry.id) || !used.insert(entry.id) {
                entry.id = EmailId(entry.id.0 + 1);
            }
        }
    }

    fn outcomes(&self) -> Vec<Ingested> {
        let id = |target: &Target| match target {
            Target::Known(id) => *id,
            Target::New(index) => self.new[*index].id,
        };
        let outcome = |plan: &Plan| match plan {
            Plan::Record(target) => Ingested::Recorded(id(target)),
            Plan::Duplicate(target) => Ingested::Duplicate(id(target)),
            Plan::Unknown => Ingested::Unknown,
        };
        self.plans.iter().map(outcome).collect()
    }

    /// What changes in the messages that are there, by their ids.
    fn changes(&self) -> Vec<Change<'a>> {
        let changed = self.emails.values().filter(|(_, events)| !events.is_empty());
        changed.map(|(email, events)| Change::new(email, events)).collect()
    }

    /// The messages that the batch starts, with their events, by their ids.
    fn started(&self) -> Vec<HistoricEmail> {
        let mut started: Vec<HistoricEmail> = self.new.iter().map(Started::to_email).collect();
        started.sort_by_key(|historic| historic.email.id);
        started
    }
}

impl Started<'_> {
    /// Puts the events in the order of their times and takes id and recipients from them.
    fn settle(&mut self) {
        self.events.sort_by_key(|line| (line.event.event.at, line.event.event.id));
        self.id = self.events.first().map_or(EmailId(0), |line| line.entry.id);
        self.recipients = distinct(self.events.iter().filter_map(|line| line.event.event.recipient.as_deref()));
        self.recipients.truncate(MAX_RECIPIENTS);
    }

    fn to_email(&self) -> HistoricEmail {
        let first = |field: fn(&NewEntry) -> Option<&String>, neutral: &str| {
            self.events.iter().find_map(|line| field(&line.entry)).cloned().unwrap_or_else(|| neutral.to_owned())
        };
        let recipient =
            |address: &&str| Recipient { kind: RecipientKind::To, address: (*address).to_owned(), name: None };
        let mut failure = Failure::default();
        for line in &self.events {
            failure.see(&line.event);
        }
        let email = NewEmail {
            id: self.id,
            job_id: self.events.first().map_or(JobId(0), |line| line.entry.job_id),
            channel: self.events.iter().find_map(|line| line.entry.channel).unwrap_or_default(),
            notification_id: None,
            external_user_id: None,
            template: None,
            adapter_id: None,
            api_key_id: None,
            api_request_id: None,
            recipients: self.recipients.iter().map(recipient).collect(),
            from_address: first(|entry| entry.from_address.as_ref(), "(unknown sender)"),
            reply_to: None,
            subject: first(|entry| entry.subject.as_ref(), "(no subject)"),
            tags: Vec::new(),
            variables: json!({}),
            metadata: json!({}),
            headers: Vec::new(),
            html: None,
            text: None,
            attachments: Vec::new(),
            sent_subject: None,
            worded_by: None,
            resend_of: None,
            scheduled_at: None,
            events: self.events.iter().map(|line| line.event.clone()).collect(),
        };
        let facts = EmailFacts {
            error_message: failure.reason,
            provider_message_id: Some(self.provider_message_id.to_owned()),
        };
        HistoricEmail { email, facts, waiting: None }
    }
}

/// What new events make of a message.
struct Change<'a> {
    id: EmailId,
    events: Vec<&'a NewEvent>,
    before: EmailStatus,
    status: EmailStatus,
    rank: StatusRank,
    template_id: Option<TemplateId>,
    channel: Channel,
    event_set: EventSet,
    sent_at: Option<i64>,
    delivered_at: Option<i64>,
    provider_message_id: Option<String>,
    error_message: Option<String>,
    /// Whether the message's row changes.
    is_visible: bool,
}

impl<'a> Change<'a> {
    fn new(email: &KnownEmail, reported: &[&'a ReportedEvent]) -> Self {
        let mut rank = StatusRank(email.status_rank);
        let mut event_set = EventSet::from_bits(email.event_set);
        let (mut sent_at, mut delivered_at) = (email.sent_at, email.delivered_at);
        let mut failure = Failure { rank, reason: email.error_message.clone() };
        let mut provider_message_id = email.provider_message_id.clone();
        for line in reported {
            let event = &line.event.event;
            rank = rank.max(event.kind.rank());
            event_set = event_set.with(EventSet::of(event.kind, event.detail.cause));
            if event.kind == EventKind::Sent {
                sent_at = earliest(sent_at, micros(event.at));
            }
            if event.kind == EventKind::Delivered {
                delivered_at = earliest(delivered_at, micros(event.at));
            }
            failure.see(&line.event);
            if provider_message_id.is_none() {
                provider_message_id.clone_from(&line.provider_message_id);
            }
        }
        let is_visible = rank != StatusRank(email.status_rank)
            || event_set.bits() != email.event_set
            || (sent_at, delivered_at) != (email.sent_at, email.delivered_at)
            || failure.reason != email.error_message
            || provider_message_id != email.provider_message_id;
        Self {
            id: email.id,
            events: reported.iter().map(|line| &line.event).collect(),
            before: EmailStatus::from_code(email.status).unwrap_or(StatusRank(email.status_rank).status()),
            status: rank.status(),
            rank,
            template_id: email.template_id,
            channel: Channel::from_code(email.channel).unwrap_or_default(),
            event_set,
            sent_at,
            delivered_at,
            provider_message_id,
            error_message: failure.reason,
            is_visible,
        }
    }

    fn add_to(&self, rollups: &mut Rollups) {
        if self.before != self.status {
            rollups.add(self.id, self.template_id, self.channel, events::moved(Some(self.before), self.status));
        }
    }
}

fn earliest(known: Option<i64>, new: i64) -> Option<i64> {
    Some(known.map_or(new, |known| known.min(new)))
}

/// Why a message did not arrive: the words of its strongest failure.
struct Failure {
    rank: StatusRank,
    reason: Option<String>,
}

impl Default for Failure {
    fn default() -> Self {
        Self { rank: StatusRank(0), reason: None }
    }
}

impl Failure {
    fn see(&mut self, new: &NewEvent) {
        let (kind, detail) = (new.event.kind, &new.event.detail);
        if kind.is_failure() && (self.reason.is_none() || kind.rank() > self.rank) {
            let words = detail.reply.as_ref().or(detail.message.as_ref());
            self.reason = words.cloned().or(self.reason.take());
        }
        self.rank = self.rank.max(kind.rank());
    }
}
