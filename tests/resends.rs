//! A bulk resend whose programs are killed: two real programs work at one database, and are ended with SIGKILL at random
//! moments. Each message has exactly one copy, and the report is right.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at the first thing that does not work")]

#[allow(dead_code, reason = "the other tests of this folder use the rest")]
mod program;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use program::{Folder, TEAM};
use rand::Rng;
use sendlog::domain::channel::Channel;
use sendlog::domain::email::{NewEmail, Recipient, RecipientKind};
use sendlog::domain::event::{EmailEvent, EventDetail, EventKind};
use sendlog::domain::ids::{EmailId, ResendJobId, TeamId};
use sendlog::domain::resend_job::{ResendItemState, ResendJobState};
use sendlog::server::clock::Clock;
use sendlog::server::demo::sink::Sink;
use sendlog::server::store::Store;
use sendlog::server::store::bulk::HistoricEmail;
use sendlog::server::store::events::{EmailFacts, NewEvent};
use serde_json::{Value, json};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

const MESSAGES: usize = 1000;

/// How many programs are killed.
const KILLS: usize = 6;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(150);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_programs_make_one_copy_of_each_message_on_sqlite() {
    let folder = Folder::new("resends-kills");
    let url = format!("sqlite://{}", folder.database().display());
    each_has_one_copy(&url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_programs_make_one_copy_of_each_message_on_postgres() {
    let Ok(server) = std::env::var("TEST_DATABASE_URL") else { panic!("TEST_DATABASE_URL is not set") };
    let name = format!("resends_{}", std::process::id());
    let mut connection = PgConnection::connect(&server).await.unwrap();
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    each_has_one_copy(&format!("{base}/{name}")).await;
    sqlx::query(AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)"))).execute(&mut connection).await.unwrap();
}

async fn each_has_one_copy(url: &str) {
    let sink = Sink::start(([127, 0, 0, 1], 0).into()).await.unwrap();
    admin(url, &["create-user", "--email", "a@example.com", "--name", "Ada", "--team", TEAM, "--role", "owner"]);
    let from = "Team <team@example.com>";
    admin(url, &["create-adapter", "--team", TEAM, "--type", "smtp", "--url", &sink.url(), "--from", from]);
    let key = admin(url, &["create-key", "--team", TEAM, "--name", "test", "--scope", "*"]);
    let store = Store::open(url).await.unwrap();
    let team = store.find_team_by_slug(TEAM).await.unwrap().unwrap().id;
    let ids = add_failed(&store, team).await;

    let mut programs = [Program::start(url), Program::start(url)];
    let body = json!({ "status": "failed", "perMinute": 6000 });
    let made = ask(programs[0].addr, &key, "POST", "/api/logs/resends", &body).await.expect("an answer");
    let job: ResendJobId = made["data"]["id"].as_str().unwrap_or_else(|| panic!("{made}")).parse().unwrap();
    let deadline = Instant::now() + PATIENCE;
    for _ in 0..KILLS {
        let (which, pause_ms) = (rand::rng().random_range(0..2), rand::rng().random_range(100..1500));
        sleep(Duration::from_millis(pause_ms)).await;
        programs[which] = Program::start(url);
    }
    loop {
        let found = store.find_resend_job(team, job).await.unwrap().unwrap().job;
        if found.state == ResendJobState::Done {
            assert_eq!((found.counts.resent, found.counts.total()), (MESSAGES as i64, MESSAGES as i64), "{found:?}");
            break;
        }
        assert!(Instant::now() < deadline, "{found:?}");
        sleep(Duration::from_millis(200)).await;
    }
    let mut reported = BTreeSet::new();
    for page in 1..=MESSAGES / 100 {
        let path = format!("/api/logs/resends/{job}/items?pageSize=100&page={page}");
        let answer = ask(programs[0].addr, &key, "GET", &path, &Value::Null).await.expect("a report");
        for item in answer["data"].as_array().unwrap() {
            assert_eq!(item["state"], ResendItemState::Resent.as_str(), "{item}");
            let id = |name: &str| item[name].as_str().unwrap().parse::<EmailId>().unwrap();
            reported.insert((id("id"), id("resentAs")));
        }
    }
    drop(programs);
    assert_eq!(reported.len(), MESSAGES);
    let mut copied = BTreeSet::new();
    for ids in ids.chunks(200) {
        let keys: Vec<i64> = ids.iter().map(|id| id.0).collect();
        for email in store.find_emails(team, &keys).await.unwrap() {
            assert_eq!(email.resent_as.len(), 1, "{} has the copies {:?}", email.id, email.resent_as);
            copied.insert((email.id, email.resent_as[0]));
        }
    }
    assert_eq!(reported, copied);
    store.close().await;
}

/// Messages of the last hour that failed.
async fn add_failed(store: &Store, team: TeamId) -> Vec<EmailId> {
    let clock = Clock::system();
    let message = |index: usize| {
        let event = |kind| NewEvent {
            event: EmailEvent {
                id: clock.mint(),
                kind,
                at: clock.now(),
                recipient: None,
                detail: EventDetail::default(),
            },
            provider_event_id: None,
        };
        let address = format!("reader-{index}@example.com");
        let email = NewEmail {
            adapter_id: Some(clock.mint()),
            recipients: vec![Recipient { kind: RecipientKind::To, address, name: None }],
            from_address: "team@example.com".to_owned(),
            subject: format!("Message {index}"),
            text: Some("Hello".to_owned()),
            events: vec![event(EventKind::Queued), event(EventKind::Failed)],
            ..NewEmail::blank(clock.mint(), clock.mint(), Channel::Email)
        };
        HistoricEmail { email, facts: EmailFacts::default(), waiting: None }
    };
    let messages: Vec<HistoricEmail> = (0..MESSAGES).map(message).collect();
    store.insert_history(team, &messages).await.unwrap();
    messages.iter().map(|message| message.email.id).collect()
}

fn command(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendlog"));
    command.env("SENDLOG_DATABASE_URL", url).env("SENDLOG_SECRET_KEY", "7".repeat(64));
    command.env("SENDLOG_ALLOW_PRIVATE_ADAPTERS", "true").env("SENDLOG_PASSWORD", "a long enough password");
    command
}

fn admin(url: &str, arguments: &[&str]) -> String {
    let output = command(url).arg("admin").args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The program, serving. It is killed with its value, and with another one in its place.
struct Program {
    child: Child,
    addr: SocketAddr,
}

impl Program {
    fn start(url: &str) -> Self {
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = command(url);
        command.args(["serve", "--addr", &addr.to_string()]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        assert!(first_line.contains("Sendlog is at"), "the program does not start: {first_line:?}");
        Self { child, addr }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn ask(addr: SocketAddr, key: &str, method: &str, path: &str, body: &Value) -> Option<Value> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let asking = async {
        let mut stream = TcpStream::connect(addr).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    };
    timeout(Duration::from_secs(60), asking).await.ok().flatten()
}
