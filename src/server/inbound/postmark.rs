//! Postmark's webhooks: one JSON object a post.
//! Sources: Postmark, "Bounce webhook", "Delivery webhook", "Open tracking webhook", "Click webhook", "Spam complaint
//! webhook", "Subscription change webhook", "Bounce API" (types of bounces).
//!
//! Postmark signs nothing: it logs in with what the webhook's address or its settings say. It gives only bounces and
//! complaints an id. It tells a click once for each link and recipient, and no machine from a person.

use serde::Deserialize;

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::credentials::verify_basic;
use crate::server::inbound::reading::{self, Flag, Metadata, News, Text};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// Checks that Postmark made this webhook. `secret` is what the team keeps for it: `user:password`, as in the webhook's
/// address or its basic authentication at Postmark; several of them, one a line.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    verify_basic(posted, secret)
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let record = reading::object::<Record>(posted.body)?;
    Ok(reading::only(record.report()))
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Record {
    record_type: Text,
    #[serde(rename = "ID")]
    id: Text,
    #[serde(rename = "Type")]
    bounce_type: Text,
    #[serde(rename = "MessageID")]
    message_id: Text,
    #[serde(deserialize_with = "reading::lenient")]
    metadata: Metadata,
    email: Text,
    recipient: Text,
    from: Text,
    subject: Text,
    bounced_at: Text,
    delivered_at: Text,
    received_at: Text,
    changed_at: Text,
    description: Text,
    details: Text,
    first_open: Flag,
    user_agent: Text,
    original_link: Text,
    #[serde(deserialize_with = "reading::lenient")]
    geo: Geo,
    suppress_sending: Flag,
    suppression_reason: Text,
    origin: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Geo {
    city: Text,
    region: Text,
    country: Text,
    #[serde(rename = "IP")]
    ip: Text,
}

impl Record {
    fn report(&self) -> Result<Option<EventReport>, String> {
        let Some(news) = self.news()? else { return Ok(None) };
        let at = reading::event_time(self.time())?;
        let report = EventReport {
            email_id: self.metadata.email_id(),
            provider_message_id: reading::provider_message_id(self.message_id.get()),
            recipient: self.email.or(&self.recipient).owned(),
            from: self.from.owned(),
            subject: self.subject.owned(),
            ..reading::report(self.id(), news, at)
        };
        reading::named(report).map(Some)
    }

    fn time(&self) -> &Text {
        self.bounced_at.or(&self.delivered_at).or(&self.received_at).or(&self.changed_at)
    }

    fn id(&self) -> String {
        if let Some(id) = self.id.get() {
            return reading::event_id("postmark", &[id]);
        }
        let recipient = self.email.or(&self.recipient);
        let parts =
            [&self.record_type, &self.bounce_type, &self.message_id, recipient, self.time(), &self.original_link];
        reading::derived_id("postmark", &parts.map(Text::or_empty))
    }

    pub(super) fn news(&self) -> Result<Option<News>, String> {
        Ok(Some(match self.record_type.or_empty() {
            "Delivery" => News::new(EventKind::Delivered).reply(self.reply()),
            "Bounce" => return self.bounced(),
            "SpamComplaint" => self.by_server(EventKind::ReportedAsSpam),
            "Open" if self.first_open.0 == Some(false) => self.by_reader(EventKind::ReOpened),
            "Open" => self.by_reader(EventKind::Opened),
            "Click" => self.by_reader(EventKind::Clicked),
            "SubscriptionChange" => return self.subscription_changed(),
            "Inbound" => return Ok(None),
            _ => return Err(reading::unknown_type(&self.record_type)),
        }))
    }

    /// What each of Postmark's types of bounce comes to. Answers by the mailbox's owner or by machines, mail from
    /// outside and renewed subscriptions are no news of the message.
    fn bounced(&self) -> Result<Option<News>, String> {
        Ok(Some(match self.bounce_type.or_empty() {
            "HardBounce" => self.by_server(EventKind::Bounced).cause(EventCause::Hard),
            "SoftBounce" | "SpamNotification" | "Blocked" | "DMARCPolicy" | "ChallengeVerification" | "Unknown" => {
                self.by_server(EventKind::Bounced).cause(EventCause::Soft)
            }
            "Transient" | "DnsError" => self.by_server(EventKind::Deferred),
            "VirusNotification" => self.by_server(EventKind::Dropped).cause(EventCause::Virus),
            "ManuallyDeactivated" => self.by_server(EventKind::Dropped).cause(EventCause::Expected),
            "BadEmailAddress" | "Unconfirmed" => self.by_server(EventKind::Dropped),
            "SMTPApiError" | "TemplateRenderingFailed" => self.by_server(EventKind::Failed),
            "SpamComplaint" => self.by_server(EventKind::ReportedAsSpam),
            "Unsubscribe" => self.by_server(EventKind::Unsubscribed),
            "Subscribe" | "AutoResponder" | "AddressChange" | "OpenRelayTest" | "InboundError" => return Ok(None),
            _ => return Err(reading::unknown_type(&self.bounce_type)),
        }))
    }

    /// An address came onto the suppression list of a message stream. If the team put it there, no message did.
    fn subscription_changed(&self) -> Result<Option<News>, String> {
        let names_message = self.message_id.get().is_some() || self.metadata.sendlog_id.get().is_some();
        let is_own_doing = matches!(self.origin.or_empty(), "Customer" | "Admin");
        if self.suppress_sending.0 == Some(false) || !names_message || is_own_doing {
            return Ok(None);
        }
        let news = match self.suppression_reason.or_empty() {
            "HardBounce" => News::new(EventKind::Bounced).cause(EventCause::Hard),
            "SpamComplaint" => News::new(EventKind::ReportedAsSpam),
            "ManualSuppression" | "" => News::new(EventKind::Unsubscribed),
            _ => return Err(reading::unknown_type(&self.suppression_reason)),
        };
        Ok(Some(news.message(Some("Postmark sends this address no more".to_owned()))))
    }

    /// The mail server's answer, which Postmark begins with its protocol (`smtp;550 5.1.1 …`).
    fn reply(&self) -> Option<String> {
        let details = self.details.get()?;
        let reply = details.strip_prefix("smtp;").unwrap_or(details).trim();
        (!reply.is_empty()).then(|| reply.to_owned())
    }

    fn by_server(&self, kind: EventKind) -> News {
        News::new(kind).reply(self.reply()).message(self.description.owned())
    }

    fn by_reader(&self, kind: EventKind) -> News {
        let detail = EventDetail {
            url: self.original_link.owned(),
            user_agent: self.user_agent.owned(),
            ip: self.geo.ip.owned(),
            country: reading::place([&self.geo.city, &self.geo.region, &self.geo.country]),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

#[cfg(test)]
mod tests;
