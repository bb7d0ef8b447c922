//! `/settings/webhooks/:id/deliveries/:delivery`: one thing that a webhook was told, with what was posted and answered.

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_router::hooks::use_params_map;

use super::PATH;
use super::log::delivery_words;
use crate::components::can::may;
use crate::components::copy_button::CopyButton;
use crate::components::json::indented;
use crate::components::number::grouped;
use crate::components::time::{Time, TimeStyle};
use crate::domain::error::AppError;
use crate::domain::ids::{EventId, OutgoingWebhookId};
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::webhook::DeliveryDetail;
use crate::pages::settings::{Tab, settings_detail};
use crate::server_fns::webhooks::{DeliveryView, ReplayDelivery, load_delivery};

#[component]
pub fn DeliveryPage() -> impl IntoView {
    let ids = use_params_map().with_untracked(|params| {
        let id: OutgoingWebhookId = params.get_str("id")?.parse().ok()?;
        let delivery: EventId = params.get_str("delivery")?.parse().ok()?;
        Some((id, delivery))
    });
    let load = async move {
        let (id, delivery) = ids.ok_or_else(|| AppError::not_found("Delivery"))?;
        load_delivery(id, delivery).await
    };
    settings_detail(Tab::Webhooks, load, |view: DeliveryView| {
        let page = format!("{PATH}/{}", view.webhook.id);
        let back = view! { <a href=mounted(page)>{view.webhook.name.clone()}</a> }.into_any();
        (view.detail.delivery.kind.clone(), back, view! { <Delivery detail=view.detail/> })
    })
}

#[component]
fn Delivery(detail: DeliveryDetail) -> impl IntoView {
    let DeliveryDetail { delivery, body, answer } = detail;
    let is_hidden = body.is_none();
    let replay = may(Permission::WebhooksUpdate).then(|| {
        view! {
            <form class="panel-actions" method="post" action=mounted(ReplayDelivery::PATH) data-once>
                <input type="hidden" name="id" value=delivery.webhook_id.to_string()/>
                <button class="button" name="delivery" value=delivery.id.to_string()>"Post again"</button>
            </form>
        }
    });
    let message = delivery.email_id.map(|email| {
        view! {
            <div class="fact">
                <dt>"Message"</dt>
                <dd><a class="id-link" href=mounted(format!("/logs/{email}"))>{email.to_string()}</a></dd>
            </div>
        }
    });
    let tried = delivery.tried_at.map(|at| {
        view! { <div class="fact"><dt>"Last try"</dt><dd><Time at style=TimeStyle::Second/></dd></div> }
    });
    view! {
        <section class="panel" aria-label="The delivery">
            <div class="panel-head"><h2>{delivery.kind.clone()}</h2>{replay}</div>
            <dl class="facts panel-body">
                <div class="fact"><dt>"Result"</dt><dd>{delivery_words(&delivery)}</dd></div>
                <div class="fact"><dt>"Tries"</dt><dd>{grouped(delivery.tries)}</dd></div>
                {tried}
                <div class="fact"><dt>"Event"</dt><dd><Time at=delivery.id.created_at() style=TimeStyle::Second/></dd></div>
                <div class="fact"><dt>"Id"</dt><dd><code>{delivery.id.to_string()}</code></dd></div>
                {message}
            </dl>
        </section>
        <Text title="Posted" text=body.map(|body| indented(&body)) is_hidden/>
        <Text title="Answer" text=answer.map(|answer| indented(&answer)) is_hidden/>
    }
}

#[component]
fn Text(title: &'static str, text: Option<String>, is_hidden: bool) -> impl IntoView {
    let content = match &text {
        Some(text) if !text.is_empty() => {
            view! { <pre class="code body" tabindex="0" aria-label=title>{text.clone()}</pre> }.into_any()
        }
        Some(_) => view! { <p class="nothing">"Empty."</p> }.into_any(),
        None if is_hidden => {
            view! { <p class="nothing">"Hidden: it tells of a message whose contents you may not see."</p> }.into_any()
        }
        None => view! { <p class="nothing">"Nothing yet."</p> }.into_any(),
    };
    view! {
        <section class="panel" aria-label=title>
            <div class="panel-head">
                <h2>{title}</h2>
                {text.map(|text| view! {
                    <span class="panel-actions"><CopyButton text label=format!("Copy: {title}")/></span>
                })}
            </div>
            <div class="panel-body">{content}</div>
        </section>
    }
}
