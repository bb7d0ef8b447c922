//! Lists that keep themselves up to date: what a page is told about what changes.

use chrono::TimeDelta;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::domain::email::EmailStatus;
use crate::domain::ids::EmailId;
use crate::domain::permission::Permission;
use crate::domain::team::Role;

/// What a page of the log says of itself: where it is told what changes, and the word for its rows.
fn of_page(page: &str) -> (String, String) {
    let value = |name: &str| {
        let (_, rest) = page.split_once(&format!("{name}=\"")).unwrap();
        rest.split('"').next().unwrap().replace("&amp;", "&")
    };
    (value("data-live"), value("data-rows"))
}

/// How many are new, and the word for the rows, by the first event.
async fn told(client: &Client, live: &str) -> (i64, String) {
    let answer = client.get(live).await;
    assert_eq!((answer.status, answer.headers["content-type"].to_str().unwrap()), (200, "text/event-stream"), "{live}");
    let said = answer.text.lines().find_map(|line| line.strip_prefix("data: ")).unwrap();
    let (new, rows) = said.split_once(' ').unwrap();
    (new.parse().unwrap(), rows.to_owned())
}

on_both_databases! {
    async fn a_page_is_told_of_new_messages_and_of_rows_that_change(app: TestApp) {
        let ids = app.add_messages(&vec![Message { status: EmailStatus::Sent, at: app.now(), ..Message::default() }; 60]).await;
        let reporter = app.program(&[Permission::EventsWrite]).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let addresses = ["/logs", "/logs?status=sent,delivered&q=welcome", "/logs?page=2&preset=30d"];
        for (address, kind) in addresses.into_iter().zip(["delivered", "opened", "clicked"]) {
            app.advance(TimeDelta::seconds(1));
            let (live, rows) = of_page(&client.get(address).await.text);
            assert_eq!(told(&client, &live).await, (0, rows.clone()), "{live}");
            app.advance(TimeDelta::seconds(1));
            app.add_messages(&vec![Message { status: EmailStatus::Sent, at: app.now(), ..Message::default() }; 3]).await;
            assert_eq!(told(&client, &live).await, (3, rows.clone()), "{live}");
            // The page of the same rows says that word too.
            let same = client.get(&live.replacen("/live", "", 1)).await.text;
            assert_eq!(of_page(&same), (live.clone(), rows.clone()), "{live}");
            let event = |id: &EmailId| json!({"id": format!("{kind}-{id}"), "kind": kind, "emailId": id, "at": app.now()});
            reporter.post("/api/v1/events", ids.iter().map(event).collect()).await.data();
            let (new, changed) = told(&client, &live).await;
            assert!(new == 3 && changed != rows, "{live}");
        }
    }

    async fn a_period_that_is_over_gets_nothing_new(app: TestApp) {
        app.add_message(Message { at: app.now() - TimeDelta::days(1), ..Message::default() }).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let (live, rows) = of_page(&client.get("/logs?preset=custom&from=2024-01-19T00:00:00Z&to=2024-01-20T00:00:00Z").await.text);
        app.add_message(Message { at: app.now(), ..Message::default() }).await;
        assert_eq!(told(&client, &live).await, (0, rows));
    }

    async fn a_page_that_does_not_say_when_it_was_made_is_of_now(app: TestApp) {
        app.add_message(Message { at: app.now() - TimeDelta::seconds(1), ..Message::default() }).await;
        let client = app.sign_in(Role::Viewer).await.with("accept", "text/html");
        let (_, rows) = of_page(&client.get("/logs").await.text);
        assert_eq!(told(&client, "/logs/live").await, (0, rows));
    }

    async fn a_server_that_stops_lets_nobody_wait_for_changes(app: TestApp) {
        let cookie = app.sign_in(Role::Viewer).await.headers["cookie"].to_str().unwrap().to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let pages = crate::server::tests::pages();
        let serving = tokio::spawn(crate::server::web::serve(app.app.clone(), pages, crate::server::web::Entrances { main: vec![listener.into()], ..Default::default() }, stopped));
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let head = format!("GET /logs/live?seen=2024-01-20T12:00:00Z HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut said = Vec::new();
        while !String::from_utf8_lossy(&said).contains("data: 0 ") {
            assert!(stream.read_buf(&mut said).await.unwrap() > 0, "{}", String::from_utf8_lossy(&said));
        }
        stop.send(true).unwrap();
        // Whole: the answer ends as its framing says.
        stream.read_to_end(&mut said).await.unwrap();
        assert!(said.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&said));
        serving.await.unwrap().unwrap();
    }
}
