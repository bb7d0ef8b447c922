use axum::http::HeaderMap;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::*;
use crate::domain::ids::EmailId;
use crate::server::inbound::testing::{NOW_S, assert_lenient, headers, posted, read_all, read_error, read_one, with};

/// An account at SendGrid, which signs as SendGrid does.
struct Account(EcdsaKeyPair);

impl Account {
    fn new() -> Self {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.as_ref(), &random).unwrap())
    }

    fn public_key(&self) -> String {
        STANDARD.encode([&P256_KEY_PREFIX, self.0.public_key().as_ref()].concat())
    }

    fn sign(&self, timestamp: &str, body: &[u8]) -> HeaderMap {
        let signed = [timestamp.as_bytes(), body].concat();
        let signature = self.0.sign(&SystemRandom::new(), &signed).unwrap();
        let signature = STANDARD.encode(signature.as_ref());
        headers(&[(SIGNATURE_HEADER, &signature), (TIMESTAMP_HEADER, timestamp)])
    }

    fn sign_at(&self, offset_s: i64, body: &[u8]) -> HeaderMap {
        self.sign(&(NOW_S + offset_s).to_string(), body)
    }
}

fn event(changes: Value) -> Value {
    let event = json!({
        "email": "wren@finch.example",
        "timestamp": 1772366390,
        "smtp-id": "<Qn3vT8aRQ0mGk1@geopod-ismtpd-4>",
        "sg_event_id": "b3Blbi0x",
        "sg_message_id": "Qn3vT8aRQ0mGk1.recvd-7d4c-1-69A42B00-3.0",
        "category": ["welcome"],
    });
    with(&event, changes)
}

fn one(changes: Value) -> EventReport {
    read_one(read, &json!([event(changes)]))
}

const BODY: &[u8] = b"[{\"event\":\"processed\"}]\r\n";

#[test]
fn a_webhook_that_sendgrid_signed_is_genuine() {
    let account = Account::new();
    let signed = account.sign_at(0, BODY);
    assert_eq!(verify(&posted(&signed, BODY), &account.public_key()), Ok(Genuine { nonce: None }));
}

#[test]
fn another_key_changed_bytes_or_another_time_are_forged() {
    let (account, other) = (Account::new(), Account::new());
    let signed = account.sign_at(0, BODY);
    assert_eq!(verify(&posted(&signed, BODY), &other.public_key()), Err(Refusal::Forged));
    let trimmed = BODY.trim_ascii_end();
    assert_eq!(verify(&posted(&signed, trimmed), &account.public_key()), Err(Refusal::Forged));
    let mut moved = account.sign_at(-10, BODY);
    moved.insert(TIMESTAMP_HEADER, NOW_S.to_string().parse().unwrap());
    assert_eq!(verify(&posted(&moved, BODY), &account.public_key()), Err(Refusal::Forged));
}

#[test]
fn a_missing_signature_or_time_is_unsigned() {
    let account = Account::new();
    for name in [SIGNATURE_HEADER, TIMESTAMP_HEADER] {
        let mut signed = account.sign_at(0, BODY);
        signed.remove(name);
        assert_eq!(verify(&posted(&signed, BODY), &account.public_key()), Err(Refusal::Unsigned), "{name}");
    }
}

#[test]
fn a_malformed_signature_is_forged() {
    let account = Account::new();
    for signature in ["?", "AAAA", "MEUCIQ==", &STANDARD.encode([0u8; 64])] {
        let mut signed = account.sign_at(0, BODY);
        signed.insert(SIGNATURE_HEADER, signature.parse().unwrap());
        assert_eq!(verify(&posted(&signed, BODY), &account.public_key()), Err(Refusal::Forged), "{signature}");
    }
}

#[test]
fn a_secret_that_is_no_key_lets_nobody_in() {
    let account = Account::new();
    let signed = account.sign_at(0, BODY);
    let point_only = STANDARD.encode(account.0.public_key().as_ref());
    for secret in ["", "\n", "not a key", "AAAA", &STANDARD.encode(P256_KEY_PREFIX), &point_only] {
        assert_eq!(verify(&posted(&signed, BODY), secret), Err(Refusal::Forged), "{secret}");
    }
}

#[test]
fn any_of_several_keys_is_right() {
    let (old, new) = (Account::new(), Account::new());
    let secret = format!("{}\n{}\n", old.public_key(), new.public_key());
    for account in [old, new] {
        assert!(verify(&posted(&account.sign_at(0, BODY), BODY), &secret).is_ok());
    }
}

#[test]
fn a_webhook_is_stale_after_five_minutes_and_before_its_time() {
    let account = Account::new();
    for (offset_s, expected) in
        [(-300, Ok(Genuine::default())), (-301, Err(Refusal::Stale)), (301, Err(Refusal::Stale))]
    {
        let signed = account.sign_at(offset_s, BODY);
        assert_eq!(verify(&posted(&signed, BODY), &account.public_key()), expected, "{offset_s}");
    }
}

#[test]
fn a_signed_time_that_is_no_number_is_unreadable() {
    let account = Account::new();
    let signed = account.sign("noon", BODY);
    assert!(matches!(verify(&posted(&signed, BODY), &account.public_key()), Err(Refusal::Unreadable(_))));
}

#[test]
fn an_event_names_its_message_time_and_recipient() {
    let report = one(json!({"event": "processed", "sendlog_id": "eml_0000000000034"}));
    assert_eq!(report.kind, EventKind::Processed);
    assert_eq!(report.id, "sendgrid:b3Blbi0x");
    assert_eq!(report.at.timestamp(), 1_772_366_390);
    assert_eq!(report.email_id, Some(EmailId(100)));
    assert_eq!(report.provider_message_id.as_deref(), Some("Qn3vT8aRQ0mGk1"));
    assert_eq!(report.recipient.as_deref(), Some("wren@finch.example"));
    assert_eq!(report.detail, EventDetail::default());
}

#[test]
fn a_deferred_message_tells_the_answer_and_the_try_and_not_sendgrids_own_address() {
    let report =
        one(json!({"event": "deferred", "response": "451 4.7.1 try later", "attempt": "5", "ip": "192.0.2.1"}));
    assert_eq!(report.kind, EventKind::Deferred);
    assert_eq!(report.detail.reply.as_deref(), Some("451 4.7.1 try later"));
    assert_eq!(report.detail.message.as_deref(), Some("Try 5; SendGrid tries again"));
    assert_eq!(report.detail.ip, None);
}

#[test]
fn a_delivered_message_tells_the_answer() {
    let report = one(json!({"event": "delivered", "response": "250 2.0.0 OK", "tls": 1}));
    assert_eq!(report.kind, EventKind::Delivered);
    assert_eq!(report.detail, EventDetail { reply: Some("250 2.0.0 OK".to_owned()), ..EventDetail::default() });
}

#[test]
fn a_bounce_is_hard_and_a_block_is_soft() {
    let hard = one(json!({"event": "bounce", "type": "bounce", "reason": "550 5.1.1 no such user", "status": "5.1.1",
        "bounce_classification": "Invalid Address"}));
    assert_eq!((hard.kind, hard.detail.cause), (EventKind::Bounced, Some(EventCause::Hard)));
    assert_eq!(hard.detail.reply.as_deref(), Some("550 5.1.1 no such user"));
    assert_eq!(hard.detail.message.as_deref(), Some("SendGrid's class of bounce: Invalid Address"));
    let soft = one(json!({"event": "bounce", "type": "blocked", "reason": "552 5.2.2 over quota", "status": "5.2.2",
        "bounce_classification": "Unclassified"}));
    assert_eq!((soft.kind, soft.detail.cause), (EventKind::Bounced, Some(EventCause::Soft)));
    assert_eq!(soft.detail.message, None);
}

#[test]
fn a_bounce_without_a_type_is_judged_by_its_status() {
    for (status, cause) in [("5.0.0", Some(EventCause::Hard)), ("4.4.7", Some(EventCause::Soft)), ("", None)] {
        assert_eq!(one(json!({"event": "bounce", "status": status})).detail.cause, cause, "{status}");
    }
    assert_eq!(one(json!({"event": "bounce", "status": "5.0.0"})).detail.reply.as_deref(), Some("5.0.0"));
}

#[test]
fn a_drop_tells_the_reason_and_whether_a_suppression_meant_it() {
    for (reason, cause) in [
        ("Bounced Address", Some(EventCause::Expected)),
        ("Unsubscribed Address", Some(EventCause::Expected)),
        ("Spam Reporting Address", Some(EventCause::Expected)),
        ("Invalid", None),
        ("Spam Content", None),
        ("Invalid SMTPAPI header", None),
        ("Recipient List over Package Quota", None),
        ("Contains a virus", Some(EventCause::Virus)),
    ] {
        let report = one(json!({"event": "dropped", "reason": reason, "status": "5.0.0"}));
        assert_eq!((report.kind, report.detail.cause), (EventKind::Dropped, cause), "{reason}");
        assert_eq!(report.detail.message.as_deref(), Some(reason));
        assert_eq!(report.detail.reply, None);
    }
}

#[test]
fn an_opening_tells_the_reader_and_whether_it_was_a_machine() {
    let report = one(json!({"event": "open", "ip": "198.51.100.7", "useragent": "Wren/1.0", "sg_machine_open": false}));
    assert_eq!(report.kind, EventKind::Opened);
    assert_eq!(report.detail.ip.as_deref(), Some("198.51.100.7"));
    assert_eq!(report.detail.user_agent.as_deref(), Some("Wren/1.0"));
    assert_eq!(report.detail.message, None);
    let machine = one(json!({"event": "open", "sg_machine_open": true}));
    assert_eq!(machine.kind, EventKind::Opened);
    assert_eq!(machine.detail.message.as_deref(), Some("Opened by a machine, not by a person"));
}

#[test]
fn a_click_tells_the_link() {
    let report = one(json!({"event": "click", "url": "https://finch.example/a?b=1", "url_offset": {"index": 0}}));
    assert_eq!(report.kind, EventKind::Clicked);
    assert_eq!(report.detail.url.as_deref(), Some("https://finch.example/a?b=1"));
}

#[test]
fn complaints_and_unsubscribes_are_told() {
    assert_eq!(one(json!({"event": "spamreport"})).kind, EventKind::ReportedAsSpam);
    assert_eq!(one(json!({"event": "unsubscribe"})).kind, EventKind::Unsubscribed);
    let group = one(json!({"event": "group_unsubscribe", "asm_group_id": 10, "useragent": "Wren/1.0"}));
    assert_eq!(group.kind, EventKind::Unsubscribed);
    assert_eq!(group.detail.message.as_deref(), Some("From the unsubscribe group 10"));
    assert_eq!(group.detail.user_agent.as_deref(), Some("Wren/1.0"));
}

#[test]
fn what_is_no_news_of_a_message_is_left_out() {
    let body =
        json!([event(json!({"event": "group_resubscribe"})), {"event": "account_status_change", "type": "suspend"}]);
    assert_eq!(read_all(read, &body), []);
}

#[test]
fn one_bad_event_spoils_no_other() {
    let body = json!([
        7,
        event(json!({"event": "open"})),
        null,
        event(json!({"event": "molted"})),
        [],
        {},
        event(json!({"event": "open", "timestamp": "soon"})),
        event(json!({"event": "open", "timestamp": null})),
        event(json!({"event": "open", "sg_message_id": null})),
        event(json!({"event": "click"}))
    ]);
    let reports = read_all(read, &body);
    let read: Vec<bool> = reports.iter().map(Result::is_ok).collect();
    assert_eq!(read, [false, true, false, false, false, false, false, false, false, true]);
    assert_eq!(reports[3], Err("The event is of a type that Sendlog does not know".to_owned()));
    assert_eq!(reports[5], Err("The event has no type".to_owned()));
    assert_eq!(reports[8], Err("The event names no message".to_owned()));
}

#[test]
fn numbers_may_be_texts_and_members_null() {
    let report =
        one(json!({"event": "open", "timestamp": "1772366390", "sg_machine_open": "true", "ip": [], "sendlog_id": 7}));
    assert_eq!(report.at.timestamp(), 1_772_366_390);
    assert_eq!(report.detail.message.as_deref(), Some("Opened by a machine, not by a person"));
    assert_eq!((report.detail.ip, report.email_id), (None, None));
    let milliseconds = one(json!({"event": "open", "timestamp": 1772366390372u64}));
    assert_eq!(milliseconds.at.timestamp_millis(), 1_772_366_390_372);
}

#[test]
fn a_custom_argument_is_enough_to_name_the_message() {
    let report = one(json!({"event": "bounce", "sg_message_id": null, "sendlog_id": "eml_0000000000034"}));
    assert_eq!((report.email_id, report.provider_message_id), (Some(EmailId(100)), None));
}

#[test]
fn without_an_id_of_its_own_an_event_is_told_apart_by_what_it_says() {
    let id = |changes| {
        one(with(&json!({"event": "click", "sg_event_id": null, "url": "https://finch.example/a"}), changes)).id
    };
    assert_eq!(id(json!({})), id(json!({"useragent": "Wren/1.0"})));
    for other in [json!({"event": "open"}), json!({"url": "https://finch.example/b"}), json!({"timestamp": 1772366391})]
    {
        assert_ne!(id(json!({})), id(other));
    }
}

#[test]
fn a_body_that_is_no_array_is_unreadable() {
    for body in [&b""[..], b"{}", b"event=open", b"[{\"event\":"] {
        assert!(matches!(read(&posted(&HeaderMap::new(), body)), Err(Refusal::Unreadable(_))));
    }
    assert_eq!(read_error(read, &json!([{"event": "open"}])), "The event has no time");
}

#[test]
fn no_member_is_relied_on() {
    let full = json!({"event": "bounce", "sendlog_id": "eml_0000000000034", "reason": "550 no", "status": "5.0.0",
        "type": "bounce", "bounce_classification": "Content", "url": "https://finch.example/a", "ip": "198.51.100.7"});
    for name in ["bounce", "open", "dropped", "deferred", "group_unsubscribe"] {
        assert_lenient(read, &event(with(&full, json!({"event": name}))), |event| json!([event]));
    }
}

#[test]
fn a_message_that_came_by_smtp_is_named_by_its_message_id() {
    let own = |id: &str| one(json!({"event": "delivered", "smtp-id": id})).email_id;
    assert_eq!(own("<eml_0000000000034@finch.example>"), Some(EmailId(100)));
    assert_eq!(own("<eml_0000000000034>"), None);
    assert_eq!(own("<Qn3vT8aRQ0mGk1@geopod-ismtpd-4>"), None);
}
