//! `/settings/webhooks/:id`: one webhook, its secret, and what it was told.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use super::form::EditWebhook;
use super::log::{Asked, Deliveries, ReplaySpan};
use super::{State, Success};
use crate::components::address::query_value;
use crate::components::can::may;
use crate::components::confirm::Confirm;
use crate::components::copy_button::CopyButton;
use crate::components::history_link::HistoryLink;
use crate::components::icon::{Glyph, Icon};
use crate::components::time::{Time, TimeStyle};
use crate::domain::error::AppError;
use crate::domain::ids::OutgoingWebhookId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::webhook::Webhook;
use crate::pages::settings::{Tab, settings_detail};
use crate::server_fns::webhooks::{
    DeleteWebhook, EnableWebhook, RotateWebhookSecret, ShownSecrets, TestWebhook, WebhookView, load_webhook,
};

/// A webhook. `?show=failed` lists what failed, `?before=` is where a page of the list ends.
#[component]
pub fn WebhookPage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse().ok()));
    let failed = query_value("show").is_some_and(|show| show == "failed");
    let asked = Asked { failed, before: query_value("before").and_then(|id| id.parse().ok()) };
    let load = async move {
        let id: OutgoingWebhookId = id.ok_or_else(|| AppError::not_found("Webhook"))?;
        load_webhook(id, asked.failed, asked.before).await
    };
    settings_detail(Tab::Webhooks, load, move |view: WebhookView| {
        let history = view! { <HistoryLink object=view.webhook.id.to_string()/> }.into_any();
        (view.webhook.name.clone(), history, view! { <Page view asked/> })
    })
}

#[component]
fn Page(view: WebhookView, asked: Asked) -> impl IntoView {
    let WebhookView { webhook, secrets, page, draft } = view;
    let id = webhook.id;
    let edit = secrets.as_ref().map(|secrets| {
        view! { <EditWebhook webhook=webhook.clone() url=secrets.url.clone() draft=draft.clone()/> }
    });
    let is_off = !webhook.is_on || webhook.disabled.is_some();
    let events = match &webhook.kinds[..] {
        [] => "every kind".to_owned(),
        kinds => kinds.iter().map(|kind| kind.label()).collect::<Vec<_>>().join(", "),
    };
    let actions = may(Permission::WebhooksUpdate).then(|| view! { <Actions id is_off/> });
    view! {
        {is_off.then(|| view! { <SwitchedOff webhook=webhook.clone()/> })}
        <section class="panel" aria-label="The webhook">
            <div class="panel-head"><h2>{webhook.host.clone()}</h2>{actions}</div>
            <dl class="facts panel-body">
                <div class="fact"><dt>"State"</dt><dd><State webhook=webhook.clone()/></dd></div>
                <div class="fact"><dt>"Last success"</dt><dd><Success webhook=webhook.clone()/></dd></div>
                <div class="fact"><dt>"Shape"</dt><dd>{webhook.shape.label()}</dd></div>
                <div class="fact"><dt>"Events"</dt><dd>{events}</dd></div>
                <div class="fact"><dt>"Added"</dt><dd><Time at=webhook.created_at style=TimeStyle::Minute/></dd></div>
            </dl>
        </section>
        <Deliveries id page asked/>
        <ReplaySpan id draft/>
        {edit}
        {secrets.map(|secrets| view! { <Secret id secrets/> })}
        {may(Permission::WebhooksDelete).then(|| view! { <Removal webhook/> })}
    }
}

#[component]
fn Actions(id: OutgoingWebhookId, is_off: bool) -> impl IntoView {
    (!is_off).then(|| {
        view! {
            <form class="panel-actions" method="post" action=mounted(TestWebhook::PATH) data-once>
                <input type="hidden" name="id" value=id.to_string()/>
                <button class="button">"Send a test"</button>
            </form>
        }
    })
}

/// Why nothing is posted, and the button that ends that.
#[component]
fn SwitchedOff(webhook: Webhook) -> impl IntoView {
    let why = match webhook.disabled {
        Some((at, reason)) => {
            let when = view! { <Time at style=TimeStyle::Minute/> };
            view! { <p><strong>"Sendlog has switched it off"</strong> ", " {when} ". " {reason.label()} "."</p> }
                .into_any()
        }
        None => view! { <p><strong>"It is switched off"</strong> "."</p> }.into_any(),
    };
    let button = may(Permission::WebhooksUpdate).then(|| {
        view! {
            <form method="post" action=mounted(EnableWebhook::PATH) data-once>
                <input type="hidden" name="id" value=webhook.id.to_string()/>
                <button class="button small">"Switch it on"</button>
            </form>
        }
    });
    view! {
        <div class="callout" data-tone="waiting">
            <Icon glyph=Glyph::Alert/>
            <div class="callout-body">
                {why}
                <p>"Of what happens meanwhile it is told nothing. What waited before is posted when it is on."</p>
            </div>
            {button}
        </div>
    }
}

#[component]
fn Secret(id: OutgoingWebhookId, secrets: ShownSecrets) -> impl IntoView {
    let ShownSecrets { secret, former_until, .. } = secrets;
    let former = former_until.map(|until| {
        view! { <p>"Until " <Time at=until style=TimeStyle::Minute/> " posts are signed with the secret before it as well."</p> }
    });
    view! {
        <section class="panel" aria-label="Secret">
            <div class="panel-head">
                <h2>"Secret"</h2>
                <p>"What a post is signed with. Your program checks by it that Sendlog posted."</p>
                <div class="panel-actions">
                    <Confirm
                        id="rotate-secret"
                        button="Replace"
                        title="Replace the secret?"
                        confirm="Replace"
                        action=RotateWebhookSecret::PATH
                        fields=vec![("id", id.to_string())]
                    >
                        <p>
                            "For 24 hours posts carry the signatures of both. JetEmail's own header has room for one: it is the new
                            one's at once."
                        </p>
                    </Confirm>
                </div>
            </div>
            <div class="stack panel-body">
                <details>
                    <summary>"Show the secret"</summary>
                    <p class="with-copy"><code>{secret.clone()}</code><CopyButton text=secret label="Copy the secret"/></p>
                </details>
                {former}
            </div>
        </section>
    }
}

#[component]
fn Removal(webhook: Webhook) -> impl IntoView {
    view! {
        <section class="panel" aria-label="Remove">
            <div class="panel-head">
                <h2>"Remove"</h2>
                <p>"Nothing is posted there any more, and what it was told is deleted."</p>
                <div class="panel-actions">
                    <Confirm
                        id="remove-webhook"
                        button="Remove"
                        title=format!("Remove the webhook “{}”?", webhook.name)
                        confirm="Remove for good"
                        action=DeleteWebhook::PATH
                        fields=vec![("id", webhook.id.to_string())]
                    >
                        <p>"What still waits to be posted is not posted. You cannot undo this."</p>
                    </Confirm>
                </div>
            </div>
        </section>
    }
}
