//! Sends the messages of resend jobs again, at each job's pace, beside any number of other programs. Started by `serve` with
//! the worker. What it was doing when it was killed another one goes on with when the lease ends.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::summary;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::resend::{Knowing, ResendRule};
use crate::domain::resend_job::ResendJobState;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::services::{audit, send};
use crate::server::store::resends::{DueResend, ResendTurn, StoredResend};

/// How long a lease lasts when nobody renews it; each message renews it.
const LEASE: TimeDelta = TimeDelta::seconds(5);

/// How long a job is worked at before others have their turn.
const HOLD: TimeDelta = TimeDelta::milliseconds(500);

/// How far behind its pace a job may be and catch up: what was missed before is not.
const CATCHES_UP: TimeDelta = TimeDelta::seconds(1);

/// How long a job rests after the database was busy.
const STEP_BACK: TimeDelta = TimeDelta::seconds(3);

/// How often to look for jobs, and the shortest pause between two looks.
const POLL: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// How many jobs are looked at at a time, and how many messages of one are read at a time.
const JOBS: i64 = 100;
const ITEMS: i64 = 100;

/// Works at the jobs of all teams until `shutdown` holds `true` or its sender is gone.
pub async fn run(app: App, mut shutdown: watch::Receiver<bool>) {
    while !*shutdown.borrow() {
        let pause = match work(&app).await {
            Ok(Some(next)) => {
                let wait = (next - app.clock.now()).to_std().unwrap_or_default();
                wait.clamp(SHORTEST_PAUSE, POLL)
            }
            Ok(None) => POLL,
            Err(cause) => {
                warn!(%cause, "could not look for bulk resends");
                POLL
            }
        };
        tokio::select! {
            changed = shutdown.changed() => if changed.is_err() { break },
            () = sleep(pause) => {}
        }
    }
}

/// Sends what the jobs may send now; when the next message may go, as far as that is known.
pub async fn work(app: &App) -> Result<Option<DateTime<Utc>>, AppError> {
    let mut next: Option<DateTime<Utc>> = None;
    for due in app.store.list_running_resends(JOBS).await? {
        let at = if due.run_at() > app.clock.now() {
            Some(due.run_at())
        } else {
            work_at(app, &due).await.unwrap_or_else(|cause| {
                warn!(team.id = %due.team_id, resend.id = %due.id, %cause, "could not go on with a bulk resend");
                Some(app.clock.now() + STEP_BACK)
            })
        };
        next = next.into_iter().chain(at).min();
    }
    Ok(next)
}

/// How the turn of a message ended.
enum Turn {
    /// It has its copy, or words why there is none.
    Taken,
    /// The job is somebody else's now, or does not run.
    Lost,
    /// The database was busy.
    Later,
}

/// Works at one job; when its next message may go.
async fn work_at(app: &App, due: &DueResend) -> Result<Option<DateTime<Utc>>, AppError> {
    let (team, id, lease_id) = (due.team_id, due.id, app.clock.mint::<EmailId>().0);
    let began = app.clock.now();
    if !app.store.lease_resend(team, id, lease_id, began, began + LEASE).await? {
        return Ok(None);
    }
    let Some(stored) = app.store.find_resend_job(team, id).await? else { return Ok(None) };
    let per_minute = i32::try_from(stored.job.per_minute.max(1)).unwrap_or(i32::MAX);
    let spacing = TimeDelta::minutes(1) / per_minute;
    let mut next = due.run_at().max(began - CATCHES_UP);
    loop {
        let items = app.store.list_waiting_items(team, id, ITEMS).await?;
        if items.is_empty() {
            finish(app, due, lease_id).await?;
            return Ok(None);
        }
        for (email_id, known) in items {
            let now = app.clock.now();
            if next > now || now - began > HOLD {
                app.store.release_resend(team, id, lease_id, next).await?;
                return Ok(Some(next));
            }
            let viewer = match maker(app, due, &stored).await? {
                Ok(viewer) => viewer,
                Err(why) => {
                    stop(app, due, &stored, &why).await?;
                    return Ok(None);
                }
            };
            let turn = ResendTurn { job_id: id, email_id, lease_id, until: now + LEASE };
            match take_turn(app, &viewer, turn, known).await {
                Turn::Taken => next += spacing,
                Turn::Lost => return Ok(None),
                Turn::Later => {
                    let again = app.clock.now() + STEP_BACK;
                    app.store.release_resend(team, id, lease_id, again).await?;
                    return Ok(Some(again));
                }
            }
        }
    }
}

/// Sends one message again.
async fn take_turn(app: &App, viewer: &Viewer, turn: ResendTurn, known: Option<EmailId>) -> Turn {
    let refused = match send_again(app, viewer, turn, known).await {
        Ok(()) => return Turn::Taken,
        Err(AppError::Unavailable | AppError::TooSlow) => return Turn::Later,
        Err(error) => match error {
            AppError::Internal => "The copy could not be made; the server's log says why".to_owned(),
            error => error.to_string(),
        },
    };
    // Where the lease was lost, that is what was refused, and nothing is noted.
    match app.store.refuse_resend_item(viewer.team, &turn, &refused).await {
        Ok(true) => Turn::Taken,
        Ok(false) => Turn::Lost,
        Err(_) => Turn::Later,
    }
}

async fn send_again(app: &App, viewer: &Viewer, turn: ResendTurn, known: Option<EmailId>) -> Result<(), AppError> {
    let email = app.store.find_email(viewer.team, turn.email_id).await?;
    let email = email.ok_or_else(|| AppError::Conflict("The message is not kept any more".to_owned()))?;
    // One that went out was chosen as such; one that went out meanwhile is left alone.
    let rule = if known == Some(email.id) { viewer.resend_rule() } else { ResendRule::Failed };
    if let Some(obstacle) = email.resend_obstacle(rule) {
        return Err(AppError::invalid(obstacle));
    }
    let must_have_failed = rule != ResendRule::Any;
    let copy = send::prepare_copy(app, viewer, &email, Knowing::Of(known), must_have_failed, false).await?;
    send::accept_copy_of_item(app, viewer, copy, turn).await
}

/// Who made the job, with what they may do at this moment; or why the job cannot go on in their name.
async fn maker(app: &App, due: &DueResend, stored: &StoredResend) -> Result<Result<Viewer, String>, AppError> {
    let name = &stored.job.made_by;
    let viewer = match (stored.user_id, stored.api_key_id) {
        (Some(user), _) => app.store.find_viewer(due.team_id, user).await?,
        (None, Some(key)) => app.store.find_key_viewer(due.team_id, key, app.clock.now()).await?,
        (None, None) => None,
    };
    let Some(viewer) = viewer else {
        let why = match stored.user_id {
            Some(_) => format!("{name}, who started it, is not a member of the team any more"),
            None => format!("The API key {name}, which started it, does not count any more"),
        };
        return Ok(Err(why));
    };
    let may = viewer.require(Permission::LogsView).and_then(|()| viewer.require(Permission::LogsResend));
    Ok(may.map(|()| viewer).map_err(|_| format!("{name}, who started it, may not resend any more")))
}

async fn stop(app: &App, due: &DueResend, stored: &StoredResend, why: &str) -> Result<(), AppError> {
    let now = app.clock.now();
    let line = audit::by_nobody(app, "Sendlog", AuditAction::ResendStopped, &Default::default());
    let line = line.about(due.id, stored.job.name.clone()).because(why);
    let change = (&[ResendJobState::Running][..], ResendJobState::Stopped);
    app.store.change_resend_job(due.team_id, due.id, change, Some(why), now, &line).await?;
    info!(team.id = %due.team_id, resend.id = %due.id, "stopped a bulk resend: its maker may not do it any more");
    Ok(())
}

async fn finish(app: &App, due: &DueResend, lease_id: i64) -> Result<(), AppError> {
    let Some(stored) = app.store.find_resend_job(due.team_id, due.id).await? else { return Ok(()) };
    let now = app.clock.now();
    let line = audit::by_nobody(app, "Sendlog", AuditAction::ResendFinished, &Default::default());
    let line = line.about(due.id, stored.job.name.clone()).made(summary(&stored.job, now));
    if app.store.finish_resend(due.team_id, due.id, lease_id, now, &line).await? {
        info!(team.id = %due.team_id, resend.id = %due.id, resent = stored.job.counts.resent, "finished a bulk resend");
    }
    Ok(())
}
