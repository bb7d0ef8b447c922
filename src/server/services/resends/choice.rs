//! Which messages a resend job takes, and what is to become of each.

use std::collections::{HashMap, HashSet};

use chrono_tz::Tz;
use serde_json::Value;

use crate::domain::address::logs::LogQuery;
use crate::domain::address::resends::NewResendQuery;
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus, Recipient};
use crate::domain::error::AppError;
use crate::domain::event::EmailEvent;
use crate::domain::failure::FailureClass;
use crate::domain::filter::{EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::{AdapterId, EmailId};
use crate::domain::mailbox::mailbox_key;
use crate::domain::masking::sees_contents;
use crate::domain::page::PageRequest;
use crate::domain::period::PeriodChoice;
use crate::domain::resend::newest_sent;
use crate::domain::resend_job::{MAX_MESSAGES, Preflight, ResendItemState, ResendOptions, Verdict, likely_fails_again};
use crate::domain::shelf_life::staleness;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::services::{emails, failures, period, persons, search};
use crate::server::store::resends::NewResendItem;

/// How many messages are read at a time.
const AT_ONCE: i64 = 500;

/// What a job is to be about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Messages that were chosen one by one.
    Ids(Vec<EmailId>),
    /// All that failed or bounced of a list of the log.
    Log(Box<LogQuery>),
}

impl From<NewResendQuery> for Selection {
    fn from(query: NewResendQuery) -> Self {
        if query.ids.is_empty() { Self::Log(Box::new(query.log)) } else { Self::Ids(query.ids) }
    }
}

/// Whom a message reaches of which some address is suppressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Some,
    Nobody,
}

/// The messages of a job, with what is to become of each.
pub(super) struct Chosen {
    verdicts: Vec<(EmailId, Verdict)>,
    /// Those whose codes, links or days may have passed.
    outdated: HashSet<EmailId>,
    /// Those to addresses that the team does not write to any more.
    suppressed: HashMap<EmailId, Reached>,
    /// What they were searched by: in words, and as the address of the list.
    pub(super) filter: Option<(String, String)>,
    /// How many match beside, which can be sent again by nobody.
    others: i64,
}

impl Chosen {
    pub(super) fn preflight(&self, options: ResendOptions) -> Preflight {
        let mut preflight = Preflight { others: self.others, ..Preflight::default() };
        for (id, verdict) in &self.verdicts {
            preflight.add(verdict, options);
            let is_sent = verdict.outcome(options).0 == ResendItemState::Waiting;
            preflight.outdated += i64::from(is_sent && self.outdated.contains(id));
            match self.suppressed.get(id) {
                Some(Reached::Nobody) => preflight.suppressed += i64::from(is_sent),
                Some(Reached::Some) => preflight.partly_suppressed += i64::from(is_sent),
                None => {}
            }
        }
        preflight
    }

    pub(super) fn items(&self, options: ResendOptions) -> Vec<NewResendItem> {
        let item = |(email_id, verdict): &(EmailId, Verdict)| {
            let (state, words) = verdict.outcome(options);
            let known = match verdict {
                Verdict::Resend { known, .. } => *known,
                Verdict::ResentAlready { id, .. } | Verdict::WentOut { id, .. } => Some(*id),
                Verdict::LikelyToFail(_) | Verdict::SameAs(_) | Verdict::Cannot(_) => None,
            };
            let words = Some(words).filter(|_| state != ResendItemState::Waiting);
            NewResendItem { email_id: *email_id, state, words, known }
        };
        self.verdicts.iter().map(item).collect()
    }
}

/// Chooses the messages of this moment. The caller has checked the permissions.
pub(super) async fn choose(app: &App, viewer: &Viewer, selection: &Selection) -> Result<Chosen, AppError> {
    match selection {
        Selection::Ids(ids) => {
            let mut verdicts = Verdicts::new(app, viewer);
            let mut seen = HashSet::new();
            let ids: Vec<i64> = ids.iter().filter(|id| seen.insert(**id)).map(|id| id.0).collect();
            if ids.is_empty() {
                return Err(AppError::invalid_field("ids", "Choose at least one message"));
            }
            if ids.len() as i64 > MAX_MESSAGES {
                return Err(too_many());
            }
            for ids in ids.chunks(AT_ONCE as usize) {
                let emails = app.store.find_emails(viewer.team, ids).await?;
                if emails.len() < ids.len() {
                    return Err(AppError::not_found("Email log"));
                }
                verdicts.add(&emails).await?;
            }
            Ok(Chosen {
                verdicts: verdicts.found,
                outdated: verdicts.outdated,
                suppressed: verdicts.suppressed,
                filter: None,
                others: 0,
            })
        }
        Selection::Log(query) => choose_by(app, viewer, query).await,
    }
}

async fn choose_by(app: &App, viewer: &Viewer, query: &LogQuery) -> Result<Chosen, AppError> {
    let filter = search::filter_at(app, viewer, query).await?;
    let resendable: StatusSet = [EmailStatus::Failed, EmailStatus::Bounced].into_iter().collect();
    let range = filter.range;
    let (statuses, rest) = filter.statuses.or_all().split(resendable);
    let mut narrowed = EmailFilter { statuses, ..filter.clone() };
    narrowed.criteria.nothing |= statuses.is_empty();
    let asked = emails::asked(viewer, &narrowed);
    let mut verdicts = Verdicts::new(app, viewer);
    let mut before = None;
    loop {
        let emails = app.store.list_older_emails(viewer.team, &asked, before, AT_ONCE).await?;
        before = emails.last().map(|email| email.id);
        if (verdicts.found.len() + emails.len()) as i64 > MAX_MESSAGES {
            return Err(too_many());
        }
        verdicts.add(&emails).await?;
        if (emails.len() as i64) < AT_ONCE {
            break;
        }
    }
    let others = if rest.is_empty() {
        0
    } else {
        let filter = EmailFilter { statuses: rest, ..filter };
        emails::list_emails(app, viewer, &filter, PageRequest { page: 1, page_size: 1 }).await?.total.count()
    };
    let filter = filter_of(query, range, period::time_zone(viewer.time_zone()));
    Ok(Chosen {
        verdicts: verdicts.found,
        outdated: verdicts.outdated,
        suppressed: verdicts.suppressed,
        filter: Some(filter),
        others,
    })
}

/// What was searched for, in words, and the address of the same list, whenever and wherever it is opened.
fn filter_of(query: &LogQuery, range: TimeRange, zone: Tz) -> (String, String) {
    let query = query.with_period(PeriodChoice::exactly(range));
    let mut words: Vec<String> = Vec::new();
    if !query.statuses.is_empty() {
        words.push(query.statuses.iter().map(EmailStatus::as_str).collect::<Vec<_>>().join(" or "));
    }
    words.extend(query.channel.map(|channel| channel.label().to_owned()));
    words.extend(query.template_id.map(|id| format!("template {id}")));
    words.extend((!query.search.is_empty()).then(|| query.search.to_string()));
    words.push(period::label_of(range, zone));
    (words.join(" · "), query.to_url())
}

fn too_many() -> AppError {
    AppError::invalid(format!("A resend takes at most {MAX_MESSAGES} messages: narrow the list, by its period for one"))
}

/// Decides on messages, some at a time, the newest first.
struct Verdicts<'a> {
    app: &'a App,
    viewer: &'a Viewer,
    found: Vec<(EmailId, Verdict)>,
    /// Those of them whose codes, links or days may have passed.
    outdated: HashSet<EmailId>,
    /// Those of them to addresses that the team does not write to any more.
    suppressed: HashMap<EmailId, Reached>,
    /// Which message of the job speaks for each family, by the family's first.
    families: HashMap<EmailId, EmailId>,
    /// Whether what an adapter is to send can be sent.
    adapters: HashMap<Option<AdapterId>, bool>,
}

impl<'a> Verdicts<'a> {
    fn new(app: &'a App, viewer: &'a Viewer) -> Self {
        Self {
            app,
            viewer,
            found: Vec::new(),
            outdated: HashSet::new(),
            suppressed: HashMap::new(),
            families: HashMap::new(),
            adapters: HashMap::new(),
        }
    }

    async fn add(&mut self, emails: &[Email]) -> Result<(), AppError> {
        let ids: Vec<EmailId> = emails.iter().map(|email| email.id).collect();
        let events = self.app.store.list_events_of(self.viewer.team, &ids).await?;
        let contents = self.app.store.list_variables(self.viewer.team, &ids).await?;
        let contents: HashMap<EmailId, Value> = contents.into_iter().collect();
        self.look_for_suppressed(emails).await?;
        let (now, sees_contents) = (self.app.clock.now(), sees_contents(self.viewer));
        for email in emails {
            let events = events.get(&email.id).map(Vec::as_slice).unwrap_or_default();
            let variables = contents.get(&email.id);
            let verdict = self.decide(email, events, variables.is_some()).await?;
            self.found.push((email.id, verdict));
            let shown = variables.filter(|_| sees_contents && email.marked_variables.is_empty());
            if staleness(email, shown.unwrap_or(&Value::Null), now).is_some() {
                self.outdated.insert(email.id);
            }
        }
        Ok(())
    }

    async fn look_for_suppressed(&mut self, emails: &[Email]) -> Result<(), AppError> {
        let emails = || emails.iter().filter(|email| email.channel == Channel::Email);
        let addresses = emails().flat_map(|email| &email.recipients).map(|recipient| mailbox_key(&recipient.address));
        let addresses: HashSet<String> = addresses.collect();
        let addresses: Vec<String> = addresses.into_iter().collect();
        let found = self.app.store.find_suppressed(self.viewer.team, &addresses).await?;
        let unwritten = persons::find_unwritten(self.app, self.viewer.team, &addresses).await?;
        let found =
            found.into_iter().map(|(address, ..)| address).chain(unwritten.into_iter().map(|(address, _)| address));
        let found: HashSet<String> = found.collect();
        for email in emails() {
            let is_left = |recipient: &&Recipient| !found.contains(&mailbox_key(&recipient.address));
            let left = email.recipients.iter().filter(is_left).count();
            if left < email.recipients.len() {
                self.suppressed.insert(email.id, if left == 0 { Reached::Nobody } else { Reached::Some });
            }
        }
        Ok(())
    }

    async fn decide(&mut self, email: &Email, events: &[EmailEvent], has_body: bool) -> Result<Verdict, AppError> {
        if let Some(obstacle) = email.resend_obstacle(self.viewer.resend_rule()) {
            return Ok(Verdict::Cannot(obstacle.to_owned()));
        }
        if email.recipients.is_empty() {
            return Ok(Verdict::Cannot("It has no recipient".to_owned()));
        }
        if !has_body {
            return Ok(Verdict::Cannot("Its body is not kept any more".to_owned()));
        }
        if !self.can_send(email).await? {
            return Ok(Verdict::Cannot("The team has no email adapter to send it by".to_owned()));
        }
        let mut first = email.id;
        if email.resend_of.is_some() || !email.resent_as.is_empty() {
            let family = self.app.store.find_family(self.viewer.team, email.id).await?;
            first = family.first().map_or(email.id, |first| first.id);
            if let Some(waiting) = family.iter().find(|relative| relative.is_waiting) {
                let words = match waiting.id == email.id {
                    true => "It is still being sent itself",
                    false => "It is being resent already",
                };
                return Ok(Verdict::Cannot(words.to_owned()));
            }
            if let Some(other) = self.families.get(&first) {
                return Ok(Verdict::SameAs(*other));
            }
            if let Some(sent) = newest_sent(&family, email.id) {
                self.families.insert(first, email.id);
                return Ok(Verdict::ResentAlready { id: sent.id, reach: sent.reach });
            }
        }
        self.families.insert(first, email.id);
        if let Some(reach) = email.reach().filter(|_| !email.status.can_be_resent()) {
            return Ok(Verdict::WentOut { id: email.id, reach });
        }
        let class: Option<FailureClass> = failures::diagnosis_of(email, events).map(|diagnosis| diagnosis.class);
        Ok(match class {
            Some(class) if likely_fails_again(class) => Verdict::LikelyToFail(class),
            class => Verdict::Resend { class, known: None },
        })
    }

    /// Whether the adapter of a message is there, or another that takes its place.
    async fn can_send(&mut self, email: &Email) -> Result<bool, AppError> {
        if email.channel != Channel::Email {
            // It waits for an adapter, where there is none.
            return Ok(true);
        }
        if let Some(known) = self.adapters.get(&email.adapter_id) {
            return Ok(*known);
        }
        let (store, team) = (&self.app.store, self.viewer.team);
        let own = match email.adapter_id {
            Some(id) => store.find_adapter(team, id).await?.is_some(),
            None => false,
        };
        let can = own || store.find_default_adapter(team, Channel::Email).await?.is_some();
        self.adapters.insert(email.adapter_id, can);
        Ok(can)
    }
}
