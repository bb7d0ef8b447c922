use serde_json::json;

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, json_of, kinds, pending, survives_hostile_answers, words,
};

fn account_with(query: &str) -> Account<'static> {
    Account::new("https://api.mailjet.com", "public", "hush", query)
}

fn account() -> Account<'static> {
    account_with("")
}

fn answered(status: u16, body: &Value, addresses: &[&str]) -> Attempt {
    answer(status, &HeaderMap::new(), body.to_string().as_bytes(), &pending(addresses))
}

fn error(code: &str, message: &str, related: &str) -> Value {
    let error = json!({"ErrorIdentifier": "88b5", "ErrorCode": code, "StatusCode": 400, "ErrorMessage": message,
        "ErrorRelatedTo": [related]});
    json!({"Messages": [{"Status": "error", "Errors": [error]}]})
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.mailjet.com/v3.1/send");
    assert_eq!(request.headers["authorization"], "Basic cHVibGljOmh1c2g=");
    let expected = json!({"Messages": [{
        "From": {"Email": "receipts@finch.example", "Name": "Finch"},
        "To": [{"Email": "zoe@xn--bcher-kva.example", "Name": "Zoë Ünal"}, {"Email": "ada@finch.example"}],
        "Cc": [{"Email": "bob@finch.example", "Name": "King, Bob"}],
        "Bcc": [{"Email": "hidden@finch.example"}],
        "ReplyTo": {"Email": "help@finch.example", "Name": "Help"},
        "Subject": "Ihre Quittung für März ✓",
        "TextPart": "Grüße {{name}}",
        "HTMLPart": "<p>Grüße <img src=\"cid:logo\"></p>",
        "Attachments": [
            {"ContentType": "application/pdf", "Filename": "Übersicht \"1\".pdf", "Base64Content": "AP8NCg=="},
        ],
        "InlinedAttachments": [
            {"ContentType": "image/png", "Filename": "logo.png", "Base64Content": "cG5n", "ContentID": "logo"},
        ],
        "Headers": {"List-Unsubscribe": "<https://finch.example/u/1>"},
        "CustomID": ID,
        "EventPayload": "{\"note\":null,\"order\":17,\"paid\":true,\"sendlog_id\":\"evil\",\"who\":\"Ada & Co\"}",
        "CustomCampaign": "receipt",
    }]});
    assert_eq!(json_of(&request), expected);
}

#[test]
fn a_small_message_leaves_out_what_it_has_not() {
    let account = account_with("trackOpens=true&trackLinks=false");
    let expected = json!({"Messages": [{
        "From": {"Email": "receipts@finch.example"},
        "To": [{"Email": "ada@finch.example"}],
        "Subject": "Hello",
        "TextPart": "Hello",
        "CustomID": ID,
        "TrackOpens": "enabled",
        "TrackClicks": "disabled",
    }]});
    assert_eq!(json_of(&request(&account, &Parts::small().message()).unwrap()), expected);
}

#[test]
fn the_first_recipient_s_id_is_the_message_s() {
    let one = |email: &str, id: u64| json!({"Email": email, "MessageUUID": "u", "MessageID": id, "MessageHref": "h"});
    let body = json!({"Messages": [{"Status": "success", "CustomID": ID,
        "To": [one("Ada@finch.example", 1_152_921_504_606_846_977)], "Cc": [], "Bcc": [one("bob@finch.example", 2)]}]});
    let sent = answered(200, &body, &["ada@finch.example", "bob@finch.example"]);
    assert_eq!(sent.provider_message_id.as_deref(), Some("1152921504606846977"));
    assert_eq!((kinds(&sent), sent.fault), (vec!["accepted", "accepted"], None));
    assert_eq!(words(&sent), "200 OK: success");
}

#[test]
fn a_recipient_that_mailjet_does_not_name_is_unknown() {
    let body = json!({"Messages": [{"Status": "success", "To": [{"Email": "ada@finch.example", "MessageID": "7"}]}]});
    let sent = answered(200, &body, &["ada@finch.example", "bob@finch.example"]);
    assert_eq!((kinds(&sent), sent.provider_message_id.as_deref()), (vec!["accepted", "unknown"], Some("7")));
}

#[test]
fn a_bad_recipient_is_refused() {
    let body = error("mj-0013", "\"ada@finch\" is an invalid email address.", "To[0].Email");
    let sent = answered(400, &body, &["ada@finch", "bob@finch.example"]);
    assert_eq!((kinds(&sent), sent.fault), (vec!["refused", "deferred"], Some(AdapterFault::RecipientRefused)));
    let words = words(&sent);
    assert_eq!(words, "400 Bad Request: \"ada@finch\" is an invalid email address. (mj-0013, To[0].Email)");
}

#[test]
fn a_message_that_failed_with_200_has_failed() {
    let body = error("send-0008", "From is not an authorized sender", "From");
    for status in [200, 400] {
        let sent = answered(status, &body, &["ada@finch.example"]);
        assert_eq!((kinds(&sent), sent.fault), (vec!["failed"], Some(AdapterFault::SenderRefused)));
    }
    let sent = answered(200, &json!({"Messages": [{"Status": "error"}]}), &["ada@finch.example"]);
    assert_eq!((kinds(&sent), sent.fault), (vec!["failed"], Some(AdapterFault::ContentRefused)));
}

#[test]
fn errors_of_the_whole_request_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, SenderRefused};
    let whole = |message: &str| json!({"ErrorIdentifier": "06df", "StatusCode": 401, "ErrorMessage": message});
    for (status, body, outcome, fault) in [
        (401, whole("API key authentication/authorization failure."), "unreachable", LogInRefused),
        (403, whole("Not allowed"), "unreachable", LogInRefused),
        (400, whole("Malformed JSON, please review the syntax"), "failed", ContentRefused),
        (400, error("mj-0013", "\"x\" is an invalid email address.", "From.Email"), "failed", SenderRefused),
        (400, error("mj-0003", "At least HTMLPart or TextPart must be provided", "HTMLPart"), "failed", ContentRefused),
        (413, whole("Too large"), "failed", ContentRefused),
        (429, whole("Too many requests"), "deferred", Later),
        (500, whole("Oops"), "deferred", Later),
    ] {
        let sent = answered(status, &body, &["ada@finch.example"]);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{status} {body}");
    }
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
