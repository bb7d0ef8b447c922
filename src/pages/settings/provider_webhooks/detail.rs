//! `/settings/provider-webhooks/:id`: one address, how it is set up at its provider, and what came of it.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use super::NeedsSecret;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::copy_button::CopyButton;
use crate::components::field::{OfTeam, TextField};
use crate::components::history_link::HistoryLink;
use crate::components::number::grouped;
use crate::components::time::{Time, TimeStyle};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, WebhookId};
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::plain_words::sentence;
use crate::domain::provider_webhook::{ProviderWebhook, Refused, SecretSource};
use crate::pages::settings::{Tab, settings_detail};
use crate::server_fns::provider_webhooks::{
    ConnectProviderWebhook, DeleteProviderWebhook, ProviderWebhookView, UpdateProviderWebhook, load_provider_webhook,
};

#[component]
pub fn ProviderWebhookPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<WebhookId>().ok()));
    let load = async move { load_provider_webhook(id.ok_or_else(|| AppError::not_found("Provider webhook"))?).await };
    settings_detail(Tab::ProviderWebhooks, load, |view: ProviderWebhookView| {
        let history = view! { <HistoryLink object=view.webhook.id.to_string()/> }.into_any();
        (view.webhook.name.clone(), history, view! { <Webhook view/> })
    })
}

#[component]
fn Webhook(view: ProviderWebhookView) -> impl IntoView {
    let ProviderWebhookView { webhook, address, adapters, draft } = view;
    let set_up = address.map(|address| view! { <SetUp webhook=webhook.clone() address adapters draft/> });
    let refusals = (!webhook.refusals.is_empty()).then(|| view! { <Refusals refusals=webhook.refusals.clone()/> });
    let heard = match (webhook.heard_at, webhook.has_secret) {
        (Some(at), _) => view! { <Time at/> }.into_any(),
        (None, true) => view! { <span class="nothing">"never"</span> }.into_any(),
        (None, false) => view! { <NeedsSecret/> }.into_any(),
    };
    let removal = may(Permission::AdaptersDelete).then(|| view! { <Removal webhook=webhook.clone()/> });
    view! {
        <section class="panel" aria-label="The webhook">
            <dl class="facts panel-body">
                <div class="fact"><dt>"Provider"</dt><dd>{webhook.provider.label()}</dd></div>
                <div class="fact"><dt>"Last heard"</dt><dd>{heard}</dd></div>
                <div class="fact"><dt>"Recorded"</dt><dd>{grouped(webhook.recorded)} " events"</dd></div>
                <div class="fact"><dt>"Added"</dt><dd><Time at=webhook.created_at style=TimeStyle::Minute/></dd></div>
            </dl>
        </section>
        {set_up}
        {refusals}
        {removal}
    }
}

/// The address, what to do with it at the provider, and the secret that comes back from there.
#[component]
fn SetUp(webhook: ProviderWebhook, address: String, adapters: Vec<(AdapterId, String)>, draft: Draft) -> impl IntoView {
    let steps = webhook.provider.steps().iter().map(|step| view! { <li>{*step}</li> }).collect_view();
    let secret = match webhook.provider.secret_source() {
        SecretSource::InAddress => None,
        SecretSource::Theirs(label) => {
            Some(view! { <Secret label has_secret=webhook.has_secret draft=draft.clone()/> })
        }
    };
    view! {
        <section class="panel" aria-label="Set up">
            <div class="panel-head">
                <h2>"Set up at " {webhook.provider.label()}</h2>
                <p>"Whoever has the address can post to it. Keep it as you keep a password."</p>
            </div>
            {(!adapters.is_empty()).then(|| view! { <Connect webhook=webhook.clone() adapters/> })}
            <div class="stack panel-body">
                <p class="with-copy hook-address">
                    <code>{address.clone()}</code>
                    <CopyButton text=address label="Copy the address"/>
                </p>
                <ol class="hook-steps">{steps}</ol>
            </div>
            <form class="stack panel-body" method="post" action=mounted(UpdateProviderWebhook::PATH) data-unsaved="">
                <OfTeam/>
                <input type="hidden" name="id" value=webhook.id.to_string()/>
                <div class="short">
                    <TextField
                        label="Name"
                        name="name"
                        max_length=100
                        value=draft.get("name").unwrap_or_else(|| webhook.name.clone())
                        error=draft.error("name")
                    />
                </div>
                {secret}
                <div class="form-foot"><button class="button primary">"Save"</button></div>
            </form>
        </section>
    }
}

/// The provider sets it up itself, where it is asked with the key of an adapter.
#[component]
fn Connect(webhook: ProviderWebhook, adapters: Vec<(AdapterId, String)>) -> impl IntoView {
    let label = webhook.provider.label();
    let id = webhook.id.to_string();
    let forms = adapters.into_iter().map(|(adapter, name)| {
        let title = format!("Connect {label} with the key of “{name}”");
        view! {
            <form method="post" action=mounted(ConnectProviderWebhook::PATH) data-once>
                <input type="hidden" name="id" value=id.clone()/>
                <button class="button primary" name="adapter" value=adapter.to_string() title=title>
                    "Connect with “" {name} "”"
                </button>
            </form>
        }
    });
    view! {
        <div class="panel-body hook-connect">
            <p>{format!("{label} sets this up by itself when it is asked with the key of your adapter. Otherwise do it by hand, as below.")}</p>
            <div class="panel-actions">{forms.collect_view()}</div>
        </div>
    }
}

/// What the provider signs by: several lines where it has several.
#[component]
fn Secret(label: &'static str, has_secret: bool, draft: Draft) -> impl IntoView {
    let error = draft.error("secret");
    let hint = match has_secret {
        true => "It is kept encrypted and not shown. Leave it empty to keep it; type it anew to replace it.",
        false => {
            "Until it is here, what the provider posts is refused. During a change, several may stand here, a line each."
        }
    };
    let described_by = if error.is_some() { "secret-error secret-hint" } else { "secret-hint" };
    view! {
        <div class="field">
            <label for="secret">{label}</label>
            <textarea
                id="secret"
                name="secret"
                rows="2"
                class="source"
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
                required=!has_secret
                autofocus=error.is_some()
                aria-invalid=error.is_some().then_some("true")
                aria-describedby=described_by
            ></textarea>
            {error.map(|error| view! { <p class="field-error" id="secret-error">{sentence(&error)}</p> })}
            <p class="hint" id="secret-hint">{hint}</p>
        </div>
    }
}

#[component]
fn Refusals(refusals: Vec<Refused>) -> impl IntoView {
    let rows = refusals.into_iter().map(|Refused { reason, times, last_at, words }| {
        view! {
            <tr role="row">
                <td role="cell">{reason.label()}</td>
                <td role="cell"><span class="stacked-label">"Times "</span>{grouped(times)}</td>
                <td role="cell"><span class="stacked-label">"Last "</span><Time at=last_at/></td>
                <td role="cell">{words}</td>
            </tr>
        }
    });
    view! {
        <section class="panel" aria-label="Refused">
            <div class="panel-head"><h2>"Refused"</h2><p>"Nothing of it is kept."</p></div>
            <table class="table stacked" role="table">
                <thead role="rowgroup">
                    <tr role="row">
                        <th role="columnheader" scope="col">"Reason"</th>
                        <th role="columnheader" scope="col">"Times"</th>
                        <th role="columnheader" scope="col">"Last"</th>
                        <th role="columnheader" scope="col">"What was wrong"</th>
                    </tr>
                </thead>
                <tbody role="rowgroup">{rows.collect_view()}</tbody>
            </table>
        </section>
    }
}

#[component]
fn Removal(webhook: ProviderWebhook) -> impl IntoView {
    view! {
        <section class="panel" aria-label="Remove">
            <div class="panel-head">
                <h2>"Remove"</h2>
                <p>"The address stops working at once. What was recorded stays."</p>
                <div class="panel-actions">
                    <Confirm
                        id="remove-webhook"
                        button="Remove"
                        title=format!("Remove the provider webhook “{}”?", webhook.name)
                        confirm="Remove for good"
                        action=DeleteProviderWebhook::PATH
                        fields=vec![("id", webhook.id.to_string())]
                    >
                        <p>"What its provider posts is refused from now on. You cannot undo this; you can add another one."</p>
                    </Confirm>
                </div>
            </div>
        </section>
    }
}
