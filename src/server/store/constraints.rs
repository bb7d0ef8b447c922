//! What it means to a caller that a statement failed, by a broken constraint above all. Store functions look first, so that they can name what
//! they found; where something comes in between, the constraint answers. SQLite names the columns of an index and
//! PostgreSQL the index: this is the one place that knows both.

use tracing::{error, warn};

use crate::domain::error::AppError;

/// A unique constraint that what callers ask for can break.
struct Unique {
    name: &'static str,
    /// Its columns, as SQLite tells of them.
    columns: &'static str,
    refusal: Refusal,
}

enum Refusal {
    /// There is such a thing already.
    Exists(&'static str),
    /// Somebody else was quicker.
    Crossed(&'static str),
}

const UNIQUE: [Unique; 9] = [
    Unique {
        name: "adapters_name",
        columns: "adapters.team_id, adapters.name",
        refusal: Refusal::Exists("An adapter of this name exists already"),
    },
    Unique {
        name: "adapters_default",
        // Of an index over an expression, SQLite tells the name.
        columns: "index 'adapters_default'",
        refusal: Refusal::Crossed("Another adapter became the default at the same time. Look again and save once more"),
    },
    Unique {
        name: "templates_name",
        columns: "templates.team_id, templates.name",
        refusal: Refusal::Exists("A template of this name exists already"),
    },
    Unique {
        name: "template_versions_version",
        columns: "template_versions.team_id, template_versions.template_id, template_versions.version",
        refusal: Refusal::Crossed(
            "Somebody else changed this template at the same time. Look again and save once more",
        ),
    },
    Unique {
        name: "roles_name",
        columns: "roles.team_id, roles.name_key",
        refusal: Refusal::Exists("A role of this name exists already"),
    },
    Unique {
        name: "invites_email_key",
        columns: "invites.team_id, invites.email_key",
        refusal: Refusal::Exists("This address is invited already"),
    },
    Unique {
        name: "memberships_pkey",
        columns: "memberships.team_id, memberships.user_id",
        refusal: Refusal::Exists("This person is a member already"),
    },
    Unique {
        name: "users_email_key",
        columns: "users.email_key",
        refusal: Refusal::Exists("An account with this address exists already"),
    },
    Unique {
        name: "teams_slug",
        columns: "teams.slug",
        refusal: Refusal::Exists("A team of this short name exists already"),
    },
];

/// How SQLite's message begins.
const SQLITE_UNIQUE: &str = "UNIQUE constraint failed: ";

/// How PostgreSQL's begins.
const POSTGRES_UNIQUE: &str = "duplicate key value violates unique constraint \"";

impl From<sqlx::Error> for AppError {
    fn from(cause: sqlx::Error) -> Self {
        if let Some(refusal) = refusal_of(&cause) {
            return refusal;
        }
        if matches!(cause, sqlx::Error::PoolTimedOut | sqlx::Error::Io(_)) || is_temporary(&cause) {
            error!(%cause, "the database is not available");
            return Self::Unavailable;
        }
        if was_stopped(&cause) {
            warn!(%cause, "a statement was stopped");
            return Self::TooSlow;
        }
        error!(%cause, "database error");
        Self::Internal
    }
}

/// Whether the same statement can succeed later: locks, a full disk, a server that restarts. Sources: SQLite, Result
/// Codes; PostgreSQL, Error Codes.
fn is_temporary(cause: &sqlx::Error) -> bool {
    // SQLITE_BUSY, SQLITE_LOCKED, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
    const PASSING: [u32; 5] = [5, 6, 10, 13, 14];
    // lock_not_available, deadlock_detected, serialization_failure; a server that stops, crashed or starts.
    const NAMED: [&str; 6] = ["55P03", "40P01", "40001", "57P01", "57P02", "57P03"];
    let Some(code) = cause.as_database_error().and_then(|error| error.code()) else { return false };
    // PostgreSQL's have five characters. SQLite's are numbers below 10,000, of which the low byte names the kind.
    if code.len() < 5 {
        return code.parse::<u32>().is_ok_and(|code| PASSING.contains(&(code & 0xff)));
    }
    // Classes 08 and 53: the connection broke, resources lack.
    NAMED.contains(&&*code) || code.starts_with("08") || code.starts_with("53")
}

/// Whether the statement was ended before it was through, by its limit: SQLITE_INTERRUPT, query_canceled.
fn was_stopped(cause: &sqlx::Error) -> bool {
    cause.as_database_error().and_then(|error| error.code()).is_some_and(|code| ["9", "57014"].contains(&&*code))
}

/// The constraint that Citus's words name: it passes on what a node says of the part of a table that it has, whose names end with
/// the part's number.
fn name_of_shard(message: &str) -> Option<&str> {
    let (name, _) = message.strip_prefix(POSTGRES_UNIQUE)?.split_once('"')?;
    let (table, shard) = name.rsplit_once('_')?;
    shard.bytes().all(|byte| byte.is_ascii_digit()).then_some(table)
}

/// The refusal that a broken constraint stands for; `None` for other errors, and for constraints that no caller can break.
fn refusal_of(cause: &sqlx::Error) -> Option<AppError> {
    let error = cause.as_database_error()?;
    if error.is_foreign_key_violation() {
        warn!(%cause, "what a row belongs to is gone");
        return Some(AppError::Conflict("What this belongs to was deleted in the meantime".to_owned()));
    }
    if !error.is_unique_violation() {
        return None;
    }
    let columns = error.message().strip_prefix(SQLITE_UNIQUE);
    let name = error.constraint().or_else(|| name_of_shard(error.message()));
    let is_meant = |known: &&Unique| name == Some(known.name) || columns == Some(known.columns);
    UNIQUE.iter().find(is_meant).map(|known| match known.refusal {
        Refusal::Exists(words) => AppError::AlreadyExists(words.to_owned()),
        Refusal::Crossed(words) => AppError::Conflict(words.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renaming an index or its columns would go unnoticed otherwise.
    #[test]
    fn every_constraint_is_one_of_the_schema() {
        for engine in ["sqlite", "postgres"] {
            let folder = format!("{}/migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(folder).unwrap();
            let schema: String =
                files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect::<Vec<_>>().join("\n");
            for Unique { name, columns, .. } in &UNIQUE {
                let table = columns.split('.').next().unwrap();
                match name.strip_suffix("_pkey") {
                    Some(named) => assert!(named == table && schema.contains(&format!("CREATE TABLE {table} "))),
                    None => assert!(schema.contains(name), "{engine}: {name}"),
                }
            }
        }
    }
}
