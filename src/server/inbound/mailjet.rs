//! Mailjet's Event API: a JSON array of events, or one object alone where the webhook does not group them.
//! Sources: Mailjet, "Event API: real-time notifications" (with "Possible values for errors"), "Event Tracking API".
//!
//! Mailjet signs nothing: it logs in with what the webhook's address says. It gives its events no id, and tells neither
//! repeated openings nor machines.

use serde::Deserialize;

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::credentials::verify_basic;
use crate::server::inbound::reading::{self, Flag, News, Text};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// Checks that Mailjet made this webhook. `secret` is what the team keeps for it: `user:password` as in the webhook's
/// address; several of them, one a line.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    verify_basic(posted, secret)
}

/// Reads the news in a webhook.
pub fn read(posted: &Posted<'_>) -> Result<Reports, Refusal> {
    let events = reading::array_or_object(posted.body)?;
    Ok(reading::reports(events, |event: Event| event.report()))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    event: Text,
    time: Text,
    email: Text,
    #[serde(rename = "MessageID")]
    message_id: Text,
    /// The same as a text, in older events.
    mj_message_id: Text,
    #[serde(rename = "CustomID")]
    custom_id: Text,
    smtp_reply: Text,
    comment: Text,
    hard_bounce: Flag,
    error_related_to: Text,
    error: Text,
    url: Text,
    agent: Text,
    ip: Text,
    /// The country's code.
    geo: Text,
    source: Text,
    mj_list_id: Text,
}

impl Event {
    fn report(&self) -> Result<Option<EventReport>, String> {
        let news = self.news()?;
        let at = reading::event_time(&self.time)?;
        let report = EventReport {
            email_id: reading::email_id(self.custom_id.get()),
            provider_message_id: reading::provider_message_id(self.message_id().get()),
            recipient: self.email.owned(),
            ..reading::report(self.id(), news, at)
        };
        reading::named(report).map(Some)
    }

    fn message_id(&self) -> &Text {
        self.message_id.or(&self.mj_message_id)
    }

    fn id(&self) -> String {
        let message = self.message_id().or(&self.custom_id);
        let parts = [&self.event, message, &self.email, &self.time, &self.url, &self.error];
        reading::derived_id("mailjet", &parts.map(Text::or_empty))
    }

    fn news(&self) -> Result<News, String> {
        Ok(match self.event.or_empty() {
            // The recipient's mail server took it, which is delivered in Sendlog's words.
            "sent" => News::new(EventKind::Delivered).reply(self.smtp_reply.get().map(server_words)),
            "open" => self.by_reader(EventKind::Opened),
            "click" => self.by_reader(EventKind::Clicked),
            "bounce" => self.bounced(),
            "blocked" => self.dropped(),
            "spam" => News::new(EventKind::ReportedAsSpam).message(self.complained_to()),
            "unsub" => self.by_reader(EventKind::Unsubscribed).message(self.list()),
            _ => return Err(reading::unknown_type(&self.event)),
        })
    }

    fn bounced(&self) -> News {
        // Mailjet tries a greylisted message again.
        if self.error.or_empty() == "greylisted" && !self.hard_bounce.is_set() {
            return News::new(EventKind::Deferred).reply(self.comment.owned()).message(self.words());
        }
        News::new(EventKind::Bounced).cause(self.bounce_cause()).reply(self.comment.owned()).message(self.words())
    }

    /// Mailjet's own word where it has one; else the errors that say the address does not exist.
    fn bounce_cause(&self) -> EventCause {
        let is_hard = self.hard_bounce.0.unwrap_or(matches!(
            self.error.or_empty(),
            "user unknown" | "mailbox inactive" | "invalid domain" | "no mail host" | "typofix"
        ));
        if is_hard { EventCause::Hard } else { EventCause::Soft }
    }

    /// Mailjet did not try: the address is on a list or got a message of this campaign before, or the contents are
    /// refused.
    fn dropped(&self) -> News {
        let cause = match self.error.or_empty() {
            "preblocked" | "blacklisted" | "spam reporter" | "duplicate in campaign" => Some(EventCause::Expected),
            _ => None,
        };
        News::new(EventKind::Dropped).cause(cause).message(self.words())
    }

    fn words(&self) -> Option<String> {
        match (self.error.get(), self.error_related_to.get()) {
            (Some(error), Some(related_to)) => Some(format!("{error} ({related_to})")),
            (error, related_to) => error.or(related_to).map(str::to_owned),
        }
    }

    fn complained_to(&self) -> Option<String> {
        self.source.get().map(|source| format!("Reported by {source}"))
    }

    fn list(&self) -> Option<String> {
        self.mj_list_id.get().map(|list| format!("From the list {list}"))
    }

    fn by_reader(&self, kind: EventKind) -> News {
        let detail = EventDetail {
            url: self.url.owned(),
            user_agent: self.agent.owned(),
            ip: self.ip.owned(),
            country: self.geo.owned(),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

/// The mail server's words in `sent (250 2.0.0 OK)`.
fn server_words(reply: &str) -> String {
    let words = reply.strip_prefix("sent (").and_then(|words| words.strip_suffix(')'));
    words.unwrap_or(reply).to_owned()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::ids::EmailId;
    use crate::server::inbound::testing::{
        assert_lenient, basic, headers, posted, read_all, read_error, read_one, with,
    };

    fn event(changes: Value) -> Value {
        let event = json!({
            "event": "sent",
            "time": 1772366390,
            "MessageID": 576460752303423488u64,
            "Message_GUID": "7f0c0001-0000-4000-8000-00000000c001",
            "email": "wren@finch.example",
            "mj_campaign_id": 7257,
            "mj_contact_id": 4,
            "customcampaign": "",
            "mj_message_id": "576460752303423488",
            "CustomID": "eml_0000000000034",
            "Payload": "",
        });
        with(&event, changes)
    }

    fn one(changes: Value) -> EventReport {
        read_one(read, &event(changes))
    }

    #[test]
    fn a_webhook_that_logs_in_is_genuine_and_any_other_is_not() {
        let sent = basic("finch:seeds");
        assert_eq!(verify(&posted(&sent, b"[]"), "finch:seeds"), Ok(Genuine { nonce: None }));
        assert_eq!(verify(&posted(&sent, b"[]"), "finch:other"), Err(Refusal::Forged));
        assert_eq!(verify(&posted(&HeaderMap::new(), b"[]"), "finch:seeds"), Err(Refusal::Unsigned));
        let malformed = headers(&[("authorization", "Basic finch:seeds")]);
        assert_eq!(verify(&posted(&malformed, b"[]"), "finch:seeds"), Err(Refusal::Forged));
    }

    #[test]
    fn a_sent_message_is_delivered_and_tells_the_answer() {
        let report = one(json!({"smtp_reply": "sent (250 2.0.0 OK 1772366390 wren)"}));
        assert_eq!(report.kind, EventKind::Delivered);
        assert_eq!(report.at.timestamp(), 1_772_366_390);
        assert_eq!(report.email_id, Some(EmailId(100)));
        assert_eq!(report.provider_message_id.as_deref(), Some("576460752303423488"));
        assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
        assert_eq!(report.detail.reply.as_deref(), Some("250 2.0.0 OK 1772366390 wren"));
        assert_eq!(one(json!({"smtp_reply": "250 OK"})).detail.reply.as_deref(), Some("250 OK"));
    }

    #[test]
    fn openings_clicks_and_unsubscribes_tell_the_reader() {
        for (name, kind, message) in [
            ("open", EventKind::Opened, None),
            ("click", EventKind::Clicked, None),
            ("unsub", EventKind::Unsubscribed, Some("From the list 1".to_owned())),
        ] {
            let report = one(json!({"event": name, "ip": "198.51.100.7", "geo": "AU", "agent": "Wren/1.0",
                "url": "https://finch.example/a", "mj_list_id": 1}));
            let detail = EventDetail {
                message,
                url: Some("https://finch.example/a".to_owned()),
                user_agent: Some("Wren/1.0".to_owned()),
                ip: Some("198.51.100.7".to_owned()),
                country: Some("AU".to_owned()),
                ..EventDetail::default()
            };
            assert_eq!((report.kind, report.detail), (kind, detail), "{name}");
        }
    }

    #[test]
    fn a_bounce_is_hard_or_soft_as_mailjet_says() {
        for (changes, cause) in [
            (json!({"hard_bounce": true, "error": "user unknown"}), EventCause::Hard),
            (json!({"hard_bounce": false, "error": "user unknown"}), EventCause::Soft),
            (json!({"hard_bounce": "1", "error": "greylisted"}), EventCause::Hard),
            (json!({"error": "user unknown"}), EventCause::Hard),
            (json!({"error": "quota exceeded"}), EventCause::Soft),
            (json!({}), EventCause::Soft),
        ] {
            let report = one(with(&json!({"event": "bounce"}), changes.clone()));
            assert_eq!((report.kind, report.detail.cause), (EventKind::Bounced, Some(cause)), "{changes}");
        }
        let report = one(json!({"event": "bounce", "hard_bounce": true, "error_related_to": "recipient",
            "error": "user unknown", "comment": "550 5.1.1 no such user"}));
        assert_eq!(report.detail.reply.as_deref(), Some("550 5.1.1 no such user"));
        assert_eq!(report.detail.message.as_deref(), Some("user unknown (recipient)"));
    }

    #[test]
    fn a_greylisted_message_is_deferred() {
        let report =
            one(json!({"event": "bounce", "hard_bounce": false, "error": "greylisted", "comment": "451 later"}));
        assert_eq!((report.kind, report.detail.cause), (EventKind::Deferred, None));
        assert_eq!(report.detail.reply.as_deref(), Some("451 later"));
    }

    #[test]
    fn a_blocked_message_is_dropped_and_tells_whether_a_list_meant_it() {
        for (error, cause) in [
            ("preblocked", Some(EventCause::Expected)),
            ("blacklisted", Some(EventCause::Expected)),
            ("spam reporter", Some(EventCause::Expected)),
            ("duplicate in campaign", Some(EventCause::Expected)),
            ("user unknown", None),
            ("content blocked", None),
            ("typofix", None),
        ] {
            let report = one(json!({"event": "blocked", "error": error}));
            assert_eq!((report.kind, report.detail.cause), (EventKind::Dropped, cause), "{error}");
            assert_eq!(report.detail.message.as_deref(), Some(error));
        }
    }

    #[test]
    fn a_complaint_tells_who_reports_it() {
        let report = one(json!({"event": "spam", "source": "JMRPP"}));
        assert_eq!(report.kind, EventKind::ReportedAsSpam);
        assert_eq!(report.detail.message.as_deref(), Some("Reported by JMRPP"));
    }

    #[test]
    fn a_message_is_named_by_digits_whichever_way_they_come() {
        for changes in [json!({"MessageID": "576460752303423488"}), json!({"MessageID": null})] {
            assert_eq!(one(changes).provider_message_id.as_deref(), Some("576460752303423488"));
        }
        let custom = one(json!({"MessageID": null, "mj_message_id": null}));
        assert_eq!((custom.provider_message_id, custom.email_id), (None, Some(EmailId(100))));
        assert_eq!(one(json!({"CustomID": "seeds"})).email_id, None);
    }

    #[test]
    fn an_event_is_told_apart_by_what_it_says() {
        let id = |changes| one(changes).id;
        assert_eq!(id(json!({})), id(json!({"MessageID": "576460752303423488", "time": "1772366390", "geo": "AU"})));
        for other in [
            json!({"event": "open"}),
            json!({"MessageID": 5}),
            json!({"email": "tit@finch.example"}),
            json!({"time": 1772366391}),
            json!({"url": "https://finch.example/b"}),
        ] {
            assert_ne!(id(json!({})), id(other.clone()), "{other}");
        }
    }

    #[test]
    fn a_batch_is_read_and_one_bad_event_spoils_no_other() {
        let (timeless, opened) = (event(json!({"time": null})), event(json!({"event": "open"})));
        let body = json!([event(json!({})), {"event": "molt"}, [], timeless, opened]);
        let read: Vec<bool> = read_all(read, &body).iter().map(Result::is_ok).collect();
        assert_eq!(read, [true, false, false, false, true]);
    }

    #[test]
    fn odd_events_are_errors_of_their_own() {
        for (body, words) in [
            (json!({}), "The event has no type"),
            (event(json!({"event": "molt"})), "The event is of a type that Sendlog does not know"),
            (event(json!({"time": "noon"})), "The event's time is not a time"),
            (event(json!({"MessageID": null, "mj_message_id": null, "CustomID": null})), "The event names no message"),
        ] {
            assert_eq!(read_error(read, &body), words, "{body}");
        }
    }

    #[test]
    fn a_body_that_is_no_event_is_unreadable() {
        for body in [&b""[..], b"3", b"event=open", b"[{\"event\":"] {
            assert!(matches!(read(&posted(&HeaderMap::new(), body)), Err(Refusal::Unreadable(_))));
        }
    }

    #[test]
    fn no_member_is_relied_on() {
        for name in ["sent", "bounce", "blocked", "click", "spam", "unsub"] {
            let event = event(json!({"event": name, "error": "user unknown", "error_related_to": "recipient",
                "comment": "550 no", "hard_bounce": true, "smtp_reply": "sent (250 OK)",
                "url": "https://finch.example/a"}));
            assert_lenient(read, &event, |event| event);
            assert_lenient(read, &event, |event| json!([event]));
        }
    }
}
