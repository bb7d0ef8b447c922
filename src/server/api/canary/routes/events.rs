//! Events from outside.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::server::App;
use crate::server::api::canary::error::{Faults, InvalidBody, Refusals, TooMany};
use crate::server::api::canary::extract::{Caller, NoParameters};
use crate::server::api::canary::wire::{AnyEvent, EventAnswer, EventLines};
use crate::server::api::canary::wire::{Success, success};
use crate::server::services::events;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(record_events))
}

/// Records what a provider or a script reports: at most 10,000 events, as a JSON array or one a line, plain or with
/// `Content-Encoding: gzip`. Each is answered in its place; a wrong one does not stop the others. Once this answers, what
/// is `recorded` is kept. Sending a batch again changes nothing. Needs `events:write`.
#[utoipa::path(
    post, path = "/api/v1/events", operation_id = "recordEvents", tag = "events", summary = "Report events",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    request_body(content(
        (Vec<AnyEvent> = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "What became of each event, in their order", body = Success<Vec<EventAnswer>>),
        InvalidBody, Refusals, TooMany, Faults,
    ),
)]
async fn record_events(
    State(app): State<App>,
    Caller(viewer): Caller,
    _query: NoParameters,
    EventLines(lines): EventLines,
) -> Answer<Vec<EventAnswer>> {
    let (ids, reports): (Vec<_>, Vec<_>) = lines.into_iter().map(|line| (line.id, line.report)).unzip();
    let reported = events::record_events(&app, &viewer, reports).await?;
    let answers = ids.into_iter().zip(reported).map(|(id, reported)| EventAnswer::new(id, reported));
    Ok(success(answers.collect()))
}
