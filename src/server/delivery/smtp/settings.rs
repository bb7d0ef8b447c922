//! How the sender behaves towards mail servers.

use std::time::Duration;

use super::tls::Tls;
use crate::server::outbound::Outbound;

/// How the sender behaves towards mail servers.
#[derive(Clone, Debug)]
pub struct SmtpSettings {
    /// How long connecting, encryption and log-in may take, all together.
    pub connect_timeout: Duration,
    pub command_timeout: Duration,
    /// How long a message may take, from its first byte to the answer. The server may work on it for minutes; giving up
    /// early makes an outcome unknown that would have been known.
    pub content_timeout: Duration,
    pub idle_limit: Duration,
    pub messages_per_connection: u32,
    /// How many idle connections are kept for one adapter.
    pub idle_per_adapter: usize,
    /// The name that this machine gives itself in EHLO; its host name when `None`.
    pub hello_name: Option<String>,
    pub outbound: Outbound,
    pub tls: Tls,
}

impl Default for SmtpSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            command_timeout: Duration::from_secs(60),
            content_timeout: Duration::from_secs(300),
            idle_limit: Duration::from_secs(30),
            messages_per_connection: 100,
            idle_per_adapter: 8,
            hello_name: None,
            outbound: Outbound::default(),
            tls: Tls::default(),
        }
    }
}
