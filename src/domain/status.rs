//! What became of a message.

use serde::{Deserialize, Serialize};

/// What became of a message. Derived from its events by rank ([super::event::EventKind::rank]), never by arrival.
/// Source: Canary, Email Logs API, "Email Statuses".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum EmailStatus {
    /// Waits to be sent, for the first time or after a temporary failure.
    Queued,
    /// The mail server took it.
    Sent,
    /// It reached the recipient's mailbox.
    Delivered,
    /// The recipient opened it.
    Opened,
    /// The recipient followed a link in it.
    Clicked,
    /// A mail server refused a recipient for good.
    Bounced,
    /// It could not be sent.
    Failed,
    /// The recipient marked it as spam.
    Spam,
}

impl EmailStatus {
    /// Every status; the position is its code in the database.
    pub const ALL: [EmailStatus; 8] = [
        Self::Queued,
        Self::Sent,
        Self::Delivered,
        Self::Opened,
        Self::Clicked,
        Self::Bounced,
        Self::Failed,
        Self::Spam,
    ];

    /// Its name in JSON, in addresses and in style sheets.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Opened => "opened",
            Self::Clicked => "clicked",
            Self::Bounced => "bounced",
            Self::Failed => "failed",
            Self::Spam => "spam",
        }
    }

    /// Its name on a page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::Sent => "Sent",
            Self::Delivered => "Delivered",
            Self::Opened => "Opened",
            Self::Clicked => "Clicked",
            Self::Bounced => "Bounced",
            Self::Failed => "Failed",
            Self::Spam => "Spam",
        }
    }

    /// Its code in the database.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The status with this database code.
    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index).copied())
    }

    /// Whether a message in this status can be sent again.
    pub const fn can_be_resent(self) -> bool {
        match self {
            Self::Failed | Self::Bounced => true,
            Self::Queued | Self::Sent | Self::Delivered | Self::Opened | Self::Clicked | Self::Spam => false,
        }
    }
}

/// A name that is no status's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown status: use queued, sent, delivered, opened, clicked, bounced, failed or spam")]
pub struct UnknownStatus;

impl std::str::FromStr for EmailStatus {
    type Err = UnknownStatus;

    fn from_str(name: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == name).ok_or(UnknownStatus)
    }
}
