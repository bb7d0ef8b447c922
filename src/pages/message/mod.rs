//! `/logs/:id`: what became of one message, every fact about it, and what it says. What changes while it is on its way is
//! fetched anew by `components::behaviour`.

mod answer;
mod customer;
mod facts;
mod head;
mod peek;
mod recipients;
mod resend;
mod tabs;
mod told;

use chrono::TimeDelta;
use leptos::prelude::*;
use leptos::server_fn::ServerFn;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use self::answer::Answer;
use self::customer::CustomerPanel;
use self::facts::Facts;
use self::head::Head;
pub use self::peek::Peek;
use self::recipients::{MANY, Recipients};
pub use self::resend::ResendChangePage;
use self::tabs::Tabs;
use super::layout::{Section, in_layout};
use crate::components::address::query_value;
use crate::components::can::may;
use crate::components::email_words::{copy_words, shown_subject};
use crate::components::icon::{Glyph, Icon};
use crate::components::reveal::ContentsNote;
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::address::logs::search_url;
use crate::domain::channel::Channel;
use crate::domain::email::{ArrivedLater, Email, EmailDetail, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventKind, EventSet};
use crate::domain::failure::FailureClass;
use crate::domain::hold::Hold;
use crate::domain::ids::EmailId;
use crate::domain::mailbox::bare_address;
use crate::domain::masking::Contents;
use crate::domain::mount::mounted;
use crate::domain::permission::Permission;
use crate::domain::resend_change::{CopyChange, FamilyChanges};
use crate::server_fns::emails::{MessageView, RevealEmail, load_email};

/// A message. `?images=1` lets its remote images load; `list` and `row` are the list that one comes from, and its row.
#[component]
pub fn MessagePage() -> impl IntoView {
    let id = use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<EmailId>().ok()));
    let images = query_value("images").map(|images| images == "1");
    let list = query_value("list");
    let row = query_value("row").and_then(|row| row.parse::<EmailId>().ok());
    let recipient = query_value("recipient");
    let load = async move { load_email(id.ok_or_else(|| AppError::not_found("Email log"))?, list, row).await };
    in_layout(Section::Logs, load, move |view| view! { <Message view images recipient/> })
}

#[component]
fn Message(
    view: MessageView,
    /// Whether remote images load; `None` where that was not asked.
    images: Option<bool>,
    /// A part of the recipients' addresses that is looked for.
    recipient: Option<String>,
) -> impl IntoView {
    let MessageView { detail, customer, list, told_webhooks, holds, lacks_reports, public_url } = view;
    let head = detail.clone();
    let arrived_later = customer.as_ref().and_then(|customer| customer.arrived_later);
    let list_query = list.as_ref().map(|list| list.query.clone());
    let EmailDetail { email, content, events, attempts, outcomes, visibility, reveal, copy, changes, .. } = detail;
    let EmailDetail { failure, mailbox_provider, mailbox_providers, .. } = detail;
    let is_marked = email.marked_variables.iter().any(|name| content.variables.get(name).is_some());
    let hides_marked = visibility.contents == Contents::AllButMarked && is_marked;
    let opens_attachments = visibility.shows_contents() && !hides_marked && may(Permission::LogsReveal);
    let links_addresses = !visibility.masks_addresses;
    let title = shown_subject(&email.subject, email.channel);
    let message_id = own_message_id(&email, &events);
    let recipients = (email.recipients.len() >= MANY).then(|| {
        view! {
            <Recipients
                id=email.id
                recipients=email.recipients.clone()
                outcomes
                events=events.clone()
                filter=recipient
                list=list_query
                links_addresses
            />
        }
    });
    let url = format!("{public_url}/logs/{}", email.id);
    view! {
        <Title text=format!("{title} · Sendlog")/>
        <Head detail=head arrived_later url list/>
        <Addressee email=email.clone() links_addresses/>
        <div id="message-outcome" data-refresh=is_on_its_way(&email)>
            <Outcome email=email.clone() copy changes=changes.clone() failure mailbox_provider arrived_later/>
            {lacks_reports.then(|| view! { <Unreported/> })}
        </div>
        <ContentsNote visibility hides_marked reveal action=RevealEmail::PATH id=email.id.to_string()/>
        {recipients}
        <div class="message-grid">
            <Tabs
                email=email.clone()
                content=content.clone()
                events
                attempts
                told_webhooks
                images
                is_hidden=!visibility.shows_contents()
                hides_marked
            />
            <div class="message-side">
                <Kept holds/>
                <Facts email=email.clone() changes content message_id mailbox_providers links_addresses opens_attachments/>
                {customer.map(|customer| view! { <CustomerPanel customer email links_addresses/> })}
            </div>
        </div>
    }
}

/// The legal holds that keep the message, whatever the team's times are.
#[component]
fn Kept(holds: Vec<Hold>) -> impl IntoView {
    let names: Vec<String> = holds.into_iter().map(|hold| hold.name).collect();
    (!names.is_empty()).then(|| {
        view! {
            <div class="callout" data-tone="waiting" role="note" aria-label="Legal hold">
                <div class="callout-body">
                    <p>"Kept by a legal hold: " <a href=mounted("/settings/privacy#holds")>{names.join(", ")}</a> ". It is not deleted, and nobody in it is forgotten."</p>
                </div>
            </div>
        }
    })
}

/// The seconds after which what became of it is asked again: while it is on its way, and for an hour after it went out, when
/// reports of it come in; often at first. One that waits for its time or for an adapter is not.
fn is_on_its_way(email: &Email) -> Option<&'static str> {
    let now = ViewerClock::of_page().now;
    let waits = email.waits_for_adapter || email.scheduled_at.is_some_and(|at| at > now);
    let since = now - email.sent_at.unwrap_or_else(|| email.created_at());
    let is_new = since < TimeDelta::minutes(5);
    match email.status {
        EmailStatus::Queued => (!waits).then_some(if is_new { "2" } else { "20" }),
        EmailStatus::Sent | EmailStatus::Delivered | EmailStatus::Opened => {
            (since < TimeDelta::hours(1)).then_some(if is_new { "5" } else { "20" })
        }
        EmailStatus::Clicked | EmailStatus::Bounced | EmailStatus::Failed | EmailStatus::Spam => None,
    }
}

/// The `Message-ID` that a message carries which Sendlog wrote itself: it went out by SMTP.
fn own_message_id(email: &Email, events: &[EmailEvent]) -> Option<String> {
    let by_smtp = events.iter().any(|event| event.detail.protocol.as_deref() == Some("smtp"));
    let domain = bare_address(&email.from_address).rsplit_once('@')?.1;
    by_smtp.then(|| format!("<{}@{domain}>", email.id))
}

/// Whom it is for, and when it was accepted.
#[component]
fn Addressee(email: Email, links_addresses: bool) -> impl IntoView {
    let more = email.recipients.len().saturating_sub(1);
    let first = email.recipients.first().cloned().map(|first| {
        let shown = match &first.name {
            Some(name) => format!("{name} <{}>", first.address),
            None => first.address.clone(),
        };
        if links_addresses {
            let title = "All messages to this address in the last 30 days";
            view! { <a href=mounted(search_url(&first.address)) title=title>{shown}</a> }.into_any()
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

/// For a message that was sent where nobody reports what becomes of messages.
#[component]
fn Unreported() -> impl IntoView {
    view! {
        <div class="callout" data-tone="waiting">
            <Icon glyph=Glyph::Plane/>
            <div class="callout-body">
                <p>
                    <strong>"Whether it arrived, nobody reports"</strong> ". Mail servers say only that they took a message. "
                    <a href=mounted("/connect#reports")>"Let your provider report deliveries"</a>
                </p>
            </div>
        </div>
    }
}

/// What became of its copy, why it did not arrive itself, or what it waits for.
#[component]
fn Outcome(
    email: Email,
    copy: Option<(EmailId, EmailStatus)>,
    changes: FamilyChanges,
    failure: Option<FailureClass>,
    mailbox_provider: Option<String>,
    arrived_later: Option<ArrivedLater>,
) -> impl IntoView {
    let words = email.error_message.clone();
    let became = copy.map(|(_, status)| status);
    view! {
        <Changed changes=changes.clone() of=email.resend_of/>
        {copy.map(|(id, status)| view! { <Copied id status change=changes.of_copy(id).cloned().unwrap_or_default()/> })}
        {failure.map(|failure| view! { <Answer failure mailbox_provider words copy=became arrived_later/> })}
        <Wait email/>
    }
}

/// What became of the copy: "Resent 15:58, arrived".
#[component]
fn Copied(id: EmailId, status: EmailStatus, change: CopyChange) -> impl IntoView {
    let (tone, glyph) = match status {
        EmailStatus::Queued => ("waiting", Glyph::Clock),
        EmailStatus::Bounced | EmailStatus::Failed | EmailStatus::Spam => ("error", Glyph::Alert),
        EmailStatus::Sent | EmailStatus::Delivered | EmailStatus::Opened | EmailStatus::Clicked => {
            ("success", Glyph::Check)
        }
    };
    view! {
        <div class="callout" data-tone=tone>
            <Icon glyph/>
            <div class="callout-body">
                <p>
                    <strong>"Resent " <Time at=id.created_at()/> {change_words(&change)} {copy_words(status)}</strong> ". "
                    <a href=mounted(format!("/logs/{id}"))>"Show the copy"</a>
                </p>
            </div>
        </div>
    }
}

/// What a copy has otherwise, within a sentence.
fn change_words(change: &CopyChange) -> Option<String> {
    (!change.is_none()).then(|| format!(" {}", change.words().join(", ")))
}

/// What a copy has otherwise than the message that it sends again.
#[component]
fn Changed(changes: FamilyChanges, of: Option<EmailId>) -> impl IntoView {
    let FamilyChanges { own, instead_of, .. } = changes;
    let instead_of = instead_of.map(|people| format!(" instead of {people}"));
    let link = of.map(|id| view! { " " <a href=mounted(format!("/logs/{id}"))>"Show the original"</a> });
    (!own.is_none()).then(|| {
        let words = own.words();
        let words = words.into_iter().map(|words| match words.starts_with("to ") {
            true => format!("{words}{}", instead_of.clone().unwrap_or_default()),
            false => words,
        });
        let words = words.collect::<Vec<_>>().join(", ");
        view! {
            <div class="callout" id="message-changes">
                <Icon glyph=Glyph::Resend/>
                <div class="callout-body"><p><strong>{format!("Resent {words}")}</strong> "." {link}</p></div>
            </div>
        }
    })
}

#[component]
fn Wait(email: Email) -> impl IntoView {
    let now = ViewerClock::of_page().now;
    let scheduled_at = email.scheduled_at.filter(|at| *at > now && email.status == EmailStatus::Queued);
    let words = if email.waits_for_adapter {
        view! { <WaitForAdapter channel=email.channel/> }.into_any()
    } else if let Some(at) = scheduled_at {
        view! { <p><strong>"Scheduled for " <Time at style=TimeStyle::Second/></strong> "."</p> }.into_any()
    } else if email.next_attempt_at.is_some() && !was_tried(&email) {
        view! { <p><strong>"It waits to be sent"</strong> "."</p> }.into_any()
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

/// Whether an attempt was made to send what still waits.
fn was_tried(email: &Email) -> bool {
    email.event_set.meets(EventSet::of_kinds(&[EventKind::Deferred, EventKind::FailedToSend]))
}

#[component]
fn WaitForAdapter(channel: Channel) -> impl IntoView {
    let place = if may(Permission::AdaptersCreate) {
        view! { <a href=mounted("/settings/adapters")>"Settings, Adapters"</a> }.into_any()
    } else {
        "Settings, Adapters".into_any()
    };
    view! {
        <p><strong>{format!("Waits for an adapter for {}", channel.label())}</strong> ": add one under " {place} "."</p>
    }
}
