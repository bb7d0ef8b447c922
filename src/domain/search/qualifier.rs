//! What can stand before the colon in the search field, and which values are right behind it.

use std::str::FromStr;

use super::spelling::is_one_edit;
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::failure::{FailureClass, FailureGroup, MailboxProvider};
use crate::domain::filter::StatusSet;
use crate::domain::named::named;
use crate::domain::status::EmailStatus;

named! {
    /// What a message is asked for. The label says what that finds.
    pub enum Qualifier, "unknown qualifier" {
        From = "from" "Sender: a part of the name or address",
        To = "to" "Recipient: a whole address, or a part of a name or address",
        Subject = "subject" "A part of the subject",
        Status = "status" "What became of it; problems are bounced, failed and spam",
        Template = "template" "The template, by name or id",
        Channel = "channel" "email, sms, call, push or in_app",
        Tag = "tag" "A tag, whole",
        Key = "key" "The API key that sent it, by name or id",
        Adapter = "adapter" "The adapter that it goes out by, by name or id",
        Reply = "reply" "A part of a mail server's answer, or its code",
        Reason = "reason" "Why it failed, as the list says it",
        Group = "group" "A group of failures, as the list links it",
        Server = "server" "The host, the mail exchanger or the network address, whole",
        Provider = "provider" "Who runs the recipient's mailbox, or a domain",
        Meta = "meta" "A value of the metadata, whole",
        Id = "id" "Any id: of the message, job, provider, notification or request",
        Person = "person" "Your own id of the person",
        Is = "is" "resent: it was sent again; scheduled: it waits for its time",
        Has = "has" "attachment: a file is attached",
        Before = "before" "Accepted before a day or a time",
        After = "after" "Accepted since a day or a time",
    }
}

impl Qualifier {
    /// One that reads well, for who has not met it.
    pub const fn example(self) -> &'static str {
        match self {
            Self::From => "from:receipts",
            Self::To => "to:ada@example.com",
            Self::Subject => "subject:\"your receipt\"",
            Self::Status => "status:problems",
            Self::Template => "template:Welcome",
            Self::Channel => "channel:sms",
            Self::Tag => "tag:receipt",
            Self::Key => "key:Production",
            Self::Adapter => "adapter:\"SES Frankfurt\"",
            Self::Reply => "reply:5.1.1",
            Self::Reason => "reason:address-unknown",
            Self::Group => "group:v1-00c0ffee00c0ffee",
            Self::Server => "server:mx1.example.com",
            Self::Provider => "provider:Gmail",
            Self::Meta => "meta.order:43645",
            Self::Id => "id:eml_06xq3k9v2m4p8",
            Self::Person => "person:user-17",
            Self::Is => "is:resent",
            Self::Has => "has:attachment",
            Self::Before => "before:2026-11-20T16:50",
            Self::After => "after:2026-11-20",
        }
    }

    /// Why it cannot be denied; `None` for one that can.
    pub const fn why_not_denied(self) -> Option<&'static str> {
        match self {
            Self::Before => Some("in place of -before: use after:"),
            Self::After => Some("in place of -after: use before:"),
            Self::From
            | Self::To
            | Self::Subject
            | Self::Status
            | Self::Template
            | Self::Channel
            | Self::Tag
            | Self::Key
            | Self::Adapter
            | Self::Reply
            | Self::Reason
            | Self::Group
            | Self::Server
            | Self::Provider
            | Self::Meta
            | Self::Id
            | Self::Person
            | Self::Is
            | Self::Has => None,
        }
    }

    /// A value as it is kept, or what would be right.
    pub fn checked(self, value: &str) -> Result<String, String> {
        let lower = value.to_lowercase();
        let one_of = |known: &[&str]| match known.contains(&lower.as_str()) {
            true => Ok(lower.clone()),
            false => Err(format!("{}: takes {}, not “{value}”", self.as_str(), spoken(known))),
        };
        match self {
            _ if value.is_empty() => Err(format!("write a value behind {}:, as in {}", self.as_str(), self.example())),
            Self::Status => {
                let names: Vec<&str> =
                    EmailStatus::ALL.map(EmailStatus::as_str).into_iter().chain([PROBLEMS]).collect();
                one_of(&names)
            }
            Self::Channel => one_of(&Channel::ALL.map(Channel::as_str)),
            Self::Is => one_of(&["resent", "scheduled"]),
            Self::Has => one_of(&["attachment"]),
            Self::Reason => FailureClass::from_slug(value).map(FailureClass::slug).ok_or_else(|| {
                let known = FailureClass::ALL.map(FailureClass::slug);
                format!("reason: takes one of these, not “{value}”: {}", known.join(", "))
            }),
            Self::Group => lower.parse::<FailureGroup>().map(|_| lower.clone()).map_err(|_| {
                format!("group: takes what the list of reasons links, such as {}, not “{value}”", self.example())
            }),
            Self::Provider if !value.contains('.') && MailboxProvider::named(value).is_empty() => {
                let some: Vec<&str> = MailboxProvider::names().collect();
                Err(format!("provider: takes a domain, or one of these, not “{value}”: {}", some.join(", ")))
            }
            Self::Meta
            | Self::From
            | Self::To
            | Self::Subject
            | Self::Template
            | Self::Tag
            | Self::Key
            | Self::Adapter
            | Self::Reply
            | Self::Server
            | Self::Provider
            | Self::Id
            | Self::Person
            | Self::Before
            | Self::After => Ok(value.to_owned()),
        }
    }
}

/// What `status:problems` stands for.
pub const PROBLEMS: &str = "problems";

/// The statuses that these checked values of `status:` name.
pub fn statuses_of<'a>(values: impl IntoIterator<Item = &'a str>) -> StatusSet {
    let mut set = StatusSet::default();
    for value in values {
        match EmailStatus::from_str(value) {
            Ok(status) => set.insert(status),
            Err(_) => StatusSet::PROBLEMS.iter().for_each(|status| set.insert(status)),
        }
    }
    set
}

/// `a, b or c`.
fn spoken(names: &[&str]) -> String {
    match names {
        [start @ .., last] if !start.is_empty() => format!("{} or {last}", start.join(", ")),
        _ => names.concat(),
    }
}

/// The qualifier whose name differs by one letter: another one, one too many or too few, or two the wrong way round.
fn nearest(name: &str) -> Option<Qualifier> {
    let name = name.to_ascii_lowercase();
    Qualifier::ALL.into_iter().find(|known| is_one_edit(name.as_bytes(), known.as_str().as_bytes()))
}

/// The refusal of a name that no qualifier has.
pub(super) fn unknown(name: &str) -> AppError {
    let known: Vec<String> = Qualifier::ALL
        .into_iter()
        .map(|known| match known {
            Qualifier::Meta => "meta.NAME:".to_owned(),
            _ => format!("{}:", known.as_str()),
        })
        .collect();
    let meant = nearest(name).map(|near| format!(" Did you mean {}:?", near.as_str())).unwrap_or_default();
    AppError::invalid_field(
        super::PARAMETER,
        format!(
            "there is no “{name}:” to search by.{meant} There are {}; put a text that has a colon in it in double quotes",
            known.join(", ")
        ),
    )
}
