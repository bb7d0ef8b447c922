//! A server that is killed loses no accepted message: these tests run the real program and end it with SIGKILL.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

mod program;

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::{Duration, Instant};

use program::{Folder, Server, create_template, post, set_up};
use sendlog::server::demo::sink::Sink;
use serde_json::json;

const MESSAGES: usize = 20;
const SUBJECT: &str = "Message {{ index }}";

#[tokio::test]
async fn a_kill_between_acceptance_and_delivery_loses_nothing() {
    let folder = Folder::new("crash-accepted");
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let key = set_up(&folder, &sink.url());
    // Only the web half runs: messages are accepted and nobody sends them.
    let mut web = Server::start(&folder, &["--only", "web"]);
    let template = create_template(web.addr, &key, SUBJECT).await;
    for index in 0..MESSAGES {
        send(web.addr, &key, &template, index).await;
    }
    web.kill();
    let _server = Server::start(&folder, &[]);
    assert_all_arrive_once(&sink).await;
}

#[tokio::test]
async fn a_kill_during_delivery_loses_nothing() {
    let folder = Folder::new("crash-attempted");
    // A mail server that takes the connection and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mail_addr = silent.local_addr().unwrap();
    let key = set_up(&folder, &format!("smtp://{mail_addr}"));
    let mut server = Server::start(&folder, &[]);
    let template = create_template(server.addr, &key, SUBJECT).await;
    for index in 0..MESSAGES {
        send(server.addr, &key, &template, index).await;
    }
    silent.accept().expect("the worker connects");
    server.kill();
    drop(silent);
    let sink = Sink::start(mail_addr).await.unwrap();
    let _server = Server::start(&folder, &[]);
    assert_all_arrive_once(&sink).await;
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nobody() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    for (name, log) in [("log-closed", Stdio::from(writer)), ("log-full", Stdio::from(full))] {
        let folder = Folder::new(name);
        let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
        let key = set_up(&folder, &sink.url());
        let server = Server::start_with_log(&folder, log);
        let template = create_template(server.addr, &key, SUBJECT).await;
        for index in 0..MESSAGES {
            send(server.addr, &key, &template, index).await;
        }
        assert_all_arrive_once(&sink).await;
    }
}

#[tokio::test]
async fn a_supervisor_learns_by_the_health_command_whether_the_server_is_well() {
    let folder = Folder::new("health");
    set_up(&folder, "smtp://127.0.0.1:9");
    let mut server = Server::start(&folder, &["--only", "web"]);
    // As in a container, whose one setting says that the server listens on every network.
    let everywhere = format!("0.0.0.0:{}", server.addr.port());
    let health = || program::command(&folder).arg("health").env("SENDLOG_ADDR", &everywhere).output().unwrap();
    let well = health();
    assert!(well.status.success(), "{}", String::from_utf8_lossy(&well.stderr));
    server.kill();
    let gone = health();
    assert_eq!(gone.status.code(), Some(2));
    let said = String::from_utf8_lossy(&gone.stderr).into_owned();
    assert!(said.contains(&format!("nothing answers at http://{}/health", server.addr)), "{said}");
}

async fn assert_all_arrive_once(sink: &Sink) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while sink.messages().len() < MESSAGES && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Long enough for a second copy to show.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut subjects: Vec<String> =
        sink.messages().iter().map(|message| subject(&String::from_utf8_lossy(&message.raw))).collect();
    subjects.sort();
    let mut expected: Vec<String> = (0..MESSAGES).map(|index| format!("Message {index}")).collect();
    expected.sort();
    assert_eq!(subjects, expected);
}

fn subject(raw: &str) -> String {
    let line = raw.lines().find_map(|line| line.strip_prefix("Subject: "));
    line.unwrap_or("no subject").to_owned()
}

async fn send(addr: SocketAddr, key: &str, template: &str, index: usize) {
    let to = format!("reader-{index}@example.com");
    let body = json!({ "templateId": template, "to": to, "variables": { "index": index } });
    let answer = post(addr, key, "/api/v1/send", body).await;
    assert_eq!(answer["data"]["status"], "queued", "{answer}");
}
