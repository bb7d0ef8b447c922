//! What stands in the place of an empty list: what is missing, and the ways to messages.

use leptos::prelude::*;

use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::number::grouped_total;
use crate::components::periods::WiderPeriod;
use crate::domain::address::logs::LogQuery;
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, EmailSummary};
use crate::domain::filter::StatusSet;
use crate::domain::ids::TemplateId;
use crate::domain::mount::mounted;
use crate::domain::page::{Page, Total};
use crate::domain::period::Period;
use crate::domain::search::{Qualifier, Search};
use crate::server_fns::emails::NearSearch;

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
    /// Values that recent messages have of what is searched by.
    instead: Vec<(Qualifier, Vec<String>)>,
    templates: Vec<(TemplateId, String)>,
) -> impl IntoView {
    let total_pages = page.total_pages();
    if query.page > 1 && total_pages > 0 {
        let last = query.with_page(total_pages).to_url();
        return view! {
            <EmptyState glyph=Glyph::Logs title=format!("There is no page {}", query.page)>
                <p>"The list ends before it."</p>
                <p><a class="button" href=mounted(last)>"Go to the last page"</a></p>
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
        view! { <a class="button" href=mounted(query.without_filters().to_url())>"Clear filters"</a> }
    });
    let wider = match in_all_time {
        Some(Total::Exact(0)) => None,
        Some(total) => {
            let words = format!("Look at all time: {}", grouped_total(total));
            Some(view! { <a class="button primary" href=mounted(query.in_all_time().to_url())>{words}</a> }.into_any())
        }
        None => Some(view! { <WiderPeriod preset=period.preset to_url/> }.into_any()),
    };
    let has_near = !near.is_empty();
    let near = view! { <Near query=query.clone() near/> };
    let instead: Vec<_> =
        instead.into_iter().map(|(qualifier, values)| values_instead(&query, qualifier, values)).collect();
    let nowhere = in_all_time == Some(Total::Exact(0)) && query.has_filters();
    let advice = (nowhere && !has_near).then(|| other_ways(&query));
    let in_answers = query.search.in_answers().map(|search| {
        let list = LogQuery { search, ..query.with_page(1) };
        let url = if nowhere { list.in_all_time() } else { list }.to_url();
        view! { <p><a href=mounted(url)>"Look in what the mail servers answered"</a></p> }
    });
    view! {
        <EmptyState glyph=Glyph::Logs title>
            {(nowhere && !has_near).then(|| view! { <p>"Nothing in all time either."</p> })}
            {near}
            {instead}
            {advice.map(|words| view! { <p>{words}</p> })}
            {in_answers}
            <p class="empty-links">{wider}{clear}</p>
        </EmptyState>
    }
    .into_any()
}

/// Searches that may have been meant, each with how much it finds.
#[component]
pub fn Near(query: LogQuery, near: Vec<NearSearch>) -> impl IntoView {
    let near = near.into_iter().filter_map(|NearSearch { search: text, total, is_in_all_time }| {
        let list = LogQuery { search: Search::parse(&text).ok()?, ..query.with_page(1) };
        let url = if is_in_all_time { list.in_all_time() } else { list }.to_url();
        let when = if is_in_all_time { " in all time" } else { "" };
        Some(view! { <p>"Did you mean " <a href=mounted(url)>{text}</a> {format!("? It finds {}{when}.", found_words(total))}</p> })
    });
    near.collect_view()
}

/// The list with each of these values in the place of the one that finds nothing.
fn values_instead(query: &LogQuery, qualifier: Qualifier, values: Vec<String>) -> Option<AnyView> {
    let links = values.into_iter().filter_map(|value| {
        let search = query.search.with_value(qualifier, &value)?;
        let url = LogQuery { search, ..query.with_page(1) }.to_url();
        Some(view! { <a href=mounted(url)>{value}</a> })
    });
    let links: Vec<_> = links.collect();
    let words = match qualifier == Qualifier::Provider {
        true => "Recent messages went to mailboxes at: ",
        false => "Tags are found whole. These begin so: ",
    };
    (!links.is_empty()).then(|| view! { <p class="empty-links">{words}{links}</p> }.into_any())
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
