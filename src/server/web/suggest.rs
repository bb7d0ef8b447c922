//! `GET /logs/suggest`: what can be meant by what is being typed into the search, as the list that stands under the field.
//! Scripts put it there.

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::html::escaped;
use super::refusal::Refusal;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::suggestions::{Suggestion, suggest};

/// The search as it stands in the field, and how many UTF-16 code units into it the caret stands.
#[derive(Deserialize)]
pub struct SuggestQuery {
    #[serde(default)]
    q: String,
    #[serde(default)]
    at: usize,
}

/// A page that is the list alone, and empty where nothing can be meant. Needs `logs:view`.
pub async fn show(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Query(query): Query<SuggestQuery>,
) -> Result<Response, Refusal> {
    let suggestions = suggest(&app, &identity.0?, &query.q, query.at).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Html(page(&suggestions))).into_response())
}

fn page(suggestions: &[Suggestion]) -> String {
    let options: String = suggestions.iter().enumerate().map(|(index, suggestion)| option(index, suggestion)).collect();
    format!(
        "<!doctype html><title>Suggestions</title><body>\
         <ul id=\"suggestions\" class=\"suggestions\" role=\"listbox\" aria-label=\"Suggestions\">{options}</ul></body>"
    )
}

fn option(index: usize, suggestion: &Suggestion) -> String {
    let Suggestion { text, about, example, search, caret, is_meant } = suggestion;
    let meant = if *is_meant { " data-meant" } else { "" };
    let mut option = format!(
        "<li id=\"suggestion-{index}\" role=\"option\" aria-selected=\"false\" data-search=\"{}\" data-caret=\"{caret}\"{meant}><b>{}</b>",
        escaped(search),
        escaped(text)
    );
    if !about.is_empty() {
        option += &format!(" <span>{}</span>", escaped(about));
    }
    if !example.is_empty() {
        option += &format!(" <code>{}</code>", escaped(example));
    }
    option + "</li>"
}
