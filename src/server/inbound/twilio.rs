//! Twilio's status callbacks of messages and calls.
//! Sources: Twilio, "Webhooks Security", "Track the Message Status of Outbound Messages", "Call resource:
//! StatusCallback" and "Error and Warning Dictionary"; twilio-node, `webhooks`. Twilio signs neither a time nor an id,
//! so a replay is told by its event's id alone. It says when something happened to a call, but not when something
//! happened to a message: such an event has the time at which it is posted.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::hmac;
use sha2::{Digest, Sha256};

use crate::domain::channel::Channel;
use crate::domain::event::{EventCause, EventKind};
use crate::server::inbound::credentials::{header, is_signed, required_header};
use crate::server::inbound::reading::{self, NO_MESSAGE, News, Text, UNKNOWN_TYPE, unreadable};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// The query parameter with the digest of a body that is no form.
const BODY_DIGEST: &str = "bodySHA256";
const CANCELED: &str = "It was canceled at Twilio";

/// Checks that the provider made this webhook. `secret` is what the team keeps for it: the account's auth token, or
/// the secret of the shared key that signs its webhooks; several while it is changed, one a line. `posted.url` is what
/// Twilio asked for, to the letter, with all that it added to the query.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let signature = required_header(posted.headers, "x-twilio-signature")?;
    let signature = STANDARD.decode(signature).map_err(|_| Refusal::Forged)?;
    let algorithm = algorithm(header(posted.headers, "x-twilio-webhooks-signature-settings")?)?;
    let fields = signed_fields(posted)?;
    let is_right = |url: &String| is_signed(algorithm, secret, &[url.as_bytes(), &fields].concat(), &signature);
    if addresses(posted.url).iter().any(is_right) { Ok(Genuine { nonce: None }) } else { Err(Refusal::Forged) }
}

/// HMAC-SHA1 unless the header names another: `key=…,algorithm=HMAC_SHA256`.
fn algorithm(settings: Option<&str>) -> Result<hmac::Algorithm, Refusal> {
    let named = settings.unwrap_or_default().split(',').filter_map(|part| part.split_once('='));
    let named = named.map(|(name, value)| (name.trim(), value.trim())).find(|(name, _)| *name == "algorithm");
    match named.map_or("", |(_, value)| value).to_ascii_uppercase().as_str() {
        "" | "HMAC_SHA1" => Ok(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
        "HMAC_SHA256" => Ok(hmac::HMAC_SHA256),
        _ => Err(unreadable("The webhook is signed by an algorithm that Sendlog does not know")),
    }
}

/// What is signed after the address: each form field's name and value, by the alphabet, equal ones once. Of another
/// body, the digest in the address is signed, which must be that of the body.
fn signed_fields(posted: &Posted<'_>) -> Result<Vec<u8>, Refusal> {
    if let Some((_, expected)) = reading::query(posted.url).find(|(name, _)| name == BODY_DIGEST) {
        let actual = Sha256::digest(posted.body);
        let is_same = hex::decode(expected.as_bytes()).is_ok_and(|expected| expected == actual.as_slice());
        return if is_same { Ok(Vec::new()) } else { Err(Refusal::Forged) };
    }
    let mut fields: Vec<_> = form_urlencoded::parse(posted.body).collect();
    fields.sort();
    fields.dedup();
    Ok(fields.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]).flatten().copied().collect())
}

/// The address without and with its port: Twilio signs either.
fn addresses(url: &str) -> Vec<String> {
    let Some((scheme, rest)) = url.split_once("://") else { return vec![url.to_owned()] };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host_begin = authority.rfind('@').map_or(0, |at| at + 1);
    let (user, host_and_port) = authority.split_at(host_begin);
    let host_end = host_and_port.rfind(']').map_or(0, |bracket| bracket + 1);
    let port_begin = host_and_port.get(host_end..).and_then(|rest| rest.find(':')).map(|colon| host_end + colon);
    let (host, port) = host_and_port.split_at(port_begin.unwrap_or(host_and_port.len()));
    let standard = if scheme.eq_ignore_ascii_case("https") { ":443" } else { ":80" };
    let port = if port.is_empty() { standard } else { port };
    vec![format!("{scheme}://{user}{host}{path}"), format!("{scheme}://{user}{host}{port}{path}")]
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let callback = Callback::of(posted.body)?;
    let field = |name: &str| callback.field(name);
    if field("Direction").is_some_and(|direction| direction.starts_with("inbound")) {
        return Ok(Reports::new());
    }
    let message_sid = field("MessageSid").or_else(|| field("SmsSid"));
    if let Some(status) = field("MessageStatus").or_else(|| field("SmsStatus")) {
        let report = message_news(status, field("ErrorCode")).and_then(|news| match news {
            Some(news) => callback.report(posted, Channel::Sms, message_sid, status, news).map(Some),
            None => Ok(None),
        });
        return Ok(reading::only(report));
    }
    if let Some(status) = field("CallStatus") {
        let news = call_news(status).ok_or_else(|| UNKNOWN_TYPE.to_owned());
        return Ok(vec![news.and_then(|news| callback.report(posted, Channel::Call, field("CallSid"), status, news))]);
    }
    match message_sid.or_else(|| field("CallSid")) {
        Some(_) => Ok(Reports::new()),
        None => Err(unreadable("The body is no status callback of a message or a call")),
    }
}

/// What a message's status comes to; `None` for one of a message that came in.
fn message_news(status: &str, error: Option<&str>) -> Result<Option<News>, String> {
    let undelivered = (EventKind::Bounced, Some(EventCause::Undelivered));
    let (kind, cause) = match status {
        "scheduled" => (EventKind::Queued, None),
        "accepted" | "queued" | "sending" => (EventKind::Processed, None),
        "sent" | "partially_delivered" => (EventKind::Sent, None),
        "delivered" => (EventKind::Delivered, None),
        "read" => (EventKind::Opened, None),
        "undelivered" => undelivered,
        "failed" => match error {
            Some("21610") => (EventKind::Dropped, Some(EventCause::Expected)),
            Some("21211" | "21614" | "30003" | "30004" | "30005" | "30006" | "30007") => undelivered,
            _ => (EventKind::Failed, Some(EventCause::Infrastructure)),
        },
        "canceled" => (EventKind::Dropped, Some(EventCause::Expected)),
        "receiving" | "received" => return Ok(None),
        _ => return Err(UNKNOWN_TYPE.to_owned()),
    };
    let words = if status == "canceled" { Some(CANCELED) } else { error.and_then(error_words) };
    Ok(Some(News::new(kind).cause(cause).message(words.map(str::to_owned))))
}

fn call_news(status: &str) -> Option<News> {
    let (kind, cause, words) = match status {
        "queued" => (EventKind::Processed, None, None),
        "initiated" => (EventKind::Sent, None, Some("Twilio dials the number")),
        "ringing" => (EventKind::Sent, None, Some("The telephone rings")),
        "in-progress" | "answered" => (EventKind::Sent, None, Some("The call was answered")),
        "completed" => (EventKind::Delivered, Some(EventCause::Completed), None),
        "busy" => (EventKind::Delivered, Some(EventCause::Busy), None),
        "no-answer" => (EventKind::Delivered, Some(EventCause::NoAnswer), None),
        "failed" => (EventKind::Bounced, Some(EventCause::CannotReach), None),
        "canceled" => (EventKind::Dropped, Some(EventCause::Expected), Some(CANCELED)),
        _ => return None,
    };
    Some(News::new(kind).cause(cause).message(words.map(str::to_owned)))
}

fn error_words(code: &str) -> Option<&'static str> {
    Some(match code {
        "21211" => "The number is no telephone number",
        "21610" => "The recipient asked for no more messages",
        "21614" => "The number takes no text messages",
        "30001" => "Twilio's queue for the sender is full",
        "30002" => "The Twilio account is suspended",
        "30003" => "The telephone cannot be reached",
        "30004" => "The recipient or the carrier blocks the message",
        "30005" => "The number is unknown or not in use",
        "30006" => "The number is a landline or its carrier cannot be reached",
        "30007" => "The carrier filtered the message",
        "30008" => "The carrier gave no reason",
        _ => return None,
    })
}

/// The fields of a form, or of a JSON object with the same names.
struct Callback(BTreeMap<String, Text>);

impl Callback {
    fn of(body: &[u8]) -> Result<Self, Refusal> {
        let body = reading::present(body)?;
        if body.starts_with(b"{") {
            return reading::object(body).map(Self);
        }
        let fields = form_urlencoded::parse(body);
        Ok(Self(fields.map(|(name, value)| (name.into_owned(), Text::from(value.as_ref()))).collect()))
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Text::get)
    }

    fn report(
        &self,
        posted: &Posted<'_>,
        channel: Channel,
        sid: Option<&str>,
        status: &str,
        news: News,
    ) -> Result<EventReport, String> {
        let provider_message_id = reading::provider_message_id(sid);
        let id = reading::event_id("twilio", &[provider_message_id.as_deref().ok_or(NO_MESSAGE)?, status]);
        let message = news.detail.message.clone().or_else(|| self.duration_words(status));
        let news = news.message(message).reply(self.reply());
        Ok(EventReport {
            email_id: reading::email_id_in(posted.url),
            provider_message_id,
            recipient: self.field("To").map(str::to_owned),
            from: self.field("From").map(str::to_owned),
            channel: Some(channel),
            ..reading::report(id, news, self.time(posted.now)?)
        })
    }

    /// The time in RFC 2822, which only calls have.
    fn time(&self, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
        let Some(told) = self.0.get("Timestamp").filter(|told| told.get().is_some()) else { return Ok(now) };
        reading::event_time_by(told, |told| match DateTime::parse_from_rfc2822(told) {
            Ok(at) => Some(at.to_utc()),
            Err(_) => reading::time(told),
        })
    }

    /// `30005 Unknown destination handset`, or the answer of the other telephone system to a call: `SIP 486`.
    fn reply(&self) -> Option<String> {
        let error = match (self.field("ErrorCode"), self.field("ErrorMessage")) {
            (Some(code), Some(words)) => Some(format!("{code} {words}")),
            (told, None) | (None, told) => told.map(str::to_owned),
        };
        error.or_else(|| self.field("SipResponseCode").map(|code| format!("SIP {code}")))
    }

    fn duration_words(&self, status: &str) -> Option<String> {
        let seconds: u32 = self.field("CallDuration").filter(|_| status == "completed")?.parse().ok()?;
        Some(if seconds == 1 {
            "The call lasted 1 second".to_owned()
        } else {
            format!("The call lasted {seconds} seconds")
        })
    }
}

#[cfg(test)]
mod tests;
