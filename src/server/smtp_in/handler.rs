//! Whom the server asks: who may send, to whom, and what becomes of a message.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;

use super::protocol::address::EnvelopeAddress;
use super::protocol::reply::Reply;

/// Decides who may send, and takes messages. What it refuses, it refuses with a reply of 4xx, for now, or 5xx, for
/// good.
pub trait Handler: Send + Sync + 'static {
    /// Somebody who has logged in.
    type Login: Send + Sync;

    /// Who has this secret. The name is whatever the client calls itself. Called for every try: whoever guesses is
    /// slowed down by connection, and not beyond it.
    fn log_in(&self, attempt: LogIn<'_>) -> impl Future<Output = Result<Self::Login, Refused>> + Send;

    /// Whether the message may begin; the envelope has no recipients yet. A connection can outlast the key that it was
    /// let in with: whether that key still counts is asked here, for each message.
    fn sender(
        &self,
        login: Option<&Self::Login>,
        envelope: &Envelope,
    ) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Whether the message may go to one more; the envelope holds those before.
    fn recipient(
        &self,
        login: Option<&Self::Login>,
        envelope: &Envelope,
        recipient: &EnvelopeAddress,
    ) -> impl Future<Output = Result<(), Reply>> + Send;

    /// Keeps a message for good, and gives its id. The client is told what this answers, and nothing before; it is not
    /// cut off while the client waits or goes. The message's lines end in CRLF throughout.
    fn accept(
        &self,
        login: Option<&Self::Login>,
        envelope: Envelope,
        message: Bytes,
    ) -> impl Future<Output = Result<String, Reply>> + Send;
}

/// A try to log in.
#[derive(Clone, Copy)]
pub struct LogIn<'a> {
    pub user: &'a str,
    pub secret: &'a str,
    pub peer: IpAddr,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Nobody has that secret.
    Wrong,
    /// The key is for other APIs alone.
    OtherApis,
    /// It cannot be told now, or not be asked so often.
    ForNow,
}

/// Whom a message is from and to, and how it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Who hears of it when it cannot be delivered; `None` is nobody (`<>`).
    pub sender: Option<EnvelopeAddress>,
    /// Those who were accepted, each once, in the order in which they were named.
    pub recipients: Vec<EnvelopeAddress>,
    /// Whether addresses and headers may hold letters outside ASCII.
    pub is_utf8: bool,
    pub peer: SocketAddr,
    /// What the client calls itself.
    pub client_name: String,
    pub is_encrypted: bool,
    /// Whether the client has logged in.
    pub is_logged_in: bool,
}

impl Envelope {
    /// How the message came, for a `Received` header. Sources: RFC 3848; RFC 6531, section 4.3.
    pub fn protocol(&self) -> &'static str {
        match (self.is_utf8, self.is_encrypted, self.is_logged_in) {
            (false, false, false) => "ESMTP",
            (false, true, false) => "ESMTPS",
            (false, false, true) => "ESMTPA",
            (false, true, true) => "ESMTPSA",
            (true, false, false) => "UTF8SMTP",
            (true, true, false) => "UTF8SMTPS",
            (true, false, true) => "UTF8SMTPA",
            (true, true, true) => "UTF8SMTPSA",
        }
    }
}
