//! `/api/teams/…`.

mod invitations;

use std::net::SocketAddr;

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::domain::adapter::AdapterKind;
use crate::domain::audit::{AuditAction, AuditFilter};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::server::demo::sink::Sink;
use crate::server::services::adapters::{self, GivenAddress, NewAdapter};
use crate::server::services::mail::SystemMailOutcome;
use crate::server::services::{api_keys, teams};

fn path(team: TeamId, rest: &str) -> String {
    format!("/api/teams/{team}{rest}")
}

/// A mail server that Finch sends by.
async fn add_sink(app: &TestApp) -> Sink {
    let sink = Sink::start(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
    let new = NewAdapter {
        name: "Mail".to_owned(),
        kind: AdapterKind::Smtp,
        address: GivenAddress::Url(sink.url()),
        from_address: "Finch <noreply@finch.example>".to_owned(),
        is_default: true,
    };
    adapters::create_adapter_of(&app.app, app.team, new).await.unwrap();
    sink
}

/// The text of the newest letter, its lines put together again.
fn newest_letter(sink: &Sink) -> String {
    let raw = String::from_utf8(sink.messages().pop().unwrap().raw).unwrap();
    raw.replace("=\r\n", "").replace("=3D", "=").replace("\r\n", "\n")
}

/// The path of the link in a text.
fn link_in(text: &str) -> String {
    let (_, rest) = text.split_once("http://127.0.0.1:3000").unwrap();
    rest.split_whitespace().next().unwrap().to_owned()
}

async fn page_status(app: &TestApp, path: &str) -> u16 {
    app.client().with("accept", "text/html").get(path).await.status
}

/// Gives an account a second factor.
async fn set_up_two_factor(app: &TestApp, user: UserId) {
    let statement = format!("UPDATE users SET totp_confirmed_at = 1 WHERE id = {}", user.0);
    app.store().try_statement(&statement).await.unwrap();
}

async fn token_for(app: &TestApp, email: &str, role: &str) -> String {
    let admin = app.sign_in(Role::Admin).await;
    let answer = admin.post(&path(app.team, "/invite"), json!({"email": email, "role": role})).await;
    answer.text_of("inviteUrl").rsplit('/').next().unwrap().to_owned()
}

on_both_databases! {
    async fn every_member_sees_the_team_and_its_members(app: TestApp) {
        let owner = app.user(app.team, Role::Owner).await;
        let viewer = app.sign_in(Role::Viewer).await;
        let data = viewer.get(&path(app.team, "")).await.data();
        assert_eq!(
            data,
            json!({
                "id": app.team, "slug": "finch", "name": "Finch", "createdAt": "2024-01-20T12:00:00.000Z",
                "demandsTwoFactor": false, "masksAddresses": false, "revealsWithReason": false,
            })
        );
        let members = viewer.get(&path(app.team, "/members")).await.data();
        assert_eq!(
            members[0],
            json!({
                "userId": owner, "email": "owner@finch.example", "name": "owner", "role": "owner",
                "joinedAt": "2024-01-20T12:00:00.000Z",
            })
        );
        assert_eq!(members.as_array().map(Vec::len), Some(2));
    }

    async fn other_teams_are_not_found(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let key = app.program_of(app.team, PermissionSet::all()).await;
        let nobodys = app.id_at::<TeamId>(app.now());
        for client in [owner, key] {
            for team in [app.other_team.to_string(), nobodys.to_string(), "wren".to_owned()] {
                let base = format!("/api/teams/{team}");
                let user = app.user(app.other_team, Role::Owner).await;
                for (method, path, body) in [
                    ("GET", base.clone(), None),
                    ("PUT", base.clone(), Some(json!({"name": "Ours"}))),
                    ("DELETE", base.clone(), None),
                    ("GET", format!("{base}/members"), None),
                    ("GET", format!("{base}/invites"), None),
                    ("POST", format!("{base}/invite"), Some(json!({"email": "a@b.example", "role": "viewer"}))),
                    ("DELETE", format!("{base}/invites/inv_1"), None),
                    ("POST", format!("{base}/invites/inv_1/resend"), None),
                    ("PUT", format!("{base}/members/{user}"), Some(json!({"role": "viewer"}))),
                    ("DELETE", format!("{base}/members/{user}"), None),
                ] {
                    let answer = client.send(method, &path, body.map(|body| body.to_string())).await;
                    answer.assert_error(404, "NOT_FOUND", "Team not found");
                }
            }
        }
    }

    async fn a_team_that_is_not_selected_is_reached_by_its_id(app: TestApp) {
        let owner = app.sign_in(Role::Viewer).await;
        let own = owner.post("/api/teams", json!({"name": "Side project"})).await;
        assert_eq!((own.status, own.text_of("slug")), (201, "side-project".to_owned()));
        let own_path = format!("/api/teams/{}", own.text_of("id"));
        assert_eq!(owner.put(&own_path, json!({"name": "Owls"})).await.data()["name"], "Owls");
        // The role in the one team says nothing about the other.
        owner.put(&path(app.team, ""), json!({"name": "Mine"})).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: team:update",
        );
        owner.delete(&own_path).await.data();
        owner.get(&own_path).await.assert_error(404, "NOT_FOUND", "Team not found");
    }

    async fn names_are_one_short_line(app: TestApp) {
        let admin = app.sign_in(Role::Admin).await;
        for name in ["", "  ", "a\nb", &"x".repeat(101)] {
            admin.put(&path(app.team, ""), json!({"name": name})).await.assert_invalid("name");
            admin.post("/api/teams", json!({"name": name})).await.assert_invalid("name");
        }
        let program = app.program(&[Permission::TeamUpdate]).await;
        assert_eq!(program.post("/api/teams", json!({"name": "Bots"})).await.status, 403);
    }

    async fn only_an_owner_deletes_the_team(app: TestApp) {
        app.add_message(Message::default()).await;
        let admin = app.sign_in(Role::Admin).await;
        admin.delete(&path(app.team, "")).await.assert_error(403, "FORBIDDEN", "Missing permission: team:delete");
        let owner = app.sign_in(Role::Owner).await;
        assert_eq!(owner.delete(&path(app.team, "")).await.data(), json!({"id": app.team}));
        admin.get("/api/logs").await.assert_error(403, "FORBIDDEN", "No team selected");
    }

    async fn an_invitation_is_listed_accepted_once_and_gone(app: TestApp) {
        let token = token_for(&app, "Ada@finch.example", "member").await;
        let admin = app.sign_in(Role::Admin).await;
        let invites = admin.get(&path(app.team, "/invites")).await;
        let data = invites.data();
        assert_eq!((&data[0]["email"], &data[0]["role"]), (&json!("Ada@finch.example"), &json!("member")));
        assert_eq!(data[0]["expiresAt"], "2024-01-27T12:00:00.000Z");
        assert!(!invites.text.contains(&token) && data[0].get("inviteUrl").is_none());

        let ada = app.add_user("ada@FINCH.example").await;
        let ada = app.browser_of(ada, None).await;
        let accept = format!("/api/teams/accept-invite/{token}");
        app.client().send("POST", &accept, None).await.assert_error(401, "UNAUTHORIZED", "No session found");
        let other = app.sign_in_elsewhere().await;
        other.send("POST", &accept, None).await.assert_error(
            403,
            "FORBIDDEN",
            "This invitation is for another email address",
        );
        assert_eq!(ada.send("POST", &accept, None).await.data()["id"], json!(app.team));
        assert_eq!(ada.get("/api/auth/me").await.data()["role"], "member");
        ada.send("POST", &accept, None).await.assert_error(404, "NOT_FOUND", "Invitation not found");
        assert_eq!(admin.get(&path(app.team, "/invites")).await.data(), json!([]));
    }

    async fn an_invitation_lasts_seven_days(app: TestApp) {
        let token = token_for(&app, "ada@finch.example", "member").await;
        app.advance(TimeDelta::days(7));
        let ada = app.add_user("ada@finch.example").await;
        let ada = app.browser_of(ada, None).await;
        let answer = ada.send("POST", &format!("/api/teams/accept-invite/{token}"), None).await;
        answer.assert_error(404, "NOT_FOUND", "Invitation not found");
    }

    async fn an_invitation_is_taken_back(app: TestApp) {
        token_for(&app, "ada@finch.example", "member").await;
        let admin = app.sign_in(Role::Admin).await;
        let id = admin.get(&path(app.team, "/invites")).await.data()[0]["id"].as_str().unwrap().to_owned();
        let invite = path(app.team, &format!("/invites/{id}"));
        app.sign_in(Role::Viewer).await.delete(&invite).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: team:invite",
        );
        admin.delete(&invite).await.data();
        admin.delete(&invite).await.assert_error(404, "NOT_FOUND", "Invitation not found");
    }

    async fn nobody_invites_an_owner_a_member_or_nonsense(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let invite = path(app.team, "/invite");
        assert_eq!(owner.post(&invite, json!({"email": "ada@finch.example", "role": "owner"})).await.status, 403);
        owner.post(&invite, json!({"email": "ada", "role": "viewer"})).await.assert_invalid("email");
        owner.post(&invite, json!({"email": "ada@finch.example", "role": "king"})).await.assert_invalid("role");
        let member = owner.post(&invite, json!({"email": "OWNER@finch.example", "role": "viewer"})).await;
        member.assert_error(409, "ALREADY_EXISTS", "OWNER@finch.example is a member already");
        let viewer = app.sign_in(Role::Viewer).await;
        viewer.post(&invite, json!({"email": "ada@finch.example", "role": "viewer"})).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: team:invite",
        );
    }

    async fn an_owner_changes_a_members_role(app: TestApp) {
        let user = app.user(app.team, Role::Viewer).await;
        let viewer = app.sign_in(Role::Viewer).await;
        let owner = app.sign_in(Role::Owner).await;
        let member = path(app.team, &format!("/members/{user}"));
        assert_eq!(owner.put(&member, json!({"role": "admin"})).await.data(), json!({"userId": user, "role": "admin"}));
        assert_eq!(viewer.get("/api/auth/me").await.data()["role"], "admin");
    }

    async fn nobody_changes_their_own_role_or_removes_themselves_or_an_owner(app: TestApp) {
        let owner_id = app.user(app.team, Role::Owner).await;
        let admin_id = app.user(app.team, Role::Admin).await;
        let (owner, admin) = (app.sign_in(Role::Owner).await, app.sign_in(Role::Admin).await);
        let member = |user: UserId| path(app.team, &format!("/members/{user}"));
        owner.put(&member(owner_id), json!({"role": "viewer"})).await.assert_error(
            403,
            "FORBIDDEN",
            "You cannot change your own role",
        );
        admin.put(&member(admin_id), json!({"role": "owner"})).await.assert_error(
            403,
            "FORBIDDEN",
            "Missing permission: team:update-role",
        );
        admin.delete(&member(admin_id)).await.assert_error(403, "FORBIDDEN", "You cannot remove yourself");
        admin.delete(&member(owner_id)).await.assert_error(403, "FORBIDDEN", "An owner cannot be removed");
    }

    async fn a_removed_member_sees_nothing_more(app: TestApp) {
        let user = app.user(app.team, Role::Viewer).await;
        let viewer = app.sign_in(Role::Viewer).await;
        let admin = app.sign_in(Role::Admin).await;
        let member = path(app.team, &format!("/members/{user}"));
        assert_eq!(admin.delete(&member).await.data(), json!({"id": user}));
        viewer.get("/api/logs").await.assert_error(401, "INVALID_TOKEN", "Invalid or expired session");
        admin.delete(&member).await.assert_error(404, "NOT_FOUND", "Member not found");
        admin.delete(&path(app.team, "/members/nobody")).await.assert_error(404, "NOT_FOUND", "Member not found");
    }

    async fn a_key_with_the_scope_changes_no_owner(app: TestApp) {
        let owner_id = app.user(app.team, Role::Owner).await;
        let key = app.program_of(app.team, PermissionSet::all()).await;
        let owner = path(app.team, &format!("/members/{owner_id}"));
        assert_eq!(key.put(&owner, json!({"role": "viewer"})).await.status, 403);
        assert_eq!(key.delete(&owner).await.status, 403);
    }
}
