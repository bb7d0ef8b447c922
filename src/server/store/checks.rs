//! Whether a database holds what it should: for `sendlog check`, which may take its time. Called by
//! [crate::server::services::checks].

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::copies::{CopyError, Counter, Snapshot, Step, Told};
use super::engine::Engine;
use super::search::index::NOTE_ALL_MISSING;
use super::{Database, Health, Limits, OpenError, Store, instant};
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;

/// The most faults that are told of one kind.
const MOST: i64 = 20;

/// How many connections a node of Sendlog takes at most: to write, to read, and for health checks.
const CONNECTIONS: i64 = 25;

/// How long one statement of a check may take.
const LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// What belongs to a message, a template or a request without a foreign key: the table, the column and whose it is.
const BELONGS: [(&str, &str, &str); 3] =
    [("email_keys", "email_id", "emails"), ("email_aliases", "email_id", "emails"), ("outbox", "email_id", "emails")];

/// SQLite's index of search, message by message.
const SQLITE_UNINDEXED: &str = "SELECT COUNT(*) FROM emails e JOIN teams t ON t.id = e.team_id AND t.deleted_at IS NULL
    WHERE NOT EXISTS (SELECT 1 FROM search_numbers n WHERE n.team_id = e.team_id AND n.email_id = e.id)
        AND NOT EXISTS (SELECT 1 FROM search_late l WHERE l.team_id = e.team_id AND l.email_id = e.id)
        AND NOT EXISTS (SELECT 1 FROM email_search s WHERE s.rowid = e.id)
        AND NOT EXISTS (SELECT 1 FROM email_search_before b WHERE b.rowid = e.id)";
const POSTGRES_UNINDEXED: &str =
    "SELECT COUNT(*) FROM emails e JOIN teams t ON t.id = e.team_id AND t.deleted_at IS NULL
    WHERE NOT EXISTS (SELECT 1 FROM email_search s WHERE s.team_id = e.team_id AND s.email_id = e.id)";

impl Store {
    /// Opens a database for checks: as it is, and with all the time that they take. `None` where its tables are not of this
    /// version of the program.
    pub async fn open_for_checks(url: &str) -> Result<Option<Self>, OpenError> {
        let (db, health) = Database::connect_existing(url, Limits { read: LIMIT, ..Limits::default() }).await?;
        let store = Self::over(db, Health::new(health));
        let newest = store.engine().newest_migration();
        match store.version().await {
            Ok(Some(version)) if version == newest => Ok(Some(store)),
            Ok(_) | Err(_) => {
                store.close().await;
                Ok(None)
            }
        }
    }

    /// Writes SQLite's file anew, as small as it can be; `false` where the database is PostgreSQL's. Nobody may use it meanwhile.
    pub async fn compact(url: &str) -> Result<bool, AppError> {
        let Some(path) = url.strip_prefix("sqlite://") else { return Ok(false) };
        Database::compact(Path::new(path.split('?').next().unwrap_or(path))).await?;
        Ok(true)
    }

    /// What the engine itself finds wrong, in its words; at most a few.
    pub async fn list_engine_faults(&self) -> Result<Vec<String>, AppError> {
        match self.engine() {
            Engine::Sqlite => {
                let said: Vec<String> = self.read(format!("PRAGMA integrity_check({MOST})")).fetch_scalars().await?;
                let mut faults: Vec<String> = said.into_iter().filter(|line| line != "ok").collect();
                let orphans: Vec<(String, i64)> = self
                    .read(r#"SELECT "table", COUNT(*) FROM pragma_foreign_key_check GROUP BY "table""#)
                    .fetch_all()
                    .await?;
                faults.extend(
                    orphans
                        .into_iter()
                        .map(|(table, rows)| format!("{rows} rows of {table} refer to rows that are gone")),
                );
                Ok(faults)
            }
            Engine::Postgres => {
                self.read(
                    "SELECT 'the index ' || c.relname || ' is not valid: REINDEX INDEX ' || c.relname
                     FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                     WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace
                     UNION ALL
                     SELECT 'the constraint ' || f.conname || ' is not valid'
                     FROM pg_constraint f
                     WHERE NOT f.convalidated AND f.connamespace = current_schema()::regnamespace
                     UNION ALL
                     SELECT 'triggers of ' || t.tgrelid::regclass || ' are switched off'
                     FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
                     WHERE t.tgenabled = 'D' AND c.relnamespace = current_schema()::regnamespace
                     LIMIT 20",
                )
                .fetch_scalars()
                .await
            }
        }
    }

    /// Reads every row of every table; how many there are.
    pub async fn read_every_row(&self, told: Told<'_>) -> Result<u64, CopyError> {
        let mut snapshot = Snapshot::begin(self).await?;
        let all = snapshot.count_rows().await?;
        let mut counter = Counter::new(told, Step::Checking, all);
        let mut read = 0;
        while let Some((_, rows)) = snapshot.next_page().await? {
            counter.add(rows.len());
            read += rows.len() as u64;
        }
        snapshot.end().await?;
        Ok(read)
    }

    /// How many rows of which tables belong to something that is gone.
    pub async fn count_orphans(&self) -> Result<Vec<(&'static str, i64)>, AppError> {
        let mut orphans = Vec::new();
        for (table, column, whose) in BELONGS {
            let count: i64 = self
                .read(format!(
                    "SELECT COUNT(*) FROM {table} x
                     WHERE NOT EXISTS (SELECT 1 FROM {whose} o WHERE o.team_id = x.team_id AND o.id = x.{column})"
                ))
                .fetch_scalar()
                .await?;
            if count > 0 {
                orphans.push((table, count));
            }
        }
        Ok(orphans)
    }

    /// How many messages search does not find, as they are not in its index.
    pub async fn count_unindexed(&self) -> Result<i64, AppError> {
        let statement = match self.engine() {
            Engine::Sqlite => SQLITE_UNINDEXED,
            Engine::Postgres => POSTGRES_UNINDEXED,
        };
        self.read(statement).fetch_scalar().await
    }

    /// All teams that are not deleted, with their slugs.
    pub async fn list_all_teams(&self) -> Result<Vec<(TeamId, String)>, AppError> {
        self.read("SELECT id, slug FROM teams WHERE deleted_at IS NULL ORDER BY id").fetch_all().await
    }

    /// Counts a team's log anew. Nobody else changes the counts meanwhile, and what others are about to count comes on top.
    pub async fn recount_rollups(&self, team_id: TeamId) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        if tx.engine() == Engine::Postgres {
            tx.query("LOCK TABLE email_rollups IN EXCLUSIVE MODE").execute().await?;
        }
        tx.query("DELETE FROM email_rollups WHERE team_id = $1").bind(team_id).execute().await?;
        let counts = EmailStatus::ALL
            .map(|status| format!("SUM(CASE status WHEN {} THEN 1 ELSE 0 END)", status.code()))
            .join(", ");
        let keys = ["0", "-1 - channel", "template_id"];
        let hours = ["(id >> 20) / 3600000", "-1 - (id >> 20) / 86400000"];
        let slices = keys.map(|key| {
            hours
                .map(|hour| {
                    format!(
                        "SELECT {key} AS template_id, {hour} AS hour, status FROM emails
                         WHERE team_id = $1 AND {key} IS NOT NULL"
                    )
                })
                .join(" UNION ALL ")
        });
        tx.query(format!(
            "INSERT INTO email_rollups
             (team_id, template_id, hour, queued, sent, delivered, opened, clicked, bounced, failed, spam)
             SELECT $1, template_id, hour, {counts} FROM ({}) AS messages GROUP BY template_id, hour",
            slices.join(" UNION ALL ")
        ))
        .bind(team_id)
        .execute()
        .await?;
        tx.commit().await
    }

    /// Has every message put into search's index again, by the program that serves.
    pub async fn index_all_again(&self) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query(NOTE_ALL_MISSING).execute().await?;
        tx.commit().await
    }

    /// What of the engine's own settings endangers what is kept, in words.
    pub async fn list_doubtful_settings(&self) -> Result<Vec<String>, AppError> {
        if self.engine() == Engine::Sqlite {
            return Ok(Vec::new());
        }
        let rows: Vec<(String, String)> = self
            .read(
                "SELECT name, setting FROM pg_settings
                 WHERE (name IN ('fsync', 'full_page_writes') AND setting = 'off')
                     OR (name = 'synchronous_commit' AND setting = 'off')
                     OR (name = 'max_connections' AND setting::bigint < $1)
                 ORDER BY name",
            )
            .bind(CONNECTIONS)
            .fetch_all()
            .await?;
        Ok(rows
            .into_iter()
            .map(|(name, setting)| match name.as_str() {
                "max_connections" => {
                    format!("max_connections is {setting}: a node takes up to {CONNECTIONS}, and others want some too")
                }
                _ => format!("{name} is {setting}: what was acknowledged may be lost when the machine stops"),
            })
            .collect())
    }

    /// What the database takes for now; `None` where it goes by this machine's clock.
    pub async fn database_clock(&self) -> Result<Option<DateTime<Utc>>, AppError> {
        if self.engine() == Engine::Sqlite {
            return Ok(None);
        }
        let micros: i64 =
            self.read("SELECT (EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint").fetch_scalar().await?;
        Ok(Some(instant(micros)))
    }

    /// The id of the newest message of all teams.
    pub async fn newest_email_id(&self) -> Result<Option<i64>, AppError> {
        let mut newest = None;
        for (team, _) in self.list_all_teams().await? {
            let id: Option<i64> = self
                .read("SELECT id FROM emails WHERE team_id = $1 ORDER BY id DESC LIMIT 1")
                .bind(team)
                .fetch_optional_scalar()
                .await?;
            newest = newest.max(id);
        }
        Ok(newest)
    }
}
