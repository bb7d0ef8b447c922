//! Events that others report, a batch in one transaction. Called by [crate::server::services::events]. What a batch
//! means is decided in memory ([Batch]), between reading the rows it is about and writing what follows from it: batches
//! take turns, messages are locked in the order of their ids before any rollup is, so that batches and workers never wait
//! for each other in a ring.
//!
//! A message that is known from events only follows from its events alone, whatever their order: its id, too, which is made
//! of its provider's name for it and of the time of its earliest event. When an earlier one becomes known, the message
//! moves, and stays known by the id that it had. When an event says that it is another message, it becomes a part of that.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

use chrono::{DateTime, Utc};
use serde_json::json;
use sha2::{Digest, Sha256};
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::bulk::{Folded, insert_event_rows, insert_folded, insert_rows, rollups_of};
use super::emails::{NewEmail, searched_recipients};
use super::engine::Engine;
use super::events::{
    self, MessageRow, NO_SUBJECT, NewEvent, UNKNOWN_SENDER, apply_rollups, bare_name, message_columns, retire,
    take_turns, update_message,
};
use super::{Store, read, write};
use crate::domain::channel::Channel;
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::event::{Fold, Mark, Told, mark_of};
use crate::domain::ids::{EmailId, JobId, SEQUENCE_BITS, TeamId, lowest_id_at};

/// Values in one statement.
const VALUES: usize = 500;

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
    /// What it says of a message that Sendlog did not send.
    pub entry: NewEntry,
}

/// What is known of a message that an event is about and that Sendlog never sent.
#[derive(Clone, Debug)]
pub struct NewEntry {
    /// How it reached its recipient.
    pub channel: Option<Channel>,
    /// The sender.
    pub from_address: Option<String>,
    /// The subject.
    pub subject: Option<String>,
}

impl ReportedEvent {
    fn event_id(&self) -> &str {
        self.event.provider_event_id.as_deref().unwrap_or_default()
    }

    fn name(&self) -> Option<&str> {
        self.provider_message_id.as_deref().map(bare_name)
    }

    fn told<T>(&self, value: T) -> Told<T> {
        let mark: Mark = mark_of(&self.event.event, self.event.provider_event_id.as_deref());
        Told { mark, value }
    }

    /// What it comes to, with what it says of a message that Sendlog did not send.
    fn fold(&self) -> Fold {
        let mut fold = self.event.fold(None);
        fold.entry.from_address = self.entry.from_address.clone().map(|from| self.told(from));
        fold.entry.subject = self.entry.subject.clone().map(|subject| self.told(subject));
        fold.entry.channel = self.entry.channel.map(|channel| self.told(channel));
        fold
    }
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

/// The id of a message that is known from events only, the earliest at `began_at`, by what its provider calls it. Ids that
/// a clock mints keep to the lower half of their millisecond.
pub fn entry_id(team_id: TeamId, name: &str, began_at: DateTime<Utc>) -> EmailId {
    let half = 1_i64 << (SEQUENCE_BITS - 1);
    let digest = Sha256::digest(format!("{} {name}", team_id.0));
    let spread = digest.iter().take(4).fold(0_i64, |number, byte| number << 8 | i64::from(*byte));
    // The last ones stay free, for ids that step aside.
    EmailId(lowest_id_at(began_at) + half + spread % (half - 4096))
}

pub(super) const FIND_EVENTS: &str = "SELECT provider_event_id, email_id FROM email_events WHERE team_id = ";

/// Several messages can have one id of a provider's: mail servers count anew. The newest is meant.
pub(super) const FIND_BY_PROVIDER: &str = "SELECT provider_message_id, MAX(id) FROM emails WHERE team_id = ";

pub(super) const FIND_BY_ALIAS: &str = "SELECT alias, MAX(email_id) FROM email_aliases WHERE team_id = ";

pub(super) const FIND_EMAILS: &str = concat!("SELECT ", message_columns!(), " FROM emails WHERE team_id = ");

/// Gives a message that is known from events only (`$2`) another id (`$3`), before everything that belongs to it follows.
const MOVE_ENTRY: [&str; 2] = [
    "INSERT INTO emails
     (team_id, id, template_id, template_version_id, adapter_id, api_key_id, api_request_id, recipients, from_address,
      reply_to, subject, tags, status, status_rank, provider_message_id, error_message, has_pdf_attachment, job_id,
      resend_of, sent_at, delivered_at, channel, notification_id, external_user_id, scheduled_at, event_set, told_by)
     SELECT team_id, $3, template_id, template_version_id, adapter_id, api_key_id, api_request_id, recipients, from_address,
      reply_to, subject, tags, status, status_rank, provider_message_id, error_message, has_pdf_attachment, $3,
      resend_of, sent_at, delivered_at, channel, notification_id, external_user_id, scheduled_at, event_set, told_by
     FROM emails WHERE team_id = $1 AND id = $2",
    "UPDATE email_contents SET email_id = $3 WHERE team_id = $1 AND email_id = $2",
];

const UPDATE_ENTRY: &str = "UPDATE emails SET recipients = $3, from_address = $4, subject = $5, channel = $6
    WHERE team_id = $1 AND id = $2";

/// The query for the rows of a team in which `column` is one of `values`.
pub(super) fn select_in<'args, Engine, Value>(
    select: &str,
    team_id: TeamId,
    column: &str,
    values: &'args [Value],
    end: &str,
) -> QueryBuilder<Engine>
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
        let names = distinct(reported.iter().filter_map(ReportedEvent::name));
        // A worker keeps a provider's id as it was given, with its brackets.
        let bracketed: Vec<String> = names.iter().map(|name| format!("<{name}>")).collect();
        let provider_ids: Vec<&str> = names.iter().copied().chain(bracketed.iter().map(String::as_str)).collect();
        let named: BTreeSet<EmailId> =
            reported.iter().flat_map(|line| [line.email_id, line.own_id]).flatten().collect();
        let former: Vec<String> = named.iter().map(EmailId::to_string).collect();
        let aliases: Vec<&str> = names.iter().copied().chain(former.iter().map(String::as_str)).collect();
        write!(self, |tx| {
            // Batches take turns, so that no two start the same message.
            take_turns!(tx, self, team_id);
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
            let by_alias: Vec<(String, EmailId)> =
                fetch_in!(tx, FIND_BY_ALIAS, team_id, "alias", aliases, " GROUP BY alias");
            let found = by_provider.iter().chain(&by_alias).map(|(_, id)| *id);
            let email_ids: BTreeSet<EmailId> = named.iter().copied().chain(found).collect();
            let email_ids: Vec<EmailId> = email_ids.into_iter().collect();
            let end = format!(" ORDER BY id{}", self.for_update());
            let emails: Vec<MessageRow> = fetch_in!(tx, FIND_EMAILS, team_id, "id", email_ids, &end);

            let mut batch = Batch::new(team_id, reported, known_events, by_provider, by_alias, emails);
            loop {
                let ids = batch.fresh_ids();
                let (find_taken, column) = self.taken_ids();
                let taken: Vec<(EmailId,)> = fetch_in!(tx, find_taken, team_id, column, ids, "");
                if taken.is_empty() {
                    break;
                }
                batch.avoid(&taken.into_iter().map(|(id,)| id).collect());
            }
            let outcomes = batch.outcomes();
            let mut rollups = events::Rollups::default();
            for change in &batch.changes {
                rollups.replace(&change.before, change.id, &change.fold);
                if change.id != change.before.id {
                    for statement in MOVE_ENTRY {
                        let old = change.before.id;
                        sqlx::query(statement).bind(team_id).bind(old).bind(change.id).execute(&mut *tx).await?;
                    }
                    retire!(tx, self, team_id, change.before.id, change.id);
                }
                for part in &change.parts {
                    retire!(tx, self, team_id, part.id, change.id);
                    rollups.remove(part);
                }
                for alias in &change.aliases {
                    sqlx::query(events::INSERT_ALIAS)
                        .bind(team_id)
                        .bind(alias)
                        .bind(change.id)
                        .execute(&mut *tx)
                        .await?;
                }
                if change.is_visible {
                    update_message!(tx, team_id, change.id, &change.fold);
                }
                if let Some(entry) = &change.entry {
                    sqlx::query(UPDATE_ENTRY)
                        .bind(team_id)
                        .bind(change.id)
                        .bind(Json(&entry.recipients))
                        .bind(&entry.from_address)
                        .bind(&entry.subject)
                        .bind(entry.channel.code())
                        .execute(&mut *tx)
                        .await?;
                }
            }
            let moved: Vec<(EmailId, &EntryTexts)> =
                batch.changes.iter().filter_map(|change| Some((change.id, change.entry.as_ref()?))).collect();
            let ids: Vec<EmailId> = moved.iter().map(|(id, _)| *id).collect();
            for ids in ids.chunks(VALUES) {
                let (delete, column) = self.delete_search_rows();
                let mut query = select_in(delete, team_id, column, ids, "");
                query.build().persistent(false).execute(&mut *tx).await?;
            }
            let (insert_search, names_team) = self.insert_search_rows();
            insert_rows!(tx, insert_search, moved, |values, (id, entry)| {
                if names_team {
                    values.push_bind(team_id);
                }
                values.push_bind(*id);
                values.push_bind(searched_recipients(&entry.recipients));
                values.push_bind(entry.subject.to_lowercase());
            });
            let started: Vec<(NewEmail, Fold)> = batch.started();
            let folded: Vec<Folded> =
                started.iter().map(|(email, fold)| Folded { email, waiting: None, fold: fold.clone() }).collect();
            rollups.join(rollups_of(&folded));
            insert_folded!(tx, self, team_id, &folded);
            let added: Vec<(EmailId, &NewEvent)> = batch
                .changes
                .iter()
                .flat_map(|change| change.events.iter().map(|line| (change.id, &line.event)))
                .collect();
            insert_event_rows!(tx, team_id, &added);
            apply_rollups!(tx, team_id, rollups);
            Ok(outcomes)
        })
    }

    /// The message that has this other id now; `None` when no message ever had it, or has it still.
    pub async fn find_moved_email(&self, team_id: TeamId, id: EmailId) -> Result<Option<EmailId>, AppError> {
        Ok(read!(self, |pool| {
            sqlx::query_scalar("SELECT MAX(email_id) FROM email_aliases WHERE team_id = $1 AND alias = $2")
                .bind(team_id)
                .bind(id.to_string())
                .fetch_one(pool)
                .await
        })?)
    }

    /// The beginning of the statement that tells which ids are in use, and the column. SQLite's search index is one for all
    /// teams: an id must be free in it, whosever message has it.
    fn taken_ids(&self) -> (&'static str, &'static str) {
        match self.engine() {
            Engine::Sqlite => ("SELECT rowid FROM email_search WHERE 0 <> ", "rowid"),
            Engine::Postgres => ("SELECT id FROM emails WHERE team_id = ", "id"),
        }
    }

    /// The beginning of the statement that takes messages out of the search index, and the column.
    fn delete_search_rows(&self) -> (&'static str, &'static str) {
        match self.engine() {
            Engine::Sqlite => ("DELETE FROM email_search WHERE 0 <> ", "rowid"),
            Engine::Postgres => ("DELETE FROM email_search WHERE team_id = ", "email_id"),
        }
    }
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

/// A message that is there, with what the batch says of it.
struct Known<'a> {
    row: MessageRow,
    events: Vec<&'a ReportedEvent>,
    /// The messages that turn out to be this one.
    parts: Vec<MessageRow>,
    /// Which events named it, and how.
    names: Vec<Told<String>>,
}

/// A message that a batch starts.
struct Started<'a> {
    id: EmailId,
    name: &'a str,
    events: Vec<&'a ReportedEvent>,
    fold: Fold,
}

/// What a batch makes of a message that is there.
struct Change<'a> {
    before: MessageRow,
    /// Its id from now on.
    id: EmailId,
    events: Vec<&'a ReportedEvent>,
    parts: Vec<MessageRow>,
    aliases: Vec<String>,
    fold: Fold,
    /// Whether what its events come to changes.
    is_visible: bool,
    /// What a list shows and search finds, where that changes.
    entry: Option<EntryTexts>,
}

/// What events say of a message that Sendlog did not send, as it is shown.
struct EntryTexts {
    recipients: Vec<Recipient>,
    from_address: String,
    subject: String,
    channel: Channel,
}

impl From<&Fold> for EntryTexts {
    fn from(fold: &Fold) -> Self {
        let text = |told: &Option<Told<String>>, neutral: &str| match told {
            Some(told) => told.value.clone(),
            None => neutral.to_owned(),
        };
        Self {
            recipients: fold.entry.to(),
            from_address: text(&fold.entry.from_address, UNKNOWN_SENDER),
            subject: text(&fold.entry.subject, NO_SUBJECT),
            channel: fold.entry.channel.as_ref().map(|told| told.value).unwrap_or_default(),
        }
    }
}

/// What a batch comes to.
struct Batch<'a> {
    team_id: TeamId,
    plans: Vec<Plan>,
    new: Vec<Started<'a>>,
    emails: BTreeMap<EmailId, Known<'a>>,
    /// Which message another one is now.
    now: HashMap<EmailId, EmailId>,
    changes: Vec<Change<'a>>,
}

impl<'a> Batch<'a> {
    fn new(
        team_id: TeamId,
        reported: &'a [ReportedEvent],
        known_events: Vec<(String, EmailId)>,
        by_provider: Vec<(String, EmailId)>,
        by_alias: Vec<(String, EmailId)>,
        emails: Vec<MessageRow>,
    ) -> Self {
        let known = |row: MessageRow| (row.id, Known { row, events: Vec::new(), parts: Vec::new(), names: Vec::new() });
        let emails: BTreeMap<EmailId, Known> = emails.into_iter().map(known).collect();
        let mut holders: HashMap<String, EmailId> = HashMap::new();
        for (name, id) in by_provider.iter().chain(&by_alias) {
            let holder = holders.entry(bare_name(name).to_owned()).or_insert(*id);
            *holder = (*holder).max(*id);
        }
        let mut now: HashMap<EmailId, EmailId> = HashMap::new();
        for (alias, id) in &by_alias {
            if let Ok(former) = alias.parse::<EmailId>()
                && !emails.contains_key(&former)
            {
                now.insert(former, *id);
            }
        }
        let mut batch = Self { team_id, plans: Vec::new(), new: Vec::new(), emails, now, changes: Vec::new() };
        let seen: HashMap<&str, EmailId> = known_events.iter().map(|(id, email)| (id.as_str(), *email)).collect();
        batch.claim_names(reported, &seen, &mut holders);
        batch.distribute(reported, &seen, &holders);
        batch.settle();
        batch
    }

    /// The message that this one is now, where it is there.
    fn find(&self, mut id: EmailId) -> Option<EmailId> {
        while let Some(next) = self.now.get(&id) {
            id = *next;
        }
        self.emails.contains_key(&id).then_some(id)
    }

    /// Gives messages the names that events say they have. Two of one name are one, unless Sendlog sent both.
    fn claim_names(
        &mut self,
        reported: &'a [ReportedEvent],
        seen: &HashMap<&str, EmailId>,
        holders: &mut HashMap<String, EmailId>,
    ) {
        for line in reported.iter().filter(|line| !seen.contains_key(line.event_id())) {
            let (Some(id), Some(name)) = (line.email_id.and_then(|id| self.find(id)), line.name()) else { continue };
            if line.own_id.is_some_and(|own| self.find(own) == Some(id)) {
                continue;
            }
            let holder = holders.get(name).and_then(|holder| self.find(*holder));
            let is_entry = |id: EmailId| self.emails.get(&id).is_some_and(|known| known.row.is_from_outside());
            let name_of = |id: EmailId| self.emails.get(&id).and_then(|known| known.row.provider_message_id.clone());
            let owner = match holder {
                None => id,
                Some(holder) if holder == id => id,
                Some(holder) => match (is_entry(id), is_entry(holder)) {
                    (false, false) => id.max(holder),
                    (false, true) => self.absorb(holder, id),
                    (true, false) => self.absorb(id, holder),
                    (true, true) if name_of(id) < name_of(holder) => self.absorb(holder, id),
                    (true, true) => self.absorb(id, holder),
                },
            };
            holders.insert(name.to_owned(), owner);
            if let Some(id) = self.find(id)
                && let Some(known) = self.emails.get_mut(&id)
            {
                known.names.push(line.told(name.to_owned()));
            }
        }
    }

    /// Makes a message a part of another; gives that one.
    fn absorb(&mut self, part: EmailId, whole: EmailId) -> EmailId {
        if let Some(part) = self.emails.remove(&part) {
            self.now.insert(part.row.id, whole);
            if let Some(known) = self.emails.get_mut(&whole) {
                known.parts.extend(part.parts);
                known.names.extend(part.names);
                known.parts.push(part.row);
            }
        }
        whole
    }

    /// Tells of each event which message it is about.
    fn distribute(
        &mut self,
        reported: &'a [ReportedEvent],
        seen: &HashMap<&str, EmailId>,
        holders: &HashMap<String, EmailId>,
    ) {
        let about = |line: &'a ReportedEvent| line.name().filter(|_| line.email_id.is_none());
        let mut with_recipient: HashSet<&str> = HashSet::new();
        for line in reported.iter().filter(|line| line.event.event.recipient.is_some()) {
            with_recipient.extend(about(line));
        }
        let mut started: HashMap<&'a str, usize> = HashMap::new();
        let mut seen_here: HashMap<&'a str, Target> = HashMap::new();
        for line in reported {
            let before = seen.get(line.event_id()).map(|id| Target::Known(self.find(*id).unwrap_or(*id)));
            if let Some(target) = before.or_else(|| seen_here.get(line.event_id()).copied()) {
                self.plans.push(Plan::Duplicate(target));
                continue;
            }
            let known = match (line.email_id, line.name()) {
                (Some(id), _) => self.find(id),
                (None, Some(name)) => {
                    let holder = holders.get(name).and_then(|holder| self.find(*holder));
                    holder.or_else(|| line.own_id.and_then(|own| self.find(own)))
                }
                (None, None) => None,
            };
            let target = match (known, about(line)) {
                (Some(id), _) => Target::Known(id),
                (None, Some(name)) if with_recipient.contains(name) => {
                    let next = self.new.len();
                    let place = *started.entry(name).or_insert(next);
                    if place == next {
                        let (events, fold) = (Vec::new(), Fold::default());
                        self.new.push(Started { id: EmailId(0), name, events, fold });
                    }
                    Target::New(place)
                }
                (None, _) => {
                    self.plans.push(Plan::Unknown);
                    continue;
                }
            };
            seen_here.insert(line.event_id(), target);
            self.plans.push(Plan::Record(target));
            match target {
                Target::Known(id) => {
                    if let Some(known) = self.emails.get_mut(&id) {
                        known.events.push(line);
                    }
                }
                Target::New(place) => self.new[place].events.push(line),
            }
        }
    }

    /// Folds the events and gives every message that is known from them its id.
    fn settle(&mut self) {
        let team_id = self.team_id;
        for entry in &mut self.new {
            entry.events.iter().for_each(|line| entry.fold.merge(line.fold()));
            entry.fold.provider_message_id = Some(Told { mark: Mark::first(), value: entry.name.to_owned() });
            entry.id = entry_id(team_id, entry.name, entry.fold.entry.began_at.unwrap_or_default());
        }
        let known = std::mem::take(&mut self.emails).into_values();
        let changed =
            known.filter(|known| !known.events.is_empty() || !known.parts.is_empty() || !known.names.is_empty());
        self.changes = changed.map(|known| Change::new(team_id, known)).collect();
        self.avoid(&HashSet::new());
    }

    /// The ids that the batch gives to messages.
    fn fresh_ids(&self) -> Vec<EmailId> {
        let moved = self.changes.iter().filter(|change| change.id != change.before.id).map(|change| change.id);
        moved.chain(self.new.iter().map(|entry| entry.id)).collect()
    }

    /// Moves messages away from ids that are taken, by others or among themselves.
    fn avoid(&mut self, taken: &HashSet<EmailId>) {
        let moved = self.changes.iter_mut().filter(|change| change.id != change.before.id).map(|change| &mut change.id);
        let mut used: HashSet<EmailId> = HashSet::new();
        for id in moved.chain(self.new.iter_mut().map(|entry| &mut entry.id)) {
            while taken.contains(id) || !used.insert(*id) {
                *id = EmailId(id.0 + 1);
            }
        }
    }

    fn outcomes(&self) -> Vec<Ingested> {
        let moved: HashMap<EmailId, EmailId> =
            self.changes.iter().map(|change| (change.before.id, change.id)).collect();
        let id = |target: &Target| match target {
            Target::Known(id) => moved.get(id).copied().unwrap_or(*id),
            Target::New(place) => self.new[*place].id,
        };
        let outcome = |plan: &Plan| match plan {
            Plan::Record(target) => Ingested::Recorded(id(target)),
            Plan::Duplicate(target) => Ingested::Duplicate(id(target)),
            Plan::Unknown => Ingested::Unknown,
        };
        self.plans.iter().map(outcome).collect()
    }

    /// The messages that the batch starts, with what their events come to, by their ids.
    fn started(&self) -> Vec<(NewEmail, Fold)> {
        let mut started: Vec<(NewEmail, Fold)> =
            self.new.iter().map(|entry| (entry.to_email(), entry.fold.clone())).collect();
        started.sort_by_key(|(email, _)| email.id);
        started
    }
}

impl<'a> Change<'a> {
    fn new(team_id: TeamId, known: Known<'a>) -> Self {
        let Known { row: before, events, parts, names } = known;
        let (known, is_entry) = (before.fold(), before.is_from_outside());
        let mut fold = known.clone();
        events.iter().for_each(|line| fold.merge(line.fold()));
        let mut aliases: BTreeSet<String> = names.iter().map(|told| told.value.clone()).collect();
        for part in &parts {
            aliases.extend(part.provider_message_id.clone());
            let name = part.fold().provider_message_id.filter(|_| is_entry);
            fold.merge(Fold { provider_message_id: name, ..part.fold() });
        }
        if !is_entry {
            fold.entry = known.entry.clone();
            for told in names {
                fold.merge(Fold { provider_message_id: Some(told), ..Fold::default() });
            }
        }
        aliases.extend(before.provider_message_id.clone());
        let shown = fold.provider_message_id.as_ref().map(|told| told.value.clone()).unwrap_or_default();
        aliases.retain(|name| *name != shown);
        let began_at = fold.entry.began_at.unwrap_or_default();
        let stays = !is_entry
            || (lowest_id_at(began_at) == lowest_id_at(before.id.created_at())
                && before.provider_message_id.as_deref() == Some(shown.as_str()));
        let id = if stays { before.id } else { entry_id(team_id, &shown, began_at) };
        let entry = (is_entry && (!stays || fold.entry != known.entry)).then(|| EntryTexts::from(&fold));
        let is_visible = fold != known;
        Self { before, id, events, parts, aliases: aliases.into_iter().collect(), fold, is_visible, entry }
    }
}

impl Started<'_> {
    fn to_email(&self) -> NewEmail {
        let texts = EntryTexts::from(&self.fold);
        NewEmail {
            id: self.id,
            job_id: JobId(self.id.0),
            channel: texts.channel,
            notification_id: None,
            external_user_id: None,
            template: None,
            adapter_id: None,
            api_key_id: None,
            api_request_id: None,
            recipients: texts.recipients,
            from_address: texts.from_address,
            reply_to: None,
            subject: texts.subject,
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
        }
    }
}
