use serde_json::json;

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, headers, json_of, kinds, pending, survives_hostile_answers, words,
};

fn account() -> Account<'static> {
    Account::new("https://api.brevo.com", "", "xkeysib-hush", "")
}

fn answered(status: u16, code: &str, message: &str) -> Attempt {
    let body = json!({"code": code, "message": message}).to_string();
    answer(status, &HeaderMap::new(), body.as_bytes(), &pending(&["ada@finch.example"]))
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.brevo.com/v3/smtp/email");
    assert_eq!(request.headers["api-key"], "xkeysib-hush");
    let expected = json!({
        "sender": {"email": "receipts@finch.example", "name": "Finch"},
        "to": [{"email": "zoe@xn--bcher-kva.example", "name": "Zoë Ünal"}, {"email": "ada@finch.example"}],
        "cc": [{"email": "bob@finch.example", "name": "King, Bob"}],
        "bcc": [{"email": "hidden@finch.example"}],
        "replyTo": {"email": "help@finch.example", "name": "Help"},
        "subject": "Ihre Quittung für März ✓",
        "textContent": "Grüße {{name}}",
        "htmlContent": "<p>Grüße <img src=\"cid:logo\"></p>",
        "headers": {
            "List-Unsubscribe": "<https://finch.example/u/1>",
            "X-Mailin-custom": json!({"order": "17", "paid": "true", "sendlog_id": ID, "who": "Ada & Co"}).to_string(),
            "idempotencyKey": uuid(ID),
        },
        "attachment": [
            {"name": "Übersicht \"1\".pdf", "content": "AP8NCg=="},
            {"name": "logo.png", "content": "cG5n"},
        ],
        "tags": ["receipt", "march 24"],
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn metadata_that_brevo_garbles_stay_out() {
    let metadata = json!({"a": "ü", "b|c": "1", "d:e": "1", "f": "1|2", "g": "x:y", "h": "a\nb"});
    let parts = Parts { metadata, ..Parts::small() };
    let kept: serde_json::Value = serde_json::from_str(&custom(&parts.message())).unwrap();
    assert_eq!(kept, json!({"b|c": "1", "d:e": "1", "f": "1|2", "g": "x:y", "sendlog_id": ID}));
}

#[test]
fn a_long_name_is_cut() {
    let mut parts = Parts::small();
    parts.recipients[0].name = Some("ü".repeat(90));
    let json = json_of(&request(&account(), &parts.message()).unwrap());
    assert_eq!(json["to"][0]["name"].as_str().unwrap().chars().count(), 70);
}

#[test]
fn a_name_that_brevo_drops_goes_out_in_encoded_words() {
    assert_eq!(brevo_name("Ünal, Zoë"), "=?UTF-8?B?w5xuYWwsIFpvw6s=?=");
    assert_eq!((brevo_name("Zoë Ünal"), brevo_name("King, Bob")), ("Zoë Ünal".to_owned(), "King, Bob".to_owned()));
}

#[test]
fn a_key_has_the_form_of_a_uuid() {
    let key = uuid(ID);
    let lengths: Vec<usize> = key.split('-').map(str::len).collect();
    assert_eq!((lengths, &key[14..15], &key[19..20]), (vec![8, 4, 4, 4, 12], "4", "8"));
    assert_ne!(key, uuid("eml_other"));
}

#[test]
fn an_accepted_message_has_an_id_without_brackets() {
    let body = br#"{"messageId":"<202611210000.123@smtp-relay.mailin.fr>"}"#;
    let sent = answer(201, &HeaderMap::new(), body, &pending(&["ada@finch.example"]));
    assert_eq!(sent.provider_message_id.as_deref(), Some("202611210000.123@smtp-relay.mailin.fr"));
    assert_eq!(kinds(&sent), ["accepted"]);
}

#[test]
fn codes_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, OutcomeUnknown, RecipientRefused, SenderRefused};
    for (status, code, message, outcome, fault) in [
        (400, "invalid_parameter", "email is not valid in to", "refused", RecipientRefused),
        (400, "invalid_parameter", "valid sender email required", "failed", SenderRefused),
        (400, "invalid_parameter", "Invalid attachment", "failed", ContentRefused),
        (400, "missing_parameter", "subject is missing", "failed", ContentRefused),
        (400, "duplicate_parameter", "idempotencyKey was used before", "unknown", OutcomeUnknown),
        (401, "unauthorized", "Key not found", "unreachable", LogInRefused),
        (402, "not_enough_credits", "Not enough credits", "unreachable", Later),
        (403, "account_under_validation", "Your account is under validation", "unreachable", Later),
        (403, "permission_denied", "Your SMTP account is not yet activated", "unreachable", LogInRefused),
        (429, "too_many_requests", "API rate limit exceeded", "deferred", Later),
        (500, "internal_error", "Oops", "deferred", Later),
    ] {
        let sent = answered(status, code, message);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{code} {message}");
        assert!(words(&sent).contains(message), "{}", words(&sent));
    }
}

#[test]
fn the_pace_is_read_from_brevo_s_own_header() {
    let headers = headers(&[("x-sib-ratelimit-reset", "12")]);
    let sent = answer(429, &headers, b"{}", &pending(&["ada@finch.example"]));
    assert_eq!(sent.retry_after.map(|pause| pause.as_secs()), Some(12));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
