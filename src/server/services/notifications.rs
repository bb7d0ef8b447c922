//! Notifications over several channels: accepting one and reading one. Called by the notification page and the
//! NotificationAPI dialect.

use super::emails::with_events;
use crate::domain::error::AppError;
use crate::domain::ids::NotificationId;
use crate::domain::notification::NotificationDetail;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// Finds a notification with its messages. Needs `logs:view`.
pub async fn find_notification(app: &App, viewer: &Viewer, id: NotificationId) -> Result<NotificationDetail, AppError> {
    viewer.require(Permission::LogsView)?;
    let notification = app.store.find_notification(viewer.team, id).await?;
    let notification = notification.ok_or_else(|| AppError::not_found("Notification"))?;
    let ids = app.store.list_emails_of_notification(viewer.team, id).await?;
    let emails = app.store.find_emails(viewer.team, &ids).await?;
    Ok(NotificationDetail { notification, channels: with_events(app, viewer, emails).await? })
}
