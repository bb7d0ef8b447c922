//! What is tracked of messages that go out by SMTP: what the team says of it, and who comes by their links. Called by the team's
//! page, `/api/teams/{id}/tracking`, `/t/` and `/u/`. Nobody who comes by a link is asked who they are: its token is proof.

use std::net::IpAddr;

use serde_json::json;
use tracing::info;

use super::audit;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventCause, EventDetail, EventKind};
use crate::domain::masking::mask_addresses;
use crate::domain::permission::Permission;
use crate::domain::tracking::Tracking;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::store::tracking::TrackedEmail;
use crate::server::tracking::token::{MailCopy, TokenKind};
use crate::server::tracking::visitor::{self, Reader, Visit, Visitor};

/// How many openings of a message are kept, and how many clicks.
pub const MAX_VISITS: i64 = 100;

/// How much of what a program calls itself is kept, in characters.
const MAX_AGENT_CHARS: usize = 300;

/// What the viewer's team tracks. Every member sees it.
pub async fn find_tracking(app: &App, viewer: &Viewer) -> Result<Tracking, AppError> {
    viewer.require_two_factor()?;
    app.store.find_tracking(viewer.team).await
}

/// Changes what the viewer's team tracks, from the next message that goes out on. Needs `team:update`.
pub async fn update_tracking(app: &App, viewer: &Viewer, after: Tracking) -> Result<Tracking, AppError> {
    viewer.require(Permission::TeamUpdate)?;
    let before = app.store.find_tracking(viewer.team).await?;
    if after != before {
        let event = audit::by(app, viewer, AuditAction::TeamUpdated).about(viewer.team, &viewer.team_name);
        let event = event.changed(json!(before), json!(after));
        if !app.store.update_tracking(viewer.team, after, &event).await? {
            return Err(AppError::not_found("Team"));
        }
        info!(team.id = %viewer.team, "changed what is tracked");
    }
    Ok(after)
}

/// Why links of messages do not lead here; `None` where they do.
pub fn unreachable_words(app: &App) -> Option<&'static str> {
    match &app.config.base_url {
        None => Some(
            "Nothing is tracked yet: the server does not know the address that people reach it by. Its operator sets SENDLOG_BASE_URL.",
        ),
        Some(url) if !url.starts_with("https://") => Some(
            "People reach this server without https, so that messages offer no unsubscribing with one click. Its operator sets SENDLOG_BASE_URL.",
        ),
        Some(_) => None,
    }
}

/// Somebody who comes by a link.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    pub address: Option<IpAddr>,
    pub user_agent: Option<String>,
    /// Whether it asked for no content, or fetched ahead.
    pub looks_ahead: bool,
}

/// Records the opening that a token stands for. A token that was not signed here, or whose message is gone, records nothing.
pub async fn record_opening(app: &App, token: &str, caller: &Caller) -> Result<(), AppError> {
    match app.signer.read(TokenKind::Open, token) {
        Some((copy, _)) => record(app, copy, (EventKind::Opened, None), caller).await,
        None => Ok(()),
    }
}

/// A link that was followed.
#[derive(Clone, Debug)]
pub struct Click {
    copy: MailCopy,
    /// Where it leads, as it stood in the message.
    pub target: String,
}

/// The link that a token stands for; `None` for a token that was not signed here: it leads nowhere.
pub fn find_click(app: &App, token: &str) -> Option<Click> {
    let (copy, target) = app.signer.read(TokenKind::Click, token)?;
    Some(Click { copy, target })
}

/// Records that somebody followed a link. Where its message is gone, nothing is.
pub async fn record_click(app: &App, click: &Click, caller: &Caller) -> Result<(), AppError> {
    record(app, click.copy, (EventKind::Clicked, Some(click.target.clone())), caller).await
}

async fn record(
    app: &App,
    copy: MailCopy,
    (kind, url): (EventKind, Option<String>),
    caller: &Caller,
) -> Result<(), AppError> {
    let MailCopy { team_id, email_id, .. } = copy;
    let Some(email) = app.store.find_tracked(team_id, email_id).await? else { return Ok(()) };
    // Asked before anything is written: who calls a link over and over has nobody wait.
    if app.store.count_visits(team_id, email_id, kind, MAX_VISITS).await? as i64 >= MAX_VISITS {
        return Ok(());
    }
    let now = app.clock.now();
    let user_agent = caller.user_agent.as_deref();
    let visit = Visit { user_agent, looks_ahead: caller.looks_ahead, at: now, sent_at: email.sent_at };
    let who = visitor::visitor(visit);
    let is_at_their_place = matches!(who, Visitor::Reader(Reader { is_behind_proxy: false, .. }));
    let place = caller.address.filter(|_| is_at_their_place).zip(app.geoip.as_ref());
    let (message, cause) = words(kind, who);
    let detail = EventDetail {
        message,
        cause,
        url,
        user_agent: user_agent.map(clipped).filter(|agent| !agent.is_empty()),
        country: place.and_then(|(address, geoip)| geoip.place(address)),
        ..EventDetail::default()
    };
    let recipient = address_of(&email, copy);
    let event = EmailEvent { id: app.clock.mint(), kind, at: now, recipient, detail };
    app.store.record_visit(team_id, email_id, &event, MAX_VISITS).await?;
    Ok(())
}

/// What the timeline says of who came.
fn words(kind: EventKind, who: Visitor) -> (Option<String>, Option<EventCause>) {
    match who {
        Visitor::Machine(why) => {
            (Some(format!("{} by a machine, not by a person: {why}", kind.label())), Some(EventCause::Machine))
        }
        Visitor::Reader(Reader { program, is_behind_proxy: true }) => {
            (program.map(|program| format!("In {program}, whose proxy fetched the picture for the reader")), None)
        }
        Visitor::Reader(Reader { program, is_behind_proxy: false }) => {
            (program.map(|program| format!("In {program}")), None)
        }
    }
}

/// A foreign text on one line, capped.
fn clipped(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    text.trim().chars().take(MAX_AGENT_CHARS).collect()
}

fn address_of(email: &TrackedEmail, copy: MailCopy) -> Option<String> {
    let recipient = email.recipients.get(usize::from(copy.recipient?))?;
    Some(recipient.address.clone())
}

/// What somebody is asked who wants no more messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsubscribing {
    /// Masked: a message is forwarded with its links.
    pub address: String,
    pub team_name: String,
    /// Whether the team does not write to the address any more.
    pub is_done: bool,
}

/// What the link with this token asks; `None` for one that was not signed here, or whose message is gone. Changes nothing.
pub async fn find_unsubscribing(app: &App, token: &str) -> Result<Option<Unsubscribing>, AppError> {
    let Some((copy, email, address)) = find_copy(app, token).await? else { return Ok(None) };
    let is_done = !app.store.find_suppressed(copy.team_id, std::slice::from_ref(&address)).await?.is_empty();
    Ok(Some(Unsubscribing { address: mask_addresses(&address), team_name: email.team_name, is_done }))
}

/// Keeps whom a token stands for from being written to by the team, once and for all times that it is asked; `None` as
/// [find_unsubscribing] has it. Once this returns, it is kept.
pub async fn unsubscribe(app: &App, token: &str) -> Result<Option<Unsubscribing>, AppError> {
    let Some((copy, email, address)) = find_copy(app, token).await? else { return Ok(None) };
    let detail = EventDetail { message: Some("By the link in the message".to_owned()), ..EventDetail::default() };
    let event = EmailEvent {
        id: app.clock.mint(),
        kind: EventKind::Unsubscribed,
        at: app.clock.now(),
        recipient: Some(address.clone()),
        detail,
    };
    if app.store.record_unsubscribe(copy.team_id, copy.email_id, &event).await? {
        info!(team.id = %copy.team_id, email.id = %copy.email_id, "unsubscribed");
    }
    Ok(Some(Unsubscribing { address: mask_addresses(&address), team_name: email.team_name, is_done: true }))
}

async fn find_copy(app: &App, token: &str) -> Result<Option<(MailCopy, TrackedEmail, String)>, AppError> {
    let Some((copy, _)) = app.signer.read(TokenKind::Unsubscribe, token) else { return Ok(None) };
    let Some(email) = app.store.find_tracked(copy.team_id, copy.email_id).await? else { return Ok(None) };
    Ok(address_of(&email, copy).map(|address| (copy, email, address)))
}
