//! What narrows the list, as chips in words: each is a link to the list without it.

use leptos::prelude::*;

use crate::components::icon::{Glyph, Icon};
use crate::domain::address::logs::LogQuery;
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::failure::FailureClass;
use crate::domain::filter::StatusSet;
use crate::domain::ids::TemplateId;
use crate::domain::mount::mounted;
use crate::domain::search::{Condition, Qualifier};
use crate::server_fns::emails::ConditionNames;

/// What narrows the list, and the address of the list without it.
pub struct ChipOf {
    name: String,
    value: String,
    without: String,
}

#[component]
pub fn Chip(chip: ChipOf) -> impl IntoView {
    let ChipOf { name, value, without } = chip;
    let spoken = format!("Remove the filter {name}: {value}");
    view! {
        <li>
            <a class="chip" href=mounted(without) aria-label=spoken.clone() title=spoken>
                <span class="chip-name">{name}": "</span>
                <span class="chip-value">{value}</span>
                <Icon glyph=Glyph::Cross/>
            </a>
        </li>
    }
}

/// The chips of a list. `names` are those of ids in its search.
pub fn chips_of(query: &LogQuery, templates: &[(TemplateId, String)], names: &ConditionNames) -> Vec<ChipOf> {
    let first = |query: LogQuery| query.with_page(1).to_url();
    let mut chips = Vec::new();
    if !query.statuses.is_empty() {
        let value = match query.statuses == StatusSet::PROBLEMS {
            true => "problems".to_owned(),
            false => query.statuses.iter().map(EmailStatus::as_str).collect::<Vec<_>>().join(" or "),
        };
        let without = first(LogQuery { statuses: StatusSet::default(), ..query.clone() });
        chips.push(ChipOf { name: "Status".to_owned(), value, without });
    }
    if let Some(id) = query.template_id {
        let named = templates.iter().find(|(known, _)| *known == id).map(|(_, name)| name.clone());
        let without = first(LogQuery { template_id: None, ..query.clone() });
        chips.push(ChipOf { name: "Template".to_owned(), value: named.unwrap_or_else(|| id.to_string()), without });
    }
    if let Some(channel) = query.channel {
        let without = first(LogQuery { channel: None, ..query.clone() });
        chips.push(ChipOf { name: "Channel".to_owned(), value: channel.label().to_owned(), without });
    }
    let conditions = &query.search.conditions;
    let values_of = |condition: &Condition| {
        condition.values.iter().map(|value| words_of(condition, value, names)).collect::<Vec<_>>().join(" or ")
    };
    let groups = conditions.iter().filter(|other| other.qualifier == Qualifier::Group && !other.is_not);
    let groups: Vec<String> = groups.map(values_of).collect();
    for (index, condition) in conditions.iter().enumerate() {
        let value = values_of(condition);
        // A group of failures that is called by its reason says it once.
        if condition.qualifier == Qualifier::Reason && !condition.is_not && groups.contains(&value) {
            continue;
        }
        let without = query.without_condition(index).to_url();
        chips.push(ChipOf { name: name_of(condition), value, without });
    }
    chips
}

/// A list in words, without its period: "Status: bounced · Reason: The mailbox is full · “ada”"; "All messages" where
/// nothing narrows it.
pub fn list_words(query: &LogQuery, templates: &[(TemplateId, String)], names: &ConditionNames) -> String {
    let chips = chips_of(query, templates, names).into_iter().map(|chip| format!("{}: {}", chip.name, chip.value));
    let sought = Some(query.search.words()).filter(|words| !words.is_empty()).map(|words| format!("“{words}”"));
    let parts: Vec<String> = chips.chain(sought).collect();
    if parts.is_empty() { "All messages".to_owned() } else { parts.join(" · ") }
}

/// "Reason", "Not channel", "meta.order".
fn name_of(condition: &Condition) -> String {
    let name = match condition.qualifier {
        Qualifier::Meta => format!("meta.{}", condition.field),
        Qualifier::Key => "API key".to_owned(),
        Qualifier::Group => "same failure".to_owned(),
        other => other.as_str().to_owned(),
    };
    let mut letters = name.chars();
    match (condition.is_not, condition.qualifier) {
        (true, _) => format!("Not {name}"),
        (false, Qualifier::Meta) => name,
        (false, _) => letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default(),
    }
}

fn words_of(condition: &Condition, value: &str, names: &ConditionNames) -> String {
    let known = match condition.qualifier {
        Qualifier::Reason => FailureClass::from_slug(value).map(|class| class.label().to_owned()),
        Qualifier::Channel => value.parse::<Channel>().ok().map(|channel| channel.label().to_owned()),
        _ => names.iter().find(|(known, _)| known == value).map(|(_, name)| name.clone()),
    };
    known.unwrap_or_else(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chip_takes_its_own_filter_away_and_keeps_the_others() {
        let query = "preset=30d&status=bounced,failed,spam&channel=sms&q=ada%20tag:a,b%20-is:resent&page=3";
        let chips = chips_of(&LogQuery::parse(query).unwrap(), &[], &Vec::new());
        let shown: Vec<String> =
            chips.iter().map(|chip| format!("{}: {} {}", chip.name, chip.value, chip.without)).collect();
        assert_eq!(
            shown,
            [
                "Status: problems /logs?preset=30d&channel=sms&q=ada%20tag:a,b%20-is:resent",
                "Channel: SMS /logs?preset=30d&status=bounced,failed,spam&q=ada%20tag:a,b%20-is:resent",
                "Tag: a or b /logs?preset=30d&status=bounced,failed,spam&channel=sms&q=ada%20-is:resent",
                "Not is: resent /logs?preset=30d&status=bounced,failed,spam&channel=sms&q=ada%20tag:a,b",
            ]
        );
    }

    #[test]
    fn a_chip_says_words_for_what_the_address_says_by_an_id() {
        let query =
            "q=reason:mailbox-full group:v1-0000000000000001 -adapter:adp_0000000000007 key:Checkout meta.order:7";
        let named = |id: &str, name: &str| (id.to_owned(), name.to_owned());
        let names = vec![named("v1-0000000000000001", "Gmail · full"), named("adp_0000000000007", "SES Frankfurt")];
        let chips = chips_of(&LogQuery::parse(query).unwrap(), &[], &names);
        let shown: Vec<String> = chips.iter().map(|chip| format!("{}: {}", chip.name, chip.value)).collect();
        let reason = format!("Reason: {}", FailureClass::MailboxFull.label());
        let others = ["Same failure: Gmail · full", "Not adapter: SES Frankfurt", "API key: Checkout", "meta.order: 7"];
        assert_eq!(shown, [vec![reason.as_str()], others.to_vec()].concat());
    }

    #[test]
    fn a_reason_that_its_group_says_too_stands_once() {
        let query = "q=reason:mailbox-full group:v1-0000000000000001";
        let label = FailureClass::MailboxFull.label();
        let words = |name: &str| {
            let names = vec![("v1-0000000000000001".to_owned(), name.to_owned())];
            list_words(&LogQuery::parse(query).unwrap(), &[], &names)
        };
        assert_eq!(words(label), format!("Same failure: {label}"));
        assert_eq!(words("Gmail · full"), format!("Reason: {label} · Same failure: Gmail · full"));
    }
}
