//! `/requests`: the log of API requests. The address holds the whole state, see [RequestQuery].

mod counts;
mod filters;
mod table;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use self::counts::Counts;
use self::filters::Filters;
use self::table::{Nothing, RequestTable};
use super::layout::{PageTitle, Section, in_layout};
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::periods::Periods;
use crate::components::time::Time;
use crate::domain::address::requests::{Place, RequestQuery};
use crate::domain::mount::mounted;
use crate::domain::period::PeriodChoice;
use crate::server_fns::api_requests::{RequestsView, load_requests};

/// The log of requests.
#[component]
pub fn RequestsPage() -> impl IntoView {
    let parsed = RequestQuery::parse(&use_location().search.get_untracked());
    let load = async move {
        let query = parsed?;
        let (after, before) = match query.place {
            Place::Newest => (None, None),
            Place::After(id) => (Some(id), None),
            Place::Before(id) => (None, Some(id)),
        };
        let view = load_requests(query.period.clone(), query.filter(), after, before).await?;
        Ok((query, view))
    };
    in_layout(Section::Requests, load, |(query, view)| view! { <Requests query view/> })
}

#[component]
fn Requests(query: RequestQuery, view: RequestsView) -> impl IntoView {
    let RequestsView { period, rows, newer, older, looked_to, keys, counts, searches_bodies } = view;
    let newer = newer.map(|id| query.at(Place::Before(id)).to_url());
    let older = older.map(|id| query.at(Place::After(id)).to_url());
    let kept = RequestQuery { period: PeriodChoice::default(), ..query.at(Place::Newest) }.fields();
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    let list = if rows.is_empty() && looked_to.is_none() {
        view! { <Nothing query=query.clone() period=period.clone() keys=keys.clone()/> }.into_any()
    } else {
        let newest = newer.is_some().then(|| query.at(Place::Newest).to_url());
        let table = if rows.is_empty() {
            view! {
                <EmptyState glyph=Glyph::Code title="Nothing found so far">
                    <p>"The log goes on behind what was looked at."</p>
                </EmptyState>
            }
            .into_any()
        } else {
            view! { <RequestTable rows/> }.into_any()
        };
        view! {
            {table}
            <Steps newest newer older looked_to/>
        }
        .into_any()
    };
    view! {
        <div class="page-head">
            <PageTitle text="API requests"/>
            <Periods period=period.clone() path="/requests" kept to_url/>
        </div>
        <section class="panel" aria-label="Requests">
            <Filters query=query.clone() keys searches_bodies/>
            <Counts query=query.clone() counts/>
            <WithoutRecipient query searches_bodies/>
            {list}
        </section>
    }
}

/// What a list by recipient cannot hold, with a way to it for who can search what was posted.
#[component]
fn WithoutRecipient(query: RequestQuery, searches_bodies: bool) -> impl IntoView {
    query.recipient.clone().map(|address| {
        let status = query.status.filter(|class| class.digit() >= 4);
        let url = RequestQuery { recipient: None, status, error: Some(address), ..query.at(Place::Newest) }.to_url();
        let link =
            searches_bodies.then(|| view! { <a href=mounted(url)>"Look for the address in what was posted"</a> });
        view! {
            <p class="panel-note">
                "A refused request made no message, so it has no recipient to be found by. "
                {link}
            </p>
        }
    })
}

/// The ways to what is newer and older.
#[component]
fn Steps(
    newest: Option<String>,
    newer: Option<String>,
    older: Option<String>,
    looked_to: Option<DateTime<Utc>>,
) -> impl IntoView {
    let step = |label: &'static str, url: Option<String>, rel: &'static str| match url {
        Some(url) => view! { <a class="page-step" href=mounted(url) rel=rel>{label}</a> }.into_any(),
        None => view! { <span class="page-step" aria-hidden="true">{label}</span> }.into_any(),
    };
    (newer.is_some() || older.is_some()).then(|| {
        view! {
            <div class="panel-foot">
                <p>
                    {looked_to.map(|at| view! { "Looked no further than " <Time at/> ". " })}
                    {newest.map(|url| view! { <a href=mounted(url)>"Back to the newest"</a> })}
                </p>
                <nav class="pagination" aria-label="Pages">{step("Newer", newer, "prev")}{step("Older", older, "next")}</nav>
            </div>
        }
    })
}
