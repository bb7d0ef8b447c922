use serde_json::json;

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, headers, json_of, kinds, pending, survives_hostile_answers, words,
};

fn account() -> Account<'static> {
    Account::new("https://api.resend.com", "", "re_hush", "")
}

fn answered(status: u16, name: &str, message: &str) -> Attempt {
    let body = json!({"statusCode": status, "name": name, "message": message}).to_string();
    answer(status, &HeaderMap::new(), body.as_bytes(), &pending(&["ada@finch.example"]))
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.resend.com/emails");
    assert_eq!(request.headers["authorization"], "Bearer re_hush");
    assert_eq!(request.headers["idempotency-key"], ID);
    let expected = json!({
        "from": "Finch <receipts@finch.example>",
        "to": ["Zoë Ünal <zoe@xn--bcher-kva.example>", "ada@finch.example"],
        "cc": ["\"King, Bob\" <bob@finch.example>"],
        "bcc": ["hidden@finch.example"],
        "reply_to": ["Help <help@finch.example>"],
        "subject": "Ihre Quittung für März ✓",
        "text": "Grüße {{name}}",
        "html": "<p>Grüße <img src=\"cid:logo\"></p>",
        "headers": {"List-Unsubscribe": "<https://finch.example/u/1>"},
        "attachments": [
            {"filename": "Übersicht \"1\".pdf", "content": "AP8NCg==", "content_type": "application/pdf"},
            {"filename": "logo.png", "content": "cG5n", "content_type": "image/png", "content_id": "logo"},
        ],
        "tags": [
            {"name": "sendlog_id", "value": ID}, {"name": "tag", "value": "receipt"},
            {"name": "tag_2", "value": "march_24"}, {"name": "order", "value": "17"},
            {"name": "paid", "value": "true"}, {"name": "who", "value": "Ada___Co"},
        ],
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn a_repetition_is_the_same_request_and_the_rest_is_another() {
    let mut parts = Parts::full();
    let first = request(&account(), &parts.message()).unwrap();
    assert_eq!(first, request(&account(), &parts.message()).unwrap());
    parts.pending.pop();
    assert_ne!(
        first.headers["idempotency-key"],
        request(&account(), &parts.message()).unwrap().headers["idempotency-key"]
    );
}

#[test]
fn an_accepted_message_has_an_id() {
    let sent = answer(200, &HeaderMap::new(), br#"{"id":"49a3999c-0ce1"}"#, &pending(&["ada@finch.example"]));
    assert_eq!((kinds(&sent), sent.provider_message_id.as_deref()), (vec!["accepted"], Some("49a3999c-0ce1")));
}

#[test]
fn errors_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, RecipientRefused, SenderRefused};
    for (status, name, message, outcome, fault) in [
        (401, "missing_api_key", "Missing API Key", "unreachable", LogInRefused),
        (403, "invalid_api_key", "API key is invalid", "unreachable", LogInRefused),
        (401, "validation_error", "API key is invalid", "unreachable", LogInRefused),
        (400, "validation_error", "API key is invalid", "unreachable", LogInRefused),
        (403, "validation_error", "The finch.example domain is not verified.", "unreachable", SenderRefused),
        (422, "invalid_from_address", "Invalid `from` field.", "failed", SenderRefused),
        (
            422,
            "validation_error",
            "Invalid `to` field. The email address needs to follow the format",
            "refused",
            RecipientRefused,
        ),
        (422, "missing_required_field", "Missing `subject` field.", "failed", ContentRefused),
        (422, "invalid_attachment", "Attachment must have a content or path.", "failed", ContentRefused),
        (409, "concurrent_idempotent_requests", "Same key in progress", "deferred", Later),
        (409, "invalid_idempotent_request", "Same key, another payload", "failed", ContentRefused),
        (429, "rate_limit_exceeded", "Too many requests", "deferred", Later),
        (429, "daily_quota_exceeded", "You have reached your daily email quota", "deferred", Later),
        (451, "security_error", "Refused", "failed", ContentRefused),
        (500, "application_error", "An unexpected error occurred.", "deferred", Later),
    ] {
        let sent = answered(status, name, message);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{status} {name}");
        assert!(words(&sent).ends_with(&format!("{message} ({name})")), "{}", words(&sent));
    }
}

#[test]
fn the_pace_is_read_from_resend_s_headers() {
    let one = pending(&["ada@finch.example"]);
    let pause =
        |entries: &[(&str, &str)]| answer(429, &headers(entries), b"{}", &one).retry_after.map(|it| it.as_secs());
    assert_eq!(pause(&[("ratelimit-reset", "1")]), Some(1));
    assert_eq!(pause(&[("ratelimit-reset", "1"), ("retry-after", "7")]), Some(7));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
