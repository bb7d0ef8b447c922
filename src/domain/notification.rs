//! A notification: one request to tell somebody something, over one channel or several. Each channel is a message of its
//! own. Source: NotificationAPI, Logs, "Notification States".

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::email::{Email, EmailStatus};
use super::event::EmailEvent;
use super::filter::TimeRange;
use super::ids::{ApiRequestId, EmailId, InvalidId, NotificationId};
use super::named::named;

named! {
    /// What became of a notification, over all its channels.
    pub enum NotificationState, "unknown state" {
        /// A channel is still under way.
        Received = "received",
        /// Every channel was delivered, or at least handed over without a word against it.
        Success = "success",
        /// A channel failed, or there was none to use.
        Failure = "failure",
    }
}

impl NotificationState {
    /// The state of a notification whose channels have these statuses.
    pub fn of(statuses: impl IntoIterator<Item = EmailStatus>) -> Self {
        let mut state = None;
        for status in statuses {
            let here = match status {
                EmailStatus::Queued => Self::Received,
                EmailStatus::Sent
                | EmailStatus::Delivered
                | EmailStatus::Opened
                | EmailStatus::Clicked
                | EmailStatus::Spam => Self::Success,
                EmailStatus::Bounced | EmailStatus::Failed => Self::Failure,
            };
            state = Some(match (state, here) {
                (Some(Self::Failure), _) | (_, Self::Failure) => Self::Failure,
                (Some(Self::Received), _) | (_, Self::Received) => Self::Received,
                (None | Some(Self::Success), Self::Success) => Self::Success,
            });
        }
        state.unwrap_or(Self::Failure)
    }
}

/// A channel to reach somebody, as a notification tells them apart: a device and a browser are two channels of [Channel::Push].
/// Their order is kept in databases, by [NotificationChannel::bits].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NotificationChannel {
    Email,
    Sms,
    Call,
    /// A notification of a device.
    Push,
    /// A notification of a browser.
    WebPush,
    /// A notification within the sender's own application.
    InApp,
}

impl NotificationChannel {
    pub const ALL: [NotificationChannel; 6] =
        [Self::Email, Self::Sms, Self::Call, Self::Push, Self::WebPush, Self::InApp];

    /// The label of the messages that go to a browser.
    pub const WEB_PUSH_TAG: &'static str = "web_push";

    /// Its name in a sentence.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::Sms => "SMS",
            Self::Call => "Call",
            Self::Push => "Push",
            Self::WebPush => "Web push",
            Self::InApp => "In-app",
        }
    }

    /// Several channels as one number, a bit each.
    pub fn bits(channels: &[NotificationChannel]) -> i64 {
        channels.iter().fold(0, |bits, channel| bits | 1 << *channel as i64)
    }

    /// The channels of [NotificationChannel::bits].
    pub fn of_bits(bits: i64) -> Vec<NotificationChannel> {
        Self::ALL.into_iter().filter(|channel| bits & Self::bits(&[*channel]) != 0).collect()
    }

    /// The channel of its messages.
    pub const fn message_channel(self) -> Channel {
        match self {
            Self::Email => Channel::Email,
            Self::Sms => Channel::Sms,
            Self::Call => Channel::Call,
            Self::Push | Self::WebPush => Channel::Push,
            Self::InApp => Channel::InApp,
        }
    }

    /// The channel of its messages.
    pub fn of(email: &Email) -> Self {
        match email.channel {
            Channel::Email => Self::Email,
            Channel::Sms => Self::Sms,
            Channel::Call => Self::Call,
            Channel::Push if email.tags.iter().any(|tag| tag == Self::WEB_PUSH_TAG) => Self::WebPush,
            Channel::Push => Self::Push,
            Channel::InApp => Self::InApp,
        }
    }
}

/// A notification, without its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its id; the `trackingId` of NotificationAPI.
    pub id: NotificationId,
    /// What it is about, in the sender's words: `order_shipped`.
    pub kind: String,
    /// The sender's own id of the person it is for.
    pub external_user_id: Option<String>,
    pub api_request_id: Option<ApiRequestId>,
    /// Why a channel was left out, a sentence each.
    pub warnings: Vec<String>,
    /// The channels that were left out.
    pub ignored_channels: Vec<NotificationChannel>,
}

impl Notification {
    /// When it was accepted.
    pub fn created_at(&self) -> DateTime<Utc> {
        self.id.created_at()
    }
}

/// A notification with its messages and their events, a message a channel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NotificationDetail {
    pub notification: Notification,
    /// Its messages, oldest first.
    pub channels: Vec<EmailRecord>,
}

impl NotificationDetail {
    /// What became of it.
    pub fn state(&self) -> NotificationState {
        NotificationState::of(self.channels.iter().map(|record| record.email.status))
    }
}

/// A message with its events, without its bodies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmailRecord {
    pub email: Email,
    /// What happened to it, oldest first.
    pub events: Vec<EmailEvent>,
}

/// An entry of the log by notifications: a message that is no part of one stands for itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LogEntry {
    Notification(NotificationDetail),
    /// A message that is no part of a notification.
    Message(Box<EmailRecord>),
}

impl LogEntry {
    /// Which entry it is.
    pub fn id(&self) -> EntryId {
        match self {
            Self::Notification(detail) => EntryId::Notification(detail.notification.id),
            Self::Message(record) => EntryId::Message(record.email.id),
        }
    }

    /// Its messages, oldest first.
    pub fn channels(&self) -> &[EmailRecord] {
        match self {
            Self::Notification(detail) => &detail.channels,
            Self::Message(record) => std::slice::from_ref(record.as_ref()),
        }
    }

    /// What became of it.
    pub fn state(&self) -> NotificationState {
        NotificationState::of(self.channels().iter().map(|record| record.email.status))
    }
}

/// Which entry of the log by notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryId {
    Notification(NotificationId),
    /// A message that is no part of one.
    Message(EmailId),
}

impl std::fmt::Display for EntryId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Notification(id) => id.fmt(f),
            Self::Message(id) => id.fmt(f),
        }
    }
}

impl std::str::FromStr for EntryId {
    type Err = InvalidId;

    /// A UUID, which does not tell the two apart, is taken for a notification's.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let notification = text.parse().map(Self::Notification);
        notification.or_else(|_| text.parse().map(Self::Message))
    }
}

/// Which entries of the log by notifications to list. The default is all of the team's. Each list that is not empty must
/// name the entry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotificationFilter {
    /// When they were accepted.
    pub range: TimeRange,
    /// What they are about; for a message that is no part of a notification, its template's name.
    pub kinds: Vec<String>,
    /// Any of these channels.
    pub channels: Vec<NotificationChannel>,
    /// The sender's own id of the person, or the address or number of a recipient.
    pub users: Vec<String>,
    pub states: Vec<NotificationState>,
    /// The entries, or messages of theirs; `None` for any.
    pub entries: Option<Vec<EntryId>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_channel_fails_the_notification() {
        use EmailStatus::*;
        assert_eq!(NotificationState::of([Delivered, Bounced, Queued]), NotificationState::Failure);
        assert_eq!(NotificationState::of([Delivered, Queued]), NotificationState::Received);
        assert_eq!(NotificationState::of([Delivered, Clicked]), NotificationState::Success);
    }

    #[test]
    fn entry_ids_read_back() {
        for id in [EntryId::Notification(NotificationId(7)), EntryId::Message(EmailId(7))] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        assert_eq!(EmailId(7).to_uuid().parse(), Ok(EntryId::Notification(NotificationId(7))));
    }

    #[test]
    fn a_notification_without_a_channel_failed() {
        assert_eq!(NotificationState::of([]), NotificationState::Failure);
    }
}
