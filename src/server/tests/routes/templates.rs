//! `/api/templates/…`.

use serde_json::json;

use super::*;
use crate::domain::ids::TemplateId;
use crate::domain::team::Role;

on_both_databases! {
    async fn a_template_is_made_changed_and_deleted(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let made = admin.post("/api/templates", json!({
            "name": "Receipt", "subject": "Receipt for {{ name }}", "html": "<p>{{ name }}</p>", "text": "{{ name }}",
        })).await;
        assert_eq!(made.status, 201);
        let id = made.text_of("id");
        assert_eq!(made.data()["version"], 1);
        let path = format!("/api/templates/{id}");

        let changed = admin.put(&path, json!({"name": "Invoice", "text": null})).await.data();
        assert_eq!((&changed["name"], &changed["version"]), (&json!("Invoice"), &json!(2)));
        assert_eq!((&changed["html"], &changed["text"]), (&json!("<p>{{ name }}</p>"), &json!(null)));
        assert_eq!(admin.put(&path, json!({})).await.data()["version"], 2);
        assert_eq!(admin.get(&path).await.data(), changed);
        assert_eq!(admin.get("/api/templates").await.data(), json!([changed]));

        let versions = admin.get(&format!("{path}/versions")).await.data();
        assert_eq!((&versions[0]["version"], &versions[1]["version"]), (&json!(2), &json!(1)));
        assert_eq!(versions[1]["text"], "{{ name }}");

        assert_eq!(admin.delete(&path).await.data(), json!({"id": id}));
        admin.get(&path).await.assert_error(404, "NOT_FOUND", "Template not found");
        assert_eq!(admin.get("/api/templates").await.data(), json!([]));
        assert_eq!(
            admin.post("/api/templates", json!({"name": "Invoice", "subject": "s", "text": "t"})).await.status,
            201
        );
    }

    async fn a_template_that_does_not_parse_is_refused(app: TestApp) {
        let member = app.sign_in(Role::Member).await;
        for body in [
            json!({"name": "A", "subject": "{{ name", "text": "t"}),
            json!({"name": "A", "subject": "s", "html": "{% if %}"}),
            json!({"name": "A", "subject": "s"}),
            json!({"name": "A", "subject": " ", "text": "t"}),
        ] {
            let answer = member.post("/api/templates", body).await;
            assert_eq!(
                (answer.status, answer.json()["error"]["code"].as_str()),
                (400, Some("INVALID_TEMPLATE")),
                "{}",
                answer.text
            );
        }
        member.post("/api/templates", json!({"name": "", "subject": "s", "text": "t"})).await.assert_invalid("name");
        member.post("/api/templates", json!({"subject": "s", "text": "t"})).await.assert_invalid("name");
        member.post("/api/templates", json!({"name": "A", "body": "s"})).await.assert_invalid("body");
    }

    async fn names_are_unique_in_a_team(app: TestApp) {
        let member = app.sign_in(Role::Member).await;
        app.add_template("Receipt").await;
        let body = json!({"name": "Receipt", "subject": "s", "text": "t"});
        member.post("/api/templates", body.clone()).await.assert_error(
            409,
            "ALREADY_EXISTS",
            "A template named “Receipt” exists already",
        );
        let other =
            member.post("/api/templates", json!({"name": "Other", "subject": "s", "text": "t"})).await.text_of("id");
        member.put(&format!("/api/templates/{other}"), json!({"name": "Receipt"})).await.assert_error(
            409,
            "ALREADY_EXISTS",
            "A template named “Receipt” exists already",
        );
        assert_eq!(app.sign_in_elsewhere().await.post("/api/templates", body).await.status, 201);
    }

    async fn roles_have_their_permissions(app: TestApp) {
        let template = app.add_template("Receipt").await;
        let path = format!("/api/templates/{}", template.id);
        let viewer = app.sign_in(Role::Viewer).await;
        viewer.get(&path).await.data();
        viewer.post("/api/templates", json!({"name": "A", "subject": "s", "text": "t"})).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: templates:create",
        );
        viewer.put(&path, json!({"name": "A"})).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: templates:update",
        );
        let member = app.sign_in(Role::Member).await;
        member.put(&path, json!({"name": "A"})).await.data();
        member.delete(&path).await.assert_error(403, "FORBIDDEN", "Missing permission: templates:delete");
    }

    async fn other_teams_templates_are_not_found(app: TestApp) {
        let template = app.add_template("Receipt").await;
        let stranger = app.sign_in_elsewhere().await;
        assert_eq!(stranger.get("/api/templates").await.data(), json!([]));
        for id in [template.id.to_string(), app.id_at::<TemplateId>(app.now()).to_string(), "receipt".to_owned()] {
            let path = format!("/api/templates/{id}");
            for (method, path, body) in [
                ("GET", path.clone(), None),
                ("GET", format!("{path}/versions"), None),
                ("PUT", path.clone(), Some(json!({"name": "Mine"}).to_string())),
                ("DELETE", path.clone(), None),
            ] {
                stranger.send(method, &path, body).await.assert_error(404, "NOT_FOUND", "Template not found");
            }
        }
    }
}
