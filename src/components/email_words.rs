//! What pages say of a message in words: whom it is for, and what became of its copy.

use super::time::{TimeStyle, ViewerClock};
use crate::domain::channel::Channel;
use crate::domain::email::{EmailStatus, Recipient, RecipientKind};
use crate::domain::ids::EmailId;

/// What stands for a message where its subject does.
pub fn shown_subject(subject: &str, channel: Channel) -> String {
    match (subject.is_empty(), channel) {
        (false, _) => subject.to_owned(),
        (true, Channel::Email) => "(no subject)".to_owned(),
        (true, channel) => format!("{} message", channel.label()),
    }
}

/// What the dialog says of a copy: "It was resent at 15:58 by Mara Ott, bounced again."
pub fn resent_words(copy: EmailId, status: EmailStatus, by: Option<&str>) -> String {
    let time = ViewerClock::of_page().format(copy.created_at(), TimeStyle::Short);
    let by = by.map(|by| format!(" {by}")).unwrap_or_default();
    format!("It was resent already: {time}{by}{}.", copy_words(status))
}

/// What became of a copy.
pub const fn copy_words(status: EmailStatus) -> &'static str {
    match status {
        EmailStatus::Queued => ", on its way",
        EmailStatus::Sent => ", sent",
        EmailStatus::Delivered => ", arrived",
        EmailStatus::Opened | EmailStatus::Clicked => ", arrived and was opened",
        EmailStatus::Bounced => ", bounced again",
        EmailStatus::Failed => ", failed again",
        EmailStatus::Spam => ", reported as spam",
    }
}

/// So many recipients are named; of more, the first five are and the others counted.
const NAMED: usize = 6;

/// Everybody a message is for: `ada@example.com, bob@example.com (Cc)`.
pub fn spoken_list(recipients: &[Recipient]) -> String {
    listed(recipients, spoken)
}

/// The same with their names: `Ada Lovelace <ada@example.com>`.
pub fn named_list(recipients: &[Recipient]) -> String {
    listed(recipients, |recipient| match &recipient.name {
        Some(name) => format!("{name} <{}>", spoken(recipient)),
        None => spoken(recipient),
    })
}

fn spoken(recipient: &Recipient) -> String {
    match recipient.kind {
        RecipientKind::To => recipient.address.clone(),
        RecipientKind::Cc => format!("{} (Cc)", recipient.address),
        RecipientKind::Bcc => format!("{} (Bcc)", recipient.address),
    }
}

fn listed(recipients: &[Recipient], words_of: impl Fn(&Recipient) -> String) -> String {
    let named = if recipients.len() > NAMED { NAMED - 1 } else { recipients.len() };
    let words = recipients.iter().take(named).map(words_of).collect::<Vec<_>>().join(", ");
    match recipients.len() - named {
        0 => words,
        more => format!("{words} and {more} more"),
    }
}
