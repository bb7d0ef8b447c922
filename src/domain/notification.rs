//! A notification: one request to tell somebody something, over one channel or several. Each channel is a message of its
//! own. Source: NotificationAPI, Logs, "Notification States".

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::email::{Email, EmailStatus};
use super::event::EmailEvent;
use super::ids::{ApiRequestId, NotificationId};

/// What became of a notification, over all its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// A channel is still under way.
    Received,
    /// Every channel was delivered, or at least handed over without a word against it.
    Success,
    /// A channel failed, or there was none to use.
    Failure,
}

impl NotificationState {
    /// Every state.
    pub const ALL: [NotificationState; 3] = [Self::Received, Self::Success, Self::Failure];

    /// Its name in JSON and on a page.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }

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

/// A notification, without its messages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Its id; the `trackingId` of NotificationAPI.
    pub id: NotificationId,
    /// What it is about, in the sender's words: `order_shipped`.
    pub kind: String,
    /// The sender's own id of the person it is for.
    pub external_user_id: Option<String>,
    /// The API request it came in.
    pub api_request_id: Option<ApiRequestId>,
    /// Why a channel was left out, a sentence each.
    pub warnings: Vec<String>,
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
    /// The notification.
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
    /// The message.
    pub email: Email,
    /// What happened to it, oldest first.
    pub events: Vec<EmailEvent>,
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
    fn a_notification_without_a_channel_failed() {
        assert_eq!(NotificationState::of([]), NotificationState::Failure);
    }
}
