//! `/logs`: the cards, the chart and the table of a period. The address holds the whole state, see [LogQuery].

mod cancel;
mod chart;
mod chips;
mod filters;
mod first_run;
mod nothing;
mod search;
mod selection;
mod stats;
mod table;
mod templates;
mod unread;
mod view_menu;
mod why;

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use leptos_router::hooks::use_location;

pub use self::cancel::CancelPage;
use self::chart::Chart;
pub use self::chips::list_words;
use self::filters::Filters;
use self::first_run::FirstRun;
pub use self::first_run::StepList;
use self::nothing::{Near, Nothing};
use self::search::SearchBar;
use self::selection::Selection;
use self::stats::{Cards, in_short};
use self::table::LogTable;
pub use self::templates::TemplateChoicesPage;
use self::unread::{Unread, load_unread};
use self::why::Why;
use super::layout::{PageTitle, Section, in_layout};
use crate::components::copy_button::CopyLink;
use crate::components::icon::{Glyph, Icon};
use crate::components::number::{grouped, grouped_total};
use crate::components::pagination::Pagination;
use crate::components::periods::Periods;
use crate::components::time::Time;
use crate::domain::address::logs::LogQuery;
use crate::domain::email::{EmailSummary, Remark};
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::mount::mounted;
use crate::domain::page::{COUNT_LIMIT, Page, Total};
use crate::domain::period::PeriodChoice;
use crate::domain::plain_words::sentence;
use crate::domain::search::PARAMETER;
use crate::pages::message::Peek;
use crate::server_fns::emails::{LogView, PeekView, load_logs, load_peek};
use crate::server_fns::layout::mark_failed;

#[component]
pub fn LogsPage() -> impl IntoView {
    let address = use_location().search.get_untracked();
    let load = async move {
        match load_list(&address).await {
            Ok((query, view)) => {
                let peeked = match LogQuery::peeked(&address) {
                    Some(id) => match load_peek(id).await {
                        Err(AppError::NotFound(_)) => Some((id, None)),
                        shown => Some((id, Some(shown?))),
                    },
                    None => None,
                };
                Ok(Ok((query, view, peeked, None)))
            }
            Err(AppError::Validation { field: Some(field), message }) if field == PARAMETER => {
                Ok(Err(load_unread(&address, message).await?))
            }
            // The list is that of the period that it begins with.
            Err(AppError::Validation { field: Some(field), message })
                if ["from", "to", "when"].contains(&field.as_str()) =>
            {
                mark_failed(AppError::invalid_field(&field, message.clone())).await?;
                let (typed, query) = LogQuery::unread(&address, &field);
                let view = load_view(&query).await?;
                let words = format!("{} Meanwhile the list shows the last 7 days.", sentence(&message));
                Ok(Ok((query, view, None, Some((typed, words)))))
            }
            Err(error) => Err(error),
        }
    };
    in_layout(Section::Logs, load, |loaded| match loaded {
        Ok((query, view, peeked, unread)) => view! { <Logs query view peeked unread/> }.into_any(),
        Err(unread) => view! { <Unread unread/> }.into_any(),
    })
}

async fn load_list(address: &str) -> Result<(LogQuery, LogView), AppError> {
    let query = LogQuery::parse(address)?;
    let view = load_view(&query).await?;
    Ok((query, view))
}

async fn load_view(query: &LogQuery) -> Result<LogView, AppError> {
    let LogQuery { period, statuses, template_id, channel, search, page, seen } = query.clone();
    let search = (!search.is_empty()).then(|| search.to_string());
    load_logs(period, statuses, template_id, channel, search, page, seen).await
}

#[component]
fn Logs(
    query: LogQuery,
    view: LogView,
    /// The message in the panel beside the list; `None` in it where there is no such message.
    peeked: Option<(EmailId, Option<PeekView>)>,
    /// What was typed as the period and cannot be read, and why.
    unread: Option<(String, String)>,
) -> impl IntoView {
    let LogView {
        period,
        overview,
        reasons,
        page,
        found_by_contents,
        rows,
        in_all_time,
        near,
        instead,
        templates,
        names,
        look,
        lacks_reports,
        first_steps,
        public_url,
    } = view;
    if let Some(steps) = first_steps {
        return view! {
            <div class="page-head"><PageTitle text="Logs"/></div>
            <FirstRun steps public_url/>
        }
        .into_any();
    }
    let (peeked, shown) = peeked.unzip();
    let close = peeked.map(|id| format!("{}#{id}", query.to_url())).unwrap_or_default();
    let has_scheduled = page.items.iter().any(|row| matches!(row.remark, Some(Remark::Scheduled(_))));
    let more = in_all_time.filter(|total| !page.items.is_empty() && total.count() > page.total.count());
    let earlier = more.map(|total| view! { <Earlier query=query.clone() total/> });
    let list = if page.items.is_empty() {
        view! { <Nothing query=query.clone() period=period.clone() page=page.clone() in_all_time near instead templates=templates.clone()/> }
            .into_any()
    } else {
        let meant = (!near.is_empty()).then(|| {
            view! { <div class="panel-note"><Near query=query.clone() near/></div> }
        });
        view! {
            {meant}
            <LogTable query=query.clone() rows=page.items.clone() found_by_contents peeked look=look.clone()/>
            <Selection query=query.clone() on_page=page.items.len() as i64 total=page.total has_scheduled/>
        }
        .into_any()
    };
    let shared =
        LogQuery { period: period.for_others(), search: query.search.clone().without_times(), ..query.with_page(1) };
    let for_others = format!("{}{}", public_url.trim_end_matches('/'), shared.to_url());
    let kept = query.with_period(PeriodChoice::default()).fields();
    let newest = query.with_page(1).to_url();
    let first_page = (query.page == 1).then(|| newest.clone());
    let live = query.to_live_url(period.now);
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    view! {
        <div class="log-beside">
            <div class="log-main">
                <div class="page-head">
                    <PageTitle text="Logs"/>
                    <Periods period=period.clone() path="/logs" kept to_url unread/>
                    <CopyLink text=for_others/>
                </div>
                <SearchBar query=query.clone() templates=templates.clone() names/>
                <div class="overview">
                    <input type="checkbox" id="numbers" class="overview-toggle"/>
                    <label for="numbers" class="overview-short" id="log-short">{in_short(&overview.stats)}<Icon glyph=Glyph::Chevron/></label>
                    <div class="overview-strip" id="log-strip">
                        <Cards
                            query=query.clone()
                            period=period.clone()
                            listed=overview.statuses
                            stats=overview.stats
                            previous=overview.previous
                            lacks_reports
                        />
                        <Chart period=period.clone() query=query.clone() bars=overview.bars/>
                    </div>
                    {overview.counted_from.map(|from| view! { <CountedFrom from/> })}
                    {lacks_reports.then(|| view! { <Unreported/> })}
                </div>
                <div class="log-why" id="log-why"><Why query=query.clone() reasons/></div>
                <section class="panel" aria-label="Messages">
                    <Filters query=query.clone() templates total=Some(page.total) look/>
                    <div
                        id="log-list"
                        data-live=mounted(live)
                        data-rows=rows
                        data-newest=mounted(first_page)
                    >
                        <a class="new-rows" id="new-rows" href=mounted(newest) role="status" hidden></a>
                        {list}
                        {page.looked_from.map(|from| view! { <LookedFrom from/> })}
                        {earlier}
                        <Pages query page now=period.now/>
                    </div>
                </section>
            </div>
            <Peek peeked=shown close/>
        </div>
    }
    .into_any()
}

#[component]
fn Pages(query: LogQuery, page: Page<EmailSummary>, now: DateTime<Utc>) -> impl IntoView {
    let (total_pages, first) = (page.total_pages(), page.request.offset() + 1);
    let last = first + page.items.len() as i64 - 1;
    let total = match page.total {
        Total::Exact(count) => grouped(count),
        Total::AtLeast(count) => format!("more than {}", grouped(count)),
    };
    (!page.items.is_empty()).then(|| {
        let links = (total_pages > 1).then(|| {
            let to_url = Box::new(move |number| format!("{}#messages", query.with_page_of(number, now).to_url()));
            view! { <Pagination page=page.request.page total_pages to_url/> }
        });
        view! {
            <div class="panel-foot">
                <p>{format!("{}–{} of {total}", grouped(first), grouped(last))}</p>
                {links}
            </div>
        }
    })
}

/// That a search finds more in all time than in its period.
#[component]
fn Earlier(query: LogQuery, total: Total) -> impl IntoView {
    view! {
        <p class="panel-note">
            {format!("In all time there are {}. ", grouped_total(total))} <a href=mounted(query.in_all_time().to_url())>"Look at all time"</a>
        </p>
    }
}

/// How far back a list goes that was looked for row by row.
#[component]
fn LookedFrom(from: DateTime<Utc>) -> impl IntoView {
    view! {
        <p class="panel-note">
            "Searched back to " <Time at=from/> ". Choose an earlier period to look further, or narrow the list by status."
        </p>
    }
}

/// Why nothing is delivered, where nobody reports it.
#[component]
fn Unreported() -> impl IntoView {
    view! {
        <p class="overview-note">
            "No report says yet what became of these messages: mail servers say only that they took one. "
            <a href=mounted("/connect#reports")>"Let your provider report deliveries, bounces and opens"</a> "."
        </p>
    }
}

/// How far back the numbers go, where the matches are too many to count.
#[component]
fn CountedFrom(from: DateTime<Utc>) -> impl IntoView {
    view! {
        <p class="overview-note">
            {format!("The numbers and the chart count the newest {} matches, back to ", grouped(COUNT_LIMIT))}
            <Time at=from/> "."
        </p>
    }
}
