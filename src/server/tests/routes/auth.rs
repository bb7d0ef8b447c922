//! `/api/auth/…`.

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::domain::ids::TeamId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;
use crate::server::services::{accounts, teams};

async fn log_in(client: &Client, email: &str, password: &str) -> Answer {
    client.post("/api/auth/login", json!({"email": email, "password": password})).await
}

/// The client with the session that an answer gave it.
fn with_session(client: &Client, answer: &Answer) -> Client {
    let cookie = answer.headers["set-cookie"].to_str().unwrap();
    client.with("cookie", cookie.split(';').next().unwrap())
}

on_both_databases! {
    async fn a_log_in_gives_a_session(app: TestApp) {
        app.user(app.team, Role::Admin).await;
        let visitor = app.client();
        let answer = log_in(&visitor, " Admin@Finch.Example ", PASSWORD).await;
        let cookie = answer.headers["set-cookie"].to_str().unwrap();
        assert!(
            cookie.starts_with("session=") && cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
            "{cookie}"
        );
        assert!(cookie.contains("Max-Age=2592000") && !cookie.contains("Secure"), "{cookie}");
        let data = answer.data();
        assert_eq!((&data["user"]["email"], &data["role"]), (&json!("admin@finch.example"), &json!("admin")));
        let person = with_session(&visitor, &answer);
        assert_eq!(person.get("/api/auth/me").await.data(), data);
        person.get("/api/logs").await.data();
    }

    async fn a_log_in_changes_the_sessions_id(app: TestApp) {
        app.user(app.team, Role::Viewer).await;
        let planted = app.sign_in(Role::Admin).await;
        let answer = log_in(&planted, "viewer@finch.example", PASSWORD).await;
        answer.data();
        planted.get("/api/logs").await.assert_error(401, "INVALID_TOKEN", "Invalid or expired session");
        assert_eq!(with_session(&planted, &answer).get("/api/auth/me").await.data()["role"], "viewer");
    }

    async fn a_wrong_password_and_an_unknown_account_are_answered_alike(app: TestApp) {
        app.user(app.team, Role::Viewer).await;
        for email in ["viewer@finch.example", "nobody@finch.example"] {
            let answer = log_in(&app.client(), email, "wrong password").await;
            answer.assert_error(401, "UNAUTHORIZED", "Email address or password is wrong");
            assert!(!answer.headers.contains_key("set-cookie"));
        }
    }

    async fn five_wrong_log_ins_are_the_limit_of_15_minutes(app: TestApp) {
        app.user(app.team, Role::Viewer).await;
        let visitor = app.client();
        for _ in 0..5 {
            assert_eq!(log_in(&visitor, "viewer@finch.example", "wrong password").await.status, 401);
        }
        app.advance(TimeDelta::minutes(5));
        // From another address, in other letters, with the right password: the account is what counts.
        let answer = log_in(&visitor.at_address(2), "VIEWER@finch.example", PASSWORD).await;
        answer.assert_error(429, "RATE_LIMITED", "Too many attempts. Try again in 10 minutes.");
        assert_eq!(answer.headers["retry-after"], "600");
        app.advance(TimeDelta::minutes(10));
        log_in(&visitor, "viewer@finch.example", PASSWORD).await.data();
    }

    async fn a_right_log_in_forgets_the_wrong_ones(app: TestApp) {
        app.user(app.team, Role::Viewer).await;
        let visitor = app.client();
        for _ in 0..2 {
            for _ in 0..4 {
                assert_eq!(log_in(&visitor, "viewer@finch.example", "wrong password").await.status, 401);
            }
            log_in(&visitor, "viewer@finch.example", PASSWORD).await.data();
        }
    }

    async fn a_log_out_ends_the_session(app: TestApp) {
        let person = app.sign_in(Role::Viewer).await;
        person.send("POST", "/api/auth/logout", None).await.data();
        person.get("/api/auth/me").await.assert_error(401, "INVALID_TOKEN", "Invalid or expired session");
        app.client().send("POST", "/api/auth/logout", None).await.data();
    }

    async fn me_tells_what_the_role_may_do(app: TestApp) {
        let data = app.sign_in(Role::Viewer).await.get("/api/auth/me").await.data();
        assert_eq!(data["permissions"], json!(["logs:view", "templates:view", "adapters:view", "webhooks:view", "suppressions:view"]));
        assert_eq!(data["teamId"], json!(app.team));
        assert_eq!(data["teams"], json!([{"id": app.team, "slug": "finch", "name": "Finch", "role": "viewer"}]));
        app.client().get("/api/auth/me").await.assert_error(401, "UNAUTHORIZED", "No session found");
        let program = app.program(&[Permission::LogsView]).await;
        assert_eq!(program.get("/api/auth/me").await.status, 403);
    }

    async fn somebody_without_a_team_is_logged_in_all_the_same(app: TestApp) {
        let user = app.add_user("new@finch.example").await;
        let lonely = app.browser_of(user, None).await;
        let data = lonely.get("/api/auth/me").await.data();
        assert!(data["teamId"].is_null() && data["role"].is_null());
        assert_eq!((&data["teams"], &data["permissions"]), (&json!([]), &json!([])));
        let team = lonely.post("/api/teams", json!({"name": "New"})).await.text_of("id");
        assert_eq!(lonely.get("/api/auth/me").await.data()["teamId"], json!(team));
    }

    async fn a_person_switches_between_their_own_teams(app: TestApp) {
        let user = app.user(app.team, Role::Viewer).await;
        let own = teams::create_team(&app.app, user, "Side project").await.unwrap();
        let person = app.sign_in(Role::Viewer).await;
        app.add_message(Message::default()).await;
        assert_eq!(person.get("/api/logs").await.data()["total"], 1);
        let data = person.post("/api/auth/switch-team", json!({"teamId": own.id})).await.data();
        assert_eq!((&data["teamId"], &data["role"]), (&json!(own.id), &json!("owner")));
        assert_eq!(person.get("/api/logs").await.data()["total"], 0);
        let nobodys = app.id_at::<TeamId>(app.now());
        for team in [app.other_team.to_string(), nobodys.to_string(), "finch".to_owned()] {
            let answer = person.post("/api/auth/switch-team", json!({"teamId": team})).await;
            answer.assert_error(404, "NOT_FOUND", "Team not found");
        }
    }

    async fn somebody_removed_from_a_team_sees_another_of_theirs(app: TestApp) {
        let user = app.user(app.team, Role::Viewer).await;
        let person = app.sign_in(Role::Viewer).await;
        let own = teams::create_team(&app.app, user, "Side project").await.unwrap();
        let elsewhere = app.browser_of(user, Some(own.id)).await;
        app.store().delete_membership(app.team, user, None, app.now(), &app.event()).await.unwrap();
        person.get("/api/logs").await.assert_error(401, "INVALID_TOKEN", "Invalid or expired session");
        assert_eq!(elsewhere.get("/api/auth/me").await.data()["teamId"], json!(own.id));
    }

    async fn registration_is_by_invitation(app: TestApp) {
        let visitor = app.client();
        let answer =
            visitor.post("/api/auth/register", json!({"email": "eve@evil.example", "password": PASSWORD})).await;
        assert_eq!((answer.status, answer.json()["error"]["code"].as_str()), (403, Some("FORBIDDEN")));
        assert!(answer.text.contains("Registration is by invitation"), "{}", answer.text);
    }

    async fn an_invited_person_registers_and_is_logged_in(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        let invited = admin
            .post(&format!("/api/teams/{}/invite", app.team), json!({"email": "ada@finch.example", "role": "member"}))
            .await;
        let url = invited.text_of("inviteUrl");
        let token = url.rsplit('/').next().unwrap();
        let register = |email: Option<&'static str>| {
            let body = json!({"inviteToken": token, "email": email, "name": "Ada", "password": PASSWORD});
            let visitor = app.client();
            async move { visitor.post("/api/auth/register", body).await }
        };
        let wrong = register(Some("eve@evil.example")).await;
        wrong.assert_error(403, "FORBIDDEN", "This invitation is for another email address");
        let answer = register(None).await;
        assert_eq!(answer.status, 201);
        assert_eq!((&answer.data()["role"], &answer.data()["user"]["name"]), (&json!("member"), &json!("Ada")));
        with_session(&app.client(), &answer).get("/api/logs").await.data();
        register(None).await.assert_error(404, "NOT_FOUND", "Invitation not found");
    }

    async fn three_registrations_an_hour_are_the_limit(app: TestApp) {
        let visitor = app.client();
        let body = json!({"inviteToken": "guess", "password": PASSWORD});
        for _ in 0..3 {
            assert_eq!(visitor.post("/api/auth/register", body.clone()).await.status, 404);
        }
        let answer = visitor.post("/api/auth/register", body.clone()).await;
        answer.assert_error(429, "RATE_LIMITED", "Too many attempts. Try again in 60 minutes.");
        assert_eq!(answer.headers["retry-after"], "3600");
        assert_eq!(visitor.at_address(2).post("/api/auth/register", body).await.status, 404);
    }

    async fn the_setup_link_makes_the_first_owner_once(app: TestApp) {
        let visitor = app.client();
        assert_eq!(visitor.get("/api/auth/setup-status").await.data(), json!({"needsSetup": true}));
        let token = accounts::create_setup_token(&app.app).await.unwrap().unwrap();
        let register = |token: String| {
            let body = json!({
                "setupToken": token, "email": "ada@finch.example", "name": "Ada", "password": PASSWORD, "teamName": "Owls",
            });
            let visitor = app.client();
            async move { visitor.post("/api/auth/register", body).await }
        };
        assert_eq!(register("guess".to_owned()).await.status, 403);
        let answer = register(token.clone()).await;
        assert_eq!((answer.status, &answer.data()["role"]), (201, &json!("owner")));
        assert_eq!(register(token).await.status, 403);
        assert_eq!(visitor.get("/api/auth/setup-status").await.data(), json!({"needsSetup": false}));
    }

    async fn a_short_password_is_refused(app: TestApp) {
        let token = accounts::create_setup_token(&app.app).await.unwrap().unwrap();
        let body =
            json!({"setupToken": token, "email": "a@b.example", "name": "A", "password": "short", "teamName": "T"});
        app.client().post("/api/auth/register", body).await.assert_invalid("password");
    }
}
