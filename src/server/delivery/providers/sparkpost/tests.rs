use serde_json::json;

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, json_of, kinds, pending, survives_hostile_answers, words,
};

fn account_with(query: &str) -> Account<'static> {
    Account::new("https://api.eu.sparkpost.com", "", "hush", query)
}

fn account() -> Account<'static> {
    account_with("")
}

fn answered(status: u16, body: &Value, addresses: &[&str]) -> Attempt {
    answer(status, &HeaderMap::new(), body.to_string().as_bytes(), &pending(addresses))
}

fn error(code: &str, message: &str, description: &str) -> Value {
    json!({"errors": [{"message": message, "description": description, "code": code}]})
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://api.eu.sparkpost.com/api/v1/transmissions?num_rcpt_errors=4");
    assert_eq!(request.headers["authorization"], "hush");
    let header_to = "Zoë Ünal <zoe@xn--bcher-kva.example>, ada@finch.example";
    let to =
        |email: &str| json!({"address": {"email": email, "header_to": header_to}, "tags": ["receipt", "march 24"]});
    let expected = json!({
        "recipients": [
            to("zoe@xn--bcher-kva.example"), to("ada@finch.example"),
            to("bob@finch.example"), to("hidden@finch.example"),
        ],
        "content": {
            "from": {"email": "receipts@finch.example", "name": "Finch"},
            "reply_to": "Help <help@finch.example>",
            "subject": "Ihre Quittung für März ✓",
            "text": "Grüße {{opening_double_curly()}}name{{closing_double_curly()}}",
            "html": "<p>Grüße <img src=\"cid:logo\"></p>",
            "headers": {"CC": "\"King, Bob\" <bob@finch.example>", "List-Unsubscribe": "<https://finch.example/u/1>"},
            "attachments": [{"name": "Übersicht \"1\".pdf", "type": "application/pdf", "data": "AP8NCg=="}],
            "inline_images": [{"name": "logo", "type": "image/png", "data": "cG5n"}],
        },
        "metadata": {"sendlog_id": ID, "order": "17", "paid": "true", "who": "Ada & Co"},
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn tracking_is_named_only_where_the_team_asked() {
    let account = account_with("trackOpens=false");
    let json = json_of(&request(&account, &Parts::small().message()).unwrap());
    assert_eq!(json["options"], json!({"open_tracking": false}));
}

#[test]
fn a_template_s_brackets_are_written_in_sparkpost_s_words() {
    let (open, close) = ("{{opening_double_curly()}}", "{{closing_double_curly()}}");
    for (text, written) in [
        ("plain { } text", "plain { } text".to_owned()),
        ("{{a}}", format!("{open}a{close}")),
        ("{{{b}}}", format!("{open}{{b{close}}}")),
        ("@media{.a{color:red}}", format!("@media{{.a{{color:red{close}")),
        ("ü{{{{ü", format!("ü{open}{open}ü")),
        ("", String::new()),
    ] {
        assert_eq!(literal(text), written, "{text}");
    }
}

#[test]
fn an_accepted_transmission_has_an_id() {
    let body =
        json!({"results": {"total_rejected_recipients": 0, "total_accepted_recipients": 2, "id": "11668787484950529"}});
    let sent = answered(200, &body, &["ada@finch.example", "bob@finch.example"]);
    assert_eq!((kinds(&sent), sent.fault), (vec!["accepted", "accepted"], None));
    assert_eq!(sent.provider_message_id.as_deref(), Some("11668787484950529"));
}

#[test]
fn rejected_recipients_are_told_where_sparkpost_names_them() {
    let body = |taken: u32, rejected: u32, description: &str| {
        let error = json!({"message": "invalid data", "description": description, "code": "1300"});
        json!({"errors": [{"message": "transmission created, but with validation errors", "code": "2000"}],
            "results": {"total_accepted_recipients": taken, "total_rejected_recipients": rejected, "id": "1",
                "rcpt_to_errors": [error]}})
    };
    let two = ["ada@finch.example", "bob@finch.example"];
    let sent = answered(200, &body(1, 1, "bob@finch.example is not valid"), &two);
    assert_eq!((kinds(&sent), sent.provider_message_id.as_deref()), (vec!["accepted", "refused"], Some("1")));
    assert_eq!(sent.fault, Some(AdapterFault::RecipientRefused));
    let sent = answered(200, &body(1, 1, "address.email is required"), &two);
    assert_eq!(kinds(&sent), ["unknown", "unknown"]);
    let sent = answered(200, &body(0, 2, "address.email is required"), &two);
    assert_eq!((kinds(&sent), sent.provider_message_id), (vec!["refused", "refused"], None));
}

#[test]
fn codes_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, RecipientRefused, SenderRefused};
    let suppressed = "recipient address suppressed due to customer policy";
    for (status, code, message, description, outcome, fault) in [
        (200, "1902", "Message generation rejected", suppressed, "refused", RecipientRefused),
        (400, "1902", "Message generation rejected", suppressed, "refused", RecipientRefused),
        (400, "1902", "Message generation rejected", "content blocked", "failed", ContentRefused),
        (400, "1502", "Server resources unavailable", "", "deferred", Later),
        (400, "5002", "No valid recipients in list", "", "refused", RecipientRefused),
        (400, "7001", "Invalid domain", "Unconfigured Sending Domain <finch.example>", "failed", SenderRefused),
        (401, "", "Unauthorized.", "", "unreachable", LogInRefused),
        (403, "", "Forbidden.", "", "unreachable", LogInRefused),
        (403, "1100", "Forbidden", "Unconfigured or unverified sending domain.", "unreachable", SenderRefused),
        (420, "2101", "Exceed Sending Limit (hourly)", "", "deferred", Later),
        (422, "1300", "invalid data format/type/length", "Field 'subject'", "failed", ContentRefused),
        (429, "", "Too many requests", "", "deferred", Later),
        (503, "1900", "Message generation module not available", "", "deferred", Later),
    ] {
        let sent = answered(status, &error(code, message, description), &["ada@finch.example"]);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{status} {code} {message}");
        assert!(words(&sent).contains(message), "{}", words(&sent));
    }
}

#[test]
fn metadata_keep_the_limit_and_the_id() {
    let parts = Parts { metadata: json!({"a": "x".repeat(990), "b": "kept"}), ..Parts::small() };
    let json = json_of(&request(&account(), &parts.message()).unwrap());
    assert_eq!(json["metadata"], json!({"sendlog_id": ID, "b": "kept"}));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
