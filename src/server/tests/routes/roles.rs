//! `/settings/roles`: the roles that a team makes, and who may change what.

use serde_json::json;

use super::*;
use crate::domain::audit::{AuditAction, AuditEntry, AuditFilter};
use crate::domain::error::AppError;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{GrantEdit, Role, RoleGrants};
use crate::domain::viewer::Viewer;
use crate::server::services::roles::{self, Succession};
use crate::server::services::teams;

fn set(permissions: &[Permission]) -> PermissionSet {
    permissions.iter().copied().collect()
}

fn edit(role: Role, granted: &[Permission], withdrawn: &[Permission]) -> GrantEdit {
    GrantEdit { role, granted: set(granted), withdrawn: set(withdrawn) }
}

async fn grants_of(app: &TestApp, role: Role) -> Option<RoleGrants> {
    app.store().list_role_grants(app.team).await.unwrap().into_iter().find(|grants| grants.role == role)
}

/// An admin who may change roles.
async fn admin_of_roles(app: &TestApp) -> Viewer {
    let permission = Permission::TeamUpdateRole;
    app.set_grant(Role::Admin, permission, true).await;
    app.viewer(Role::Admin).await
}

/// Lines of the audit log about an action, newest first.
async fn audited(app: &TestApp, action: AuditAction) -> Vec<AuditEntry> {
    let filter = AuditFilter { actions: vec![action], ..AuditFilter::default() };
    app.store().list_audit_entries(app.team, &filter, None, 100).await.unwrap()
}

#[track_caller]
fn assert_forbidden<T: std::fmt::Debug>(outcome: Result<T, AppError>, part: &str) {
    let Err(AppError::Forbidden(message)) = &outcome else { panic!("not forbidden: {outcome:?}") };
    assert!(message.contains(part), "{message}");
}

/// A form of the pages, sent by a browser.
async fn submit(client: &Client, function: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let client = client.with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
    client.send("POST", &format!("/fn/{function}"), Some(body)).await
}

fn location(answer: &Answer) -> &str {
    answer.headers.get("location").and_then(|value| value.to_str().ok()).unwrap_or_default()
}

on_both_databases! {
    async fn a_role_of_one_permission_opens_just_that(app: TestApp) {
        let bounced = app.add_message(Message::with_status(crate::domain::email::EmailStatus::Bounced)).await;
        let owner = app.viewer(Role::Owner).await;
        let role = roles::create_role(&app.app, &owner, "Support", "Answers customers", None).await.unwrap();
        roles::edit_grants(&app.app, &owner, &[edit(role, &[Permission::LogsView], &[])]).await.unwrap();
        let support = app.sign_in(role).await;
        assert_eq!(support.get("/api/logs").await.status, 200);
        assert_eq!(support.get("/api/auth/me").await.data()["role"], json!(role));
        let resend = format!("/api/logs/{bounced}/resend");
        support.send("POST", &resend, None).await.assert_error(403, "FORBIDDEN", "Missing permission: logs:resend");
        for (path, permission) in [("/api/templates", "templates:view"), ("/api/adapters", "adapters:view")] {
            support.get(path).await.assert_error(403, "FORBIDDEN", &format!("Missing permission: {permission}"));
        }
        let page = format!("/logs/{bounced}");
        assert!(!support.with("accept", "text/html").get(&page).await.text.contains(">Resend<"));
        roles::edit_grants(&app.app, &owner, &[edit(role, &[Permission::LogsResend], &[])]).await.unwrap();
        assert!(support.with("accept", "text/html").get(&page).await.text.contains(">Resend<"));
    }

    async fn what_is_said_of_a_built_in_role_holds_whatever_it_may_do(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        for granted in [true, false] {
            app.set_grant(Role::Viewer, Permission::TemplatesUpdate, granted).await;
            for path in ["/settings/roles/viewer", "/settings/members"] {
                let page = owner.get(path).await.text;
                assert!(page.contains("Built in, for people who look things up."), "{path}: {page}");
            }
        }
    }

    async fn a_right_that_was_withdrawn_is_said_in_words_with_whom_to_ask(app: TestApp) {
        let bounced = app.add_message(Message::with_status(crate::domain::email::EmailStatus::Bounced)).await;
        app.sign_in(Role::Owner).await;
        let admin = app.sign_in(Role::Admin).await.with("referer", "http://127.0.0.1:3000/logs");
        let all = [
            Permission::LogsResend,
            Permission::LogsExport,
            Permission::AuditView,
            Permission::TemplatesView,
            Permission::TemplatesCreate,
        ];
        for permission in all {
            app.set_grant(Role::Admin, permission, false).await;
        }
        let words = |permission: Permission| format!("Your role cannot {}. Ask owner (owner).", permission.deed());
        let resent = submit(&admin, "resend_email", &[("id", &bounced.to_string())]).await;
        assert_eq!(said(&resent), words(Permission::LogsResend));
        let template = [("name", "A"), ("subject", "B"), ("html", ""), ("text", "C")];
        assert_eq!(said(&submit(&admin, "create_template", &template).await), words(Permission::TemplatesCreate));
        for (path, permission) in [
            ("/logs/export?format=csv", Permission::LogsExport),
            ("/settings/audit/export?format=csv", Permission::AuditView),
            ("/settings/audit", Permission::AuditView),
            ("/templates", Permission::TemplatesView),
        ] {
            let answer = admin.with("accept", "text/html").get(path).await;
            assert_eq!(answer.status, 403, "{path}");
            assert!(answer.text.contains(&words(permission)), "{path}: {}", answer.text);
        }
        let preview = admin.get("/templates/preview?form=template").await;
        assert!(preview.text.contains(&words(Permission::TemplatesView)), "{}", preview.text);
        app.set_grant(Role::Admin, Permission::LogsView, false).await;
        let body = admin.get(&format!("/logs/{bounced}/body")).await;
        assert!(body.text.contains(&words(Permission::LogsView)), "{}", body.text);
        let key = app.program(&[Permission::EmailsSend]).await;
        key.get("/api/logs").await.assert_error(403, "FORBIDDEN", "Missing permission: logs:view");
    }

    async fn boxes_that_are_ticked_at_the_same_time_all_hold(app: TestApp) {
        let owner = app.viewer(Role::Owner).await;
        let role = app.add_role("Support", &[Permission::LogsView]).await;
        let ticked = [Permission::LogsResend, Permission::LogsExport, Permission::TemplatesView];
        let edits = ticked.map(|permission| [edit(role, &[permission], &[])]);
        let saved = futures_util::future::join_all(edits.iter().map(|edit| roles::edit_grants(&app.app, &owner, edit))).await;
        assert_eq!(saved, [Ok(()), Ok(()), Ok(())]);
        let mut all = set(&ticked);
        all.insert(Permission::LogsView);
        assert_eq!(grants_of(&app, role).await.unwrap().permissions, all);
    }

    async fn a_box_that_is_saved_alone_is_said_by_role_and_deed(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        for (fields, said_of_it) in [
            (&[("shown[]", "viewer"), ("grants[]", "viewer logs:resend")][..], "now"),
            (&[("shown[]", "viewer logs:resend")][..], "no longer"),
        ] {
            let answer = submit(&owner, "save_role_grid", fields).await;
            assert_eq!(said(&answer), format!("Viewer can {said_of_it} resend messages that failed or bounced."));
        }
    }

    async fn a_role_is_cloned_named_described_and_deleted_and_the_log_says_so(app: TestApp) {
        let owner = app.viewer(Role::Owner).await;
        let from = Some(Role::Member);
        let role = roles::create_role(&app.app, &owner, " Support ", " Looks ", from).await.unwrap();
        let made = grants_of(&app, role).await.unwrap();
        let cloned = PermissionSet::default_for(Role::Member);
        assert_eq!((made.name.as_str(), made.description.as_str(), made.permissions), ("Support", "Looks", cloned));

        roles::rename_role(&app.app, &owner, role, "Help desk", "Looks").await.unwrap();
        // Nothing changes, and nothing is said.
        roles::rename_role(&app.app, &owner, role, "Help desk ", "Looks").await.unwrap();
        let lines = audited(&app, AuditAction::RoleUpdated).await;
        assert_eq!(lines.len(), 1);
        assert_eq!((&lines[0].before, &lines[0].after), (&Some(json!({"name": "Support"})), &Some(json!({"name": "Help desk"}))));

        assert_eq!(roles::delete_role(&app.app, &owner, role, Role::Viewer).await, Ok(Succession { name: "Help desk".to_owned(), successor: "Viewer".to_owned() }));
        assert_eq!(grants_of(&app, role).await, None);
        let again = roles::delete_role(&app.app, &owner, role, Role::Viewer).await;
        assert_eq!(again, Err(AppError::not_found("Role")));
        let lines = audited(&app, AuditAction::RoleDeleted).await;
        assert_eq!((lines.len(), lines[0].target_name.as_deref()), (1, Some("Help desk")));
    }

    async fn names_of_roles_are_unlike_all_others(app: TestApp) {
        let owner = app.viewer(Role::Owner).await;
        let support = roles::create_role(&app.app, &owner, "Support", "", None).await.unwrap();
        let desk = roles::create_role(&app.app, &owner, "Desk", "", None).await.unwrap();
        for taken in ["SUPPORT", "owner", "Admin"] {
            let made = roles::create_role(&app.app, &owner, taken, "", None).await;
            assert!(matches!(made, Err(AppError::AlreadyExists(_))), "{made:?}");
            let renamed = roles::rename_role(&app.app, &owner, desk, taken, "").await;
            assert!(matches!(renamed, Err(AppError::AlreadyExists(_))), "{renamed:?}");
        }
        roles::rename_role(&app.app, &owner, support, "SUPPORT", "").await.unwrap();
        assert_forbidden(roles::rename_role(&app.app, &owner, Role::Viewer, "Guest", "").await, "built-in");
        let deleted = roles::delete_role(&app.app, &owner, Role::Viewer, Role::Member).await;
        assert_forbidden(deleted, "built-in");
    }

    async fn deleting_a_role_moves_its_members_and_invitations(app: TestApp) {
        let owner = app.viewer(Role::Owner).await;
        let role = app.add_role("Support", &[Permission::LogsView]).await;
        let user = app.user(app.team, role).await;
        teams::invite(&app.app, &owner, "ada@finch.example", role).await.unwrap();
        let found = roles::find_role(&app.app, &owner, role).await.unwrap();
        assert_eq!((found.holders.len(), found.holders[0].user_id, found.invites), (1, user, 1));

        let same = roles::delete_role(&app.app, &owner, role, role).await;
        assert!(matches!(same, Err(AppError::Validation { .. })), "{same:?}");
        assert_forbidden(roles::delete_role(&app.app, &owner, role, Role::Owner).await, "one by one");
        roles::delete_role(&app.app, &owner, role, Role::Member).await.unwrap();
        assert_eq!(app.store().find_role(app.team, user).await, Ok(Some(Role::Member)));
        let invites = teams::list_invites(&app.app, &owner).await.unwrap();
        assert_eq!((invites[0].role, invites[0].role_name.as_str()), (Role::Member, "Member"));
        let line = audited(&app, AuditAction::RoleDeleted).await.remove(0);
        let before = line.before.unwrap();
        assert_eq!((&before["members"][0], &before["invitations"]), (&json!(format!("{role}@finch.example")), &json!(1)));
    }

    async fn nobody_makes_a_role_wider_than_their_own(app: TestApp) {
        let admin = admin_of_roles(&app).await;
        let wide = app.add_role("Wide", &[Permission::TeamDelete]).await;
        let narrow = app.add_role("Narrow", &[Permission::LogsView]).await;
        let (app, admin) = (&app, &admin);
        let cannot = "cannot grant a permission that you do not hold";
        assert_forbidden(roles::create_role(&app.app, admin, "Chief", "", Some(Role::Owner)).await, cannot);
        assert_forbidden(roles::create_role(&app.app, admin, "Chief", "", Some(wide)).await, cannot);
        let wider = edit(narrow, &[Permission::LogsResend, Permission::TeamDelete], &[]);
        assert_forbidden(roles::edit_grants(&app.app, admin, &[wider]).await, cannot);
        assert_eq!(grants_of(app, narrow).await.unwrap().permissions, set(&[Permission::LogsView]));

        let user = app.user(app.team, Role::Viewer).await;
        let more = "may do more than you may";
        assert_forbidden(teams::change_role(&app.app, admin, user, wide).await, more);
        assert_forbidden(teams::invite(&app.app, admin, "ada@finch.example", wide).await, more);
        assert_forbidden(roles::delete_role(&app.app, admin, narrow, wide).await, more);
        let owner = app.viewer(Role::Owner).await;
        let invited = teams::invite(&app.app, &owner, "ada@finch.example", wide).await.unwrap().link.invite.id;
        assert_forbidden(teams::resend_invite(&app.app, admin, invited).await, more);
        let offered = roles::list_roles_to_hand_out(&app.app, admin).await.unwrap();
        let offered: Vec<_> = offered.iter().map(|grants| grants.name.as_str()).collect();
        assert_eq!(offered, ["Admin", "Member", "Viewer", "Narrow"]);

        // What they hold they hand on.
        let granted = edit(narrow, &[Permission::LogsResend], &[]);
        roles::edit_grants(&app.app, admin, &[granted]).await.unwrap();
        teams::change_role(&app.app, admin, user, narrow).await.unwrap();
        assert_eq!(app.store().find_role(app.team, user).await, Ok(Some(narrow)));
    }

    async fn nobody_changes_the_owners_role_or_their_own(app: TestApp) {
        let role = app.add_role("Managers", &[Permission::LogsView, Permission::TeamUpdateRole]).await;
        for (viewer, own) in [(admin_of_roles(&app).await, Role::Admin), (app.viewer(role).await, role)] {
            let own_role = "your own role";
            let withdraw = edit(own, &[], &[Permission::LogsView]);
            assert_forbidden(roles::edit_grants(&app.app, &viewer, &[withdraw]).await, own_role);
            let withdraw = edit(Role::Owner, &[], &[Permission::LogsView]);
            assert_forbidden(roles::edit_grants(&app.app, &viewer, &[withdraw]).await, "Owners hold every");
        }
        let manager = app.viewer(role).await;
        assert_forbidden(roles::delete_role(&app.app, &manager, role, Role::Viewer).await, "your own role");
    }

    async fn only_an_owner_makes_an_owner_even_where_another_role_may_do_everything(app: TestApp) {
        let everything: Vec<Permission> = PermissionSet::all().iter().collect();
        let twin = app.add_role("Twin", &everything).await;
        let twin = app.viewer(twin).await;
        let user = app.user(app.team, Role::Viewer).await;
        assert_forbidden(teams::change_role(&app.app, &twin, user, Role::Owner).await, "Only an owner");
        let owner_id = app.user(app.team, Role::Owner).await;
        assert_forbidden(teams::change_role(&app.app, &twin, owner_id, Role::Viewer).await, "Only an owner");
        let offered = roles::list_roles_to_hand_out(&app.app, &twin).await.unwrap();
        assert!(offered.iter().all(|grants| grants.role != Role::Owner));
        let owner = app.viewer(Role::Owner).await;
        teams::change_role(&app.app, &owner, user, Role::Owner).await.unwrap();
        assert_eq!(app.store().find_role(app.team, user).await, Ok(Some(Role::Owner)));
    }

    async fn the_whole_grid_is_saved_at_once_with_a_line_for_each_role(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let role = app.add_role("Support", &[Permission::LogsView]).await;
        // Made after the grid was shown: it has no boxes there.
        let later = app.add_role("Later", &[Permission::LogsView]).await;
        let (support, resend) = (role.to_string(), format!("{role} logs:resend"));
        let shown = format!("{support} logs:view");
        let answer = submit(&owner, "save_role_grid", &[
            ("shown[]", &shown), ("shown[]", "viewer logs:view"),
            ("grants[]", &resend), ("grants[]", "viewer logs:view"), ("grants[]", "viewer logs:resend"),
        ]).await;
        assert_eq!(answer.status, 302, "{}", answer.text);
        assert_eq!(grants_of(&app, role).await.unwrap().permissions, set(&[Permission::LogsResend]));
        assert_eq!(grants_of(&app, later).await.unwrap().permissions, set(&[Permission::LogsView]));
        // What the grid did not show of a role stays: the others may have changed it.
        let viewer = grants_of(&app, Role::Viewer).await.unwrap().permissions;
        assert!(viewer.contains(Permission::LogsResend) && viewer.contains(Permission::TemplatesView));
        let lines = audited(&app, AuditAction::RoleUpdated).await;
        assert_eq!(lines.len(), 2);
        let line = lines.iter().find(|line| line.target == Some(support.clone())).unwrap();
        assert_eq!(
            (&line.before, &line.after),
            (&Some(json!({"permissions": ["logs:view"]})), &Some(json!({"permissions": ["logs:resend"]})))
        );
    }

    async fn a_grid_with_one_refused_box_changes_nothing(app: TestApp) {
        let admin = admin_of_roles(&app).await;
        let before = grants_of(&app, Role::Viewer).await.unwrap().permissions;
        let edits = [
            edit(Role::Viewer, &[Permission::LogsResend], &[]),
            edit(Role::Member, &[Permission::TeamDelete], &[]),
        ];
        assert!(roles::edit_grants(&app.app, &admin, &edits).await.is_err());
        assert_eq!(grants_of(&app, Role::Viewer).await.unwrap().permissions, before);
        assert!(audited(&app, AuditAction::RoleUpdated).await.is_empty());
    }

    async fn a_roles_page_says_who_holds_it_and_where_they_go(app: TestApp) {
        let role = app.add_role("Support", &[Permission::LogsView]).await;
        app.user(app.team, role).await;
        let owner = app.sign_in(Role::Owner).await.with("accept", "text/html");
        let page = owner.get(&format!("/settings/roles/{role}")).await;
        assert_eq!(page.status, 200);
        for words in [&format!("{role}@finch.example"), "Delete the role", "name=\"successor\"", "logs:view"] {
            assert!(page.text.contains(words), "no {words}");
        }
        let member = app.sign_in(Role::Member).await.with("accept", "text/html");
        let page = member.get(&format!("/settings/roles/{role}")).await;
        assert_eq!(page.status, 200);
        assert!(page.text.contains(&format!("{role}@finch.example")) && !page.text.contains("Delete the role"));
        for nowhere in ["/settings/roles/king", "/settings/roles/rol_0000000000001"] {
            assert_eq!(owner.get(nowhere).await.status, 404, "{nowhere}");
        }
        let stranger = app.sign_in_elsewhere().await.with("accept", "text/html");
        assert_eq!(stranger.get(&format!("/settings/roles/{role}")).await.status, 404);
    }

    async fn the_forms_lead_on_and_keep_what_was_refused(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let answer = submit(&owner, "create_role", &[("name", "Support"), ("from", "viewer")]).await;
        assert!(location(&answer).starts_with("/settings/roles/rol_"), "{answer:?}");
        let role = location(&answer).rsplit('/').next().unwrap().to_owned();
        let refused = submit(&owner, "create_role", &[("name", "support"), ("description", "Twice"), ("from", "")]).await;
        let page = owner.with_cookies_of(&refused).with("accept", "text/html").get("/settings/roles").await.text;
        assert!(page.contains("value=\"Twice\""));
        let answer = submit(&owner, "delete_role", &[("role", &role), ("successor", "viewer")]).await;
        assert_eq!(location(&answer), "/settings/roles");
        assert_eq!(grants_of(&app, role.parse().unwrap()).await, None);
    }

    async fn who_lacks_the_second_factor_sees_no_roles_and_no_members(app: TestApp) {
        app.store().try_statement("UPDATE teams SET demands_two_factor = TRUE").await.unwrap();
        let viewer = app.viewer(Role::Viewer).await;
        let lacking = || AppError::LacksTwoFactor;
        assert_eq!(roles::list_role_grants(&app.app, &viewer).await, Err(lacking()));
        assert_eq!(roles::find_role(&app.app, &viewer, Role::Owner).await.unwrap_err(), lacking());
        assert_eq!(teams::list_members(&app.app, &viewer).await, Err(lacking()));
        assert_eq!(teams::find_team(&app.app, &viewer).await, Err(lacking()));
        assert_eq!(teams::list_without_two_factor(&app.app, &viewer).await, Err(lacking()));
    }
}
