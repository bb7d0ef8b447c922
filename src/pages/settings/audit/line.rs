//! One line of the audit log.

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use super::difference::{Difference, Grants, Said, differences, grants_of};
use super::field::deed_of;
use super::lines::{Piece, changed_lines};
use crate::components::breaks::breaking;
use crate::components::history_link::HistoryLink;
use crate::components::number::{counted, grouped};
use crate::components::time::{Time, TimeStyle};
use crate::domain::account::device_words;
use crate::domain::audit::{ActorKind, AuditAction, AuditEntry};
use crate::domain::mount::mounted;

/// A text that is longer than this, in characters, is folded.
const SHOWN_CHARS: usize = 90;

/// So many lines of a text that changed are in sight.
const SHOWN_LINES: usize = 14;

/// Who did what from where, and when.
#[component]
pub fn Line(
    entry: AuditEntry,
    /// Whether it leads to all lines about the same thing.
    links_object: bool,
) -> impl IntoView {
    let history = entry.target.clone().filter(|_| links_object).map(|object| view! { " " <HistoryLink object/> });
    let changes = differences(&entry).into_iter().map(|change| view! { <Change change/> }).collect_view();
    let has_changes = !changes.is_empty();
    // The fields of one thing, one beside the other; changes, one below the other.
    let is_list = entry.before.is_some() && entry.after.is_some();
    let what = match grants_of(&entry) {
        Some(grants) => view! { <Granting grants target=target_of(&entry)/> }.into_any(),
        None => view! { <b>{deed_of(&entry)}</b>" "{target_of(&entry)} }.into_any(),
    };
    let actor = breaking(&entry.actor.name, '@');
    let address = breaking(entry.address.as_deref().unwrap_or("–"), ':');
    let device = entry.user_agent.as_deref().map(device_words);
    let whole_agent = entry.user_agent.clone();
    view! {
        <tr role="row" data-action=entry.action.as_str()>
            <td role="cell">
                <span class="two-lines">
                    <strong>{actor}</strong>
                    <span>{kind_words(entry.actor.kind)}</span>
                </span>
            </td>
            <td role="cell" class="what">
                <p>{what}{history}</p>
                {entry.reason.map(|reason| view! { <p class="reason">"“" {reason} "”"</p> })}
                {has_changes.then(|| view! { <dl class="changes" data-flat=(!is_list).then_some("")>{changes}</dl> })}
            </td>
            <td role="cell">
                <span class="two-lines">
                    <span>{address}</span>
                    {device.map(|device| view! { <span title=whole_agent>{device}</span> })}
                </span>
            </td>
            <td role="cell" class="time"><Time at=entry.at style=TimeStyle::ShortSecond/></td>
        </tr>
    }
}

/// What a role may do from then on, and what not any more: "Allowed Support to resend messages that failed or bounced".
#[component]
fn Granting(grants: Grants, target: Option<AnyView>) -> impl IntoView {
    let Grants { granted, withdrawn } = grants;
    let to = |words: String| view! { " to " <b>{words}</b> };
    match (granted, withdrawn) {
        (Some(granted), withdrawn) => {
            let less = withdrawn.map(|words| view! { ", and no longer" {to(words)} });
            view! { <b>"Allowed"</b>" " {target} {to(granted)} {less} }.into_any()
        }
        (None, Some(withdrawn)) => view! { <b>"No longer allowed"</b>" " {target} {to(withdrawn)} }.into_any(),
        (None, None) => target.into_any(),
    }
}

#[component]
fn Change(change: Difference) -> impl IntoView {
    let Difference { field, said } = change;
    let said = match said {
        Said::Once(text) => view! { <Text text/> }.into_any(),
        Said::Changed(Some(old), Some(new)) if old.contains('\n') || new.contains('\n') => {
            view! { <ChangedLines pieces=changed_lines(&old, &new)/> }.into_any()
        }
        Said::Changed(before, after) => {
            let arrow = before.is_some().then(|| {
                view! { <span aria-hidden="true">" → "</span><span class="visually-hidden">" became "</span> }
            });
            let is_gone = after.is_none();
            view! {
                {before.map(|text| view! { <del><Text text/></del> })}
                {arrow}
                {after.map(|text| view! { <ins><Text text/></ins> })}
                {is_gone.then(|| view! { <span class="nothing">"none"</span> })}
            }
            .into_any()
        }
    };
    view! { <div class="change"><dt>{field}</dt><dd>{said}</dd></div> }
}

/// A long text's lines that changed, with what surrounds them; in sight where they are few.
#[component]
fn ChangedLines(pieces: Vec<Piece>) -> impl IntoView {
    let count = |wanted: fn(&Piece) -> bool| pieces.iter().filter(|piece| wanted(piece)).count() as i64;
    let added = count(|piece| matches!(piece, Piece::Added(_)));
    let removed = count(|piece| matches!(piece, Piece::Removed(_)));
    let summary = format!("{} added, {} removed", counted(added, "line", "lines"), grouped(removed));
    let is_open = pieces.len() <= SHOWN_LINES;
    let shown = pieces.into_iter().map(|piece| match piece {
        Piece::Added(line) => view! { <ins>"+ " {line} "\n"</ins> }.into_any(),
        Piece::Removed(line) => view! { <del>"− " {line} "\n"</del> }.into_any(),
        Piece::Same(line) => view! { <span>"  " {line} "\n"</span> }.into_any(),
        Piece::Folded(count) => {
            let words = counted(count as i64, "unchanged line", "unchanged lines");
            view! { <i>{format!("… {words}\n")}</i> }.into_any()
        }
    });
    let shown = shown.collect_view();
    view! {
        <details open=is_open>
            <summary>{summary}</summary>
            <pre class="changed-lines" tabindex="0" aria-label="Changed lines" dir="auto">{shown}</pre>
        </details>
    }
}

/// A text, folded where it is long. A time is shown as everywhere.
#[component]
fn Text(text: String) -> impl IntoView {
    if let Ok(at) = DateTime::parse_from_rfc3339(&text) {
        return view! { <Time at=at.with_timezone(&Utc) style=TimeStyle::Minute/> }.into_any();
    }
    if text.chars().count() <= SHOWN_CHARS && !text.contains('\n') {
        return breaking(&text, '@');
    }
    let first_line = text.lines().next().unwrap_or_default();
    let start: String = first_line.chars().take(SHOWN_CHARS).collect();
    view! { <details><summary>{format!("{}…", start.trim_end())}</summary><pre>{text}</pre></details> }.into_any()
}

/// What it was done to, linked where it has a page.
fn target_of(entry: &AuditEntry) -> Option<AnyView> {
    let name = entry.target_name.clone().filter(|name| !name.is_empty()).or_else(|| entry.target.clone())?;
    // Who did something to their own account stands in the row already.
    if name == entry.actor.name {
        return None;
    }
    let name = breaking(&name, '@');
    Some(match entry.target.as_deref().and_then(|id| page_of(entry.action, id)) {
        Some(url) => view! { <a href=mounted(url)>{name}</a> }.into_any(),
        None => view! { <span>{name}</span> }.into_any(),
    })
}

/// The page of what an action was done to, where it still has one.
fn page_of(action: AuditAction, id: &str) -> Option<String> {
    use AuditAction::*;
    match action {
        EmailRevealed | EmailResent => Some(format!("/logs/{id}")),
        ResendStarted | ResendPaused | ResendResumed | ResendStopped | ResendFinished => Some(format!("/resends/{id}")),
        RequestRevealed => Some(format!("/requests/{id}")),
        ApiKeyCreated | ApiKeyUpdated | ApiKeyRotated | ApiKeyRevoked => Some(format!("/settings/api-keys/{id}")),
        TemplateCreated | TemplateUpdated | TemplateRestored => Some(format!("/templates/{id}")),
        RoleCreated | RoleUpdated => Some(format!("/settings/roles/{id}")),
        AdapterCreated | AdapterUpdated | AdapterTested | AdapterRestored => Some("/settings/adapters".to_owned()),
        WebhookCreated | WebhookUpdated => Some(format!("/settings/provider-webhooks/{id}")),
        OutgoingWebhookCreated
        | OutgoingWebhookUpdated
        | OutgoingWebhookEnabled
        | OutgoingWebhookDisabled
        | OutgoingWebhookRotated
        | OutgoingWebhookTested
        | OutgoingWebhookReplayed => Some(format!("/settings/webhooks/{id}")),
        ImportStarted | ImportStopped | ImportResumed => Some("/settings/imports".to_owned()),
        SuppressionsAdded | SuppressionLifted | SuppressionsExported => Some("/settings/suppressions".to_owned()),
        PersonForgetting | PersonForgotten | HoldPlaced | HoldLifted => Some("/settings/privacy".to_owned()),
        TeamCreated | TeamUpdated => Some("/settings/team".to_owned()),
        MemberInvited | InviteResent | MemberJoined | MemberRoleChanged => Some("/settings/members".to_owned()),
        LogInFailed
        | EmailsCanceled
        | LogExported
        | PersonExported
        | PersonWrittenTo
        | AuditExported
        | InviteRevoked
        | MemberRemoved
        | RoleDeleted
        | TemplateDeleted
        | TemplateTested
        | AdapterDeleted
        | WebhookDeleted
        | OutgoingWebhookDeleted
        | ImportDeleted
        | TeamDeleted
        | ProfileUpdated
        | PasswordChanged
        | PasswordReset
        | TwoFactorEnabled
        | TwoFactorDisabled
        | RecoveryCodesRenewed
        | RecoveryCodeUsed
        | OpenIdLinked
        | SessionsEnded => None,
    }
}

const fn kind_words(kind: ActorKind) -> &'static str {
    match kind {
        ActorKind::User => "person",
        ActorKind::ApiKey => "API key",
        ActorKind::CommandLine => "at the server",
        ActorKind::Provider => "OpenID provider",
        ActorKind::Nobody => "not logged in",
    }
}
