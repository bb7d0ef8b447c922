//! The demo's messages: planned at once, so that the numbers are right, then composed a batch at a time.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::calendar::{Calendar, incident_start};
use super::catalogue::{self, Kind, SPECS, Spec, Values};
use super::history::{self, History, Outcome, Subject};
use super::people::{BLOCKING_PROVIDER, Customer, customers, customers_at};
use super::setting::{BACKUP_ADAPTER, DEFAULT_ADAPTER, Setting};
use super::{DemoOptions, pdf, requests};
use crate::domain::api_request::ApiRequest;
use crate::domain::channel::Channel;
use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, JobId, lowest_id_at};
use crate::server::render::render_own_template;
use crate::server::store::bulk::HistoricEmail;
use crate::server::store::emails::{Attachment, NewEmail};

/// Messages in one batch.
const BATCH: usize = 1000;

/// A message that is to be composed.
#[derive(Clone)]
struct Plan {
    at: DateTime<Utc>,
    spec: &'static Spec,
    outcome: Outcome,
    /// What other plans call it by.
    number: usize,
    /// The plan of the message that it sends again.
    resends: Option<usize>,
    is_resent: bool,
}

/// Composes the planned messages in the order of time.
pub(super) struct Composer {
    rng: ChaCha8Rng,
    setting: Setting,
    now: DateTime<Utc>,
    customers: Vec<Customer>,
    blocked: Vec<Customer>,
    /// The places of those whom nothing reaches any more, and why.
    lost: Vec<(usize, Outcome)>,
    /// The addresses that are told something otherwise, too.
    told: HashSet<String>,
    plans: std::vec::IntoIter<Plan>,
    /// The messages that later ones send again.
    resent: HashMap<usize, NewEmail>,
    last_email: i64,
    last_job: i64,
}

/// Messages, and the API requests that some of them came in.
pub(super) struct Batch {
    pub emails: Vec<HistoricEmail>,
    pub requests: Vec<ApiRequest>,
}

impl Composer {
    /// Plans every message.
    pub fn new(mut rng: ChaCha8Rng, setting: Setting, options: &DemoOptions, told: HashSet<String>) -> Self {
        let plans = plan(&mut rng, options);
        let customers = customers(&mut rng, (options.messages / 16).clamp(60, 1_500));
        let blocked = plans.iter().filter(|plan| plan.outcome == Outcome::Blocked).count();
        let blocked = customers_at(&mut rng, BLOCKING_PROVIDER, blocked.clamp(1, 400));
        Self {
            rng,
            setting,
            now: options.now,
            customers,
            blocked,
            lost: Vec::new(),
            told,
            plans: plans.into_iter(),
            resent: HashMap::new(),
            last_email: 0,
            last_job: 0,
        }
    }

    /// The next messages; none after the last.
    pub fn next_batch(&mut self) -> Result<Batch, AppError> {
        let plans: Vec<Plan> = self.plans.by_ref().take(BATCH).collect();
        let mut batch = Batch { emails: Vec::with_capacity(plans.len()), requests: Vec::new() };
        for plan in plans {
            let mut historic = self.compose(&plan)?;
            if historic.email.api_key_id.is_some() && self.is_logged(&plan) {
                let request = requests::of_email(&mut self.rng, &self.setting, plan.spec, &historic.email);
                historic.email.api_request_id = Some(request.id);
                batch.requests.push(request);
            }
            batch.emails.push(historic);
        }
        Ok(batch)
    }

    /// Whether the API request of a message is still in the log: of the last day every one, of older ones a few.
    fn is_logged(&mut self, plan: &Plan) -> bool {
        self.now - plan.at < TimeDelta::days(1) || self.rng.random_ratio(1, 12)
    }

    fn compose(&mut self, plan: &Plan) -> Result<HistoricEmail, AppError> {
        let id = EmailId(mint(&mut self.rng, plan.at, &mut self.last_email));
        let job_id = JobId(mint(&mut self.rng, plan.at, &mut self.last_job));
        let original = plan.resends.and_then(|number| self.resent.get(&number)).cloned();
        let (mut email, values) = match original {
            Some(original) => (self.copy(original, id, job_id), None),
            None => {
                let (email, values) = self.write(plan, id, job_id)?;
                (email, Some(values))
            }
        };
        let requested = match (email.resend_of, email.api_key_id) {
            (Some(original), _) => format!("Resent from {original} by {}", self.setting.resender),
            (None, Some(_)) => format!("by API key “{}”", self.setting.key_for(plan.spec).1),
            (None, None) => format!("by {}", self.setting.resender),
        };
        let links = values.map(|values| values.links).unwrap_or_default();
        let subject = Subject {
            accepted_at: plan.at,
            now: self.now,
            spec: plan.spec,
            recipients: email.recipients.iter().map(|recipient| recipient.address.as_str()).collect(),
            links: &links,
            adapter: self.setting.adapter_name(email.adapter_id),
            has_attachment: !email.attachments.is_empty(),
            requested,
        };
        let History { events, facts, waiting } = history::tell(&mut self.rng, &subject, plan.outcome);
        email.events = events;
        if plan.is_resent {
            // The copy may arrive.
            self.told.extend(email.recipients.iter().map(|recipient| recipient.address.clone()));
            self.resent.insert(plan.number, email.clone());
        }
        Ok(HistoricEmail { email, facts, waiting })
    }

    fn write(&mut self, plan: &Plan, id: EmailId, job_id: JobId) -> Result<(NewEmail, Values), AppError> {
        let customer = self.customer(plan);
        let (template_id, version_id, source) = self.setting.version_at(plan.spec, plan.at);
        let values = catalogue::values(&mut self.rng, plan.spec.kind, &customer, plan.at);
        let rendered = render_own_template(source, &values.variables)?;
        let adapter = if self.rng.random_ratio(1, 35) { BACKUP_ADAPTER } else { DEFAULT_ADAPTER };
        let mut tags: Vec<String> = plan.spec.tags.iter().map(|&tag| tag.to_owned()).collect();
        tags.push(customer.country.region.to_owned());
        let attachments = values.document.iter().map(|number| {
            let noun = if plan.spec.kind == Kind::InvoiceReminder { "Invoice" } else { "Receipt" };
            Attachment {
                filename: format!("{}-{}.pdf", noun.to_lowercase(), number.to_lowercase()),
                content_type: "application/pdf".to_owned(),
                content: pdf::page(&format!("{noun} {number}")),
                content_id: None,
            }
        });
        let email = NewEmail {
            template: Some((template_id, version_id)),
            adapter_id: Some(self.setting.adapter(adapter)),
            api_key_id: Some(self.setting.key_for(plan.spec).0),
            recipients: self.recipients(plan, &customer),
            from_address: plan.spec.from.to_owned(),
            reply_to: plan.spec.reply_to.map(str::to_owned),
            subject: rendered.subject,
            tags,
            variables: values.variables.clone(),
            metadata: json!({ "customer": format!("cus_{}", catalogue::token(&mut self.rng, 8)) }),
            html: rendered.html,
            text: rendered.text,
            attachments: attachments.collect(),
            ..NewEmail::blank(id, job_id, Channel::Email)
        };
        Ok((email, values))
    }

    /// The same message again, as a person sends it from the log.
    fn copy(&mut self, original: NewEmail, id: EmailId, job_id: JobId) -> NewEmail {
        NewEmail { id, job_id, api_key_id: None, api_request_id: None, resend_of: Some(original.id), ..original }
    }

    fn customer(&mut self, plan: &Plan) -> Customer {
        if plan.outcome == Outcome::Blocked {
            return self.blocked[plan.number % self.blocked.len()].clone();
        }
        let is_lost = matches!(plan.outcome, Outcome::Gone | Outcome::Suppressed);
        let alike: Vec<usize> =
            self.lost.iter().filter(|(_, why)| *why == plan.outcome).map(|(place, _)| *place).collect();
        if is_lost
            && self.rng.random_ratio(1, 4)
            && let Some(place) = alike.choose(&mut self.rng)
        {
            return self.customers[*place].clone();
        }
        let count = self.customers.len();
        loop {
            // Some customers hear from us more often than others.
            let place = self.rng.random_range(0..count).min(self.rng.random_range(0..count));
            let customer = &self.customers[place];
            if self.lost.iter().any(|(lost, _)| *lost == place) || is_lost && self.told.contains(&customer.address) {
                continue;
            }
            if is_lost {
                self.lost.push((place, plan.outcome));
            }
            return customer.clone();
        }
    }

    fn recipients(&mut self, plan: &Plan, customer: &Customer) -> Vec<Recipient> {
        let recipient = |kind, address: String, name: Option<String>| Recipient { kind, address, name };
        let has_name = self.rng.random_ratio(24, 25);
        let mut recipients =
            vec![recipient(RecipientKind::To, customer.address.clone(), has_name.then(|| customer.name.clone()))];
        let domain = customer.address.rsplit('@').next().unwrap_or_default();
        match plan.spec.kind {
            Kind::InvoiceReminder if customer.company.is_some() && self.rng.random_ratio(1, 4) => {
                let name = Some("Accounts".to_owned());
                recipients.push(recipient(RecipientKind::Cc, format!("accounts@{domain}"), name));
            }
            Kind::Booking if self.rng.random_ratio(1, 6) => {
                let place = self.rng.random_range(0..self.customers.len());
                let is_lost = self.lost.iter().any(|(lost, _)| *lost == place);
                let companion =
                    Some(&self.customers[place]).filter(|other| !is_lost && other.address != customer.address);
                recipients.extend(
                    companion
                        .map(|other| recipient(RecipientKind::To, other.address.clone(), Some(other.name.clone()))),
                );
            }
            Kind::OrderReceipt if self.rng.random_ratio(1, 40) => {
                recipients.push(recipient(RecipientKind::Bcc, "archive@finch.example".to_owned(), None));
            }
            _ => {}
        }
        recipients
    }
}

/// The next id at `at`, larger than the last one.
fn mint(rng: &mut ChaCha8Rng, at: DateTime<Utc>, last: &mut i64) -> i64 {
    let id = lowest_id_at(at) + rng.random_range(0..1_i64 << 12);
    *last = id.max(*last + 1);
    *last
}

fn plan(rng: &mut ChaCha8Rng, options: &DemoOptions) -> Vec<Plan> {
    let (total, now) = (options.messages, options.now);
    // So many in ten thousand messages, at least so many.
    let share = |of_10_000: usize, least: usize| (total * of_10_000 / 10_000).max(least);
    let waiting = plans_that_wait(now);
    let has_incident = options.days > 6;
    let blocked = if has_incident { share(60, 6) } else { 0 };
    let resends = share(8, 2);
    let special = (waiting.len() + blocked + resends).min(total);
    let calendar = Calendar::new(now, options.days);
    let mut outcomes = Vec::with_capacity(total);
    for (outcome, count) in [
        (Outcome::Spam, share(6, 1)),
        (Outcome::Fails, share(40, 4)),
        (Outcome::Suppressed, share(10, 1)),
        (Outcome::Gone, share(130, 6)),
        (Outcome::Bounces, share(42, 3)),
        (Outcome::Sent, share(125, 4)),
    ] {
        outcomes.extend(std::iter::repeat_n(outcome, count));
    }
    outcomes.resize(total - special, Outcome::Arrives);
    outcomes.shuffle(rng);
    let mut plans: Vec<Plan> = Vec::with_capacity(total);
    for outcome in outcomes {
        let at = calendar.moment(rng);
        plans.push(Plan::new(at, catalogue::choose(rng, at), outcome));
    }
    let start = incident_start(now);
    for _ in 0..blocked {
        // More at the beginning: most of a batch goes out at once.
        let minutes = rng.random_range(0..160).min(rng.random_range(0..160));
        let at = start + TimeDelta::minutes(minutes) + TimeDelta::milliseconds(rng.random_range(0..60_000));
        let kind = if rng.random_ratio(3, 4) { Kind::InvoiceReminder } else { Kind::OrderReceipt };
        plans.push(Plan::new(at, spec_of(kind), Outcome::Blocked));
    }
    plans.extend(waiting);
    plans.truncate(total - resends.min(total));
    for (number, plan) in plans.iter_mut().enumerate() {
        plan.number = number;
    }
    add_resends(rng, &mut plans, resends.min(total), now);
    plans.sort_by_key(|plan| (plan.at, plan.number));
    plans
}

/// The messages of the last minutes that are still to be sent.
fn plans_that_wait(now: DateTime<Utc>) -> Vec<Plan> {
    let waits = |age_s, kind, outcome| Plan::new(now - TimeDelta::seconds(age_s), spec_of(kind), outcome);
    vec![
        waits(2_310, Kind::ShippingUpdate, Outcome::WaitsAgain),
        waits(1_140, Kind::Digest, Outcome::WaitsAgain),
        waits(410, Kind::VerifyEmail, Outcome::WaitsAgain),
        waits(200, Kind::OrderReceipt, Outcome::WaitsAgain),
        waits(6, Kind::PasswordReset, Outcome::Waits),
        waits(3, Kind::OrderReceipt, Outcome::Waits),
    ]
}

/// Adds `count` messages that send bounced or failed ones again, some time after.
fn add_resends(rng: &mut ChaCha8Rng, plans: &mut Vec<Plan>, count: usize, now: DateTime<Utc>) {
    let is_candidate = |plan: &&mut Plan| {
        matches!(plan.outcome, Outcome::Bounces | Outcome::Fails) && now - plan.at > TimeDelta::days(1)
    };
    let mut candidates: Vec<&mut Plan> = plans.iter_mut().filter(is_candidate).collect();
    candidates.shuffle(rng);
    let mut again = Vec::new();
    for original in candidates.into_iter().take(count) {
        original.is_resent = true;
        let at = original.at + TimeDelta::milliseconds(rng.random_range(1_500_000..80_000_000));
        let outcome = if rng.random_ratio(1, 6) { Outcome::Bounces } else { Outcome::Arrives };
        again.push(Plan { resends: Some(original.number), ..Plan::new(at, original.spec, outcome) });
    }
    while again.len() < count {
        again.push(Plan::new(now - TimeDelta::hours(5), spec_of(Kind::OrderReceipt), Outcome::Arrives));
    }
    for mut plan in again {
        plan.number = plans.len();
        plans.push(plan);
    }
}

fn spec_of(kind: Kind) -> &'static Spec {
    SPECS.iter().find(|spec| spec.kind == kind).unwrap_or(&SPECS[0])
}

impl Plan {
    fn new(at: DateTime<Utc>, spec: &'static Spec, outcome: Outcome) -> Self {
        Self { at, spec, outcome, number: 0, resends: None, is_resent: false }
    }
}
