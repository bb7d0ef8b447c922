//! The messages: a table, which narrow windows show as two lines a message.

use leptos::prelude::*;

use super::selection::{Choices, ChooseCell, ChooseHead};
use crate::components::can::may;
use crate::components::channel_mark::ChannelMark;
use crate::components::email_words::{copy_words, named_list, resent_words, shown_subject, spoken_list};
use crate::components::icon::{Glyph, Icon};
use crate::components::resend_button::ResendButton;
use crate::components::status_badge::StatusBadge;
use crate::components::time::Time;
use crate::domain::address::logs::LogQuery;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailSummary, Remark};
use crate::domain::ids::EmailId;
use crate::domain::list_view::ListView;
use crate::domain::permission::Permission;
use crate::domain::resend_job::{is_doubtful, likely_end};

/// One page of messages, newest first.
#[component]
pub fn LogTable(
    query: LogQuery,
    rows: Vec<EmailSummary>,
    /// Those that a search found by what they do not show.
    found_by_contents: Vec<EmailId>,
    /// The message in the panel beside the list.
    peeked: Option<EmailId>,
    look: ListView,
) -> impl IntoView {
    let may_resend = may(Permission::LogsResend);
    let may_choose = Choices::of_viewer().any();
    let list = query.to_list();
    // The roles stay when the style sheet takes the table apart on narrow windows.
    view! {
        <table
            class="log-table"
            role="table"
            aria-label="Messages"
            data-dense=look.is_dense.then_some("")
            data-without=look.hidden_names()
        >
            <thead role="rowgroup">
                <tr role="row">
                    {may_choose.then(|| view! { <ChooseHead/> })}
                    <th role="columnheader" scope="col" class="status">"Status"</th>
                    <th role="columnheader" scope="col" class="recipient">"Recipient"</th>
                    <th role="columnheader" scope="col" class="subject">"Subject"</th>
                    <th role="columnheader" scope="col" class="template">"Template"</th>
                    <th role="columnheader" scope="col" class="time" aria-sort="descending">"Accepted"</th>
                    <th role="columnheader" scope="col" class="actions"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">
                {rows
                    .into_iter()
                    .map(|row| {
                        let peek = query.to_peek_url(row.id);
                        let is_peeked = peeked == Some(row.id);
                        let by_contents = found_by_contents.contains(&row.id);
                        view! { <Row row may_resend may_choose by_contents peek is_peeked list=list.clone()/> }
                    })
                    .collect_view()}
            </tbody>
        </table>
    }
}

#[component]
fn Row(
    row: EmailSummary,
    may_resend: bool,
    may_choose: bool,
    /// Whether a search found it by its metadata or variables.
    by_contents: bool,
    peek: String,
    is_peeked: bool,
    list: String,
) -> impl IntoView {
    let url = format!("/logs/{}", row.id);
    let first = row.recipients.first();
    let peek_label = format!("Beside the list: the message to {}", first.map_or("nobody", |first| &first.address));
    let address = first.map_or_else(|| "nobody".to_owned(), |recipient| recipient.address.clone());
    let name = first.and_then(|recipient| recipient.name.clone());
    let more = row.recipients.len().saturating_sub(1);
    let everybody = spoken_list(&row.recipients);
    let named_list = named_list(&row.recipients);
    // Once a copy went out, sending another is for who looks at the message.
    let went_out = matches!(row.remark, Some(Remark::Resent { status, .. }) if !status.can_be_resent());
    let resend = (may_resend && row.status.can_be_resent() && !went_out).then(|| {
        let warnings = row.remark.as_ref().map(before_resend).unwrap_or_default();
        let is_doubtful = row.remark.as_ref().is_some_and(is_remark_doubtful);
        let (id, channel, subject) = (row.id, row.channel, row.subject.clone());
        let recipient = everybody.clone();
        view! { <ResendButton id channel recipient subject warnings is_doubtful again=None list=Some(list) row=id/> }
    });
    let choose = may_choose.then(|| view! { <ChooseCell row=row.clone()/> });
    let remark = remark_line(row.resend_of, row.remark, by_contents);
    let is_bare = row.subject.is_empty();
    let subject = shown_subject(&row.subject, row.channel);
    view! {
        <tr role="row" id=row.id.to_string() aria-current=is_peeked.then_some("true")>
            {choose}
            <td role="cell" class="status"><StatusBadge status=row.status/></td>
            <td role="cell" class="recipient" title=named_list>
                {name.map(|name| view! { <p class="name" dir="auto">{name}</p> })}
                <a class="row-link" href=url>{address}</a>
                {(row.channel != Channel::Email).then(|| view! { <ChannelMark channel=row.channel/> })}
                {(more > 0).then(|| view! { <span class="more">{format!("+{more}")}</span> })}
            </td>
            <td role="cell" class="subject">
                <span class:nothing=is_bare title=subject.clone()>{subject.clone()}</span>
                {remark}
            </td>
            <td role="cell" class="template">{row.template_name.unwrap_or_else(|| "–".to_owned())}</td>
            <td role="cell" class="time">
                <Time at=row.id.created_at()/>
                <a class="peek-link" href=peek data-peek title="Beside the list (p)" aria-label=peek_label>
                    <Icon glyph=Glyph::Eye/>
                </a>
            </td>
            <td role="cell" class="actions">{resend}</td>
        </tr>
    }
}

/// The line under the subject: "Resend of the message of 14:03 · The mailbox is full".
fn remark_line(resend_of: Option<EmailId>, remark: Option<Remark>, by_contents: bool) -> Option<AnyView> {
    let has_both = resend_of.is_some() && remark.is_some();
    let has_more = by_contents && (resend_of.is_some() || remark.is_some());
    let origin = resend_of.map(|of| view! { "Resend of the message of " <Time at=of.created_at()/> });
    let remark = remark.map(remark_words);
    let found = by_contents.then_some("Found in its variables or metadata");
    let line = (origin.is_some() || remark.is_some() || by_contents).then(|| {
        view! {
            <p class="remark">
                {origin} {has_both.then_some(" · ")} {remark} {has_more.then_some(" · ")} {found}
            </p>
        }
    });
    line.map(IntoAny::into_any)
}

/// What became of a message beyond its status: "Resent 15:58, arrived · The mailbox is full".
fn remark_words(remark: Remark) -> AnyView {
    let reason = remark.reason();
    match remark {
        Remark::Failed { .. } | Remark::WaitsForAdapter => reason.unwrap_or_default().into_any(),
        Remark::Resent { copy, status, .. } => {
            let why = reason.map(|reason| format!(" · {reason}"));
            view! { "Resent " <Time at=copy.created_at()/> {copy_words(status)} {why} }.into_any()
        }
        Remark::Delayed { class, again_at } => {
            let again = again_at.map(|at| view! { ", again at " <Time at/> });
            let why = format!(": {}", class.label().to_lowercase());
            view! { "Delayed" {again} {why} }.into_any()
        }
        Remark::Scheduled(at) => view! { "Scheduled for " <Time at/> }.into_any(),
    }
}

/// Whether that speaks against resending it: a copy failed already, or will unless something has changed.
fn is_remark_doubtful(remark: &Remark) -> bool {
    match remark {
        Remark::Failed { class, .. } => is_doubtful(*class),
        Remark::Resent { status, .. } => status.can_be_resent(),
        Remark::Delayed { .. } | Remark::Scheduled(_) | Remark::WaitsForAdapter => false,
    }
}

/// What to know before a message is resent.
fn before_resend(remark: &Remark) -> Vec<String> {
    match remark {
        Remark::Failed { class, .. } => vec![format!("{}.", likely_end(*class))],
        Remark::Resent { copy, status, .. } => vec![resent_words(*copy, *status, None)],
        Remark::Delayed { .. } | Remark::Scheduled(_) | Remark::WaitsForAdapter => Vec::new(),
    }
}
