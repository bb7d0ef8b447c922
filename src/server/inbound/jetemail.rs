//! JetEmail's webhooks about outgoing mail.
//! Sources: JetEmail, "Webhooks: Getting started", "Security & Verification" and "Event Types"; jetemail-php,
//! `WebhookSignature`. The signature covers the body alone, neither the id nor the time in the headers. So the nonce
//! is the event's id in the body, and the time in the header, which each try has anew, keeps out only what is honestly
//! late.

use ring::hmac;
use serde::Deserialize;

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::credentials::{TOLERANCE_S, is_signed, refuse_stale, required_header};
use crate::server::inbound::reading::{self, News, Text, UNKNOWN_TYPE};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// Checks that the provider made this webhook. `secret` is what the team keeps for it: the webhook's secret as JetEmail
/// shows it, with its `whsec_`; several while it is changed, one a line.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let signature = required_header(posted.headers, "x-webhook-signature")?;
    let sent_at = required_header(posted.headers, "x-webhook-timestamp")?;
    let signature = signature.strip_prefix("sha256=").and_then(|hex| hex::decode(hex).ok()).ok_or(Refusal::Forged)?;
    if !is_signed(hmac::HMAC_SHA256, secret, posted.body, &signature) {
        return Err(Refusal::Forged);
    }
    let sent_at = reading::time(sent_at).ok_or(Refusal::Stale)?;
    refuse_stale(sent_at.timestamp(), posted.now, TOLERANCE_S)?;
    let event = reading::object::<Event>(posted.body).unwrap_or_default();
    Ok(Genuine { nonce: event.id.owned() })
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let event = reading::object::<Event>(posted.body)?;
    let kind = event.kind.get().ok_or_else(|| reading::unreadable("The body has no type"))?;
    Ok(match kind.strip_prefix("outbound.") {
        None => Reports::new(),
        Some(kind) => vec![event.report(kind, posted.url)],
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    id: Text,
    #[serde(rename = "type")]
    kind: Text,
    created_at: Text,
    #[serde(deserialize_with = "reading::lenient")]
    data: Data,
}

/// The event's own part. The names are those of the webhooks and of the log, which tells the same.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Data {
    uid: Text,
    from: Text,
    to: Text,
    subject: Text,
    action: Text,
    bounce_type: Text,
    response: Text,
    reason: Text,
    mx: Text,
    host: Text,
    ip: Text,
    protocol: Text,
    #[serde(alias = "original_url", alias = "link")]
    url: Text,
    #[serde(alias = "email_client")]
    user_agent: Text,
    country: Text,
}

impl Event {
    fn report(&self, kind: &str, url: &str) -> Result<EventReport, String> {
        let data = &self.data;
        let news = data.news(kind).ok_or(UNKNOWN_TYPE)?;
        let at = reading::event_time(&self.created_at)?;
        let provider_message_id = reading::provider_message_id(data.uid.get());
        let recipient = data.to.get().map(reading::address);
        let id = match self.id.get() {
            Some(id) => reading::event_id("jetemail", &[id]),
            None => {
                let message = provider_message_id.as_deref().unwrap_or_default();
                let (to, told, link) = (recipient.unwrap_or_default(), &self.created_at, &data.url);
                let kind = format!("{:?}", news.kind);
                reading::event_id("jetemail", &[&kind, message, to, told.or_empty(), link.or_empty()])
            }
        };
        reading::named(EventReport {
            email_id: reading::email_id_in(url),
            provider_message_id,
            recipient: recipient.map(str::to_owned),
            from: data.from.owned(),
            subject: data.subject.owned(),
            ..reading::report(id, news, at)
        })
    }
}

impl Data {
    fn news(&self, kind: &str) -> Option<News> {
        let (kind, cause) = match kind {
            "queued" => (EventKind::Processed, None),
            "delivered" => (EventKind::Delivered, None),
            "deferred" => (EventKind::Deferred, None),
            "bounced" => (EventKind::Bounced, Some(self.bounce_cause())),
            "rejected" => (EventKind::Failed, None),
            "spam" | "dropped" => (EventKind::Dropped, None),
            "virus" => (EventKind::Dropped, Some(EventCause::Virus)),
            "opened" => (EventKind::Opened, None),
            "clicked" => (EventKind::Clicked, None),
            "complaint" => (EventKind::ReportedAsSpam, None),
            _ => return None,
        };
        Some(News { kind, detail: self.detail(kind, cause) })
    }

    /// `BOUNCED_SOFT` or `soft`; where neither field tells, the code of the mail server's answer.
    fn bounce_cause(&self) -> EventCause {
        let told = self.bounce_type.or(&self.action).or_empty().to_ascii_lowercase();
        let is_soft = match (told.contains("soft"), told.contains("hard")) {
            (true, _) => true,
            (_, true) => false,
            _ => self.response.or_empty().starts_with('4'),
        };
        if is_soft { EventCause::Soft } else { EventCause::Hard }
    }

    /// The address is the reader's where somebody opened the message or followed a link, else the mail server's.
    fn detail(&self, kind: EventKind, cause: Option<EventCause>) -> EventDetail {
        let is_visit = matches!(kind, EventKind::Opened | EventKind::Clicked);
        EventDetail {
            message: self.reason.owned(),
            reply: self.response.owned(),
            url: self.url.owned(),
            user_agent: self.user_agent.owned(),
            ip: self.ip.owned().filter(|_| is_visit),
            country: self.country.owned(),
            cause,
            server: self.host.owned(),
            server_ip: self.ip.owned().filter(|_| !is_visit),
            mx: self.mx.owned(),
            protocol: self.protocol.owned(),
        }
    }
}

#[cfg(test)]
mod tests;
