//! `/requests`: the log of API requests. The address holds the whole state, see [query].

mod filters;
pub mod query;
mod table;

use leptos::prelude::*;
use leptos_router::hooks::use_location;

use self::filters::Filters;
use self::query::{Place, RequestQuery};
use self::table::{Nothing, RequestTable};
use super::frame::{PageTitle, Section, framed};
use crate::components::periods::Periods;
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
    framed(Section::Requests, load, |(query, view)| view! { <Requests query view/> })
}

#[component]
fn Requests(query: RequestQuery, view: RequestsView) -> impl IntoView {
    let RequestsView { period, stretch, has_newer, has_older, keys } = view;
    let rows = stretch.items;
    let newer = rows.first().filter(|_| has_newer).map(|row| query.at(Place::Before(row.id)).to_url());
    let older = rows.last().filter(|_| has_older).map(|row| query.at(Place::After(row.id)).to_url());
    let kept = RequestQuery { period: PeriodChoice::default(), ..query.at(Place::Newest) }.fields();
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    let list = if rows.is_empty() {
        view! { <Nothing query=query.clone() period=period.clone() keys=keys.clone()/> }.into_any()
    } else {
        let newest = has_newer.then(|| query.at(Place::Newest).to_url());
        view! {
            <RequestTable rows/>
            <Steps newest newer older/>
        }
        .into_any()
    };
    view! {
        <div class="page-head">
            <PageTitle text="API requests"/>
            <Periods period=period.clone() path="/requests" kept to_url/>
        </div>
        <section class="panel" aria-label="Requests">
            <Filters query keys/>
            {list}
        </section>
    }
}

/// The ways to what is newer and older.
#[component]
fn Steps(newest: Option<String>, newer: Option<String>, older: Option<String>) -> impl IntoView {
    let step = |label: &'static str, url: Option<String>, rel: &'static str| match url {
        Some(url) => view! { <a class="page-step" href=url rel=rel>{label}</a> }.into_any(),
        None => view! { <span class="page-step" aria-hidden="true">{label}</span> }.into_any(),
    };
    (newer.is_some() || older.is_some()).then(|| {
        view! {
            <div class="panel-foot">
                <p>{newest.map(|url| view! { <a href=url>"Back to the newest"</a> })}</p>
                <nav class="pagination" aria-label="Pages">{step("Newer", newer, "prev")}{step("Older", older, "next")}</nav>
            </div>
        }
    })
}
