use super::*;
use crate::server::inbound::testing::{NOW_S, headers, posted};

const SECRET: &str = "whsec_ZmluY2hlcyBzaW5nIGF0IGRhd24sIGFsbCBvZiB0aGVt";
const OTHER: &str = "whsec_YW5vdGhlciBzZWNyZXQgYWx0b2dldGhlcg==";
const BODY: &str = "{\"type\":\"email.sent\",\"note\":\"schön\"}";
/// What npm `svix` 1.99 and `standardwebhooks` sign for message `msg_finch1` at [NOW_S] with this body and secret.
const BY_SVIX: &str = "v1,+tTw2IBZFDXnIlF5pEUeqc3znvqnncSyHuWqox6rupE=";

fn sign(secret: &str, id: &str, timestamp: &str, body: &str) -> String {
    let key = key(secret).unwrap();
    let tag = hmac::sign(&key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(tag.as_ref()))
}

fn verdict(family: &str, timestamp: &str, signature: &str, secret: &str) -> Result<Genuine, Refusal> {
    let name = |rest: &str| format!("{family}-{rest}");
    let (id_name, time_name, signature_name) = (name("id"), name("timestamp"), name("signature"));
    let pairs =
        [(id_name.as_str(), "msg_finch1"), (time_name.as_str(), timestamp), (signature_name.as_str(), signature)];
    verify(&posted(&headers(&pairs), BODY.as_bytes()), secret)
}

fn genuine() -> Result<Genuine, Refusal> {
    Ok(Genuine { nonce: Some("msg_finch1".to_owned()) })
}

fn now() -> String {
    NOW_S.to_string()
}

#[test]
fn what_svix_itself_signs_is_genuine_under_either_name() {
    assert_eq!(sign(SECRET, "msg_finch1", &now(), BODY), BY_SVIX);
    for family in FAMILIES {
        assert_eq!(verdict(family, &now(), BY_SVIX, SECRET), genuine());
    }
}

#[test]
fn one_right_signature_of_several_will_do() {
    let several = format!("v1a,AAAA v1,AAAA v2,x nonsense {BY_SVIX}");
    assert_eq!(verdict("svix", &now(), &several, SECRET), genuine());
    let late = format!("{}{BY_SVIX}", "v1,AAAA ".repeat(MAX_SIGNATURES));
    assert_eq!(verdict("svix", &now(), &late, SECRET), Err(Refusal::Forged));
}

#[test]
fn one_right_secret_of_several_will_do() {
    assert_eq!(verdict("svix", &now(), BY_SVIX, &format!("{OTHER}\n\n  {SECRET}\r\n")), genuine());
    let without_prefix = SECRET.trim_start_matches("whsec_");
    assert_eq!(verdict("svix", &now(), BY_SVIX, without_prefix), genuine());
    assert_eq!(verdict("svix", &now(), BY_SVIX, OTHER), Err(Refusal::Forged));
}

#[test]
fn a_secret_that_is_none_proves_nothing() {
    for secret in ["", "\n", "whsec_", "whsec_!!!", "no base64 at all"] {
        assert!(matches!(verdict("svix", &now(), BY_SVIX, secret), Err(Refusal::Unreadable(_))), "{secret}");
    }
}

#[test]
fn another_body_id_or_time_is_forged() {
    let pairs = [("svix-id", "msg_finch1"), ("svix-timestamp", &now()), ("svix-signature", BY_SVIX)];
    let changed = BODY.replace("sent", "bounced");
    assert_eq!(verify(&posted(&headers(&pairs), changed.as_bytes()), SECRET), Err(Refusal::Forged));
    let other_id = [("svix-id", "msg_finch2"), pairs[1], pairs[2]];
    assert_eq!(verify(&posted(&headers(&other_id), BODY.as_bytes()), SECRET), Err(Refusal::Forged));
    assert_eq!(verdict("svix", &(NOW_S + 1).to_string(), BY_SVIX, SECRET), Err(Refusal::Forged));
}

#[test]
fn a_malformed_signature_is_forged() {
    for signature in ["v1", "v1,", "v1,%%%", ",", "sha256=00", &BY_SVIX[..20], &BY_SVIX.replace("v1,", "v1,A")] {
        assert_eq!(verdict("svix", &now(), signature, SECRET), Err(Refusal::Forged), "{signature}");
    }
}

#[test]
fn each_header_is_needed() {
    let all = [("svix-id", "msg_finch1"), ("svix-timestamp", &now()), ("svix-signature", BY_SVIX)];
    for left_out in 0..all.len() {
        let some: Vec<_> =
            all.iter().enumerate().filter(|(place, _)| *place != left_out).map(|(_, pair)| *pair).collect();
        assert_eq!(verify(&posted(&headers(&some), BODY.as_bytes()), SECRET), Err(Refusal::Unsigned));
    }
    // Headers of both families do not make one signature together.
    let mixed = [("webhook-id", "msg_finch1"), ("svix-timestamp", &now()), ("svix-signature", BY_SVIX)];
    assert_eq!(verify(&posted(&headers(&mixed), BODY.as_bytes()), SECRET), Err(Refusal::Unsigned));
}

#[test]
fn five_minutes_either_way_are_fresh() {
    let signed_at = |second: i64| {
        let time = second.to_string();
        verdict("svix", &time, &sign(SECRET, "msg_finch1", &time, BODY), SECRET)
    };
    assert_eq!(signed_at(NOW_S - 300), genuine());
    assert_eq!(signed_at(NOW_S + 300), genuine());
    assert_eq!(signed_at(NOW_S - 301), Err(Refusal::Stale));
    assert_eq!(signed_at(NOW_S + 301), Err(Refusal::Stale));
    for time in ["soon", "+1774000000", "1774000000.5", "1774000000000"] {
        let signature = sign(SECRET, "msg_finch1", time, BODY);
        assert_eq!(verdict("svix", time, &signature, SECRET), Err(Refusal::Stale), "{time}");
    }
}
