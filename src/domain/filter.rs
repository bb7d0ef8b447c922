//! Which messages a list or a count is about.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::event::EventSet;
use super::ids::{EmailId, NotificationId, TemplateId};
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
    /// where the viewer sees them, variables. Letters count alike in any case, with accents or without.
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
    /// The part of the log that template and channel leave. Templates make e-mail alone.
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
