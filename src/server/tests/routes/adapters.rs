//! `/api/adapters/…`.

use serde_json::json;

use super::*;
use crate::domain::team::Role;

on_both_databases! {
    async fn an_adapter_is_added_changed_and_deleted(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let added = admin
            .post(
                "/api/adapters",
                json!({
                    "name": "Mail", "type": "smtp", "url": "smtp://sendlog:hush%20hush@mail.finch.example:587",
                    "from": "Finch <receipts@finch.example>",
                }),
            )
            .await;
        assert_eq!(added.status, 201);
        let id = added.text_of("id");
        let path = format!("/api/adapters/{id}");
        let data = added.data();
        assert_eq!((&data["isDefault"], &data["type"]), (&json!(true), &json!("smtp")));
        assert_eq!(data["from"], "Finch <receipts@finch.example>");
        for answer in [&added, &admin.get(&path).await, &admin.get("/api/adapters").await] {
            assert!(!answer.text.contains("hush") && answer.text.contains("mail.finch.example"), "{}", answer.text);
        }

        let changed = admin.put(&path, json!({"name": "Post", "url": "smtp://post.finch.example"})).await.data();
        assert_eq!(changed["name"], "Post");
        assert!(changed["endpoint"].as_str().unwrap().starts_with("smtp://post.finch.example"));
        assert_eq!(admin.get("/api/adapters").await.data(), json!([changed]));

        assert_eq!(admin.delete(&path).await.data(), json!({"id": id}));
        admin.get(&path).await.assert_error(404, "NOT_FOUND", "Adapter not found");
    }

    async fn a_team_has_one_default(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let first = app.add_adapter("First").await;
        let second = app.add_adapter("Second").await;
        assert!(first.is_default && !second.is_default);
        let path = |id| format!("/api/adapters/{id}");
        assert_eq!(admin.put(&path(second.id), json!({"isDefault": true})).await.data()["isDefault"], true);
        assert_eq!(admin.get(&path(first.id)).await.data()["isDefault"], false);
        admin.put(&path(second.id), json!({"isDefault": false})).await.assert_error(
            409,
            "CONFLICT",
            "Make another adapter the default instead",
        );
    }

    async fn wrong_input_is_told_by_field(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        for (body, field) in [
            (json!({"type": "pigeon", "url": "smtp://a.example", "from": "a@b.example"}), "type"),
            (json!({"type": "smtp", "url": "http://user:hush@a.example", "from": "a@b.example"}), "url"),
            (json!({"type": "smtp", "url": "smtp://", "from": "a@b.example"}), "url"),
            (json!({"type": "smtp", "url": "smtp://a.example", "from": "nobody"}), "from"),
            (json!({"type": "smtp", "url": "smtp://a.example", "from": "a@b.example\r\nBcc: c@d.example"}), "from"),
            (json!({"type": "smtp", "from": "a@b.example"}), "url"),
            (json!({"type": "smtp", "url": "smtp://a.example", "from": "a@b.example", "password": "hush"}), "password"),
        ] {
            let answer = admin.post("/api/adapters", body).await;
            answer.assert_invalid(field);
            assert!(!answer.text.contains("hush"), "{}", answer.text);
        }
        app.add_adapter("Mail").await;
        let body = json!({"name": "Mail", "type": "smtp", "url": "smtp://a.example", "from": "a@b.example"});
        admin.post("/api/adapters", body).await.assert_error(
            409,
            "ALREADY_EXISTS",
            "An adapter named “Mail” exists already",
        );
    }

    async fn roles_have_their_permissions(app: TestApp) {
        let path = format!("/api/adapters/{}", app.add_adapter("Mail").await.id);
        let member = app.sign_in(Role::Member).await;
        member.get(&path).await.data();
        member
            .post("/api/adapters", json!({"type": "smtp", "url": "smtp://a.example", "from": "a@b.example"}))
            .await
            .assert_error(403, "FORBIDDEN", "Missing permission: adapters:create");
        member.put(&path, json!({})).await.assert_error(403, "FORBIDDEN", "Missing permission: adapters:update");
        member.delete(&path).await.assert_error(403, "FORBIDDEN", "Missing permission: adapters:delete");
        let stranger = app.sign_in_elsewhere().await;
        for (method, body) in [("GET", None), ("PUT", Some("{}".to_owned())), ("DELETE", None)] {
            stranger.send(method, &path, body).await.assert_error(404, "NOT_FOUND", "Adapter not found");
        }
    }
}
