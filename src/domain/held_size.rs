//! How much a team has, and what it takes on the disk: estimates from counts that are kept and from samples.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::named::named;

named! {
    /// A kind of thing that is kept.
    pub enum KeptKind, "unknown kind" {
        Messages = "messages" "Messages",
        Contents = "contents" "Bodies, variables and exchanges",
        Attachments = "attachments" "Attachments and mails as they came",
        Events = "events" "Events",
        Requests = "requests" "API requests",
        Deliveries = "deliveries" "Webhook deliveries",
    }
}

/// How much there is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptSize {
    pub kind: KeptKind,
    pub rows: i64,
    /// Without indexes.
    pub bytes: i64,
    /// Whether `rows` is an estimate. `bytes` always is.
    pub is_about: bool,
    pub oldest: Option<DateTime<Utc>>,
    /// For how many days it is kept; `None` for ever.
    pub kept_days: Option<i64>,
    /// How many rows are older, and go with the next run; about.
    pub overdue: i64,
}

/// Everything that a team has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeptSizes {
    pub kinds: Vec<KeptSize>,
    /// The whole database, of all teams, with indexes and free room.
    pub database_bytes: i64,
    /// The disk that it is on, and what of it is free; `None` where it is on another machine.
    pub disk: Option<(i64, i64)>,
    /// The messages of the last 30 days, and about what they take.
    pub month_messages: i64,
    pub month_bytes: i64,
}

impl KeptSizes {
    /// What all kinds take together, about.
    pub fn bytes(&self) -> i64 {
        self.kinds.iter().map(|kind| kind.bytes).sum()
    }
}
