//! The ways to reach somebody. Source: NotificationAPI, "Channels".

use serde::{Deserialize, Serialize};

/// How a message reaches its recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum Channel {
    /// E-mail, by a mail adapter.
    #[default]
    Email,
    /// A text message to a telephone number.
    Sms,
    /// A telephone call that reads a text out.
    Call,
    /// A notification of a device or a browser.
    Push,
    /// A notification within the sender's own application.
    InApp,
}

impl Channel {
    /// Every channel; the position is its code in the database.
    pub const ALL: [Channel; 5] = [Self::Email, Self::Sms, Self::Call, Self::Push, Self::InApp];

    /// Its name in JSON and in addresses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Sms => "sms",
            Self::Call => "call",
            Self::Push => "push",
            Self::InApp => "in_app",
        }
    }

    /// Its name on a page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Email => "Email",
            Self::Sms => "SMS",
            Self::Call => "Call",
            Self::Push => "Push",
            Self::InApp => "In-app",
        }
    }

    /// Its code in the database.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The channel with this database code.
    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index).copied())
    }
}

/// A name that is no channel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown channel: use email, sms, call, push or in_app")]
pub struct UnknownChannel;

impl std::str::FromStr for Channel {
    type Err = UnknownChannel;

    fn from_str(name: &str) -> Result<Self, UnknownChannel> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == name).ok_or(UnknownChannel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_read_back() {
        for channel in Channel::ALL {
            assert_eq!(channel.as_str().parse(), Ok(channel));
            assert_eq!(Channel::from_code(channel.code()), Some(channel));
        }
    }
}
