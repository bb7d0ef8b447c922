//! Plans of what is asked beside the log: a message's customer, the audit log, keys, queues, bulk resends, deleting, API
//! requests.

use super::*;
use crate::domain::ids::SuppressionId;
use crate::domain::page::Cursor;
use crate::domain::webhook::DeliveryFilter;
use crate::server::store::bodies::FIND_NEXT;
use crate::server::store::emails::log::count_arrived_query;
use crate::server::store::history_imports::{FIND_PART, LIST_DUE as LIST_DUE_IMPORTS};
use crate::server::store::suppressions::{self, SuppressionFilter};
use crate::server::store::webhook_deliveries::{self, FIND_BY_EMAIL, LIST_DUE, LIST_LISTENING};

#[tokio::test]
async fn a_customer_is_found_by_the_user_id_and_by_the_address_sqlite() {
    let arrived = walk(&EmailFilter { statuses: StatusSet::ARRIVED, ..asking(false, customer()) });
    let counted = count_arrived_query(Engine::Sqlite, TEAM, &asking(false, customer()), IDS);
    let by_person = "emails_by_external_user (team_id=? AND external_user_id=? AND id>? AND id<?)";
    let by_address = "SEARCH x USING PRIMARY KEY (team_id=? AND kind=? AND key=? AND email_id>? AND email_id<?)";
    let reads = |step: &&String| step.starts_with("SEARCH p ");
    for plan in [plan_of(arrived).await, plan_of(counted).await] {
        assert!(plan.iter().find(reads).is_some_and(|step| step.ends_with(by_person)), "{plan:?}");
        assert!(plan.iter().any(|step| step == by_address), "{plan:?}");
    }
}

#[tokio::test]
async fn who_is_in_the_audit_log_is_found_by_one_look_each_sqlite() {
    let of_actor = AuditFilter { actor_id: Some("usr_1".to_owned()), ..Default::default() };
    let of_target = AuditFilter { target: Some("tpl_1".to_owned()), ..of_actor.clone() };
    let lists = [AuditFilter::default(), of_actor, of_target];
    let [everything, of_actor, of_target] = lists.map(|filter| list_statement(Engine::Sqlite, &filter));
    let found = plans([list_actors_statement(Engine::Sqlite), everything, of_actor, of_target]).await;
    let in_log: Vec<&String> = found[0].iter().filter(|step| step.contains("audit_log")).collect();
    assert_eq!(in_log.len(), 3, "{found:?}");
    assert!(in_log.iter().all(|step| step.contains("audit_log_by_actor (team_id=?")), "{found:?}");
    assert!(!found[0].iter().any(|step| step.contains("GROUP BY")), "{found:?}");
    assert_eq!(found[1], ["SEARCH audit_log USING PRIMARY KEY (team_id=? AND sequence<?)"]);
    assert!(found[2][0].contains("audit_log_by_actor (team_id=? AND actor_id=? AND sequence<?)"), "{found:?}");
    assert!(found[3][0].contains("audit_log_by_target (team_id=? AND target=? AND sequence<?)"), "{found:?}");
}

#[tokio::test]
async fn the_newest_lines_of_several_actions_are_found_by_their_index_sqlite() {
    for group in AuditGroup::ALL {
        let actions: Vec<AuditAction> = group.actions().collect();
        let filter = AuditFilter { actions: actions.clone(), ..Default::default() };
        let plan = plans([list_statement(Engine::Sqlite, &filter)]).await.remove(0);
        let in_log: Vec<&String> = plan.iter().filter(|step| step.contains("audit_log")).collect();
        assert_eq!(in_log.len(), actions.len(), "{plan:#?}");
        let by_index = "audit_log_by_action (team_id=? AND action=? AND sequence<?)";
        assert!(in_log.iter().all(|step| step.contains(by_index)), "{plan:#?}");
    }
}

#[tokio::test]
async fn a_key_is_found_by_its_hash_and_its_makers_rights_by_their_keys_sqlite() {
    let plan = plans([find_by_hash_statement()]).await.remove(0);
    assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{plan:#?}");
    let searches: Vec<&String> = plan.iter().filter(|step| step.starts_with("SEARCH")).collect();
    let of = |table: &str| searches.iter().any(|step| step.starts_with(&format!("SEARCH {table} USING")));
    assert!(["k", "t", "u", "m", "p"].into_iter().all(of), "{plan:#?}");
}

#[tokio::test]
async fn queues_are_found_one_behind_the_other_and_read_from_their_beginnings() {
    let steps = plans([LIST_QUEUES.as_str(), FIND_DUE, FIND_WAITING].map(str::to_owned)).await;
    for plan in &steps {
        let walks = |step: &String| {
            let reads_rows = step.contains(" o ") || step.contains(" outbox ");
            reads_rows && !step.contains("COVERING INDEX") && !step.contains("(team_id=? AND adapter_id=?")
        };
        assert!(!plan.iter().any(|step| walks(step) || step.contains("TEMP B-TREE")), "{plan:?}");
    }
    let by_queue = "SEARCH outbox USING INDEX outbox_by_queue (team_id=? AND adapter_id=? AND run_at<?)";
    assert_eq!(steps[1][0], by_queue);
    assert!(steps[1][1..].iter().all(|step| !step.starts_with("SCAN")), "{:?}", steps[1]);
    assert_eq!(steps[2], [by_queue.replace(" AND run_at<?", "").replace("INDEX", "COVERING INDEX")]);
}

#[tokio::test]
async fn what_webhooks_are_told_is_found_along_indexes_sqlite() {
    let lists = [DeliveryFilter::All, DeliveryFilter::Failed].map(webhook_deliveries::list_statement);
    let others = [LIST_LISTENING, LIST_DUE, webhook_deliveries::FIND_DUE, FIND_BY_EMAIL].map(str::to_owned);
    let steps = plans(lists.into_iter().chain(others)).await;
    let [all, failed, listening, due, of_webhook, by_email]: [Vec<String>; 6] = steps.try_into().unwrap();
    assert!(all[0].contains("(team_id=? AND webhook_id=? AND id<?)"), "{all:?}");
    assert!(failed[0].contains("webhook_deliveries_failed (team_id=? AND webhook_id=? AND id<?)"), "{failed:?}");
    assert_eq!(listening, ["SEARCH webhooks USING PRIMARY KEY (team_id=?)"]);
    let by_time = "webhook_deliveries_due (team_id=? AND webhook_id=? AND run_at<?)";
    assert!(due.iter().any(|step| step.contains(by_time)), "{due:?}");
    assert!(of_webhook[0].contains(by_time), "{of_webhook:?}");
    assert!(by_email[0].contains("webhook_deliveries_by_email (team_id=? AND email_id=?)"), "{by_email:?}");
    for plan in [&all, &failed, &of_webhook, &by_email] {
        assert!(
            plan.iter().all(|step| !step.starts_with("SCAN") && !step.contains("TEMP B-TREE FOR ORDER BY")),
            "{plan:?}"
        );
    }
}

#[tokio::test]
async fn suppressed_addresses_are_looked_up_by_their_key_and_listed_along_an_index() {
    let keys = ["ada@example.com".to_owned(), "bob@example.com".to_owned()];
    let looked_up = plan_of(suppressions::suppressed_query(Engine::Sqlite, TEAM, &keys)).await;
    assert_eq!(looked_up, ["SEARCH suppressions USING PRIMARY KEY (team_id=? AND address_key=?)"]);
    let none = SuppressionFilter::default();
    let seven = SuppressionId(7);
    for (cursor, step) in [
        (Cursor::Newest, "(team_id=?)"),
        (Cursor::After(seven), "(team_id=? AND id<?)"),
        (Cursor::Before(seven), "(team_id=? AND id>?)"),
    ] {
        let listed = plan_of(suppressions::list_query(Engine::Sqlite, TEAM, &none, cursor, 50)).await;
        assert_eq!(listed, [format!("SEARCH suppressions USING INDEX suppressions_newest {step}")]);
    }
}

#[tokio::test]
async fn imports_that_are_due_and_the_parts_of_their_files_are_found_along_indexes_sqlite() {
    let steps = plans([LIST_DUE_IMPORTS, FIND_PART].map(str::to_owned)).await;
    assert!(steps[0][0].contains("history_imports_by_run_at (run_at<?)"), "{:?}", steps[0]);
    assert!(steps[1][0].contains("(team_id=? AND import_id=?)"), "{:?}", steps[1]);
    assert!(steps.iter().flatten().all(|step| !step.contains("TEMP B-TREE")), "{steps:?}");
}

#[tokio::test]
async fn bulk_resends_and_what_waits_in_them_are_found_along_indexes_sqlite() {
    let steps = plans([list_running_statement(Engine::Sqlite), list_waiting_items_statement(Engine::Sqlite)]).await;
    assert_eq!(steps[0][0], "SCAN j USING COVERING INDEX resend_jobs_by_run_at");
    assert_eq!(steps[1], ["SEARCH resend_items USING INDEX resend_items_waiting (team_id=? AND job_id=?)"]);
    assert!(steps.iter().flatten().all(|step| !step.contains("TEMP B-TREE")), "{steps:?}");
}

#[tokio::test]
async fn a_step_of_deleting_walks_an_index_sqlite() {
    let statements = step_statements(Engine::Sqlite);
    for (statement, plan) in statements.iter().zip(plans(statements.clone()).await) {
        let walks = |step: &String| step.starts_with("SCAN") || step.contains("TEMP B-TREE");
        assert!(!plan.iter().any(walks), "{statement}\n{plan:#?}");
    }
}

#[tokio::test]
async fn the_log_of_requests_is_one_walk_of_its_table() {
    let any = ApiRequestFilter::default();
    let refused = ApiRequestFilter { status_class: Some(4), method: Some("GET".to_owned()), ..any.clone() };
    let of_key = ApiRequestFilter { api_key_id: Some(ApiKeyId(7)), ..refused.clone() };
    let (by_id, by_key) = (
        "SEARCH r USING PRIMARY KEY (team_id=? AND id>? AND id<?)",
        "INDEX api_requests_by_key (team_id=? AND api_key_id=? AND id>? AND id<?)",
    );
    for (filter, step) in [(any, by_id), (refused, by_id), (of_key, by_key)] {
        for cursor in [Cursor::After(ApiRequestId(20)), Cursor::Before(ApiRequestId(20))] {
            let walk = Walk::new(&filter, cursor);
            let plan = plan_of(list_query(Engine::Sqlite, TEAM, &filter, walk, 20)).await;
            assert!(plan[0].contains(step), "{plan:?}");
            assert_eq!(plan[1..], ["SEARCH k USING PRIMARY KEY (team_id=? AND id=?) LEFT-JOIN"]);
            let end = plan_of(end_query(Engine::Sqlite, TEAM, filter.api_key_id, walk, 100)).await;
            assert!(end.len() == 1 && end[0].contains(step), "{end:?}");
            let counted = plan_of(count_query(Engine::Sqlite, TEAM, &filter, walk)).await;
            assert!(counted[0].contains(step), "{counted:?}");
        }
    }
}

#[tokio::test]
async fn requests_of_keys_are_counted_by_their_index() {
    let plan = plans([count_of_keys_statement(Engine::Sqlite)]).await.remove(0);
    let by_key = "INDEX api_requests_by_key (team_id=? AND api_key_id=? AND id>?)";
    assert!(plan.iter().any(|step| step.contains(by_key)), "{plan:#?}");
    assert!(!plan.iter().any(|step| step.starts_with("SCAN r")), "{plan:#?}");
}

#[tokio::test]
async fn requests_of_a_recipient_are_found_by_the_keys_of_messages_and_errors_by_their_request() {
    let of_ada = ApiRequestFilter { recipient: Some("ada@finch.example".to_owned()), ..ApiRequestFilter::default() };
    let of_both = ApiRequestFilter { api_key_id: Some(ApiKeyId(7)), error: Some("empty".to_owned()), ..of_ada.clone() };
    for filter in [of_ada, of_both] {
        let walk = Walk::new(&filter, Cursor::Newest);
        for query in
            [list_query(Engine::Sqlite, TEAM, &filter, walk, 20), count_query(Engine::Sqlite, TEAM, &filter, walk)]
        {
            let plan = plan_of(query).await;
            assert!(plan[0].contains("SEARCH r USING PRIMARY KEY (team_id=? AND id=?)"), "{plan:#?}");
            assert!(plan.iter().any(|step| step.contains("SEARCH x USING") && step.contains("key=?")), "{plan:#?}");
            assert!(plan.iter().all(|step| !step.starts_with("SCAN")), "{plan:#?}");
        }
    }
    let saying = ApiRequestFilter { error: Some("empty".to_owned()), ..ApiRequestFilter::default() };
    let walk = Walk::new(&saying, Cursor::Newest);
    let plan = plan_of(list_query(Engine::Sqlite, TEAM, &saying, walk, 20)).await;
    assert!(plan[0].contains("SEARCH r USING PRIMARY KEY (team_id=? AND id>? AND id<?)"), "{plan:#?}");
    assert!(
        plan.iter()
            .any(|step| step.starts_with("SEARCH b USING") && step.ends_with("(team_id=? AND api_request_id=?)")),
        "{plan:#?}"
    );
}

#[tokio::test]
async fn copies_and_a_persons_waiting_messages_are_looked_up_in_indexes() {
    let copies = plan_of(copies_query(Engine::Sqlite, TEAM, &[11, 12])).await;
    assert!(copies[0].contains("emails_by_resend_of (team_id=? AND resend_of=?)"), "{copies:?}");
    let all = plan_of(all_copies_query(Engine::Sqlite, TEAM, &[EmailId(11), EmailId(12)])).await;
    let by_index = all.iter().filter(|step| step.contains("emails_by_resend_of (team_id=? AND resend_of=?)"));
    assert_eq!(by_index.count(), 2, "{all:?}");
    let waiting = plans([list_waiting_statement(Engine::Sqlite)]).await.remove(0);
    assert_eq!(
        waiting[..3],
        [
            "SEARCH n USING INDEX notifications_by_external_user (team_id=? AND external_user_id=?)",
            "SEARCH e USING COVERING INDEX emails_by_notification (team_id=? AND notification_id=?)",
            "SEARCH o USING PRIMARY KEY (team_id=? AND email_id=?)",
        ]
    );
}

#[tokio::test]
async fn old_contents_are_found_along_their_key_sqlite() {
    let plan = plans([find_old_contents_statement(Engine::Sqlite, "")]).await.remove(0);
    assert!(plan[0].starts_with("SEARCH x ") && plan[0].contains("(team_id=? AND email_id<?)"), "{plan:?}");
    assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
}

#[tokio::test]
async fn bodies_of_before_are_walked_by_their_messages_sqlite() {
    let plan = plans([FIND_NEXT.to_owned()]).await.remove(0);
    let by_message = "sqlite_autoindex_email_contents_1 (team_id=? AND email_id>?)";
    assert_eq!(plan, [format!("SEARCH email_contents USING INDEX {by_message}")]);
}

#[tokio::test]
async fn what_was_said_of_a_message_and_the_order_of_adapters_are_found_by_their_keys() {
    use crate::server::store::adapter_order::LIST_ORDER;
    use crate::server::store::attempts::LIST_ATTEMPTS;
    let found = plans([LIST_ATTEMPTS.to_owned(), LIST_ORDER.to_owned()]).await;
    assert_eq!(found[0], ["SEARCH email_attempts USING PRIMARY KEY (team_id=? AND email_id=?)"]);
    assert!(found[1][0].starts_with("SEARCH adapters USING ") && found[1][0].contains("(team_id=?"), "{found:?}");
}

#[tokio::test]
async fn the_operators_numbers_walk_an_index_as_far_as_they_count() {
    let steps = plans([COUNT_OUTBOX, COUNT_DELIVERIES, FIRST_DELIVERY].map(str::to_owned)).await;
    assert!(steps[0].iter().any(|step| step.starts_with("SCAN outbox USING COVERING INDEX")), "{:?}", steps[0]);
    let by_due = "SCAN webhook_deliveries USING COVERING INDEX webhook_deliveries_due";
    assert!(steps[1].iter().any(|step| step == by_due), "{:?}", steps[1]);
    let first = "SEARCH d USING COVERING INDEX webhook_deliveries_due (team_id=? AND webhook_id=?";
    assert!(steps[2].iter().any(|step| step.starts_with(first)), "{:?}", steps[2]);
}
