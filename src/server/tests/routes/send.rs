//! `/api/v1/send` and `/api/v1/:id/status`.

use serde_json::{Value, json};

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::ids::EmailId;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::server::services::api_keys;

/// A team that can send: its template's id.
async fn template(app: &TestApp) -> String {
    app.add_adapter("Mail").await;
    app.add_template("Receipt").await.id.to_string()
}

/// The smallest message, with `change` in it.
fn message(template: &str, change: Value) -> Value {
    let mut body = json!({"templateId": template, "to": "ada@finch.example", "variables": {"name": "Ada"}});
    let fields = change.as_object().unwrap().clone();
    body.as_object_mut().unwrap().extend(fields);
    body
}

on_both_databases! {
    async fn a_body_may_begin_with_a_byte_order_mark(app: TestApp) {
        let template = template(&app).await;
        let program = app.program(&[Permission::EmailsSend]).await;
        let body = format!("\u{feff}{}", message(&template, json!({})));
        assert_eq!(program.send("POST", "/api/v1/send", Some(body)).await.status, 200);
    }

    async fn a_body_of_another_kind_is_refused_in_plain_words(app: TestApp) {
        let program = app.program(&[Permission::EmailsSend]).await;
        let bodies: [(&[u8], &str); 8] = [
            (b"[]", "expected an object"),
            (b"null", "expected an object"),
            (b"\"x\"", "expected an object"),
            (b"{", "EOF while parsing"),
            (b"to=ada", "expected ident"),
            (b"{\"to\":5}", "expected an address"),
            (b"\x1f\x8b\x08\0", "is compressed"),
            (b"\xff\xfe{\0}\0", "is UTF-16"),
        ];
        for (body, words) in bodies {
            let answer = program.send_bytes("POST", "/api/v1/send", Some(body.to_vec())).await;
            let said = answer.text.to_lowercase();
            assert!(answer.status == 400 && said.contains(&words.to_lowercase()), "{body:?}: {}", answer.text);
            assert!(!said.contains("struct") && !said.contains("sendbody"), "{}", answer.text);
        }
    }

    async fn a_message_is_accepted_and_kept(app: TestApp) {
        let template = template(&app).await;
        let program = app.program(&[Permission::EmailsSend]).await;
        let answer = program
            .post(
                "/api/v1/send",
                message(
                    &template,
                    json!({
                        "from": "Finch <receipts@finch.example>",
                        "replyTo": "help@finch.example",
                        "subject": "Receipt for {{ name }}",
                        "tags": ["receipt"],
                        "metadata": {"order": 7},
                        "attachments": [{"filename": "receipt.pdf", "content": "aGVsbG8="}],
                    }),
                ),
            )
            .await;
        assert_eq!(answer.status, 200);
        assert_eq!(field_order(&answer.text), ["success", "data", "id", "jobId", "status"]);
        assert_eq!(answer.text_of("status"), "queued");
        let id: EmailId = answer.text_of("id").parse().unwrap();
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!(email.subject, "Receipt for Ada");
        assert_eq!(email.from_address, "Finch <receipts@finch.example>");
        assert_eq!(email.reply_to.as_deref(), Some("help@finch.example"));
        assert!(email.has_pdf_attachment && email.api_key_id.is_some() && email.api_request_id.is_some());
        assert_eq!(email.job_id.to_string(), answer.text_of("jobId"));
        let content = app.store().find_email_content(app.team, id).await.unwrap().unwrap();
        assert_eq!(content.html.as_deref(), Some("<p>Hello Ada</p>"));
        assert_eq!(content.metadata, json!({"order": 7}));
        assert_eq!(content.attachments[0].size_bytes, 5);
        assert_eq!(app.store().next_outbox_run().await.unwrap(), Some(id.created_at()));
    }

    async fn the_status_is_told_to_who_sends_and_to_who_looks(app: TestApp) {
        let scopes: PermissionSet = [Permission::EmailsSend].into_iter().collect();
        let key = api_keys::create_key_of(&app.app, app.team, None, "Shop", scopes).await.unwrap();
        let id = app.add_message(Message { key: Some(key.key.id), ..Message::with_status(EmailStatus::Bounced) }).await;
        let path = format!("/api/v1/{id}/status");
        let who_sent = app.client().with("x-api-key", &key.secret);
        for program in [who_sent, app.program(&[Permission::LogsView]).await] {
            let answer = program.get(&path).await;
            assert_eq!(answer.text_of("status"), "bounced");
            let names =
                ["success", "data", "id", "status", "createdAt", "sentAt", "deliveredAt", "errorMessage", "jobId"];
            assert_eq!(field_order(&answer.text), names);
        }
        let other = app.program(&[Permission::TemplatesView]).await;
        other.get(&path).await.assert_error(403, "FORBIDDEN", "Missing permission: logs:view");
        let theirs = app.add_messages_of(app.other_team, &[Message::default()]).await[0];
        let sender = app.program(&[Permission::EmailsSend]).await;
        for id in [theirs.to_string(), "eml_abc123".to_owned()] {
            let answer = sender.get(&format!("/api/v1/{id}/status")).await;
            answer.assert_error(404, "NOT_FOUND", "Email log not found");
        }
    }

    async fn who_may_not_send_does_not(app: TestApp) {
        let template = template(&app).await;
        let body = message(&template, json!({}));
        let viewer = app.sign_in(Role::Viewer).await;
        viewer.post("/api/v1/send", body.clone()).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: emails:send",
        );
        app.client().post("/api/v1/send", body.clone()).await.assert_error(401, "UNAUTHORIZED", "No session found");
        app.sign_in(Role::Member).await.post("/api/v1/send", body).await.data();
        assert_eq!(viewer.get("/api/logs").await.data()["total"], 1);
    }

    async fn wrong_input_is_told_by_field_and_nothing_is_kept(app: TestApp) {
        let template = template(&app).await;
        let program = app.program(&[Permission::EmailsSend, Permission::LogsView]).await;
        for (change, field) in [
            (json!({"to": []}), "to"),
            (json!({"to": "nobody"}), "to"),
            (json!({"to": 5}), "to"),
            (json!({"to": ["ada@finch.example", 5]}), "to[1]"),
            (json!({"to": "ada@finch.example\r\nBcc: eve@evil.example"}), "to"),
            (json!({"cc": "nobody"}), "cc"),
            (json!({"bcc": "nobody"}), "bcc"),
            (json!({"from": "a\nb@finch.example"}), "from"),
            (json!({"replyTo": "nobody"}), "replyTo"),
            (json!({"subject": "a\r\nBcc: eve@evil.example"}), "subject"),
            (json!({"variables": [1]}), "variables"),
            (json!({"metadata": "text"}), "metadata"),
            (json!({"tags": [""]}), "tags"),
            (json!({"attachments": [{"filename": "a", "content": "?"}]}), "attachments[0].content"),
            (json!({"attachments": [{"filename": "a"}]}), "attachments[0].content"),
            (json!({"attachments": [{"filename": "a\nb", "content": ""}]}), "attachments"),
            (json!({"attachments": [{"filename": "a", "content": "", "contentType": "x"}]}), "attachments"),
            (json!({"sender": "eve@evil.example"}), "sender"),
            (json!({"templateId": null}), "templateId"),
        ] {
            let answer = program.post("/api/v1/send", message(&template, change.clone())).await;
            if change.get("subject").is_some() {
                assert_eq!(answer.status, 400, "{}", answer.text);
            } else {
                answer.assert_invalid(field);
            }
        }
        assert_eq!(program.get("/api/logs").await.data()["total"], 0);
    }

    async fn unknown_templates_and_adapters_are_not_found(app: TestApp) {
        let template = template(&app).await;
        let program = app.program(&[Permission::EmailsSend]).await;
        for id in ["tpl_xyz789", "tpl_0000000000001", ""] {
            let answer = program.post("/api/v1/send", message(id, json!({}))).await;
            answer.assert_error(404, "NOT_FOUND", "Template not found");
        }
        let answer = program.post("/api/v1/send", message(&template, json!({"adapterId": "adp_789"}))).await;
        answer.assert_error(404, "NOT_FOUND", "Adapter not found");
    }

    async fn a_template_that_does_not_render_says_which_variable_is_missing(app: TestApp) {
        let template = template(&app).await;
        let program = app.program(&[Permission::EmailsSend]).await;
        let answer = program.post("/api/v1/send", message(&template, json!({"variables": {}}))).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("INVALID_TEMPLATE")));
        assert!(answer.text.contains("name"), "{}", answer.text);
    }

    async fn a_team_without_an_adapter_is_told_so(app: TestApp) {
        let template = app.add_template("Receipt").await.id.to_string();
        let answer = app.sign_in(Role::Member).await.post("/api/v1/send", message(&template, json!({}))).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (400, Some("VALIDATION_ERROR")));
        assert!(answer.text.contains("adapter"), "{}", answer.text);
    }

    async fn bodies_that_are_no_json_are_refused(app: TestApp) {
        let program = app.program(&[Permission::EmailsSend]).await;
        let send = |client: Client, body: String| async move { client.send("POST", "/api/v1/send", Some(body)).await };
        for body in ["", "{", "[]", "\"text\"", "null", "{\"to\": \"a\\u0000b@finch.example\"}", "{} {}"] {
            let answer = send(program.clone(), body.to_owned()).await;
            assert_eq!(
                (answer.status, answer.json()["error"]["code"].as_str()),
                (400, Some("VALIDATION_ERROR")),
                "{body}"
            );
        }
        let answer = send(program.clone(), "{\n  \"to\": ,\n}".to_owned()).await;
        assert_eq!(answer.json()["error"]["details"], json!({"field": "to", "line": 2, "column": 9}));
        for label in ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"] {
            let answer = send(program.with("content-type", label), "{}".to_owned()).await;
            assert_eq!(
                (answer.status, answer.json()["error"]["code"].as_str()),
                (415, Some("VALIDATION_ERROR")),
                "{label}"
            );
        }
        for label in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.finch+json"] {
            send(program.with("content-type", label), "{}".to_owned()).await.assert_invalid("templateId");
        }
    }

    async fn bodies_may_have_25_mib_and_no_more(app: TestApp) {
        let program = app.program(&[Permission::EmailsSend]).await;
        let large = |bytes: usize| format!("{{\"to\": \"{}\"}}", "x".repeat(bytes - 10));
        let limit = 25 * 1024 * 1024;
        program.send("POST", "/api/v1/send", Some(large(limit))).await.assert_invalid("templateId");
        let answer = program.send("POST", "/api/v1/send", Some(large(limit + 1))).await;
        let message = format!("The request body is larger than {limit} bytes");
        answer.assert_error(413, "VALIDATION_ERROR", &message);
    }

    async fn another_sites_page_cannot_send_with_a_persons_session(app: TestApp) {
        let template = template(&app).await;
        let member = app.sign_in(Role::Member).await;
        for (name, value) in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")] {
            let answer = member.with(name, value).post("/api/v1/send", message(&template, json!({}))).await;
            assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("FORBIDDEN")));
        }
        assert_eq!(member.get("/api/logs").await.data()["total"], 0);
    }
}
