//! The ways to reach somebody. Source: NotificationAPI, "Channels".

use super::named::named;

named! {
    /// How a message reaches its recipient.
    #[derive(Default)]
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum Channel, "unknown channel: use email, sms, call, push or in_app" {
        /// Email, by a mail adapter.
        #[default]
        Email = "email" "Email",
        /// A text message to a telephone number.
        Sms = "sms" "SMS",
        /// A telephone call that reads a text out.
        Call = "call" "Call",
        /// A notification of a device or a browser.
        Push = "push" "Push",
        /// A notification within the sender's own application.
        InApp = "in_app" "In-app",
    }
}

impl Channel {
    /// Its code in the database.
    pub const fn code(self) -> i16 {
        self as i16
    }

    /// The channel with this database code.
    pub fn from_code(code: i16) -> Option<Self> {
        usize::try_from(code).ok().and_then(|index| Self::ALL.get(index).copied())
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
