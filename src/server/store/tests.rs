//! What the store's tests have in common: a database of their own, and what they do past the store's functions.

mod database;
mod outages;
mod query_plans;
mod reading;
mod searching;
mod upgrades;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::AssertSqlSafe;

pub(crate) use database::TestDatabase;
pub(crate) use outages::HeldWriter;

use super::engine::Writers;
use super::outbox::{Lease, Queue, Share};
use super::{Engine, Limits, Store};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};

impl Queue {
    /// A queue of an adapter whose first message is due at this time.
    pub(crate) fn at(team_id: TeamId, adapter_id: AdapterId, due_at: DateTime<Utc>) -> Self {
        Self { team_id, adapter_id, due_at: super::micros(due_at), taker: None }
    }
}

impl Store {
    /// When the next message is due or the next lease ends; `None` for an empty outbox.
    pub(crate) async fn next_outbox_run(&self) -> Result<Option<DateTime<Utc>>, AppError> {
        Ok(self.list_queues().await?.iter().map(Queue::due_at).min())
    }

    /// Leases up to `limit` rows that are due, of the queue whose first is due the longest before the others.
    pub(crate) async fn lease_due(
        &self,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
        lease_id: i64,
        limit: usize,
    ) -> Result<Vec<Lease>, AppError> {
        let mut queues = self.list_queues().await?;
        queues.sort_by_key(|queue| (queue.due_at(), queue.team_id, queue.adapter_id));
        let mut leases = Vec::new();
        for queue in queues.iter().filter(|queue| queue.due_at() <= now) {
            let count = limit - leases.len();
            if count == 0 {
                break;
            }
            let share = Share { team_id: queue.team_id, adapter_id: queue.adapter_id, count };
            leases.extend(self.lease_outbox(now, until, lease_id, &[share]).await?);
        }
        Ok(leases)
    }

    /// Gives adapters the messages that wait for them, as the worker does; how many.
    pub(crate) async fn give_all_waiting(&self, now: DateTime<Utc>) -> Result<usize, AppError> {
        let mut given = 0;
        for queue in self.list_queues().await? {
            given += self.give_waiting(&queue, now).await?;
        }
        Ok(given)
    }

    /// How many pages SQLite's file has; 0 for PostgreSQL.
    pub(crate) async fn count_pages(&self) -> i64 {
        match self.engine() {
            Engine::Sqlite => self.read("PRAGMA page_count").fetch_scalar().await.unwrap(),
            Engine::Postgres => 0,
        }
    }

    /// How many triggers are switched off, or were lost: SQLite's are listed by what a new database has.
    pub(crate) async fn count_disabled_triggers(&self) -> i64 {
        let count = match self.engine() {
            Engine::Sqlite => "SELECT COUNT(*) FROM sqlite_schema WHERE type = 'trigger'",
            Engine::Postgres => "SELECT COUNT(*) FROM pg_trigger WHERE tgenabled = 'D'",
        };
        let count: i64 = self.read(count).fetch_scalar().await.unwrap();
        if self.engine() == Engine::Postgres {
            return count;
        }
        let new = TestDatabase::sqlite();
        let store = Self::open(&new.url()).await.unwrap();
        let of_new: i64 =
            store.read("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'trigger'").fetch_scalar().await.unwrap();
        store.close().await;
        new.remove().await;
        of_new - count
    }

    /// Changes the subject of a team's newest message and deletes a few API requests.
    pub(crate) async fn change_and_delete_some(&self, team: TeamId) {
        let newest: i64 =
            self.read("SELECT MAX(id) FROM emails WHERE team_id = $1").bind(team).fetch_scalar().await.unwrap();
        let mut tx = self.begin().await.unwrap();
        let change = "UPDATE emails SET subject = subject || '!' WHERE team_id = $1 AND id = $2";
        tx.query(change).bind(team).bind(newest).execute().await.unwrap();
        let delete = "DELETE FROM api_requests WHERE id IN (SELECT id FROM api_requests ORDER BY id LIMIT 10)";
        assert_eq!(tx.query(delete).execute().await.unwrap(), 10);
        tx.commit().await.unwrap();
    }

    /// Counts a message too many, and takes one out of search's index.
    pub(crate) async fn spoil_counts_and_search(&self) {
        let mut tx = self.begin().await.unwrap();
        tx.query("UPDATE email_rollups SET sent = sent + 1 WHERE template_id = 0").execute().await.unwrap();
        let (team, id): (TeamId, i64) =
            tx.query("SELECT team_id, id FROM emails ORDER BY team_id, id LIMIT 1").fetch_one().await.unwrap();
        super::search::index::delete_search_rows(&mut tx, team, &[id]).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Opens the database as one that waits a moment alone for those who write.
    pub(crate) async fn open_impatient(url: &str) -> Self {
        let busy = Duration::from_millis(200);
        Self::open_within(url, Limits { busy, ..Limits::default() }).await.unwrap()
    }

    /// How many rows each table has that a visit could leave something in.
    pub(crate) async fn count_rows(&self) -> Vec<(&'static str, i64)> {
        let tables = [
            "sessions",
            "settings",
            "users",
            "teams",
            "memberships",
            "role_permissions",
            "invites",
            "rate_limits",
            "api_keys",
            "templates",
            "adapters",
            "emails",
            "email_events",
            "outbox",
            "notifications",
            "roles",
            "recovery_codes",
            "password_resets",
            "openid_accounts",
            "drafts",
            "audit_log",
        ];
        let mut counts = Vec::new();
        for table in tables {
            let statement = format!("SELECT COUNT(*) FROM {table}");
            let count: i64 = self.read(statement).fetch_scalar().await.unwrap();
            counts.push((table, count));
        }
        counts
    }

    /// How many rows of a team each table has that names teams, by the table's name.
    pub(crate) async fn count_rows_of(&self, team: TeamId) -> BTreeMap<String, i64> {
        let names = match self.engine() {
            Engine::Sqlite => {
                "SELECT t.name FROM sqlite_schema t, pragma_table_info(t.name) c
                 WHERE t.type = 'table' AND c.name = 'team_id' ORDER BY t.name"
            }
            Engine::Postgres => {
                "SELECT table_name::text FROM information_schema.columns
                 WHERE table_schema = 'public' AND column_name = 'team_id' ORDER BY table_name"
            }
        };
        let tables: Vec<String> = self.read(names).fetch_scalars().await.unwrap();
        let mut counts = BTreeMap::new();
        for table in tables {
            let statement = format!("SELECT COUNT(*) FROM {table} WHERE team_id = $1");
            let count: i64 = self.read(statement).bind(team).fetch_scalar().await.unwrap();
            counts.insert(table, count);
        }
        counts
    }

    /// Every row of every table, as text, by the table's name: equal at two moments between which nothing was written.
    pub(crate) async fn every_row(&self) -> BTreeMap<String, Vec<String>> {
        let mut tables = BTreeMap::new();
        let mut reading = self.begin_reading().await.unwrap();
        match self.engine() {
            Engine::Sqlite => {
                let names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'
                    AND name NOT LIKE 'sqlite_%' AND name NOT LIKE '_sqlx_%'";
                for name in texts(reading.read(names).fetch_scalars().await) {
                    let columns = "SELECT 'quote(\"' || name || '\")' FROM pragma_table_info($1)";
                    let columns = texts(reading.read(columns).bind(&name).fetch_scalars().await);
                    let rows = format!("SELECT {} FROM \"{name}\"", columns.join(" || ', ' || "));
                    tables.insert(name, texts(reading.read(rows).fetch_scalars().await));
                }
            }
            Engine::Postgres => {
                let names = "SELECT tablename::text FROM pg_tables
                    WHERE schemaname = 'public' AND tablename NOT LIKE '\\_sqlx\\_%'";
                for name in texts(reading.read(names).fetch_scalars().await) {
                    let rows = format!("SELECT t::text FROM \"{name}\" t");
                    tables.insert(name, texts(reading.read(rows).fetch_scalars().await));
                }
            }
        }
        assert!(tables.len() > 10, "{:?}", tables.keys());
        tables
    }
}

fn texts(found: Result<Vec<String>, AppError>) -> Vec<String> {
    let mut found = found.unwrap();
    found.sort_unstable();
    found
}

impl Store {
    /// Makes the tables those of a later version that adds alone: a column to each, an index and a table.
    pub(crate) async fn migrate_to_next(&self) {
        let (names, number, checksum) = match self.engine() {
            Engine::Sqlite => {
                ("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'", "INTEGER", "x'00'")
            }
            Engine::Postgres => {
                ("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'", "BIGINT", "'\\x00'::bytea")
            }
        };
        let names: Vec<String> = self.read(names).fetch_scalars().await.unwrap();
        let names = names.into_iter().filter(|name| !name.starts_with("_sqlx") && !name.starts_with("sqlite_"));
        let add = |name| format!("ALTER TABLE \"{name}\" ADD COLUMN of_next {number} NOT NULL DEFAULT 0");
        let mut statements: Vec<String> = names.map(add).collect();
        assert!(statements.len() > 40, "{statements:?}");
        statements.push("CREATE INDEX emails_of_next ON emails (team_id, of_next, id)".to_owned());
        statements.push("CREATE TABLE next_things (team_id BIGINT NOT NULL PRIMARY KEY)".to_owned());
        statements.push(format!(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (9999, 'next', TRUE, {checksum}, 0)"
        ));
        for statement in statements {
            self.try_statement(&statement).await.unwrap();
        }
    }

    /// Runs a statement past every function, as somebody with a shell on the server would.
    pub(crate) async fn try_statement(&self, statement: &str) -> Result<(), sqlx::Error> {
        match &self.db.write {
            Writers::Sqlite(write) => sqlx::query(AssertSqlSafe(statement)).execute(write).await.map(drop),
            Writers::Postgres(pool) => sqlx::query(AssertSqlSafe(statement)).execute(pool).await.map(drop),
        }
    }

    /// Lets half of the failures be diagnosed anew, as rules that changed do. SQLite refuses whoever does not wait for its
    /// turn. In PostgreSQL it takes what nobody holds, in whatever order: waiting, it could be in a ring with somebody
    /// else, and end that one.
    pub(crate) async fn forget_some_diagnoses(&self) {
        let forget = match self.engine() {
            Engine::Sqlite => "UPDATE email_failures SET version = 0 WHERE email_id % 2 = 0",
            Engine::Postgres => {
                "UPDATE email_failures SET version = 0 WHERE (team_id, email_id) IN (
                     SELECT team_id, email_id FROM email_failures WHERE email_id % 2 = 0 FOR UPDATE SKIP LOCKED)"
            }
        };
        let _ = self.try_statement(forget).await;
    }

    /// Runs a statement as somebody who also takes the audit log's triggers away for the moment.
    pub(crate) async fn break_in(&self, statement: &str) {
        match &self.db.write {
            Writers::Sqlite(write) => {
                let triggers: Vec<(String, String)> = sqlx::query_as(
                    "SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'audit_log'",
                )
                .fetch_all(write)
                .await
                .unwrap();
                assert_eq!(triggers.len(), 2);
                for (name, _) in &triggers {
                    sqlx::query(AssertSqlSafe(format!("DROP TRIGGER {name}"))).execute(write).await.unwrap();
                }
                sqlx::query(AssertSqlSafe(statement)).execute(write).await.unwrap();
                for (_, sql) in triggers {
                    sqlx::query(AssertSqlSafe(sql)).execute(write).await.unwrap();
                }
            }
            Writers::Postgres(pool) => {
                sqlx::query("ALTER TABLE audit_log DISABLE TRIGGER ALL").execute(pool).await.unwrap();
                sqlx::query(AssertSqlSafe(statement)).execute(pool).await.unwrap();
                sqlx::query("ALTER TABLE audit_log ENABLE TRIGGER ALL").execute(pool).await.unwrap();
            }
        }
    }
}
