//! The log of API requests: rows are taken from the web layer, redacted, capped, and kept in batches, so that reading
//! does not wait for the disk. [RequestLog::finish] keeps what is waiting before the program ends.

mod queue;
mod redaction;

use super::reveal::secrets_named;
use crate::domain::api_request::{ApiRequest, ApiRequestDetail, ApiRequestFilter, ApiRequestSummary, RequestCounts};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, ApiRequestId};
use crate::domain::masking::{Contents, Secrets, Visibility, masks_addresses, sees_contents};
use crate::domain::page::{Cursor, PartialPage};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

pub use queue::{Expected, RequestLog};
pub use redaction::{logged_answer, logged_body, logged_endpoint, logged_request};

/// Lists the viewer's team's API requests at a place of their log, newest first. Needs `requests:view`. What was answered
/// before is among them, unless the database is too busy to take it. For what no index knows, so many are looked at; the
/// next call goes on behind them.
pub async fn list_api_requests(
    app: &App,
    viewer: &Viewer,
    filter: &ApiRequestFilter,
    cursor: Cursor<ApiRequestId>,
    limit: i64,
) -> Result<PartialPage<ApiRequestSummary, ApiRequestId>, AppError> {
    viewer.require(Permission::RequestsView)?;
    app.request_log.settle().await;
    let filter = visible_part(app, viewer, filter).await?;
    let PartialPage { items, next } = app.store.list_api_requests(viewer.team, &filter, cursor, limit).await?;
    let now = app.clock.now();
    let marks = !app.store.list_marked_variables(viewer.team).await?.is_empty();
    let shown = |request: ApiRequestSummary| {
        let endpoint = Visibility::of(viewer, request.id, now).endpoint(request.endpoint, marks);
        ApiRequestSummary { endpoint, ..request }
    };
    Ok(PartialPage { items: items.into_iter().map(shown).collect(), next })
}

/// Counts the requests that [list_api_requests] lists, by the class of their status, as far as counting goes. Needs
/// `requests:view`.
pub async fn count_api_requests(
    app: &App,
    viewer: &Viewer,
    filter: &ApiRequestFilter,
) -> Result<RequestCounts, AppError> {
    viewer.require(Permission::RequestsView)?;
    let filter = visible_part(app, viewer, filter).await?;
    app.store.count_api_requests(viewer.team, &filter).await
}

/// The filter, with the bounds of what a viewer may find: nobody finds by a part what they would not see.
async fn visible_part(app: &App, viewer: &Viewer, filter: &ApiRequestFilter) -> Result<ApiRequestFilter, AppError> {
    if filter.error.is_some() && !sees_contents(viewer) {
        let words = "what was posted and answered is hidden from you, so it cannot be searched";
        return Err(AppError::invalid_field("error", words));
    }
    let hidden_names = match &filter.error {
        Some(_) => app.store.list_marked_variables(viewer.team).await?,
        None => Vec::new(),
    };
    Ok(ApiRequestFilter {
        keeps_addresses: masks_addresses(viewer),
        keeps_words: !Visibility::of(viewer, "", app.clock.now()).shows_contents(),
        hidden_names,
        ..filter.clone()
    })
}

/// The ids and names of the team's keys, to filter its API requests by. Needs `requests:view`: the requests show the
/// names anyway.
pub async fn list_key_names(app: &App, viewer: &Viewer) -> Result<Vec<(ApiKeyId, String)>, AppError> {
    viewer.require(Permission::RequestsView)?;
    let keys = app.store.list_api_keys(viewer.team).await?;
    Ok(keys.into_iter().map(|key| (key.id, key.name)).collect())
}

/// Finds one API request with its bodies and the messages it made. Needs `requests:view`; the messages need `logs:view`,
/// and the bodies `logs:reveal`.
pub async fn find_api_request(app: &App, viewer: &Viewer, id: ApiRequestId) -> Result<ApiRequestDetail, AppError> {
    viewer.require(Permission::RequestsView)?;
    app.request_log.settle().await;
    let found = app.store.find_api_request(viewer.team, id).await?;
    let (request, api_key_name) = found.ok_or_else(|| AppError::not_found("API request"))?;
    let emails = if viewer.may(Permission::LogsView) {
        app.store.list_emails_of_request(viewer.team, id).await?
    } else {
        Vec::new()
    };
    let marked = app.store.list_marked_variables(viewer.team).await?;
    let now = app.clock.now();
    let visibility = Visibility::of(viewer, id, now);
    let secrets = if visibility.contents == Contents::AllButMarked && !marked.is_empty() {
        let texts = [request.request_body.text.as_deref(), request.response_body.text.as_deref()];
        secrets_named(app, viewer, &texts, emails.iter().map(|email| email.id)).await?
    } else {
        Secrets::default()
    };
    let reveal = viewer.reveal_of(id, now).cloned().filter(|_| visibility.contents == Contents::All);
    let shown = ApiRequest {
        endpoint: visibility.endpoint(request.endpoint.clone(), !marked.is_empty()),
        request_body: visibility.body(request.request_body.clone(), &marked, &secrets),
        response_body: visibility.body(request.response_body.clone(), &marked, &secrets),
        ..request.clone()
    };
    let masks_marked = visibility.contents == Contents::AllButMarked
        && (shown.endpoint != request.endpoint
            || shown.request_body != request.request_body
            || shown.response_body != request.response_body);
    let emails = emails.into_iter().map(|email| Visibility::of(viewer, email.id, now).summary(email)).collect();
    Ok(ApiRequestDetail { request: shown, api_key_name, emails, visibility, masks_marked, reveal })
}
