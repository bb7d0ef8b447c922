//! Notifications over several channels.

use leptos::prelude::*;

use crate::domain::error::AppError;
use crate::domain::ids::NotificationId;
use crate::domain::notification::NotificationDetail;

/// A notification with its messages and their events. Needs `logs:view`.
#[server]
pub async fn load_notification(id: NotificationId) -> Result<NotificationDetail, AppError> {
    use crate::server::{context, services::notifications};
    notifications::find_notification(&context::app(), &context::viewer().await?, id).await
}
