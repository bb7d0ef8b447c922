//! What happens to one message of the demo, told as the worker and a provider's reports tell it: the events, the
//! provider's id, the reason of a failure, the next attempt.

use std::sync::LazyLock;

use chrono::{DateTime, TimeDelta, Utc};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;

use super::catalogue::{Spec, address, token};
use super::people::BLOCKING_PROVIDER;
use super::setting::BACKUP_ADAPTER;
use super::{by_share, read_data};
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::failure::refusal_words;
use crate::domain::ids::{EventId, lowest_id_at};
use crate::server::store::bulk::Waiting;
use crate::server::store::events::{EmailFacts, NewEvent};

/// How a message's story ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It arrives; whether it is read depends on the template.
    Arrives,
    /// The provider reports nothing after it took it.
    Sent,
    /// The recipient's server refuses it, for now or for what it says.
    Bounces,
    /// There is no such mailbox, or none any more: nothing arrives there afterwards.
    Gone,
    /// The incident: the recipient's provider blocks us.
    Blocked,
    /// It cannot be sent.
    Fails,
    /// The provider sends nothing to this recipient any more.
    Suppressed,
    /// The recipient complains.
    Spam,
    /// It waits for its first attempt.
    Waits,
    /// It waits for another attempt.
    WaitsAgain,
}

/// How many tries the worker makes, and after how many seconds the next one follows.
const RETRY_DELAYS_S: [i64; 7] = [30, 120, 600, 1_800, 3_600, 10_800, 21_600];
const TRIES: usize = RETRY_DELAYS_S.len() + 1;

/// What mail programs and mail servers say. Source: `history.json`.
#[derive(Deserialize)]
struct Words {
    /// Mail programs, with how common each is.
    #[serde(borrow)]
    readers: Vec<(&'static str, u32)>,
    soft_replies: Vec<&'static str>,
    /// What servers say of a mailbox that is gone, with how many of ten say so. `{address}` is filled in.
    no_mailbox: Vec<(u32, &'static str)>,
    /// The same of other refusals.
    refusals: Vec<(u32, &'static str)>,
    /// Large providers, with the domains that they take mail in for here. Their servers are called as they are in truth, as
    /// a search by provider knows them; nothing leads there.
    receivers: Vec<Receiver>,
}

#[derive(Deserialize)]
struct Receiver {
    domains: Vec<String>,
    mx: String,
    /// What it says of a mailbox that is gone, and what it refuses otherwise. `{address}` is filled in.
    no_mailbox: String,
    refusal: String,
}

/// Who takes mail in for this address.
fn receiver_of(address: &str) -> Option<&'static Receiver> {
    let domain = domain_of(address);
    WORDS.receivers.iter().find(|receiver| receiver.domains.iter().any(|known| known == domain))
}

static WORDS: LazyLock<Words> = LazyLock::new(|| read_data(include_str!("history.json")));

/// What the history of a message depends on.
pub(super) struct Subject<'a> {
    pub accepted_at: DateTime<Utc>,
    pub now: DateTime<Utc>,
    pub spec: &'a Spec,
    /// Every address, the `To` recipients first.
    pub recipients: Vec<&'a str>,
    pub links: &'a [String],
    pub adapter: &'a str,
    pub has_attachment: bool,
    /// Who asked for it: "by API key “crm”".
    pub requested: String,
}

/// A message's story.
pub(super) struct History {
    pub events: Vec<NewEvent>,
    pub facts: EmailFacts,
    pub waiting: Option<Waiting>,
}

/// Tells the story of a message. What would happen after `now` has not happened.
pub(super) fn tell(rng: &mut ChaCha8Rng, subject: &Subject, outcome: Outcome) -> History {
    let mut teller = Teller {
        rng,
        subject,
        at: subject.accepted_at,
        last_event: EventId(0),
        history: History { events: Vec::new(), facts: EmailFacts::default(), waiting: None },
    };
    teller.is_accepted();
    match outcome {
        Outcome::Waits => teller.waits(0),
        Outcome::WaitsAgain => teller.waits_again(),
        Outcome::Fails => teller.fails(),
        Outcome::Suppressed => teller.is_suppressed(),
        Outcome::Bounces => {
            let reply = teller.refusal(false);
            teller.bounces(reply, false);
        }
        Outcome::Gone => {
            let reply = teller.refusal(true);
            teller.bounces(reply, false);
        }
        Outcome::Blocked => {
            let reply = teller.blocked_reply();
            teller.bounces(reply, true);
        }
        Outcome::Sent => teller.is_sent(),
        Outcome::Arrives => {
            teller.is_delivered();
            teller.is_read();
        }
        Outcome::Spam => {
            teller.is_delivered();
            teller.is_reported();
        }
    }
    teller.history
}

struct Teller<'a> {
    rng: &'a mut ChaCha8Rng,
    subject: &'a Subject<'a>,
    /// When the latest event happened.
    at: DateTime<Utc>,
    last_event: EventId,
    history: History,
}

impl Teller<'_> {
    fn is_accepted(&mut self) {
        if self.one_in(60) {
            self.add(EventKind::Triggered, None, message("Order event received"));
            self.pass(5, 40);
        }
        let requested = self.subject.requested.clone();
        self.add(EventKind::Requested, None, EventDetail { message: Some(requested), ..EventDetail::default() });
        if self.one_in(900) && self.is_old() {
            self.add(EventKind::FailedToQueue, None, message("The queue did not answer; tried again"));
            self.pass(900, 4_000);
        }
        self.add(EventKind::Queued, None, EventDetail::default());
    }

    fn waits(&mut self, attempts: i64) {
        let next = self.at + TimeDelta::seconds(20);
        self.wait_until(attempts, next);
    }

    /// One or more tries were put off, and the next is due within the hour.
    fn waits_again(&mut self) {
        let age_s = (self.subject.now - self.subject.accepted_at).num_seconds();
        let reply = self.soft_reply();
        self.pass(400, 2_500);
        let (mut spent_s, mut tries) = (0, 0);
        while tries + 1 < RETRY_DELAYS_S.len() && spent_s + RETRY_DELAYS_S[tries] < age_s {
            self.is_put_off(tries, reply);
            self.at += TimeDelta::seconds(RETRY_DELAYS_S[tries]);
            spent_s += RETRY_DELAYS_S[tries];
            tries += 1;
        }
        self.is_put_off(tries, reply);
        let next = self.at + TimeDelta::seconds(RETRY_DELAYS_S[tries]);
        self.wait_until(tries as i64 + 1, next);
    }

    fn wait_until(&mut self, attempts: i64, next_attempt_at: DateTime<Utc>) {
        let pending = self.subject.recipients.iter().map(|&recipient| recipient.to_owned()).collect();
        self.history.waiting = Some(Waiting { pending, attempts, next_attempt_at: Some(next_attempt_at), trace: None });
    }

    /// The mail server asks to try again; the `tried + 1`th try.
    fn is_put_off(&mut self, tried: usize, reply: &str) {
        let words = format!("Try {} of {TRIES}; the next one in {}", tried + 1, spoken(RETRY_DELAYS_S[tried]));
        let subject = self.subject;
        for &recipient in &subject.recipients {
            self.add(EventKind::Deferred, Some(recipient), reply_with(&words, reply));
        }
    }

    /// The mail server takes it, after some tries perhaps.
    fn is_sent(&mut self) {
        self.pass(180, 2_600);
        if self.is_old() && self.one_in(32) {
            let tries = if self.one_in(4) { 3 } else { 1 };
            let reply = self.soft_reply();
            for (tried, delay_s) in RETRY_DELAYS_S.into_iter().enumerate().take(tries) {
                if tried == 0 && self.one_in(5) {
                    let words = format!("Try 1 of {TRIES}; the next one in {}", spoken(RETRY_DELAYS_S[tried]));
                    let reason = "Could not connect to the mail server: connection timed out";
                    self.add(EventKind::FailedToSend, None, reply_with(&words, reason));
                } else {
                    self.is_put_off(tried, reply);
                }
                self.pass(delay_s * 900, delay_s * 1_200);
            }
        }
        let subject = self.subject;
        self.is_taken_for(&subject.recipients);
    }

    fn is_taken_for(&mut self, recipients: &[&str]) {
        let id = self.provider_id();
        let words = format!("Handed to {}", self.subject.adapter);
        let is_backup = self.subject.adapter == BACKUP_ADAPTER;
        let reply = if is_backup { format!("250 2.0.0 Ok: queued as {id}") } else { format!("250 Ok {id}") };
        for recipient in recipients {
            self.add(EventKind::Sent, Some(recipient), reply_with(&words, &reply));
        }
        self.history.facts.provider_message_id = Some(id);
    }

    fn is_delivered(&mut self) {
        self.is_sent();
        if self.one_in(25) {
            self.pass(40, 400);
            self.add(EventKind::Processed, None, message("The provider took the message for delivery"));
        }
        if self.is_old() && self.one_in(60) {
            self.pass(900, 5_000);
            let words = message_of_server(self.subject.recipients[0], "put it off");
            let reply = self.soft_reply();
            self.add(EventKind::Deferred, None, reply_with(&words, reply));
            self.pass(240_000, 1_500_000);
        }
        let subject = self.subject;
        for &recipient in &subject.recipients {
            self.pass(700, 9_000);
            let words = message_of_server(recipient, "accepted it");
            let number = self.at.timestamp();
            let reply = format!("250 2.0.0 OK {number} {}", token(self.rng, 10));
            self.add(EventKind::Delivered, self.named(recipient), reply_of_server(recipient, &words, &reply));
        }
    }

    fn is_read(&mut self) {
        let ticket = self.rng.random_range(0..1000);
        if ticket >= self.subject.spec.opened {
            return;
        }
        let by = self.named(self.subject.recipients[0]);
        let reader = self.reader();
        let minutes = match self.rng.random_range(0..10) {
            0..4 => 7,
            4..7 => 75,
            7..9 => 480,
            _ => 2_400,
        };
        self.pass(6_000, minutes * 60_000);
        self.add(EventKind::Opened, by, reader.clone());
        if ticket < self.subject.spec.clicked {
            self.pass(2_000, 70_000);
            let first = self.subject.links.first().cloned();
            self.add(EventKind::Clicked, by, EventDetail { url: first, ..reader.clone() });
            if self.one_in(9) {
                self.pass(4_000, 900_000);
                let last = self.subject.links.last().cloned();
                self.add(EventKind::ReClicked, by, EventDetail { url: last, ..reader.clone() });
            }
        }
        if self.one_in(6) {
            self.pass(60_000, 30_000_000);
            self.add(EventKind::ReOpened, by, reader.clone());
        }
        let is_digest = self.subject.spec.name == "Digest";
        if is_digest && self.one_in(40) {
            self.pass(3_000, 60_000);
            self.add(EventKind::Unsubscribed, by, reader);
        }
    }

    fn is_reported(&mut self) {
        let by = self.named(self.subject.recipients[0]);
        let reader = self.reader();
        self.pass(40_000, 5_000_000);
        if self.one_in(2) {
            self.add(EventKind::Opened, by, reader);
            self.pass(4_000, 40_000);
        }
        let words = message_of_server(self.subject.recipients[0], "passed a complaint on");
        self.add(EventKind::ReportedAsSpam, by, message(&words));
    }

    /// The recipient's server refuses it: of several recipients, the first.
    fn bounces(&mut self, reply: String, is_blocked: bool) {
        let refused = self.subject.recipients[0];
        self.history.facts.error_message = Some(reply.clone());
        let at_once = is_blocked || self.subject.recipients.len() == 1 && self.one_in(3) || !self.is_old();
        if at_once {
            self.pass(300, 3_200);
            let words = reply_of_server(refused, refusal_words(&reply), &reply);
            self.add(EventKind::Bounced, Some(refused), words);
            return;
        }
        self.is_sent();
        let subject = self.subject;
        for &recipient in &subject.recipients {
            self.pass(900, 60_000);
            if recipient == refused {
                let words = message_of_server(recipient, "refused it");
                self.add(EventKind::Bounced, Some(recipient), reply_of_server(recipient, &words, &reply));
            } else {
                let words = message_of_server(recipient, "accepted it");
                self.add(EventKind::Delivered, Some(recipient), reply_of_server(recipient, &words, "250 2.0.0 OK"));
            }
        }
    }

    fn blocked_reply(&mut self) -> String {
        let host = self.rng.random_range(21..=28);
        format!(
            "550 5.7.1 Service unavailable; client host [203.0.113.{host}] blocked using our list, \
             see https://postmaster.{BLOCKING_PROVIDER}/blocked (S3150)"
        )
    }

    fn refusal(&mut self, is_gone: bool) -> String {
        let address = self.subject.recipients[0];
        let reply = match (receiver_of(address), is_gone) {
            (Some(receiver), true) => receiver.no_mailbox.as_str(),
            (Some(receiver), false) => receiver.refusal.as_str(),
            (None, _) => {
                let replies = if is_gone { &WORDS.no_mailbox } else { &WORDS.refusals };
                by_share(replies, self.rng.random_range(0..10), |(share, _)| *share).map_or("", |(_, reply)| *reply)
            }
        };
        reply.replace("{address}", address)
    }

    fn fails(&mut self) {
        let recipient = self.subject.recipients[0];
        self.pass(300, 2_500);
        match self.rng.random_range(0..10) {
            0..2 => {
                let reason = "The server stopped during the last attempt, so it is not known whether the message went \
                              out. Check with the recipient before you resend it.";
                self.pass(30_000, 60_000);
                self.history.facts.error_message = Some(reason.to_owned());
                self.add(EventKind::Uncertain, Some(recipient), message(reason));
            }
            2..5 if self.is_old_by(TimeDelta::hours(30)) => self.gives_up(recipient),
            _ if self.subject.has_attachment => {
                self.fails_for_good(recipient, "552 5.3.4 Message size exceeds fixed maximum message size");
            }
            _ => self.fails_for_good(recipient, "554 5.3.0 Transaction failed"),
        }
    }

    fn is_suppressed(&mut self) {
        let recipient = self.subject.recipients[0];
        let reason = "Recipient is on the account’s suppression list after a complaint";
        self.pass(300, 2_500);
        self.is_taken_for(&[recipient]);
        self.pass(400, 3_000);
        self.history.facts.error_message = Some(reason.to_owned());
        self.add(EventKind::Dropped, Some(recipient), message(reason));
    }

    fn fails_for_good(&mut self, recipient: &str, reply: &str) {
        self.history.facts.error_message = Some(reply.to_owned());
        let detail = reply_with("The message could not be sent and is not tried again", reply);
        self.add(EventKind::Failed, Some(recipient), detail);
    }

    fn gives_up(&mut self, recipient: &str) {
        let reply = "451 4.4.1 No answer from host, try again later";
        for (tried, delay_s) in RETRY_DELAYS_S.into_iter().enumerate() {
            self.is_put_off(tried, reply);
            self.at += TimeDelta::seconds(delay_s);
        }
        let words = format!("Gave up after {TRIES} tries");
        self.history.facts.error_message = Some(format!("{words}: {reply}"));
        self.add(EventKind::Failed, Some(recipient), reply_with(&words, reply));
    }

    /// Adds an event, unless it is still to come.
    fn add(&mut self, kind: EventKind, recipient: Option<&str>, detail: EventDetail) {
        if self.at > self.subject.now {
            return;
        }
        let id = lowest_id_at(self.at) + self.rng.random_range(0..1_i64 << 19);
        self.last_event = EventId(id.max(self.last_event.0 + 1));
        let recipient = recipient.map(str::to_owned);
        let event = EmailEvent { id: self.last_event, kind, at: self.at, recipient, detail };
        self.history.events.push(event.into());
        self.pass(1, 8);
    }

    /// Lets some time pass, in milliseconds.
    fn pass(&mut self, least_ms: i64, most_ms: i64) {
        self.at += TimeDelta::microseconds(self.rng.random_range(least_ms * 1000..=most_ms * 1000));
    }

    /// Whether there was time for a second try.
    fn is_old(&self) -> bool {
        self.is_old_by(TimeDelta::hours(3))
    }

    fn is_old_by(&self, age: TimeDelta) -> bool {
        self.subject.now - self.subject.accepted_at > age
    }

    fn one_in(&mut self, number: u32) -> bool {
        self.rng.random_ratio(1, number)
    }

    fn soft_reply(&mut self) -> &'static str {
        WORDS.soft_replies.choose(self.rng).copied().unwrap_or_default()
    }

    fn reader(&mut self) -> EventDetail {
        let reader =
            WORDS.readers.choose_weighted(self.rng, |(_, weight)| *weight).map(|(reader, _)| (*reader).to_owned());
        EventDetail { user_agent: reader.ok(), ip: Some(address(self.rng)), ..EventDetail::default() }
    }

    /// A recipient as the provider names it: where there are several.
    fn named<'r>(&self, recipient: &'r str) -> Option<&'r str> {
        (self.subject.recipients.len() > 1).then_some(recipient)
    }

    fn provider_id(&mut self) -> String {
        if self.subject.adapter == BACKUP_ADAPTER {
            return token(self.rng, 11).to_uppercase();
        }
        let time = lowest_id_at(self.at) >> 20;
        let bits: u128 = self.rng.random();
        let hex = format!("{bits:032x}");
        format!("0107{time:012x}-{}-{}-{}-{}-{}-000000", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

fn message(words: &str) -> EventDetail {
    EventDetail { message: Some(words.to_owned()), ..EventDetail::default() }
}

fn reply_with(words: &str, reply: &str) -> EventDetail {
    EventDetail { message: Some(words.to_owned()), reply: Some(reply.to_owned()), ..EventDetail::default() }
}

/// The same, with the mail exchanger that answered where it is known.
fn reply_of_server(recipient: &str, words: &str, reply: &str) -> EventDetail {
    let mx = receiver_of(recipient).map(|receiver| receiver.mx.clone());
    EventDetail { mx, ..reply_with(words, reply) }
}

fn message_of_server(address: &str, did: &str) -> String {
    match receiver_of(address) {
        // Its name stands beside.
        Some(_) => format!("The recipient’s mail server {did}"),
        None => format!("mx{}.{} {did}", 1 + address.len() % 2, domain_of(address)),
    }
}

fn domain_of(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or_default()
}

/// A delay as the worker says it.
fn spoken(seconds: i64) -> String {
    let (number, unit) = match seconds {
        ..90 => (seconds, "second"),
        90..5_400 => (seconds / 60, "minute"),
        _ => (seconds / 3600, "hour"),
    };
    format!("{number} {unit}{}", if number == 1 { "" } else { "s" })
}
