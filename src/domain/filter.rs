//! Which messages a list or a count is about.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::event::EventSet;
use super::failure::{FailureClass, FailureGroup};
use super::ids::{AdapterId, ApiKeyId, EmailId, NotificationId, TemplateId};
use super::status::EmailStatus;

/// A half-open span of time by `created_at`: `from` is in it, `to` is not. An absent end is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeRange {
    /// The first instant in the range.
    pub from: Option<DateTime<Utc>>,
    /// The first instant after the range.
    pub to: Option<DateTime<Utc>>,
}

impl TimeRange {
    /// The range from `from` up to, and without, `to`.
    pub const fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Self {
        Self { from: Some(from), to: Some(to) }
    }
}

/// A set of statuses. The empty set, in a filter, means any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusSet(u8);

impl StatusSet {
    /// What the Delivered card counts: messages that arrived, opened or not.
    pub const ARRIVED: StatusSet =
        StatusSet(Self::bit(EmailStatus::Delivered) | Self::bit(EmailStatus::Opened) | Self::bit(EmailStatus::Clicked));
    /// What the Opened card counts: messages opened at least once.
    pub const READ: StatusSet = StatusSet(Self::bit(EmailStatus::Opened) | Self::bit(EmailStatus::Clicked));
    /// What did not get through, or was not wanted.
    pub const PROBLEMS: StatusSet =
        StatusSet(Self::bit(EmailStatus::Bounced) | Self::bit(EmailStatus::Failed) | Self::bit(EmailStatus::Spam));

    /// What has a diagnosis: it did not get through.
    pub const FAILED: StatusSet = StatusSet(Self::bit(EmailStatus::Bounced) | Self::bit(EmailStatus::Failed));

    const fn bit(status: EmailStatus) -> u8 {
        1 << status as u8
    }

    /// The set of one status.
    pub const fn one(status: EmailStatus) -> Self {
        Self(Self::bit(status))
    }

    /// Whether no status is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `status` is in the set.
    pub const fn contains(self, status: EmailStatus) -> bool {
        self.0 & Self::bit(status) != 0
    }

    /// Adds `status`.
    pub fn insert(&mut self, status: EmailStatus) {
        self.0 |= Self::bit(status);
    }

    /// The statuses of this set that are, or are not, in the other.
    pub const fn split(self, other: StatusSet) -> (Self, Self) {
        (Self(self.0 & other.0), Self(self.0 & !other.0))
    }

    /// The statuses in the set, in [EmailStatus::ALL]'s order.
    pub fn iter(self) -> impl Iterator<Item = EmailStatus> {
        EmailStatus::ALL.into_iter().filter(move |status| self.contains(*status))
    }

    /// The set, except that the empty set becomes the set of all: what a filter lets through.
    pub const fn or_all(self) -> Self {
        if self.is_empty() { Self(u8::MAX) } else { self }
    }
}

impl FromIterator<EmailStatus> for StatusSet {
    fn from_iter<I: IntoIterator<Item = EmailStatus>>(statuses: I) -> Self {
        let mut set = Self::default();
        statuses.into_iter().for_each(|status| set.insert(status));
        set
    }
}

/// Which messages to list or to count. The default is all of the team's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EmailFilter {
    /// When they were accepted.
    pub range: TimeRange,
    /// Their status; empty for any.
    pub statuses: StatusSet,
    pub template_id: Option<TemplateId>,
    pub channel: Option<Channel>,
    /// Words, and phrases in double quotes, that are all in the message: in addresses and names, the subject, metadata or,
    /// where the viewer sees them, variables. Letters count alike in any case, with accents or without. Never empty.
    pub search: Option<String>,
    /// What else must hold. Lists by these are walked, not counted beforehand.
    pub criteria: Criteria,
}

/// Rarer conditions on a message. Each that is set must hold; texts are compared in any case of letters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Criteria {
    pub email_id: Option<EmailId>,
    /// It has had at least one of these events; empty for any.
    pub events: EventSet,
    pub notification_id: Option<NotificationId>,
    /// The sender's own id of the person it is for.
    pub external_user_id: Option<String>,
    /// The provider's id of it, or the `Message-ID` it was sent with; with or without angle brackets.
    pub provider_message_id: Option<String>,
    /// The sender's address, without a name.
    pub from_address: Option<String>,
    /// The address of one of its recipients.
    pub recipient: Option<String>,
    /// A part of its subject.
    pub subject: Option<String>,
    /// A part of a mail server's answer, about a message whose template marks no variable.
    pub reply: Option<String>,
    /// The host it was handed to.
    pub server: Option<String>,
    pub server_ip: Option<String>,
    /// The mail exchanger that answered.
    pub mx: Option<String>,
    /// How it was handed over: `smtp`, `http` or `https`.
    pub protocol: Option<String>,
    /// Addresses are found whole or not at all: a search finds a recipient by the whole address, and a part of a mail
    /// server's answer only where no address is in it.
    #[serde(skip)]
    pub keeps_addresses: bool,
    /// The search looks into metadata and variables for parts; without it, metadata is found by whole values alone.
    #[serde(skip)]
    pub sees_contents: bool,
    /// Nothing can match: a condition asks for what this log never holds.
    pub nothing: bool,
    /// Further conditions, each of which must hold.
    pub conditions: Vec<Condition>,
}

/// Holds for a message that is any of these; or, denied, for one that is none of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub is_not: bool,
    pub any_of: Vec<Wanted>,
}

/// What a message can be asked for. Texts are compared in any case of letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wanted {
    Email(EmailId),
    /// A part of the sender's name or address; the whole address where [Criteria::keeps_addresses].
    Sender(String),
    /// The whole address of a recipient.
    Recipient(String),
    /// A part of a recipient's name or address; the whole address where [Criteria::keeps_addresses].
    RecipientPart(String),
    /// The sender's own id of the person it is for, as it is.
    Person(String),
    /// A part of the subject.
    Subject(String),
    Template(TemplateId),
    Channel(Channel),
    Key(ApiKeyId),
    Adapter(AdapterId),
    /// A whole tag.
    Tag(String),
    /// A part of a mail server's answer, as [Criteria::reply].
    Reply(String),
    /// It failed for a reason of this class.
    Reason(FailureClass),
    /// It failed as these did.
    Group(FailureGroup),
    /// The host it was handed to, the mail exchanger that answered, or the host's network address; whole.
    Server(String),
    /// Who runs a recipient's mailbox: by the domain of an address, or by the end of the name of the mail exchanger, or else
    /// of the host, that an event tells. All in lower case. No table keeps it, so it is looked for among the newest.
    Provider {
        domains: Vec<String>,
        hosts: Vec<String>,
    },
    /// A whole value of the metadata, at the top, of a message whose template marks no variable.
    Metadata {
        name: String,
        value: String,
    },
    /// It was sent again.
    Resent,
    /// It waits for its time.
    Scheduled,
    /// A file is attached.
    Attachment,
}

/// A part of the log whose hours are counted beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RollupScope {
    All,
    Template(TemplateId),
    Channel(Channel),
    Nothing,
}

impl EmailFilter {
    /// The part of the log that template and channel leave. Templates make email alone.
    pub fn scope(&self) -> RollupScope {
        match (self.template_id, self.channel) {
            (None, None) => RollupScope::All,
            (Some(template_id), None | Some(Channel::Email)) => RollupScope::Template(template_id),
            (None, Some(channel)) => RollupScope::Channel(channel),
            (Some(_), Some(_)) => RollupScope::Nothing,
        }
    }
}

impl From<Option<TemplateId>> for RollupScope {
    fn from(template_id: Option<TemplateId>) -> Self {
        template_id.map_or(Self::All, Self::Template)
    }
}
