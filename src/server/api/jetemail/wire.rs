//! JetEmail's JSON: the order of the fields is the specification's. `first_seen`, `last_updated` and `date` are
//! milliseconds since 1970, `timestamp` is RFC 3339. A text that is not known is empty, except where the document allows
//! null. Sources: JetEmail, Get outbound email logs; Get outbound email logs by UID; Send an email; Send multiple emails
//! in a batch; Scheduled Email.
//!
//! The log is one of e-mail; messages of other channels are not in it. What a message of ours never has, every entry
//! carries as one value: `src` and `transtype` are `api`, `originhost` and `rule_id` are empty; the zone, which no entry
//! shows, is `default`. `user` and `sender` are the sender's address, because filters ask for addresses there.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::email::{Accepted, Email, EmailStatus, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventCause, EventKind, EventSet};
use crate::domain::ids::EmailId;
use crate::domain::notification::EmailRecord;
use crate::domain::page::{Listed, Total, Window};
use crate::server::api::attachment::{BASE64, content_type_of};
use crate::server::api::request::read_instant;
use crate::server::services::emails::COUNT_LIMIT;
use crate::server::services::send::{Attachment, SendRequest};

/// Every message's zone.
pub const ZONE: &str = "default";
/// Where every message comes from.
pub const SRC: &str = "api";
/// How every message comes in.
pub const TRANSTYPE: &str = "api";

/// How far ahead a message can be scheduled.
const MAX_SCHEDULE_DAYS: i64 = 30;
/// How much is shown of a reader's program that is not known by name, in characters.
const MAX_CLIENT_CHARS: usize = 200;

/// One page of the log.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogPage {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// Where the page is.
    pub pagination: Pagination,
    /// One entry per message, aggregated from all events recorded against its uid.
    pub data: Vec<LogEntry>,
    /// Where the answer begins, if the log goes further back: for a part of a server's answer (`response`) the newest
    /// 10,000 messages of the time that was asked for are looked at, for a sender, a part of a subject shorter than 3
    /// characters or an action alone the newest 100,000.
    #[serde(rename = "searchedFrom", skip_serializing_if = "Option::is_none")]
    pub searched_from: Option<String>,
}

impl LogPage {
    /// The page that a window asked for, from a list of one message more.
    pub fn new(listed: &Listed<EmailRecord>, window: Window) -> Self {
        let shown = listed.items.iter().take(usize::try_from(window.limit).unwrap_or_default());
        let data: Vec<LogEntry> = shown.map(LogEntry::new).collect();
        let has_more = listed.items.len() > data.len();
        let pagination = Pagination::new(listed.total, window, data.len() as i64, has_more);
        let searched_from = listed.looked_from.map(|from| from.to_rfc3339_opts(SecondsFormat::Millis, true));
        Self { success: true, pagination, data, searched_from }
    }
}

/// Where a page is in the list.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Pagination {
    /// Total number of matching messages.
    pub total_count: i64,
    /// How many pages there are.
    pub total_pages: i64,
    /// The page's number, from 1.
    pub current_page: i64,
    /// Messages on a page.
    pub per_page: i64,
    /// How many messages come before the page.
    pub offset: i64,
    /// Whether another page follows.
    pub has_next_page: bool,
    /// Whether another page comes before.
    pub has_previous_page: bool,
    /// The next page's offset.
    #[schema(required)]
    pub next_offset: Option<i64>,
    /// The previous page's offset.
    #[schema(required)]
    pub previous_offset: Option<i64>,
    /// The first message's number, from 1; 0 on an empty page.
    pub showing_from: i64,
    /// The last message's number; 0 on an empty page.
    pub showing_to: i64,
    /// True when total_count was truncated at max_count_limit; the real total may be higher.
    pub count_limited: bool,
    /// Where counting the matches of a search or of filters stops.
    pub max_count_limit: i64,
}

impl Pagination {
    fn new(total: Total, window: Window, shown: i64, has_more: bool) -> Self {
        let Window { offset, limit, .. } = window;
        let limit = limit.max(1);
        let (total_count, count_limited) = match total {
            Total::Exact(count) => (count, false),
            Total::AtLeast(count) => (count, true),
        };
        Self {
            total_count,
            total_pages: total_count / limit + i64::from(total_count % limit != 0),
            current_page: offset / limit + 1,
            per_page: limit,
            offset,
            has_next_page: has_more,
            has_previous_page: offset > 0,
            next_offset: has_more.then_some(offset.saturating_add(limit)),
            previous_offset: (offset > 0).then_some((offset - limit).max(0)),
            showing_from: if shown == 0 { 0 } else { offset + 1 },
            showing_to: if shown == 0 { 0 } else { offset + shown },
            count_limited,
            max_count_limit: COUNT_LIMIT,
        }
    }
}

/// 0 or 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

impl Serialize for Flag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(u8::from(self.0))
    }
}

impl PartialSchema for Flag {
    fn schema() -> RefOr<Schema> {
        RefOr::T(Schema::Object(
            ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([json!(0), json!(1)])).build(),
        ))
    }
}

impl ToSchema for Flag {}

/// Overall message status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It waits to be sent, or was sent and nothing more is known.
    QueuedPending,
    /// A try failed and another one follows.
    Deferred,
    /// It reached the recipient's mailbox.
    Delivered,
    /// The recipient opened it.
    Opened,
    /// The recipient followed a link in it.
    Clicked,
    /// A mail server refused a recipient for good.
    Bounced,
    /// It failed for good.
    Rejected,
    /// It was taken back, or a provider did not deliver it.
    Dropped,
    /// The recipient marked it as spam.
    Spam,
    /// A virus was found in it.
    VirusDetected,
    /// The server stopped during the attempt.
    Unknown,
}

impl DeliveryStatus {
    /// What became of a message: the status that the ladder of events gave it, told apart where JetEmail does.
    pub fn of(record: &EmailRecord) -> Self {
        match record.email.status {
            EmailStatus::Queued | EmailStatus::Sent if waits_after_deferral(&record.events) => Self::Deferred,
            EmailStatus::Queued | EmailStatus::Sent => Self::QueuedPending,
            EmailStatus::Delivered => Self::Delivered,
            EmailStatus::Opened => Self::Opened,
            EmailStatus::Clicked => Self::Clicked,
            EmailStatus::Bounced => Self::Bounced,
            EmailStatus::Spam => Self::Spam,
            EmailStatus::Failed => Self::of_failed(set_of(&record.events)),
        }
    }

    fn of_failed(events: EventSet) -> Self {
        if events.meets(EventSet::VIRUS) {
            Self::VirusDetected
        } else if events.meets(EventSet::one(EventKind::Failed)) {
            Self::Rejected
        } else if events.meets(EventSet::of_kinds(&[EventKind::Dropped, EventKind::Canceled])) {
            Self::Dropped
        } else {
            Self::Unknown
        }
    }
}

/// Whether somebody's last try was put off.
fn waits_after_deferral(events: &[EmailEvent]) -> bool {
    events.iter().enumerate().any(|(index, event)| {
        let is_same = |other: &EmailEvent| {
            other.recipient.is_none() || event.recipient.is_none() || other.recipient == event.recipient
        };
        matches!(event.kind, EventKind::Deferred | EventKind::FailedToSend)
            && !events[index + 1..].iter().any(|later| later.kind == EventKind::Sent && is_same(later))
    })
}

fn set_of(events: &[EmailEvent]) -> EventSet {
    let add = |set: EventSet, event: &EmailEvent| set.with(EventSet::of(event.kind, event.detail.cause));
    events.iter().fold(EventSet::default(), add)
}

/// A message with what became of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogEntry {
    /// Unique message identifier.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub uid: EmailId,
    /// The same.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The provider's id for it or, until there is one, its `Message-ID`.
    pub message_id: String,
    /// The subject.
    pub subject: String,
    /// The sender's address.
    #[schema(format = "email")]
    pub from_address: String,
    /// The first recipient's address.
    #[schema(format = "email")]
    pub to_address: String,
    /// The sender's address.
    pub sender: String,
    /// Every recipient's address, with commas between them.
    pub receiver: String,
    /// The sender's address.
    pub user: String,
    /// Always `api`.
    pub src: &'static str,
    /// Always empty.
    pub originhost: &'static str,
    /// Always `api`.
    pub transtype: &'static str,
    /// The header `From`, with the sender's name.
    #[serde(rename = "headerFrom")]
    pub header_from: String,
    /// Always empty.
    pub rule_id: &'static str,
    /// Milliseconds since epoch when the message was first recorded.
    pub first_seen: i64,
    /// Milliseconds since epoch of the most recent event for this message.
    pub last_updated: i64,
    /// Total number of events recorded against this message.
    pub action_count: i64,
    /// Overall message status.
    #[schema(inline)]
    pub delivery_status: DeliveryStatus,
    /// 1 if it has waited to be sent.
    #[schema(inline)]
    pub was_queued: Flag,
    /// 1 if it reached a mailbox.
    #[schema(inline)]
    pub was_delivered: Flag,
    /// 1 if a try failed and another one followed.
    #[schema(inline)]
    pub was_deferred: Flag,
    /// 1 if it failed for good.
    #[schema(inline)]
    pub was_rejected: Flag,
    /// 1 if a mail server refused a recipient for good.
    #[schema(inline)]
    pub was_bounced: Flag,
    /// 1 if it was taken back, or a provider did not deliver it.
    #[schema(inline)]
    pub was_dropped: Flag,
    /// 1 if a recipient marked it as spam.
    #[schema(inline)]
    pub was_spam: Flag,
    /// 1 if a virus was found in it.
    #[schema(inline)]
    pub was_virus: Flag,
    /// 1 if the message has been opened at least once.
    #[schema(inline)]
    pub was_opened: Flag,
    /// 1 if a tracked link in the message has been clicked at least once.
    #[schema(inline)]
    pub was_clicked: Flag,
    /// MX server used for the final delivery attempt.
    pub final_mx: String,
    /// Receiving host of the final delivery attempt.
    pub final_host: String,
    /// IP of the final delivery attempt.
    pub final_ip: String,
    /// How the final delivery attempt was made.
    pub final_protocol: String,
    /// Server response from the final delivery attempt.
    pub final_response: String,
    /// Response body of the bounce, if the message bounced.
    #[schema(required)]
    pub bounce_reason: Option<String>,
    /// The MX server that refused it.
    #[schema(required)]
    pub bounce_mx: Option<String>,
    /// The host that refused it.
    #[schema(required)]
    pub bounce_host: Option<String>,
    /// Every delivery attempt against this message, oldest first.
    pub delivery_attempts: Vec<DeliveryAttempt>,
    /// The recipients in numbers.
    pub delivery_summary: DeliverySummary,
    /// Every recorded open of the message, oldest first. Absent if the message has not been opened.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub opens: Vec<Open>,
    /// Every recorded click on a tracked link in the message, oldest first. Absent if no links have been clicked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub clicks: Vec<Click>,
}

/// One report about handing a message over.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct DeliveryAttempt {
    /// Outcome of this attempt: ACCEPTED, DELIVERED, DEFERRED, REJECTED, BOUNCED_HARD, BOUNCED_SOFT, BOUNCED_UNKNOWN, DROP
    /// (taken back), DROPPED or, where the server stopped during the attempt, UNKNOWN.
    #[schema(example = "ACCEPTED")]
    pub action: &'static str,
    /// Whom it is about; all recipients where it is about all.
    pub receiver: String,
    /// The mail exchanger that answered.
    pub mx: String,
    /// The host it was handed to.
    pub host: String,
    /// That host's network address.
    pub ip: String,
    /// The answer.
    pub response: String,
    /// How it was handed over.
    pub protocol: String,
    /// Milliseconds since epoch.
    pub date: i64,
    /// Same instant as `date`, in RFC3339 form.
    #[schema(format = DateTime)]
    pub timestamp: String,
}

/// A message's recipients in numbers.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct DeliverySummary {
    /// How many entries `delivery_attempts` has.
    pub total_attempts: i64,
    /// How many recipients' delivery was confirmed.
    pub successful_deliveries: i64,
    /// How many recipients it will not reach.
    pub failed_deliveries: i64,
    /// How many recipients it has.
    pub unique_recipients: i64,
}

/// A recorded open.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Open {
    /// Milliseconds since epoch when the open occurred.
    pub date: i64,
    /// Approximate location of the reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Brisbane, QLD, AU")]
    pub country: Option<String>,
    /// Email client that loaded the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Gmail")]
    pub email_client: Option<String>,
}

/// A recorded click.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct Click {
    /// Milliseconds since epoch when the click occurred.
    pub date: i64,
    /// Approximate location of the clicker.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Brisbane, QLD, AU")]
    pub country: Option<String>,
    /// Browser or email client that made the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false, example = "Chrome")]
    pub email_client: Option<String>,
    /// Destination URL of the clicked link, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub original_url: Option<String>,
}

impl LogEntry {
    /// A message with its events.
    pub fn new(record: &EmailRecord) -> Self {
        use EventKind::*;
        let EmailRecord { email, events } = record;
        let sender = address_of(&email.from_address);
        let receiver = addresses(&email.recipients);
        let attempts: Vec<DeliveryAttempt> =
            events.iter().filter_map(|event| DeliveryAttempt::new(event, &receiver)).collect();
        let last = |field: fn(&DeliveryAttempt) -> &String| {
            attempts.iter().rev().map(field).find(|text| !text.is_empty()).cloned().unwrap_or_default()
        };
        let bounce = events.iter().rfind(|event| event.kind == Bounced);
        let bounce_reason = bounce.and_then(|event| {
            let detail = &event.detail;
            detail.reply.clone().or_else(|| email.error_message.clone()).or_else(|| detail.message.clone())
        });
        let happened = set_of(events);
        let had = |kinds: &[EventKind]| Flag(happened.meets(EventSet::of_kinds(kinds)));
        let first_seen = email.created_at().timestamp_millis();
        let last_event = events.iter().map(|event| event.at.timestamp_millis()).max();
        Self {
            uid: email.id,
            id: email.id,
            message_id: email.provider_message_id.clone().unwrap_or_else(|| own_message_id(email, &sender)),
            subject: email.subject.clone(),
            from_address: sender.clone(),
            to_address: to_address(&email.recipients),
            sender: sender.clone(),
            user: sender,
            src: SRC,
            originhost: "",
            transtype: TRANSTYPE,
            header_from: email.from_address.clone(),
            rule_id: "",
            first_seen,
            last_updated: last_event.map_or(first_seen, |last| last.max(first_seen)),
            action_count: events.len() as i64,
            delivery_status: DeliveryStatus::of(record),
            was_queued: had(&[Requested, Triggered, Queued, FailedToQueue]),
            was_delivered: had(&[Delivered, Opened, ReOpened, Clicked, ReClicked]),
            was_deferred: had(&[Deferred, FailedToSend]),
            was_rejected: had(&[Failed]),
            was_bounced: had(&[Bounced]),
            was_dropped: had(&[Dropped, Canceled]),
            was_spam: had(&[ReportedAsSpam]),
            was_virus: Flag(happened.meets(EventSet::VIRUS)),
            was_opened: had(&[Opened, ReOpened]),
            was_clicked: had(&[Clicked, ReClicked]),
            final_mx: last(|attempt| &attempt.mx),
            final_host: last(|attempt| &attempt.host),
            final_ip: last(|attempt| &attempt.ip),
            final_protocol: last(|attempt| &attempt.protocol),
            final_response: last(|attempt| &attempt.response),
            bounce_reason,
            bounce_mx: bounce.and_then(|event| event.detail.mx.clone()),
            bounce_host: bounce.and_then(|event| event.detail.server.clone()),
            delivery_summary: DeliverySummary::new(email, events, attempts.len()),
            opens: events.iter().filter(|event| matches!(event.kind, Opened | ReOpened)).map(Open::new).collect(),
            clicks: events.iter().filter(|event| matches!(event.kind, Clicked | ReClicked)).map(Click::new).collect(),
            delivery_attempts: attempts,
            receiver,
        }
    }
}

impl DeliveryAttempt {
    /// What an event says about handing the message over, if it does; `everybody` stands for a missing recipient.
    fn new(event: &EmailEvent, everybody: &str) -> Option<Self> {
        let detail = &event.detail;
        let known = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(Self {
            action: action_of(event)?,
            receiver: event.recipient.clone().unwrap_or_else(|| everybody.to_owned()),
            mx: known(&detail.mx),
            host: known(&detail.server),
            ip: known(&detail.server_ip),
            response: detail.reply.clone().or_else(|| detail.message.clone()).unwrap_or_default(),
            protocol: known(&detail.protocol),
            date: event.at.timestamp_millis(),
            timestamp: event.at.to_rfc3339_opts(SecondsFormat::Millis, true),
        })
    }
}

/// The outcome that an event is, if it is one.
fn action_of(event: &EmailEvent) -> Option<&'static str> {
    match event.kind {
        EventKind::Sent => Some("ACCEPTED"),
        EventKind::Delivered => Some("DELIVERED"),
        EventKind::Deferred | EventKind::FailedToSend => Some("DEFERRED"),
        EventKind::Failed => Some("REJECTED"),
        EventKind::Dropped => Some("DROPPED"),
        EventKind::Canceled => Some("DROP"),
        EventKind::Uncertain => Some("UNKNOWN"),
        EventKind::Bounced => Some(match event.detail.cause {
            Some(EventCause::Hard) => "BOUNCED_HARD",
            Some(EventCause::Soft) => "BOUNCED_SOFT",
            None
            | Some(
                EventCause::Virus
                | EventCause::Expected
                | EventCause::Undelivered
                | EventCause::Infrastructure
                | EventCause::Completed
                | EventCause::Busy
                | EventCause::NoAnswer
                | EventCause::CannotReach,
            ) => "BOUNCED_UNKNOWN",
        }),
        EventKind::Requested
        | EventKind::Triggered
        | EventKind::Queued
        | EventKind::FailedToQueue
        | EventKind::Processed
        | EventKind::Opened
        | EventKind::ReOpened
        | EventKind::Clicked
        | EventKind::ReClicked
        | EventKind::ReportedAsSpam
        | EventKind::Unsubscribed => None,
    }
}

impl DeliverySummary {
    /// An event about nobody in particular is about everybody.
    fn new(email: &Email, events: &[EmailEvent], attempts: usize) -> Self {
        use EventKind::*;
        let everybody: BTreeSet<&str> = email.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        let met = |kinds: &[EventKind]| {
            let mut found: BTreeSet<&str> = BTreeSet::new();
            for event in events.iter().filter(|event| kinds.contains(&event.kind)) {
                match event.recipient.as_deref() {
                    Some(address) => found.extend(everybody.get(address)),
                    None => found.extend(&everybody),
                }
            }
            found
        };
        let failed = met(&[Bounced, Failed, Dropped, Canceled]);
        let delivered = met(&[Delivered, Opened, ReOpened, Clicked, ReClicked]);
        Self {
            total_attempts: attempts as i64,
            successful_deliveries: delivered.difference(&failed).count() as i64,
            failed_deliveries: failed.len() as i64,
            unique_recipients: everybody.len() as i64,
        }
    }
}

impl Open {
    fn new(event: &EmailEvent) -> Self {
        let detail = &event.detail;
        Self {
            date: event.at.timestamp_millis(),
            country: detail.country.clone(),
            email_client: detail.user_agent.as_deref().map(email_client),
        }
    }
}

impl Click {
    fn new(event: &EmailEvent) -> Self {
        let detail = &event.detail;
        Self {
            date: event.at.timestamp_millis(),
            country: detail.country.clone(),
            email_client: detail.user_agent.as_deref().map(email_client),
            original_url: detail.url.clone(),
        }
    }
}

/// A reader's program by name, from what it says of itself; the first that fits.
fn email_client(user_agent: &str) -> String {
    const KNOWN: [(&str, &str); 12] = [
        ("GoogleImageProxy", "Gmail"),
        ("YahooMailProxy", "Yahoo Mail"),
        ("Outlook-iOS", "Outlook (mobile)"),
        ("Outlook-Android", "Outlook (mobile)"),
        ("Microsoft Outlook", "Outlook"),
        ("MSOffice", "Outlook"),
        ("Thunderbird", "Thunderbird"),
        ("Edg/", "Edge"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        // Apple's programs for mail say no more than this.
        ("AppleWebKit/", "Apple Mail"),
    ];
    let known = KNOWN.iter().find(|(part, _)| user_agent.contains(part));
    known.map_or_else(|| user_agent.chars().take(MAX_CLIENT_CHARS).collect(), |(_, name)| (*name).to_owned())
}

/// The address in `Finch <receipts@finch.example>`.
fn address_of(mailbox: &str) -> String {
    let within = mailbox.trim().strip_suffix('>').and_then(|rest| rest.rsplit_once('<'));
    within.map_or(mailbox, |(_, address)| address).trim().to_owned()
}

fn addresses(recipients: &[Recipient]) -> String {
    recipients.iter().map(|recipient| recipient.address.as_str()).collect::<Vec<_>>().join(", ")
}

fn to_address(recipients: &[Recipient]) -> String {
    let to = recipients.iter().find(|recipient| recipient.kind == RecipientKind::To);
    to.or(recipients.first()).map(|recipient| recipient.address.clone()).unwrap_or_default()
}

fn own_message_id(email: &Email, sender: &str) -> String {
    let domain = sender.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    format!("<{}@{domain}>", email.id)
}

/// One message.
#[derive(Debug, Serialize, ToSchema)]
pub struct FoundLog {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// The message: a list of one.
    pub data: Vec<LogDetail>,
}

impl FoundLog {
    /// A message with its events.
    pub fn new(record: &EmailRecord) -> Self {
        let entry = LogEntry::new(record);
        let last = entry.delivery_attempts.last();
        let action = last.map_or("QUEUED", |attempt| attempt.action);
        let at = last.map_or(entry.last_updated, |attempt| attempt.date);
        let date = DateTime::from_timestamp_millis(at).unwrap_or_default();
        let detail = LogDetail {
            action,
            response: entry.final_response.clone(),
            date: date.to_rfc3339_opts(SecondsFormat::Millis, true),
            mx: entry.final_mx.clone(),
            host: entry.final_host.clone(),
            outbound_ip: entry.final_ip.clone(),
            entry,
        };
        Self { success: true, data: vec![detail] }
    }
}

/// A message with its last delivery attempt.
#[derive(Debug, Serialize, ToSchema)]
pub struct LogDetail {
    /// The message.
    #[serde(flatten)]
    pub entry: LogEntry,
    /// The last attempt's outcome; QUEUED before the first.
    #[schema(example = "ACCEPTED")]
    pub action: &'static str,
    /// Server response.
    #[schema(example = "250 2.0.0 Ok: queued")]
    pub response: String,
    /// When that attempt was.
    #[schema(format = DateTime)]
    pub date: String,
    /// MX server used.
    pub mx: String,
    /// Host server name.
    pub host: String,
    /// That host's network address.
    pub outbound_ip: String,
}

/// One address or several. One text can hold several with commas between them.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected an address or a list of addresses")]
pub enum OneOrMany {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl OneOrMany {
    fn mailboxes(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::Many(texts) => texts,
        }
    }
}

/// A time: Unix seconds, or ISO 8601 with an offset.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "expected Unix seconds or an ISO 8601 date and time")]
pub enum When {
    /// Unix seconds.
    Seconds(i64),
    /// ISO 8601.
    Text(String),
}

/// A message to send. HTML or text is required.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendBody {
    /// The sender: `Ada <ada@example.com>`.
    #[schema(example = "John Doe <john@example.com>")]
    pub from: String,
    /// Recipient email address(es); with cc and bcc at most 50.
    pub to: OneOrMany,
    /// Email subject line.
    #[schema(min_length = 1, max_length = 998)]
    pub subject: String,
    /// HTML content of the email.
    pub html: Option<String>,
    /// Plain text content of the email.
    pub text: Option<String>,
    /// CC recipient(s).
    pub cc: Option<OneOrMany>,
    /// BCC recipient(s).
    pub bcc: Option<OneOrMany>,
    /// Reply-to address(es).
    pub reply_to: Option<OneOrMany>,
    /// Custom email headers.
    pub headers: Option<BTreeMap<String, String>>,
    /// Email attachments: at most 20 files of 15 MiB together.
    pub attachments: Option<Vec<AttachmentBody>>,
    /// Taken and not looked at: there is one region.
    pub eu: Option<bool>,
    /// When to send it, up to 30 days ahead: Unix seconds, or ISO 8601 with an offset. `scheduled_at` is read too.
    #[serde(rename = "scheduledAt", alias = "scheduled_at")]
    pub scheduled_at: Option<When>,
}

/// A file to attach.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AttachmentBody {
    /// Name of the attachment file.
    #[schema(example = "receipt.pdf", min_length = 1, max_length = 255)]
    pub filename: String,
    /// Base64 encoded file content. `content` is read too.
    #[serde(alias = "content")]
    #[schema(format = Byte)]
    pub data: String,
}

impl SendBody {
    /// The message as the use case takes it.
    pub fn into_request(self, now: DateTime<Utc>) -> Result<SendRequest, AppError> {
        let is_given = |body: &Option<String>| body.as_ref().is_some_and(|text| !text.is_empty());
        if self.subject.is_empty() {
            return Err(AppError::invalid_field("subject", "subject must not be empty"));
        }
        if !is_given(&self.html) && !is_given(&self.text) {
            return Err(AppError::invalid_field("html", "html or text is required"));
        }
        let mailboxes = |list: Option<OneOrMany>| list.map(OneOrMany::mailboxes).unwrap_or_default();
        let reply_to = mailboxes(self.reply_to);
        let attachments = self.attachments.unwrap_or_default().into_iter().enumerate();
        Ok(SendRequest {
            to: self.to.mailboxes(),
            cc: mailboxes(self.cc),
            bcc: mailboxes(self.bcc),
            from: Some(self.from),
            subject: Some(self.subject),
            html: self.html,
            text: self.text,
            reply_to: (!reply_to.is_empty()).then(|| reply_to.join(", ")),
            headers: self.headers.unwrap_or_default().into_iter().collect(),
            attachments: attachments.map(|(index, body)| body.decode(index)).collect::<Result<_, _>>()?,
            scheduled_at: self.scheduled_at.map(|when| when.read(now)).transpose()?,
            ..SendRequest::default()
        })
    }
}

impl AttachmentBody {
    fn decode(self, index: usize) -> Result<Attachment, AppError> {
        let mut text = self.data;
        text.retain(|letter| !letter.is_ascii_whitespace());
        let content = BASE64.decode(text).map_err(|_| {
            let field = format!("attachments[{index}].data");
            let message = format!("{field} must be base64");
            AppError::invalid_field(field, message)
        })?;
        let content_type = content_type_of(&self.filename).to_owned();
        Ok(Attachment { filename: self.filename, content_type, content, content_id: None })
    }
}

impl When {
    fn read(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, AppError> {
        let refuse = |message: &str| AppError::invalid_field("scheduledAt", message);
        let at = match self {
            Self::Seconds(seconds) => DateTime::from_timestamp(*seconds, 0),
            Self::Text(text) => read_instant(text),
        };
        let at = at.ok_or_else(|| refuse("scheduledAt must be Unix seconds or a time like 2024-01-20T10:30:00Z"))?;
        if at <= now {
            return Err(refuse("scheduledAt must be in the future"));
        }
        if at > now + TimeDelta::days(MAX_SCHEDULE_DAYS) {
            return Err(refuse("scheduledAt must be at most 30 days ahead"));
        }
        Ok(at)
    }
}

/// A message has been accepted.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct SentBody {
    /// Unique message ID.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// Queue confirmation message.
    #[schema(example = "Message queued as eml_06xq3k9v2m4p8")]
    pub response: String,
    /// When it will be sent, in Unix seconds, if not at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    pub scheduled_at: Option<i64>,
}

impl SentBody {
    /// A message with the time that it waits for.
    pub fn new(accepted: &Accepted, scheduled_at: Option<DateTime<Utc>>) -> Self {
        let id = accepted.id;
        let scheduled_at = scheduled_at.map(|at| at.timestamp());
        let response = match scheduled_at {
            Some(seconds) => format!("Scheduled as {id} for {seconds}"),
            None => format!("Message queued as {id}"),
        };
        Self { id, response, scheduled_at }
    }
}

/// Several messages to send.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchBody {
    /// The messages, 1 to 100, each as `POST /email` takes it. Those that are wrong are named in the answer; the others are
    /// sent.
    #[schema(value_type = Vec<Object>, min_items = 1, max_items = 100)]
    pub emails: Vec<Value>,
}

/// What became of each of several messages.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchAnswer {
    /// In numbers.
    pub summary: BatchSummary,
    /// One by one, in the order of the request.
    pub results: Vec<BatchResult>,
    /// The accepted ones again, for the clients that read them here.
    pub data: Vec<SentBody>,
}

/// Several messages in numbers.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct BatchSummary {
    /// Total number of emails in batch.
    pub total: i64,
    /// Number of accepted emails.
    pub successful: i64,
    /// Number of refused emails.
    pub failed: i64,
}

/// What became of one of several messages.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum BatchResult {
    /// It has been accepted.
    Success(SentBody),
    /// It is wrong.
    Error {
        /// Why.
        error: String,
        /// It, as it was given.
        #[schema(value_type = Object)]
        email: Value,
    },
}

impl BatchAnswer {
    /// The answer of these results.
    pub fn new(results: Vec<BatchResult>) -> Self {
        let accepted = |result: &BatchResult| match result {
            BatchResult::Success(sent) => Some(sent.clone()),
            BatchResult::Error { .. } => None,
        };
        let data: Vec<SentBody> = results.iter().filter_map(accepted).collect();
        let (total, successful) = (results.len() as i64, data.len() as i64);
        Self { summary: BatchSummary { total, successful, failed: total - successful }, results, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_know_their_neighbours() {
        let page = |total, offset, shown, has_more| {
            Pagination::new(total, Window { offset, limit: 10, oldest_first: false }, shown, has_more)
        };
        let first = page(Total::Exact(25), 0, 10, true);
        assert_eq!((first.total_pages, first.current_page, first.showing_from, first.showing_to), (3, 1, 1, 10));
        assert_eq!((first.next_offset, first.previous_offset), (Some(10), None));
        let middle = page(Total::Exact(25), 5, 10, true);
        assert_eq!((middle.next_offset, middle.previous_offset), (Some(15), Some(0)));
        let last = page(Total::Exact(25), 20, 5, false);
        assert_eq!((last.current_page, last.showing_from, last.showing_to), (3, 21, 25));
        assert!(last.has_previous_page && !last.has_next_page && last.next_offset.is_none());
        let empty = page(Total::Exact(0), 0, 0, false);
        assert_eq!((empty.total_pages, empty.current_page, empty.showing_from, empty.showing_to), (0, 1, 0, 0));
        let limited = page(Total::AtLeast(10_000), 0, 10, true);
        assert!(limited.count_limited && limited.total_count == limited.max_count_limit);
    }

    #[test]
    fn readers_programs_are_named() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Safari/537.36";
        let gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
        assert_eq!(email_client(chrome), "Chrome");
        assert_eq!(email_client(gmail), "Gmail");
        assert_eq!(email_client("curl/8"), "curl/8");
    }

    #[test]
    fn one_text_can_hold_several_addresses() {
        let texts = OneOrMany::One("a@b.example, \"Doe, Ada\" <c@d.example>".to_owned()).mailboxes();
        let read = |text: &String| crate::server::delivery::mailbox::parse_mailboxes("to", text).unwrap();
        let many: Vec<String> = texts.iter().flat_map(read).map(|mailbox| mailbox.address).collect();
        assert_eq!(many, ["a@b.example", "c@d.example"]);
    }

    #[test]
    fn times_are_unix_seconds_or_iso_8601() {
        let now: DateTime<Utc> = "2024-01-20T12:00:00Z".parse().unwrap();
        let read = |json: &str| serde_json::from_str::<When>(json).unwrap().read(now).map(|at| at.timestamp());
        assert_eq!(read("1705838400"), Ok(1_705_838_400));
        assert_eq!(read("\"2024-01-21T08:00:00-04:00\""), Ok(1_705_838_400));
        for wrong in ["1705752000", "1705752000000", "\"tomorrow\"", "\"2024-02-20T12:00:00Z\""] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(serde_json::from_str::<When>("1.5").is_err());
    }
}
