//! The messages: a table, which narrow windows show as two lines a message.

use leptos::prelude::*;

use super::selection::{Choices, ChooseHead, push_choose_cell};
use crate::components::can::may;
use crate::components::channel_mark::ChannelMark;
use crate::components::email_words::{copy_words, named_list, resent_words, shown_subject, spoken_list};
use crate::components::icon::{Glyph, push_icon};
use crate::components::markup::Markup;
use crate::components::resend_button::ResendButton;
use crate::components::status_badge::push_status_badge;
use crate::components::time::{Time, ViewerClock, push_time};
use crate::domain::address::logs::LogQuery;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailSummary, Remark};
use crate::domain::ids::EmailId;
use crate::domain::list_view::ListView;
use crate::domain::mount::{mount_path, mounted};
use crate::domain::permission::Permission;
use crate::domain::resend::ResendRule;
use crate::domain::resend_job::{is_doubtful, likely_end};
use crate::domain::viewer::Viewer;

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
    let page = Rows {
        clock: ViewerClock::of_page(),
        choices: Choices::of_viewer(),
        resend_rule: use_context::<Viewer>().map_or(ResendRule::Failed, |viewer| viewer.resend_rule()),
        may_resend: may(Permission::LogsResend),
        list: query.to_list(),
        query,
    };
    let may_choose = page.choices.any();
    let mut html = Markup::with_capacity(rows.len() * ROW_BYTES);
    for row in &rows {
        page.push_row(&mut html, row, found_by_contents.contains(&row.id), peeked == Some(row.id));
    }
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
            <tbody role="rowgroup" inner_html=html.into_html()></tbody>
        </table>
    }
}

/// What a row takes, mostly.
const ROW_BYTES: usize = 1_600;

/// What all rows of a page have in common.
struct Rows {
    clock: ViewerClock,
    choices: Choices,
    resend_rule: ResendRule,
    may_resend: bool,
    list: String,
    query: LogQuery,
}

impl Rows {
    fn push_row(
        &self,
        html: &mut Markup,
        row: &EmailSummary,
        // Whether a search found it by its metadata or variables.
        by_contents: bool,
        is_peeked: bool,
    ) {
        let id = row.id.to_string();
        let first = row.recipients.first();
        let address = first.map_or("nobody", |recipient| &recipient.address);
        html.html(r#"<tr role="row""#).attribute("id", &id);
        if is_peeked {
            html.attribute("aria-current", "true");
        }
        html.html(">");
        if self.choices.any() {
            push_choose_cell(html, row, self.choices, self.resend_rule);
        }
        html.html(r#"<td role="cell" class="status">"#);
        push_status_badge(html, row.status);
        html.html(r#"</td><td role="cell" class="recipient""#)
            .attribute("title", &named_list(&row.recipients))
            .html(">");
        if let Some(name) = first.and_then(|recipient| recipient.name.as_deref()) {
            html.html(r#"<p class="name" dir="auto">"#).text(name).html("</p>");
        }
        html.html(r#"<a class="row-link" href=""#)
            .text(mount_path())
            .html("/logs/")
            .text(&id)
            .html("\">")
            .text(address)
            .html("</a>");
        if row.channel != Channel::Email {
            html.view(view! { <ChannelMark channel=row.channel/> });
        }
        if row.recipients.len() > 1 {
            html.html(r#"<span class="more">+"#).text(&(row.recipients.len() - 1).to_string()).html("</span>");
        }
        let subject = shown_subject(&row.subject, row.channel);
        html.html(r#"</td><td role="cell" class="subject"><span"#);
        if row.subject.is_empty() {
            html.attribute("class", "nothing");
        }
        html.attribute("title", &subject).html(">").text(&subject).html("</span>");
        if let Some(line) = remark_line(row.resend_of, row.remark.clone(), by_contents) {
            html.view(line);
        }
        html.html(r#"</td><td role="cell" class="template">"#).text(row.template_name.as_deref().unwrap_or("–"));
        html.html(r#"</td><td role="cell" class="time">"#);
        push_time(html, row.id.created_at(), &self.clock);
        html.html(r#"<a class="peek-link""#).attribute("href", &mounted(self.query.to_peek_url(row.id)));
        html.html(r#" data-peek title="Beside the list (p)" aria-label="Beside the list: the message to "#);
        html.text(address).html("\">");
        push_icon(html, Glyph::Eye);
        html.html(r#"</a></td><td role="cell" class="actions">"#);
        self.push_resend(html, row);
        html.html("</td></tr>");
    }

    /// The button that resends it. Once a copy went out, sending another is for who looks at the message.
    fn push_resend(&self, html: &mut Markup, row: &EmailSummary) {
        let went_out = matches!(row.remark, Some(Remark::Resent { status, .. }) if !status.can_be_resent());
        if self.may_resend && row.status.can_be_resent() && !went_out {
            let warnings = row.remark.as_ref().map(before_resend).unwrap_or_default();
            let is_doubtful = row.remark.as_ref().is_some_and(is_remark_doubtful);
            let (id, channel, subject, list) = (row.id, row.channel, row.subject.clone(), self.list.clone());
            let recipient = spoken_list(&row.recipients);
            html.view(view! {
                <ResendButton id channel recipient subject warnings is_doubtful again=None list=Some(list) row=id/>
            });
        }
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
