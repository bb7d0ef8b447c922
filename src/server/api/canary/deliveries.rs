//! What a webhook was told, telling it again, and tests of it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::JsonBody;
use super::error::{CanaryError, Clash, TooMany};
use super::{Answer, Success, Timestamp, success};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, EventId, OutgoingWebhookId};
use crate::domain::webhook::{DeliveryFilter, DeliveryState, Replay, WebhookDelivery};
use crate::server::App;
use crate::server::api::extract::{Caller, PathId, PathText, QueryParameters, RawQuery, id_of, read_instant};
use crate::server::services::webhooks;

const DEFAULT_LIMIT: i64 = 50;
const MAX_ID_CHARS: usize = 40;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_deliveries))
        .routes(routes!(find_delivery))
        .routes(routes!(replay_delivery))
        .routes(routes!(replay_deliveries))
        .routes(routes!(test_webhook))
}

struct DeliveriesQuery {
    filter: DeliveryFilter,
    before: Option<EventId>,
    limit: i64,
}

impl QueryParameters for DeliveriesQuery {
    const NAMES: &'static [&'static str] = &["failed", "before", "limit"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        let filter = match query.text("failed") {
            Some("true") => DeliveryFilter::Failed,
            Some("false") | None => DeliveryFilter::All,
            Some(_) => return Err(AppError::invalid_field("failed", "failed must be true or false")),
        };
        let before = query
            .short_text("before", MAX_ID_CHARS)?
            .map(|text| text.parse().map_err(|_| AppError::invalid_field("before", "This is no id of a delivery")));
        Ok(Self { filter, before: before.transpose()?, limit: query.number("limit", 1..=100, DEFAULT_LIMIT)? })
    }
}

/// Lists what a webhook was told in the last 30 days, newest first. Needs `webhooks:view`.
#[utoipa::path(
    get, path = "/api/webhooks/{id}/deliveries", operation_id = "listWebhookDeliveries", tag = "webhooks",
    summary = "List a webhook's deliveries",
    params(
        ("failed" = Option<bool>, Query, description = "`true` for those alone whose last try failed"),
        ("before" = Option<String>, Query, description = "Only older ones than the one with this id", max_length = 40),
        ("limit" = Option<i64>, Query, description = "How many, by default 50", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "The deliveries", body = Success<DeliveryPageBody>)),
)]
async fn list_deliveries(
    State(app): State<App>,
    Caller(viewer, query): Caller<DeliveriesQuery>,
    PathId(id): PathId<OutgoingWebhookId>,
) -> Answer<DeliveryPageBody> {
    let DeliveriesQuery { filter, before, limit } = query;
    let page = webhooks::list_deliveries(&app, &viewer, id, filter, before, limit).await?;
    let next_before = page.items.last().filter(|_| page.has_more).map(|last| last.id);
    let items = page.items.into_iter().map(DeliveryBody::from).collect();
    Ok(success(DeliveryPageBody { items, has_more: page.has_more, next_before }))
}

/// Shows a delivery, with what was posted and answered to those who see the contents of messages. Needs `webhooks:view`.
#[utoipa::path(
    get, path = "/api/webhooks/{id}/deliveries/{delivery}", operation_id = "findWebhookDelivery", tag = "webhooks",
    summary = "Show a webhook's delivery",
    responses((status = 200, description = "The delivery", body = Success<WholeDeliveryBody>)),
)]
async fn find_delivery(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathText((id, delivery)): PathText<(String, String)>,
) -> Answer<WholeDeliveryBody> {
    let found = webhooks::find_delivery(&app, &viewer, id_of(&id), id_of(&delivery)).await?;
    Ok(success(WholeDeliveryBody { delivery: found.delivery.into(), body: found.body, answer: found.answer }))
}

/// Tells a webhook of an event again, with the same id. Needs `webhooks:update`.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/deliveries/{delivery}/replay", operation_id = "replayWebhookDelivery", tag = "webhooks",
    summary = "Repeat a webhook's delivery",
    responses(
        (status = 200, description = "It is posted again", body = Success<ReplayedBody>),
        Clash,
    ),
)]
async fn replay_delivery(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathText((id, delivery)): PathText<(String, String)>,
) -> Answer<ReplayedBody> {
    let deliveries = webhooks::replay(&app, &viewer, id_of(&id), Replay::One(id_of(&delivery))).await?;
    Ok(success(ReplayedBody { deliveries }))
}

/// Tells a webhook again of what happened in a span of time, at most 1,000 events; those that are on their way are left. Needs
/// `webhooks:update`.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/replay", operation_id = "replayWebhookDeliveries", tag = "webhooks",
    summary = "Repeat a webhook's deliveries",
    request_body(content = ReplayBody, content_type = "application/json"),
    responses(
        (status = 200, description = "They are posted again", body = Success<ReplayedBody>),
        Clash,
    ),
)]
async fn replay_deliveries(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
    JsonBody(body): JsonBody<ReplayBody>,
) -> Answer<ReplayedBody> {
    let instant = |field: &str, text: &str| {
        let words = format!("{field} must be an ISO 8601 date and time with its offset, like 2024-01-20T10:30:00Z");
        read_instant(text).ok_or_else(|| AppError::invalid_field(field, words))
    };
    let (from, to) = (instant("from", &body.from)?, instant("to", &body.to)?);
    if from >= to {
        return Err(AppError::invalid_field("to", "to must be later than from").into());
    }
    let filter = if body.only_failed { DeliveryFilter::Failed } else { DeliveryFilter::All };
    let deliveries = webhooks::replay(&app, &viewer, id, Replay::Range { from, to, filter }).await?;
    Ok(success(ReplayedBody { deliveries }))
}

/// Has a webhook be told of a test, which is in its log. Needs `webhooks:update`.
#[utoipa::path(
    post, path = "/api/webhooks/{id}/test", tag = "webhooks", summary = "Test a webhook",
    responses(
        (status = 202, description = "It is posted", body = Success<TestedBody>),
        Clash,
        TooMany,
    ),
)]
async fn test_webhook(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<OutgoingWebhookId>,
) -> Result<(StatusCode, Json<Success<TestedBody>>), CanaryError> {
    let delivery_id = webhooks::send_test(&app, &viewer, id).await?;
    Ok((StatusCode::ACCEPTED, success(TestedBody { delivery_id })))
}

/// Which events a webhook is to be told of again.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReplayBody {
    /// From when, ISO 8601 with an offset.
    #[schema(format = DateTime, example = "2024-01-20T10:00:00Z")]
    pub from: String,
    /// Until when, which does not belong to it.
    #[schema(format = DateTime, example = "2024-01-20T12:00:00Z")]
    pub to: String,
    /// `true` for those alone whose last try failed.
    #[serde(default)]
    pub only_failed: bool,
}

/// Deliveries, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryPageBody {
    /// The deliveries.
    pub items: Vec<DeliveryBody>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// What to give as `before` to read the older ones; null where there are none.
    #[schema(required, value_type = Option<String>)]
    pub next_before: Option<EventId>,
}

/// What a webhook is told of one event.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryBody {
    /// The event's id, which is the same on every try.
    #[schema(value_type = String)]
    pub id: EventId,
    /// The message; null for a test.
    #[schema(required, value_type = Option<String>)]
    pub email_id: Option<EmailId>,
    /// The type that the post says.
    #[serde(rename = "type")]
    #[schema(example = "email.bounced")]
    pub kind: String,
    /// What became of it.
    pub state: DeliveryState,
    /// How many tries there were since it was made or repeated.
    pub tries: i64,
    /// When the next one follows; null where none does.
    #[schema(required)]
    pub next_try_at: Option<Timestamp>,
    /// Whether the last try failed.
    pub has_failed: bool,
    /// When it was last tried; null where it never was.
    #[schema(required)]
    pub tried_at: Option<Timestamp>,
    /// How long the last try took.
    #[schema(required)]
    pub duration_ms: Option<i64>,
    /// The status of the last answer; null where there was none.
    #[schema(required)]
    pub status: Option<i64>,
}

impl From<WebhookDelivery> for DeliveryBody {
    fn from(one: WebhookDelivery) -> Self {
        Self {
            id: one.id,
            email_id: one.email_id,
            kind: one.kind,
            state: one.state,
            tries: one.tries,
            next_try_at: one.next_try_at.map(Timestamp),
            has_failed: one.has_failed,
            tried_at: one.tried_at.map(Timestamp),
            duration_ms: one.duration_ms,
            status: one.status,
        }
    }
}

/// A delivery with what was posted and answered.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WholeDeliveryBody {
    /// What is in a list, too.
    #[serde(flatten)]
    pub delivery: DeliveryBody,
    /// What is posted; null to those who do not see the contents of messages.
    #[schema(required)]
    pub body: Option<String>,
    /// The beginning of the last answer, or why there was none; null to the same, and where nothing was tried.
    #[schema(required)]
    pub answer: Option<String>,
}

/// What is posted again.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayedBody {
    /// How many deliveries.
    pub deliveries: u64,
}

/// A test that is posted.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TestedBody {
    /// Its id in the log.
    #[schema(value_type = String)]
    pub delivery_id: EventId,
}
