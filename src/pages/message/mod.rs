//! `/logs/:id`: what became of one message, every fact about it, and what it says.

mod answer;
mod customer;
mod facts;
mod tabs;

use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::{use_params_map, use_query_map};

use self::answer::Answer;
use self::customer::CustomerPanel;
use self::facts::Facts;
use self::tabs::Tabs;
use super::layout::{Section, in_layout};
use super::logs::{search_url, spoken_list};
use crate::components::can::{Can, may};
use crate::components::channel_mark::ChannelMark;
use crate::components::copy_button::CopyButton;
use crate::components::icon::{Glyph, Icon};
use crate::components::resend_button::ResendButton;
use crate::components::reveal::ContentsNote;
use crate::components::status_badge::StatusBadge;
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailDetail, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::failure::FailureClass;
use crate::domain::ids::EmailId;
use crate::domain::masking::Contents;
use crate::domain::permission::Permission;
use crate::domain::resend::{Reach, SentCopy};
use crate::server_fns::emails::{MessageView, RevealEmail, load_email};

/// A message. `?images=1` lets its remote images load.
#[component]
pub fn MessagePage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<EmailId>().ok()));
    let images = use_query_map().with_untracked(|query| query.get_str("images").map(|images| images == "1"));
    let load = async move { load_email(id.ok_or_else(|| AppError::not_found("Email log"))?).await };
    in_layout(Section::Logs, load, move |view| view! { <Message view images/> })
}

#[component]
fn Message(
    view: MessageView,
    /// Whether remote images load; `None` where that was not asked.
    images: Option<bool>,
) -> impl IntoView {
    let MessageView { detail, customer, public_url } = view;
    let EmailDetail { email, content, events, visibility, reveal, sent_copy, failure, mailbox_provider } = detail;
    let is_unknown = events.iter().any(|event| event.kind == EventKind::Uncertain);
    let is_marked = email.marked_variables.iter().any(|name| content.variables.get(name).is_some());
    let hides_marked = visibility.contents == Contents::AllButMarked && is_marked;
    let opens_attachments = visibility.shows_contents() && !hides_marked && may(Permission::LogsReveal);
    let links_addresses = !visibility.masks_addresses;
    let title = shown_subject(&email);
    let url = format!("{public_url}/logs/{}", email.id);
    view! {
        <Title text=format!("{title} · Sendlog")/>
        <Head email=email.clone() sent_copy is_unknown url/>
        <Addressee email=email.clone() links_addresses/>
        <Outcome email=email.clone() failure mailbox_provider=mailbox_provider.clone()/>
        <ContentsNote visibility hides_marked reveal action=RevealEmail::PATH id=email.id.to_string()/>
        <div class="message-grid">
            <Tabs
                email=email.clone()
                content=content.clone()
                events
                images
                is_hidden=!visibility.shows_contents()
                hides_marked
            />
            <div class="message-side">
                <Facts email=email.clone() content mailbox_provider links_addresses opens_attachments/>
                {customer.map(|customer| view! { <CustomerPanel customer email links_addresses/> })}
            </div>
        </div>
    }
}

fn shown_subject(email: &Email) -> String {
    match (email.subject.is_empty(), email.channel) {
        (false, _) => email.subject.clone(),
        (true, Channel::Email) => "(no subject)".to_owned(),
        (true, channel) => format!("{} message", channel.label()),
    }
}

#[component]
fn Head(
    email: Email,
    sent_copy: Option<SentCopy>,
    /// Whether an attempt was cut off, so that nobody knows whether the message went out.
    is_unknown: bool,
    /// The page's address.
    url: String,
) -> impl IntoView {
    let own = (is_unknown && email.status == EmailStatus::Failed).then_some(SentCopy {
        id: email.id,
        is_copy: false,
        reach: Reach::Unknown,
        at: email.created_at(),
    });
    let again = sent_copy.or(own).map(|sent| (sent.id.to_string(), told(&sent)));
    let obstacle = email.resend_obstacle();
    let recipient = spoken_list(&email.recipients);
    let (id, subject) = (email.id.to_string(), email.subject.clone());
    view! {
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href="/logs">"Logs"</a>
                <span aria-hidden="true">"/"</span>
            </nav>
            <h1 class="message-subject" dir="auto">{shown_subject(&email)}</h1>
            <StatusBadge status=email.status/>
            {(email.channel != Channel::Email).then(|| view! { <ChannelMark channel=email.channel/> })}
            <div class="page-actions">
                <CopyButton text=url label="Copy the link".to_owned()/>
                <Can permission=Permission::LogsResend>
                    {match obstacle {
                        None => view! {
                            <ResendButton id=id.clone() recipient=recipient.clone() subject=subject.clone() again=again.clone()/>
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

/// Whom it is for, and when it was accepted.
#[component]
fn Addressee(email: Email, links_addresses: bool) -> impl IntoView {
    let more = email.recipients.len().saturating_sub(1);
    let first = email.recipients.first().cloned().map(|first| {
        let shown = match &first.name {
            Some(name) => format!("{name} ‹{}›", first.address),
            None => first.address.clone(),
        };
        if links_addresses {
            let title = "All messages to this address in the last 30 days";
            view! { <a href=search_url(&first.address) title=title>{shown}</a> }.into_any()
        } else {
            shown.into_any()
        }
    });
    view! {
        <p class="message-addressee">
            <bdi>"to " {first.unwrap_or_else(|| "nobody".into_any())}</bdi>
            {(more > 0).then(|| format!(" and {more} more"))}
            " · "
            <Time at=email.created_at() style=TimeStyle::Minute/>
            " "
            {ViewerClock::of_page().zone.name()}
        </p>
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
