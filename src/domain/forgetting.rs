//! Forgetting a person: the address goes from everything that a team has, but from counts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::ForgettingId;
use super::named::named;

named! {
    /// How far a forgetting is.
    pub enum ForgettingState, "unknown state" {
        Running = "running" "Running",
        Done = "done" "Done",
    }
}

/// A forgetting, as it is shown: nothing in it tells who it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Forgetting {
    pub id: ForgettingId,
    /// What stands where the address stood.
    pub placeholder: String,
    pub state: ForgettingState,
    /// Messages to or from the person that were changed.
    pub messages: i64,
    /// Other rows that named the person.
    pub others: i64,
    /// Rows that stay as they are because a hold covers them.
    pub held: i64,
    pub ended_at: Option<DateTime<Utc>>,
}

/// What a team has of a person, before anything is done. Counted among the newest messages alone where there are many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Footprint {
    /// Messages to the address.
    pub messages: i64,
    /// Those of them that still wait to be sent.
    pub waiting: i64,
    /// Those that a hold covers.
    pub held: i64,
    pub events: i64,
    /// API requests that made them.
    pub requests: i64,
    /// What webhooks were told of them.
    pub deliveries: i64,
    pub is_suppressed: bool,
    /// Whether it was forgotten before and is not written to.
    pub is_unwritten: bool,
    pub is_member: bool,
    pub is_invited: bool,
    /// Whether there are more messages than were looked at.
    pub is_cut: bool,
}
