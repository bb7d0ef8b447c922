use serde_json::{Value, json};

use super::*;
use crate::domain::channel::Channel;
use crate::domain::event::{EventCause, EventKind};
use crate::domain::ids::EmailId;
use crate::server::inbound::testing::{NOW_S, at, damaged, headers, only, posted, with_at};
use crate::server::services::events::EventReport;

const SECRET: &str = "finch-signature-secret";
const BODY: &str = concat!(
    r#"{"message_uuid":"aaaaaaaa-0000-4000-8000-000000000001","#,
    r#""status":"delivered","timestamp":"2026-03-20T09:46:40Z"}"#
);
/// What npm `jsonwebtoken`, by which Vonage's own library works, signs for [BODY] at [NOW_S] with [SECRET].
const TOKEN: &str = "\
    eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3NzQwMDAwMDAsImp0aSI6ImZpbmNoLWp0aS0xIiwiaXNzIjoiVm9uYWdlIiwic\
    GF5bG9hZF9oYXNoIjoiMjk1MTY4YzEyODdlYjQ5OTZkMzUxNDJiZTZlOTI4ZjIyNGFkNDI2NzlhZmFhYzkwYWVkZTI0YzBjOWVmZGE1NSIsImF\
    waV9rZXkiOiJhYmNkMTIzNCJ9.u1Ssx-8ro3FpGI4l1p1xTxE0nBeJstpoz6cTLrH2pxE";
const RECEIPT: &str = "\
    msisdn=4915550100&to=Finch+%26+Co&network-code=26201&messageId=0A0000000123ABCD1&price=0.03330000\
    &status=delivered&scts=2603200946&err-code=0&api-key=abcd1234&client-ref=eml_z\
    &message-timestamp=2026-03-20+09%3A46%3A40&timestamp=1774000000&nonce=finch-nonce-1";
/// What PyPI `vonage-http-client` signs for the fields of [RECEIPT] with [SECRET], by each of its algorithms.
const SIGS: [&str; 3] = [
    "bd6a18b76986e762ee8440be16dc48f8b5d173e6",
    "1425a3ba8dfbfa35ed77843279f0401b9f92634e455bed23d8597279d742d17b",
    "a79df2d3b3119e2db37c90cc10d9e508b59f90f739eac1c80305181610b11da5\
    602070bdbffc2851bdbe9f1b5ad6003272b03026e72f2db30ed49de113cf41a4",
];
const MD5_SIG: &str = "aa380baba24aafb926c62158f8dfab67";

fn token(header: &Value, claims: &Value, secret: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let content = format!("{}.{}", part(header), part(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("{content}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, content.as_bytes())))
}

fn claims() -> Value {
    let hash = hex::encode(Sha256::digest(BODY.as_bytes()));
    json!({"iat": NOW_S, "jti": "finch-jti-1", "iss": "Vonage", "payload_hash": hash, "exp": null})
}

fn verdict(token: &str, body: &str, secret: &str) -> Result<Genuine, Refusal> {
    let authorization = format!("Bearer {token}");
    verify(&posted(&headers(&[("authorization", &authorization)]), body.as_bytes()), secret)
}

fn verdict_of(claims: &Value) -> Result<Genuine, Refusal> {
    verdict(&token(&json!({"alg": "HS256", "typ": "JWT"}), claims, SECRET), BODY, SECRET)
}

fn sig_verdict(body: &str, secret: &str) -> Result<Genuine, Refusal> {
    verify(&posted(&headers(&[]), body.as_bytes()), secret)
}

fn read_text(body: &str) -> Result<Reports, Refusal> {
    read(&posted(&headers(&[]), body.as_bytes()))
}

fn genuine(nonce: &str) -> Result<Genuine, Refusal> {
    Ok(Genuine { nonce: Some(nonce.to_owned()) })
}

#[test]
fn a_token_as_vonage_signs_it_is_genuine() {
    assert_eq!(verdict(TOKEN, BODY, SECRET), genuine("finch-jti-1"));
    assert_eq!(verdict(TOKEN, BODY, "new\nfinch-signature-secret"), genuine("finch-jti-1"));
    assert_eq!(verdict_of(&claims()), genuine("finch-jti-1"));
}

#[test]
fn another_secret_body_or_part_is_forged() {
    assert_eq!(verdict(TOKEN, BODY, "other"), Err(Refusal::Forged));
    assert_eq!(verdict(TOKEN, BODY, ""), Err(Refusal::Forged));
    assert_eq!(verdict(TOKEN, &BODY.replace("delivered", "rejected"), SECRET), Err(Refusal::Forged));
    let parts: Vec<&str> = TOKEN.split('.').collect();
    for token in
        ["", "a", "a.b", "..", "a.b.c", &TOKEN[..100], &format!("{}.{}.", parts[0], parts[1]), &format!("{TOKEN}x")]
    {
        let expected = if token.is_empty() { Refusal::Unsigned } else { Refusal::Forged };
        assert_eq!(verdict(token, BODY, SECRET), Err(expected), "{token}");
    }
}

#[test]
fn no_other_algorithm_is_taken() {
    for alg in ["none", "None", "HS512", "RS256", "hs256"] {
        let forged = token(&json!({"alg": alg}), &claims(), SECRET);
        assert_eq!(verdict(&forged, BODY, SECRET), Err(Refusal::Forged), "{alg}");
    }
}

#[test]
fn a_token_that_does_not_name_the_body_is_forged() {
    for hash in [json!(null), json!(""), json!("00"), json!("zz")] {
        assert_eq!(verdict_of(&with_at(claims(), "/payload_hash", hash)), Err(Refusal::Forged));
    }
}

#[test]
fn a_token_is_fresh_for_five_minutes_either_way() {
    let issued = |second: i64| verdict_of(&with_at(claims(), "/iat", json!(second)));
    assert!(issued(NOW_S - 300).is_ok() && issued(NOW_S + 300).is_ok());
    assert_eq!(issued(NOW_S - 301), Err(Refusal::Stale));
    assert_eq!(issued(NOW_S + 301), Err(Refusal::Stale));
    assert_eq!(issued(i64::MIN), Err(Refusal::Stale));
    assert_eq!(verdict_of(&with_at(claims(), "/exp", json!(NOW_S - 1))), Err(Refusal::Stale));
    assert_eq!(verdict_of(&with_at(claims(), "/iat", json!("soon"))), Err(Refusal::Forged));
}

#[test]
fn a_sig_by_hmac_is_genuine_in_a_form_and_in_json() {
    for sig in SIGS {
        assert_eq!(sig_verdict(&format!("{RECEIPT}&sig={sig}"), SECRET), genuine("finch-nonce-1"), "{sig}");
        assert_eq!(sig_verdict(&format!("sig={}&{RECEIPT}", sig.to_uppercase()), SECRET), genuine("finch-nonce-1"));
        let mut fields: serde_json::Map<String, Value> =
            form_urlencoded::parse(RECEIPT.as_bytes()).map(|(name, value)| (name.into_owned(), json!(value))).collect();
        fields.insert("sig".to_owned(), json!(sig));
        assert_eq!(sig_verdict(&Value::Object(fields).to_string(), SECRET), genuine("finch-nonce-1"));
    }
}

#[test]
fn a_sig_of_other_fields_or_secrets_is_forged() {
    let signed = format!("{RECEIPT}&sig={}", SIGS[1]);
    assert_eq!(sig_verdict(&signed, "other"), Err(Refusal::Forged));
    for (from, to) in [("delivered", "failed"), ("eml_z", "eml_1"), ("&price=0.03330000", ""), ("&sig=", "&x=y&sig=")] {
        assert_eq!(sig_verdict(&signed.replace(from, to), SECRET), Err(Refusal::Forged), "{to}");
    }
    // Two fields drawn together into one have the same text to sign.
    assert_eq!(
        sig_verdict(&signed.replace("&status=delivered", "").replace("&scts=", "&scts%3D"), SECRET),
        Err(Refusal::Forged)
    );
    let merged =
        signed.replace("&scts=2603200946", "").replace("&status=delivered", "&scts%3D2603200946%26status=delivered");
    assert_eq!(sig_verdict(&merged, SECRET), Err(Refusal::Forged));
}

#[test]
fn md5_and_malformed_sigs_are_refused() {
    assert!(matches!(sig_verdict(&format!("{RECEIPT}&sig={MD5_SIG}"), SECRET), Err(Refusal::Unreadable(_))));
    for sig in ["zz", "00", &SIGS[1][..62]] {
        assert_eq!(sig_verdict(&format!("{RECEIPT}&sig={sig}"), SECRET), Err(Refusal::Forged), "{sig}");
    }
    for body in [RECEIPT, "", "{", "[]", BODY] {
        assert_eq!(sig_verdict(body, SECRET), Err(Refusal::Unsigned), "{body}");
    }
}

#[test]
fn a_sig_is_fresh_for_five_minutes() {
    let verdict = |seconds_on: i64| {
        let body = format!("{RECEIPT}&sig={}", SIGS[1]);
        let headers = headers(&[]);
        let mut posted = posted(&headers, body.as_bytes());
        posted.now = at(NOW_S + seconds_on);
        verify(&posted, SECRET)
    };
    assert!(verdict(300).is_ok() && verdict(-300).is_ok());
    assert_eq!(verdict(301), Err(Refusal::Stale));
    assert_eq!(verdict(-301), Err(Refusal::Stale));
}

#[test]
fn a_receipt_is_read_and_its_to_is_the_sender() {
    let report = only(read_text(&RECEIPT.replace("eml_z", "eml_0000000000013")));
    assert_eq!((report.id.as_str(), report.kind), ("vonage:0A0000000123ABCD1:delivered", EventKind::Delivered));
    assert_eq!((report.at, report.channel), (at(NOW_S), Some(Channel::Sms)));
    assert_eq!((report.recipient.as_deref(), report.from.as_deref()), (Some("4915550100"), Some("Finch & Co")));
    assert_eq!(
        (report.email_id, report.provider_message_id.as_deref()),
        (Some(EmailId(35)), Some("0A0000000123ABCD1"))
    );
    let to_the_minute = only(read_text("messageId=1&status=accepted&scts=2603200946"));
    assert_eq!(to_the_minute.at, at(NOW_S - 40));
}

#[test]
fn each_status_of_a_receipt_has_its_kind() {
    for (status, code, kind, cause) in [
        ("accepted", "0", EventKind::Sent, None),
        ("buffered", "0", EventKind::Deferred, None),
        ("delivered", "0", EventKind::Delivered, None),
        ("expired", "1", EventKind::Bounced, Some(EventCause::Undelivered)),
        ("failed", "3", EventKind::Bounced, Some(EventCause::Undelivered)),
        ("failed", "8", EventKind::Failed, Some(EventCause::Infrastructure)),
        ("rejected", "6", EventKind::Bounced, Some(EventCause::Undelivered)),
    ] {
        let body =
            json!({"messageId": "1", "status": status, "err-code": code, "message-timestamp": "2026-03-20 09:46:40"});
        let report = only(read_text(&body.to_string()));
        assert_eq!((report.kind, report.detail.cause), (kind, cause), "{status}");
        assert_eq!(report.detail.reply.is_some(), code != "0");
        assert_eq!(report.detail.message.is_some(), code != "0");
    }
    assert_eq!(read_text("messageId=1&status=unknown&message-timestamp=2026-03-20+09:46:40"), Ok(Vec::new()));
}

fn status(status: &str) -> Value {
    json!({"message_uuid": "aaaaaaaa-0000-4000-8000-000000000001", "to": "4915550100", "from": "Finch",
        "channel": "sms",
        "timestamp": "2026-03-20T09:46:40Z", "status": status, "client_ref": "eml_0000000000013",
        "error": {"type": "https://finch.example/errors#1340", "title": 1340, "detail": "No such subscriber"},
        "usage": {"currency": "EUR", "price": "0.0333"}})
}

fn one(value: &Value) -> EventReport {
    only(read_text(&value.to_string()))
}

#[test]
fn each_status_of_a_message_has_its_kind() {
    for (word, kind, cause) in [
        ("submitted", EventKind::Sent, None),
        ("delivered", EventKind::Delivered, None),
        ("read", EventKind::Opened, None),
        ("rejected", EventKind::Dropped, None),
        ("undeliverable", EventKind::Bounced, Some(EventCause::Undelivered)),
    ] {
        let report = one(&status(word));
        assert_eq!((report.kind, report.detail.cause, report.channel), (kind, cause, Some(Channel::Sms)), "{word}");
        assert_eq!(report.id, format!("vonage:aaaaaaaa-0000-4000-8000-000000000001:{word}"));
        assert_eq!(report.detail.reply.as_deref(), Some("1340 No such subscriber"));
        assert_eq!((report.recipient.as_deref(), report.email_id), (Some("4915550100"), Some(EmailId(35))));
    }
}

#[test]
fn the_first_version_wraps_numbers_and_names_errors_otherwise() {
    let older = json!({"message_uuid": "a", "to": {"type": "sms", "number": "4915550100"}, "from": {"type": "messenger",
        "id": "7"}, "timestamp": "2026-03-20T09:46:40.000Z", "status": "rejected",
        "error": {"code": 1300, "reason": "Not sent"}});
    let report = one(&older);
    assert_eq!((report.recipient.as_deref(), report.from.as_deref()), (Some("4915550100"), Some("7")));
    assert_eq!(report.detail.reply.as_deref(), Some("1300 Not sent"));
    assert_eq!(report.email_id, Some(EmailId(35)), "the id in the webhook's address");
}

fn call(status: &str) -> Value {
    json!({"uuid": "bbbb", "conversation_uuid": "CON-1", "to": "4915550100", "from": "4915550199", "status": status,
        "direction": "outbound", "timestamp": "2026-03-20T09:46:40.000Z", "duration": "12", "sip_code": 486})
}

#[test]
fn each_event_of_a_call_has_its_kind() {
    for (word, kind, cause) in [
        ("started", EventKind::Sent, None),
        ("ringing", EventKind::Sent, None),
        ("answered", EventKind::Sent, None),
        ("machine", EventKind::Sent, None),
        ("completed", EventKind::Delivered, Some(EventCause::Completed)),
        ("busy", EventKind::Delivered, Some(EventCause::Busy)),
        ("timeout", EventKind::Delivered, Some(EventCause::NoAnswer)),
        ("unanswered", EventKind::Delivered, Some(EventCause::NoAnswer)),
        ("failed", EventKind::Bounced, Some(EventCause::CannotReach)),
        ("rejected", EventKind::Bounced, Some(EventCause::CannotReach)),
        ("cancelled", EventKind::Dropped, Some(EventCause::Expected)),
    ] {
        let report = one(&call(word));
        assert_eq!((report.kind, report.detail.cause, report.channel), (kind, cause, Some(Channel::Call)), "{word}");
        assert_eq!(
            (report.provider_message_id.as_deref(), report.detail.reply.as_deref()),
            (Some("bbbb"), Some("SIP 486"))
        );
    }
    assert_eq!(one(&call("completed")).detail.message.as_deref(), Some("The call lasted 12 seconds"));
}

#[test]
fn what_is_no_news_is_left_out() {
    for body in [
        with_at(call("ringing"), "/direction", json!("inbound")),
        call("human"),
        with_at(call("x"), "/status", json!(null)),
        json!({"message_uuid": "a", "text": "hello", "timestamp": "2026-03-20T09:46:40Z"}),
    ] {
        assert_eq!(read_text(&body.to_string()), Ok(Vec::new()), "{body}");
    }
}

#[test]
fn the_unknown_and_the_timeless_are_errors() {
    for body in [call("hatched"), status("hatched"), with_at(status("read"), "/timestamp", json!("soon"))] {
        assert!(matches!(read_text(&body.to_string()).unwrap().as_slice(), [Err(_)]), "{body}");
    }
    for body in ["", "{}", "[]", "a=b", "{\"status\":\"delivered\"}"] {
        assert!(matches!(read_text(body), Err(Refusal::Unreadable(_))), "{body}");
    }
}

#[test]
fn no_damaged_body_or_token_breaks_it() {
    for body in damaged(RECEIPT.as_bytes()).chain(damaged(status("rejected").to_string().as_bytes())) {
        let headers = headers(&[]);
        let _ = read(&posted(&headers, &body));
        let _ = verify(&posted(&headers, &body), SECRET);
    }
    for token in damaged(TOKEN.as_bytes()).filter_map(|token| String::from_utf8(token).ok()) {
        if token != TOKEN && !token.contains('\0') {
            assert!(verdict(&token, BODY, SECRET).is_err());
        }
    }
}
