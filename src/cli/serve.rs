//! `sendlog serve`, and what it shares with the demo: the web server and the worker.

use std::net::SocketAddr;
use std::sync::Arc;

use chrono::TimeDelta;
use leptos::prelude::IntoAny;
use sendlog::server::App;
use sendlog::server::api::Api;
use sendlog::server::config::{Config, DatabaseArgs, Half};
use sendlog::server::delivery::worker::{Worker, WorkerSettings};
use sendlog::server::inbound::{history, maildir};
use sendlog::server::services::backups::{self, Schedule};
use sendlog::server::services::{accounts, gauges, nodes, resends, webhooks};
use sendlog::server::smtp_in::certificate::CertificateFiles;
use sendlog::server::smtp_in::{self, Entrances};
use sendlog::server::telemetry::metrics;
use sendlog::server::web::{self, Pages};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use super::{Failure, announce, open};

/// What the web server shows.
const PAGES: Pages = Pages {
    app: || sendlog::app::App().into_any(),
    shell: |options, theme| sendlog::app::shell(options, theme).into_any(),
};

/// Serves the dashboard and the APIs, and sends accepted messages, until a signal ends it.
pub async fn serve(database: DatabaseArgs, config: Config) -> Result<(), Failure> {
    if config.observe.has_metrics() {
        gauges::install();
        tokio::spawn(metrics::keep_up());
    }
    let app = open(&database, config).await?;
    let listeners = listen(&app.config).await?;
    if app.config.only != Some(Half::Worker) {
        if let Some(token) = accounts::create_setup_token(&app).await? {
            announce(format_args!("Set up Sendlog, once, at {}/setup?token={token}", app.config.public_url()));
        }
        announce(format_args!("Sendlog is at {}", app.config.public_url()));
        for (dialect, addr) in &app.config.dialect_addrs {
            announce(format_args!("{} is at http://{addr}", dialect.as_str()));
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

/// The sockets of the web server: the main one, and those of dialects. And those of SMTP.
pub struct Listeners {
    main: TcpListener,
    dialects: Vec<(Api, TcpListener)>,
    smtp: Entrances,
    /// For the operator alone.
    metrics: Option<TcpListener>,
}

/// Opens the sockets that the settings name.
pub async fn listen(config: &Config) -> Result<Listeners, Failure> {
    let bind = async |addr: SocketAddr| {
        let listener = TcpListener::bind(addr).await;
        listener.map_err(|cause| Failure(format!("cannot listen at {addr}: {cause}")))
    };
    let main = bind(config.addr).await?;
    let mut dialects = Vec::new();
    for (dialect, addr) in &config.dialect_addrs {
        dialects.push((*dialect, bind(*addr).await?));
    }
    let certificate = match (&config.smtp.smtp_tls_cert, &config.smtp.smtp_tls_key) {
        (Some(certificate), Some(key)) => {
            let files = CertificateFiles { certificate: certificate.clone(), key: key.clone() };
            let (tls, contents) = files.open().map_err(Failure)?;
            Some((files, tls, contents))
        }
        (_, _) => None,
    };
    let optional = async |addr: Option<SocketAddr>| match addr {
        Some(addr) => bind(addr).await.map(Some),
        None => Ok(None),
    };
    let plain = optional(config.smtp.smtp_addr).await?;
    let encrypted = optional(config.smtp.smtps_addr).await?;
    let bounces = optional(config.smtp.bounce_addr).await?;
    let metrics = optional(config.observe.metrics_addr).await?;
    Ok(Listeners { main, dialects, smtp: Entrances { plain, encrypted, bounces, certificate }, metrics })
}

/// Runs the halves that the settings ask for, until a signal ends them.
pub async fn run(app: App, mut listeners: Listeners, schedule: Option<Schedule>) -> Result<(), Failure> {
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        wait_for_signal().await;
        info!("stopping");
        let _ = stop.send(true);
    });
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
            tokio::join!(worker, resends::runner::run(app.clone(), stopped.clone()), teller, imports, backups);
        }
    };
    let web = async {
        if only == Some(Half::Worker) {
            drop(listeners);
            return Ok(());
        }
        let Listeners { main, dialects, smtp, .. } = listeners;
        let messages = smtp_in::serve(app.clone(), smtp, stopped.clone());
        let delivered = async {
            if let Some(folder) = app.config.smtp.bounce_maildir.clone() {
                maildir::run(app.clone(), folder, stopped.clone()).await;
            }
        };
        let serving = web::serve(app.clone(), PAGES, main, dialects, stopped.clone());
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
