//! The commands, a file each, and what they share.

pub mod admin;
pub mod backup;
pub mod check;
pub mod demo;
pub mod doctor;
pub mod health;
pub mod logging;
pub mod migrate;
pub mod migrate_data;
mod progress;
pub mod serve;
mod supervisor;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use sendlog::domain::ids::TeamId;
use sendlog::server::App;
use sendlog::server::clock::Clock;
use sendlog::server::config::{Config, DatabaseArgs};
use sendlog::server::secrets::SecretKey;
use sendlog::server::store::Store;
use sendlog::server::tracking::geoip::GeoIp;

/// Why the program ends: one line for the person who started it.
pub struct Failure(pub String);

impl<E: std::fmt::Display> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Prints what a command was asked for. A command whose answer gets nowhere has failed.
fn print_line(line: impl std::fmt::Display) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|cause| Failure(format!("cannot write the answer: {cause}")))
}

/// Prints what a server says of itself. It serves whether or not somebody reads that.
fn announce(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

async fn find_team(app: &App, slug: &str) -> Result<TeamId, Failure> {
    let team = app.store.find_team_by_slug(slug).await?;
    team.map(|team| team.id).ok_or_else(|| Failure(format!("there is no team {slug:?}")))
}

async fn open(database: &DatabaseArgs, config: Config) -> Result<App, Failure> {
    let store = Store::open(&database.database_url).await?;
    let secret_key = secret_key(database)?;
    let geoip = config.geoip_file.as_deref().map(GeoIp::open).transpose().map_err(Failure)?;
    let mut app = App::new(store, Clock::system(), config, secret_key);
    app.geoip = geoip.map(Arc::new);
    Ok(app)
}

/// The key that the settings give, or that lies beside the database; it is made when there is none.
fn secret_key(database: &DatabaseArgs) -> Result<SecretKey, Failure> {
    if let Some(key) = given_secret_key(database)? {
        return Ok(key);
    }
    let Some(path) = secret_key_file(database) else {
        return Err("with PostgreSQL, set --secret-key, SENDLOG_SECRET_KEY or a file of SENDLOG_SECRET_KEY_FILE to 64 hexadecimal digits, the same for \
                    every node (openssl rand -hex 32 makes some)"
            .into());
    };
    SecretKey::load_or_create(&path).map_err(|cause| Failure(format!("cannot keep {}: {cause}", path.display())))
}

/// The same for commands that make none.
fn secret_key_if_there(database: &DatabaseArgs) -> Result<Option<SecretKey>, Failure> {
    if let Some(key) = given_secret_key(database)? {
        return Ok(Some(key));
    }
    match secret_key_file(database) {
        Some(path) if path.exists() => Ok(Some(SecretKey::load_or_create(&path)?)),
        Some(_) | None => Ok(None),
    }
}

fn given_secret_key(database: &DatabaseArgs) -> Result<Option<SecretKey>, Failure> {
    const DIGITS: &str = "must be 64 hexadecimal digits; openssl rand -hex 32 makes some";
    if let Some(path) = &database.secret_key_file {
        let held = std::fs::read_to_string(path).map_err(|cause| format!("cannot read {}: {cause}", path.display()))?;
        let key = held.trim().parse().map_err(|_| format!("what {} holds {DIGITS}", path.display()))?;
        return Ok(Some(key));
    }
    let key = database.secret_key.as_ref().map(|text| text.parse()).transpose();
    key.map_err(|_| Failure(format!("--secret-key {DIGITS}")))
}

/// The file beside a SQLite database that keeps its key, where the settings give none.
fn secret_key_file(database: &DatabaseArgs) -> Option<PathBuf> {
    let path = database.database_url.strip_prefix("sqlite://")?;
    Some(PathBuf::from(path.split('?').next().unwrap_or(path)).with_extension("key"))
}
