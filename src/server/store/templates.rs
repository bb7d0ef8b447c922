//! Templates and their versions. A deleted template keeps its versions, for the messages made from it.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Json;

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Sql;
use super::like::{contains, push_like};
use super::names::{Named, keep_name_free};
use super::{Store, instant, micros};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, TemplateId, TemplateVersionId, UserId, lowest_id_at};
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::domain::tracking::TemplateTracking;

const TEMPLATE_COLUMNS: &str =
    "t.id, t.name, t.created_at, t.masked_variables, t.tracks_opens, t.tracks_clicks, t.offers_unsubscribe, v.id AS version_id, v.version, v.subject, v.html, v.text,
    v.created_at AS version_created_at";

#[derive(Clone, Copy, Debug, Default)]
pub struct TemplateChange<'a> {
    pub name: Option<&'a str>,
    pub masked_variables: Option<&'a [String]>,
    pub tracking: Option<TemplateTracking>,
    /// New sources, with the id of the version that they become.
    pub version: Option<(TemplateVersionId, &'a TemplateSource)>,
}

#[derive(sqlx::FromRow)]
struct TemplateRow {
    id: TemplateId,
    name: String,
    created_at: i64,
    masked_variables: Json<Vec<String>>,
    tracks_opens: Option<bool>,
    tracks_clicks: Option<bool>,
    offers_unsubscribe: bool,
    version_id: TemplateVersionId,
    version: i64,
    subject: String,
    html: Option<String>,
    text: Option<String>,
    version_created_at: i64,
}

impl From<TemplateRow> for Template {
    fn from(row: TemplateRow) -> Self {
        let current = TemplateVersion {
            id: row.version_id,
            version: row.version,
            source: TemplateSource { subject: row.subject, html: row.html, text: row.text },
            created_at: instant(row.version_created_at),
        };
        Self {
            id: row.id,
            name: row.name,
            created_at: instant(row.created_at),
            updated_at: current.created_at,
            masked_variables: row.masked_variables.0,
            tracking: TemplateTracking {
                tracks_opens: row.tracks_opens,
                tracks_clicks: row.tracks_clicks,
                offers_unsubscribe: row.offers_unsubscribe,
            },
            current,
        }
    }
}

#[derive(sqlx::FromRow)]
struct VersionRow {
    id: TemplateVersionId,
    version: i64,
    subject: String,
    html: Option<String>,
    text: Option<String>,
    created_at: i64,
}

impl From<VersionRow> for TemplateVersion {
    fn from(row: VersionRow) -> Self {
        Self {
            id: row.id,
            version: row.version,
            source: TemplateSource { subject: row.subject, html: row.html, text: row.text },
            created_at: instant(row.created_at),
        }
    }
}

impl Store {
    /// Makes a template with its first version; `false` when the name is taken.
    pub async fn insert_template(
        &self,
        team_id: TeamId,
        template: &Template,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let inserted = tx
            .query(
                "INSERT INTO templates (team_id, id, name, current_version_id, created_at, masked_variables,
                     tracks_opens, tracks_clicks, offers_unsubscribe)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(template.id)
            .bind(&template.name)
            .bind(template.current.id)
            .bind(micros(template.created_at))
            .bind(Json(&template.masked_variables))
            .bind(template.tracking.tracks_opens)
            .bind(template.tracking.tracks_clicks)
            .bind(template.tracking.offers_unsubscribe)
            .execute()
            .await?;
        if inserted == 0 {
            return Ok(false);
        }
        tx.query(
            "INSERT INTO template_versions (team_id, id, template_id, version, subject, html, text, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(team_id)
        .bind(template.current.id)
        .bind(template.id)
        .bind(template.current.version)
        .bind(&template.current.source.subject)
        .bind(&template.current.source.html)
        .bind(&template.current.source.text)
        .bind(micros(template.current.created_at))
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes a template: its name, which variables are masked, what is tracked, and its sources, which become a new version. What is
    /// `None` stays. `false` when there is no such template, [AppError::AlreadyExists] when another has the name.
    pub async fn update_template(
        &self,
        team_id: TeamId,
        id: TemplateId,
        change: &TemplateChange<'_>,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        if let Some(name) = change.name {
            keep_name_free(&mut tx, team_id, (Named::Template, id.0), name).await?;
        }
        let tracking = change.tracking.unwrap_or_default();
        let version_id = change.version.map(|(version_id, _)| version_id);
        let updated = tx
            .query(
                "UPDATE templates SET name = COALESCE($3, name), masked_variables = COALESCE($4, masked_variables),
                     current_version_id = COALESCE($5, current_version_id),
                     tracks_opens = CASE WHEN $7 THEN $8 ELSE tracks_opens END,
                     tracks_clicks = CASE WHEN $7 THEN $9 ELSE tracks_clicks END,
                     offers_unsubscribe = CASE WHEN $7 THEN $10 ELSE offers_unsubscribe END,
                     marked_from = CASE WHEN $4 IS NULL OR masked_variables = $4 THEN marked_from ELSE $6 END
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(id)
            .bind(change.name)
            .bind(change.masked_variables.map(Json))
            .bind(version_id)
            .bind(marked_from(change, now))
            .bind(change.tracking.is_some())
            .bind(tracking.tracks_opens)
            .bind(tracking.tracks_clicks)
            .bind(tracking.offers_unsubscribe)
            .execute()
            .await?;
        if updated == 0 {
            return Ok(false);
        }
        if let Some((version_id, source)) = change.version {
            tx.query(
                "INSERT INTO template_versions (team_id, id, template_id, version, subject, html, text, created_at)
                     SELECT $1, $2, $3, COALESCE(MAX(version), 0) + 1, $4, $5, $6, $7
                     FROM template_versions WHERE team_id = $1 AND template_id = $3",
            )
            .bind(team_id)
            .bind(version_id)
            .bind(id)
            .bind(&source.subject)
            .bind(&source.html)
            .bind(&source.text)
            .bind(micros(now))
            .execute()
            .await?;
        }
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes a template; `false` when there is none.
    pub async fn delete_template(
        &self,
        team_id: TeamId,
        id: TemplateId,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let deleted = tx
            .query("UPDATE templates SET deleted_at = $3 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(id)
            .bind(micros(now))
            .execute()
            .await?;
        commit_change(tx, team_id, event, deleted).await
    }

    /// Brings back a template that was deleted, and answers with its name; `None` when there is none,
    /// [AppError::AlreadyExists] when another has its name now. The event is about it.
    pub async fn restore_template(
        &self,
        team_id: TeamId,
        id: TemplateId,
        event: AuditEvent,
    ) -> Result<Option<String>, AppError> {
        let mut tx = self.begin().await?;
        tx.take_turns(team_id).await?;
        let deleted: Option<String> = tx
            .query("SELECT name FROM templates WHERE team_id = $1 AND id = $2 AND deleted_at IS NOT NULL")
            .bind(team_id)
            .bind(id)
            .fetch_optional_scalar()
            .await?;
        let Some(name) = deleted else { return Ok(None) };
        keep_name_free(&mut tx, team_id, (Named::Template, id.0), &name).await?;
        tx.query("UPDATE templates SET deleted_at = NULL WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .execute()
            .await?;
        append_event(&mut tx, team_id, &event.about(id, &name)).await?;
        tx.commit().await?;
        Ok(Some(name))
    }

    /// The team's templates, by name.
    pub async fn list_templates(&self, team_id: TeamId) -> Result<Vec<Template>, AppError> {
        let statement = format!(
            "SELECT {TEMPLATE_COLUMNS} FROM templates t
             JOIN template_versions v ON v.team_id = t.team_id AND v.id = t.current_version_id
             WHERE t.team_id = $1 AND t.deleted_at IS NULL ORDER BY t.name, t.id"
        );
        let rows: Vec<TemplateRow> = self.read(statement).bind(team_id).fetch_all().await?;
        Ok(rows.into_iter().map(Template::from).collect())
    }

    /// The ids and names of the team's templates, by name.
    pub async fn list_template_names(&self, team_id: TeamId) -> Result<Vec<(TemplateId, String)>, AppError> {
        self.read("SELECT id, name FROM templates WHERE team_id = $1 AND deleted_at IS NULL ORDER BY name, id")
            .bind(team_id)
            .fetch_all()
            .await
    }

    /// The ids and names of the team's templates whose names hold this part, in any case of letters, the newest first.
    pub async fn list_templates_named(
        &self,
        team_id: TeamId,
        part: &str,
        limit: i64,
    ) -> Result<Vec<(TemplateId, String)>, AppError> {
        let mut sql = Sql::new(self.engine(), "SELECT id, name FROM templates WHERE team_id = ");
        sql.push_bind(team_id).push(" AND deleted_at IS NULL");
        if !part.is_empty() {
            sql.push(" AND ");
            push_like(&mut sql, "name", [contains(part)]);
        }
        sql.push(" ORDER BY id DESC LIMIT ").push_bind(limit);
        self.read(sql).fetch_all().await
    }

    /// The names of all variables that the team's templates mark, deleted templates' too, in no order.
    pub async fn list_marked_variables(&self, team_id: TeamId) -> Result<Vec<String>, AppError> {
        let lists: Vec<Json<Vec<String>>> = self
            .read("SELECT masked_variables FROM templates WHERE team_id = $1")
            .bind(team_id)
            .fetch_scalars()
            .await?;
        let mut names: Vec<String> = lists.into_iter().flat_map(|names| names.0).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The template with this id, unless it is deleted.
    pub async fn find_template(&self, team_id: TeamId, id: TemplateId) -> Result<Option<Template>, AppError> {
        let statement = format!(
            "SELECT {TEMPLATE_COLUMNS} FROM templates t
             JOIN template_versions v ON v.team_id = t.team_id AND v.id = t.current_version_id
             WHERE t.team_id = $1 AND t.id = $2 AND t.deleted_at IS NULL"
        );
        let row: Option<TemplateRow> = self.read(statement).bind(team_id).bind(id).fetch_optional().await?;
        Ok(row.map(Template::from))
    }

    /// The template with this name, unless it is deleted.
    pub async fn find_template_by_name(&self, team_id: TeamId, name: &str) -> Result<Option<Template>, AppError> {
        let statement = format!(
            "SELECT {TEMPLATE_COLUMNS} FROM templates t
             JOIN template_versions v ON v.team_id = t.team_id AND v.id = t.current_version_id
             WHERE t.team_id = $1 AND t.name = $2 AND t.deleted_at IS NULL"
        );
        let row: Option<TemplateRow> = self.read(statement).bind(team_id).bind(name).fetch_optional().await?;
        Ok(row.map(Template::from))
    }

    /// Keeps the sample values that a member last saw a template with, in the place of those before. Nothing where the team
    /// has no such template or member.
    pub async fn keep_template_sample(
        &self,
        team_id: TeamId,
        id: TemplateId,
        user_id: UserId,
        sample: &str,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query(
            "INSERT INTO template_samples (team_id, template_id, user_id, sample)
                 SELECT t.team_id, t.id, m.user_id, $4 FROM templates t
                 JOIN memberships m ON m.team_id = t.team_id AND m.user_id = $3
                 WHERE t.team_id = $1 AND t.id = $2 AND t.deleted_at IS NULL
             ON CONFLICT (team_id, template_id, user_id) DO UPDATE SET sample = excluded.sample",
        )
        .bind(team_id)
        .bind(id)
        .bind(user_id)
        .bind(sample)
        .execute()
        .await?;
        tx.commit().await
    }

    /// The sample values that a member last saw a template with.
    pub async fn find_template_sample(
        &self,
        team_id: TeamId,
        id: TemplateId,
        user_id: UserId,
    ) -> Result<Option<String>, AppError> {
        self.read("SELECT sample FROM template_samples WHERE team_id = $1 AND template_id = $2 AND user_id = $3")
            .bind(team_id)
            .bind(id)
            .bind(user_id)
            .fetch_optional_scalar()
            .await
    }

    /// The versions of a template, newest first.
    pub async fn list_template_versions(
        &self,
        team_id: TeamId,
        template_id: TemplateId,
    ) -> Result<Vec<TemplateVersion>, AppError> {
        let rows: Vec<VersionRow> = self
            .read(
                "SELECT id, version, subject, html, text, created_at FROM template_versions
                 WHERE team_id = $1 AND template_id = $2 ORDER BY id DESC",
            )
            .bind(team_id)
            .bind(template_id)
            .fetch_all()
            .await?;
        Ok(rows.into_iter().map(TemplateVersion::from).collect())
    }
}

/// From which message on the index of search has nothing of the variables that are marked now. A message that is being
/// accepted may still bring what was not marked a moment ago.
fn marked_from(change: &TemplateChange<'_>, now: DateTime<Utc>) -> i64 {
    let marks = change.masked_variables.is_some_and(|names| !names.is_empty());
    if marks { lowest_id_at(now + TimeDelta::minutes(1)) } else { 0 }
}
