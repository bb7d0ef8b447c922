//! A message in the panel beside the list of the log: what became of it and why, the last events, every fact. Nothing is
//! revealed here. `components::behaviour` fetches it while one goes from row to row.

use leptos::prelude::*;

use super::facts::Facts;
use super::{Addressee, Outcome, own_message_id};
use crate::components::email_words::shown_subject;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::components::status_badge::StatusBadge;
use crate::components::timeline::Timeline;
use crate::domain::email::EmailDetail;
use crate::domain::mount::mounted;
use crate::server_fns::emails::PeekView;

/// The id of the panel, which is on the page whether it shows something or not.
const PANEL: &str = "peek";

/// As many of the last events are shown.
const EVENTS: usize = 4;

/// The panel. Without anything to show it is hidden.
#[component]
pub fn Peek(
    /// What was asked for; in it `None` where there is no such message.
    peeked: Option<Option<PeekView>>,
    /// The address of the list without the panel.
    close: String,
) -> impl IntoView {
    let Some(shown) = peeked else {
        return view! { <section id=PANEL class="peek" aria-label="Beside the list" tabindex="-1" hidden></section> }
            .into_any();
    };
    let content = match shown {
        Some(shown) => view! { <Message shown close/> }.into_any(),
        None => view! {
            <div class="peek-head">
                <h2>"There is no such message"</h2>
                <Close close/>
            </div>
            <p class="panel-note">"It may be older than what the team keeps."</p>
        }
        .into_any(),
    };
    view! { <section id=PANEL class="panel peek" aria-label="Beside the list" tabindex="-1">{content}</section> }
        .into_any()
}

#[component]
fn Close(close: String) -> impl IntoView {
    view! {
        <a class="icon-button" href=mounted(close) data-peek-close data-press="Escape" title="Close (Esc)" aria-label="Close">
            <Icon glyph=Glyph::Cross/>
        </a>
    }
}

#[component]
fn Message(shown: PeekView, close: String) -> impl IntoView {
    let PeekView { detail, arrived_later } = shown;
    let EmailDetail { email, content, mut events, visibility, copy, changes, failure, .. } = detail;
    let EmailDetail { mailbox_provider, mailbox_providers, .. } = detail;
    let links_addresses = !visibility.masks_addresses;
    let url = format!("/logs/{}", email.id);
    let message_id = own_message_id(&email, &events);
    let earlier = events.len().saturating_sub(EVENTS);
    let last = events.split_off(earlier);
    let earlier = (earlier > 0).then(|| {
        let words = counted(earlier as i64, "earlier event", "earlier events");
        view! { <p class="panel-note"><a href=mounted(url.clone())>{words}</a></p> }
    });
    view! {
        <div class="peek-head">
            <h2 dir="auto">{shown_subject(&email.subject, email.channel)}</h2>
            <a class="button small" href=mounted(url)>"Open"</a>
            <Close close/>
        </div>
        <div class="peek-lead">
            <StatusBadge status=email.status/>
            <Addressee email=email.clone() links_addresses/>
        </div>
        <div class="peek-outcome">
            <Outcome email=email.clone() copy changes=changes.clone() failure mailbox_provider arrived_later/>
        </div>
        <Timeline events=last has_several_recipients={email.recipients.len() > 1}/>
        {earlier}
        <Facts email changes content message_id mailbox_providers links_addresses opens_attachments=false/>
    }
}
