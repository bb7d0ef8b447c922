//! The messages: a table, which narrow windows show as two lines a message.

use leptos::prelude::*;

use super::selection::{Choices, ChooseCell, ChooseHead};
use crate::components::can::may;
use crate::components::channel_mark::ChannelMark;
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::number::grouped_total;
use crate::components::periods::WiderPeriod;
use crate::components::resend_button::ResendButton;
use crate::components::status_badge::StatusBadge;
use crate::components::time::{Time, TimeStyle, ViewerClock};
use crate::domain::address::logs::LogQuery;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, EmailSummary, Recipient, RecipientKind, Remark};
use crate::domain::filter::StatusSet;
use crate::domain::ids::{EmailId, TemplateId};
use crate::domain::page::{Page, Total};
use crate::domain::period::Period;
use crate::domain::permission::Permission;
use crate::domain::resend_job::likely_end;
use crate::domain::search::Search;

/// One page of messages, newest first.
#[component]
pub fn LogTable(rows: Vec<EmailSummary>) -> impl IntoView {
    let may_resend = may(Permission::LogsResend);
    let may_choose = Choices::of_viewer().any();
    // The roles stay when the style sheet takes the table apart on narrow windows.
    view! {
        <table class="log-table" role="table" aria-label="Messages">
            <thead role="rowgroup">
                <tr role="row">
                    {may_choose.then(|| view! { <ChooseHead/> })}
                    <th role="columnheader" scope="col">"Status"</th>
                    <th role="columnheader" scope="col">"Recipient"</th>
                    <th role="columnheader" scope="col">"Subject"</th>
                    <th role="columnheader" scope="col">"Template"</th>
                    <th role="columnheader" scope="col" class="time" aria-sort="descending">"Accepted"</th>
                    <th role="columnheader" scope="col"><span class="visually-hidden">"Actions"</span></th>
                </tr>
            </thead>
            <tbody role="rowgroup">
                {rows.into_iter().map(|row| view! { <Row row may_resend may_choose/> }).collect_view()}
            </tbody>
        </table>
    }
}

#[component]
fn Row(row: EmailSummary, may_resend: bool, may_choose: bool) -> impl IntoView {
    let url = format!("/logs/{}", row.id);
    let first = row.recipients.first();
    let address = first.map_or_else(|| "nobody".to_owned(), |recipient| recipient.address.clone());
    let name = first.and_then(|recipient| recipient.name.clone());
    let more = row.recipients.len().saturating_sub(1);
    let everybody = spoken_list(&row.recipients);
    let resend = (may_resend && row.status.can_be_resent()).then(|| {
        let (warnings, again) = row.remark.as_ref().map(before_resend).unwrap_or_default();
        let (id, channel, subject) = (row.id, row.channel, row.subject.clone());
        view! { <ResendButton id channel recipient=everybody.clone() subject warnings again/> }
    });
    let choose = may_choose.then(|| view! { <ChooseCell row=row.clone()/> });
    let subject = match (row.subject.is_empty(), row.channel) {
        (false, _) => row.subject,
        (true, Channel::Email) => "(no subject)".to_owned(),
        (true, Channel::Sms | Channel::Call | Channel::Push | Channel::InApp) => "–".to_owned(),
    };
    view! {
        <tr role="row" id=row.id.to_string()>
            {choose}
            <td role="cell" class="status"><StatusBadge status=row.status/></td>
            <td role="cell" class="recipient" title=everybody>
                <a class="row-link" href=url>{address}</a>
                {(row.channel != Channel::Email).then(|| view! { <ChannelMark channel=row.channel/> })}
                {(more > 0).then(|| view! { <span class="more">{format!("+{more}")}</span> })}
                {name.map(|name| view! { <span class="name">{name}</span> })}
            </td>
            <td role="cell" class="subject">
                <span title=subject.clone()>{subject.clone()}</span>
                {row.remark.map(|remark| view! { <p class="remark">{remark_words(remark)}</p> })}
            </td>
            <td role="cell" class="template">{row.template_name.unwrap_or_else(|| "–".to_owned())}</td>
            <td role="cell" class="time"><Time at=row.id.created_at()/></td>
            <td role="cell" class="actions">{resend}</td>
        </tr>
    }
}

/// What became of a message beyond its status: "Resent 15:58, arrived".
fn remark_words(remark: Remark) -> AnyView {
    match remark {
        Remark::Failed { class, mailbox_provider: None } => class.label().into_any(),
        Remark::Failed { class, mailbox_provider: Some(provider) } => {
            format!("{} · {provider}", class.label()).into_any()
        }
        Remark::Resent { copy, status } => {
            view! { "Resent " <Time at=copy.created_at()/> {copy_words(status)} }.into_any()
        }
        Remark::Delayed { class, again_at } => {
            let again = again_at.map(|at| view! { ", again at " <Time at/> });
            let why = format!(": {}", class.label().to_lowercase());
            view! { "Delayed" {again} {why} }.into_any()
        }
        Remark::Scheduled(at) => view! { "Scheduled for " <Time at/> }.into_any(),
        Remark::WaitsForAdapter => "Waits for an adapter".into_any(),
    }
}

/// What to know before a message is resent, and the copy that went out already.
fn before_resend(remark: &Remark) -> (Vec<String>, Option<EmailId>) {
    match remark {
        Remark::Failed { class, .. } => (vec![format!("{}.", likely_end(*class))], None),
        Remark::Resent { copy, status } => {
            let went_out = !status.can_be_resent() && *status != EmailStatus::Queued;
            (vec![resent_words(*copy, *status, None)], went_out.then_some(*copy))
        }
        Remark::Delayed { .. } | Remark::Scheduled(_) | Remark::WaitsForAdapter => (Vec::new(), None),
    }
}

/// What the dialog says of a copy: "It was resent at 15:58 by Mara Ott, bounced again."
pub fn resent_words(copy: EmailId, status: EmailStatus, by: Option<&str>) -> String {
    let time = ViewerClock::of_page().format(copy.created_at(), TimeStyle::Short);
    let by = by.map(|by| format!(" {by}")).unwrap_or_default();
    format!("It was resent already: {time}{by}{}.", copy_words(status))
}

/// What became of a copy.
pub const fn copy_words(status: EmailStatus) -> &'static str {
    match status {
        EmailStatus::Queued => ", on its way",
        EmailStatus::Sent => ", sent",
        EmailStatus::Delivered => ", arrived",
        EmailStatus::Opened | EmailStatus::Clicked => ", arrived and was opened",
        EmailStatus::Bounced => ", bounced again",
        EmailStatus::Failed => ", failed again",
        EmailStatus::Spam => ", reported as spam",
    }
}

/// So many recipients are named; of more, the first five are and the others counted.
const NAMED: usize = 6;

/// Everybody a message is for: `ada@example.com, bob@example.com (Cc)`.
pub fn spoken_list(recipients: &[Recipient]) -> String {
    let shown = |recipient: &Recipient| match recipient.kind {
        RecipientKind::To => recipient.address.clone(),
        RecipientKind::Cc => format!("{} (Cc)", recipient.address),
        RecipientKind::Bcc => format!("{} (Bcc)", recipient.address),
    };
    let named = if recipients.len() > NAMED { NAMED - 1 } else { recipients.len() };
    let words = recipients.iter().take(named).map(shown).collect::<Vec<_>>().join(", ");
    match recipients.len() - named {
        0 => words,
        more => format!("{words} and {more} more"),
    }
}

/// What stands in the place of an empty table, with a way to messages.
#[component]
pub fn Nothing(
    query: LogQuery,
    period: Period,
    page: Page<EmailSummary>,
    /// How many there are in all time, where that was counted.
    in_all_time: Option<Total>,
    /// Searches that find something.
    near: Vec<(String, Total)>,
    templates: Vec<(TemplateId, String)>,
) -> impl IntoView {
    let total_pages = page.total_pages();
    if query.page > 1 && total_pages > 0 {
        let last = query.with_page(total_pages).to_url();
        return view! {
            <EmptyState glyph=Glyph::Logs title=format!("There is no page {}", query.page)>
                <p>"The list ends before it."</p>
                <p><a class="button" href=last>"Go to the last page"</a></p>
            </EmptyState>
        }
        .into_any();
    }
    let template = query.template_id.and_then(|id| templates.into_iter().find(|(known, _)| *known == id));
    let title = nothing_title(&query, &period, template.map(|(_, name)| name));
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    let clear = query.has_filters().then(|| {
        view! { <a class="button" href=query.without_filters().to_url()>"Clear filters"</a> }
    });
    let wider = match in_all_time {
        Some(Total::Exact(0)) => None,
        Some(total) => {
            let words = format!("Look at all time: {}", grouped_total(total));
            Some(view! { <a class="button primary" href=query.in_all_time().to_url()>{words}</a> }.into_any())
        }
        None => Some(view! { <WiderPeriod preset=period.preset to_url/> }.into_any()),
    };
    let near = near.into_iter().filter_map(|(text, total)| {
        let url = LogQuery { search: Search::parse(&text).ok()?, ..query.with_page(1) }.to_url();
        Some(view! { <p>"Did you mean " <a href=url>{text}</a> {format!("? {}", found_words(total))}</p> })
    });
    let near = near.collect_view();
    view! {
        <EmptyState glyph=Glyph::Logs title>
            {near}
            <p class="empty-links">{wider}{clear}</p>
        </EmptyState>
    }
    .into_any()
}

/// "12 messages".
fn found_words(total: Total) -> String {
    let noun = if total == Total::Exact(1) { "message" } else { "messages" };
    format!("{} {noun}.", grouped_total(total))
}

/// What is missing, in one sentence: "No bounced or failed messages to “ada” in the last 7 days".
fn nothing_title(query: &LogQuery, period: &Period, template: Option<String>) -> String {
    let statuses = status_words(query.statuses);
    let template = template.map(|name| format!(" from the template “{name}”")).unwrap_or_default();
    let search = if query.search.is_empty() { String::new() } else { format!(" matching “{}”", query.search) };
    let channel = match query.channel {
        None => String::new(),
        Some(Channel::Sms) => "SMS ".to_owned(),
        Some(channel @ (Channel::Email | Channel::Call | Channel::Push | Channel::InApp)) => {
            format!("{} ", channel.label().to_lowercase())
        }
    };
    format!("No {statuses}{channel}messages{template}{search}{}", period.preset.within())
}

fn status_words(statuses: StatusSet) -> String {
    let words: Vec<_> = statuses.iter().map(EmailStatus::as_str).collect();
    match words.as_slice() {
        [] => String::new(),
        [one] => format!("{one} "),
        [start @ .., last] => format!("{} or {last} ", start.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::filter::TimeRange;
    use crate::domain::period::Preset;

    #[test]
    fn an_empty_list_says_what_is_missing() {
        let period = Period {
            preset: Preset::Last7Days,
            range: TimeRange::default(),
            previous: None,
            label: "Last 7 days".to_owned(),
            now: chrono::DateTime::UNIX_EPOCH,
            time_zone: "UTC".to_owned(),
        };
        let title = |query: &str| nothing_title(&LogQuery::parse(query).unwrap(), &period, None);
        assert_eq!(title(""), "No messages in the last 7 days");
        assert_eq!(title("channel=sms"), "No SMS messages in the last 7 days");
        assert_eq!(title("status=failed&channel=in_app"), "No failed in-app messages in the last 7 days");
        assert_eq!(title("status=failed"), "No failed messages in the last 7 days");
        assert_eq!(
            title("status=failed,bounced&q=ada"),
            "No bounced or failed messages matching “ada” in the last 7 days"
        );
    }
}
