//! How the server behaves, whoever sends.

use std::time::Duration;

use crate::server::bounds::MAX_BODY_BYTES;
pub use crate::server::config::PlainLogIn;
use crate::server::services::send::MAX_RECIPIENTS;
use crate::server::tls::ServerTls;

/// How the server behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the server calls itself: the name that clients connect to, and that its certificate is made out to.
    pub host_name: String,
    /// The largest message, in bytes.
    pub size_limit_bytes: usize,
    /// The most recipients of one message: as many as everywhere, fewer than the 100 of RFC 5321, section 4.5.3.1.8. A client
    /// sends the message to the others again.
    pub recipient_limit: usize,
    /// Encrypts connections; `None` offers no encryption.
    pub tls: Option<ServerTls>,
    pub plain_log_in: PlainLogIn,
    /// Whether somebody who has not logged in may name a sender. Then the handler is asked of each recipient, without a
    /// log-in.
    pub takes_strangers: bool,
    /// Whether anybody can log in.
    pub offers_log_in: bool,
    pub limits: Limits,
}

/// What bounds a client's conduct.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How long a client may take over a command, or be silent within a message.
    pub silence: Duration,
    /// How long a client may take until it has logged in.
    pub log_in: Duration,
    /// How long one message may take, from MAIL to its end.
    pub transaction: Duration,
    /// How long a client may take to agree on encryption.
    pub handshake: Duration,
    /// How long a client waits after a wrong log-in.
    pub wrong_log_in_pause: Duration,
    /// After how many of them a connection ends.
    pub wrong_log_ins: u32,
    /// After how many wrong commands a connection ends; a message that is accepted begins the count anew.
    pub wrong_commands: u32,
    /// After how many commands that send nothing a connection ends; likewise.
    pub idle_commands: u32,
    /// How much beyond its limit a message is read, to tell the client why it was refused.
    pub beyond_size_bytes: u64,
    /// How many connections there are at once, and from one address.
    pub connections: usize,
    pub connections_of_address: usize,
    /// How much memory all large messages that are being read take together, in bytes; reading one takes some four times that.
    pub room_bytes: usize,
    /// How long messages under way may take to end when the server stops.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            host_name: "localhost".to_owned(),
            size_limit_bytes: MAX_BODY_BYTES,
            recipient_limit: MAX_RECIPIENTS,
            tls: None,
            plain_log_in: PlainLogIn::Loopback,
            takes_strangers: false,
            offers_log_in: true,
            limits: Limits::default(),
        }
    }
}

/// RFC 5321, section 4.5.3.2, has a server wait 5 minutes for a command.
impl Default for Limits {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(5 * 60),
            log_in: Duration::from_secs(2 * 60),
            transaction: Duration::from_secs(15 * 60),
            handshake: Duration::from_secs(30),
            wrong_log_in_pause: Duration::from_secs(2),
            wrong_log_ins: 3,
            wrong_commands: 10,
            idle_commands: 100,
            beyond_size_bytes: 64 * 1024 * 1024,
            connections: 500,
            connections_of_address: 100,
            room_bytes: 64 * 1024 * 1024,
            drain: Duration::from_secs(20),
        }
    }
}
