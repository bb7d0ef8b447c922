use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};

use super::*;
use crate::server::inbound::testing::{NOW_S, at, damaged, headers, posted, with_at};

mod authority;

use authority::{Authority, certificates};

const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:finch-mail";
const CERTIFICATE: &str = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem";
const KEY: &[u8] = include_bytes!("test_key.pem");
/// What `openssl dgst -sha1` signs for [notification] with [KEY].
const SHA1_SIGNATURE: &str = include_str!("test_signature_version_1.txt");

fn notification() -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "5f1c2f6e-0000-4000-8000-000000000001",
        "TopicArn": TOPIC,
        "Subject": "News",
        "Message": "A word for the topic",
        "Timestamp": "2026-03-20T09:46:40.000Z",
        "SignatureVersion": "1",
        "Signature": SHA1_SIGNATURE,
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x"
    })
}

fn confirmation_query() -> String {
    format!("Action=ConfirmSubscription&TopicArn={TOPIC}&Token=2336412f37")
}

fn confirmation() -> Value {
    json!({
        "Type": "SubscriptionConfirmation",
        "MessageId": "5f1c2f6e-0000-4000-8000-000000000002",
        "Token": "2336412f37",
        "TopicArn": TOPIC,
        "Message": "Visit the SubscribeURL",
        "SubscribeURL": format!("https://sns.eu-west-1.amazonaws.com/?{}", confirmation_query()),
        "Timestamp": "2026-03-20T09:46:40.000Z",
        "SignatureVersion": "2",
        "Signature": "AAAA",
        "SigningCertURL": CERTIFICATE
    })
}

/// Signs by version 2, from the documents' list of fields and apart from the code under test.
fn signed(mut message: Value) -> Value {
    let names: &[&str] = match message["Type"].as_str().unwrap() {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let mut content = String::new();
    for name in names {
        if let Some(value) = message.get(name).and_then(Value::as_str) {
            content += &format!("{name}\n{value}\n");
        }
    }
    let der = PrivatePkcs8KeyDer::from_pem_slice(KEY).unwrap();
    let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content.as_bytes(), &mut signature).unwrap();
    message["SignatureVersion"] = json!("2");
    message["Signature"] = json!(STANDARD.encode(signature));
    message
}

fn opened(message: &Value) -> Result<Envelope, Refusal> {
    let body = message.to_string();
    envelope(&posted(&headers(&[]), body.as_bytes()), &format!("arn:aws:sns:us-east-1:1:other\n {TOPIC}\r\n"))
}

#[test]
fn both_versions_of_the_signature_are_genuine_and_the_message_id_is_the_nonce() {
    let authority = Authority::new();
    let chain = authority.chain("sns.amazonaws.com");
    let genuine = Ok(Genuine { nonce: Some("5f1c2f6e-0000-4000-8000-000000000001".to_owned()) });
    assert_eq!(authority.check(&opened(&notification()).unwrap(), &chain), genuine);
    let by_sha256 = opened(&signed(notification())).unwrap();
    assert_eq!(authority.check(&by_sha256, &chain), genuine);
    assert_eq!((by_sha256.kind(), by_sha256.message()), (Kind::Notification, "A word for the topic"));
    assert_eq!(certificate_url(&by_sha256), CERTIFICATE);
}

#[test]
fn a_message_without_subject_and_a_confirmation_are_genuine() {
    let authority = Authority::new();
    let chain = authority.chain("sns.amazonaws.com");
    for subject in [json!(null), json!("")] {
        assert!(
            authority.check(&opened(&signed(with_at(notification(), "/Subject", subject))).unwrap(), &chain).is_ok()
        );
    }
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let message = signed(with_at(confirmation(), "/Type", json!(kind)));
        assert!(authority.check(&opened(&message).unwrap(), &chain).is_ok(), "{kind}");
    }
}

#[test]
fn each_signed_field_is_proven() {
    let authority = Authority::new();
    let chain = authority.chain("sns.amazonaws.com");
    for message in [signed(notification()), notification(), signed(confirmation())] {
        for name in ["Message", "MessageId", "Subject", "Timestamp", "Token", "SubscribeURL"] {
            if message.get(name).is_some() {
                let changed = with_at(message.clone(), &format!("/{name}"), json!("2026-03-20T09:46:41.000Z"));
                assert_eq!(authority.check(&opened(&changed).unwrap(), &chain), Err(Refusal::Forged), "{name}");
            }
        }
    }
    // A signature of one version is none of the other.
    let other = with_at(signed(notification()), "/SignatureVersion", json!("1"));
    assert_eq!(authority.check(&opened(&other).unwrap(), &chain), Err(Refusal::Forged));
    let other = with_at(notification(), "/SignatureVersion", json!("2"));
    assert_eq!(authority.check(&opened(&other).unwrap(), &chain), Err(Refusal::Forged));
    let kind = with_at(signed(confirmation()), "/Type", json!("UnsubscribeConfirmation"));
    assert_eq!(authority.check(&opened(&kind).unwrap(), &chain), Err(Refusal::Forged));
}

#[test]
fn a_name_of_the_topics_region_is_taken_and_another_not() {
    let authority = Authority::new();
    let envelope = opened(&signed(notification())).unwrap();
    for name in ["sns.amazonaws.com", "sns-signing.eu-west-1.amazonaws.com", "sns.eu-west-1.amazonaws.com"] {
        assert!(authority.check(&envelope, &authority.chain(name)).is_ok(), "{name}");
    }
    for name in
        ["finch.example", "amazonaws.com", "sns.amazonaws.com.finch.example", "sns-signing.us-east-1.amazonaws.com"]
    {
        assert_eq!(authority.check(&envelope, &authority.chain(name)), Err(Refusal::Forged), "{name}");
    }
}

#[test]
fn a_chain_must_lead_to_the_given_root() {
    let (ours, other) = (Authority::new(), Authority::new());
    let envelope = opened(&signed(notification())).unwrap();
    let leaf = ours.leaf("sns.amazonaws.com", |_| ());
    assert_eq!(ours.check(&envelope, &leaf), Err(Refusal::Forged), "without the intermediate");
    assert_eq!(other.check(&envelope, &ours.chain("sns.amazonaws.com")), Err(Refusal::Forged));
    assert_eq!(ours.check(&envelope, &(leaf.clone() + &other.intermediate.pem())), Err(Refusal::Forged));
    assert!(ours.check(&envelope, &(leaf + &other.intermediate.pem() + &ours.intermediate.pem())).is_ok());
    let chain = certificates(&ours.chain("sns.amazonaws.com"));
    assert_eq!(check(&envelope, &chain, &[], at(NOW_S)), Err(Refusal::Forged));
    let key = KeyPair::from_pem(std::str::from_utf8(KEY).unwrap()).unwrap();
    let params = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).unwrap();
    let by_itself = params.self_signed(&key).unwrap().pem();
    assert_eq!(ours.check(&envelope, &(by_itself + &ours.intermediate.pem())), Err(Refusal::Forged));
}

#[test]
fn a_certificate_is_valid_in_its_time_and_for_its_purpose() {
    let authority = Authority::new();
    let envelope = opened(&signed(notification())).unwrap();
    let check = |change: &dyn Fn(&mut CertificateParams)| {
        let leaf = authority.leaf("sns.amazonaws.com", change);
        authority.check(&envelope, &(leaf + &authority.intermediate.pem()))
    };
    assert!(check(&|_| ()).is_ok());
    assert_eq!(check(&|leaf| leaf.not_after = rcgen::date_time_ymd(2026, 3, 20)), Err(Refusal::Forged));
    assert_eq!(check(&|leaf| leaf.not_before = rcgen::date_time_ymd(2026, 3, 21)), Err(Refusal::Forged));
    let for_clients = vec![ExtendedKeyUsagePurpose::ClientAuth];
    assert_eq!(check(&|leaf| leaf.extended_key_usages.clone_from(&for_clients)), Err(Refusal::Forged));
    assert_eq!(check(&|leaf| leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained)), Err(Refusal::Forged));
}

#[test]
fn a_certificate_that_is_none_is_forged() {
    let authority = Authority::new();
    let envelope = opened(&signed(notification())).unwrap();
    let good = certificates(&authority.chain("sns.amazonaws.com"));
    let cut = CertificateDer::from(good[0].get(..200).unwrap().to_vec());
    for chain in
        [vec![], vec![CertificateDer::from(b"nonsense".to_vec())], vec![cut], vec![CertificateDer::from(vec![])]]
    {
        assert_eq!(authority.check_all(&envelope, &chain), Err(Refusal::Forged));
    }
}

#[test]
fn a_message_is_stale_after_an_hour_of_tries() {
    let authority = Authority::new();
    let chain = authority.chain("sns.amazonaws.com");
    let verdict = |second: i64| {
        let timestamp = at(second).to_rfc3339();
        authority.check(&opened(&signed(with_at(notification(), "/Timestamp", json!(timestamp)))).unwrap(), &chain)
    };
    assert!(verdict(NOW_S - 3_900).is_ok() && verdict(NOW_S + 300).is_ok());
    assert_eq!(verdict(NOW_S - 3_901), Err(Refusal::Stale));
    assert_eq!(verdict(NOW_S + 301), Err(Refusal::Stale));
    let timeless = signed(with_at(notification(), "/Timestamp", json!("soon")));
    assert!(matches!(authority.check(&opened(&timeless).unwrap(), &chain), Err(Refusal::Unreadable(_))));
}

#[test]
fn the_certificate_is_fetched_from_the_topics_own_sns_only() {
    for url in [
        "http://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem",
        "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com.cn/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com.finch.example/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com@finch.example/SimpleNotificationService-01.pem",
        "https://ada@sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com:443/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com./SimpleNotificationService-01.pem",
        "https://SNS.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem?a=b.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem#.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-../../x.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-%2e%2e.pem",
        "https://sns.eu-west-1.amazonaws.com/x/SimpleNotificationService-01.pem",
        "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem\n",
        "https://sns.eu-west-1.amazonaws.com\\@finch.example/SimpleNotificationService-01.pem",
        "https://s3.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem",
        "https://finch.example/SimpleNotificationService-01.pem",
        "//sns.eu-west-1.amazonaws.com/SimpleNotificationService-01.pem",
        "file:///SimpleNotificationService-01.pem",
        "",
    ] {
        assert_eq!(opened(&with_at(notification(), "/SigningCertURL", json!(url))), Err(Refusal::Forged), "{url}");
    }
    assert_eq!(opened(&with_at(notification(), "/SigningCertURL", json!(null))), Err(Refusal::Forged));
    let long = format!("https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-{}.pem", "0".repeat(129));
    assert_eq!(opened(&with_at(notification(), "/SigningCertURL", json!(long))), Err(Refusal::Forged));
}

#[test]
fn each_partition_has_its_ending() {
    for (topic, host) in [
        ("arn:aws-cn:sns:cn-north-1:1:t", "sns.cn-north-1.amazonaws.com.cn"),
        ("arn:aws-us-gov:sns:us-gov-east-1:1:t", "sns.us-gov-east-1.amazonaws.com"),
        ("arn:aws:sns:ap-southeast-2:1:t.fifo", "sns.ap-southeast-2.amazonaws.com"),
    ] {
        assert_eq!(Topic::of(topic).unwrap().host, host);
    }
    assert!(
        Topic::of("arn:aws-cn:sns:cn-north-1:1:t")
            .unwrap()
            .certificate_names()
            .contains(&"sns-cn-north-1.amazonaws.com.cn".to_owned())
    );
    let names = Topic::of("arn:aws-us-gov:sns:us-gov-east-1:1:t").unwrap().certificate_names();
    assert!(names.contains(&"sns-us-gov-west-1.amazonaws.com".to_owned()));
    for odd in [
        "",
        "arn:aws:sns",
        "arn:aws:sqs:eu-west-1:1:t",
        "arn:aws:sns::1:t",
        "arn:aws:sns:eu-west-1::t",
        "arn:aws:sns:eu-west-1:1:",
        "arn:aws:sns:eu.west.1:1:t",
        "arn:aws:sns:EU-WEST-1:1:t",
        "arn:aws:sns:finch.example/:1:t",
        "arn:aws-iso:sns:us-iso-east-1:1:t",
        "arn:evil:sns:eu-west-1:1:t",
    ] {
        assert_eq!(Topic::of(odd), None, "{odd}");
    }
}

#[test]
fn only_topics_of_the_list_are_read() {
    let body = notification().to_string();
    let headers = headers(&[]);
    for topics in
        ["", "\n", "arn:aws:sns:eu-west-1:123456789012:finch", "*", "arn:aws:sns:eu-west-1:123456789012:finch-mail2"]
    {
        let refusal = envelope(&posted(&headers, body.as_bytes()), topics);
        assert!(matches!(refusal, Err(Refusal::Unreadable(_))), "{topics}");
    }
}

#[test]
fn the_unsigned_and_the_malformed_are_refused() {
    assert_eq!(opened(&with_at(notification(), "/Signature", json!(null))), Err(Refusal::Unsigned));
    assert_eq!(opened(&with_at(notification(), "/Signature", json!(" "))), Err(Refusal::Unsigned));
    assert_eq!(opened(&with_at(notification(), "/Signature", json!("no base64"))), Err(Refusal::Forged));
    assert_eq!(opened(&with_at(notification(), "/Signature", json!("A".repeat(1_400)))), Err(Refusal::Forged));
    for (pointer, value) in [
        ("/Type", json!("Word")),
        ("/Type", json!(null)),
        ("/SignatureVersion", json!("3")),
        ("/SignatureVersion", json!(null)),
        ("/Message", json!({"a": 1})),
        ("/Message", json!(null)),
        ("/Subject", json!(7)),
        ("/MessageId", json!("")),
        ("/Timestamp", json!(1_774_000_000)),
    ] {
        let verdict = opened(&with_at(notification(), pointer, value));
        assert!(matches!(verdict, Err(Refusal::Unreadable(_))), "{pointer}");
    }
    for pointer in ["/Token", "/SubscribeURL"] {
        assert!(matches!(opened(&with_at(confirmation(), pointer, json!(null))), Err(Refusal::Unreadable(_))));
    }
    let twice = notification().to_string().replace("{\"Message\"", "{\"Message\":\"first\",\"Message\"");
    assert!(matches!(envelope(&posted(&headers(&[]), twice.as_bytes()), TOPIC), Err(Refusal::Unreadable(_))));
    for body in ["", "[]", "{}", "null", "a=b"] {
        let verdict = envelope(&posted(&headers(&[]), body.as_bytes()), TOPIC);
        assert!(matches!(verdict, Err(Refusal::Unreadable(_))), "{body}");
    }
}

#[test]
fn raw_delivery_is_refused_with_advice() {
    let raw = headers(&[("x-amz-sns-rawdelivery", "true")]);
    let Err(Refusal::Unreadable(words)) = envelope(&posted(&raw, b"{}"), TOPIC) else { panic!("it is taken") };
    assert!(words.contains("raw message delivery"), "{words}");
}

#[test]
fn only_sns_own_confirmation_of_the_topic_is_followed() {
    let url_of = |url: String| {
        let envelope = opened(&with_at(confirmation(), "/SubscribeURL", json!(url))).unwrap();
        confirmation_url(&envelope).map(str::to_owned)
    };
    let good = format!("https://sns.eu-west-1.amazonaws.com/?{}", confirmation_query());
    assert_eq!(url_of(good.clone()), Some(good.clone()));
    for bad in [
        good.replace("https", "http"),
        good.replace("eu-west-1.amazonaws.com/", "eu-west-1.amazonaws.com:80/"),
        good.replace("eu-west-1.amazonaws.com/", "eu-west-1.amazonaws.com@finch.example/"),
        good.replace("eu-west-1.amazonaws.com/", "us-east-1.amazonaws.com/"),
        good.replace("https://sns", "https://ada@sns"),
        good.replace("/?", "/x?"),
        good.replace("ConfirmSubscription", "Unsubscribe"),
        good.replace("finch-mail", "other"),
        good.replace("2336412f37", "other"),
        good.replace("&Token=2336412f37", ""),
        format!("{good}&Token=other"),
        format!("{good}#x"),
        format!("{good} HTTP/1.1"),
        "https://finch.example/".to_owned(),
        String::new(),
    ] {
        assert_eq!(url_of(bad.clone()), None, "{bad}");
    }
    for kind in ["UnsubscribeConfirmation", "Notification"] {
        let envelope = opened(&with_at(confirmation(), "/Type", json!(kind))).unwrap();
        assert_eq!(confirmation_url(&envelope), None, "{kind}");
    }
}

#[test]
fn no_damaged_body_is_genuine() {
    let authority = Authority::new();
    let chain = authority.chain("sns.amazonaws.com");
    let good = signed(notification());
    let expected = opened(&good).unwrap();
    let headers = headers(&[]);
    for body in damaged(good.to_string().as_bytes()).step_by(7) {
        if let Ok(envelope) = envelope(&posted(&headers, &body), TOPIC) {
            let is_same = envelope.message == expected.message && envelope.message_id == expected.message_id;
            assert!(is_same || authority.check(&envelope, &chain).is_err());
        }
    }
}
