//! `/settings/audit`: the audit log. The address holds the whole state, see [AuditQuery].

mod difference;
mod field;
mod line;
mod lines;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

use self::line::Line;
use super::{Tab, settings_page};
use crate::components::empty_state::EmptyState;
use crate::components::field::HiddenFields;
use crate::components::icon::Glyph;
use crate::components::periods::Periods;
use crate::components::time::{Time, TimeStyle};
use crate::domain::address::audit::{self, AuditQuery};
use crate::domain::address::period_fields;
use crate::domain::audit::{AuditChoice, AuditEntry, AuditGroup};
use crate::domain::mount::mounted;
use crate::domain::period::{Period, PeriodChoice, Preset};
use crate::server_fns::audit::{AuditView, load_audit};

/// The audit log.
#[component]
pub fn AuditPage() -> impl IntoView {
    let parsed = AuditQuery::parse(&use_location().search.get_untracked());
    let load = async move {
        let query = parsed?;
        let view =
            load_audit(query.period.clone(), query.action, query.actor.clone(), query.object.clone(), query.before)
                .await?;
        Ok((query, view))
    };
    settings_page(Tab::Audit, load, |(query, view)| view! { <Audit query view/> })
}

#[component]
fn Audit(query: AuditQuery, view: AuditView) -> impl IntoView {
    let AuditView { period, page, actors, newest_at } = view;
    let kept = AuditQuery { period: PeriodChoice::default(), ..query.at(None) }.fields();
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    let about = query.object.clone().map(|id| {
        let name = page.items.iter().find_map(|line| line.target_name.clone()).filter(|name| !name.is_empty());
        view! { <p class="audit-object">"Only entries about "<strong>{name.unwrap_or(id)}</strong></p> }
    });
    let list = if page.items.is_empty() {
        view! { <Nothing query=query.clone() period=period.clone() newest_at/> }.into_any()
    } else {
        let older = page.items.last().filter(|_| page.has_more).map(|last| query.at(Some(last.sequence)).to_url());
        let newest = query.before.map(|_| query.at(None).to_url());
        view! {
            <Lines entries=page.items of_object=query.object.is_some()/>
            <Steps newest older/>
        }
        .into_any()
    };
    view! {
        <div class="audit-head">
            <p class="lead">"Who changed something, and who revealed hidden content. Entries cannot be edited or deleted."</p>
            <Periods period path=audit::PATH kept to_url/>
        </div>
        <section class="panel" aria-label="Audit log">
            <Filters query=query.clone() actors/>
            {about}
            {list}
        </section>
    }
}

/// One form for both filters, and the files of what they leave.
#[component]
fn Filters(query: AuditQuery, actors: Vec<(String, String)>) -> impl IntoView {
    let chosen = query.action;
    let groups = AuditGroup::ALL.into_iter().map(|group| {
        let choices = std::iter::once(AuditChoice::Group(group)).chain(group.actions().map(AuditChoice::One));
        let options = choices.map(|choice| {
            view! { <option value=choice.as_str() selected={chosen == Some(choice)}>{choice.label()}</option> }
        });
        view! { <optgroup label=group.label()>{options.collect_view()}</optgroup> }
    });
    let groups = groups.collect_view();
    let is_known = query.actor.as_ref().is_none_or(|id| actors.iter().any(|(known, _)| known == id));
    let unknown = query.actor.clone().filter(|_| !is_known).map(|id| (id.clone(), id));
    let people = actors.into_iter().chain(unknown).map(|(id, name)| {
        let is_chosen = query.actor.as_ref() == Some(&id);
        view! { <option value=id selected=is_chosen>{name}</option> }
    });
    let people = people.collect_view();
    let clear = query.has_filters().then(|| {
        view! { <a class="clear" href=mounted(query.without_filters().to_url())>"Clear filters"</a> }
    });
    view! {
        <div class="filters audit-filters">
            <form class="inline-form" method="get" action=mounted(audit::PATH)>
                <HiddenFields fields=period_fields(&query.period)/>
                {query.object.clone().map(|object| view! { <HiddenFields fields=vec![("object", object)]/> })}
                <select name="action" aria-label="What was done">
                    <option value="">"Any action"</option>
                    {groups}
                </select>
                <select name="actor" aria-label="Who did it">
                    <option value="">"Anybody"</option>
                    {people}
                </select>
                <button class="button">"Filter"</button>
            </form>
            {clear}
            <p class="exports">
                "Export: "
                <a href=mounted(query.export_url("csv")) download="">"CSV"</a>
                " "
                <a href=mounted(query.export_url("ndjson")) download="">"NDJSON"</a>
            </p>
        </div>
    }
}

#[component]
fn Lines(
    entries: Vec<AuditEntry>,
    /// Whether all of them are about one thing.
    of_object: bool,
) -> impl IntoView {
    let lines = entries.into_iter().map(|entry| view! { <Line entry links_object=!of_object/> }).collect_view();
    // The roles stay when the style sheet takes the table apart on narrow windows.
    view! {
        <table class="table stacked audit-table" role="table">
            <thead role="rowgroup">
                <tr role="row">
                    <th role="columnheader" scope="col">"Who"</th>
                    <th role="columnheader" scope="col">"What"</th>
                    <th role="columnheader" scope="col">"From"</th>
                    <th role="columnheader" scope="col" class="time" aria-sort="descending">"When"</th>
                </tr>
            </thead>
            <tbody role="rowgroup">{lines}</tbody>
        </table>
    }
}

#[component]
fn Steps(newest: Option<String>, older: Option<String>) -> impl IntoView {
    (newest.is_some() || older.is_some()).then(|| {
        view! {
            <div class="panel-foot">
                <p>{newest.map(|url| view! { <a href=mounted(url) rel="first">"Back to the newest"</a> })}</p>
                <nav class="pagination" aria-label="Pages">
                    {match older {
                        Some(url) => view! { <a class="page-step" href=mounted(url) rel="next">"Older"</a> }.into_any(),
                        None => view! { <span class="page-step" aria-hidden="true">"Older"</span> }.into_any(),
                    }}
                </nav>
            </div>
        }
    })
}

/// Says that there is nothing, and leads to what there is: straight to the newest that matches, however old it is.
#[component]
fn Nothing(query: AuditQuery, period: Period, newest_at: Option<DateTime<Utc>>) -> impl IntoView {
    let title = match (query.has_filters(), period.preset) {
        (true, Preset::AllTime) => "No entry matches".to_owned(),
        (false, Preset::AllTime) => "Nothing happened yet".to_owned(),
        (true, preset) => format!("No entry matches{}", preset.within()),
        (false, preset) => format!("Nothing happened{}", preset.within()),
    };
    let elsewhen = newest_at.map(|at| {
        let url = query.with_preset(Preset::AllTime).to_url();
        let words = if query.has_filters() { "The newest that matches is from " } else { "The newest entry is from " };
        (
            view! { <p>{words} <Time at style=TimeStyle::Minute/> "."</p> },
            view! { <a class="button" href=mounted(url)>"Look at all time"</a> },
        )
    });
    let (newest, all_time) = elsewhen.unzip();
    let way_out = if query.before.is_some() {
        Some((query.at(None).to_url(), "Back to the newest"))
    } else {
        query.has_filters().then(|| (query.without_filters().to_url(), "Clear filters"))
    };
    view! {
        <EmptyState glyph=Glyph::Shield title>
            {newest}
            <p class="empty-links">
                {all_time}
                {way_out.map(|(url, words)| view! { <a class="button" href=mounted(url)>{words}</a> })}
            </p>
        </EmptyState>
    }
}
