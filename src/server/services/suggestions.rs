//! What can be meant by what is being typed into the search of the log. Called by `GET /logs/suggest`, and by the
//! log's page where nothing is found. Values come only from
//! what the viewer may see: none are addresses, contents or marked variables.

use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::failure::{FailureClass, MailboxProvider};
use crate::domain::masking::{mask_addresses, masks_addresses, sees_contents};
use crate::domain::permission::Permission;
use crate::domain::search::{Condition, MAX_CHARS, PARAMETER, PROBLEMS, Qualifier, Search, Typed, Typing};
use crate::domain::status::EmailStatus;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::store::values::ValueKind;

/// How many are suggested, at most.
const SHOWN: usize = 8;

/// From so many letters on, a word may be a part of a name.
const MIN_NAME_CHARS: usize = 3;

/// How many domains, and servers, of recent messages are looked at for who runs mailboxes there.
const DOMAINS_LOOKED_AT: i64 = 200;

/// What is said of a value that the newest messages have: another can be right too.
const RECENT: &str = "recent";

/// Something to put in the place of what is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// How it is written: `status:`, `Order receipt`.
    pub text: String,
    /// What that finds; empty where it says so itself.
    pub about: &'static str,
    /// An example, of a qualifier.
    pub example: &'static str,
    /// The whole search with it.
    pub search: String,
    /// Where the caret then stands, in UTF-16 code units.
    pub caret: usize,
    /// Whether Enter takes it: nothing else begins so, and what is typed is no value itself.
    pub is_meant: bool,
}

/// What can stand in the place of what is typed at the caret, at most eight, and every status. Needs `logs:view`; names of adapters,
/// `adapters:view`. Names of API keys stand on the pages of messages already.
pub async fn suggest(app: &App, viewer: &Viewer, search: &str, caret: usize) -> Result<Vec<Suggestion>, AppError> {
    viewer.require(Permission::LogsView)?;
    if search.chars().count() > MAX_CHARS || search.contains('\0') {
        return Err(AppError::invalid_field(
            PARAMETER,
            format!("use at most {MAX_CHARS} characters, none of them U+0000"),
        ));
    }
    let Some(typing) = Typing::at(search, caret) else { return Ok(Vec::new()) };
    let mut suggestions: Vec<Suggestion> = match &typing.what {
        Typed::Name { begun } => {
            let named = Qualifier::ALL.into_iter().filter(|qualifier| qualifier.as_str().starts_with(begun.as_str()));
            let named = named.filter(|qualifier| *qualifier != Qualifier::Meta || sees_contents(viewer));
            let mut suggestions: Vec<Suggestion> = named.map(|qualifier| of_name(&typing, qualifier)).collect();
            if begun.len() >= MIN_NAME_CHARS {
                for qualifier in [Qualifier::Key, Qualifier::Template, Qualifier::Adapter] {
                    let values = values_of(app, viewer, qualifier, begun).await?;
                    suggestions.extend(values.into_iter().map(|(value, _)| of_condition(&typing, qualifier, value)));
                }
            }
            suggestions
        }
        Typed::Value { qualifier, begun } => {
            let values = values_of(app, viewer, *qualifier, begun).await?;
            let is_meant = values.len() == 1 && !begun.is_empty();
            // What stands there already needs no suggestion.
            let others = values.into_iter().filter(|(value, _)| value != begun);
            others.map(|(value, about)| Suggestion { is_meant, ..of_value(&typing, value, about) }).collect()
        }
    };
    // All that can become of a message are few, and known by heart.
    let is_status = matches!(typing.what, Typed::Value { qualifier: Qualifier::Status, .. });
    suggestions.truncate(if is_status { EmailStatus::ALL.len() + 1 } else { SHOWN });
    Ok(suggestions)
}

fn of_name(typing: &Typing<'_>, qualifier: Qualifier) -> Suggestion {
    let (search, caret) = typing.with_name(qualifier);
    let mark = if qualifier == Qualifier::Meta { '.' } else { ':' };
    let text = format!("{}{mark}", qualifier.as_str());
    Suggestion { text, about: qualifier.label(), example: qualifier.example(), search, caret, is_meant: false }
}

/// A name of the team's, with the qualifier that finds it.
fn of_condition(typing: &Typing<'_>, qualifier: Qualifier, value: String) -> Suggestion {
    let text = Condition::of(qualifier, [value]).to_string();
    let (search, caret) = typing.with_condition(&text);
    Suggestion { text, about: qualifier.label(), example: "", search, caret, is_meant: false }
}

fn of_value(typing: &Typing<'_>, text: String, about: &'static str) -> Suggestion {
    let (search, caret) = typing.with_value(&text);
    Suggestion { text, about, example: "", search, caret, is_meant: false }
}

/// The values of a qualifier that are called so, each with what it means.
async fn values_of(
    app: &App,
    viewer: &Viewer,
    qualifier: Qualifier,
    begun: &str,
) -> Result<Vec<(String, &'static str)>, AppError> {
    let lower = begun.to_lowercase();
    let begins = |value: &str| value.to_lowercase().starts_with(&lower);
    let plain = |values: Vec<String>| values.into_iter().map(|value| (value, "")).collect();
    let of_recent = |values: Vec<String>| values.into_iter().map(|value| (value, RECENT)).collect();
    let known = |values: &[(&'static str, &'static str)]| -> Vec<(String, &'static str)> {
        values.iter().filter(|(value, _)| begins(value)).map(|(value, about)| ((*value).to_owned(), *about)).collect()
    };
    let has_part = |name: &String| name.to_lowercase().contains(&lower);
    Ok(match qualifier {
        Qualifier::Status => {
            let statuses = EmailStatus::ALL.map(|status| (status.as_str(), ""));
            known(&[&[(PROBLEMS, "bounced, failed and spam")][..], &statuses].concat())
        }
        Qualifier::Channel => known(&Channel::ALL.map(|channel| (channel.as_str(), channel.label()))),
        Qualifier::Is => known(&[("resent", "it was sent again"), ("scheduled", "it waits for its time")]),
        Qualifier::Has => known(&[("attachment", "a file is attached")]),
        Qualifier::Reason => {
            let reasons = FailureClass::ALL.into_iter().map(|class| (class.slug(), class.label()));
            reasons.filter(|(slug, _)| begins(slug)).collect()
        }
        Qualifier::Provider => of_recent(providers(app, viewer, &lower).await?),
        Qualifier::Template => {
            let found = app.store.list_templates_named(viewer.team, begun, SHOWN as i64 + 1).await?;
            plain(found.into_iter().map(|(_, name)| name).collect())
        }
        Qualifier::Key => {
            let keys = app.store.list_api_keys(viewer.team).await?;
            let mut names: Vec<String> = Vec::new();
            for name in keys.into_iter().map(|key| key.name).filter(has_part) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            plain(names)
        }
        Qualifier::Adapter if viewer.may(Permission::AdaptersView) => {
            let adapters = app.store.list_adapters(viewer.team).await?;
            plain(adapters.into_iter().map(|adapter| adapter.name).filter(has_part).collect())
        }
        Qualifier::Tag => of_recent(recent(app, viewer, ValueKind::Tag, begun).await?),
        Qualifier::Server => of_recent(recent(app, viewer, ValueKind::Server, begun).await?),
        // Addresses, contents and ids are nobody's to guess, and times are written.
        Qualifier::Adapter
        | Qualifier::From
        | Qualifier::To
        | Qualifier::Subject
        | Qualifier::Reply
        | Qualifier::Group
        | Qualifier::Meta
        | Qualifier::Id
        | Qualifier::Person
        | Qualifier::Before
        | Qualifier::After => Vec::new(),
    })
}

/// Words that are a tag of recent messages, the name of an API key, a status or a reason, and nothing else, as that. Needs
/// `logs:view`.
pub async fn read_as_names(app: &App, viewer: &Viewer, search: &Search) -> Result<Vec<Search>, AppError> {
    viewer.require(Permission::LogsView)?;
    let words = search.terms.join(" ");
    let mut read = Vec::new();
    if words.is_empty() || !search.conditions.is_empty() {
        return Ok(read);
    }
    let lower = words.to_lowercase();
    for qualifier in [Qualifier::Tag, Qualifier::Key] {
        let values = values_of(app, viewer, qualifier, &words).await?;
        let named = values.into_iter().map(|(value, _)| value).find(|value| value.to_lowercase() == lower);
        read.extend(named.map(|value| Search::alone(qualifier, value)));
    }
    read.extend(search.as_outcome());
    Ok(read)
}

/// What recent messages have. Who sees addresses masked is not told of a value that holds one.
async fn recent(app: &App, viewer: &Viewer, kind: ValueKind, begun: &str) -> Result<Vec<String>, AppError> {
    let mut values = app.store.list_recent_values(viewer.team, kind, begun, SHOWN as i64 + 1).await?;
    if masks_addresses(viewer) {
        values.retain(|value| mask_addresses(value) == *value);
    }
    Ok(values)
}

/// Values of recent messages, at most eight each, in the place of what a search asks for that finds nothing: who runs their
/// mailboxes, those with a name first, and tags that begin as a tag that none of them has. Needs `logs:view`.
pub async fn list_instead(
    app: &App,
    viewer: &Viewer,
    search: &Search,
) -> Result<Vec<(Qualifier, Vec<String>)>, AppError> {
    viewer.require(Permission::LogsView)?;
    let mut instead = Vec::new();
    if search.with_value(Qualifier::Provider, "").is_some() {
        let mut names = providers(app, viewer, "").await?;
        names.sort_by_key(|name| !MailboxProvider::names().any(|known| known == name));
        instead.push((Qualifier::Provider, names));
    }
    if let Some(begun) = search.only_value(Qualifier::Tag) {
        let (lower, tags) = (begun.to_lowercase(), recent(app, viewer, ValueKind::Tag, begun).await?);
        if tags.iter().all(|tag| tag.to_lowercase() != lower) {
            instead.push((Qualifier::Tag, tags));
        }
    }
    instead.iter_mut().for_each(|(_, values)| values.truncate(SHOWN));
    Ok(instead)
}

/// Who runs the mailboxes that recent messages went to: those of most messages first, then those known by their servers
/// alone. Domains that nobody known runs stand for themselves, for who sees addresses.
async fn providers(app: &App, viewer: &Viewer, begun: &str) -> Result<Vec<String>, AppError> {
    let recent = async |kind| app.store.list_recent_values(viewer.team, kind, "", DOMAINS_LOOKED_AT).await;
    let name = |host: &String| MailboxProvider::of_host(host).map(|provider| provider.name.clone());
    let sees_domains = !masks_addresses(viewer);
    let of_domains = recent(ValueKind::Domain)
        .await?
        .into_iter()
        .filter_map(|domain| name(&domain).or_else(|| (sees_domains && domain.contains('.')).then_some(domain)));
    let of_servers = recent(ValueKind::Server).await?.into_iter().filter_map(|server| name(&server));
    let mut names: Vec<String> = Vec::new();
    for name in of_domains.chain(of_servers).filter(|name| name.to_lowercase().starts_with(begun)) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}
