//! What became of a text message or a call, in the three shapes in which Vonage says it.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::Value;

use crate::domain::channel::Channel;
use crate::domain::event::{EventCause, EventKind};
use crate::server::inbound::reading::{self, NO_MESSAGE, News, Text, UNKNOWN_TYPE, unreadable};
use crate::server::inbound::{Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// A webhook's fields, by the alphabet.
pub struct Fields(BTreeMap<String, Value>);

impl Fields {
    /// A field's text.
    pub fn text(&self, name: &str) -> Text {
        Text::of(self.0.get(name))
    }

    /// All fields that are no objects, as they were sent; one without a value is empty.
    pub fn texts(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().filter_map(|(name, value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(truth) => truth.to_string(),
                Value::Null => String::new(),
                Value::Array(_) | Value::Object(_) => return None,
            };
            Some((name.as_str(), text))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// A field of an object.
    fn inner(&self, object: &str, name: &str) -> Text {
        Text::of(self.0.get(object).and_then(|object| object.get(name)))
    }

    /// A number or address, which the first version of the Messages API wraps: `{"type": "sms", "number": "4470…"}`.
    fn party(&self, name: &str) -> Option<String> {
        self.text(name).or(&self.inner(name, "number")).or(&self.inner(name, "id")).owned()
    }
}

/// Reads the fields of a body that is JSON or a form.
pub fn fields(posted: &Posted<'_>) -> Result<Fields, Refusal> {
    let body = posted.body.trim_ascii();
    if body.starts_with(b"{") {
        return reading::object(body).map(Fields);
    }
    let fields =
        form_urlencoded::parse(body).map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
    let fields: BTreeMap<_, _> = fields.collect();
    if fields.is_empty() {
        return Err(unreadable("The body is empty: let Vonage POST its webhooks"));
    }
    Ok(Fields(fields))
}

/// Reads the news. `url` is the webhook's address, which can name the message.
pub fn read(fields: &Fields, url: &str) -> Result<Reports, Refusal> {
    let has = |name: &str| fields.text(name).get().is_some();
    if !["message_uuid", "messageId", "uuid", "conversation_uuid"].into_iter().any(has) {
        return Err(unreadable("The body is no status of a Vonage message or call"));
    }
    let status = fields.text("status");
    let Some(status) = status.get() else { return Ok(Reports::new()) };
    let told = if has("message_uuid") {
        message_status(fields, status).map(Some)
    } else if has("messageId") {
        sms_receipt(fields, status)
    } else {
        call_event(fields, status)
    };
    let report = told.and_then(|told| told.map(|told| told.report(fields, status, url)).transpose());
    Ok(reading::only(report))
}

/// What is told, in whichever shape.
struct Told {
    news: News,
    channel: Channel,
    message_id: Text,
    at: Result<DateTime<Utc>, String>,
    recipient: Option<String>,
    from: Option<String>,
}

impl Told {
    fn report(self, fields: &Fields, status: &str, url: &str) -> Result<EventReport, String> {
        let provider_message_id = reading::provider_message_id(self.message_id.get());
        let id = reading::event_id("vonage", &[provider_message_id.as_deref().ok_or(NO_MESSAGE)?, status]);
        let own = fields.text("client_ref");
        let own = reading::email_id(own.or(&fields.text("client-ref")).get());
        Ok(EventReport {
            email_id: own.or_else(|| reading::email_id_in(url)),
            provider_message_id,
            recipient: self.recipient,
            from: self.from,
            channel: Some(self.channel),
            ..reading::report(id, self.news, self.at?)
        })
    }
}

/// A status of the Messages API. `submitted` says that Vonage handed it on.
fn message_status(fields: &Fields, status: &str) -> Result<Told, String> {
    let (kind, cause) = match status {
        "submitted" => (EventKind::Sent, None),
        "delivered" => (EventKind::Delivered, None),
        "read" => (EventKind::Opened, None),
        "rejected" => (EventKind::Dropped, None),
        "undeliverable" | "failed" => (EventKind::Bounced, Some(EventCause::Undelivered)),
        _ => return Err(UNKNOWN_TYPE.to_owned()),
    };
    let (title, detail) = (fields.inner("error", "title"), fields.inner("error", "detail"));
    let (code, reason) = (fields.inner("error", "code"), fields.inner("error", "reason"));
    let (title, words) = (title.or(&code), detail.or(&reason));
    let reply = [title, words].into_iter().filter_map(Text::get).collect::<Vec<_>>().join(" ");
    Ok(Told {
        news: News::new(kind).cause(cause).message(words.owned()).reply(Text::from(reply.as_str()).owned()),
        channel: Channel::Sms,
        message_id: fields.text("message_uuid"),
        at: event_time(fields, "timestamp"),
        recipient: fields.party("to"),
        from: fields.party("from"),
    })
}

/// A delivery receipt of the SMS API. Its `to` is the sender and its `msisdn` the recipient.
fn sms_receipt(fields: &Fields, status: &str) -> Result<Option<Told>, String> {
    let code = fields.text("err-code");
    let code = code.get().filter(|code| *code != "0");
    let (kind, cause) = match status {
        "accepted" => (EventKind::Sent, None),
        "buffered" => (EventKind::Deferred, None),
        "delivered" => (EventKind::Delivered, None),
        "expired" | "failed" | "rejected" if code.is_some_and(is_fault_of_network) => {
            (EventKind::Failed, Some(EventCause::Infrastructure))
        }
        "expired" | "failed" | "rejected" => (EventKind::Bounced, Some(EventCause::Undelivered)),
        "unknown" => return Ok(None),
        _ => return Err(UNKNOWN_TYPE.to_owned()),
    };
    let words = code.and_then(receipt_words).map(str::to_owned);
    Ok(Some(Told {
        news: News::new(kind).cause(cause).message(words).reply(code.map(|code| format!("err-code {code}"))),
        channel: Channel::Sms,
        message_id: fields.text("messageId"),
        at: event_time(fields, "message-timestamp").or_else(|error| arrival(fields).ok_or(error)),
        recipient: fields.text("msisdn").owned(),
        from: fields.text("to").owned(),
    }))
}

/// When the carrier's receipt arrived, to the minute: `2603200946`.
fn arrival(fields: &Fields) -> Option<DateTime<Utc>> {
    let told = fields.text("scts");
    let told = told.get().filter(|told| told.len() == 10)?;
    NaiveDateTime::parse_from_str(told, "%y%m%d%H%M").ok().map(|at| at.and_utc())
}

fn event_time(fields: &Fields, name: &str) -> Result<DateTime<Utc>, String> {
    reading::event_time_by(&fields.text(name), time)
}

/// A time in RFC 3339, or without an offset, which is then UTC.
fn time(text: &str) -> Option<DateTime<Utc>> {
    let plain = || NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").ok().map(|at| at.and_utc());
    let offset = || DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S %z").ok().map(|at| at.to_utc());
    reading::time(text).or_else(plain).or_else(offset)
}

fn is_fault_of_network(code: &str) -> bool {
    matches!(code, "5" | "8" | "11" | "16" | "99")
}

fn receipt_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "1" => "The carrier gave no reason",
        "2" => "The telephone cannot be reached for now",
        "3" => "The number is not in use any more",
        "4" => "The recipient blocks the message",
        "5" => "The number's move to another carrier went wrong",
        "6" => "The carrier took it for spam",
        "7" => "The telephone was busy",
        "8" => "The carrier's network had a fault",
        "9" => "The number is not valid",
        "10" => "The message is not valid",
        "11" => "No way leads to the number's carrier",
        "12" => "The number cannot be reached",
        "13" => "The recipient is too young for the content",
        "14" => "The carrier blocks the number",
        "15" => "The recipient's credit does not suffice",
        "16" => "Vonage's quota is used up",
        "99" => "A general fault",
        _ => return None,
    })
}

/// An event of the Voice API. Of calls that come in, and of what is said during a call, nothing is kept.
fn call_event(fields: &Fields, status: &str) -> Result<Option<Told>, String> {
    if fields.text("direction").get() == Some("inbound") {
        return Ok(None);
    }
    let (kind, cause, words) = match status {
        "started" => (EventKind::Sent, None, Some("Vonage dials the number")),
        "ringing" => (EventKind::Sent, None, Some("The telephone rings")),
        "answered" => (EventKind::Sent, None, Some("The call was answered")),
        "machine" => (EventKind::Sent, None, Some("An answering machine took the call")),
        "completed" => (EventKind::Delivered, Some(EventCause::Completed), None),
        "busy" => (EventKind::Delivered, Some(EventCause::Busy), None),
        "timeout" | "unanswered" => (EventKind::Delivered, Some(EventCause::NoAnswer), None),
        "failed" | "rejected" => (EventKind::Bounced, Some(EventCause::CannotReach), None),
        "cancelled" => (EventKind::Dropped, Some(EventCause::Expected), Some("It was canceled at Vonage")),
        "human" | "disconnected" | "transfer" => return Ok(None),
        _ => return Err(UNKNOWN_TYPE.to_owned()),
    };
    let (duration, sip_code) = (fields.text("duration"), fields.text("sip_code"));
    let duration = duration.get().filter(|_| status == "completed").map(|s| format!("The call lasted {s} seconds"));
    let (reason, detail) = (fields.text("reason"), fields.text("detail"));
    let reply = reason.or(&detail).owned().or_else(|| sip_code.get().map(|code| format!("SIP {code}")));
    Ok(Some(Told {
        news: News::new(kind).cause(cause).message(words.map(str::to_owned).or(duration)).reply(reply),
        channel: Channel::Call,
        message_id: fields.text("uuid"),
        at: event_time(fields, "timestamp"),
        recipient: fields.party("to"),
        from: fields.party("from"),
    }))
}
