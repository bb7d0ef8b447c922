//! Ways out of Sendlog: mail servers, and addresses that take the messages of other channels.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::ids::AdapterId;

/// An adapter, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Adapter {
    pub id: AdapterId,
    /// Its name, unique in the team.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: AdapterKind,
    /// The sender of messages that name none, `Finch <receipts@finch.example>`; for HTTP any name.
    pub from_address: String,
    /// Where it connects to, without user and password: `smtp://mail.example.com:587`, `https://example.com/messages`.
    pub endpoint: String,
    /// Whether messages of its channels go out by it unless they name another.
    pub is_default: bool,
    pub created_at: DateTime<Utc>,
}

/// What an adapter speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum AdapterKind {
    /// SMTP, RFC 5321. Sends e-mail.
    Smtp,
    /// JSON by HTTP POST to an address of the team's. Sends every channel but e-mail.
    Http,
}

impl AdapterKind {
    /// Its name in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Http => "http",
        }
    }

    /// Its name on a page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Smtp => "Mail server (SMTP)",
            Self::Http => "Web address (HTTP)",
        }
    }

    pub const ALL: [AdapterKind; 2] = [Self::Smtp, Self::Http];

    /// Whether it sends messages of `channel`.
    pub const fn sends(self, channel: Channel) -> bool {
        matches!((self, channel), (Self::Smtp, Channel::Email))
            || matches!(self, Self::Http) && !matches!(channel, Channel::Email)
    }
}

/// A name that is no adapter kind's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown adapter type: use smtp or http")]
pub struct UnknownAdapterKind;

impl std::str::FromStr for AdapterKind {
    type Err = UnknownAdapterKind;

    fn from_str(name: &str) -> Result<Self, UnknownAdapterKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or(UnknownAdapterKind)
    }
}
