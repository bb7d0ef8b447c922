//! The numbers that are looked up when Prometheus asks, and everything that it is told. Called by the routes of
//! [crate::server::web]; several that ask at once cause one look.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::debug;

use super::backups;
use crate::domain::adapter::AdapterKind;
use crate::domain::error::AppError;
use crate::domain::provider_webhook::WebhookProvider;
use crate::server::App;
use crate::server::telemetry::metrics;

/// How long what was looked up is told again without a look.
const FRESH: Duration = Duration::from_secs(5);

/// How long a look may take: who asks waits 10 seconds, and is to hear that the database is what hangs.
const PATIENCE: Duration = Duration::from_secs(3);

/// The sources of events beside the providers: mail that came back, and programs.
pub const OTHER_SOURCES: [&str; 2] = ["bounces", "api"];

/// Begins to count.
pub fn install() {
    let kinds: Vec<&'static str> = AdapterKind::ALL.iter().map(|kind| kind.as_str()).chain(["none"]).collect();
    let providers = WebhookProvider::ALL.iter().map(|provider| provider.as_str());
    let sources: Vec<&'static str> = providers.chain(OTHER_SOURCES).collect();
    metrics::install(&kinds, &sources);
}

/// Everything in Prometheus' text format, the database looked at within the last seconds.
pub async fn exposition(app: &App) -> String {
    let mut looked_at = app.looked_at.lock().await;
    if looked_at.is_none_or(|at| at.elapsed() >= FRESH) {
        let looked = timeout(PATIENCE, look(app)).await.unwrap_or(Err(AppError::TooSlow));
        if let Err(cause) = &looked {
            debug!(%cause, "the database did not answer for its numbers");
        }
        metrics::set("sendlog_database_up", f64::from(u8::from(looked.is_ok())));
        *looked_at = Some(Instant::now());
    }
    drop(looked_at);
    for pool in app.store.connections() {
        metrics::set_connections(pool.pool, pool.used as f64, pool.idle as f64);
    }
    if let Some(folder) = app.config.backups.backup_folder.clone() {
        // The folder may be another machine's, which takes its time.
        let made_at = timeout(PATIENCE, spawn_blocking(move || backups::last_made(&folder))).await;
        if let Ok(Ok(Some(made_at))) = made_at {
            metrics::set("sendlog_last_backup_timestamp_seconds", made_at.timestamp() as f64);
        }
    }
    metrics::exposition()
}

async fn look(app: &App) -> Result<(), AppError> {
    let now = app.clock.now();
    let age = |due: Option<DateTime<Utc>>| due.map_or(0.0, |due| (now - due).as_seconds_f64().max(0.0));
    let backlog = app.store.find_backlog().await?;
    metrics::set("sendlog_outbox_messages", backlog.messages as f64);
    metrics::set("sendlog_outbox_oldest_due_seconds", age(backlog.first_message_at));
    metrics::set("sendlog_webhook_deliveries_pending", backlog.deliveries as f64);
    metrics::set("sendlog_webhook_oldest_due_seconds", age(backlog.first_delivery_at));
    metrics::set("sendlog_database_size_bytes", app.store.database_bytes().await? as f64);
    let (version, _) = app.store.migration_versions().await?;
    metrics::set("sendlog_database_migration_version", version as f64);
    Ok(())
}
