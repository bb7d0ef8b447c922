//! What a transaction keeps, and what becomes of its connection.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::{Engine, Transaction, Writers};
use crate::server::store::Store;
use crate::server::store::tests::TestDatabase;

async fn insert_team(tx: &mut Transaction, id: i64) {
    let insert = "INSERT INTO teams (id, slug, name, created_at) VALUES ($1, $2, 'Finch', 0)";
    tx.query(insert).bind(id).bind(format!("finch-{id}")).execute().await.unwrap();
}

async fn count_teams(store: &Store) -> i64 {
    store.read("SELECT COUNT(*) FROM teams").fetch_scalar().await.unwrap()
}

/// Something that another connection has otherwise.
async fn name_of_connection(tx: &mut Transaction) -> i64 {
    let name = match tx.engine() {
        Engine::Sqlite => "PRAGMA cache_size",
        Engine::Postgres => "SELECT pg_backend_pid()::BIGINT",
    };
    tx.query(name).fetch_scalar().await.unwrap()
}

/// Names the connection that writes next.
async fn name_connection(store: &Store) -> i64 {
    let mut tx = store.begin().await.unwrap();
    if tx.engine() == Engine::Sqlite {
        tx.query("PRAGMA cache_size = -777").execute().await.unwrap();
    }
    let name = name_of_connection(&mut tx).await;
    tx.commit().await.unwrap();
    rest(store).await;
    name
}

/// Waits until every connection is back in its pool or closed.
async fn rest(store: &Store) {
    let is_at_rest = || match &store.db.write {
        Writers::Sqlite(pool) => pool.num_idle() == pool.size() as usize,
        Writers::Postgres(pool) => pool.num_idle() == pool.size() as usize,
    };
    let mut looks = 0;
    while !is_at_rest() {
        looks += 1;
        assert!(looks < 2000, "a connection does not come back");
        sleep(Duration::from_millis(5)).await;
    }
}

async fn what_is_not_committed_is_not_kept(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    insert_team(&mut tx, 1).await;
    drop(tx);
    rest(&store).await;
    assert_eq!(count_teams(&store).await, 0);
    let mut tx = store.begin().await.unwrap();
    insert_team(&mut tx, 1).await;
    tx.commit().await.unwrap();
    assert_eq!(count_teams(&store).await, 1);
    store.close().await;
    database.remove().await;
}

async fn a_refusal_keeps_its_connection(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let name = name_connection(&store).await;
    for attempt in 0..3 {
        rest(&store).await;
        let mut tx = store.begin().await.unwrap();
        insert_team(&mut tx, 1).await;
        if attempt > 0 {
            // Even after a statement that failed.
            assert!(tx.query("INSERT INTO teams (id) VALUES (1)").execute().await.is_err());
        }
        drop(tx);
    }
    rest(&store).await;
    let mut tx = store.begin().await.unwrap();
    assert_eq!(name_of_connection(&mut tx).await, name);
    drop(tx);
    assert_eq!(count_teams(&store).await, 0);
    store.close().await;
    database.remove().await;
}

async fn who_leaves_in_the_middle_of_a_statement_takes_the_connection_along(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let name = name_connection(&store).await;
    let mut tx = store.begin().await.unwrap();
    insert_team(&mut tx, 1).await;
    let slow = match tx.engine() {
        Engine::Sqlite => {
            "WITH RECURSIVE slow (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM slow WHERE n < 5000000)
             SELECT COUNT(*) FROM slow"
        }
        Engine::Postgres => "SELECT COUNT(*) FROM pg_sleep(1) AS slow",
    };
    let left = timeout(Duration::from_millis(20), tx.query(slow).fetch_scalar::<i64>()).await;
    assert!(left.is_err(), "the statement was too quick");
    drop(tx);
    rest(&store).await;
    let mut tx = store.begin().await.unwrap();
    assert_ne!(name_of_connection(&mut tx).await, name);
    insert_team(&mut tx, 1).await;
    tx.commit().await.unwrap();
    assert_eq!(count_teams(&store).await, 1);
    store.close().await;
    database.remove().await;
}

async fn parallel_callers_keep_what_they_commit_alone(database: TestDatabase) {
    const CALLERS: i64 = 60;
    let store = Store::open(&database.url()).await.unwrap();
    let call = |id: i64| {
        let store = store.clone();
        tokio::spawn(async move {
            let mut tx = store.begin().await.unwrap();
            insert_team(&mut tx, id).await;
            if id % 3 == 0 {
                tx.commit().await.unwrap();
            }
        })
    };
    let callers: Vec<_> = (0..CALLERS).map(|id| (id, call(id))).collect();
    for (id, caller) in callers {
        if id % 3 == 1 {
            caller.abort();
        }
        let _ = caller.await;
    }
    let kept: Vec<i64> = store.read("SELECT id FROM teams ORDER BY id").fetch_scalars().await.unwrap();
    assert_eq!(kept, (0..CALLERS).filter(|id| id % 3 == 0).collect::<Vec<_>>());
    rest(&store).await;
    let mut tx = store.begin().await.unwrap();
    insert_team(&mut tx, CALLERS).await;
    tx.commit().await.unwrap();
    store.close().await;
    database.remove().await;
}

async fn values_come_back_as_they_were_bound(database: TestDatabase) {
    let store = Store::open(&database.url()).await.unwrap();
    let mut tx = store.begin().await.unwrap();
    let mut insert = super::Sql::new(tx.engine(), "INSERT INTO teams (id, slug, name, created_at) ");
    insert.push_rows([(7_i64, "a"), (8, "ö'\"")], |values, (id, name)| {
        values.bind(id).bind(name).bind(name.to_owned()).bind(id + 1);
    });
    assert_eq!(tx.query(insert).execute().await, Ok(2));
    tx.commit().await.unwrap();
    let mut list = super::Sql::new(store.engine(), "SELECT id, name, created_at FROM teams WHERE id IN (");
    list.push_list([8_i64, 9]).push(") AND name = ").push_bind("ö'\"");
    let rows: Vec<(i64, String, i64)> = store.read(list).fetch_all().await.unwrap();
    assert_eq!(rows, [(8, "ö'\"".to_owned(), 9)]);
    let mut reading = store.begin_reading().await.unwrap();
    let none: Option<i64> =
        reading.read("SELECT id FROM teams WHERE id = $1").bind(5_i64).fetch_optional_scalar().await.unwrap();
    let highest: Option<i64> = reading.read("SELECT MAX(id) FROM teams").fetch_scalar().await.unwrap();
    assert_eq!((none, highest), (None, Some(8)));
    drop(reading);
    store.close().await;
    database.remove().await;
}

macro_rules! on_both_engines {
    ($($name:ident)*) => {
        mod sqlite {
            use super::TestDatabase;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(TestDatabase::sqlite()).await;
            })*
        }

        mod postgres {
            use super::TestDatabase;

            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                super::$name(TestDatabase::postgres().await).await;
            })*
        }
    };
}

on_both_engines! {
    what_is_not_committed_is_not_kept
    a_refusal_keeps_its_connection
    who_leaves_in_the_middle_of_a_statement_takes_the_connection_along
    parallel_callers_keep_what_they_commit_alone
    values_come_back_as_they_were_bound
}
