//! `/settings/provider-webhooks`: the addresses that providers post to, when each was last heard from, what was refused, and
//! the page of one with what to do at the provider.

mod detail;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;

pub use self::detail::ProviderWebhookPage;
use super::{Tab, settings_page};
use crate::components::can::may;
use crate::components::empty_state::EmptyState;
use crate::components::field::SelectField;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::{counted, grouped};
use crate::components::time::Time;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::provider_webhook::{ProviderWebhook, WebhookProvider};
use crate::server_fns::provider_webhooks::{CreateProviderWebhook, load_provider_webhooks};

/// The addresses.
#[component]
pub fn ProviderWebhooksPage() -> impl IntoView {
    settings_page(Tab::ProviderWebhooks, load_provider_webhooks(), |webhooks| view! { <ProviderWebhooks webhooks/> })
}

#[component]
fn ProviderWebhooks(webhooks: Vec<ProviderWebhook>) -> impl IntoView {
    let list = if webhooks.is_empty() {
        view! {
            <EmptyState glyph=Glyph::Bell title="No provider reports yet">
                <p>
                    "Mail servers say only that they took a message. What comes after, your provider knows: let it post
                    deliveries, bounces, opens and complaints here."
                </p>
            </EmptyState>
        }
        .into_any()
    } else {
        view! { <WebhookTable webhooks/> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Provider webhooks">{list}</section>
        {may(Permission::AdaptersCreate).then(|| view! { <NewWebhook/> })}
    }
}

#[component]
fn NewWebhook() -> impl IntoView {
    let options = WebhookProvider::ALL.map(|provider| (provider.as_str().to_owned(), provider.label().to_owned()));
    view! {
        <section class="panel" aria-label="Add a provider webhook">
            <div class="panel-head">
                <h2>"Add a provider"</h2>
                <p>"Makes an address for it to post to, and says what to do there."</p>
            </div>
            <form class="row-form panel-body" method="post" action=mounted(CreateProviderWebhook::PATH)>
                <SelectField label="Provider" name="provider" options=options.to_vec() selected="sendgrid"/>
                <button class="button primary">"Add"</button>
            </form>
        </section>
    }
}

#[component]
fn WebhookTable(webhooks: Vec<ProviderWebhook>) -> impl IntoView {
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Provider"</th>
                    <th role="columnheader" scope="col">"Last heard from"</th>
                    <th role="columnheader" scope="col">"Events recorded"</th>
                    <th role="columnheader" scope="col">"Refused"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">
                {webhooks.into_iter().map(|webhook| view! { <WebhookRow webhook/> }).collect_view()}
            </tbody>
        </table>
    }
}

#[component]
fn WebhookRow(webhook: ProviderWebhook) -> impl IntoView {
    let url = format!("/settings/provider-webhooks/{}", webhook.id);
    let provider = webhook.provider.label();
    let provider = (webhook.name != provider).then(|| view! { <span>{provider}</span> });
    view! {
        <tr role="row">
            <td role="cell">
                <span class="two-lines">
                    <strong><a href=mounted(url)>{webhook.name.clone()}</a></strong>
                    {provider}
                </span>
            </td>
            <td role="cell"><Heard webhook=webhook.clone()/></td>
            <td role="cell"><span class="stacked-label">"Recorded "</span>{grouped(webhook.recorded)}</td>
            <td role="cell">{refused_words(&webhook)}</td>
        </tr>
    }
}

/// When its provider was last heard from, or what that waits for.
#[component]
fn Heard(webhook: ProviderWebhook) -> impl IntoView {
    match (webhook.heard_at, webhook.has_secret) {
        (Some(at), _) => view! { <span class="stacked-label">"Last heard from "</span><Time at/> }.into_any(),
        (None, true) => {
            view! { <span class="nothing">"never"<span class="stacked-label">" heard from"</span></span> }.into_any()
        }
        (None, false) => view! { <NeedsSecret/> }.into_any(),
    }
}

/// That what its provider signs by is not known yet.
#[component]
fn NeedsSecret() -> impl IntoView {
    view! { <span class="ends-soon"><Icon glyph=Glyph::Key/>"needs its secret"</span> }
}

/// How much was refused, and for what above all.
fn refused_words(webhook: &ProviderWebhook) -> AnyView {
    let times: i64 = webhook.refusals.iter().map(|refused| refused.times).sum();
    match webhook.refusals.first() {
        None => {
            view! { <span class="nothing">"nothing"<span class="stacked-label">" refused"</span></span> }.into_any()
        }
        Some(last) => view! {
            <span class="two-lines">
                <span>{counted(times, "time", "times")}<span class="stacked-label">" refused"</span></span>
                <span>{last.reason.label()} ", " <Time at=last.last_at/></span>
            </span>
        }
        .into_any(),
    }
}
