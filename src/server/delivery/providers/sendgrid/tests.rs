use serde_json::json;

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, headers, json_of, kinds, pending, survives_hostile_answers, words,
};

fn account_with(query: &str) -> Account<'static> {
    Account::new("https://api.sendgrid.com", "", "SG.hush", query)
}

fn account() -> Account<'static> {
    account_with("")
}

fn answered(status: u16, body: &serde_json::Value, pending: &[String]) -> Attempt {
    answer(status, &HeaderMap::new(), body.to_string().as_bytes(), pending)
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.sendgrid.com/v3/mail/send");
    assert_eq!(request.headers["authorization"], "Bearer SG.hush");
    let expected = json!({
        "personalizations": [{
            "to": [{"email": "zoe@xn--bcher-kva.example", "name": "Zoë Ünal"}, {"email": "ada@finch.example"}],
            "cc": [{"email": "bob@finch.example", "name": "King, Bob"}],
            "bcc": [{"email": "hidden@finch.example"}],
        }],
        "from": {"email": "receipts@finch.example", "name": "Finch"},
        "reply_to_list": [{"email": "help@finch.example", "name": "Help"}],
        "subject": "Ihre Quittung für März ✓",
        "content": [
            {"type": "text/plain", "value": "Grüße {{name}}"},
            {"type": "text/html", "value": "<p>Grüße <img src=\"cid:logo\"></p>"},
        ],
        "attachments": [
            {"content": "AP8NCg==", "type": "application/pdf", "filename": "Übersicht \"1\".pdf",
             "disposition": "attachment"},
            {"content": "cG5n", "type": "image/png", "filename": "logo.png", "disposition": "inline",
             "content_id": "logo"},
        ],
        "headers": {"List-Unsubscribe": "<https://finch.example/u/1>"},
        "categories": ["receipt", "march 24"],
        "custom_args": {"sendlog_id": ID, "order": "17", "paid": "true", "who": "Ada & Co"},
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn a_small_message_leaves_out_what_it_has_not() {
    let expected = json!({
        "personalizations": [{"to": [{"email": "ada@finch.example"}]}],
        "from": {"email": "receipts@finch.example"},
        "subject": "Hello",
        "content": [{"type": "text/plain", "value": "Hello"}],
        "custom_args": {"sendlog_id": ID},
    });
    assert_eq!(json_of(&request(&account(), &Parts::small().message()).unwrap()), expected);
}

#[test]
fn an_empty_message_has_a_text_that_sendgrid_takes() {
    let parts = Parts { text: None, ..Parts::small() };
    let json = json_of(&request(&account(), &parts.message()).unwrap());
    assert_eq!(json["content"], json!([{"type": "text/plain", "value": " "}]));
}

#[test]
fn tracking_is_named_only_where_the_team_asked() {
    let account = account_with("trackLinks=false");
    let json = json_of(&request(&account, &Parts::small().message()).unwrap());
    assert_eq!(json["tracking_settings"], json!({"click_tracking": {"enable": false}}));
}

#[test]
fn arguments_keep_the_limit_and_the_id() {
    let parts = Parts { metadata: json!({"a": "x".repeat(9_990), "b": "kept"}), ..Parts::small() };
    let json = json_of(&request(&account(), &parts.message()).unwrap());
    assert_eq!(json["custom_args"], json!({"sendlog_id": ID, "b": "kept"}));
}

#[test]
fn the_id_is_a_header_of_the_answer() {
    let sent = answer(202, &headers(&[("X-Message-Id", "a1B2.c3")]), b"", &pending(&["ada@finch.example"]));
    assert_eq!((sent.provider_message_id.as_deref(), sent.fault), (Some("a1B2.c3"), None));
    assert_eq!((kinds(&sent), words(&sent)), (vec!["accepted"], "202 Accepted"));
}

#[test]
fn a_bad_recipient_is_refused_and_a_doubled_one_is_not() {
    let error = |message: &str, field: &str| json!({"errors": [{"message": message, "field": field, "help": null}]});
    let bad = error("Does not contain a valid address.", "personalizations.0.to.0.email");
    let sent = answered(400, &bad, &pending(&["ada@finch.example"]));
    assert_eq!((kinds(&sent), sent.fault), (vec!["refused"], Some(AdapterFault::RecipientRefused)));
    let expected = "400 Bad Request: Does not contain a valid address. (personalizations.0.to.0.email)";
    assert_eq!(words(&sent), expected);
    let sent = answered(400, &bad, &pending(&["ada@finch.example", "bob@finch.example"]));
    assert_eq!(kinds(&sent), ["failed", "failed"]);
    let doubled = error("Each email address in the personalization block should be unique", "personalizations");
    let sent = answered(400, &doubled, &pending(&["ada@finch.example"]));
    assert_eq!((kinds(&sent), sent.fault), (vec!["failed"], Some(AdapterFault::ContentRefused)));
}

#[test]
fn a_bad_sender_is_told_apart() {
    let one = pending(&["ada@finch.example"]);
    let body = json!({"errors": [{"message": "The from object must be provided", "field": "from.email"}]});
    let sent = answered(400, &body, &one);
    assert_eq!((kinds(&sent), sent.fault), (vec!["failed"], Some(AdapterFault::SenderRefused)));
    let message = "The from address does not match a verified Sender Identity. Mail cannot be sent";
    let sent = answered(403, &json!({"errors": [{"message": message, "field": "from"}]}), &one);
    assert_eq!((kinds(&sent), sent.fault), (vec!["unreachable"], Some(AdapterFault::SenderRefused)));
}

#[test]
fn a_key_and_a_credit_that_are_gone_are_told_apart() {
    let one = pending(&["ada@finch.example"]);
    let body = |message: &str| json!({"errors": [{"message": message, "field": null}]});
    let sent = answered(401, &body("The provided authorization grant is invalid, expired, or revoked"), &one);
    assert_eq!((kinds(&sent), sent.fault), (vec!["unreachable"], Some(AdapterFault::LogInRefused)));
    let sent = answered(401, &body("Maximum credits exceeded"), &one);
    assert_eq!((kinds(&sent), sent.fault), (vec!["unreachable"], Some(AdapterFault::Later)));
}

#[test]
fn the_pace_is_read_from_sendgrid_s_own_header() {
    let headers = headers(&[("X-RateLimit-Reset", "1705752060"), ("Date", "Sat, 20 Jan 2024 12:00:00 GMT")]);
    let body = br#"{"errors":[{"message":"too many requests","field":null}]}"#;
    let sent = answer(429, &headers, body, &pending(&["ada@finch.example"]));
    assert_eq!(kinds(&sent), ["deferred"]);
    assert_eq!(sent.retry_after.map(|pause| pause.as_secs()), Some(60));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
