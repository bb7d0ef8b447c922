//! What became of a message for each of its recipients, and events that say the same of many of them.

use serde::{Deserialize, Serialize};

use super::{EmailEvent, EventKind, StatusRank};
use crate::domain::mailbox::mailbox_key;
use crate::domain::recipient::Recipient;
use crate::domain::status::EmailStatus;

/// From so many events on that say the same of different recipients, they are one entry of a timeline.
const MANY: usize = 6;

/// What became of a message for one recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub status: EmailStatus,
    /// The place, among the message's events, of the one that decides; `None` where nothing happened yet.
    pub event: Option<usize>,
}

/// What became of it for each of the recipients, in their order, by the events about them and those about nobody alone.
pub fn outcomes(recipients: &[Recipient], events: &[EmailEvent]) -> Vec<Outcome> {
    let keys: Vec<Option<String>> = events.iter().map(|event| event.recipient.as_deref().map(mailbox_key)).collect();
    let outcome = |recipient: &Recipient| {
        let own = mailbox_key(&recipient.address);
        let about = (0..events.len()).filter(|place| keys[*place].as_ref().is_none_or(|key| *key == own));
        // Of equally strong ones, the latest.
        let event = about.max_by_key(|place| (events[*place].rank(), events[*place].at, *place));
        let rank = event.map_or(StatusRank(0), |place| events[place].rank());
        Outcome { status: rank.status(), event }
    };
    recipients.iter().map(outcome).collect()
}

/// An entry of a timeline.
#[derive(Clone, Debug, PartialEq)]
pub enum TimelineEntry {
    One(Box<EmailEvent>),
    /// Events of one kind about several recipients, oldest first.
    Many(Vec<EmailEvent>),
}

/// The events, oldest first, with those that say the same of [MANY] recipients or more as one entry, where its last
/// event stands.
pub fn timeline_entries(events: Vec<EmailEvent>) -> Vec<TimelineEntry> {
    let kind_of = |event: &EmailEvent| event.recipient.as_ref().map(|_| (event.kind, event.detail.cause));
    let mut kinds: Vec<_> = Vec::new();
    for event in &events {
        if let Some(kind) = kind_of(event).filter(|kind| !kinds.contains(kind)) {
            kinds.push(kind);
        }
    }
    kinds.retain(|kind| {
        let mut whom: Vec<&str> = events
            .iter()
            .filter(|event| kind_of(event) == Some(*kind))
            .filter_map(|event| event.recipient.as_deref())
            .collect();
        whom.sort_unstable();
        whom.dedup();
        whom.len() >= MANY
    });
    let mut gathered: Vec<Vec<EmailEvent>> = vec![Vec::new(); kinds.len()];
    let mut entries = Vec::new();
    let mut left: Vec<usize> =
        kinds.iter().map(|kind| events.iter().filter(|event| kind_of(event) == Some(*kind)).count()).collect();
    for event in events {
        match kind_of(&event).and_then(|kind| kinds.iter().position(|each| *each == kind)) {
            None => entries.push(TimelineEntry::One(Box::new(event))),
            Some(place) => {
                gathered[place].push(event);
                left[place] -= 1;
                if left[place] == 0 {
                    entries.push(TimelineEntry::Many(std::mem::take(&mut gathered[place])));
                }
            }
        }
    }
    entries
}

/// Whether a status is what somebody must look at first.
pub const fn is_problem(status: EmailStatus) -> bool {
    match status {
        EmailStatus::Bounced | EmailStatus::Failed | EmailStatus::Spam => true,
        EmailStatus::Queued
        | EmailStatus::Sent
        | EmailStatus::Delivered
        | EmailStatus::Opened
        | EmailStatus::Clicked => false,
    }
}

/// How events of a kind are told of many: "Delivered to 47 recipients".
pub const fn preposition(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Processed | EventKind::Sent | EventKind::Delivered => "to",
        EventKind::Opened
        | EventKind::ReOpened
        | EventKind::Clicked
        | EventKind::ReClicked
        | EventKind::ReportedAsSpam
        | EventKind::Unsubscribed => "by",
        EventKind::Requested
        | EventKind::Triggered
        | EventKind::Queued
        | EventKind::FailedToQueue
        | EventKind::Deferred
        | EventKind::FailedToSend
        | EventKind::Bounced
        | EventKind::Dropped
        | EventKind::Canceled
        | EventKind::Failed
        | EventKind::Uncertain => "for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventDetail;
    use crate::domain::ids::EventId;
    use crate::domain::recipient::RecipientKind;

    fn event(place: i64, kind: EventKind, recipient: Option<&str>) -> EmailEvent {
        EmailEvent {
            id: EventId(place),
            kind,
            at: chrono::DateTime::from_timestamp(place, 0).unwrap(),
            recipient: recipient.map(str::to_owned),
            detail: EventDetail::default(),
        }
    }

    #[test]
    fn each_recipient_has_the_status_of_their_own_events() {
        let recipient = |address: &str| Recipient { kind: RecipientKind::To, address: address.to_owned(), name: None };
        let recipients = ["ada@b.example", "Ben@b.example", "cleo@b.example"].map(recipient);
        let events = [
            event(1, EventKind::Queued, None),
            event(2, EventKind::Sent, Some("ada@b.example")),
            event(3, EventKind::Bounced, Some("ben@B.example")),
            event(4, EventKind::Delivered, Some("ada@b.example")),
        ];
        let of = |status, event| Outcome { status, event: Some(event) };
        let expected = [of(EmailStatus::Delivered, 3), of(EmailStatus::Bounced, 2), of(EmailStatus::Queued, 0)];
        assert_eq!(outcomes(&recipients, &events), expected);
        assert_eq!(outcomes(&recipients[..1], &[]), [Outcome { status: EmailStatus::Queued, event: None }]);
    }

    #[test]
    fn what_is_said_of_many_is_said_once() {
        let whom: Vec<String> = (0..6).map(|number| format!("{number}@b.example")).collect();
        let about = |place: i64, kind, number: usize| event(place, kind, Some(&whom[number]));
        let mut events = vec![event(1, EventKind::Queued, None)];
        events.extend((0..6).zip(2..).map(|(number, place)| about(place, EventKind::Sent, number)));
        events.push(about(8, EventKind::Bounced, 5));
        events.extend((0..5).zip(9..).map(|(number, place)| about(place, EventKind::Delivered, number)));
        let one = |event: &EmailEvent| TimelineEntry::One(Box::new(event.clone()));
        let told = timeline_entries(events.clone());
        assert_eq!(told[0], one(&events[0]));
        assert_eq!(told[1], TimelineEntry::Many(events[1..7].to_vec()));
        assert_eq!(told[2..], events[7..].iter().map(one).collect::<Vec<_>>());
        // Of one recipient, nothing is many.
        let tries: Vec<_> = (0..9).map(|place| about(place, EventKind::Deferred, 0)).collect();
        assert_eq!(timeline_entries(tries).len(), 9);
    }
}
