//! SendGrid's Event Webhook: a JSON array of events, signed with ECDSA over P-256.
//! Sources: Twilio SendGrid, "Event Webhook Reference", "Getting Started with the Event Webhook Security Features",
//! "Bounce and Block Classifications", "Drops".
//!
//! SendGrid signs the time of the post and the body. Its documents do not say that a retry keeps the first time, and in
//! its examples the time is that of the post. Its ids of events serve to find repeated ones. For events of delivery,
//! `ip` is SendGrid's own address and is left out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::Deserialize;

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::credentials::{TOLERANCE_S, refuse_stale, required_header, secrets, signed_seconds};
use crate::server::inbound::reading::{self, Flag, News, OPENED_BY_MACHINE, Text};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

const SIGNATURE_HEADER: &str = "x-twilio-email-event-webhook-signature";
const TIMESTAMP_HEADER: &str = "x-twilio-email-event-webhook-timestamp";
/// How the DER form of every public key on P-256 begins (RFC 5480); the point follows.
const P256_KEY_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Checks that SendGrid made this webhook. `secret` is what the team keeps for it: the verification key that SendGrid
/// shows for the Signed Event Webhook (a public key, DER in base64); several of them, one a line.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let signature = required_header(posted.headers, SIGNATURE_HEADER)?;
    let timestamp = required_header(posted.headers, TIMESTAMP_HEADER)?;
    let signature = STANDARD.decode(signature).map_err(|_| Refusal::Forged)?;
    let signed = [timestamp.as_bytes(), posted.body].concat();
    if !secrets(secret).any(|key| is_signed_by(key, &signed, &signature)) {
        return Err(Refusal::Forged);
    }
    let signed_at_s =
        signed_seconds(timestamp).ok_or_else(|| reading::unreadable("The signed time is not a number"))?;
    refuse_stale(signed_at_s, posted.now, TOLERANCE_S)?;
    Ok(Genuine { nonce: None })
}

fn is_signed_by(key: &str, signed: &[u8], signature: &[u8]) -> bool {
    let Ok(key) = STANDARD.decode(key) else { return false };
    let Some(point) = key.strip_prefix(&P256_KEY_PREFIX) else { return false };
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(signed, signature).is_ok()
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let events = reading::array(posted.body)?;
    Ok(reading::reports(events, |event: Event| event.report()))
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Event {
    event: Text,
    email: Text,
    timestamp: Text,
    sg_event_id: Text,
    sg_message_id: Text,
    /// The `Message-ID` of a message that came by SMTP.
    #[serde(rename = "smtp-id")]
    smtp_id: Text,
    /// Sendlog's own custom argument; SendGrid puts those beside its own members.
    sendlog_id: Text,
    reason: Text,
    response: Text,
    status: Text,
    attempt: Text,
    #[serde(rename = "type")]
    bounce_type: Text,
    bounce_classification: Text,
    url: Text,
    useragent: Text,
    ip: Text,
    sg_machine_open: Flag,
    asm_group_id: Text,
}

impl Event {
    fn report(&self) -> Result<Option<EventReport>, String> {
        let Some(news) = self.news()? else { return Ok(None) };
        let at = reading::event_time(&self.timestamp)?;
        let message = self.sg_message_id.get().and_then(|id| id.split('.').next());
        let report = EventReport {
            email_id: reading::email_id(self.sendlog_id.get())
                .or_else(|| reading::message_email_id(self.smtp_id.get())),
            provider_message_id: reading::provider_message_id(message),
            recipient: self.email.owned(),
            ..reading::report(self.id(), news, at)
        };
        reading::named(report).map(Some)
    }

    fn id(&self) -> String {
        if let Some(id) = self.sg_event_id.get() {
            return reading::event_id("sendgrid", &[id]);
        }
        let parts = [&self.event, &self.sg_message_id, &self.sendlog_id, &self.email, &self.timestamp, &self.url];
        reading::derived_id("sendgrid", &parts.map(Text::or_empty))
    }

    pub(super) fn news(&self) -> Result<Option<News>, String> {
        Ok(Some(match self.event.or_empty() {
            "processed" => News::new(EventKind::Processed),
            "deferred" => News::new(EventKind::Deferred).reply(self.reply()).message(self.tries()),
            "delivered" => News::new(EventKind::Delivered).reply(self.reply()),
            "bounce" => self.bounced(),
            "dropped" => self.dropped(),
            "open" => self.opened(),
            "click" => self.by_reader(EventKind::Clicked),
            "spamreport" => self.by_reader(EventKind::ReportedAsSpam),
            "unsubscribe" => self.by_reader(EventKind::Unsubscribed),
            "group_unsubscribe" => self.by_reader(EventKind::Unsubscribed).message(self.group()),
            "group_resubscribe" | "account_status_change" => return Ok(None),
            _ => return Err(reading::unknown_type(&self.event)),
        }))
    }

    /// The mail server's answer, which SendGrid calls a response or a reason. The status code is better than nothing.
    fn reply(&self) -> Option<String> {
        self.response.or(&self.reason).or(&self.status).owned()
    }

    fn tries(&self) -> Option<String> {
        self.attempt.get().map(|attempt| format!("Try {attempt}; SendGrid tries again"))
    }

    fn group(&self) -> Option<String> {
        self.asm_group_id.get().map(|group| format!("From the unsubscribe group {group}"))
    }

    fn bounced(&self) -> News {
        let class = self.bounce_classification.get().filter(|class| !class.eq_ignore_ascii_case("unclassified"));
        let message = class.map(|class| format!("SendGrid's class of bounce: {class}"));
        News::new(EventKind::Bounced).cause(self.bounce_cause()).reply(self.reply()).message(message)
    }

    /// A `bounce` is for good; a `blocked` one may pass, and SendGrid does not suppress the address.
    fn bounce_cause(&self) -> Option<EventCause> {
        match (self.bounce_type.or_empty(), self.status.or_empty().chars().next()) {
            ("bounce", _) => Some(EventCause::Hard),
            ("blocked" | "expired", _) => Some(EventCause::Soft),
            (_, Some('4')) => Some(EventCause::Soft),
            (_, Some('5')) => Some(EventCause::Hard),
            _ => None,
        }
    }

    fn dropped(&self) -> News {
        let reason = self.reason.or(&self.bounce_type);
        News::new(EventKind::Dropped).cause(drop_cause(reason.or_empty())).message(reason.owned())
    }

    fn opened(&self) -> News {
        let message = self.sg_machine_open.is_set().then(|| OPENED_BY_MACHINE.to_owned());
        let cause = self.sg_machine_open.is_set().then_some(EventCause::Machine);
        self.by_reader(EventKind::Opened).cause(cause).message(message)
    }

    fn by_reader(&self, kind: EventKind) -> News {
        let detail = EventDetail {
            url: self.url.owned(),
            user_agent: self.useragent.owned(),
            ip: self.ip.owned(),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

/// SendGrid's suppression lists are those of bounced, unsubscribed and complaining addresses. `Invalid` is about the
/// address itself.
fn drop_cause(reason: &str) -> Option<EventCause> {
    let reason = reason.to_ascii_lowercase();
    match reason.as_str() {
        "bounced address" | "unsubscribed address" | "spam reporting address" => Some(EventCause::Expected),
        _ if reason.contains("virus") => Some(EventCause::Virus),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
