//! A page that cannot be shown, and what to do about it.

use leptos::prelude::*;

use super::{PageTitle, Section};
use crate::domain::error::AppError;

/// Says in words what went wrong.
#[component]
pub fn Failure(
    error: AppError,
    section: Section,
    /// Who can give a permission that is missing.
    owners: Vec<String>,
) -> impl IntoView {
    let default_view = match section {
        Section::Requests => ("/requests", "Show the default view of the requests"),
        Section::Logs
        | Section::Resends
        | Section::Templates
        | Section::Connect
        | Section::ApiDocs
        | Section::Settings
        | Section::Elsewhere => ("/logs", "Show the default view of the logs"),
    };
    let (title, advice, link) = match &error {
        AppError::NotFound(_) => (
            error.to_string(),
            "It may have been deleted, belong to another of your teams, or the address may be incomplete.".to_owned(),
            Some(("/logs", "Go to the logs")),
        ),
        AppError::MissingPermission(permission) => (
            "You may not see this".to_owned(),
            format!(
                "Your role does not include “{}”. Ask {}, who can change that.",
                permission.label(),
                any_of(&owners)
            ),
            None,
        ),
        AppError::Validation { field, message } => (
            "This address does not work".to_owned(),
            match field {
                Some(field) => format!("The parameter “{field}” is wrong: {}", sentence(message)),
                None => sentence(message),
            },
            Some(default_view),
        ),
        AppError::NoSession
        | AppError::InvalidSession
        | AppError::InvalidApiKey
        | AppError::WrongCredentials
        | AppError::TwoFactorRequired
        | AppError::WrongCode => (error.to_string(), "Log in to go on.".to_owned(), Some(("/login", "Log in"))),
        AppError::LacksTwoFactor => (
            "One more step".to_owned(),
            "This team demands two-factor authentication. Set it up in your profile, and you are in.".to_owned(),
            Some(("/settings/profile", "Set it up")),
        ),
        AppError::NoTeam => (
            error.to_string(),
            "Your account is in no team. Ask an admin of your team to invite you.".to_owned(),
            Some(("/settings/profile", "Go to your profile")),
        ),
        AppError::Unavailable | AppError::TooSlow | AppError::RateLimited { .. } => {
            ("Not now".to_owned(), error.to_string(), Some(("", "Try again")))
        }
        AppError::Forbidden(_)
        | AppError::InvalidTemplate(_)
        | AppError::AlreadyExists(_)
        | AppError::Conflict(_)
        | AppError::IdempotencyMismatch
        | AppError::TooLarge { .. }
        | AppError::Adapter(_)
        | AppError::Internal => ("This did not work".to_owned(), error.to_string(), Some(("/logs", "Go to the logs"))),
    };
    view! {
        <div class="failure">
            <p class="failure-status">{error.http_status()}</p>
            <PageTitle text=title/>
            <p>{advice}</p>
            {link.map(|(address, text)| view! { <p><a class="button" href=address>{text}</a></p> })}
        </div>
    }
}

/// The names as people say them: "Ada, Bob or Eve".
fn any_of(names: &[String]) -> String {
    match names {
        [] => "an owner of the team".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The text with a full stop, unless it ends in a mark of its own.
fn sentence(text: &str) -> String {
    if text.ends_with(['.', '!', '?']) { text.to_owned() } else { format!("{text}.") }
}
