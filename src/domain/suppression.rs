//! Addresses that a team does not write to any more: what is sent to one is dropped, and says why.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::email::EmailStatus;
use super::event::{EmailEvent, EventCause, EventKind};
use super::failure::{Failed, FailureClass};
use super::ids::{EmailId, SuppressionId};
use super::named::named;

/// An address that is not written to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    pub id: SuppressionId,
    pub address: String,
    pub reason: SuppressionReason,
    /// The message that brought it here, if one did.
    pub email_id: Option<EmailId>,
    /// What whoever added it says of it; empty where nobody did.
    pub note: String,
    pub created_at: DateTime<Utc>,
}

/// Which addresses of a list are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SuppressionFilter {
    /// A part of the address.
    pub search: Option<String>,
    /// One of these; any where it names none.
    pub reasons: Vec<SuppressionReason>,
}

named! {
    /// Why an address is not written to.
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum SuppressionReason, "unknown reason: use bounced, complained, unsubscribed or manual" {
        /// There is no such mailbox, or it is not used any more.
        Bounced = "bounced" "Hard bounce",
        Complained = "complained" "Marked as spam",
        Unsubscribed = "unsubscribed" "Unsubscribed",
        Manual = "manual" "Added by hand",
    }
}

impl SuppressionReason {
    /// Why an event keeps its recipient from being written to again; `None` for one that does not. A server that refuses a
    /// message for its content, its sender or our settings says nothing of the address.
    pub fn of(channel: Channel, recipient: &str, event: &EmailEvent) -> Option<Self> {
        if channel != Channel::Email {
            return None;
        }
        match event.kind {
            EventKind::Bounced if bounced_for_good(channel, recipient, event) => Some(Self::Bounced),
            EventKind::ReportedAsSpam => Some(Self::Complained),
            EventKind::Unsubscribed => Some(Self::Unsubscribed),
            EventKind::Bounced
            | EventKind::Requested
            | EventKind::Triggered
            | EventKind::Queued
            | EventKind::FailedToQueue
            | EventKind::Processed
            | EventKind::Sent
            | EventKind::Deferred
            | EventKind::FailedToSend
            | EventKind::Delivered
            | EventKind::Opened
            | EventKind::ReOpened
            | EventKind::Clicked
            | EventKind::ReClicked
            | EventKind::Dropped
            | EventKind::Canceled
            | EventKind::Failed
            | EventKind::Uncertain => None,
        }
    }
}

fn bounced_for_good(channel: Channel, recipient: &str, event: &EmailEvent) -> bool {
    if event.detail.cause == Some(EventCause::Soft) {
        return false;
    }
    // Where the server's words are there, they have to say it: "hard" is what every refusal is called.
    let mut told = event.clone();
    if told.detail.reply.is_some() {
        told.detail.cause = None;
    }
    let failed = Failed { channel, status: EmailStatus::Bounced, recipient: Some(recipient), error_message: None };
    matches!(failed.diagnosis_by(&told).class, FailureClass::AddressUnknown | FailureClass::AccountInactive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::EventDetail;
    use crate::domain::ids::EventId;

    fn event(kind: EventKind, cause: Option<EventCause>, reply: Option<&str>) -> EmailEvent {
        let detail = EventDetail { cause, reply: reply.map(str::to_owned), ..EventDetail::default() };
        EmailEvent { id: EventId(1), kind, at: DateTime::UNIX_EPOCH, recipient: None, detail }
    }

    #[test]
    fn only_what_speaks_of_the_address_keeps_it_from_being_written_to() {
        use EventCause::{Hard, Soft};
        use EventKind::{Bounced, Deferred, Delivered, Dropped, Failed, ReportedAsSpam, Unsubscribed};
        use SuppressionReason::{Complained, Unsubscribed as OptedOut};
        let bounced = Some(SuppressionReason::Bounced);
        for (kind, cause, reply, reason) in [
            (Bounced, Some(Hard), Some("550 5.1.1 The email account that you tried to reach does not exist"), bounced),
            (Bounced, Some(Hard), Some("550 5.2.1 The account is disabled"), bounced),
            (Bounced, Some(Hard), None, bounced),
            (Bounced, None, Some("550 5.1.1 No such user here"), bounced),
            (Bounced, Some(Soft), Some("552 5.2.2 Mailbox full"), None),
            (Bounced, Some(Hard), Some("550 5.7.1 Message rejected as spam"), None),
            (Bounced, Some(Hard), Some("550 5.7.1 Relaying denied"), None),
            (Bounced, Some(Hard), Some("554 5.7.1 Client host blocked using zen.spamhaus.org"), None),
            (Bounced, Some(Hard), Some("550 no"), None),
            (Bounced, None, None, None),
            (ReportedAsSpam, None, None, Some(Complained)),
            (Unsubscribed, None, None, Some(OptedOut)),
            (Delivered, None, None, None),
            (Deferred, None, Some("451 4.7.1 Greylisted"), None),
            (Failed, None, Some("550 5.1.1 No such user"), None),
            (Dropped, None, None, None),
        ] {
            let found = SuppressionReason::of(Channel::Email, "ada@example.com", &event(kind, cause, reply));
            assert_eq!(found, reason, "{kind:?} {cause:?} {reply:?}");
            assert_eq!(SuppressionReason::of(Channel::Sms, "+49170", &event(kind, cause, reply)), None);
        }
    }
}
