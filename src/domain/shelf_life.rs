//! Whether a link or code in a message has expired, so that a copy of it would be of no use. Only what is known is said: by
//! a variable that tells when, or by the message's age and what it is about. Asked by the message's page.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::email::Email;

/// What links and codes seldom outlive.
const DAY: TimeDelta = TimeDelta::days(1);

/// Parts of a variable's name that holds when something expires, without `_` and `-`.
const EXPIRY_NAMES: [&str; 3] = ["expire", "expiry", "validuntil"];

/// What a message says of itself that carries a link or code for one use.
const ONE_USE: [&str; 14] = [
    "reset your password",
    "password reset",
    "password-reset",
    "password_reset",
    "reset password",
    "verify",
    "verification",
    "one-time",
    "magic link",
    "sign-in link",
    "login link",
    "login code",
    "passcode",
    "activation",
];

/// Why a copy may be of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// Its variable of this name says that it expired then.
    Expired { variable: String, at: DateTime<Utc> },
    /// It is so many days old, and is about a link or code for one use.
    MayHaveExpired { days: i64 },
}

/// What is known of it. `variables` are those that the viewer sees.
pub fn staleness(email: &Email, variables: &Value, now: DateTime<Utc>) -> Option<Staleness> {
    if let Some((variable, at)) = expiry(variables) {
        return (at <= now).then_some(Staleness::Expired { variable, at });
    }
    let age = now - email.created_at();
    let told = [Some(&email.subject), email.template_name.as_ref()];
    let told = told.into_iter().flatten().chain(&email.tags).map(|text| text.to_lowercase());
    let is_for_one_use = told.into_iter().any(|text| ONE_USE.iter().any(|words| text.contains(words)));
    (age >= DAY && is_for_one_use).then_some(Staleness::MayHaveExpired { days: age.num_days() })
}

/// The first variable that says when something expires.
fn expiry(variables: &Value) -> Option<(String, DateTime<Utc>)> {
    variables.as_object()?.iter().find_map(|(name, value)| {
        let plain = name.to_lowercase().replace(['_', '-'], "");
        let at = EXPIRY_NAMES.iter().any(|part| plain.contains(part)).then(|| time(value))??;
        Some((name.clone(), at))
    })
}

/// A time as RFC 3339 or in Unix seconds or milliseconds; `None` for what may be a span.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
        Value::Number(number) => match number.as_i64()? {
            seconds @ 1_000_000_000..10_000_000_000 => DateTime::from_timestamp(seconds, 0),
            ms @ 1_000_000_000_000..10_000_000_000_000 => DateTime::from_timestamp_millis(ms),
            _ => None,
        },
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_variable_tells_when_a_link_expires() {
        let at = |variables: Value| expiry(&variables).map(|(name, at)| (name, at.timestamp()));
        assert_eq!(at(json!({"linkExpiresAt": "2024-01-20T10:00:00Z"})), Some(("linkExpiresAt".into(), 1_705_744_800)));
        assert_eq!(at(json!({"valid_until": 1_705_744_800})), Some(("valid_until".into(), 1_705_744_800)));
        assert_eq!(at(json!({"token-expiry": 1_705_744_800_000_i64})), Some(("token-expiry".into(), 1_705_744_800)));
        // A span, a time of something else, and what is masked tell nothing.
        for nothing in
            [json!({"expires_in": 3600}), json!({"date": "2024-01-20T10:00:00Z"}), json!({"expires_at": "•••"})]
        {
            assert_eq!(at(nothing), None);
        }
    }
}
