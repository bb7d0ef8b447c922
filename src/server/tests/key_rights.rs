//! What a key may do follows its maker, request by request, unless it is the team's own.

use serde_json::json;

use super::*;
use crate::domain::team::TeamRules;

/// A new key that somebody made by the API; its id and a program with it.
async fn made_by(app: &TestApp, client: &Client, body: Value) -> (String, Client) {
    let made = client.post("/api/api-keys", body).await;
    (made.text_of("id"), app.client().with("x-api-key", &made.text_of("key")))
}

async fn set_role(app: &TestApp, user: UserId, role: Role) {
    app.store().update_member_role(app.team, user, role, &app.event()).await.unwrap();
}

fn adapter() -> Value {
    json!({"name": "Mine", "type": "smtp", "url": "smtp://127.0.0.1:2525", "from": "a@b.example"})
}

on_both_databases! {
    async fn the_key_of_a_demoted_admin_makes_no_adapters(app: TestApp) {
        let (owner, admin) = (app.sign_in(Role::Owner).await, app.sign_in(Role::Admin).await);
        let user = app.user(app.team, Role::Admin).await;
        let scopes = json!(["logs:view", "adapters:create", "api-keys:create"]);
        let (id, key) = made_by(&app, &admin, json!({"name": "Ops", "scopes": scopes})).await;
        let (_, child) = made_by(&app, &key, json!({"name": "Child", "scopes": ["adapters:create"]})).await;
        for program in [&key, &child] {
            let answer = program.post("/api/adapters", adapter()).await;
            assert!(matches!(answer.status, 201 | 409), "{}", answer.text);
        }
        set_role(&app, user, Role::Viewer).await;
        for program in [&key, &child] {
            program.post("/api/adapters", adapter()).await.assert_error(403, "FORBIDDEN", "Missing permission: adapters:create");
        }
        key.get("/api/logs").await.data();
        let seen = owner.get(&format!("/api/api-keys/{id}")).await.data();
        assert_eq!((&seen["scopes"], &seen["effectiveScopes"]), (&scopes, &json!(["logs:view"])));
        assert_eq!((&seen["heldBack"], &seen["belongsToTeam"]), (&json!("maker-may-less"), &json!(false)));
        let page = owner.with("accept", "text/html").get(&format!("/settings/api-keys/{id}")).await.text;
        assert!(page.contains("because admin may no more than that"), "{page}");
        // What the role grants counts, not its name.
        app.set_grant(Role::Viewer, Permission::AdaptersCreate, true).await;
        assert_eq!(key.post("/api/adapters", adapter()).await.status, 409);
        set_role(&app, user, Role::Admin).await;
        assert_eq!(owner.get(&format!("/api/api-keys/{id}")).await.data()["heldBack"], json!(null));
    }

    async fn a_key_that_is_handed_over_is_bound_by_its_heir(app: TestApp) {
        let (owner, admin) = (app.sign_in(Role::Owner).await, app.user(app.team, Role::Admin).await);
        let all = PermissionSet::all();
        let key = app.program_bound_to(app.team, app.user(app.team, Role::Owner).await, all).await;
        let heir = app.add_role("Clerk", &[Permission::LogsView]).await;
        set_role(&app, admin, heir).await;
        let statement = format!("UPDATE api_keys SET created_by = {} WHERE team_id = {}", admin.0, app.team.0);
        app.store().try_statement(&statement).await.unwrap();
        key.get("/api/logs").await.data();
        key.get("/api/templates").await.assert_error(403, "FORBIDDEN", "Missing permission: templates:view");
        drop(owner);
    }

    async fn only_an_owner_has_keys_of_the_teams_own(app: TestApp) {
        let (owner, admin) = (app.sign_in(Role::Owner).await, app.sign_in(Role::Admin).await);
        let said = "Only an owner makes, changes or rotates a key of the team's own";
        let body = json!({"name": "Shop", "scopes": ["logs:view"], "belongsToTeam": true});
        admin.post("/api/api-keys", body.clone()).await.assert_error(403, "FORBIDDEN", said);
        let bound = app.program_bound_to(app.team, app.user(app.team, Role::Owner).await, PermissionSet::all()).await;
        bound.post("/api/api-keys", body.clone()).await.assert_error(403, "FORBIDDEN", said);
        let (id, key) = made_by(&app, &owner, body).await;
        let path = format!("/api/api-keys/{id}");
        admin.put(&path, json!({"name": "Till"})).await.assert_error(403, "FORBIDDEN", said);
        admin.post(&format!("{path}/rotate"), json!({})).await.assert_error(403, "FORBIDDEN", said);
        let page = admin.with("accept", "text/html").get(&format!("/settings/api-keys/{id}")).await.text;
        assert!(page.contains("the key belongs to the team"), "{page}");
        assert!(!page.contains("Create a new secret"));
        // It outlives what its maker may.
        let maker = app.user(app.team, Role::Owner).await;
        let second = app.add_user("second@finch.example").await;
        accounts::add_member(&app.app, app.team, second, Role::Owner).await.unwrap();
        let bare = app.add_role("Nothing", &[]).await;
        set_role(&app, maker, bare).await;
        key.get("/api/logs").await.data();
        set_role(&app, maker, Role::Owner).await;
        // Who makes it their own is what bounds it from then on.
        let second = app.browser_of(second, Some(app.team)).await;
        let changed = second.put(&path, json!({"belongsToTeam": false})).await.data();
        assert_eq!((&changed["belongsToTeam"], &changed["effectiveScopes"]), (&json!(false), &json!(["logs:view"])));
        let line = owner.get("/api/audit?action=api-key.updated").await.data()["items"][0].clone();
        assert_eq!((&line["before"]["belongsToTeam"], &line["after"]["belongsToTeam"]), (&json!(true), &json!(false)));
        admin.put(&path, json!({"belongsToTeam": true})).await.assert_error(403, "FORBIDDEN", said);
        assert_eq!(owner.put(&path, json!({"belongsToTeam": true})).await.data()["belongsToTeam"], true);
    }

    async fn a_key_of_the_teams_own_outlives_its_makers_membership(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let maker = app.add_user("maker@finch.example").await;
        accounts::add_member(&app.app, app.team, maker, Role::Owner).await.unwrap();
        let client = app.browser_of(maker, Some(app.team)).await;
        let body = |own: bool| json!({"name": "Shop", "scopes": ["logs:view"], "belongsToTeam": own});
        let (_, own) = made_by(&app, &client, body(true)).await;
        let (_, bound) = made_by(&app, &client, body(false)).await;
        set_role(&app, maker, Role::Admin).await;
        owner.delete(&format!("/api/teams/{}/members/{maker}", app.team)).await.data();
        own.get("/api/logs").await.data();
        assert_eq!(bound.get("/api/logs").await.status, 401);
    }

    async fn the_form_asks_owners_whose_a_key_is(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let admin = app.sign_in(Role::Admin).await.with("accept", "text/html");
        assert!(owner.get("/settings/api-keys").await.text.contains("name=\"belongs_to_team\""));
        assert!(!admin.get("/settings/api-keys").await.text.contains("name=\"belongs_to_team\""));
        let post = async |client: &Client, name: &str, body: String| {
            let form = client.with("content-type", "application/x-www-form-urlencoded");
            let form = form.with("referer", "http://localhost/settings/api-keys");
            form.send("POST", &format!("/fn/{name}"), Some(body)).await.status
        };
        let newest = async || app.store().list_api_keys(app.team).await.unwrap().remove(0);
        let form = |more: &str| format!("name=Shop&preset=send{more}");
        assert_eq!(post(&owner, "create_api_key", form("&asks_owner=true&belongs_to_team=true")).await, 302);
        let key = newest().await;
        assert!(key.belongs_to_team);
        let change = |more: &str| format!("id={}&name=Till&scopes%5B%5D=emails:send{more}", key.id);
        assert_eq!(post(&owner, "update_api_key", change("&asks_owner=true")).await, 302);
        assert!(!newest().await.belongs_to_team);
        assert_eq!(post(&owner, "update_api_key", change("&asks_owner=true&belongs_to_team=true")).await, 302);
        assert!(newest().await.belongs_to_team);
        assert_eq!(post(&owner, "create_api_key", form("&asks_owner=true")).await, 302);
        assert!(!newest().await.belongs_to_team);
        assert_eq!(post(&admin, "create_api_key", form("&belongs_to_team=true")).await, 303);
        assert!(!newest().await.belongs_to_team);
    }

    async fn a_team_that_demands_a_second_factor_demands_it_of_the_makers_of_keys(app: TestApp) {
        let (owner, admin) = (app.user(app.team, Role::Owner).await, app.user(app.team, Role::Admin).await);
        let scopes: PermissionSet = [Permission::LogsView].into_iter().collect();
        let (with, without) = (app.program_bound_to(app.team, owner, scopes).await, app.program_bound_to(app.team, admin, scopes).await);
        let confirmed = format!("UPDATE users SET totp_secret = 'x', totp_confirmed_at = 1 WHERE id = {}", owner.0);
        app.store().try_statement(&confirmed).await.unwrap();
        let rules = TeamRules { demands_two_factor: true, ..TeamRules::default() };
        app.store().update_team(app.team, "Finch", rules, &app.event()).await.unwrap();
        with.get("/api/logs").await.data();
        let said = "This team demands two-factor authentication, which the person who created this key has not set up";
        without.get("/api/logs").await.assert_error(403, "FORBIDDEN", said);
        let seen = with.get("/api/api-keys").await;
        assert_eq!(seen.status, 403);
        let viewer = app.store().find_viewer(app.team, owner).await.unwrap().unwrap();
        let keys = api_keys::list_api_keys(&app.app, &viewer).await.unwrap();
        let held: Vec<_> = keys.iter().map(|key| key.held_back).collect();
        assert_eq!(held, [Some(crate::domain::api_key::HeldBack::MakerLacksTwoFactor), None]);
    }

    async fn a_key_that_only_sends_follows_what_it_sent(app: TestApp) {
        app.add_adapter("Mail").await;
        let (mine, other) = (app.program(&[Permission::EmailsSend]).await, app.program(&[Permission::EmailsSend]).await);
        let body = json!({"to": "a@b.example", "subject": "s", "text": "t"});
        let template = app.add_template("Receipt").await;
        let body = json!({"templateId": template.id, "variables": {"name": "A"}, "to": body["to"]});
        let sent = mine.post("/api/v1/send", body).await.text_of("id");
        let url = format!("/api/v1/{sent}/status");
        mine.get(&url).await.data();
        other.get(&url).await.assert_error(404, "NOT_FOUND", "Email log not found");
        app.program(&[Permission::LogsView]).await.get(&url).await.data();
        app.program(&[Permission::EventsWrite]).await.get(&url).await.assert_error(403, "FORBIDDEN", "Missing permission: logs:view");
    }
}
