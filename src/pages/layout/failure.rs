//! A page that cannot be shown, and what to do about it.

use leptos::prelude::*;

use super::{PageTitle, Section};
use crate::components::can::may;
use crate::components::filter::SearchForm;
use crate::domain::error::AppError;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::plain_words::sentence;
use crate::domain::search::PARAMETER;
use crate::domain::team::TeamOwner;
use crate::domain::viewer::Viewer;

/// The longest search, in characters.
const MAX_SEARCH_CHARS: usize = 200;

/// Says in words what went wrong.
#[component]
pub fn Failure(
    error: AppError,
    section: Section,
    /// Who can give a permission that is missing.
    owners: Vec<TeamOwner>,
) -> impl IntoView {
    let default_view = match section {
        Section::Requests => ("/requests", "Show the default view of the requests"),
        Section::Logs
        | Section::Resends
        | Section::Templates
        | Section::Connect
        | Section::ApiDocs
        | Section::Settings
        | Section::Help
        | Section::Elsewhere => ("/logs", "Show the default view of the logs"),
    };
    let (title, advice, link) = match &error {
        AppError::NotFound(_) => {
            let title =
                if section == Section::Logs { "There is no such message".to_owned() } else { error.to_string() };
            (title, what_may_have_happened(section).to_owned(), Some(("/logs", "Go to the logs")))
        }
        AppError::MissingPermission(_) => ("You may not see this".to_owned(), error.to_person(&owners), None),
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
        | AppError::InvalidTemplate { .. }
        | AppError::AlreadyExists(_)
        | AppError::Conflict(_)
        | AppError::IdempotencyMismatch
        | AppError::TooLarge { .. }
        | AppError::Adapter(_)
        | AppError::Internal => ("This did not work".to_owned(), error.to_string(), Some(("/logs", "Go to the logs"))),
    };
    let way_on = matches!(error, AppError::NotFound(_)).then(|| view! { <WayOn section/> });
    view! {
        <div class="failure">
            <p class="failure-status">{error.http_status()}</p>
            <PageTitle text=title/>
            <p>{advice}</p>
            {link.map(|(address, text)| view! { <p><a class="button" href=mounted(address)>{text}</a></p> })}
            {way_on}
        </div>
    }
}

/// Why there may be nothing at an address.
const fn what_may_have_happened(section: Section) -> &'static str {
    match section {
        Section::Logs => {
            "It may be older than your team keeps messages, it may belong to another of your teams, or its id may be \
             mistyped."
        }
        Section::Requests => {
            "It may be older than your team keeps requests, it may belong to another of your teams, or its id may be \
             mistyped."
        }
        Section::Resends
        | Section::Templates
        | Section::Connect
        | Section::ApiDocs
        | Section::Settings
        | Section::Help
        | Section::Elsewhere => {
            "It may have been deleted, belong to another of your teams, or the address may be incomplete."
        }
    }
}

/// Ways on from a page that is not there: a search for messages, and the main pages.
#[component]
fn WayOn(section: Section) -> impl IntoView {
    let (path, name, label) = match section {
        Section::Requests => ("/requests", "endpoint", "Search endpoint or id"),
        Section::Logs
        | Section::Resends
        | Section::Templates
        | Section::Connect
        | Section::ApiDocs
        | Section::Settings
        | Section::Help
        | Section::Elsewhere => ("/logs", PARAMETER, "Search messages"),
    };
    let searches = may(if path == "/logs" { Permission::LogsView } else { Permission::RequestsView });
    let search = searches.then(|| {
        view! { <SearchForm path name label value=None max_chars=MAX_SEARCH_CHARS kept=Vec::new()/> }
    });
    let pages = [
        (may(Permission::RequestsView), "/requests", "API requests"),
        (may(Permission::TemplatesView), "/templates", "Templates"),
        (use_context::<Viewer>().is_some(), "/settings/profile", "Settings"),
    ];
    let pages = pages.into_iter().filter(|(is_shown, ..)| *is_shown);
    let pages = pages.map(|(_, url, name)| view! { <li><a href=mounted(url)>{name}</a></li> }).collect_view();
    view! {
        {search}
        <ul class="failure-ways" aria-label="Main pages">{pages}</ul>
    }
}
