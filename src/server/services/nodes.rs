//! What the nodes on one PostgreSQL tell each other: that a message waits to be sent, and how much is asked of each for busy
//! keys. Without it a worker elsewhere finds a message when it looks next, and each node allows a key its whole limit. Run by
//! `sendlog serve`; on SQLite there is one node.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{interval, sleep};
use tracing::debug;

use crate::domain::error::AppError;
use crate::domain::ids::ApiKeyId;
use crate::server::App;
use crate::server::bounds::WINDOW;
use crate::server::config::Half;

/// The least time between two tellings that a message waits: one tells of all that were accepted meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// How long after a connection was lost another one is tried.
const RETRY: Duration = Duration::from_secs(2);

/// What a node says.
#[derive(Debug, Serialize, Deserialize)]
struct Said {
    /// The node's number.
    node: u64,
    /// That a message waits to be sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    outbox: bool,
    /// How many requests a second are made of it by each busy key.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    demand: Vec<(i64, u32)>,
}

/// Tells other nodes and hears them, until `shutdown` holds `true`. Where the database is away, it is tried again.
pub async fn run(app: App, mut shutdown: watch::Receiver<bool>) {
    let node: u64 = rand::random();
    loop {
        let talked = tokio::select! {
            talked = talk(&app, node) => talked,
            _ = shutdown.wait_for(|stops| *stops) => return,
        };
        match talked {
            // SQLite's only node has nobody to talk to.
            Ok(()) => return,
            Err(cause) => debug!(%cause, "other nodes are not heard"),
        }
        tokio::select! {
            () = sleep(RETRY) => {}
            _ = shutdown.wait_for(|stops| *stops) => return,
        }
    }
}

async fn talk(app: &App, node: u64) -> Result<(), AppError> {
    let Some(mut news) = app.store.listen().await? else { return Ok(()) };
    let mut seconds = interval(WINDOW);
    loop {
        tokio::select! {
            text = news.next() => hear(app, node, &text?),
            // A node with a worker sends what it accepts.
            () = app.outbox_waker.elsewhere.notified(), if app.config.only == Some(Half::Web) => {
                tell(app, &Said { node, outbox: true, demand: Vec::new() }).await?;
                sleep(PAUSE).await;
            }
            _ = seconds.tick() => {
                let demand = app.rate_limiter.demand(app.config.rate_limit, Instant::now());
                if !demand.is_empty() {
                    let demand = demand.into_iter().map(|(key, count)| (key.0, count)).collect();
                    tell(app, &Said { node, outbox: false, demand }).await?;
                }
            }
        }
    }
}

async fn tell(app: &App, said: &Said) -> Result<(), AppError> {
    let text = serde_json::to_string(said).map_err(|_| AppError::Internal)?;
    app.store.tell(&text).await
}

/// What a node of another version says otherwise is nothing.
fn hear(app: &App, node: u64, text: &str) {
    let Ok(said) = serde_json::from_str::<Said>(text) else { return };
    if said.node == node {
        return;
    }
    if said.outbox {
        app.outbox_waker.here.notify_one();
    }
    let demand: Vec<(ApiKeyId, u32)> = said.demand.into_iter().map(|(key, count)| (ApiKeyId(key), count)).collect();
    app.rate_limiter.hear(said.node, &demand, Instant::now());
}
