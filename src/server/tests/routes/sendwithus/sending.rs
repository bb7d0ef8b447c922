//! Sending, resending and batches; customers' logs, keys and scopes.

use super::*;

on_both_databases! {
    async fn a_message_is_sent_by_id_and_by_name(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        let forms = [template.to_string(), template.with_prefix("tem_"), template.to_uuid(), "Receipt".to_owned()];
        for form in forms {
            let answer = post(&sender, "/send", message(&form, json!({}))).await;
            assert_eq!(answer.status, 200, "{form}: {}", answer.text);
            let receipt = answer.json()["receipt_id"].as_str().unwrap().to_owned();
            let rest = r#""email":{"name":"Receipt","version_name":"Version 1","locale":"en-US"}}"#;
            let wanted = format!(r#"{{"success":true,"status":"OK","receipt_id":"{receipt}",{rest}"#);
            assert_eq!(answer.text, wanted);
            let email = app.store().find_email(app.team, receipt.parse().unwrap()).await.unwrap().unwrap();
            assert!(receipt.starts_with("log_") && email.template_id == Some(template));
            assert!(email.api_key_id.is_some() && email.api_request_id.is_some());
        }
    }

    async fn everything_of_a_message_is_kept(app: TestApp) {
        let template = sending(&app).await;
        let adapter = app.add_adapter("Second").await.id;
        let sender = program(&app, &[Permission::EmailsSend]).await.with("content-type", "text/plain;charset=UTF-8");
        let body = json!({
            "template": template.with_prefix("tem_"),
            "template_data": {"name": "Ada"},
            "recipient": {"address": "ada@finch.example", "name": "Lovelace, Ada"},
            "cc": [{"address": "cc@finch.example"}],
            "bcc": [{"address": "bcc@finch.example", "name": "B"}],
            "sender": {"address": "shop@finch.example", "name": "The shop", "reply_to": "help@finch.example"},
            "tags": ["one"],
            "headers": {"X-Order": "7"},
            "files": [{"id": "a.pdf", "data": "aGVsbG8="}],
            "inline": {"id": "logo.png", "data": "cG5n"},
            "esp_account": adapter.to_string(),
            "locale": "fr-FR",
            "version_name": "Version 1",
        });
        let answer = post(&sender, "/send", body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["email"], json!({"name": "Receipt", "version_name": "Version 1", "locale": "fr-FR"}));
        let id: EmailId = answer.json()["receipt_id"].as_str().unwrap().parse().unwrap();
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        let recipient = |kind, address: &str, name: Option<&str>| {
            Recipient { kind, address: address.to_owned(), name: name.map(str::to_owned) }
        };
        assert_eq!(email.recipients, [
            recipient(RecipientKind::To, "ada@finch.example", Some("Lovelace, Ada")),
            recipient(RecipientKind::Cc, "cc@finch.example", None),
            recipient(RecipientKind::Bcc, "bcc@finch.example", Some("B")),
        ]);
        assert_eq!(email.from_address, "The shop <shop@finch.example>");
        assert_eq!(email.reply_to.as_deref(), Some("help@finch.example"));
        assert_eq!((email.tags, email.adapter_id), (vec!["one".to_owned()], Some(adapter)));
        let content = app.store().find_email_content(app.team, id).await.unwrap().unwrap();
        assert_eq!(content.html.as_deref(), Some("<p>Hello Ada</p>"));
        assert_eq!(content.headers, [("X-Order".to_owned(), "7".to_owned())]);
        let attachments = app.store().list_attachments(app.team, id).await.unwrap();
        let seen: Vec<_> = attachments.iter().map(|file| {
            (file.filename.as_str(), file.content_type.as_str(), file.content_id.as_deref(), file.content.as_slice())
        }).collect();
        assert_eq!(seen, [
            ("logo.png", "image/png", Some("logo.png"), b"png".as_slice()),
            ("a.pdf", "application/pdf", None, b"hello".as_slice()),
        ]);
    }

    async fn a_wrong_message_is_refused_and_not_kept(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        for (body, exception) in [
            (json!({}), "missing field `recipient`"),
            (json!({"recipient": {"address": "a@b.example"}}), "email_id is required"),
            (message(&"", json!({})), "email_id is required"),
            (message(&"tem_unknown", json!({})), "email_id: Template not found"),
            (message(&template, json!({"template": "other"})), "email_id and template say different things"),
            (message(&template, json!({"recipient": "a@b.example"})), "expected an object"),
            (message(&template, json!({"recipient": {"name": "A"}})), "missing field `address`"),
            (message(&template, json!({"recipient": {"address": "no"}})), "recipient: “no” is not an email address"),
            (message(&template, json!({"cc": [{"address": "no"}]})), "cc: “no” is not an email address"),
            (message(&template, json!({"sender": {"address": "no"}})), "sender: “no” is not an email address"),
            (
                message(&template, json!({"sender": {"address": "a@b.example", "reply_to": "no"}})),
                "sender.reply_to: “no” is not an email address",
            ),
            (message(&template, json!({"email_data": []})), "email_data must be a JSON object"),
            (message(&template, json!({"tags": [""]})), "tags are at most 20"),
            (message(&template, json!({"headers": {"From": "x"}})), "The header From cannot be set"),
            (message(&template, json!({"files": [{"id": "a", "data": "!"}]})), "files[0].data must be base64"),
            (message(&template, json!({"inline": {"id": "a", "data": "!"}})), "inline.data must be base64"),
            (message(&template, json!({"esp_account": "esp_1"})), "esp_account: Adapter not found"),
            (message(&template, json!({"locale": "x".repeat(36)})), "locale is longer than 35 characters"),
            (message(&template, json!({"version_name": "Version A"})), "version_name must be “Version 1”"),
            (message(&template, json!({"subject": "x"})), "unknown field `subject`"),
            (message(&template, json!({"email_data": {"name": "\0"}})), "U+0000"),
        ] {
            assert_refused(&post(&sender, "/send", body.clone()).await, 400, exception);
        }
        for (body, exception) in [("", "empty"), ("{", "EOF while parsing"), ("[]", "expected an object")] {
            let answer = sender.send("POST", &format!("{BASE}/send"), Some(body.to_owned())).await;
            assert_refused(&answer, 400, exception);
        }
        assert_refused(&post(&sender, "/send?x=1", message(&template, json!({}))).await, 400, "Unknown parameter x");
        assert_eq!(count(&app).await, 0);
    }

    async fn an_undefined_variable_is_nothing(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        for data in [json!({}), json!({"name": null})] {
            let answer = post(&sender, "/send", message(&template, json!({"email_data": data}))).await;
            assert_eq!(answer.status, 200, "{}", answer.text);
        }
        assert_eq!(count(&app).await, 2);
    }

    async fn a_body_too_large_is_refused(app: TestApp) {
        let template = sending(&app).await;
        let sender = program(&app, &[Permission::EmailsSend]).await;
        let body = message(&template, json!({"email_data": {"name": "x".repeat(26 * 1024 * 1024)}}));
        assert_refused(&post(&sender, "/send", body).await, 413, "The request body is larger than");
        assert_eq!(count(&app).await, 0);
    }

    async fn a_template_is_sent_by_its_current_version(app: TestApp) {
        let template = sending(&app).await;
        let admin = app.sign_in(Role::Admin).await;
        admin.put(&format!("/api/templates/{template}"), json!({"subject": "Changed"})).await.data();
        let sender = program(&app, &[Permission::EmailsSend]).await;
        let answer = post(&sender, "/send", message(&template, json!({"version_name": "Version 2"}))).await;
        assert_eq!(answer.json()["email"]["version_name"], "Version 2");
        let log = get(&sender, &format!("/logs/{}", answer.json()["receipt_id"].as_str().unwrap())).await.json();
        assert_eq!(log["email_version"], "Version 2");
    }

    async fn any_message_is_resent_whatever_became_of_it(app: TestApp) {
        app.add_adapter("Mail").await;
        let resender = program(&app, &[Permission::LogsResend]).await;
        for status in EmailStatus::ALL {
            let id = app.add_message(Message::with_status(status)).await;
            let answer = post(&resender, "/resend", json!({"log_id": id.to_string()})).await;
            let json = answer.json();
            assert_eq!((answer.status, &json["log_id"]), (200, &json!(id.with_prefix("log_"))));
            assert_eq!(json["email"], json!({
                "name": "Welcome to Our Service!", "version_name": null, "locale": "en-US",
            }));
            let twice = post(&resender, "/resend", json!({"log_id": id.to_string()})).await;
            assert_refused(&twice, 400, "It is being resent already");
        }
        for (body, exception) in [(json!({}), "missing field `log_id`"), (json!({"log_id": 7}), "invalid type"),
            (json!({"log_id": "x", "force": true}), "unknown field `force`")] {
            assert_refused(&post(&resender, "/resend", body).await, 400, exception);
        }
    }

    async fn an_unknown_log_says_so(app: TestApp) {
        let theirs = app.add_messages_of(app.other_team, &[Message::with_status(EmailStatus::Failed)]).await[0];
        let all = program(&app, &[Permission::LogsView, Permission::LogsResend]).await;
        let nobodys = app.id_at::<EmailId>(app.now());
        for id in [theirs.with_prefix("log_"), nobodys.with_prefix("log_"), "nonsense".to_owned()] {
            assert_refused(&get(&all, &format!("/logs/{id}")).await, 404, "No SendLog");
            assert_refused(&get(&all, &format!("/logs/{id}/events")).await, 404, "No SendLog");
            assert_refused(&post(&all, "/resend", json!({"log_id": id})).await, 404, "No SendLog");
        }
        assert_eq!(get(&all, "/logs").await.text, "[]");
    }

    async fn a_customers_logs_are_that_customers_alone(app: TestApp) {
        let to = |address: &str, second| Message {
            to: vec![address.to_owned()],
            at: at("2024-01-19T10:30:00Z") + TimeDelta::seconds(second),
            ..Message::default()
        };
        let added = app.add_messages(&[
            to("ada@finch.example", 0),
            to("lada@finch.example", 1),
            to("ada@finch.example", 2),
            to("ada@finch.example.org", 3),
            to("Ada@Finch.example", 4),
        ]).await;
        app.add_messages_of(app.other_team, &[to("ada@finch.example", 5)]).await;
        let reader = reader(&app).await;
        let answer = get(&reader, "/customers/ada@finch.example/logs").await;
        assert_eq!(answer.status, 200);
        assert!(answer.text.starts_with(r#"{"success":true,"status":"OK","logs":[{"object":"log","id":"log_"#));
        let logs = async |path: &str| ids(&get(&reader, path).await.json()["logs"]);
        assert_eq!(logs("/customers/ada@finch.example/logs").await, [added[4], added[2], added[0]]);
        assert_eq!(logs("/customers/ADA%40finch.example/logs?count=2").await, [added[4], added[2]]);
        let t = added[2].created_at().timestamp();
        assert_eq!(logs(&format!("/customers/ada@finch.example/logs?created_gt={t}")).await, [added[4]]);
        assert_eq!(logs(&format!("/customers/ada@finch.example/logs?created_lt={t}")).await, [added[0]]);
        let umlaut = app.add_messages(&[to("QÜ1@Exämple.com", 6)]).await;
        for written in ["q%C3%BC1@ex%C3%A4mple.com", "Q%C3%9C1@xn--exmple-cua.com"] {
            assert_eq!(logs(&format!("/customers/{written}/logs")).await, umlaut, "{written}");
        }
        for nobody in ["eve@finch.example", "a", "%00", "%25", "'"] {
            let answer = get(&reader, &format!("/customers/{nobody}/logs")).await;
            assert_eq!((answer.status, answer.text.as_str()), (200, r#"{"success":true,"status":"OK","logs":[]}"#));
        }
        let long = format!("/customers/{}/logs", "x".repeat(321));
        assert_refused(&get(&reader, &long).await, 400, "email is longer than 320 characters");
        assert_refused(&get(&reader, "/customers/%ff/logs").await, 404, "not found");
        assert_refused(&get(&reader, "/customers/a@b.example/logs?count=101").await, 400, "count must be");
    }

    async fn a_batch_answers_each_request_in_its_order(app: TestApp) {
        let template = sending(&app).await;
        let bounced = app.add_message(Message::with_status(EmailStatus::Bounced)).await;
        let scopes = [Permission::EmailsSend, Permission::LogsView];
        let program = program(&app, &scopes).await;
        let commands = json!([
            {"path": "/api/v1/send", "method": "POST", "body": message(&template, json!({}))},
            {"path": "/api/v1/send", "method": "POST", "body": message(&"tem_unknown", json!({}))},
            {"path": "/sendwithus/api/v1/logs?count=1", "method": "GET"},
            {"path": "/api/v1/logs/log_0000000000000", "method": "GET", "body": null},
            {"path": "/api/v1/resend", "method": "POST", "body": {"log_id": bounced.to_string()}},
            {"path": "/api/v1/nowhere", "method": "GET"},
            {"path": "/api/v1/logs", "method": "DELETE"},
            {"path": "/api/v1/batch", "method": "POST", "body": []},
            {"path": "https://example.com/", "method": "GET"},
            {"path": "/api/v1/send", "method": "POST"},
        ]);
        let answer = post(&program, "/batch", commands.clone()).await;
        assert_eq!((answer.status, &answer.headers["content-type"]), (200, &"application/json".parse().unwrap()));
        let answers = answer.json();
        let statuses: Vec<_> = answers.as_array().unwrap().iter().map(|one| one["status_code"].as_u64().unwrap()).collect();
        assert_eq!(statuses, [200, 400, 200, 404, 403, 404, 405, 400, 400, 400]);
        for (one, command) in answers.as_array().unwrap().iter().zip(commands.as_array().unwrap()) {
            assert_eq!((&one["path"], &one["method"]), (&command["path"], &command["method"]));
        }
        assert!(answer.text.starts_with(r#"[{"path":"/api/v1/send","status_code":200,"method":"POST","body":{"success":"#));
        let id: EmailId = answers[0]["body"]["receipt_id"].as_str().unwrap().parse().unwrap();
        assert_eq!(answers[1]["body"]["exception"], "email_id: Template not found");
        assert_eq!(ids(&answers[2]["body"]), [id], "the send comes before the list");
        assert_eq!(answers[3]["body"]["exception"], "No SendLog with this id");
        let request: Option<ApiRequestId> = app.store().find_email(app.team, id).await.unwrap().unwrap().api_request_id;
        assert!(request.is_some());
        assert_eq!(post(&program, "/batch", json!([])).await.text, "[]");
    }

    async fn a_wrong_batch_runs_nothing(app: TestApp) {
        let template = sending(&app).await;
        let program = program(&app, &[Permission::EmailsSend]).await;
        let send = json!({"path": "/api/v1/send", "method": "POST", "body": message(&template, json!({}))});
        for (body, exception) in [
            (json!({}), "The request body is wrong"),
            (json!([send, {}]), "missing field `path`"),
            (json!([send, {"path": "/api/v1/logs"}]), "missing field `method`"),
            (json!([send, {"path": "/api/v1/logs", "method": "PATCH"}]), "unknown variant `PATCH`"),
            (json!([send, {"path": "/api/v1/logs", "method": "GET", "headers": {}}]), "unknown field `headers`"),
            (json!(vec![send.clone(); 101]), "A batch has at most 100 requests"),
        ] {
            assert_refused(&post(&program, "/batch", body).await, 400, exception);
        }
        assert_eq!(count(&app).await, 0);
    }

    async fn a_key_comes_by_basic_and_by_its_own_header(app: TestApp) {
        let secret = key(&app, app.team, [Permission::LogsView].into_iter().collect()).await;
        let nobody = app.client();
        for (name, value) in [("authorization", basic(&secret)), ("x-swu-api-key", secret.clone())] {
            assert_eq!(get(&nobody.with(name, &value), "/logs").await.status, 200, "{name}");
        }
        assert_refused(&get(&nobody, "/logs").await, 403, "Missing API key");
        assert_refused(&get(&nobody.with("authorization", &format!("Bearer {secret}")), "/logs").await, 403, "Missing");
        for (name, value) in [("authorization", basic("sl_guess")), ("x-swu-api-key", "sl_guess".to_owned())] {
            assert_refused(&get(&nobody.with(name, &value), "/logs").await, 403, "Invalid or revoked API key");
            assert_refused(&post(&nobody.with(name, &value), "/batch", json!([])).await, 403, "Invalid or revoked");
        }
        let browser = app.sign_in(Role::Owner).await;
        assert_refused(&get(&browser, "/logs").await, 403, "Missing API key");
    }

    async fn a_key_needs_the_scope(app: TestApp) {
        let template = sending(&app).await;
        let id = app.add_message(Message::with_status(EmailStatus::Failed)).await;
        let all: PermissionSet = Permission::ALL.iter().copied().collect();
        let with_all = app.client().with("authorization", &basic(&key(&app, app.team, all).await));
        let cases = [
            ("GET", "/logs".to_owned(), Value::Null, vec![Permission::LogsView]),
            ("GET", format!("/logs/{id}"), Value::Null, vec![Permission::LogsView, Permission::EmailsSend]),
            ("GET", format!("/logs/{id}/events"), Value::Null, vec![Permission::LogsView, Permission::EmailsSend]),
            ("GET", "/customers/a@b.example/logs".to_owned(), Value::Null, vec![Permission::LogsView]),
            ("POST", "/send".to_owned(), message(&template, json!({})), vec![Permission::EmailsSend]),
            ("POST", "/send".to_owned(), message(&"tem_unknown", json!({})), vec![Permission::EmailsSend]),
            ("POST", "/resend".to_owned(), json!({"log_id": id.to_string()}), vec![Permission::LogsResend]),
            ("POST", "/resend".to_owned(), json!({"log_id": "nonsense"}), vec![Permission::LogsResend]),
        ];
        for (method, path, body, needs) in cases {
            let body = (!body.is_null()).then(|| body.to_string());
            let others: PermissionSet = Permission::ALL.iter().copied().filter(|one| !needs.contains(one)).collect();
            let without = app.client().with("authorization", &basic(&key(&app, app.team, others).await));
            let answer = without.send(method, &format!("{BASE}{path}"), body.clone()).await;
            assert_refused(&answer, 403, "Missing permission");
            for need in needs {
                let alone = program(&app, &[need]).await.send(method, &format!("{BASE}{path}"), body.clone()).await;
                assert_ne!(alone.status, 403, "{method} {path} {need:?}");
            }
        }
        assert_eq!(get(&with_all, "/logs").await.status, 200);
    }

    async fn what_is_not_there_is_404_and_another_method_405(app: TestApp) {
        let reader = reader(&app).await;
        for path in ["/nowhere", "/drip_campaigns", "/logs/", "/customers/a@b.example", "/logs/a/b"] {
            assert_refused(&get(&reader, path).await, 404, "not found");
        }
        for (method, path, allowed) in [
            ("DELETE", "/logs", "GET,HEAD"),
            ("POST", "/logs/log_0000000000000", "GET,HEAD"),
            ("GET", "/send", "POST"),
            ("PUT", "/resend", "POST"),
            ("GET", "/batch", "POST"),
        ] {
            let answer = reader.send(method, &format!("{BASE}{path}"), None).await;
            assert_refused(&answer, 405, &format!("{method} is not allowed here"));
            assert_eq!(answer.headers["allow"], allowed, "{method} {path}");
        }
        let answer = app.client().get(&format!("{BASE}/openapi.json")).await;
        assert_eq!(answer.json()["info"]["title"], "Sendlog: Sendwithus dialect");
        assert_eq!(answer.json()["servers"][0]["url"], "./");
    }

    async fn other_teams_templates_and_adapters_are_not_used(app: TestApp) {
        let template = sending(&app).await;
        let everything: PermissionSet = Permission::ALL.iter().copied().collect();
        let theirs = app.client().with("authorization", &basic(&key(&app, app.other_team, everything).await));
        for name in [template.with_prefix("tem_"), "Receipt".to_owned()] {
            assert_refused(&post(&theirs, "/send", message(&name, json!({}))).await, 400, "Template not found");
        }
        let ours: AdapterId = app.store().list_adapters(app.team).await.unwrap()[0].id;
        let owner = app.sign_in_elsewhere().await;
        owner.post("/api/templates", json!({"name": "Receipt", "subject": "s", "text": "t"})).await.data();
        let body = message(&"Receipt", json!({"esp_account": ours.to_string()}));
        assert_refused(&post(&theirs, "/send", body).await, 400, "Adapter not found");
    }
}
