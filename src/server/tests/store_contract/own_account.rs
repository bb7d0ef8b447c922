//! What a person does to their own account: passwords, second factors, sessions.

use chrono::TimeDelta;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use super::*;
use crate::domain::audit::AuditFilter;
use crate::domain::error::AppError;
use crate::domain::ids::UserId;
use crate::domain::team::{Role, TeamRules};
use crate::server::services::teams;
use crate::server::store::accounts::NewUser;
use crate::server::store::openid::{HeldRole, OpenIdName};
use crate::server::store::sessions::hash;
use crate::server::store::teams::NewMembership;

/// An account in two teams.
async fn ada(app: &TestApp) -> UserId {
    let user = app.user(app.team, Role::Admin).await;
    teams::create_team(&app.app, user, "Side project").await.unwrap();
    user
}

/// How many lines the logs of all of the account's teams hold.
async fn lines(app: &TestApp, user: UserId) -> Vec<usize> {
    let mut counts = Vec::new();
    for team in app.store().list_memberships(user).await.unwrap() {
        counts.push(
            app.store().list_audit_entries(team.team_id, &AuditFilter::default(), None, 100).await.unwrap().len(),
        );
    }
    counts
}

async fn session(app: &TestApp, user: UserId) -> Id {
    let expiry_date = time::OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
    let mut record = Record { id: Id::default(), data: Default::default(), expiry_date };
    record.data.insert("user_id".to_owned(), serde_json::json!(user));
    record.data.insert("began_at".to_owned(), app.now().timestamp_micros().into());
    record.data.insert("user_agent".to_owned(), "curl/8".into());
    record.data.insert("address".to_owned(), "192.0.2.1".into());
    SessionStore::create(app.store(), &mut record).await.unwrap();
    record.id
}

on_both_databases! {
    async fn a_new_password_ends_sessions_and_links_and_is_told_to_every_team(app: TestApp) {
        let (store, user) = (app.store(), ada(&app).await);
        let (kept, other) = (session(&app, user).await, session(&app, user).await);
        let end = app.now() + TimeDelta::hours(1);
        store.insert_password_reset(user, "first", end).await.unwrap();
        store.insert_password_reset(user, "second", end).await.unwrap();
        assert_eq!(store.find_password_reset("first", app.now()).await, Ok(None));
        assert_eq!(store.find_password_reset("second", app.now()).await.unwrap().map(|user| user.id), Some(user));
        assert_eq!(store.find_password_reset("second", end).await, Ok(None));
        let before = lines(&app, user).await;
        store.set_password(user, "new", Some(&hash(kept)), &app.event()).await.unwrap();
        assert_eq!(lines(&app, user).await, before.iter().map(|count| count + 1).collect::<Vec<_>>());
        let names: Vec<_> = store.list_sessions(user, app.now()).await.unwrap().into_iter().map(|one| one.name).collect();
        assert_eq!(names, [hash(kept)]);
        assert_ne!(names, [hash(other)]);
        assert_eq!(store.find_password_reset("second", app.now()).await, Ok(None));
        let credentials = store.find_credentials_of(user).await.unwrap().unwrap();
        assert_eq!((credentials.password_hash.as_str(), credentials.has_two_factor), ("new", false));
        assert!(store.find_credentials_of(UserId(7)).await.unwrap().is_none());
    }

    async fn a_links_token_sets_one_password_in_its_time(app: TestApp) {
        let (store, user, now) = (app.store(), ada(&app).await, app.now());
        session(&app, user).await;
        let end = now + TimeDelta::hours(1);
        store.insert_password_reset(user, "token", end).await.unwrap();
        assert_eq!(store.reset_password("token", user, "new", end, &app.event()).await, Ok(false));
        assert_eq!(store.reset_password("other", user, "new", now, &app.event()).await, Ok(false));
        assert_eq!(store.reset_password("token", user, "new", now, &app.event()).await, Ok(true));
        assert_eq!(store.reset_password("token", user, "newer", now, &app.event()).await, Ok(false));
        assert_eq!(store.find_credentials_of(user).await.unwrap().unwrap().password_hash, "new");
        assert_eq!(store.list_sessions(user, now).await, Ok(Vec::new()));
    }

    async fn sessions_are_listed_seen_by_the_minute_and_ended(app: TestApp) {
        let (store, user) = (app.store(), ada(&app).await);
        let (one, two) = (session(&app, user).await, session(&app, user).await);
        let seen = async |id| {
            store.keep_noted().await;
            let found = store.list_sessions(user, app.now()).await.unwrap();
            found.into_iter().find(|session| session.name == hash(id)).map(|session| session.last_seen_at)
        };
        let listed = store.list_sessions(user, app.now()).await.unwrap();
        assert_eq!((listed[0].user_agent.as_deref(), listed[0].address.as_deref()), (Some("curl/8"), Some("192.0.2.1")));
        assert_eq!((listed.len(), listed[0].began_at), (2, app.now()));
        store.touch_session(one, app.now() + TimeDelta::seconds(59)).await.unwrap();
        assert_eq!(seen(one).await, Some(app.now()));
        let later = app.now() + TimeDelta::seconds(60);
        store.touch_session(one, later).await.unwrap();
        assert_eq!((seen(one).await, seen(two).await), (Some(later), Some(app.now())));
        assert_eq!(store.list_sessions(user, at("2200-01-01T00:00:00Z")).await, Ok(Vec::new()));

        let (stranger, before) = (app.user(app.other_team, Role::Owner).await, lines(&app, user).await);
        assert_eq!(store.end_session(stranger, &hash(one), &app.event()).await, Ok(false));
        assert_eq!(store.end_session(user, &hash(one), &app.event()).await, Ok(true));
        assert_eq!(store.end_session(user, &hash(one), &app.event()).await, Ok(false));
        session(&app, user).await;
        assert_eq!(store.end_other_sessions(user, &hash(two), &app.event()).await, Ok(1));
        assert_eq!(store.end_other_sessions(user, &hash(two), &app.event()).await, Ok(0));
        assert_eq!(lines(&app, user).await, before.iter().map(|count| count + 2).collect::<Vec<_>>());
    }

    async fn a_second_factor_counts_once_confirmed_and_each_code_once(app: TestApp) {
        let (store, user, now) = (app.store(), ada(&app).await, app.now());
        assert_eq!(store.find_two_factor(user).await, Ok(None));
        assert_eq!(store.set_pending_two_factor(user, Some("first")).await, Ok(true));
        assert_eq!(store.set_pending_two_factor(user, Some("sealed")).await, Ok(true));
        let codes = ["a".to_owned(), "b".to_owned()];
        assert_eq!(store.use_two_factor_step(user, 9).await, Ok(false));
        assert_eq!(store.confirm_two_factor(user, "first", 10, &codes, now, &app.event()).await, Ok(false));
        assert_eq!(store.confirm_two_factor(user, "sealed", 10, &codes, now, &app.event()).await, Ok(true));
        assert_eq!(store.confirm_two_factor(user, "sealed", 10, &codes, now, &app.event()).await, Ok(false));
        assert_eq!(store.set_pending_two_factor(user, Some("third")).await, Ok(false));
        let found = store.find_two_factor(user).await.unwrap().unwrap();
        assert_eq!((found.sealed_secret.as_str(), found.is_confirmed, found.recovery_codes), ("sealed", true, 2));
        assert!(store.find_credentials_of(user).await.unwrap().unwrap().has_two_factor);
        for (step, fresh) in [(10, false), (9, false), (11, true), (11, false)] {
            assert_eq!(store.use_two_factor_step(user, step).await, Ok(fresh), "{step}");
        }
        for (code, fresh) in [("c", false), ("a", true), ("a", false)] {
            assert_eq!(store.use_recovery_code(user, code, &app.event()).await, Ok(fresh), "{code}");
        }
        store.replace_recovery_codes(user, &["d".to_owned()], &app.event()).await.unwrap();
        assert_eq!(store.use_recovery_code(user, "b", &app.event()).await, Ok(false));
        let before = lines(&app, user).await;
        store.append_account_event(user, &app.event()).await.unwrap();
        assert_eq!(lines(&app, user).await, before.iter().map(|count| count + 1).collect::<Vec<_>>());

        let rules = TeamRules { demands_two_factor: true, ..TeamRules::default() };
        store.update_team(app.team, "Finch", rules, &app.event()).await.unwrap();
        let refused = store.delete_two_factor(user, &app.event()).await;
        assert_eq!(refused, Err(AppError::Conflict("The team Finch demands two-factor authentication".to_owned())));
        store.update_team(app.team, "Finch", TeamRules::default(), &app.event()).await.unwrap();
        store.delete_two_factor(user, &app.event()).await.unwrap();
        assert_eq!(store.find_two_factor(user).await, Ok(None));
        assert!(!store.find_credentials_of(user).await.unwrap().unwrap().has_two_factor);
    }

    async fn a_person_at_a_provider_is_one_account(app: TestApp) {
        let (store, user) = (app.store(), ada(&app).await);
        let name = OpenIdName { issuer: "https://id.example.com", subject: "1" };
        let other = OpenIdName { subject: "2", ..name };
        assert_eq!(store.find_openid_account(name).await, Ok(None));
        assert_eq!(store.has_openid_account(user, name.issuer).await, Ok(false));
        let before = lines(&app, user).await;
        assert_eq!(store.link_openid_account(name, user, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.link_openid_account(name, UserId(7), app.now(), &app.event()).await, Ok(false));
        assert_eq!(lines(&app, user).await, before.iter().map(|count| count + 1).collect::<Vec<_>>());
        assert_eq!(store.find_openid_account(name).await, Ok(Some(user)));
        assert_eq!(store.has_openid_account(user, name.issuer).await, Ok(true));
        assert_eq!(store.has_openid_account(user, "https://elsewhere.example").await, Ok(false));
        let new = NewUser {
            id: app.id_at(app.now()),
            email: "ben@finch.example".to_owned(),
            name: "Ben".to_owned(),
            password_hash: String::new(),
            time_zone: "UTC".to_owned(),
        };
        assert_eq!(store.insert_openid_user(name, &new).await, Ok(false), "the person has an account");
        assert_eq!(store.insert_openid_user(other, &new).await, Ok(true));
        let third = OpenIdName { subject: "3", ..name };
        assert_eq!(store.insert_openid_user(third, &new).await, Ok(false), "the address has an account");
        assert_eq!(store.find_openid_account(other).await, Ok(Some(new.id)));
        assert_eq!(store.find_openid_account(third).await, Ok(None));

        let joined = NewMembership { user_id: new.id, role: Role::Viewer, at: app.now(), follows_groups: true };
        store.insert_membership(app.team, &joined, &app.event()).await.unwrap();
        let held = HeldRole { team_id: app.team, role: Role::Viewer, follows_groups: true };
        assert_eq!(store.list_held_roles(new.id).await, Ok(vec![held]));
        assert!(store.list_held_roles(user).await.unwrap().iter().all(|held| !held.follows_groups));
    }
}
