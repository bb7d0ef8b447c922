//! `/settings/audit`, its export, `/api/audit`, and what the log holds after everything that can be changed was.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::super::matrix::{Caller, Surface, Target, every_row, filled, prepare};
use super::super::*;
use crate::domain::audit::{ActorKind, AuditActor, AuditEntry};
use crate::domain::ids::TeamId;
use crate::server::store::audit::AuditVerdict;

/// What changes nothing that the audit log tells of: reads, log-ins, sending, and what belongs to a browser alone.
const SILENT: &[&str] = &[
    "POST /api/auth/register",
    "POST /api/auth/login",
    "POST /api/auth/forgot-password",
    "POST /api/auth/logout",
    "POST /api/auth/switch-team",
    "POST /api/v1/send",
    "POST /api/v1/events",
    "POST /api/v1/bounces",
    "log_in",
    "log_in_with_code",
    "forgot_password",
    // The second factor counts when it is confirmed.
    "begin_two_factor",
    "cancel_two_factor",
    "log_out",
    "set_up",
    "mark_failed",
    "set_list_view",
    "set_theme",
    "discard_draft",
    "switch_team",
    "preview_template",
    "check_resend",
    "look_up_person",
    // Nothing differs from what was there.
    "cancel_chosen",
    "save_role_grid",
];

/// A line with these texts, `minutes` after noon.
fn line(app: &TestApp, name: &str, minutes: i64, action: AuditAction) -> AuditEvent {
    AuditEvent {
        id: app.id_at(app.now() + TimeDelta::minutes(minutes)),
        actor: AuditActor { kind: ActorKind::User, id: Some(format!("usr_{name}")), name: name.to_owned() },
        action,
        target: Some("eml_1".to_owned()),
        target_name: Some("=HYPERLINK(\"x\")".to_owned()),
        before: None,
        after: Some(json!({"shown": "body, \"quoted\""})),
        reason: Some("+49 asked".to_owned()),
        address: Some("192.0.2.1".to_owned()),
        user_agent: None,
    }
}

async fn append(app: &TestApp, team: TeamId, event: &AuditEvent) {
    app.store().append_audit_event(team, event).await.unwrap();
}

/// Cuts CSV into rows of cells.
fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut is_quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, is_quoted) {
            ('"', true) if letters.peek() == Some(&'"') => {
                letters.next();
                cell.push('"');
            }
            ('"', _) => is_quoted = !is_quoted,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) => {}
            ('\n', false) => {
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (other, _) => cell.push(other),
        }
    }
    rows
}

on_both_databases! {
    async fn lines_are_listed_filtered_and_paged(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        for (name, minutes) in [("ada", 1), ("ben", 2), ("ada", 3)] {
            append(&app, app.team, &line(&app, name, minutes, AuditAction::EmailRevealed)).await;
        }
        append(&app, app.team, &line(&app, "ben", 4, AuditAction::LogExported)).await;
        append(&app, app.other_team, &line(&app, "eve", 5, AuditAction::LogExported)).await;
        let list = async |query: &str| {
            let data = owner.get(&format!("/api/audit{query}")).await.data();
            let names = data["items"].as_array().unwrap().iter().map(|item| item["actor"]["name"].clone());
            (names.collect::<Vec<_>>(), data["nextBefore"].clone())
        };
        assert_eq!(list("?limit=2").await.0, ["ben", "ada"]);
        let next = list("?limit=2").await.1;
        assert_eq!(list(&format!("?limit=2&before={next}")).await.0, ["ben", "ada"]);
        assert_eq!(list("?action=email.revealed&actorId=usr_ada").await, (vec![json!("ada"), json!("ada")], Value::Null));
        assert_eq!(list("?from=2024-01-20T12:04:00Z").await.0, ["ben"]);
        assert_eq!(list("?from=2024-01-20T12:02:00Z&to=2024-01-20T12:02:00Z").await.0, ["ben"]);
        let newest = owner.get("/api/audit?limit=1").await.data()["items"][0].clone();
        assert_eq!((&newest["action"], &newest["targetName"]), (&json!("log.exported"), &json!("=HYPERLINK(\"x\")")));
        assert_eq!((&newest["at"], &newest["actor"]["kind"]), (&json!("2024-01-20T12:04:00.000Z"), &json!("user")));
        for (query, field) in [("action=a.b", "action"), ("limit=101", "limit"), ("before=0", "before"), ("from=x", "from")] {
            owner.get(&format!("/api/audit?{query}")).await.assert_invalid(field);
        }
    }

    async fn the_page_shows_what_was_done_to_one_thing_and_which_lines_changed(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let template = app.add_template("Receipt").await.id;
        append(&app, app.team, &line(&app, "ada", 1, AuditAction::EmailRevealed)).await;
        let source = |text: &str| json!({"subject": "Hi", "html": text});
        let change = AuditEvent {
            target: Some(template.to_string()),
            target_name: Some("Receipt".to_owned()),
            before: Some(source("<p>\none\ntwo\nthree\n</p>")),
            after: Some(source("<p>\none\n2 & more\nthree\n</p>")),
            ..line(&app, "ben", 2, AuditAction::TemplateUpdated)
        };
        append(&app, app.team, &change).await;
        let role = AuditEvent {
            target: Some("viewer".to_owned()),
            target_name: Some("Viewer".to_owned()),
            after: Some(json!({"granted": ["logs:resend"]})),
            ..line(&app, "ben", 3, AuditAction::RoleUpdated)
        };
        append(&app, app.team, &role).await;
        let owner = owner.with("accept", "text/html");
        let page = owner.get("/settings/audit?preset=all").await.text;
        for part in [
            &format!("href=\"/settings/audit?preset=all&amp;object={template}\""),
            "<del>− two",
            "<ins>+ 2 &amp; more",
            "1 line added, 1 removed",
            "resend messages that failed or bounced",
        ] {
            assert!(page.contains(part), "no {part}: {page}");
        }
        assert!(!page.contains("granted"), "{page}");
        let of_template = owner.get(&format!("/settings/audit?preset=all&object={template}")).await.text;
        assert!(of_template.contains("Only entries about ") && of_template.contains("data-action=\"template.updated\""));
        assert!(!of_template.contains("data-action=\"email.revealed\""), "{of_template}");
        let file = owner.get(&format!("/settings/audit/export?format=ndjson&preset=all&object={template}")).await.text;
        assert!(file.contains("template.updated") && !file.contains("email.revealed"), "{file}");
        let by_api = owner.get(&format!("/api/audit?target={template}")).await.data();
        assert!(by_api["items"].as_array().unwrap().iter().all(|item| item["target"] == json!(template)), "{by_api}");
        assert!(owner.get(&format!("/templates/{template}")).await.text.contains("History"));
    }

    async fn the_page_tells_who_did_what_to_what(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let made = owner
            .with("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0")
            .post("/api/api-keys", json!({"name": "Shop <b>", "scopes": ["logs:view"]}))
            .await;
        let id = made.text_of("id");
        owner.put(&format!("/api/api-keys/{id}"), json!({"name": "Till", "scopes": ["templates:view"]})).await.data();
        let page = owner.with("accept", "text/html").get("/settings/audit").await;
        assert_eq!(page.status, 200);
        let text = &page.text;
        for part in [
            "API key created",
            "Shop &lt;b&gt;",
            &format!("href=\"/settings/api-keys/{id}\""),
            "Firefox on Linux",
            "<strong>owner<wbr>@finch.example</strong>",
            "<del>View the log and its statistics",
            "<ins>View templates",
            "192.0.2.1",
        ] {
            assert!(text.contains(part), "no {part}: {}", page.text);
        }
        let filtered = owner.with("accept", "text/html").get("/settings/audit?action=role.deleted").await;
        assert!(filtered.text.contains("No entry matches in the last 7 days"), "{}", filtered.text);
        let wrong = owner.with("accept", "text/html").get("/settings/audit?action=eaten").await;
        assert_eq!(wrong.status, 400);
    }

    async fn one_choice_lists_all_of_a_group_and_every_page_of_it_has_lines(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let of_roles = [
            AuditAction::RoleCreated,
            AuditAction::RoleUpdated,
            AuditAction::MemberRoleChanged,
            AuditAction::RoleDeleted,
        ];
        for minutes in 0..120 {
            let action = if minutes % 2 == 0 { of_roles[minutes / 2 % 4] } else { AuditAction::EmailRevealed };
            append(&app, app.team, &line(&app, &format!("nr-{minutes:03}"), minutes as i64, action)).await;
        }
        let (mut url, mut pages) = ("/settings/audit?action=roles".to_owned(), Vec::new());
        loop {
            let page = owner.get(&url).await.text;
            assert!(!page.contains("data-action=\"email.revealed\""), "{page}");
            pages.push(page.matches("data-action=\"").count());
            let Some((_, rest)) = page.split_once("/settings/audit?action=roles&amp;before=") else { break };
            url = format!("/settings/audit?action=roles&before={}", rest.split('"').next().unwrap());
        }
        assert_eq!(pages, [50, 10]);
        let page = owner.get("/settings/audit?action=roles").await.text;
        assert!(of_roles.iter().all(|action| page.contains(&format!("data-action=\"{}\"", action.as_str()))), "{page}");
        let file = owner.get("/settings/audit/export?format=ndjson&action=roles").await.text;
        assert_eq!(file.lines().count(), 60);
        // The export is noted with what it was of, in words.
        let noted = owner.get("/settings/audit?action=exports").await.text;
        assert!(noted.contains("Member's role changed, Role created"), "{noted}");
    }

    async fn where_the_period_has_nothing_the_page_leads_straight_to_what_there_is(app: TestApp) {
        append(&app, app.team, &line(&app, "ada", -80 * 24 * 60, AuditAction::RoleCreated)).await;
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = owner.get("/settings/audit?action=roles").await.text;
        for part in ["No entry matches in the last 7 days", "The newest that matches is from", "preset=all&amp;action=roles"] {
            assert!(page.contains(part), "no {part}: {page}");
        }
        let never = owner.get("/settings/audit?preset=all&action=adapters").await.text;
        assert!(never.contains(">No entry matches<") && !never.contains("The newest"), "{never}");
    }

    async fn long_lists_have_pages(app: TestApp) {
        for minutes in 0..60 {
            append(&app, app.team, &line(&app, &format!("nr-{minutes:02}"), minutes, AuditAction::EmailRevealed)).await;
        }
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let first = owner.get("/settings/audit?action=email.revealed").await.text;
        assert!(first.contains("nr-59") && first.contains("nr-10") && !first.contains("<strong>nr-09"));
        let (_, rest) = first.split_once("/settings/audit?action=email.revealed&amp;before=").unwrap();
        let before = rest.split('"').next().unwrap();
        let second = owner.get(&format!("/settings/audit?action=email.revealed&before={before}")).await.text;
        assert!(second.contains("<strong>nr-09") && !second.contains("<strong>nr-10"));
        assert!(second.contains("Back to the newest"));
    }

    async fn an_export_is_whole_and_is_noted_first(app: TestApp) {
        for minutes in 0..620 {
            append(&app, app.team, &line(&app, "ada", -minutes, AuditAction::EmailRevealed)).await;
        }
        let owner = app.sign_in(Role::Owner).await;
        let csv = owner.get("/settings/audit/export?format=csv").await;
        assert_eq!(csv.status, 200);
        assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
        assert!(csv.headers["content-disposition"].to_str().unwrap().contains("audit-log.csv"));
        let rows = csv_rows(csv.text.strip_prefix('\u{feff}').expect("a byte order mark"));
        assert_eq!(rows[0].join(" "), "sequence id at actorKind actorId actorName action target targetName before after \
            reason address userAgent hash");
        assert_eq!(rows[1][6], "audit.exported", "the export tells of itself");
        let revealed = rows.iter().find(|row| row[6] == "email.revealed").unwrap();
        assert_eq!((revealed[8].as_str(), revealed[11].as_str()), ("'=HYPERLINK(\"x\")", "'+49 asked"));
        assert_eq!(revealed[10], r#"{"shown":"body, \"quoted\""}"#);
        let total: usize = rows[1][0].parse().unwrap();
        assert_eq!(rows.len(), total + 1, "every line of the chain is there");
        assert!(rows.iter().all(|row| row.len() == 15));

        let ndjson = owner.get("/settings/audit/export?format=ndjson&action=audit.exported").await;
        let lines: Vec<AuditEntry> =
            ndjson.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].after.as_ref().unwrap()["action"], "audit.exported");
        assert_eq!(lines[1].hash, rows[1][14]);
        assert_eq!(owner.get("/settings/audit/export?format=pdf").await.status, 400);
        assert!(matches!(app.store().verify_audit_log(app.team).await.unwrap(), AuditVerdict::Intact { .. }));
    }

    async fn another_site_causes_no_export(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let before = app.store().every_row().await;
        let answer = owner.with("sec-fetch-site", "cross-site").get("/settings/audit/export?format=csv").await;
        assert_eq!(answer.status, 403);
        assert_eq!(app.store().every_row().await, before);
    }

    async fn every_change_is_a_line_and_no_line_holds_a_secret(app: TestApp) {
        app.add_adapter("Mail").await;
        let lines_of = async || app.store().every_row().await["audit_log"].clone();
        let mut secrets: BTreeSet<String> = ["correct horse", "hush-hush", "session="].map(str::to_owned).into();
        let mut silent = Vec::new();
        for (surface, row) in every_row() {
            let is_read = row.0.starts_with("GET ") || row.0.starts_with("load_") || surface == Surface::Pages;
            if is_read {
                continue;
            }
            let (owner, mut texts) = prepare(&app, Caller::Somebody(Role::Owner), row.2).await;
            secrets.extend(texts.iter().filter(|(name, _)| *name == "{token}").map(|(_, token)| token.clone()));
            // Names are fresh in many bodies and end up in the log: that is their place.
            if row.2 != Target::Token {
                texts.push(("smtp://a.example", "smtp://mailer:hush-hush@a.example".to_owned()));
            }
            let body = filled(row.3, &texts);
            let known = lines_of().await.len();
            let answer = surface.ask(&owner, &(row.0, row.1, row.2, Box::leak(body.into_boxed_str())), &texts).await;
            if answer.status < 400 && lines_of().await.len() == known {
                silent.push(row.0);
            }
            for text in [answer.text.clone(), format!("{:?}", answer.headers)] {
                secrets.extend(text.split("sl_").skip(1).map(|rest| format!("sl_{}", rest.chars().take(20).collect::<String>())));
            }
        }
        silent.retain(|route| !SILENT.contains(route));
        assert!(silent.is_empty(), "these changed something and wrote no line: {silent:?}");
        let lines = lines_of().await;
        assert!(lines.len() > 60, "{}", lines.len());
        for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
            let holder = lines.iter().find(|line| line.contains(secret.as_str()));
            assert!(holder.is_none(), "{secret} is in {holder:?}");
        }
        for team in app.store().list_audited_teams().await.unwrap() {
            let verdict = app.store().verify_audit_log(team).await.unwrap();
            assert!(matches!(verdict, AuditVerdict::Intact { .. }), "{verdict:?}");
        }
    }
}
