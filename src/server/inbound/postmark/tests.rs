use axum::http::HeaderMap;
use serde_json::{Value, json};

use super::*;
use crate::domain::ids::EmailId;
use crate::server::inbound::testing::{assert_lenient, basic, headers, posted, read_all, read_error, read_one, with};

const MESSAGE: &str = "5e1f9c1e-61a5-4b0c-9a47-2a5dd0a3c001";

fn record(changes: Value) -> Value {
    let record = json!({
        "RecordType": "Delivery",
        "ServerID": 23,
        "MessageStream": "outbound",
        "MessageID": MESSAGE,
        "Recipient": "wren@finch.example",
        "Tag": "seeds",
        "Metadata": {"sendlog_id": "eml_0000000000034"},
        "DeliveredAt": "2026-03-01T06:59:50.1234567-05:00",
        "Details": "smtp;250 2.0.0 OK",
    });
    with(&record, changes)
}

fn bounce(changes: Value) -> Value {
    let bounce = json!({
        "RecordType": "Bounce",
        "ID": 4_000_000_007u64,
        "Type": "HardBounce",
        "TypeCode": 1,
        "Name": "Hard bounce",
        "MessageID": MESSAGE,
        "Description": "The server was unable to deliver the message.",
        "Details": "smtp;550 5.1.1 no such user",
        "Email": "wren@finch.example",
        "From": "nest@finch.example",
        "Subject": "Seeds",
        "BouncedAt": "2026-03-01T11:59:50Z",
        "Metadata": {},
    });
    with(&bounce, changes)
}

fn change(changes: Value) -> Value {
    let change = json!({
        "RecordType": "SubscriptionChange",
        "MessageID": MESSAGE,
        "ChangedAt": "2026-03-01T11:59:50Z",
        "Recipient": "wren@finch.example",
        "Origin": "Recipient",
        "SuppressSending": true,
        "SuppressionReason": "ManualSuppression",
        "Metadata": {},
    });
    with(&change, changes)
}

#[test]
fn a_webhook_that_logs_in_is_genuine_and_any_other_is_not() {
    let sent = basic("finch:seeds");
    assert_eq!(verify(&posted(&sent, b"{}"), "finch:seeds"), Ok(Genuine { nonce: None }));
    assert_eq!(verify(&posted(&sent, b"{}"), "finch:other"), Err(Refusal::Forged));
    assert_eq!(verify(&posted(&sent, b"{}"), "finch"), Err(Refusal::Forged));
    assert_eq!(verify(&posted(&HeaderMap::new(), b"{}"), "finch:seeds"), Err(Refusal::Unsigned));
    let bearer = headers(&[("authorization", "Bearer finch:seeds")]);
    assert_eq!(verify(&posted(&bearer, b"{}"), "finch:seeds"), Err(Refusal::Forged));
}

#[test]
fn a_delivery_names_its_message_time_and_answer() {
    let report = read_one(read, &record(json!({})));
    assert_eq!(report.kind, EventKind::Delivered);
    assert_eq!(report.at.timestamp_micros(), 1_772_366_390_123_456);
    assert_eq!(report.email_id, Some(EmailId(100)));
    assert_eq!(report.provider_message_id.as_deref(), Some(MESSAGE));
    assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(report.detail, EventDetail { reply: Some("250 2.0.0 OK".to_owned()), ..EventDetail::default() });
}

#[test]
fn a_bounce_names_its_id_sender_subject_and_words() {
    let report = read_one(read, &bounce(json!({})));
    assert_eq!((report.kind, report.detail.cause), (EventKind::Bounced, Some(EventCause::Hard)));
    assert_eq!(report.id, "postmark:4000000007");
    assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(report.from.as_deref(), Some("nest@finch.example"));
    assert_eq!(report.subject.as_deref(), Some("Seeds"));
    assert_eq!(report.detail.reply.as_deref(), Some("550 5.1.1 no such user"));
    assert_eq!(report.detail.message.as_deref(), Some("The server was unable to deliver the message."));
}

#[test]
fn every_documented_type_of_bounce_has_a_meaning() {
    use EventKind::{Bounced, Deferred, Dropped, Failed, ReportedAsSpam, Unsubscribed};
    for (bounce_type, kind, cause) in [
        ("HardBounce", Bounced, Some(EventCause::Hard)),
        ("SoftBounce", Bounced, Some(EventCause::Soft)),
        ("SpamNotification", Bounced, Some(EventCause::Soft)),
        ("Blocked", Bounced, Some(EventCause::Soft)),
        ("DMARCPolicy", Bounced, Some(EventCause::Soft)),
        ("ChallengeVerification", Bounced, Some(EventCause::Soft)),
        ("Unknown", Bounced, Some(EventCause::Soft)),
        ("Transient", Deferred, None),
        ("DnsError", Deferred, None),
        ("VirusNotification", Dropped, Some(EventCause::Virus)),
        ("ManuallyDeactivated", Dropped, Some(EventCause::Expected)),
        ("BadEmailAddress", Dropped, None),
        ("Unconfirmed", Dropped, None),
        ("SMTPApiError", Failed, None),
        ("TemplateRenderingFailed", Failed, None),
        ("SpamComplaint", ReportedAsSpam, None),
        ("Unsubscribe", Unsubscribed, None),
    ] {
        let report = read_one(read, &bounce(json!({"Type": bounce_type})));
        assert_eq!((report.kind, report.detail.cause), (kind, cause), "{bounce_type}");
    }
}

#[test]
fn an_answer_by_a_machine_is_no_news_of_the_message() {
    for bounce_type in ["AutoResponder", "AddressChange", "OpenRelayTest", "Subscribe", "InboundError"] {
        assert_eq!(read_all(read, &bounce(json!({"Type": bounce_type}))), [], "{bounce_type}");
    }
}

#[test]
fn a_complaint_is_told_and_is_one_whichever_webhook_tells_it() {
    let complaint = read_one(read, &bounce(json!({"RecordType": "SpamComplaint", "Type": "SpamComplaint"})));
    assert_eq!(complaint.kind, EventKind::ReportedAsSpam);
    assert_eq!(complaint.id, read_one(read, &bounce(json!({"Type": "SpamComplaint"}))).id);
}

fn opened(changes: Value) -> Value {
    let opened = json!({"RecordType": "Open", "FirstOpen": true, "DeliveredAt": null, "Details": null,
        "ReceivedAt": "2026-03-01T11:59:50.9065619Z", "UserAgent": "Wren/1.0", "ReadSeconds": 0,
        "Geo": {"City": "Brisbane", "Region": "Queensland", "Country": "Australia", "CountryISOCode": "AU",
            "IP": "198.51.100.7"}});
    with(&record(opened), changes)
}

#[test]
fn a_first_opening_tells_the_reader() {
    let report = read_one(read, &opened(json!({})));
    let detail = EventDetail {
        user_agent: Some("Wren/1.0".to_owned()),
        ip: Some("198.51.100.7".to_owned()),
        country: Some("Brisbane, Queensland, Australia".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!((report.kind, report.detail), (EventKind::Opened, detail));
}

#[test]
fn a_later_opening_is_opened_again() {
    assert_eq!(read_one(read, &opened(json!({"FirstOpen": false}))).kind, EventKind::ReOpened);
    assert_eq!(read_one(read, &opened(json!({"FirstOpen": null, "Geo": {}}))).kind, EventKind::Opened);
}

#[test]
fn a_click_tells_the_link() {
    let click = json!({"RecordType": "Click", "OriginalLink": "https://finch.example/a", "ClickLocation": "HTML"});
    let report = read_one(read, &opened(click));
    assert_eq!(report.kind, EventKind::Clicked);
    assert_eq!(report.detail.url.as_deref(), Some("https://finch.example/a"));
}

#[test]
fn a_suppression_tells_why() {
    for (reason, kind, cause) in [
        (json!("ManualSuppression"), EventKind::Unsubscribed, None),
        (json!(null), EventKind::Unsubscribed, None),
        (json!("HardBounce"), EventKind::Bounced, Some(EventCause::Hard)),
        (json!("SpamComplaint"), EventKind::ReportedAsSpam, None),
    ] {
        let report = read_one(read, &change(json!({"SuppressionReason": reason})));
        assert_eq!((report.kind, report.detail.cause), (kind, cause), "{reason}");
        assert_eq!(report.detail.message.as_deref(), Some("Postmark sends this address no more"));
    }
}

#[test]
fn a_renewed_subscription_and_the_teams_own_suppressions_are_left_out() {
    for changes in [
        json!({"SuppressSending": false, "SuppressionReason": null}),
        json!({"MessageID": null}),
        json!({"Origin": "Customer"}),
        json!({"Origin": "Admin"}),
    ] {
        assert_eq!(read_all(read, &change(changes.clone())), [], "{changes}");
    }
}

#[test]
fn incoming_mail_is_left_out() {
    assert_eq!(read_all(read, &record(json!({"RecordType": "Inbound"}))), []);
}

#[test]
fn without_an_id_of_its_own_an_event_is_told_apart_by_what_it_says() {
    let id = |changes| read_one(read, &opened(changes)).id;
    assert_eq!(id(json!({})), id(json!({"ReadSeconds": 20})));
    for other in [
        json!({"ReceivedAt": "2026-03-01T11:59:51Z"}),
        json!({"Recipient": "tit@finch.example"}),
        json!({"MessageID": "another"}),
        json!({"RecordType": "Click"}),
        json!({"OriginalLink": "https://finch.example/b"}),
    ] {
        assert_ne!(id(json!({})), id(other.clone()), "{other}");
    }
}

#[test]
fn odd_records_are_errors_of_their_own() {
    for (body, words) in [
        (json!({}), "The event has no type"),
        (record(json!({"RecordType": "Molt"})), "The event is of a type that Sendlog does not know"),
        (bounce(json!({"Type": "Molted"})), "The event is of a type that Sendlog does not know"),
        (change(json!({"SuppressionReason": "Molted"})), "The event is of a type that Sendlog does not know"),
        (record(json!({"DeliveredAt": null})), "The event has no time"),
        (record(json!({"DeliveredAt": "yesterday"})), "The event's time is not a time"),
        (record(json!({"MessageID": null, "Metadata": "none"})), "The event names no message"),
    ] {
        assert_eq!(read_error(read, &body), words, "{body}");
    }
}

#[test]
fn numbers_may_be_texts_and_members_null() {
    let report = read_one(read, &bounce(json!({"ID": "4000000007", "Details": 550, "Metadata": []})));
    assert_eq!(report.id, "postmark:4000000007");
    assert_eq!(report.detail.reply.as_deref(), Some("550"));
    let mut empty = record(json!({"Details": "smtp; "}));
    empty["Recipient"] = Value::Null;
    assert_eq!(read_one(read, &empty).detail.reply, None);
}

#[test]
fn a_body_that_is_no_object_is_unreadable() {
    for body in [&b""[..], b"[]", b"RecordType=Open", b"{\"RecordType\":"] {
        assert!(matches!(read(&posted(&HeaderMap::new(), body)), Err(Refusal::Unreadable(_))));
    }
}

#[test]
fn no_member_is_relied_on() {
    for record in [record(json!({})), bounce(json!({})), opened(json!({})), change(json!({}))] {
        assert_lenient(read, &record, |record| record);
    }
}
