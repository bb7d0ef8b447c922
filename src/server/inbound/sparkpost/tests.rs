use axum::http::HeaderMap;
use serde_json::json;

use super::*;
use crate::domain::ids::EmailId;
use crate::server::inbound::testing::{assert_lenient, basic, headers, posted, read_all, read_error, read_one, with};

fn event(changes: Value) -> Value {
    let event = json!({
        "type": "delivery",
        "event_id": "77100020003000",
        "timestamp": "1772366390",
        "transmission_id": "55100020003000",
        "message_id": "000043",
        "rcpt_to": "wren@finch.example",
        "raw_rcpt_to": "Wren@finch.example",
        "rcpt_meta": {"sendlog_id": "eml_0000000000034"},
        "friendly_from": "nest@finch.example",
        "subject": "Seeds",
    });
    with(&event, changes)
}

fn batch(class: &str, changes: Value) -> Value {
    json!([{"msys": {class: event(changes)}}])
}

fn one(changes: Value) -> EventReport {
    read_one(read, &batch("message_event", changes))
}

#[test]
fn the_log_in_or_the_token_must_be_what_the_team_keeps() {
    let sent = basic("finch:seeds");
    assert_eq!(verify(&posted(&sent, b"[]"), "finch:seeds"), Ok(Genuine { nonce: None }));
    let token = headers(&[("authorization", "Bearer seeds-2026")]);
    assert!(verify(&posted(&token, b"[]"), "finch:seeds\nseeds-2026").is_ok());
    for secret in ["", "finch:seeds", "seeds", "Bearer seeds-2026"] {
        assert_eq!(verify(&posted(&token, b"[]"), secret), Err(Refusal::Forged), "{secret}");
    }
    assert_eq!(verify(&posted(&HeaderMap::new(), b"[]"), "finch:seeds"), Err(Refusal::Unsigned));
}

#[test]
fn an_event_names_its_message_time_recipient_and_sender() {
    let report = one(json!({"type": "injection"}));
    assert_eq!(report.kind, EventKind::Processed);
    assert_eq!(report.id, "sparkpost:77100020003000");
    assert_eq!(report.at.timestamp(), 1_772_366_390);
    assert_eq!(report.email_id, Some(EmailId(100)));
    assert_eq!(report.provider_message_id.as_deref(), Some("55100020003000"));
    assert_eq!(report.recipient.as_deref(), Some("Wren@finch.example"));
    assert_eq!(report.from.as_deref(), Some("nest@finch.example"));
    assert_eq!(report.subject.as_deref(), Some("Seeds"));
    assert_eq!(report.detail, EventDetail::default());
}

#[test]
fn a_delivery_tells_the_host_and_the_protocol() {
    let report = one(json!({"ip_address": "203.0.113.5", "delv_method": "esmtp", "num_retries": "0"}));
    let detail = EventDetail {
        server_ip: Some("203.0.113.5".to_owned()),
        protocol: Some("smtp".to_owned()),
        ..EventDetail::default()
    };
    assert_eq!((report.kind, report.detail), (EventKind::Delivered, detail));
}

#[test]
fn a_delay_is_deferred_and_tells_the_retries() {
    let report = one(json!({"type": "delay", "bounce_class": "21", "num_retries": 1,
        "raw_reason": "454 4.4.4 [internal] no MX or A for domain", "reason": "454 masked"}));
    assert_eq!((report.kind, report.detail.cause), (EventKind::Deferred, None));
    assert_eq!(report.detail.reply.as_deref(), Some("454 4.4.4 [internal] no MX or A for domain"));
    assert_eq!(report.detail.message.as_deref(), Some("Retries so far: 1"));
}

#[test]
fn every_documented_class_of_bounce_has_a_meaning() {
    let (hard, soft) = (Some(EventCause::Hard), Some(EventCause::Soft));
    for (class, cause) in [
        ("1", soft),
        ("10", hard),
        ("20", soft),
        ("21", soft),
        ("22", soft),
        ("23", soft),
        ("24", soft),
        ("30", hard),
        ("40", soft),
        ("50", soft),
        ("51", soft),
        ("52", soft),
        ("53", soft),
        ("54", soft),
        ("70", soft),
        ("100", soft),
        ("999", None),
    ] {
        for event_type in ["bounce", "out_of_band"] {
            let report = one(json!({"type": event_type, "bounce_class": class, "reason": "550 no"}));
            assert_eq!((report.kind, report.detail.cause), (EventKind::Bounced, cause), "{class}");
            assert_eq!(report.detail.reply.as_deref(), Some("550 no"));
        }
    }
    let refused = |class: &str| one(json!({"type": "bounce", "bounce_class": class, "reason": "554 policy"}));
    assert_eq!((refused("25").kind, refused("25").detail.cause), (EventKind::Dropped, None));
    assert_eq!((refused("26").kind, refused("26").detail.cause), (EventKind::Dropped, Some(EventCause::Expected)));
    assert_eq!(refused("90").kind, EventKind::Unsubscribed);
}

#[test]
fn an_automatic_reply_and_a_subscription_are_no_bounce() {
    for class in ["60", "80"] {
        assert_eq!(read_all(read, &batch("message_event", json!({"type": "out_of_band", "bounce_class": class}))), []);
    }
}

#[test]
fn a_rejection_is_a_drop_and_tells_whether_a_suppression_meant_it() {
    for (event_type, reason, cause) in [
        (
            "generation_rejection",
            "554 5.7.1 recipient address suppressed due to customer policy",
            Some(EventCause::Expected),
        ),
        ("policy_rejection", "550 5.7.1 Unconfigured Sending Domain <finch.example>", None),
        ("policy_rejection", "550 5.7.1 Virus found", Some(EventCause::Virus)),
    ] {
        let report = read_one(read, &batch("gen_event", json!({"type": event_type, "raw_reason": reason})));
        assert_eq!((report.kind, report.detail.cause), (EventKind::Dropped, cause), "{reason}");
        assert_eq!(report.detail.message.as_deref(), Some(reason));
    }
}

#[test]
fn a_message_that_cannot_be_made_failed() {
    let report = one(json!({"type": "generation_failure", "reason": "554 5.3.3 [internal] bad template",
        "timestamp": "2026-03-01T11:59:50.000+00:00"}));
    assert_eq!(report.kind, EventKind::Failed);
    assert_eq!(report.detail.message.as_deref(), Some("554 5.3.3 [internal] bad template"));
    assert_eq!(report.at.timestamp(), 1_772_366_390);
}

#[test]
fn complaints_and_unsubscribes_are_told() {
    let complaint = one(json!({"type": "spam_complaint", "fbtype": "abuse", "report_by": "feedback.finch.example"}));
    assert_eq!(complaint.kind, EventKind::ReportedAsSpam);
    assert_eq!(complaint.detail.message.as_deref(), Some("Reported by feedback.finch.example"));
    for event_type in ["list_unsubscribe", "link_unsubscribe"] {
        let report = read_one(read, &batch("unsubscribe_event", json!({"type": event_type, "user_agent": "Wren/1.0"})));
        assert_eq!(report.kind, EventKind::Unsubscribed);
        assert_eq!(report.detail.user_agent.as_deref(), Some("Wren/1.0"));
    }
}

fn tracked(changes: Value) -> EventReport {
    let tracked = json!({"type": "click", "ip_address": "198.51.100.7", "user_agent": "Wren/1.0",
        "target_link_url": "https://finch.example/a", "user_agent_parsed": {"is_prefetched": false, "is_proxy": true},
        "geo_ip": {"city": "Brisbane", "region": "QLD", "country": "AU", "latitude": -27.4}});
    read_one(read, &batch("track_event", with(&tracked, changes)))
}

#[test]
fn openings_and_clicks_tell_the_reader() {
    for (event_type, kind, message) in [
        ("click", EventKind::Clicked, None),
        ("amp_click", EventKind::Clicked, None),
        ("open", EventKind::Opened, None),
        ("amp_open", EventKind::Opened, None),
        ("initial_open", EventKind::Opened, Some("The top of the message was shown".to_owned())),
        ("amp_initial_open", EventKind::Opened, Some("The top of the message was shown".to_owned())),
    ] {
        let report = tracked(json!({"type": event_type}));
        let detail = EventDetail {
            message,
            url: Some("https://finch.example/a".to_owned()),
            user_agent: Some("Wren/1.0".to_owned()),
            ip: Some("198.51.100.7".to_owned()),
            country: Some("Brisbane, QLD, AU".to_owned()),
            ..EventDetail::default()
        };
        assert_eq!((report.kind, report.detail), (kind, detail), "{event_type}");
    }
}

#[test]
fn a_machine_is_told_from_a_person() {
    for by_machine in [json!({"is_prefetched": true}), json!({"user_agent_parsed": {"is_prefetched": "true"}})] {
        let message = |event_type| tracked(with(&by_machine, json!({"type": event_type}))).detail.message;
        assert_eq!(message("open").as_deref(), Some("Opened by a machine, not by a person"));
        assert_eq!(message("initial_open").as_deref(), Some("Opened by a machine, not by a person"));
        assert_eq!(message("click").as_deref(), Some("Clicked by a machine, not by a person"));
    }
}

#[test]
fn what_is_no_news_of_a_message_is_left_out() {
    let body = json!([{"msys": {}}, {"msys": {"relay_event": {"type": "relay_delivery"}}},
        {"msys": {"relay_message": {}}}, {"msys": {"ingest_event": {"type": "success"}}},
        {"msys": {"ab_test_event": {"type": "ab_test_completed"}}}]);
    assert_eq!(read_all(read, &body), []);
}

#[test]
fn one_bad_event_spoils_no_other() {
    let body = json!([{"msys": {"message_event": event(json!({}))}}, {}, {"msys": null}, {"msys": {"molt_event": {}}},
        3, {"msys": {"message_event": [1]}}, {"msys": {"message_event": {}, "track_event": {}}},
        {"msys": {"message_event": event(json!({"type": "molt"}))}},
        {"msys": {"track_event": event(json!({"type": "open"}))}, "cust": {"id": "1"}}]);
    let read: Vec<bool> = read_all(read, &body).iter().map(Result::is_ok).collect();
    assert_eq!(read, [true, false, false, false, false, false, false, false, true]);
}

#[test]
fn odd_events_are_errors_of_their_own() {
    for (changes, words) in [
        (json!({"type": null}), "The event has no type"),
        (json!({"timestamp": null}), "The event has no time"),
        (json!({"timestamp": "noon"}), "The event's time is not a time"),
        (json!({"transmission_id": null, "rcpt_meta": null}), "The event names no message"),
    ] {
        assert_eq!(read_error(read, &batch("message_event", changes)), words);
    }
}

#[test]
fn numbers_may_be_texts_and_members_null() {
    let report =
        one(json!({"event_id": 77100020003000u64, "timestamp": 1772366390, "bounce_class": 10, "type": "bounce",
        "geo_ip": [], "raw_rcpt_to": null}));
    assert_eq!(report.id, "sparkpost:77100020003000");
    assert_eq!(report.detail.cause, Some(EventCause::Hard));
    assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
}

#[test]
fn without_an_id_of_its_own_an_event_is_told_apart_by_what_it_says() {
    let id = |changes| one(with(&json!({"event_id": null, "type": "click"}), changes)).id;
    assert_eq!(id(json!({})), id(json!({"user_agent": "Wren/1.0"})));
    assert_ne!(id(json!({})), id(json!({"target_link_url": "https://finch.example/b"})));
    assert_ne!(id(json!({})), id(json!({"type": "open"})));
}

#[test]
fn a_body_that_is_no_array_is_unreadable() {
    for body in [&b""[..], b"{}", b"msys", b"[{\"msys\":"] {
        assert!(matches!(read(&posted(&HeaderMap::new(), body)), Err(Refusal::Unreadable(_))));
    }
}

#[test]
fn no_member_is_relied_on() {
    let full = json!({"bounce_class": "10", "raw_reason": "550 no", "reason": "550", "num_retries": "1",
        "report_by": "finch", "delv_method": "esmtp", "ip_address": "198.51.100.7",
        "target_link_url": "https://finch.example/a", "user_agent_parsed": {"is_prefetched": true},
        "geo_ip": {"city": "Brisbane", "region": "QLD", "country": "AU"}});
    for name in ["bounce", "click", "delay", "generation_rejection", "spam_complaint"] {
        let event = event(with(&full, json!({"type": name})));
        assert_lenient(read, &event, |event| json!([{"msys": {"message_event": event}}]));
    }
}
