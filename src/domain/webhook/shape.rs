//! What a post says, in Sendlog's own shape and in those of the systems whose receivers a team has already.
//! Sources: Standard Webhooks, specification, "Payload structure"; Resend, "Event types"; JetEmail, "Webhooks: Event types".

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::WebhookShape;
use crate::domain::channel::Channel;
use crate::domain::email::Recipient;
use crate::domain::event::{EmailEvent, EventCause, EventKind};
use crate::domain::ids::{EmailId, EventId};

/// What a post says of the message that something happened to.
#[derive(Clone, Debug)]
pub struct AboutMessage {
    pub id: EmailId,
    pub channel: Channel,
    pub recipients: Vec<Recipient>,
    pub from_address: String,
    pub subject: String,
    pub tags: Vec<String>,
    pub metadata: Value,
    pub provider_message_id: Option<String>,
}

/// A post: its type and its body.
#[derive(Clone, Debug, PartialEq)]
pub struct Post {
    pub kind: String,
    pub body: Value,
}

/// The post about an event; `None` where the shape has no word for such an event.
pub fn post_about(shape: WebhookShape, message: &AboutMessage, event: &EmailEvent) -> Option<Post> {
    match shape {
        WebhookShape::Sendlog => Some(sendlog(message, event)),
        WebhookShape::ResendCom => resend_com(message, event),
        WebhookShape::JetEmail => jetemail(message, event),
    }
}

/// The post of a test, which is about no message.
pub fn test_post(shape: WebhookShape, id: EventId, at: DateTime<Utc>) -> Post {
    let kind = match shape {
        WebhookShape::Sendlog | WebhookShape::ResendCom => "webhook.test",
        WebhookShape::JetEmail => "test",
    };
    let said = json!({ "message": "This is a test of your webhook." });
    let body = match shape {
        WebhookShape::Sendlog => json!({ "type": kind, "timestamp": time(at), "data": said }),
        WebhookShape::ResendCom => json!({ "type": kind, "created_at": time(at), "data": said }),
        WebhookShape::JetEmail => {
            json!({ "id": id, "service": "outbound", "type": kind, "created_at": time(at), "data": said })
        }
    };
    Post { kind: kind.to_owned(), body }
}

fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// Whom the event is about: its own recipient, or all of the message's.
fn to(message: &AboutMessage, event: &EmailEvent) -> Vec<String> {
    match &event.recipient {
        Some(recipient) => vec![recipient.clone()],
        None => message.recipients.iter().map(|recipient| recipient.address.clone()).collect(),
    }
}

/// An object of the members that have a value.
fn object<const N: usize>(members: [(&str, Option<&str>); N]) -> Value {
    let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), json!(value?))));
    Value::Object(members.collect::<Map<_, _>>())
}

fn sendlog(message: &AboutMessage, event: &EmailEvent) -> Post {
    let kind = format!("email.{}", event.kind.as_str());
    let detail = &event.detail;
    let body = json!({
        "type": kind,
        "timestamp": time(event.at),
        "data": {
            "eventId": event.id,
            "emailId": message.id,
            "channel": message.channel,
            "recipient": event.recipient,
            "to": message.recipients.iter().map(|recipient| &recipient.address).collect::<Vec<_>>(),
            "from": message.from_address,
            "subject": message.subject,
            "tags": message.tags,
            "metadata": message.metadata,
            "providerMessageId": message.provider_message_id,
            "createdAt": time(message.id.created_at()),
            "detail": object([
                ("message", detail.message.as_deref()),
                ("reply", detail.reply.as_deref()),
                ("cause", detail.cause.map(EventCause::as_str)),
                ("url", detail.url.as_deref()),
                ("userAgent", detail.user_agent.as_deref()),
                ("ip", detail.ip.as_deref()),
                ("country", detail.country.as_deref()),
                ("server", detail.server.as_deref()),
                ("serverIp", detail.server_ip.as_deref()),
                ("mx", detail.mx.as_deref()),
                ("protocol", detail.protocol.as_deref()),
            ]),
        },
    });
    Post { kind, body }
}

/// What Resend's posts call an event of this kind; `None` where there is no word for it.
pub const fn resend_com_kind(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Sent => Some("email.sent"),
        EventKind::Deferred | EventKind::FailedToSend => Some("email.delivery_delayed"),
        EventKind::Delivered => Some("email.delivered"),
        EventKind::Opened | EventKind::ReOpened => Some("email.opened"),
        EventKind::Clicked | EventKind::ReClicked => Some("email.clicked"),
        EventKind::Bounced => Some("email.bounced"),
        EventKind::Dropped => Some("email.suppressed"),
        EventKind::Failed => Some("email.failed"),
        EventKind::ReportedAsSpam => Some("email.complained"),
        EventKind::Requested
        | EventKind::Triggered
        | EventKind::Queued
        | EventKind::FailedToQueue
        | EventKind::Processed
        | EventKind::Canceled
        | EventKind::Uncertain
        | EventKind::Unsubscribed => None,
    }
}

fn resend_com(message: &AboutMessage, event: &EmailEvent) -> Option<Post> {
    let detail = &event.detail;
    let words = detail.reply.as_deref().or(detail.message.as_deref());
    let visit = || {
        object([
            ("ipAddress", detail.ip.as_deref()),
            ("link", detail.url.as_deref()),
            ("timestamp", Some(&time(event.at))),
            ("userAgent", detail.user_agent.as_deref()),
        ])
    };
    let kind = resend_com_kind(event.kind)?;
    let more = match event.kind {
        EventKind::Opened | EventKind::ReOpened => Some(("open", visit())),
        EventKind::Clicked | EventKind::ReClicked => Some(("click", visit())),
        EventKind::Bounced => {
            let is_soft = detail.cause == Some(EventCause::Soft);
            let (kind, sub_type) = if is_soft { ("Transient", "General") } else { ("Permanent", "General") };
            let said = object([("message", words.or(Some(""))), ("type", Some(kind)), ("subType", Some(sub_type))]);
            Some(("bounce", said))
        }
        EventKind::Dropped => Some(("suppressed", object([("message", words.or(Some("")))]))),
        EventKind::Failed => Some(("failed", object([("reason", words.or(Some("")))]))),
        EventKind::Sent
        | EventKind::Deferred
        | EventKind::FailedToSend
        | EventKind::Delivered
        | EventKind::ReportedAsSpam
        | EventKind::Requested
        | EventKind::Triggered
        | EventKind::Queued
        | EventKind::FailedToQueue
        | EventKind::Processed
        | EventKind::Canceled
        | EventKind::Uncertain
        | EventKind::Unsubscribed => None,
    };
    let mut data = json!({
        "created_at": time(message.id.created_at()),
        "email_id": message.id.to_uuid(),
        "from": message.from_address,
        "to": to(message, event),
        "subject": message.subject,
    });
    if let Some((name, value)) = more {
        data[name] = value;
    }
    let body = json!({ "type": kind, "created_at": time(event.at), "data": data });
    Some(Post { kind: kind.to_owned(), body })
}

fn jetemail(message: &AboutMessage, event: &EmailEvent) -> Option<Post> {
    let detail = &event.detail;
    let kind = match event.kind {
        EventKind::Queued => "queued",
        EventKind::Delivered => "delivered",
        EventKind::Deferred | EventKind::FailedToSend => "deferred",
        EventKind::Bounced => "bounced",
        EventKind::Failed => "rejected",
        EventKind::Dropped if detail.cause == Some(EventCause::Virus) => "virus",
        EventKind::Dropped => "dropped",
        EventKind::Opened | EventKind::ReOpened => "opened",
        EventKind::Clicked | EventKind::ReClicked => "clicked",
        EventKind::ReportedAsSpam => "complaint",
        EventKind::Requested
        | EventKind::Triggered
        | EventKind::FailedToQueue
        | EventKind::Processed
        | EventKind::Sent
        | EventKind::Canceled
        | EventKind::Uncertain
        | EventKind::Unsubscribed => return None,
    };
    let kind = format!("outbound.{kind}");
    let bounce_type = match (event.kind, detail.cause) {
        (EventKind::Bounced, Some(EventCause::Soft)) => Some("soft"),
        (EventKind::Bounced, _) => Some("hard"),
        (_, _) => None,
    };
    let mut data = object([
        ("uid", Some(&message.id.to_string())),
        ("from", Some(&message.from_address)),
        ("to", to(message, event).first().map(String::as_str)),
        ("subject", Some(&message.subject)),
        ("bounce_type", bounce_type),
        ("response", detail.reply.as_deref()),
        ("reason", detail.message.as_deref()),
        ("url", detail.url.as_deref()),
        ("user_agent", detail.user_agent.as_deref()),
        ("ip", detail.ip.as_deref().or(detail.server_ip.as_deref())),
        ("country", detail.country.as_deref()),
        ("host", detail.server.as_deref()),
        ("mx", detail.mx.as_deref()),
        ("protocol", detail.protocol.as_deref()),
    ]);
    data["timestamp"] = json!(time(event.at));
    let body =
        json!({ "id": event.id, "service": "outbound", "type": kind, "created_at": time(event.at), "data": data });
    Some(Post { kind, body })
}
