//! What the providers' webhooks have in common when they are read: batches, times, ids and reports, and lenient
//! [values]. The provider modules call it; it knows no provider.

use chrono::{DateTime, Utc};
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::server::inbound::{Refusal, Reports};
use crate::server::services::events::{EventReport, MAX_EVENT_ID_CHARS, MAX_EVENTS, MAX_PROVIDER_ID_CHARS};

mod values;

pub use values::{Flag, Metadata, Text, Texts, lenient, lenient_list};

/// The name under which Sendlog's adapters put the message's id into what they send.
pub const OWN_ID: &str = "sendlog_id";
/// The message of an opening that the provider says was not the reader's.
pub const OPENED_BY_MACHINE: &str = "Opened by a machine, not by a person";
/// The message of a click that the provider says was not the reader's.
pub const CLICKED_BY_MACHINE: &str = "Clicked by a machine, not by a person";
/// The error of an event that names no message.
pub const NO_MESSAGE: &str = "The event names no message";
/// The error of an event whose type is none of the documented ones.
pub const UNKNOWN_TYPE: &str = "The event is of a type that Sendlog does not know";

/// Unix times from here on count milliseconds: as seconds they would be in the year 5138.
const FIRST_MILLISECONDS: u64 = 100_000_000_000;

/// The events of a body that is a JSON array.
pub fn array(body: &[u8]) -> Result<Vec<&RawValue>, Refusal> {
    match present(body)? {
        body if body.starts_with(b"[") => events(body),
        _ => Err(unreadable("The body is not a JSON array of events")),
    }
}

/// The events of a body that is a JSON array, or one JSON object alone.
pub fn array_or_object(body: &[u8]) -> Result<Vec<&RawValue>, Refusal> {
    match present(body)? {
        body if body.starts_with(b"[") => events(body),
        body if body.starts_with(b"{") => serde_json::from_slice(body).map(|event| vec![event]).map_err(|_| not_json()),
        _ => Err(unreadable("The body is neither a JSON object nor an array of them")),
    }
}

/// A body that is one JSON object.
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    match present(body)? {
        body if body.starts_with(b"{") => serde_json::from_slice(body).map_err(|_| not_json()),
        _ => Err(unreadable("The body is not a JSON object")),
    }
}

/// A body without the white space around it.
pub fn present(body: &[u8]) -> Result<&[u8], Refusal> {
    match body.trim_ascii() {
        b"" => Err(unreadable("The body is empty")),
        body => Ok(body),
    }
}

/// A refusal in words for the team.
pub fn unreadable(words: &str) -> Refusal {
    Refusal::Unreadable(words.to_owned())
}

fn not_json() -> Refusal {
    unreadable("The body is not JSON as documented")
}

struct Events<'a>(Vec<&'a RawValue>);

fn events(body: &[u8]) -> Result<Vec<&RawValue>, Refusal> {
    match serde_json::from_slice::<Events<'_>>(body) {
        Ok(events) => Ok(events.0),
        Err(error) if error.is_data() => Err(unreadable("The body has more than 10,000 events")),
        Err(_) => Err(not_json()),
    }
}

impl<'de> Deserialize<'de> for Events<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(EventsVisitor)
    }
}

struct EventsVisitor;

impl<'de> Visitor<'de> for EventsVisitor {
    type Value = Events<'de>;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "at most {MAX_EVENTS} events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Events<'de>, A::Error> {
        let mut events = Vec::new();
        while let Some(event) = list.next_element()? {
            if events.len() == MAX_EVENTS {
                return Err(A::Error::custom("too many events"));
            }
            events.push(event);
        }
        Ok(Events(events))
    }
}

/// The reports of a batch, in their order.
pub fn reports<T: DeserializeOwned>(
    events: Vec<&RawValue>,
    report: impl Fn(T) -> Result<Option<EventReport>, String>,
) -> Reports {
    events.into_iter().filter_map(|raw| event(raw).and_then(&report).transpose()).collect()
}

/// One event of a batch.
pub fn event<T: DeserializeOwned>(raw: &RawValue) -> Result<T, String> {
    let is_object = raw.get().starts_with('{');
    let event = if is_object { serde_json::from_str(raw.get()).ok() } else { None };
    event.ok_or_else(|| "The event is not a JSON object as documented".to_owned())
}

/// The reports of a webhook that has one event.
pub fn only(report: Result<Option<EventReport>, String>) -> Reports {
    report.transpose().into_iter().collect()
}

/// The time of an event, in a form of [time()].
pub fn event_time(text: &Text) -> Result<DateTime<Utc>, String> {
    event_time_by(text, time)
}

/// The time of an event, in a form of the provider's.
pub fn event_time_by(text: &Text, read: fn(&str) -> Option<DateTime<Utc>>) -> Result<DateTime<Utc>, String> {
    let text = text.get().ok_or("The event has no time")?;
    read(text).ok_or_else(|| "The event's time is not a time".to_owned())
}

/// Reads a time: Unix seconds or milliseconds, or RFC 3339 with an offset.
pub fn time(text: &str) -> Option<DateTime<Utc>> {
    unix_time(text).or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()))
}

fn unix_time(text: &str) -> Option<DateTime<Utc>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    if whole >= FIRST_MILLISECONDS {
        return DateTime::from_timestamp_millis(i64::try_from(whole).ok()?);
    }
    let nanoseconds: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    DateTime::from_timestamp(i64::try_from(whole).ok()?, nanoseconds.parse().ok()?)
}

/// Sendlog's id of the message, where the text is one.
pub fn email_id(text: Option<&str>) -> Option<EmailId> {
    text?.parse().ok()
}

/// Sendlog's id of the message in its `Message-ID`, where Sendlog wrote that: `<eml_06xq3k9v2m4p8@finch.example>`.
pub fn message_email_id(message_id: Option<&str>) -> Option<EmailId> {
    let (id, _) = message_id?.trim().trim_start_matches('<').split_once('@')?;
    email_id(Some(id))
}

/// Sendlog's id of the message in the query of the webhook's address.
pub fn email_id_in(url: &str) -> Option<EmailId> {
    query(url).find(|(name, _)| name == OWN_ID).and_then(|(_, id)| email_id(Some(&id)))
}

/// The query parameters of an address.
pub fn query(url: &str) -> form_urlencoded::Parse<'_> {
    let query = url.split_once('?').map_or("", |(_, rest)| rest.split('#').next().unwrap_or_default());
    form_urlencoded::parse(query.as_bytes())
}

/// The provider's id of the message, without `<` and `>`. One that is too long to be one is none.
pub fn provider_message_id(text: Option<&str>) -> Option<String> {
    let id = text?.trim().trim_start_matches('<').trim_end_matches('>').trim();
    (!id.is_empty() && id.chars().count() <= MAX_PROVIDER_ID_CHARS).then(|| id.to_owned())
}

/// The address within `Ada Finch <ada@finch.example>`, or the whole text where it has no brackets.
pub fn address(text: &str) -> &str {
    let inner = text.rsplit_once('<').and_then(|(_, rest)| rest.split('>').next()).filter(|inner| !inner.is_empty());
    inner.unwrap_or(text).trim()
}

/// The reader's whereabouts: "Brisbane, QLD, AU", of what is known.
pub fn place(parts: [&Text; 3]) -> Option<String> {
    let known = parts.into_iter().filter_map(Text::get).filter(|part| !part.eq_ignore_ascii_case("unknown"));
    let place = known.collect::<Vec<_>>().join(", ");
    (!place.is_empty()).then_some(place)
}

/// The id of an event: the provider's name and the parts that tell it apart. It is a [derived_id] where they are long,
/// their borders could be mistaken or they hold what no id should.
pub fn event_id(provider: &str, parts: &[&str]) -> String {
    let plain = format!("{provider}:{}", parts.join(":"));
    let before_last = parts.split_last().map_or(&[][..], |(_, before)| before);
    let has_clear_borders = before_last.iter().all(|part| !part.contains(':'));
    let is_short = plain.chars().count() <= MAX_EVENT_ID_CHARS;
    if has_clear_borders && is_short && !plain.contains(char::is_control) {
        return plain;
    }
    derived_id(provider, parts)
}

/// The id of an event that the provider gives none: a digest of what tells it apart. The lengths go in, too, so that no
/// part can run into the next.
pub fn derived_id(provider: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let hex: String = hex::encode(hash.finalize()).chars().take(32).collect();
    format!("{provider}:{hex}")
}

/// What an event says beside the message and the time. A provider module has `None` in its place for an event that is
/// no news of a message.
#[derive(Clone, Debug)]
pub struct News {
    pub kind: EventKind,
    pub detail: EventDetail,
}

impl News {
    /// News of this kind, with nothing else known yet.
    pub fn new(kind: EventKind) -> Self {
        Self { kind, detail: EventDetail::default() }
    }

    /// What it means more exactly.
    pub fn cause(mut self, cause: impl Into<Option<EventCause>>) -> Self {
        self.detail.cause = cause.into();
        self
    }

    /// The provider's own words.
    pub fn message(mut self, message: Option<String>) -> Self {
        self.detail.message = message;
        self
    }

    /// The mail server's words.
    pub fn reply(mut self, reply: Option<String>) -> Self {
        self.detail.reply = reply;
        self
    }
}

/// The report of an event that happened then, with nothing else known yet.
pub fn report(id: String, news: News, at: DateTime<Utc>) -> EventReport {
    EventReport {
        id,
        kind: news.kind,
        at,
        email_id: None,
        provider_message_id: None,
        recipient: None,
        detail: news.detail,
        from: None,
        subject: None,
        channel: None,
    }
}

/// The report, if it names a message.
pub fn named(report: EventReport) -> Result<EventReport, String> {
    if report.email_id.is_none() && report.provider_message_id.is_none() {
        return Err(NO_MESSAGE.to_owned());
    }
    Ok(report)
}

/// The error of an event whose type is missing or is none of the documented ones.
pub fn unknown_type(kind: &Text) -> String {
    kind.get().map_or("The event has no type", |_| UNKNOWN_TYPE).to_owned()
}

#[cfg(test)]
mod tests;
