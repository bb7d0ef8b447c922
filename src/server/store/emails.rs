//! Messages: accepting one, reading one, and pages of the log. A page is read in two steps: its ids from an index, then
//! those rows. A page far from the first is found through the rollups, so that no more than one hour is walked over.

use chrono::{DateTime, Utc};
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::audit::{self, AuditEvent};
use super::bulk::{Folded, Waiting, insert_folded, rollups_of};
use super::criteria::{keys_of, looked_at_most, providers_names, push_criteria, push_keys};
use super::dialect::Engine;
use super::events::{self, EmailFacts, NewEvent, apply_rollups};
use super::outbox::NEVER;
use super::search::COUNT_LIMIT;
use super::stats::{HourCut, IdRange, lowest_id_of_hour};
use super::{Store, instant, micros, read, stored, write};
use crate::domain::channel::Channel;
use crate::domain::email::{
    AttachmentSummary, Email, EmailContent, EmailStatus, EmailSummary, Recipient, RecipientKind,
};
use crate::domain::error::AppError;
use crate::domain::event::EventSet;
use crate::domain::filter::{Criteria, EmailFilter, Slice, StatusSet, TimeRange};
use crate::domain::ids::{
    AdapterId, ApiKeyId, ApiRequestId, EmailId, JobId, NotificationId, TeamId, TemplateId, TemplateVersionId,
};
use crate::domain::notification::{Notification, Way};
use crate::domain::page::{Cursor, Listed, Page, PageRequest, Stretch, Total, Window};
use crate::domain::resend::{Relative, ResendClaim};
use crate::domain::template::TemplateSource;

/// Rows are skipped one by one up to here; further on, the rollups tell in which hour a page begins.
const DIRECT_OFFSET: i64 = 500;

/// A message to be accepted.
#[derive(Clone, Debug)]
pub struct NewEmail {
    /// Its id.
    pub id: EmailId,
    /// The job that will deliver it.
    pub job_id: JobId,
    /// How it reaches its recipients.
    pub channel: Channel,
    /// The notification it is a part of.
    pub notification_id: Option<NotificationId>,
    /// The sender's own id of the person it is for.
    pub external_user_id: Option<String>,
    /// The template and the version it is made from.
    pub template: Option<(TemplateId, TemplateVersionId)>,
    /// The version whose text it says without being counted as made from that template: the messages of other channels
    /// than e-mail.
    pub worded_by: Option<TemplateVersionId>,
    /// The adapter that will send it; without one it waits until the team has one for its channel.
    pub adapter_id: Option<AdapterId>,
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
    /// The subject, rendered, as the log shows it: without the values of marked variables.
    pub subject: String,
    /// The subject as it is sent, where that is another.
    pub sent_subject: Option<String>,
    /// Labels.
    pub tags: Vec<String>,
    /// The template's values, a JSON object.
    pub variables: serde_json::Value,
    /// The caller's own data, a JSON object.
    pub metadata: serde_json::Value,
    /// Headers that the caller added.
    pub headers: Vec<(String, String)>,
    /// The rendered HTML body.
    pub html: Option<String>,
    /// The rendered plain-text body.
    pub text: Option<String>,
    /// What is attached.
    pub attachments: Vec<Attachment>,
    /// The message that this one sends again.
    pub resend_of: Option<EmailId>,
    /// When it is to go out; at once when `None`.
    pub scheduled_at: Option<DateTime<Utc>>,
    /// Its first events.
    pub events: Vec<NewEvent>,
}

/// What is kept in the same transaction as the messages of a request.
#[derive(Clone, Debug, Default)]
pub struct Acceptance {
    /// The notification that the messages are parts of.
    pub notification: Option<Notification>,
    /// What makes a repeated request find the messages of the first.
    pub idempotency: Option<NewIdempotencyKey>,
    /// The line of the audit log that tells of it.
    pub audit: Option<AuditEvent>,
    /// The right to send a message again, where that is what is accepted.
    pub claim: Option<ResendClaim>,
}

/// What a message says, with what is needed to show it to those who do not see all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredContent {
    /// What it says.
    pub content: EmailContent,
    /// The subject as it was sent, where the log shows another.
    pub sent_subject: Option<String>,
    /// The version of the template that it was made from.
    pub version: Option<(TemplateVersionId, TemplateSource)>,
}

/// What a request is answered, kept for its repetition to be answered the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body, JSON.
    pub body: String,
}

/// An idempotency key with the request it came with.
#[derive(Clone, Debug)]
pub struct NewIdempotencyKey {
    /// The endpoint it counts for.
    pub endpoint: String,
    /// The key's hash.
    pub key_hash: String,
    /// The hash of the whole request.
    pub request_hash: String,
    /// What the request is answered.
    pub answer: KeptAnswer,
    /// Until when it is remembered.
    pub expires_at: DateTime<Utc>,
    /// Now.
    pub now: DateTime<Utc>,
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
    /// What the HTML body calls it (`cid:logo`), for one that is shown within the text.
    pub content_id: Option<String>,
}

#[derive(sqlx::FromRow)]
struct SummaryRow {
    id: EmailId,
    channel: i16,
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
            channel: channel_from(row.channel)?,
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
    channel: i16,
    notification_id: Option<NotificationId>,
    external_user_id: Option<String>,
    scheduled_at: Option<i64>,
    event_set: i64,
    made_from: Option<TemplateId>,
    template_id: Option<TemplateId>,
    template_name: Option<String>,
    template_version_id: Option<TemplateVersionId>,
    template_version: Option<i64>,
    marked_variables: Option<Json<Vec<String>>>,
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

#[derive(sqlx::FromRow)]
struct FamilyRow {
    id: EmailId,
    resend_of: Option<EmailId>,
    status: i16,
    event_set: i64,
    sent_at: Option<i64>,
    delivered_at: Option<i64>,
    is_waiting: i64,
}

impl TryFrom<FamilyRow> for Relative {
    type Error = AppError;

    fn try_from(row: FamilyRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            is_copy: row.resend_of.is_some(),
            status: status_from(row.status)?,
            event_set: EventSet::from_bits(row.event_set),
            is_waiting: row.is_waiting != 0,
            sent_at: row.sent_at.map(instant),
            delivered_at: row.delivered_at.map(instant),
        })
    }
}

/// The messages that `$2` sends again, one after the other, and itself.
macro_rules! above {
    () => {
        "WITH RECURSIVE above AS (
             SELECT e.id, e.resend_of FROM emails e WHERE e.team_id = $1 AND e.id = $2
             UNION
             SELECT e.id, e.resend_of FROM above JOIN emails e ON e.team_id = $1 AND e.id = above.resend_of)"
    };
}

/// Locks the family of message `$2` by its first message, on both engines: an update that changes nothing.
const LOCK_FAMILY: &str = concat!(
    above!(),
    " UPDATE emails SET status_rank = status_rank WHERE team_id = $1 AND id = (SELECT MIN(above.id) FROM above)"
);

// SQLite keeps the order of a CROSS JOIN; left to itself it walks all copies of the team for each member of the family.
/// The family of message `$2`: the first that it sends again, and all that send that one again, or one of those. A row of
/// the outbox counts whoever holds it.
pub(super) const FIND_FAMILY: &str = concat!(
    above!(),
    ", family AS (
         SELECT MIN(above.id) AS id FROM above
         UNION
         SELECT e.id FROM family CROSS JOIN emails e WHERE e.team_id = $1 AND e.resend_of = family.id)
     SELECT e.id, e.resend_of, e.status, e.event_set, e.sent_at, e.delivered_at,
         CAST(CASE WHEN o.email_id IS NULL THEN 0 ELSE 1 END AS BIGINT) AS is_waiting
     FROM family
     CROSS JOIN emails e
     LEFT JOIN outbox o ON o.team_id = e.team_id AND o.email_id = e.id
     WHERE e.team_id = $1 AND e.id = family.id
     ORDER BY e.id"
);

/// The request that came with an idempotency key first.
#[derive(sqlx::FromRow)]
struct FirstRequest {
    request_hash: String,
    answer_status: Option<i64>,
    answer_body: Option<String>,
}

impl FirstRequest {
    /// What a request with the same key is answered.
    fn answer_to(self, request_hash: &str) -> Result<KeptAnswer, AppError> {
        if self.request_hash != request_hash {
            return Err(AppError::IdempotencyMismatch);
        }
        match (self.answer_status.and_then(|status| u16::try_from(status).ok()), self.answer_body) {
            (Some(status), Some(body)) => Ok(KeptAnswer { status, body }),
            (_, _) => {
                let message = "A request with this idempotency key was accepted by an earlier version of the server";
                Err(AppError::Conflict(message.to_owned()))
            }
        }
    }
}

#[derive(sqlx::FromRow)]
struct ContentRow {
    variables: Json<serde_json::Value>,
    metadata: Json<serde_json::Value>,
    headers: Json<Vec<(String, String)>>,
    html: Option<String>,
    text: Option<String>,
    sent_subject: Option<String>,
    version_id: Option<TemplateVersionId>,
    version_subject: Option<String>,
    version_html: Option<String>,
    version_text: Option<String>,
}

/// What search looks through of one message, in lower case.
pub(super) struct SearchTexts {
    pub id: i64,
    /// The `To` addresses, a line each.
    pub recipients: String,
    pub subject: String,
}

impl EmailRow {
    fn into_email(self, team_id: TeamId, resent_as: Vec<EmailId>) -> Result<Email, AppError> {
        Ok(Email {
            id: self.id,
            team_id,
            channel: channel_from(self.channel)?,
            notification_id: self.notification_id,
            external_user_id: self.external_user_id,
            scheduled_at: self.scheduled_at.map(instant),
            event_set: EventSet::from_bits(self.event_set),
            waits_for_adapter: self.next_attempt_at == Some(NEVER),
            template_deleted: self.made_from.is_some() && self.template_id.is_none(),
            template_id: self.template_id,
            template_name: self.template_name,
            template_version_id: self.made_from.and(self.template_version_id),
            template_version: self.made_from.and(self.template_version),
            marked_variables: self.marked_variables.map(|names| names.0).unwrap_or_default(),
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
            next_attempt_at: self.next_attempt_at.filter(|at| *at != NEVER).map(instant),
        })
    }
}

fn status_from(code: i16) -> Result<EmailStatus, AppError> {
    stored("emails.status", EmailStatus::from_code(code).ok_or("unknown code"))
}

fn channel_from(code: i16) -> Result<Channel, AppError> {
    stored("emails.channel", Channel::from_code(code).ok_or("unknown code"))
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

/// Adds `$1, $2, …` for a list of values.
macro_rules! push_list {
    ($query:expr, $values:expr) => {
        let mut list = $query.separated(", ");
        for value in $values {
            list.push_bind(value);
        }
    };
}

/// Adds the condition that a slice of the log is.
macro_rules! push_slice {
    ($query:expr, $slice:expr) => {
        match $slice {
            $crate::domain::filter::Slice::All => {}
            $crate::domain::filter::Slice::Template(template_id) => {
                $query.push(" AND e.template_id = ").push_bind(template_id.0);
            }
            $crate::domain::filter::Slice::Channel(channel) => {
                // SQLite takes the index of the other channels only when its condition is said in full.
                let condition =
                    if channel == $crate::domain::channel::Channel::Email { "" } else { " AND e.channel <> 0" };
                $query.push(format!("{condition} AND e.channel = {}", channel.code()));
            }
            $crate::domain::filter::Slice::Nothing => {
                $query.push(" AND 1 = 0");
            }
        }
    };
}

pub(super) use {push_slice, push_statuses};

impl Store {
    /// Accepts a message: itself, its bodies, its events, the rollups, the search index and its outbox row, all in one
    /// transaction. Once this returns, the message is not lost.
    pub async fn insert_email(&self, team_id: TeamId, new: &NewEmail) -> Result<(), AppError> {
        self.insert_emails(team_id, std::slice::from_ref(new), &Acceptance::default()).await.map(drop)
    }

    /// Accepts the messages of one request, all or none, as [Store::insert_email] does. `Some`, with what the
    /// first request was answered, and nothing accepted, when the idempotency key is known; [AppError::IdempotencyMismatch] when it
    /// came with another request. A [ResendClaim] is checked while nobody else can resend a message of the same family.
    pub async fn insert_emails(
        &self,
        team_id: TeamId,
        emails: &[NewEmail],
        with: &Acceptance,
    ) -> Result<Option<KeptAnswer>, AppError> {
        let waiting: Vec<Waiting> = emails.iter().map(first_attempt).collect();
        let facts = EmailFacts::default();
        let folded: Vec<Folded> =
            emails.iter().zip(&waiting).map(|(new, waiting)| Folded::new(new, &facts, Some(waiting))).collect();
        write!(self, |tx| {
            if let Some(key) = &with.idempotency {
                sqlx::query(
                    "DELETE FROM idempotency_keys
                     WHERE team_id = $1 AND endpoint = $2 AND key_hash = $3 AND expires_at <= $4",
                )
                .bind(team_id)
                .bind(&key.endpoint)
                .bind(&key.key_hash)
                .bind(micros(key.now))
                .execute(&mut *tx)
                .await?;
                let ids: Vec<EmailId> = emails.iter().map(|new| new.id).collect();
                let inserted = sqlx::query(
                    "INSERT INTO idempotency_keys (
                         team_id, endpoint, key_hash, request_hash, email_ids, expires_at, answer_status, answer_body
                     )
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                )
                .bind(team_id)
                .bind(&key.endpoint)
                .bind(&key.key_hash)
                .bind(&key.request_hash)
                .bind(Json(&ids))
                .bind(micros(key.expires_at))
                .bind(i64::from(key.answer.status))
                .bind(&key.answer.body)
                .execute(&mut *tx)
                .await?;
                if inserted.rows_affected() == 0 {
                    let first: FirstRequest = sqlx::query_as(
                        "SELECT request_hash, answer_status, answer_body FROM idempotency_keys
                         WHERE team_id = $1 AND endpoint = $2 AND key_hash = $3",
                    )
                    .bind(team_id)
                    .bind(&key.endpoint)
                    .bind(&key.key_hash)
                    .fetch_one(&mut *tx)
                    .await?;
                    return first.answer_to(&key.request_hash).map(Some);
                }
            }
            if let Some(claim) = &with.claim {
                sqlx::query(LOCK_FAMILY).bind(team_id).bind(claim.of).execute(&mut *tx).await?;
                let rows: Vec<FamilyRow> =
                    sqlx::query_as(FIND_FAMILY).bind(team_id).bind(claim.of).fetch_all(&mut *tx).await?;
                let family: Vec<Relative> = rows.into_iter().map(Relative::try_from).collect::<Result<_, _>>()?;
                claim.check(&family)?;
            }
            if let Some(notification) = &with.notification {
                sqlx::query(
                    "INSERT INTO notifications (
                         team_id, id, kind, external_user_id, api_request_id, warnings, ignored_ways
                     )
                     VALUES ($1, $2, $3, $4, $5, $6, $7)",
                )
                .bind(team_id)
                .bind(notification.id)
                .bind(&notification.kind)
                .bind(&notification.external_user_id)
                .bind(notification.api_request_id)
                .bind(Json(&notification.warnings))
                .bind(Way::bits(&notification.ignored_ways))
                .execute(&mut *tx)
                .await?;
            }
            insert_folded!(tx, self, team_id, &folded);
            if let Some(event) = &with.audit {
                audit::append!(tx, team_id, event);
            }
            apply_rollups!(tx, team_id, rollups_of(&folded));
            Ok(None)
        })
    }

    /// What the request was answered that this idempotency key came with first; [AppError::IdempotencyMismatch] when that
    /// was another request. `None` for a key that is not remembered.
    pub async fn find_first_answer(
        &self,
        team_id: TeamId,
        endpoint: &str,
        key_hash: &str,
        request_hash: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<KeptAnswer>, AppError> {
        let first: Option<FirstRequest> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT request_hash, answer_status, answer_body FROM idempotency_keys
                 WHERE team_id = $1 AND endpoint = $2 AND key_hash = $3 AND expires_at > $4",
            )
            .bind(team_id)
            .bind(endpoint)
            .bind(key_hash)
            .bind(micros(now))
            .fetch_optional(pool)
            .await
        })?;
        first.map(|first| first.answer_to(request_hash)).transpose()
    }

    /// The message that has this id, or had it.
    pub async fn find_email(&self, team_id: TeamId, id: EmailId) -> Result<Option<Email>, AppError> {
        if let Some(email) = self.find_emails(team_id, &[id.0]).await?.pop() {
            return Ok(Some(email));
        }
        // It may have had this id before an earlier event became known.
        match self.find_moved_email(team_id, id).await? {
            Some(id) => Ok(self.find_emails(team_id, &[id.0]).await?.pop()),
            None => Ok(None),
        }
    }

    /// The messages with these ids, in their order, without those that the team does not have.
    pub async fn find_emails(&self, team_id: TeamId, ids: &[i64]) -> Result<Vec<Email>, AppError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<EmailRow> = read!(self, |pool| {
            let mut query = QueryBuilder::new(
                "SELECT e.id, e.channel, e.notification_id, e.external_user_id, e.scheduled_at, e.event_set,
                     e.template_id AS made_from, t.id AS template_id, t.name AS template_name,
                     e.template_version_id, v.version AS template_version, m.masked_variables AS marked_variables,
                     e.adapter_id, a.name AS adapter_name,
                     e.api_key_id, k.name AS api_key_name, e.api_request_id, e.recipients, e.from_address, e.reply_to,
                     e.subject, e.tags, e.status, e.provider_message_id, e.error_message, e.has_pdf_attachment,
                     e.job_id, e.resend_of, e.sent_at, e.delivered_at, o.run_at AS next_attempt_at
                 FROM emails e
                 LEFT JOIN templates t ON t.team_id = e.team_id AND t.id = e.template_id AND t.deleted_at IS NULL
                 LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
                 LEFT JOIN templates m ON m.team_id = e.team_id AND m.id = v.template_id
                 LEFT JOIN adapters a ON a.team_id = e.team_id AND a.id = e.adapter_id
                 LEFT JOIN api_keys k ON k.team_id = e.team_id AND k.id = e.api_key_id
                 LEFT JOIN outbox o ON o.team_id = e.team_id AND o.email_id = e.id AND o.lease_id IS NULL
                 WHERE e.team_id = ",
            );
            query.push_bind(team_id).push(" AND e.id IN (");
            push_list!(query, ids.iter().copied());
            query.push(")").build_query_as().fetch_all(pool).await
        })?;
        let copies: Vec<(EmailId, EmailId)> =
            read!(self, |pool| { copies_query(self.engine(), team_id, ids).build_query_as().fetch_all(pool).await })?;
        let resent_as = |id: EmailId| copies.iter().filter(|(of, _)| *of == id).map(|(_, copy)| *copy).collect();
        let mut emails: Vec<Email> = Vec::with_capacity(rows.len());
        for row in rows {
            let resent_as = resent_as(row.id);
            emails.push(row.into_email(team_id, resent_as)?);
        }
        let place = |email: &Email| ids.iter().position(|id| *id == email.id.0);
        emails.sort_by_key(place);
        Ok(emails)
    }

    /// The messages that say the same as this one, itself among them, in the order of their ids: what it sends again, and
    /// all copies of that.
    pub async fn find_family(&self, team_id: TeamId, id: EmailId) -> Result<Vec<Relative>, AppError> {
        let rows: Vec<FamilyRow> =
            read!(self, |pool| sqlx::query_as(FIND_FAMILY).bind(team_id).bind(id).fetch_all(pool).await)?;
        rows.into_iter().map(Relative::try_from).collect()
    }

    /// What a message says; `None` when there is no such message.
    pub async fn find_email_content(&self, team_id: TeamId, id: EmailId) -> Result<Option<EmailContent>, AppError> {
        Ok(self.find_stored_content(team_id, id).await?.map(|stored| stored.content))
    }

    /// The variables that these messages were made with, in no order; nothing of those whose contents are gone.
    pub async fn list_variables(
        &self,
        team_id: TeamId,
        ids: &[EmailId],
    ) -> Result<Vec<(EmailId, serde_json::Value)>, AppError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(EmailId, Json<serde_json::Value>)> =
            read!(self, |pool| { variables_query(team_id, ids).build_query_as().fetch_all(pool).await })?;
        Ok(rows.into_iter().map(|(id, variables)| (id, variables.0)).collect())
    }

    /// The messages that providers know by these ids, with or without brackets, in no order.
    pub async fn list_ids_by_provider(&self, team_id: TeamId, names: &[&str]) -> Result<Vec<EmailId>, AppError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        Ok(read!(self, |pool| by_provider_query(team_id, names).build_query_scalar().fetch_all(pool).await)?)
    }

    /// What a message says, with its true subject and the version that it was made from; `None` when there is no such
    /// message.
    pub async fn find_stored_content(&self, team_id: TeamId, id: EmailId) -> Result<Option<StoredContent>, AppError> {
        let row: Option<ContentRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT c.variables, c.metadata, c.headers, c.html, c.text, c.subject AS sent_subject,
                     v.id AS version_id, v.subject AS version_subject, v.html AS version_html, v.text AS version_text
                 FROM email_contents c
                 JOIN emails e ON e.team_id = c.team_id AND e.id = c.email_id
                 LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
                 WHERE c.team_id = $1 AND c.email_id = $2",
            )
            .bind(team_id)
            .bind(id)
            .fetch_optional(pool)
            .await
        })?;
        let Some(row) = row else { return Ok(None) };
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
        let content = EmailContent {
            variables: row.variables.0,
            metadata: row.metadata.0,
            headers: row.headers.0,
            html: row.html,
            text: row.text,
            attachments: attachments.into_iter().map(summary).collect(),
        };
        let version = row
            .version_id
            .zip(row.version_subject)
            .map(|(id, subject)| (id, TemplateSource { subject, html: row.version_html, text: row.version_text }));
        Ok(Some(StoredContent { content, sent_subject: row.sent_subject, version }))
    }

    /// The attachments of a message, in their order.
    pub async fn list_attachments(&self, team_id: TeamId, id: EmailId) -> Result<Vec<Attachment>, AppError> {
        let rows: Vec<(String, String, Vec<u8>, Option<String>)> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT filename, content_type, content, content_id FROM email_attachments
                 WHERE team_id = $1 AND email_id = $2 ORDER BY position",
            )
            .bind(team_id)
            .bind(id)
            .fetch_all(pool)
            .await
        })?;
        let attachment =
            |(filename, content_type, content, content_id)| Attachment { filename, content_type, content, content_id };
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
        let window = Window { offset: request.offset(), limit: request.page_size, oldest_first: false };
        let (ids, total) = self.find_window_ids(team_id, filter, window).await?;
        let items = self.list_emails_by_id(team_id, &ids).await?;
        Ok(Page { items, total, request })
    }

    /// Some messages of the log, whole, and how long the whole list is; counted as [Store::list_emails] does. A list by
    /// criteria counts to [COUNT_LIMIT] too.
    pub async fn list_whole_emails(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        window: Window,
    ) -> Result<Listed<Email>, AppError> {
        let bounded = self.bounded(team_id, filter).await?;
        let (filter, looked_from) = bounded.as_ref().map_or((filter, None), |(filter, from)| (filter, Some(*from)));
        let (ids, total) = self.find_window_ids(team_id, filter, window).await?;
        Ok(Listed { items: self.find_emails(team_id, &ids).await?, total, looked_from })
    }

    /// The filter with a range that holds no more messages than may be looked at for it, and where that begins; `None`
    /// where the filter may stay as it is.
    async fn bounded(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
    ) -> Result<Option<(EmailFilter, DateTime<Utc>)>, AppError> {
        let most = looked_at_most(filter).filter(|_| filter.search.is_none() && !filter.criteria.nothing);
        let Some(most) = most else { return Ok(None) };
        let ids = IdRange::from(filter.range);
        let oldest: Option<EmailId> = read!(self, |pool| {
            sqlx::query_scalar(
                "SELECT id FROM emails WHERE team_id = $1 AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT 1 OFFSET $4",
            )
            .bind(team_id)
            .bind(ids.low)
            .bind(ids.high)
            .bind(most - 1)
            .fetch_optional(pool)
            .await
        })?;
        let Some(from) = oldest.map(|id| id.created_at()) else { return Ok(None) };
        let range = TimeRange { from: Some(from), ..filter.range };
        Ok(Some((EmailFilter { range, ..filter.clone() }, from)))
    }

    /// The messages at a place of the log, whole, newest first. The filter's search text is not looked at.
    pub async fn list_emails_at(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        cursor: Cursor<EmailId>,
        limit: i64,
    ) -> Result<Stretch<Email>, AppError> {
        let mut ids = IdRange::from(filter.range);
        let oldest_first = match cursor {
            Cursor::Newest => false,
            Cursor::After(id) => {
                ids.high = ids.high.min(id.0);
                false
            }
            Cursor::Before(id) => {
                ids.low = ids.low.max(id.0.saturating_add(1));
                true
            }
        };
        let mut found = self.walk_ids(team_id, filter, ids, oldest_first, limit.saturating_add(1), 0).await?;
        let has_more = found.len() as i64 > limit;
        found.truncate(usize::try_from(limit).unwrap_or_default());
        if oldest_first {
            found.reverse();
        }
        Ok(Stretch { items: self.find_emails(team_id, &found).await?, has_more })
    }

    /// The messages of the log that are older than `before`, whole, newest first; from the newest one when `None`. Without
    /// an offset and without counting, so that each page of a long list costs the same.
    pub async fn list_older_emails(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        before: Option<EmailId>,
        limit: i64,
    ) -> Result<Vec<Email>, AppError> {
        let mut ids = IdRange::from(filter.range);
        ids.high = before.map_or(ids.high, |before| ids.high.min(before.0));
        let found = match &filter.search {
            Some(text) => self.search_ids_in(team_id, filter, text, ids, limit).await?,
            None => self.walk_ids(team_id, filter, ids, false, limit, 0).await?,
        };
        self.find_emails(team_id, &found).await
    }

    /// The messages that a request made, oldest first.
    pub async fn list_emails_of_request(
        &self,
        team_id: TeamId,
        request: ApiRequestId,
    ) -> Result<Vec<EmailSummary>, AppError> {
        let ids: Vec<i64> = read!(self, |pool| {
            sqlx::query_scalar("SELECT id FROM emails WHERE team_id = $1 AND api_request_id = $2 ORDER BY id LIMIT 200")
                .bind(team_id)
                .bind(request)
                .fetch_all(pool)
                .await
        })?;
        let mut emails = self.list_emails_by_id(team_id, &ids).await?;
        emails.reverse();
        Ok(emails)
    }

    async fn walk_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<i64>, AppError> {
        if filter.criteria.nothing || ids.low >= ids.high {
            return Ok(Vec::new());
        }
        let (engine, window) = (self.engine(), Window { offset, limit, oldest_first });
        Ok(read!(self, |pool| {
            let mut query = QueryBuilder::new("");
            push_walk(&mut query, engine, team_id, filter, ids, window);
            query.build_query_scalar().fetch_all(pool).await
        })?)
    }

    async fn count_walked(&self, team_id: TeamId, filter: &EmailFilter) -> Result<Total, AppError> {
        let ids = IdRange::from(filter.range);
        if filter.criteria.nothing || ids.low >= ids.high {
            return Ok(Total::Exact(0));
        }
        let (engine, window) =
            (self.engine(), Window { offset: 0, limit: COUNT_LIMIT.saturating_add(1), oldest_first: false });
        let count: i64 = read!(self, |pool| {
            let mut query = QueryBuilder::new("SELECT COUNT(*) FROM (");
            push_walk(&mut query, engine, team_id, filter, ids, window);
            query.push(") AS found");
            query.build_query_scalar().fetch_one(pool).await
        })?;
        Ok(if count > COUNT_LIMIT { Total::AtLeast(COUNT_LIMIT) } else { Total::Exact(count) })
    }

    async fn find_window_ids(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        window: Window,
    ) -> Result<(Vec<i64>, Total), AppError> {
        let Window { offset, limit, oldest_first } = window;
        if let Some(text) = &filter.search {
            let matches = self.search_ids(team_id, filter, text, window).await?;
            return Ok((matches.ids, matches.total));
        }
        let ids = IdRange::from(filter.range);
        if filter.criteria != Criteria::default() {
            let total = self.count_walked(team_id, filter).await?;
            let found = self.walk_ids(team_id, filter, ids, oldest_first, limit, offset).await?;
            return Ok((found, total));
        }
        let counts = self.count_by_status(team_id, filter.slice(), filter.range).await?;
        let total = counts.in_set(filter.statuses);
        if offset >= total {
            return Ok((Vec::new(), Total::Exact(total)));
        }
        if oldest_first {
            let found = self.walk_ids(team_id, filter, ids, oldest_first, limit, offset).await?;
            return Ok((found, Total::Exact(total)));
        }
        let (ids, offset) =
            if offset <= DIRECT_OFFSET { (ids, offset) } else { self.skip_hours(team_id, filter, ids, offset).await? };
        let (statuses, slice) = (filter.statuses, filter.slice());
        let found: Vec<i64> = read!(self, |pool| {
            list_ids_query(team_id, statuses, slice, ids, limit, offset).build_query_scalar().fetch_all(pool).await
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
            Some(tail) => self.count_ids(team_id, filter.slice(), tail).await?.in_set(filter.statuses),
            None => 0,
        };
        if offset < newest_piece {
            return Ok((ids, offset));
        }
        let statement = find_hour_statement(filter.statuses);
        let wanted = offset - newest_piece;
        let found: Option<(i64, i64)> = read!(self, |pool| {
            sqlx::query_as(sqlx::AssertSqlSafe(&*statement))
                .bind(team_id)
                .bind(events::rollup_key(filter.slice()))
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
        let whole = self.count_by_status(team_id, filter.slice(), filter.range).await?.in_set(filter.statuses);
        let oldest = match cut.head {
            Some(head) => self.count_ids(team_id, filter.slice(), head).await?.in_set(filter.statuses),
            None => 0,
        };
        let high = cut.head.map_or(ids.low, |head| head.high);
        Ok((IdRange { low: ids.low, high }, offset - (whole - oldest)))
    }

    async fn list_emails_by_id(&self, team_id: TeamId, ids: &[i64]) -> Result<Vec<EmailSummary>, AppError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<SummaryRow> =
            read!(self, |pool| list_rows_query(team_id, ids).build_query_as().fetch_all(pool).await)?;
        rows.into_iter().map(EmailSummary::try_from).collect()
    }

    /// The searched texts, in lower case, of the newest messages in an id range, or of the oldest.
    pub(super) async fn list_search_texts(
        &self,
        team_id: TeamId,
        filter: &EmailFilter,
        ids: IdRange,
        oldest_first: bool,
        limit: i64,
    ) -> Result<Vec<SearchTexts>, AppError> {
        let rows: Vec<(i64, Json<Vec<Recipient>>, String)> = read!(self, |pool| {
            let mut query = QueryBuilder::new("SELECT e.id, e.recipients, e.subject FROM emails e WHERE e.team_id = ");
            query.push_bind(team_id).push(" AND e.id >= ").push_bind(ids.low);
            query.push(" AND e.id < ").push_bind(ids.high);
            push_statuses!(query, filter.statuses);
            push_slice!(query, filter.slice());
            push_criteria!(query, self.engine(), &filter.criteria);
            query.push(if oldest_first { " ORDER BY e.id LIMIT " } else { " ORDER BY e.id DESC LIMIT " });
            query.push_bind(limit);
            query.build_query_as().fetch_all(pool).await
        })?;
        let texts = |(id, recipients, subject): (i64, Json<Vec<Recipient>>, String)| SearchTexts {
            id,
            recipients: searched_recipients(&recipients),
            subject: subject.to_lowercase(),
        };
        Ok(rows.into_iter().map(texts).collect())
    }
}

/// When a new message is to be sent: at once, or as scheduled, or when its team has an adapter for it.
fn first_attempt(new: &NewEmail) -> Waiting {
    Waiting {
        pending: new.recipients.iter().map(|recipient| recipient.address.clone()).collect(),
        attempts: 0,
        next_attempt_at: new.adapter_id.map(|_| new.scheduled_at.unwrap_or_else(|| new.id.created_at())),
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

/// The query for the copies of messages, in the order of their ids.
pub(super) fn copies_query<Database: sqlx::Database>(
    engine: Engine,
    team_id: TeamId,
    ids: &[i64],
) -> QueryBuilder<Database>
where
    i64: sqlx::Type<Database> + sqlx::Encode<'static, Database>,
{
    let by_index = engine.by_index("emails_by_resend_of");
    let mut query = QueryBuilder::new(format!("SELECT resend_of, id FROM emails{by_index} WHERE team_id = "));
    query.push_bind(team_id.0).push(" AND resend_of IN (");
    push_list!(query, ids.iter().copied());
    query.push(") ORDER BY id");
    query
}

/// The query for the variables of messages.
pub(super) fn variables_query<Engine: sqlx::Database>(team_id: TeamId, ids: &[EmailId]) -> QueryBuilder<Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
{
    let mut query = QueryBuilder::new("SELECT email_id, variables FROM email_contents WHERE team_id = ");
    query.push_bind(team_id.0).push(" AND email_id IN (");
    push_list!(query, ids.iter().map(|id| id.0));
    query.push(")");
    query
}

/// The query for the messages that have one of these ids of a provider's or had it, with or without angle brackets.
pub(super) fn by_provider_query<Engine: sqlx::Database>(team_id: TeamId, names: &[&str]) -> QueryBuilder<Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
    String: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
{
    let names: Vec<String> = names.iter().flat_map(|name| [(*name).to_owned(), format!("<{name}>")]).collect();
    let mut query = QueryBuilder::new("SELECT id FROM emails WHERE team_id = ");
    query.push_bind(team_id.0).push(" AND provider_message_id IN (");
    push_list!(query, names.iter().cloned());
    query.push(") UNION SELECT email_id FROM email_aliases WHERE team_id = ").push_bind(team_id.0);
    query.push(" AND alias IN (");
    push_list!(query, names.iter().cloned());
    query.push(")");
    query
}

/// The query for the rows of a page.
pub(super) fn list_rows_query<Engine: sqlx::Database>(team_id: TeamId, ids: &[i64]) -> QueryBuilder<Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
{
    let mut query = QueryBuilder::new(
        "SELECT e.id, e.channel, t.id AS template_id, t.name AS template_name, e.recipients, e.subject, e.status,
             e.sent_at
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

/// Adds the query for the ids of messages that a walk finds, looking at each message on the way. Each status, where the
/// filter names some, is one walk of the index that holds its messages in order; several walks are merged.
pub(super) fn push_walk<Database: sqlx::Database>(
    query: &mut QueryBuilder<Database>,
    engine: Engine,
    team_id: TeamId,
    filter: &EmailFilter,
    ids: IdRange,
    window: Window,
) where
    i64: sqlx::Type<Database> + sqlx::Encode<'static, Database>,
    String: sqlx::Type<Database> + sqlx::Encode<'static, Database>,
{
    let order = if window.oldest_first { " ORDER BY id" } else { " ORDER BY id DESC" };
    let by_notification = filter.criteria.notification_id.is_some();
    let by_person = filter.criteria.external_user_id.is_some();
    let by_key = keys_of(&filter.criteria).next().is_some() || providers_names(&filter.criteria).is_some();
    let statuses: Vec<Option<EmailStatus>> = match filter.statuses {
        statuses if by_notification || by_person || by_key || statuses.is_empty() => vec![None],
        statuses => statuses.iter().map(Some).collect(),
    };
    let walks = statuses.len();
    if walks > 1 {
        query.push("SELECT id FROM (");
    }
    for (index, status) in statuses.into_iter().enumerate() {
        if walks > 1 {
            query.push(if index == 0 { "SELECT id FROM (" } else { ") AS walk UNION ALL SELECT id FROM (" });
        }
        let by_index = match (status, filter.slice()) {
            (_, _) if by_notification => engine.by_index("emails_by_notification"),
            (_, _) if by_person => engine.by_index("emails_by_external_user"),
            (Some(_), Slice::All | Slice::Channel(Channel::Email)) => engine.by_index("emails_by_status"),
            (_, _) => String::new(),
        };
        query.push(format!("SELECT e.id AS id FROM emails e{by_index} WHERE e.team_id = ")).push_bind(team_id.0);
        match status {
            Some(status) => {
                query.push(format!(" AND e.status = {}", status.code()));
            }
            None => push_statuses!(query, filter.statuses),
        }
        // Hidden from the planner of SQLite, which would rather walk the range than look up the ids that a key names.
        let hidden = if by_key { "+" } else { "" };
        query.push(format!(" AND {hidden}e.id >= ")).push_bind(ids.low);
        query.push(format!(" AND {hidden}e.id < ")).push_bind(ids.high);
        push_slice!(query, filter.slice());
        push_keys!(query, engine, team_id, &filter.criteria, ids);
        push_criteria!(query, engine, &filter.criteria);
        let (length, skip) = match walks {
            1 => (window.limit, window.offset),
            _ => (window.offset.saturating_add(window.limit), 0),
        };
        query.push(order).push(" LIMIT ").push_bind(length).push(" OFFSET ").push_bind(skip);
    }
    if walks > 1 {
        query.push(") AS walk) AS walks").push(order).push(" LIMIT ").push_bind(window.limit);
        query.push(" OFFSET ").push_bind(window.offset);
    }
}

/// The query for the ids of a page. Each status is one walk of an index that holds the ids in order; several walks are
/// merged.
pub(super) fn list_ids_query<Engine: sqlx::Database>(
    team_id: TeamId,
    statuses: StatusSet,
    slice: Slice,
    ids: IdRange,
    limit: i64,
    offset: i64,
) -> QueryBuilder<Engine>
where
    i64: sqlx::Type<Engine> + sqlx::Encode<'static, Engine>,
{
    let mut query = QueryBuilder::new("");
    let push_walk = |query: &mut QueryBuilder<Engine>, status: Option<EmailStatus>, length: i64, skip: i64| {
        query.push("SELECT e.id FROM emails e WHERE e.team_id = ").push_bind(team_id.0);
        push_slice!(query, slice);
        if let Some(status) = status {
            query.push(format!(" AND e.status = {}", status.code()));
        }
        query.push(" AND e.id >= ").push_bind(ids.low).push(" AND e.id < ").push_bind(ids.high);
        query.push(" ORDER BY e.id DESC LIMIT ").push_bind(length).push(" OFFSET ").push_bind(skip);
    };
    let walks: Vec<Option<EmailStatus>> = match (statuses.is_empty(), slice) {
        (true, Slice::All | Slice::Nothing | Slice::Channel(Channel::Email)) => vec![None],
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
