//! How a webhook proves where it comes from: the `Authorization` header of providers that sign nothing, and what signed
//! webhooks share: headers, several secrets, an age. The provider modules call it; it knows no provider.
//!
//! A secret may hold several, one a line, so that a team can change it without losing a webhook.

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use ring::hmac;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::server::inbound::{Genuine, Posted, Refusal};

/// How far a signed time may be behind or ahead of Sendlog's clock.
pub const TOLERANCE_S: i64 = 5 * 60;

/// The secrets that a team keeps, one a line. Blank lines are none.
pub fn secrets(secret: &str) -> impl Iterator<Item = &str> {
    secret.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// A header's text; `None` where it is missing, blank or no text. If it comes twice the webhook is `Forged`: which one
/// is meant?
pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(Refusal::Forged);
    }
    Ok(first.and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty()))
}

/// A header's text, without which the webhook is `Unsigned`.
pub fn required_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, Refusal> {
    header(headers, name)?.ok_or(Refusal::Unsigned)
}

/// Whether this is the HMAC (RFC 2104) of the content by one of the secrets.
pub fn is_signed(algorithm: hmac::Algorithm, secret: &str, content: &[u8], signature: &[u8]) -> bool {
    let key = |secret: &str| hmac::Key::new(algorithm, secret.as_bytes());
    secrets(secret).any(|secret| hmac::verify(&key(secret), content, signature).is_ok())
}

/// The time that a provider signed, in whole Unix seconds. Strict on purpose: a signature over `time + token` also
/// holds for other cuts between the two, and only one of them is a time of today.
pub fn signed_seconds(text: &str) -> Option<i64> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Refuses what was signed more than `max_age_s` ago, or more than [TOLERANCE_S] ahead.
pub fn refuse_stale(signed_at_s: i64, now: DateTime<Utc>, max_age_s: i64) -> Result<(), Refusal> {
    let age_s = now.timestamp().saturating_sub(signed_at_s);
    if (-TOLERANCE_S..=max_age_s).contains(&age_s) { Ok(()) } else { Err(Refusal::Stale) }
}

/// Checks Basic authentication (RFC 7617). Each secret is `user:password`.
pub fn verify_basic(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let (scheme, value) = authorization(posted.headers)?;
    if scheme != "basic" {
        return Err(Refusal::Forged);
    }
    accept(is_one_of(secret, &decoded(value)?))
}

/// Checks Basic authentication or a bearer token (RFC 6750). Each secret is `user:password` or the token.
pub fn verify_basic_or_bearer(posted: &Posted<'_>, secret: &str) -> Result<Genuine, Refusal> {
    let (scheme, value) = authorization(posted.headers)?;
    let presented = match scheme.as_str() {
        "basic" => decoded(value)?,
        "bearer" => value.as_bytes().to_vec(),
        _ => return Err(Refusal::Forged),
    };
    accept(is_one_of(secret, &presented))
}

/// The scheme of the `Authorization` header, in lower case, and what follows it.
pub fn authorization(headers: &HeaderMap) -> Result<(String, &str), Refusal> {
    required_header(headers, AUTHORIZATION.as_str()).map(split_scheme)
}

fn split_scheme(header: &str) -> (String, &str) {
    let (scheme, value) = header.split_once(' ').unwrap_or((header, ""));
    (scheme.to_ascii_lowercase(), value.trim())
}

fn decoded(value: &str) -> Result<Vec<u8>, Refusal> {
    STANDARD.decode(value).map_err(|_| Refusal::Forged)
}

/// Compares with every secret, in a time that tells neither where they differ nor which one is right.
fn is_one_of(secret: &str, presented: &[u8]) -> bool {
    let presented = Sha256::digest(presented);
    let mut found = Choice::from(0);
    for line in secrets(secret) {
        found |= Sha256::digest(line).as_slice().ct_eq(presented.as_slice());
    }
    found.into()
}

fn accept(is_right: bool) -> Result<Genuine, Refusal> {
    if is_right { Ok(Genuine::default()) } else { Err(Refusal::Forged) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::inbound::testing::{NOW_S, at, basic, headers, posted};

    #[test]
    fn any_of_several_log_ins_is_right() {
        let sent = basic("wren:second");
        let log_in = posted(&sent, b"");
        assert!(verify_basic(&log_in, "wren:first\r\n\n  wren:second\n").is_ok());
        assert_eq!(verify_basic(&log_in, "wren:first"), Err(Refusal::Forged));
    }

    #[test]
    fn no_secret_lets_nobody_in() {
        for log_in in [basic(""), basic(":"), headers(&[("authorization", "Bearer x")])] {
            assert_eq!(verify_basic_or_bearer(&posted(&log_in, b""), " \n"), Err(Refusal::Forged));
        }
    }

    #[test]
    fn a_missing_log_in_is_unsigned_and_a_malformed_one_is_forged() {
        let none = headers(&[]);
        assert_eq!(verify_basic(&posted(&none, b""), "a:b"), Err(Refusal::Unsigned));
        let blank = headers(&[("authorization", " ")]);
        assert_eq!(verify_basic(&posted(&blank, b""), "a:b"), Err(Refusal::Unsigned));
        for malformed in ["Basic", "Basic !!!", "Bearer YTpi", "YTpi", "Basic YTpi YTpi"] {
            let sent = headers(&[("authorization", malformed)]);
            assert_eq!(verify_basic(&posted(&sent, b""), "a:b"), Err(Refusal::Forged), "{malformed}");
        }
    }

    #[test]
    fn a_header_that_is_no_text_counts_as_missing_and_one_that_comes_twice_is_forged() {
        for missing in [headers(&[]), headers(&[("finch", " ")]), headers(&[("finch", "\u{e9}")])] {
            assert_eq!(header(&missing, "finch"), Ok(None));
            assert_eq!(required_header(&missing, "finch"), Err(Refusal::Unsigned));
        }
        assert_eq!(required_header(&headers(&[("finch", " a ")]), "Finch"), Ok("a"));
        assert_eq!(header(&headers(&[("finch", "a"), ("Finch", "a")]), "finch"), Err(Refusal::Forged));
    }

    #[test]
    fn a_content_is_signed_by_any_of_several_secrets_and_by_no_other() {
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"second"), b"seeds");
        let is_signed = |secret, content| is_signed(hmac::HMAC_SHA256, secret, content, signature.as_ref());
        assert!(is_signed("first\r\n second\n", b"seeds"));
        assert!(!is_signed("first", b"seeds") && !is_signed("", b"seeds") && !is_signed("second", b"seed"));
    }

    #[test]
    fn two_log_ins_in_one_webhook_are_forged() {
        let sent = headers(&[("authorization", "Basic YTpi"), ("authorization", "Basic YTpi")]);
        assert_eq!(verify_basic(&posted(&sent, b""), "a:b"), Err(Refusal::Forged));
    }

    #[test]
    fn the_scheme_may_be_in_any_case_and_the_token_may_not() {
        let sent = headers(&[("authorization", "bearer Token-1")]);
        assert!(verify_basic_or_bearer(&posted(&sent, b""), "Token-1").is_ok());
        assert_eq!(verify_basic_or_bearer(&posted(&sent, b""), "token-1"), Err(Refusal::Forged));
        assert_eq!(verify_basic(&posted(&sent, b""), "Token-1"), Err(Refusal::Forged));
    }

    #[test]
    fn a_signed_time_is_digits_only() {
        assert_eq!(signed_seconds("1772366400"), Some(1_772_366_400));
        for text in ["", "-1", "+1", "1772366400.0", " 1772366400", "1e9", "99999999999999999999"] {
            assert_eq!(signed_seconds(text), None, "{text}");
        }
    }

    #[test]
    fn five_minutes_are_fresh_and_a_second_more_is_stale() {
        let verdict = |signed_at_s| refuse_stale(signed_at_s, at(NOW_S), TOLERANCE_S);
        for offset_s in [-300, 300] {
            assert_eq!(verdict(NOW_S + offset_s), Ok(()), "{offset_s}");
        }
        for signed_at_s in [NOW_S - 301, NOW_S + 301, i64::MIN, i64::MAX] {
            assert_eq!(verdict(signed_at_s), Err(Refusal::Stale), "{signed_at_s}");
        }
    }
}
