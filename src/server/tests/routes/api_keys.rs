//! `/api/api-keys/…`.

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::domain::api_key::{KeyApi, KeyLimits};
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
        app.store().keep_noted().await;
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

    async fn a_key_is_taken_in_every_documented_form(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let key = admin.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await.text_of("key");
        for (name, value) in [
            ("authorization", format!("Bearer {key}")),
            ("authorization", format!("bEARER   {key} ")),
            ("x-api-key", key.clone()),
            ("x-api-key", format!("  {key} ")),
        ] {
            assert_eq!(app.client().with(name, &value).get("/api/logs").await.status, 200, "{name}: {value:?}");
        }
        assert_eq!(app.client().with("authorization", &key).get("/api/logs").await.status, 401);
    }

    async fn a_key_ends_by_itself(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let body = json!({"name": "Short", "scopes": ["logs:view"], "expiresAt": "2024-01-20T13:00:00Z"});
        let made = admin.post("/api/api-keys", body).await;
        assert_eq!(made.data()["expiresAt"], "2024-01-20T13:00:00.000Z");
        let program = app.client().with("x-api-key", &made.text_of("key"));
        program.get("/api/logs").await.data();
        app.advance(TimeDelta::hours(1));
        program.get("/api/logs").await.assert_error(401, "INVALID_TOKEN", "Invalid or revoked API key");
        let path = format!("/api/api-keys/{}", made.text_of("id"));
        let said = "This key has ended and stays so. Create another one";
        admin.put(&path, json!({"expiresAt": null})).await.assert_error(409, "CONFLICT", said);
        admin.post(&format!("{path}/rotate"), json!({})).await.assert_error(409, "CONFLICT", said);
        for wrong in ["2024-01-20T13:00:00Z", "2030-01-20", "soon"] {
            let body = json!({"name": "Short", "scopes": ["logs:view"], "expiresAt": wrong});
            admin.post("/api/api-keys", body).await.assert_invalid("expiresAt");
        }
    }

    async fn a_key_has_its_own_rate_limit(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let body = json!({"name": "Slow", "scopes": ["logs:view"], "rateLimit": 2, "apis": ["sendlog"]});
        let made = admin.post("/api/api-keys", body).await;
        assert_eq!((&made.data()["rateLimit"], &made.data()["apis"]), (&json!(2), &json!(["sendlog"])));
        let program = app.client().with("x-api-key", &made.text_of("key"));
        // Seconds are the machine's, so that a window can end between two requests: of five, three are in one.
        let mut statuses = Vec::new();
        for _ in 0..5 {
            let answer = program.get("/api/logs").await;
            assert_eq!(answer.headers["ratelimit-limit"], "2");
            statuses.push(answer.status);
        }
        assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
        for (field, wrong) in [("rateLimit", json!(0)), ("rateLimit", json!(100_000)), ("apis", json!([]))] {
            let mut body = json!({"name": "Slow", "scopes": ["logs:view"]});
            body[field] = wrong;
            admin.post("/api/api-keys", body).await.assert_invalid(field);
        }
    }

    async fn a_key_for_another_api_is_counted_and_written_down_all_the_same(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let body = json!({"name": "Mail", "scopes": ["logs:view"], "rateLimit": 1, "apis": ["resend"]});
        let made = admin.post("/api/api-keys", body).await;
        let program = app.client().with("x-api-key", &made.text_of("key"));
        program.get("/api/logs").await.assert_error(
            403,
            "FORBIDDEN",
            "This key is not for the Sendlog API. Its page in the dashboard says which it is for.",
        );
        let later = [program.get("/api/logs").await.status, program.get("/api/logs").await.status];
        assert!(later.contains(&429), "{later:?}");
        let function = program.with("content-type", "application/x-www-form-urlencoded");
        let function = function.send("POST", "/fn/load_templates", Some(String::new())).await;
        assert!(function.text.contains("This key is not for the Sendlog API"), "{}", function.text);
        app.app.request_log.flush().await;
        let (filter, newest) = (Default::default(), crate::domain::page::Cursor::Newest);
        let logged = app.store().list_api_requests(app.team, &filter, newest, 10).await.unwrap().items;
        let of_key = logged.iter().filter(|row| row.api_key_name.as_deref() == Some("Mail")).count();
        assert_eq!(of_key, 3);
    }

    async fn both_secrets_count_for_a_while_after_a_rotation(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let made = admin.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await;
        let rotate = format!("/api/api-keys/{}/rotate", made.text_of("id"));
        let ask = async |key: &str| app.client().with("x-api-key", key).get("/api/logs").await.status;
        let first = made.text_of("key");
        let rotated = admin.post(&rotate, json!({"overlapSeconds": 3600})).await;
        let second = rotated.text_of("key");
        assert_eq!(rotated.data()["previousEndsAt"], "2024-01-20T13:00:00.000Z");
        assert_eq!(rotated.data()["prefix"], second[..8]);
        assert_eq!([ask(&first).await, ask(&second).await], [200, 200]);
        app.advance(TimeDelta::hours(1));
        assert_eq!([ask(&first).await, ask(&second).await], [401, 200]);
        let third = admin.post(&rotate, json!({"overlapSeconds": 0})).await.text_of("key");
        assert_eq!([ask(&second).await, ask(&third).await], [401, 200]);
        let usual = admin.post(&rotate, json!({})).await;
        assert_eq!(usual.data()["previousEndsAt"], "2024-01-21T13:00:00.000Z");
        for wrong in [-1, 604_801, i64::MAX] {
            admin.post(&rotate, json!({"overlapSeconds": wrong})).await.assert_invalid("overlapSeconds");
        }
        let lines = admin.get("/api/audit?action=api-key.rotated").await;
        assert_eq!(lines.data()["items"].as_array().unwrap().len(), 3);
        assert_eq!(lines.data()["items"][2]["before"]["prefix"], first[..8]);
        assert!([&first, &second, &third].iter().all(|key| !lines.text.contains(key.as_str())));
    }

    async fn a_change_holds_from_the_next_request_on_and_is_told(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let body = json!({"name": "Shop", "scopes": ["logs:view"], "rateLimit": 9, "apis": ["resend", "sendlog"]});
        let made = admin.post("/api/api-keys", body).await;
        let path = format!("/api/api-keys/{}", made.text_of("id"));
        let program = app.client().with("x-api-key", &made.text_of("key"));
        let body = json!({"name": "Till", "scopes": ["templates:view"], "rateLimit": null, "apis": ["sendlog"]});
        let changed = admin.put(&path, body).await.data();
        assert_eq!((&changed["name"], &changed["rateLimit"]), (&json!("Till"), &json!(null)));
        assert_eq!(changed, admin.get(&path).await.data());
        program.get("/api/logs").await.assert_error(403, "FORBIDDEN", "Missing permission: logs:view");
        program.get("/api/templates").await.data();
        let line = admin.get("/api/audit?action=api-key.updated").await.data()["items"][0].clone();
        let before = json!({"name": "Shop", "scopes": ["logs:view"], "rateLimit": 9, "apis": ["sendlog", "resend"]});
        let after = json!({"name": "Till", "scopes": ["templates:view"], "rateLimit": null, "apis": ["sendlog"]});
        assert_eq!((&line["before"], &line["after"]), (&before, &after));
        // All of them is the same as no limit.
        let all = json!({"apis": ["sendlog", "resend", "sendwithus", "jetemail", "notificationapi"]});
        assert_eq!(admin.put(&path, all).await.data()["apis"], json!(null));
    }

    async fn nobody_changes_or_rotates_a_key_that_may_do_more_than_they(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let path = format!(
            "/api/api-keys/{}",
            owner.post("/api/api-keys", json!({"name": "Root", "scopes": ["*"]})).await.text_of("id")
        );
        let admin = app.sign_in(Role::Admin).await;
        let said = "You cannot give a key a permission that you do not hold";
        admin.post(&format!("{path}/rotate"), json!({})).await.assert_error(403, "FORBIDDEN", said);
        admin.put(&path, json!({"rateLimit": 5})).await.assert_error(403, "FORBIDDEN", said);
        assert_eq!(admin.put(&path, json!({"scopes": ["logs:view"]})).await.status, 200);
        admin.put(&path, json!({"scopes": ["team:delete"]})).await.assert_error(403, "FORBIDDEN", said);
        let stranger = app.sign_in_elsewhere().await;
        stranger.post(&format!("{path}/rotate"), json!({})).await.assert_error(404, "NOT_FOUND", "API key not found");
    }

    async fn a_keys_limits_bind_what_it_makes(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let limits = json!({"name": "Maker", "scopes": ["api-keys:create"], "expiresAt": "2024-01-21", "apis": ["sendlog"]});
        let made = admin.post("/api/api-keys", limits).await;
        let maker = app.client().with("x-api-key", &made.text_of("key"));
        let new = |end: &str, api: &str| {
            json!({"name": "Made", "scopes": ["api-keys:create"], "expiresAt": end, "apis": [api]})
        };
        assert_eq!(maker.post("/api/api-keys", new("2024-01-20T18:00:00Z", "sendlog")).await.status, 201);
        for body in [
            new("2024-01-22", "sendlog"),
            new("2024-01-21", "resend"),
            json!({"name": "Made", "scopes": ["api-keys:create"]}),
        ] {
            assert_eq!(maker.post("/api/api-keys", body).await.status, 403);
        }
        let own = format!("/api/api-keys/{}", made.text_of("id"));
        assert_eq!(maker.put(&own, json!({"expiresAt": null})).await.status, 403);
        assert_eq!(maker.post(&format!("{own}/rotate"), json!({})).await.status, 200);
    }

    async fn the_forms_of_the_pages_work_without_a_script(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await.with("accept", "text/html");
        let form = admin.with("content-type", "application/x-www-form-urlencoded");
        let post = async |name: &str, body: &str| {
            form.with("referer", "http://localhost/settings/api-keys")
                .send("POST", &format!("/fn/{name}"), Some(body.replace('[', "%5B").replace(']', "%5D")))
                .await
        };
        let limits = "limits[ends]=date&limits[ends_on]=2024-02-01&limits[asks_apis]=true&limits[apis][]=resend\
            &limits[apis][]=jetemail&limits[rate_limit]=7";
        let made = post("create_api_key", &format!("name=Shop&preset=send&scopes[]=logs:view&{limits}")).await;
        assert_eq!(made.status, 302, "{}", made.text);
        let key = app.store().list_api_keys(app.team).await.unwrap().remove(0);
        assert_eq!(key.scopes, [Permission::EmailsSend].into_iter().collect(), "the preset counts, not what is ticked");
        assert_eq!(key.limits.expires_at, Some(at("2024-02-02T00:00:00Z")), "the day itself is included");
        assert_eq!(key.limits.apis, Some(vec![KeyApi::Resend, KeyApi::Jetemail]));
        assert_eq!(key.limits.rate_limit, Some(7));
        let list = admin.get("/settings/api-keys").await.text;
        assert!(list.contains("ends in 12 days") && list.contains("ends-soon") && list.contains("Resend, JetEmail"), "{list}");
        let page = admin.get(&format!("/settings/api-keys/{}", key.id)).await;
        assert!(page.status == 200 && page.text.contains("Create a new secret"), "{}", page.text);

        let change = format!("id={}&name=Till&scopes[]=logs:view&limits[ends]=keep&limits[ends_on]=&limits[asks_apis]=true\
            &limits[apis][]=resend&limits[rate_limit]=", key.id);
        assert_eq!(post("update_api_key", &change).await.status, 302);
        let changed = app.store().find_api_key(app.team, key.id).await.unwrap().unwrap();
        assert_eq!((changed.name.as_str(), changed.limits.rate_limit), ("Till", None));
        assert_eq!((changed.limits.expires_at, changed.limits.apis), (key.limits.expires_at, Some(vec![KeyApi::Resend])));
        assert_eq!(post("rotate_api_key", &format!("id={}&overlap_seconds=3600", key.id)).await.status, 302);
        let rotated = app.store().find_api_key(app.team, key.id).await.unwrap().unwrap();
        assert_ne!(rotated.prefix, key.prefix);

        // A refusal keeps what was typed.
        let refused = "name=Kept&preset=chosen&limits[ends]=90&limits[ends_on]=&limits[asks_apis]=true&limits[apis][]=resend&limits[rate_limit]=3";
        let refusal = post("create_api_key", refused).await;
        assert_eq!(refusal.status, 303);
        let again = admin.with_cookies_of(&refusal).get("/settings/api-keys").await.text;
        assert!(again.contains("value=\"Kept\"") && again.contains("value=\"3\""), "{again}");
        // The form of the page for programs names no limits.
        assert_eq!(post("create_api_key", "name=Plain&scopes[]=logs:view").await.status, 302);
        let plain = app.store().list_api_keys(app.team).await.unwrap().remove(0);
        assert_eq!((plain.name.as_str(), plain.limits), ("Plain", KeyLimits::default()));
    }
}
