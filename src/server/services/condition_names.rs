//! What the ids in a search are called, for the chips of the log's page.

use std::str::FromStr;

use crate::domain::error::AppError;
use crate::domain::failure::{FailureClass, Reason, Reasons};
use crate::domain::permission::Permission;
use crate::domain::search::{Qualifier, Search};
use crate::domain::viewer::Viewer;
use crate::server::App;

/// What the ids in a search are called, as they are written there: of adapters, API keys and templates, and of groups among
/// `reasons`. These names stand on the pages of messages. Needs `logs:view`.
pub async fn names_of(
    app: &App,
    viewer: &Viewer,
    search: &Search,
    reasons: Option<&Reasons>,
) -> Result<Vec<(String, String)>, AppError> {
    viewer.require(Permission::LogsView)?;
    let mut names = Vec::new();
    for condition in &search.conditions {
        let values = condition.values.iter().map(String::as_str);
        match condition.qualifier {
            Qualifier::Adapter => {
                let adapters = app.store.list_adapters(viewer.team).await?;
                let known: Vec<_> = adapters.into_iter().map(|adapter| (adapter.id, adapter.name)).collect();
                names.extend(called(values, &known, "one that was removed"));
            }
            Qualifier::Key => {
                let keys = app.store.list_api_keys(viewer.team).await?;
                let known: Vec<_> = keys.into_iter().map(|key| (key.id, key.name)).collect();
                names.extend(called(values, &known, "one that was removed"));
            }
            Qualifier::Template => {
                let known = app.store.list_template_names(viewer.team).await?;
                names.extend(called(values, &known, "one that was deleted"));
            }
            Qualifier::Group => {
                let shown = reasons.map(|reasons| reasons.shown.as_slice()).unwrap_or_default();
                let known: Vec<_> = shown.iter().map(|reason| (reason.group, group_words(reason))).collect();
                names.extend(called(values, &known, &reason_words(search)));
            }
            _ => {}
        }
    }
    Ok(names)
}

/// Of these values, those that are ids, with the names that go with them.
fn called<'a, Id: FromStr + PartialEq>(
    values: impl Iterator<Item = &'a str>,
    known: &[(Id, String)],
    otherwise: &str,
) -> Vec<(String, String)> {
    let is_name = |value: &str| known.iter().any(|(_, name)| name.eq_ignore_ascii_case(value));
    let ids = values.filter(|value| !is_name(value)).filter_map(|value| Some((value, value.parse::<Id>().ok()?)));
    let name =
        |id: Id| known.iter().find(|(one, _)| *one == id).map_or(otherwise, |(_, name)| name.as_str()).to_owned();
    ids.map(|(value, id)| (value.to_owned(), name(id))).collect()
}

/// What is said of a group that is not among the reasons: the reason that the search names beside it.
fn reason_words(search: &Search) -> String {
    let named =
        search.conditions.iter().find(|condition| condition.qualifier == Qualifier::Reason && !condition.is_not);
    let class = named.and_then(|condition| condition.values.first()).and_then(|slug| FailureClass::from_slug(slug));
    class.map_or("the same words of the server", FailureClass::label).to_owned()
}

/// What tells a group from others of its reason: `Gmail · 552 5.2.2 mailbox full`.
fn group_words(reason: &Reason) -> String {
    let parts: Vec<&str> =
        [reason.mailbox_provider.as_deref(), reason.words.as_deref()].into_iter().flatten().collect();
    if parts.is_empty() { reason.class.label().to_owned() } else { parts.join(" · ") }
}
