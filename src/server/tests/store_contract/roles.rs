//! Roles, invitations and members that change at the same time.

use chrono::TimeDelta;

use super::*;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, RoleId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{Invite, Role};
use crate::server::store::roles::{GrantChange, MAX_CUSTOM_ROLES, NewRole};
use crate::server::store::teams::{NewInvite, NewMembership};

fn new_role(app: &TestApp, name: &str) -> NewRole {
    NewRole {
        id: app.id_at::<RoleId>(app.now()),
        name: name.to_owned(),
        description: String::new(),
        permissions: PermissionSet::default(),
        created_at: app.now(),
    }
}

fn invite_to(app: &TestApp, role: Role) -> NewInvite {
    let invite = Invite {
        id: app.id_at(app.now()),
        email: "ada@finch.example".to_owned(),
        role,
        role_name: String::new(),
        created_at: app.now(),
        expires_at: app.now() + TimeDelta::days(7),
    };
    NewInvite { invite, token_hash: "hash-1".to_owned(), invited_by: None }
}

on_both_databases! {
    async fn what_is_no_permission_any_more_is_read_and_counts_for_nothing(app: TestApp) {
        let (store, logs_view) = (app.store(), PermissionSet::from_iter([Permission::LogsView]));
        let made = crate::server::services::api_keys::create_key_of(&app.app, app.team, None, "Old", logs_view);
        let key = made.await.unwrap().key.id;
        let (team, scopes) = (app.team.0, r#"["logs:view","alerts:manage"]"#);
        for statement in [
            format!("INSERT INTO role_permissions (team_id, role, permission) VALUES ({team}, 'viewer', 'alerts:manage')"),
            format!("UPDATE api_keys SET scopes = '{scopes}' WHERE team_id = {team} AND id = {}", key.0),
        ] {
            store.try_statement(&statement).await.unwrap();
        }
        let granted = async || {
            let roles = store.list_role_grants(app.team).await.unwrap();
            roles.into_iter().find(|grants| grants.role == Role::Viewer).unwrap().permissions
        };
        let before = PermissionSet::default_for(Role::Viewer);
        assert_eq!(granted().await, before);
        assert_eq!(store.find_api_key(app.team, key).await.unwrap().unwrap().scopes, logs_view);
        let mut permissions = before;
        permissions.insert(Permission::LogsExport);
        let change = GrantChange { role: Role::Viewer, before, permissions, event: app.event() };
        store.update_role_grants(app.team, &[change]).await.unwrap();
        assert_eq!(granted().await, permissions);
    }

    async fn a_renewed_invitation_opens_by_its_new_token_alone(app: TestApp) {
        let store = app.store();
        let new = invite_to(&app, Role::Member);
        store.insert_invite(app.team, &new, &app.event()).await.unwrap();
        let (id, end) = (new.invite.id, app.now() + TimeDelta::days(9));
        assert_eq!(store.renew_invite(app.other_team, id, "hash-2", end, &app.event()).await, Ok(false));
        assert_eq!(store.renew_invite(app.team, InviteId(7), "hash-2", end, &app.event()).await, Ok(false));
        assert!(store.find_invite("hash-1", app.now()).await.unwrap().is_some());
        assert_eq!(store.renew_invite(app.team, id, "hash-2", end, &app.event()).await, Ok(true));
        assert!(store.find_invite("hash-1", app.now()).await.unwrap().is_none());
        let found = store.find_invite("hash-2", app.now()).await.unwrap().unwrap().invite;
        assert_eq!((found.id, found.expires_at, found.created_at), (id, end, new.invite.created_at));
    }

    async fn members_with_a_password_and_no_second_factor_are_told_apart(app: TestApp) {
        let (with, without) = (app.user(app.team, Role::Owner).await, app.user(app.team, Role::Viewer).await);
        let external = app.user(app.team, Role::Member).await;
        app.user(app.other_team, Role::Owner).await;
        for (change, user) in [("totp_confirmed_at = 1", with), ("password_hash = ''", external)] {
            let statement = format!("UPDATE users SET {change} WHERE id = {}", user.0);
            app.store().try_statement(&statement).await.unwrap();
        }
        assert_eq!(app.store().list_without_two_factor(app.team).await, Ok(vec![without]));
    }

    async fn a_role_that_is_gone_is_given_to_nobody(app: TestApp) {
        let store = app.store();
        let (gone, theirs) = (Role::Custom(RoleId(7)), new_role(&app, "Theirs"));
        store.insert_role(app.other_team, &theirs, &app.event()).await.unwrap();
        let user = app.user(app.team, Role::Viewer).await;
        let ada = app.add_user("ada@finch.example").await;
        let own = new_role(&app, "Own");
        store.insert_role(app.team, &own, &app.event()).await.unwrap();
        for role in [gone, Role::Custom(theirs.id)] {
            let joining = NewMembership { user_id: ada, role, at: app.now(), follows_groups: false };
            let none = PermissionSet::default();
            let change = GrantChange { role, before: none, permissions: none, event: app.event() };
            for outcome in [
                store.update_member_role(app.team, user, role, &app.event()).await.map(drop),
                store.insert_membership(app.team, &joining, &app.event()).await.map(drop),
                store.insert_invite(app.team, &invite_to(&app, role), &app.event()).await,
                store.update_role_grants(app.team, &[change]).await,
                store.delete_role(app.team, own.id, role, &app.event()).await.map(drop),
            ] {
                assert!(matches!(outcome, Err(AppError::Conflict(_))), "{outcome:?}");
            }
        }
        assert_eq!(store.find_role(app.team, user).await, Ok(Some(Role::Viewer)));
        let names: Vec<_> = store.list_role_grants(app.team).await.unwrap().into_iter().map(|role| role.name).collect();
        assert_eq!(names.last().map(String::as_str), Some("Own"));
    }

    async fn roles_that_are_deleted_for_each_other_leave_nobody_without_one(app: TestApp) {
        let store = app.store();
        for round in 0..5 {
            let (one, other) = (new_role(&app, &format!("One {round}")), new_role(&app, &format!("Other {round}")));
            for role in [&one, &other] {
                store.insert_role(app.team, role, &app.event()).await.unwrap();
                app.user(app.team, Role::Custom(role.id)).await;
            }
            let (first_event, second_event) = (app.event(), app.event());
            let (first, second) = tokio::join!(
                store.delete_role(app.team, one.id, Role::Custom(other.id), &first_event),
                store.delete_role(app.team, other.id, Role::Custom(one.id), &second_event),
            );
            assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
            let roles: Vec<Role> =
                store.list_role_grants(app.team).await.unwrap().into_iter().map(|role| role.role).collect();
            let members = store.list_members(app.team).await.unwrap();
            assert!(members.iter().all(|member| roles.contains(&member.role)), "{members:?}");
        }
    }

    async fn a_role_is_deleted_once_by_whoever_comes_first(app: TestApp) {
        let role = new_role(&app, "Support");
        app.store().insert_role(app.team, &role, &app.event()).await.unwrap();
        let (first_event, second_event) = (app.event(), app.event());
        let (first, second) = tokio::join!(
            app.store().delete_role(app.team, role.id, Role::Viewer, &first_event),
            app.store().delete_role(app.team, role.id, Role::Member, &second_event),
        );
        let mut outcomes = [first.unwrap(), second.unwrap()];
        outcomes.sort_unstable();
        assert_eq!(outcomes, [false, true]);
    }

    async fn an_invitation_whose_role_was_deleted_grants_the_one_in_its_place(app: TestApp) {
        let store = app.store();
        let role = new_role(&app, "Support");
        store.insert_role(app.team, &role, &app.event()).await.unwrap();
        let new = invite_to(&app, Role::Custom(role.id));
        store.insert_invite(app.team, &new, &app.event()).await.unwrap();
        let ada = app.add_user("ada@finch.example").await;
        // Read before the role was deleted, accepted after.
        let joining =
            NewMembership { user_id: ada, role: Role::Custom(role.id), at: app.now(), follows_groups: false };
        assert_eq!(store.delete_role(app.team, role.id, Role::Viewer, &app.event()).await, Ok(true));
        assert_eq!(store.list_invites(app.team, app.now()).await.unwrap()[0].role, Role::Viewer);
        assert_eq!(store.accept_invite(app.team, new.invite.id, &joining, &app.event()).await, Ok(true));
        assert_eq!(store.find_role(app.team, ada).await, Ok(Some(Role::Viewer)));
    }

    async fn a_team_has_so_many_roles_and_no_more(app: TestApp) {
        let store = app.store();
        for number in 0..MAX_CUSTOM_ROLES {
            let role = new_role(&app, &format!("Role {number}"));
            store.insert_role(app.team, &role, &app.event()).await.unwrap();
        }
        let refused = store.insert_role(app.team, &new_role(&app, "One more"), &app.event()).await;
        assert!(matches!(refused, Err(AppError::Conflict(_))), "{refused:?}");
        assert_eq!(store.insert_role(app.other_team, &new_role(&app, "First"), &app.event()).await, Ok(()));
    }

    async fn changes_of_grants_are_made_from_what_is_there_all_or_none(app: TestApp) {
        let store = app.store();
        let grants = async |role| {
            let roles = store.list_role_grants(app.team).await.unwrap();
            roles.into_iter().find(|grants| grants.role == role).unwrap().permissions
        };
        let (member, viewer) = (grants(Role::Member).await, grants(Role::Viewer).await);
        let none = PermissionSet::default();
        let change = |role, before| GrantChange { role, before, permissions: none, event: app.event() };
        let stale = [change(Role::Member, member), change(Role::Viewer, none)];
        let refused = store.update_role_grants(app.team, &stale).await;
        assert!(matches!(refused, Err(AppError::Conflict(_))), "{refused:?}");
        assert_eq!((grants(Role::Member).await, grants(Role::Viewer).await), (member, viewer));
        let fresh = [change(Role::Member, member), change(Role::Viewer, viewer)];
        assert_eq!(store.update_role_grants(app.team, &fresh).await, Ok(()));
        assert_eq!((grants(Role::Member).await, grants(Role::Viewer).await), (none, none));
    }
}
