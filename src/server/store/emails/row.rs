//! A message's row in `emails`: its columns, what is written into them and how the row is read. A new field of a message is
//! added here, and nowhere else in the store.

use std::sync::LazyLock;

use sqlx::types::Json;

use crate::domain::channel::Channel;
use crate::domain::email::{Attachment, Email, EmailStatus, NewEmail, Recipient};
use crate::domain::error::AppError;
use crate::domain::event::{EventSet, Fold};
use crate::domain::ids::{
    AdapterId, ApiKeyId, ApiRequestId, EmailId, JobId, NotificationId, TeamId, TemplateId, TemplateVersionId,
};
use crate::server::store::engine::{Engine, RowValues, Sql};
use crate::server::store::events::Marks;
use crate::server::store::outbox::NEVER;
use crate::server::store::recipients::kept_recipients;
use crate::server::store::{instant, micros, stored};

/// The columns beside the ids of team, message and job, in the order of [bind_row].
const COLUMNS: &str =
    "template_id, template_version_id, adapter_id, api_key_id, api_request_id, recipients, from_address,
     reply_to, subject, tags, status, status_rank, provider_message_id, error_message, has_pdf_attachment, resend_of,
     sent_at, delivered_at, channel, notification_id, external_user_id, scheduled_at, event_set, told_by,
     names_adapter";

/// The beginning of the statement that adds messages.
pub(in crate::server::store) static INSERT_ROWS: LazyLock<String> =
    LazyLock::new(|| format!("INSERT INTO emails (team_id, id, job_id, {COLUMNS}) "));

/// Gives a message that is known from events only (`$2`) another id (`$3`), before everything that belongs to it follows.
pub(in crate::server::store) static COPY_ROW: LazyLock<String> = LazyLock::new(|| {
    format!(
        "INSERT INTO emails (team_id, id, job_id, {COLUMNS})
         SELECT team_id, $3, $3, {COLUMNS} FROM emails WHERE team_id = $1 AND id = $2"
    )
});

/// Binds the values of a message's row.
pub(in crate::server::store) fn bind_row(values: &mut RowValues<'_>, team_id: TeamId, email: &NewEmail, fold: &Fold) {
    values.bind(team_id).bind(email.id).bind(email.job_id);
    values.bind(email.template.map(|(template, _)| template)).bind(email.version()).bind(email.adapter_id);
    values.bind(email.api_key_id).bind(email.api_request_id).bind(kept_recipients(&email.recipients));
    values.bind(&email.from_address).bind(&email.reply_to).bind(&email.subject).bind(Json(&email.tags));
    values.bind(fold.status().code()).bind(fold.rank.0);
    values.bind(fold.provider_message_id.as_ref().map(|told| told.value.as_str()));
    values.bind(fold.reason.as_ref().map(|told| told.value.as_str()));
    values.bind(email.attachments.iter().any(is_pdf)).bind(email.resend_of);
    values.bind(fold.sent_at.map(micros)).bind(fold.delivered_at.map(micros));
    values.bind(email.channel.code()).bind(email.notification_id);
    values.bind(&email.external_user_id).bind(email.scheduled_at.map(micros));
    values.bind(fold.event_set.bits()).bind(Marks::of(fold)).bind(email.names_adapter);
}

fn is_pdf(attachment: &Attachment) -> bool {
    attachment.content_type.eq_ignore_ascii_case("application/pdf")
}

/// A message as it is read by [rows_query].
#[derive(sqlx::FromRow)]
pub(super) struct EmailRow {
    pub id: EmailId,
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
    names_adapter: bool,
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

/// The query for messages with the names of what belongs to them, in no order.
pub(super) fn rows_query(engine: Engine, team_id: TeamId, ids: &[i64]) -> Sql {
    let mut sql = Sql::new(
        engine,
        "SELECT e.id, e.channel, e.notification_id, e.external_user_id, e.scheduled_at, e.event_set,
             e.template_id AS made_from, t.id AS template_id, t.name AS template_name,
             e.template_version_id, v.version AS template_version, m.masked_variables AS marked_variables,
             e.adapter_id, e.names_adapter, a.name AS adapter_name,
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
    sql.push_bind(team_id).push(" AND e.id IN (").push_list(ids).push(")");
    sql
}

impl EmailRow {
    /// The message, with the ids of those that send it again.
    pub fn into_email(self, team_id: TeamId, resent_as: Vec<EmailId>) -> Result<Email, AppError> {
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
            names_adapter: self.names_adapter,
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

pub(super) fn status_from(code: i16) -> Result<EmailStatus, AppError> {
    stored("emails.status", EmailStatus::from_code(code).ok_or("unknown code"))
}

pub(super) fn channel_from(code: i16) -> Result<Channel, AppError> {
    stored("emails.channel", Channel::from_code(code).ok_or("unknown code"))
}
