//! The demo's notifications: something that one customer is told over several channels at once, each a message of its
//! own. They have a source of randomness of their own, so that the other messages do not depend on them.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::calendar::Calendar;
use super::catalogue::{address, token};
use super::people::{Customer, customers};
use super::requests;
use super::setting::{DEFAULT_ADAPTER, Setting};
use super::{DemoOptions, by_share, read_data};
use crate::domain::api_request::ApiRequest;
use crate::domain::channel::Channel;
use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::domain::ids::{EmailId, EventId, JobId, NotificationId, lowest_id_at};
use crate::domain::notification::{Notification, NotificationChannel};
use crate::server::store::bulk::{HistoricEmail, Waiting};
use crate::server::store::emails::NewEmail;
use crate::server::store::events::EmailFacts;

/// Ids of notifications and of their messages within a millisecond begin here; the other messages' end before.
const ID_BAND: i64 = 1 << 14;

const SENDER: &str = "Finch <hello@finch.example>";

/// What customers are told, and by whom. Source: `notifications.json`.
#[derive(Deserialize)]
struct Words {
    occasions: Vec<Occasion>,
    services: Vec<Service>,
    /// Where messages are read.
    #[serde(borrow)]
    places: Vec<&'static str>,
}

/// Something that customers are told.
#[derive(Deserialize)]
struct Occasion {
    kind: &'static str,
    channels: Vec<Channel>,
    /// `{name}`, `{code}` and `{number}` are filled in.
    title: &'static str,
    text: &'static str,
}

/// Who carries the messages of a channel.
#[derive(Deserialize)]
struct Service {
    channel: Channel,
    name: &'static str,
    host: &'static str,
    protocol: &'static str,
    outcomes: Vec<Outcome>,
}

/// How a message ends: it fails with a reply, in which `{to}` is filled in, or it arrives.
#[derive(Deserialize)]
struct Outcome {
    /// Of twelve messages.
    share: u32,
    #[serde(default)]
    failure: Option<EventKind>,
    cause: Option<EventCause>,
    #[serde(default)]
    reply: &'static str,
    /// How many of four are read once they arrived.
    #[serde(default)]
    read_of_four: u32,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| read_data(include_str!("notifications.json")));

/// Notifications with everything that belongs to them.
#[derive(Default)]
pub(super) struct Notifications {
    pub notifications: Vec<Notification>,
    pub emails: Vec<HistoricEmail>,
    pub requests: Vec<ApiRequest>,
}

/// About one message in twelve of the demo is a part of a notification.
pub(super) fn make(setting: &Setting, options: &DemoOptions) -> Notifications {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed ^ 0x006e_7466);
    let count = (options.messages / 30).clamp(4, 200);
    let calendar = Calendar::new(options.now, options.days);
    let customers = customers(&mut rng, 40);
    // The last three are of the last hours, so that the first page of the log has some.
    let mut moments: Vec<DateTime<Utc>> = (3..count).map(|_| calendar.moment(&mut rng)).collect();
    moments.extend([9_000, 2_700, 240].map(|age_s| options.now - TimeDelta::seconds(age_s)));
    moments.sort();
    let mut made = Notifications::default();
    for (index, at) in moments.into_iter().enumerate() {
        let occasion = &WORDS.occasions[(index + 1) % WORDS.occasions.len()];
        let Some(customer) = customers.choose(&mut rng) else { break };
        // The newest waits for its push message's adapter, which the team has not yet.
        let is_newest = index + 1 == count;
        let occasion = if is_newest { &WORDS.occasions[0] } else { occasion };
        Maker { rng: &mut rng, setting, now: options.now, at, occasion, customer, is_newest }.add_to(&mut made);
    }
    made
}

struct Maker<'a> {
    rng: &'a mut ChaCha8Rng,
    setting: &'a Setting,
    now: DateTime<Utc>,
    at: DateTime<Utc>,
    occasion: &'a Occasion,
    customer: &'a Customer,
    is_newest: bool,
}

impl Maker<'_> {
    fn add_to(mut self, made: &mut Notifications) {
        let first_id = lowest_id_at(self.at) + ID_BAND + self.rng.random_range(0..1_i64 << 12) * 8;
        let id = NotificationId(first_id);
        let user = format!("customer-{}", token(self.rng, 6));
        let number = self.rng.random_range(100_000..999_999).to_string();
        let code = format!("PX{}", token(self.rng, 8));
        let words = |text: &str| {
            let name = &self.customer.first_name;
            text.replace("{name}", name).replace("{number}", &number).replace("{code}", &code)
        };
        let (title, text) = (words(self.occasion.title), words(self.occasion.text));
        let (mut warnings, mut ignored_channels) = (Vec::new(), Vec::new());
        let mut emails = Vec::new();
        for (place, channel) in (1..).zip(&self.occasion.channels) {
            // Not everybody has left a telephone number or a device.
            let can_be_reached = self.is_newest || *channel == Channel::Email || self.rng.random_ratio(4, 5);
            if can_be_reached {
                emails.push(self.message(EmailId(first_id + place), id, *channel, &user, &title, &text));
            } else {
                ignored_channels
                    .extend(NotificationChannel::ALL.into_iter().find(|named| named.message_channel() == *channel));
                warnings.push(match channel {
                    Channel::Sms | Channel::Call => format!("{} was left out: the user has no number", channel.label()),
                    Channel::Email | Channel::Push | Channel::InApp => {
                        format!("{} was left out: the user has no device", channel.label())
                    }
                });
            }
        }
        let request = requests::of_notification(self.rng, self.setting, self.occasion.kind, &user, id);
        for historic in &mut emails {
            historic.email.api_request_id = Some(request.id);
        }
        made.notifications.push(Notification {
            id,
            kind: self.occasion.kind.to_owned(),
            external_user_id: Some(user),
            api_request_id: Some(request.id),
            warnings,
            ignored_channels,
        });
        made.requests.push(request);
        made.emails.extend(emails);
    }

    fn message(
        &mut self,
        id: EmailId,
        notification_id: NotificationId,
        channel: Channel,
        user: &str,
        title: &str,
        text: &str,
    ) -> HistoricEmail {
        let (to, name) = match channel {
            Channel::Email => (self.customer.address.clone(), Some(self.customer.name.clone())),
            // Ofcom keeps these numbers free for drama.
            Channel::Sms | Channel::Call => (format!("+447700900{:03}", self.rng.random_range(0..1000)), None),
            Channel::Push | Channel::InApp => (user.to_owned(), None),
        };
        let is_email = channel == Channel::Email;
        let waits = self.is_newest && channel == Channel::Push;
        let mut timeline = Timeline {
            rng: self.rng,
            now: self.now,
            at: self.at,
            last: 0,
            facts: EmailFacts::default(),
            events: Vec::new(),
        };
        timeline.begin();
        if !waits {
            timeline.tell(channel, &to);
        }
        let Timeline { events, facts, .. } = timeline;
        let pending = vec![to.clone()];
        let email = NewEmail {
            notification_id: Some(notification_id),
            external_user_id: Some(user.to_owned()),
            adapter_id: is_email.then(|| self.setting.adapter(DEFAULT_ADAPTER)),
            api_key_id: Some(self.setting.checkout_key),
            recipients: vec![Recipient { kind: RecipientKind::To, address: to, name }],
            from_address: if is_email { SENDER.to_owned() } else { String::new() },
            subject: match channel {
                Channel::Email | Channel::Push | Channel::InApp => title.to_owned(),
                Channel::Sms | Channel::Call => String::new(),
            },
            tags: vec![self.occasion.kind.to_owned()],
            html: is_email.then(|| format!("<p>{text}</p>")),
            text: Some(text.to_owned()),
            events: events.into_iter().map(Into::into).collect(),
            ..NewEmail::blank(id, JobId(id.0), channel)
        };
        let waiting = waits.then_some(Waiting { pending, attempts: 0, next_attempt_at: None, trace: None });
        HistoricEmail { email, facts, waiting }
    }
}

/// What happens to one message, as the channel's service reports it.
struct Timeline<'a> {
    rng: &'a mut ChaCha8Rng,
    now: DateTime<Utc>,
    at: DateTime<Utc>,
    last: i64,
    facts: EmailFacts,
    events: Vec<EmailEvent>,
}

impl Timeline<'_> {
    fn begin(&mut self) {
        let by = EventDetail { message: Some("by API key “checkout-prod”".to_owned()), ..EventDetail::default() };
        self.add(EventKind::Requested, by, 1..6);
        self.add(EventKind::Queued, EventDetail::default(), 1..9);
    }

    fn tell(&mut self, channel: Channel, to: &str) {
        let Some(service) = WORDS.services.iter().find(|service| service.channel == channel) else { return };
        let sent = EventDetail {
            message: Some(format!("Handed to {}", service.name)),
            server: Some(service.host.to_owned()),
            server_ip: Some(format!("203.0.113.{}", self.rng.random_range(40..90))),
            protocol: Some(service.protocol.to_owned()),
            ..EventDetail::default()
        };
        self.add(EventKind::Sent, sent, 200..2_400);
        self.facts.provider_message_id = Some(token(self.rng, 20));
        let ticket = self.rng.random_range(0..12);
        let Some(outcome) = by_share(&service.outcomes, ticket, |outcome| outcome.share) else { return };
        match outcome.failure {
            Some(kind) => self.fail(kind, outcome.cause, outcome.reply.replace("{to}", to)),
            None => self.arrive(outcome.cause, outcome.read_of_four),
        }
    }

    /// It arrives, and `read_of_four` of four are read.
    fn arrive(&mut self, cause: Option<EventCause>, read_of_four: u32) {
        self.add(EventKind::Delivered, EventDetail { cause, ..EventDetail::default() }, 400..9_000);
        if self.rng.random_ratio(read_of_four, 4) {
            let read = EventDetail {
                user_agent: Some("Finch/4.12 (iPhone; iOS 18.5)".to_owned()),
                ip: Some(address(self.rng)),
                country: WORDS.places.choose(self.rng).map(|place| (*place).to_owned()),
                ..EventDetail::default()
            };
            self.add(EventKind::Opened, read, 6_000..2_000_000);
        }
    }

    fn fail(&mut self, kind: EventKind, cause: Option<EventCause>, reply: String) {
        let detail = EventDetail { cause, reply: Some(reply.clone()), ..EventDetail::default() };
        if self.add(kind, detail, 900..20_000) {
            self.facts.error_message = Some(reply);
        }
    }

    /// Adds an event some milliseconds later, unless it is still to come.
    fn add(&mut self, kind: EventKind, detail: EventDetail, after_ms: std::ops::Range<i64>) -> bool {
        self.at += TimeDelta::milliseconds(self.rng.random_range(after_ms));
        if self.at > self.now {
            return false;
        }
        let id = lowest_id_at(self.at) + self.rng.random_range(0..1_i64 << 19);
        self.last = id.max(self.last + 1);
        self.events.push(EmailEvent { id: EventId(self.last), kind, at: self.at, recipient: None, detail });
        true
    }
}
