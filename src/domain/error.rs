//! The one error a use case can end in. Each caller's surface (the JSON API, a page, a server function) turns it into
//! its own format; the cause of [AppError::Internal] is logged once, where it arises, and never shown.

use serde::{Deserialize, Serialize};

use super::permission::Permission;
use super::plain_words::whom_to_ask;
use super::team::TeamOwner;
use super::template::TemplatePart;

/// Why a use case did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AppError {
    /// The request carries no session and no key.
    #[error("No session found")]
    NoSession,
    /// The session or key is unknown, revoked or ended.
    #[error("Invalid or expired session")]
    InvalidSession,
    /// The key is unknown or revoked.
    #[error("Invalid or revoked API key")]
    InvalidApiKey,
    /// The account exists but its email address and password do not match. Also said for unknown accounts.
    #[error("Email address or password is wrong")]
    WrongCredentials,
    /// The password is right and a second factor is asked for beside it.
    #[error("Two-factor code required")]
    TwoFactorRequired,
    /// The code of the authenticator or the recovery code is wrong, or was used before.
    #[error("The code is wrong or was used before")]
    WrongCode,
    /// The account is a member of no team, or of none that it asked for.
    #[error("No team selected")]
    NoTeam,
    /// The viewer's role or key lacks this permission.
    #[error("Missing permission: {}", .0.as_str())]
    MissingPermission(Permission),
    /// The viewer's team demands a second factor that the account does not have.
    #[error("This team demands two-factor authentication. Set it up in your profile")]
    LacksTwoFactor,
    /// The viewer may not do this, for a reason other than a permission.
    #[error("{0}")]
    Forbidden(String),
    /// Nothing with this id in the viewer's team. `0` names the noun: "Email log".
    #[error("{0} not found")]
    NotFound(String),
    /// The input breaks a rule. `field` names the parameter where one is to blame.
    #[error("{message}")]
    Validation {
        /// The parameter to blame, in the caller's spelling.
        field: Option<String>,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A template that cannot be parsed or rendered with the given variables.
    #[error("{message}")]
    InvalidTemplate {
        /// Which of its texts is to blame.
        part: TemplatePart,
        /// What is wrong with it, with its line where there is one.
        message: String,
    },
    /// A thing of this name exists already.
    #[error("{0}")]
    AlreadyExists(String),
    /// The change contradicts the present state.
    #[error("{0}")]
    Conflict(String),
    /// An idempotency key came back with another request than the first time.
    #[error("This idempotency key was used before with a different request body")]
    IdempotencyMismatch,
    /// The body is larger than allowed.
    #[error("The request body is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// Too many tries; `retry_after_s` is in seconds.
    #[error("Too many attempts. Try again in {}.", span(*.retry_after_s))]
    RateLimited {
        /// Seconds until the next try is allowed.
        retry_after_s: u64,
    },
    /// A mail adapter refused or could not be reached.
    #[error("{0}")]
    Adapter(String),
    /// The database or a queue is not available now; trying again later can work.
    #[error("The service is busy. Try again in a moment.")]
    Unavailable,
    /// The database was stopped at a limit of time; asking for less can work.
    #[error("This took too long and was stopped. Narrow the period or the filter.")]
    TooSlow,
    /// A fault of ours. The cause is in the server's log.
    #[error("Something went wrong on our side. It has been logged.")]
    Internal,
}

/// A time to wait, in words: whole minutes from one minute on.
fn span(seconds: u64) -> String {
    let (count, unit) = if seconds < 60 { (seconds, "second") } else { (seconds.div_ceil(60), "minute") };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

impl AppError {
    /// An error about the whole input.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Validation { field: None, message: message.into() }
    }

    /// An error about one parameter.
    pub fn invalid_field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Validation { field: Some(field.into()), message: message.into() }
    }

    /// Nothing with this id in the viewer's team: `AppError::not_found("Email log")`.
    pub fn not_found(noun: &str) -> Self {
        Self::NotFound(noun.to_owned())
    }

    /// The field of a form that is to blame, where one is. What exists already, exists by its name.
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Validation { field, .. } => field.as_deref(),
            Self::InvalidTemplate { part, .. } => Some(part.as_str()),
            Self::AlreadyExists(_) => Some("name"),
            _ => None,
        }
    }

    /// What a person reads of it, who can ask the team's `owners` for a permission. Programs read its `Display`.
    pub fn to_person(&self, owners: &[TeamOwner]) -> String {
        match self {
            Self::MissingPermission(permission) => {
                format!("Your role cannot {}. {}", permission.deed(), whom_to_ask(owners))
            }
            other => other.to_string(),
        }
    }

    /// The HTTP status that fits in every format.
    pub fn http_status(&self) -> u16 {
        match self {
            Self::NoSession
            | Self::InvalidSession
            | Self::InvalidApiKey
            | Self::WrongCredentials
            | Self::TwoFactorRequired
            | Self::WrongCode => 401,
            Self::NoTeam | Self::MissingPermission(_) | Self::LacksTwoFactor | Self::Forbidden(_) => 403,
            Self::NotFound(_) => 404,
            Self::Validation { .. } | Self::InvalidTemplate { .. } => 400,
            Self::AlreadyExists(_) | Self::Conflict(_) | Self::IdempotencyMismatch => 409,
            Self::TooLarge { .. } => 413,
            Self::RateLimited { .. } => 429,
            Self::Adapter(_) | Self::Internal => 500,
            Self::Unavailable | Self::TooSlow => 503,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_wait_is_said_in_the_unit_that_fits() {
        for (retry_after_s, wait) in [(1, "1 second"), (59, "59 seconds"), (60, "1 minute"), (61, "2 minutes")] {
            let error = AppError::RateLimited { retry_after_s };
            assert_eq!(error.to_string(), format!("Too many attempts. Try again in {wait}."));
        }
    }
}
