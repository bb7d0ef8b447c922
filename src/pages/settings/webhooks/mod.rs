//! `/settings/webhooks`: the addresses of the team's own programs that are told what becomes of messages, the page of one with
//! what it was told, and the page of one delivery.

mod delivery;
mod detail;
mod form;
mod log;

use leptos::prelude::*;

pub use self::delivery::DeliveryPage;
pub use self::detail::WebhookPage;
use self::form::NewWebhook;
pub use self::log::delivery_words;
use super::{Tab, settings_page};
use crate::components::can::may;
use crate::components::empty_state::EmptyState;
use crate::components::icon::{Glyph, Icon};
use crate::components::time::Time;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::webhook::Webhook;
use crate::server_fns::webhooks::{WebhooksView, load_webhooks};

const PATH: &str = "/settings/webhooks";

/// The webhooks.
#[component]
pub fn WebhooksPage() -> impl IntoView {
    settings_page(Tab::Webhooks, load_webhooks(), |view| view! { <Webhooks view/> })
}

#[component]
fn Webhooks(view: WebhooksView) -> impl IntoView {
    let WebhooksView { webhooks, draft } = view;
    let list = if webhooks.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Bell title="No program is told yet">
                <p>
                    "A webhook is an address of your own that Sendlog posts to when a message is delivered, bounces, is opened
                    and so on, so that your programs need not ask."
                </p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! { <WebhookTable webhooks/> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Webhooks">{list}</section>
        {may(Permission::WebhooksCreate).then(|| view! { <NewWebhook draft/> })}
    }
}

#[component]
fn WebhookTable(webhooks: Vec<Webhook>) -> impl IntoView {
    let rows = webhooks.into_iter().map(|webhook| {
        let url = format!("{PATH}/{}", webhook.id);
        let host = (webhook.host != webhook.name).then(|| view! { <span>{webhook.host.clone()}</span> });
        let shape = webhook.shape.label();
        view! {
            <tr role="row">
                <td role="cell">
                    <span class="two-lines"><strong><a href=mounted(url)>{webhook.name.clone()}</a></strong>{host}</span>
                </td>
                <td role="cell"><span class="stacked-label">"Shape "</span>{shape}</td>
                <td role="cell"><span class="stacked-label">"Last success "</span><Success webhook=webhook.clone()/></td>
                <td role="cell"><State webhook/></td>
            </tr>
        }
    });
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Webhook"</th>
                    <th role="columnheader" scope="col">"Shape"</th>
                    <th role="columnheader" scope="col">"Last success"</th>
                    <th role="columnheader" scope="col">"State"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows.collect_view()}</tbody>
        </table>
    }
}

/// When it last took something.
#[component]
fn Success(webhook: Webhook) -> impl IntoView {
    match webhook.succeeded_at {
        Some(at) => view! { <Time at/> }.into_any(),
        None => view! { <span class="nothing">"never"</span> }.into_any(),
    }
}

/// Whether it is on, and whether it fails.
#[component]
fn State(webhook: Webhook) -> impl IntoView {
    match (webhook.disabled, webhook.is_on, webhook.failing_since) {
        (Some((at, reason)), ..) => view! {
            <span class="two-lines">
                <span class="ends-soon"><Icon glyph=Glyph::Alert/>"switched off by Sendlog, " <Time at/></span>
                <span>{reason.label()}</span>
            </span>
        }
        .into_any(),
        (None, false, _) => view! { <span class="nothing">"off"</span> }.into_any(),
        (None, true, Some(since)) => {
            view! { <span class="ends-soon"><Icon glyph=Glyph::Alert/>"failing since " <Time at=since/></span> }
                .into_any()
        }
        (None, true, None) => view! { "on" }.into_any(),
    }
}
