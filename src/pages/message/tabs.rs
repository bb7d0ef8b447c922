//! What happened to a message and what it says, as tabs that need no JavaScript. Its HTML is shown in a sandboxed frame.

use leptos::prelude::*;

use super::is_on_its_way;
use super::told::Told;
use crate::components::ask::WhomToAsk;
use crate::components::can::may;
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::time::ViewerClock;
use crate::components::timeline::Timeline;
use crate::domain::email::{Email, EmailContent};
use crate::domain::event::EmailEvent;
use crate::domain::exchange::AttemptRecord;
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::webhook::ToldWebhook;

#[component]
pub fn Tabs(
    email: Email,
    content: EmailContent,
    events: Vec<EmailEvent>,
    /// The attempts to send it.
    attempts: Vec<AttemptRecord>,
    told_webhooks: Vec<ToldWebhook>,
    /// Whether remote images load; `None` where that was not asked.
    images: Option<bool>,
    /// Whether the viewer sees no contents.
    is_hidden: bool,
    /// Whether values of marked variables are masked in it.
    hides_marked: bool,
) -> impl IntoView {
    let EmailContent { html, text, variables, metadata, .. } = content;
    let data: Vec<_> = [("Variables", pretty(&variables)), ("Metadata", pretty(&metadata))]
        .into_iter()
        .filter_map(|(title, json)| Some((title, json?)))
        .collect();
    let request = email.api_request_id.filter(|_| may(Permission::RequestsView));
    let absence = (html.is_none() && text.is_none()).then(|| view! { <Absence is_hidden hides_marked/> });
    // Who asked for images looks at the preview.
    let shows_preview = images.is_some();
    view! {
        <div class="panel message-tabs">
            <fieldset class="tabs">
                <legend class="visually-hidden">"Show"</legend>
                <Tab name="events" label="What happened" is_first=!shows_preview/>
                <Tab name="preview" label="Preview" is_first=shows_preview/>
                {text.is_some().then(|| view! { <Tab name="text" label="Text" is_first=false/> })}
                {html.is_some().then(|| view! { <Tab name="source" label="Source" is_first=false/> })}
                {(!data.is_empty()).then(|| view! { <Tab name="data" label="Variables" is_first=false/> })}
                {request.map(|id| view! { <a class="tab" href=mounted(format!("/requests/{id}"))>"API request"</a> })}
            </fieldset>
            <section class="tab-panel" data-tab="events" aria-label="What happened">
                <div id="message-timeline" data-refresh=is_on_its_way(&email)>
                    <Timeline events attempts has_several_recipients={email.recipients.len() > 1}/>
                    <Told webhooks=told_webhooks/>
                </div>
                <p class="zone">{format!("Times are those of {}", ViewerClock::of_page().zone.name())}</p>
            </section>
            <section class="tab-panel" data-tab="preview" id="preview" aria-label="Preview">
                {absence}
                {match (html.is_some(), text.clone()) {
                    (true, _) => view! { <Frame id=email.id with_images=images == Some(true)/> }.into_any(),
                    (false, Some(text)) => view! { <pre dir="auto" tabindex="0" aria-label="The message">{text}</pre> }.into_any(),
                    (false, None) => ().into_any(),
                }}
            </section>
            {text.map(|text| view! {
                <section class="tab-panel" data-tab="text" aria-label="Text">
                    <pre dir="auto" tabindex="0" aria-label="The message as text">{text}</pre>
                </section>
            })}
            {html.map(|html| view! {
                <section class="tab-panel" data-tab="source" aria-label="Source">
                    <pre class="code" tabindex="0" aria-label="The HTML source">{html}</pre>
                </section>
            })}
            <div class="tab-panel" data-tab="data">
                {data
                    .into_iter()
                    .map(|(title, json)| view! {
                        <section class="message-data" aria-label=title>
                            <h2>{title}</h2>
                            <pre class="code" tabindex="0" aria-label=title>{json}</pre>
                        </section>
                    })
                    .collect_view()}
            </div>
        </div>
    }
}

#[component]
fn Tab(name: &'static str, label: &'static str, is_first: bool) -> impl IntoView {
    // Browsers restore a choice on Back; the page begins with what it was asked for.
    view! {
        <label class="tab">
            <input type="radio" name="tab" value=name checked=is_first autocomplete="off"/>
            {label}
        </label>
    }
}

/// Why there is nothing to show.
#[component]
fn Absence(is_hidden: bool, hides_marked: bool) -> impl IntoView {
    let words = if is_hidden {
        view! { "Your role does not include the contents of messages. " <WhomToAsk/> }.into_any()
    } else if hides_marked {
        "It cannot be shown with the marked values masked.".into_any()
    } else {
        return view! {
            <p class="panel-body nothing">
                "The body is not kept any more: the team keeps bodies for a time only (Settings, Team)."
            </p>
        }
        .into_any();
    };
    view! { <EmptyState glyph=Glyph::Lock title="The body is hidden"><p>{words}</p></EmptyState> }.into_any()
}

#[component]
fn Frame(id: EmailId, with_images: bool) -> impl IntoView {
    let (state, action, other) = if with_images { ("on", "Hide images", 0) } else { ("off", "Show images", 1) };
    view! {
        <p class="images">
            {format!("Remote images are {state} ")}
            <a class="button small" href=mounted(format!("/logs/{id}?images={other}#preview"))>{action}</a>
        </p>
        <iframe
            sandbox=""
            src=mounted(format!("/logs/{id}/body?images={}", u8::from(with_images)))
            title="The message as HTML"
        ></iframe>
    }
}

/// A JSON object as people read it; `None` where it is empty.
fn pretty(value: &serde_json::Value) -> Option<String> {
    let is_empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    if is_empty { None } else { serde_json::to_string_pretty(value).ok() }
}
