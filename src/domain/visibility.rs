//! How much a viewer sees of a message or an API request. [super::masking] decides it and masks the rest.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{TeamId, UserId};

/// How long contents are shown after a reason was given, in minutes.
pub const REVEAL_MINUTES: i64 = 10;

/// What a viewer sees of one message or of one API request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Visibility {
    pub contents: Contents,
    pub masks_addresses: bool,
}

/// What a viewer sees of contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Contents {
    /// Nothing: they lack `logs:reveal`.
    Hidden,
    /// Nothing until they give a reason: the team asks for one.
    Locked,
    /// Everything but the values of variables that a template marks.
    AllButMarked,
    /// Everything: they gave a reason.
    All,
}

/// That somebody gave a reason, and sees the contents of one message or API request for a while. Kept in the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reveal {
    pub team: TeamId,
    pub user: UserId,
    /// The message's or the request's id, with its prefix.
    pub target: String,
    pub until: DateTime<Utc>,
    pub reason: String,
}

impl Visibility {
    /// Whether bodies and variables are shown at all.
    pub const fn shows_contents(self) -> bool {
        match self.contents {
            Contents::Hidden | Contents::Locked => false,
            Contents::AllButMarked | Contents::All => true,
        }
    }
}
