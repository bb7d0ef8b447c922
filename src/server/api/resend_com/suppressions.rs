//! The addresses that a team does not write to: list, read, add and remove. Source: Resend, Suppressions, and what npm `resend`,
//! PyPI `resend` and `resend-rs` send and expect. Who unsubscribed is `manual` here: Resend has no word for it.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::ResendError;
use super::{Answer, List, Timestamp, read_body, read_paging};
use crate::domain::error::AppError;
use crate::domain::ids::SuppressionId;
use crate::domain::suppression::{Suppression, SuppressionFilter, SuppressionReason};
use crate::server::App;
use crate::server::api::extract::{Body, Caller, PathText, QueryParameters, RawQuery, id_of, suppression_name};
use crate::server::services::suppressions::{self, SuppressionName};

/// How many addresses a request names at most.
const MAX_AT_ONCE: usize = 100;
/// What the audit log says of one that was removed: these endpoints ask for no reason.
const REASON: &str = "Removed by an application, through Resend's API";

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_suppressions, add_suppression))
        .routes(routes!(find_suppression, remove_suppression))
        .routes(routes!(add_suppressions))
        .routes(routes!(remove_suppressions))
}

struct SuppressionsQuery(RawQuery);

impl QueryParameters for SuppressionsQuery {
    const NAMES: &'static [&'static str] = &["limit", "after", "before", "origin"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        Ok(Self(query))
    }
}

/// Lists the addresses that are not written to, newest first. Needs `suppressions:view`.
#[utoipa::path(
    get, path = "/suppressions", tag = "suppressions", summary = "List suppressions",
    params(
        ("limit" = Option<i64>, Query, description = "How many, by default 20", minimum = 1, maximum = 100),
        ("after" = Option<String>, Query, description = "The id of the last suppression of the page before this one"),
        ("before" = Option<String>, Query,
            description = "The id of the first suppression of the page after this one; not together with `after`"),
        ("origin" = Option<Origin>, Query, description = "Only those with this origin"),
    ),
    responses((status = 200, description = "One page of the list", body = List<SuppressionRow>)),
)]
async fn list_suppressions(
    State(app): State<App>,
    Caller(viewer, SuppressionsQuery(query)): Caller<SuppressionsQuery>,
) -> Answer<List<SuppressionRow>> {
    let (cursor, limit) = read_paging(&query)?;
    let filter = SuppressionFilter { reasons: read_origin(&query)?, ..SuppressionFilter::default() };
    let listed = suppressions::list_suppressions(&app, &viewer, &filter, cursor, limit).await?;
    Ok(Json(List::of(listed, SuppressionRow::from)))
}

fn read_origin(query: &RawQuery) -> Result<Vec<SuppressionReason>, ResendError> {
    let Some(text) = query.text("origin") else { return Ok(Vec::new()) };
    let origin = [Origin::Bounce, Origin::Complaint, Origin::Manual].into_iter().find(|one| one.as_str() == text);
    let words = "The `origin` parameter must be `bounce`, `complaint` or `manual`";
    let origin = origin.ok_or_else(|| ResendError::invalid_parameter(words))?;
    Ok(SuppressionReason::ALL.into_iter().filter(|reason| Origin::of(*reason) == origin).collect())
}

/// Keeps an address from being written to. One that is on the list already is answered as it is. Needs `suppressions:update`.
#[utoipa::path(
    post, path = "/suppressions", tag = "suppressions", summary = "Add a suppression",
    request_body(content = NewSuppressionBody, content_type = "application/json"),
    responses((status = 200, description = "It is on the list", body = AddedSuppression)),
)]
async fn add_suppression(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    Body(body): Body,
) -> Answer<AddedSuppression> {
    let email = read_body::<NewSuppressionBody>(&body)?.email.ok_or_else(|| ResendError::missing_field("`email`"))?;
    let manual = SuppressionReason::Manual;
    let mut added = suppressions::suppress_addresses(&app, &viewer, "email", &[email], manual, "").await?;
    added.pop().map(|one| Json(one.into())).ok_or_else(|| AppError::not_found("Suppression").into())
}

/// Shows one, by its id or its address. Needs `suppressions:view`.
#[utoipa::path(
    get, path = "/suppressions/{id_or_email}", operation_id = "retrieveSuppression", tag = "suppressions",
    summary = "Retrieve a suppression",
    params(("id_or_email" = String, Path, description = "Its id, or the address that is not written to")),
    responses((status = 200, description = "The suppression", body = WholeSuppression)),
)]
async fn find_suppression(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathText(name): PathText,
) -> Answer<WholeSuppression> {
    Ok(Json(suppressions::find_suppression(&app, &viewer, &suppression_name(&name)).await?.into()))
}

/// Lets an address be written to again; named by the suppression's id or by itself. Needs `suppressions:update`.
#[utoipa::path(
    delete, path = "/suppressions/{id_or_email}", tag = "suppressions", summary = "Remove a suppression",
    params(("id_or_email" = String, Path, description = "Its id, or the address that is not written to")),
    responses((status = 200, description = "It is off the list", body = RemovedSuppression)),
)]
async fn remove_suppression(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathText(name): PathText,
) -> Answer<RemovedSuppression> {
    Ok(Json(suppressions::lift_suppression(&app, &viewer, &suppression_name(&name), REASON).await?.into()))
}

/// Keeps up to 100 addresses from being written to, all or none. Needs `suppressions:update`.
#[utoipa::path(
    post, path = "/suppressions/batch/add", operation_id = "addBatchSuppressions", tag = "suppressions",
    summary = "Add batch suppressions",
    request_body(content = NewSuppressionsBody, content_type = "application/json"),
    responses((status = 200, description = "They are on the list", body = Batch<AddedSuppression>)),
)]
async fn add_suppressions(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    Body(body): Body,
) -> Answer<Batch<AddedSuppression>> {
    let emails =
        read_body::<NewSuppressionsBody>(&body)?.emails.ok_or_else(|| ResendError::missing_field("`emails`"))?;
    require_some(&emails, "emails")?;
    let manual = SuppressionReason::Manual;
    let added = suppressions::suppress_addresses(&app, &viewer, "emails", &emails, manual, "").await?;
    Ok(Json(Batch { data: added.into_iter().map(AddedSuppression::from).collect() }))
}

/// Lets up to 100 addresses be written to again. What is not on the list is left out of the answer. Needs `suppressions:update`.
#[utoipa::path(
    post, path = "/suppressions/batch/remove", operation_id = "removeBatchSuppressions", tag = "suppressions",
    summary = "Remove batch suppressions",
    request_body(content = OldSuppressionsBody, content_type = "application/json"),
    responses((status = 200, description = "They are off the list", body = Batch<RemovedSuppression>)),
)]
async fn remove_suppressions(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    Body(body): Body,
) -> Answer<Batch<RemovedSuppression>> {
    let names: Vec<SuppressionName> = match read_body::<OldSuppressionsBody>(&body)? {
        OldSuppressionsBody { emails: Some(emails), ids: None } => {
            require_some(&emails, "emails")?;
            emails.iter().map(|email| SuppressionName::Address(email.trim().to_owned())).collect()
        }
        OldSuppressionsBody { emails: None, ids: Some(ids) } => {
            require_some(&ids, "ids")?;
            ids.iter().map(|id| SuppressionName::Id(id_of(id))).collect()
        }
        OldSuppressionsBody { emails: Some(_), ids: Some(_) } => {
            return Err(ResendError::invalid("Give either `emails` or `ids`, not both"));
        }
        OldSuppressionsBody { emails: None, ids: None } => return Err(ResendError::missing_field("`emails` or `ids`")),
    };
    let lifted = suppressions::lift_suppressions(&app, &viewer, &names, REASON).await?;
    Ok(Json(Batch { data: lifted.into_iter().map(RemovedSuppression::from).collect() }))
}

fn require_some(names: &[String], field: &str) -> Result<(), ResendError> {
    match names.len() {
        1..=MAX_AT_ONCE => Ok(()),
        _ => Err(ResendError::invalid(format!("`{field}` must hold 1 to {MAX_AT_ONCE} texts"))),
    }
}

/// Why an address is not written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// A message came back from it for good.
    Bounce,
    /// Its owner marked a message as spam.
    Complaint,
    /// Somebody added it, or its owner unsubscribed.
    Manual,
}

impl Origin {
    /// The origin that a reason is shown as.
    const fn of(reason: SuppressionReason) -> Self {
        match reason {
            SuppressionReason::Bounced => Self::Bounce,
            SuppressionReason::Complained => Self::Complaint,
            SuppressionReason::Unsubscribed | SuppressionReason::Manual => Self::Manual,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
            Self::Manual => "manual",
        }
    }
}

/// An address to add.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewSuppressionBody {
    /// The address.
    #[schema(value_type = String, required, example = "steve.wozniak@example.com")]
    email: Option<String>,
}

/// Addresses to add.
#[derive(Debug, Deserialize, ToSchema)]
pub struct NewSuppressionsBody {
    /// The addresses.
    #[schema(value_type = Vec<String>, required, min_items = 1, max_items = 100)]
    emails: Option<Vec<String>>,
}

/// What to remove: addresses, or ids of suppressions.
#[derive(Debug, Deserialize, ToSchema)]
pub struct OldSuppressionsBody {
    /// The addresses.
    #[schema(min_items = 1, max_items = 100)]
    emails: Option<Vec<String>>,
    /// The ids.
    #[schema(min_items = 1, max_items = 100)]
    ids: Option<Vec<String>>,
}

/// A suppression in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct SuppressionRow {
    /// Its id.
    #[schema(example = "e169aa45-1ecf-4183-9955-b1499d5701d3", format = "uuid")]
    pub id: String,
    /// The address.
    #[schema(example = "steve.wozniak@example.com")]
    pub email: String,
    /// Why.
    pub origin: Origin,
    /// The id of the message that brought it here; null where none did.
    #[schema(required, format = "uuid")]
    pub source_id: Option<String>,
    /// Since when.
    pub created_at: Timestamp,
}

impl From<Suppression> for SuppressionRow {
    fn from(one: Suppression) -> Self {
        Self {
            id: one.id.to_uuid(),
            email: one.address,
            origin: Origin::of(one.reason),
            source_id: one.email_id.map(|id| id.to_uuid()),
            created_at: Timestamp(one.created_at),
        }
    }
}

/// The word for a suppression.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SuppressionObject {
    /// `suppression`
    Suppression,
}

/// A suppression.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeSuppression {
    /// Always `suppression`.
    pub object: SuppressionObject,
    /// What of it is in a list, too.
    #[serde(flatten)]
    pub row: SuppressionRow,
}

impl From<Suppression> for WholeSuppression {
    fn from(one: Suppression) -> Self {
        Self { object: SuppressionObject::Suppression, row: one.into() }
    }
}

/// An address is on the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct AddedSuppression {
    /// Always `suppression`.
    pub object: SuppressionObject,
    /// The suppression's id.
    #[schema(example = "e169aa45-1ecf-4183-9955-b1499d5701d3", format = "uuid")]
    pub id: String,
}

impl From<Suppression> for AddedSuppression {
    fn from(one: Suppression) -> Self {
        Self { object: SuppressionObject::Suppression, id: SuppressionId::to_uuid(one.id) }
    }
}

/// An address is off the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct RemovedSuppression {
    /// Always `suppression`.
    pub object: SuppressionObject,
    /// The id that the suppression had.
    #[schema(example = "e169aa45-1ecf-4183-9955-b1499d5701d3", format = "uuid")]
    pub id: String,
    /// Always `true`.
    #[schema(example = true)]
    pub deleted: bool,
}

impl From<Suppression> for RemovedSuppression {
    fn from(one: Suppression) -> Self {
        Self { object: SuppressionObject::Suppression, id: one.id.to_uuid(), deleted: true }
    }
}

/// What became of several.
#[derive(Debug, Serialize, ToSchema)]
pub struct Batch<T> {
    /// One for each.
    pub data: Vec<T>,
}
