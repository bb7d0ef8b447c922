//! What became of an attempt, recipient by recipient, and what is kept of a server's answers.

use std::time::Duration;

use crate::domain::adapter::fault::AdapterFault;
use crate::domain::exchange::Step;
use crate::server::delivery::message::BuildError;

/// How much of a server's reply is kept, in characters.
const REPLY_CAP: usize = 1000;

/// What became of one recipient in an attempt. Replies are in the server's words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientOutcome {
    /// The server took the message for this recipient.
    Accepted {
        /// Its last word: "250 2.0.0 Ok: queued as 4bXyz".
        reply: String,
    },
    /// The server asks to try again later (4xx).
    Deferred {
        /// "451 4.7.1 Greylisted, try again later".
        reply: String,
    },
    /// The server could not be used: trying again later can work. Also for a refused log-in, because mending the
    /// adapter lets waiting messages go out.
    Unreachable {
        /// "Cannot connect to mail.example.com:587: connection refused".
        reason: String,
    },
    /// The server refused this recipient for good (5xx).
    Refused {
        /// "550 5.1.1 no such user".
        reply: String,
    },
    /// The message cannot go to this recipient, whatever is tried.
    Failed {
        /// The server's words, or ours where the message never got to it.
        reason: String,
    },
    /// The team does not write to this recipient any more; nothing was sent.
    Dropped {
        /// Why, and since when.
        reason: String,
    },
    /// The connection broke between the end of the message and the answer.
    Unknown {
        /// What happened.
        reason: String,
    },
}

/// What an attempt says of its adapter. Of several requests, the last of these counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nobody was asked.
    #[default]
    Unasked,
    /// It answers: what did not go out is up to the message, or to its recipients.
    Works,
    /// It asks to be left alone for a while.
    Busy,
    /// It cannot be used now, and for those who wait still nothing went out.
    Down,
    /// The message may have got there: nobody else may send it.
    Unclear,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Each recipient's fate, in the order they were given.
    pub recipients: Vec<(String, RecipientOutcome)>,
    /// The server's id for the message, or else its `Message-ID`, once it was accepted for somebody.
    pub provider_message_id: Option<String>,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The step at which it ended, where that was not the end; of the last recipient that it ended for.
    pub fault: Option<AdapterFault>,
    pub standing: Standing,
    /// What both sides said.
    pub said: Vec<Step>,
    /// The encryption, where it is known: `TLS 1.3`.
    pub tls: Option<String>,
}

impl Attempt {
    /// The attempt in which every recipient meets the same fate.
    pub fn all(pending: &[String], outcome: &RecipientOutcome) -> Self {
        let recipients = pending.iter().map(|address| (address.clone(), outcome.clone())).collect();
        Self { recipients, ..Self::nobody() }
    }

    /// An attempt for nobody.
    pub fn nobody() -> Self {
        Self {
            recipients: Vec::new(),
            provider_message_id: None,
            retry_after: None,
            fault: None,
            standing: Standing::Unasked,
            said: Vec::new(),
            tls: None,
        }
    }

    /// Whether everybody got it.
    pub fn is_taken(&self) -> bool {
        self.recipients.iter().all(|(_, fate)| matches!(fate, RecipientOutcome::Accepted { .. }))
    }

    /// This attempt and another one, of the same message for other recipients.
    pub fn join(&mut self, other: Self) {
        self.recipients.extend(other.recipients);
        self.provider_message_id = self.provider_message_id.take().or(other.provider_message_id);
        self.retry_after = self.retry_after.max(other.retry_after);
        self.fault = other.fault.or(self.fault.take());
        self.standing = self.standing.max(other.standing);
        self.said.extend(other.said);
        self.tls = self.tls.take().or(other.tls);
    }

    /// What befell the connection and so whoever else the message is for; `None` where another recipient may fare better.
    pub fn unreachable(&self) -> Option<RecipientOutcome> {
        let last = self.recipients.last().map(|(_, outcome)| outcome);
        last.filter(|outcome| matches!(outcome, RecipientOutcome::Unreachable { .. })).cloned()
    }

    /// The same, with the step at which it ended.
    pub fn ended(pending: &[String], outcome: &RecipientOutcome, fault: AdapterFault) -> Self {
        Self { fault: Some(fault), ..Self::all(pending, outcome) }
    }
}

/// A foreign text on one line, without control characters, capped.
pub fn clean(text: &str) -> String {
    let text: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
    text.trim().chars().take(REPLY_CAP).collect()
}

pub(super) fn failed(cause: &BuildError) -> RecipientOutcome {
    RecipientOutcome::Failed { reason: cause.to_string() }
}

pub(super) fn attempt(pending: &[String], outcomes: Vec<Option<RecipientOutcome>>, message_id: &str) -> Attempt {
    let unsettled = || RecipientOutcome::Unreachable { reason: "The attempt ended early".to_owned() };
    let fates = outcomes.into_iter().map(|fate| fate.unwrap_or_else(unsettled));
    let recipients: Vec<_> = pending.iter().cloned().zip(fates).collect();
    let accepted = recipients.iter().find_map(|(_, fate)| match fate {
        RecipientOutcome::Accepted { reply } => Some(reply.as_str()),
        RecipientOutcome::Deferred { .. }
        | RecipientOutcome::Unreachable { .. }
        | RecipientOutcome::Refused { .. }
        | RecipientOutcome::Failed { .. }
        | RecipientOutcome::Dropped { .. }
        | RecipientOutcome::Unknown { .. } => None,
    });
    let provider_message_id =
        accepted.map(|reply| queue_id(reply).unwrap_or(message_id.trim_matches(['<', '>'])).to_owned());
    Attempt { recipients, provider_message_id, ..Attempt::nobody() }
}

/// The id under which a server queued a message, where its answer has one of the usual forms.
fn queue_id(reply: &str) -> Option<&str> {
    // Postfix: "Ok: queued as 4bXyz". Exim: "OK id=1tXX-0001". Exchange and others: "queued mail for delivery".
    if let Some((_, rest)) = reply.split_once("queued as ") {
        return rest.split_whitespace().next().and_then(plain_id);
    }
    let mut words = reply.split_whitespace();
    if let Some(id) = reply.split_whitespace().find_map(|word| word.strip_prefix("id=")) {
        return plain_id(id);
    }
    // Amazon SES: "250 Ok 010001…". Sendmail: "250 2.0.0 4AB Message accepted for delivery".
    let _code = words.next();
    let rest: Vec<&str> = words.collect();
    match rest[..] {
        [ok, id] if ok.eq_ignore_ascii_case("ok") => plain_id(id),
        [_, id, "Message", "accepted", ..] => plain_id(id),
        _ => None,
    }
}

fn plain_id(word: &str) -> Option<&str> {
    let word = word.trim_matches(['<', '>', '(', ')', ',', ';', '.', '"', '\'']);
    let is_id = (5..=200).contains(&word.len()) && word.chars().any(|letter| letter.is_ascii_digit());
    is_id.then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_id_is_found_in_the_usual_answers() {
        for (reply, id) in [
            ("250 2.0.0 Ok: queued as 4bXyz12", Some("4bXyz12")),
            ("250 OK id=1tXXab-000001-2C", Some("1tXXab-000001-2C")),
            ("250 Ok 0100018c-7f-000000", Some("0100018c-7f-000000")),
            ("250 2.0.0 4AB12cd034 Message accepted for delivery", Some("4AB12cd034")),
            ("250 2.6.0 <eml@x> Queued mail for delivery", None),
            ("250 Ok", None),
            ("250 Ok thanks", None),
        ] {
            assert_eq!(queue_id(reply), id, "{reply}");
        }
    }

    #[test]
    fn a_foreign_text_is_kept_on_one_line_and_short() {
        assert_eq!(clean("550 no\r\nsuch user\0 "), "550 no  such user");
        assert_eq!(clean(&"ü".repeat(5000)).chars().count(), REPLY_CAP);
    }
}
