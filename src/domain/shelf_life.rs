//! Whether a link or code in a message has expired, or what it says of a day is over, so that a copy of it would be of no use.
//! Only what is known is said: by a variable that tells when, or by the message's age and what it is about. Asked by the
//! message's page and before a bulk resend.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::email::Email;

/// What links, codes and words of a day seldom outlive.
const DAY: TimeDelta = TimeDelta::days(1);

/// Parts of a variable's name that holds when something expires, without `_` and `-`.
const EXPIRY_NAMES: [&str; 3] = ["expire", "expiry", "validuntil"];

/// What a message says of itself that carries a link or code for one use.
const ONE_USE: [&str; 14] = [
    "password",
    "passcode",
    "verify",
    "verification",
    "confirm your",
    "one-time",
    "one_time",
    "magic link",
    "log-in",
    "login",
    "sign-in",
    "sign in",
    "activate",
    "activation",
];

/// The same, where it is a word of its own.
const ONE_USE_WORDS: [&str; 2] = ["code", "codes"];

/// Words of a message that is about a day.
const DAY_WORDS: [&str; 7] = ["today", "tomorrow", "due", "expires", "ends", "reminder", "reminders"];

/// Why a copy may be of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Staleness {
    /// Its variable of this name says that it expired then.
    Expired { variable: String, at: DateTime<Utc> },
    /// It is so many days old, and is about a link or code for one use.
    MayHaveExpired { days: i64 },
    /// It is so many days old, and speaks of a day as it was then.
    NamesADay { days: i64 },
}

/// What is known of it. `variables` are those that the viewer sees.
pub fn staleness(email: &Email, variables: &Value, now: DateTime<Utc>) -> Option<Staleness> {
    let told = [Some(&email.subject), email.template_name.as_ref()];
    let told: Vec<&str> = told.into_iter().flatten().chain(&email.tags).map(String::as_str).collect();
    staleness_of(&told, variables, email.created_at(), now)
}

/// What is known of a message that says this of itself.
fn staleness_of(told: &[&str], variables: &Value, created_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Staleness> {
    let expiry = expiry(variables);
    let is_known = expiry.is_some();
    if let Some((variable, at)) = expiry.filter(|(_, at)| *at <= now) {
        return Some(Staleness::Expired { variable, at });
    }
    let (age, told) = (now - created_at, told.join("\n").to_lowercase());
    let days = age.num_days();
    let has_word =
        |words: &[&str]| told.split(|letter: char| !letter.is_alphanumeric()).any(|word| words.contains(&word));
    let is_for_one_use = || ONE_USE.iter().any(|words| told.contains(words)) || has_word(&ONE_USE_WORDS);
    match age >= DAY {
        true if !is_known && is_for_one_use() => Some(Staleness::MayHaveExpired { days }),
        true if has_word(&DAY_WORDS) => Some(Staleness::NamesADay { days }),
        _ => None,
    }
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

    #[test]
    fn a_message_of_a_code_or_of_a_day_is_out_of_date_after_a_day() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let known = |said: &str, days| staleness_of(&[said], &Value::Null, now - TimeDelta::days(days), now);
        for said in [
            "Reset your password",
            "Confirm your email address",
            "Your log-in code",
            "482913 is your code",
            "Sign in to Finch",
            "email_verification",
        ] {
            assert_eq!(known(said, 9), Some(Staleness::MayHaveExpired { days: 9 }), "{said}");
            assert_eq!(known(said, 0), None, "{said}");
        }
        for said in [
            "Invoice INV-2026-0042 is due tomorrow",
            "Invoice INV-2026-0042 is due today",
            "Invoice INV-2026-0042 is due in a week",
            "Your trial ends soon",
            "invoice-reminder",
        ] {
            assert_eq!(known(said, 3), Some(Staleness::NamesADay { days: 3 }), "{said}");
            assert_eq!(known(said, 0), None, "{said}");
        }
        for said in ["Your receipt", "How to decode a barcode", "A friend sends a residue of it", "Welcome"] {
            assert_eq!(known(said, 9), None, "{said}");
        }
    }

    #[test]
    fn a_code_that_is_known_to_be_good_is_not_doubted_but_the_day_is() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let good = json!({ "expires_at": 1_800_086_400 });
        let known = |said: &str| staleness_of(&[said], &good, now - TimeDelta::days(3), now);
        assert_eq!(known("Your log-in code"), None);
        assert_eq!(known("Your invoice is due tomorrow"), Some(Staleness::NamesADay { days: 3 }));
        let over = json!({ "expires_at": 1_799_999_999 });
        let told = staleness_of(&["Welcome"], &over, now, now);
        assert!(matches!(told, Some(Staleness::Expired { variable, .. }) if variable == "expires_at"));
    }
}
