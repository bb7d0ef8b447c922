//! What pages say to explain themselves: a sentence for each status, event and field. Components show them on hover, focus and
//! tap.

use super::event::EventKind;
use super::status::EmailStatus;
use super::team::TeamOwner;

/// What is wrong, as a sentence of its own: a capital at its beginning, a mark at its end.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let start: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{start}{}{end}", letters.as_str())
}

/// Whom to ask for what a role lacks: "Ask Ada or Bob (owners)."
pub fn whom_to_ask(owners: &[TeamOwner]) -> String {
    let names: Vec<&str> = owners.iter().map(|owner| owner.name.as_str()).collect();
    match names[..] {
        [] => "Ask an owner of the team.".to_owned(),
        [one] => format!("Ask {one} (owner)."),
        [ref first @ .., last] => format!("Ask {} or {last} (owners).", first.join(", ")),
    }
}

/// What a status means.
pub const fn of_status(status: EmailStatus) -> &'static str {
    match status {
        EmailStatus::Queued => "It waits to be sent: for its time, for an adapter, or for its next attempt.",
        EmailStatus::Sent => "The mail server or provider took it. No report has come yet of whether it arrived.",
        EmailStatus::Delivered => "The recipient’s server took it into the mailbox. It may be in the spam folder.",
        EmailStatus::Opened => "The recipient opened it, or their mail program loaded its images ahead.",
        EmailStatus::Clicked => "The recipient followed a link in it.",
        EmailStatus::Bounced => "A mail server refused it. It was not delivered and is not tried again by itself.",
        EmailStatus::Failed => "It could not be handed to a mail server and is not tried again.",
        EmailStatus::Spam => "It was delivered, and the recipient marked it as spam.",
    }
}

/// What an event means.
pub const fn of_event(kind: EventKind) -> &'static str {
    match kind {
        EventKind::Requested => "An application asked for it by the API.",
        EventKind::Triggered => "Something in the application asked for it.",
        EventKind::Queued => "It was accepted and waits to be sent.",
        EventKind::FailedToQueue => "It could not be put into the queue at once; that is tried again.",
        EventKind::Processed => "The provider has the request and will send it.",
        EventKind::Sent => "The mail server or provider took it. Whether it arrived, a later report says.",
        EventKind::Deferred => "The recipient’s server asked to try again later. That is done by itself.",
        EventKind::FailedToSend => "This attempt failed. Another one follows by itself.",
        EventKind::Delivered => "The recipient’s server took it into the mailbox.",
        EventKind::Opened => "Its images were loaded: by the recipient, or by a mail program ahead of them.",
        EventKind::ReOpened => "Its images were loaded once more.",
        EventKind::Clicked => "A link in it was followed.",
        EventKind::ReClicked => "A link in it was followed once more.",
        EventKind::Bounced => "A mail server refused it. It is not tried again by itself.",
        EventKind::Dropped => "The provider did not try to deliver it.",
        EventKind::Canceled => "Somebody took it back before it was sent.",
        EventKind::Failed => "It could not be sent and is not tried again.",
        EventKind::Uncertain => {
            "The server stopped during the attempt. It may have gone out, so it is not tried again by itself."
        }
        EventKind::ReportedAsSpam => "The recipient marked it as spam.",
        EventKind::Unsubscribed => "The recipient asked for no more messages of this kind.",
    }
}

/// What a field of a message means, by its name on the page; `None` where the name says it.
pub fn of_field(name: &str) -> Option<&'static str> {
    Some(match name {
        "Part of" => "The notification that it is one channel of.",
        "User id" => "How the application that sent it names the person.",
        "Reply to" => "Where the recipient’s answer goes.",
        "Template" => "What its subject and text were made from, at the version of that moment.",
        "Tags" => "Words that the application gave it, to find it by.",
        "API key" => "Which of the team’s keys the application sent it with.",
        "Adapter" => "The mail server or provider that it went out by.",
        "Mailbox provider" => "Who runs the recipient’s mailbox.",
        "Resend of" => "The message that was sent again as this one.",
        "Resent as" => "The copies that it was sent again as.",
        "Scheduled" => "When it is to go out.",
        "Id" => "Sendlog’s own id of the message. Searching for it leads here.",
        "Channel" => "How it reaches the recipient.",
        "Accepted" => "When Sendlog took it from the application.",
        "Sent" => "When the mail server or provider took it.",
        "Delivered" => "When the recipient’s server took it.",
        "Error" => "What the mail server or provider said last.",
        "Provider id" => "How the mail server or provider names it, for questions to them.",
        "API request" => "The request that created it, with its body and answer.",
        "Version id" => "The version of its template.",
        "PDF attached" => "Whether it carries a PDF file.",
        "Headers" => "Header lines that the application added.",
        "Job" => "The piece of work that sends it, as the API names it.",
        "Team" => "The id of the team that it belongs to.",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_to_ask_are_named_as_people_say_them() {
        let said = |names: &[&str]| {
            let owner = |name: &&str| TeamOwner { name: (*name).to_owned(), email: String::new() };
            whom_to_ask(&names.iter().map(owner).collect::<Vec<_>>())
        };
        assert_eq!(said(&[]), "Ask an owner of the team.");
        assert_eq!(said(&["Ada"]), "Ask Ada (owner).");
        assert_eq!(said(&["Ada", "Bob", "Eve"]), "Ask Ada, Bob or Eve (owners).");
    }

    #[test]
    fn a_sentence_has_a_capital_and_one_mark() {
        for (text, said) in
            [("subject is required", "Subject is required."), ("Why?", "Why?"), ("It ended.", "It ended.")]
        {
            assert_eq!(sentence(text), said);
        }
    }

    #[test]
    fn every_explanation_is_a_sentence_that_fits_a_tooltip() {
        let texts = EmailStatus::ALL.iter().map(|status| of_status(*status));
        for text in texts.chain(EventKind::ALL.iter().map(|kind| of_event(*kind))) {
            assert!(text.ends_with('.') && text.chars().count() <= 110, "{text}");
        }
    }
}
