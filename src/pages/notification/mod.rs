//! `/notifications/:id`: what became of one notification, channel by channel.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::layout::{Section, in_layout};
use crate::components::can::may;
use crate::components::channel_mark::channel_glyph;
use crate::components::copy_button::CopyButton;
use crate::components::email_words::spoken_list;
use crate::components::empty_state::EmptyState;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::components::status_badge::StatusBadge;
use crate::components::time::{Time, TimeStyle};
use crate::components::timeline::Timeline;
use crate::domain::error::AppError;
use crate::domain::ids::NotificationId;
use crate::domain::mount::mounted;
use crate::domain::notification::{EmailRecord, Notification, NotificationDetail, NotificationState};
use crate::domain::permission::Permission;
use crate::server_fns::notifications::load_notification;

#[component]
pub fn NotificationPage() -> impl IntoView {
    let id =
        use_params_map().with_untracked(|params| params.get_str("id").and_then(|id| id.parse::<NotificationId>().ok()));
    let load = async move { load_notification(id.ok_or_else(|| AppError::not_found("Notification"))?).await };
    in_layout(Section::Logs, load, |detail| view! { <Gathered detail/> })
}

#[component]
fn Gathered(detail: NotificationDetail) -> impl IntoView {
    let state = detail.state();
    let NotificationDetail { notification, channels } = detail;
    let (id, verdict) = (notification.id.to_string(), verdict(state, &channels));
    let panels = if channels.is_empty() {
        view! {
            <section class="panel" aria-label="Channels">
                <EmptyState glyph=Glyph::Bell title="It went out over no channel">
                    <p>"There was no channel that could reach this user."</p>
                </EmptyState>
            </section>
        }
        .into_any()
    } else {
        channels.into_iter().map(|record| view! { <ChannelPanel record/> }).collect_view().into_any()
    };
    view! {
        <Title text=format!("{} · Sendlog", notification.kind)/>
        <div class="page-head">
            <nav class="breadcrumb" aria-label="Breadcrumb">
                <a href=mounted("/logs")>"Logs"</a>
                <span aria-hidden="true">"/"</span>
                <span>"Notification"</span>
                <span aria-hidden="true">"/"</span>
            </nav>
            <h1 class="message-id">{id.clone()}</h1>
            <CopyButton text=id label="Copy the id".to_owned()/>
            <StateBadge state/>
        </div>
        <div class="callout" data-tone=tone_of(state)>
            <Icon glyph=glyph_of(state)/>
            <div class="callout-body"><p>{verdict}</p></div>
        </div>
        <div class="channels">
            <div class="channel-panels">{panels}</div>
            <Facts notification/>
        </div>
    }
}

/// The state of a notification, by icon, word and colour.
#[component]
fn StateBadge(state: NotificationState) -> impl IntoView {
    let label = match state {
        NotificationState::Received => "Received",
        NotificationState::Success => "Success",
        NotificationState::Failure => "Failure",
    };
    view! { <span class="badge" data-state=state.as_str()><Icon glyph=glyph_of(state)/>{label}</span> }
}

const fn glyph_of(state: NotificationState) -> Glyph {
    match state {
        NotificationState::Received => Glyph::Clock,
        NotificationState::Success => Glyph::Check,
        NotificationState::Failure => Glyph::Cross,
    }
}

const fn tone_of(state: NotificationState) -> &'static str {
    match state {
        NotificationState::Received => "waiting",
        NotificationState::Success => "success",
        NotificationState::Failure => "error",
    }
}

/// What became of it, in a sentence: "SMS failed; Email and Push went out."
fn verdict(state: NotificationState, channels: &[EmailRecord]) -> String {
    let named = |wanted: NotificationState| {
        let is_wanted = |record: &&EmailRecord| NotificationState::of([record.email.status]) == wanted;
        let labels: Vec<_> = channels.iter().filter(is_wanted).map(|record| record.email.channel.label()).collect();
        match labels.as_slice() {
            [] => None,
            [one] => Some((*one).to_owned()),
            [start @ .., last] => Some(format!("{} and {last}", start.join(", "))),
        }
    };
    if channels.is_empty() {
        return "It reached nobody: there was no channel to use.".to_owned();
    }
    match state {
        NotificationState::Success => {
            let count = counted(channels.len() as i64, "channel", "channels");
            format!("It went out over {count}: {}.", named(NotificationState::Success).unwrap_or_default())
        }
        NotificationState::Received => {
            format!("Still under way: {}.", named(NotificationState::Received).unwrap_or_default())
        }
        NotificationState::Failure => {
            let failed = named(NotificationState::Failure).map(|failed| format!("{failed} failed"));
            let done = named(NotificationState::Success).map(|done| format!("{done} went out"));
            let waiting = named(NotificationState::Received).map(|waiting| format!("still under way: {waiting}"));
            let parts: Vec<String> = [failed, done, waiting].into_iter().flatten().collect();
            format!("{}.", parts.join("; "))
        }
    }
}

#[component]
fn Facts(notification: Notification) -> impl IntoView {
    let accepted = notification.created_at();
    let user = match notification.external_user_id {
        Some(id) => view! { <code>{id}</code> }.into_any(),
        None => view! { <span class="nothing">"none"</span> }.into_any(),
    };
    let request = match notification.api_request_id {
        Some(id) if may(Permission::RequestsView) => {
            view! { <a class="id-link" href=mounted(format!("/requests/{id}"))>{id.to_string()}</a> }.into_any()
        }
        Some(id) => view! { <code>{id.to_string()}</code> }.into_any(),
        None => view! { <span class="nothing">"none"</span> }.into_any(),
    };
    let warnings = notification.warnings.into_iter().map(|warning| view! { <li>{warning}</li> }).collect::<Vec<_>>();
    let warnings = (!warnings.is_empty()).then(|| {
        view! {
            <div class="callout" data-tone="waiting">
                <Icon glyph=Glyph::Alert/>
                <div class="callout-body"><ul class="plain-list" aria-label="Warnings">{warnings}</ul></div>
            </div>
        }
    });
    view! {
        <div class="notification-about">
            {warnings}
            <section class="panel" aria-label="Notification">
                <div class="panel-head"><h2>"Notification"</h2></div>
                <dl class="facts">
                    <div class="fact"><dt>"Kind"</dt><dd>{notification.kind}</dd></div>
                    <div class="fact"><dt>"User id"</dt><dd>{user}</dd></div>
                    <div class="fact"><dt>"Accepted"</dt><dd><Time at=accepted style=TimeStyle::Second/></dd></div>
                    <div class="fact"><dt>"API request"</dt><dd>{request}</dd></div>
                    <div class="fact"><dt>"Tracking id"</dt><dd><code>{notification.id.to_uuid()}</code></dd></div>
                    <div class="fact"><dt>"Id"</dt><dd><code>{notification.id.to_string()}</code></dd></div>
                </dl>
            </section>
        </div>
    }
}

#[component]
fn ChannelPanel(record: EmailRecord) -> impl IntoView {
    let EmailRecord { email, events } = record;
    let label = email.channel.label();
    let wait = if email.waits_for_adapter {
        Some("Waits for an adapter.".into_any())
    } else {
        email
            .scheduled_at
            .filter(|_| email.sent_at.is_none())
            .map(|at| view! { "Scheduled for " <Time at style=TimeStyle::Second/> "." }.into_any())
    };
    view! {
        <section class="panel" aria-label=label>
            <div class="panel-head">
                <h2 class="channel-title" data-channel=email.channel.as_str()><Icon glyph=channel_glyph(email.channel)/>{label}</h2>
                <StatusBadge status=email.status/>
                <a class="button small panel-actions" href=mounted(format!("/logs/{}", email.id))>
                    "Open the message"<span class="visually-hidden">{format!(" over {label}")}</span>
                </a>
            </div>
            <p class="channel-to">
                {spoken_list(&email.recipients)}
                {(!email.subject.is_empty()).then(|| view! { <span class="channel-subject">{email.subject.clone()}</span> })}
            </p>
            {wait.map(|wait| view! { <p class="channel-wait">{wait}</p> })}
            <Timeline events has_several_recipients={email.recipients.len() > 1}/>
        </section>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_without_channels_reached_nobody() {
        assert_eq!(verdict(NotificationState::Failure, &[]), "It reached nobody: there was no channel to use.");
    }
}
