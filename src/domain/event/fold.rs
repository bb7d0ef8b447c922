//! The one fold: what a message's events come to, in whatever order and in whatever batches they arrive. Accepting,
//! recording, ingesting and the demo all use it. Merging is commutative and associative, and an event that is seen twice
//! changes nothing, because every part is the best of what was said: the strongest, the earliest, or all of it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{EmailEvent, EventKind, EventSet, StatusRank};
use crate::domain::channel::Channel;
use crate::domain::mailbox::mailbox_key;
use crate::domain::recipient::{Recipient, RecipientKind};
use crate::domain::status::EmailStatus;

/// The most recipients of a message that is known from events only: the first ones by their addresses' alphabet.
pub const MAX_ENTRY_RECIPIENTS: usize = 50;

/// Which event said something. The least one is believed: of the strongest event, then of the earliest, then of the one
/// whose id comes first; never of the one that arrived first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mark {
    /// Minus the rank of the event, where that counts.
    pub weakness: i16,
    /// When the event happened, in microseconds since 1970.
    pub at: i64,
    /// What the event is told apart by; empty for Sendlog's own.
    pub event: String,
}

impl Mark {
    /// The mark of what is believed whatever reported events say.
    pub fn first() -> Self {
        Self { weakness: i16::MIN, at: i64::MIN, event: String::new() }
    }
}

/// Something that an event said, and which.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Told<T> {
    pub mark: Mark,
    pub value: T,
}

/// What a message's events come to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    /// The rank of the strongest event.
    pub rank: StatusRank,
    pub event_set: EventSet,
    /// When the earliest `sent` happened.
    pub sent_at: Option<DateTime<Utc>>,
    /// When the earliest `delivered` happened.
    pub delivered_at: Option<DateTime<Utc>>,
    /// Why it did not arrive: the words of the strongest failure that has any.
    pub reason: Option<Told<String>>,
    pub provider_message_id: Option<Told<String>>,
    /// What is known of a message that Sendlog did not send.
    pub entry: Entry,
}

/// What events say of a message that Sendlog did not send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// When the earliest event happened.
    pub began_at: Option<DateTime<Utc>>,
    /// Everybody it is for, by the keys of their addresses.
    pub recipients: BTreeMap<String, String>,
    pub from_address: Option<Told<String>>,
    pub subject: Option<Told<String>>,
    pub channel: Option<Told<Channel>>,
}

impl Fold {
    /// What one event comes to. `event_id` is the provider's own id for it; `reason` tells why the message did not arrive,
    /// where that is more than the event's own words.
    pub fn of(event: &EmailEvent, event_id: Option<&str>, reason: Option<&str>) -> Self {
        let at = whole_micros(event.at);
        let when = |kind: EventKind| (event.kind == kind).then_some(at);
        let words = reason.or(event.detail.reply.as_deref()).or(event.detail.message.as_deref());
        let rank = event.rank();
        let reason = words.filter(|_| event.kind.is_failure()).map(|words| Told {
            mark: Mark { weakness: -rank.0, ..mark_of(event, event_id) },
            value: words.to_owned(),
        });
        let recipient = event.recipient.as_ref().map(|address| (mailbox_key(address), address.clone()));
        Self {
            rank,
            event_set: EventSet::of(event.kind, event.detail.cause),
            sent_at: when(EventKind::Sent),
            delivered_at: when(EventKind::Delivered),
            reason,
            provider_message_id: None,
            entry: Entry { began_at: Some(at), recipients: recipient.into_iter().collect(), ..Entry::default() },
        }
    }

    /// What two sets of a message's events come to together.
    pub fn merge(&mut self, other: Fold) {
        self.rank = self.rank.max(other.rank);
        self.event_set = self.event_set.with(other.event_set);
        self.sent_at = earliest(self.sent_at, other.sent_at);
        self.delivered_at = earliest(self.delivered_at, other.delivered_at);
        believe(&mut self.reason, other.reason);
        believe(&mut self.provider_message_id, other.provider_message_id);
        self.entry.merge(other.entry);
    }

    pub fn status(&self) -> EmailStatus {
        self.rank.status()
    }
}

impl Entry {
    fn merge(&mut self, other: Entry) {
        self.began_at = earliest(self.began_at, other.began_at);
        for (key, address) in other.recipients {
            let known = self.recipients.entry(key).or_insert_with(|| address.clone());
            if address < *known {
                *known = address;
            }
        }
        while self.recipients.len() > MAX_ENTRY_RECIPIENTS {
            self.recipients.pop_last();
        }
        believe(&mut self.from_address, other.from_address);
        believe(&mut self.subject, other.subject);
        believe(&mut self.channel, other.channel);
    }

    /// Everybody it is for, by their addresses' alphabet.
    pub fn to(&self) -> Vec<Recipient> {
        let to = |address: &String| Recipient { kind: RecipientKind::To, address: address.clone(), name: None };
        self.recipients.values().map(to).collect()
    }
}

/// Which event this is, for what is believed whatever its kind.
pub fn mark_of(event: &EmailEvent, event_id: Option<&str>) -> Mark {
    Mark { weakness: 0, at: event.at.timestamp_micros(), event: event_id.unwrap_or_default().to_owned() }
}

fn believe<T: Ord>(known: &mut Option<Told<T>>, other: Option<Told<T>>) {
    *known = match (known.take(), other) {
        (Some(known), Some(other)) => Some(known.min(other)),
        (known, other) => known.or(other),
    };
}

fn earliest(known: Option<DateTime<Utc>>, other: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
    match (known, other) {
        (Some(known), Some(other)) => Some(known.min(other)),
        (known, other) => known.or(other),
    }
}

/// An instant as it is kept.
fn whole_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventDetail;
    use crate::domain::ids::EventId;

    /// A small generator of numbers: the domain knows no random ones.
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as usize % limit
        }
    }

    fn folds(numbers: &mut Numbers) -> Vec<Fold> {
        let count = 1 + numbers.below(80);
        let one = |numbers: &mut Numbers, number: usize| {
            let reply = (numbers.below(3) > 0).then(|| format!("words {number}"));
            let name = ["ada", "Ada", "bob", "eve"][numbers.below(4)];
            let event = EmailEvent {
                id: EventId(number as i64),
                kind: EventKind::ALL[numbers.below(EventKind::ALL.len())],
                at: DateTime::from_timestamp_micros(1_700_000_000_000_000 + numbers.below(5) as i64).unwrap(),
                recipient: (numbers.below(4) > 0).then(|| format!("{name}{}@b.example", numbers.below(70))),
                detail: EventDetail { reply, ..EventDetail::default() },
            };
            let id = format!("e{number}");
            let mut fold = Fold::of(&event, Some(&id), None);
            let told = |value: String| Some(Told { mark: mark_of(&event, Some(&id)), value });
            fold.provider_message_id = told(format!("p{}", number % 3)).filter(|_| number.is_multiple_of(4));
            fold.entry.subject = told(format!("subject {number}")).filter(|_| number.is_multiple_of(3));
            fold
        };
        (0..count).map(|number| one(numbers, number)).collect()
    }

    fn together<'a>(folds: impl IntoIterator<Item = &'a Fold>) -> Fold {
        let mut whole = Fold::default();
        folds.into_iter().for_each(|fold| whole.merge(fold.clone()));
        whole
    }

    #[test]
    fn a_fold_is_the_same_in_any_order_in_any_batches_and_with_repetitions() {
        let mut numbers = Numbers(7);
        for _ in 0..60 {
            let mut folds = folds(&mut numbers);
            let whole = together(&folds);
            assert!(whole.entry.recipients.len() <= MAX_ENTRY_RECIPIENTS);
            for _ in 0..5 {
                for last in (1..folds.len()).rev() {
                    folds.swap(last, numbers.below(last + 1));
                }
                let cut = numbers.below(folds.len() + 1);
                let (first, second) = (together(&folds[..cut]), together(&folds[cut..]));
                assert_eq!(together([&first, &second]), whole);
                assert_eq!(together([&second, &first, &second]), whole);
            }
        }
    }

    #[test]
    fn the_strongest_failure_with_words_tells_the_reason() {
        let event = |kind, at, reply: Option<&str>| {
            let detail = EventDetail { reply: reply.map(str::to_owned), ..EventDetail::default() };
            let at = DateTime::from_timestamp(at, 0).unwrap();
            Fold::of(&EmailEvent { id: EventId(1), kind, at, recipient: None, detail }, None, None)
        };
        let reason = |folds: &[Fold]| together(folds).reason.map(|told| told.value);
        let (failed, late) = (event(EventKind::Failed, 1, Some("failed")), event(EventKind::Bounced, 9, Some("late")));
        let (early, silent) = (event(EventKind::Bounced, 5, Some("early")), event(EventKind::Bounced, 2, None));
        let spam = event(EventKind::ReportedAsSpam, 3, Some("spam"));
        assert_eq!(reason(&[spam, late.clone(), failed.clone(), early, silent.clone()]).as_deref(), Some("early"));
        assert_eq!(reason(&[silent, failed]).as_deref(), Some("failed"));
        assert_eq!(reason(&[event(EventKind::Deferred, 1, Some("later"))]), None);
    }
}
