//! `/api/api-keys/…`.

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::domain::permission::Permission;
use crate::domain::team::Role;

on_both_databases! {
    async fn a_key_works_until_it_is_revoked(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let made = admin.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await;
        assert_eq!((made.status, &made.data()["scopes"]), (201, &json!(["logs:view"])));
        let (id, key) = (made.text_of("id"), made.text_of("key"));
        assert!(key.starts_with("sl_") && key.starts_with(&made.text_of("prefix")));
        for program in
            [app.client().with("authorization", &format!("Bearer {key}")), app.client().with("x-api-key", &key)]
        {
            program.get("/api/logs").await.data();
        }
        let listed = admin.get("/api/api-keys").await;
        assert!(!listed.text.contains(&key) && listed.data()[0].get("key").is_none());
        assert_eq!(listed.data()[0]["lastUsedAt"], "2024-01-20T12:00:00.000Z");
        app.advance(TimeDelta::minutes(3));
        assert_eq!(admin.delete(&format!("/api/api-keys/{id}")).await.data(), json!({"id": id}));
        let program = app.client().with("x-api-key", &key);
        program.get("/api/logs").await.assert_error(401, "INVALID_TOKEN", "Invalid or revoked API key");
        assert_eq!(admin.get("/api/api-keys").await.data()[0]["revokedAt"], "2024-01-20T12:03:00.000Z");
    }

    async fn nobody_gives_a_key_more_than_they_may(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        for scopes in [json!(["team:delete"]), json!(["*"])] {
            let answer = admin.post("/api/api-keys", json!({"name": "Shop", "scopes": scopes})).await;
            answer.assert_error(403, "FORBIDDEN", "You cannot give a key a permission that you do not hold");
        }
        let owner = app.sign_in(Role::Owner).await;
        assert_eq!(owner.post("/api/api-keys", json!({"name": "Shop", "scopes": ["*"]})).await.status, 201);
        let key = app.program(&[Permission::ApiKeysCreate]).await;
        assert_eq!(key.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await.status, 403);
    }

    async fn wrong_input_is_told_by_field(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        admin.post("/api/api-keys", json!({"name": "Shop", "scopes": []})).await.assert_invalid("scopes");
        admin
            .post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view", "logs:burn"]}))
            .await
            .assert_invalid("scopes[1]");
        admin.post("/api/api-keys", json!({"name": " ", "scopes": ["logs:view"]})).await.assert_invalid("name");
        admin.delete("/api/api-keys/key_abc").await.assert_error(404, "NOT_FOUND", "API key not found");
    }

    async fn roles_have_their_permissions(app: TestApp) {
        let member = app.sign_in(Role::Member).await;
        member.get("/api/api-keys").await.assert_error(403, "FORBIDDEN", "Missing permission: api-keys:view");
        member.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: api-keys:create",
        );
        let admin = app.sign_in(Role::Admin).await;
        let id = admin.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await.text_of("id");
        member.delete(&format!("/api/api-keys/{id}")).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: api-keys:revoke",
        );
        let stranger = app.sign_in_elsewhere().await;
        stranger.delete(&format!("/api/api-keys/{id}")).await.assert_error(404, "NOT_FOUND", "API key not found");
        assert_eq!(stranger.get("/api/api-keys").await.data(), json!([]));
    }
}
