//! Why an adapter did not hand over a message, step by step, and what mends it: for whoever sets an adapter up. Told by the
//! senders of `server/delivery`, shown after a test and in the audit log.

use crate::domain::named::named;

named! {
    /// The step at which an attempt ended. Its name is kept in the audit log.
    pub enum AdapterFault, "unknown fault of an adapter" {
        /// The host's name has no address.
        NameUnknown = "name_unknown" "the host’s name has no address",
        /// It has none that this server may connect to.
        NotPublic = "not_public" "the host has no public address",
        ConnectionRefused = "connection_refused" "nothing listens at this port of the server",
        /// There was no way there in time.
        Unreachable = "unreachable" "the server could not be reached in time",
        /// It took the connection and said nothing.
        Silent = "silent" "the server took the connection and said nothing",
        /// It speaks another protocol, or hung up.
        NotMailServer = "not_mail_server" "what answers does not speak as a mail server does",
        /// It does not take the connection of this machine.
        Unwelcome = "unwelcome" "the server refused the connection",
        TlsNotOffered = "tls_not_offered" "the server offers no STARTTLS",
        TlsFailed = "tls_failed" "the encryption (TLS) could not begin",
        Certificate = "certificate" "the server’s certificate is not valid for this host",
        /// The adapter has a log-in, and the server has none.
        LogInNotOffered = "log_in_not_offered" "the server offers no log-in",
        /// The password would have gone out in plain text.
        LogInInTheOpen = "log_in_in_the_open" "the connection is not encrypted",
        LogInRefused = "log_in_refused" "the server refused the log-in",
        /// It sends for nobody whom it does not know.
        LogInWanted = "log_in_wanted" "the server wants a log-in first",
        SenderRefused = "sender_refused" "the server refused the sender",
        RecipientRefused = "recipient_refused" "the server refused the recipient",
        ContentRefused = "content_refused" "the server refused the message",
        /// It asks for another try.
        Later = "later" "the server asks to be tried again later",
        /// A web address that leads elsewhere, or nowhere.
        WrongUrl = "wrong_url" "the URL is not one that takes messages",
        /// The connection was lost on the way.
        Broken = "broken" "the connection was lost",
        /// Nobody knows whether it went out.
        OutcomeUnknown = "outcome_unknown" "the server did not say whether it took the message",
        /// The adapter itself cannot be used.
        Unusable = "unusable" "the message could not be made",
    }
}

impl AdapterFault {
    /// What to do, in a sentence or two.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::NameUnknown => "Check the spelling of the host.",
            Self::NotPublic => {
                "Check the spelling of the host. For a server in your own network, whoever runs Sendlog allows private addresses."
            }
            Self::ConnectionRefused => {
                "Check the port. Mail servers usually listen at 587 (STARTTLS) or 465 (TLS from the start)."
            }
            Self::Unreachable => {
                "Check host and port. Many networks block port 25: try 587 or 465, or ask whoever runs the firewall."
            }
            Self::Silent => {
                "Check that port and security belong together: 465 with TLS from the start, 587 and 25 with STARTTLS."
            }
            Self::NotMailServer => {
                "Check that host and port are those of the mail server, and that port and security belong together."
            }
            Self::Unwelcome => "Ask whoever runs the mail server to let this machine connect.",
            Self::TlsNotOffered => {
                "Use port 465 with TLS from the start, or another security if the server is in your own network."
            }
            Self::TlsFailed => {
                "Check that port and security belong together: 465 with TLS from the start, 587 and 25 with STARTTLS."
            }
            Self::Certificate => {
                "Write the host as the certificate names it, or have the certificate renewed by whoever runs the server."
            }
            Self::LogInNotOffered => {
                "Leave user and password empty if the server needs none. Otherwise use another port or security: many servers \
                 offer the log-in at 587 with STARTTLS or at 465 only."
            }
            Self::LogInInTheOpen => {
                "A password is never sent in plain text. Choose STARTTLS or TLS from the start, or leave user and password empty."
            }
            Self::LogInRefused => {
                "Type user and password (or the token) again. Some providers want a password made for programs, or an API key."
            }
            Self::LogInWanted => "Fill in user and password.",
            Self::SenderRefused => {
                "Check the adapter’s sender: the provider may have to verify the address or its domain first."
            }
            Self::RecipientRefused => "Send the test to another address, or read what the server says of this one.",
            Self::ContentRefused => "Read what the server says: the adapter’s address and log-in work.",
            Self::Later => "The adapter’s address and log-in work. Try again in some minutes.",
            Self::WrongUrl => "Copy the URL from the receiver’s documents again. Redirects are not followed.",
            Self::Broken => "Try again. If it stays so, check port and security, or ask whoever runs the server.",
            Self::OutcomeUnknown => "It may have arrived: look there before you try again.",
            Self::Unusable => "Check the adapter’s sender and the address of the test.",
        }
    }
}
