//! What comes from outside leaves nothing behind that its sender did not earn: anonymous requests, visits, prefetching.

use std::sync::Arc;

use axum::http::HeaderMap;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::json;
use tower_sessions::Session;

use super::*;
use crate::domain::error::AppError;
use crate::domain::viewer::RequestOrigin;
use crate::server::config::OWN_PATHS;
use crate::server::services::accounts::{self, SetUp};
use crate::server::web::cookies::Cookie;

/// Sends a form by a browser.
async fn form(client: &Client, name: &str, fields: &[(&str, &str)]) -> Answer {
    let client = client.with("content-type", "application/x-www-form-urlencoded").with("accept", "text/html");
    let client = client.with("referer", "http://127.0.0.1:3000/settings/api-keys");
    client.send("POST", &format!("/fn/{name}"), Some(serde_urlencoded::to_string(fields).unwrap())).await
}

/// The cookie of this name that an answer sets, as a request sends it back.
fn cookie(answer: &Answer, name: &str) -> Option<String> {
    let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    let found = set.filter_map(|value| value.split(';').next()).find(|pair| pair.starts_with(&format!("{name}=")));
    found.map(str::to_owned)
}

on_both_databases! {
    async fn a_team_that_reads_much_leaves_room_for_others(app: TestApp) {
        let mut held = Vec::new();
        for _ in 0..crate::server::bounds::READERS_OF_A_TEAM {
            held.push(app.app.readers.take(app.team).await);
        }
        let mine = app.program(&[Permission::LogsView, Permission::EmailsSend]).await;
        let theirs = app.program_of(app.other_team, [Permission::LogsView].into_iter().collect()).await;
        let waiting = tokio::spawn({
            let mine = mine.clone();
            async move { mine.get("/api/logs").await.status }
        });
        assert_eq!(theirs.get("/api/logs").await.status, 200);
        assert_eq!(mine.post("/api/v1/send", json!({})).await.status, 400, "what sends does not wait");
        assert!(!waiting.is_finished());
        drop(held);
        assert_eq!(waiting.await.unwrap(), 200);
    }

    async fn an_anonymous_form_leaves_no_session_whatever_it_holds(app: TestApp) {
        let before = app.store().count_rows().await[0];
        let long = format!("{}@example.com", "a".repeat(10_000));
        let long = long.as_str();
        for _ in 0..8 {
            let fields = [("email", long), ("password", "wrong")];
            assert_eq!(cookie(&form(&app.client(), "log_in", &fields).await, "session"), None);
        }
        let fields = [("token", "no"), ("name", long), ("email", long), ("password", "wrong"), ("team_name", "a")];
        form(&app.client(), "set_up", &fields).await;
        form(&app.client(), "accept_invite", &[("token", "no"), ("name", long), ("password", "wrong")]).await;
        assert_eq!(app.store().count_rows().await[0], before);
    }

    async fn an_anonymous_form_is_small(app: TestApp) {
        let large = "a".repeat(20_000);
        let answer = form(&app.client(), "log_in", &[("email", &large), ("password", "wrong")]).await;
        assert_eq!(answer.status, 413);
        let answer = app.client().post("/api/auth/login", json!({ "email": large, "password": "wrong" })).await;
        assert_eq!(answer.status, 413);
    }

    async fn what_was_typed_comes_back_once(app: TestApp) {
        let refused = form(&app.client(), "log_in", &[("email", "typo@example.com"), ("password", "wrong")]).await;
        let kept = cookie(&refused, "draft").expect("a draft");
        assert!(!kept.contains("typo"));
        let page = app.client().with("cookie", &kept).get("/login").await;
        assert!(page.text.contains("typo@example.com"));
        assert_eq!(cookie(&page, "draft").as_deref(), Some("draft="), "the browser forgets it");
    }

    async fn an_anonymous_body_is_not_read_where_a_key_is_asked_for(app: TestApp) {
        let body = axum::body::Body::from_stream(futures_util::stream::pending::<Result<axum::body::Bytes, std::io::Error>>());
        let request = Request::post("/api/v1/send").header("content-type", "application/json").body(body).unwrap();
        // It would wait for a body that never comes.
        let response = app.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["connection"], "close");
    }

    async fn no_page_is_taken_for_the_path_of_the_base_url(app: TestApp) {
        let routes = routes_of(&app.router);
        let first = |path: &str| path.split('/').nth(1).unwrap_or_default().to_owned();
        let begins: std::collections::BTreeSet<String> = routes.iter().map(|route| first(&route.path)).collect();
        let unknown: Vec<_> = begins.iter().filter(|name| !name.is_empty() && !OWN_PATHS.contains(&name.as_str())).collect();
        assert!(unknown.is_empty(), "add them to OWN_PATHS: {unknown:?}");
    }

    async fn a_visit_writes_nothing(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let id = app.add_message(Message::default()).await;
        let before = app.store().count_rows().await;
        let paths = [
            "/", "/login", "/forgot", "/setup", "/setup?token=a", "/invite/a", "/reset/a", "/login/code", "/logs",
            "/templates", "/templates/new", "/settings", "/settings/team", "/settings/members", "/settings/roles",
            "/settings/api-keys", "/settings/adapters", "/settings/audit", "/settings/profile", "/requests", "/connect",
            "/login/openid", "/login/openid/callback?code=a&state=b", "/health", "/api/docs", "/nowhere",
        ];
        for client in [app.client(), owner] {
            for path in paths {
                client.get(path).await;
            }
            client.get(&format!("/logs/{id}")).await;
            client.get(&format!("/logs/{id}/body")).await;
        }
        assert_eq!(app.store().count_rows().await, before);
    }

    async fn nothing_that_leaves_a_trace_is_fetched_ahead(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await.with("sec-purpose", "prefetch;anonymous-client-ip");
        let before = app.store().count_rows().await;
        for path in ["/logs/export?format=csv", "/settings/audit/export?format=csv", "/login/openid", "/login/openid/callback"] {
            assert_eq!(owner.get(path).await.status, 403, "{path}");
        }
        assert_eq!(owner.get("/logs").await.status, 200, "a page leaves none");
        assert_eq!(app.store().count_rows().await, before);
    }

    async fn a_new_key_travels_in_no_readable_cookie(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let made = form(&owner, "create_api_key", &[("name", "Till"), ("preset", "send")]).await;
        let flash = cookie(&made, "flash").expect("a sentence");
        let value = flash.trim_start_matches("flash=");
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(value).unwrap();
        assert!(decoded.starts_with(b"v1:"), "sealed");
        assert!(!String::from_utf8_lossy(&decoded).contains("Till"));
    }

    async fn a_sealed_cookie_opens_here_in_its_place_and_in_time(app: TestApp) {
        let set = Cookie::OpenId.seal(&app.app, &"secret", 60).unwrap();
        let pair = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        let headers = |pair: &str| HeaderMap::from_iter([(header::COOKIE, pair.parse().unwrap())]);
        assert_eq!(Cookie::OpenId.open::<String>(&app.app, &headers(&pair)).as_deref(), Some("secret"));
        let moved = pair.replace("openid=", "flash=");
        assert_eq!(Cookie::Flash.open::<String>(&app.app, &headers(&moved)), None);
        app.advance(TimeDelta::seconds(61));
        assert_eq!(Cookie::OpenId.open::<String>(&app.app, &headers(&pair)), None);
        assert!(Cookie::OpenId.seal(&app.app, &"a".repeat(4000), 60).is_none());
    }

    async fn a_session_ends_thirty_days_after_the_last_visit(app: TestApp) {
        let user = app.user(app.team, Role::Owner).await;
        let session = Session::new(None, Arc::new(app.store().clone()), None);
        session.insert("user_id", user).await.unwrap();
        session.insert("began_at", app.now().timestamp_micros()).await.unwrap();
        let soon = time::OffsetDateTime::now_utc() + time::Duration::days(1);
        session.set_expiry(Some(tower_sessions::Expiry::AtDateTime(soon)));
        session.save().await.unwrap();
        let after = |days: i64| crate::server::clock::Clock::system().now() + TimeDelta::days(days);
        assert_eq!(app.store().list_sessions(user, after(0)).await.unwrap().len(), 1);
        assert!(app.store().list_sessions(user, after(2)).await.unwrap().is_empty());
        let later = app.now() + TimeDelta::minutes(2);
        app.store().touch_session(session.id().unwrap(), later).await.unwrap();
        app.store().keep_noted().await;
        assert_eq!(app.store().list_sessions(user, after(29)).await.unwrap().len(), 1);
        assert!(app.store().list_sessions(user, after(31)).await.unwrap().is_empty());
    }

    async fn a_session_of_nobody_ends_soon(app: TestApp) {
        let session = Session::new(None, Arc::new(app.store().clone()), None);
        session.insert("awaited", "somebody").await.unwrap();
        session.save().await.unwrap();
        let after = |minutes: i64| crate::server::clock::Clock::system().now() + TimeDelta::minutes(minutes);
        app.store().delete_expired_sessions(after(14)).await.unwrap();
        assert_eq!(app.store().count_rows().await[0], ("sessions", 1));
        app.store().delete_expired_sessions(after(16)).await.unwrap();
        assert_eq!(app.store().count_rows().await[0], ("sessions", 0));
    }

    async fn of_eight_set_ups_at_once_one_wins(app: TestApp) {
        let token = accounts::create_setup_token(&app.app).await.unwrap().expect("nobody is here yet");
        let teams = |counts: &[(&str, i64)]| counts.iter().find(|(table, _)| *table == "teams").unwrap().1;
        let before = teams(&app.store().count_rows().await);
        let tries: Vec<_> = (0..8)
            .map(|index| {
                let (server, token) = (app.app.clone(), token.clone());
                tokio::spawn(async move {
                    let session = Session::new(None, Arc::new(server.store.clone()), None);
                    let input = SetUp {
                        token,
                        name: "Ada".to_owned(),
                        email: format!("ada{index}@example.com"),
                        password: PASSWORD.to_owned(),
                        team_name: format!("Team {index}"),
                        time_zone: None,
                    };
                    accounts::set_up(&server, &session, input, &RequestOrigin::default()).await
                })
            })
            .collect();
        let mut won = 0;
        for outcome in tries {
            match outcome.await.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert!(matches!(error, AppError::Forbidden(_)), "{error:?}"),
            }
        }
        let counts = app.store().count_rows().await;
        let users = counts.iter().find(|(table, _)| *table == "users").unwrap().1;
        assert_eq!((won, users, teams(&counts)), (1, 1, before + 1));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_reads_the_databases_files() {
    use std::os::unix::fs::PermissionsExt;
    let folder = std::env::temp_dir().join(format!("sendlog-private-{}", crate::server::secrets::random_token()));
    let path = folder.join("sendlog.db");
    let url = format!("sqlite://{}", path.display());
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    Store::open(&url).await.unwrap().close().await;
    assert_eq!(mode(&folder), 0o700);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let store = Store::open(&url).await.unwrap();
    store.set_setting("a", Some("b")).await.unwrap();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
    store.close().await;
    std::fs::remove_dir_all(folder).unwrap();
}
