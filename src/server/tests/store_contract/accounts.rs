//! Accounts, settings, limits, sessions, keys, the log of API requests, and the store itself.

use chrono::TimeDelta;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use super::*;
use crate::domain::api_key::{ApiKey, KeyApi, KeyLimits};
use crate::domain::api_request::{ApiRequest, ApiRequestFilter, LoggedBody};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiKeyId, ApiRequestId, UserId};
use crate::domain::page::Cursor;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::Role;
use crate::domain::viewer::Actor;
use crate::server::store::Store;
use crate::server::store::accounts::NewUser;
use crate::server::store::api_keys::NewSecret;
use crate::server::store::teams::NewMembership;
use crate::server::store::tests::TestDatabase;

fn new_user(app: &TestApp, email: &str) -> NewUser {
    NewUser {
        id: app.id_at(app.now()),
        email: email.to_owned(),
        name: "Ada".to_owned(),
        password_hash: "hash".to_owned(),
        time_zone: "UTC".to_owned(),
    }
}

#[tokio::test]
async fn a_database_is_opened_again_with_what_was_in_it() {
    let database = TestDatabase::sqlite();
    let store = Store::open(&database.url()).await.unwrap();
    store.set_setting("name", Some("value")).await.unwrap();
    store.close().await;
    let store = Store::open(&database.url()).await.unwrap();
    assert_eq!(store.setting("name").await, Ok(Some("value".to_owned())));
    store.ping().await.unwrap();
    store.close().await;
    assert!(store.ping().await.is_err());
    database.remove().await;
}

#[tokio::test]
async fn an_address_that_is_none_is_told_in_one_line() {
    for url in [
        "mysql://localhost/x",
        "data/sendlog.db",
        "sqlite:///proc/nowhere/sendlog.db",
        "postgres://u:hush@127.0.0.1:1/x",
    ] {
        let error = Store::open(url).await.unwrap_err().to_string();
        assert!(!error.contains('\n') && !error.contains("hush"), "{error}");
    }
}

on_both_databases! {
    async fn accounts_are_found_in_any_case_of_letters(app: TestApp) {
        let store = app.store();
        assert_eq!(store.has_users().await, Ok(false));
        let ada = new_user(&app, " Ada.Müller@Finch.example ");
        assert_eq!(store.insert_user(&ada).await, Ok(true));
        assert_eq!(store.insert_user(&new_user(&app, "ada.MÜLLER@finch.EXAMPLE")).await, Ok(false));
        assert_eq!(store.has_users().await, Ok(true));
        let found = store.find_user(ada.id).await.unwrap().unwrap();
        assert_eq!((found.email.as_str(), found.created_at), ("Ada.Müller@Finch.example", app.now()));
        assert_eq!(store.find_user_by_email("ADA.müller@finch.example").await, Ok(Some(found)));
        assert_eq!(store.find_user(UserId(7)).await, Ok(None));
        assert_eq!(store.find_user_by_email("bob@finch.example").await, Ok(None));
        let credentials = store.find_credentials("ada.müller@finch.example").await.unwrap().unwrap();
        assert_eq!(
            (credentials.user_id, credentials.password_hash.as_str(), credentials.time_zone_chosen),
            (ada.id, "hash", false)
        );
        assert!(store.find_credentials("bob@finch.example").await.unwrap().is_none());
    }

    async fn a_chosen_time_zone_is_kept_and_a_guessed_one_follows_the_browser(app: TestApp) {
        let (store, ada) = (app.store(), new_user(&app, "ada@finch.example"));
        store.insert_user(&ada).await.unwrap();
        store.guess_time_zone(ada.id, "Europe/Berlin").await.unwrap();
        assert_eq!(store.find_user(ada.id).await.unwrap().unwrap().time_zone, "Europe/Berlin");
        store.update_profile(ada.id, "Ada L.", "Asia/Tokyo", &app.event()).await.unwrap();
        store.guess_time_zone(ada.id, "Europe/Berlin").await.unwrap();
        let found = store.find_user(ada.id).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.time_zone.as_str()), ("Ada L.", "Asia/Tokyo"));
        assert!(store.find_credentials("ada@finch.example").await.unwrap().unwrap().time_zone_chosen);
    }

    async fn settings_are_written_replaced_and_taken_away(app: TestApp) {
        let store = app.store();
        assert_eq!(store.setting("name").await, Ok(None));
        for value in [Some("one"), Some("two"), None, None] {
            store.set_setting("name", value).await.unwrap();
            assert_eq!(store.setting("name").await, Ok(value.map(str::to_owned)));
        }
    }

    async fn attempts_are_counted_in_a_window_that_ends(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let end = now + TimeDelta::minutes(15);
        assert_eq!(store.count_attempt("a", now, end).await, Ok((1, end)));
        let later = now + TimeDelta::minutes(5);
        assert_eq!(store.count_attempt("a", later, later + TimeDelta::minutes(15)).await, Ok((2, end)));
        assert_eq!(store.count_attempt("b", later, end).await, Ok((1, end)));
        assert_eq!(
            store.count_attempt("a", end, end + TimeDelta::minutes(15)).await,
            Ok((1, end + TimeDelta::minutes(15)))
        );
        store.forgive_attempt("a").await.unwrap();
        assert_eq!(store.count_attempt("a", end, end + TimeDelta::minutes(15)).await.map(|counted| counted.0), Ok(1));
        store.clear_attempts("a").await.unwrap();
        assert_eq!(store.count_attempt("a", end, end + TimeDelta::minutes(1)).await.map(|counted| counted.0), Ok(1));
    }

    async fn an_installation_is_set_up_once(app: TestApp) {
        let store = app.store();
        store.set_setting("token", Some("hash")).await.unwrap();
        let user = new_user(&app, "first@example.com");
        let found = store.find_team(app.team).await.unwrap().unwrap();
        let taken = crate::domain::team::Team { id: app.app.clock.mint(), ..found };
        let team = crate::domain::team::Team { slug: "first".to_owned(), ..taken.clone() };
        let event = app.event();
        assert_eq!(store.set_up(("token", "another"), &user, &team, &event).await, Ok(false));
        let refused = store.set_up(("token", "hash"), &user, &taken, &event).await;
        assert!(matches!(refused, Err(AppError::AlreadyExists(_))), "{refused:?}");
        assert_eq!(store.has_users().await, Ok(false), "nothing of it was written");
        assert_eq!(store.set_up(("token", "hash"), &user, &team, &event).await, Ok(true));
        assert_eq!(store.set_up(("token", "hash"), &user, &team, &event).await, Ok(false));
        assert_eq!(store.find_role(team.id, user.id).await.unwrap(), Some(Role::Owner));
    }

    async fn sessions_are_kept_until_they_end(app: TestApp) {
        let store = app.store();
        let expiry_date = time::OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
        let mut record = Record { id: Id::default(), data: Default::default(), expiry_date };
        record.data.insert("user_id".to_owned(), "usr_1".into());
        SessionStore::create(store, &mut record).await.unwrap();
        let mut second = record.clone();
        SessionStore::create(store, &mut second).await.unwrap();
        assert_ne!(record.id, second.id);
        assert_eq!(SessionStore::load(store, &record.id).await.unwrap(), Some(record.clone()));
        record.data.insert("team_id".to_owned(), "team_1".into());
        SessionStore::save(store, &record).await.unwrap();
        assert_eq!(SessionStore::load(store, &record.id).await.unwrap(), Some(record.clone()));
        SessionStore::delete(store, &second.id).await.unwrap();
        assert_eq!(SessionStore::load(store, &second.id).await.unwrap(), None);
        store.delete_expired_sessions(at("2090-01-01T00:00:00Z")).await.unwrap();
        assert!(SessionStore::load(store, &record.id).await.unwrap().is_some());
        store.delete_expired_sessions(at("2100-01-01T00:00:00Z")).await.unwrap();
        assert_eq!(SessionStore::load(store, &record.id).await.unwrap(), None);
        record.expiry_date = time::OffsetDateTime::from_unix_timestamp(1).unwrap();
        SessionStore::save(store, &record).await.unwrap();
        assert_eq!(SessionStore::load(store, &record.id).await.unwrap(), None);
    }

    async fn a_key_is_a_viewer_until_it_is_revoked(app: TestApp) {
        let store = app.store();
        let key = |scopes: PermissionSet| ApiKey {
            id: app.id_at(app.now()),
            name: "Shop".to_owned(),
            prefix: "sl_12345".to_owned(),
            scopes,
            effective: scopes,
            held_back: None,
            belongs_to_team: true,
            created_by: None,
            created_by_name: None,
            created_at: app.now(),
            last_used_at: None,
            revoked_at: None,
            limits: KeyLimits::default(),
            rotated_at: None,
            previous_ends_at: None,
        };
        let some = key([Permission::LogsView, Permission::EmailsSend].into_iter().collect());
        let all = key(PermissionSet::all());
        store.insert_api_key(app.team, &some, "hash-1", &app.event()).await.unwrap();
        store.insert_api_key(app.team, &all, "hash-2", &app.event()).await.unwrap();
        assert_eq!(store.list_api_keys(app.team).await, Ok(vec![all.clone(), some.clone()]));
        assert_eq!(store.list_api_keys(app.other_team).await, Ok(Vec::new()));

        let viewer = store.find_key_by_hash("hash-1", app.now()).await.unwrap().unwrap().viewer;
        assert_eq!((viewer.team, viewer.team_name.as_str(), viewer.permissions), (app.team, "Finch", some.scopes));
        assert_eq!(viewer.actor, Actor::ApiKey { id: some.id, name: "Shop".to_owned(), bound_to: None });
        assert!(store.find_key_by_hash("hash-3", app.now()).await.unwrap().is_none());
        let last_used = async || {
            store.keep_noted().await;
            store.list_api_keys(app.team).await.unwrap()[1].last_used_at
        };
        assert_eq!(last_used().await, Some(app.now()));
        store.find_key_by_hash("hash-1", app.now() + TimeDelta::seconds(59)).await.unwrap();
        assert_eq!(last_used().await, Some(app.now()));
        let later = app.now() + TimeDelta::seconds(60);
        store.find_key_by_hash("hash-1", later).await.unwrap();
        assert_eq!(last_used().await, Some(later));

        assert_eq!(store.revoke_api_key(app.other_team, some.id, app.now(), &app.event()).await, Ok(false));
        assert_eq!(store.revoke_api_key(app.team, ApiKeyId(7), app.now(), &app.event()).await, Ok(false));
        assert_eq!(store.revoke_api_key(app.team, some.id, app.now(), &app.event()).await, Ok(true));
        assert_eq!(store.revoke_api_key(app.team, some.id, later, &app.event()).await, Ok(true));
        assert_eq!(store.list_api_keys(app.team).await.unwrap()[1].revoked_at, Some(app.now()));
        assert!(store.find_key_by_hash("hash-1", later).await.unwrap().is_none());
    }

    async fn a_key_ends_by_itself_and_changes_its_secret_with_a_time_for_both(app: TestApp) {
        let (store, now) = (app.store(), app.now());
        let in_hours = |hours| now + TimeDelta::hours(hours);
        let limits = KeyLimits {
            expires_at: Some(in_hours(48)),
            apis: Some(vec![KeyApi::Resend, KeyApi::Sendlog]),
            rate_limit: Some(5),
        };
        let key = ApiKey {
            id: app.id_at(now),
            name: "Shop".to_owned(),
            prefix: "sl_1".to_owned(),
            scopes: [Permission::LogsView].into_iter().collect(),
            effective: [Permission::LogsView].into_iter().collect(),
            held_back: None,
            belongs_to_team: false,
            created_by: Some(app.user(app.team, Role::Owner).await),
            created_by_name: Some("owner".to_owned()),
            created_at: now,
            last_used_at: None,
            revoked_at: None,
            limits: limits.clone(),
            rotated_at: None,
            previous_ends_at: None,
        };
        store.insert_api_key(app.team, &key, "hash-1", &app.event()).await.unwrap();
        assert_eq!(store.find_api_key(app.team, key.id).await, Ok(Some(key.clone())));
        assert_eq!(store.find_api_key(app.other_team, key.id).await, Ok(None));
        let counts = async |hash: &str, at| store.find_key_by_hash(hash, at).await.unwrap().is_some();
        assert_eq!(store.find_key_by_hash("hash-1", now).await.unwrap().unwrap().limits, limits);
        assert!(counts("hash-1", in_hours(47)).await && !counts("hash-1", in_hours(48)).await);

        let secret = |key_hash, previous_ends_at| NewSecret { key_hash, prefix: "sl_2", now, previous_ends_at };
        let second = secret("hash-2", in_hours(24));
        assert_eq!(store.rotate_api_key(app.other_team, key.id, &second, &app.event()).await, Ok(false));
        assert_eq!(store.rotate_api_key(app.team, key.id, &second, &app.event()).await, Ok(true));
        assert!(counts("hash-1", in_hours(23)).await && counts("hash-2", in_hours(23)).await);
        assert!(!counts("hash-1", in_hours(24)).await && counts("hash-2", in_hours(24)).await);
        let found = store.find_api_key(app.team, key.id).await.unwrap().unwrap();
        assert_eq!((found.prefix.as_str(), found.rotated_at, found.previous_ends_at), ("sl_2", Some(now), Some(in_hours(24))));
        assert_eq!(store.rotate_api_key(app.team, key.id, &secret("hash-3", now), &app.event()).await, Ok(true));
        assert!(!counts("hash-1", now).await && !counts("hash-2", now).await && counts("hash-3", now).await);

        let changed = ApiKey { name: "Till".to_owned(), limits: KeyLimits::default(), ..found };
        assert_eq!(store.update_api_key(app.other_team, &changed, &app.event()).await, Ok(false));
        assert_eq!(store.update_api_key(app.team, &changed, &app.event()).await, Ok(true));
        let found = store.find_api_key(app.team, key.id).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.limits), ("Till", KeyLimits::default()));
        assert!(counts("hash-3", in_hours(1000)).await);
        store.revoke_api_key(app.team, key.id, now, &app.event()).await.unwrap();
        assert_eq!(store.update_api_key(app.team, &changed, &app.event()).await, Ok(false));
        assert_eq!(store.rotate_api_key(app.team, key.id, &second, &app.event()).await, Ok(false));
    }

    async fn who_leaves_takes_sessions_and_keys_along_unless_the_keys_are_handed_over(app: TestApp) {
        let store = app.store();
        let (owner, ada, ben) = (
            app.user(app.team, Role::Owner).await,
            app.add_user("ada@finch.example").await,
            app.add_user("ben@finch.example").await,
        );
        let key_of = async |user: UserId, hash: &str| {
            let key = ApiKey {
                id: app.id_at(app.now()),
                name: "Own".to_owned(),
                prefix: "sl_1".to_owned(),
                scopes: PermissionSet::all(),
                effective: PermissionSet::all(),
                held_back: None,
                belongs_to_team: false,
                created_by: Some(user),
                created_by_name: None,
                created_at: app.now(),
                last_used_at: None,
                revoked_at: None,
                limits: KeyLimits::default(),
                rotated_at: None,
                previous_ends_at: None,
            };
            store.insert_api_key(app.team, &key, hash, &app.event()).await.unwrap();
        };
        for (user, hash) in [(ada, "hash-ada"), (ben, "hash-ben")] {
            let new = NewMembership { user_id: user, role: Role::Admin, at: app.now(), follows_groups: false };
            store.insert_membership(app.team, &new, &app.event()).await.unwrap();
            store.insert_membership(app.other_team, &new, &app.event()).await.unwrap();
            key_of(user, hash).await;
        }
        let here = app.browser_of(ada, Some(app.team)).await;
        let elsewhere = app.browser_of(ada, Some(app.other_team)).await;
        store.delete_membership(app.team, ada, None, app.now(), &app.event()).await.unwrap();
        store.delete_membership(app.team, ben, Some(owner), app.now(), &app.event()).await.unwrap();
        assert_eq!(here.get("/api/auth/me").await.status, 401);
        assert_eq!(elsewhere.get("/api/auth/me").await.status, 200);
        assert!(store.find_key_by_hash("hash-ada", app.now()).await.unwrap().is_none());
        assert!(store.find_key_by_hash("hash-ben", app.now()).await.unwrap().is_some());
        let makers: Vec<_> =
            store.list_api_keys(app.team).await.unwrap().into_iter().map(|key| key.created_by_name).collect();
        assert_eq!(makers, [Some("owner".to_owned()), Some("ada".to_owned())]);
    }

    async fn api_requests_are_kept_in_batches_and_read_newest_first(app: TestApp) {
        let store = app.store();
        let request = |team_id, text: Option<&str>| ApiRequest {
            id: app.id_at::<ApiRequestId>(app.now()),
            team_id,
            api_key_id: Some(ApiKeyId(5)),
            user_id: None,
            method: "GET".to_owned(),
            endpoint: "/api/logs?search=ü".to_owned(),
            response_status: 200,
            user_agent: Some("shop/1.0".to_owned()),
            duration_ms: 12,
            at: app.now(),
            request_body: LoggedBody { text: text.map(str::to_owned), truncated: text.is_some() },
            response_body: LoggedBody::default(),
        };
        let rows =
            [request(app.team, None), request(app.other_team, None), request(app.team, Some("{\"a\":\"\\u0000\"}"))];
        // A team that is gone by now does not spoil the batch.
        let gone = request(crate::domain::ids::TeamId(7), None);
        store.insert_api_requests(&[&rows[..], &[gone]].concat()).await.unwrap();
        let list = async |filter: &ApiRequestFilter, cursor, limit| {
            let listed = store.list_api_requests(app.team, filter, cursor, limit).await.unwrap();
            (listed.items.into_iter().map(|row| row.id).collect::<Vec<_>>(), listed.next.is_some())
        };
        let (all, newest, oldest) = (ApiRequestFilter::default(), rows[2].id, rows[0].id);
        assert_eq!(list(&all, Cursor::Newest, 10).await, (vec![newest, oldest], false));
        assert_eq!(list(&all, Cursor::Newest, 1).await, (vec![newest], true));
        assert_eq!(list(&all, Cursor::After(newest), 1).await, (vec![oldest], false));
        assert_eq!(list(&all, Cursor::Before(oldest), 1).await, (vec![newest], false));
        let some = |change: fn(&mut ApiRequestFilter)| {
            let mut filter = ApiRequestFilter::default();
            change(&mut filter);
            filter
        };
        for matching in [
            some(|filter| filter.method = Some("GET".to_owned())),
            some(|filter| filter.endpoint = Some("/API/logs".to_owned())),
            some(|filter| filter.status_class = Some(2)),
            some(|filter| filter.api_key_id = Some(ApiKeyId(5))),
            some(|filter| filter.user_agent = Some("Shop".to_owned())),
        ] {
            assert_eq!(list(&matching, Cursor::Newest, 10).await.0.len(), 2, "{matching:?}");
        }
        for other in [
            some(|filter| filter.method = Some("POST".to_owned())),
            some(|filter| filter.endpoint = Some("/_pi".to_owned())),
            some(|filter| filter.status_class = Some(4)),
            some(|filter| filter.api_key_id = Some(ApiKeyId(6))),
            some(|filter| filter.user_agent = Some("shop%2".to_owned())),
        ] {
            assert_eq!(list(&other, Cursor::Newest, 10).await.0.len(), 0, "{other:?}");
        }
        assert_eq!(store.find_api_request(app.team, newest).await, Ok(Some((rows[2].clone(), None))));
        assert_eq!(store.find_api_request(app.team, rows[1].id).await, Ok(None));
    }
}
