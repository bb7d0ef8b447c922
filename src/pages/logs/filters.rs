//! The bar over the table: search, status, template, and how many messages there are.

use leptos::prelude::*;

use super::query::{LogQuery, MAX_SEARCH_CHARS};
use crate::components::icon::{Glyph, Icon};
use crate::components::menu::Menu;
use crate::components::number::grouped_total;
use crate::components::status_badge::status_glyph;
use crate::domain::email::EmailStatus;
use crate::domain::ids::TemplateId;
use crate::domain::page::Total;

/// Forms that work by themselves: each keeps what the others chose.
#[component]
pub fn Filters(query: LogQuery, templates: Vec<(TemplateId, String)>, total: Total) -> impl IntoView {
    let clear = query.has_filters().then(|| {
        view! { <a class="clear" href=query.without_filters().to_url()>"Clear filters"</a> }
    });
    view! {
        <div class="filters" id="messages" tabindex="-1">
            <Search query=query.clone()/>
            <StatusFilter query=query.clone()/>
            <TemplateFilter query templates/>
            {clear}
            <p class="filters-total">
                {grouped_total(total)} {if total == Total::Exact(1) { " message" } else { " messages" }}
            </p>
        </div>
    }
}

/// What the other filters chose, as hidden fields.
fn kept(query: &LogQuery, without: &'static str) -> impl IntoView + use<> {
    let fields = query.with_page(1).fields().into_iter().filter(move |(name, _)| *name != without);
    fields.map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view()
}

#[component]
fn Search(query: LogQuery) -> impl IntoView {
    let value = query.search.clone().unwrap_or_default();
    view! {
        <form class="search" role="search" method="get" action="/logs">
            {kept(&query, "search")}
            <Icon glyph=Glyph::Search/>
            <input
                type="search"
                name="search"
                aria-label="Search recipient or subject"
                placeholder="Search recipient or subject"
                value=value
                maxlength=MAX_SEARCH_CHARS
                autocomplete="off"
                spellcheck="false"
            />
        </form>
    }
}

#[component]
fn StatusFilter(query: LogQuery) -> impl IntoView {
    let chosen: Vec<_> = query.statuses.iter().map(EmailStatus::label).collect();
    let words = match chosen.as_slice() {
        [] => "Any".to_owned(),
        [one] => (*one).to_owned(),
        [first, rest @ ..] => format!("{first} +{}", rest.len()),
    };
    let boxes = EmailStatus::ALL
        .map(|status| {
            let is_chosen = query.statuses.contains(status);
            view! {
                <label class="menu-check" data-status=status.as_str()>
                    <input type="checkbox" name="status" value=status.as_str() checked=is_chosen/>
                    <Icon glyph=status_glyph(status)/>
                    {status.label()}
                </label>
            }
        })
        .collect_view();
    let label = view! { <span class="filter-name">"Status"</span> <b>{words}</b> }.into_any();
    view! {
        <Menu label>
            <form method="get" action="/logs">
                {kept(&query, "status")}
                <fieldset>
                    <legend class="menu-title">"Status"</legend>
                    {boxes}
                </fieldset>
                <div class="menu-foot"><button class="button primary">"Apply"</button></div>
            </form>
        </Menu>
    }
}

#[component]
fn TemplateFilter(query: LogQuery, templates: Vec<(TemplateId, String)>) -> impl IntoView {
    let name_of = |id| templates.iter().find(|(known, _)| *known == id).map_or("one", |(_, name)| name.as_str());
    let words = query.template_id.map_or_else(|| "Any".to_owned(), |id| name_of(id).to_owned());
    let label = view! { <span class="filter-name">"Template"</span> <b class="filter-value">{words}</b> }.into_any();
    let choice = |id: Option<TemplateId>, name: String| {
        let url = LogQuery { template_id: id, page: 1, ..query.clone() }.to_url();
        let current = (id == query.template_id).then_some("true");
        view! { <li><a class="menu-item" href=url aria-current=current>{name}</a></li> }
    };
    let choices = templates.iter().map(|(id, name)| choice(Some(*id), name.clone())).collect_view();
    let any = choice(None, "Any template".to_owned());
    (!templates.is_empty() || query.template_id.is_some()).then(|| {
        view! { <Menu label><ul class="menu-list">{any}{choices}</ul></Menu> }
    })
}
