//! Messages: accepting one, reading one, and pages of the log. A page is read in two steps: its ids from an index, then
//! those rows. A page far from the first is found through the rollups, so that no more than one hour is walked over.

use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::events::{self, NewEvent, add_to_rollups, record_events};
use super::stats::{HourCut, IdRange, lowest_id_of_hour};
use super::{Store, instant, micros, read, stored, write};
use crate::domain::email::{
    AttachmentSummary, Email, EmailContent, EmailStatus, EmailSummary, Recipient, RecipientKind,
};
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, StatusSet};
use crate::domain::ids::{AdapterId, ApiKeyId, ApiRequestId, EmailId, JobId, TeamId, TemplateId, TemplateVersionId};
use crate::domain::page::{Page, PageRequest, Total};

/// Rows are skipped one by one up to here; further on, the rollups tell in which hour a page begins.
const DIRECT_OFFSET: i64 = 500;

/// A message to be accepted.
#[derive(Clone, Debug)]
pub struct NewEmail {
    /// Its id.
    pub id: EmailId,
    /// The job that will deliver it.
    pub job_id: JobId,
    /// The template and the version it is made from.
    pub template: Option<(TemplateId, TemplateVersionId)>,
    /// The adapter that will send it.
    pub adapter_id: AdapterId,
    /// The key it came in with.
    pub api_key_id: Option<ApiKeyId>,
    /// The API request it came in.
    pub api_request_id: Option<ApiRequestId>,
    /// Everybody it is for.
    pub recipients: Vec<Recipient>,
    /// The sender.
    pub from_address: String,
    /// Where answers go.
    pub reply_to: Option<String>,
    /// The subject, rendered.
    pub subject: String,
    /// Labels.
    pub tags: Vec<String>,
    /// The template's values, a JSON object.
    pub variables: serde_json::Value,
    /// The caller's own data, a JSON object.
    pub metadata: serde_json::Value,
    /// The rendered HTML body.
    pub html: Option<String>,
    /// The rendered plain-text body.
    pub text: Option<String>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// The message that this one sends again.
    pub resend_of: Option<EmailId>,
    /// Its first events.
    pub events: Vec<NewEvent>,
}

/// An attachment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The name the recipient sees.
    pub filename: String,
    /// MIME type.
    pub content_type: String,
    /// The decoded bytes.
    pub content: Vec<u8>,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    id: EmailId,
    template_id: Option<TemplateId>,
    template_name: Option<String>,
    recipients: Json<Vec<Recipient>>,
    subject: String,
    status: i16,
    sent_at: Option<i64>,
}

impl TryFrom<SummaryRow> for EmailSummary {
    type Error = AppError;

    fn try_from(row: SummaryRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            template_id: row.template_id,
            template_name: row.template_name,
            recipients: row.recipients.0,
            subject: row.subject,
            status: status_from(row.status)?,
            sent_at: row.sent_at.map(instant),
        })
    }
}

#[derive(sqlx::FromRow)]
struct EmailRow {
    id: EmailId,
    made_from: Option<TemplateId>,
    template_id: Option<TemplateId>,
    template_name: Option<String>,
    template_version_id: Option<TemplateVersionId>,
    template_version: Option<i64>,
    adapter_id: Option<AdapterId>,
    adapter_name: Option<String>,
    api_key_id: Option<ApiKeyId>,
    api_key_name: Option<String>,
    api_request_id: Option<ApiRequestId>,
    recipients: Json<Vec<Recipient>>,
    from_address: String,
    reply_to: Option<String>,
    subject: String,
    tags: Json<Vec<String>>,
    status: i16,
    provider_message_id: Option<String>,
    error_message: Option<String>,
    has_pdf_attachment: bool,
    job_id: JobId,
    resend_of: Option<EmailId>,
    sent_at: Option<i64>,
    delivered_at: Option<i64>,
    next_attempt_at: Option<i64>,
}

impl EmailRow {
    fn into_email(self, team_id: TeamId, resent_as: Vec<EmailId>) -> Result<Email, AppError> {
        Ok(Email {
            id: self.id,
            team_id,
            template_deleted: self.made_from.is_some() && self.template_id.is_none(),
            template_id: self.template_id,
            template_name: self.template_name,
            template_version_id: self.template_version_id,
            template_version: self.template_version,
            adapter_id: self.adapter_id,
            adapter_name: self.adapter_name,
            api_key_id: self.api_key_id,
            api_key_name: self.api_key_name,
            api_request_id: self.api_request_id,
            recipients: self.recipients.0,
            from_address: self.from_address,
            reply_to: self.reply_to,
            subject: self.subject,
            tags: self.tags.0,
            status: status_from(self.status)?,
            provider_message_id: self.provider_message_id,
            error_message: self.error_message,
            has_pdf_attachment: self.has_pdf_attachment,
            job_id: self.job_id,
            resend_of: self.resend_of,
            resent_as,
            sent_at: self.sent_at.map(instant),
            delivered_at: self.delivered_at.map(instant),
            next_attempt_at: self.next_attempt_at.map(instant),
        })
    }
}

fn status_from(code: i16) -> Result<EmailStatus, AppError> {
    stored("emails.status", EmailStatus::from_code(code).ok_or("unknown code"))
}

/// What search looks through, in lower case, which PostgreSQL's own folding depends on its locale for: the `To` addresses,
/// a line each.
pub(super) fn searched_recipients(recipients: &[Recipient]) -> String {
    let to = recipients.iter().filter(|recipient| recipient.kind == RecipientKind::To);
    to.map(|recipient| recipient.address.to_lowercase()).collect::<Vec<_>>().join("\n")
}

/// Adds `AND e.status …` for a set that is not empty.
macro_rules! push_statuses {
    ($query:expr, $statuses:expr) => {
        if !$statuses.is_empty() {
            let codes: Vec<String> = $statuses.iter().map(|status| status.code().to_string()).collect();
            $query.push(format!(" AND e.status IN ({})", codes.join(", ")));
        }
    };
}

/// Adds `AND e.template_id = …` where there is one.
macro_rules! push_template {
    ($query:expr, $template_id:expr) => {
        if let Some(template_id) = $template_id {
            $query.push(" AND e.template_id = ").push_bind(template_id);
        }
    };
}

pub(super) use {push_statuses, push_template};

impl Store {
    /// Accepts a message: itself, its bodies, its events, the rollups, the search index and its outbox row, all in one
    /// transaction. Once this returns, the message is not lost.
    pub async fn insert_email(&self, team_id: TeamId, new: &NewEmail) -> Result<(), AppError> {
        let index_statement = self.insert_search_statement();
        let (template_id, version_id) = new.template.unzip();
        let is_pdf = |attachment: &Attachment| attachment.content_type.eq_ignore_ascii_case("application/pdf");
        let pending: Vec<&str> = new.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
        write!(self, |tx| {
            sqlx::query(
                "INSERT INTO emails
                 (team_id, id, template_id, template_version_id, adapter_id, api_key_id, api_request_id, recipients,
                  from_address, reply_to, subject, tags, status, status_rank, has_pdf_attachment, job_id, resend_of)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15, $16)",
            )
            .bind(team_id)
            .bind(new.id)
            .bind(template_id)
            .bind(version_id)
            .bind(new.adapter_id)
            .bind(new.api_key_id)
            .bind(new.api_request_id)
            .bind(Json(&new.recipients))
            .bind(&new.from_address)
            .bind(&new.reply_to)
            .bind(&new.subject)
            .bind(Json(&new.tags))
            .bind(EmailStatus::Queued.code())
            .bind(new.attachments.iter().any(is_pdf))
            .bind(new.job_id)
            .bind(new.resend_of)
            .execute(&mut *tx)
            .await?;
            sqlx::query(
                "INSERT INTO email_contents (team_id, email_id, variables, metadata, html, text)
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(team_id)
            .bind(new.id)
            .bind(Json(&new.variables))
            .bind(Json(&new.metadata))
            .bind(&new.html)
            .bind(&new.text)
            .execute(&mut *tx)
            .await?;
            for (position, attachment) in new.attachments.iter().enumerate() {
                sqlx::query(
                    "INSERT INTO email_attachments (team_id, email_id, position, filename, content_type, content)
                     VALUES ($1, $2, $3, $4, $5, $6)",
                )
                .bind(team_id)
                .bind(new.id)
                .bind(position as i64)
                .bind(&attachment.filename)
                .bind(&attachment.content_type)
                .bind(&attachment.content)
                .execute(&mut *tx)
                .await?;
            }
            sqlx::query(index_statement)
                .bind(team_id)
                .bind(new.id)
                .bind(searched_recipients(&new.recipients))
                .bind(new.subject.to_lowercase())
                .execute(&mut *tx)
                .await?;
            sqlx::query("INSERT INTO outbox (team_id, email_id, pending, attempts, run_at) VALUES ($1, $2, $3, 0, $4)")
                .bind(team_id)
                .bind(new.id)
                .bind(Json(&pending))
                .bind(micros(new.id.created_at()))
                .execute(&mut *tx)
                .await?;
            let queued = events::moved(None, EmailStatus::Queued);
            add_to_rollups!(tx, team_id, template_id, events::hour_of(new.id), queued);
            record_events!(tx, team_id, new.id, &new.events, &events::EmailFacts::default());
            Ok(())
        })
    }

    /// The message with this id.
    pub async fn find_email(&self, team_id: TeamId, id: EmailId) -> Result<Option<Email>, AppError> {
        let row: Option<EmailRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT e.id, e.template_id AS made_from, t.id AS template_id, t.name AS template_name,
                     e.template_version_id, v.version AS template_version, e.adapter_id, a.name AS adapter_name,
                     e.api_key_id, k.name AS api_key_name, e.api_request_id, e.recipients, e.from_address, e.reply_to,
                     e.subject, e.tags, e.status, e.provider_message_id, e.error_message, e.has_pdf_attachment,
                     e.job_id, e.resend_of, e.sent_at, e.delivered_at, o.run_at AS next_attempt_at
                 FROM emails e
                 LEFT JOIN templates t ON t.team_id = e.team_id AND t.id = e.template_id AND t.deleted_at IS NULL
                 LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
                 LEFT JOIN adapters a ON a.team_id = e.team_id AND a.id = e.adapter_id
                 LEFT JOIN api_keys k ON k.team_id = e.team_id AND k.id = e.api_key_id
                 LEFT JOIN outbox o ON o.team_id = e.team_id AND o.email_id = e.id AND o.lease_id IS NULL
                 WHERE e.team_id = $1 AND e.id = $2",
            )
            .bind(team_id)
            .bind(id)
            .fetch_optional(pool)
            .await
        })?;
        let Some(row) = row else { return Ok(None) };
        let resent_as: Vec<EmailId> = read!(self, |pool| {
            sqlx::query_scalar("SELECT id FROM emails WHERE team_id = $1 AND resend_of = $2 ORDER BY id")
                .bind(team_id)
                .bind(id)
                .fetch_all(pool)
                .await
        })?;
        row.into_email(team_id, resent_as).map(Some)
    }

    /// What a message says; `None` when there is no such message.
    pub async fn find_email_content(&self, team_id: TeamId, id: EmailId) -> Result<Option<EmailContent>, AppError> {
        type Row = (Json<serde_json::Value>, Json<serde_json::Value>, Option<String>, Option<String>);
        let row: Option<Row> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT variables, metadata, html, text FROM email_contents WHERE team_id = $1 AND email_id = $2",
            )
            .bind(team_id)
            .bind(id)
            .fetch_optional(pool)
            .await
        })?;
        let Some((variables, metadata, html, text)) = row else { return Ok(None) };
        let attachments: Vec<(String, String, i64)> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT filename, content_type, CAST(LENGTH(content) AS BIGINT) FROM email_attachments
                 WHERE team_id = $1 AND email_id = $2 ORDER BY position",
            )
            .bind(team_id)
            .bind(id)
            .fetch_all(pool)
            .await
        })?;
        let summary = |(filename, content_type, size_bytes)| AttachmentSummary { filename, content_type, size_bytes };
        Ok(Some(EmailContent {
            variables: variables.0,
            metadata: metadata.0,
            html,
            text,
            attachments: attachments.into_iter().map(summary).collect(),
        }))
    }

    /// The attachments of a message, in their order.
    pub async fn list_attachments(&self, team_id: TeamId, id: EmailId) -> Result<Vec<Attachment>, AppError> {
        let rows: Vec<(String, String, Vec<u8>)> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT filename, content_type, content FROM email_attachments
                 WHERE team_id = $1 AND email_id = $2 ORDER BY position",
            )
            .bind(team_id)
            .bind(id)
            .fetch_all(pool)
            .await
        })?;
        let attachment = |(filename, content_type, content)| Attachment { filename, content_type, content };
        Ok(rows.into_iter().map(attachment).collect())
    }

    /// One page of the log, newest first, and how long the whole list is. Counting the matches of a search stops at
    /// [super::search::COUNT_LIMIT].
    pub async fn list_emails(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        request: PageRequest,
    ) -> Result<Page<EmailSummary>, AppError> {
        let (ids, total) = self.find_page_ids(team_id, filter, request).await?;
        let items = if ids.is_empty() { Vec::new() } else { self.list_emails_by_id(team_id, &ids).await? };
        Ok(Page { items, total, request })
    }

    async fn find_page_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        request: PageRequest,
    ) -> Result<(Vec<i64>, Total), AppError> {
        let (offset, limit) = (request.offset(), request.page_size);
        if let Some(text) = &filter.search {
            let matches = self.search_ids(team_id, filter, text, offset, limit).await?;
            return Ok((matches.ids, matches.total));
        }
        let counts = self.count_by_status(team_id, filter.template_id, filter.range).await?;
        let total = counts.in_set(filter.statuses);
        if offset >= total {
            return Ok((Vec::new(), Total::Exact(total)));
        }
        let ids = IdRange::from(filter.range);
        let (ids, offset) =
            if offset <= DIRECT_OFFSET { (ids, offset) } else { self.skip_hours(team_id, filter, ids, offset).await? };
        let (statuses, template_id) = (filter.statuses, filter.template_id);
        let found: Vec<i64> = read!(self, |pool| {
            list_ids_query(team_id, statuses, template_id, ids, limit, offset)
                .build_query_scalar()
                .fetch_all(pool)
                .await
        })?;
        Ok((found, Total::Exact(total)))
    }

    /// Cuts off the newest whole hours that a page at `offset` lies beyond: what is left of the range, and of the
    /// offset.
    async fn skip_hours(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        ids: IdRange,
        offset: i64,
    ) -> Result<(IdRange, i64), AppError> {
        let cut = HourCut::from(ids);
        let newest_piece = match cut.tail {
            Some(tail) => self.count_ids(team_id, filter.template_id, tail).await?.in_set(filter.statuses),
            None => 0,
        };
        if offset < newest_piece {
            return Ok((ids, offset));
        }
        let statement = find_hour_statement(filter.statuses);
        let wanted = offset - newest_piece;
        let found: Option<(i64, i64)> = read!(self, |pool| {
            sqlx::query_as(&statement)
                .bind(team_id)
                .bind(events::rollup_template(filter.template_id))
                .bind(cut.low_hour)
                .bind(cut.high_hour)
                .bind(wanted)
                .fetch_optional(pool)
                .await
        })?;
        if let Some((hour, newer)) = found {
            let high = lowest_id_of_hour(hour.saturating_add(1)).min(ids.high);
            return Ok((IdRange { low: ids.low, high }, wanted - newer));
        }
        // Beyond every whole hour: the page begins in the oldest piece.
        let whole = self.count_by_status(team_id, filter.template_id, filter.range).await?.in_set(filter.statuses);
        let oldest = match cut.head {
            Some(head) => self.count_ids(team_id, filter.template_id, head).await?.in_set(filter.statuses),
            None => 0,
        };
        let high = cut.head.map_or(ids.low, |head| head.high);
        Ok((IdRange { low: ids.low, high }, offset - (whole - oldest)))
    }

    async fn list_emails_by_id(&self, team_id: TeamId, ids: &[i64]) -> Result<Vec<EmailSummary>, AppError> {
        let rows: Vec<SummaryRow> =
            read!(self, |pool| list_rows_query(team_id, ids).build_query_as().fetch_all(pool).await)?;
        rows.into_iter().map(EmailSummary::try_from).collect()
    }

    /// The ids and the searched texts, in lower case, of the newest messages in an id range.
    pub(super) async fn list_search_texts(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        ids: IdRange,
        limit: i64,
    ) -> Result<Vec<(i64, String)>, AppError> {
        let rows: Vec<(i64, Json<Vec<Recipient>>, String)> = read!(self, |pool| {
            let mut query = QueryBuilder::new("SELECT e.id, e.recipients, e.subject FROM emails e WHERE e.team_id = ");
            query.push_bind(team_id).push(" AND e.id >= ").push_bind(ids.low);
            query.push(" AND e.id < ").push_bind(ids.high);
            push_statuses!(query, filter.statuses);
            push_template!(query, filter.template_id);
            query.push(" ORDER BY e.id DESC LIMIT ").push_bind(limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let text = |recipients: &[Recipient], subject: &str| {
            format!("{}\n{}", searched_recipients(recipients), subject.to_lowercase())
        };
        Ok(rows.into_iter().map(|(id, recipients, subject)| (id, text(&recipients, &subject))).collect())
    }
}

/// The statement that finds the hour in which the row at an offset is, and how many rows are newer than that hour: `$1`
/// team, `$2` template, `$3` first hour, `$4` hour after the last, `$5` offset.
pub(super) fn find_hour_statement(statuses: StatusSet) -> String {
    let counted: Vec<&str> = statuses.or_all().iter().map(EmailStatus::as_str).collect();
    let counted = counted.join(" + ");
    format!(
        "SELECT hour, newer FROM (
             SELECT hour, {counted} AS here,
                 CAST(SUM({counted}) OVER (ORDER BY hour DESC) AS BIGINT) - ({counted}) AS newer
             FROM email_rollups
             WHERE team_id = $1 AND template_id = $2 AND hour >= $3 AND hour < $4
         ) AS hours
         WHERE newer <= $5 AND newer + here > $5"
    )
}

/// The query for the rows of a page.
pub(super) fn list_rows_query<Engine: sqlx::Database>(team_id: TeamId, ids: &[i64]) -> QueryBuilder<'static, Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
{
    let mut query = QueryBuilder::new(
        "SELECT e.id, t.id AS template_id, t.name AS template_name, e.recipients, e.subject, e.status, e.sent_at
         FROM emails e
         LEFT JOIN templates t ON t.team_id = e.team_id AND t.id = e.template_id AND t.deleted_at IS NULL
         WHERE e.team_id = ",
    );
    query.push_bind(team_id.0).push(" AND e.id IN (");
    let mut list = query.separated(", ");
    for id in ids {
        list.push_bind(*id);
    }
    query.push(") ORDER BY e.id DESC");
    query
}

/// The query for the ids of a page. Each status is one walk of an index that holds the ids in order; several walks are
/// merged.
pub(super) fn list_ids_query<Engine: sqlx::Database>(
    team_id: TeamId,
    statuses: StatusSet,
    template_id: Option<TemplateId>,
    ids: IdRange,
    limit: i64,
    offset: i64,
) -> QueryBuilder<'static, Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
{
    let mut query = QueryBuilder::new("");
    let push_walk = |query: &mut QueryBuilder<'static, Engine>, status: Option<EmailStatus>, length: i64, skip: i64| {
        query.push("SELECT id FROM emails WHERE team_id = ").push_bind(team_id.0);
        if let Some(template_id) = template_id {
            query.push(" AND template_id = ").push_bind(template_id.0);
        }
        if let Some(status) = status {
            query.push(format!(" AND status = {}", status.code()));
        }
        query.push(" AND id >= ").push_bind(ids.low).push(" AND id < ").push_bind(ids.high);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(length).push(" OFFSET ").push_bind(skip);
    };
    let walks: Vec<Option<EmailStatus>> = match (statuses.is_empty(), template_id) {
        (true, None) => vec![None],
        (_, _) => statuses.or_all().iter().map(Some).collect(),
    };
    if let [only] = walks[..] {
        push_walk(&mut query, only, limit, offset);
        return query;
    }
    for (index, status) in walks.into_iter().enumerate() {
        query.push(if index == 0 { "SELECT id FROM (" } else { ") AS walk UNION ALL SELECT id FROM (" });
        push_walk(&mut query, status, offset.saturating_add(limit), 0);
    }
    query.push(") AS walk ORDER BY id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(offset);
    query
}
