//! Works at the forgettings of all teams, a step at a time, in turns. Started by `serve` with the worker.

use std::time::Duration;

use chrono::TimeDelta;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::{job_context, shown_hash};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{EmailId, EventId};
use crate::domain::person::Person;
use crate::server::App;
use crate::server::services::audit;
use crate::server::store::persons::forget::Forgot;
use crate::server::store::persons::jobs::{ForgettingLease, StoredForgetting};

/// How long a step has, at most; who takes longer was killed.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// How often to look for forgettings, and the pause between two steps, in which others have their turn.
const POLL: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(20);

/// How many forgettings are looked at for one that nobody else works at.
const LOOKED_AT: i64 = 20;

/// Works until `shutdown` holds `true` or its sender is gone.
pub async fn run(app: App, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        let pause = match work(&app).await {
            Ok(true) => PAUSE,
            Ok(false) => POLL,
            Err(cause) => {
                warn!(%cause, "could not go on with forgetting a person");
                POLL
            }
        };
        tokio::select! {
            changed = shutdown.changed() => if changed.is_err() { break },
            () = sleep(pause) => {}
        }
    }
}

/// Takes one step of the forgetting that waits longest; `false` where there is none.
pub async fn work(app: &App) -> Result<bool, AppError> {
    let now = app.clock.now();
    for (team_id, id) in app.store.list_due_forgettings(now, LOOKED_AT).await? {
        let lease = ForgettingLease { team_id, id, lease_id: app.clock.mint::<EmailId>().0 };
        if !app.store.lease_forgetting(lease, now, now + LEASE).await? {
            continue;
        }
        let Some(stored) = app.store.find_forgetting(team_id, id).await? else { continue };
        step(app, lease, &stored).await?;
        return Ok(true);
    }
    Ok(false)
}

async fn step(app: &App, lease: ForgettingLease, stored: &StoredForgetting) -> Result<(), AppError> {
    let opened = app.secret_key.open(&stored.sealed, &job_context(lease.team_id, lease.id))?;
    let person = String::from_utf8(opened).ok().and_then(|key| Person::new(&key)).ok_or(AppError::Internal)?;
    let clock = app.clock.clone();
    let mint = move || clock.mint::<EventId>();
    let forgot = app.store.forget_some(lease, stored, &person, app.clock.now(), &mint).await?;
    if forgot != Forgot::All {
        return Ok(());
    }
    let Some(last) = app.store.find_forgetting(lease.team_id, lease.id).await? else { return Ok(()) };
    let done = last.forgetting;
    let said = json!({
        "person": shown_hash(&stored.address_hash), "messages": done.messages, "others": done.others, "held": done.held,
    });
    let event = audit::by_server(app, AuditAction::PersonForgotten).about(lease.id, "A person").made(said);
    if app.store.end_forgetting(lease, app.clock.now(), &event).await? {
        info!(team.id = %lease.team_id, forgetting.id = %lease.id, done.messages, "forgot a person");
    }
    Ok(())
}
