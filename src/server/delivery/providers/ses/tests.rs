use serde_json::json;

use super::*;
use crate::server::delivery::providers::amazon::region;
use crate::server::delivery::providers::fixtures::{
    ID, Parts, headers, json_of, kinds, mailbox, now, pending, survives_hostile_answers, words,
};

const BASE: &str = "https://email.eu-central-1.amazonaws.com";

fn account() -> Account<'static> {
    Account::new(BASE, "AKIDFINCH", "hush/hush+hush", "configurationSet=events")
}

fn answered(status: u16, kind: &str, message: &str) -> Attempt {
    let headers = headers(&[("x-amzn-ErrorType", kind)]);
    answer(status, &headers, json!({"message": message}).to_string().as_bytes(), &pending(&["ada@finch.example"]))
}

#[test]
fn a_full_message_has_the_documented_shape() {
    let parts = Parts::full();
    let request = request(&account(), &parts.message()).unwrap();
    assert_eq!(request.url, "https://email.eu-central-1.amazonaws.com/v2/email/outbound-emails");
    let content = |data: &str| json!({"Data": data, "Charset": "UTF-8"});
    let expected = json!({
        "FromEmailAddress": "Finch <receipts@finch.example>",
        "ReplyToAddresses": ["Help <help@finch.example>"],
        "Destination": {
            "ToAddresses": ["=?UTF-8?B?Wm/DqyDDnG5hbA==?= <zoe@xn--bcher-kva.example>", "ada@finch.example"],
            "CcAddresses": ["\"King, Bob\" <bob@finch.example>"],
            "BccAddresses": ["hidden@finch.example"],
        },
        "Content": {"Simple": {
            "Subject": content("Ihre Quittung für März ✓"),
            "Body": {"Text": content("Grüße {{name}}"), "Html": content("<p>Grüße <img src=\"cid:logo\"></p>")},
            "Headers": [{"Name": "List-Unsubscribe", "Value": "<https://finch.example/u/1>"}],
            "Attachments": [
                {"FileName": "Übersicht \"1\".pdf", "RawContent": "AP8NCg==", "ContentType": "application/pdf",
                 "ContentDisposition": "ATTACHMENT", "ContentTransferEncoding": "BASE64"},
                {"FileName": "logo.png", "RawContent": "cG5n", "ContentType": "image/png",
                 "ContentDisposition": "INLINE", "ContentTransferEncoding": "BASE64", "ContentId": "logo"},
            ],
        }},
        "EmailTags": [
            {"Name": "sendlog_id", "Value": ID}, {"Name": "tag", "Value": "receipt"},
            {"Name": "tag_2", "Value": "march_24"}, {"Name": "order", "Value": "17"},
            {"Name": "paid", "Value": "true"}, {"Name": "who", "Value": "Ada___Co"},
        ],
        "ConfigurationSetName": "events",
    });
    assert_eq!(json_of(&request), expected);
}

#[test]
fn a_whole_mail_goes_out_as_it_is() {
    let parts = Parts { mime: Some(b"Subject: odd\r\n\r\n.".to_vec()), ..Parts::small() };
    let account = Account::new("http://127.0.0.1:9", "AKIDFINCH", "hush", "");
    let expected = json!({
        "Destination": {"ToAddresses": ["ada@finch.example"]},
        "Content": {"Raw": {"Data": "U3ViamVjdDogb2RkDQoNCi4="}},
        "EmailTags": [{"Name": "sendlog_id", "Value": ID}],
    });
    assert_eq!(json_of(&request(&account, &parts.message()).unwrap()), expected);
}

/// The signature is Amazon's own client's for the same request: `@smithy/signature-v4` of `@aws-sdk/client-sesv2`
/// 3.1176.
#[test]
fn the_signature_is_that_of_amazon_s_client() {
    let account = Account::new(BASE, "AKIDFINCH", "hush/hush+hush", "configurationSet=events");
    let request = request(&account, &Parts::small().message()).unwrap();
    assert_eq!(request.headers["x-amz-date"], "20261121T125812Z");
    let authorization = "AWS4-HMAC-SHA256 Credential=AKIDFINCH/20261121/eu-central-1/ses/aws4_request, \
                         SignedHeaders=content-type;host;x-amz-date, \
                         Signature=3f8e9e78d7a428f7a723c959ecab4d259416c359e467149e8f547ff143769e71";
    assert_eq!(request.headers["authorization"], authorization);
    assert!(request.headers["authorization"].is_sensitive() && !request.headers["x-amz-date"].is_sensitive());
}

#[test]
fn the_signature_depends_on_everything() {
    let signature = |base: &str, key: &'static str, message: &OutMessage<'_>| {
        request(&Account::new(base, "AKIDFINCH", key, ""), message).unwrap().headers["authorization"].clone()
    };
    let (base, parts) = ("http://127.0.0.1:9", Parts::small());
    let first = signature(base, "hush", &parts.message());
    assert_eq!(first, signature(base, "hush", &parts.message()));
    let other = Parts { subject: "Other".to_owned(), ..Parts::small() };
    let mut later = parts.message();
    later.now = now() + chrono::TimeDelta::seconds(1);
    assert_ne!(first, signature(base, "hush", &other.message()));
    assert_ne!(first, signature("http://127.0.0.1:10", "hush", &parts.message()));
    assert_ne!(first, signature(base, "other", &parts.message()));
    assert_ne!(first, signature(base, "hush", &later));
}

#[test]
fn the_region_is_that_of_the_address() {
    for (base, query, expected) in [
        ("https://email.eu-central-1.amazonaws.com", "", "eu-central-1"),
        ("https://email.cn-north-1.amazonaws.com.cn/", "", "cn-north-1"),
        ("https://vpce-0123.email.eu-west-1.vpce.amazonaws.com", "region=eu-west-1", "eu-west-1"),
        ("http://127.0.0.1:9", "region=eu-west-3", "eu-west-3"),
        ("http://127.0.0.1:9", "", "us-east-1"),
    ] {
        assert_eq!(region(&Account::new(base, "", "", query)), expected, "{base}");
    }
}

#[test]
fn a_name_outside_ascii_is_written_in_short_words() {
    let long = written(&mailbox(Some(&"Zoë ".repeat(30)), "zoe@finch.example"));
    assert!(long.is_ascii() && long.ends_with(" <zoe@finch.example>"));
    assert!(long.split(' ').all(|word| word.len() <= 75), "{long}");
    assert_eq!(encoded_words("Ada"), "Ada");
    assert_eq!(encoded_words("März"), "=?UTF-8?B?TcOkcno=?=");
}

#[test]
fn an_accepted_message_has_an_id() {
    let sent = answer(200, &HeaderMap::new(), br#"{"MessageId":"0107018c-7f"}"#, &pending(&["ada@finch.example"]));
    assert_eq!((kinds(&sent), sent.provider_message_id.as_deref()), (vec!["accepted"], Some("0107018c-7f")));
}

#[test]
fn kinds_of_errors_mean_what_the_documents_say() {
    use AdapterFault::{ContentRefused, Later, LogInRefused, RecipientRefused, SenderRefused, Unusable};
    let unverified =
        "Email address is not verified. The following identities failed the check in region EU: ada@finch.example";
    for (status, kind, message, outcome, fault) in [
        (400, "MessageRejected", unverified, "failed", SenderRefused),
        (400, "com.amazonaws.ses#MessageRejected:http://x/", "Invalid content", "failed", ContentRefused),
        (400, "BadRequestException", "Local address contains control or whitespace", "refused", RecipientRefused),
        (400, "BadRequestException", "Illegal address", "refused", RecipientRefused),
        (400, "BadRequestException", "Duplicate header", "failed", ContentRefused),
        (400, "MailFromDomainNotVerifiedException", "Not verified", "failed", SenderRefused),
        (400, "AccountSuspendedException", "Suspended", "unreachable", Later),
        (400, "SendingPausedException", "Paused", "unreachable", Later),
        (429, "TooManyRequestsException", "Maximum sending rate exceeded.", "deferred", Later),
        (400, "LimitExceededException", "Daily message quota exceeded.", "deferred", Later),
        (404, "NotFoundException", "Configuration set <events> does not exist.", "unreachable", Unusable),
        (403, "UnrecognizedClientException", "The security token is invalid.", "unreachable", LogInRefused),
        (403, "AccessDeniedException", "Not authorized to perform ses:SendEmail", "unreachable", LogInRefused),
        (500, "InternalFailure", "", "deferred", Later),
    ] {
        let sent = answered(status, kind, message);
        assert_eq!((kinds(&sent), sent.fault), (vec![outcome], Some(fault)), "{kind} {message}");
    }
    let sent = answer(
        400,
        &HeaderMap::new(),
        br#"{"__type":"com.amazonaws.sesv2#TooManyRequestsException"}"#,
        &pending(&["ada@finch.example"]),
    );
    assert_eq!((kinds(&sent), words(&sent)), (vec!["deferred"], "400 Bad Request: TooManyRequestsException"));
}

#[test]
fn the_request_that_amazon_repeats_is_not_told() {
    let message = "The request signature we calculated does not match. The Canonical String for this request should \
                   have been\n'POST\nx-amz-security-token:FwoToken'";
    let sent = answered(403, "SignatureDoesNotMatch", message);
    assert!(words(&sent).contains("does not match. (SignatureDoesNotMatch)"), "{}", words(&sent));
    assert!(!words(&sent).contains("FwoToken"));
    let sent = answered(403, "SignatureDoesNotMatch", "No match\nx-amz-security-token:FwoToken");
    assert!(!words(&sent).contains("FwoToken"));
}

#[test]
fn hostile_answers_are_survived() {
    survives_hostile_answers(answer);
}
