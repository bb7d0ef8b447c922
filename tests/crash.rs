//! A server that is killed loses no accepted message: these tests run the real program and end it with SIGKILL.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sendlog::server::delivery::sink::Sink;
use serde_json::{Value, json};

const MESSAGES: usize = 20;

#[tokio::test]
async fn a_kill_between_acceptance_and_delivery_loses_nothing() {
    let folder = Folder::new("accepted");
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    let key = set_up(&folder, &sink.url());
    // Only the web half runs: messages are accepted and nobody sends them.
    let mut web = Server::start(&folder, &["--only", "web"]);
    let template = create_template(web.addr, &key).await;
    for index in 0..MESSAGES {
        send(web.addr, &key, &template, index).await;
    }
    web.kill();
    let _server = Server::start(&folder, &[]);
    assert_all_arrive_once(&sink).await;
}

#[tokio::test]
async fn a_kill_during_delivery_loses_nothing() {
    let folder = Folder::new("attempted");
    // A mail server that takes the connection and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mail_addr = silent.local_addr().unwrap();
    let key = set_up(&folder, &format!("smtp://{mail_addr}"));
    let mut server = Server::start(&folder, &[]);
    let template = create_template(server.addr, &key).await;
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

async fn create_template(addr: SocketAddr, key: &str) -> String {
    let body = json!({ "name": "Crash", "subject": "Message {{ index }}", "text": "Hello" });
    let answer = post(addr, key, "/api/templates", body).await;
    answer["data"]["id"].as_str().expect("a template id").to_owned()
}

async fn send(addr: SocketAddr, key: &str, template: &str, index: usize) {
    let to = format!("reader-{index}@example.com");
    let body = json!({ "templateId": template, "to": to, "variables": { "index": index } });
    let answer = post(addr, key, "/api/v1/send", body).await;
    assert_eq!(answer["data"]["status"], "queued", "{answer}");
}

async fn post(addr: SocketAddr, key: &str, path: &str, body: Value) -> Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(addr).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("no JSON in {answer}"))
}

/// Makes the team, its adapter and a key; gives the key.
fn set_up(folder: &Folder, smtp_url: &str) -> String {
    let user = ["create-user", "--email", "a@example.com", "--name", "Ada", "--team", "crash", "--role", "owner"];
    admin(folder, &user);
    let from = "Crash <crash@example.com>";
    admin(folder, &["create-adapter", "--team", "crash", "--type", "smtp", "--url", smtp_url, "--from", from]);
    admin(folder, &["create-key", "--team", "crash", "--name", "test", "--scope", "*"]).trim().to_owned()
}

fn admin(folder: &Folder, arguments: &[&str]) -> String {
    let output = command(folder)
        .arg("admin")
        .args(arguments)
        .env("SENDLOG_PASSWORD", "a long enough password")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn command(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendlog"));
    command.env("SENDLOG_DATABASE_URL", format!("sqlite://{}", folder.0.join("sendlog.db").display()));
    command
}

/// The program, serving. It is killed with its value.
struct Server {
    child: Child,
    addr: SocketAddr,
}

impl Server {
    fn start(folder: &Folder, arguments: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = command(folder)
            .args(["serve", "--addr", &free.to_string()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        assert!(first_line.contains("Sendlog is at"), "{first_line}");
        Self { child, addr: free }
    }

    /// SIGKILL: the program gets no chance to tidy up.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder that is deleted with its value.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("crash-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
