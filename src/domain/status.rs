//! What became of a message.

use super::named::named;

named! {
    /// What became of a message. Derived from its events by rank ([super::event::EventKind::rank]), never by arrival.
    /// Source: Canary, Email Logs API, "Email Statuses".
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum EmailStatus, "unknown status: use queued, sent, delivered, opened, clicked, bounced, failed or spam" {
        /// Waits to be sent, for the first time or after a temporary failure.
        Queued = "queued" "Queued",
        /// The mail server took it.
        Sent = "sent" "Sent",
        /// It reached the recipient's mailbox.
        Delivered = "delivered" "Delivered",
        /// The recipient opened it.
        Opened = "opened" "Opened",
        /// The recipient followed a link in it.
        Clicked = "clicked" "Clicked",
        /// A mail server refused a recipient for good.
        Bounced = "bounced" "Bounced",
        /// It could not be sent.
        Failed = "failed" "Failed",
        /// The recipient marked it as spam.
        Spam = "spam" "Spam",
    }
}

impl EmailStatus {
    /// Those that a message has only once somebody reports what became of it: its recipient's server alone takes it or not.
    pub const REPORTED: [Self; 4] = [Self::Delivered, Self::Opened, Self::Clicked, Self::Spam];

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
