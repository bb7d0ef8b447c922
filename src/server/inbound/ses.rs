//! Amazon SES's news of messages, inside an envelope of [crate::server::inbound::sns]: the events of a configuration set (`eventType`)
//! and the feedback notifications of an identity (`notificationType`).
//! Sources: Amazon SES Developer Guide, "Contents of event data that Amazon SES publishes to Amazon SNS" and "Amazon
//! SNS notification contents for Amazon SES". SES does not say which of several recipients opened a message or
//! followed a link; such an event is told of nobody alone.

use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::server::inbound::reading::{self, News, OWN_ID, Text, Texts};
use crate::server::inbound::sns::{Envelope, Kind};
use crate::server::inbound::{Refusal, Reports};
use crate::server::services::events::EventReport;

mod shapes;

use shapes::{Event, Header, Mail, Preferences, Recipient, TopicStatus, Visit};

/// How the text begins that SES posts once when a topic is set up.
const SET_UP: &str = "Successfully validated SNS topic";
/// The header by which a sender sets message tags: `name=value, name=value`.
const TAGS_HEADER: &str = "X-SES-MESSAGE-TAGS";

/// Reads the news in an envelope: one report a recipient. A confirmation or a word about the set-up holds none.
pub fn read(envelope: &Envelope) -> Result<Reports, Refusal> {
    if envelope.kind() != Kind::Notification || envelope.message().starts_with(SET_UP) {
        return Ok(Reports::new());
    }
    let event = reading::object::<Event>(envelope.message().as_bytes());
    let event = event.map_err(|_| reading::unreadable("The Message is not JSON as Amazon SES documents it"))?;
    Ok(event.reports())
}

impl Event {
    fn reports(&self) -> Reports {
        let kind = self.event_type.or(&self.notification_type);
        match kind.or_empty().replace(' ', "").as_str() {
            "Send" => self.of_whole_mail(&News::new(EventKind::Sent)),
            "Delivery" => self.delivery(),
            "Bounce" => self.bounce(),
            "Complaint" => self.complaint(),
            "DeliveryDelay" => self.delay(),
            "Reject" => self.reject(),
            "RenderingFailure" => {
                self.of_whole_mail(&News::new(EventKind::Failed).message(self.failure.error_message.owned()))
            }
            "Open" => self.visit(EventKind::Opened, &self.open),
            "Click" => self.visit(EventKind::Clicked, &self.click),
            "Subscription" => self.subscription(),
            "Received" | "AmazonSnsSubscriptionSucceeded" => Reports::new(),
            _ => vec![Err(reading::unknown_type(kind))],
        }
    }

    /// What SES says of the message as a whole, it says of every recipient.
    fn of_whole_mail(&self, news: &News) -> Reports {
        let mark = Mark { at: &self.mail.timestamp, own_id: None };
        match self.mail.destination.as_slice() {
            [] => vec![self.report(&mark, None, news.clone())],
            several => several.iter().map(|to| self.report(&mark, Some(to), news.clone())).collect(),
        }
    }

    fn delivery(&self) -> Reports {
        let delivery = &self.delivery;
        let mark = Mark { at: &delivery.timestamp, own_id: None };
        let detail = EventDetail {
            reply: delivery.smtp_response.owned(),
            server_ip: delivery.remote_mta_ip.owned(),
            protocol: Some("smtp".to_owned()),
            ..EventDetail::default()
        };
        let news = News { kind: EventKind::Delivered, detail };
        match delivery.recipients.as_slice() {
            [] => no_recipients(),
            several => several.iter().map(|to| self.report(&mark, Some(to), news.clone())).collect(),
        }
    }

    fn bounce(&self) -> Reports {
        let bounce = &self.bounce;
        let (kind, cause) = match (bounce.bounce_type.or_empty(), bounce.bounce_sub_type.or_empty()) {
            (_, "Suppressed" | "OnAccountSuppressionList" | "UnsubscribedRecipient") => {
                (EventKind::Dropped, EventCause::Expected)
            }
            ("Permanent", _) => (EventKind::Bounced, EventCause::Hard),
            _ => (EventKind::Bounced, EventCause::Soft),
        };
        let mut news = News::new(kind).cause(cause);
        news.detail.message = bounce_words(bounce.bounce_type.get(), bounce.bounce_sub_type.or_empty());
        news.detail.server_ip = bounce.remote_mta_ip.owned();
        let mark = Mark { at: &bounce.timestamp, own_id: bounce.feedback_id.get() };
        self.of_recipients(&mark, &bounce.bounced_recipients, &news)
    }

    fn complaint(&self) -> Reports {
        let complaint = &self.complaint;
        let news = match (complaint.complaint_sub_type.or_empty(), complaint.complaint_feedback_type.get()) {
            (_, Some("not-spam")) => return Reports::new(),
            (on_list @ "OnAccountSuppressionList", _) => {
                News::new(EventKind::Dropped).cause(EventCause::Expected).message(bounce_words(None, on_list))
            }
            (_, told) => News::new(EventKind::ReportedAsSpam)
                .message(told.map(|kind| format!("The recipient complained: {kind}"))),
        };
        let mark = Mark { at: &complaint.timestamp, own_id: complaint.feedback_id.get() };
        self.of_recipients(&mark, &complaint.complained_recipients, &news)
    }

    fn delay(&self) -> Reports {
        let delay = &self.delivery_delay;
        let news = News::new(EventKind::Deferred).message(delay.delay_type.get().map(delay_words));
        let mark = Mark { at: &delay.timestamp, own_id: None };
        self.of_recipients(&mark, &delay.delayed_recipients, &news)
    }

    /// SES rejects a message for one reason: it carries a virus.
    fn reject(&self) -> Reports {
        let news = News::new(EventKind::Dropped).cause(EventCause::Virus).message(self.reject.reason.owned());
        self.of_whole_mail(&news)
    }

    fn visit(&self, kind: EventKind, visit: &Visit) -> Reports {
        let detail = EventDetail {
            url: visit.link.owned(),
            user_agent: visit.user_agent.owned(),
            ip: visit.ip_address.owned(),
            ..EventDetail::default()
        };
        let mark = Mark { at: &visit.timestamp, own_id: None };
        vec![self.report(&mark, self.mail.only_recipient(), News { kind, detail })]
    }

    fn subscription(&self) -> Reports {
        let (new, old) = (&self.subscription.new_topic_preferences, &self.subscription.old_topic_preferences);
        let from = self.subscription.contact_list.get().unwrap_or("the contact list");
        let left = new.left_since(old);
        let message = if new.is_out_of_all() && !old.is_out_of_all() {
            format!("Unsubscribed from {from}")
        } else if left.is_empty() {
            return Reports::new();
        } else {
            format!("Unsubscribed from {} of {from}", left.join(", "))
        };
        let mark = Mark { at: &self.subscription.timestamp, own_id: None };
        let news = News::new(EventKind::Unsubscribed).message(Some(message));
        vec![self.report(&mark, self.mail.only_recipient(), news)]
    }

    fn of_recipients(&self, mark: &Mark<'_>, recipients: &[Recipient], news: &News) -> Reports {
        if recipients.is_empty() {
            return no_recipients();
        }
        let report = |recipient: &Recipient| {
            let address = recipient.email_address.get().ok_or("A recipient of the event has no address")?;
            self.report(mark, Some(address), news.clone().reply(recipient.reply()))
        };
        recipients.iter().map(report).collect()
    }

    fn report(&self, mark: &Mark<'_>, recipient: Option<&str>, news: News) -> Result<EventReport, String> {
        let at = reading::event_time(mark.at)?;
        let mail = &self.mail;
        let provider_message_id = reading::provider_message_id(mail.message_id.get());
        let recipient = recipient.map(reading::address);
        let to = recipient.unwrap_or_default();
        let id = match mark.own_id {
            Some(own) => reading::event_id("ses", &[own, to]),
            None => {
                let kind = format!("{:?}", news.kind);
                let message = provider_message_id.as_deref().unwrap_or_default();
                let link = news.detail.url.as_deref().unwrap_or_default();
                let ip = news.detail.ip.as_deref().unwrap_or_default();
                reading::event_id("ses", &[&kind, message, to, mark.at.or_empty(), link, ip])
            }
        };
        reading::named(EventReport {
            email_id: mail.email_id(),
            provider_message_id,
            recipient: recipient.map(str::to_owned),
            from: mail.common_headers.from.first().or(mail.source.get()).map(str::to_owned),
            subject: mail.common_headers.subject.owned(),
            ..reading::report(id, news, at)
        })
    }
}

/// What tells the event apart, beside what it says.
struct Mark<'a> {
    at: &'a Text,
    /// SES's own id of a bounce or complaint: the same in both shapes.
    own_id: Option<&'a str>,
}

fn no_recipients() -> Reports {
    vec![Err("The event names no recipients".to_owned())]
}

impl Mail {
    fn only_recipient(&self) -> Option<&str> {
        match self.destination.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The message's id in Sendlog: a message tag. Feedback notifications have only the header that set it.
    fn email_id(&self) -> Option<EmailId> {
        let tag = self.tags.get(OWN_ID).and_then(Texts::first);
        reading::email_id(tag.or_else(|| self.tag_in_header()))
    }

    fn tag_in_header(&self) -> Option<&str> {
        let is_tags = |header: &&Header| header.name.or_empty().eq_ignore_ascii_case(TAGS_HEADER);
        let tags = self.headers.iter().find(is_tags)?.value.get()?;
        let mut pairs = tags.split([',', ';']).filter_map(|tag| tag.split_once('='));
        pairs.find(|(name, _)| name.trim() == OWN_ID).map(|(_, id)| id.trim())
    }
}

impl Recipient {
    /// `smtp; 550 5.1.1 unknown` without the word for the protocol; else the status code alone.
    fn reply(&self) -> Option<String> {
        let told = self.diagnostic_code.get().map(|code| match code.split_once(';') {
            Some((protocol, words)) if protocol.trim().eq_ignore_ascii_case("smtp") => words.trim(),
            _ => code,
        });
        told.or(self.status.get()).map(str::to_owned)
    }
}

impl Preferences {
    fn is_out_of_all(&self) -> bool {
        self.unsubscribe_all.is_set()
    }

    fn is_out_of(&self, topic: &str) -> bool {
        let is_it = |status: &&TopicStatus| status.topic_name.get() == Some(topic);
        self.topic_subscription_status.iter().find(is_it).is_some_and(TopicStatus::is_out)
    }

    /// The topics that the contact left, compared with what was before.
    fn left_since(&self, before: &Preferences) -> Vec<&str> {
        let out = self.topic_subscription_status.iter().filter(|status| status.is_out());
        out.filter_map(|status| status.topic_name.get()).filter(|topic| !before.is_out_of(topic)).collect()
    }
}

impl TopicStatus {
    fn is_out(&self) -> bool {
        self.subscription_status.or_empty().eq_ignore_ascii_case("OptOut")
    }
}

fn bounce_words(bounce_type: Option<&str>, sub_type: &str) -> Option<String> {
    let words = match sub_type {
        "Suppressed" => "The address is on Amazon's suppression list",
        "OnAccountSuppressionList" => "The address is on the account's suppression list",
        "UnsubscribedRecipient" => "The recipient unsubscribed from the contact list",
        "MailboxFull" => "The mailbox is full",
        "MessageTooLarge" => "The message is too large",
        "CustomTimeoutExceeded" => "SES gave up after the time that the sender set",
        "ContentRejected" => "The mail server refused the content",
        "AttachmentRejected" => "The mail server refused an attachment",
        "" => return bounce_type.map(|kind| format!("{kind} bounce")),
        other => return Some(bounce_type.map_or(other.to_owned(), |kind| format!("{kind} bounce: {other}"))),
    };
    Some(words.to_owned())
}

fn delay_words(delay_type: &str) -> String {
    let words = match delay_type {
        "InternalFailure" => "A fault within SES",
        "MailboxFull" => "The mailbox is full",
        "SpamDetected" => "The mail server takes it for spam for now",
        "RecipientServerError" => "The mail server has a fault",
        "IPFailure" => "The mail server holds back mail from SES's address",
        "TransientCommunicationFailure" => "The connection to the mail server failed",
        "SendingDeferral" => "SES holds it back for a while",
        other => return format!("Delivery is delayed: {other}"),
    };
    words.to_owned()
}

#[cfg(test)]
mod tests;
