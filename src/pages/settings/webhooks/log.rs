//! What a webhook was told: the table, its filter, and telling it again of a span of time.

use chrono::TimeDelta;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;

use super::PATH;
use crate::components::can::may;
use crate::components::field::OfTeam;
use crate::components::http::HttpStatusBadge;
use crate::components::number::grouped;
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::address::url;
use crate::domain::draft::Draft;
use crate::domain::ids::{EventId, OutgoingWebhookId};
use crate::domain::mount::mounted;
use crate::domain::page::CursorPage;
use crate::domain::permission::Permission;
use crate::domain::plain_words::sentence;
use crate::domain::webhook::{DeliveryState, MAX_REPLAYED, WebhookDelivery};
use crate::server_fns::webhooks::ReplayDeliveries;

/// What the page's address asks for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Asked {
    pub failed: bool,
    pub before: Option<EventId>,
}

impl Asked {
    fn url(self, id: OutgoingWebhookId) -> String {
        let failed = self.failed.then(|| ("show", "failed".to_owned()));
        let before = self.before.map(|before| ("before", before.to_string()));
        url(&format!("{PATH}/{id}"), failed.into_iter().chain(before).collect::<Vec<_>>())
    }
}

#[component]
pub(super) fn Deliveries(id: OutgoingWebhookId, page: CursorPage<WebhookDelivery>, asked: Asked) -> impl IntoView {
    let link = |words: &'static str, failed: bool| {
        let current = (asked.failed == failed).then_some("true");
        view! { <a href=mounted(Asked { failed, before: None }.url(id)) aria-current=current>{words}</a> }
    };
    let older =
        page.items.last().filter(|_| page.has_more).map(|last| Asked { before: Some(last.id), ..asked }.url(id));
    let newest = asked.before.map(|_| Asked { before: None, ..asked }.url(id));
    let steps = (newest.is_some() || older.is_some()).then(|| {
        view! {
            <div class="panel-foot">
                <p>{newest.map(|url| view! { <a href=mounted(url) rel="first">"Back to the newest"</a> })}</p>
                <nav class="pagination" aria-label="Pages">
                    {older.map(|url| view! { <a class="page-step" href=mounted(url) rel="next">"Older"</a> })}
                </nav>
            </div>
        }
    });
    let list = if page.items.is_empty() {
        let words = if asked.failed { "Nothing failed." } else { "It was told nothing in the last 30 days." };
        view! { <p class="panel-note">{words}</p> }.into_any()
    } else {
        view! { <DeliveryTable id items=page.items/> }.into_any()
    };
    view! {
        <section class="panel" aria-label="Deliveries">
            <div class="panel-head">
                <h2>"Deliveries"</h2>
                <nav class="segments panel-actions" aria-label="Which deliveries">{link("All", false)}{link("Failed", true)}</nav>
            </div>
            {list}
            {steps}
        </section>
    }
}

#[component]
fn DeliveryTable(id: OutgoingWebhookId, items: Vec<WebhookDelivery>) -> impl IntoView {
    let rows = items.into_iter().map(|delivery| {
        let page = format!("{PATH}/{id}/deliveries/{}", delivery.id);
        let about =
            delivery.email_id.map(|email| view! { <span><a href=mounted(format!("/logs/{email}"))>"its message"</a></span> });
        view! {
            <tr role="row">
                <td role="cell">
                    <span class="two-lines"><strong><a href=mounted(page)>{delivery.kind.clone()}</a></strong>{about}</span>
                </td>
                <td role="cell"><Time at=delivery.id.created_at() style=TimeStyle::ShortSecond/></td>
                <td role="cell">{delivery_words(&delivery)}</td>
                <td role="cell"><span class="stacked-label">"Tries "</span>{grouped(delivery.tries)}</td>
            </tr>
        }
    });
    view! {
        <table class="table stacked" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Type"</th>
                    <th role="columnheader" scope="col">"Event"</th>
                    <th role="columnheader" scope="col">"What came of it"</th>
                    <th role="columnheader" scope="col">"Tries"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows.collect_view()}</tbody>
        </table>
    }
}

/// What came of a delivery: `answered 200 in 35 ms`, `failed, next try at …`.
pub fn delivery_words(delivery: &WebhookDelivery) -> AnyView {
    let badge = delivery.status.map(|status| view! { <HttpStatusBadge status/> " " });
    let duration = delivery.duration_ms.map(|duration| format!("in {} ms", grouped(duration)));
    let next = delivery.next_try_at.map(|at| view! { <Time at style=TimeStyle::ShortSecond/> });
    match (delivery.state, delivery.tried_at) {
        (DeliveryState::Delivered, _) => view! { <span>"answered " {badge} {duration}</span> }.into_any(),
        (DeliveryState::Waiting, None) => view! { <span>"waiting to be posted"</span> }.into_any(),
        (DeliveryState::Waiting, Some(_)) if !delivery.has_failed => {
            view! { <span>"waiting to be posted again"</span> }.into_any()
        }
        (DeliveryState::Waiting, Some(_)) => view! { <span>{badge} "failed, next try at " {next}</span> }.into_any(),
        (DeliveryState::Failed, _) => view! { <span>{badge} "failed, no try follows"</span> }.into_any(),
    }
}

/// Telling it again of a span of time: of the last day where nothing is typed.
#[component]
pub(super) fn ReplaySpan(id: OutgoingWebhookId, draft: Draft) -> impl IntoView {
    let clock = ViewerClock::of_page();
    let local = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&clock.zone).format("%Y-%m-%dT%H:%M").to_string();
    let from = draft.get("from").unwrap_or_else(|| local(clock.now - TimeDelta::days(1)));
    let to = draft.get("to").unwrap_or_else(|| local(clock.now + TimeDelta::minutes(1)));
    let field = |label: &'static str, name: &'static str, value: String| {
        let error = draft.error(name);
        let error_id = error.as_ref().map(|_| format!("{name}-error"));
        view! {
            <div class="field">
                <label for=name>{label}</label>
                <input
                    id=name
                    name=name
                    type="datetime-local"
                    value=value
                    autocomplete="off"
                    required
                    aria-invalid=error.is_some().then_some("true")
                    aria-describedby=error_id.clone()
                />
                {error.map(|error| view! { <p class="field-error" id=error_id>{sentence(&error)}</p> })}
            </div>
        }
    };
    may(Permission::WebhooksUpdate).then(|| {
        view! {
            <section class="panel" aria-label="Post again">
                <div class="panel-head">
                    <h2>"Post again"</h2>
                    <p>"What happened between two times, at most " {grouped(MAX_REPLAYED)} " at once. Ids stay the same."</p>
                </div>
                <form class="row-form panel-body" method="post" action=mounted(ReplayDeliveries::PATH) data-once>
                    <OfTeam/>
                    <input type="hidden" name="id" value=id.to_string()/>
                    {field("From", "from", from)}
                    {field("To", "to", to)}
                    <div class="field">
                        <label for="which">"Which"</label>
                        <select id="which" name="which" autocomplete="off">
                            <option value="failed">"Those that failed"</option>
                            <option value="all">"All"</option>
                        </select>
                    </div>
                    <button class="button">"Post again"</button>
                </form>
            </section>
        }
    })
}
