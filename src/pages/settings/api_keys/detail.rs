//! `/settings/api-keys/:id`: one key, and the forms that change, rotate and end it.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use super::form::{LimitFields, ScopeGroups, TeamsOwn, scopes_of};
use super::{Ending, RecentRequests, RevokeKey, api_words, bound_words, held_back_words, is_owner, scope_words};
use crate::components::can::may;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::history_link::HistoryLink;
use crate::components::number::grouped;
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::api_key::ApiKey;
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::ApiKeyId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::pages::settings::{Tab, settings_detail};
use crate::server_fns::api_keys::{ApiKeyView, RotateApiKey, UpdateApiKey, load_api_key};

/// How long the old secret can count on, in seconds.
const OVERLAPS: [(&str, &str); 4] =
    [("0", "It stops working now"), ("3600", "1 hour"), ("86400", "24 hours"), ("604800", "7 days")];

/// The one that is chosen at first.
const USUAL_OVERLAP: &str = "86400";

#[component]
pub fn ApiKeyPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<ApiKeyId>().ok()));
    let load = async move { load_api_key(id.ok_or_else(|| AppError::not_found("API key"))?).await };
    settings_detail(Tab::ApiKeys, load, |view: ApiKeyView| {
        let history = view! { <HistoryLink object=view.key.id.to_string()/> }.into_any();
        (view.key.name.clone(), history, view! { <Key view/> })
    })
}

#[component]
fn Key(view: ApiKeyView) -> impl IntoView {
    let ApiKeyView { key, recent, server_rate_limit, draft } = view;
    provide_context(RecentRequests(recent));
    let is_living = !key.has_ended(ViewerClock::of_page().now);
    let own = use_context::<Viewer>().map(|viewer| viewer.permissions).unwrap_or_default();
    let may_do_more = is_living && may(Permission::ApiKeysCreate) && !own.contains_all(key.scopes);
    let is_owners = is_living && may(Permission::ApiKeysCreate) && key.belongs_to_team && !is_owner();
    let is_changeable = is_living && may(Permission::ApiKeysCreate) && !may_do_more && !is_owners;
    let is_revocable = is_living && may(Permission::ApiKeysRevoke);
    let forms = is_changeable.then(|| {
        view! {
            <Rotation key=key.clone()/>
            <Change key=key.clone() draft server_rate_limit/>
        }
    });
    let revocation = is_revocable.then(|| view! { <Revocation key=key.clone()/> });
    view! {
        <section class="panel" aria-label="The key"><Facts key server_rate_limit/></section>
        {may_do_more.then(|| view! {
            <p class="lead">"This key has permissions that you do not have, so you cannot change or rotate it."</p>
        })}
        {(is_owners && !may_do_more).then(|| view! {
            <p class="lead">"This key belongs to the team. Only an owner can change or rotate it."</p>
        })}
        {forms}
        {revocation}
    }
}

#[component]
fn Facts(key: ApiKey, server_rate_limit: u32) -> impl IntoView {
    let now = ViewerClock::of_page().now;
    let never = || view! { <span class="nothing">"never"</span> }.into_any();
    let time = |at| view! { <Time at style=TimeStyle::Minute/> }.into_any();
    let maker = key.created_by_name.clone().map(|name| format!(" by {name}"));
    let maker = maker.or_else(|| key.created_by.is_none().then(|| " at the command line, or by a key".to_owned()));
    let held_back = key.held_back.map(|_| {
        view! {
            <div class="fact">
                <dt>"May now"</dt>
                <dd>{scope_words(key.effective)} <span class="name">{held_back_words(&key)}</span></dd>
            </div>
        }
    });
    let rate = match key.limits.rate_limit {
        Some(limit) => format!("{} in a second", grouped(i64::from(limit))),
        None => format!("{} in a second, the server's limit", grouped(i64::from(server_rate_limit))),
    };
    let previous = key.previous_ends_at.filter(|end| *end > now && !key.has_ended(now));
    view! {
        <dl class="facts panel-body">
            <div class="fact"><dt>"Begins with"</dt><dd><code>{format!("{}…", key.prefix)}</code></dd></div>
            <div class="fact"><dt>"May"</dt><dd>{scope_words(key.scopes)}</dd></div>
            {held_back}
            <div class="fact"><dt>"Bound by"</dt><dd>{bound_words(&key)}</dd></div>
            <div class="fact"><dt>"For"</dt><dd>{api_words(&key.limits)}</dd></div>
            <div class="fact"><dt>"Requests"</dt><dd>{rate}</dd></div>
            <div class="fact">
                <dt>"Ends"</dt>
                <dd><Ending key=key.clone()/> {key.limits.expires_at.map(|at| view! { <span class="name">{time(at)}</span> })}</dd>
            </div>
            <div class="fact"><dt>"Last used"</dt><dd>{key.last_used_at.map_or_else(never, time)}</dd></div>
            <div class="fact"><dt>"Created"</dt><dd>{time(key.created_at)} {maker}</dd></div>
            <div class="fact"><dt>"Rotated"</dt><dd>{key.rotated_at.map_or_else(never, time)}</dd></div>
            {previous.map(|end| view! {
                <div class="fact"><dt>"Old secret"</dt><dd>"counts until " {time(end)}</dd></div>
            })}
        </dl>
    }
}

#[component]
fn Rotation(key: ApiKey) -> impl IntoView {
    let options = OVERLAPS.map(|(value, words)| (value.to_owned(), words.to_owned())).to_vec();
    view! {
        <section class="panel" aria-label="Rotate">
            <div class="panel-head">
                <h2>"Rotate"</h2>
                <p>"Creates a new secret and shows it once. The old one keeps working for the time you choose."</p>
            </div>
            <form class="row-form panel-body" method="post" action=mounted(RotateApiKey::PATH)>
                <input type="hidden" name="id" value=key.id.to_string()/>
                <SelectField label="The old secret works for" name="overlap_seconds" options selected=USUAL_OVERLAP/>
                <button class="button">"Create a new secret"</button>
            </form>
        </section>
    }
}

#[component]
fn Change(key: ApiKey, draft: Draft, server_rate_limit: u32) -> impl IntoView {
    let own = use_context::<Viewer>().map(|viewer| viewer.permissions).unwrap_or_default();
    let chosen = scopes_of(&draft).unwrap_or(key.scopes);
    view! {
        <section class="panel" aria-label="Change">
            <div class="panel-head"><h2>"Change"</h2></div>
            <form class="stack panel-body" method="post" action=mounted(UpdateApiKey::PATH) data-unsaved="">
                <OfTeam/>
                <input type="hidden" name="id" value=key.id.to_string()/>
                <div class="short">
                    <TextField
                        label="Name"
                        name="name"
                        value=draft.get("name").unwrap_or_else(|| key.name.clone())
                        error=draft.error("name")
                    />
                </div>
                <ScopeGroups offered=own chosen/>
                <TeamsOwn is_teams_own=key.belongs_to_team draft=draft.clone()/>
                <LimitFields limits=key.limits draft is_new=false server_rate_limit/>
                <div class="form-foot"><button class="button primary">"Save"</button></div>
            </form>
        </section>
    }
}

#[component]
fn Revocation(key: ApiKey) -> impl IntoView {
    view! {
        <section class="panel" aria-label="Revoke">
            <div class="panel-head">
                <h2>"Revoke"</h2>
                <p>"Stops the key at once. You cannot undo this."</p>
                <div class="panel-actions"><RevokeKey key small=false button="Revoke key"/></div>
            </div>
        </section>
    }
}
