//! The log of API requests, as the web layer fills it.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::domain::api_request::{ApiRequest, ApiRequestFilter, LoggedBody};
use crate::domain::page::Cursor;

/// A team's requests, newest first.
async fn logged(app: &TestApp, team: TeamId) -> Vec<ApiRequest> {
    app.app.request_log.flush().await;
    kept(app, team).await
}

/// Those of them that the database has.
async fn kept(app: &TestApp, team: TeamId) -> Vec<ApiRequest> {
    let listed = app.store().list_api_requests(team, &ApiRequestFilter::default(), Cursor::Newest, 100).await.unwrap();
    let mut requests = Vec::new();
    for row in listed.items {
        requests.push(app.store().find_api_request(team, row.id).await.unwrap().unwrap().0);
    }
    requests
}

/// Sends the head of a request, waits for what the server says then, sends the rest and closes the connection.
async fn hang_up(addr: SocketAddr, head: &str, awaited: &str, rest: &str) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut said = vec![0; awaited.len()];
    stream.read_exact(&mut said).await.unwrap();
    assert_eq!(String::from_utf8(said).unwrap(), awaited);
    stream.write_all(rest.as_bytes()).await.unwrap();
}

on_both_databases! {
    async fn every_request_of_a_team_is_written_down(app: TestApp) {
        let program = app.program(&[Permission::LogsView]).await.with("user-agent", "shop/1.0");
        program.get("/api/logs?page=2").await.data();
        program.get("/api/templates").await;
        app.client().get("/api/logs").await;
        let rows = logged(&app, app.team).await;
        let endpoints: Vec<_> = rows.iter().map(|row| (row.endpoint.as_str(), row.response_status)).collect();
        assert_eq!(endpoints, [("/api/templates", 403), ("/api/logs?page=2", 200)]);
        let row = &rows[1];
        assert_eq!((row.method.as_str(), row.user_agent.as_deref()), ("GET", Some("shop/1.0")));
        assert!(row.api_key_id.is_some() && row.user_id.is_none() && row.at == app.now());
        assert_eq!(row.response_body, LoggedBody::default());
        assert!(rows[0].response_body.text.as_ref().unwrap().contains("permission"));
        assert!(logged(&app, app.other_team).await.is_empty());
    }

    async fn a_row_that_is_not_taken_takes_no_neighbour_with_it(app: TestApp) {
        let program = app.program(&[Permission::LogsView]).await;
        program.get("/api/logs?page=1").await.data();
        let row = logged(&app, app.team).await.remove(0);
        let same_but = |id: i64| ApiRequest { id: ApiRequestId(id), ..row.clone() };
        for row in [same_but(row.id.0 + 1), row.clone(), same_but(row.id.0 + 2)] {
            app.app.request_log.record(row);
        }
        let ids: Vec<i64> = logged(&app, app.team).await.iter().map(|row| row.id.0).collect();
        assert_eq!(ids, [row.id.0 + 2, row.id.0 + 1, row.id.0]);
    }

    async fn rows_wait_for_a_database_that_is_not_available_and_are_kept(app: TestApp) {
        let program = app.program(&[Permission::LogsView]).await;
        let outage = app.store().begin_outage(&app.url).await;
        for page in 1..=3 {
            program.get(&format!("/api/logs?page={page}")).await.data();
        }
        assert!(!app.app.request_log.flush().await);
        assert!(kept(&app, app.team).await.is_empty());
        app.store().end_outage(outage).await;
        let endpoints: Vec<_> = logged(&app, app.team).await.into_iter().map(|row| row.endpoint).collect();
        assert_eq!(endpoints, ["/api/logs?page=3", "/api/logs?page=2", "/api/logs?page=1"]);
    }

    async fn a_server_that_stops_keeps_every_row_first(app: TestApp) {
        let program = app.program(&[Permission::LogsView, Permission::TemplatesCreate]).await;
        let key = program.headers["authorization"].to_str().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let serving = tokio::spawn(crate::server::web::serve(app.app.clone(), super::pages(), crate::server::web::Entrances { main: vec![listener.into()], ..Default::default() }, stopped));
        let outage = app.store().begin_outage(&app.url).await;
        // Callers who hang up once they see an answer begin.
        for page in 1..=4 {
            let head = format!("GET /api/logs?page={page} HTTP/1.1\r\nHost: a\r\nAuthorization: {key}\r\n\r\n");
            hang_up(addr, &head, "HTTP/1.1 200", "").await;
        }
        // One who hangs up when the request has been begun with: it is finished all the same.
        let body = json!({"name": "Receipt", "subject": "Hello", "text": "Hello"}).to_string();
        let head = format!(
            "POST /api/templates HTTP/1.1\r\nHost: a\r\nAuthorization: {key}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
            body.len()
        );
        hang_up(addr, &head, "HTTP/1.1 100", &body).await;
        stop.send(true).unwrap();
        tokio::time::sleep(Duration::from_millis(300)).await;
        app.store().end_outage(outage).await;
        serving.await.unwrap().unwrap();
        let mut endpoints: Vec<_> = kept(&app, app.team).await.into_iter().map(|row| row.endpoint).collect();
        endpoints.sort_unstable();
        let pages = (1..=4).map(|page| format!("/api/logs?page={page}"));
        assert_eq!(endpoints, pages.chain(["/api/templates".to_owned()]).collect::<Vec<_>>());
    }

    async fn rows_that_wait_for_the_database_have_a_bound_in_bytes(app: TestApp) {
        let program = app.program(&[Permission::LogsView]).await;
        program.get("/api/logs").await.data();
        let row = logged(&app, app.team).await.remove(0);
        let text = Some("x".repeat(8 * 1024 * 1024));
        let large = |number: i64| ApiRequest {
            id: ApiRequestId(row.id.0 + number),
            request_body: LoggedBody { text: text.clone(), truncated: false },
            ..row.clone()
        };
        (1..=5).for_each(|number| app.app.request_log.record(large(number)));
        assert_eq!(logged(&app, app.team).await.len(), 1 + 3);
        app.app.request_log.record(large(6));
        assert_eq!(logged(&app, app.team).await.len(), 1 + 3 + 1);
    }

    async fn a_request_whose_client_hangs_up_is_written_down(app: TestApp) {
        let program = app.program(&[Permission::LogsView]).await;
        let (begun, is_begun) = tokio::sync::oneshot::channel();
        let body = Body::from_stream(futures_util::stream::once(async move {
            let _ = begun.send(());
            std::future::pending::<Result<Vec<u8>, std::io::Error>>().await
        }));
        let mut request = Request::builder().method("GET").uri("/api/templates?x=7").body(body).unwrap();
        request.headers_mut().extend(program.headers.clone());
        request.extensions_mut().insert(Peer::from(program.address));
        tokio::select! {
            answer = program.router.clone().oneshot(request) => panic!("{answer:?}"),
            begun = is_begun => begun.unwrap(),
        }
        let rows = logged(&app, app.team).await;
        assert_eq!((rows.len(), rows[0].endpoint.as_str()), (1, "/api/templates?x=7"));
        assert_eq!(rows[0].response_status, 499);
    }

    async fn successful_reads_keep_no_body(app: TestApp) {
        let program = app.program(&[Permission::LogsView]).await;
        for _ in 0..3 {
            program.get("/api/logs").await.data();
        }
        program.get("/api/logs/eml_0000000000001").await;
        logged(&app, app.team).await;
        let rows = app.store().every_row().await;
        assert_eq!((rows["api_requests"].len(), rows["api_request_bodies"].len()), (4, 1));
    }

    async fn no_secret_reaches_the_log(app: TestApp) {
        let owner = app.sign_in(Role::Owner).await;
        let key = owner.post("/api/api-keys", json!({"name": "Shop", "scopes": ["logs:view"]})).await.text_of("key");
        let team = app.team;
        let invite = json!({"email": "ada@finch.example", "role": "viewer"});
        let url = owner.post(&format!("/api/teams/{team}/invite"), invite).await.text_of("inviteUrl");
        let token = url.rsplit('/').next().unwrap().to_owned();
        owner.send("POST", &format!("/api/teams/accept-invite/{token}"), None).await;
        let adapter = json!({"type": "smtp", "url": "smtp://finch:hu%2Fsh@mail.example", "from": "a@b.example"});
        owner.post("/api/adapters", adapter).await.data();
        let unreadable = json!({"type": "smtp", "url": "smtp://finch:hu/sh@mail.example", "from": "a@b.example"});
        owner.post("/api/adapters", unreadable).await;
        owner.get(&format!("/api/logs?token={token}&api_key={key}&apikey={key}&search={key}")).await;
        owner.send("POST", "/api/auth/login", Some(format!("password={PASSWORD}"))).await;
        owner.post("/api/auth/login", json!({"email": "owner@finch.example", "password": PASSWORD})).await.data();
        let rows = logged(&app, team).await;
        assert_eq!(rows.len(), 8);
        let written = serde_json::to_string(&rows).unwrap();
        for secret in [key.as_str(), token.as_str(), PASSWORD, "hu/sh", "hu%2Fsh"] {
            let at = written.find(secret).map(|at| &written[at.saturating_sub(200)..(at + 60).min(written.len())]);
            assert_eq!(at, None, "{secret}");
        }
    }

    async fn a_message_knows_the_request_it_came_in(app: TestApp) {
        let template = app.add_template("Receipt").await;
        app.add_adapter("Mail").await;
        let program = app.program(&[Permission::EmailsSend]).await;
        let body = json!({"templateId": template.id.to_string(), "to": "a@b.example", "variables": {"name": "Ada"}});
        let id: EmailId = program.post("/api/v1/send", body).await.text_of("id").parse().unwrap();
        let request = &logged(&app, app.team).await[0];
        let email = app.store().find_email(app.team, id).await.unwrap().unwrap();
        assert_eq!(email.api_request_id, Some(request.id));
    }
}
