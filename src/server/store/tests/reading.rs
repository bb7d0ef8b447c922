//! What only reads ends at a limit, and with its caller.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{sleep, timeout};

use super::super::engine::{Engine, PLACES, Writers};
use super::{Limits, Store, TestDatabase};
use crate::domain::error::AppError;

async fn open(database: &TestDatabase, read: Duration) -> Store {
    Store::open_within(&database.url(), Limits { read, ..Limits::default() }).await.unwrap()
}

impl Store {
    /// Reads without an end.
    async fn read_slowly(&self) -> Result<i64, AppError> {
        let statement = match self.engine() {
            Engine::Sqlite => {
                "WITH RECURSIVE slow (n) AS (SELECT COUNT(*) FROM teams UNION ALL SELECT n + 1 FROM slow)
                 SELECT COUNT(*) FROM slow"
            }
            Engine::Postgres => "SELECT COUNT(*) FROM teams, pg_sleep(3600) AS slow",
        };
        self.read(statement).fetch_scalar().await
    }

    /// Whether one of those still runs. SQLite cannot empty its log while somebody reads, and waits a while for that.
    async fn reads_slowly(&self) -> bool {
        match &self.db.write {
            Writers::Sqlite(write) => {
                let emptied: (i64, i64, i64) =
                    sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(write).await.unwrap();
                emptied.0 != 0
            }
            Writers::Postgres(pool) => {
                let running = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND state = 'active' AND query LIKE '%AS slow' AND pid <> pg_backend_pid()";
                sqlx::query_scalar::<_, i64>(running).fetch_one(pool).await.unwrap() > 0
            }
        }
    }
}

async fn a_read_is_stopped_at_its_limit(database: TestDatabase) {
    let store = open(&database, Duration::from_millis(100)).await;
    for _ in 0..=PLACES {
        assert_eq!(store.read_slowly().await, Err(AppError::TooSlow));
    }
    assert_eq!(store.count_rows().await[0], ("sessions", 0));
    assert!(!store.reads_slowly().await);
    store.close().await;
    database.remove().await;
}

async fn a_read_stops_when_its_caller_leaves(database: TestDatabase) {
    let store = open(&database, Duration::from_secs(3600)).await;
    let callers = (0..PLACES).map(|_| timeout(Duration::from_millis(300), store.read_slowly()));
    assert!(join_all(callers).await.iter().all(Result::is_err));
    let mut looks = 0;
    while store.reads_slowly().await {
        looks += 1;
        assert!(looks < 200, "a statement runs on");
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(store.count_rows().await[0], ("sessions", 0));
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_read_is_stopped_at_its_limit_sqlite() {
    a_read_is_stopped_at_its_limit(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn a_read_is_stopped_at_its_limit_postgres() {
    a_read_is_stopped_at_its_limit(TestDatabase::postgres().await).await;
}

#[tokio::test]
async fn a_read_stops_when_its_caller_leaves_sqlite() {
    a_read_stops_when_its_caller_leaves(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn a_read_stops_when_its_caller_leaves_postgres() {
    a_read_stops_when_its_caller_leaves(TestDatabase::postgres().await).await;
}

/// The process of the server that serves whoever reads next.
async fn process(store: &Store) -> i64 {
    store.read("SELECT pg_backend_pid()::BIGINT").fetch_scalar().await.unwrap()
}

#[tokio::test]
async fn a_reader_is_used_again_and_replaced_once_the_server_has_ended_it_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let first = process(&store).await;
    assert_eq!(process(&store).await, first);
    let Writers::Postgres(write) = &store.db.write else { panic!("another database") };
    let end = "SELECT pg_terminate_backend($1::INT, 5000)";
    assert!(sqlx::query_scalar::<_, bool>(end).bind(first).fetch_one(write).await.unwrap());
    // Who reads at once may hear of it. After a second a reader is tried first.
    sleep(Duration::from_millis(1100)).await;
    assert_ne!(process(&store).await, first);
    store.close().await;
    database.remove().await;
}
