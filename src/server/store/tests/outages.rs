//! A database that is not there for those who write: somebody else holds it, or its disk is full.

use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor, SqliteConnection};

use super::super::Store;
use super::super::engine::Writers;

/// What every write needs, held by a connection of its own until it is let go: SQLite's writer, PostgreSQL's tables.
pub(crate) enum HeldWriter {
    /// In a transaction that writes.
    Sqlite(SqliteConnection),
    /// With a lock on every table that lets others read.
    Postgres(PgConnection),
}

impl HeldWriter {
    /// Takes it, as soon as those who write have ended.
    pub(crate) async fn take(url: &str) -> Self {
        if url.starts_with("sqlite://") {
            let mut connection = SqliteConnection::connect(url).await.unwrap();
            connection.execute("BEGIN IMMEDIATE").await.unwrap();
            return Self::Sqlite(connection);
        }
        let mut connection = PgConnection::connect(url).await.unwrap();
        let lock = "DO $$ DECLARE name TEXT; BEGIN
            FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
                EXECUTE format('LOCK TABLE %I IN EXCLUSIVE MODE', name);
            END LOOP; END $$";
        connection.execute("BEGIN").await.unwrap();
        connection.execute(lock).await.unwrap();
        Self::Postgres(connection)
    }

    /// Lets others write.
    pub(crate) async fn let_go(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// A time in which the database does not keep API requests, as if it was not available.
pub(crate) enum Outage {
    /// Somebody else writes.
    Sqlite(SqliteConnection),
    /// Its disk is full.
    Postgres,
}

impl Store {
    /// Makes the database at `url`, which is this one, not available.
    pub(crate) async fn begin_outage(&self, url: &str) -> Outage {
        match &self.db.write {
            Writers::Sqlite(write) => {
                // The connection that finds the database busy gives up at once. It is closed then; the next one waits.
                write.execute("PRAGMA busy_timeout = 20").await.unwrap();
                let mut other = SqliteConnection::connect(url).await.unwrap();
                other.execute("BEGIN IMMEDIATE").await.unwrap();
                Outage::Sqlite(other)
            }
            Writers::Postgres(pool) => {
                let full = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
                    $$ BEGIN RAISE EXCEPTION 'the disk is full' USING ERRCODE = 'disk_full'; END $$";
                pool.execute(full).await.unwrap();
                let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON api_requests EXECUTE FUNCTION refuse()";
                pool.execute(trigger).await.unwrap();
                Outage::Postgres
            }
        }
    }

    /// Makes it available again.
    pub(crate) async fn end_outage(&self, outage: Outage) {
        match (outage, &self.db.write) {
            (Outage::Sqlite(mut other), _) => other.execute("ROLLBACK").await.map(drop).unwrap(),
            (Outage::Postgres, Writers::Postgres(pool)) => {
                pool.execute("DROP TRIGGER refuse ON api_requests").await.map(drop).unwrap();
            }
            (Outage::Postgres, Writers::Sqlite(_)) => panic!("an outage of another database"),
        }
    }
}
