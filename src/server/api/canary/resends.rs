//! Sending many messages again, as a job. See [crate::server::services::resends].

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::json_body;
use super::error::{CanaryError, Clash, Missing};
use super::{Answer, Success, Timestamp, success};
use crate::domain::address::logs::LogQuery;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, ResendJobId};
use crate::domain::page::CursorPage;
use crate::domain::permission::Permission;
use crate::domain::resend_job::{
    DEFAULT_PER_MINUTE, Preflight, ResendItem, ResendItemState, ResendJob, ResendOptions, ResendStep,
};
use crate::server::App;
use crate::server::api::extract::{
    Caller, MAX_NUMBER, Once, PathId, QueryParameters, RawQuery, Sending, answer_of, id_of, respond,
};
use crate::server::services::resends::{self, NewResend, Selection};

const DEFAULT_LIMIT: i64 = 50;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_resends, create_resend))
        .routes(routes!(find_resend))
        .routes(routes!(list_resend_items))
        .routes(routes!(pause_resend))
        .routes(routes!(resume_resend))
        .routes(routes!(stop_resend))
}

struct ToResendMany;

impl Sending for ToResendMany {
    const ENDPOINT: &'static str = "canary:/resends";
    const RIGHT: Permission = Permission::LogsResend;
}

struct ListQuery {
    before: Option<ResendJobId>,
    limit: i64,
}

impl QueryParameters for ListQuery {
    const NAMES: &'static [&'static str] = &["before", "limit"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        let before = query.text("before").filter(|text| !text.is_empty()).map(id_of);
        Ok(Self { before, limit: query.number("limit", 1..=100, DEFAULT_LIMIT)? })
    }
}

struct ItemsQuery {
    state: Option<ResendItemState>,
    page: i64,
    page_size: i64,
}

impl QueryParameters for ItemsQuery {
    const NAMES: &'static [&'static str] = &["state", "page", "pageSize"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        let state = query
            .text("state")
            .filter(|text| !text.is_empty())
            .map(|name| name.parse().map_err(|cause| AppError::invalid_field("state", format!("{cause}"))));
        Ok(Self {
            state: state.transpose()?,
            page: query.number("page", 1..=MAX_NUMBER, 1)?,
            page_size: query.number("pageSize", 1..=100, DEFAULT_LIMIT)?,
        })
    }
}

/// Lists the team's bulk resends, newest first. Needs `logs:view`.
#[utoipa::path(
    get, path = "/api/logs/resends", tag = "resends", summary = "List bulk resends",
    params(
        ("before" = Option<String>, Query, description = "Only those older than this one"),
        ("limit" = Option<i64>, Query, description = "How many, by default 50", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "The bulk resends", body = Success<ResendPageBody>)),
)]
async fn list_resends(State(app): State<App>, Caller(viewer, query): Caller<ListQuery>) -> Answer<ResendPageBody> {
    Ok(success(resends::list_resends(&app, &viewer, query.before, query.limit).await?.into()))
}

/// Sends many messages again, at a pace. The messages are those that match at this moment, or those named by `ids`: at most
/// 10,000. Of them, each has one copy, whatever happens meanwhile. With `dryRun`, nothing is kept and the answer says what
/// would be done. Needs `logs:view` and `logs:resend`.
#[utoipa::path(
    post, path = "/api/logs/resends", tag = "resends", summary = "Resend many emails",
    params(("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
        description = "Makes a repetition harmless: the same key with the same body gives the same answer for 24 hours")),
    request_body(content = NewResendBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The bulk resend has been started", body = Success<ResendBody>),
        (status = 200, description = "What it would do, for `dryRun`", body = Success<PreflightBody>),
        Missing,
        Clash,
    ),
)]
async fn create_resend(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    headers: HeaderMap,
    once: Once<ToResendMany>,
) -> Result<Response, CanaryError> {
    let body: NewResendBody = json_body(&headers, &once.body)?;
    let selection = body.selection()?;
    let options = ResendOptions {
        includes_resent: body.include_resent.unwrap_or(false),
        includes_failing: body.include_likely_to_fail.unwrap_or(false),
    };
    if body.dry_run.unwrap_or(false) {
        let preflight = resends::preflight(&app, &viewer, &selection, options).await?;
        return Ok(respond(answer_of(StatusCode::OK, &success(PreflightBody::from(preflight)).0)?));
    }
    let new = NewResend {
        name: body.name.unwrap_or_default(),
        reason: body.reason,
        per_minute: body.per_minute.unwrap_or(DEFAULT_PER_MINUTE),
        selection,
        options,
        expected: None,
    };
    let answer = |job: &ResendJob| answer_of(StatusCode::CREATED, &success(ResendBody::from(job.clone())).0);
    Ok(respond(resends::create_resend(&app, &viewer, new, once.key, answer).await?))
}

/// Shows a bulk resend. Needs `logs:view`.
#[utoipa::path(
    get, path = "/api/logs/resends/{id}", tag = "resends", summary = "Show a bulk resend",
    responses((status = 200, description = "The bulk resend", body = Success<ResendBody>)),
)]
async fn find_resend(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ResendJobId>,
) -> Answer<ResendBody> {
    Ok(success(resends::find_resend(&app, &viewer, id).await?.into()))
}

/// Lists the messages of a bulk resend, the oldest first, as they are sent: each with its copy or why there is none. Needs
/// `logs:view`.
#[utoipa::path(
    get, path = "/api/logs/resends/{id}/items", tag = "resends", summary = "List the messages of a bulk resend",
    params(
        ("state" = Option<String>, Query, description = "Only those that are `waiting`, `resent`, `refused` or `left_out`"),
        ("page" = Option<i64>, Query, description = "Page number", minimum = 1, maximum = 9007199254740991_i64),
        ("pageSize" = Option<i64>, Query, description = "Items per page, by default 50", minimum = 1, maximum = 100),
    ),
    responses((status = 200, description = "The messages", body = Success<Vec<ResendItemBody>>)),
)]
async fn list_resend_items(
    State(app): State<App>,
    Caller(viewer, query): Caller<ItemsQuery>,
    PathId(id): PathId<ResendJobId>,
) -> Answer<Vec<ResendItemBody>> {
    let offset = (query.page - 1).saturating_mul(query.page_size);
    let items = resends::list_items(&app, &viewer, id, query.state, offset, query.page_size).await?;
    Ok(success(items.into_iter().map(ResendItemBody::from).collect()))
}

/// Pauses a bulk resend: once this answers, nothing more is sent by it until it is resumed. Needs `logs:view` and
/// `logs:resend`.
#[utoipa::path(
    post, path = "/api/logs/resends/{id}/pause", tag = "resends", summary = "Pause a bulk resend",
    responses((status = 200, description = "The bulk resend", body = Success<ResendBody>), Clash),
)]
async fn pause_resend(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ResendJobId>,
) -> Answer<ResendBody> {
    Ok(success(resends::steer_resend(&app, &viewer, id, ResendStep::Pause).await?.into()))
}

/// Resumes a bulk resend that was paused. Needs `logs:view` and `logs:resend`.
#[utoipa::path(
    post, path = "/api/logs/resends/{id}/resume", tag = "resends", summary = "Resume a bulk resend",
    responses((status = 200, description = "The bulk resend", body = Success<ResendBody>), Clash),
)]
async fn resume_resend(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ResendJobId>,
) -> Answer<ResendBody> {
    Ok(success(resends::steer_resend(&app, &viewer, id, ResendStep::Resume).await?.into()))
}

/// Stops a bulk resend for good. What was sent stays sent. Needs `logs:view` and `logs:resend`.
#[utoipa::path(
    post, path = "/api/logs/resends/{id}/stop", tag = "resends", summary = "Stop a bulk resend",
    responses((status = 200, description = "The bulk resend", body = Success<ResendBody>), Clash),
)]
async fn stop_resend(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<ResendJobId>,
) -> Answer<ResendBody> {
    Ok(success(resends::steer_resend(&app, &viewer, id, ResendStep::Stop).await?.into()))
}

/// Messages to send again: those with these ids, or all that failed or bounced and match the rest.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewResendBody {
    /// The messages; nothing else that chooses messages stands beside it.
    #[schema(example = json!(["eml_06xq3k9v2m4p8"]), max_items = 10_000)]
    pub ids: Option<Vec<String>>,
    /// The search of the messages page, as in `GET /api/logs`.
    #[schema(max_length = 500)]
    pub q: Option<String>,
    /// Statuses with commas between them.
    #[schema(example = "bounced,failed")]
    pub status: Option<String>,
    /// The template.
    pub template_id: Option<String>,
    /// The first instant, ISO 8601.
    pub from: Option<String>,
    /// The first instant after the period, ISO 8601.
    pub to: Option<String>,
    /// What the bulk resend is called: one line of at most 100 characters.
    pub name: Option<String>,
    /// Why it is done: at most 500 characters.
    pub reason: Option<String>,
    /// How many messages are sent again a minute; 300 where nothing is said.
    #[schema(minimum = 1, maximum = 6000)]
    pub per_minute: Option<i64>,
    /// Whether to resend those too that were resent already and got through.
    pub include_resent: Option<bool>,
    /// Whether to resend those too that will likely fail again.
    pub include_likely_to_fail: Option<bool>,
    /// Whether to say only what would be done.
    pub dry_run: Option<bool>,
}

impl NewResendBody {
    fn selection(&self) -> Result<Selection, AppError> {
        let Self { ids, q, status, template_id, from, to, .. } = self;
        let fields = [("q", q), ("status", status), ("template", template_id), ("from", from), ("to", to)];
        let given = fields.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?)));
        let given: Vec<(&str, &str)> = given.filter(|(_, value)| !value.trim().is_empty()).collect();
        match ids {
            Some(_) if !given.is_empty() => Err(AppError::invalid_field("ids", "Give ids, or what to search by")),
            Some(ids) => Ok(Selection::Ids(ids.iter().map(|id| id_of::<EmailId>(id)).collect())),
            None if given.is_empty() => {
                Err(AppError::invalid_field("ids", "Say which messages: ids, or q, status, templateId, from or to"))
            }
            None => {
                let mut query = url::form_urlencoded::Serializer::new("preset=custom".to_owned());
                Ok(Selection::Log(Box::new(LogQuery::parse(&query.extend_pairs(given).finish())?)))
            }
        }
    }
}

/// Bulk resends, newest first.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResendPageBody {
    /// The bulk resends.
    pub items: Vec<ResendBody>,
    /// Whether there are older ones.
    pub has_more: bool,
}

impl From<CursorPage<ResendJob>> for ResendPageBody {
    fn from(page: CursorPage<ResendJob>) -> Self {
        Self { items: page.items.into_iter().map(ResendBody::from).collect(), has_more: page.has_more }
    }
}

/// A bulk resend.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResendBody {
    /// Its id.
    #[schema(value_type = String, example = "rsd_06xq3k9v2m4p8")]
    pub id: ResendJobId,
    /// What it is called.
    pub name: String,
    /// Why it is done.
    #[schema(required)]
    pub reason: Option<String>,
    /// The name of the person or key that started it.
    pub started_by: String,
    /// What its messages were searched by; null where they were named one by one, and for who does not see it.
    #[schema(required)]
    pub filter: Option<String>,
    /// How many messages are sent again a minute.
    pub per_minute: i64,
    /// `running`, `paused`, `stopped` or `done`.
    pub state: &'static str,
    /// Why it stopped, where nobody stopped it.
    #[schema(required)]
    pub note: Option<String>,
    /// How many messages it has.
    pub total: i64,
    /// How many of them wait.
    pub waiting: i64,
    /// How many were sent again.
    pub resent: i64,
    /// How many cannot be sent again.
    pub refused: i64,
    /// How many were left out from the beginning.
    pub left_out: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When its first message was sent again.
    #[schema(required)]
    pub started_at: Option<Timestamp>,
    /// When it was done, or stopped.
    #[schema(required)]
    pub finished_at: Option<Timestamp>,
}

impl From<ResendJob> for ResendBody {
    fn from(job: ResendJob) -> Self {
        Self {
            id: job.id,
            name: job.name,
            reason: job.reason,
            started_by: job.made_by,
            filter: job.filter.map(|(words, _)| words),
            per_minute: job.per_minute,
            state: job.state.as_str(),
            note: job.note,
            total: job.counts.total(),
            waiting: job.counts.waiting,
            resent: job.counts.resent,
            refused: job.counts.refused,
            left_out: job.counts.left_out,
            created_at: job.id.created_at().into(),
            started_at: job.started_at.map(Timestamp),
            finished_at: job.finished_at.map(Timestamp),
        }
    }
}

/// A message of a bulk resend.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResendItemBody {
    /// The message.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// `waiting`, `resent`, `refused` or `left_out`.
    pub state: &'static str,
    /// Why it was not sent again.
    #[schema(required)]
    pub reason: Option<String>,
    /// The message that sends it again.
    #[schema(value_type = Option<String>, required)]
    pub resent_as: Option<EmailId>,
    /// What became of that one.
    #[schema(required)]
    pub resent_status: Option<EmailStatus>,
}

impl From<ResendItem> for ResendItemBody {
    fn from(item: ResendItem) -> Self {
        Self {
            id: item.email_id,
            state: item.state.as_str(),
            reason: item.words,
            resent_as: item.copy.map(|(id, _)| id),
            resent_status: item.copy.and_then(|(_, status)| status),
        }
    }
}

/// What a bulk resend would do.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PreflightBody {
    /// How many messages it would have.
    pub total: i64,
    /// How many would be sent again.
    pub resend: i64,
    /// How many cannot be sent again.
    pub refused: i64,
    /// How many would be left out.
    pub left_out: i64,
    /// How many were resent already and got through, or may have.
    pub resent_already: i64,
    /// How many of those arrived.
    pub arrived: i64,
    /// How many will likely fail again.
    pub likely_to_fail: i64,
    /// How many of those that would be sent again go to suppressed addresses alone, and would be dropped.
    pub suppressed: i64,
    /// How many match beside, which neither failed nor bounced. Counting stops at 10,000.
    pub others: i64,
    /// The same by reason.
    pub groups: Vec<PreflightGroupBody>,
}

/// Messages that have the same end for the same reason.
#[derive(Debug, Serialize, ToSchema)]
pub struct PreflightGroupBody {
    /// `waiting`, `refused` or `left_out`.
    pub state: &'static str,
    /// Why; of those that would be sent again, why they failed.
    pub reason: String,
    /// How many they are.
    pub count: i64,
}

impl From<Preflight> for PreflightBody {
    fn from(preflight: Preflight) -> Self {
        let group = |group: crate::domain::resend_job::PreflightGroup| PreflightGroupBody {
            state: group.state.as_str(),
            reason: group.words,
            count: group.count,
        };
        Self {
            total: preflight.counts.total(),
            resend: preflight.counts.waiting,
            refused: preflight.counts.refused,
            left_out: preflight.counts.left_out,
            resent_already: preflight.resent_already,
            arrived: preflight.arrived,
            likely_to_fail: preflight.likely_to_fail,
            suppressed: preflight.suppressed,
            others: preflight.others,
            groups: preflight.groups.into_iter().map(group).collect(),
        }
    }
}
