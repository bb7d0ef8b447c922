//! What is seen from outside: health, numbers, and the ids of requests.

use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::server::api::Api;
use crate::server::config::{Config, ObserveArgs};
use crate::server::services::gauges;
use crate::server::telemetry::metrics;
use crate::server::web::api_routes;

/// A token that may read the numbers.
const TOKEN: &str = "0123456789abcdef0123";

/// The same server with other settings.
fn with(app: &TestApp, observe: ObserveArgs) -> Client {
    let config = Config { observe, ..app.app.config.as_ref().clone() };
    let router = router(App { config: Arc::new(config), ..app.app.clone() });
    Client { router, ..app.client() }
}

fn with_token(app: &TestApp) -> Client {
    with(app, ObserveArgs { metrics_token: Some(TOKEN.to_owned()), ..ObserveArgs::default() })
}

/// The lines of a metric.
fn series<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    let is_of = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']));
    text.lines().filter(is_of).collect()
}

on_both_databases! {
    async fn every_answer_tells_the_id_of_its_request(app: TestApp) {
        let id = |answer: &Answer| answer.headers["x-request-id"].to_str().unwrap().to_owned();
        let owner = app.sign_in(Role::Owner).await;
        let mut made = BTreeSet::new();
        for path in ["/logs", "/api/logs", "/api/nothing", "/nowhere", "/resend/emails", "/health/live", "/fn/nothing"] {
            assert_eq!(id(&owner.with("x-request-id", "Mine_1.2-3").get(path).await), "Mine_1.2-3", "{path}");
            let own = id(&owner.with("x-request-id", "ada@example.com").get(path).await);
            assert!(own.len() == 32 && own.bytes().all(|byte| byte.is_ascii_hexdigit()), "{path} {own}");
            assert!(made.insert(own), "{path}");
        }
        let own_address = Client { router: api_routes::at_own_address(&app.app, Api::Resend), ..app.client() };
        assert_eq!(id(&own_address.with("x-request-id", "Mine").get("/emails").await), "Mine");
    }

    async fn a_node_is_ready_while_its_database_is(app: TestApp) {
        let client = app.client();
        for path in ["/health", "/health/live", "/health/ready"] {
            let answer = client.get(path).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, "ok\n"), "{path}");
        }
        app.store().try_statement("DELETE FROM _sqlx_migrations WHERE version >= 44").await.unwrap();
        let answer = client.get("/health/ready").await;
        assert!(answer.status == 503 && answer.text.contains("at migration 4"), "{answer:?}");
        app.store().close().await;
        assert_eq!(client.get("/health/ready").await.status, 503);
        assert_eq!(client.get("/health/live").await.status, 200);
    }

    async fn the_numbers_are_told_to_the_token_alone(app: TestApp) {
        assert_eq!(app.client().get("/metrics").await.status, 404);
        let client = with_token(&app);
        for wrong in ["", "Bearer ", "Bearer 0123456789abcdef0124", "Basic 0123456789abcdef0123", TOKEN] {
            let answer = client.with("authorization", wrong).get("/metrics").await;
            assert!(answer.status == 401 && !answer.text.contains("sendlog_"), "{wrong} {answer:?}");
        }
        gauges::install();
        let answer = client.with("authorization", &format!("bearer {TOKEN}")).get("/metrics").await;
        assert!(answer.status == 200 && answer.text.contains("sendlog_build_info"), "{answer:?}");
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    }

    async fn the_database_is_looked_at_once_in_some_seconds(app: TestApp) {
        gauges::install();
        gauges::exposition(&app.app).await;
        let first = app.app.looked_at.lock().await.unwrap();
        gauges::exposition(&app.app).await;
        assert_eq!(app.app.looked_at.lock().await.unwrap(), first);
    }

    async fn what_somebody_makes_up_makes_no_series(app: TestApp) {
        gauges::install();
        let client = app.client();
        for number in 0..400 {
            for path in ["/odd-", "/api/odd-", "/resend/odd-", "/sendwithus/api/v1/odd-", "/fn/odd-", "/hooks/odd/odd-"] {
                client.get(&format!("{path}{number}")).await;
            }
            client.send(&format!("ODD{number}"), "/api/logs", None).await;
        }
        let text = metrics::exposition();
        assert!(!text.to_lowercase().contains("odd"), "{text}");
        let routes: BTreeSet<&str> = series(&text, "sendlog_http_requests_total")
            .into_iter()
            .filter_map(|line| line.split("route=\"").nth(1)?.split('"').next())
            .collect();
        // Those that the other tests of this process asked are among them.
        assert!(routes.contains("none") && routes.len() < 600, "{routes:?}");
        assert!(series(&text, "sendlog_http_requests_total").iter().any(|line| line.contains("method=\"other\"")));
    }

    async fn the_numbers_hold_nothing_personal(app: TestApp) {
        gauges::install();
        app.add_adapter("Mail").await;
        let program = app.program(&Permission::ALL).await;
        let message = json!({"from": "Finch <a@finch.example>", "to": ["ada@person.example"], "subject": "Secret", "text": "Hi"});
        assert_eq!(program.with("user-agent", "test").post("/resend/emails", message).await.status, 200);
        app.sign_in(Role::Owner).await.get("/logs?q=ada@person.example").await;
        let text = gauges::exposition(&app.app).await.to_lowercase();
        for personal in ["ada@", "person.example", "secret", "finch", "wren"] {
            assert!(!text.contains(personal), "{personal}");
        }
    }
}

/// The names that docs/metrics.md has in its table, with their types.
fn documented() -> BTreeSet<(String, String)> {
    let rows = include_str!("../../../docs/metrics.md").lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>());
    let is_metric =
        |cells: &Vec<String>| cells.len() > 4 && matches!(cells[1].as_str(), "counter" | "gauge" | "histogram");
    cells.filter(is_metric).map(|cells| (cells[0].clone(), cells[1].clone())).collect()
}

#[test]
fn the_document_names_every_number_and_no_other() {
    let named = metrics::METRICS.iter().map(|(name, kind, _)| ((*name).to_owned(), kind.as_str().to_owned()));
    let of_process = metrics::OF_PROCESS.iter().map(|(name, kind)| ((*name).to_owned(), kind.as_str().to_owned()));
    assert_eq!(documented(), named.chain(of_process).collect());
}

#[tokio::test]
async fn what_is_told_is_in_the_document() {
    let database = TestDatabase::sqlite();
    let app = TestApp::start(&database.url()).await;
    gauges::install();
    app.client().get("/health/live").await;
    let text = gauges::exposition(&app.app).await;
    let told = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let told: BTreeSet<(String, String)> = told.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect();
    assert!(told.is_subset(&documented()), "{:?}", told.difference(&documented()));
    // What is told only after it happened.
    let late = [
        "sendlog_hook_posts_total",
        "sendlog_retention_steps_total",
        "sendlog_last_backup_timestamp_seconds",
        "sendlog_attempt_duration_seconds",
    ];
    let missing: Vec<_> =
        documented().difference(&told).filter(|(name, _)| !late.contains(&name.as_str())).cloned().collect();
    assert!(missing.is_empty(), "{missing:?}");
    app.store().close().await;
    database.remove().await;
}
