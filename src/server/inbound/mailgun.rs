//! Mailgun's webhooks: one JSON object with a `signature` and the `event-data`.
//! Sources: Mailgun, "Webhook Payloads", "Securing Webhooks", "Automatic Retries", "Event Types", "Open and Click Bot
//! Detection"; the reasons of failures are those of its Stats API.
//!
//! The signature covers a time and a token, and NOT the event. Only the token, which serves once, keeps a captured
//! signature from being used for an invented event: the caller must remember it for as long as the time is fresh.
//! Mailgun posts a failed webhook again for eight hours and keeps the first signature, so the time may be that old. It
//! tries again after every answer but 200 and 406.

use ring::hmac;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::credentials::{TOLERANCE_S, is_signed, refuse_stale, signed_seconds};
use crate::server::inbound::reading::{self, CLICKED_BY_MACHINE, Metadata, News, OPENED_BY_MACHINE, Text};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

const RETRIES_S: i64 = 8 * 60 * 60;

/// Checks that Mailgun made this webhook. `secret` is what the team keeps for it: the HTTP webhook signing key of the
/// account, or of the account above it (`parent-signature`); several of them, one a line. The nonce is Mailgun's token.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let signature = reading::object::<Signed>(posted.body)?.signature;
    let (Some(timestamp), Some(token)) = (signature.timestamp.get(), signature.token.get()) else {
        return Err(Refusal::Unsigned);
    };
    let given = [&signature.signature, &signature.parent_signature];
    if given.iter().all(|given| given.get().is_none()) {
        return Err(Refusal::Unsigned);
    }
    let signed = [timestamp, token].concat();
    let mut tags = given.iter().filter_map(|given| hex::decode(given.get()?).ok());
    if !tags.any(|tag| is_signed(hmac::HMAC_SHA256, secret, signed.as_bytes(), &tag)) {
        return Err(Refusal::Forged);
    }
    let signed_at_s = signed_seconds(timestamp).ok_or(Refusal::Forged)?;
    refuse_stale(signed_at_s, posted.now, RETRIES_S + TOLERANCE_S)?;
    Ok(Genuine { nonce: Some(token.to_owned()) })
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let webhook = reading::object::<Webhook>(posted.body)?;
    let event = webhook.event_data.ok_or_else(|| reading::unreadable("The body has no event-data"))?;
    Ok(reading::reports(vec![&*event], |event: Event| event.report()))
}

#[derive(Deserialize)]
struct Signed {
    #[serde(default, deserialize_with = "reading::lenient")]
    signature: Signature,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Signature {
    timestamp: Text,
    token: Text,
    signature: Text,
    parent_signature: Text,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Webhook {
    event_data: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Event {
    event: Text,
    id: Text,
    timestamp: Text,
    recipient: Text,
    severity: Text,
    reason: Text,
    url: Text,
    ip: Text,
    #[serde(deserialize_with = "reading::lenient")]
    message: Message,
    #[serde(deserialize_with = "reading::lenient")]
    user_variables: Metadata,
    #[serde(deserialize_with = "reading::lenient")]
    delivery_status: DeliveryStatus,
    #[serde(deserialize_with = "reading::lenient")]
    envelope: Envelope,
    #[serde(deserialize_with = "reading::lenient")]
    client_info: ClientInfo,
    #[serde(deserialize_with = "reading::lenient")]
    geolocation: Geolocation,
    #[serde(deserialize_with = "reading::lenient")]
    reject: Reject,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    #[serde(deserialize_with = "reading::lenient")]
    headers: Headers,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Headers {
    message_id: Text,
    from: Text,
    to: Text,
    subject: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct DeliveryStatus {
    code: Text,
    enhanced_code: Text,
    message: Text,
    description: Text,
    mx_host: Text,
    bounce_type: Text,
    retry_seconds: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope {
    transport: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct ClientInfo {
    user_agent: Text,
    /// `apple`, `gmail` or `generic` where Mailgun takes the reader for a machine.
    bot: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Geolocation {
    city: Text,
    region: Text,
    country: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Reject {
    reason: Text,
    description: Text,
}

impl Event {
    pub(super) fn report(&self) -> Result<Option<EventReport>, String> {
        let Some(news) = self.news()? else { return Ok(None) };
        let at = reading::event_time(&self.timestamp)?;
        let headers = &self.message.headers;
        let id = match self.id.get() {
            // Mailgun promises that no other event of that day has its id.
            Some(id) => reading::event_id("mailgun", &[&format!("{}:{id}", at.date_naive())]),
            None => self.derived_id(),
        };
        let report = EventReport {
            email_id: self.user_variables.email_id(),
            provider_message_id: reading::provider_message_id(headers.message_id.get()),
            recipient: self.recipient.owned().or_else(|| headers.to.get().and_then(only_address)),
            from: headers.from.owned(),
            subject: headers.subject.owned(),
            ..reading::report(id, news, at)
        };
        reading::named(report).map(Some)
    }

    fn derived_id(&self) -> String {
        let message = &self.message.headers.message_id;
        let parts = [&self.event, &self.severity, message, &self.recipient, &self.timestamp, &self.url];
        reading::derived_id("mailgun", &parts.map(Text::or_empty))
    }

    fn news(&self) -> Result<Option<News>, String> {
        Ok(Some(match self.event.or_empty() {
            "accepted" => News::new(EventKind::Processed),
            "delivered" => self.by_server(EventKind::Delivered),
            "failed" => self.failed(),
            "rejected" => self.rejected(),
            "opened" => self.by_reader(EventKind::Opened, OPENED_BY_MACHINE),
            "clicked" => self.by_reader(EventKind::Clicked, CLICKED_BY_MACHINE),
            "complained" => News::new(EventKind::ReportedAsSpam),
            "unsubscribed" => self.by_reader(EventKind::Unsubscribed, "Unsubscribed by a machine, not by a person"),
            "stored" | "email_validation" | "list_uploaded" | "list_member_uploaded" | "list_member_upload_error" => {
                return Ok(None);
            }
            _ => return Err(reading::unknown_type(&self.event)),
        }))
    }

    fn failed(&self) -> News {
        if self.severity.or_empty() == "temporary" {
            let news = self.by_server(EventKind::Deferred);
            let message = news.detail.message.clone().or_else(|| self.delivery_status.next_try());
            return news.message(message);
        }
        if self.is_suppressed() {
            let words = self.delivery_status.words().or(&self.reason).owned();
            return News::new(EventKind::Dropped).cause(EventCause::Expected).message(words);
        }
        self.by_server(EventKind::Bounced).cause(self.bounce_cause())
    }

    /// Whether Mailgun did not even try, because the address bounced, unsubscribed or complained before.
    fn is_suppressed(&self) -> bool {
        self.reason.or_empty().starts_with("suppress-")
            || matches!(self.delivery_status.code.or_empty(), "605" | "606" | "607")
    }

    /// Mailgun's own word where it has one. Else it gave up (`old`), or a provider refuses the sender (`espblock`),
    /// which says nothing of the address; else the mail server's code decides.
    fn bounce_cause(&self) -> EventCause {
        match (self.delivery_status.bounce_type.or_empty(), self.reason.or_empty()) {
            ("hard", _) => EventCause::Hard,
            ("soft", _) | (_, "old" | "espblock" | "greylisted") => EventCause::Soft,
            _ if self.delivery_status.code.or_empty().starts_with('5') => EventCause::Hard,
            _ if self.delivery_status.code.get().is_some() => EventCause::Soft,
            _ => EventCause::Hard,
        }
    }

    fn rejected(&self) -> News {
        let words = self.reject.description.or(&self.reject.reason).or(&self.reason);
        let has_virus = words.or_empty().to_ascii_lowercase().contains("virus");
        News::new(EventKind::Dropped).cause(has_virus.then_some(EventCause::Virus)).message(words.owned())
    }

    fn by_server(&self, kind: EventKind) -> News {
        let status = &self.delivery_status;
        let own_words = if status.is_mailguns_own() { status.words() } else { &status.description };
        let detail = EventDetail {
            message: own_words.owned(),
            reply: if status.is_mailguns_own() { None } else { status.reply() },
            mx: status.mx_host.owned(),
            protocol: self.envelope.transport.owned(),
            ..EventDetail::default()
        };
        News { kind, detail }
    }

    fn by_reader(&self, kind: EventKind, by_machine: &str) -> News {
        let detail = EventDetail {
            message: self.client_info.bot.get().map(|_| by_machine.to_owned()),
            cause: self.client_info.bot.get().map(|_| EventCause::Machine),
            url: self.url.owned(),
            user_agent: self.client_info.user_agent.owned(),
            ip: self.ip.owned(),
            country: reading::place([&self.geolocation.city, &self.geolocation.region, &self.geolocation.country]),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

impl DeliveryStatus {
    fn words(&self) -> &Text {
        self.message.or(&self.description)
    }

    /// Codes that no mail server gives: no mail exchanger (498), no connection (499), too old (602) and the like.
    fn is_mailguns_own(&self) -> bool {
        matches!(self.code.or_empty(), "498" | "499") || self.code.or_empty().starts_with('6')
    }

    /// The answer with its codes, of which the words may have none, one or both already.
    fn reply(&self) -> Option<String> {
        let words = self.message.or_empty();
        let enhanced = self.enhanced_code.or_empty();
        let enhanced = if words.contains(enhanced) { "" } else { enhanced };
        let code = if words.starts_with(self.code.or_empty()) { "" } else { self.code.or_empty() };
        let parts: Vec<&str> = [code, enhanced, words].into_iter().filter(|part| !part.is_empty()).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    fn next_try(&self) -> Option<String> {
        self.retry_seconds.get().map(|seconds| format!("Mailgun tries again in {seconds} seconds"))
    }
}

/// The address in a `To` header that has one.
fn only_address(header: &str) -> Option<String> {
    if header.contains(',') {
        return None;
    }
    let address = reading::address(header);
    address.contains('@').then(|| address.to_owned())
}

#[cfg(test)]
mod tests;
