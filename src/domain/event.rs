//! Facts about a message, and the one ladder that turns them into its status.
//! Source of the kinds: Sendwithus, Logs API, "Possible log.status values"; `failed`, `canceled` and
//! `uncertain` are ours. The causes are NotificationAPI's sub-events and JetEmail's kinds of bounce.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::EventId;
use super::status::EmailStatus;

mod fold;

pub use fold::{Entry, Fold, MAX_ENTRY_RECIPIENTS, Mark, Told, mark_of};

macro_rules! event_kinds {
    ($($variant:ident, $name:literal, $label:literal, $doc:literal;)+) => {
        /// What happened.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum EventKind {
            $(#[doc = $doc] #[serde(rename = $name)] $variant,)+
        }

        impl EventKind {
            pub const ALL: &[EventKind] = &[$(EventKind::$variant,)+];

            /// Its name in the database and in JSON.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Its name on a page.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }

        impl std::str::FromStr for EventKind {
            type Err = UnknownEventKind;

            fn from_str(name: &str) -> Result<Self, UnknownEventKind> {
                match name {
                    $($name => Ok(Self::$variant),)+
                    _ => Err(UnknownEventKind),
                }
            }
        }
    };
}

event_kinds! {
    Requested, "requested", "Requested", "The API request was received";
    Triggered, "triggered", "Triggered", "An internal event asked for the message";
    Queued, "queued", "Queued", "It waits to be sent";
    FailedToQueue, "failed_to_queue", "Queueing delayed", "An internal error delayed it";
    Processed, "processed", "Processed", "The provider acknowledged the request";
    Sent, "sent", "Sent", "The mail server or provider took it";
    Deferred, "deferred", "Deferred", "The mail server asked to try again later";
    FailedToSend, "failed_to_send", "Attempt failed", "The attempt failed; another one follows";
    Delivered, "delivered", "Delivered", "It reached the mailbox";
    Opened, "opened", "Opened", "The recipient opened it";
    ReOpened, "re_opened", "Opened again", "The recipient opened it again";
    Clicked, "clicked", "Clicked", "The recipient followed a link";
    ReClicked, "re_clicked", "Clicked again", "The recipient followed a link again";
    Bounced, "bounced", "Bounced", "A mail server refused the recipient for good";
    Dropped, "dropped", "Dropped", "The provider refused to deliver it";
    Canceled, "canceled", "Canceled", "It was taken back before it was sent";
    Failed, "failed", "Failed", "It could not be sent and is not tried again";
    Uncertain, "uncertain", "Outcome unknown", "The server stopped during the attempt; it is not tried again by itself";
    ReportedAsSpam, "reported_as_spam", "Marked as spam", "The recipient marked it as spam";
    Unsubscribed, "unsubscribed", "Unsubscribed", "The recipient unsubscribed";
}

/// A name that is no event's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown event kind")]
pub struct UnknownEventKind;

/// How strongly an event speaks for a status, and for which. The strongest event of a message decides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StatusRank(pub i16);

impl StatusRank {
    /// The status that a message has whose strongest event has this rank.
    pub fn status(self) -> EmailStatus {
        match self.0 {
            ..10 => EmailStatus::Queued,
            10..20 => EmailStatus::Sent,
            20..30 => EmailStatus::Failed,
            30..40 => EmailStatus::Delivered,
            40..50 => EmailStatus::Opened,
            50..60 => EmailStatus::Clicked,
            60..70 => EmailStatus::Failed,
            70..80 => EmailStatus::Bounced,
            80.. => EmailStatus::Spam,
        }
    }
}

impl EventKind {
    /// The event's place on the status ladder. `Uncertain` stands below `Delivered`: a later word of the provider
    /// settles it. `Failed` and `Dropped` stand above: a late `delivered` does not undo them.
    pub const fn rank(self) -> StatusRank {
        StatusRank(match self {
            Self::Requested
            | Self::Triggered
            | Self::Queued
            | Self::FailedToQueue
            | Self::Deferred
            | Self::FailedToSend
            | Self::Unsubscribed => 0,
            Self::Processed | Self::Sent => 10,
            Self::Uncertain => 20,
            Self::Delivered => 30,
            Self::Opened | Self::ReOpened => 40,
            Self::Clicked | Self::ReClicked => 50,
            Self::Dropped | Self::Canceled | Self::Failed => 60,
            Self::Bounced => 70,
            Self::ReportedAsSpam => 80,
        })
    }

    /// Whether somebody else can report it: a provider, a script. The others are Sendlog's own words about the messages
    /// that it sends itself.
    pub const fn can_be_reported(self) -> bool {
        match self {
            Self::Requested
            | Self::Triggered
            | Self::Queued
            | Self::FailedToQueue
            | Self::Processed
            | Self::Sent
            | Self::Deferred
            | Self::FailedToSend
            | Self::Delivered
            | Self::Opened
            | Self::ReOpened
            | Self::Clicked
            | Self::ReClicked
            | Self::Bounced
            | Self::Dropped
            | Self::Failed
            | Self::ReportedAsSpam
            | Self::Unsubscribed => true,
            Self::Canceled | Self::Uncertain => false,
        }
    }

    /// Whether it ends a message badly, so that it tells why the message did not arrive.
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Bounced | Self::Dropped | Self::Canceled | Self::Failed | Self::Uncertain => true,
            Self::Requested
            | Self::Triggered
            | Self::Queued
            | Self::FailedToQueue
            | Self::Processed
            | Self::Sent
            | Self::Deferred
            | Self::FailedToSend
            | Self::Delivered
            | Self::Opened
            | Self::ReOpened
            | Self::Clicked
            | Self::ReClicked
            | Self::ReportedAsSpam
            | Self::Unsubscribed => false,
        }
    }

    /// The status whose colour and icon the event is shown with.
    pub const fn tone(self) -> EmailStatus {
        match self {
            Self::Requested
            | Self::Triggered
            | Self::Queued
            | Self::FailedToQueue
            | Self::Deferred
            | Self::FailedToSend => EmailStatus::Queued,
            Self::Processed | Self::Sent => EmailStatus::Sent,
            Self::Delivered => EmailStatus::Delivered,
            Self::Opened | Self::ReOpened => EmailStatus::Opened,
            Self::Clicked | Self::ReClicked => EmailStatus::Clicked,
            Self::Bounced => EmailStatus::Bounced,
            Self::Dropped | Self::Canceled | Self::Failed | Self::Uncertain => EmailStatus::Failed,
            Self::ReportedAsSpam | Self::Unsubscribed => EmailStatus::Spam,
        }
    }
}

/// One fact about a message. Events are only ever added.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailEvent {
    pub id: EventId,
    pub kind: EventKind,
    /// When it happened, by the clock of whoever observed it.
    pub at: DateTime<Utc>,
    /// Whom it is about, where a message has several recipients.
    pub recipient: Option<String>,
    pub detail: EventDetail,
}

/// What is known about an event beside its kind and time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventDetail {
    /// A sentence for the timeline: "Try 1 of 8; the next one in 6 minutes".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The mail server's answer: "451 4.7.1 Greylisted, try again later".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// Where the reader is, roughly: "Brisbane, QLD, AU".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// Which of several things an event of this kind can mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<EventCause>,
    /// The host that the message was handed to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_ip: Option<String>,
    /// The mail exchanger that answered, where a provider names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mx: Option<String>,
    /// How it was handed over: `smtp`, `http` or `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// What an event means more exactly than its kind says. Sources: NotificationAPI, Logs, "Tracked Events"; JetEmail,
/// outbound logs, `action`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventCause {
    /// A bounce: the address will never work.
    Hard,
    /// A bounce: the address may work another day.
    Soft,
    /// A drop: the content carries a virus.
    Virus,
    /// A drop: something that was meant to be, such as the recipient's preferences.
    Expected,
    /// A failed text message: the telephone did not get it.
    Undelivered,
    /// A failed text message: the telecom service had a fault.
    Infrastructure,
    /// A delivered call: somebody answered.
    Completed,
    /// A delivered call: the line was busy.
    Busy,
    /// A delivered call: nobody answered.
    NoAnswer,
    /// A failed call: the number cannot be reached.
    CannotReach,
}

impl EventCause {
    pub const ALL: [EventCause; 10] = [
        Self::Hard,
        Self::Soft,
        Self::Virus,
        Self::Expected,
        Self::Undelivered,
        Self::Infrastructure,
        Self::Completed,
        Self::Busy,
        Self::NoAnswer,
        Self::CannotReach,
    ];

    /// Its name in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hard => "hard",
            Self::Soft => "soft",
            Self::Virus => "virus",
            Self::Expected => "expected",
            Self::Undelivered => "undelivered",
            Self::Infrastructure => "infrastructure",
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no_answer",
            Self::CannotReach => "cannot_reach",
        }
    }

    /// Its name on a page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Hard => "Hard bounce",
            Self::Soft => "Soft bounce",
            Self::Virus => "Virus",
            Self::Expected => "Ignored",
            Self::Undelivered => "Undelivered",
            Self::Infrastructure => "Infrastructure",
            Self::Completed => "Completed",
            Self::Busy => "Busy",
            Self::NoAnswer => "No answer",
            Self::CannotReach => "Cannot reach",
        }
    }
}

/// Which kinds of event a message has had, kept with the message so that lists can be filtered by them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSet(i64);

impl EventSet {
    /// A bounce for good; a bounce whose cause is not known counts as one.
    pub const HARD_BOUNCE: EventSet = EventSet(1 << 40);
    /// A bounce that may pass.
    pub const SOFT_BOUNCE: EventSet = EventSet(1 << 41);
    /// A virus was found.
    pub const VIRUS: EventSet = EventSet(1 << 42);

    /// The set of one kind.
    pub const fn one(kind: EventKind) -> Self {
        Self(1 << kind as i64)
    }

    /// What one event adds.
    pub fn of(kind: EventKind, cause: Option<EventCause>) -> Self {
        let more = match (kind, cause) {
            (EventKind::Bounced, Some(EventCause::Soft)) => Self::SOFT_BOUNCE,
            (EventKind::Bounced, _) => Self::HARD_BOUNCE,
            (_, Some(EventCause::Virus)) => Self::VIRUS,
            _ => Self::default(),
        };
        Self::one(kind).with(more)
    }

    /// The set of several kinds.
    pub fn of_kinds(kinds: &[EventKind]) -> Self {
        kinds.iter().fold(Self::default(), |set, kind| set.with(Self::one(*kind)))
    }

    /// Both sets together.
    pub const fn with(self, other: EventSet) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the two have anything in common.
    pub const fn meets(self, other: EventSet) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its form in the database.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// The set with this form in the database.
    pub const fn from_bits(bits: i64) -> Self {
        Self(bits)
    }
}

/// The status that these events give a message, in whatever order they arrived.
pub fn fold_status(kinds: impl IntoIterator<Item = EventKind>) -> EmailStatus {
    kinds.into_iter().map(EventKind::rank).max().unwrap_or(StatusRank(0)).status()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_delivered_overwrites_neither_bounced_nor_clicked_nor_spam() {
        for strong in [EventKind::Bounced, EventKind::Clicked, EventKind::ReportedAsSpam] {
            let expected = fold_status([strong]);
            assert_eq!(fold_status([EventKind::Sent, strong, EventKind::Delivered]), expected);
            assert_eq!(fold_status([EventKind::Delivered, EventKind::Sent, strong]), expected);
        }
    }

    #[test]
    fn a_deferred_message_is_queued_until_it_was_accepted() {
        assert_eq!(fold_status([EventKind::Queued, EventKind::Deferred]), EmailStatus::Queued);
        assert_eq!(fold_status([EventKind::Sent, EventKind::Deferred]), EmailStatus::Sent);
    }

    #[test]
    fn an_unknown_outcome_is_settled_by_the_providers_word() {
        assert_eq!(fold_status([EventKind::Uncertain]), EmailStatus::Failed);
        assert_eq!(fold_status([EventKind::Uncertain, EventKind::Delivered]), EmailStatus::Delivered);
    }

    #[test]
    fn unsubscribing_leaves_the_status() {
        assert_eq!(fold_status([EventKind::Opened, EventKind::Unsubscribed]), EmailStatus::Opened);
    }

    #[test]
    fn a_set_tells_hard_from_soft_bounces() {
        let soft = EventSet::of(EventKind::Bounced, Some(EventCause::Soft));
        assert!(soft.meets(EventSet::SOFT_BOUNCE) && !soft.meets(EventSet::HARD_BOUNCE));
        assert!(EventSet::of(EventKind::Bounced, None).meets(EventSet::HARD_BOUNCE));
        assert!(EventSet::from_bits(soft.bits()).meets(EventSet::one(EventKind::Bounced)));
    }

    #[test]
    fn names_read_back() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(*kind));
        }
    }
}
