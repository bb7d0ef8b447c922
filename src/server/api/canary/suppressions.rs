//! Addresses that the team does not write to any more.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::JsonBody;
use super::error::CanaryError;
use super::{Answer, Deleted, Success, Timestamp, success};
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, SuppressionId};
use crate::domain::page::{Cursor, CursorPage};
use crate::domain::suppression::{Suppression, SuppressionFilter, SuppressionReason};
use crate::server::App;
use crate::server::api::extract::{Caller, PathText, QueryParameters, RawQuery, suppression_name};
use crate::server::services::suppressions;

const DEFAULT_LIMIT: i64 = 50;
/// How many addresses are added by one request.
const MAX_AT_ONCE: usize = 1_000;
const MAX_SEARCH_CHARS: usize = 320;
const MAX_ID_CHARS: usize = 40;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_suppressions, add_suppressions))
        .routes(routes!(find_suppression))
        .routes(routes!(lift_suppression))
}

struct SuppressionsQuery {
    filter: SuppressionFilter,
    cursor: Cursor<SuppressionId>,
    limit: i64,
}

impl QueryParameters for SuppressionsQuery {
    const NAMES: &'static [&'static str] = &["search", "reason", "before", "limit"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        let reason = query.text("reason").map(|name| {
            let wrong = |_| AppError::invalid_field("reason", "Use bounced, complained, unsubscribed or manual");
            name.parse::<SuppressionReason>().map_err(wrong)
        });
        let filter = SuppressionFilter {
            search: query.short_text("search", MAX_SEARCH_CHARS)?,
            reasons: reason.transpose()?.into_iter().collect(),
        };
        let before = query
            .short_text("before", MAX_ID_CHARS)?
            .map(|text| text.parse().map_err(|_| AppError::invalid_field("before", "This is no id of a suppression")));
        let cursor = before.transpose()?.map_or(Cursor::Newest, Cursor::After);
        Ok(Self { filter, cursor, limit: query.number("limit", 1..=100, DEFAULT_LIMIT)? })
    }
}

/// Lists the addresses that are not written to, newest first. Needs `suppressions:view`.
#[utoipa::path(
    get, path = "/api/suppressions", tag = "suppressions", summary = "List suppressions",
    params(
        ("search" = Option<String>, Query, description = "A part of the address", max_length = 320),
        ("reason" = Option<SuppressionReason>, Query, description = "Only those for this reason"),
        ("before" = Option<String>, Query, description = "Only older ones than the one with this id", max_length = 40),
        ("limit" = Option<i64>, Query, description = "How many, by default 50", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "The suppressions", body = Success<SuppressionPageBody>)),
)]
async fn list_suppressions(
    State(app): State<App>,
    Caller(viewer, query): Caller<SuppressionsQuery>,
) -> Answer<SuppressionPageBody> {
    let SuppressionsQuery { filter, cursor, limit } = query;
    let CursorPage { items, has_more } = suppressions::list_suppressions(&app, &viewer, &filter, cursor, limit).await?;
    let next_before = items.last().filter(|_| has_more).map(|last| last.id);
    let items = items.into_iter().map(SuppressionBody::from).collect();
    Ok(success(SuppressionPageBody { items, has_more, next_before }))
}

/// Keeps addresses from being written to, all or none. One that is on the list already stays as it is. Needs
/// `suppressions:update`.
#[utoipa::path(
    post, path = "/api/suppressions", tag = "suppressions", summary = "Add suppressions",
    request_body(content = NewSuppressionsBody, content_type = "application/json"),
    responses((status = 201, description = "What there is of each, in their order",
        body = Success<Vec<SuppressionBody>>)),
)]
async fn add_suppressions(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    JsonBody(body): JsonBody<NewSuppressionsBody>,
) -> Result<(StatusCode, Json<Success<Vec<SuppressionBody>>>), CanaryError> {
    let NewSuppressionsBody { addresses, reason, note } = body;
    if !(1..=MAX_AT_ONCE).contains(&addresses.len()) {
        let words = format!("`addresses` must hold 1 to {MAX_AT_ONCE} addresses");
        return Err(AppError::invalid_field("addresses", words).into());
    }
    let note = note.unwrap_or_default();
    let added = suppressions::suppress_addresses(&app, &viewer, "addresses", &addresses, reason, &note).await?;
    Ok((StatusCode::CREATED, success(added.into_iter().map(SuppressionBody::from).collect())))
}

/// Shows one, by its id or its address. Needs `suppressions:view`.
#[utoipa::path(
    get, path = "/api/suppressions/{id}", tag = "suppressions", summary = "Show a suppression",
    params(("id" = String, Path, description = "Its id, or the address that is not written to")),
    responses((status = 200, description = "The suppression", body = Success<SuppressionBody>)),
)]
async fn find_suppression(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathText(name): PathText,
) -> Answer<SuppressionBody> {
    Ok(success(suppressions::find_suppression(&app, &viewer, &suppression_name(&name)).await?.into()))
}

/// Lets an address be written to again; named by the suppression's id or by itself. Needs `suppressions:update`.
#[utoipa::path(
    post, path = "/api/suppressions/{id}/lift", tag = "suppressions", summary = "Lift a suppression",
    params(("id" = String, Path, description = "Its id, or the address that is not written to")),
    request_body(content = LiftBody, content_type = "application/json"),
    responses((status = 200, description = "The address can be written to again", body = Success<Deleted<String>>)),
)]
async fn lift_suppression(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathText(name): PathText,
    JsonBody(body): JsonBody<LiftBody>,
) -> Answer<Deleted<String>> {
    let lifted = suppressions::lift_suppression(&app, &viewer, &suppression_name(&name), &body.reason).await?;
    Ok(success(Deleted { id: lifted.id.to_string() }))
}

/// Addresses to add.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSuppressionsBody {
    /// The addresses.
    #[schema(min_items = 1, max_items = 1000, example = json!(["ada@example.com"]))]
    pub addresses: Vec<String>,
    /// Why.
    #[serde(default = "by_hand")]
    pub reason: SuppressionReason,
    /// What to say of them, in one line.
    #[schema(max_length = 500)]
    pub note: Option<String>,
}

/// Why an address may be written to again.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LiftBody {
    /// Why, in one line; the audit log keeps it.
    #[schema(min_length = 1, max_length = 500, example = "The customer asked for it")]
    pub reason: String,
}

fn by_hand() -> SuppressionReason {
    SuppressionReason::Manual
}

/// Suppressions, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuppressionPageBody {
    /// The suppressions.
    pub items: Vec<SuppressionBody>,
    /// Whether there are older ones.
    pub has_more: bool,
    /// What to give as `before` to read the older ones; null where there are none.
    #[schema(required, value_type = Option<String>)]
    pub next_before: Option<SuppressionId>,
}

/// An address that is not written to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SuppressionBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SuppressionId,
    /// The address.
    #[schema(example = "ada@example.com")]
    pub address: String,
    /// Why.
    pub reason: SuppressionReason,
    /// The message that brought it here; null where none did.
    #[schema(required, value_type = Option<String>)]
    pub email_id: Option<EmailId>,
    /// What whoever added it says of it; empty where nobody did.
    pub note: String,
    /// Since when.
    pub created_at: Timestamp,
}

impl From<Suppression> for SuppressionBody {
    fn from(one: Suppression) -> Self {
        Self {
            id: one.id,
            address: one.address,
            reason: one.reason,
            email_id: one.email_id,
            note: one.note,
            created_at: one.created_at.into(),
        }
    }
}
