//! The machine, its clock and disk, the settings and the database.

use std::path::Path;

use chrono::TimeDelta;

use super::Finding;
use crate::domain::error::AppError;
use crate::domain::ids::lowest_id_at;
use crate::server::App;
use crate::server::listen::Place;

/// Less room on the disk is wrong, or is going to be.
const LITTLE_ROOM: u64 = 512 * 1024 * 1024;
const SOME_ROOM: u64 = 5 * 1024 * 1024 * 1024;

/// The write-ahead log of SQLite is as long as the longest reader makes it.
const LONG_WAL: u64 = 1024 * 1024 * 1024;

/// Fewer file handles mean fewer connections than Sendlog would take (docs/operating.md).
const HANDLES: u64 = 2_800;

/// How far the database's clock may be from this machine's.
const APART: TimeDelta = TimeDelta::seconds(5);

/// How long a message that is due may wait for a worker.
const WAITED: TimeDelta = TimeDelta::minutes(5);

/// What the settings say that does not go together.
pub(super) fn settings(app: &App) -> Vec<Finding> {
    const ABOUT: &str = "settings";
    let config = &app.config;
    let mut findings = Vec::new();
    if config.base_url.is_none() && !config.addr.is_of_this_machine() {
        findings.push(Finding::doubtful(
            ABOUT,
            "no --base-url: links in invitations lead to the address to listen at, and cookies go over http",
        ));
    }
    if config.base_url.as_deref().is_some_and(|url| url.starts_with("http://") && !url.contains("//localhost")) {
        findings.push(Finding::doubtful(ABOUT, "--base-url is http: passwords and keys can be read on their way"));
    }
    if config.base_url.is_none() && matches!(config.addr, Place::Unix(_)) {
        findings
            .push(Finding::doubtful(ABOUT, "no --base-url: nobody knows the address that a unix socket's proxy has"));
    }
    if config.proxies.trust_proxy && !config.addr.is_of_this_machine() {
        findings.push(Finding::doubtful(
            ABOUT,
            "--trust-proxy at an address that others reach: name the proxies by --trusted-proxies instead, or whoever \
             connects past them chooses their own address",
        ));
    }
    if config.proxies.trust_proxy && config.base_url.is_none() {
        findings.push(Finding::doubtful(
            ABOUT,
            "--trust-proxy without --base-url: is there a proxy? Without one, anybody chooses their own address",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::well(ABOUT, "go together"));
    }
    findings
}

/// How many connections and files the system lets the program have.
pub(super) fn file_handles() -> Vec<Finding> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    vec![if limit < HANDLES {
        Finding::doubtful(
            "file handles",
            format!("{limit}, enough for {} connections: raise ulimit -n, or LimitNOFILE= of the unit", limit * 3 / 4),
        )
    } else {
        Finding::well("file handles", "enough for 2,048 connections")
    }]
}

/// SQLite's files and the room that they have.
pub(super) fn files(database: &Path) -> Vec<Finding> {
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut findings = Vec::new();
    match rustix::fs::statvfs(folder) {
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let words = format!("{} free in {}", size(free), folder.display());
            findings.push(if free < LITTLE_ROOM {
                Finding::wrong("disk", format!("{words}: make room, or messages are refused soon"))
            } else if free < SOME_ROOM {
                Finding::doubtful("disk", format!("{words}: keep less, or move it to a larger disk"))
            } else {
                Finding::well("disk", words)
            });
        }
        Err(cause) => findings.push(Finding::wrong("disk", format!("{}: {cause}", folder.display()))),
    }
    let length = |suffix: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |file| file.len())
    };
    let (all, wal) = (length(""), length("-wal"));
    findings.push(if wal > LONG_WAL {
        Finding::doubtful(
            "database files",
            format!(
                "the log beside the database holds {}: something reads for very long; start Sendlog anew",
                size(wal)
            ),
        )
    } else {
        Finding::well("database files", format!("{}, and {} beside", size(all), size(wal)))
    });
    findings
}

/// The database and the messages that wait in it.
pub(super) async fn database(app: &App) -> Result<Vec<Finding>, AppError> {
    let mut findings: Vec<Finding> = app
        .store
        .list_doubtful_settings()
        .await?
        .into_iter()
        .map(|words| Finding::doubtful("database", words))
        .collect();
    if app.store.ping().await.is_err() {
        findings.push(Finding::wrong("database", "takes no writes: is the disk full, or another program at it?"));
    }
    if findings.is_empty() {
        findings.push(Finding::well("database", "up to date, takes writes"));
    }
    let now = app.clock.now();
    let due = app.store.list_queues().await?.iter().map(|queue| queue.due_at()).min();
    findings.push(match due {
        Some(due) if now - due > WAITED => Finding::wrong(
            "worker",
            format!(
                "a message has been waiting for {} minutes: is a worker running? sendlog serve, not --only web",
                (now - due).num_minutes()
            ),
        ),
        Some(_) | None => Finding::well("worker", "no message waits for one"),
    });
    Ok(findings)
}

/// This machine's clock beside the database's, and beside what was written last.
pub(super) async fn clock(app: &App) -> Result<Vec<Finding>, AppError> {
    let now = app.clock.now();
    if let Some(theirs) = app.store.database_clock().await? {
        let apart = now - theirs;
        if apart.abs() > APART {
            return Ok(vec![Finding::wrong(
                "clock",
                format!("{} seconds from the database's: let both keep time by NTP", apart.num_seconds()),
            )]);
        }
    }
    let ahead = app.store.newest_email_id().await?.is_some_and(|newest| newest > lowest_id_at(now + APART));
    Ok(vec![if ahead {
        Finding::wrong(
            "clock",
            "messages are in the log that were accepted later than now: this machine's clock is late",
        )
    } else {
        Finding::well("clock", now.format("%Y-%m-%d %H:%M:%S UTC").to_string())
    }])
}

/// So many bytes, in words.
fn size(bytes: u64) -> String {
    const MIB: f64 = 1024.0 * 1024.0;
    let mib = bytes as f64 / MIB;
    if mib < 1024.0 { format!("{mib:.0} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}
