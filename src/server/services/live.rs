//! What has changed in a list of the log since a page of it was made. Called by the page, which keeps itself up to date.

use chrono::{DateTime, Utc};

use super::{emails, failures, search};
use crate::domain::address::logs::LogQuery;
use crate::domain::email::EmailSummary;
use crate::domain::error::AppError;
use crate::domain::filter::TimeRange;
use crate::domain::fingerprint::fingerprint;
use crate::domain::page::PageRequest;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// How a list stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// How many messages came after the page was made.
    pub new: i64,
    /// What the page's rows say, see [state_of].
    pub rows: String,
}

/// How the list at an address stands, whose page of `page_size` rows was made at `query.seen`, or else now. Needs `logs:view`.
pub async fn look(app: &App, viewer: &Viewer, query: &LogQuery, page_size: i64) -> Result<Standing, AppError> {
    viewer.require(Permission::LogsView)?;
    let query = &query.as_of(app.clock.now());
    let seen = query.seen.unwrap_or_default();
    let shown = search::filter_at(app, viewer, query).await?;
    let request = PageRequest { page: query.page, page_size };
    let mut items = emails::list_emails(app, viewer, &shown, request).await?.items;
    failures::add_remarks(app, viewer, &mut items).await?;
    let mut newer = search::filter_at(app, viewer, &query.with_page(1)).await?;
    newer.range = since(newer.range, seen);
    let is_over = newer.range.to.is_some_and(|to| to <= seen);
    let new = if is_over {
        0
    } else {
        let anything = PageRequest { page: 1, page_size: 1 };
        emails::list_emails(app, viewer, &newer, anything).await?.total.count()
    };
    Ok(Standing { new, rows: state_of(&items) })
}

fn since(range: TimeRange, seen: DateTime<Utc>) -> TimeRange {
    TimeRange { from: Some(range.from.map_or(seen, |from| from.max(seen))), ..range }
}

/// A short word for what rows say, which differs as soon as one of them says something else.
pub fn state_of(rows: &[EmailSummary]) -> String {
    format!("{:016x}", fingerprint(&serde_json::to_vec(rows).unwrap_or_default()))
}
