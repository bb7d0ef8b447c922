//! Events as they are read, in the order of their times. Called by [super::events] and [super::failures].

use std::collections::HashMap;

use sqlx::types::Json;

use super::engine::{Engine, Sql};
use super::{instant, stored};
use crate::domain::error::AppError;
use crate::domain::event::{EmailEvent, EventDetail};
use crate::domain::ids::{EmailId, EventId, TeamId};

#[derive(sqlx::FromRow)]
pub(super) struct EventRow {
    provider_event_id: Option<String>,
    id: EventId,
    kind: String,
    at: i64,
    recipient: Option<String>,
    detail: Json<EventDetail>,
}

impl TryFrom<EventRow> for EmailEvent {
    type Error = AppError;

    fn try_from(row: EventRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            kind: stored("email_events.kind", row.kind.parse())?,
            at: instant(row.at),
            recipient: row.recipient,
            detail: row.detail.0,
        })
    }
}

/// An event with the message that it is of.
#[derive(sqlx::FromRow)]
pub(super) struct EventOfRow {
    email_id: EmailId,
    #[sqlx(flatten)]
    event: EventRow,
}

/// The query for the events of messages, of which [by_message] makes each message's.
pub(super) fn events_query(engine: Engine, team_id: TeamId, ids: &[EmailId]) -> Sql {
    let mut sql = Sql::new(
        engine,
        "SELECT email_id, provider_event_id, id, kind, at, recipient, detail FROM email_events WHERE team_id = ",
    );
    sql.push_bind(team_id).push(" AND email_id IN (").push_list(ids).push(") ORDER BY email_id, at, id");
    sql
}

/// Each message's events, by the time they happened.
pub(super) fn by_message(rows: Vec<EventOfRow>) -> Result<HashMap<EmailId, Vec<EmailEvent>>, AppError> {
    let mut rows_of: HashMap<EmailId, Vec<EventRow>> = HashMap::new();
    for row in rows {
        rows_of.entry(row.email_id).or_default().push(row.event);
    }
    let events = |(id, rows)| Ok((id, in_order(rows).into_iter().map(EmailEvent::try_from).collect::<Result<_, _>>()?));
    rows_of.into_iter().map(events).collect()
}

/// Puts the events of a message in the order of their times; those of one instant by the providers' ids for them, so that
/// the order of arrival does not show.
pub(super) fn in_order(mut rows: Vec<EventRow>) -> Vec<EventRow> {
    rows.sort_by(|one, other| {
        (one.at, &one.provider_event_id, one.id).cmp(&(other.at, &other.provider_event_id, other.id))
    });
    rows
}
