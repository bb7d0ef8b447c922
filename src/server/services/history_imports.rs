//! Imports of what other systems know of a team's messages: people start, stop and remove them on `/settings/imports`, and
//! [crate::server::inbound::history] works at them, a step at a time, beside any number of other programs. What it reads is
//! recorded as reported events are; what the log has is not recorded again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use http::{HeaderMap, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::audit;
use super::events::{EventReport, read_events};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::history_import::{HistoryImport, ImportSource, ImportState, ImportWay, MAX_FILE_RECORDS};
use crate::domain::ids::{EmailId, ImportId, TeamId};
use crate::domain::permission::Permission;
use crate::domain::retention::MAX_DAYS;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::api_call::{ApiCaller, Called};
use crate::server::store::history_imports::{ImportLease, ImportStep, StoredImport};

/// How long a step has, at most; who takes longer was killed.
const LEASE: TimeDelta = TimeDelta::minutes(5);

/// How many imports are looked at for one that nobody else works at.
const LOOKED_AT: i64 = 20;

/// The longest key, address and account, in characters.
const MAX_TEXT_CHARS: usize = 500;

/// How much is kept of what is wrong, in characters.
const MAX_WORDS_CHARS: usize = 400;

/// The first pause after a source did not answer; each following one is twice as long, to an hour.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(30);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// How often a source is asked in vain before a person has to look.
const TRIES: i64 = 12;

/// A history that is to be read from a source's API.
#[derive(Clone)]
pub struct NewPull<'a> {
    pub source: ImportSource,
    /// The address of the API; empty for the usual one.
    pub base: &'a str,
    /// What [ImportSource::account] names.
    pub account: &'a str,
    pub key: &'a str,
    /// How many days back.
    pub days: i64,
}

/// How a source lets in. Its `Debug` shows nothing.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct ImportAccount {
    pub base: String,
    pub name: String,
    pub key: String,
}

/// An import that somebody works at.
pub struct Work {
    pub import: HistoryImport,
    /// How its source lets in; `None` for a file.
    pub account: Option<ImportAccount>,
    /// How far it came at its source; empty at its beginning, and for a file.
    pub cursor: String,
    lease: ImportLease,
    tries: i64,
}

/// What was read in one go.
#[derive(Default)]
pub struct Read {
    pub reports: Vec<Result<EventReport, String>>,
    /// How many records that were.
    pub records: i64,
    /// How far it came; `None` for a part of a file.
    pub cursor: Option<String>,
    /// The part of the file that it was.
    pub part: Option<i64>,
}

/// Why a source gave no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum NoAnswer {
    /// It is to be asked later.
    Later { words: String, pause: Option<Duration> },
    /// There is nothing at the address.
    Missing(String),
    /// A person has to mend something.
    Refused(String),
}

/// Asks sources, and keeps connections.
pub struct Fetcher(ApiCaller);

/// The team's imports, the newest first. Needs `adapters:view`.
pub async fn list_imports(app: &App, viewer: &Viewer) -> Result<Vec<HistoryImport>, AppError> {
    viewer.require(Permission::AdaptersView)?;
    app.store.list_imports(viewer.team).await
}

/// Begins to read a history from a source's API, as far back as the team keeps messages at most. Needs `adapters:update`.
pub async fn start_pull(app: &App, viewer: &Viewer, new: &NewPull<'_>) -> Result<HistoryImport, AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let account = checked_account(app, new)?;
    if !(1..=i64::from(MAX_DAYS)).contains(&new.days) {
        return Err(AppError::invalid_field("days", format!("Write a whole number of days from 1 to {MAX_DAYS}")));
    }
    let kept = app.store.find_retention(viewer.team).await?.messages_days.unwrap_or(new.days);
    let until = app.clock.now();
    let way = ImportWay::Pull { from: until - TimeDelta::days(new.days.min(kept)), until };
    start(app, viewer, new.source, way, Some(&account), &[]).await
}

/// Begins to read a file, in parts of records as JSON. Needs `adapters:update`.
pub async fn start_file(
    app: &App,
    viewer: &Viewer,
    source: ImportSource,
    records: usize,
    parts: &[String],
) -> Result<HistoryImport, AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    if records == 0 {
        return Err(AppError::invalid_field("file", "The file has no records: choose one that the source exported"));
    }
    if records > MAX_FILE_RECORDS {
        let words = format!("The file has more than {MAX_FILE_RECORDS} records: take it in parts");
        return Err(AppError::invalid_field("file", words));
    }
    let way = ImportWay::File { records: i64::try_from(records).unwrap_or(i64::MAX) };
    start(app, viewer, source, way, None, parts).await
}

/// Has an import stop where it is. Needs `adapters:update`.
pub async fn stop_import(app: &App, viewer: &Viewer, id: ImportId) -> Result<(), AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let stored = load(app, viewer.team, id).await?;
    let event = audit::by(app, viewer, AuditAction::ImportStopped).about(id, stored.import.source.label());
    let states = (ImportState::Running, ImportState::Stopped);
    match app.store.change_import(viewer.team, id, states, &stored.sealed, app.clock.now(), &event).await? {
        true => Ok(()),
        false => Err(AppError::Conflict("This import does not run".to_owned())),
    }
}

/// Has an import that stopped go on where it was, with another key where that is not empty. Needs `adapters:update`.
pub async fn resume_import(app: &App, viewer: &Viewer, id: ImportId, key: &str) -> Result<(), AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let stored = load(app, viewer.team, id).await?;
    let mut sealed = stored.sealed;
    if !key.trim().is_empty() && !sealed.is_empty() {
        let account = open(app, viewer.team, id, &sealed)?;
        sealed = seal(app, viewer.team, id, &ImportAccount { key: checked_text("key", "The key", key)?, ..account });
    }
    let event = audit::by(app, viewer, AuditAction::ImportResumed).about(id, stored.import.source.label());
    let states = (ImportState::Stopped, ImportState::Running);
    match app.store.change_import(viewer.team, id, states, &sealed, app.clock.now(), &event).await? {
        true => Ok(()),
        false => Err(AppError::Conflict("Only an import that stopped can go on".to_owned())),
    }
}

/// Removes an import; what it recorded stays in the log. Needs `adapters:update`.
pub async fn delete_import(app: &App, viewer: &Viewer, id: ImportId) -> Result<(), AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let stored = load(app, viewer.team, id).await?;
    let event = audit::by(app, viewer, AuditAction::ImportDeleted).about(id, stored.import.source.label());
    match app.store.delete_import(viewer.team, id, &event.removed(said(&stored.import))).await? {
        true => Ok(()),
        false => Err(AppError::not_found("Import")),
    }
}

/// What asks sources.
pub fn fetcher(app: &App) -> Fetcher {
    Fetcher(ApiCaller::new(app.config.outbound()))
}

/// The import that waits longest and that nobody else works at; it is this caller's for five minutes.
pub async fn take_work(app: &App) -> Result<Option<Work>, AppError> {
    let now = app.clock.now();
    for (team_id, id) in app.store.list_due_imports(now, LOOKED_AT).await? {
        let lease = ImportLease { team_id, id, lease_id: app.clock.mint::<EmailId>().0 };
        if !app.store.lease_import(lease, now, now + LEASE).await? {
            continue;
        }
        let Some(StoredImport { import, sealed, cursor, tries }) = app.store.find_import(team_id, id).await? else {
            continue;
        };
        let account = match sealed.as_str() {
            "" => None,
            sealed => Some(open(app, team_id, id, sealed)?),
        };
        return Ok(Some(Work { import, account, cursor, lease, tries }));
    }
    Ok(None)
}

/// The first part of a file that is not read, with its position.
pub async fn find_part(app: &App, work: &Work) -> Result<Option<(i64, String)>, AppError> {
    app.store.find_import_part(work.lease.team_id, work.lease.id).await
}

/// Records what was read; it is due again at once. `false`, and nothing recorded, where somebody stopped it.
pub async fn record(app: &App, work: &Work, read: Read) -> Result<bool, AppError> {
    let Read { reports, records, cursor, part } = read;
    let (events, bad) = read_events(app, work.lease.team_id, reports).await?;
    let words = bad.first().map(|words| clipped(&format!("One that cannot be used: {words}")));
    let step = ImportStep { cursor, part, records, unusable: bad.len() as i64, words };
    let recorded = app.store.record_import_step(work.lease, &events, &step, app.clock.now()).await?;
    Ok(recorded.is_some())
}

/// Has it wait for a source that gave no answer, or stop for a person to mend what is wrong.
pub async fn give_up(app: &App, work: &Work, none: NoAnswer) -> Result<(), AppError> {
    let now = app.clock.now();
    let (id, lease) = (work.import.id, work.lease);
    let source = work.import.source.label();
    match none {
        NoAnswer::Later { words, pause } if work.tries < TRIES => {
            let pause = pause.and_then(|pause| TimeDelta::from_std(pause).ok());
            let doubled = FIRST_PAUSE * 2_i32.pow(u32::try_from(work.tries).unwrap_or(0).min(10));
            let run_at = now + pause.unwrap_or(doubled.min(LONGEST_PAUSE)).max(TimeDelta::seconds(1));
            warn!(team.id = %lease.team_id, import.id = %id, source, "an import waits for its source");
            app.store.postpone_import(lease, &clipped(&words), run_at).await?;
        }
        NoAnswer::Later { words, .. } | NoAnswer::Missing(words) | NoAnswer::Refused(words) => {
            warn!(team.id = %lease.team_id, import.id = %id, source, "an import stopped");
            app.store.end_import(lease, ImportState::Stopped, &clipped(&words), now).await?;
        }
    }
    Ok(())
}

/// Says that everything is read.
pub async fn finish(app: &App, work: &Work) -> Result<(), AppError> {
    if app.store.end_import(work.lease, ImportState::Done, "", app.clock.now()).await? {
        let HistoryImport { id, source, read, recorded, .. } = &work.import;
        info!(team.id = %work.lease.team_id, import.id = %id, source = source.label(), read, recorded, "an import is done");
    }
    Ok(())
}

impl Fetcher {
    /// Asks a source for something.
    pub async fn fetch(
        &self,
        (method, url): (Method, &str),
        headers: HeaderMap,
        body: Option<&Value>,
        now: DateTime<Utc>,
    ) -> Result<Value, NoAnswer> {
        match self.0.call(method, url, headers, body, now).await {
            Called::Answered(value) => Ok(value),
            Called::Later { words, pause } => Err(NoAnswer::Later { words, pause }),
            Called::Missing(words) => Err(NoAnswer::Missing(words)),
            Called::Refused(words) => Err(NoAnswer::Refused(words)),
        }
    }
}

async fn start(
    app: &App,
    viewer: &Viewer,
    source: ImportSource,
    way: ImportWay,
    account: Option<&ImportAccount>,
    parts: &[String],
) -> Result<HistoryImport, AppError> {
    let import = HistoryImport {
        id: app.clock.mint(),
        source,
        way,
        state: ImportState::Running,
        created_at: app.clock.now(),
        ended_at: None,
        read: 0,
        recorded: 0,
        known: 0,
        unusable: 0,
        progress: 0,
        words: String::new(),
        waits_until: None,
    };
    let sealed = account.map(|account| seal(app, viewer.team, import.id, account)).unwrap_or_default();
    let event = audit::by(app, viewer, AuditAction::ImportStarted).about(import.id, source.label()).made(said(&import));
    let stored = StoredImport { import: import.clone(), sealed, cursor: String::new(), tries: 0 };
    app.store.insert_import(viewer.team, &stored, parts, &event).await?;
    info!(team.id = %viewer.team, import.id = %import.id, source = source.label(), "started an import");
    Ok(import)
}

async fn load(app: &App, team: TeamId, id: ImportId) -> Result<StoredImport, AppError> {
    app.store.find_import(team, id).await?.ok_or_else(|| AppError::not_found("Import"))
}

fn context(team: TeamId, id: ImportId) -> String {
    format!("history-import:{team}:{id}")
}

fn seal(app: &App, team: TeamId, id: ImportId, account: &ImportAccount) -> String {
    app.secret_key.seal(json!(account).to_string().as_bytes(), &context(team, id))
}

fn open(app: &App, team: TeamId, id: ImportId, sealed: &str) -> Result<ImportAccount, AppError> {
    serde_json::from_slice(&app.secret_key.open(sealed, &context(team, id))?).map_err(|_| AppError::Internal)
}

fn checked_account(app: &App, new: &NewPull<'_>) -> Result<ImportAccount, AppError> {
    let label = new.source.label();
    let base = match (new.base.trim(), new.source.base()) {
        ("", Some(usual)) => usual.to_owned(),
        ("", None) => return Err(AppError::invalid_field("base", format!("Write the address of your {label}"))),
        (typed, _) => checked_base(app, typed)?,
    };
    let name = match new.source.account() {
        Some(field) => checked_text("account", field.label, new.account)?,
        None => String::new(),
    };
    Ok(ImportAccount { base, name, key: checked_text("key", new.source.key().label, new.key)? })
}

fn checked_base(app: &App, typed: &str) -> Result<String, AppError> {
    let wrong = |words: String| AppError::invalid_field("base", words);
    let parsed = url::Url::parse(typed).map_err(|cause| wrong(format!("The address is wrong: {cause}")))?;
    let is_plain = parsed.username().is_empty() && parsed.query().is_none() && parsed.fragment().is_none();
    let (Some(host), true, true) = (parsed.host_str(), matches!(parsed.scheme(), "https" | "http"), is_plain) else {
        return Err(wrong(
            "Write an address like https://api.example.com, without a user and without ? or #".to_owned(),
        ));
    };
    app.config.outbound().check_host(host).map_err(|cause| wrong(format!("Cannot connect to {host}: {cause}")))?;
    checked_text("base", "The address", parsed.as_str().trim_end_matches('/'))
}

fn checked_text(field: &str, label: &str, text: &str) -> Result<String, AppError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(AppError::invalid_field(field, format!("{label} is required")));
    }
    if text.chars().count() > MAX_TEXT_CHARS || text.chars().any(char::is_control) {
        let words = format!("{label} must be one line of at most {MAX_TEXT_CHARS} characters");
        return Err(AppError::invalid_field(field, words));
    }
    Ok(text.to_owned())
}

fn clipped(words: &str) -> String {
    words.chars().filter(|letter| !letter.is_control()).take(MAX_WORDS_CHARS).collect()
}

/// What the audit log says of one.
fn said(import: &HistoryImport) -> Value {
    match &import.way {
        ImportWay::Pull { from, until } => json!({ "source": import.source.as_str(), "from": from, "until": until }),
        ImportWay::File { records } => json!({ "source": import.source.as_str(), "fileRecords": records }),
    }
}
