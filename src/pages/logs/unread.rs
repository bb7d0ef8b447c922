//! The log at an address whose search cannot be read: what was typed stays, with what is wrong beside it, and so do the
//! filters. There are no rows.

use leptos::prelude::*;

use super::filters::Filters;
use super::search::SearchBar;
use crate::components::empty_state::EmptyState;
use crate::components::icon::Glyph;
use crate::components::periods::Periods;
use crate::domain::address::logs::LogQuery;
use crate::domain::error::AppError;
use crate::domain::list_view::ListView;
use crate::domain::masking::{masks_addresses, sees_contents};
use crate::domain::mount::mounted;
use crate::domain::period::PeriodChoice;
use crate::domain::permission::Permission;
use crate::domain::plain_words::sentence;
use crate::domain::search::{PARAMETER, Qualifier, Search};
use crate::domain::viewer::Viewer;
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
    words: String,
}

/// Reads what can be read of the address.
pub async fn load_unread(address: &str, message: String) -> Result<UnreadLog, AppError> {
    let (typed, query) = LogQuery::unread(address, PARAMETER);
    let words = sentence(&message);
    mark_failed(AppError::invalid_field(PARAMETER, message)).await?;
    // A period beside the search may be wrong too: one mistake is shown after the other.
    let frame = match load_log_frame(query.period.clone(), query.template_id, String::new()).await {
        Err(AppError::Validation { .. }) => {
            load_log_frame(PeriodChoice::default(), query.template_id, String::new()).await?
        }
        frame => frame?,
    };
    Ok(UnreadLog { query, frame, typed, words })
}

#[component]
pub fn Unread(unread: UnreadLog) -> impl IntoView {
    let UnreadLog { query, frame, typed, words } = unread;
    let LogFrame { period, templates, names } = frame;
    let (title, whole) = (title_of(&typed), whole_value(&typed, &query));
    let kept = query.with_period(PeriodChoice::default()).fields();
    let to_url = {
        let query = query.clone();
        Box::new(move |preset| query.with_preset(preset).to_url())
    };
    view! {
        <div class="page-head">
            <PageTitle text="Logs"/>
            <Periods period path="/logs" kept to_url unread=None/>
        </div>
        <SearchBar query=query.clone() templates=templates.clone() names unread=Some((typed, words))/>
        <section class="panel" aria-label="Messages">
            <Filters query=query.clone() templates total=None look=ListView::default()/>
            <EmptyState glyph=Glyph::Search title>
                {whole}
                <p><a class="button" href=mounted(query.to_url())>"Show the list without this search"</a></p>
            </EmptyState>
        </section>
    }
}

/// Where the reader does not see the metadata that is asked for: the way to its value as a word, which finds it whole, but
/// for who sees addresses masked.
fn whole_value(typed: &str, query: &LogQuery) -> Option<AnyView> {
    use_context::<Viewer>().filter(|viewer| !sees_contents(viewer) && !masks_addresses(viewer))?;
    let (search, name) = Search::parse(typed).ok()?.metadata_as_word()?;
    let url = LogQuery { search, ..query.with_page(1) }.to_url();
    let words = format!("A whole value is found without “{name}”");
    Some(view! { <p><a href=mounted(url)>{words}</a></p> }.into_any())
}

/// What stands in the place of the rows: a search may be right, and look into what its reader does not see.
fn title_of(typed: &str) -> &'static str {
    let asks_metadata = Search::parse(typed)
        .is_ok_and(|search| search.conditions.iter().any(|condition| condition.qualifier == Qualifier::Meta));
    match use_context::<Viewer>().filter(|viewer| asks_metadata && !sees_contents(viewer)) {
        Some(viewer) if viewer.may(Permission::LogsReveal) => "Your team cannot search by this",
        Some(_) => "Your role cannot search by this",
        None => "This search cannot be read",
    }
}
