use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, json_of, kinds, now, pending, survives_hostile_answers, words,
};

/// A key that was made for these tests.
const KEY: &str = include_str!("test_key.pem");

const QUERY: &str = "statusCallback=https%3A%2F%2Fsendlog.finch.example%2Fhooks%2Fvonage%2Ftok&language=en-GB";

fn account() -> Account<'static> {
    Account::new("https://api.nexmo.com", "abcd1234", "hush", QUERY)
}

fn application(key: &str) -> Account<'_> {
    Account::new("https://api.nexmo.com", "78d335fa", key, QUERY)
}

fn answered(status: u16, body: &Value) -> Attempt {
    answer(status, &HeaderMap::new(), body.to_string().as_bytes(), &pending(&["+15550100002"]))
}

#[test]
fn a_text_message_has_the_documented_shape() {
    let request = request(&account(), &Parts::spoken(Channel::Sms).message()).unwrap();
    assert_eq!(request.url, "https://api.nexmo.com/v1/messages");
    assert_eq!(request.headers["authorization"], "Basic YWJjZDEyMzQ6aHVzaA==");
    let expected = json!({
        "channel": "sms",
        "message_type": "text",
        "to": "15550100002",
        "from": "15550100001",
        "text": "Your code is 42 & <valid>",
        "client_ref": ID,
        "webhook_url": "https://sendlog.finch.example/hooks/vonage/tok",
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn a_name_is_a_sender_too() {
    let mut parts = Parts::spoken(Channel::Sms);
    parts.from.address = " Finch 24 ".to_owned();
    let json = json_of(&request(&account(), &parts.message()).unwrap());
    assert_eq!(json["from"], "Finch 24");
}

#[test]
fn a_call_reads_the_text_out() {
    let request = request(&application(KEY), &Parts::spoken(Channel::Call).message()).unwrap();
    assert_eq!(request.url, "https://api.nexmo.com/v1/calls");
    let expected = json!({
        "to": [{"type": "phone", "number": "15550100002"}],
        "from": {"type": "phone", "number": "15550100001"},
        "ncco": [{"action": "talk", "text": "Your code is 42 & <valid>", "language": "en-GB"}],
        "event_url": [format!("https://sendlog.finch.example/hooks/vonage/tok?sendlog_id={ID}")],
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn an_application_signs_a_token_of_its_own_for_each_request() {
    let parts = Parts::spoken(Channel::Sms);
    let request = request(&application(KEY), &parts.message()).unwrap();
    let token = request.headers["authorization"].to_str().unwrap().strip_prefix("Bearer ").unwrap().to_owned();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = private_key(KEY).unwrap();
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().as_ref());
    assert!(key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).is_ok());
    let claims: Value = signed
        .split('.')
        .map(|part| URL_SAFE_NO_PAD.decode(part).unwrap())
        .nth(1)
        .map(|json| serde_json::from_slice(&json).unwrap())
        .unwrap();
    assert_eq!((&claims["application_id"], &claims["iat"]), (&json!("78d335fa"), &json!(now().timestamp())));
    assert_eq!(claims["exp"], now().timestamp() + 300);
    let mut later = parts.message();
    later.now = now() + chrono::TimeDelta::microseconds(1);
    assert_ne!(super::token(&application(KEY), &later).unwrap(), token);
}

#[test]
fn what_vonage_cannot_send_is_an_error() {
    let sms = Parts::spoken(Channel::Sms);
    assert!(request(&account(), &Parts::spoken(Channel::Call).message()).is_err());
    assert!(request(&account(), &Parts::spoken(Channel::Push).message()).is_err());
    let long = Parts { text: Some("ü".repeat(1001)), ..Parts::spoken(Channel::Sms) };
    assert!(request(&account(), &long.message()).is_err());
    for key in [
        "-----BEGIN PRIVATE KEY-----
AAAA
-----END PRIVATE KEY-----",
        "PRIVATE KEY",
        "-----PRIVATE KEY-----",
    ] {
        let refused = request(&application(key), &sms.message()).unwrap_err();
        assert!(refused.contains("PEM"), "{refused}");
    }
    let one_line = KEY.replace('\n', " ");
    assert!(request(&application(&one_line), &sms.message()).is_ok());
    assert!(request(&application(&KEY.replace('\n', "")), &sms.message()).is_ok());
}

#[test]
fn accepted_messages_and_calls_have_an_id() {
    let sms = answered(202, &json!({"message_uuid": "aaaa-bbbb"}));
    assert_eq!((kinds(&sms), sms.provider_message_id.as_deref()), (vec!["accepted"], Some("aaaa-bbbb")));
    let call = answered(201, &json!({"uuid": "63f6", "status": "started", "direction": "outbound"}));
    assert_eq!((words(&call), call.provider_message_id.as_deref()), ("201 Created: started", Some("63f6")));
}

#[test]
fn errors_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, RecipientRefused, SenderRefused};
    let kind = |name: &str, title: &str| {
        json!({"type": format!("https://developer.vonage.com/api-errors/messages#{name}"), "title": title,
            "detail": "More", "instance": "1"})
    };
    let invalid = |name: &str| {
        json!({"title": "Invalid params", "detail": "The value of one or more parameters is invalid.",
            "invalid_parameters": [{"name": name, "reason": "Not valid"}]})
    };
    for (status, body, outcome, fault) in [
        (401, kind("unauthorized", "You did not provide correct credentials."), "unreachable", LogInRefused),
        (401, json!({"error_title": "Unauthorized"}), "unreachable", LogInRefused),
        (402, kind("low-balance", "Low balance"), "unreachable", Later),
        (403, kind("low-balance", "Low balance"), "unreachable", Later),
        (403, kind("account-suspended", "Suspended"), "unreachable", Later),
        (403, kind("forbidden", "No permission"), "unreachable", LogInRefused),
        (422, kind("1050", "Number barred"), "refused", RecipientRefused),
        (422, kind("1120", "Invalid sender"), "failed", SenderRefused),
        (422, invalid("to"), "refused", RecipientRefused),
        (400, invalid("to[0].number"), "refused", RecipientRefused),
        (
            400,
            json!({"title": "Bad Request", "invalid_parameters": {"name": "to", "reason": "x"}}),
            "refused",
            RecipientRefused,
        ),
        (422, invalid("from"), "failed", SenderRefused),
        (422, invalid("text"), "failed", ContentRefused),
        (429, kind("1000", "Throttled"), "deferred", Later),
        (500, kind("1030", "Internal error"), "deferred", Later),
    ] {
        let sent = answered(status, &body);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{status} {body}");
    }
    assert_eq!(words(&answered(422, &invalid("to"))), "422 Unprocessable Entity: Invalid params: Not valid");
}

#[test]
fn the_callback_address_is_not_told() {
    let reason = "Not reachable: https://sendlog.finch.example/hooks/vonage/tok";
    let sent =
        answered(422, &json!({"title": "Bad", "invalid_parameters": [{"name": "webhook_url", "reason": reason}]}));
    assert!(words(&sent).ends_with("Bad: Not reachable: (address)"), "{}", words(&sent));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
