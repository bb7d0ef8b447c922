//! A message as the log shows it: the order of the fields is the specification's. `first_seen`, `last_updated` and `date`
//! are milliseconds since 1970, `timestamp` is RFC 3339. A text that is not known is empty, except where the document
//! allows null. Sources: JetEmail, Get outbound email logs; Get outbound email logs by UID.
//!
//! The log is one of email; messages of other channels are not in it. What a message of ours never has, every entry
//! carries as one value: `src` and `transtype` are `api`, `originhost` and `rule_id` are empty; the zone, which no entry
//! shows, is `default`. `user` and `sender` are the sender's address, because filters ask for addresses there.

use std::collections::BTreeSet;

use chrono::SecondsFormat;
use serde::{Serialize, Serializer};
use serde_json::json;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::status::{DeliveryStatus, set_of};
use crate::domain::email::{Email, Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, EventCause, EventKind, EventSet};
use crate::domain::ids::EmailId;
use crate::domain::notification::EmailRecord;

/// Every message's zone.
pub const ZONE: &str = "default";
/// Where every message comes from.
pub const SRC: &str = "api";
/// How every message comes in.
pub const TRANSTYPE: &str = "api";

/// How much is shown of a reader's program that is not known by name, in characters.
const MAX_CLIENT_CHARS: usize = 200;

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
                | EventCause::CannotReach
                | EventCause::Machine,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_programs_are_named() {
        let chrome =
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0 Safari/537.36";
        let gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
        assert_eq!(email_client(chrome), "Chrome");
        assert_eq!(email_client(gmail), "Gmail");
        assert_eq!(email_client("curl/8"), "curl/8");
    }
}
