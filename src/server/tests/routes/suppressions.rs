//! Addresses that are not written to: the page, what is sent to one, and the files.

use super::adapter_form::page_after_on;
use super::*;
use crate::domain::audit::{AuditAction, AuditFilter};
use crate::domain::permission::Permission;
use crate::domain::suppression::{Suppression, SuppressionReason};
use crate::domain::team::{Role, TeamRules};
use crate::server::services::suppressions::SuppressionFilter;
use crate::server::tests::masking::set_rules;

const PAGE: &str = "/settings/suppressions";

async fn listed(app: &TestApp) -> Vec<Suppression> {
    app.store().list_suppressions(app.team, &SuppressionFilter::default(), None, 100).await.unwrap()
}

async fn add(client: &Client, addresses: &str, reason: &str) -> String {
    page_after_on(client, PAGE, "add_suppressions", &[("addresses", addresses), ("reason", reason), ("note", "")]).await
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
        let theirs = app.store().list_suppressions(app.other_team, &SuppressionFilter::default(), None, 9).await.unwrap();
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
}
