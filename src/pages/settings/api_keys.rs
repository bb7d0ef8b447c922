//! `/settings/api-keys`

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::{Tab, settings_page};
use crate::components::can::{Can, may};
use crate::components::empty_state::EmptyState;
use crate::components::field::TextField;
use crate::components::icon::Glyph;
use crate::components::time::{Time, TimeStyle};
use crate::domain::api_key::ApiKey;
use crate::domain::permission::{Permission, PermissionSet};
use crate::server_fns::api_keys::{ApiKeysView, CreateApiKey, RevokeApiKey, load_api_keys};
use crate::server_fns::draft::Draft;

/// The ways in.
#[component]
pub fn ApiKeysPage() -> impl IntoView {
    settings_page(Tab::ApiKeys, load_api_keys(), |keys| view! { <ApiKeys keys/> })
}

#[component]
fn ApiKeys(keys: ApiKeysView) -> impl IntoView {
    let ApiKeysView { keys, draft } = keys;
    let list = if keys.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Key title="No API key yet">
                <p>"Your application sends with a key. It says what the application may do."</p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! { <KeyTable keys/> }.into_any()
    };
    view! {
        <section class="panel" aria-label="API keys">{list}</section>
        <Can permission=Permission::ApiKeysCreate><NewKey draft=draft.clone()/></Can>
    }
}

#[component]
fn KeyTable(keys: Vec<ApiKey>) -> impl IntoView {
    view! {
        <table class="table">
            <thead>
                <tr>
                    <th scope="col">"Key"</th>
                    <th scope="col" class="wide-only">"May"</th>
                    <th scope="col" class="wide-only">"Last used"</th>
                    <th scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody>{keys.into_iter().map(|key| view! { <KeyRow key/> }).collect_view()}</tbody>
        </table>
    }
}

#[component]
fn KeyRow(key: ApiKey) -> impl IntoView {
    let label = format!("Revoke {}", key.name);
    let action = match key.revoked_at {
        Some(at) => view! { <span class="nothing">"revoked " <Time at style=TimeStyle::Day/></span> }.into_any(),
        None if may(Permission::ApiKeysRevoke) => view! {
            <form method="post" action=RevokeApiKey::PATH>
                <button class="button small danger" name="id" value=key.id.to_string() aria-label=label>"Revoke"</button>
            </form>
        }
        .into_any(),
        None => ().into_any(),
    };
    let last_used = match key.last_used_at {
        Some(at) => view! { <Time at/> }.into_any(),
        None => view! { <span class="nothing">"never"</span> }.into_any(),
    };
    view! {
        <tr data-revoked=key.revoked_at.is_some().then_some("")>
            <td>
                <span class="two-lines"><strong>{key.name}</strong><code>{format!("{}…", key.prefix)}</code></span>
            </td>
            <td class="wide-only scopes">{scope_words(key.scopes)}</td>
            <td class="wide-only">{last_used}</td>
            <td class="actions">{action}</td>
        </tr>
    }
}

fn scope_words(scopes: PermissionSet) -> String {
    if scopes == PermissionSet::all() {
        return "everything".to_owned();
    }
    scopes.iter().map(Permission::as_str).collect::<Vec<_>>().join(", ")
}

#[component]
fn NewKey(draft: Draft) -> impl IntoView {
    let usual = [Permission::EmailsSend, Permission::LogsView];
    let boxes = Permission::ALL.iter().filter(|permission| may(**permission)).map(|permission| {
        view! {
            <label class="check">
                <input type="checkbox" name="scopes[]" value=permission.as_str() checked=usual.contains(permission)/>
                <span>{permission.description()} <code>{permission.as_str()}</code></span>
            </label>
        }
    });
    let boxes = boxes.collect_view();
    view! {
        <section class="panel" aria-label="Create a key">
            <div class="panel-head"><h2>"Create a key"</h2></div>
            <form class="stack panel-body" method="post" action=CreateApiKey::PATH>
                <div class="short"><TextField label="Name" name="name" placeholder="checkout-prod" value=draft.text("name")/></div>
                <fieldset class="checks">
                    <legend>"What it may do"</legend>
                    {boxes}
                </fieldset>
                <div class="form-foot"><button class="button primary">"Create key"</button></div>
            </form>
        </section>
    }
}
