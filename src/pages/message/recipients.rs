//! The recipients of a message that has many: a table with what became of it for each, those with a problem first. The
//! field over it narrows the table by `?recipient=`.

use leptos::prelude::*;

use crate::components::field::HiddenFields;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::counted;
use crate::components::status_badge::StatusBadge;
use crate::components::time::Time;
use crate::domain::address;
use crate::domain::address::logs::search_url;
use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::event::{EmailEvent, Outcome, is_problem};
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;

/// From so many recipients on they are a table.
pub const MANY: usize = 6;

/// So many rows are in sight.
const SHOWN: usize = 10;

/// The longest part of an address that is looked for, in characters.
const MAX_FILTER_CHARS: usize = 100;

/// What the table says of a recipient.
#[derive(Clone)]
struct Row {
    recipient: Recipient,
    outcome: Outcome,
    event: Option<EmailEvent>,
}

/// The table, of the recipients whose address or name has the part `filter`.
#[component]
pub fn Recipients(
    id: EmailId,
    recipients: Vec<Recipient>,
    /// What became of it for each of them, in their order.
    outcomes: Vec<Outcome>,
    events: Vec<EmailEvent>,
    filter: Option<String>,
    /// The list that the viewer comes from.
    list: Option<String>,
    links_addresses: bool,
) -> impl IntoView {
    let total = recipients.len();
    let filter: Option<String> = filter
        .map(|text| text.trim().chars().take(MAX_FILTER_CHARS).collect::<String>())
        .filter(|text| !text.is_empty());
    let rows = recipients.into_iter().zip(outcomes).map(|(recipient, outcome)| {
        let event = outcome.event.and_then(|place| events.get(place).cloned());
        Row { recipient, outcome, event }
    });
    let rows: Vec<Row> = rows.collect();
    let problems = rows.iter().filter(|row| is_problem(row.outcome.status)).count();
    let rows = ordered(rows, filter.as_deref());
    let found = rows.len();
    let (shown, rest) = rows.split_at(found.min(SHOWN));
    let kept: Vec<(&'static str, String)> = list.into_iter().map(|list| ("list", list)).collect();
    let all = format!("{}#recipients", address::url(&format!("/logs/{id}"), kept.clone()));
    let nothing = (found == 0)
        .then(|| view! { <p class="panel-body nothing">"No recipient has that in their address or name."</p> });
    let rest = (!rest.is_empty()).then(|| {
        let words = counted(rest.len() as i64, "more recipient", "more recipients");
        view! {
            <details class="fold">
                <summary>{words}<Icon glyph=Glyph::Chevron/></summary>
                <Table rows=rest.to_vec() label="More recipients" links_addresses/>
            </details>
        }
    });
    view! {
        <section class="panel recipients" id="recipients" aria-label="Recipients">
            <div class="panel-head">
                <h2>"Recipients"</h2>
                <p>{summary(total, problems, filter.as_ref().map(|_| found))}</p>
                <form class="inline-form panel-actions" method="get" action=mounted(format!("/logs/{id}#recipients")) role="search">
                    <HiddenFields fields=kept/>
                    <input
                        type="search"
                        name="recipient"
                        aria-label="Find a recipient"
                        placeholder="Find a recipient"
                        value=filter.clone().unwrap_or_default()
                        maxlength=MAX_FILTER_CHARS
                        autocomplete="off"
                        spellcheck="false"
                    />
                    <button class="button small">"Find"</button>
                    {filter.map(|_| view! { <a class="clear" href=mounted(all)>"Show all"</a> })}
                </form>
            </div>
            {nothing}
            {(!shown.is_empty()).then(|| view! { <Table rows=shown.to_vec() label="Recipients" links_addresses/> })}
            {rest}
        </section>
    }
}

#[component]
fn Table(rows: Vec<Row>, label: &'static str, links_addresses: bool) -> impl IntoView {
    let rows = rows.into_iter().map(|row| view! { <Line row links_addresses/> }).collect_view();
    view! {
        <table class="table stacked" role="table" aria-label=label>
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Recipient"</th>
                    <th role="columnheader" scope="col">"Status"</th>
                    <th role="columnheader" scope="col">"What was said"</th>
                    <th role="columnheader" scope="col" class="time">"When"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{rows}</tbody>
        </table>
    }
}

#[component]
fn Line(row: Row, links_addresses: bool) -> impl IntoView {
    let Row { recipient, outcome, event } = row;
    let address = recipient.address;
    let address = if links_addresses {
        view! { <a href=mounted(search_url(&address)) title="All messages to this address in the last 30 days">{address.clone()}</a> }
            .into_any()
    } else {
        address.into_any()
    };
    let header = match recipient.kind {
        RecipientKind::To => None,
        RecipientKind::Cc => Some("Cc"),
        RecipientKind::Bcc => Some("Bcc"),
    };
    let at = event.as_ref().map(|event| event.at);
    let words = event.and_then(|event| event.detail.reply.or(event.detail.message));
    view! {
        <tr role="row">
            <td role="cell">
                <span class="two-lines">
                    <span>{address} {header.map(|header| view! { " " <span class="tag">{header}</span> })}</span>
                    {recipient.name.map(|name| view! { <span>{name}</span> })}
                </span>
            </td>
            <td role="cell"><StatusBadge status=outcome.status/></td>
            <td role="cell" class="said">{words}</td>
            <td role="cell" class="time">{at.map(|at| view! { <Time at/> })}</td>
        </tr>
    }
}

/// The rows that have the part, those with a problem first.
fn ordered(rows: Vec<Row>, part: Option<&str>) -> Vec<Row> {
    let part = part.map(str::to_lowercase);
    let has = |text: &str, part: &str| text.to_lowercase().contains(part);
    let mut rows = rows;
    rows.retain(|row| {
        part.as_ref().is_none_or(|part| {
            has(&row.recipient.address, part) || row.recipient.name.as_ref().is_some_and(|name| has(name, part))
        })
    });
    rows.sort_by_key(|row| !is_problem(row.outcome.status));
    rows
}

/// How many there are: "50, 3 with a problem"; with a part that is looked for, how many have it.
fn summary(total: usize, problems: usize, found: Option<usize>) -> String {
    let problems = if problems == 0 { String::new() } else { format!(", {problems} with a problem") };
    match found {
        Some(found) => format!("{found} of {total}"),
        None => format!("{total}{problems}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::email::EmailStatus;

    #[test]
    fn problems_come_first_and_a_part_is_found_in_any_case() {
        let row = |address: &str, status| Row {
            recipient: Recipient {
                kind: RecipientKind::To,
                address: address.to_owned(),
                name: Some("Ada B".to_owned()),
            },
            outcome: Outcome { status, event: None },
            event: None,
        };
        let rows = vec![
            row("a@finch.example", EmailStatus::Delivered),
            row("b@finch.example", EmailStatus::Bounced),
            row("c@other.example", EmailStatus::Queued),
        ];
        let found = |part| {
            ordered(rows.clone(), part).into_iter().map(|row| row.recipient.address[..1].to_owned()).collect::<String>()
        };
        assert_eq!(
            [found(None), found(Some("FINCH")), found(Some("ada")), found(Some("zz"))],
            ["bac", "ba", "bac", ""]
        );
        assert_eq!(summary(50, 3, None), "50, 3 with a problem");
        assert_eq!(summary(50, 3, Some(2)), "2 of 50");
    }
}
