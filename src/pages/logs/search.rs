//! The search field over everything, what narrows the list as chips that take it away again, and what can be searched by.
//! Forms and links alone: it works without scripts.

use leptos::prelude::*;

use crate::components::field::HiddenFields;
use crate::components::icon::{Glyph, Icon};
use crate::components::menu::Menu;
use crate::components::notice::Callout;
use crate::components::periods::TypedPeriod;
use crate::domain::address::logs::LogQuery;
use crate::domain::address::{Fields, PERIOD_PARAMETERS};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::filter::StatusSet;
use crate::domain::ids::TemplateId;
use crate::domain::period::PeriodChoice;
use crate::domain::search::{MAX_CHARS, PARAMETER, Qualifier};
use crate::pages::layout::PageTitle;

/// The field, which holds the words, and the chips, which are the rest. The form keeps what the chips say.
#[component]
pub fn SearchBar(query: LogQuery, templates: Vec<(TemplateId, String)>) -> impl IntoView {
    let mut kept = query.kept(PARAMETER);
    let qualifiers = query.search.qualifiers();
    if !qualifiers.is_empty() {
        kept.push((PARAMETER, qualifiers.to_string()));
    }
    let chips = chips_of(&query, &templates);
    let chips = (!chips.is_empty()).then(|| {
        let items = chips.into_iter().map(|chip| view! { <Chip chip/> }).collect_view();
        view! { <ul class="chips" aria-label="Filters">{items}</ul> }
    });
    view! {
        <div class="search-bar">
            <SearchField value=query.search.words().to_string() kept/>
            <SearchBy/>
            {chips}
        </div>
    }
}

#[component]
fn SearchField(value: String, kept: Fields) -> impl IntoView {
    view! {
        <form class="search" role="search" method="get" action="/logs">
            <HiddenFields fields=kept/>
            <Icon glyph=Glyph::Search/>
            <input
                type="search"
                name=PARAMETER
                data-suggest="/logs/suggest"
                enterkeyhint="search"
                aria-label="Search messages"
                placeholder="Recipient, subject, any id, or status:problems"
                value=value
                maxlength=MAX_CHARS
                autocomplete="off"
                autocapitalize="off"
                spellcheck="false"
            />
            <ul id="suggestions" class="suggestions" role="listbox" aria-label="Suggestions" hidden></ul>
        </form>
    }
}

/// What can stand before a colon, each with an example.
#[component]
fn SearchBy() -> impl IntoView {
    let rows = Qualifier::ALL
        .map(|qualifier| view! { <dt><code>{qualifier.example()}</code></dt><dd>{qualifier.label()}</dd> })
        .collect_view();
    view! {
        <Menu label="Search by…".into_any() class="quiet menu-end search-by">
            <p class="hint">
                "All that is written must hold. Several values have commas between them; a value with blanks stands in double quotes. A " <code>"-"</code>
                " before it means not: " <code>"-status:delivered"</code> "."
            </p>
            <dl>{rows}</dl>
        </Menu>
    }
}

/// What narrows the list, and the address of the list without it.
struct ChipOf {
    name: String,
    value: String,
    without: String,
}

#[component]
fn Chip(chip: ChipOf) -> impl IntoView {
    let ChipOf { name, value, without } = chip;
    let spoken = format!("Remove the filter {name}: {value}");
    view! {
        <li>
            <a class="chip" href=without aria-label=spoken.clone() title=spoken>
                <span class="chip-name">{name}": "</span>
                <span class="chip-value">{value}</span>
                <Icon glyph=Glyph::Cross/>
            </a>
        </li>
    }
}

fn chips_of(query: &LogQuery, templates: &[(TemplateId, String)]) -> Vec<ChipOf> {
    let first = |query: LogQuery| query.with_page(1).to_url();
    let mut chips = Vec::new();
    if !query.statuses.is_empty() {
        let value = match query.statuses == StatusSet::PROBLEMS {
            true => "problems".to_owned(),
            false => query.statuses.iter().map(EmailStatus::as_str).collect::<Vec<_>>().join(" or "),
        };
        let without = first(LogQuery { statuses: StatusSet::default(), ..query.clone() });
        chips.push(ChipOf { name: "status".to_owned(), value, without });
    }
    if let Some(id) = query.template_id {
        let named = templates.iter().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
        let without = first(LogQuery { template_id: None, ..query.clone() });
        chips.push(ChipOf { name: "template".to_owned(), value: named.unwrap_or_else(|| id.to_string()), without });
    }
    if let Some(channel) = query.channel {
        let without = first(LogQuery { channel: None, ..query.clone() });
        chips.push(ChipOf { name: "channel".to_owned(), value: Channel::label(channel).to_owned(), without });
    }
    for (index, condition) in query.search.conditions.iter().enumerate() {
        let without = query.without_condition(index).to_url();
        chips.push(ChipOf { name: condition.name(), value: condition.values.join(" or "), without });
    }
    chips
}

/// In the place of the page, for a search or a period that cannot be read: nothing that was typed is lost.
#[component]
pub fn Unread(
    typed: String,
    query: LogQuery,
    /// The parameter that was refused.
    field: String,
    message: String,
) -> impl IntoView {
    let mut letters = message.chars();
    let sentence: String =
        letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default();
    let is_search = field == PARAMETER;
    let (searched, when) = if is_search { (typed, None) } else { (query.search.to_string(), Some(typed)) };
    let mut kept = query.with_period(PeriodChoice::default()).fields();
    kept.retain(|(name, _)| !PERIOD_PARAMETERS.contains(name));
    let words = if is_search { "Show the list without this search" } else { "Show the last 7 days" };
    view! {
        <div class="page-head"><PageTitle text="Logs"/></div>
        <div class="search-bar">
            <SearchField value=searched kept=query.kept(PARAMETER)/>
            <SearchBy/>
        </div>
        <Callout is_error=true text=format!("{}.", sentence.trim_end_matches('.'))/>
        {when.map(|typed| view! { <TypedPeriod path="/logs" kept typed/> })}
        <p><a class="button" href=query.to_url()>{words}</a></p>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_takes_its_own_filter_away_and_keeps_the_others() {
        let query = "preset=30d&status=bounced,failed,spam&channel=sms&q=ada%20tag:a,b%20-is:resent&page=3";
        let chips = chips_of(&LogQuery::parse(query).unwrap(), &[]);
        let shown: Vec<String> =
            chips.iter().map(|chip| format!("{}: {} {}", chip.name, chip.value, chip.without)).collect();
        assert_eq!(
            shown,
            [
                "status: problems /logs?preset=30d&channel=sms&q=ada%20tag:a,b%20-is:resent",
                "channel: SMS /logs?preset=30d&status=bounced,failed,spam&q=ada%20tag:a,b%20-is:resent",
                "tag: a or b /logs?preset=30d&status=bounced,failed,spam&channel=sms&q=ada%20-is:resent",
                "-is: resent /logs?preset=30d&status=bounced,failed,spam&channel=sms&q=ada%20tag:a,b",
            ]
        );
    }
}
