//! The messages: a table, which narrow windows show as two lines a message.

use leptos::prelude::*;

use super::selection::{Choices, ChooseCell, ChooseHead};
use crate::components::can::may;
use crate::components::channel_mark::ChannelMark;
use crate::components::empty_state::EmptyState;
use crate::components::icon::{Glyph, Icon};
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
use crate::domain::list_view::ListView;
use crate::domain::page::{Page, Total};
use crate::domain::period::Period;
use crate::domain::permission::Permission;
use crate::domain::resend_job::likely_end;
use crate::domain::search::Search;
use crate::server_fns::emails::NearSearch;

/// One page of messages, newest first.
#[component]
pub fn LogTable(
    query: LogQuery,
    rows: Vec<EmailSummary>,
    /// The message in the panel beside the list.
    peeked: Option<EmailId>,
    look: ListView,
) -> impl IntoView {
    let may_resend = may(Permission::LogsResend);
    let may_choose = Choices::of_viewer().any();
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
                        view! { <Row row may_resend may_choose peek is_peeked/> }
                    })
                    .collect_view()}
            </tbody>
        </table>
    }
}

#[component]
fn Row(row: EmailSummary, may_resend: bool, may_choose: bool, peek: String, is_peeked: bool) -> impl IntoView {
    let url = format!("/logs/{}", row.id);
    let first = row.recipients.first();
    let peek_label = format!("Beside the list: the message to {}", first.map_or("nobody", |first| &first.address));
    let address = first.map_or_else(|| "nobody".to_owned(), |recipient| recipient.address.clone());
    let name = first.and_then(|recipient| recipient.name.clone());
    let more = row.recipients.len().saturating_sub(1);
    let everybody = spoken_list(&row.recipients);
    let named_list = named_list(&row.recipients);
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
                <span title=subject.clone()>{subject.clone()}</span>
                {row.remark.map(|remark| view! { <p class="remark">{remark_words(remark)}</p> })}
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

/// The same with their names: `Ada Lovelace ‹ada@example.com›`.
fn named_list(recipients: &[Recipient]) -> String {
    let shown = |recipient: &Recipient| match &recipient.name {
        Some(name) => format!("{name} ‹{}›", spoken_list(std::slice::from_ref(recipient))),
        None => spoken_list(std::slice::from_ref(recipient)),
    };
    recipients.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// Everybody a message is for: `ada@example.com, bob@example.com (Cc)`.
pub fn spoken_list(recipients: &[Recipient]) -> String {
    let shown = |recipient: &Recipient| match recipient.kind {
        RecipientKind::To => recipient.address.clone(),
        RecipientKind::Cc => format!("{} (Cc)", recipient.address),
        RecipientKind::Bcc => format!("{} (Bcc)", recipient.address),
    };
    recipients.iter().map(shown).collect::<Vec<_>>().join(", ")
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
    near: Vec<NearSearch>,
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
    let has_near = !near.is_empty();
    let near = near.into_iter().filter_map(|NearSearch { search: text, total, is_in_all_time }| {
        let list = LogQuery { search: Search::parse(&text).ok()?, ..query.with_page(1) };
        let url = if is_in_all_time { list.in_all_time() } else { list }.to_url();
        let when = if is_in_all_time { " in all time" } else { "" };
        Some(view! { <p>"Did you mean " <a href=url>{text}</a> {format!("? {}{when}.", found_words(total))}</p> })
    });
    let near = near.collect_view();
    let nowhere = in_all_time == Some(Total::Exact(0)) && query.has_filters();
    let advice = (nowhere && !has_near).then(|| other_ways(&query));
    view! {
        <EmptyState glyph=Glyph::Logs title>
            {nowhere.then(|| view! { <p>"Nothing in all time either."</p> })}
            {near}
            {advice.map(|words| view! { <p>{words}</p> })}
            <p class="empty-links">{wider}{clear}</p>
        </EmptyState>
    }
    .into_any()
}

/// What else may find it.
fn other_ways(query: &LogQuery) -> &'static str {
    match (query.search.terms.len(), query.search.conditions.is_empty()) {
        (0, _) => "Take a filter away above, or look for the recipient instead.",
        (1, true) => "Try a part of it, another spelling of the recipient’s name, or the address itself.",
        (1, false) => "Try it without the filters above, or another spelling of the recipient’s name or address.",
        (_, _) => "Try fewer words, or another spelling of the recipient’s name or address.",
    }
}

/// "12 messages".
fn found_words(total: Total) -> String {
    let noun = if total == Total::Exact(1) { "message" } else { "messages" };
    format!("{} {noun}", grouped_total(total))
}

/// What is missing, in one sentence: "No bounced or failed messages to “ada” in the last 7 days".
fn nothing_title(query: &LogQuery, period: &Period, template: Option<String>) -> String {
    let statuses = status_words(query.statuses);
    let template = template.map(|name| format!(" from the template “{name}”")).unwrap_or_default();
    // What is no words stands above as chips.
    let search = match (query.search.words(), query.search.conditions.is_empty()) {
        (words, true) if words.is_empty() => String::new(),
        (words, false) if words.is_empty() => " with these filters".to_owned(),
        (words, true) => format!(" matching “{words}”"),
        (words, false) => format!(" matching “{words}” with these filters"),
    };
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
        assert_eq!(title("q=tag:a"), "No messages with these filters in the last 7 days");
        assert_eq!(title("q=ada tag:a"), "No messages matching “ada” with these filters in the last 7 days");
    }
}
