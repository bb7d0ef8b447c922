//! What the operator's numbers say of the database.

use chrono::TimeDelta;

use super::*;
use crate::server::store::gauges::Backlog;

on_both_databases! {
    async fn the_backlog_is_what_waits_and_since_when(app: TestApp) {
        let nothing = Backlog { messages: 0, first_message_at: None, deliveries: 0, first_delivery_at: None };
        assert_eq!(app.store().find_backlog().await.unwrap(), nothing);
        let due = app.now() - TimeDelta::minutes(3);
        app.store().insert_email(app.team, &super::outbox::new_email(&app, due)).await.unwrap();
        // Without an adapter nobody is late.
        let waits = crate::domain::email::NewEmail { adapter_id: None, ..super::outbox::new_email(&app, due - TimeDelta::hours(1)) };
        app.store().insert_email(app.team, &waits).await.unwrap();
        let found = app.store().find_backlog().await.unwrap();
        assert_eq!((found.messages, found.deliveries), (2, 0));
        let late = found.first_message_at.unwrap();
        assert!((late - due).abs() < TimeDelta::milliseconds(2), "{late}");
    }

    async fn a_deliverys_due_time_counts_while_its_webhook_is_on(app: TestApp) {
        let insert = |id: i64, run_at: &str| format!(
            "INSERT INTO webhook_deliveries (team_id, webhook_id, id, kind, body, state, run_at)
             VALUES ({}, 1, {id}, 'sent', '{{}}', 'waiting', {run_at})", app.team.0
        );
        let webhook = format!(
            "INSERT INTO webhooks (team_id, id, name, host, shape, kinds, sealed, is_on, created_at)
             VALUES ({}, 1, 'Hook', 'a.example', 'sendlog', '[]', '', TRUE, 0)", app.team.0
        );
        for statement in [webhook, insert(1, "5000000"), insert(2, "7000000"), insert(3, "NULL")] {
            app.store().try_statement(&statement).await.unwrap();
        }
        let found = app.store().find_backlog().await.unwrap();
        assert_eq!((found.deliveries, found.first_delivery_at.map(|at| at.timestamp())), (2, Some(5)));
        app.store().try_statement("UPDATE webhooks SET is_on = FALSE").await.unwrap();
        assert_eq!(app.store().find_backlog().await.unwrap().first_delivery_at, None);
    }

    async fn the_database_tells_its_size_its_version_and_its_connections(app: TestApp) {
        assert!(app.store().database_bytes().await.unwrap() > 100_000);
        let (found, known) = app.store().migration_versions().await.unwrap();
        assert!(found == known && known >= 44, "{found} {known}");
        let [write, read] = app.store().connections();
        assert_eq!((write.pool, read.pool), ("write", "read"));
        assert!(write.used + write.idle >= 1 && read.used + read.idle >= 1, "{write:?} {read:?}");
    }
}
