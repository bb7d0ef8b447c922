//! The server's side of SMTP: programs without an SDK send their messages here. [listener] takes connections, [session]
//! talks on each, [protocol] reads and writes what is said, [super::tls] encrypts it. Who may send and what becomes of a message,
//! a [handler::Handler] says: [submission] asks the services. Strangers have an entrance of their own, where [bounces] takes
//! reports about messages and nothing else. Called by the command line.

mod bounces;
pub mod handler;
pub mod listener;
pub mod protocol;
pub mod session;
pub mod settings;
mod submission;
mod trace;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::bounces::Bounces;
use self::listener::{Beginning, Connections, listen};
use self::session::Shared;
use self::settings::Settings;
use self::submission::Submission;
use super::App;
use super::tls::ServerTls;
use super::tls::files::{CertificateFiles, Contents};

/// Where messages come in, and what encrypts the connections.
#[derive(Default)]
pub struct Entrances {
    /// Unencrypted at first.
    pub plain: Option<TcpListener>,
    /// Encrypted from the first byte; nobody is served there without a certificate.
    pub encrypted: Option<TcpListener>,
    /// For reports about messages, from anybody; unencrypted at first.
    pub bounces: Option<TcpListener>,
    pub certificate: Option<(CertificateFiles, ServerTls, Contents)>,
}

/// Takes messages by SMTP until `stop` says so; those under way then come to their end.
pub async fn serve(app: App, entrances: Entrances, stop: watch::Receiver<bool>) {
    let Entrances { plain, encrypted, bounces, certificate } = entrances;
    let tls = certificate.as_ref().map(|(_, tls, _)| tls.clone());
    let settings = Settings {
        host_name: app.config.smtp_host_name(),
        tls: tls.clone(),
        plain_log_in: app.config.smtp.smtp_plain_log_in,
        ..Settings::default()
    };
    let connections = Connections::new(settings.limits.connections, settings.limits.connections_of_address);
    let mut servers = JoinSet::new();
    if let Some(listener) = bounces {
        let settings = bounces::settings(settings.host_name.clone(), tls.clone());
        let connections = Connections::new(settings.limits.connections, settings.limits.connections_of_address);
        let shared = Arc::new(Shared::new(settings, Bounces::new(app.clone())));
        servers.spawn(listen(listener, Beginning::Plain, connections, shared, stop.clone()));
    }
    let handler = Submission::new(app, settings.host_name.clone());
    let shared = Arc::new(Shared::new(settings, handler));
    let plain = plain.map(|listener| (listener, Beginning::Plain));
    let encrypted = encrypted.zip(tls.map(Beginning::Encrypted));
    for (listener, beginning) in plain.into_iter().chain(encrypted) {
        servers.spawn(listen(listener, beginning, Arc::clone(&connections), Arc::clone(&shared), stop.clone()));
    }
    if let Some((files, tls, contents)) = certificate {
        servers.spawn(files.follow(tls, contents, stop));
    }
    while servers.join_next().await.is_some() {}
}
