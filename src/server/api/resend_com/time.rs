//! When to send: ISO 8601, or in words.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeDelta, Utc};

use super::error::ResendError;

/// Reads a time: ISO 8601, or how long from now.
pub fn read_time(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, ResendError> {
    let later = || read_delay(text).and_then(|delay| now.checked_add_signed(delay));
    read_instant(text.trim()).or_else(later).map(|time| time.trunc_subsecs(6)).ok_or_else(|| {
        let forms = "an ISO 8601 date and time like 2026-08-05T11:52:01.858Z, or like `in 5 minutes`";
        ResendError::invalid(format!("Invalid `scheduled_at` field: it must be {forms}"))
    })
}

/// ISO 8601; what has no offset is in UTC, as Python's `isoformat()` writes it.
fn read_instant(text: &str) -> Option<DateTime<Utc>> {
    let has_date = text.is_ascii() && text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    if !has_date {
        return None;
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let text = text.replacen(' ', "T", 1);
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let with_offset = || forms.iter().find_map(|form| DateTime::parse_from_str(&text, &format!("{form}%#z")).ok());
    let without = || forms.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let time = DateTime::parse_from_rfc3339(&text).ok().or_else(with_offset).map(|time| time.with_timezone(&Utc));
    time.or_else(|| without().map(|time| time.and_utc()))
}

/// `in 5 minutes`, `in 1 min`, `in an hour`.
fn read_delay(text: &str) -> Option<TimeDelta> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["in", number, unit] = words[..] else { return None };
    let number = match number {
        "a" | "an" => 1,
        number => i64::from(number.parse::<u32>().ok()?),
    };
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => TimeDelta::try_seconds(number),
        "m" | "min" | "mins" | "minute" | "minutes" => TimeDelta::try_minutes(number),
        "h" | "hr" | "hrs" | "hour" | "hours" => TimeDelta::try_hours(number),
        "d" | "day" | "days" => TimeDelta::try_days(number),
        "w" | "week" | "weeks" => TimeDelta::try_weeks(number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2024-01-20T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn times_are_iso_8601_or_in_words() {
        for (text, expected) in [
            ("2024-08-05T11:52:01.858Z", "2024-08-05T11:52:01.858Z"),
            ("2024-08-05T11:52:01+02:00", "2024-08-05T09:52:01Z"),
            ("2024-08-05T11:52:01.858123", "2024-08-05T11:52:01.858123Z"),
            ("2024-08-05 11:52:01.622865+00", "2024-08-05T11:52:01.622865Z"),
            ("2024-08-05T11:52", "2024-08-05T11:52:00Z"),
            ("2024-08-05", "2024-08-05T00:00:00Z"),
            ("in 1 min", "2024-01-20T12:01:00Z"),
            ("In 5 Minutes", "2024-01-20T12:05:00Z"),
            ("in 2 hours", "2024-01-20T14:00:00Z"),
            ("in an hour", "2024-01-20T13:00:00Z"),
            ("in 3 days", "2024-01-23T12:00:00Z"),
        ] {
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(read_time(text, now()).unwrap(), expected, "{text}");
        }
        for wrong in [
            "",
            "soon",
            "tomorrow at 9am",
            "in minutes",
            "in -1 min",
            "in 1 year",
            "in 5 minutes please",
            "1705746600",
            "2024-13-01",
            "2024-02-30T00:00:00Z",
            "+02024-08-05",
            "2024-8-5",
            "20ä4-08-05T00:00:00Z",
        ] {
            assert!(read_time(wrong, now()).is_err(), "{wrong}");
        }
    }
}
