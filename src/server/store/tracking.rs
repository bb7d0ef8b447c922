//! What is tracked, and who came by the links of tracked messages. Visits of one message take turns, so that no more of them
//! are kept than there may be, however many come at once.

use chrono::{DateTime, Utc};
use sqlx::types::Json;

use super::audit::{AuditEvent, commit_change};
use super::engine::{Engine, Transaction};
use super::events::{EmailFacts, NewEvent, record_events};
use super::{Store, instant, stored};
use crate::domain::email::Recipient;
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventCause, EventKind};
use crate::domain::ids::{EmailId, TeamId};
use crate::domain::mailbox::mailbox_key;
use crate::domain::suppression::SuppressionReason;
use crate::domain::tracking::Tracking;

/// More recipients than a message has.
const MOST_UNSUBSCRIBED: i64 = 1_000;

/// A message that somebody has a link of.
#[derive(Clone, Debug)]
pub struct TrackedEmail {
    pub team_name: String,
    pub recipients: Vec<Recipient>,
    pub sent_at: Option<DateTime<Utc>>,
}

#[derive(sqlx::FromRow)]
struct TrackedRow {
    team_name: String,
    recipients: Json<Vec<Recipient>>,
    sent_at: Option<i64>,
}

pub(super) const FIND_TRACKED: &str = "SELECT t.name AS team_name, e.recipients, e.sent_at FROM emails e
    JOIN teams t ON t.id = e.team_id AND t.deleted_at IS NULL
    WHERE e.team_id = $1 AND e.id = $2";

/// The events of two kinds that a message has, at most `$5`: whom each is about, and its cause.
pub(super) const FIND_VISITS: &str = "SELECT kind, recipient, detail ->> 'cause' FROM email_events
    WHERE team_id = $1 AND email_id = $2 AND kind IN ($3, $4) ORDER BY at, id LIMIT $5";

fn lock_statement(engine: Engine) -> String {
    format!("SELECT id FROM emails WHERE team_id = $1 AND id = $2{}", engine.for_update())
}

/// A kind of visit: its first one, and those after it.
const fn kinds(kind: EventKind) -> Option<(EventKind, EventKind)> {
    match kind {
        EventKind::Opened | EventKind::ReOpened => Some((EventKind::Opened, EventKind::ReOpened)),
        EventKind::Clicked | EventKind::ReClicked => Some((EventKind::Clicked, EventKind::ReClicked)),
        EventKind::Unsubscribed => Some((EventKind::Unsubscribed, EventKind::Unsubscribed)),
        EventKind::Requested
        | EventKind::Triggered
        | EventKind::Queued
        | EventKind::FailedToQueue
        | EventKind::Processed
        | EventKind::Sent
        | EventKind::Deferred
        | EventKind::FailedToSend
        | EventKind::Delivered
        | EventKind::Bounced
        | EventKind::Dropped
        | EventKind::Canceled
        | EventKind::Failed
        | EventKind::Uncertain
        | EventKind::ReportedAsSpam => None,
    }
}

/// What a message has of the events of a visit's kind.
async fn list_visits(
    tx: &mut Transaction,
    (team_id, email_id): (TeamId, EmailId),
    (first, again): (EventKind, EventKind),
    most: i64,
) -> Result<Vec<(String, Option<String>, Option<String>)>, AppError> {
    tx.query(FIND_VISITS)
        .bind(team_id)
        .bind(email_id)
        .bind(first.as_str())
        .bind(again.as_str())
        .bind(most)
        .fetch_all()
        .await
}

impl Store {
    /// What a team tracks where a template says nothing.
    pub async fn find_tracking(&self, team_id: TeamId) -> Result<Tracking, AppError> {
        let row: Option<(bool, bool)> = self
            .read("SELECT tracks_opens, tracks_clicks FROM teams WHERE id = $1 AND deleted_at IS NULL")
            .bind(team_id)
            .fetch_optional()
            .await?;
        let (tracks_opens, tracks_clicks) = row.unwrap_or_default();
        Ok(Tracking { tracks_opens, tracks_clicks })
    }

    /// Changes what a team tracks; `false` when it is gone.
    pub async fn update_tracking(
        &self,
        team_id: TeamId,
        tracking: Tracking,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let updated = tx
            .query("UPDATE teams SET tracks_opens = $2, tracks_clicks = $3 WHERE id = $1 AND deleted_at IS NULL")
            .bind(team_id)
            .bind(tracking.tracks_opens)
            .bind(tracking.tracks_clicks)
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
    }

    /// The message of a link; `None` once it or its team is gone.
    pub async fn find_tracked(&self, team_id: TeamId, email_id: EmailId) -> Result<Option<TrackedEmail>, AppError> {
        let row: Option<TrackedRow> = self.read(FIND_TRACKED).bind(team_id).bind(email_id).fetch_optional().await?;
        Ok(row.map(|row| TrackedEmail {
            team_name: row.team_name,
            recipients: row.recipients.0,
            sent_at: row.sent_at.map(instant),
        }))
    }

    /// How many visits of this kind a message has, counted up to `most`.
    pub async fn count_visits(
        &self,
        team_id: TeamId,
        email_id: EmailId,
        kind: EventKind,
        most: i64,
    ) -> Result<usize, AppError> {
        let Some((first, again)) = kinds(kind) else { return Ok(0) };
        let visits: Vec<(String, Option<String>, Option<String>)> = self
            .read(FIND_VISITS)
            .bind(team_id)
            .bind(email_id)
            .bind(first.as_str())
            .bind(again.as_str())
            .bind(most)
            .fetch_all()
            .await?;
        Ok(visits.len())
    }

    /// Records an opening or a click, unless the message is gone or has `most` of its kind already; whether it did. A
    /// reader's second one is said to be that.
    pub async fn record_visit(
        &self,
        team_id: TeamId,
        email_id: EmailId,
        visit: &EmailEvent,
        most: i64,
    ) -> Result<bool, AppError> {
        let Some((first, again)) = kinds(visit.kind) else { return Ok(false) };
        let mut tx = self.begin().await?;
        let lock = lock_statement(tx.engine());
        if tx.query(lock).bind(team_id).bind(email_id).fetch_optional_scalar::<EmailId>().await?.is_none() {
            return Ok(false);
        }
        let known = list_visits(&mut tx, (team_id, email_id), (first, again), most).await?;
        if known.len() as i64 >= most {
            return Ok(false);
        }
        let is_machine = |cause: &Option<String>| cause.as_deref() == Some(EventCause::Machine.as_str());
        let is_by_machine = visit.detail.cause == Some(EventCause::Machine);
        let by_reader = known.iter().filter(|(_, whom, cause)| *whom == visit.recipient && !is_machine(cause));
        let kind = if !is_by_machine && by_reader.count() > 0 { again } else { first };
        let event = EmailEvent { kind, ..visit.clone() };
        record_events(&mut tx, team_id, email_id, &[NewEvent::from(event)], &EmailFacts::default()).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Records that the recipient whom the event names unsubscribed, and so keeps them from being written to; `false`, and
    /// nothing recorded, where the message is gone, or where they had done so and nobody lets them be written to again.
    pub async fn record_unsubscribe(
        &self,
        team_id: TeamId,
        email_id: EmailId,
        event: &EmailEvent,
    ) -> Result<bool, AppError> {
        let Some(address) = event.recipient.as_deref() else { return Ok(false) };
        let mut tx = self.begin().await?;
        let lock = lock_statement(tx.engine());
        if tx.query(lock).bind(team_id).bind(email_id).fetch_optional_scalar::<EmailId>().await?.is_none() {
            return Ok(false);
        }
        let reason: Option<String> = tx
            .query("SELECT reason FROM suppressions WHERE team_id = $1 AND address_key = $2")
            .bind(team_id)
            .bind(mailbox_key(address))
            .fetch_optional_scalar()
            .await?;
        let reason: Option<SuppressionReason> =
            reason.map(|reason| stored("suppressions.reason", reason.parse())).transpose()?;
        let only = (EventKind::Unsubscribed, EventKind::Unsubscribed);
        let known = list_visits(&mut tx, (team_id, email_id), only, MOST_UNSUBSCRIBED).await?;
        let has_said_so = known.iter().any(|(_, whom, _)| whom.as_deref() == Some(address));
        if reason == Some(SuppressionReason::Unsubscribed) || reason.is_some() && has_said_so {
            return Ok(false);
        }
        record_events(&mut tx, team_id, email_id, &[NewEvent::from(event.clone())], &EmailFacts::default()).await?;
        tx.commit().await?;
        Ok(true)
    }
}
