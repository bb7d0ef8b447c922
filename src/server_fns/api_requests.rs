//! The log of API requests: its stretches, and one request.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::api_request::{ApiRequestDetail, ApiRequestFilter, ApiRequestSummary, RequestCounts};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, ApiRequestId};
use crate::domain::period::{Period, PeriodChoice};

/// Rows on a page of the log of requests.
pub const PAGE_SIZE: i64 = 50;

/// What the page of API requests shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestsView {
    pub period: Period,
    /// The requests, newest first.
    pub rows: Vec<ApiRequestSummary>,
    /// Before which one there may be something newer than these.
    pub newer: Option<ApiRequestId>,
    /// After which one there may be something older than these.
    pub older: Option<ApiRequestId>,
    /// How far the log was looked at, where too little was found for a page and the log goes on.
    pub looked_to: Option<DateTime<Utc>>,
    /// The keys to filter by.
    pub keys: Vec<(ApiKeyId, String)>,
    /// How many requests of the period pass the filter, whichever stretch of them is shown.
    pub counts: RequestCounts,
    /// Whether the viewer may search in what was posted and answered.
    pub searches_bodies: bool,
}

/// A stretch of the log of API requests: the newest, or what is older than `after`, or what is newer than `before` and
/// next to it. Where less than a page is newer, it is the newest again. The filter's range is that of the period. Needs
/// `requests:view`.
#[server]
pub async fn load_requests(
    choice: PeriodChoice,
    #[server(default)] filter: ApiRequestFilter,
    after: Option<ApiRequestId>,
    before: Option<ApiRequestId>,
) -> Result<RequestsView, AppError> {
    use crate::domain::ids::time_of_id;
    use crate::domain::masking::sees_contents;
    use crate::domain::page::{Cursor, PartialPage};
    use crate::server::{
        context,
        services::{api_requests, emails},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    // An id alone goes straight to its request.
    let named: Option<ApiRequestId> = filter.endpoint.as_deref().and_then(|text| text.trim().parse().ok());
    if let Some(id) = named
        && api_requests::find_api_request(&app, &viewer, id).await.is_ok()
    {
        crate::server::context::redirect(&format!("/requests/{id}"));
    }
    let period = emails::resolve_period(&app, &viewer, &choice).await?;
    let filter = ApiRequestFilter { range: period.range, ..filter };
    let list = async |cursor| api_requests::list_api_requests(&app, &viewer, &filter, cursor, PAGE_SIZE).await;
    let newer = match before {
        Some(id) if after.is_none() => {
            Some((id, list(Cursor::Before(id)).await?)).filter(|(_, rows)| rows.next.is_some())
        }
        _ => None,
    };
    let (PartialPage { items: rows, next }, newer, older) = match newer {
        Some((id, walked)) => {
            let older = walked.items.last().map_or(ApiRequestId(id.0.saturating_add(1)), |row| row.id);
            let newer = walked.next;
            (walked, newer, Some(older))
        }
        None => {
            let walked = list(after.map_or(Cursor::Newest, Cursor::After)).await?;
            let first = |after: ApiRequestId| {
                walked.items.first().map_or(ApiRequestId(after.0.saturating_sub(1)), |row| row.id)
            };
            let (newer, older) = (after.map(first), walked.next);
            (walked, newer, older)
        }
    };
    let looked_to = next.filter(|_| (rows.len() as i64) < PAGE_SIZE).map(|id| time_of_id(id.0));
    let keys = api_requests::list_key_names(&app, &viewer).await?;
    let counts = api_requests::count_api_requests(&app, &viewer, &filter).await?;
    let searches_bodies = sees_contents(&viewer);
    Ok(RequestsView { period, rows, newer, older, looked_to, keys, counts, searches_bodies })
}

/// What the page of an API request shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RequestView {
    pub detail: ApiRequestDetail,
    pub public_url: String,
}

/// One API request with its bodies and the messages it made. Needs `requests:view`.
#[server]
pub async fn load_request(id: ApiRequestId) -> Result<RequestView, AppError> {
    use crate::server::{context, services::api_requests};
    let app = context::app();
    let detail = api_requests::find_api_request(&app, &context::viewer().await?, id).await?;
    Ok(RequestView { detail, public_url: app.config.public_url() })
}

/// Writes a reason into the audit log and shows the request's bodies to this session for a while. Needs `requests:view`
/// and `logs:reveal`.
#[server]
pub async fn reveal_request(id: ApiRequestId, reason: String) -> Result<(), AppError> {
    use crate::server::{context, services::reveal};
    let words = "Your session ended: nothing was revealed, and your reason was not saved. Log in and type it again.";
    let viewer = context::viewer_or_say(words).await?;
    let (app, session) = (context::app(), context::session().await);
    reveal::reveal_request(&app, &viewer, &session, id, &reason).await?;
    crate::server::context::redirect(&format!("/requests/{id}"));
    Ok(())
}
