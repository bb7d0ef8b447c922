//! Plans of what holds, forgetting and the sizes of a team ask: all are bounded, and none walks what it does not need.

use super::*;
use crate::domain::person::Person;
use crate::server::store::engine::Reading;
use crate::server::store::holds::{IN_FORCE, InForce, covered, list_of_statement};
use crate::server::store::persons::jobs::LIST_DUE;
use crate::server::store::persons::{footprint_statement, page_query, tables_of_teams};
use crate::server::store::retention::{find_old_contents_statement, find_old_emails_statement};
use crate::server::store::sizes::{LIST_DAYS, PROBE, count_statement, oldest_statement, part_query};

#[tokio::test]
async fn retention_walks_its_keys_with_holds_and_asks_nothing_more_without_sqlite() {
    assert_eq!(InForce::Nothing.spares("emails"), "");
    let spares = |table: &str| InForce::Some.spares(table);
    let statements = [
        find_old_emails_statement(Engine::Sqlite, &spares("emails")),
        find_old_contents_statement(Engine::Sqlite, &spares("email_contents")),
    ];
    for (statement, plan) in statements.iter().zip(plans(statements.clone()).await) {
        assert!(plan[0].starts_with("SEARCH x "), "{statement}\n{plan:#?}");
        assert!(plan.iter().any(|step| step.starts_with("SEARCH h USING PRIMARY KEY (team_id=?)")), "{plan:#?}");
        let by_key = "SEARCH k USING PRIMARY KEY (team_id=? AND kind=? AND key=? AND email_id=?)";
        assert!(plan.iter().any(|step| step == by_key), "{plan:#?}");
        assert!(!plan.iter().any(|step| step.starts_with("SCAN") || step.contains("TEMP B-TREE")), "{plan:#?}");
    }
}

#[tokio::test]
async fn holds_forgettings_and_sizes_are_found_by_their_keys_sqlite() {
    let ids: Vec<i64> = (1..=512).collect();
    let parts = (0..6).map(|part| part_query(Engine::Sqlite, TEAM, part, &ids).text().to_owned());
    let statements: Vec<String> = [IN_FORCE, LIST_DUE, LIST_DAYS, PROBE]
        .map(str::to_owned)
        .into_iter()
        .chain([
            list_of_statement(),
            footprint_statement(),
            count_statement("api_requests"),
            count_statement("webhook_deliveries"),
        ])
        .chain((0..6).map(oldest_statement))
        .chain(parts)
        .collect();
    for (statement, plan) in statements.iter().zip(plans(statements.clone()).await) {
        assert!(!plan.iter().any(|step| step.starts_with("SCAN") && !is_of_few(step)), "{statement}\n{plan:#?}");
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE FOR ORDER")), "{statement}\n{plan:#?}");
    }
}

/// Whether it goes through rows that were found before, or through none.
fn is_of_few(step: &str) -> bool {
    ["CONSTANT ROW", "SCAN x", "SCAN theirs", "SCAN counted", "SCAN (subquery"].iter().any(|few| step.contains(few))
}

/// The statements of a walk through every table of a team.
async fn pages_of(reading: &mut Reading, engine: Engine) -> Vec<(String, String)> {
    let mut pages = Vec::new();
    for table in tables_of_teams(reading).await.unwrap() {
        let after: Vec<serde_json::Value> = table.key.iter().skip(1).map(|_| serde_json::json!(1)).collect();
        pages.push((table.name.clone(), page_query(engine, &table, TEAM, &after).text().to_owned()));
    }
    assert!(pages.len() > 30, "{pages:?}");
    pages
}

#[tokio::test]
async fn a_page_of_every_table_is_read_along_its_key_sqlite() {
    let database = TestDatabase::sqlite();
    let store = Store::open(&database.url()).await.unwrap();
    let pages = pages_of(&mut store.begin_reading().await.unwrap(), Engine::Sqlite).await;
    store.close().await;
    database.remove().await;
    for ((table, statement), plan) in pages.iter().zip(plans(pages.iter().map(|page| page.1.clone())).await) {
        assert!(
            plan.len() == 1
                && plan[0].starts_with("SEARCH ")
                && (plan[0].contains("team_id=?") || plan[0].contains("rowid=?")),
            "{table} {statement}\n{plan:#?}"
        );
    }
}

#[tokio::test]
async fn what_is_held_is_found_without_walking_the_log_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    for statement in super::postgres::FILL {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let key = Person::new("nobody@example.com").unwrap().key().to_owned();
    for (statement, binds) in [
        (
            find_old_emails_statement(Engine::Postgres, &format!("AND NOT {}", covered("emails"))),
            ["1", "1000000000000", "200"],
        ),
        (
            find_old_contents_statement(Engine::Postgres, &format!("AND NOT {}", covered("email_contents"))),
            ["1", "50", "1000000000000"],
        ),
        (footprint_statement(), ["1", &format!("'{key}'"), "10001"]),
        (list_of_statement(), ["1", "77", "0"]),
        (PROBE.to_owned(), ["1", "77", "16"]),
    ] {
        let statement = statement.replace("$1", binds[0]).replace("$2", binds[1]).replace("$3", binds[2]);
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(pool).await.unwrap();
        let plan = plan.join("\n");
        for table in ["emails", "email_keys", "email_events"] {
            assert!(!plan.contains(&format!("Seq Scan on {table}")), "{statement}\n{plan}");
        }
    }
    store.close().await;
    database.remove().await;
}
