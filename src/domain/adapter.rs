//! Ways out of Sendlog: mail servers, providers, and addresses that take the messages of other channels.

pub mod fault;
pub mod form;
pub mod provider;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use self::fault::AdapterFault;
use super::channel::Channel;
use super::ids::AdapterId;
use super::named::named;

/// An adapter, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adapter {
    pub id: AdapterId,
    /// Its name, unique in the team.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// The sender of messages that name none, `Finch <receipts@finch.example>`; of text messages and calls a number or a
    /// name, for HTTP any name.
    pub from_address: String,
    /// Where it connects to, without user and password: `smtp://mail.example.com:587`, `https://example.com/messages`.
    pub endpoint: String,
    /// Whether messages of its channels go out by it unless they name another.
    pub is_default: bool,
    pub created_at: DateTime<Utc>,
}

/// What became of an adapter's last test message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastTest {
    pub at: DateTime<Utc>,
    /// The step at which it ended; `None` where the server took it.
    pub fault: Option<AdapterFault>,
    /// Whether the adapter was changed since, in something that a test depends on.
    pub is_outdated: bool,
}

/// An adapter that cannot be used now, as an attempt found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdapterDown {
    pub since: DateTime<Utc>,
    /// In the server's words, or why they did not come to that.
    pub reason: String,
    /// When a message tries it next, in place of the one that goes by another meanwhile.
    pub probe_at: DateTime<Utc>,
    /// How often that was in vain.
    pub probes: i64,
}

/// One place up or down in the order of adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Up,
    Down,
}

named! {
    /// What an adapter speaks.
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum AdapterKind, "unknown adapter type: use smtp, http or the name of a provider" {
        /// SMTP, RFC 5321. Sends email.
        Smtp = "smtp" "Mail server (SMTP)",
        /// JSON by HTTP POST to an address of the team's. Sends every channel but email.
        Http = "http" "Web address (HTTP)",
        SendGrid = "sendgrid" "SendGrid",
        Postmark = "postmark" "Postmark",
        Mailgun = "mailgun" "Mailgun",
        AmazonSes = "ses" "Amazon SES",
        ResendCom = "resend" "Resend",
        Brevo = "brevo" "Brevo",
        Mailjet = "mailjet" "Mailjet",
        SparkPost = "sparkpost" "SparkPost",
        JetEmail = "jetemail" "JetEmail",
        /// Sends text messages and calls.
        Twilio = "twilio" "Twilio",
        /// Sends text messages and calls.
        Vonage = "vonage" "Vonage",
    }
}

/// Which channels an adapter sends. The adapters of a lane have an order: the first is the default, and one that is down hands
/// over to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    Email,
    /// Text messages and calls.
    Phone,
    /// Every channel but email. Text messages and calls go by [Lane::Phone] where the team has a default there.
    Web,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Email, Self::Phone, Self::Web];
}

named! {
    /// When a connection to a mail server is encrypted. Its name is that in an address: `?tls=required`.
    pub enum TlsMode, "security must be implicit, required, opportunistic or none" {
        /// From the first byte: `smtps://`.
        Implicit = "implicit" "TLS from the start (SMTPS)",
        /// By STARTTLS; nothing is sent without it.
        Required = "required" "STARTTLS (required)",
        /// By STARTTLS where the server offers it.
        Opportunistic = "opportunistic" "STARTTLS where the server offers it",
        /// Never.
        None = "none" "None (not encrypted)",
    }
}

impl TlsMode {
    /// What it is called beside a host and a port.
    pub const fn in_words(self) -> &'static str {
        match self {
            Self::Implicit => "TLS from the start",
            Self::Required => "STARTTLS required",
            Self::Opportunistic => "STARTTLS where offered",
            Self::None => "not encrypted",
        }
    }
}

impl AdapterKind {
    /// Which channels it sends.
    pub const fn lane(self) -> Lane {
        match self {
            Self::Smtp
            | Self::SendGrid
            | Self::Postmark
            | Self::Mailgun
            | Self::AmazonSes
            | Self::ResendCom
            | Self::Brevo
            | Self::Mailjet
            | Self::SparkPost
            | Self::JetEmail => Lane::Email,
            Self::Twilio | Self::Vonage => Lane::Phone,
            Self::Http => Lane::Web,
        }
    }

    /// Whether it sends messages of `channel`.
    pub const fn sends(self, channel: Channel) -> bool {
        match self.lane() {
            Lane::Email => matches!(channel, Channel::Email),
            Lane::Phone => matches!(channel, Channel::Sms | Channel::Call),
            Lane::Web => !matches!(channel, Channel::Email),
        }
    }
}

impl Lane {
    /// What goes out by its adapters, on pages.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::Phone => "SMS, calls",
            Self::Web => "SMS, calls, push, in-app",
        }
    }
}
