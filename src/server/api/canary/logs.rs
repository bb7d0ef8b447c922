//! The log: list, count, read, resend. Source: Canary, Email Logs API.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::json_body;
use super::error::{CanaryError, Clash, ErrorEnvelope};
use super::send::Queued;
use super::{Answer, Success, Timestamp, success};
use crate::domain::email::{Accepted, Email, EmailStatus, EmailSummary, Recipient, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::{AdapterId, ApiKeyId, EmailId, JobId, TeamId, TemplateId, TemplateVersionId};
use crate::domain::page::{Page, PageRequest};
use crate::domain::permission::Permission;
use crate::domain::resend::ResendRule;
use crate::domain::resend_change::{ResendChange, TemplateChoice};
use crate::domain::search::{PARAMETER, Search};
use crate::domain::stats::Stats;
use crate::server::App;
use crate::server::api::extract::{
    Caller, MAX_NUMBER, Once, PathId, QueryParameters, RawQuery, Sending, answer_of, id_of, respond,
};
use crate::server::services::{emails, resend_changes, search};

const DEFAULT_PAGE_SIZE: i64 = 20;
const MAX_SEARCH_CHARS: usize = 200;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_emails))
        .routes(routes!(load_stats))
        .routes(routes!(find_email))
        .routes(routes!(resend_email))
}

/// The filters and the page of a list.
struct ListQuery {
    filter: EmailFilter,
    search: Search,
    page: PageRequest,
}

impl QueryParameters for ListQuery {
    const NAMES: &'static [&'static str] = &["page", "pageSize", "status", "templateId", "from", "to", "search", "q"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        let page = query.number("page", 1..=MAX_NUMBER, 1)?;
        let page_size = query.number("pageSize", 1..=PageRequest::MAX_SIZE, DEFAULT_PAGE_SIZE)?;
        let filter = EmailFilter {
            range: query.range()?,
            statuses: query.text("status").map(read_status).transpose()?.unwrap_or_default(),
            template_id: query.text("templateId").filter(|text| !text.is_empty()).map(id_of),
            search: query.short_text("search", MAX_SEARCH_CHARS)?,
            ..EmailFilter::default()
        };
        let search = Search::parse(query.text(PARAMETER).unwrap_or_default())?;
        Ok(Self { filter, search, page: PageRequest { page, page_size } })
    }
}

/// The period of the statistics.
struct StatsQuery {
    range: TimeRange,
}

impl QueryParameters for StatsQuery {
    const NAMES: &'static [&'static str] = &["from", "to"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        Ok(Self { range: query.range()? })
    }
}

/// What the caller knows of earlier copies.
struct ResendQuery {
    again: Option<EmailId>,
}

impl QueryParameters for ResendQuery {
    const NAMES: &'static [&'static str] = &["again"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        Ok(Self { again: query.text("again").filter(|text| !text.is_empty()).map(id_of) })
    }
}

fn read_status(name: &str) -> Result<StatusSet, AppError> {
    let status: EmailStatus = name.parse().map_err(|cause| AppError::invalid_field("status", format!("{cause}")))?;
    Ok(StatusSet::one(status))
}

/// Lists the team's messages, newest first. Needs `logs:view`.
#[utoipa::path(
    get, path = "/api/logs", tag = "logs", summary = "List email logs",
    params(
        ("page" = Option<i64>, Query, description = "Page number", minimum = 1, maximum = 9007199254740991_i64),
        ("pageSize" = Option<i64>, Query, description = "Items per page, by default 20", minimum = 1, maximum = 100),
        ("status" = Option<EmailStatus>, Query, description = "The message's present status, exactly"),
        ("templateId" = Option<String>, Query, description = "The template"),
        ("from" = Option<String>, Query, format = DateTime,
            description = "The first instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "The last instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("search" = Option<String>, Query, description = "Words, all of which are in an address, a name, the subject, metadata or variables",
            max_length = 200),
        ("q" = Option<String>, Query,
            description = "The search of the messages page: words, and qualifiers such as `status:problems`, \
                `-template:\"Order receipt\"`, `meta.order:43645`. `status`, `templateId` and `search` narrow it further. \
                Days are those of UTC",
            max_length = 500),
    ),
    responses((status = 200, description = "One page of the log", body = Success<EmailPage>)),
)]
async fn list_emails(State(app): State<App>, Caller(viewer, query): Caller<ListQuery>) -> Answer<EmailPage> {
    let ListQuery { filter, search, page } = query;
    let filter = search::filter_of(&app, &viewer, &search, filter).await?;
    Ok(success(emails::list_emails(&app, &viewer, &filter, page).await?.into()))
}

/// Counts the team's messages by outcome. Needs `logs:view`.
#[utoipa::path(
    get, path = "/api/logs/stats", tag = "logs", summary = "Get email statistics",
    params(
        ("from" = Option<String>, Query, format = DateTime,
            description = "The first instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
        ("to" = Option<String>, Query, format = DateTime,
            description = "The last instant, ISO 8601 with an offset; a date alone is its midnight in UTC"),
    ),
    responses((status = 200, description = "The counts", body = Success<Stats>)),
)]
async fn load_stats(State(app): State<App>, Caller(viewer, query): Caller<StatsQuery>) -> Answer<Stats> {
    Ok(success(emails::load_stats(&app, &viewer, query.range).await?))
}

/// Shows one message. Needs `logs:view`; without `logs:reveal`, the values of its variables are `••••••`.
#[utoipa::path(
    get, path = "/api/logs/{id}", tag = "logs", summary = "Get an email log",
    responses((status = 200, description = "The message", body = Success<EmailLog>)),
)]
async fn find_email(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<EmailId>,
) -> Answer<EmailLog> {
    let (email, variables) = emails::find_email_with_variables(&app, &viewer, id).await?;
    Ok(success(EmailLog::new(email, variables)))
}

struct ToResend;

impl Sending for ToResend {
    const ENDPOINT: &'static str = "canary:/resend";
    const RIGHT: Permission = Permission::LogsResend;
    const BY_ADDRESS: bool = true;
}

/// Sends a failed or bounced message again, as a new message. Needs `logs:resend`. Of a message, its copies and theirs, one
/// is under way at a time: the others are refused with its id. When one of them got through, or may have, another follows
/// only when `again` names it. A body changes the copy: where it goes, its variables, its template's version, its adapter. Another
/// address and variables need `logs:reveal` too, and an adapter `adapters:view`.
#[utoipa::path(
    post, path = "/api/logs/{id}/resend", tag = "logs", summary = "Resend an email",
    params(
        ("again" = Option<String>, Query,
            description = "The newest copy that got through, as a refusal named it: another one is wanted all the same"),
        ("Idempotency-Key" = Option<String>, Header, min_length = 1, max_length = 256,
            description = "Makes a repetition harmless: the same key at the same address gives the same answer for 24 hours"),
    ),
    request_body(content = Option<ResendChangeBody>, content_type = "application/json"),
    responses(
        (status = 200, description = "The new message has been accepted", body = Success<Queued>),
        (status = 400, description = "It has neither failed nor bounced, its template is deleted, or a parameter is \
            unknown", body = ErrorEnvelope),
        Clash,
    ),
)]
async fn resend_email(
    State(app): State<App>,
    Caller(viewer, query): Caller<ResendQuery>,
    PathId(id): PathId<EmailId>,
    headers: HeaderMap,
    once: Once<ToResend>,
) -> Result<Response, CanaryError> {
    let answer = |accepted: Accepted| answer_of(StatusCode::OK, &success(Queued::from(accepted)).0);
    let change = match once.body.is_empty() {
        true => ResendChange::default(),
        false => json_body::<ResendChangeBody>(&headers, &once.body)?.into(),
    };
    let meant = (id, query.again, ResendRule::Canary);
    Ok(respond(resend_changes::resend_changed(&app, &viewer, meant, &change, once.key, answer).await?))
}

/// What the copy is to have otherwise; what is left out stays as it was.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResendChangeBody {
    /// The one address that it goes to, in the place of all recipients. The log says so on both messages.
    #[schema(example = "Ada <ada@example.com>")]
    pub to: Option<String>,
    /// The variables, all of them, in the place of the message's. A value that is given as it is shown, masked, stays.
    #[schema(value_type = Option<Object>)]
    pub variables: Option<Value>,
    /// The template's version: the one that it was sent from, or the current one.
    #[serde(default)]
    pub template: TemplateChoice,
    /// The adapter that it goes by, and by no other.
    pub adapter: Option<String>,
}

impl From<ResendChangeBody> for ResendChange {
    fn from(body: ResendChangeBody) -> Self {
        let ResendChangeBody { to, variables, template, adapter } = body;
        Self { to, variables, template, adapter: adapter.as_deref().map(id_of) }
    }
}

/// One page of the log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailPage {
    /// The messages, newest first.
    pub items: Vec<EmailRow>,
    /// How many messages match. Counting the matches of a search stops at 10,000.
    pub total: i64,
    /// The page's number, from 1.
    pub page: i64,
    /// Messages on a page.
    pub page_size: i64,
    /// How many pages there are.
    pub total_pages: i64,
    /// How far back was looked, where a condition that no index knows was not looked for in all of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub searched_from: Option<Timestamp>,
}

impl From<Page<EmailSummary>> for EmailPage {
    fn from(page: Page<EmailSummary>) -> Self {
        Self {
            total: page.total.count(),
            page: page.request.page,
            page_size: page.request.page_size,
            total_pages: page.total_pages(),
            searched_from: page.looked_from.map(Timestamp),
            items: page.items.into_iter().map(EmailRow::from).collect(),
        }
    }
}

/// A message in a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailRow {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The template; null when that is deleted or there was none.
    #[schema(value_type = Option<String>, required)]
    pub template_id: Option<TemplateId>,
    /// The template's name.
    #[schema(required)]
    pub template_name: Option<String>,
    /// The addresses in `To`.
    pub to_addresses: Vec<String>,
    /// The subject, variables rendered.
    pub subject: String,
    /// What became of it.
    pub status: EmailStatus,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
}

impl From<EmailSummary> for EmailRow {
    fn from(email: EmailSummary) -> Self {
        Self {
            id: email.id,
            template_id: email.template_id,
            template_name: email.template_name,
            to_addresses: to_addresses(email.recipients),
            subject: email.subject,
            status: email.status,
            created_at: email.id.created_at().into(),
            sent_at: email.sent_at.map(Timestamp),
        }
    }
}

fn to_addresses(recipients: Vec<Recipient>) -> Vec<String> {
    let to = recipients.into_iter().filter(|recipient| recipient.kind == RecipientKind::To);
    to.map(|recipient| recipient.address).collect()
}

/// A message.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct EmailLog {
    /// Its id.
    #[schema(value_type = String, example = "eml_06xq3k9v2m4p8")]
    pub id: EmailId,
    /// The team that sent it.
    #[schema(value_type = String)]
    pub team_id: TeamId,
    /// The template; null when that is deleted or there was none.
    #[schema(value_type = Option<String>, required)]
    pub template_id: Option<TemplateId>,
    /// The exact version of it.
    #[schema(value_type = Option<String>, required)]
    pub template_version_id: Option<TemplateVersionId>,
    /// The adapter that sends it.
    #[schema(value_type = Option<String>, required)]
    pub adapter_id: Option<AdapterId>,
    /// The key it was accepted with; null when a person sent it.
    #[schema(value_type = Option<String>, required)]
    pub api_key_id: Option<ApiKeyId>,
    /// The addresses in `To`.
    pub to_addresses: Vec<String>,
    /// The sender.
    pub from_address: String,
    /// The subject, variables rendered.
    pub subject: String,
    /// The values that the template was rendered with.
    #[schema(value_type = Object)]
    pub variables: Value,
    /// What became of it.
    pub status: EmailStatus,
    /// The mail server's id for it.
    #[schema(required)]
    pub provider_message_id: Option<String>,
    /// Why it failed or bounced.
    #[schema(required)]
    pub error_message: Option<String>,
    /// Whether an attachment is a PDF.
    pub has_pdf_attachment: bool,
    /// The job that delivers it.
    #[schema(value_type = String)]
    pub job_id: JobId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When the mail server took it.
    #[schema(required)]
    pub sent_at: Option<Timestamp>,
    /// When delivery was confirmed.
    #[schema(required)]
    pub delivered_at: Option<Timestamp>,
}

impl EmailLog {
    /// A message with its variables.
    pub fn new(email: Email, variables: Value) -> Self {
        Self {
            id: email.id,
            team_id: email.team_id,
            template_id: email.template_id,
            template_version_id: email.template_version_id,
            adapter_id: email.adapter_id,
            api_key_id: email.api_key_id,
            created_at: email.created_at().into(),
            to_addresses: to_addresses(email.recipients),
            from_address: email.from_address,
            subject: email.subject,
            variables: if variables.is_object() { variables } else { Value::Object(serde_json::Map::new()) },
            status: email.status,
            provider_message_id: email.provider_message_id,
            error_message: email.error_message,
            has_pdf_attachment: email.has_pdf_attachment,
            job_id: email.job_id,
            sent_at: email.sent_at.map(Timestamp),
            delivered_at: email.delivered_at.map(Timestamp),
        }
    }
}
