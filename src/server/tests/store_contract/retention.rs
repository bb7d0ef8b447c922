//! What teams no longer want to keep.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::sync::watch;

use super::outbox::new_email;
use super::*;
use crate::domain::audit::AuditFilter;
use crate::domain::email::EmailStatus;
use crate::domain::filter::{EmailFilter, RollupScope, TimeRange};
use crate::domain::ids::{ApiRequestId, EmailId, lowest_id_at};
use crate::domain::page::PageRequest;
use crate::domain::permission::Permission;
use crate::domain::retention::Retention;
use crate::domain::team::Role;
use crate::server::delivery::retention::delete_what_is_over;
use crate::server::store::Store;
use crate::server::store::audit::AuditVerdict;
use crate::server::store::emails::Attachment;

/// Deletes what is over, as the worker does.
async fn delete(store: &Store, now: DateTime<Utc>) {
    let (_keep, shutdown) = watch::channel(false);
    delete_what_is_over(store, now, &shutdown).await.unwrap();
}

async fn keep(app: &TestApp, retention: Retention) {
    assert!(app.store().update_retention(app.team, retention, &app.event()).await.unwrap());
    assert_eq!(app.store().find_retention(app.team).await.unwrap(), retention);
}

fn old(app: &TestApp) -> DateTime<Utc> {
    app.now() - TimeDelta::days(40)
}

/// Messages of every status, forty days old.
async fn add_old(app: &TestApp, count: usize) -> Vec<EmailId> {
    let statuses = EmailStatus::ALL.into_iter().cycle().take(count);
    let messages: Vec<Message> =
        statuses.map(|status| Message { at: old(app), ..Message::with_status(status) }).collect();
    app.add_messages(&messages).await
}

async fn count(app: &TestApp) -> i64 {
    let counts = app.store().count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap();
    counts.in_set(Default::default())
}

on_both_databases! {
    async fn old_messages_go_with_all_that_is_theirs_and_counts_follow(app: TestApp) {
        let store = app.store();
        let gone = add_old(&app, 450).await;
        let stays = app.add_message(Message::default()).await;
        let theirs = app.add_messages_of(app.other_team, &[Message { at: old(&app), ..Message::default() }]).await[0];
        let waits = new_email(&app, old(&app));
        store.insert_email(app.team, &waits).await.unwrap();
        keep(&app, Retention { messages_days: Some(30), ..Retention::default() }).await;
        assert_eq!(store.list_retentions().await.unwrap().len(), 1);

        delete(store, app.now()).await;
        assert!(store.find_email(app.team, gone[0]).await.unwrap().is_none());
        for (team, id) in [(app.team, stays), (app.other_team, theirs), (app.team, waits.id)] {
            assert!(store.find_email(team, id).await.unwrap().is_some(), "{id}");
        }
        assert_eq!(count(&app).await, 2);
        for team in [app.team, app.other_team] {
            assert_eq!(store.list_wrong_rollups(team).await, Ok(Vec::new()));
        }
        let search = Some("user@example.com".to_owned());
        let filter = EmailFilter { search, ..EmailFilter::default() };
        let found = store.list_emails(app.team, &filter, PageRequest { page: 1, page_size: 20 }).await.unwrap();
        assert_eq!(found.items.iter().map(|email| email.id).collect::<Vec<_>>(), [stays]);
        let rows = store.every_row().await;
        assert_eq!((rows["emails"].len(), rows["email_contents"].len(), rows["outbox"].len()), (3, 3, 1));
        // One recipient each of two messages, and three of the one that waits.
        assert_eq!(rows["email_keys"].len(), 5);
        assert!(rows["email_rollups"].iter().all(|row| !row.is_empty()));
    }

    async fn the_room_of_what_was_deleted_is_given_back(app: TestApp) {
        let file = || {
            let content = (0..1_000_000).map(|_| rand::random::<u8>()).collect();
            let (filename, content_type) = ("file.bin".to_owned(), "application/octet-stream".to_owned());
            vec![Attachment { filename, content_type, content, content_id: None }]
        };
        let messages: Vec<Message> =
            (0..12).map(|_| Message { at: old(&app), attachments: file(), ..Message::default() }).collect();
        let before = app.store().count_pages().await;
        app.add_messages(&messages).await;
        let full = app.store().count_pages().await;
        assert_eq!(app.store().give_room_back().await, Ok(false), "nothing is free yet");
        keep(&app, Retention { bodies_days: Some(30), ..Retention::default() }).await;
        delete(app.store(), app.now()).await;
        let after = app.store().count_pages().await;
        // On SQLite, all but the pages that stay free for what comes next.
        assert!(after <= before + 1_100 && (full == 0 || full > before + 2_500), "{before}, {full}, {after} pages");
        assert_eq!(app.store().list_engine_faults().await, Ok(Vec::new()));
    }

    async fn bodies_and_events_go_sooner_and_the_message_stays(app: TestApp) {
        let store = app.store();
        let gone = add_old(&app, 8).await;
        let stays = app.add_message(Message::default()).await;
        let waits = new_email(&app, old(&app));
        store.insert_email(app.team, &waits).await.unwrap();
        keep(&app, Retention { bodies_days: Some(30), events_days: Some(35), ..Retention::default() }).await;
        let counts = store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap();
        delete(store, app.now()).await;
        for id in gone {
            assert!(store.find_email(app.team, id).await.unwrap().is_some());
            assert_eq!(store.find_email_content(app.team, id).await.unwrap(), None);
            assert!(store.list_events(app.team, id).await.unwrap().is_empty());
        }
        for id in [stays, waits.id] {
            assert!(store.find_email_content(app.team, id).await.unwrap().is_some());
            assert!(!store.list_events(app.team, id).await.unwrap().is_empty());
        }
        assert_eq!(store.list_attachments(app.team, waits.id).await.unwrap().len(), waits.attachments.len());
        assert_eq!(store.count_by_status(app.team, RollupScope::All, TimeRange::default()).await.unwrap(), counts);
        assert_eq!(store.list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn old_requests_and_notifications_go(app: TestApp) {
        let store = app.store();
        let request: ApiRequestId = app.add_api_request().await;
        let notification = app.add_notification().await;
        keep(&app, Retention { messages_days: Some(30), requests_days: Some(30), ..Retention::default() }).await;
        delete(store, app.now()).await;
        assert!(store.find_api_request(app.team, request).await.unwrap().is_some());
        assert!(store.find_notification(app.team, notification).await.unwrap().is_some());
        delete(store, app.now() + TimeDelta::days(31)).await;
        assert!(store.find_api_request(app.team, request).await.unwrap().is_none());
        assert!(store.find_notification(app.team, notification).await.unwrap().is_none());
    }

    async fn the_audit_log_is_a_chain_after_its_oldest_lines_went(app: TestApp) {
        let store = app.store();
        for _ in 0..250 {
            store.append_audit_event(app.team, &app.event()).await.unwrap();
        }
        let first = store.list_audit_entries(app.team, &AuditFilter::default(), None, 1).await.unwrap().remove(0);
        app.advance(TimeDelta::days(40));
        keep(&app, Retention { audit_days: Some(30), ..Retention::default() }).await;
        store.append_audit_event(app.team, &app.event()).await.unwrap();
        delete(store, app.now()).await;
        let left = store.list_audit_entries(app.team, &AuditFilter::default(), None, 500).await.unwrap();
        assert_eq!(left.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [253, 252]);
        let intact = AuditVerdict::Intact { entries: 2, head: left[0].hash.clone() };
        assert_eq!(store.verify_audit_log(app.team).await, Ok(intact));
        assert_eq!(store.find_audit_hash(app.team, &first.hash).await, Ok(Some(251)));
        // What is left is guarded as before.
        assert!(store.try_statement("DELETE FROM audit_log WHERE sequence = 252").await.is_err());
        store.break_in("UPDATE audit_log SET actor_name = 'x' WHERE sequence = 252").await;
        assert_eq!(store.verify_audit_log(app.team).await, Ok(AuditVerdict::Broken { sequence: 252 }));
    }

    async fn sending_goes_on_while_old_messages_are_deleted(app: TestApp) {
        add_old(&app, 900).await;
        keep(&app, Retention { messages_days: Some(30), bodies_days: Some(20), ..Retention::default() }).await;
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..2 {
            let (store, now) = (app.store().clone(), app.now());
            tasks.spawn(async move { delete(&store, now).await });
        }
        for number in 0..4 {
            let (store, team) = (app.store().clone(), app.team);
            let emails: Vec<_> = (0..25).map(|_| new_email(&app, app.now() - TimeDelta::hours(number))).collect();
            tasks.spawn(async move {
                for email in &emails {
                    store.insert_email(team, email).await.unwrap();
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(count(&app).await, 100);
        assert_eq!(app.store().list_wrong_rollups(app.team).await, Ok(Vec::new()));
    }

    async fn a_team_says_how_long_it_keeps_what_and_it_is_in_the_audit_log(app: TestApp) {
        let path = format!("/api/teams/{}/retention", app.team);
        let admin = app.sign_in(Role::Admin).await;
        let none = json!({"bodiesDays": null, "eventsDays": null, "messagesDays": null, "requestsDays": null,
            "auditDays": null});
        assert_eq!(admin.get(&path).await.data(), none);
        let answer = admin.put(&path, json!({"bodiesDays": 30, "messagesDays": 365})).await;
        assert_eq!(answer.data()["bodiesDays"], 30);
        assert_eq!(admin.put(&path, json!({"bodiesDays": 366, "messagesDays": 365})).await.status, 400);
        assert_eq!(admin.put(&path, json!({"auditDays": 0})).await.status, 400);
        let entries = app.store().list_audit_entries(app.team, &AuditFilter::default(), None, 1).await.unwrap();
        assert_eq!(entries[0].after, Some(json!({"bodiesDays": 30, "messagesDays": 365})));
        assert_eq!(app.sign_in(Role::Viewer).await.put(&path, json!({})).await.status, 403);
        let program = app.program(&[Permission::TeamUpdate]).await;
        assert_eq!(program.put(&path, json!({})).await.data(), none);
    }

    async fn a_message_without_its_body_is_not_resent(app: TestApp) {
        app.add_adapter("Mail").await;
        let id = app.add_message(Message { at: old(&app), ..Message::with_status(EmailStatus::Bounced) }).await;
        keep(&app, Retention { bodies_days: Some(30), ..Retention::default() }).await;
        for more in [true, false] {
            let below = EmailId(lowest_id_at(app.now()));
            assert_eq!(app.store().delete_old_bodies(app.team, below).await, Ok(more));
        }
        let admin = app.sign_in(Role::Admin).await;
        let answer = admin.send("POST", &format!("/api/logs/{id}/resend"), None).await;
        assert_eq!(answer.status, 409);
        assert!(answer.text.contains("not kept any more"), "{}", answer.text);
        assert!(admin.get(&format!("/api/logs/{id}")).await.status == 200);
        assert!(admin.get(&format!("/logs/{id}")).await.status == 200);
    }

    async fn each_step_says_whether_more_is_left(app: TestApp) {
        let store = app.store();
        add_old(&app, 201).await;
        let below = EmailId(lowest_id_at(app.now()));
        let events = async || store.every_row().await["email_events"].len();
        let mut left = events().await;
        while store.delete_old_events(app.team, below).await.unwrap() {
            let before = std::mem::replace(&mut left, events().await);
            assert!((1..=200).contains(&(before - left)), "{before} - {left}");
        }
        assert_eq!((left, events().await), (0, 0));
        for left in [true, false, false] {
            assert_eq!(store.delete_old_emails(app.team, below).await, Ok(left));
        }
        assert_eq!(store.delete_old_notifications(app.team, below).await, Ok(false));
        assert_eq!(store.delete_old_requests(app.team, below.0).await, Ok(false));
        assert_eq!(store.delete_old_audit_lines(app.team, 0).await, Ok(false));
    }
}
