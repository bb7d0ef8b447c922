//! What a search of the log comes to: the names in it resolved, for this viewer. Called by the page, its exports and the
//! canary API. Nobody finds by a part what they do not see: values that a role does not see at all are refused here, those
//! that it sees masked are found whole by [super::emails].

use crate::domain::address::logs::LogQuery;
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::failure::{FailureClass, MailboxProvider};
use crate::domain::filter::{Condition as Asked, EmailFilter, StatusSet, TimeRange, Wanted};
use crate::domain::ids::{ApiRequestId, EmailId, JobId, NotificationId, TemplateId};
use crate::domain::permission::Permission;
use crate::domain::search::{Condition, PARAMETER, Qualifier, Search, statuses_of};
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::services::period;

/// The shortest word that is looked up as an id, in characters: what providers give is never shorter.
const MIN_ID_CHARS: usize = 6;

/// How many names are said that are like a wrong one, at most.
const NAMES_SAID: usize = 3;

/// What a search leaves of `base`, which the other parameters make. Needs `logs:view`; metadata, `logs:reveal`.
pub async fn filter_of(
    app: &App,
    viewer: &Viewer,
    search: &Search,
    base: EmailFilter,
) -> Result<EmailFilter, AppError> {
    viewer.require(Permission::LogsView)?;
    let mut filter = base;
    if let Some(word) = search.only_word().filter(|_| filter.search.is_none()) {
        let ids = ids_named(app, viewer, word).await?;
        if !ids.is_empty() {
            filter.criteria.conditions.push(any_of(ids.into_iter().map(Wanted::Email).collect()));
            return Ok(filter);
        }
    }
    filter.search = match (filter.search.take(), search.free_text()) {
        (Some(before), Some(text)) => Some(format!("{before} {text}")),
        (before, text) => before.or(text),
    };
    for condition in &search.conditions {
        add(app, viewer, &mut filter, condition).await?;
    }
    narrow_statuses(&mut filter, search);
    Ok(filter)
}

/// What the log's page shows at an address, whichever of its pages. Needs `logs:view`.
pub async fn filter_at(app: &App, viewer: &Viewer, query: &LogQuery) -> Result<EmailFilter, AppError> {
    let period = period::resolve(&query.period, period::time_zone(viewer.time_zone()), app.clock.now())?;
    let LogQuery { statuses, template_id, channel, seen, ref search, .. } = *query;
    let range = TimeRange { to: [period.range.to, seen].into_iter().flatten().min(), ..period.range };
    let base = EmailFilter { range, statuses, template_id, channel, ..EmailFilter::default() };
    filter_of(app, viewer, search, base).await
}

/// The one message that a search names by its id, in any form, and by nothing else. Needs `logs:view`.
pub async fn find_named(app: &App, viewer: &Viewer, search: &Search) -> Result<Option<EmailId>, AppError> {
    viewer.require(Permission::LogsView)?;
    let Some(word) = search.only_word() else { return Ok(None) };
    let ids = ids_named(app, viewer, word).await?;
    Ok(if let [only] = ids[..] { Some(only) } else { None })
}

/// What the page says that shows another reading of words than they were typed in.
pub fn words_of_reading(typed: &Search, reading: &Search) -> String {
    let what: Vec<String> = reading.conditions.iter().flat_map(|condition| condition.values.clone()).collect();
    let what = what.join(", ");
    let are = match reading.conditions.iter().any(|condition| condition.qualifier == Qualifier::Provider) {
        true => "these went to mailboxes at",
        false => "these were answered with",
    };
    format!("No message has {typed} in its text; {are} {what}.")
}

async fn add(app: &App, viewer: &Viewer, filter: &mut EmailFilter, condition: &Condition) -> Result<(), AppError> {
    let Condition { qualifier, field, is_not, values } = condition;
    let texts = || values.iter().cloned();
    let wanted: Vec<Wanted> = match qualifier {
        Qualifier::Status => return Ok(()),
        Qualifier::Before | Qualifier::After => {
            let zone = period::time_zone(viewer.time_zone());
            for value in values {
                let at = period::parse_moment(PARAMETER, value, zone, app.clock.now())?;
                let TimeRange { from, to } = &mut filter.range;
                if *qualifier == Qualifier::After {
                    *from = Some(from.map_or(at, |from| from.max(at)));
                } else {
                    *to = Some(to.map_or(at, |to| to.min(at)));
                }
            }
            return Ok(());
        }
        Qualifier::Template => {
            let known = app.store.list_template_names(viewer.team).await?;
            let ids: Vec<TemplateId> = ids_of("template", values, &known, true)?;
            if let ([only], false, None) = (&ids[..], is_not, filter.template_id) {
                filter.template_id = Some(*only);
                return Ok(());
            }
            ids.into_iter().map(Wanted::Template).collect()
        }
        Qualifier::Channel => {
            let channels: Vec<Channel> = values.iter().filter_map(|name| name.parse().ok()).collect();
            if let ([only], false, None) = (&channels[..], is_not, filter.channel) {
                filter.channel = Some(*only);
                return Ok(());
            }
            channels.into_iter().map(Wanted::Channel).collect()
        }
        Qualifier::Key => {
            let keys = app.store.list_api_keys(viewer.team).await?;
            let known: Vec<_> = keys.into_iter().map(|key| (key.id, key.name)).collect();
            ids_of("API key", values, &known, true)?.into_iter().map(Wanted::Key).collect()
        }
        Qualifier::Adapter => {
            let adapters = app.store.list_adapters(viewer.team).await?;
            let known: Vec<_> = adapters.into_iter().map(|adapter| (adapter.id, adapter.name)).collect();
            let sees_names = viewer.may(Permission::AdaptersView);
            ids_of("adapter", values, &known, sees_names)?.into_iter().map(Wanted::Adapter).collect()
        }
        Qualifier::From => texts().map(Wanted::Sender).collect(),
        Qualifier::To => {
            if let ([only], false, None) = (&values[..], is_not, &filter.criteria.recipient)
                && is_address(only)
            {
                filter.criteria.recipient = Some(only.clone());
                return Ok(());
            }
            let recipient =
                |text: String| if is_address(&text) { Wanted::Recipient(text) } else { Wanted::RecipientPart(text) };
            texts().map(recipient).collect()
        }
        Qualifier::Subject => match (&values[..], is_not, &filter.criteria.subject) {
            ([only], false, None) => {
                filter.criteria.subject = Some(only.clone());
                return Ok(());
            }
            _ => texts().map(Wanted::Subject).collect(),
        },
        Qualifier::Tag => texts().map(Wanted::Tag).collect(),
        Qualifier::Reply => texts().map(Wanted::Reply).collect(),
        Qualifier::Reason | Qualifier::Group => {
            if !is_not {
                let (failed, _) = filter.statuses.or_all().split(StatusSet::FAILED);
                filter.criteria.nothing |= failed.is_empty();
                filter.statuses = failed;
            }
            let reason = |text: &String| FailureClass::from_slug(text).map(Wanted::Reason);
            let group = |text: &String| text.parse().ok().map(Wanted::Group);
            let is_reason = *qualifier == Qualifier::Reason;
            values.iter().filter_map(|text| if is_reason { reason(text) } else { group(text) }).collect()
        }
        Qualifier::Server => texts().map(Wanted::Server).collect(),
        Qualifier::Person => texts().map(Wanted::Person).collect(),
        Qualifier::Provider => values.iter().map(|name| provider(name)).collect(),
        Qualifier::Meta => {
            require_metadata(viewer)?;
            texts().map(|value| Wanted::Metadata { name: field.clone(), value }).collect()
        }
        Qualifier::Id => {
            let mut ids = Vec::new();
            for value in values {
                ids.extend(ids_named(app, viewer, value).await?);
            }
            ids.into_iter().map(Wanted::Email).collect()
        }
        Qualifier::Is => {
            let state = |name: &String| if name == "scheduled" { Wanted::Scheduled } else { Wanted::Resent };
            values.iter().map(state).collect()
        }
        Qualifier::Has => vec![Wanted::Attachment],
    };
    // What no message is need not be denied.
    if wanted.is_empty() && *is_not {
        return Ok(());
    }
    filter.criteria.nothing |= wanted.is_empty();
    filter.criteria.conditions.push(Asked { is_not: *is_not, any_of: wanted });
    Ok(())
}

fn any_of(any_of: Vec<Wanted>) -> Asked {
    Asked { is_not: false, any_of }
}

/// Statuses that must hold narrow those of `filter`, and the denied ones are left out.
fn narrow_statuses(filter: &mut EmailFilter, search: &Search) {
    let of = |is_not: bool| {
        let meant = search
            .conditions
            .iter()
            .filter(move |condition| condition.qualifier == Qualifier::Status && condition.is_not == is_not);
        statuses_of(meant.flat_map(|condition| condition.values.iter().map(String::as_str)))
    };
    let (wanted, denied) = (of(false), of(true));
    if wanted.is_empty() && denied.is_empty() {
        return;
    }
    let (both, _): (StatusSet, _) = filter.statuses.or_all().split(wanted.or_all());
    let (_, left) = both.split(denied);
    filter.criteria.nothing |= left.is_empty();
    filter.statuses = left;
}

/// Metadata is seen, and found, by who may reveal contents, without a reason where the team asks for one.
fn require_metadata(viewer: &Viewer) -> Result<(), AppError> {
    let is_locked = viewer.rules.reveals_with_reason && viewer.user_id().is_some();
    if viewer.may(Permission::LogsReveal) && !is_locked {
        return Ok(());
    }
    let why = if is_locked && viewer.may(Permission::LogsReveal) {
        "metadata is part of the contents, which this team shows message by message, for a reason"
    } else {
        "metadata is part of the contents of messages, which your role does not show"
    };
    Err(AppError::invalid_field(PARAMETER, why))
}

/// The ids that are written, or that are called so in any case of letters. The refusal says names that have what is written
/// in them to who sees all names.
fn ids_of<Id: std::str::FromStr + Copy>(
    noun: &str,
    values: &[String],
    known: &[(Id, String)],
    sees_names: bool,
) -> Result<Vec<Id>, AppError> {
    let mut ids = Vec::new();
    for value in values {
        let lower = value.to_lowercase();
        let named: Vec<Id> = known.iter().filter(|(_, name)| name.to_lowercase() == lower).map(|(id, _)| *id).collect();
        match value.parse() {
            _ if !named.is_empty() => ids.extend(named),
            Ok(id) => ids.push(id),
            Err(_) => {
                let like = if sees_names { names_like(&lower, known) } else { String::new() };
                let message = format!("there is no {noun} “{value}”: write its whole name, or its id{like}");
                return Err(AppError::invalid_field(PARAMETER, message));
            }
        }
    }
    Ok(ids)
}

/// The names that have this in them, each once: `. There is “Order receipt”, “Receipt”`; empty where none has.
fn names_like<Id>(lower: &str, known: &[(Id, String)]) -> String {
    let mut names: Vec<String> = Vec::new();
    for (_, name) in known.iter().filter(|(_, name)| name.to_lowercase().contains(lower)) {
        let quoted = format!("“{name}”");
        if !names.contains(&quoted) {
            names.push(quoted);
        }
    }
    names.truncate(NAMES_SAID);
    if names.is_empty() { String::new() } else { format!(". There is {}", names.join(", ")) }
}

/// Whether a text reads as a whole address, or number, rather than as a part of one.
fn is_address(text: &str) -> bool {
    let is_number = |digits: &str| digits.len() >= 7 && digits.bytes().all(|byte| byte.is_ascii_digit());
    text.strip_prefix('+').is_some_and(is_number)
        || text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

/// Who takes mail in under this name, or a domain.
fn provider(name: &str) -> Wanted {
    let lower = name.trim_start_matches('@').to_lowercase();
    let known = MailboxProvider::named(name);
    let mut all = Wanted::Provider { domains: Vec::new(), hosts: Vec::new() };
    if let Wanted::Provider { domains, hosts } = &mut all {
        if known.is_empty() {
            domains.push(lower);
        }
        for provider in known {
            domains.extend(provider.domains.iter().cloned());
            hosts.extend(provider.hosts.iter().cloned());
        }
    }
    all
}

/// The team's messages that an id names: their own, in any dialect's form, or that of their job, notification or request,
/// or one that a provider gave.
async fn ids_named(app: &App, viewer: &Viewer, text: &str) -> Result<Vec<EmailId>, AppError> {
    let text = text.trim().trim_start_matches('<').trim_end_matches('>');
    if text.chars().count() < MIN_ID_CHARS {
        return Ok(Vec::new());
    }
    let (store, team) = (&app.store, viewer.team);
    let mut ids = Vec::new();
    let own = text.split_once('@').map_or(text, |(own, _)| own);
    if let Ok(id) = own.parse::<EmailId>() {
        ids.extend(store.find_email(team, id).await?.map(|email| email.id));
    }
    if let Ok(job) = text.parse::<JobId>() {
        ids.extend(store.list_ids_of_job(team, job).await?);
    }
    if let Ok(notification) = text.parse::<NotificationId>() {
        ids.extend(store.list_emails_of_notification(team, notification).await?.into_iter().map(EmailId));
    }
    if let Ok(request) = text.parse::<ApiRequestId>() {
        ids.extend(store.list_emails_of_request(team, request).await?.into_iter().map(|email| email.id));
    }
    ids.extend(store.list_ids_by_provider(team, &[&format!("<{text}>"), text]).await?);
    ids.sort();
    ids.dedup();
    Ok(ids)
}
