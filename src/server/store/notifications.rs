//! Notifications. They are inserted with their messages, by [super::emails].

use sqlx::types::Json;

use super::{Store, read};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiRequestId, NotificationId, TeamId};
use crate::domain::notification::Notification;

#[derive(sqlx::FromRow)]
pub(super) struct NotificationRow {
    id: NotificationId,
    kind: String,
    external_user_id: Option<String>,
    api_request_id: Option<ApiRequestId>,
    warnings: Json<Vec<String>>,
}

impl From<NotificationRow> for Notification {
    fn from(row: NotificationRow) -> Self {
        Self {
            id: row.id,
            kind: row.kind,
            external_user_id: row.external_user_id,
            api_request_id: row.api_request_id,
            warnings: row.warnings.0,
        }
    }
}

impl Store {
    /// The notification with this id.
    pub async fn find_notification(
        &self,
        team_id: TeamId,
        id: NotificationId,
    ) -> Result<Option<Notification>, AppError> {
        let row: Option<NotificationRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT id, kind, external_user_id, api_request_id, warnings FROM notifications
                 WHERE team_id = $1 AND id = $2",
            )
            .bind(team_id)
            .bind(id)
            .fetch_optional(pool)
            .await
        })?;
        Ok(row.map(Notification::from))
    }

    /// The ids of a notification's messages, oldest first.
    pub async fn list_emails_of_notification(&self, team_id: TeamId, id: NotificationId) -> Result<Vec<i64>, AppError> {
        Ok(read!(self, |pool| {
            sqlx::query_scalar("SELECT id FROM emails WHERE team_id = $1 AND notification_id = $2 ORDER BY id")
                .bind(team_id)
                .bind(id)
                .fetch_all(pool)
                .await
        })?)
    }
}
