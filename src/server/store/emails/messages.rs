//! Reading messages: whole, their contents, their families.

use sqlx::types::Json;

use super::row::{EmailRow, rows_query, status_from};
use crate::domain::email::{Attachment, AttachmentSummary, Email, EmailContent, EmailStatus};
use crate::domain::error::AppError;
use crate::domain::event::EventSet;
use crate::domain::ids::{EmailId, JobId, SEQUENCE_BITS, TeamId, TemplateVersionId};
use crate::domain::resend::Relative;
use crate::domain::template::TemplateSource;
use crate::server::store::bodies::BodyRow;
use crate::server::store::engine::{Engine, Sql};
use crate::server::store::{Store, instant};

/// What a message says, with what is needed to show it to those who do not see all of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoredContent {
    pub content: EmailContent,
    /// The subject as it was sent, where the log shows another.
    pub sent_subject: Option<String>,
    /// The version of the template that it was made from.
    pub version: Option<(TemplateVersionId, TemplateSource)>,
}

/// Ids in one statement.
const IDS: usize = 500;

#[derive(sqlx::FromRow)]
pub(super) struct FamilyRow {
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
const ABOVE: &str = "WITH RECURSIVE above AS (
         SELECT e.id, e.resend_of FROM emails e WHERE e.team_id = $1 AND e.id = $2
         UNION
         SELECT e.id, e.resend_of FROM above JOIN emails e ON e.team_id = $1 AND e.id = above.resend_of)";

/// Locks the family of message `$2` by its first message, on both engines: an update that changes nothing.
pub(super) fn lock_family_statement() -> String {
    format!(
        "{ABOVE} UPDATE emails SET status_rank = status_rank
         WHERE team_id = $1 AND id = (SELECT MIN(above.id) FROM above)"
    )
}

// SQLite keeps the order of a CROSS JOIN; left to itself it walks all copies of the team for each member of the family.
/// Finds the family of message `$2`: the first that it sends again, and all that send that one again, or one of those. A
/// row of the outbox counts whoever holds it.
pub(in crate::server::store) fn find_family_statement() -> String {
    format!(
        "{ABOVE}, family AS (
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
    )
}

/// Two seconds, in ids.
const JOB_SPAN: i64 = 2_000 << SEQUENCE_BITS;

/// `$1` team, `$2` to `$3` the ids to look through, `$4` the job.
pub(in crate::server::store) const FIND_BY_JOB: &str =
    "SELECT id FROM emails WHERE team_id = $1 AND id >= $2 AND id < $3 AND job_id = $4 ORDER BY id LIMIT 200";

#[derive(sqlx::FromRow)]
struct ContentRow {
    variables: Json<serde_json::Value>,
    metadata: Json<serde_json::Value>,
    headers: Json<Vec<(String, String)>>,
    #[sqlx(flatten)]
    bodies: BodyRow,
    sent_subject: Option<String>,
    version_id: Option<TemplateVersionId>,
    version_subject: Option<String>,
}

impl Store {
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
        let rows: Vec<EmailRow> = self.read(rows_query(self.engine(), team_id, ids)).fetch_all().await?;
        let copies: Vec<(EmailId, EmailId)> = self.read(copies_query(self.engine(), team_id, ids)).fetch_all().await?;
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

    /// All copies of these messages, and theirs, in the order of their ids: which of these each is a copy of, its id and its
    /// status.
    pub async fn list_copies(
        &self,
        team_id: TeamId,
        of: &[EmailId],
    ) -> Result<Vec<(EmailId, EmailId, EmailStatus)>, AppError> {
        if of.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(EmailId, EmailId, i16)> =
            self.read(all_copies_query(self.engine(), team_id, of)).fetch_all().await?;
        rows.into_iter().map(|(of, copy, status)| Ok((of, copy, status_from(status)?))).collect()
    }

    /// The messages that say the same as this one, itself among them, in the order of their ids: what it sends again, and
    /// all copies of that.
    pub async fn find_family(&self, team_id: TeamId, id: EmailId) -> Result<Vec<Relative>, AppError> {
        let rows: Vec<FamilyRow> = self.read(find_family_statement()).bind(team_id).bind(id).fetch_all().await?;
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
            self.read(variables_query(self.engine(), team_id, ids)).fetch_all().await?;
        Ok(rows.into_iter().map(|(id, variables)| (id, variables.0)).collect())
    }

    /// Those of the ids that the team has messages of.
    pub async fn list_known_ids(&self, team_id: TeamId, ids: &[EmailId]) -> Result<Vec<EmailId>, AppError> {
        let mut known = Vec::new();
        for ids in ids.chunks(IDS) {
            let mut sql = Sql::new(self.engine(), "SELECT id FROM emails WHERE team_id = ");
            sql.push_bind(team_id).push(" AND id IN (").push_list(ids).push(")").keep(false);
            known.append(&mut self.read(sql).fetch_scalars().await?);
        }
        Ok(known)
    }

    /// The messages that providers know by these ids, with or without brackets, in no order.
    pub async fn list_ids_by_provider(&self, team_id: TeamId, names: &[&str]) -> Result<Vec<EmailId>, AppError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        self.read(by_provider_query(self.engine(), team_id, names)).fetch_scalars().await
    }

    /// The messages that a job delivers. Jobs are made with their messages, so these are looked for within [JOB_SPAN].
    pub async fn list_ids_of_job(&self, team_id: TeamId, job: JobId) -> Result<Vec<EmailId>, AppError> {
        self.read(FIND_BY_JOB)
            .bind(team_id)
            .bind(job.0.saturating_sub(JOB_SPAN))
            .bind(job.0.saturating_add(JOB_SPAN))
            .bind(job)
            .fetch_scalars()
            .await
    }

    /// What a message says, with its true subject and the version that it was made from; `None` when there is no such
    /// message.
    pub async fn find_stored_content(&self, team_id: TeamId, id: EmailId) -> Result<Option<StoredContent>, AppError> {
        let row: Option<ContentRow> = self
            .read(format!(
                "SELECT c.variables, c.metadata, c.headers, {}, c.subject AS sent_subject,
                     v.id AS version_id, v.subject AS version_subject
                 FROM email_contents c
                 JOIN emails e ON e.team_id = c.team_id AND e.id = c.email_id
                 LEFT JOIN template_versions v ON v.team_id = e.team_id AND v.id = e.template_version_id
                 WHERE c.team_id = $1 AND c.email_id = $2",
                BodyRow::COLUMNS
            ))
            .bind(team_id)
            .bind(id)
            .fetch_optional()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let attachments: Vec<(String, String, i64)> = self
            .read(
                "SELECT filename, content_type, CAST(LENGTH(content) AS BIGINT) FROM email_attachments
                 WHERE team_id = $1 AND email_id = $2 ORDER BY position",
            )
            .bind(team_id)
            .bind(id)
            .fetch_all()
            .await?;
        let (html, text) = row.bodies.read()?;
        let summary = |(filename, content_type, size_bytes)| AttachmentSummary { filename, content_type, size_bytes };
        let content = EmailContent {
            variables: row.variables.0,
            metadata: row.metadata.0,
            headers: row.headers.0,
            html,
            text,
            attachments: attachments.into_iter().map(summary).collect(),
        };
        let version = row.version_id.zip(row.version_subject).map(|(id, subject)| {
            (id, TemplateSource { subject, html: row.bodies.version_html, text: row.bodies.version_text })
        });
        Ok(Some(StoredContent { content, sent_subject: row.sent_subject, version }))
    }

    /// The attachments of a message, in their order.
    pub async fn list_attachments(&self, team_id: TeamId, id: EmailId) -> Result<Vec<Attachment>, AppError> {
        let rows: Vec<(String, String, Vec<u8>, Option<String>)> = self
            .read(
                "SELECT filename, content_type, content, content_id FROM email_attachments
                 WHERE team_id = $1 AND email_id = $2 ORDER BY position",
            )
            .bind(team_id)
            .bind(id)
            .fetch_all()
            .await?;
        let attachment =
            |(filename, content_type, content, content_id)| Attachment { filename, content_type, content, content_id };
        Ok(rows.into_iter().map(attachment).collect())
    }
}

/// The query for the copies of messages, in the order of their ids.
pub(in crate::server::store) fn copies_query(engine: Engine, team_id: TeamId, ids: &[i64]) -> Sql {
    let by_index = engine.by_index("emails_by_resend_of");
    let mut sql = Sql::new(engine, format!("SELECT resend_of, id FROM emails{by_index} WHERE team_id = "));
    sql.push_bind(team_id).push(" AND resend_of IN (").push_list(ids).push(") ORDER BY id");
    sql
}

pub(in crate::server::store) fn all_copies_query(engine: Engine, team_id: TeamId, of: &[EmailId]) -> Sql {
    let by_index = engine.by_index("emails_by_resend_of");
    let mut sql = Sql::new(
        engine,
        format!(
            "WITH RECURSIVE copies AS (SELECT resend_of AS first, id, status FROM emails{by_index} WHERE team_id = "
        ),
    );
    sql.push_bind(team_id).push(" AND resend_of IN (").push_list(of);
    // SQLite keeps the order of a CROSS JOIN; left to itself it walks all copies of the team for each.
    sql.push(format!(
        ") UNION SELECT c.first, e.id, e.status FROM copies c CROSS JOIN emails e{by_index} WHERE e.team_id = "
    ));
    sql.push_bind(team_id).push(" AND e.resend_of = c.id) SELECT first, id, status FROM copies ORDER BY id");
    sql
}

pub(in crate::server::store) fn variables_query(engine: Engine, team_id: TeamId, ids: &[EmailId]) -> Sql {
    let mut sql = Sql::new(engine, "SELECT email_id, variables FROM email_contents WHERE team_id = ");
    sql.push_bind(team_id).push(" AND email_id IN (").push_list(ids).push(")");
    sql
}

/// The query for the messages that have one of these ids of a provider's or had it, with or without angle brackets.
pub(in crate::server::store) fn by_provider_query(engine: Engine, team_id: TeamId, names: &[&str]) -> Sql {
    let names: Vec<String> = names.iter().flat_map(|name| [(*name).to_owned(), format!("<{name}>")]).collect();
    let mut sql = Sql::new(engine, "SELECT id FROM emails WHERE team_id = ");
    sql.push_bind(team_id).push(" AND provider_message_id IN (").push_list(&names);
    sql.push(") UNION SELECT email_id FROM email_aliases WHERE team_id = ").push_bind(team_id);
    sql.push(" AND alias IN (").push_list(&names).push(")");
    sql
}
