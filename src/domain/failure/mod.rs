//! Why a message failed: from what the server said to whose problem it is, what the customer is told and whether
//! sending again helps. Sources: RFC 5321, RFC 3463 with the registry of RFC 5248, RFC 7372, RFC 7505, and the
//! providers' documents that each rule names.

mod class;
mod fingerprint;
mod provider;
mod reason;
mod reply;
mod rules;
#[cfg(test)]
mod tests;

pub use class::{FailureClass, ResendHelp, Responsible, UnknownFailureClass};
pub use provider::MailboxProvider;
pub use reason::{FailureGroup, Reason, Reasons, UnknownFailureGroup};
pub use reply::EnhancedCode;

use super::channel::Channel;
use super::event::{EmailEvent, EventCause, EventKind};
use super::status::EmailStatus;
use reply::Reply;
use rules::rules;

/// Of all that a diagnosis follows from. It is raised with every change of this folder by which a message may get another
/// diagnosis: what is kept of an earlier version is diagnosed anew, in the background.
pub const VERSION: i16 = 3;

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

impl Diagnosis {
    /// What messages have in common that failed for one reason, as a text to be hashed: the class, the mailbox provider and
    /// what the server said.
    pub fn group_text(&self) -> String {
        format!("{}\n{}\n{}", self.fingerprint, self.class.as_str(), self.mailbox_provider.unwrap_or_default())
    }
}

/// What of a message, beside its events, a diagnosis reads.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    pub channel: Channel,
    pub status: EmailStatus,
    /// The first of those it is for.
    pub recipient: Option<&'a str>,
    pub error_message: Option<&'a str>,
}

impl Failed<'_> {
    /// Why it did not arrive, by the newest of its events that says so or, where these are kept no longer, by what is kept of
    /// them. Events are in the order of their times. `None` for a message that did arrive, or still may.
    pub fn diagnosis(&self, events: &[EmailEvent]) -> Option<Diagnosis> {
        self.evidence(events).map(|evidence| diagnose(&evidence))
    }

    /// What the server said, normalised; `None` where it said nothing.
    pub fn words(&self, events: &[EmailEvent]) -> Option<String> {
        self.evidence(events).and_then(|evidence| fingerprint::words(&evidence))
    }

    /// The codes of what the server said: `550 5.1.1`; `None` where it named none.
    pub fn reply_code(&self, events: &[EmailEvent]) -> Option<String> {
        self.evidence(events).and_then(|evidence| reply_code(&evidence))
    }

    /// The codes of what one event tells.
    pub fn reply_code_by(&self, event: &EmailEvent) -> Option<String> {
        reply_code(&self.evidence_of(event))
    }

    /// What one event tells.
    pub fn diagnosis_by(&self, event: &EmailEvent) -> Diagnosis {
        diagnose(&self.evidence_of(event))
    }

    fn evidence<'e>(&'e self, events: &'e [EmailEvent]) -> Option<Evidence<'e>> {
        let kind = match self.status {
            EmailStatus::Bounced => EventKind::Bounced,
            EmailStatus::Failed => EventKind::Failed,
            EmailStatus::Queued
            | EmailStatus::Sent
            | EmailStatus::Delivered
            | EmailStatus::Opened
            | EmailStatus::Clicked
            | EmailStatus::Spam => return None,
        };
        let newest = events.iter().rev().find(|event| event.kind.is_failure());
        Some(newest.map_or_else(
            || Evidence {
                channel: self.channel,
                kind,
                cause: None,
                reply: None,
                message: self.error_message,
                host: None,
                domain: self.recipient.and_then(domain_of),
            },
            |event| self.evidence_of(event),
        ))
    }

    fn evidence_of<'e>(&'e self, event: &'e EmailEvent) -> Evidence<'e> {
        let detail = &event.detail;
        Evidence {
            channel: self.channel,
            kind: event.kind,
            cause: detail.cause,
            reply: detail.reply.as_deref(),
            message: detail.message.as_deref().or(self.error_message),
            host: detail.mx.as_deref().or(detail.server.as_deref()),
            domain: event.recipient.as_deref().or(self.recipient).and_then(domain_of),
        }
    }
}

fn domain_of(address: &str) -> Option<&str> {
    address.rsplit_once('@').map(|(_, domain)| domain)
}

fn reply_code(evidence: &Evidence<'_>) -> Option<String> {
    let reply = Reply::read(evidence.reply.unwrap_or_default());
    reply.or(&Reply::read(evidence.message.unwrap_or_default())).codes()
}

/// A mail server's last word, and nothing beside it.
fn refused(reply: &str) -> Evidence<'_> {
    Evidence {
        channel: Channel::Email,
        kind: EventKind::Bounced,
        cause: None,
        reply: Some(reply),
        message: None,
        host: None,
        domain: None,
    }
}

/// What the timeline says of a mail server that refused for good, by its words.
pub fn refusal_words(reply: &str) -> &'static str {
    match diagnose(&refused(reply)).class.is_about_recipient() {
        true => "The mail server refused this recipient",
        false => "The mail server refused the message",
    }
}

pub fn diagnose(evidence: &Evidence<'_>) -> Diagnosis {
    let reply = Reply::read(evidence.reply.unwrap_or_default());
    let message = Reply::read(evidence.message.unwrap_or_default());
    let provider = provider::find(evidence.host, evidence.domain, &reply.text);
    Diagnosis {
        class: classify(evidence, provider, &reply, &message),
        enhanced_code: reply.enhanced.or(message.enhanced),
        mailbox_provider: provider.filter(|_| evidence.channel == Channel::Email).map(|known| known.name.as_str()),
        fingerprint: fingerprint::fingerprint(evidence, reply.or(&message)),
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
        EventCause::Completed | EventCause::Machine => None,
    }
}
