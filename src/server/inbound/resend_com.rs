//! Resend's webhooks, signed by Svix.
//! Sources: Resend, "Event types" and "Verify webhooks requests"; resend-node, `webhook-event.interface.ts`.
//! Resend reports each recipient's events, but names all recipients of the message in each and does not say whose it is
//! (resend-python, issue 68). What it says of a message as a whole, it says of every recipient; what it says of one of
//! several is told of nobody alone, so that no address is blamed for another's bounce.

use serde::Deserialize;
use serde_json::Value;

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::server::inbound::reading::{self, News, OWN_ID, Text, Texts};
use crate::server::inbound::standard_webhooks;
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// Checks that the provider made this webhook. `secret` is what the team keeps for it: the signing secret that Resend
/// shows with the webhook, `whsec_…`; several while it is changed, one a line.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    standard_webhooks::verify(posted, secret)
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let event = reading::object::<Event>(posted.body)?;
    let kind = event.kind.get().ok_or_else(|| reading::unreadable("The body has no type"))?;
    Ok(match kind.strip_prefix("email.") {
        Some("received") | None => Reports::new(),
        Some(kind) => match event.told(kind) {
            Some(told) => event.reports(&told, standard_webhooks::webhook_id(posted)),
            None => vec![Err(reading::unknown_type(&event.kind))],
        },
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "type")]
    kind: Text,
    created_at: Text,
    #[serde(deserialize_with = "reading::lenient")]
    data: Data,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Data {
    email_id: Text,
    from: Text,
    to: Texts,
    subject: Text,
    /// An object of names and values, or a list of `{name, value}`.
    tags: Value,
    #[serde(deserialize_with = "reading::lenient")]
    bounce: Bounce,
    #[serde(deserialize_with = "reading::lenient")]
    open: Visit,
    #[serde(deserialize_with = "reading::lenient")]
    click: Visit,
    #[serde(deserialize_with = "reading::lenient")]
    failed: Failed,
    #[serde(deserialize_with = "reading::lenient")]
    suppressed: Suppressed,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Bounce {
    #[serde(rename = "type")]
    kind: Text,
    sub_type: Text,
    message: Text,
    diagnostic_code: Texts,
}

/// An open or a click.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Visit {
    ip_address: Text,
    link: Text,
    timestamp: Text,
    user_agent: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Failed {
    reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Suppressed {
    message: Text,
}

/// What happened, and to whom.
struct Told<'a> {
    news: News,
    /// When it happened, where that is said apart from when the event was made.
    at: Option<&'a str>,
    /// Whether it happened to the message as a whole.
    is_of_all: bool,
}

impl Event {
    fn told(&self, kind: &str) -> Option<Told<'_>> {
        let data = &self.data;
        let of_all = |news| Told { news, at: None, is_of_all: true };
        let of_one = |news| Told { news, at: None, is_of_all: false };
        Some(match kind {
            "scheduled" => of_all(News::new(EventKind::Queued)),
            "sent" => of_all(News::new(EventKind::Sent)),
            "failed" => of_all(News::new(EventKind::Failed).message(data.failed.reason.owned())),
            "delivered" => of_one(News::new(EventKind::Delivered)),
            "delivery_delayed" => of_one(News::new(EventKind::Deferred)),
            "complained" => of_one(News::new(EventKind::ReportedAsSpam)),
            "suppressed" => {
                let message = data.suppressed.message.owned();
                of_one(News::new(EventKind::Dropped).cause(EventCause::Expected).message(message))
            }
            "bounced" => of_one(data.bounce.news()),
            "opened" => Told { at: data.open.timestamp.get(), ..of_one(data.open.news(EventKind::Opened)) },
            "clicked" => Told { at: data.click.timestamp.get(), ..of_one(data.click.news(EventKind::Clicked)) },
            _ => return None,
        })
    }

    fn reports(&self, told: &Told<'_>, webhook_id: Option<&str>) -> Reports {
        match self.data.to.as_slice() {
            [only] => vec![self.report(told, webhook_id, Some(only), "")],
            several if told.is_of_all && !several.is_empty() => {
                several.iter().map(|to| self.report(told, webhook_id, Some(to), reading::address(to))).collect()
            }
            _ => vec![self.report(told, webhook_id, None, "")],
        }
    }

    /// `part` tells the reports of one webhook apart.
    fn report(
        &self,
        told: &Told<'_>,
        webhook_id: Option<&str>,
        recipient: Option<&str>,
        part: &str,
    ) -> Result<EventReport, String> {
        let data = &self.data;
        let news = &told.news;
        let at = told.at.and_then(reading::time).map_or_else(|| reading::event_time(&self.created_at), Ok)?;
        let provider_message_id = reading::provider_message_id(data.email_id.get());
        let recipient = recipient.map(reading::address);
        let id = match (webhook_id, part) {
            (Some(id), "") => reading::event_id("resend", &[id]),
            (Some(id), part) => reading::event_id("resend", &[id, part]),
            (None, _) => {
                let message = provider_message_id.as_deref().unwrap_or_default();
                let link = news.detail.url.as_deref().unwrap_or_default();
                let (kind, time) = (format!("{:?}", news.kind), at.to_rfc3339());
                reading::event_id("resend", &[&kind, message, recipient.unwrap_or_default(), &time, link])
            }
        };
        reading::named(EventReport {
            email_id: data.own_id(),
            provider_message_id,
            recipient: recipient.map(str::to_owned),
            from: data.from.owned(),
            subject: data.subject.owned(),
            ..reading::report(id, news.clone(), at)
        })
    }
}

impl Data {
    pub(super) fn own_id(&self) -> Option<EmailId> {
        let is_own = |tag: &&Value| tag.get("name").and_then(Value::as_str) == Some(OWN_ID);
        let value = match &self.tags {
            Value::Object(tags) => tags.get(OWN_ID),
            Value::Array(tags) => tags.iter().find(is_own).and_then(|tag| tag.get("value")),
            _ => None,
        };
        reading::email_id(value.and_then(Value::as_str))
    }
}

impl Bounce {
    /// A bounce of which nothing is said is one for good: so Resend documents the event. Before Resend had an event for
    /// suppressed addresses, it reported them as bounces.
    fn news(&self) -> News {
        let (kind, cause) = match (self.kind.or_empty(), self.sub_type.or_empty()) {
            (_, "Suppressed" | "OnAccountSuppressionList") => (EventKind::Dropped, EventCause::Expected),
            ("", "") if self.message.or_empty().contains("suppressed sending") => {
                (EventKind::Dropped, EventCause::Expected)
            }
            ("Transient" | "Undetermined" | "Temporary", _) => (EventKind::Bounced, EventCause::Soft),
            _ => (EventKind::Bounced, EventCause::Hard),
        };
        let reply = self.diagnostic_code.first().map(|code| code.trim_start_matches("smtp;").trim().to_owned());
        News::new(kind).cause(cause).message(self.message.owned()).reply(reply)
    }
}

impl Visit {
    fn news(&self, kind: EventKind) -> News {
        let detail = EventDetail {
            url: self.link.owned(),
            user_agent: self.user_agent.owned(),
            ip: self.ip_address.owned(),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

#[cfg(test)]
mod tests;
