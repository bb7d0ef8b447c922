//! `sendlog serve`, and what it shares with the demo: the web server and the worker.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use leptos::prelude::IntoAny;
use sendlog::domain::mount::mount;
use sendlog::server::App;
use sendlog::server::api::Api;
use sendlog::server::config::{Config, DatabaseArgs, Half};
use sendlog::server::delivery::worker::{Worker, WorkerSettings};
use sendlog::server::inbound::{history, maildir};
use sendlog::server::listen::{self, Activated, Place};
use sendlog::server::services::backups::{self, Schedule};
use sendlog::server::services::{accounts, gauges, nodes, persons, resends, webhooks};
use sendlog::server::smtp_in::{self, Entrances};
use sendlog::server::telemetry::metrics;
use sendlog::server::tls::files::CertificateFiles;
use sendlog::server::web::{self, Pages};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use super::{Failure, announce, open, supervisor};

/// What the web server shows.
const PAGES: Pages = Pages {
    app: || sendlog::app::App().into_any(),
    shell: |options, theme| sendlog::app::shell(options, theme).into_any(),
};

/// Serves the dashboard and the APIs, and sends accepted messages, until a signal ends it.
pub async fn serve(database: DatabaseArgs, config: Config) -> Result<(), Failure> {
    let mut config = config;
    let activated = activated(&mut config)?;
    mount(config.base_path());
    if config.observe.has_metrics() {
        gauges::install();
        tokio::spawn(metrics::keep_up());
    }
    let app = open(&database, config).await?;
    let listeners = listen(&app.config, activated).await?;
    if app.config.only != Some(Half::Worker) {
        if let Some(token) = accounts::create_setup_token(&app).await? {
            announce(format_args!("Set up Sendlog, once, at {}/setup?token={token}", app.config.public_url()));
        }
        announce(format_args!("Sendlog is at {}", app.config.public_url()));
        for (dialect, addr) in &app.config.dialect_addrs {
            let scheme = if app.config.tls.is_on() { "https" } else { "http" };
            announce(format_args!("{} is at {scheme}://{addr}", dialect.as_str()));
        }
        for (scheme, addr) in [("smtp", app.config.smtp.smtp_addr), ("smtps", app.config.smtp.smtps_addr)] {
            if let Some(addr) = addr {
                announce(format_args!("SMTP is at {scheme}://{addr}"));
            }
        }
        if let Some(addr) = app.config.smtp.bounce_addr {
            announce(format_args!("Bounces are taken at smtp://{addr}"));
        }
    }
    if let Some(addr) = app.config.observe.metrics_addr {
        announce(format_args!("Metrics are at http://{addr}/metrics"));
    }
    let schedule = app.config.backups.backup_folder.clone().map(|folder| Schedule {
        url: database.database_url,
        folder,
        every: TimeDelta::hours(app.config.backups.backup_hours.into()),
        keep: app.config.backups.backup_keep as usize,
    });
    run(app, listeners, schedule).await
}

/// The sockets of the web server: the main ones, and those of dialects. And those of SMTP.
pub struct Listeners {
    web: web::Entrances,
    smtp: Entrances,
    /// For the operator alone.
    metrics: Option<TcpListener>,
}

/// How systemd's socket is called that leads to the encrypted address.
const REDIRECT_SOCKET: &str = "redirect";

/// How those of SMTP are called; those of dialects are called like them, and every other one is a main one.
const SMTP_SOCKETS: [&str; 3] = ["smtp", "smtps", "bounces"];

/// The sockets that systemd hands over. What pages say of where the server is goes by them.
pub fn activated(config: &mut Config) -> Result<Activated, Failure> {
    let activated = Activated::take()?;
    let named = SMTP_SOCKETS.into_iter().chain(Api::OTHERS.map(Api::as_str)).chain([REDIRECT_SOCKET]);
    let named: Vec<&str> = named.collect();
    if let Some(place) = activated.place_besides(&named) {
        config.addr = place;
    }
    for dialect in Api::OTHERS {
        let is_set = config.dialect_addrs.iter().any(|(known, _)| *known == dialect);
        if let Some(Place::Tcp(addr)) = activated.place_of(dialect.as_str()).filter(|_| !is_set) {
            config.dialect_addrs.push((dialect, addr));
        }
    }
    config.settle_base_url();
    Ok(activated)
}

/// Opens the sockets that the settings name, but for those that were handed over.
pub async fn listen(config: &Config, mut activated: Activated) -> Result<Listeners, Failure> {
    let bind = async |place: Place| {
        let listener = listen::bind(&place, config.socket_mode).await;
        listener.map_err(|cause| Failure(format!("cannot listen at {place}: {cause}")))
    };
    let mut dialects = Vec::new();
    for dialect in Api::OTHERS {
        let handed = activated.named(dialect.as_str());
        let set = config.dialect_addrs.iter().filter(|_| handed.is_none()).filter(|(known, _)| *known == dialect);
        for (_, addr) in set {
            dialects.push((dialect, bind(Place::Tcp(*addr)).await?));
        }
        dialects.extend(handed.map(|listener| (dialect, listener)));
    }
    let certificate = match (&config.smtp.smtp_tls_cert, &config.smtp.smtp_tls_key) {
        (Some(certificate), Some(key)) => {
            let files = CertificateFiles { about: "SMTP", certificate: certificate.clone(), key: key.clone() };
            let (tls, contents) = files.open().map_err(Failure)?;
            Some((files, tls, contents))
        }
        (_, _) => None,
    };
    let [plain, encrypted, bounces] = SMTP_SOCKETS.map(|name| activated.tcp_named(name));
    let optional = async |handed: Result<Option<TcpListener>, String>, addr: Option<SocketAddr>| match (handed?, addr) {
        (Some(handed), _) => Ok(Some(handed)),
        (None, Some(addr)) => {
            let bound = TcpListener::bind(addr).await;
            bound.map(Some).map_err(|cause| Failure(format!("cannot listen at {addr}: {cause}")))
        }
        (None, None) => Ok(None),
    };
    let plain = optional(plain, config.smtp.smtp_addr).await?;
    let encrypted = optional(encrypted, config.smtp.smtps_addr).await?;
    let bounces = optional(bounces, config.smtp.bounce_addr).await?;
    let redirect = match (activated.named(REDIRECT_SOCKET), config.redirect_addr) {
        (Some(handed), _) => Some(handed),
        (None, Some(addr)) => Some(bind(Place::Tcp(addr)).await?),
        (None, None) => None,
    };
    let metrics = optional(Ok(None), config.observe.metrics_addr).await?;
    let encryption = config.tls.open()?;
    let mut main = activated.rest();
    if main.is_empty() {
        main.push(bind(config.addr.clone()).await?);
    }
    let web = web::Entrances { main, dialects, redirect, encryption };
    Ok(Listeners { web, smtp: Entrances { plain, encrypted, bounces, certificate }, metrics })
}

/// Runs the halves that the settings ask for, until a signal ends them.
pub async fn run(app: App, mut listeners: Listeners, schedule: Option<Schedule>) -> Result<(), Failure> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        wait_for_signal().await;
        info!("stopping");
        supervisor::say_stopping();
        let _ = stop.send(true);
    });
    // The sockets are open and the database is: who connects now is answered.
    supervisor::say_ready();
    tokio::spawn(supervisor::say_alive());
    let only = app.config.only;
    let seen_from_outside = {
        let (app, listener, stopped) = (app.clone(), listeners.metrics.take(), stopped.clone());
        async move {
            if let Some(listener) = listener {
                web::serve_metrics(app, listener, stopped).await;
            }
        }
    };
    if only != Some(Half::Worker) {
        let app = app.clone();
        // Asked early, so that a wrong setting is in the log at the start. The server serves without an answer.
        tokio::spawn(async move { accounts::openid::look_for_provider(&app).await });
    }
    let worker = async {
        if only != Some(Half::Web) {
            let worker = Worker::new(
                app.store.clone(),
                app.clock.clone(),
                Arc::clone(&app.secret_key),
                WorkerSettings::of(&app.config),
            );
            let worker = worker.with_waker(Arc::clone(&app.outbox_waker.here)).run(stopped.clone());
            let teller = webhooks::worker::Teller::new(app.clone()).run(stopped.clone());
            let imports = history::runner::run(app.clone(), stopped.clone());
            let backups = async {
                if let Some(schedule) = schedule {
                    backups::run(schedule, &app.secret_key, app.clock.clone(), stopped.clone()).await;
                }
            };
            let forgettings = persons::runner::run(app.clone(), stopped.clone());
            let resends = resends::runner::run(app.clone(), stopped.clone());
            tokio::join!(worker, resends, teller, imports, forgettings, backups);
        }
    };
    let web = async {
        if only == Some(Half::Worker) {
            drop(listeners);
            return Ok(());
        }
        let Listeners { web: entrances, smtp, .. } = listeners;
        let messages = smtp_in::serve(app.clone(), smtp, stopped.clone());
        let delivered = async {
            if let Some(folder) = app.config.smtp.bounce_maildir.clone() {
                maildir::run(app.clone(), folder, stopped.clone()).await;
            }
        };
        let serving = web::serve(app.clone(), PAGES, entrances, stopped.clone());
        let (served, (), ()) = tokio::join!(serving, messages, delivered);
        served
    };
    let nodes = nodes::run(app.clone(), stopped.clone());
    let (result, (), (), ()) = tokio::join!(web, worker, nodes, seen_from_outside);
    app.store.close().await;
    Ok(result?)
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
