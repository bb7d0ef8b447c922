//! What became of a message, in JetEmail's words.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::email::EmailStatus;
use crate::domain::event::{EmailEvent, EventKind, EventSet};
use crate::domain::notification::EmailRecord;

/// Overall message status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It waits to be sent, or was sent and nothing more is known.
    QueuedPending,
    /// A try failed and another one follows.
    Deferred,
    /// It reached the recipient's mailbox.
    Delivered,
    /// The recipient opened it.
    Opened,
    /// The recipient followed a link in it.
    Clicked,
    /// A mail server refused a recipient for good.
    Bounced,
    /// It failed for good.
    Rejected,
    /// It was taken back, or a provider did not deliver it.
    Dropped,
    /// The recipient marked it as spam.
    Spam,
    /// A virus was found in it.
    VirusDetected,
    /// The server stopped during the attempt.
    Unknown,
}

impl DeliveryStatus {
    /// What became of a message: the status that the ladder of events gave it, told apart where JetEmail does.
    pub fn of(record: &EmailRecord) -> Self {
        match record.email.status {
            EmailStatus::Queued | EmailStatus::Sent if waits_after_deferral(&record.events) => Self::Deferred,
            EmailStatus::Queued | EmailStatus::Sent => Self::QueuedPending,
            EmailStatus::Delivered => Self::Delivered,
            EmailStatus::Opened => Self::Opened,
            EmailStatus::Clicked => Self::Clicked,
            EmailStatus::Bounced => Self::Bounced,
            EmailStatus::Spam => Self::Spam,
            EmailStatus::Failed => Self::of_failed(set_of(&record.events)),
        }
    }

    fn of_failed(events: EventSet) -> Self {
        if events.meets(EventSet::VIRUS) {
            Self::VirusDetected
        } else if events.meets(EventSet::one(EventKind::Failed)) {
            Self::Rejected
        } else if events.meets(EventSet::of_kinds(&[EventKind::Dropped, EventKind::Canceled])) {
            Self::Dropped
        } else {
            Self::Unknown
        }
    }
}

/// Whether somebody's last try was put off.
fn waits_after_deferral(events: &[EmailEvent]) -> bool {
    events.iter().enumerate().any(|(index, event)| {
        let is_same = |other: &EmailEvent| {
            other.recipient.is_none() || event.recipient.is_none() || other.recipient == event.recipient
        };
        matches!(event.kind, EventKind::Deferred | EventKind::FailedToSend)
            && !events[index + 1..].iter().any(|later| later.kind == EventKind::Sent && is_same(later))
    })
}

/// Everything that happened.
pub fn set_of(events: &[EmailEvent]) -> EventSet {
    let add = |set: EventSet, event: &EmailEvent| set.with(EventSet::of(event.kind, event.detail.cause));
    events.iter().fold(EventSet::default(), add)
}
