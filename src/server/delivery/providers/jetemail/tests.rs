use serde_json::json;

use super::*;
use crate::domain::adapter::fault::AdapterFault;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, json_of, kinds, pending, survives_hostile_answers, words,
};

fn account_with(query: &str) -> Account<'static> {
    Account::new("https://api.jetemail.com", "", "transactional_hush", query)
}

fn account() -> Account<'static> {
    account_with("")
}

fn answered(status: u16, body: &str) -> Attempt {
    answer(status, &HeaderMap::new(), body.as_bytes(), &pending(&["ada@finch.example"]))
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.jetemail.com/email");
    assert_eq!(request.headers["authorization"], "Bearer transactional_hush");
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
        "headers": {"List-Unsubscribe": "<https://finch.example/u/1>", "X-Sendlog-Id": ID},
        "attachments": [
            {"filename": "Übersicht \"1\".pdf", "data": "AP8NCg=="},
            {"filename": "logo.png", "data": "cG5n"},
        ],
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn mail_stays_in_the_union_where_the_team_asked() {
    let account = account_with("eu=true");
    let json = json_of(&request(&account, &Parts::small().message()).unwrap());
    assert_eq!(json["eu"], true);
}

#[test]
fn an_accepted_message_has_an_id() {
    let sent = answered(201, r#"{"id":"19424fd2acd0004210","response":"Message queued as 19424fd2acd0004210"}"#);
    assert_eq!(sent.provider_message_id.as_deref(), Some("19424fd2acd0004210"));
    assert_eq!(words(&sent), "201 Created: Message queued as 19424fd2acd0004210");
}

#[test]
fn answers_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused};
    for (status, body, outcome, fault) in [
        (400, r#"{"error":"Invalid sender"}"#, "failed", ContentRefused),
        (401, r#"{"success":false,"message":"Unauthorized"}"#, "unreachable", LogInRefused),
        (409, r#"{"error":"Busy","code":"IDEMPOTENCY_IN_FLIGHT"}"#, "deferred", Later),
        (409, r#"{"error":{"code":"IDEMPOTENCY_IN_FLIGHT","message":"Busy"}}"#, "deferred", Later),
        (409, r#"{"error":"IDEMPOTENCY_BODY_MISMATCH"}"#, "failed", ContentRefused),
        (429, r#"{"error":"Too many requests"}"#, "deferred", Later),
        (500, r#"{"error":"Oops"}"#, "deferred", Later),
    ] {
        let sent = answered(status, body);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{status} {body}");
    }
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
