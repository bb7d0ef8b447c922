//! Addresses that are not written to: the page, what is sent to one, and the files.

use serde_json::{Value, json};

use super::adapter_form::page_after_on;
use super::*;
use crate::domain::audit::{AuditAction, AuditFilter};
use crate::domain::page::Cursor;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::domain::team::{Role, TeamRules};
use crate::server::services::suppressions::SuppressionFilter;
use crate::server::tests::masking::set_rules;

const PAGE: &str = "/settings/suppressions";

async fn listed(app: &TestApp) -> Vec<Suppression> {
    app.store().list_suppressions(app.team, &SuppressionFilter::default(), Cursor::Newest, 100).await.unwrap().items
}

async fn add(client: &Client, addresses: &str, reason: &str) -> String {
    page_after_on(client, PAGE, "add_suppressions", &[("addresses", addresses), ("reason", reason), ("note", "")]).await
}

/// What is said of a form that ends before it should.
async fn send_cut(client: &Client, mut body: Vec<u8>) -> String {
    body.truncate(body.len() - 40);
    client.send_bytes("POST", "/fn/add_suppressions", Some(body)).await.text
}

on_both_databases! {
    async fn addresses_are_added_found_and_lifted_with_a_reason(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let empty = admin.with("accept", "text/html").get(PAGE).await.text;
        assert!(empty.contains("Nobody is suppressed"), "{empty}");
        let page = add(&admin, "ada@example.com\nBob <bob@example.com>\nnobody\nada@EXAMPLE.com", "unsubscribed").await;
        let said = "2 addresses are suppressed. 1 was on the list already. 1 line was left out, the first of them line 3: This is no email address.";
        assert!(page.contains(said) && page.contains("bob@example.com"), "{page}");
        let all = listed(&app).await;
        assert!(all.iter().all(|one| one.reason == SuppressionReason::Unsubscribed && one.email_id.is_none()));
        let found = admin.with("accept", "text/html").get(&format!("{PAGE}?q=BOB&reason=unsubscribed")).await.text;
        assert!(found.contains("bob@example.com") && !found.contains("ada@example.com") && found.contains("1 address"), "{found}");
        let none = admin.with("accept", "text/html").get(&format!("{PAGE}?reason=bounced")).await.text;
        assert!(none.contains("No address matches."), "{none}");

        let ada = all.iter().find(|one| one.address == "ada@example.com").unwrap().id.to_string();
        let page = page_after_on(&admin, PAGE, "lift_suppression", &[("id", &ada), ("reason", " ")]).await;
        assert!(page.contains("Say why this address may be written to again"), "{page}");
        assert_eq!(listed(&app).await.len(), 2);
        let page = page_after_on(&admin, PAGE, "lift_suppression", &[("id", &ada), ("reason", "She asked for it")]).await;
        assert!(page.contains("ada@example.com can be written to again."), "{page}");
        assert_eq!(listed(&app).await.len(), 1);
        let filter = AuditFilter { actions: vec![AuditAction::SuppressionLifted], ..AuditFilter::default() };
        let [line] = &app.store().list_audit_entries(app.team, &filter, None, 9).await.unwrap()[..] else { panic!("one line") };
        assert_eq!((line.reason.as_deref(), line.target_name.as_deref()), (Some("She asked for it"), Some("ada@example.com")));
    }

    async fn a_long_list_is_taken_whole_and_one_that_is_too_long_not_at_all(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let lines = |count: usize| -> String {
            (0..count).map(|number| format!("somebody.{number}@a-long-domain.example,HardBounce,2026-01-20T12:00:00Z\n")).collect()
        };
        let page = add(&admin, &format!("EmailAddress,SuppressionReason,CreatedAt\n{}", lines(2_000)), "manual").await;
        assert!(page.contains("2000 addresses are suppressed."), "{page}");
        let count = async || app.store().count_suppressions(app.team, &SuppressionFilter::default()).await;
        assert_eq!(count().await, Ok(2_000));
        let page = add(&admin, &lines(50_001), "manual").await;
        assert!(page.contains("These are more than 50000 addresses: take them in parts"), "{page}");
        assert_eq!(count().await, Ok(2_000));
    }

    async fn what_cannot_be_read_is_said_and_kept_in_the_form(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let page = add(&admin, "nobody", "manual").await;
        assert!(page.contains("Line 1: This is no email address") && page.contains(">nobody</textarea>"), "{page}");
        assert_eq!(listed(&app).await.len(), 0);
    }

    async fn a_file_that_goes_out_comes_in_again_as_it_was(app: TestApp) {
        let (admin, elsewhere) = (app.sign_in(Role::Admin).await, app.sign_in_elsewhere().await);
        add(&admin, "EmailAddress,SuppressionReason,CreatedAt\nada@example.com,HardBounce,2024-01-20T12:00:00Z\n=x@example.com,SpamComplaint,2024-01-21T12:00:00Z", "manual").await;
        let file = admin.get(&format!("{PAGE}/export")).await;
        assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
        assert!(file.text.contains("ada@example.com,bounced,2024-01-20T12:00:00Z,,"), "{}", file.text);
        add(&elsewhere, &file.text, "manual").await;
        let theirs = app.store().list_suppressions(app.other_team, &SuppressionFilter::default(), Cursor::Newest, 9).await.unwrap().items;
        let shape = |all: Vec<Suppression>| {
            let mut all: Vec<_> = all.into_iter().map(|one| (one.address, one.reason, one.created_at)).collect();
            all.sort();
            all
        };
        assert_eq!(shape(theirs), shape(listed(&app).await));
    }

    async fn who_sees_addresses_masked_finds_them_whole_or_not_at_all(app: TestApp) {
        add(&app.sign_in(Role::Admin).await, "ada@example.com", "manual").await;
        set_rules(&app, TeamRules { masks_addresses: true, ..TeamRules::default() }).await;
        let viewer = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let page = viewer.get(PAGE).await.text;
        assert!(!page.contains("ada@example.com") && page.contains("@example.com") && !page.contains(">Lift<"), "{page}");
        assert!(viewer.get(&format!("{PAGE}?q=ad")).await.text.contains("No address matches."));
        assert!(viewer.get(&format!("{PAGE}?q=ada@example.com")).await.text.contains("1 address"));
    }

    async fn nobody_changes_the_list_without_the_permission(app: TestApp) {
        let viewer = app.sign_in(Role::Viewer).await;
        add(&viewer, "ada@example.com", "manual").await;
        assert_eq!(listed(&app).await.len(), 0);
        app.set_grant(Role::Viewer, Permission::SuppressionsUpdate, true).await;
        add(&viewer, "ada@example.com", "manual").await;
        assert_eq!(listed(&app).await.len(), 1);
    }

    async fn a_file_is_taken_beside_what_was_typed_whatever_its_bytes(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let form = |addresses: &str, file: &[u8]| {
            let mut body = Vec::new();
            for (head, value) in [
                ("name=\"addresses\"", addresses.as_bytes()),
                ("name=\"file\"; filename=\"list.csv\"\r\nContent-Type: text/csv", file),
                ("name=\"reason\"", b"manual"),
                ("name=\"note\"", b"Moved & merged"),
            ] {
                body.extend(format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n").as_bytes());
                body.extend(value);
                body.extend(b"\r\n");
            }
            body.extend(b"--edge--\r\n");
            body
        };
        let client = admin.with("accept", "text/html").with("referer", &format!("http://127.0.0.1:3000{PAGE}"));
        let client = client.with("content-type", "multipart/form-data; boundary=edge");
        let send = async |body: Vec<u8>| {
            let answer = client.send_bytes("POST", "/fn/add_suppressions", Some(body)).await;
            let location = answer.headers["location"].to_str().unwrap().to_owned();
            admin.with_cookies_of(&answer).with("accept", "text/html").get(&location).await.text
        };
        let lines: String = (0..60_000).map(|_| "x".repeat(40) + "\n").collect();
        let page = send(form("eve@example.com", b"email,reason\nada@example.com,SpamComplaint\nb\xff@example.com,\n")).await;
        let said = "2 addresses are suppressed. 1 line was left out, the first of them line 3: This is no email address.";
        assert!(page.contains(said), "{page}");
        let mut all: Vec<_> = listed(&app).await.into_iter().map(|one| (one.address, one.reason, one.note)).collect();
        all.sort();
        assert_eq!(all[0], ("ada@example.com".to_owned(), SuppressionReason::Complained, "Moved & merged".to_owned()));
        assert_eq!((all[1].0.as_str(), all[1].1), ("eve@example.com", SuppressionReason::Manual));
        // Larger than what extractors take by themselves, smaller than what an import takes.
        let page = send(form("", lines.as_bytes())).await;
        assert!(page.contains("These are more than 50000 addresses: take them in parts"), "{page}");
        let page = send(form("", b"")).await;
        assert!(page.contains("Write the addresses, one a line"), "{page}");
        let cut = send_cut(&client, form("eve@example.com", b"x")).await;
        assert!(cut.contains("The form cannot be read"), "{cut}");
        assert_eq!(listed(&app).await.len(), 2);
    }

    async fn an_application_adds_finds_and_lifts_by_id_and_by_address(app: TestApp) {
        let program = app.program(&[Permission::SuppressionsView, Permission::SuppressionsUpdate]).await;
        let made = program.post("/api/suppressions", json!({"addresses": ["Ada@Example.com", "bob@example.com"], "note": "Asked"})).await;
        assert_eq!(made.status, 201, "{}", made.text);
        let made = made.json()["data"].clone();
        assert_eq!((made[0]["address"].as_str(), made[1]["reason"].as_str()), (Some("Ada@Example.com"), Some("manual")));
        // What is there stays as it is, and is answered.
        let again = json!({"addresses": ["ada@example.com"], "reason": "complained"});
        assert_eq!(program.post("/api/suppressions", again).await.json()["data"][0], made[0]);
        let id = made[0]["id"].as_str().unwrap();
        for name in [id, "ADA@example.com", "ada%40example.com"] {
            assert_eq!(program.get(&format!("/api/suppressions/{name}")).await.json()["data"], made[0], "{name}");
        }
        let first = program.get("/api/suppressions?limit=1").await.json()["data"].clone();
        assert_eq!((first["items"][0].clone(), &first["hasMore"]), (made[1].clone(), &json!(true)));
        let next = first["nextBefore"].as_str().unwrap();
        let second = program.get(&format!("/api/suppressions?before={next}")).await.json()["data"].clone();
        assert_eq!((second["items"][0].clone(), &second["nextBefore"]), (made[0].clone(), &Value::Null));
        let found = program.get("/api/suppressions?search=BOB&reason=manual").await.json()["data"]["items"].clone();
        assert_eq!(found.as_array().unwrap().len(), 1);

        let lift = async |name: &str, reason: &str| {
            program.post(&format!("/api/suppressions/{name}/lift"), json!({"reason": reason})).await.status
        };
        assert_eq!(lift(id, " ").await, 400);
        assert_eq!(lift("bob@example.com", "She asked").await, 200);
        assert_eq!(lift("bob@example.com", "She asked").await, 404);
        assert_eq!(listed(&app).await.len(), 1);
        let elsewhere = app.program_of(app.other_team, PermissionSet::all()).await;
        assert_eq!(elsewhere.get(&format!("/api/suppressions/{id}")).await.status, 404);
        assert_eq!(elsewhere.get("/api/suppressions/ada@example.com").await.status, 404);
        assert_eq!(elsewhere.post(&format!("/api/suppressions/{id}/lift"), json!({"reason": "x"})).await.status, 404);
        for wrong in [json!({"addresses": []}), json!({"addresses": ["ok@example.com", "nobody"]}), json!({"addresses": ["a@b.example"], "note": "x\ny"})] {
            assert_eq!(program.post("/api/suppressions", wrong).await.status, 400);
        }
        assert_eq!(listed(&app).await.len(), 1, "all or none");
    }

    async fn many_who_add_and_lift_the_same_address_agree(app: TestApp) {
        let program = app.program(&[Permission::SuppressionsView, Permission::SuppressionsUpdate]).await;
        let body = json!({"addresses": ["ada@example.com", "bob@example.com"]});
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (program, body) = (program.clone(), body.clone());
                tokio::spawn(async move { program.post("/api/suppressions", body).await.json()["data"].clone() })
            })
            .collect();
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer.as_array().unwrap().len() == 2), "{answers:?}");
        let lifts: Vec<_> = (0..8)
            .map(|_| {
                let program = program.clone();
                let path = "/api/suppressions/ada@example.com/lift";
                tokio::spawn(async move { program.post(path, json!({"reason": "asked"})).await.status })
            })
            .collect();
        let mut done = 0;
        for lift in lifts {
            let status = lift.await.unwrap();
            assert!(status == 200 || status == 404, "{status}");
            done += usize::from(status == 200);
        }
        assert_eq!(done, 1);
    }
}
