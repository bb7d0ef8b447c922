//! `/settings/api-keys`: the team's keys, and the form for a new one.

mod detail;
mod form;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

pub use self::detail::ApiKeyPage;
pub use self::form::KeyNameField;
use self::form::NewKey;
use super::roles::grouped_by_noun;
use super::{Tab, settings_page};
use crate::components::can::{Can, may};
use crate::components::confirm::Confirm;
use crate::components::empty_state::EmptyState;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::{counted, grouped};
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::api_key::{ApiKey, COUNTED_REQUESTS, HeldBack, KeyApi, KeyLimits};
use crate::domain::ids::ApiKeyId;
use crate::domain::mount::mounted;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::domain::viewer::Viewer;
use crate::server_fns::api_keys::{ApiKeysView, RevokeApiKey, load_api_keys};

/// From how many days before its end on a key is marked.
const SOON_DAYS: i64 = 14;

/// How many requests each key made in the last days.
#[derive(Clone, Default)]
struct RecentRequests(Vec<(ApiKeyId, i64)>);

impl RecentRequests {
    fn of(&self, key: ApiKeyId) -> i64 {
        self.0.iter().find(|(id, _)| *id == key).map_or(0, |(_, count)| *count)
    }
}

/// The ways in.
#[component]
pub fn ApiKeysPage() -> impl IntoView {
    settings_page(Tab::ApiKeys, load_api_keys(), |keys| view! { <ApiKeys keys/> })
}

#[component]
fn ApiKeys(keys: ApiKeysView) -> impl IntoView {
    let ApiKeysView { keys, recent, server_rate_limit, draft } = keys;
    provide_context(RecentRequests(recent));
    let now = ViewerClock::of_page().now;
    let (ended, living): (Vec<ApiKey>, Vec<ApiKey>) = keys.into_iter().partition(|key| key.has_ended(now));
    let list = if living.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Key title="No API key yet">
                <p>"Your application needs a key to send. The key decides what the application may do."</p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! { <KeyTable keys=living/> }.into_any()
    };
    let ended = (!ended.is_empty()).then(|| {
        let words = counted(ended.len() as i64, "key that has ended", "keys that have ended");
        view! {
            <details class="panel fold">
                <summary>{words}<Icon glyph=Glyph::Chevron/></summary>
                <KeyTable keys=ended/>
            </details>
        }
    });
    view! {
        <section class="panel" aria-label="API keys">{list}</section>
        {ended}
        <Can permission=Permission::ApiKeysCreate><NewKey draft=draft.clone() server_rate_limit/></Can>
    }
}

#[component]
fn KeyTable(keys: Vec<ApiKey>) -> impl IntoView {
    view! {
        <table class="table stacked key-table" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Key"</th>
                    <th role="columnheader" scope="col">"May"</th>
                    <th role="columnheader" scope="col">"Ends"</th>
                    <th role="columnheader" scope="col">"Last used"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">{keys.into_iter().map(|key| view! { <KeyRow key/> }).collect_view()}</tbody>
        </table>
    }
}

#[component]
fn KeyRow(key: ApiKey) -> impl IntoView {
    let now = ViewerClock::of_page().now;
    let is_living = !key.has_ended(now);
    let action = (is_living && may(Permission::ApiKeysRevoke)).then(|| {
        view! { <RevokeKey key=key.clone() small=true button="Revoke"/> }
    });
    let last_used = match key.last_used_at {
        Some(at) => view! { <span class="stacked-label">"Last used "</span><Time at/> }.into_any(),
        None => view! { <span class="nothing">"never"<span class="stacked-label">" used"</span></span> }.into_any(),
    };
    let url = format!("/settings/api-keys/{}", key.id);
    let maker = key.created_by_name.clone();
    view! {
        <tr role="row" data-revoked=(!is_living).then_some("")>
            <td role="cell">
                <span class="two-lines">
                    <strong><a href=mounted(url)>{key.name.clone()}</a></strong>
                    <code>{format!("{}…", key.prefix)}</code>
                </span>
            </td>
            <td role="cell" class="scopes">
                <span class="two-lines">
                    <span>{scope_words(key.effective)}</span>
                    <span>{format!("{} · {}", api_words(&key.limits), reach_words(&key))}</span>
                </span>
            </td>
            <td role="cell"><Ending key=key.clone()/></td>
            <td role="cell" class="used">
                <span class="two-lines">
                    <span>{last_used}</span>
                    {maker.map(|name| view! { <span>"made by " {name}</span> })}
                </span>
            </td>
            <td role="cell" class="actions">{action}</td>
        </tr>
    }
}

/// Asks before a key is revoked.
#[component]
fn RevokeKey(key: ApiKey, small: bool, button: &'static str) -> impl IntoView {
    let used = match key.last_used_at {
        Some(at) => view! { "It was last used " <Time at style=TimeStyle::Minute/> ". " }.into_any(),
        None => "It was never used. ".into_any(),
    };
    let recent = match use_context::<RecentRequests>().unwrap_or_default().of(key.id) {
        0 => "It made no request in the last 7 days. ".to_owned(),
        count if count >= COUNTED_REQUESTS => {
            format!("It made {} requests or more in the last 7 days. ", grouped(count))
        }
        count => format!("It made {} in the last 7 days. ", counted(count, "request", "requests")),
    };
    let rotate = may(Permission::ApiKeysCreate).then(|| {
        let url = format!("/settings/api-keys/{}", key.id);
        view! { "To replace the secret without an interruption, " <a href=mounted(url)>"rotate it on its page"</a> "." }
    });
    view! {
        <Confirm
            id=format!("revoke-{}", key.id)
            button
            label=format!("Revoke {}", key.name)
            small
            title=format!("Revoke the key “{}”?", key.name)
            confirm="Revoke for good"
            action=RevokeApiKey::PATH
            fields=vec![("id", key.id.to_string())]
        >
            <p>{used} {recent} "Programs that use it get an error at once. You cannot undo this."</p>
            <p>{rotate}</p>
        </Confirm>
    }
}

/// When a key ends or ended. One that ends soon is marked.
#[component]
fn Ending(key: ApiKey) -> impl IntoView {
    let now = ViewerClock::of_page().now;
    if let Some(at) = key.revoked_at {
        return view! { <span class="nothing">"revoked " <Time at style=TimeStyle::Day/></span> }.into_any();
    }
    match key.limits.expires_at {
        None => view! { <span class="nothing">"no end"</span> }.into_any(),
        Some(at) if at <= now => {
            view! { <span class="nothing">"ended " <Time at style=TimeStyle::Day/></span> }.into_any()
        }
        Some(at) if (at - now).num_days() < SOON_DAYS => view! {
            <span class="ends-soon"><Icon glyph=Glyph::Clock/>{ending_words((at - now).num_minutes())}</span>
        }
        .into_any(),
        Some(at) => {
            let clock = ViewerClock::of_page();
            view! { <span title=clock.format_exactly(at)>{ending_words((at - now).num_minutes())}</span> }.into_any()
        }
    }
}

/// How far away an end is: "ends in 12 days".
fn ending_words(minutes: i64) -> String {
    let words = match minutes {
        ..60 => counted(minutes.max(1), "minute", "minutes"),
        60..2880 => counted(minutes / 60, "hour", "hours"),
        _ => counted(minutes / 1440, "day", "days"),
    };
    format!("ends in {words}")
}

/// What a key may do, in words: "Messages: view, send · Templates: all".
fn scope_words(scopes: PermissionSet) -> String {
    if scopes == PermissionSet::all() {
        return "Everything".to_owned();
    }
    if scopes == PermissionSet::default() {
        return "Nothing".to_owned();
    }
    let groups = grouped_by_noun().into_iter().filter_map(|(noun, permissions)| {
        let held: Vec<&str> =
            permissions.iter().filter(|permission| scopes.contains(**permission)).map(verb_of).collect();
        match held.len() {
            0 => None,
            count if count == permissions.len() && count > 1 => Some(format!("{noun}: all")),
            _ => Some(format!("{noun}: {}", held.join(", "))),
        }
    });
    groups.collect::<Vec<_>>().join(" · ")
}

/// Whether the page is an owner's.
fn is_owner() -> bool {
    use_context::<Viewer>().is_some_and(|viewer| viewer.role() == Some(Role::Owner))
}

/// What bounds a key, in words.
fn bound_words(key: &ApiKey) -> String {
    match (&key.created_by_name, key.belongs_to_team) {
        (_, true) => "Its permissions only: the key belongs to the team".to_owned(),
        (Some(name), false) => format!("What {name} may do: the key can never do more"),
        (None, false) => "What its creator may do: the key can never do more".to_owned(),
    }
}

/// Why a key may do less than its scopes say.
fn held_back_words(key: &ApiKey) -> String {
    let maker = key.created_by_name.as_deref().unwrap_or("who created it");
    match key.held_back {
        None => String::new(),
        Some(HeldBack::MakerLeft) => format!("because {maker} is not in the team any more"),
        Some(HeldBack::MakerLacksTwoFactor) => {
            format!("because the team demands two-factor authentication, which {maker} has not set up")
        }
        Some(HeldBack::MakerMayLess) => format!("because {maker} may no more than that"),
    }
}

/// Whose rights bound a key, in a few words.
fn reach_words(key: &ApiKey) -> String {
    match (key.held_back, key.belongs_to_team) {
        (Some(_), _) => held_back_words(key),
        (None, true) => "the team's own".to_owned(),
        (None, false) => "bound by its maker".to_owned(),
    }
}

/// What is done, of a permission's name: `view` of `logs:view`.
fn verb_of(permission: &Permission) -> &'static str {
    permission.as_str().split_once(':').map_or("", |(_, verb)| verb)
}

/// Which APIs a key is for, in words.
fn api_words(limits: &KeyLimits) -> String {
    match &limits.apis {
        None => "Any API".to_owned(),
        Some(apis) => apis.iter().map(|api| KeyApi::label(*api)).collect::<Vec<_>>().join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_said_by_their_nouns() {
        let words = |scopes: &[Permission]| scope_words(scopes.iter().copied().collect());
        use Permission::*;
        assert_eq!(words(&[EmailsSend, LogsView]), "Messages: view, send");
        let templates = [TemplatesView, TemplatesCreate, TemplatesUpdate, TemplatesDelete, AuditView];
        assert_eq!(words(&templates), "Templates: all · Audit: view");
        assert_eq!(words(&Permission::ALL), "Everything");
        assert_eq!(words(&[]), "Nothing");
    }

    #[test]
    fn an_end_is_said_in_the_unit_that_fits() {
        assert_eq!(ending_words(0), "ends in 1 minute");
        assert_eq!(ending_words(90), "ends in 1 hour");
        assert_eq!(ending_words(47 * 60), "ends in 47 hours");
        assert_eq!(ending_words(12 * 1440 + 700), "ends in 12 days");
    }
}
