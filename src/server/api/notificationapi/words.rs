//! The words of the log for what happened. Source: NotificationAPI, Logs, "Tracked Events".

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::channel::Channel;
use crate::domain::event::{EventCause, EventKind};

/// An event or sub-event of the log. Source: NotificationAPI, Logs, "Tracked Events".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, ToSchema)]
pub enum EventWord {
    /// The request is being processed.
    Received,
    /// Something that was meant to be kept it from going out.
    Ignored,
    /// It is valid and on its way out.
    Sending,
    /// The mail server or provider took it.
    Sent,
    /// It reached the person.
    Delivered,
    /// Something went wrong.
    Failed,
    /// Email: the mail server refused the recipient for good.
    #[serde(rename = "Failed - Bounce")]
    Bounce,
    /// Email: it could not be delivered for now; it is tried again.
    #[serde(rename = "Failed - Delivery Delay")]
    DeliveryDelay,
    /// SMS: the telephone did not get it.
    #[serde(rename = "Failed - Undelivered")]
    Undelivered,
    /// SMS: the telecom service had a fault.
    #[serde(rename = "Failed - Infrastructure")]
    Infrastructure,
    /// Call: somebody answered.
    #[serde(rename = "Delivered - Completed")]
    Completed,
    /// Call: the line was busy.
    #[serde(rename = "Delivered - Busy")]
    Busy,
    /// Call: nobody answered.
    #[serde(rename = "Delivered - No Answer")]
    NoAnswer,
    /// Call: the number cannot be reached.
    #[serde(rename = "Failed - Cannot Reach")]
    CannotReach,
}

impl EventWord {
    /// The word for an event of a message.
    pub fn of(kind: EventKind, cause: Option<EventCause>, channel: Channel) -> Self {
        match kind {
            EventKind::Requested | EventKind::Triggered | EventKind::Queued | EventKind::FailedToQueue => {
                Self::Received
            }
            EventKind::Processed => Self::Sending,
            EventKind::Sent => Self::Sent,
            EventKind::Deferred | EventKind::FailedToSend => match channel {
                Channel::Email => Self::DeliveryDelay,
                Channel::Sms => Self::Infrastructure,
                Channel::Call | Channel::Push | Channel::InApp => Self::Failed,
            },
            EventKind::Delivered
            | EventKind::Opened
            | EventKind::ReOpened
            | EventKind::Clicked
            | EventKind::ReClicked
            | EventKind::ReportedAsSpam
            | EventKind::Unsubscribed => Self::of_delivery(cause, channel),
            EventKind::Bounced => match channel {
                Channel::Email => Self::Bounce,
                Channel::Sms => Self::of_failure(cause.or(Some(EventCause::Undelivered)), channel),
                Channel::Call => Self::of_failure(cause.or(Some(EventCause::CannotReach)), channel),
                Channel::Push | Channel::InApp => Self::Failed,
            },
            EventKind::Canceled => Self::Ignored,
            EventKind::Dropped if cause == Some(EventCause::Expected) => Self::Ignored,
            EventKind::Dropped | EventKind::Failed => Self::of_failure(cause, channel),
            EventKind::Uncertain => Self::Failed,
        }
    }

    fn of_delivery(cause: Option<EventCause>, channel: Channel) -> Self {
        match (channel, cause) {
            (Channel::Call, Some(EventCause::Completed)) => Self::Completed,
            (Channel::Call, Some(EventCause::Busy)) => Self::Busy,
            (Channel::Call, Some(EventCause::NoAnswer)) => Self::NoAnswer,
            (
                Channel::Call,
                None
                | Some(
                    EventCause::Hard
                    | EventCause::Soft
                    | EventCause::Virus
                    | EventCause::Expected
                    | EventCause::Undelivered
                    | EventCause::Infrastructure
                    | EventCause::CannotReach
                    | EventCause::Machine,
                ),
            )
            | (Channel::Email | Channel::Sms | Channel::Push | Channel::InApp, _) => Self::Delivered,
        }
    }

    fn of_failure(cause: Option<EventCause>, channel: Channel) -> Self {
        match (channel, cause) {
            (Channel::Sms, Some(EventCause::Undelivered | EventCause::Hard | EventCause::Soft)) => Self::Undelivered,
            (Channel::Sms, Some(EventCause::Infrastructure)) => Self::Infrastructure,
            (Channel::Call, Some(EventCause::CannotReach | EventCause::Hard | EventCause::Soft)) => Self::CannotReach,
            (
                Channel::Sms,
                None
                | Some(
                    EventCause::Virus
                    | EventCause::Expected
                    | EventCause::Completed
                    | EventCause::Busy
                    | EventCause::NoAnswer
                    | EventCause::CannotReach
                    | EventCause::Machine,
                ),
            )
            | (
                Channel::Call,
                None
                | Some(
                    EventCause::Virus
                    | EventCause::Expected
                    | EventCause::Undelivered
                    | EventCause::Infrastructure
                    | EventCause::Completed
                    | EventCause::Busy
                    | EventCause::NoAnswer
                    | EventCause::Machine,
                ),
            )
            | (Channel::Email | Channel::Push | Channel::InApp, _) => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document's words, and where each of them occurs.
    const WORDS: [(&str, &[Channel]); 14] = [
        ("Received", &Channel::ALL),
        ("Ignored", &Channel::ALL),
        ("Sending", &Channel::ALL),
        ("Sent", &Channel::ALL),
        ("Delivered", &Channel::ALL),
        ("Failed", &Channel::ALL),
        ("Failed - Bounce", &[Channel::Email]),
        ("Failed - Delivery Delay", &[Channel::Email]),
        ("Failed - Undelivered", &[Channel::Sms]),
        ("Failed - Infrastructure", &[Channel::Sms]),
        ("Delivered - Completed", &[Channel::Call]),
        ("Delivered - Busy", &[Channel::Call]),
        ("Delivered - No Answer", &[Channel::Call]),
        ("Failed - Cannot Reach", &[Channel::Call]),
    ];

    #[test]
    fn every_word_of_the_document_is_said_on_its_channels_and_no_other() {
        for channel in Channel::ALL {
            let causes = || std::iter::once(None).chain(EventCause::ALL.map(Some));
            let mut said: Vec<String> = EventKind::ALL
                .iter()
                .flat_map(|kind| causes().map(|cause| EventWord::of(*kind, cause, channel)))
                .map(|word| serde_json::to_value(word).unwrap().as_str().unwrap().to_owned())
                .collect();
            said.sort();
            said.dedup();
            let mut expected: Vec<&str> =
                WORDS.iter().filter(|(_, channels)| channels.contains(&channel)).map(|(word, _)| *word).collect();
            expected.sort_unstable();
            assert_eq!(said, expected, "{}", channel.label());
        }
    }
}
