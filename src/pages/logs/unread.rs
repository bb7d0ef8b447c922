//! The log at an address whose search or period cannot be read: what was typed stays, with what is wrong beside it, and so
//! do the filters. There are no rows.

use leptos::prelude::*;

use super::filters::Filters;
use super::search::SearchBar;
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::periods::Periods;
use crate::domain::address::logs::LogQuery;
use crate::domain::error::AppError;
use crate::domain::list_view::ListView;
use crate::domain::period::PeriodChoice;
use crate::domain::search::PARAMETER;
use crate::pages::layout::PageTitle;
use crate::server_fns::emails::{LogFrame, load_log_frame};
use crate::server_fns::layout::mark_failed;

/// What such a page shows.
pub struct UnreadLog {
    /// What the rest of the address says.
    query: LogQuery,
    frame: LogFrame,
    typed: String,
    /// What is wrong with it, as a sentence.
    sentence: String,
    /// Whether that is the search, and not the period.
    is_search: bool,
}

/// Reads what can be read of the address. `field` is the parameter that was refused.
pub async fn load_unread(address: &str, field: String, message: String) -> Result<UnreadLog, AppError> {
    let (typed, query) = LogQuery::unread(address, &field);
    let mut letters = message.trim_end_matches('.').chars();
    let start: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let sentence = format!("{start}{}.", letters.as_str());
    mark_failed(AppError::invalid_field(&field, message.clone())).await?;
    let is_search = field == PARAMETER;
    // A period beside the search may be wrong too: one mistake is shown after the other.
    let period = if is_search { query.period.clone() } else { PeriodChoice::default() };
    let search = query.search.to_string();
    let frame = match load_log_frame(period, query.template_id, search.clone()).await {
        Err(AppError::Validation { .. }) => {
            load_log_frame(PeriodChoice::default(), query.template_id, String::new()).await?
        }
        frame => frame?,
    };
    Ok(UnreadLog { query, frame, typed, sentence, is_search })
}

#[component]
pub fn Unread(unread: UnreadLog) -> impl IntoView {
    let UnreadLog { query, frame, typed, sentence, is_search } = unread;
    let LogFrame { period, templates, names } = frame;
    let (title, words) = if is_search {
        ("This search cannot be read", "Show the list without this search")
    } else {
        ("This period cannot be read", "Show the last 7 days")
    };
    let mistake = Some((typed, sentence));
    let (of_search, of_period) = if is_search { (mistake, None) } else { (None, mistake) };
    let kept = query.with_period(PeriodChoice::default()).fields();
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    view! {
        <div class="page-head">
            <PageTitle text="Logs"/>
            <Periods period path="/logs" kept to_url unread=of_period/>
        </div>
        <SearchBar query=query.clone() templates=templates.clone() names unread=of_search/>
        <section class="panel" aria-label="Messages">
            <Filters query=query.clone() templates total=None look=ListView::default()/>
            <EmptyState glyph=Glyph::Search title>
                <p><a class="button" href=query.to_url()>{words}</a></p>
            </EmptyState>
        </section>
    }
}
