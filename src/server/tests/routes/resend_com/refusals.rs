//! What the API refuses: batches, wrong messages and parameters, permissions, limits.

use super::*;

on_both_databases! {
    async fn a_strict_batch_is_all_or_nothing(app: TestApp) {
        let program = sender(&app).await;
        let batch = json!([mail(json!({})), mail(json!({"to": "nobody"}))]);
        for client in [program.clone(), program.with("x-batch-validation", "strict")] {
            let answer = client.post("/resend/emails/batch", batch.clone()).await;
            assert_refused(&answer, 422, "validation_error");
            assert!(answer.text.contains("Email 1 of the batch"), "{}", answer.text);
        }
        let missing = program.post("/resend/emails/batch", json!([mail(json!({})), mail(json!({"from": null}))])).await;
        assert_refused(&missing, 422, "missing_required_field");
        assert_eq!(count(&app).await, 0);
        let three = json!([mail(json!({"subject": "1"})), mail(json!({"subject": "2"})), mail(json!({"subject": "3"}))]);
        let answer = program.post("/resend/emails/batch", three).await;
        assert_eq!((answer.status, field_order(&answer.text)), (200, ["data", "id", "id", "id"].map(str::to_owned).to_vec()));
        for (index, sent) in answer.json()["data"].as_array().unwrap().iter().enumerate() {
            let id = sent["id"].as_str().unwrap();
            let subject = program.get(&format!("/resend/emails/{id}")).await.json()["subject"].clone();
            assert_eq!(subject, (index + 1).to_string());
        }
    }

    async fn a_permissive_batch_sends_what_is_right(app: TestApp) {
        let program = sender(&app).await.with("x-batch-validation", "permissive");
        let batch = json!([
            mail(json!({"to": "nobody"})),
            mail(json!({"subject": "Right"})),
            {"from": 5},
            mail(json!({"attachments": [{"path": "https://example.com/a"}]})),
            mail(json!({"template": {"id": "tpl_0000000000001"}, "text": null})),
        ]);
        let answer = program.post("/resend/emails/batch", batch).await;
        assert_eq!((answer.status, field_order(&answer.text)[..2].to_vec()), (200, vec!["data".to_owned(), "id".to_owned()]));
        let json = answer.json();
        let indexes: Vec<_> = json["errors"].as_array().unwrap().iter().map(|error| error["index"].clone()).collect();
        assert_eq!(indexes, [0, 2, 3, 4]);
        assert_eq!(json["data"].as_array().unwrap().len(), 1);
        assert_eq!(program.get("/resend/emails").await.json()["data"][0]["subject"], "Right");
        let none = program.post("/resend/emails/batch", json!([{"from": 5}])).await;
        assert_eq!((none.status, none.json()["data"].clone()), (200, json!([])));
        // A key that may not send is told so, whatever the messages are.
        let reader = app.program(&[Permission::LogsView]).await.with("user-agent", AGENT);
        let reader = reader.with("x-batch-validation", "permissive");
        assert_refused(&reader.post("/resend/emails/batch", json!([{"from": 5}])).await, 401, "restricted_api_key");
    }

    async fn a_batch_has_one_to_a_hundred_messages(app: TestApp) {
        let program = sender(&app).await;
        let batch = |length: usize| Value::Array(vec![mail(json!({})); length]);
        for wrong in [batch(0), batch(101), json!({"emails": []})] {
            assert_refused(&program.post("/resend/emails/batch", wrong).await, 422, "validation_error");
        }
        let unknown = program.with("x-batch-validation", "loose").post("/resend/emails/batch", batch(1)).await;
        assert_refused(&unknown, 422, "invalid_parameter");
        let answer = program.post("/resend/emails/batch", batch(100)).await;
        assert_eq!((answer.status, answer.json()["data"].as_array().map(Vec::len)), (200, Some(100)));
    }

    async fn wrong_messages_are_told_by_field_and_nothing_is_kept(app: TestApp) {
        let program = sender(&app).await;
        let many: Vec<String> = (0..51).map(|index| format!("a{index}@b.example")).collect();
        for (change, name, part) in [
            (json!({"from": null}), "missing_required_field", "`from`"),
            (json!({"to": null}), "missing_required_field", "`to`"),
            (json!({"subject": null}), "missing_required_field", "`subject`"),
            (json!({"text": null}), "missing_required_field", "`html` or `text`"),
            (json!({"from": "nobody"}), "validation_error", "`from`"),
            (json!({"to": []}), "validation_error", "`to`"),
            (json!({"to": "nobody"}), "validation_error", "`to`"),
            (json!({"to": many}), "validation_error", "`to`"),
            (json!({"to": "a@b.example\r\nBcc: eve@evil.example"}), "validation_error", "`to`"),
            (json!({"cc": "nobody"}), "validation_error", "`cc`"),
            (json!({"bcc": ["nobody"]}), "validation_error", "`bcc`"),
            (json!({"reply_to": "nobody"}), "validation_error", "`reply_to`"),
            (json!({"reply_to": "a@b.example\n"}), "validation_error", "`reply_to`"),
            (json!({"subject": "a\r\nBcc: eve@evil.example"}), "validation_error", "`subject`"),
            (json!({"headers": {"Bad Name": "x"}}), "validation_error", "`headers`"),
            (json!({"headers": {"From": "x"}}), "validation_error", "`headers`"),
            (json!({"tags": [{"name": "no spaces", "value": "x"}]}), "validation_error", "`tags`"),
            (json!({"scheduled_at": "tomorrow at 9am"}), "validation_error", "`scheduled_at`"),
            (json!({"scheduled_at": "2034-01-01T00:00:00Z"}), "validation_error", "`scheduled_at`"),
            (json!({"attachments": [{"content": "!no base64!"}]}), "invalid_attachment", "base64"),
            (json!({"attachments": [{"path": "https://example.com/a.pdf"}]}), "invalid_attachment", "not fetched"),
            (json!({"attachments": [{"filename": "a"}]}), "invalid_attachment", "`content`"),
            (json!({"attachments": [{"filename": "a\nb", "content": ""}]}), "invalid_attachment", "`attachments`"),
            (json!({"attachments": [{"content": "", "content_id": "a b"}]}), "invalid_attachment", "content id"),
            (json!({"template": {"id": "tpl_0000000000001"}, "text": null}), "validation_error", "Template not found"),
        ] {
            let answer = program.post("/resend/emails", mail(change.clone())).await;
            assert_refused(&answer, 422, name);
            assert!(answer.text.contains(part), "{change}: {}", answer.text);
        }
        for body in ["", "{", "no json"] {
            let answer = program.send("POST", "/resend/emails", Some(body.to_owned())).await;
            assert_refused(&answer, 400, "validation_error");
        }
        let large = format!(r#"{{"text": "{}"}}"#, "x".repeat(25 * 1024 * 1024));
        assert_refused(&program.send("POST", "/resend/emails", Some(large)).await, 413, "validation_error");
        assert_eq!(count(&app).await, 0);
    }

    async fn wrong_parameters_are_422(app: TestApp) {
        let program = program(&app).await;
        for path in ["/resend/logs", "/resend/emails"] {
            for wrong in [
                "limit=0", "limit=101", "limit=-1", "limit=ten", "limit=", "limit=1&limit=2", "page=1",
                &format!("limit=1&after={NO_ID}&before={NO_ID}"),
            ] {
                assert_refused(&program.get(&format!("{path}?{wrong}")).await, 422, "validation_error");
            }
            for wrong in [format!("after={NO_ID}"), "before=nonsense".to_owned(), "after=".to_owned()] {
                assert_refused(&program.get(&format!("{path}?{wrong}")).await, 422, "invalid_parameter");
            }
        }
        assert_refused(&program.get(&format!("/resend/logs/{NO_ID}?x=1")).await, 422, "validation_error");
    }

    async fn who_may_not_is_told_why(app: TestApp) {
        let nobody = app.client().with("user-agent", AGENT);
        for path in ["/resend/logs", "/resend/emails"] {
            assert_refused(&nobody.get(path).await, 401, "missing_api_key");
            let unknown = nobody.with("authorization", "Bearer sl_unknown");
            assert_refused(&unknown.get(path).await, 403, "invalid_api_key");
            let other = app.program(&[Permission::TemplatesView]).await.with("user-agent", AGENT);
            assert_refused(&other.get(path).await, 401, "restricted_api_key");
        }
        assert_refused(&nobody.post("/resend/emails", mail(json!({}))).await, 401, "missing_api_key");
    }

    async fn a_client_says_what_it_is(app: TestApp) {
        let key = app.program_of(app.team, PermissionSet::all()).await;
        for client in [key.clone(), key.with("user-agent", ""), app.client()] {
            assert_refused(&client.get("/resend/logs").await, 403, "validation_error");
            assert_refused(&client.post("/resend/emails", mail(json!({}))).await, 403, "validation_error");
        }
    }

    async fn what_is_not_there_is_404(app: TestApp) {
        let program = sender(&app).await;
        let theirs = app.add_messages_of(app.other_team, &[Message::default()]).await[0].to_uuid();
        let stranger = app.program_of(app.other_team, PermissionSet::all()).await.with("user-agent", AGENT);
        stranger.get("/resend/emails").await;
        let request = page_of(&stranger.get("/resend/logs").await).0.remove(0);
        let change = json!({"scheduled_at": "in 1 hour"}).to_string();
        for id in [theirs.as_str(), NO_ID, "nonsense"] {
            let path = format!("/resend/emails/{id}");
            assert_refused(&program.get(&path).await, 404, "not_found");
            assert_refused(&program.send("PATCH", &path, Some(change.clone())).await, 404, "not_found");
            assert_refused(&program.send("POST", &format!("{path}/cancel"), None).await, 404, "not_found");
        }
        for id in [request.as_str(), NO_ID, "nonsense", "%FF"] {
            assert_refused(&program.get(&format!("/resend/logs/{id}")).await, 404, "not_found");
        }
        for path in ["/resend/domains", "/resend", "/resend/emails/x/y/z"] {
            assert_refused(&program.get(path).await, 404, "not_found");
        }
    }

    async fn the_log_is_read_only(app: TestApp) {
        let program = program(&app).await;
        for path in ["/resend/logs".to_owned(), format!("/resend/logs/{NO_ID}")] {
            for method in ["POST", "PUT", "PATCH", "DELETE"] {
                let answer = program.send(method, &path, Some("{}".to_owned())).await;
                assert_refused(&answer, 405, "method_not_allowed");
                assert_eq!(answer.headers["allow"], "GET,HEAD");
            }
        }
        let answer = program.get("/resend/emails/batch").await;
        assert_refused(&answer, 405, "method_not_allowed");
        assert_eq!(answer.headers["allow"], "POST");
    }

    async fn every_answer_tells_the_limit(app: TestApp) {
        let program = program(&app).await;
        let nobody = app.client().with("user-agent", AGENT);
        for answer in [
            program.get("/resend/logs").await,
            program.get(&format!("/resend/emails/{NO_ID}")).await,
            program.get("/resend/domains").await,
            program.delete("/resend/logs").await,
            program.post("/resend/emails", json!({})).await,
            nobody.get("/resend/logs").await,
            app.client().get("/resend/logs").await,
        ] {
            for name in ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"] {
                assert!(answer.headers[name].to_str().unwrap().parse::<u64>().is_ok(), "{}", answer.text);
            }
            assert_eq!(answer.headers["content-type"], "application/json");
        }
    }

    async fn who_asks_too_often_is_told_when_to_come_back(app: TestApp) {
        let config = Config { rate_limit: 1, ..app.app.config.as_ref().clone() };
        let limited = App { config: Arc::new(config), ..app.app.clone() };
        let program = Client { router: crate::server::tests::router(limited), ..program(&app).await };
        let mut refused = program.get("/resend/logs").await;
        // The second may have ended between two of them.
        for _ in 0..20 {
            if refused.status != 429 {
                refused = program.get("/resend/logs").await;
            }
        }
        assert_refused(&refused, 429, "rate_limit_exceeded");
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.headers["ratelimit-remaining"], "0");
    }
}
