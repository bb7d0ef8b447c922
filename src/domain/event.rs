//! Facts about a message, and the one ladder that turns them into its status.
//! Source of the kinds: Sendwithus, Logs API, "Possible log.status values"; `failed`, `canceled` and
//! `uncertain` are ours. The causes are NotificationAPI's sub-events and JetEmail's kinds of bounce.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::EventId;
use super::named::named;
use super::status::EmailStatus;

mod fold;
mod per_recipient;

pub use fold::{Entry, Fold, MAX_ENTRY_RECIPIENTS, Mark, Told, mark_of};
pub use per_recipient::{Outcome, TimelineEntry, is_problem, outcomes, preposition, timeline_entries};

named! {
    /// What happened.
    pub enum EventKind, "unknown event kind" {
        /// The API request was received.
        Requested = "requested" "Requested",
        /// An internal event asked for the message.
        Triggered = "triggered" "Triggered",
        /// It waits to be sent.
        Queued = "queued" "Queued",
        /// An internal error delayed it.
        FailedToQueue = "failed_to_queue" "Queueing delayed",
        /// The provider acknowledged the request.
        Processed = "processed" "Processed",
        /// The mail server or provider took it.
        Sent = "sent" "Sent",
        /// The mail server asked to try again later.
        Deferred = "deferred" "Deferred",
        /// The attempt failed; another one follows.
        FailedToSend = "failed_to_send" "Attempt failed",
        /// It reached the mailbox.
        Delivered = "delivered" "Delivered",
        /// The recipient opened it.
        Opened = "opened" "Opened",
        /// The recipient opened it again.
        ReOpened = "re_opened" "Opened again",
        /// The recipient followed a link.
        Clicked = "clicked" "Clicked",
        /// The recipient followed a link again.
        ReClicked = "re_clicked" "Clicked again",
        /// A mail server refused the recipient for good.
        Bounced = "bounced" "Bounced",
        /// The provider refused to deliver it.
        Dropped = "dropped" "Dropped",
        /// It was taken back before it was sent.
        Canceled = "canceled" "Canceled",
        /// It could not be sent and is not tried again.
        Failed = "failed" "Failed",
        /// The server stopped during the attempt; it is not tried again by itself.
        Uncertain = "uncertain" "Outcome unknown",
        /// The recipient marked it as spam.
        ReportedAsSpam = "reported_as_spam" "Marked as spam",
        /// The recipient unsubscribed.
        Unsubscribed = "unsubscribed" "Unsubscribed",
    }
}

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

    /// Whether the recipient does it, or a program in their place: it opens the message or follows a link.
    pub const fn is_by_reader(self) -> bool {
        match self {
            Self::Opened | Self::ReOpened | Self::Clicked | Self::ReClicked => true,
            Self::Requested
            | Self::Triggered
            | Self::Queued
            | Self::FailedToQueue
            | Self::Processed
            | Self::Sent
            | Self::Deferred
            | Self::FailedToSend
            | Self::Delivered
            | Self::Bounced
            | Self::Dropped
            | Self::Canceled
            | Self::Failed
            | Self::Uncertain
            | Self::ReportedAsSpam
            | Self::Unsubscribed => false,
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

impl EmailEvent {
    /// How strongly it speaks for a status. A machine's opening or click says no more than that the message went out.
    pub fn rank(&self) -> StatusRank {
        let is_by_machine = self.kind.is_by_reader() && self.detail.cause == Some(EventCause::Machine);
        if is_by_machine { EventKind::Sent.rank() } else { self.kind.rank() }
    }
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

named! {
    /// What an event means more exactly than its kind says. Sources: NotificationAPI, Logs, "Tracked Events"; JetEmail,
    /// outbound logs, `action`.
    pub enum EventCause, "unknown cause" {
        /// A bounce: the address will never work.
        Hard = "hard" "Hard bounce",
        /// A bounce: the address may work another day.
        Soft = "soft" "Soft bounce",
        /// A drop: the content carries a virus.
        Virus = "virus" "Virus",
        /// A drop: something that was meant to be, such as the recipient's preferences.
        Expected = "expected" "Ignored",
        /// A failed text message: the telephone did not get it.
        Undelivered = "undelivered" "Undelivered",
        /// A failed text message: the telecom service had a fault.
        Infrastructure = "infrastructure" "Infrastructure",
        /// A delivered call: somebody answered.
        Completed = "completed" "Completed",
        /// A delivered call: the line was busy.
        Busy = "busy" "Busy",
        /// A delivered call: nobody answered.
        NoAnswer = "no_answer" "No answer",
        /// A failed call: the number cannot be reached.
        CannotReach = "cannot_reach" "Cannot reach",
        /// An opening or a click: a program made it, not the reader.
        Machine = "machine" "By a machine",
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

    /// What one event adds. What a machine read, nobody has read.
    pub fn of(kind: EventKind, cause: Option<EventCause>) -> Self {
        if kind.is_by_reader() && cause == Some(EventCause::Machine) {
            return Self::default();
        }
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

/// An event to be recorded, with the provider's own id for it where a provider reports it.
#[derive(Clone, Debug)]
pub struct NewEvent {
    pub event: EmailEvent,
    /// The provider's id; a second event with the same id is dropped.
    pub provider_event_id: Option<String>,
}

impl From<EmailEvent> for NewEvent {
    fn from(event: EmailEvent) -> Self {
        Self { event, provider_event_id: None }
    }
}

impl NewEvent {
    /// What it comes to; `reason` tells why the message did not arrive, where that is more than the event's own words.
    pub fn fold(&self, reason: Option<&str>) -> Fold {
        Fold::of(&self.event, self.provider_event_id.as_deref(), reason)
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
    fn what_a_machine_opens_nobody_has_opened() {
        let event = |kind, cause| EmailEvent {
            id: EventId(1),
            kind,
            at: DateTime::UNIX_EPOCH,
            recipient: None,
            detail: EventDetail { cause, ..EventDetail::default() },
        };
        for kind in EventKind::ALL.into_iter().filter(|kind| kind.is_by_reader()) {
            let (by_machine, by_person) = (event(kind, Some(EventCause::Machine)), event(kind, None));
            assert_eq!((by_machine.rank(), by_person.rank()), (StatusRank(10), kind.rank()));
            let fold = NewEvent::from(by_machine).fold(None);
            assert!(fold.event_set.is_empty() && fold.status() == EmailStatus::Sent, "{kind:?}");
        }
        let delivered = event(EventKind::Delivered, Some(EventCause::Machine));
        assert_eq!(delivered.rank(), EventKind::Delivered.rank(), "only readers can be machines");
    }

    #[test]
    fn a_set_tells_hard_from_soft_bounces() {
        let soft = EventSet::of(EventKind::Bounced, Some(EventCause::Soft));
        assert!(soft.meets(EventSet::SOFT_BOUNCE) && !soft.meets(EventSet::HARD_BOUNCE));
        assert!(EventSet::of(EventKind::Bounced, None).meets(EventSet::HARD_BOUNCE));
        assert!(EventSet::from_bits(soft.bits()).meets(EventSet::one(EventKind::Bounced)));
    }
}
