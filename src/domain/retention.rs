//! How long a team keeps what it has.

use serde::{Deserialize, Serialize};

use super::error::AppError;

/// The most days that can be set: a hundred years.
pub const MAX_DAYS: u32 = 36_500;

/// What is said of a number of days that none can be kept for.
pub const DAYS_WORDS: &str = "Write a whole number of days from 1 to 36500, or nothing to keep everything";

/// For how many days each is kept; `None` for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Bodies, variables and attachments of messages.
    pub bodies_days: Option<i64>,
    /// Events of messages, by the age of the message.
    pub events_days: Option<i64>,
    /// Messages, with everything that is theirs.
    pub messages_days: Option<i64>,
    pub requests_days: Option<i64>,
    pub audit_days: Option<i64>,
}

impl Retention {
    /// Refuses what makes no sense: a time that is none, and bodies or events that outlive their messages.
    pub fn checked(self) -> Result<Self, AppError> {
        let periods = [
            ("bodiesDays", self.bodies_days),
            ("eventsDays", self.events_days),
            ("messagesDays", self.messages_days),
            ("requestsDays", self.requests_days),
            ("auditDays", self.audit_days),
        ];
        for (field, days) in periods {
            if days.is_some_and(|days| !(1..=i64::from(MAX_DAYS)).contains(&days)) {
                return Err(AppError::invalid_field(field, DAYS_WORDS));
            }
        }
        let outlives = |days: Option<i64>| days.zip(self.messages_days).is_some_and(|(days, messages)| days > messages);
        for (field, what, days) in
            [("bodiesDays", "Bodies", self.bodies_days), ("eventsDays", "Events", self.events_days)]
        {
            if outlives(days) {
                let messages = self.messages_days.unwrap_or_default();
                let message =
                    format!("{what} go with their messages, which are kept for {messages} days: choose no more");
                return Err(AppError::invalid_field(field, message));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_outlives_its_message() {
        let keep = |bodies_days, messages_days| Retention { bodies_days, messages_days, ..Retention::default() };
        for (retention, is_right) in [
            (keep(None, None), true),
            (keep(Some(30), None), true),
            (keep(Some(30), Some(30)), true),
            (keep(None, Some(30)), true),
            (keep(Some(31), Some(30)), false),
            (keep(Some(0), None), false),
            (keep(None, Some(i64::from(MAX_DAYS) + 1)), false),
        ] {
            assert_eq!(retention.checked().is_ok(), is_right, "{retention:?}");
        }
    }
}
