use serde_json::json;

use super::*;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, form_of, headers, kinds, pending, survives_hostile_answers, words,
};

const QUERY: &str = "statusCallback=https%3A%2F%2Fsendlog.finch.example%2Fhooks%2Ftwilio%2Ftok%3Fa%3D1\
                     &voice=Polly.Amy&language=en-GB";

fn account() -> Account<'static> {
    Account::new("https://api.twilio.com", "AC0123", "hush", QUERY)
}

fn bare() -> Account<'static> {
    Account::new("https://api.twilio.com", "AC0123", "hush", "")
}

fn answered(status: u16, code: u32, message: &str) -> Attempt {
    let body = json!({"code": code, "message": message, "more_info": "https://x", "status": status}).to_string();
    answer(status, &HeaderMap::new(), body.as_bytes(), &pending(&["+15550100002"]))
}

fn pairs(entries: &[(&str, &str)]) -> Vec<(String, String)> {
    entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn a_text_message_has_the_documented_form() {
    let request = request(&account(), &Parts::spoken(Channel::Sms).message()).unwrap();
    assert_eq!(request.url, "https://api.twilio.com/2010-04-01/Accounts/AC0123/Messages.json");
    assert_eq!(request.headers["authorization"], "Basic QUMwMTIzOmh1c2g=");
    let callback = format!("https://sendlog.finch.example/hooks/twilio/tok?a=1&sendlog_id={ID}");
    let expected = [
        ("To", "+15550100002"),
        ("From", "+15550100001"),
        ("Body", "Your code is 42 & <valid>"),
        ("StatusCallback", &callback),
    ];
    assert_eq!(form_of(&request), pairs(&expected));
}

#[test]
fn a_call_reads_the_text_out() {
    let request = request(&account(), &Parts::spoken(Channel::Call).message()).unwrap();
    assert_eq!(request.url, "https://api.twilio.com/2010-04-01/Accounts/AC0123/Calls.json");
    let form = form_of(&request);
    let twiml =
        "<Response><Say voice=\"Polly.Amy\" language=\"en-GB\">Your code is 42 &amp; &lt;valid&gt;</Say></Response>";
    assert_eq!(form[..3], pairs(&[("To", "+15550100002"), ("From", "+15550100001"), ("Twiml", twiml)]));
}

#[test]
fn what_is_not_set_is_left_out() {
    let mut parts = Parts::spoken(Channel::Call);
    parts.text = Some("a\u{8}\"b\"\u{ffff}".to_owned());
    let form = form_of(&request(&bare(), &parts.message()).unwrap());
    assert_eq!(form[2].1, "<Response><Say>a &quot;b&quot; </Say></Response>");
    assert_eq!(form.len(), 3);
}

#[test]
fn a_messaging_service_and_an_api_key_stand_in_their_own_fields() {
    let mut parts = Parts::spoken(Channel::Sms);
    parts.from.address = "MG0456".to_owned();
    let account = Account::new("https://api.twilio.com", "SK0789", "hush", "accountSid=AC0123");
    let request = request(&account, &parts.message()).unwrap();
    assert_eq!(request.headers["authorization"], "Basic U0swNzg5Omh1c2g=");
    assert!(request.url.contains("/Accounts/AC0123/"));
    assert_eq!(form_of(&request)[1], ("MessagingServiceSid".to_owned(), "MG0456".to_owned()));
}

#[test]
fn what_twilio_cannot_send_is_an_error() {
    let is_refused = |change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts::spoken(Channel::Sms);
        change(&mut parts);
        request(&bare(), &parts.message()).is_err()
    };
    assert!(!is_refused(&|_| {}));
    assert!(is_refused(&|parts| parts.channel = Channel::Email));
    assert!(is_refused(&|parts| parts.text = Some(" \n".to_owned())));
    assert!(is_refused(&|parts| parts.text = Some("ü".repeat(1601))));
    assert!(!is_refused(&|parts| parts.text = Some("ü".repeat(1600))));
    assert!(is_refused(&|parts| parts.pending.push("+15550100003".to_owned())));
    assert!(is_refused(&|parts| parts.pending.clear()));
    let wrong = Account::new("https://api.twilio.com", "AC0123", "hush", "statusCallback=no%20address");
    assert!(request(&wrong, &Parts::spoken(Channel::Sms).message()).is_err());
}

#[test]
fn an_accepted_message_has_its_sid() {
    let body = br#"{"sid":"SM0a1b","status":"queued","error_code":null,"to":"+15550100002"}"#;
    let sent = answer(201, &HeaderMap::new(), body, &pending(&["+15550100002"]));
    assert_eq!((kinds(&sent), sent.provider_message_id.as_deref()), (vec!["accepted"], Some("SM0a1b")));
    assert_eq!(words(&sent), "201 Created: queued");
}

#[test]
fn codes_mean_what_the_dictionary_says() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, RecipientRefused, SenderRefused, WrongUrl};
    for (status, code, message, outcome, fault) in [
        (401, 20003, "Authenticate", "unreachable", LogInRefused),
        (403, 20005, "Account not active", "unreachable", LogInRefused),
        (404, 20404, "The requested resource was not found", "unreachable", WrongUrl),
        (429, 20429, "Too Many Requests", "deferred", Later),
        (429, 63038, "Account exceeded the daily messages limit", "deferred", Later),
        (400, 21211, "Invalid 'To' Phone Number", "refused", RecipientRefused),
        (400, 21610, "Attempt to send to unsubscribed recipient", "refused", RecipientRefused),
        (400, 21614, "'To' number is not a valid mobile number", "refused", RecipientRefused),
        (400, 21408, "Permission to send an SMS has not been enabled for the region", "failed", RecipientRefused),
        (400, 21608, "The number is unverified", "failed", RecipientRefused),
        (400, 21212, "Invalid 'From' Number", "failed", SenderRefused),
        (400, 21606, "The 'From' phone number is not SMS capable", "failed", SenderRefused),
        (400, 21617, "The concatenated message body exceeds the 1600 character limit", "failed", ContentRefused),
        (500, 20500, "Internal Server Error", "deferred", Later),
    ] {
        let sent = answered(status, code, message);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{code}");
        assert!(words(&sent).ends_with(&format!("{message} ({code})")), "{}", words(&sent));
    }
}

#[test]
fn the_callback_address_is_not_told() {
    let sent = answered(400, 21609, "Invalid 'StatusCallback' URL: https://sendlog.finch.example/hooks/twilio/tok");
    assert_eq!(words(&sent), "400 Bad Request: Invalid 'StatusCallback' URL: (address) (21609)");
}

#[test]
fn the_pace_is_read() {
    let sent = answer(429, &headers(&[("retry-after", "3")]), br#"{"code":20429}"#, &pending(&["+15550100002"]));
    assert_eq!((kinds(&sent), sent.retry_after.map(|pause| pause.as_secs())), (vec!["deferred"], Some(3)));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
