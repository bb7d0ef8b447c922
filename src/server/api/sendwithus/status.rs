//! A log's status in Sendwithus's 17 words, and the sentences that go with it and with its events. Source: Sendwithus,
//! Logs API, "Possible log.status values".

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::channel::Channel;
use crate::domain::email::{Email, EmailStatus};
use crate::domain::event::{EmailEvent, EventKind};

/// What became of a message, or what happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogStatus {
    /// The API request was received.
    Requested,
    /// An internal event asked for it.
    Triggered,
    /// It waits to be sent.
    Queued,
    /// The mail server or provider took it.
    Sent,
    /// A link in it was followed.
    Clicked,
    /// A link in it was followed more than once.
    ReClicked,
    /// It was opened.
    Opened,
    /// It was opened more than once.
    ReOpened,
    /// An internal error delays it.
    FailedToQueue,
    /// An attempt to send it failed, or how an attempt ended is not known.
    FailedToSend,
    /// The provider acknowledged the request.
    Processed,
    /// It is not delivered: the provider refused it, it could not be sent, or it was canceled.
    Dropped,
    /// It reached the recipient.
    Delivered,
    /// The mail server or provider delays it.
    Deferred,
    /// It was refused for good.
    Bounced,
    /// The recipient marked it as spam.
    ReportedAsSpam,
    /// The recipient unsubscribed. Since that leaves a message's status as it is, a log says so where nothing else is
    /// known of its delivery.
    Unsubscribed,
}

impl From<EventKind> for LogStatus {
    fn from(kind: EventKind) -> Self {
        match kind {
            EventKind::Requested => Self::Requested,
            EventKind::Triggered => Self::Triggered,
            EventKind::Queued => Self::Queued,
            EventKind::FailedToQueue => Self::FailedToQueue,
            EventKind::Processed => Self::Processed,
            EventKind::Sent => Self::Sent,
            EventKind::Deferred => Self::Deferred,
            EventKind::FailedToSend | EventKind::Uncertain => Self::FailedToSend,
            EventKind::Delivered => Self::Delivered,
            EventKind::Opened => Self::Opened,
            EventKind::ReOpened => Self::ReOpened,
            EventKind::Clicked => Self::Clicked,
            EventKind::ReClicked => Self::ReClicked,
            EventKind::Bounced => Self::Bounced,
            EventKind::Dropped | EventKind::Canceled | EventKind::Failed => Self::Dropped,
            EventKind::ReportedAsSpam => Self::ReportedAsSpam,
            EventKind::Unsubscribed => Self::Unsubscribed,
        }
    }
}

/// A message's status and the sentence about it: `SendGrid: Message has been opened`.
pub fn status_and_message(email: &Email, events: &[EmailEvent]) -> (LogStatus, String) {
    let (kind, event) = match decisive_event(events) {
        Some((kind, event)) => (kind, Some(event)),
        None => (typical_event(email.status), None),
    };
    (kind.into(), sentence(kind, event, Thing::Message, adapter_name(email)))
}

/// The sentence about one event of a message: `SendGrid: Email has been opened`.
pub fn event_message(email: &Email, event: &EmailEvent) -> String {
    let thing = match email.channel {
        Channel::Email => Thing::Email,
        Channel::Sms | Channel::Call | Channel::Push | Channel::InApp => Thing::Message,
    };
    sentence(event.kind, Some(event), thing, adapter_name(email))
}

/// The event that decides the status: of the strongest ones, by [EmailEvent::rank], the latest. Having been opened or
/// clicked more than once counts as [EventKind::ReOpened] or [EventKind::ReClicked], however often that was reported as
/// what it is.
fn decisive_event(events: &[EmailEvent]) -> Option<(EventKind, &EmailEvent)> {
    let event = events.iter().max_by_key(|event| (event.rank(), event.at, event.id))?;
    let is_repeated = || events.iter().filter(|other| other.rank() == event.rank()).count() > 1;
    let kind = if event.kind == EventKind::Opened && is_repeated() {
        EventKind::ReOpened
    } else if event.kind == EventKind::Clicked && is_repeated() {
        EventKind::ReClicked
    } else {
        event.kind
    };
    Some((kind, event))
}

/// What stands for a status whose events are not known.
const fn typical_event(status: EmailStatus) -> EventKind {
    match status {
        EmailStatus::Queued => EventKind::Queued,
        EmailStatus::Sent => EventKind::Sent,
        EmailStatus::Delivered => EventKind::Delivered,
        EmailStatus::Opened => EventKind::Opened,
        EmailStatus::Clicked => EventKind::Clicked,
        EmailStatus::Bounced => EventKind::Bounced,
        EmailStatus::Failed => EventKind::Failed,
        EmailStatus::Spam => EventKind::ReportedAsSpam,
    }
}

/// Who did it, in sentences: the adapter, or ourselves where there is none.
fn adapter_name(email: &Email) -> &str {
    email.adapter_name.as_deref().unwrap_or("Sendlog")
}

/// What a sentence calls the message. Sendwithus says `Message` of a log and `Email` of an event.
#[derive(Clone, Copy)]
enum Thing {
    Message,
    Email,
}

impl Thing {
    const fn word(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Email => "email",
        }
    }

    const fn first_word(self) -> &'static str {
        match self {
            Self::Message => "Message",
            Self::Email => "Email",
        }
    }
}

fn sentence(kind: EventKind, event: Option<&EmailEvent>, thing: Thing, adapter: &str) -> String {
    let (word, first_word) = (thing.word(), thing.first_word());
    let sentence = match kind {
        EventKind::Requested => "requested".to_owned(),
        EventKind::Triggered => "triggered".to_owned(),
        EventKind::Queued => format!("{word} queued"),
        EventKind::FailedToQueue => format!("{word} failed to queue, will retry"),
        EventKind::FailedToSend => format!("{word} failed to send, will retry"),
        EventKind::Failed => format!("{word} failed to send, will not retry"),
        EventKind::Uncertain => format!("{word} may have failed to send, will not retry"),
        EventKind::Canceled => format!("{word} canceled before it was sent"),
        EventKind::Sent => format!("{word} sent through {adapter}"),
        EventKind::Processed => format!("{adapter}: {first_word} has been processed"),
        EventKind::Deferred => format!("{adapter}: {first_word} has been deferred"),
        EventKind::Delivered => format!("{adapter}: {first_word} has been delivered"),
        EventKind::Opened => format!("{adapter}: {first_word} has been opened"),
        EventKind::ReOpened => format!("{adapter}: {first_word} has been opened again"),
        EventKind::Clicked => format!("{adapter}: Link in {word} has been clicked"),
        EventKind::ReClicked => format!("{adapter}: Link in {word} has been clicked again"),
        EventKind::Bounced => format!("{adapter}: {first_word} has bounced"),
        EventKind::Dropped => format!("{adapter}: {first_word} has been dropped"),
        EventKind::ReportedAsSpam => format!("{adapter}: {first_word} has been reported as spam"),
        EventKind::Unsubscribed => format!("{adapter}: Recipient has unsubscribed"),
    };
    match event.and_then(|event| reason(kind, event)) {
        Some(reason) => format!("{sentence}: {reason}"),
        None => sentence,
    }
}

/// Why something went wrong, in the server's words where it said any.
fn reason(kind: EventKind, event: &EmailEvent) -> Option<&str> {
    let (reply, message) = (event.detail.reply.as_deref(), event.detail.message.as_deref());
    match kind {
        // Their own sentences are about the next try.
        EventKind::FailedToQueue | EventKind::FailedToSend | EventKind::Deferred => reply,
        EventKind::Bounced | EventKind::Dropped | EventKind::Failed | EventKind::Uncertain => reply.or(message),
        EventKind::Requested
        | EventKind::Triggered
        | EventKind::Queued
        | EventKind::Processed
        | EventKind::Sent
        | EventKind::Delivered
        | EventKind::Opened
        | EventKind::ReOpened
        | EventKind::Clicked
        | EventKind::ReClicked
        | EventKind::Canceled
        | EventKind::ReportedAsSpam
        | EventKind::Unsubscribed => None,
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::domain::event::EventDetail;
    use crate::domain::ids::EventId;

    fn event(kind: EventKind, second: i64) -> EmailEvent {
        let at = DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        EmailEvent { id: EventId(second), kind, at, recipient: None, detail: EventDetail::default() }
    }

    /// The status after these events, a second after each other.
    fn after(kinds: &[EventKind]) -> LogStatus {
        let events: Vec<_> = kinds.iter().zip(0..).map(|(kind, second)| event(*kind, second)).collect();
        let mut backwards = events.clone();
        backwards.reverse();
        let status = LogStatus::from(decisive_event(&events).unwrap().0);
        assert_eq!(LogStatus::from(decisive_event(&backwards).unwrap().0), status, "the order of arrival counts");
        status
    }

    #[test]
    fn each_of_the_17_is_reached_by_a_history() {
        use EventKind::*;
        let histories: [(LogStatus, &[EventKind]); 17] = [
            (LogStatus::Requested, &[Requested]),
            (LogStatus::Triggered, &[Requested, Triggered]),
            (LogStatus::Queued, &[Requested, Queued]),
            (LogStatus::Sent, &[Requested, Queued, Processed, Sent]),
            (LogStatus::Clicked, &[Requested, Queued, Sent, Delivered, Opened, Clicked]),
            (LogStatus::ReClicked, &[Requested, Queued, Sent, Delivered, Opened, Clicked, Clicked]),
            (LogStatus::Opened, &[Requested, Queued, Sent, Delivered, Opened]),
            (LogStatus::ReOpened, &[Requested, Queued, Sent, Delivered, Opened, Opened]),
            (LogStatus::FailedToQueue, &[Requested, FailedToQueue]),
            (LogStatus::FailedToSend, &[Requested, Queued, FailedToSend]),
            (LogStatus::Processed, &[Requested, Queued, Processed]),
            (LogStatus::Dropped, &[Requested, Queued, Processed, Dropped]),
            (LogStatus::Delivered, &[Requested, Queued, Sent, Delivered]),
            (LogStatus::Deferred, &[Requested, Queued, Deferred]),
            (LogStatus::Bounced, &[Requested, Queued, Sent, Bounced]),
            (LogStatus::ReportedAsSpam, &[Requested, Queued, Sent, Delivered, Opened, ReportedAsSpam]),
            (LogStatus::Unsubscribed, &[Requested, Queued, Unsubscribed]),
        ];
        for (expected, kinds) in histories {
            assert_eq!(after(kinds), expected, "{kinds:?}");
        }
    }

    #[test]
    fn our_own_kinds_have_a_word_of_theirs() {
        use EventKind::*;
        assert_eq!(after(&[Queued, Failed]), LogStatus::Dropped);
        assert_eq!(after(&[Queued, Canceled]), LogStatus::Dropped);
        assert_eq!(after(&[Queued, Uncertain]), LogStatus::FailedToSend);
        assert_eq!(after(&[Queued, Uncertain, Delivered]), LogStatus::Delivered);
    }

    #[test]
    fn opening_and_clicking_again_is_told_however_it_was_reported() {
        use EventKind::*;
        assert_eq!(after(&[Opened, ReOpened]), LogStatus::ReOpened);
        assert_eq!(after(&[ReOpened, Opened]), LogStatus::ReOpened);
        assert_eq!(after(&[ReOpened]), LogStatus::ReOpened);
        assert_eq!(after(&[Opened, Clicked, Opened]), LogStatus::Clicked);
        assert_eq!(after(&[ReClicked, Clicked]), LogStatus::ReClicked);
    }

    #[test]
    fn what_comes_late_takes_nothing_back() {
        use EventKind::*;
        assert_eq!(after(&[Bounced, Delivered, Opened]), LogStatus::Bounced);
        assert_eq!(after(&[Clicked, Opened, Delivered]), LogStatus::Clicked);
        assert_eq!(after(&[Queued, Deferred, Queued]), LogStatus::Queued);
        assert_eq!(after(&[Opened, Unsubscribed]), LogStatus::Opened);
    }

    #[test]
    fn a_failure_is_told_with_its_reason() {
        let mut bounce = event(EventKind::Bounced, 1);
        bounce.detail.message = Some("The mail server refused this recipient".to_owned());
        let told = |event: &EmailEvent| sentence(event.kind, Some(event), Thing::Email, "SendGrid");
        assert_eq!(told(&bounce), "SendGrid: Email has bounced: The mail server refused this recipient");
        bounce.detail.reply = Some("550 5.1.1 No such user".to_owned());
        assert_eq!(told(&bounce), "SendGrid: Email has bounced: 550 5.1.1 No such user");
        let mut attempt = event(EventKind::FailedToSend, 1);
        attempt.detail.message = Some("Try 1 of 8; the next one in 6 minutes".to_owned());
        assert_eq!(told(&attempt), "email failed to send, will retry");
    }
}
