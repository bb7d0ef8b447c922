//! What the team's webhooks were told of a message, under its timeline.

use leptos::prelude::*;

use crate::components::time::{Time, TimeStyle};
use crate::domain::mount::mounted;
use crate::domain::webhook::ToldWebhook;
use crate::pages::settings::webhooks::delivery_words;

#[component]
pub(super) fn Told(
    /// The oldest first; none for those who may not view webhooks.
    webhooks: Vec<ToldWebhook>,
) -> impl IntoView {
    let rows = webhooks.into_iter().rev().map(|ToldWebhook { webhook, delivery }| {
        let page = format!("/settings/webhooks/{}/deliveries/{}", delivery.webhook_id, delivery.id);
        view! {
            <li>
                <a href=mounted(page)>"Webhook " {webhook}</a>
                " " <code>{delivery.kind.clone()}</code> " " {delivery_words(&delivery)} " "
                {delivery.tried_at.map(|at| view! { <Time at style=TimeStyle::ShortSecond/> })}
            </li>
        }
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| {
        view! {
            <section class="told-webhooks" aria-label="Webhooks">
                <h2>"Webhooks"</h2>
                <ul class="plain-list">{rows}</ul>
            </section>
        }
    })
}
