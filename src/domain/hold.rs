//! Legal holds: what a team keeps, whatever its retention says and whoever asks to delete it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{EmailId, HoldId};
use super::named::named;

/// The most holds of a team that are in force.
pub const MAX_HOLDS: usize = 50;

/// The longest name and reason, in characters.
pub const MAX_HOLD_CHARS: usize = 200;

named! {
    /// What kind of things a hold covers.
    pub enum HoldScope, "unknown scope" {
        Team = "team" "Everything of the team",
        Address = "address" "Messages to one address",
        Range = "range" "What came in a range of days",
        Message = "message" "One message",
    }
}

/// What a hold covers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Held {
    /// Everything.
    Team,
    /// The messages to an address, with what is theirs.
    Address(String),
    /// What was accepted from the first time on and before the second.
    Range(DateTime<Utc>, DateTime<Utc>),
    Message(EmailId),
}

impl Held {
    pub const fn scope(&self) -> HoldScope {
        match self {
            Self::Team => HoldScope::Team,
            Self::Address(_) => HoldScope::Address,
            Self::Range(..) => HoldScope::Range,
            Self::Message(_) => HoldScope::Message,
        }
    }
}

/// A hold; its id tells when it was placed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    pub id: HoldId,
    pub name: String,
    /// Why it was placed.
    pub reason: String,
    pub held: Held,
    /// Who placed it, by the name of that time.
    pub placed_by: String,
    /// When it ended, and by whom; `None` while it is in force.
    pub lifted: Option<(DateTime<Utc>, String)>,
}
