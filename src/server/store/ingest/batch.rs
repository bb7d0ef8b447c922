//! What a batch of reported events means, decided in memory: which message each is about, what becomes of messages that turn
//! out to be one, and what their events come to.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use crate::domain::channel::Channel;
use crate::domain::email::{NewEmail, Recipient};
use crate::domain::event::{EmailEvent, EventKind, Fold, Mark, Told, mark_of};
use crate::domain::ids::{EmailId, JobId, SEQUENCE_BITS, TeamId, lowest_id_at};
use crate::server::store::events::{MessageRow, NO_SUBJECT, NewEvent, UNKNOWN_SENDER, bare_name};
use crate::server::store::instant;

/// An event as somebody reported it. It is about the message `email_id`, or else about the one that the provider calls
/// `provider_message_id`.
#[derive(Clone, Debug)]
pub struct ReportedEvent {
    /// The event; its `provider_event_id` is what it is told apart by.
    pub event: NewEvent,
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
    pub channel: Option<Channel>,
    pub from_address: Option<String>,
    pub subject: Option<String>,
}

impl ReportedEvent {
    pub(super) fn event_id(&self) -> &str {
        self.event.provider_event_id.as_deref().unwrap_or_default()
    }

    pub(super) fn name(&self) -> Option<&str> {
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

/// What an event is about.
#[derive(Clone, Copy, Debug)]
enum Target {
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
pub(super) struct Change<'a> {
    pub(super) before: MessageRow,
    /// Its id from now on.
    pub(super) id: EmailId,
    pub(super) events: Vec<&'a ReportedEvent>,
    pub(super) parts: Vec<MessageRow>,
    pub(super) aliases: Vec<String>,
    pub(super) fold: Fold,
    /// Whether what its events come to changes.
    pub(super) is_visible: bool,
    /// What a list shows and search finds, where that changes.
    pub(super) entry: Option<EntryTexts>,
}

impl Change<'_> {
    /// Its channel, and whom it is for.
    pub(super) fn addressed(&self) -> (Channel, &[Recipient]) {
        match &self.entry {
            Some(entry) => (entry.channel, &entry.recipients),
            None => (Channel::from_code(self.before.channel).unwrap_or_default(), &self.before.recipients.0),
        }
    }
}

/// What events say of a message that Sendlog did not send, as it is shown.
pub(super) struct EntryTexts {
    pub(super) recipients: Vec<Recipient>,
    pub(super) from_address: String,
    pub(super) subject: String,
    pub(super) channel: Channel,
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
pub(super) struct Batch<'a> {
    team_id: TeamId,
    plans: Vec<Plan>,
    new: Vec<Started<'a>>,
    emails: BTreeMap<EmailId, Known<'a>>,
    /// Which message another one is now.
    now: HashMap<EmailId, EmailId>,
    pub(super) changes: Vec<Change<'a>>,
}

/// What the log knows of what a batch is about.
pub(super) struct Knowledge {
    /// The events that have the batch's ids.
    pub(super) events: Vec<(String, EmailId)>,
    /// Messages by what their providers call them, and by their other names.
    pub(super) by_provider: Vec<(String, EmailId)>,
    pub(super) by_alias: Vec<(String, EmailId)>,
    /// For a history, what is known of the messages: message, kind, recipient, time.
    pub(super) facts: Vec<(EmailId, String, Option<String>, i64)>,
}

/// What happened, to the second: a provider's history and its webhooks give one event different ids, and times of
/// different precision.
type Fact = (EmailId, &'static str, String, i64);

fn fact(id: EmailId, kind: EventKind, recipient: Option<&str>, at: DateTime<Utc>) -> Fact {
    (id, kind.as_str(), recipient.unwrap_or_default().to_lowercase(), at.timestamp())
}

/// Whether the log has this event of the message, by whatever id.
fn is_told(facts: &HashSet<Fact>, id: EmailId, event: &EmailEvent) -> bool {
    let recipient = event.recipient.as_deref();
    let near = [TimeDelta::zero(), TimeDelta::seconds(1), TimeDelta::seconds(-1)];
    !facts.is_empty() && near.iter().any(|near| facts.contains(&fact(id, event.kind, recipient, event.at + *near)))
}

impl<'a> Batch<'a> {
    pub(super) fn new(
        team_id: TeamId,
        reported: &'a [ReportedEvent],
        Knowledge { events: known_events, by_provider, by_alias, facts }: Knowledge,
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
        let facts = facts.into_iter().filter_map(|(id, kind, recipient, at)| {
            Some(fact(id, kind.parse().ok()?, recipient.as_deref(), instant(at)))
        });
        let facts: HashSet<Fact> = facts.collect();
        batch.claim_names(reported, &seen, &mut holders);
        batch.distribute(reported, (&seen, &facts), &holders);
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
        (seen, facts): (&HashMap<&str, EmailId>, &HashSet<Fact>),
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
            if let Some(id) = known.filter(|id| is_told(facts, *id, &line.event.event)) {
                self.plans.push(Plan::Duplicate(Target::Known(id)));
                continue;
            }
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
    pub(super) fn fresh_ids(&self) -> Vec<EmailId> {
        let moved = self.changes.iter().filter(|change| change.id != change.before.id).map(|change| change.id);
        moved.chain(self.new.iter().map(|entry| entry.id)).collect()
    }

    /// Moves messages away from ids that are taken, by others or among themselves.
    pub(super) fn avoid(&mut self, taken: &HashSet<EmailId>) {
        let moved = self.changes.iter_mut().filter(|change| change.id != change.before.id).map(|change| &mut change.id);
        let mut used: HashSet<EmailId> = HashSet::new();
        for id in moved.chain(self.new.iter_mut().map(|entry| &mut entry.id)) {
            while taken.contains(id) || !used.insert(*id) {
                *id = EmailId(id.0 + 1);
            }
        }
    }

    pub(super) fn outcomes(&self) -> Vec<Ingested> {
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
    pub(super) fn started(&self) -> Vec<(NewEmail, Fold)> {
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
            recipients: texts.recipients,
            from_address: texts.from_address,
            subject: texts.subject,
            events: self.events.iter().map(|line| line.event.clone()).collect(),
            ..NewEmail::blank(self.id, JobId(self.id.0), texts.channel)
        }
    }
}
