//! What else the customer of a message was sent, on every channel, and what became of it.

use leptos::prelude::*;

use crate::components::channel_mark::ChannelMark;
use crate::components::email_words::shown_subject;
use crate::components::status_badge::StatusBadge;
use crate::components::time::Time;
use crate::domain::address::logs::LogQuery;
use crate::domain::email::{Customer, Email, EmailSummary};
use crate::domain::mount::mounted;
use crate::domain::page::Total;
use crate::domain::period::Preset;
use crate::domain::search::{Condition, Qualifier, Search};

#[component]
pub fn CustomerPanel(
    customer: Customer,
    /// The message whose page this is.
    email: Email,
    links_addresses: bool,
) -> impl IntoView {
    let Customer { recent, total, arrived, .. } = customer;
    let person = email.external_user_id.clone().map(|id| (Qualifier::Person, id, "All messages for this user id"));
    let address = email.only_to().map(|to| (Qualifier::To, to.address.clone(), "All messages to this address"));
    let links = person.into_iter().chain(address).filter(|_| links_addresses).map(|(qualifier, value, words)| {
        view! { <p><a href=mounted(list_of(qualifier, value))>{format!("{words} in {} days", Customer::DAYS)}</a></p> }
    });
    view! {
        <section class="panel customer" aria-label="This customer">
            <div class="panel-head"><h2>"This customer"</h2></div>
            <p>{format!("{} in {} days, {} arrived", messages(total), Customer::DAYS, count(arrived))}</p>
            <ul class="customer-messages">{recent.into_iter().map(|row| view! { <Row row/> }).collect_view()}</ul>
            {links.collect_view()}
        </section>
    }
}

/// The address of the list of what the panel counts of a person or an address.
fn list_of(qualifier: Qualifier, value: String) -> String {
    let search = Search { terms: Vec::new(), conditions: vec![Condition::of(qualifier, [value])] };
    LogQuery { search, ..LogQuery::default().with_preset(Preset::Last90Days) }.to_url()
}

#[component]
fn Row(row: EmailSummary) -> impl IntoView {
    let subject = shown_subject(&row.subject, row.channel);
    view! {
        <li>
            <a href=mounted(format!("/logs/{}", row.id)) dir="auto" title=subject.clone()>{subject.clone()}</a>
            <StatusBadge status=row.status/>
            <Time at=row.id.created_at()/>
            <ChannelMark channel=row.channel/>
        </li>
    }
}

fn messages(total: Total) -> String {
    let word = if total == Total::Exact(1) { "message" } else { "messages" };
    format!("{} {word}", count(total))
}

fn count(total: Total) -> String {
    match total {
        Total::Exact(count) => count.to_string(),
        Total::AtLeast(count) => format!("more than {count}"),
    }
}
