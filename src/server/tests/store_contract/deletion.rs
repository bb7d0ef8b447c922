//! Deleting a little at a time: whole teams, and what has expired.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::outbox::{new_email, with_key};
use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::email::EmailStatus;
use crate::domain::filter::EmailFilter;
use crate::domain::hold::Held;
use crate::domain::ids::EmailId;
use crate::domain::page::PageRequest;
use crate::domain::permission::Permission;
use crate::domain::provider_webhook::RefusalReason;
use crate::domain::resend_change::CopyChange;
use crate::domain::resend_job::ResendJobState;
use crate::domain::retention::Retention;
use crate::domain::team::{Invite, Role};
use crate::server::delivery::retention::delete_what_is_over;
use crate::server::delivery::worker::{Worker, WorkerSettings};
use crate::server::demo::sink::Sink;
use crate::server::services::adapters::{self, GivenAddress, NewAdapter};
use crate::server::store::Store;
use crate::server::store::attempts::NewAttempt;
use crate::server::store::emails::{Acceptance, Attachment, NewEmail};
use crate::server::store::outbox::Settlement;
use crate::server::store::teams::NewInvite;
use crate::server::tests::on_both_databases_in_parallel;

/// What outlives a team: its audit log. A session is its browser's, which may be in other teams.
const STAYS: [&str; 4] = ["audit_anchors", "audit_heads", "audit_log", "sessions"];

/// The most rows of a table that a step takes.
const STEP: i64 = 200;

/// Gives Finch rows in every table that names teams.
pub(super) async fn fill(app: &TestApp) {
    let (store, team) = (app.store(), app.team);
    let owner = app.user(team, Role::Owner).await;
    app.add_role("Clerk", &[Permission::LogsView]).await;
    let template = app.add_template("Receipt").await;
    store.keep_template_sample(team, template.id, owner, "{}").await.unwrap();
    app.add_adapter("Mail").await;
    app.program(&[Permission::LogsView]).await;
    app.add_notification().await;
    app.add_api_request().await;
    store
        .update_retention(team, Retention { events_days: Some(1), ..Retention::default() }, &app.event())
        .await
        .unwrap();
    let invite = Invite {
        id: app.id_at(app.now()),
        email: "eve@finch.example".to_owned(),
        role: Role::Viewer,
        role_name: "Viewer".to_owned(),
        created_at: app.now(),
        expires_at: app.now() + TimeDelta::days(7),
    };
    let invite = NewInvite { invite, token_hash: "hash".to_owned(), invited_by: None };
    store.insert_invite(team, &invite, &app.event()).await.unwrap();
    let file = Attachment {
        filename: "a.txt".to_owned(),
        content_type: "text/plain".to_owned(),
        content: vec![1],
        content_id: None,
    };
    app.add_messages(&vec![Message { attachments: vec![file], ..Message::default() }; 210]).await;
    app.add_message(Message::with_status(EmailStatus::Bounced)).await;
    let sent = new_email(app, app.now());
    store.insert_email(team, &sent).await.unwrap();
    let lease = store.lease_due(app.now(), app.now() + TimeDelta::minutes(1), 1, 1).await.unwrap().remove(0);
    let attempt = NewAttempt {
        id: app.id_at(app.now()),
        adapter_id: lease.adapter_id,
        tls: None,
        code: Some(250),
        enhanced_code: None,
        duration_ms: 1,
        exchange: vec![1],
    };
    let settlement = Settlement { attempt: Some(attempt), ..Settlement::default() };
    assert_eq!(store.settle(&lease, &settlement).await, Ok(true));
    let waits = new_email(app, app.now());
    let change = CopyChange { is_current: true, ..CopyChange::default() };
    let with = Acceptance { change: Some(change), ..with_key(app, "key", "one") };
    store.insert_emails(team, std::slice::from_ref(&waits), &with).await.unwrap();
    app.add_resend(&[waits.id], ResendJobState::Running).await;
    // The last of these find no number left between those of their neighbours in the index of search.
    for after in [100, 6, 5, 4, 3, 2, 1] {
        let late = NewEmail { id: EmailId(waits.id.0 + after), ..new_email(app, app.now()) };
        store.insert_email(team, &late).await.unwrap();
    }
    let alias =
        format!("INSERT INTO email_aliases (team_id, alias, email_id) VALUES ({}, 'other', {})", team.0, waits.id.0);
    store.try_statement(&alias).await.unwrap();
    app.add_suppression("gone@example.com").await;
    history_imports::add_file(app).await;
    webhooks::add(app, "one").await;
    webhooks::tell(app, 3).await;
    persons::begin(app, "somebody@example.com").await;
    let hold = holds::place(app, Held::Team).await;
    assert_eq!(store.lift_hold(team, hold, "Ada", app.now(), &app.event()).await, Ok(true));
    let webhook = provider_webhooks::add(app, "one").await;
    store.ingest_webhook(team, &[], &provider_webhooks::heard(app, &webhook, Some("nonce"))).await.unwrap();
    store.note_refusal(team, webhook.id, RefusalReason::Forged, "", app.now());
    store.keep_noted().await;
    for (table, rows) in store.count_rows_of(team).await {
        assert!(rows > 0 || STAYS.contains(&table.as_str()), "the test has to put something into {table}");
    }
}

/// What of a team goes with it.
async fn rows_of(store: &Store, team: crate::domain::ids::TeamId) -> BTreeMap<String, i64> {
    let mut rows = store.count_rows_of(team).await;
    rows.retain(|table, _| !STAYS.contains(&table.as_str()));
    rows
}

on_both_databases_in_parallel! {
    async fn a_deleted_team_goes_from_every_table_in_small_steps(app: TestApp) {
        let store = app.store();
        fill(&app).await;
        let theirs = app.add_messages_of(app.other_team, &[Message::default()]).await;
        let of_others = store.count_rows_of(app.other_team).await;
        let full = rows_of(store, app.team).await;
        assert_eq!(store.delete_some_of_team(app.team).await, Ok(false));
        assert_eq!(rows_of(store, app.team).await, full, "a team that is not deleted keeps everything");

        assert_eq!(store.delete_team(app.team, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.list_deleted_teams().await, Ok(vec![app.team]));
        let mut before = full;
        for _ in 0..12 {
            assert_eq!(store.delete_some_of_team(app.team).await, Ok(true));
            let after = rows_of(store, app.team).await;
            for (table, rows) in &before {
                assert!((0..=STEP).contains(&(rows - after[table])), "{table}: {rows} - {}", after[table]);
            }
            before = after;
        }
        assert_eq!((before["outbox"], before["api_keys"], before["memberships"]), (0, 0, 0));
        assert!(before["emails"] > STEP);
        // Somebody had begun this before the deletion.
        store.insert_email(app.team, &new_email(&app, app.now())).await.unwrap();

        // The program stops here. Two others go on.
        let (_keep, shutdown) = watch::channel(false);
        let mut programs = JoinSet::new();
        for _ in 0..2 {
            let (other, shutdown) = (app.beside().await, shutdown.clone());
            programs.spawn(async move {
                let outcome = delete_what_is_over(&other.store, other.clock.now(), &shutdown).await;
                other.store.close().await;
                outcome
            });
        }
        for outcome in programs.join_all().await {
            assert_eq!(outcome, Ok(()));
        }
        let left: Vec<_> = rows_of(store, app.team).await.into_iter().filter(|(_, rows)| *rows > 0).collect();
        assert_eq!(left, []);
        assert_eq!(store.list_deleted_teams().await, Ok(Vec::new()));
        assert!(store.count_rows_of(app.team).await["audit_log"] > 0);
        assert_eq!(store.count_rows_of(app.other_team).await, of_others);
        let filter = EmailFilter { search: Some("welcome".to_owned()), ..EmailFilter::default() };
        let page = PageRequest { page: 1, page_size: 10 };
        let found = store.list_emails(app.other_team, &filter, page).await.unwrap().items;
        assert_eq!(found.iter().map(|email| email.id).collect::<Vec<_>>(), theirs);
    }
}

on_both_databases! {
    async fn a_message_of_a_deleted_team_is_not_sent(app: TestApp) {
        let store = app.store();
        let sink = Sink::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let new = NewAdapter {
            name: "Mail".to_owned(),
            kind: AdapterKind::Smtp,
            address: GivenAddress::Url(sink.url()),
            from_address: "Finch <noreply@finch.example>".to_owned(),
            is_default: true,
        };
        let adapter = adapters::create_adapter_of(&app.app, app.team, new).await.unwrap();
        let email = || crate::server::store::emails::NewEmail { adapter_id: Some(adapter.id), ..new_email(&app, app.now()) };
        let (leased, waits) = (email(), email());
        store.insert_email(app.team, &leased).await.unwrap();
        let until = app.now() + TimeDelta::minutes(1);
        let lease = store.lease_due(app.now(), until, 7, 1).await.unwrap().remove(0);
        assert_eq!(store.renew_lease(&lease, until).await, Ok(true));
        assert!(store.find_outgoing(app.team, leased.id).await.unwrap().is_some());
        store.insert_email(app.team, &waits).await.unwrap();

        store.delete_team(app.team, app.now(), &app.event()).await.unwrap();
        for id in [leased.id, waits.id] {
            assert!(store.find_outgoing(app.team, id).await.unwrap().is_none());
        }
        // An attempt that is under way finds out before anything goes out.
        assert_eq!(store.mark_in_doubt(&lease).await, Ok(false));
        assert_eq!(store.renew_lease(&lease, until).await, Ok(false));

        let settings = WorkerSettings { poll_every: Duration::from_millis(20), ..WorkerSettings::within(app.app.config.outbound()) };
        let worker = Worker::new(store.clone(), app.app.clock.clone(), Arc::clone(&app.app.secret_key), settings);
        let (stop, stopped) = watch::channel(false);
        let working = tokio::spawn(worker.run(stopped));
        let mut looks = 0;
        while !store.list_deleted_teams().await.unwrap().is_empty() {
            looks += 1;
            assert!(looks < 500, "the worker does not delete the team");
            sleep(Duration::from_millis(20)).await;
        }
        stop.send(true).unwrap();
        working.await.unwrap();
        assert!(sink.messages().is_empty());
        assert_eq!(store.next_outbox_run().await, Ok(None));
    }

    async fn what_has_expired_goes_in_small_steps(app: TestApp) {
        let store = app.store();
        // The statements go past the functions, for there to be many.
        let numbers = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 250)";
        for insert in [
            format!(
                "INSERT INTO sessions (id_hash, data, expires_at) {numbers}
                 SELECT 'name-' || CAST(n AS TEXT), '{{}}', n FROM n"
            ),
            format!(
                "INSERT INTO rate_limits (subject, window_ends_at, attempts) {numbers}
                 SELECT 'subject-' || CAST(n AS TEXT), n, 1 FROM n"
            ),
            format!(
                "INSERT INTO idempotency_keys (team_id, endpoint, key_hash, request_hash, email_ids, expires_at) {numbers}
                 SELECT {}, '/emails', 'key-' || CAST(n AS TEXT), 'hash', '[]', n FROM n",
                app.team.0
            ),
        ] {
            store.try_statement(&insert).await.unwrap();
        }
        // Attempts at something else do not wait for the deletion.
        let end = at("1970-01-01T00:01:00Z");
        assert_eq!(store.count_attempt("subject-7", at("1970-01-01T00:00:01Z"), end).await, Ok((1, end)));
        let rows = async || {
            let rows = store.every_row().await;
            ["sessions", "rate_limits", "idempotency_keys"].map(|table| rows[table].len())
        };
        assert_eq!(rows().await, [250; 3]);
        // One has not expired yet.
        let now = chrono::DateTime::UNIX_EPOCH + TimeDelta::microseconds(249);
        for left in [50, 1] {
            assert_eq!(store.delete_expired_sessions(now).await, Ok(true));
            assert_eq!(store.delete_expired_attempts(now).await, Ok(true));
            assert_eq!(store.delete_expired_idempotency_keys(now).await, Ok(true));
            let attempts = if left == 50 { 50 } else { 2 };
            assert_eq!(rows().await, [left, attempts, left]);
        }
        assert_eq!(store.delete_expired_sessions(now).await, Ok(false));
        assert_eq!(store.delete_expired_attempts(now).await, Ok(false));
        assert_eq!(store.delete_expired_idempotency_keys(now).await, Ok(false));
        assert_eq!(rows().await, [1, 2, 1]);
        let (_keep, shutdown) = watch::channel(false);
        delete_what_is_over(store, app.now(), &shutdown).await.unwrap();
        assert_eq!(rows().await, [0; 3]);
    }
}

/// Whoever enters a team reads its row in `teams`, or finds the team by the person: both pass over deleted teams.
#[test]
fn no_statement_finds_a_deleted_team() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/store");
    let mut seen = 0;
    for path in files_under(&folder) {
        if path.ends_with("tests.rs") || path.components().any(|part| part.as_os_str() == "tests") {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let statement_at = |place: usize| {
            let begin = source[..place].rfind('"').unwrap_or_default();
            let end = source[place..].find('"').map_or(source.len(), |length| place + length);
            &source[begin..end]
        };
        for beginning in ["FROM teams", "JOIN teams", "UPDATE teams"] {
            for (place, _) in source.match_indices(beginning) {
                let statement = statement_at(place);
                seen += 1;
                assert!(statement.contains("deleted_at"), "{}: {statement}", path.display());
            }
        }
        for (place, _) in source.match_indices("FROM memberships") {
            let statement = statement_at(place);
            let by_person = statement.contains("user_id = $") && !statement.contains("role = 'owner'");
            let passes =
                !by_person || statement.contains("JOIN teams") || statement.contains("DELETE FROM memberships");
            assert!(passes, "{}: {statement}", path.display());
        }
    }
    assert!(seen > 10, "{seen}");
}
