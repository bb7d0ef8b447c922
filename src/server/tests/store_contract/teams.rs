//! Teams, members, grants, invitations and adapters.

use chrono::TimeDelta;

use super::*;
use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::channel::Channel;
use crate::domain::error::AppError;
use crate::domain::filter::{EmailFilter, TimeRange};
use crate::domain::ids::{AdapterId, InviteId, TeamId};
use crate::domain::page::PageRequest;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::retention::Retention;
use crate::domain::stats::StatusCounts;
use crate::domain::team::{Invite, Role, Team, TeamRules};
use crate::domain::viewer::Actor;
use crate::server::store::teams::{NewInvite, NewMembership};

on_both_databases! {
    async fn teams_have_a_slug_of_their_own(app: TestApp) {
        let store = app.store();
        let owner = app.add_user("ada@finch.example").await;
        let team =
            Team { id: app.id_at(app.now()), slug: "owls".to_owned(), name: "Owls".to_owned(), created_at: app.now(), rules: TeamRules::default() };
        assert_eq!(store.insert_team(&team, Some(owner), &app.event()).await, Ok(true));
        let second = Team { id: app.id_at(app.now()), ..team.clone() };
        assert_eq!(store.insert_team(&second, Some(owner), &app.event()).await, Ok(false));
        assert_eq!(store.find_team(team.id).await, Ok(Some(team.clone())));
        assert_eq!(store.find_team_by_slug("owls").await, Ok(Some(team.clone())));
        assert_eq!(store.find_team(second.id).await, Ok(None));
        assert_eq!(store.find_team_by_slug("Owls").await, Ok(None));
        assert_eq!(store.find_role(team.id, owner).await, Ok(Some(Role::Owner)));
        let rules = TeamRules { demands_two_factor: true, masks_addresses: true, reveals_with_reason: false };
        assert_eq!(store.update_team(team.id, "Öwls", rules, &app.event()).await, Ok(true));
        assert_eq!(store.find_team(team.id).await.unwrap(), Some(Team { name: "Öwls".to_owned(), rules, ..team.clone() }));
        assert_eq!(store.update_team(TeamId(7), "Nobody's", rules, &app.event()).await, Ok(false));
        assert_eq!(store.delete_team(team.id, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.delete_team(team.id, app.now(), &app.event()).await, Ok(false));
        assert_eq!(store.find_team_by_slug("owls").await, Ok(None));
        assert_eq!(store.find_team(team.id).await, Ok(None));
        assert_eq!(store.list_memberships(owner).await, Ok(Vec::new()));
        assert_eq!(store.find_role(team.id, owner).await, Ok(None));
        assert_eq!(store.list_held_roles(owner).await, Ok(Vec::new()));
        assert_eq!(store.find_viewer(team.id, owner).await, Ok(None));
        assert_eq!(store.update_team(team.id, "Owls", rules, &app.event()).await, Ok(false));
        assert_eq!(store.update_retention(team.id, Retention::default(), &app.event()).await, Ok(false));
        let joins = NewMembership { user_id: owner, role: Role::Owner, at: app.now(), follows_groups: false };
        let joined = store.insert_membership(team.id, &joins, &app.event()).await;
        assert_eq!(joined, Err(AppError::not_found("Team")));
        // The slug is free.
        assert_eq!(store.insert_team(&second, None, &app.event()).await, Ok(true));
    }

    async fn a_deleted_team_leaves_nothing_and_takes_nothing_of_others(app: TestApp) {
        let store = app.store();
        app.add_template("Receipt").await;
        app.add_adapter("Mail").await;
        app.add_messages(&vec![Message::default(); 3]).await;
        let theirs = app.add_messages_of(app.other_team, &[Message::default()]).await;
        store.delete_team(app.team, app.now(), &app.event()).await.unwrap();
        while store.delete_some_of_team(app.team).await.unwrap() {}
        let filter = EmailFilter { search: Some("welcome".to_owned()), ..EmailFilter::default() };
        let page = PageRequest { page: 1, page_size: 10 };
        assert!(store.list_emails(app.team, &filter, page).await.unwrap().items.is_empty());
        assert_eq!(store.count_by_status(app.team, None, TimeRange::default()).await, Ok(StatusCounts::default()));
        let found = store.list_emails(app.other_team, &filter, page).await.unwrap().items;
        assert_eq!(found.iter().map(|email| email.id).collect::<Vec<_>>(), theirs);
        assert!(store.list_templates(app.team).await.unwrap().is_empty());
        assert!(store.list_adapters(app.team).await.unwrap().is_empty());
    }

    async fn members_come_change_and_go(app: TestApp) {
        let store = app.store();
        let ada = app.add_user("ada@finch.example").await;
        assert_eq!(store.find_role(app.team, ada).await, Ok(None));
        let new = |role| NewMembership { user_id: ada, role, at: app.now(), follows_groups: false };
        assert_eq!(store.insert_membership(app.team, &new(Role::Viewer), &app.event()).await, Ok(true));
        assert_eq!(store.insert_membership(app.team, &new(Role::Owner), &app.event()).await, Ok(false));
        assert_eq!(store.insert_membership(app.other_team, &new(Role::Admin), &app.event()).await, Ok(true));
        let teams: Vec<_> =
            store.list_memberships(ada).await.unwrap().into_iter().map(|team| (team.name, team.role)).collect();
        assert_eq!(teams, [("Finch".to_owned(), Role::Viewer), ("Wren".to_owned(), Role::Admin)]);
        let members = store.list_members(app.team).await.unwrap();
        assert_eq!(
            (members.len(), members[0].user_id, members[0].role, members[0].joined_at),
            (1, ada, Role::Viewer, app.now())
        );

        assert_eq!(store.update_member_role(app.team, ada, Role::Member, &app.event()).await, Ok(true));
        assert_eq!(store.find_role(app.team, ada).await, Ok(Some(Role::Member)));
        assert_eq!(store.find_role(app.other_team, ada).await, Ok(Some(Role::Admin)));
        assert_eq!(store.delete_membership(app.team, ada, None, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.delete_membership(app.team, ada, None, app.now(), &app.event()).await, Ok(false));
        assert_eq!(store.find_role(app.team, ada).await, Ok(None));
        assert_eq!(store.find_viewer(app.team, ada).await, Ok(None));
        assert_eq!(store.find_role(app.other_team, ada).await, Ok(Some(Role::Admin)));
    }

    async fn grants_make_the_viewer(app: TestApp) {
        let store = app.store();
        let user = app.user(app.team, Role::Viewer).await;
        let viewer = store.find_viewer(app.team, user).await.unwrap().unwrap();
        assert_eq!(viewer.permissions, PermissionSet::default_for(Role::Viewer));
        assert!(
            matches!(&viewer.actor, Actor::User { id, role: Role::Viewer, email, .. } if *id == user && email == "viewer@finch.example")
        );
        for granted in [true, true, false, false] {
            app.set_grant(Role::Viewer, Permission::LogsResend, granted).await;
            assert_eq!(store.find_viewer(app.team, user).await.unwrap().unwrap().may(Permission::LogsResend), granted);
        }
        for permission in PermissionSet::all().iter() {
            app.set_grant(Role::Viewer, permission, false).await;
        }
        assert_eq!(store.find_viewer(app.team, user).await.unwrap().unwrap().permissions, PermissionSet::default());
        let grants = store.list_role_grants(app.team).await.unwrap();
        assert_eq!(grants.iter().map(|grants| grants.role).collect::<Vec<_>>(), Role::BUILT_IN);
        assert_eq!((grants[3].permissions, grants[3].members), (PermissionSet::default(), 1));
        assert_eq!((grants[1].permissions, grants[1].members), (PermissionSet::default_for(Role::Admin), 0));
        let others = store.list_role_grants(app.other_team).await.unwrap();
        assert_eq!(others[3].permissions, PermissionSet::default_for(Role::Viewer));
    }

    async fn an_invitation_takes_the_place_of_an_earlier_one(app: TestApp) {
        let store = app.store();
        let invite = |email: &str, token_hash: &str| NewInvite {
            invite: Invite {
                id: app.id_at(app.now()),
                email: email.to_owned(),
                role: Role::Member,
                role_name: "Member".to_owned(),
                created_at: app.now(),
                expires_at: app.now() + TimeDelta::days(7),
            },
            token_hash: token_hash.to_owned(),
            invited_by: None,
        };
        let (first, second) = (invite("ada@finch.example", "hash-1"), invite("Ada@Finch.example", "hash-2"));
        store.insert_invite(app.team, &first, &app.event()).await.unwrap();
        store.insert_invite(app.team, &second, &app.event()).await.unwrap();
        assert_eq!(store.list_invites(app.team, app.now()).await, Ok(vec![second.invite.clone()]));
        assert!(store.find_invite("hash-1", app.now()).await.unwrap().is_none());
        let found = store.find_invite("hash-2", app.now()).await.unwrap().unwrap();
        assert_eq!((found.invite, found.team.id), (second.invite.clone(), app.team));
        let end = second.invite.expires_at;
        assert!(store.find_invite("hash-2", end).await.unwrap().is_none());
        assert_eq!(store.list_invites(app.team, end).await, Ok(Vec::new()));
        assert_eq!(store.delete_invite(app.other_team, second.invite.id, &app.event()).await, Ok(false));
        assert_eq!(store.delete_invite(app.team, InviteId(7), &app.event()).await, Ok(false));
        assert_eq!(store.delete_invite(app.team, second.invite.id, &app.event()).await, Ok(true));
        assert!(store.find_invite("hash-2", app.now()).await.unwrap().is_none());
    }

    async fn an_invitation_is_used_once(app: TestApp) {
        let store = app.store();
        let ada = app.add_user("ada@finch.example").await;
        let invite = Invite {
            id: app.id_at(app.now()),
            email: "ada@finch.example".to_owned(),
            role: Role::Member,
            role_name: "Member".to_owned(),
            created_at: app.now(),
            expires_at: app.now() + TimeDelta::days(7),
        };
        let new = NewInvite { invite: invite.clone(), token_hash: "hash".to_owned(), invited_by: Some(ada) };
        store.insert_invite(app.team, &new, &app.event()).await.unwrap();
        let joining = NewMembership { user_id: ada, role: Role::Member, at: app.now(), follows_groups: false };
        assert_eq!(store.accept_invite(app.other_team, invite.id, &joining, &app.event()).await, Ok(false));
        assert_eq!(store.accept_invite(app.team, invite.id, &joining, &app.event()).await, Ok(true));
        assert_eq!(store.accept_invite(app.team, invite.id, &joining, &app.event()).await, Ok(false));
        assert_eq!(store.find_role(app.team, ada).await, Ok(Some(Role::Member)));
        assert_eq!(store.find_role(app.other_team, ada).await, Ok(None));
    }

    async fn every_channel_has_its_default_adapter(app: TestApp) {
        let store = app.store();
        let add = async |name: &str, kind, is_default| {
            let adapter = Adapter {
                id: app.id_at(app.now()),
                name: name.to_owned(),
                kind,
                from_address: "Finch <a@b.example>".to_owned(),
                endpoint: "https://api.finch.example/".to_owned(),
                is_default,
                created_at: app.now(),
            };
            assert_eq!(store.insert_adapter(app.team, &adapter, "sealed", &app.event()).await, Ok(true));
            adapter.id
        };
        let default = async |channel| {
            store.find_default_adapter(app.team, channel).await.unwrap().map_or(String::new(), |adapter| adapter.name)
        };
        let all = async || {
            let mut names = Vec::new();
            for channel in Channel::ALL {
                names.push(default(channel).await);
            }
            names
        };
        // What nothing else sends goes by it, whether it was asked for or not.
        let hook = add("Hook", AdapterKind::Http, false).await;
        assert_eq!(all().await, ["", "Hook", "Hook", "Hook", "Hook"]);
        // Text messages have their way already.
        let twilio = add("Twilio", AdapterKind::Twilio, false).await;
        assert_eq!(all().await, ["", "Hook", "Hook", "Hook", "Hook"]);
        let vonage = add("Vonage", AdapterKind::Vonage, true).await;
        assert_eq!(all().await, ["", "Vonage", "Vonage", "Hook", "Hook"]);
        add("SendGrid", AdapterKind::SendGrid, false).await;
        add("Mail", AdapterKind::Smtp, false).await;
        add("Amazon", AdapterKind::AmazonSes, true).await;
        assert_eq!(all().await, ["Amazon", "Vonage", "Vonage", "Hook", "Hook"]);
        let before = store.find_adapter(app.team, twilio).await.unwrap().unwrap();
        let changed = Adapter { is_default: true, ..before.clone() };
        assert_eq!(store.update_adapter(app.team, &before, &changed, None, &app.event()).await, Ok(true));
        assert_eq!(all().await, ["Amazon", "Twilio", "Twilio", "Hook", "Hook"]);
        for id in [twilio, hook] {
            assert_eq!(store.delete_adapter(app.team, id, app.now(), &app.event()).await, Ok(true));
        }
        // The next in the order takes the place of the first.
        assert_eq!(all().await, ["Amazon", "Vonage", "Vonage", "", ""]);
        assert_eq!(store.restore_adapter(app.team, hook, app.event()).await, Ok(Some("Hook".to_owned())));
        assert_eq!(store.restore_adapter(app.team, twilio, app.event()).await, Ok(Some("Twilio".to_owned())));
        assert_eq!(all().await, ["Amazon", "Vonage", "Vonage", "Hook", "Hook"]);
        assert_eq!(store.delete_adapter(app.team, vonage, app.now(), &app.event()).await, Ok(true));
    }

    async fn a_team_has_one_default_adapter(app: TestApp) {
        let store = app.store();
        let adapter = |name: &str, is_default| Adapter {
            id: app.id_at(app.now()),
            name: name.to_owned(),
            kind: AdapterKind::Smtp,
            from_address: "Finch <a@b.example>".to_owned(),
            endpoint: "smtp://127.0.0.1:2525".to_owned(),
            is_default,
            created_at: app.now(),
        };
        assert_eq!(store.find_default_adapter(app.team, Channel::Email).await, Ok(None));
        let (first, mut second) = (adapter("First", false), adapter("Second", true));
        assert_eq!(store.insert_adapter(app.team, &first, "sealed-1", &app.event()).await, Ok(true));
        let default = async || store.find_default_adapter(app.team, Channel::Email).await.unwrap().map(|adapter| adapter.name);
        assert_eq!(default().await.as_deref(), Some("First"));
        assert_eq!(store.insert_adapter(app.team, &second, "sealed-2", &app.event()).await, Ok(true));
        assert_eq!(default().await.as_deref(), Some("Second"));
        let taken = store.insert_adapter(app.team, &adapter("First", true), "sealed-3", &app.event()).await;
        assert!(matches!(taken, Err(AppError::AlreadyExists(_))), "{taken:?}");
        assert_eq!(default().await.as_deref(), Some("Second"));
        let names: Vec<_> =
            store.list_adapters(app.team).await.unwrap().into_iter().map(|adapter| adapter.name).collect();
        assert_eq!(names, ["Second", "First"], "in their order");

        let renamed = Adapter { name: "Second".to_owned(), is_default: true, ..first.clone() };
        let taken = store.update_adapter(app.team, &first, &renamed, None, &app.event()).await;
        assert!(matches!(taken, Err(AppError::AlreadyExists(_))), "{taken:?}");
        assert_eq!(default().await.as_deref(), Some("Second"));
        let changed = Adapter { name: "Third".to_owned(), is_default: true, ..first.clone() };
        assert_eq!(store.update_adapter(app.other_team, &first, &changed, None, &app.event()).await, Ok(false));
        assert_eq!(store.update_adapter(app.team, &first, &changed, None, &app.event()).await, Ok(true));
        assert_eq!(store.find_adapter(app.team, first.id).await, Ok(Some(changed)));
        assert_eq!(store.find_adapter_secret(app.team, first.id).await, Ok(Some("sealed-1".to_owned())));
        second.is_default = false;
        assert_eq!(store.update_adapter(app.team, &second.clone(), &second, Some("sealed-4"), &app.event()).await, Ok(true));
        assert_eq!(store.find_adapter_secret(app.team, second.id).await, Ok(Some("sealed-4".to_owned())));
        assert_eq!(default().await.as_deref(), Some("Third"));

        assert_eq!(store.delete_adapter(app.team, AdapterId(7), app.now(), &app.event()).await, Ok(false));
        assert_eq!(store.delete_adapter(app.other_team, first.id, app.now(), &app.event()).await, Ok(false));
        assert_eq!(store.delete_adapter(app.team, first.id, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.delete_adapter(app.team, first.id, app.now(), &app.event()).await, Ok(false));
        assert_eq!(store.find_adapter(app.team, first.id).await, Ok(None));
        assert_eq!(store.find_adapter_secret(app.team, first.id).await, Ok(Some("sealed-1".to_owned())));
        assert_eq!(store.find_adapter_secret(TeamId(7), first.id).await, Ok(None));
        assert_eq!(default().await.as_deref(), Some("Second"), "the next in the order");
        assert_eq!(store.delete_adapter(app.team, second.id, app.now(), &app.event()).await, Ok(true));
        assert_eq!(default().await, None);
        // Who comes back is the default where there is none.
        assert_eq!(store.restore_adapter(app.other_team, first.id, app.event()).await, Ok(None));
        assert_eq!(store.restore_adapter(app.team, first.id, app.event()).await, Ok(Some("Third".to_owned())));
        assert_eq!(store.restore_adapter(app.team, first.id, app.event()).await, Ok(None));
        assert_eq!(default().await.as_deref(), Some("Third"));
        assert_eq!(store.delete_adapter(app.team, first.id, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.insert_adapter(app.team, &adapter("Third", false), "sealed-5", &app.event()).await, Ok(true));
        let taken = store.restore_adapter(app.team, first.id, app.event()).await;
        assert!(matches!(taken, Err(AppError::AlreadyExists(_))), "{taken:?}");
        assert_eq!(default().await.as_deref(), Some("Third"));
    }
}
