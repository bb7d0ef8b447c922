//! Nodes on one PostgreSQL: what one hears of another, and of another version. On SQLite there is one node, and nothing is
//! said.

use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::*;
use crate::server::config::{Config, Half};
use crate::server::demo::{self, DemoOptions};
use crate::server::services::nodes;
use crate::server::store::{OpenError, Store};

/// How long a node may take to hear another one, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A web node, and a worker's, that talk to each other.
async fn two_nodes(database: &TestDatabase) -> (TestApp, App, watch::Sender<bool>) {
    let mut first = TestApp::start(&database.url()).await;
    let config = Config { only: Some(Half::Web), rate_limit: 60, ..first.app.config.as_ref().clone() };
    first.app.config = Arc::new(config);
    first.router = router(first.app.clone());
    let mut second = first.beside_impatient().await;
    second.config = Arc::new(Config { only: None, ..second.config.as_ref().clone() });
    let (stop, stopped) = watch::channel(false);
    for app in [first.app.clone(), second.clone()] {
        tokio::spawn(nodes::run(app, stopped.clone()));
    }
    (first, second, stop)
}

#[tokio::test]
async fn a_worker_elsewhere_is_woken_by_what_a_web_node_accepts() {
    let database = TestDatabase::postgres().await;
    let (web, worker, stop) = two_nodes(&database).await;
    let heard = async {
        loop {
            // Until both listen, what is said is lost.
            web.app.outbox_waker.wake();
            if timeout(Duration::from_millis(200), worker.outbox_waker.here.notified()).await.is_ok() {
                return;
            }
        }
    };
    assert!(timeout(PATIENCE, heard).await.is_ok(), "the worker is not woken");
    stop.send(true).unwrap();
    worker.store.close().await;
    web.app.store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn nodes_count_the_requests_of_a_key_together() {
    let database = TestDatabase::postgres().await;
    let (first, second, stop) = two_nodes(&database).await;
    let client = first.program(&[Permission::LogsView]).await;
    let key = first.store().list_api_keys(first.team).await.unwrap()[0].id;
    let deadline = Instant::now() + PATIENCE;
    // One node answers many; the other hears of it and allows less.
    let allowed = loop {
        for _ in 0..40 {
            client.get("/api/logs").await;
        }
        let remaining = second.rate_limiter.admit(key, 60, Instant::now()).remaining;
        if remaining < 50 || Instant::now() > deadline {
            break remaining;
        }
        sleep(Duration::from_millis(100)).await;
    };
    assert!(allowed < 50, "the other node would allow {allowed} more");
    stop.send(true).unwrap();
    second.store.close().await;
    first.app.store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn on_sqlite_nobody_is_listened_to() {
    let database = TestDatabase::sqlite();
    let app = TestApp::start(&database.url()).await;
    assert!(app.store().listen().await.unwrap().is_none());
    app.store().tell("nothing").await.unwrap();
    let (_stop, stopped) = watch::channel(false);
    nodes::run(app.app.clone(), stopped).await;
    app.app.store.close().await;
    database.remove().await;
}

on_both_databases! {
    async fn a_node_goes_on_and_starts_again_beside_one_of_a_version_that_adds_to_the_tables(app: TestApp) {
        let client = app.program(&[Permission::LogsView]).await;
        let look = async || {
            for path in ["/api/logs", "/api/logs/stats"] {
                assert_eq!(client.get(path).await.status, 200, "{path}");
            }
        };
        // What is prepared now is used later.
        look().await;
        app.store().migrate_to_next().await;
        let smtp_url = "smtp://127.0.0.1:2525".to_owned();
        let options = DemoOptions { seed: 1, messages: 60, days: 30, now: app.now(), smtp_url };
        demo::fill(&app.app, &options).await.unwrap();
        look().await;
        let again = Store::open(&app.url).await.unwrap();
        assert_eq!(again.list_wrong_rollups(app.team).await, Ok(Vec::new()));
        again.close().await;
        // Where the newer version takes something away, it says so.
        app.store().set_setting("serves_since", Some("9999")).await.unwrap();
        assert!(matches!(Store::open(&app.url).await, Err(OpenError::Newer { version: 9999, .. })));
    }
}
