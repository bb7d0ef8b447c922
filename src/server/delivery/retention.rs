//! Deletes what teams no longer want to keep, what deleted teams had, and what has expired, and brings the index of search,
//! the reasons of failures and the bodies of messages up to date after an update: in small steps with a pause between them, so that sending and
//! reading go on. Called by [super::worker]; several at once do no harm, and what one leaves the next one finds.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::info;

use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, TeamId, lowest_id_at};
use crate::domain::retention::Retention;
use crate::domain::webhook::KEPT_DAYS;
use crate::server::store::Store;
use crate::server::telemetry::metrics;

/// The pause between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// Deletes what every team keeps no longer at `now`, what deleted teams have left, and what has expired. Ends early when
/// `shutdown` holds `true`. What goes wrong with one team stops no other; the first error is given at the end.
pub async fn delete_what_is_over(
    store: &Store,
    now: DateTime<Utc>,
    shutdown: &watch::Receiver<bool>,
) -> Result<(), AppError> {
    let steps = Steps { store, shutdown };
    // Beside each other: a big team that goes does not keep what others are waiting for.
    let (expired, old, teams, index, failures, bodies) = tokio::join!(
        steps.delete_expired(now),
        steps.delete_old(now),
        steps.delete_teams(),
        steps.index_again(),
        steps.diagnose_again(),
        steps.pack_bodies()
    );
    let deliveries = steps.delete_deliveries(now).await;
    let room = steps.give_room_back().await;
    expired.and(room).and(deliveries).and(old).and(teams).and(index).and(failures).and(bodies)
}

struct Steps<'a> {
    store: &'a Store,
    shutdown: &'a watch::Receiver<bool>,
}

impl Steps<'_> {
    async fn delete_expired(&self, now: DateTime<Utc>) -> Result<(), AppError> {
        let store = self.store;
        while store.delete_expired_sessions(now).await? && self.goes_on_after("sessions").await {}
        while store.delete_expired_idempotency_keys(now).await? && self.goes_on_after("idempotency_keys").await {}
        while store.delete_expired_attempts(now).await? && self.goes_on_after("log_in_attempts").await {}
        while store.delete_expired_nonces(now).await? && self.goes_on_after("nonces").await {}
        while store.delete_expired_drafts(now).await? && self.goes_on_after("drafts").await {}
        Ok(())
    }

    /// Deletes what webhooks were told long ago, and webhooks that were removed.
    async fn delete_deliveries(&self, now: DateTime<Utc>) -> Result<(), AppError> {
        let old = lowest_id_at(now - TimeDelta::days(KEPT_DAYS));
        for (team, webhook, is_removed) in self.store.list_webhooks_to_clean().await? {
            let below = if is_removed { i64::MAX } else { old };
            while self.store.delete_some_deliveries(team, webhook, below).await?
                && self.goes_on_after("webhook_deliveries").await
            {}
        }
        Ok(())
    }

    /// Brings what search finds messages by up to date.
    async fn index_again(&self) -> Result<(), AppError> {
        while self.store.index_some_missing().await?.is_some() && self.goes_on().await {}
        while self.store.index_some_again().await? && self.goes_on().await {}
        Ok(())
    }

    /// Gives back what the file does not need any more.
    async fn give_room_back(&self) -> Result<(), AppError> {
        while self.store.give_room_back().await? && self.goes_on().await {}
        Ok(())
    }

    /// Compresses the bodies that were kept before bodies were compressed.
    async fn pack_bodies(&self) -> Result<(), AppError> {
        while self.store.pack_some_bodies().await? && self.goes_on().await {}
        Ok(())
    }

    /// Brings what is kept of failures up to date with the rules of this version.
    async fn diagnose_again(&self) -> Result<(), AppError> {
        while self.store.diagnose_some_again().await? && self.goes_on().await {}
        Ok(())
    }

    async fn delete_teams(&self) -> Result<(), AppError> {
        let mut outcome = Ok(());
        for team in self.store.list_deleted_teams().await? {
            outcome = outcome.and(self.delete_team(team).await);
        }
        outcome
    }

    async fn delete_team(&self, team: TeamId) -> Result<(), AppError> {
        while self.store.delete_some_of_team(team).await? {
            if !self.goes_on_after("teams").await {
                return Ok(());
            }
        }
        info!(team.id = %team, "deleted what the team had");
        Ok(())
    }

    async fn delete_old(&self, now: DateTime<Utc>) -> Result<(), AppError> {
        let mut outcome = Ok(());
        for (team, retention) in self.store.list_retentions().await? {
            outcome = outcome.and(self.delete_old_of_team(team, retention, now).await);
        }
        outcome
    }

    async fn delete_old_of_team(&self, team: TeamId, retention: Retention, now: DateTime<Utc>) -> Result<(), AppError> {
        let store = self.store;
        let before = |days: Option<i64>| Some(lowest_id_at(now.checked_sub_signed(TimeDelta::days(days?))?));
        let messages = before(retention.messages_days);
        // What a message has goes before it, so that no step takes more than it counts.
        if let Some(below) = before(retention.events_days).max(messages).map(EmailId) {
            while store.delete_old_events(team, below).await? && self.goes_on_after("events").await {}
        }
        if let Some(below) = before(retention.bodies_days).max(messages).map(EmailId) {
            while store.delete_old_bodies(team, below).await? && self.goes_on_after("bodies").await {}
        }
        if let Some(below) = messages.map(EmailId) {
            while store.delete_old_emails(team, below).await? && self.goes_on_after("messages").await {}
            while store.delete_old_notifications(team, below).await? && self.goes_on_after("notifications").await {}
            while store.delete_old_resends(team, below.0).await? && self.goes_on_after("resends").await {}
        }
        if let Some(below) = before(retention.requests_days) {
            while store.delete_old_requests(team, below).await? && self.goes_on_after("api_requests").await {}
        }
        if let Some(below) = before(retention.audit_days) {
            while store.delete_old_audit_lines(team, below).await? && self.goes_on_after("audit_lines").await {}
        }
        Ok(())
    }

    /// Counts a step that deleted some of `what`; then like [Self::goes_on].
    async fn goes_on_after(&self, what: &'static str) -> bool {
        metrics::count_deletion(what);
        self.goes_on().await
    }

    /// Lets others have their turn; whether to go on.
    async fn goes_on(&self) -> bool {
        sleep(PAUSE).await;
        !*self.shutdown.borrow()
    }
}
