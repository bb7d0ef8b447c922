//! What a provider's claims must be, and which of them is not. Source: OpenID Connect Core 1.0, sections 2 and 5.1.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use openidconnect::ClaimsVerificationError;
use serde_json::{Map, Value};

/// What of an ID token is wrong, and by which claim. Source: OpenID Connect Core 1.0, section 3.1.3.7.
pub(super) fn refused_claim(cause: &ClaimsVerificationError) -> &'static str {
    match cause {
        ClaimsVerificationError::Expired(_) => "it is too old (exp)",
        ClaimsVerificationError::InvalidAudience(_) => "it is meant for another client (aud)",
        ClaimsVerificationError::InvalidIssuer(_) => "another issuer wrote it (iss)",
        ClaimsVerificationError::InvalidNonce(_) => "it belongs to another log-in (nonce)",
        ClaimsVerificationError::InvalidSubject(_) => "it is about somebody else (sub)",
        ClaimsVerificationError::InvalidAuthTime(_) => "the log-in there was too long ago (auth_time)",
        ClaimsVerificationError::InvalidAuthContext(_) => "the log-in there was of another kind (acr)",
        ClaimsVerificationError::SignatureVerification(_) => "its signature is not the provider's",
        ClaimsVerificationError::Unsupported(_) => "it is signed in a way that is not understood (alg)",
        _ => "a claim is not what it must be",
    }
}

/// The groups that a claim names: a list of texts, or one text.
pub(super) fn groups_of(claims: &Map<String, Value>, name: &str) -> Vec<String> {
    match claims.get(name) {
        Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Some(Value::String(group)) => vec![group.clone()],
        _ => Vec::new(),
    }
}

/// The claim of an ID token that is of another type than it must be, from the provider's whole answer.
pub(super) fn mistyped_claim_of_token(answer: &[u8]) -> Option<String> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let payload = answer.get("id_token")?.as_str()?.split('.').nth(1)?;
    let payload = BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    mistyped_claim(&serde_json::from_slice(&payload).ok()?)
}

/// A claim's name, what it must be, and whether a value is that.
type Expected<'a> = (&'a str, &'a str, &'a dyn Fn(&Value) -> bool);

/// The first claim that is of another type than it must be, and what was expected. Its value is a person's, and not told.
pub(super) fn mistyped_claim(claims: &Value) -> Option<String> {
    const TEXT: &str = "a text";
    const TIME: &str = "a number of seconds";
    const TRUTH: &str = "true or false";
    let Some(claims) = claims.as_object() else { return Some("the claims are no JSON object".to_owned()) };
    let is_text: fn(&Value) -> bool = Value::is_string;
    let is_truth = |value: &Value| value.is_boolean() || matches!(value.as_str(), Some("true" | "false"));
    let is_audience =
        |value: &Value| value.is_string() || value.as_array().is_some_and(|list| list.iter().all(Value::is_string));
    let expected: [Expected<'_>; 18] = [
        ("sub", "a text that is not empty", &|value| value.as_str().is_some_and(|text| !text.is_empty())),
        ("iss", TEXT, &is_text),
        ("aud", "a text or a list of texts", &is_audience),
        ("exp", TIME, &Value::is_number),
        ("iat", TIME, &Value::is_number),
        ("auth_time", TIME, &Value::is_number),
        ("nonce", TEXT, &is_text),
        ("email", TEXT, &is_text),
        ("email_verified", TRUTH, &is_truth),
        ("phone_number_verified", TRUTH, &is_truth),
        ("name", TEXT, &is_text),
        ("given_name", TEXT, &is_text),
        ("family_name", TEXT, &is_text),
        ("middle_name", TEXT, &is_text),
        ("nickname", TEXT, &is_text),
        ("preferred_username", TEXT, &is_text),
        ("locale", TEXT, &is_text),
        ("zoneinfo", TEXT, &is_text),
    ];
    expected.iter().find_map(|(name, what, is_right)| {
        let value = claims.get(*name).filter(|value| !value.is_null() || *name == "sub")?;
        (!is_right(value)).then(|| format!("its {name} is {}, and {what} was expected", kind_of(value)))
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty text",
        Value::String(_) => "another text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_claim_of_another_type_is_named_and_not_shown() {
        for (claims, said) in [
            (json!({"sub": 5}), "its sub is a number, and a text that is not empty was expected"),
            (json!({"sub": ""}), "its sub is an empty text, and a text that is not empty was expected"),
            (json!({"sub": null}), "its sub is null, and a text that is not empty was expected"),
            (
                json!({"sub": "a", "email_verified": 1}),
                "its email_verified is a number, and true or false was expected",
            ),
            (
                json!({"sub": "a", "email_verified": "TRUE"}),
                "its email_verified is another text, and true or false was expected",
            ),
            (json!({"sub": "a", "email": ["x"]}), "its email is a list, and a text was expected"),
            (json!({"exp": "soon"}), "its exp is another text, and a number of seconds was expected"),
            (json!({"aud": ["a", 1]}), "its aud is a list, and a text or a list of texts was expected"),
            (json!([]), "the claims are no JSON object"),
        ] {
            assert_eq!(mistyped_claim(&claims).as_deref(), Some(said), "{claims}");
        }
        let right = json!({"sub": "a", "aud": ["b"], "exp": 1.5, "email_verified": "true", "email": null, "groups": 1});
        assert_eq!(mistyped_claim(&right), None);
    }
}
