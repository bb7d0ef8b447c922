//! Templates and their versions. A deleted template keeps its versions, for the messages made from it.

use chrono::{DateTime, Utc};

use super::{Store, instant, micros, read, write};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, TemplateId, TemplateVersionId};
use crate::domain::template::{Template, TemplateSource, TemplateVersion};

const TEMPLATE_COLUMNS: &str = "t.id, t.name, t.created_at, v.id AS version_id, v.version, v.subject, v.html, v.text,
    v.created_at AS version_created_at";

#[derive(sqlx::FromRow)]
struct TemplateRow {
    id: TemplateId,
    name: String,
    created_at: i64,
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
    pub async fn insert_template(&self, team_id: TeamId, template: &Template) -> Result<bool, AppError> {
        write!(self, |tx| {
            let inserted = sqlx::query(
                "INSERT INTO templates (team_id, id, name, current_version_id, created_at)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(template.id)
            .bind(&template.name)
            .bind(template.current.id)
            .bind(micros(template.created_at))
            .execute(&mut *tx)
            .await?;
            if inserted.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query(
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
            .execute(&mut *tx)
            .await?;
            Ok(true)
        })
    }

    /// Gives a template a new version, which becomes the current one; the version's number, or `None` when there is no
    /// such template.
    pub async fn insert_template_version(
        &self,
        team_id: TeamId,
        template_id: TemplateId,
        version_id: TemplateVersionId,
        source: &TemplateSource,
        now: DateTime<Utc>,
    ) -> Result<Option<i64>, AppError> {
        write!(self, |tx| {
            let updated = sqlx::query(
                "UPDATE templates SET current_version_id = $3
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(template_id)
            .bind(version_id)
            .execute(&mut *tx)
            .await?;
            if updated.rows_affected() == 0 {
                return Ok(None);
            }
            let version: i64 = sqlx::query_scalar(
                "INSERT INTO template_versions (team_id, id, template_id, version, subject, html, text, created_at)
                 SELECT $1, $2, $3, COALESCE(MAX(version), 0) + 1, $4, $5, $6, $7
                 FROM template_versions WHERE team_id = $1 AND template_id = $3
                 RETURNING version",
            )
            .bind(team_id)
            .bind(version_id)
            .bind(template_id)
            .bind(&source.subject)
            .bind(&source.html)
            .bind(&source.text)
            .bind(micros(now))
            .fetch_one(&mut *tx)
            .await?;
            Ok(Some(version))
        })
    }

    /// Changes a template's name; `false` when another template has it.
    pub async fn rename_template(&self, team_id: TeamId, id: TemplateId, name: &str) -> Result<bool, AppError> {
        write!(self, |tx| {
            let renamed = sqlx::query(
                "UPDATE templates SET name = $3
                 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL AND NOT EXISTS (
                     SELECT 1 FROM templates
                     WHERE team_id = $1 AND name = $3 AND id <> $2 AND deleted_at IS NULL)",
            )
            .bind(team_id)
            .bind(id)
            .bind(name)
            .execute(&mut *tx)
            .await?;
            Ok(renamed.rows_affected() == 1)
        })
    }

    /// Deletes a template; `false` when there is none.
    pub async fn delete_template(&self, team_id: TeamId, id: TemplateId, now: DateTime<Utc>) -> Result<bool, AppError> {
        write!(self, |tx| {
            let deleted = sqlx::query(
                "UPDATE templates SET deleted_at = $3 WHERE team_id = $1 AND id = $2 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(id)
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
            Ok(deleted.rows_affected() == 1)
        })
    }

    /// The team's templates, by name.
    pub async fn list_templates(&self, team_id: TeamId) -> Result<Vec<Template>, AppError> {
        let statement = format!(
            "SELECT {TEMPLATE_COLUMNS} FROM templates t
             JOIN template_versions v ON v.team_id = t.team_id AND v.id = t.current_version_id
             WHERE t.team_id = $1 AND t.deleted_at IS NULL ORDER BY t.name, t.id"
        );
        let rows: Vec<TemplateRow> =
            read!(self, |pool| sqlx::query_as(&statement).bind(team_id).fetch_all(pool).await)?;
        Ok(rows.into_iter().map(Template::from).collect())
    }

    /// The ids and names of the team's templates, by name.
    pub async fn list_template_names(&self, team_id: TeamId) -> Result<Vec<(TemplateId, String)>, AppError> {
        Ok(read!(self, |pool| {
            sqlx::query_as("SELECT id, name FROM templates WHERE team_id = $1 AND deleted_at IS NULL ORDER BY name, id")
                .bind(team_id)
                .fetch_all(pool)
                .await
        })?)
    }

    /// The template with this id, unless it is deleted.
    pub async fn find_template(&self, team_id: TeamId, id: TemplateId) -> Result<Option<Template>, AppError> {
        let statement = format!(
            "SELECT {TEMPLATE_COLUMNS} FROM templates t
             JOIN template_versions v ON v.team_id = t.team_id AND v.id = t.current_version_id
             WHERE t.team_id = $1 AND t.id = $2 AND t.deleted_at IS NULL"
        );
        let row: Option<TemplateRow> =
            read!(self, |pool| sqlx::query_as(&statement).bind(team_id).bind(id).fetch_optional(pool).await)?;
        Ok(row.map(Template::from))
    }

    /// The template with this name, unless it is deleted.
    pub async fn find_template_by_name(&self, team_id: TeamId, name: &str) -> Result<Option<Template>, AppError> {
        let statement = format!(
            "SELECT {TEMPLATE_COLUMNS} FROM templates t
             JOIN template_versions v ON v.team_id = t.team_id AND v.id = t.current_version_id
             WHERE t.team_id = $1 AND t.name = $2 AND t.deleted_at IS NULL"
        );
        let row: Option<TemplateRow> =
            read!(self, |pool| sqlx::query_as(&statement).bind(team_id).bind(name).fetch_optional(pool).await)?;
        Ok(row.map(Template::from))
    }

    /// The versions of a template, newest first.
    pub async fn list_template_versions(
        &self,
        team_id: TeamId,
        template_id: TemplateId,
    ) -> Result<Vec<TemplateVersion>, AppError> {
        let rows: Vec<VersionRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT id, version, subject, html, text, created_at FROM template_versions
                 WHERE team_id = $1 AND template_id = $2 ORDER BY id DESC",
            )
            .bind(team_id)
            .bind(template_id)
            .fetch_all(pool)
            .await
        })?;
        Ok(rows.into_iter().map(TemplateVersion::from).collect())
    }
}
