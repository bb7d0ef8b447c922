//! Accounts, settings, limits, sessions, keys, the log of API requests, and the store itself.

use chrono::TimeDelta;
use tower_sessions::SessionStore;
use tower_sessions::session::{Id, Record};

use super::*;
use crate::domain::api_key::ApiKey;
use crate::domain::api_request::{ApiRequest, ApiRequestFilter, LoggedBody};
use crate::domain::ids::{ApiKeyId, ApiRequestId, UserId};
use crate::domain::page::Cursor;
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::viewer::Actor;
use crate::server::store::Store;
use crate::server::store::accounts::NewUser;
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
        store.update_profile(ada.id, "Ada L.", "Asia/Tokyo").await.unwrap();
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
            created_by: None,
            created_at: app.now(),
            last_used_at: None,
            revoked_at: None,
        };
        let some = key([Permission::LogsView, Permission::EmailsSend].into_iter().collect());
        let all = key(PermissionSet::all());
        store.insert_api_key(app.team, &some, "hash-1").await.unwrap();
        store.insert_api_key(app.team, &all, "hash-2").await.unwrap();
        assert_eq!(store.list_api_keys(app.team).await, Ok(vec![all.clone(), some.clone()]));
        assert_eq!(store.list_api_keys(app.other_team).await, Ok(Vec::new()));

        let viewer = store.find_viewer_by_api_key("hash-1", app.now()).await.unwrap().unwrap();
        assert_eq!((viewer.team, viewer.team_name.as_str(), viewer.permissions), (app.team, "Finch", some.scopes));
        assert_eq!(viewer.actor, Actor::ApiKey { id: some.id, name: "Shop".to_owned() });
        assert_eq!(store.find_viewer_by_api_key("hash-3", app.now()).await, Ok(None));
        let last_used = async || store.list_api_keys(app.team).await.unwrap()[1].last_used_at;
        assert_eq!(last_used().await, Some(app.now()));
        store.find_viewer_by_api_key("hash-1", app.now() + TimeDelta::seconds(59)).await.unwrap();
        assert_eq!(last_used().await, Some(app.now()));
        let later = app.now() + TimeDelta::seconds(60);
        store.find_viewer_by_api_key("hash-1", later).await.unwrap();
        assert_eq!(last_used().await, Some(later));

        assert_eq!(store.revoke_api_key(app.other_team, some.id, app.now()).await, Ok(false));
        assert_eq!(store.revoke_api_key(app.team, ApiKeyId(7), app.now()).await, Ok(false));
        assert_eq!(store.revoke_api_key(app.team, some.id, app.now()).await, Ok(true));
        assert_eq!(store.revoke_api_key(app.team, some.id, later).await, Ok(true));
        assert_eq!(store.list_api_keys(app.team).await.unwrap()[1].revoked_at, Some(app.now()));
        assert_eq!(store.find_viewer_by_api_key("hash-1", later).await, Ok(None));
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
            (listed.items.into_iter().map(|row| row.id).collect::<Vec<_>>(), listed.has_more)
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
