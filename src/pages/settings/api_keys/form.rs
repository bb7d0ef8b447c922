//! What a key may do and what bounds it, as fields of a form.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::super::roles::grouped_by_noun;
use super::is_owner;
use crate::components::field::{OfTeam, SelectField, TextField};
use crate::components::icon::{Glyph, Icon};
use crate::components::number::grouped;
use crate::components::periods::DayInput;
use crate::domain::api_key::{KeyApi, KeyLimits, rate_words};
use crate::domain::draft::Draft;
use crate::domain::field_rule::FieldRule;
use crate::domain::mount::mounted;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::plain_words::sentence;
use crate::domain::viewer::Viewer;
use crate::server_fns::api_keys::{CreateApiKey, ScopePreset};

/// What is ticked at first among the permissions.
const USUAL: [Permission; 2] = [Permission::EmailsSend, Permission::LogsView];

#[component]
pub(super) fn NewKey(draft: Draft, server_rate_limit: u32) -> impl IntoView {
    let own = use_context::<Viewer>().map(|viewer| viewer.permissions).unwrap_or_default();
    let chosen = scopes_of(&draft).unwrap_or_else(|| USUAL.into_iter().filter(|each| own.contains(*each)).collect());
    let preset = draft.get("preset").unwrap_or_else(|| ScopePreset::Read.as_str().to_owned());
    let is_offered = |each: &ScopePreset| own.contains_all(each.scopes(own, PermissionSet::default()));
    let offered: Vec<ScopePreset> = ScopePreset::ALL.into_iter().filter(is_offered).collect();
    let has_preset = offered.iter().any(|each| each.as_str() == preset);
    let presets = offered.into_iter().map(|each| {
        let is_checked = if has_preset { each.as_str() == preset } else { each == ScopePreset::Chosen };
        view! {
            <label class="check">
                <input type="radio" name="preset" value=each.as_str() checked=is_checked/>
                <span>{preset_words(each)}</span>
            </label>
        }
    });
    let presets = presets.collect_view();
    let limits = KeyLimits::default();
    view! {
        <section class="panel" aria-label="Create a key">
            <div class="panel-head"><h2>"Create a key"</h2></div>
            <form class="stack panel-body scoped-form" method="post" action=mounted(CreateApiKey::PATH) data-unsaved="">
                <OfTeam/>
                <div class="short"><KeyNameField draft=draft.clone()/></div>
                <fieldset class="choices">
                    <legend>"What it may do"</legend>
                    {presets}
                </fieldset>
                <ScopeGroups offered=own chosen/>
                <TeamsOwn is_teams_own=false draft=draft.clone()/>
                <LimitFields limits draft is_new=true server_rate_limit/>
                <div class="form-foot"><button class="button primary">"Create key"</button></div>
            </form>
        </section>
    }
}

/// What a new key is called. The page for connecting programs asks it too.
#[component]
pub fn KeyNameField(
    /// What was typed and refused.
    draft: Draft,
) -> impl IntoView {
    let (value, error) = (draft.text("name"), draft.error("name"));
    view! { <TextField label="Name" name="name" placeholder="checkout-prod" value error/> }
}

const fn preset_words(preset: ScopePreset) -> &'static str {
    match preset {
        ScopePreset::Send => "Send only",
        ScopePreset::Read => "Send, and read the log and templates",
        ScopePreset::Everything => "Everything you may do",
        ScopePreset::Chosen => "Choose one by one",
    }
}

/// The permissions in foldable groups, a box each.
#[component]
pub(super) fn ScopeGroups(
    /// Those that can be ticked.
    offered: PermissionSet,
    /// Those that are.
    chosen: PermissionSet,
) -> impl IntoView {
    let groups = grouped_by_noun().into_iter().filter_map(|(noun, permissions)| {
        let permissions: Vec<Permission> =
            permissions.into_iter().filter(|permission| offered.contains(*permission)).collect();
        let ticked = permissions.iter().filter(|permission| chosen.contains(**permission)).count();
        let count = format!("{ticked} of {}", permissions.len());
        let boxes = permissions.iter().map(|permission| {
            view! {
                <label class="check">
                    <input type="checkbox" name="scopes[]" value=permission.as_str() checked=chosen.contains(*permission)/>
                    <span>{permission.label()} <code>{permission.as_str()}</code></span>
                </label>
            }
        });
        let boxes = boxes.collect_view();
        (!permissions.is_empty()).then(|| {
            view! {
                <details class="scope-group" open={ticked > 0}>
                    <summary>{noun} " " <span class="nothing">{count}</span><Icon glyph=Glyph::Chevron/></summary>
                    <div class="checks" role="group" aria-label=noun>{boxes}</div>
                </details>
            }
        })
    });
    view! { <div class="scope-groups" role="group" aria-label="Permissions">{groups.collect_view()}</div> }
}

/// Whose rights bound the key. Only owners are asked.
#[component]
pub(super) fn TeamsOwn(
    /// Whether it is the team's own.
    is_teams_own: bool,
    /// What was typed and refused.
    draft: Draft,
) -> impl IntoView {
    let is_chosen = draft.get("belongs_to_team").map_or(is_teams_own, |chosen| chosen == "true");
    is_owner().then(|| {
        view! {
            <fieldset class="choices">
                <legend>"Who it belongs to"</legend>
                <input type="hidden" name="asks_owner" value="true"/>
                <label class="check">
                    <input type="checkbox" name="belongs_to_team" value="true" checked=is_chosen/>
                    <span>
                        "The key belongs to the team and keeps its permissions whoever leaves or changes role. Otherwise it can "
                        "never do more than the person who created it."
                    </span>
                </label>
            </fieldset>
        }
    })
}

/// End, APIs and rate limit.
#[component]
pub(super) fn LimitFields(
    /// What they are.
    limits: KeyLimits,
    /// What was typed and refused.
    draft: Draft,
    /// Whether the key is still to be made.
    is_new: bool,
    /// The server's limit.
    server_rate_limit: u32,
) -> impl IntoView {
    let kept = (!is_new).then_some(("keep", "As it is"));
    let ends = kept.into_iter().chain([
        ("never", "Never"),
        ("30", "In 30 days"),
        ("90", "In 90 days"),
        ("365", "In a year"),
        ("date", "On a date"),
    ]);
    let ends = ends.map(|(value, words)| (value.to_owned(), words.to_owned())).collect::<Vec<_>>();
    let end = draft.get("ends").filter(|ends| !ends.is_empty());
    let selected = end.unwrap_or_else(|| if is_new { "never" } else { "keep" }.to_owned());
    let rate = draft.get("rate_limit");
    let rate = rate.or_else(|| limits.rate_limit.map(|limit| limit.to_string())).unwrap_or_default();
    let drafted = draft.get("apis");
    let is_for = |api: KeyApi| match &drafted {
        Some(names) => names.split(' ').any(|name| name == api.as_str()),
        None => limits.allow(api),
    };
    let apis = KeyApi::ALL.map(|api| {
        view! {
            <label class="check">
                <input type="checkbox" name="limits[apis][]" value=api.as_str() checked=is_for(api)/>
                <span>{api.label()}</span>
            </label>
        }
    });
    let rate_hint = format!("Leave it empty for the server's limit of {}.", grouped(i64::from(server_rate_limit)));
    view! {
        <fieldset class="choices">
            <legend>"For which APIs"</legend>
            <input type="hidden" name="limits[asks_apis]" value="true"/>
            {apis.collect_view()}
        </fieldset>
        <div class="limit-fields">
            <SelectField label="Ends" name="limits[ends]" options=ends selected/>
            <div class="field">
                <label for="ends-on">"Last day, for “On a date”"</label>
                <DayInput
                    id="ends-on"
                    name="limits[ends_on]"
                    value=draft.text("ends_on")
                    error=draft.error("ends_on").map(|_| "ends-on-error")
                />
                {draft.error("ends_on").map(|words| view! { <p class="field-error" id="ends-on-error">{sentence(&words)}</p> })}
            </div>
            <TextField
                label="Requests per second"
                name="limits[rate_limit]"
                rule=(FieldRule::Number { min: 1, max: server_rate_limit }, sentence(&rate_words(server_rate_limit)))
                hint=rate_hint
                required=false
                value=rate
                error=draft.error("rateLimit")
            />
        </div>
    }
}

/// The permissions that were ticked in a form that was refused.
pub(super) fn scopes_of(draft: &Draft) -> Option<PermissionSet> {
    draft.get("scopes").map(|names| names.split(' ').filter_map(|name| name.parse::<Permission>().ok()).collect())
}
