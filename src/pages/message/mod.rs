//! `/logs/:id`: what became of one message, every fact about it, and what it says.

mod answer;
mod facts;
mod preview;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};

use self::answer::Answer;
use self::facts::Facts;
use self::preview::Preview;
use super::layout::{Section, in_layout};
use super::logs::spoken_list;
use crate::components::can::{Can, may};
use crate::components::channel_mark::ChannelMark;
use crate::components::copy_button::CopyButton;
use crate::components::icon::{Glyph, Icon};
use crate::components::resend_button::ResendButton;
use crate::components::reveal::ContentsNote;
use crate::components::status_badge::StatusBadge;
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::components::timeline::Timeline;
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailDetail, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::failure::FailureClass;
use crate::domain::ids::EmailId;
use crate::domain::masking::Contents;
use crate::domain::permission::Permission;
use crate::domain::resend::{Reach, SentCopy};
use crate::server_fns::emails::{RevealEmail, load_email};

/// A message. `?images=1` lets its remote images load.
#[component]
pub fn MessagePage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<EmailId>().ok()));
    let with_images = use_query_map().with_untracked(|query| query.get_str("images") == Some("1"));
    let load = async move { load_email(id.ok_or_else(|| AppError::not_found("Email log"))?).await };
    in_layout(Section::Logs, load, move |detail| view! { <Message detail with_images/> })
}

#[component]
fn Message(detail: EmailDetail, with_images: bool) -> impl IntoView {
    let EmailDetail { email, content, events, visibility, reveal, sent_copy, failure, mailbox_provider } = detail;
    let is_unknown = events.iter().any(|event| event.kind == EventKind::Uncertain);
    let is_marked = email.marked_variables.iter().any(|name| content.variables.get(name).is_some());
    let hides_marked = visibility.contents == Contents::AllButMarked && is_marked;
    let (variables, metadata) = (pretty(&content.variables), pretty(&content.metadata));
    let opens_attachments = visibility.shows_contents() && !hides_marked && may(Permission::LogsReveal);
    let zone = ViewerClock::of_page().zone.name();
    let title = if email.subject.is_empty() { email.id.to_string() } else { email.subject.clone() };
    view! {
        <Title text=format!("{title} · Sendlog")/>
        <Head email=email.clone() sent_copy is_unknown/>
        <Outcome email=email.clone() failure mailbox_provider/>
        <ContentsNote visibility hides_marked reveal action=RevealEmail::PATH id=email.id.to_string()/>
        <div class="message-grid">
            <section class="panel timeline-panel" aria-label="Timeline">
                <div class="panel-head"><h2>"Timeline"</h2><p>{zone}</p></div>
                <Timeline events has_several_recipients={email.recipients.len() > 1}/>
            </section>
            <Facts email=email.clone() content=content.clone() links_addresses=!visibility.masks_addresses opens_attachments/>
            <div class="message-data">
                {variables.map(|json| view! { <Json title="Variables" json/> })}
                {metadata.map(|json| view! { <Json title="Metadata" json/> })}
            </div>
        </div>
        <Preview id=email.id content with_images is_hidden=!visibility.shows_contents() hides_marked/>
    }
}

#[component]
fn Head(
    email: Email,
    sent_copy: Option<SentCopy>,
    /// Whether an attempt was cut off, so that nobody knows whether the message went out.
    is_unknown: bool,
) -> impl IntoView {
    let id = email.id.to_string();
    let own = (is_unknown && email.status == EmailStatus::Failed).then_some(SentCopy {
        id: email.id,
        is_copy: false,
        reach: Reach::Unknown,
        at: email.created_at(),
    });
    let again = sent_copy.or(own).map(|sent| (sent.id.to_string(), told(&sent)));
    let obstacle = email.resend_obstacle();
    let recipient = spoken_list(&email.recipients);
    let (button_id, subject) = (id.clone(), email.subject.clone());
    view! {
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href="/logs">"Logs"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <h1 class="message-id">{id.clone()}</h1>
            <CopyButton text=id label="Copy the id".to_owned()/>
            <StatusBadge status=email.status/>
            {(email.channel != Channel::Email).then(|| view! { <ChannelMark channel=email.channel/> })}
            <div class="page-actions">
                <Can permission=Permission::LogsResend>
                    {match obstacle {
                        None => view! {
                            <ResendButton
                                id=button_id.clone()
                                recipient=recipient.clone()
                                subject=subject.clone()
                                again=again.clone()
                            />
                        }
                        .into_any(),
                        Some(reason) => view! {
                            <span class="obstacle" id="resend-obstacle">{reason}</span>
                            <button class="button" disabled aria-describedby="resend-obstacle">"Resend"</button>
                        }
                        .into_any(),
                    }}
                </Can>
            </div>
        </div>
    }
}

/// What the dialog says of a message that went out already: "It was sent again at 15:58, and arrived."
fn told(SentCopy { id, is_copy, reach, at }: &SentCopy) -> String {
    let again = if *is_copy { " again" } else { "" };
    let time = ViewerClock::of_page().format(*at, TimeStyle::Short);
    format!("It was sent{again} at {time}, as {id}, and {}.", reach.words())
}

/// Why it did not arrive, or what it waits for.
#[component]
fn Outcome(email: Email, failure: Option<FailureClass>, mailbox_provider: Option<String>) -> impl IntoView {
    let words = email.error_message.clone();
    view! {
        {failure.map(|failure| view! { <Answer failure mailbox_provider words/> })}
        <Wait email/>
    }
}

#[component]
fn Wait(email: Email) -> impl IntoView {
    let now = ViewerClock::of_page().now;
    let scheduled_at = email.scheduled_at.filter(|at| *at > now && email.status == EmailStatus::Queued);
    let words = if email.waits_for_adapter {
        view! { <WaitForAdapter channel=email.channel/> }.into_any()
    } else if let Some(at) = scheduled_at {
        view! { <p><strong>"Scheduled for " <Time at style=TimeStyle::Second/></strong> "."</p> }.into_any()
    } else if let Some(at) = email.next_attempt_at {
        view! {
            <p>
                <strong>"It waits for its next attempt"</strong> ", due at " <Time at style=TimeStyle::Second/> "."
                {email.error_message.map(|words| view! { " The last answer was " <code>{words}</code> })}
            </p>
        }
        .into_any()
    } else {
        return ().into_any();
    };
    view! {
        <div class="callout" data-tone="waiting">
            <Icon glyph=Glyph::Clock/>
            <div class="callout-body">{words}</div>
        </div>
    }
    .into_any()
}

#[component]
fn WaitForAdapter(channel: Channel) -> impl IntoView {
    let place = if may(Permission::AdaptersCreate) {
        view! { <a href="/settings/adapters">"Settings, Adapters"</a> }.into_any()
    } else {
        "Settings, Adapters".into_any()
    };
    view! {
        <p><strong>{format!("Waits for an adapter for {}", channel.label())}</strong> ": add one under " {place} "."</p>
    }
}

#[component]
fn Json(title: &'static str, json: String) -> impl IntoView {
    view! {
        <section class="panel" aria-label=title>
            <div class="panel-head"><h2>{title}</h2></div>
            <div class="panel-body"><pre class="code" tabindex="0" aria-label=title>{json}</pre></div>
        </section>
    }
}

/// A JSON object as people read it; `None` where it is empty.
fn pretty(value: &serde_json::Value) -> Option<String> {
    let is_empty = value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    if is_empty { None } else { serde_json::to_string_pretty(value).ok() }
}
