//! One person in everything that a team has: what there is, as a file ([mod@export]), and forgetting it ([mod@runner]). Called by
//! `/settings/privacy`. An address that was looked up is handed from page to page sealed, so that it stands in no link and no log.

pub mod export;
pub mod runner;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tracing::info;

use super::audit;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::forgetting::{Footprint, Forgetting, ForgettingState};
use crate::domain::hold::MAX_HOLD_CHARS;
use crate::domain::ids::{ForgettingId, TeamId};
use crate::domain::masking::masks_addresses;
use crate::domain::permission::Permission;
use crate::domain::person::Person;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::secrets::random_token;
use crate::server::store::persons::Place;
use crate::server::store::persons::jobs::StoredForgetting;

/// How long a looked-up address is handed on.
const LASTS: TimeDelta = TimeDelta::hours(1);

/// How much of an address's hash the audit log keeps: enough to tell whether two lines are about one person, for who has the key.
const SHOWN_HASH: usize = 16;

/// A person who was looked up.
#[derive(Clone, Debug)]
pub struct LookedUp {
    /// The address, as it was typed.
    pub address: String,
    pub footprint: Footprint,
    /// Why they cannot be forgotten now; `None` where they can.
    pub obstacle: Option<String>,
}

/// Checks what was typed, and seals it for the next page. Needs `privacy:export`.
pub fn look_up(app: &App, viewer: &Viewer, typed: &str) -> Result<String, AppError> {
    require_look(viewer)?;
    let typed = typed.trim();
    if Person::new(typed).is_none() {
        let words = "Write one email address, or a telephone number that begins with +";
        return Err(AppError::invalid_field("address", words));
    }
    let until = (app.clock.now() + LASTS).timestamp();
    Ok(hex::encode(app.secret_key.seal(format!("{until} {typed}").as_bytes(), &context(viewer))))
}

/// The person of a sealed address. Needs `privacy:export`.
pub async fn preview(app: &App, viewer: &Viewer, sealed: &str) -> Result<LookedUp, AppError> {
    require_look(viewer)?;
    let (address, person) = open(app, viewer, sealed)?;
    let mut footprint = app.store.find_footprint(viewer.team, &person).await?;
    let hash = hash_of(app, viewer.team, &person);
    footprint.is_unwritten = !app.store.find_unwritten(viewer.team, &[hash]).await?.is_empty();
    Ok(LookedUp { obstacle: obstacle(app, viewer, &person).await?, address, footprint })
}

/// Begins to forget a person, where `typed` is the address that was looked up. With `stays_unwritten` nothing is sent to the address
/// afterwards. Needs `privacy:export` and `privacy:forget`.
pub async fn forget(
    app: &App,
    viewer: &Viewer,
    sealed: &str,
    typed: &str,
    stays_unwritten: bool,
    reason: &str,
) -> Result<Forgetting, AppError> {
    require_look(viewer)?;
    viewer.require(Permission::PrivacyForget)?;
    let (_, person) = open(app, viewer, sealed)?;
    if !person.is(typed) {
        return Err(AppError::invalid_field("typed", "Nothing was forgotten: type the address to confirm"));
    }
    let reason = reason.trim();
    if reason.chars().count() > MAX_HOLD_CHARS || reason.chars().any(char::is_control) {
        let words = format!("The reason must be one line of at most {MAX_HOLD_CHARS} characters");
        return Err(AppError::invalid_field("reason", words));
    }
    if person.is_in(reason) {
        let words = "The reason must not name the person: the audit log keeps it";
        return Err(AppError::invalid_field("reason", words));
    }
    if let Some(words) = obstacle(app, viewer, &person).await? {
        return Err(AppError::Conflict(words));
    }
    let id: ForgettingId = app.clock.mint();
    let placeholder = format!("forgotten-{}@forgotten.invalid", token());
    let forgetting = Forgetting {
        id,
        placeholder: placeholder.clone(),
        state: ForgettingState::Running,
        messages: 0,
        others: 0,
        held: 0,
        ended_at: None,
    };
    let hash = hash_of(app, viewer.team, &person);
    let new = StoredForgetting {
        forgetting: forgetting.clone(),
        sealed: app.secret_key.seal(person.key().as_bytes(), &job_context(viewer.team, id)),
        address_hash: hash.clone(),
        place: Place::default(),
    };
    // What stands in the address's place is written to by nobody, whatever was chosen.
    let mut unwritten = vec![hash_of_address(app, viewer.team, &placeholder)];
    unwritten.extend(stays_unwritten.then(|| hash.clone()));
    let said = json!({ "person": shown_hash(&hash), "staysUnwritten": stays_unwritten });
    let event = audit::by(app, viewer, AuditAction::PersonForgetting).about(id, "A person").made(said);
    let event = if reason.is_empty() { event } else { event.because(reason) };
    app.store.insert_forgetting(viewer.team, &new, person.key(), &unwritten, app.clock.now(), &event).await?;
    info!(team.id = %viewer.team, forgetting.id = %id, "began to forget a person");
    Ok(forgetting)
}

/// The team's forgettings, the newest first. Needs `privacy:forget`.
pub async fn list_forgettings(app: &App, viewer: &Viewer) -> Result<Vec<Forgetting>, AppError> {
    viewer.require(Permission::PrivacyForget)?;
    app.store.list_forgettings(viewer.team).await
}

/// Lets an address that was forgotten be written to. Needs `privacy:export` and `privacy:forget`.
pub async fn write_again(app: &App, viewer: &Viewer, sealed: &str) -> Result<(), AppError> {
    require_look(viewer)?;
    viewer.require(Permission::PrivacyForget)?;
    let (_, person) = open(app, viewer, sealed)?;
    let hash = hash_of(app, viewer.team, &person);
    let said = json!({ "person": shown_hash(&hash) });
    let event = audit::by(app, viewer, AuditAction::PersonWrittenTo).about(viewer.team, "A person").removed(said);
    match app.store.delete_unwritten(viewer.team, &hash, &event).await? {
        true => Ok(()),
        false => Err(AppError::Conflict("This address may be written to already".to_owned())),
    }
}

/// Those of these addresses that were forgotten and are not written to, with since when.
pub async fn find_unwritten(
    app: &App,
    team: TeamId,
    addresses: &[String],
) -> Result<Vec<(String, DateTime<Utc>)>, AppError> {
    let hashes: Vec<String> = addresses.iter().map(|address| hash_of_address(app, team, address)).collect();
    let found = app.store.find_unwritten(team, &hashes).await?;
    let of = |(hash, at): (String, DateTime<Utc>)| {
        let place = hashes.iter().position(|other| *other == hash)?;
        Some((addresses[place].clone(), at))
    };
    Ok(found.into_iter().filter_map(of).collect())
}

async fn obstacle(app: &App, viewer: &Viewer, person: &Person) -> Result<Option<String>, AppError> {
    let adapters = app.store.list_adapters_from(viewer.team, person).await?;
    if let Some(name) = adapters.first() {
        return Ok(Some(format!(
            "This is the sender of the adapter {name}: give the adapter another address first, or the whole log would be forgotten"
        )));
    }
    Ok(None)
}

fn require_look(viewer: &Viewer) -> Result<(), AppError> {
    viewer.require(Permission::PrivacyExport)?;
    if masks_addresses(viewer) {
        return Err(AppError::Forbidden("Your role sees addresses masked, and cannot look for one".to_owned()));
    }
    Ok(())
}

fn open(app: &App, viewer: &Viewer, sealed: &str) -> Result<(String, Person), AppError> {
    let gone = || AppError::not_found("Person");
    let plain = hex::decode(sealed).ok().and_then(|text| String::from_utf8(text).ok());
    let plain = plain.and_then(|sealed| app.secret_key.try_open(&sealed, &context(viewer)));
    let plain = plain.and_then(|plain| String::from_utf8(plain).ok()).ok_or_else(gone)?;
    let (until, address) = plain.split_once(' ').ok_or_else(gone)?;
    let is_fresh = until.parse::<i64>().is_ok_and(|until| until >= app.clock.now().timestamp());
    let person = Person::new(address).filter(|_| is_fresh).ok_or_else(gone)?;
    Ok((address.to_owned(), person))
}

/// Another team's link opens nothing.
fn context(viewer: &Viewer) -> String {
    format!("person:{}", viewer.team)
}

fn job_context(team: TeamId, id: ForgettingId) -> String {
    format!("forgetting:{team}:{id}")
}

fn hash_of(app: &App, team: TeamId, person: &Person) -> String {
    crate::server::forgotten::hash_of_key(&app.secret_key, team, person.key())
}

fn hash_of_address(app: &App, team: TeamId, address: &str) -> String {
    crate::server::forgotten::hash_of_address(&app.secret_key, team, address)
}

fn shown_hash(hash: &str) -> &str {
    hash.get(..SHOWN_HASH).unwrap_or(hash)
}

/// Letters and digits that stand in no relation to the address.
fn token() -> String {
    random_token().chars().filter(char::is_ascii_alphanumeric).take(10).collect::<String>().to_ascii_lowercase()
}
