//! Why a message failed: from what the server said to whose problem it is, what the customer is told and whether
//! sending again helps. Sources: RFC 5321, RFC 3463 with the registry of RFC 5248, RFC 7372, RFC 7505, and the
//! providers' documents that each rule names.

mod class;
mod fingerprint;
mod provider;
mod reply;
mod rules;
#[cfg(test)]
mod tests;

pub use class::{FailureClass, ResendHelp, Responsible, UnknownFailureClass};
pub use provider::MailboxProvider;
pub use reply::EnhancedCode;

use super::channel::Channel;
use super::event::{EventCause, EventKind};
use reply::Reply;
use rules::rules;

/// What is known about one failure.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    pub channel: Channel,
    pub kind: EventKind,
    pub cause: Option<EventCause>,
    /// The server's own words, where there are any.
    pub reply: Option<&'a str>,
    /// The sentence of the timeline; read where the reply says nothing.
    pub message: Option<&'a str>,
    /// The mail exchanger, or else the server that the message was handed to.
    pub host: Option<&'a str>,
    /// The domain of the recipient's address.
    pub domain: Option<&'a str>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    pub class: FailureClass,
    pub enhanced_code: Option<EnhancedCode>,
    /// Who runs the recipient's mailbox: "Gmail", "GMX and WEB.DE". A filter service counts, where it stands before it.
    pub mailbox_provider: Option<&'static str>,
    /// Equal for replies that say the same; begins with its version.
    pub fingerprint: String,
}

pub fn diagnose(evidence: &Evidence<'_>) -> Diagnosis {
    let reply = Reply::read(evidence.reply.unwrap_or_default());
    let message = Reply::read(evidence.message.unwrap_or_default());
    let provider = provider::find(evidence.host, evidence.domain, &reply.text);
    let shown = if reply.words.is_empty() && reply.code.is_none() { &message } else { &reply };
    Diagnosis {
        class: classify(evidence, provider, &reply, &message),
        enhanced_code: reply.enhanced.or(message.enhanced),
        mailbox_provider: provider.filter(|_| evidence.channel == Channel::Email).map(|known| known.name.as_str()),
        fingerprint: fingerprint::fingerprint(evidence, shown),
    }
}

fn classify(
    evidence: &Evidence<'_>,
    provider: Option<&MailboxProvider>,
    reply: &Reply,
    message: &Reply,
) -> FailureClass {
    match evidence.kind {
        EventKind::Canceled => return FailureClass::Canceled,
        EventKind::Uncertain => return FailureClass::OutcomeUnknown,
        EventKind::Requested
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
        | EventKind::Bounced
        | EventKind::Dropped
        | EventKind::Failed
        | EventKind::ReportedAsSpam
        | EventKind::Unsubscribed => {}
    }
    let channel = evidence.channel;
    let spoken = |words| rules().spoken(channel, provider, words);
    let last_resort = |words| rules().last_resort(channel, provider, words);
    spoken(reply)
        .or_else(|| spoken(message))
        .or_else(|| last_resort(reply))
        .or_else(|| last_resort(message))
        .map(|rule| rule.class)
        .or_else(|| evidence.cause.and_then(of_cause))
        .unwrap_or(FailureClass::Unknown)
}

/// What the cause alone says. Source: NotificationAPI, Logs, "Tracked Events".
const fn of_cause(cause: EventCause) -> Option<FailureClass> {
    match cause {
        EventCause::Hard => Some(FailureClass::AddressUnknown),
        EventCause::Soft | EventCause::Infrastructure => Some(FailureClass::ServerUnavailable),
        EventCause::Virus => Some(FailureClass::ContentRefused),
        EventCause::Expected => Some(FailureClass::Suppressed),
        EventCause::Undelivered | EventCause::Busy | EventCause::NoAnswer | EventCause::CannotReach => {
            Some(FailureClass::PhoneUnreachable)
        }
        EventCause::Completed => None,
    }
}
