use serde_json::json;

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, json_of, kinds, pending, survives_hostile_answers, words,
};

fn account_with(query: &str) -> Account<'static> {
    Account::new("https://api.postmarkapp.com", "", "hush", query)
}

fn account() -> Account<'static> {
    account_with("")
}

fn answered(status: u16, body: &serde_json::Value, addresses: &[&str]) -> Attempt {
    answer(status, &HeaderMap::new(), body.to_string().as_bytes(), &pending(addresses))
}

fn error(code: u32, message: &str) -> serde_json::Value {
    json!({"ErrorCode": code, "Message": message})
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.postmarkapp.com/email");
    assert_eq!(request.headers["x-postmark-server-token"], "hush");
    let expected = json!({
        "From": "Finch <receipts@finch.example>",
        "To": "Zoë Ünal <zoe@xn--bcher-kva.example>, ada@finch.example",
        "Cc": "\"King, Bob\" <bob@finch.example>",
        "Bcc": "hidden@finch.example",
        "ReplyTo": "Help <help@finch.example>",
        "Subject": "Ihre Quittung für März ✓",
        "TextBody": "Grüße {{name}}",
        "HtmlBody": "<p>Grüße <img src=\"cid:logo\"></p>",
        "Tag": "receipt",
        "Metadata": {"sendlog_id": ID, "order": "17", "paid": "true", "who": "Ada & Co"},
        "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://finch.example/u/1>"}],
        "Attachments": [
            {"Name": "Übersicht \"1\".pdf", "Content": "AP8NCg==", "ContentType": "application/pdf"},
            {"Name": "logo.png", "Content": "cG5n", "ContentType": "image/png", "ContentID": "cid:logo"},
        ],
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn settings_of_the_team_are_named() {
    let account = account_with("messageStream=receipts&trackOpens=false&trackLinks=true");
    let expected = json!({
        "From": "receipts@finch.example",
        "To": "ada@finch.example",
        "Subject": "Hello",
        "TextBody": "Hello",
        "Metadata": {"sendlog_id": ID},
        "MessageStream": "receipts",
        "TrackOpens": false,
        "TrackLinks": "HtmlAndText",
    });
    assert_eq!(json_of(&request(&account, &Parts::small().message()).unwrap()), expected);
}

#[test]
fn metadata_keep_postmark_s_limits() {
    let mut entries: serde_json::Map<_, _> = (0..20).map(|number| (format!("k{number:02}"), json!(number))).collect();
    entries.insert("a".repeat(21), json!("x"));
    entries.insert("b".to_owned(), json!("x".repeat(81)));
    let parts = Parts { metadata: entries.into(), ..Parts::small() };
    let json = json_of(&request(&account(), &parts.message()).unwrap());
    let kept = json["Metadata"].as_object().unwrap();
    assert_eq!((kept.len(), kept.contains_key("sendlog_id"), kept.contains_key("b")), (10, true, false));
}

#[test]
fn an_accepted_message_has_an_id() {
    let body = json!({"To": "ada@finch.example", "SubmittedAt": "2026-11-21T00:00:00Z", "MessageID": "b7bc2f4a-e38e",
        "ErrorCode": 0, "Message": "OK"});
    let sent = answered(200, &body, &["ada@finch.example"]);
    assert_eq!((kinds(&sent), sent.provider_message_id.as_deref()), (vec!["accepted"], Some("b7bc2f4a-e38e")));
    assert_eq!((words(&sent), sent.fault), ("200 OK: OK", None));
    let delayed = json!({"MessageID": "b7", "Message": "Message accepted, but delivery may be delayed."});
    assert_eq!(kinds(&answered(200, &delayed, &["ada@finch.example"])), ["accepted"]);
}

#[test]
fn inactive_recipients_are_refused_and_the_others_have_it() {
    let message = "Message OK, but will not deliver to these inactive addresses: bob@finch.example, eve@finch.example. \
                   Inactive recipients are ones that have generated a hard bounce.";
    let body = json!({"MessageID": "b7", "ErrorCode": 0, "Message": message});
    let sent = answered(200, &body, &["ada@finch.example", "Bob@finch.example", "eve@finch.example"]);
    assert_eq!(kinds(&sent), ["accepted", "refused", "refused"]);
    assert_eq!(sent.fault, Some(AdapterFault::RecipientRefused));
}

#[test]
fn a_message_to_inactive_recipients_only_is_refused() {
    let found = "You tried to send to recipient(s) that have been marked as inactive. Found inactive addresses: \
                 ada@finch.example. Inactive recipients are ones that have generated a hard bounce.";
    let sent = answered(422, &error(406, found), &["ada@finch.example"]);
    assert_eq!((kinds(&sent), sent.fault), (vec!["refused"], Some(AdapterFault::RecipientRefused)));
    let sent = answered(422, &error(406, found), &["ada@finch.example", "bob@finch.example"]);
    assert_eq!(kinds(&sent), ["refused", "deferred"]);
    let sent = answered(422, &error(406, "All are inactive."), &["ada@finch.example", "bob@finch.example"]);
    assert_eq!(kinds(&sent), ["refused", "refused"]);
}

#[test]
fn error_codes_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, RecipientRefused, SenderRefused};
    for (status, code, message, outcome, fault) in [
        (401, 10, "No Account or Server API tokens were supplied", "unreachable", LogInRefused),
        (422, 10, "Bad or missing API token", "unreachable", LogInRefused),
        (422, 300, "Error parsing 'To': Illegal email address 'ada@'.", "refused", RecipientRefused),
        (422, 300, "Error parsing 'From': Illegal email address 'x'.", "failed", SenderRefused),
        (422, 300, "Invalid attachment", "failed", ContentRefused),
        (
            422,
            400,
            "The 'From' address you supplied is not a Sender Signature on your account.",
            "failed",
            SenderRefused,
        ),
        (422, 401, "Sender signature not confirmed", "failed", SenderRefused),
        (422, 405, "Not allowed to send", "unreachable", Later),
        (422, 411, "Forbidden attachment type", "failed", ContentRefused),
        (422, 412, "Account is Pending", "unreachable", Later),
        (422, 413, "Account May Not Send", "unreachable", Later),
        (429, 429, "Rate limit exceeded", "deferred", Later),
        (503, 100, "Maintenance", "deferred", Later),
        (500, 0, "Internal error", "deferred", Later),
    ] {
        let sent = answered(status, &error(code, message), &["ada@finch.example"]);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{code} {message}");
        assert!(words(&sent).contains(message), "{}", words(&sent));
    }
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
