//! `/api/logs` and `/api/logs/:id`.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::event::{EmailEvent, EventDetail, EventKind};
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::store::events::{EmailFacts, NewEvent};

const LIST: &str = include_str!("../fixtures/list.json");
const FIND: &str = include_str!("../fixtures/find.json");

fn ids_of(answer: &Answer) -> Vec<String> {
    let data = answer.data();
    let items = data["items"].as_array().unwrap();
    items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

on_both_databases! {
    async fn the_list_is_the_specifications_sample(app: TestApp) {
        let template = app.add_template("Welcome Email").await;
        let made_from = Some((template.id, template.current.id));
        let mut messages = vec![Message { at: at("2024-01-19T10:30:00Z"), ..Message::default() }; 149];
        messages.push(Message { template: made_from, ..Message::default() });
        app.add_messages(&messages).await;
        let viewer = app.sign_in(Role::Viewer).await;

        let answer = viewer.get("/api/logs?page=1&pageSize=20&status=delivered").await;

        assert_eq!(answer.status, 200);
        let mut found = answer.json();
        assert_eq!(found["data"]["items"].as_array().map(Vec::len), Some(20));
        found["data"]["items"].as_array_mut().unwrap().truncate(1);
        let expected: Value = serde_json::from_str(LIST).unwrap();
        assert_eq!(without_ids(&found), without_ids(&expected));
        let names = field_order(&answer.text);
        let expected_names = field_order(LIST);
        let first_row = expected_names.iter().position(|name| name == "total").unwrap();
        assert_eq!(names[..first_row], expected_names[..first_row]);
        assert_eq!(names[names.len() - 4..], expected_names[first_row..]);
    }

    async fn a_message_is_the_specifications_sample(app: TestApp) {
        let program = app.program(&[Permission::EmailsSend]).await;
        let template = app.add_template("Welcome Email").await;
        app.add_adapter("Mail").await;
        let sent = program
            .post(
                "/api/v1/send",
                json!({
                    "templateId": template.id.to_string(),
                    "to": "user@example.com",
                    "variables": {"name": "John", "company": "Acme Inc"},
                }),
            )
            .await;
        let id: EmailId = sent.text_of("id").parse().unwrap();
        let accepted = app.now();
        let event = |kind, seconds| NewEvent {
            event: EmailEvent {
                id: app.id_at(accepted),
                kind,
                at: accepted + TimeDelta::seconds(seconds),
                recipient: None,
                detail: EventDetail::default(),
            },
            provider_event_id: None,
        };
        let events = [event(EventKind::Sent, 5), event(EventKind::Delivered, 10)];
        let facts = EmailFacts { provider_message_id: Some("msg_provider_123".to_owned()), error_message: None };
        app.store().record_events(app.team, id, &events, &facts).await.unwrap();

        let answer = app.sign_in(Role::Member).await.get(&format!("/api/logs/{id}")).await;

        assert_eq!(answer.status, 200);
        // The sample was accepted at half past ten, this message at noon.
        let text = answer.text.replace("T12:00:", "T10:30:");
        let found: Value = serde_json::from_str(&text).unwrap();
        let expected: Value = serde_json::from_str(FIND).unwrap();
        assert_eq!(without_ids(&found), without_ids(&expected));
        let without_variables = |json: &str| {
            field_order(json).into_iter().filter(|name| name != "name" && name != "company").collect::<Vec<_>>()
        };
        assert_eq!(without_variables(&answer.text), without_variables(FIND));
    }

    async fn a_message_that_was_never_sent_has_nulls(app: TestApp) {
        let id = app.add_message(Message::with_status(EmailStatus::Queued)).await;
        let data = app.sign_in(Role::Viewer).await.get(&format!("/api/logs/{id}")).await.data();
        for field in [
            "templateId",
            "templateVersionId",
            "apiKeyId",
            "providerMessageId",
            "errorMessage",
            "sentAt",
            "deliveredAt",
        ] {
            assert!(data.as_object().unwrap().contains_key(field) && data[field].is_null(), "{field}");
        }
    }

    async fn a_deleted_templates_id_is_null(app: TestApp) {
        let template = app.add_template("Welcome Email").await;
        let made_from = Some((template.id, template.current.id));
        let id = app.add_message(Message { template: made_from, ..Message::default() }).await;
        let admin = app.sign_in(Role::Admin).await;
        admin.delete(&format!("/api/templates/{}", template.id)).await.data();
        let data = admin.get(&format!("/api/logs/{id}")).await.data();
        assert!(data["templateId"].is_null());
        assert_eq!(data["templateVersionId"], json!(template.current.id));
        let row = admin.get("/api/logs").await.data()["items"][0].clone();
        assert!(row["templateId"].is_null() && row["templateName"].is_null());
    }

    async fn a_list_needs_a_log_in(app: TestApp) {
        let nobody = app.client();
        nobody.get("/api/logs").await.assert_error(401, "UNAUTHORIZED", "No session found");
        let stale = nobody.with("cookie", "session=AAAAAAAAAAAAAAAAAAAAAA");
        stale.get("/api/logs").await.assert_error(401, "INVALID_TOKEN", "Invalid or expired session");
        let guess = nobody.with("x-api-key", "sl_guess");
        guess.get("/api/logs").await.assert_error(401, "INVALID_TOKEN", "Invalid or revoked API key");
    }

    async fn a_log_in_without_a_team_sees_no_log(app: TestApp) {
        let user = app.add_user("nobody@finch.example").await;
        let lonely = app.browser_of(user, None).await;
        lonely.get("/api/logs").await.assert_error(403, "FORBIDDEN", "No team selected");
    }

    async fn a_key_needs_the_scope(app: TestApp) {
        let id = app.add_message(Message::default()).await;
        let sender = app.program(&[Permission::EmailsSend]).await;
        for path in ["/api/logs".to_owned(), "/api/logs/stats".to_owned(), format!("/api/logs/{id}")] {
            sender.get(&path).await.assert_error(403, "FORBIDDEN", "Missing permission: logs:view");
        }
        let reader = app.program(&[Permission::LogsView]).await;
        assert_eq!(ids_of(&reader.get("/api/logs").await), [id.to_string()]);
    }

    async fn a_withdrawn_permission_is_gone_on_the_next_request(app: TestApp) {
        let viewer = app.sign_in(Role::Viewer).await;
        viewer.get("/api/logs").await.data();
        app.set_grant(Role::Viewer, Permission::LogsView, false).await;
        viewer.get("/api/logs").await.assert_error(403, "FORBIDDEN", "Missing permission: logs:view");
    }

    async fn other_teams_messages_are_not_found(app: TestApp) {
        let theirs = app.add_messages_of(app.other_team, &[Message::default()]).await[0];
        let admin = app.sign_in(Role::Admin).await;
        let nobodys = app.id_at::<EmailId>(app.now());
        for id in
            [theirs.to_string(), nobodys.to_string(), "eml_abc123".to_owned(), "tpl_x".to_owned(), "%00".to_owned()]
        {
            let answer = admin.get(&format!("/api/logs/{id}")).await;
            let details = answer.assert_error(404, "NOT_FOUND", "Email log not found");
            assert!(details.is_null());
        }
        assert!(ids_of(&admin.get("/api/logs").await).is_empty());
        assert_eq!(admin.get("/api/logs").await.data()["total"], 0);
    }

    async fn parameters_have_bounds(app: TestApp) {
        let viewer = app.sign_in(Role::Viewer).await;
        for (query, field) in [
            ("page=0", "page"),
            ("page=-1", "page"),
            ("page=one", "page"),
            ("page=1.5", "page"),
            ("page=", "page"),
            ("page=9007199254740992", "page"),
            ("pageSize=0", "pageSize"),
            ("pageSize=101", "pageSize"),
            ("status=lost", "status"),
            ("status=delivered,bounced", "status"),
            ("from=yesterday", "from"),
            ("from=2024-01-20T10:30:00", "from"),
            ("to=2024-02-30", "to"),
            ("limit=5", "limit"),
            ("page=1&page=2", "page"),
        ] {
            viewer.get(&format!("/api/logs?{query}")).await.assert_invalid(field);
        }
        viewer.get(&format!("/api/logs?search={}", "x".repeat(201))).await.assert_invalid("search");
        for query in
            ["page=1", "pageSize=1", "pageSize=100", "page=9007199254740991", "search=", "templateId=", "search=%00"]
        {
            viewer.get(&format!("/api/logs?{query}")).await.data();
        }
    }

    async fn filters_narrow_the_list(app: TestApp) {
        let template = app.add_template("Receipt").await;
        let made_from = Some((template.id, template.current.id));
        let ids = app
            .add_messages(&[
                Message { at: at("2024-01-10T00:00:00Z"), ..Message::with_status(EmailStatus::Bounced) },
                Message { at: at("2024-01-11T00:00:00Z"), template: made_from, ..Message::default() },
                Message {
                    at: at("2024-01-12T00:00:00Z"),
                    to: vec!["Ada@Finch.example".to_owned()],
                    ..Message::default()
                },
                Message {
                    at: at("2024-01-13T00:00:00Z"),
                    subject: "Ihre Müllgebühr: 100 % <fällig>".to_owned(),
                    ..Message::default()
                },
            ])
            .await;
        let viewer = app.sign_in(Role::Viewer).await;
        let template_id = template.id.to_string();
        let cases: [(String, &[usize]); 17] = [
            (String::new(), &[3, 2, 1, 0]),
            ("status=bounced".to_owned(), &[0]),
            ("status=opened".to_owned(), &[]),
            (format!("templateId={template_id}"), &[1]),
            (format!("templateId={template_id}&status=bounced"), &[]),
            ("templateId=welcome".to_owned(), &[]),
            ("templateId=tpl_0000000000000".to_owned(), &[]),
            ("search=ada%40finch".to_owned(), &[2]),
            ("search=M%C3%BCllgeb%C3%BChr".to_owned(), &[3]),
            ("search=100%20%25".to_owned(), &[3]),
            ("search=FINCH".to_owned(), &[2]),
            ("from=2024-01-12".to_owned(), &[3, 2]),
            ("to=2024-01-11T00:00:00.000Z".to_owned(), &[1, 0]),
            ("to=2024-01-10T23:59:59.999Z".to_owned(), &[0]),
            ("to=2024-01-11".to_owned(), &[1, 0]),
            ("from=2024-01-13&to=2024-01-13".to_owned(), &[3]),
            ("from=2024-01-11T01:00:00%2B01:00&to=2024-01-12".to_owned(), &[2, 1]),
        ];
        for (query, expected) in cases {
            let answer = viewer.get(&format!("/api/logs?{query}")).await;
            let expected: Vec<String> = expected.iter().map(|index| ids[*index].to_string()).collect();
            assert_eq!(ids_of(&answer), expected, "{query}");
            assert_eq!(answer.data()["total"], expected.len(), "{query}");
        }
    }

    async fn a_status_filter_is_exact(app: TestApp) {
        for status in EmailStatus::ALL {
            app.add_message(Message::with_status(status)).await;
        }
        let viewer = app.sign_in(Role::Viewer).await;
        for status in EmailStatus::ALL {
            let data = viewer.get(&format!("/api/logs?status={}", status.as_str())).await.data();
            assert_eq!((&data["total"], &data["items"][0]["status"]), (&json!(1), &json!(status.as_str())));
        }
    }

    async fn pages_hold_every_message_once(app: TestApp) {
        let mut expected = app.add_messages(&vec![Message::default(); 25]).await;
        expected.reverse();
        let viewer = app.sign_in(Role::Viewer).await;
        let mut found = Vec::new();
        for page in 1..=3 {
            let answer = viewer.get(&format!("/api/logs?page={page}&pageSize=10")).await;
            let data = answer.data();
            assert_eq!(
                (&data["total"], &data["page"], &data["pageSize"], &data["totalPages"]),
                (&json!(25), &json!(page), &json!(10), &json!(3))
            );
            found.extend(ids_of(&answer));
        }
        assert_eq!(found, expected.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert!(ids_of(&viewer.get("/api/logs?page=4&pageSize=10").await).is_empty());
        assert!(ids_of(&viewer.get("/api/logs?page=9007199254740991").await).is_empty());
    }

    async fn every_recipient_in_to_is_listed_and_no_other(app: TestApp) {
        let template = app.add_template("Receipt").await;
        app.add_adapter("Mail").await;
        let member = app.sign_in(Role::Member).await;
        let sent = member
            .post(
                "/api/v1/send",
                json!({
                    "templateId": template.id.to_string(),
                    "to": ["Ada <ada@finch.example>", "bob@finch.example"],
                    "cc": "carol@finch.example",
                    "bcc": ["dora@finch.example"],
                    "variables": {"name": "all"},
                }),
            )
            .await;
        let data = member.get(&format!("/api/logs/{}", sent.text_of("id"))).await.data();
        assert_eq!(data["toAddresses"], json!(["ada@finch.example", "bob@finch.example"]));
    }

    async fn unknown_paths_and_methods_answer_in_the_envelope(app: TestApp) {
        let nobody = app.client();
        nobody.get("/api/nothing").await.assert_error(404, "NOT_FOUND", "The endpoint /api/nothing not found");
        let wrong = nobody.post("/api/logs", json!({})).await;
        wrong.assert_error(405, "VALIDATION_ERROR", "/api/logs does not answer POST");
        assert_eq!(wrong.headers["allow"], "GET,HEAD");
    }
}
