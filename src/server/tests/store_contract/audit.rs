//! The audit log: it only grows, and shows what was done to it; the roles that a team makes.

use chrono::TimeDelta;
use serde_json::json;

use super::*;
use crate::domain::audit::{ActorKind, AuditAction, AuditActor, AuditFilter};
use crate::domain::error::AppError;
use crate::domain::filter::TimeRange;
use crate::domain::ids::{RoleId, TeamId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::server::store::audit::{AuditEvent, AuditVerdict};
use crate::server::store::roles::{GrantChange, NewRole};
use crate::server::store::teams::NewMembership;

/// A line about a reveal by `name`.
fn reveal(app: &TestApp, name: &str) -> AuditEvent {
    AuditEvent {
        id: app.id_at(app.now()),
        actor: AuditActor { kind: ActorKind::User, id: Some(format!("usr_{name}")), name: name.to_owned() },
        action: AuditAction::EmailRevealed,
        target: Some("eml_1".to_owned()),
        target_name: Some("Your code, „ü“".to_owned()),
        before: None,
        after: Some(json!({"shown": ["body", 1, null]})),
        reason: Some("Asked by the customer".to_owned()),
        address: Some("192.0.2.1".to_owned()),
        user_agent: Some("Test".to_owned()),
    }
}

on_both_databases! {
    async fn the_audit_log_is_read_back_as_it_was_written(app: TestApp) {
        let store = app.store();
        let made = store.list_audit_entries(app.team, &AuditFilter::default(), None, 100).await.unwrap();
        assert_eq!(made.iter().map(|entry| entry.action).collect::<Vec<_>>(), [AuditAction::TeamCreated]);
        let (ada, ben) = (reveal(&app, "ada"), reveal(&app, "ben"));
        app.advance(TimeDelta::hours(1));
        let late = AuditEvent { id: app.id_at(app.now()), action: AuditAction::LogExported, ..ada.clone() };
        for event in [&ada, &ben, &late] {
            store.append_audit_event(app.team, event).await.unwrap();
        }
        let list = async |filter: AuditFilter, before| {
            let entries = store.list_audit_entries(app.team, &filter, before, 2).await.unwrap();
            entries.into_iter().map(|entry| entry.sequence).collect::<Vec<_>>()
        };
        assert_eq!(list(AuditFilter::default(), None).await, [4, 3]);
        assert_eq!(list(AuditFilter::default(), Some(3)).await, [2, 1]);
        let revealed = AuditFilter { actions: vec![AuditAction::EmailRevealed], ..AuditFilter::default() };
        assert_eq!(list(revealed, None).await, [3, 2]);
        let of_two = AuditFilter { actions: vec![AuditAction::TeamCreated, AuditAction::LogExported], ..AuditFilter::default() };
        assert_eq!(list(of_two.clone(), None).await, [4, 1]);
        assert_eq!(list(of_two.clone(), Some(4)).await, [1]);
        assert_eq!(list(AuditFilter { actor_id: Some("usr_ada".to_owned()), ..of_two }, None).await, [4]);
        let by_ada = AuditFilter { actor_id: Some("usr_ada".to_owned()), ..AuditFilter::default() };
        assert_eq!(list(by_ada, None).await, [4, 2]);
        let of_another = AuditFilter { target: Some("eml_2".to_owned()), ..AuditFilter::default() };
        assert!(list(of_another, None).await.is_empty());
        let of_message = AuditFilter { target: Some("eml_1".to_owned()), ..AuditFilter::default() };
        assert_eq!(list(of_message.clone(), None).await, [4, 3]);
        assert_eq!(list(AuditFilter { actor_id: Some("usr_ben".to_owned()), ..of_message }, None).await, [3]);
        let range = TimeRange { from: Some(app.now()), to: None };
        assert_eq!(list(AuditFilter { range, ..AuditFilter::default() }, None).await, [4]);
        let range = TimeRange { from: None, to: Some(app.now()) };
        assert_eq!(list(AuditFilter { range, ..AuditFilter::default() }, None).await, [3, 2]);

        let newest = store.list_audit_entries(app.team, &AuditFilter::default(), None, 1).await.unwrap().remove(0);
        assert_eq!(store.find_audit_hash(app.team, &newest.hash).await.unwrap(), Some(4));
        assert_eq!(store.find_audit_hash(app.other_team, &newest.hash).await.unwrap(), None);
        assert_eq!(
            (newest.id, newest.at, newest.actor, newest.target, newest.target_name, newest.before, newest.after),
            (late.id, late.id.created_at(), late.actor, late.target, late.target_name, late.before, late.after)
        );
        assert_eq!((newest.reason, newest.address, newest.user_agent), (late.reason, late.address, late.user_agent));
        let actors = store.list_audit_actors(app.team).await.unwrap();
        assert_eq!(actors, [("usr_ada".to_owned(), "ada".to_owned()), ("usr_ben".to_owned(), "ben".to_owned())]);
        assert!(store.list_audit_actors(app.other_team).await.unwrap().is_empty());
        assert!(store.list_audited_teams().await.unwrap().contains(&app.team));
    }

    async fn a_line_that_was_changed_removed_or_cut_off_shows(app: TestApp) {
        let store = app.store();
        for name in ["ada", "ben", "cleo"] {
            store.append_audit_event(app.team, &reveal(&app, name)).await.unwrap();
        }
        let newest = store.list_audit_entries(app.team, &AuditFilter::default(), None, 1).await.unwrap().remove(0);
        let intact = AuditVerdict::Intact { entries: 4, head: newest.hash };
        assert_eq!(store.verify_audit_log(app.team).await, Ok(intact.clone()));
        assert_eq!(store.verify_audit_log(TeamId(7)).await, Ok(AuditVerdict::Intact { entries: 0, head: String::new() }));
        for (harm, mend, sequence) in [
            (
                "UPDATE audit_log SET reason = 'Nothing' WHERE sequence = 2",
                "UPDATE audit_log SET reason = 'Asked by the customer' WHERE sequence = 2",
                2,
            ),
            (
                "UPDATE audit_log SET sequence = 20 WHERE sequence = 3",
                "UPDATE audit_log SET sequence = 3 WHERE sequence = 20",
                3,
            ),
            (
                "UPDATE audit_log SET sequence = 40 WHERE sequence = 4",
                "UPDATE audit_log SET sequence = 4 WHERE sequence = 40",
                4,
            ),
        ] {
            for statement in [harm, mend] {
                assert!(store.try_statement(statement).await.is_err(), "the database must refuse: {statement}");
                store.break_in(statement).await;
                let verdict = store.verify_audit_log(app.team).await.unwrap();
                let wanted = if statement == harm { AuditVerdict::Broken { sequence } } else { intact.clone() };
                assert_eq!(verdict, wanted, "{statement}");
            }
        }
        assert!(store.try_statement("DELETE FROM audit_log WHERE sequence = 2").await.is_err());
        store.break_in("DELETE FROM audit_log WHERE sequence = 2").await;
        assert_eq!(store.verify_audit_log(app.team).await, Ok(AuditVerdict::Broken { sequence: 2 }));
        let theirs = store.verify_audit_log(app.other_team).await.unwrap();
        assert!(matches!(theirs, AuditVerdict::Intact { entries: 1, .. }), "{theirs:?}");
    }

    async fn changes_at_once_make_one_chain(app: TestApp) {
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..20 {
            let (store, team, event) = (app.store().clone(), app.team, reveal(&app, &format!("user-{number}")));
            tasks.spawn(async move { store.append_audit_event(team, &event).await.unwrap() });
        }
        tasks.join_all().await;
        let verdict = app.store().verify_audit_log(app.team).await.unwrap();
        assert!(matches!(verdict, AuditVerdict::Intact { entries: 21, .. }), "{verdict:?}");
    }

    async fn a_team_makes_roles_of_its_own(app: TestApp) {
        let store = app.store();
        let permissions: PermissionSet = [Permission::LogsView].into_iter().collect();
        let new = |name: &str| NewRole {
            id: app.id_at::<RoleId>(app.now()),
            name: name.to_owned(),
            description: "Answers customers".to_owned(),
            permissions,
            created_at: app.now(),
        };
        let support = new("Support");
        let role = Role::Custom(support.id);
        store.insert_role(app.team, &support, &app.event()).await.unwrap();
        let taken = store.insert_role(app.team, &new("sUPPORT"), &app.event()).await;
        assert!(matches!(taken, Err(AppError::AlreadyExists(_))), "{taken:?}");
        store.insert_role(app.other_team, &new("Support"), &app.event()).await.unwrap();
        let billing = new("Billing");
        store.insert_role(app.team, &billing, &app.event()).await.unwrap();
        let names = async || {
            let roles = store.list_role_grants(app.team).await.unwrap();
            roles.into_iter().map(|role| role.name).collect::<Vec<_>>()
        };
        assert_eq!(names().await, ["Owner", "Admin", "Member", "Viewer", "Billing", "Support"]);

        let ada = app.add_user("ada@finch.example").await;
        let joining = NewMembership { user_id: ada, role, at: app.now(), follows_groups: false };
        store.insert_membership(app.team, &joining, &app.event()).await.unwrap();
        let viewer = store.find_viewer(app.team, ada).await.unwrap().unwrap();
        assert_eq!((viewer.role(), viewer.role_name(), viewer.permissions), (Some(role), Some("Support"), permissions));
        let member = store.list_members(app.team).await.unwrap().remove(0);
        assert_eq!((member.role, member.role_name.as_str()), (role, "Support"));

        let wider: PermissionSet = [Permission::LogsView, Permission::LogsResend].into_iter().collect();
        let change = GrantChange { role, before: permissions, permissions: wider, event: app.event() };
        store.update_role_grants(app.team, &[change]).await.unwrap();
        assert_eq!(store.find_viewer(app.team, ada).await.unwrap().unwrap().permissions, wider);
        let renamed = store.rename_role(app.team, support.id, "billing", "x", &app.event()).await;
        assert!(matches!(renamed, Err(AppError::AlreadyExists(_))), "{renamed:?}");
        assert_eq!(store.rename_role(app.team, RoleId(7), "Desk", "x", &app.event()).await, Ok(false));
        assert_eq!(store.rename_role(app.team, support.id, "Help desk", "x", &app.event()).await, Ok(true));
        assert_eq!(names().await, ["Owner", "Admin", "Member", "Viewer", "Billing", "Help desk"]);

        assert_eq!(store.delete_role(app.other_team, support.id, Role::Viewer, &app.event()).await, Ok(false));
        assert_eq!(store.delete_role(app.team, support.id, Role::Viewer, &app.event()).await, Ok(true));
        assert_eq!(store.find_role(app.team, ada).await, Ok(Some(Role::Viewer)));
        assert_eq!(names().await, ["Owner", "Admin", "Member", "Viewer", "Billing"]);
    }

    async fn a_team_keeps_an_owner(app: TestApp) {
        let store = app.store();
        let owner = app.user(app.team, Role::Owner).await;
        for outcome in [
            store.update_member_role(app.team, owner, Role::Admin, &app.event()).await,
            store.delete_membership(app.team, owner, None, app.now(), &app.event()).await,
        ] {
            assert!(matches!(outcome, Err(AppError::Conflict(_))), "{outcome:?}");
        }
        assert_eq!(store.update_member_role(app.team, owner, Role::Owner, &app.event()).await, Ok(true));
        let second = app.add_user("second@finch.example").await;
        let joining = NewMembership { user_id: second, role: Role::Owner, at: app.now(), follows_groups: false };
        store.insert_membership(app.team, &joining, &app.event()).await.unwrap();
        // Both owners end the other's ownership at once: one of them stays.
        let (first_event, second_event) = (app.event(), app.event());
        let (one, other) = tokio::join!(
            store.update_member_role(app.team, second, Role::Viewer, &first_event),
            store.update_member_role(app.team, owner, Role::Viewer, &second_event),
        );
        assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
    }
}
