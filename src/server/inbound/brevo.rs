//! Brevo's transactional webhooks: one JSON object a post, or an array of them where the webhook is batched.
//! Sources: Brevo, "Transactional webhooks", "Batched webhooks", "Secure webhook calls".
//!
//! Brevo signs nothing and gives its events no id. Of its times `ts_epoch` and `ts_event` are UTC; `ts` and `date`
//! follow the account's time zone and are left out, and so is `sending_ip`, which is documented as Brevo's own address.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::inbound::credentials::verify_basic_or_bearer;
use crate::server::inbound::reading::{self, News, OPENED_BY_MACHINE, OWN_ID, Text};
use crate::server::inbound::{Genuine, Posted, Refusal, Reports};
use crate::server::services::events::EventReport;

/// Checks that Brevo made this webhook. `secret` is what the team keeps for it: `user:password` as in the webhook's
/// address, or the token of its bearer authentication; several of them, one a line.
pub fn verify(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    verify_basic_or_bearer(posted, secret)
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
    email: Text,
    #[serde(rename = "message-id")]
    message_id: Text,
    #[serde(rename = "X-Mailin-custom")]
    custom: Text,
    ts_epoch: Text,
    /// So one page of Brevo's documents spells it.
    s_epoch: Text,
    ts_event: Text,
    subject: Text,
    sender_email: Text,
    reason: Text,
    link: Text,
    user_agent: Text,
    ip: Text,
}

impl Event {
    fn report(&self) -> Result<Option<EventReport>, String> {
        let Some(news) = self.news()? else { return Ok(None) };
        let at = reading::event_time(self.time())?;
        let report = EventReport {
            email_id: reading::email_id(self.custom.get().and_then(sendlog_id).as_deref()),
            provider_message_id: reading::provider_message_id(self.message_id.get()),
            recipient: self.email.owned(),
            from: self.sender_email.owned(),
            subject: self.subject.owned(),
            ..reading::report(self.id(), news, at)
        };
        reading::named(report).map(Some)
    }

    fn time(&self) -> &Text {
        self.ts_epoch.or(&self.s_epoch).or(&self.ts_event)
    }

    fn id(&self) -> String {
        let parts = [&self.event, &self.message_id, &self.custom, &self.email, self.time(), &self.link];
        reading::derived_id("brevo", &parts.map(Text::or_empty))
    }

    /// Brevo says `unique_…` of a first opening only, and then not the plain word.
    fn news(&self) -> Result<Option<News>, String> {
        let by_machine = Some(OPENED_BY_MACHINE.to_owned());
        Ok(Some(match self.event.or_empty() {
            "request" | "sent" => News::new(EventKind::Processed),
            "delivered" => News::new(EventKind::Delivered).reply(self.reason.owned()),
            "deferred" => News::new(EventKind::Deferred).reply(self.reason.owned()),
            "soft_bounce" => self.bounced(EventCause::Soft),
            "hard_bounce" => self.bounced(EventCause::Hard),
            "blocked" | "invalid_email" => self.dropped(),
            "error" => News::new(EventKind::Failed).message(self.reason.owned()),
            "spam" | "complaint" => News::new(EventKind::ReportedAsSpam).message(self.reason.owned()),
            "unsubscribe" | "unsubscribed" => self.by_reader(EventKind::Unsubscribed),
            "click" => self.by_reader(EventKind::Clicked),
            "unique_opened" => self.by_reader(EventKind::Opened),
            "opened" => self.by_reader(EventKind::ReOpened),
            "unique_proxy_open" => self.by_reader(EventKind::Opened).cause(EventCause::Machine).message(by_machine),
            "proxy_open" => self.by_reader(EventKind::ReOpened).cause(EventCause::Machine).message(by_machine),
            "list_addition" | "contact_updated" | "contact_deleted" => return Ok(None),
            _ => return Err(reading::unknown_type(&self.event)),
        }))
    }

    fn bounced(&self, cause: EventCause) -> News {
        News::new(EventKind::Bounced).cause(cause).reply(self.reason.owned())
    }

    /// Brevo sent nothing: the address is no address, or it is on the team's list of blocked ones.
    fn dropped(&self) -> News {
        let reason = self.reason.or_empty().to_ascii_lowercase();
        let is_listed = ["blacklist", "blocklist", "unsubscri", "complain"].iter().any(|word| reason.contains(word));
        let cause = is_listed.then_some(EventCause::Expected);
        News::new(EventKind::Dropped).cause(cause).message(self.reason.owned())
    }

    fn by_reader(&self, kind: EventKind) -> News {
        let detail = EventDetail {
            url: self.link.owned(),
            user_agent: self.user_agent.owned(),
            ip: self.ip.owned(),
            ..EventDetail::default()
        };
        News { kind, detail }
    }
}

/// Sendlog's id in a header of `name:value` pairs with `|` between them.
fn sendlog_id(custom: &str) -> Option<String> {
    // A JSON object, as Sendlog and others write it, or `name:value|name:value`.
    let json: Option<HashMap<String, Value>> = serde_json::from_str(custom).ok();
    if let Some(json) = json {
        return json.get(OWN_ID)?.as_str().map(str::to_owned);
    }
    let mut pairs = custom.split('|').filter_map(|pair| pair.split_once(':'));
    pairs.find(|(name, _)| name.trim() == OWN_ID).map(|(_, id)| id.trim().to_owned())
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
            "event": "delivered",
            "email": "wren@finch.example",
            "id": 948001,
            "date": "2026-03-01 13:59:50",
            "ts": 1772373590,
            "message-id": "<202603011159.10020003000@relay.finch.example>",
            "ts_event": 1772366390,
            "ts_epoch": 1772366390286u64,
            "subject": "Seeds",
            "X-Mailin-custom": "sendlog_id:eml_0000000000034",
            "sending_ip": "192.0.2.1",
            "sender_email": "nest@finch.example",
            "tags": ["seeds"],
        });
        with(&event, changes)
    }

    fn one(changes: Value) -> EventReport {
        read_one(read, &event(changes))
    }

    #[test]
    fn a_webhook_logs_in_by_a_name_or_by_a_token() {
        assert_eq!(verify(&posted(&basic("finch:seeds"), b"{}"), "finch:seeds"), Ok(Genuine { nonce: None }));
        let token = headers(&[("authorization", "Bearer seeds-2026")]);
        assert!(verify(&posted(&token, b"{}"), "finch:seeds\nseeds-2026").is_ok());
        assert_eq!(verify(&posted(&token, b"{}"), "seeds-2027"), Err(Refusal::Forged));
        assert_eq!(verify(&posted(&basic("finch:seed"), b"{}"), "finch:seeds"), Err(Refusal::Forged));
        let digest = headers(&[("authorization", "Digest seeds-2026")]);
        assert_eq!(verify(&posted(&digest, b"{}"), "seeds-2026"), Err(Refusal::Forged));
        assert_eq!(verify(&posted(&HeaderMap::new(), b"{}"), "finch:seeds"), Err(Refusal::Unsigned));
    }

    #[test]
    fn an_event_names_its_message_time_recipient_and_sender() {
        let report = one(json!({}));
        assert_eq!(report.kind, EventKind::Delivered);
        assert_eq!(report.at.timestamp_millis(), 1_772_366_390_286);
        assert_eq!(report.email_id, Some(EmailId(100)));
        assert_eq!(report.provider_message_id.as_deref(), Some("202603011159.10020003000@relay.finch.example"));
        assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
        assert_eq!(report.from.as_deref(), Some("nest@finch.example"));
        assert_eq!(report.subject.as_deref(), Some("Seeds"));
        assert_eq!(report.detail, EventDetail::default());
    }

    #[test]
    fn every_documented_event_has_a_meaning() {
        let machine = Some("Opened by a machine, not by a person");
        for (name, kind, message) in [
            ("request", EventKind::Processed, None),
            ("delivered", EventKind::Delivered, None),
            ("deferred", EventKind::Deferred, None),
            ("soft_bounce", EventKind::Bounced, None),
            ("hard_bounce", EventKind::Bounced, None),
            ("blocked", EventKind::Dropped, None),
            ("invalid_email", EventKind::Dropped, None),
            ("error", EventKind::Failed, None),
            ("spam", EventKind::ReportedAsSpam, None),
            ("complaint", EventKind::ReportedAsSpam, None),
            ("unsubscribed", EventKind::Unsubscribed, None),
            ("click", EventKind::Clicked, None),
            ("unique_opened", EventKind::Opened, None),
            ("opened", EventKind::ReOpened, None),
            ("unique_proxy_open", EventKind::Opened, machine),
            ("proxy_open", EventKind::ReOpened, machine),
        ] {
            let report = one(json!({"event": name}));
            assert_eq!((report.kind, report.detail.message.as_deref()), (kind, message), "{name}");
        }
    }

    #[test]
    fn a_bounce_tells_the_answer_and_whether_it_may_pass() {
        for (name, cause) in [("hard_bounce", EventCause::Hard), ("soft_bounce", EventCause::Soft)] {
            let report = one(json!({"event": name, "reason": " 550 5.1.1 no such user"}));
            assert_eq!(report.detail.cause, Some(cause));
            assert_eq!(report.detail.reply.as_deref(), Some("550 5.1.1 no such user"));
        }
        let deferred = one(json!({"event": "deferred", "reason": "451 4.7.1 try later"}));
        assert_eq!(deferred.detail.reply.as_deref(), Some("451 4.7.1 try later"));
    }

    #[test]
    fn a_drop_tells_the_reason_and_whether_a_list_meant_it() {
        for (reason, cause) in [
            (json!("blocked : due to blacklist user"), Some(EventCause::Expected)),
            (json!(null), None),
            (json!("no such domain"), None),
        ] {
            let report = one(json!({"event": "blocked", "reason": reason}));
            assert_eq!(report.detail.cause, cause, "{reason}");
            assert_eq!(report.detail.message.as_deref(), reason.as_str());
        }
    }

    #[test]
    fn clicks_and_openings_tell_the_reader() {
        let click = json!({"event": "click", "link": "https://finch.example/a", "user_agent": "Wren/1.0",
            "ip": "198.51.100.7"});
        let report = one(click.clone());
        assert_eq!(report.detail.url.as_deref(), Some("https://finch.example/a"));
        assert_eq!(report.detail.user_agent.as_deref(), Some("Wren/1.0"));
        assert_eq!(report.detail.ip.as_deref(), Some("198.51.100.7"));
        assert_eq!(one(with(&click, json!({"event": "opened", "link": ""}))).detail.url, None);
    }

    #[test]
    fn sendlogs_id_is_found_among_other_pairs() {
        for (custom, id) in [
            ("team:a|sendlog_id: eml_0000000000034 |x", Some(EmailId(100))),
            (r#"{"sendlog_id": "eml_0000000000034", "n": 1}"#, Some(EmailId(100))),
            (r#"{"sendlog_id": 7}"#, None),
            ("sendlog_id:", None),
            ("eml_0000000000034", None),
            ("my_sendlog_id:eml_0000000000034", None),
        ] {
            assert_eq!(one(json!({"X-Mailin-custom": custom})).email_id, id, "{custom}");
        }
    }

    #[test]
    fn the_time_is_never_one_of_the_accounts_time_zone() {
        assert_eq!(one(json!({"ts_epoch": null})).at.timestamp(), 1_772_366_390);
        assert_eq!(one(json!({"ts_epoch": null, "s_epoch": "1772366391000"})).at.timestamp(), 1_772_366_391);
        assert_eq!(one(json!({"ts_epoch": 1772366392})).at.timestamp(), 1_772_366_392);
        assert_eq!(read_error(read, &event(json!({"ts_epoch": null, "ts_event": null}))), "The event has no time");
    }

    #[test]
    fn an_event_is_told_apart_by_what_it_says() {
        let id = |changes| one(changes).id;
        assert_eq!(id(json!({})), id(json!({"tags": ["other"], "id": 1})));
        for other in [
            json!({"event": "click"}),
            json!({"email": "tit@finch.example"}),
            json!({"message-id": "<2@relay.finch.example>"}),
            json!({"ts_epoch": 1772366390287u64}),
            json!({"link": "https://finch.example/b"}),
        ] {
            assert_ne!(id(json!({})), id(other.clone()), "{other}");
        }
        assert!(id(json!({})).starts_with("brevo:"));
    }

    #[test]
    fn a_batch_is_read_and_one_bad_event_spoils_no_other() {
        let click = event(json!({"event": "click"}));
        let body = json!([event(json!({})), {"event": "molt"}, null, click, {"msg_status": "sent"}]);
        let read: Vec<bool> = read_all(read, &body).iter().map(Result::is_ok).collect();
        assert_eq!(read, [true, false, false, true, false]);
    }

    #[test]
    fn what_is_no_news_of_a_message_is_left_out_and_what_names_none_is_an_error() {
        assert_eq!(read_all(read, &event(json!({"event": "list_addition"}))), []);
        let marketing = event(json!({"message-id": null, "X-Mailin-custom": null, "camp_id": 7}));
        assert_eq!(read_error(read, &marketing), "The event names no message");
    }

    #[test]
    fn a_body_that_is_no_event_is_unreadable() {
        for body in [&b""[..], b"3", b"event=click", b"{\"event\":"] {
            assert!(matches!(read(&posted(&HeaderMap::new(), body)), Err(Refusal::Unreadable(_))));
        }
    }

    #[test]
    fn no_member_is_relied_on() {
        for name in ["click", "blocked", "hard_bounce", "proxy_open"] {
            let event = event(json!({"event": name, "reason": "550 no", "link": "https://finch.example/a"}));
            assert_lenient(read, &event, |event| event);
            assert_lenient(read, &event, |event| json!([event]));
        }
    }
}
