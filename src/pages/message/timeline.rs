//! What happened to a message, newest first.

use leptos::prelude::*;

use crate::components::icon::Icon;
use crate::components::status_badge::status_glyph;
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::event::{EmailEvent, EventDetail};

/// The events with their times to the second and the servers' answers.
#[component]
pub fn Timeline(
    /// Oldest first.
    events: Vec<EmailEvent>,
    /// Whether an event must say whom it is about.
    has_several_recipients: bool,
) -> impl IntoView {
    let zone = ViewerClock::of_page().zone.name();
    let items = events
        .into_iter()
        .rev()
        .map(|event| view! { <Event event names_recipient=has_several_recipients/> })
        .collect_view();
    view! {
        <section class="panel timeline-panel" aria-label="Timeline">
            <div class="panel-head"><h2>"Timeline"</h2><p>{zone}</p></div>
            <ol class="timeline">{items}</ol>
        </section>
    }
}

#[component]
fn Event(event: EmailEvent, names_recipient: bool) -> impl IntoView {
    let tone = event.kind.tone();
    let EventDetail { message, reply, url, user_agent, ip, country, cause, server, server_ip, mx: _, protocol: _ } =
        event.detail;
    let _ = (cause, server, server_ip, country);
    let reader = [user_agent, ip].into_iter().flatten().collect::<Vec<_>>().join(" · ");
    let recipient = event.recipient.filter(|_| names_recipient);
    view! {
        <li data-status=tone.as_str()>
            <span class="timeline-mark"><Icon glyph=status_glyph(tone)/></span>
            <div class="timeline-body">
                <p class="timeline-head">
                    <strong>{event.kind.label()}</strong>
                    {recipient.map(|recipient| view! { <span class="timeline-recipient">{recipient}</span> })}
                    <Time at=event.at style=TimeStyle::ShortSecond/>
                </p>
                {message.map(|message| view! { <p>{message}</p> })}
                {url.map(|url| view! { <p class="timeline-link">{url}</p> })}
                {(!reader.is_empty()).then(|| view! { <p>{reader}</p> })}
                {reply.map(|reply| view! { <code class="reply">{reply}</code> })}
            </div>
        </li>
    }
}
