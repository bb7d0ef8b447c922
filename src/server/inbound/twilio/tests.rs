use axum::http::HeaderMap;
use chrono::TimeDelta;

use super::*;
use crate::domain::event::EventDetail;
use crate::domain::ids::EmailId;
use crate::server::inbound::testing::{NOW_S, at, damaged, headers, only, posted};

const TOKEN: &str = "finch-token";
const URL: &str = "https://log.finch.example/hooks/twilio/tkn?sendlog_id=eml_z";
const FORM: &str = "MessageSid=SM00000000000000000000000000000001&MessageStatus=delivered&To=%2B4915550100\
    &From=%2B4915550199&Body=gr%C3%BCn+%26+gelb";
/// What npm `twilio` signs for [URL], the fields of [FORM] and [TOKEN], by each of its algorithms.
const BY_TWILIO: &str = "mAb/OSFoUS2ikTS+F2iYl5GON9o=";
const BY_TWILIO_SHA256: &str = "/wuDwRVhZiqVwZmAMsXhaagTGNTVAxtrANJQkPzXxFM=";
const JSON: &str = r#"{"MessageSid":"SM1","MessageStatus":"sent"}"#;
const JSON_URL: &str = "https://log.finch.example/hooks/twilio/tkn\
    ?bodySHA256=fc1a85c3da8e0304d7195ae2bea3fa391521a8060142a85dbfaf6a9db8025570";
const JSON_BY_TWILIO: &str = "JDSRoBQfG/E/24Xu1LKOwQaQqWA=";

fn sign(token: &str, content: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, token.as_bytes());
    STANDARD.encode(hmac::sign(&key, content.as_bytes()))
}

fn posted_to<'a>(url: &'a str, headers: &'a HeaderMap, body: &'a [u8]) -> Posted<'a> {
    Posted { url, ..posted(headers, body) }
}

fn verdict(url: &str, body: &str, signature: &str, secret: &str) -> Result<Genuine, Refusal> {
    verify(&posted_to(url, &headers(&[("x-twilio-signature", signature)]), body.as_bytes()), secret)
}

fn read_form(body: &str) -> Result<Reports, Refusal> {
    read(&posted_to(&URL.replace("eml_z", "eml_0000000000013"), &headers(&[]), body.as_bytes()))
}

fn message(fields: &str) -> EventReport {
    only(read_form(&format!("MessageSid=SM1&To=%2B4915550100&From=%2B4915550199&{fields}")))
}

fn call(fields: &str) -> EventReport {
    only(read_form(&format!("CallSid=CA1&To=%2B4915550100&From=%2B4915550199&Direction=outbound-api&{fields}")))
}

#[test]
fn what_twilio_itself_signs_is_genuine() {
    let genuine = Ok(Genuine { nonce: None });
    assert_eq!(verdict(URL, FORM, BY_TWILIO, TOKEN), genuine);
    assert_eq!(verdict(URL, FORM, BY_TWILIO, "new-token\nfinch-token"), genuine);
    assert_eq!(verdict(JSON_URL, JSON, JSON_BY_TWILIO, TOKEN), genuine);
    assert_eq!(sign(TOKEN, JSON_URL), JSON_BY_TWILIO);
}

#[test]
fn a_shared_key_signs_with_sha256() {
    let verdict = |settings: &str, signature: &str| {
        let pairs = [("x-twilio-signature", signature), ("x-twilio-webhooks-signature-settings", settings)];
        verify(&posted_to(URL, &headers(&pairs), FORM.as_bytes()), TOKEN)
    };
    assert!(verdict("key=shared_1, algorithm=HMAC_SHA256", BY_TWILIO_SHA256).is_ok());
    assert!(verdict("key=shared_1", BY_TWILIO).is_ok());
    assert_eq!(verdict("algorithm=HMAC_SHA256", BY_TWILIO), Err(Refusal::Forged));
    assert!(matches!(verdict("algorithm=ROT13", BY_TWILIO), Err(Refusal::Unreadable(_))));
}

#[test]
fn the_port_may_be_signed_or_not() {
    let host = |host: &str| format!("https://{host}/hooks/t");
    for (asked, signed) in [
        ("log.finch.example", "log.finch.example:443"),
        ("log.finch.example:443", "log.finch.example"),
        ("log.finch.example:8443", "log.finch.example"),
        ("log.finch.example:8443", "log.finch.example:8443"),
        ("[2001:db8::1]", "[2001:db8::1]:443"),
        ("ada:pw@log.finch.example", "ada:pw@log.finch.example:443"),
    ] {
        let signature = sign(TOKEN, &format!("{}MessageSidSM1", host(signed)));
        assert!(verdict(&host(asked), "MessageSid=SM1", &signature, TOKEN).is_ok(), "{asked} {signed}");
    }
    let elsewhere = sign(TOKEN, "https://log.crow.example/hooks/tMessageSidSM1");
    assert_eq!(verdict(&host("log.finch.example"), "MessageSid=SM1", &elsewhere, TOKEN), Err(Refusal::Forged));
}

#[test]
fn fields_are_sorted_and_equal_ones_signed_once() {
    let signature = sign(TOKEN, "https://a.example/Aa1Aa2Bb");
    assert!(verdict("https://a.example/", "B=b&A=a2&A=a1&A=a2", &signature, TOKEN).is_ok());
}

#[test]
fn another_token_body_address_or_form_is_forged() {
    assert_eq!(verdict(URL, FORM, BY_TWILIO, "other"), Err(Refusal::Forged));
    assert_eq!(verdict(URL, FORM, BY_TWILIO, ""), Err(Refusal::Forged));
    assert_eq!(verdict(URL, &FORM.replace("delivered", "failed"), BY_TWILIO, TOKEN), Err(Refusal::Forged));
    assert_eq!(verdict(URL, &format!("{FORM}&Extra=1"), BY_TWILIO, TOKEN), Err(Refusal::Forged));
    assert_eq!(verdict(&URL.replace("eml_z", "eml_1"), FORM, BY_TWILIO, TOKEN), Err(Refusal::Forged));
    assert_eq!(verdict(JSON_URL, &JSON.replace("sent", "read"), JSON_BY_TWILIO, TOKEN), Err(Refusal::Forged));
    for signature in ["====", "not base64!", &BY_TWILIO[..10]] {
        assert_eq!(verdict(URL, FORM, signature, TOKEN), Err(Refusal::Forged), "{signature}");
    }
}

#[test]
fn a_body_apart_from_the_signed_digest_is_forged() {
    let url = "https://a.example/?bodySHA256=zz";
    assert_eq!(verdict(url, JSON, &sign(TOKEN, url), TOKEN), Err(Refusal::Forged));
}

#[test]
fn without_the_header_it_is_unsigned() {
    assert_eq!(verify(&posted_to(URL, &headers(&[]), FORM.as_bytes()), TOKEN), Err(Refusal::Unsigned));
}

#[test]
fn a_messages_status_is_read() {
    let report = message("MessageStatus=delivered");
    assert_eq!((report.id.as_str(), report.kind), ("twilio:SM1:delivered", EventKind::Delivered));
    assert_eq!((report.at, report.channel), (at(NOW_S), Some(Channel::Sms)));
    assert_eq!((report.email_id, report.provider_message_id.as_deref()), (Some(EmailId(35)), Some("SM1")));
    assert_eq!((report.recipient.as_deref(), report.from.as_deref()), (Some("+4915550100"), Some("+4915550199")));
    assert_eq!(report.detail, EventDetail::default());
}

#[test]
fn each_status_of_a_message_has_its_kind() {
    for (status, kind, cause) in [
        ("accepted", EventKind::Processed, None),
        ("scheduled", EventKind::Queued, None),
        ("queued", EventKind::Processed, None),
        ("sending", EventKind::Processed, None),
        ("sent", EventKind::Sent, None),
        ("partially_delivered", EventKind::Sent, None),
        ("delivered", EventKind::Delivered, None),
        ("read", EventKind::Opened, None),
        ("undelivered", EventKind::Bounced, Some(EventCause::Undelivered)),
        ("failed", EventKind::Failed, Some(EventCause::Infrastructure)),
        ("canceled", EventKind::Dropped, Some(EventCause::Expected)),
    ] {
        let report = message(&format!("MessageStatus={status}"));
        assert_eq!((report.kind, report.detail.cause), (kind, cause), "{status}");
        let older = only(read_form(&format!("SmsSid=SM1&SmsStatus={status}")));
        assert_eq!((older.kind, older.id), (kind, report.id), "{status}");
    }
}

#[test]
fn an_error_is_told_with_its_code_and_in_words() {
    let report = message("MessageStatus=undelivered&ErrorCode=30005&ErrorMessage=Unknown+destination+handset");
    assert_eq!(report.detail.reply.as_deref(), Some("30005 Unknown destination handset"));
    assert_eq!(report.detail.message.as_deref(), Some("The number is unknown or not in use"));
    let bare = message("MessageStatus=failed&ErrorCode=30001&ErrorMessage=");
    assert_eq!(bare.detail.reply.as_deref(), Some("30001"));
    assert_eq!(bare.detail.cause, Some(EventCause::Infrastructure));
}

#[test]
fn a_message_to_someone_who_asked_for_no_more_is_dropped_as_expected() {
    let report = message("MessageStatus=failed&ErrorCode=21610");
    assert_eq!((report.kind, report.detail.cause), (EventKind::Dropped, Some(EventCause::Expected)));
}

#[test]
fn each_status_of_a_call_has_its_kind() {
    for (status, kind, cause) in [
        ("queued", EventKind::Processed, None),
        ("initiated", EventKind::Sent, None),
        ("ringing", EventKind::Sent, None),
        ("in-progress", EventKind::Sent, None),
        ("completed", EventKind::Delivered, Some(EventCause::Completed)),
        ("busy", EventKind::Delivered, Some(EventCause::Busy)),
        ("no-answer", EventKind::Delivered, Some(EventCause::NoAnswer)),
        ("failed", EventKind::Bounced, Some(EventCause::CannotReach)),
        ("canceled", EventKind::Dropped, Some(EventCause::Expected)),
    ] {
        let report = call(&format!("CallStatus={status}"));
        assert_eq!((report.kind, report.detail.cause, report.channel), (kind, cause, Some(Channel::Call)), "{status}");
        assert_eq!(report.id, format!("twilio:CA1:{status}"));
    }
}

#[test]
fn a_call_has_its_own_time_and_length() {
    let report =
        call("CallStatus=completed&CallDuration=12&SequenceNumber=3&Timestamp=Fri%2C+20+Mar+2026+09%3A46%3A30+%2B0000");
    assert_eq!(report.at, at(NOW_S) - TimeDelta::seconds(10));
    assert_eq!(report.detail.message.as_deref(), Some("The call lasted 12 seconds"));
    assert_eq!(call("CallStatus=busy&SipResponseCode=486").detail.reply.as_deref(), Some("SIP 486"));
    assert!(matches!(read_form("CallSid=CA1&CallStatus=busy&Timestamp=soon").unwrap().as_slice(), [Err(_)]));
}

#[test]
fn json_is_read_like_a_form() {
    let report = only(read_form(r#"{"MessageSid":"SM1","MessageStatus":"undelivered","ErrorCode":30003,"To":null}"#));
    assert_eq!((report.kind, report.detail.reply.as_deref()), (EventKind::Bounced, Some("30003")));
    assert_eq!(report.recipient, None);
}

#[test]
fn what_comes_in_is_left_out() {
    for body in [
        "SmsSid=SM1&SmsStatus=received",
        "CallSid=CA1&CallStatus=ringing&Direction=inbound",
        "CallSid=CA1&RecordingSid=RE1",
    ] {
        assert_eq!(read_form(body), Ok(Vec::new()), "{body}");
    }
}

#[test]
fn what_is_no_callback_is_refused_and_an_unknown_status_an_error() {
    for body in ["", " ", "a=b", "{\"a\":1}", "{", "[1]"] {
        assert!(matches!(read_form(body), Err(Refusal::Unreadable(_))), "{body}");
    }
    for body in ["MessageSid=SM1&MessageStatus=hatched", "CallSid=CA1&CallStatus=hatched", "MessageStatus=sent"] {
        assert!(matches!(read_form(body).unwrap().as_slice(), [Err(_)]), "{body}");
    }
}

#[test]
fn no_damaged_body_or_address_breaks_it() {
    let headers = headers(&[("x-twilio-signature", BY_TWILIO)]);
    for body in damaged(FORM.as_bytes()).chain(damaged(JSON.as_bytes())) {
        let _ = read(&posted_to(URL, &headers, &body));
        let is_changed = body != FORM.as_bytes();
        assert_eq!(verify(&posted_to(URL, &headers, &body), TOKEN).is_err(), is_changed);
    }
    for url in ["", "://", "https://", "https://[", "https://]:", "https://a@", "ü://ä:ö/", ":", "https://a:b@c:d?e"]
    {
        assert_eq!(verify(&posted_to(url, &headers, FORM.as_bytes()), TOKEN), Err(Refusal::Forged));
    }
}
