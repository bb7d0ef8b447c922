//! Deletes what teams no longer want to keep, in small steps with a pause between them, so that sending and reading go
//! on. Called by [super::worker]; several at once do no harm.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId, lowest_id_at};
use crate::domain::retention::Retention;
use crate::server::store::Store;

/// The pause between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// Deletes what every team keeps no longer at `now`. Ends early when `shutdown` holds `true`.
pub async fn delete_what_is_over(
    store: &Store,
    now: DateTime<Utc>,
    shutdown: &watch::Receiver<bool>,
) -> Result<(), AppError> {
    for (team, retention) in store.list_retentions().await? {
        let step = Steps { store, team, shutdown };
        step.delete(retention, now).await?;
    }
    Ok(())
}

struct Steps<'a> {
    store: &'a Store,
    team: TeamId,
    shutdown: &'a watch::Receiver<bool>,
}

impl Steps<'_> {
    async fn delete(&self, retention: Retention, now: DateTime<Utc>) -> Result<(), AppError> {
        let (store, team) = (self.store, self.team);
        let before = |days: Option<i64>| Some(lowest_id_at(now.checked_sub_signed(TimeDelta::days(days?))?));
        if let Some(below) = before(retention.messages_days).map(EmailId) {
            while store.delete_old_emails(team, below).await? && self.goes_on().await {}
            while store.delete_old_notifications(team, below).await? && self.goes_on().await {}
        }
        if let Some(below) = before(retention.events_days).map(EmailId) {
            while store.delete_old_events(team, below).await? && self.goes_on().await {}
        }
        if let Some(below) = before(retention.bodies_days).map(EmailId) {
            while store.delete_old_bodies(team, below).await? && self.goes_on().await {}
        }
        if let Some(below) = before(retention.requests_days) {
            while store.delete_old_requests(team, below).await? && self.goes_on().await {}
        }
        if let Some(below) = before(retention.audit_days) {
            while store.delete_old_audit_lines(team, below).await? && self.goes_on().await {}
        }
        Ok(())
    }

    /// Lets others have their turn; whether to go on.
    async fn goes_on(&self) -> bool {
        sleep(PAUSE).await;
        !*self.shutdown.borrow()
    }
}
