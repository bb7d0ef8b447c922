//! Whom a notification is for, and how each channel reaches them.

use crate::domain::error::AppError;
use crate::domain::notification::NotificationChannel;

/// The longest id of a person, in characters.
pub const MAX_PERSON_CHARS: usize = 255;
/// Whom a notification is for. One of the three is there.
#[derive(Clone, Debug, Default)]
pub struct Person {
    /// The sender's own id; without it, address or number stand for it.
    pub id: Option<String>,
    pub email: Option<String>,
    /// The telephone number, in international form or as it is written in the USA and Canada.
    pub number: Option<String>,
}

pub(super) fn address_on(channel: NotificationChannel, person: &Person, person_id: &str) -> Option<String> {
    match channel {
        NotificationChannel::Email => person.email.clone(),
        NotificationChannel::Sms | NotificationChannel::Call => person.number.clone(),
        NotificationChannel::Push | NotificationChannel::WebPush | NotificationChannel::InApp => {
            Some(person_id.to_owned())
        }
    }
}

pub(super) const fn missing_address(channel: NotificationChannel) -> &'static str {
    match channel {
        NotificationChannel::Email => "the recipient has no email address",
        NotificationChannel::Sms | NotificationChannel::Call => "the recipient has no number",
        NotificationChannel::Push | NotificationChannel::WebPush | NotificationChannel::InApp => {
            "the recipient has no id"
        }
    }
}

/// The id that a person is known by.
pub(super) fn checked_person(person: &Person) -> Result<String, AppError> {
    let id = person.id.as_ref().or(person.email.as_ref()).or(person.number.as_ref());
    let id = id.ok_or_else(|| AppError::invalid_field("to", "to must have an id, an email or a number"))?;
    checked_line("to.id", id, MAX_PERSON_CHARS)
}

pub(super) fn checked_line(field: &str, text: &str, max_chars: usize) -> Result<String, AppError> {
    let text = text.trim();
    if text.is_empty() || text.chars().count() > max_chars || text.chars().any(char::is_control) {
        let message = format!("{field} must be one line of 1 to {max_chars} characters");
        return Err(AppError::invalid_field(field, message));
    }
    Ok(text.to_owned())
}

/// A telephone number in international form, `+15005550006`. One without a country is of the USA or Canada. Source: ITU-T
/// E.164, which allows 15 digits.
pub(super) fn checked_number(text: &str) -> Result<String, AppError> {
    let plain: String = text.chars().filter(|letter| !matches!(letter, ' ' | '-' | '.' | '(' | ')')).collect();
    let (is_international, digits) = match plain.strip_prefix('+') {
        Some(digits) => (true, digits),
        None => (false, plain.as_str()),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    match (is_number, is_international, digits.len()) {
        (true, true, 7..=15) => Ok(format!("+{digits}")),
        (true, false, 10) => Ok(format!("+1{digits}")),
        (true, false, 11) if digits.starts_with('1') => Ok(format!("+{digits}")),
        (_, _, _) => {
            let message = "to.number must be a telephone number in international form, like +15005550006";
            Err(AppError::invalid_field("to.number", message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_international_or_of_north_america() {
        for text in ["+15005550006", "(500) 555-0006", "500.555.0006", "15005550006", "+1 500 555-0006"] {
            assert_eq!(checked_number(text).unwrap(), "+15005550006", "{text}");
        }
        assert_eq!(checked_number("+491701234567").unwrap(), "+491701234567");
        for text in ["", "+", "+0123456789", "555-0006", "+1234567890123456", "call me", "+1500555000x", "25005550006"]
        {
            assert!(checked_number(text).is_err(), "{text}");
        }
    }
}
