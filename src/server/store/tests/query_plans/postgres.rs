//! What PostgreSQL plans for a log that is big enough that it prefers an index wherever it has one.

use super::rows::page_of;
use super::*;

/// A log of one team, big enough that PostgreSQL prefers an index wherever it has one.
pub(super) const FILL: [&str; 5] = [
    "INSERT INTO teams (id, slug, name, created_at) VALUES (1, 'finch', 'Finch', 0)",
    r#"INSERT INTO emails (team_id, id, recipients, from_address, subject, tags, status, status_rank,
           has_pdf_attachment, job_id, external_user_id, provider_message_id, notification_id)
       SELECT 1, n * 1048576::BIGINT, jsonb_build_array(jsonb_build_object('kind', 'to', 'address', 'a' || n || '@b.example')),
           'a@b.example', 'Hi', '[]', n % 8, 0, FALSE, n, 'user-' || n, '<' || n || '@provider>',
           CASE n % 2 WHEN 0 THEN n * 1048576::BIGINT END
       FROM generate_series(1, 20000) AS n"#,
    r#"INSERT INTO email_events (team_id, email_id, id, kind, at, detail)
       SELECT 1, n * 1048576::BIGINT, n, 'sent', 0, jsonb_build_object('server', 'mail.example', 'server_ip', '192.0.2.1',
           'mx', 'mx' || n, 'protocol', 'smtp') FROM generate_series(1, 20000) AS n"#,
    "INSERT INTO notifications (team_id, id, kind, external_user_id, warnings)
       SELECT 1, n * 1048576::BIGINT, 'order', 'user-' || n, '[]' FROM generate_series(1, 20000) AS n",
    "ANALYZE",
];

#[tokio::test]
async fn what_is_asked_for_whole_is_found_by_an_index_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    for statement in FILL {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let everything = IdRange { low: 0, high: i64::MAX };
    let mut plans = Vec::new();
    for criteria in whole_values() {
        let mut sql = Sql::new(Engine::Postgres, "EXPLAIN ");
        let filter = EmailFilter { criteria, ..EmailFilter::default() };
        push_walk(&mut sql, TEAM, &filter, everything, NEWEST);
        let plan: Vec<String> = store.read(sql).fetch_scalars().await.unwrap();
        plans.push(plan.join("\n"));
    }
    let plan: Vec<String> = store.read(entries(Engine::Postgres).explained()).fetch_scalars().await.unwrap();
    plans.push(plan.join("\n"));
    for any_of in named().into_iter().skip(1) {
        let mut sql = Sql::new(Engine::Postgres, "EXPLAIN ");
        push_walk(&mut sql, TEAM, &asking(false, any_of), everything, NEWEST);
        let plan: Vec<String> = store.read(sql).fetch_scalars().await.unwrap();
        plans.push(plan.join("\n"));
    }
    // What is looked at one by one is within a bound, as [Store::bounded] leaves it.
    let bounded = IdRange { low: 19_000 * 1_048_576, high: 19_500 * 1_048_576 };
    for wanted in looked_at() {
        for is_not in [false, true] {
            let mut sql = Sql::new(Engine::Postgres, "EXPLAIN ");
            push_walk(&mut sql, TEAM, &asking(is_not, vec![wanted.clone()]), bounded, NEWEST);
            let plan: Vec<String> = store.read(sql).fetch_scalars().await.unwrap();
            let plan = plan.join("\n");
            assert!(!plan.contains("Seq Scan on emails e"), "{wanted:?}\n{plan}");
        }
    }
    let of_customer = plans.last().unwrap();
    assert!(["email_keys_pkey", "emails_by_external_user"].iter().all(|by| of_customer.contains(by)), "{of_customer}");
    for plan in &plans {
        let by_index = plan.contains("email_keys_pkey") || plan.contains("emails_by_external_user");
        assert!(by_index && !plan.contains("Seq Scan on emails"), "{plan}");
        let names_rows = plan.contains("id = ANY") || plan.contains("external_user_id = ");
        assert!(names_rows && !plan.contains("Seq Scan on notifications"), "{plan}");
    }
    let plan = store.read(page_of(Engine::Postgres, &[], None).explained()).fetch_scalars::<String>().await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("emails_pkey") && !plan.contains("Seq Scan on emails"), "{plan}");
    assert!(store.list_audit_actors(TEAM).await.unwrap().is_empty());
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn reasons_are_counted_along_the_rows_of_the_list_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    for statement in FILL {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    for query in counted(Engine::Postgres) {
        let plan = store.read(query.explained()).fetch_scalars::<String>().await.unwrap().join("\n");
        assert!(plan.contains("email_failures_pkey"), "{plan}");
        assert!(!plan.contains("Seq Scan on email"), "{plan}");
    }
    let old = find_old_statement(Engine::Postgres).replace("$1", "1").replace("$2", "0").replace("$3", "100");
    for statement in [FIND_TEAM.replace("$1", "0"), old] {
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(pool).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("email_failures_by_version") && !plan.contains("Seq Scan on email"), "{plan}");
    }
    store.close().await;
    database.remove().await;
}

/// What else is read of the log, of which PostgreSQL prefers an index too.
const FILL_MORE: [&str; 5] = [
    "INSERT INTO email_contents (team_id, email_id, variables, metadata)
       SELECT 1, n * 1048576::BIGINT, '{}', '{}' FROM generate_series(1, 5000) AS n",
    "INSERT INTO api_requests (team_id, id, api_key_id, method, endpoint, response_status, duration_ms, at)
       SELECT 1, n * 1048576::BIGINT, n % 50, 'GET', '/api/logs', 200, 1, 0 FROM generate_series(1, 20000) AS n",
    "INSERT INTO api_request_bodies (team_id, api_request_id, request_body, response_body)
       SELECT 1, n * 1048576::BIGINT, '{}', '{\"text\": \"no\"}' FROM generate_series(1, 20000) AS n",
    "INSERT INTO audit_log (team_id, sequence, id, actor_kind, actor_id, actor_name, action, hash)
       SELECT 1, n, n * 1048576::BIGINT, 'user', 'usr_' || n % 3, 'ada', 'log.exported', 'x'
       FROM generate_series(1, 5000) AS n",
    "ANALYZE",
];

#[tokio::test]
async fn what_is_looked_for_stays_within_bounds_and_is_found_by_indexes_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    for statement in FILL.into_iter().chain(FILL_MORE) {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let plan_of = async |sql: Sql| {
        let plan: Vec<String> = store.read(sql.explained()).fetch_scalars().await.unwrap();
        plan.join("\n")
    };
    let (low, high) = (19_000 * 1_048_576, 19_500 * 1_048_576);
    for (filter, known) in looked_for() {
        let mut query = Sql::new(Engine::Postgres, "");
        push_entries(&mut query, TEAM, &filter, &known, low, (high, high), 51);
        let plan = plan_of(query).await;
        let asks_messages = !filter.channels.is_empty() || !filter.states.is_empty();
        assert!(!plan.contains("Seq Scan on emails") && !plan.contains("Seq Scan on notifications"), "{plan}");
        // Of a channel that nothing went out by, its own index is as good.
        let by_index = plan.contains("emails_by_notification") || plan.contains("emails_by_channel");
        assert!(!asks_messages || by_index, "{filter:?}\n{plan}");
        let mut end = Sql::new(Engine::Postgres, "");
        push_end_of_stretch(&mut end, TEAM, &filter, &known, 0, (high, high), 500);
        let plan = plan_of(end).await;
        assert!(!plan.contains("Seq Scan"), "{plan}");
    }
    let key = Some(ApiKeyId(7));
    // Within a stretch, as it is read.
    let range = TimeRange { from: Some(EmailId(low).created_at()), to: None };
    let deleting = ApiRequestFilter { range, method: Some("DELETE".to_owned()), ..ApiRequestFilter::default() };
    let of_key = ApiRequestFilter { api_key_id: key, ..deleting.clone() };
    for (filter, index) in [(&deleting, "api_requests_pkey"), (&of_key, "api_requests_by_key")] {
        let walk = Walk::new(filter, Cursor::After(ApiRequestId(high)));
        for plan in [
            plan_of(list_query(Engine::Postgres, TEAM, filter, walk, 51)).await,
            plan_of(end_query(Engine::Postgres, TEAM, filter.api_key_id, walk, 100)).await,
        ] {
            assert!(plan.contains(index) && !plan.contains("Seq Scan on api_requests"), "{plan}");
        }
    }
    let of_ada = ApiRequestFilter { recipient: Some("ada@finch.example".to_owned()), ..ApiRequestFilter::default() };
    let saying = ApiRequestFilter { error: Some("empty".to_owned()), range, ..ApiRequestFilter::default() };
    for (filter, index) in [(&of_ada, "email_keys"), (&saying, "api_request_bodies_pkey")] {
        let walk = Walk::new(filter, Cursor::After(ApiRequestId(high)));
        let (list, count) =
            (list_query(Engine::Postgres, TEAM, filter, walk, 51), count_query(Engine::Postgres, TEAM, filter, walk));
        for query in [list, count] {
            let plan = plan_of(query).await;
            assert!(plan.contains(index) && plan.contains("api_requests_pkey"), "{plan}");
            assert!(
                !["api_request", "email"].iter().any(|table| plan.contains(&format!("Seq Scan on {table}"))),
                "{plan}"
            );
        }
    }
    let contents = plan_of(variables_query(Engine::Postgres, TEAM, &[EmailId(1_048_576), EmailId(2)])).await;
    assert!(contents.contains("email_contents_pkey"), "{contents}");
    let named = plan_of(by_provider_query(Engine::Postgres, TEAM, &["7@provider", "x"])).await;
    assert!(named.contains("emails_by_provider_message_id") && !named.contains("Seq Scan on emails"), "{named}");
    let criteria = Criteria { provider_message_id: Some("7@provider".to_owned()), ..Criteria::default() };
    let mut sql = Sql::new(Engine::Postgres, "");
    let filter = EmailFilter { criteria, ..EmailFilter::default() };
    push_walk(&mut sql, TEAM, &filter, IdRange { low: 0, high: i64::MAX }, NEWEST);
    let plan = plan_of(sql).await;
    assert!(plan.contains("emails_by_provider_message_id") && plan.contains("id = ANY"), "{plan}");
    assert!(!plan.contains("Seq Scan on emails"), "{plan}");
    let actors = format!("EXPLAIN {}", list_actors_statement(Engine::Postgres));
    let plan: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(actors)).bind(TEAM).bind(200_i64).fetch_all(pool).await.unwrap();
    let plan = plan.join("\n");
    assert!(plan.contains("audit_log_by_actor") && !plan.contains("Seq Scan on audit_log"), "{plan}");
    assert_eq!(store.list_audit_actors(TEAM).await.unwrap().len(), 3);
    for group in AuditGroup::ALL {
        let filter = AuditFilter { actions: group.actions().collect(), ..Default::default() };
        let listed = format!("EXPLAIN {}", list_statement(Engine::Postgres, &filter));
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(listed))
            .bind(TEAM)
            .bind(i64::MAX)
            .bind(0_i64)
            .bind(i64::MAX)
            .bind(None::<String>)
            .bind(None::<String>)
            .bind(51_i64)
            .fetch_all(pool)
            .await
            .unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("audit_log_by_action") && !plan.contains("Seq Scan on audit_log"), "{plan}");
    }
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn queues_are_found_one_behind_the_other_and_read_from_their_beginnings_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    let fill = "INSERT INTO outbox (team_id, email_id, pending, attempts, run_at, adapter_id)
        SELECT team_id, id, '[]', 0, id, id % 3 FROM emails";
    for statement in FILL[..FILL.len() - 1].iter().copied().chain([fill, "ANALYZE"]) {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    for statement in [LIST_QUEUES.as_str(), FIND_DUE, FIND_WAITING] {
        let values = ["1", "0", "1048576000", "10"];
        let statement = (1..=4).fold(statement.to_owned(), |text, at| text.replace(&format!("${at}"), values[at - 1]));
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(pool).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("outbox_by_queue") && !plan.contains("Seq Scan on outbox"), "{plan}");
    }
    assert_eq!(store.list_queues().await.unwrap().len(), 3);
    let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {}", COUNT_OUTBOX.replace("$1", "100"))))
        .fetch_all(pool)
        .await
        .unwrap();
    assert!(plan.iter().any(|step| step.contains("Limit")), "{plan:?}");
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn a_step_of_deleting_walks_an_index_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    for statement in FILL {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let mut seen = 0;
    for statement in step_statements(Engine::Postgres) {
        // The tables that FILL fills.
        if !["emails", "email_events", "email_keys", "notifications"]
            .iter()
            .any(|table| statement.starts_with(&format!("DELETE FROM {table} ")))
        {
            continue;
        }
        seen += 1;
        let statement = statement.replace("$1", "1").replace("$2", "200").replace("$3", "1000000000000");
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(pool).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("Tid Scan") && !plan.contains("Seq Scan"), "{statement}\n{plan}");
    }
    assert_eq!(seen, 6);
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn old_contents_are_found_without_walking_the_log_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    for statement in FILL {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    let contents = find_old_contents_statement(Engine::Postgres, "");
    let contents = contents.replace("$1", "1").replace("$2", "50").replace("$3", "1000000000000");
    let plan: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {contents}"))).fetch_all(pool).await.unwrap();
    assert!(!plan.join("\n").contains("Seq Scan on emails"), "{plan:#?}");
    store.close().await;
    database.remove().await;
}

#[tokio::test]
async fn no_statement_is_compiled_or_shared_among_processes_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(writers) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    for (setting, value) in [("jit", "off"), ("max_parallel_workers_per_gather", "0")] {
        let show = format!("SHOW {setting}");
        let read: String = store.read(show.clone()).fetch_scalar().await.unwrap();
        let write: String = sqlx::query_scalar(sqlx::AssertSqlSafe(show)).fetch_one(writers).await.unwrap();
        assert_eq!([read.as_str(), write.as_str()], [value; 2], "{setting}");
    }
    database.remove().await;
}

#[tokio::test]
async fn the_first_delivery_is_found_by_an_index_postgres() {
    let database = TestDatabase::postgres().await;
    let store = Store::open(&database.url()).await.unwrap();
    let Writers::Postgres(pool) = &store.db.write else { unreachable!("the address is PostgreSQL's") };
    let fill = [
        FILL[0],
        "INSERT INTO webhooks (team_id, id, name, host, shape, kinds, sealed, is_on, created_at)
         VALUES (1, 1, 'Hook', 'a.example', 'sendlog', '[]', '', TRUE, 0)",
        "INSERT INTO webhook_deliveries (team_id, webhook_id, id, kind, body, state, run_at)
         SELECT 1, 1, n, 'sent', '{}', CASE WHEN n % 100 = 0 THEN 'waiting' ELSE 'delivered' END,
             CASE WHEN n % 100 = 0 THEN n END FROM generate_series(1, 20000) AS n",
        "ANALYZE",
    ];
    for statement in fill {
        sqlx::query(statement).execute(pool).await.unwrap();
    }
    for statement in [COUNT_DELIVERIES.replace("$1", "100000"), FIRST_DELIVERY.to_owned()] {
        let plan: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("EXPLAIN {statement}"))).fetch_all(pool).await.unwrap();
        let plan = plan.join("\n");
        assert!(plan.contains("webhook_deliveries_due") && !plan.contains("Seq Scan on webhook_deliveries"), "{plan}");
    }
    store.close().await;
    database.remove().await;
}
