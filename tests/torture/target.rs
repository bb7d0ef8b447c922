//! The program under torture, with its database.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, FromRow};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::disk::SmallDisk;
use super::load::Ledger;
use super::mail::Mail;
use crate::program::{Folder, TEAM};

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the database is.
#[derive(Clone)]
enum Place {
    Sqlite(PathBuf),
    Postgres { url: String, server: String, name: String },
}

/// The program. It is killed with its value.
pub struct Target {
    folder: Folder,
    place: Place,
    /// What goes before the program's name on the command line.
    wrapper: Vec<String>,
    node: Option<Node>,
    /// Where it listens, from its last start.
    pub addr: SocketAddr,
    /// Where it takes messages by SMTP, from its last start.
    pub smtp_addr: SocketAddr,
    /// A key of every scope.
    pub key: String,
    /// A template with one variable.
    pub template: String,
}

impl Target {
    pub async fn sqlite(name: &str, mail: &Mail) -> Self {
        let folder = Folder::new(name);
        let place = Place::Sqlite(folder.database());
        Self::set_up(folder, place, Vec::new(), mail).await
    }

    pub async fn postgres(name: &str, server: &str, mail: &Mail) -> Self {
        let folder = Folder::new(name);
        let name = format!("{}_{}", name.replace('-', "_"), std::process::id());
        let mut connection = PgConnection::connect(server).await.unwrap();
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut connection).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        let place = Place::Postgres { url: format!("{base}/{name}"), server: server.to_owned(), name };
        Self::set_up(folder, place, Vec::new(), mail).await
    }

    /// On a disk of its own, which the program alone sees.
    pub async fn on_disk(disk: &SmallDisk, mail: &Mail) -> Self {
        let place = Place::Sqlite(disk.path().join("sendlog.db"));
        Self::set_up(Folder::new("torture-disk-target"), place, disk.enter(), mail).await
    }

    async fn set_up(folder: Folder, place: Place, wrapper: Vec<String>, mail: &Mail) -> Self {
        let addr = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut target = Self {
            folder,
            place,
            wrapper,
            node: None,
            addr,
            smtp_addr: addr,
            key: String::new(),
            template: String::new(),
        };
        target.admin(&["create-user", "--email", "a@example.com", "--name", "Ada", "--team", TEAM, "--role", "owner"]);
        let from = "Team <team@example.com>";
        let (kind, url) = (mail.kind, &mail.url);
        target.admin(&["create-adapter", "--team", TEAM, "--type", kind, "--url", url, "--from", from]);
        target.key = target.admin(&["create-key", "--team", TEAM, "--name", "torture", "--scope", "*"]);
        target.start();
        let body = json!({ "name": "Torture", "subject": "Message {{ index }}", "text": "Hello {{ index }}" });
        let answer = ask(target.addr, "POST", "/api/templates", &target.bearer(), &body.to_string()).await;
        let (_, answer) = answer.expect("an answer to the first request");
        target.template = answer["data"]["id"].as_str().expect("a template id").to_owned();
        target.stop_gently();
        target
    }

    pub fn bearer(&self) -> Vec<(String, String)> {
        vec![("Authorization".to_owned(), format!("Bearer {}", self.key))]
    }

    fn command(&self) -> Command {
        let program = env!("CARGO_BIN_EXE_sendlog");
        let mut command = match self.wrapper.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        let url = match &self.place {
            Place::Sqlite(path) => format!("sqlite://{}", path.display()),
            Place::Postgres { url, .. } => url.clone(),
        };
        command.env("SENDLOG_DATABASE_URL", url).env("SENDLOG_SECRET_KEY", "7".repeat(64));
        // A try that a kill cut off is made again soon, however many kills there are.
        command.env("SENDLOG_RATE_LIMIT", "1000000").env("SENDLOG_RETRY_DELAYS", "1,1,1,1,1,1,1,1,1,1,1,1");
        command
    }

    /// Runs a command of `sendlog admin`; what it prints.
    pub fn admin(&self, arguments: &[&str]) -> String {
        let mut command = self.command();
        command.arg("admin").args(arguments).env("SENDLOG_PASSWORD", "a long enough password");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Starts the program and waits until it listens.
    pub fn start(&mut self) {
        let node = self.start_node(&[], None);
        (self.addr, self.smtp_addr, self.node) = (node.addr, node.smtp_addr, Some(node));
    }

    /// Starts the program once more, with its database at another address where one is given, and waits until it listens.
    pub fn start_node(&self, arguments: &[&str], database_url: Option<&str>) -> Node {
        let held = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let [free, smtp] = held.map(|listener| listener.local_addr().unwrap());
        let log = self.folder.database().with_file_name("log.txt");
        let log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = self.command();
        if let Some(url) = database_url {
            command.env("SENDLOG_DATABASE_URL", url);
        }
        command
            .args(["serve", "--allow-private-adapters", "--addr", &free.to_string(), "--smtp-addr", &smtp.to_string()])
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().unwrap();
        if !arguments.contains(&"worker") {
            let mut first_line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
            assert!(first_line.contains("Sendlog is at"), "the program does not start: {first_line:?}");
        }
        Node { child, addr: free, smtp_addr: smtp }
    }

    /// Where the database is.
    pub fn postgres_url(&self) -> &str {
        match &self.place {
            Place::Postgres { url, .. } => url,
            Place::Sqlite(_) => panic!("SQLite has one node"),
        }
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        drop(self.node.take());
    }

    /// SIGTERM, and waits until it has ended.
    pub fn stop_gently(&mut self) {
        if let Some(mut node) = self.node.take() {
            let _ = Command::new("kill").arg(node.child.id().to_string()).status();
            let _ = node.child.wait();
        }
    }

    /// Waits until `/health` answers with this status; whether it did.
    pub async fn wait_for_health(&self, wanted: u16, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if ask(self.addr, "GET", "/health", &[], "").await.is_some_and(|(status, _)| status == wanted) {
                return true;
            }
            sleep(Duration::from_millis(50)).await;
        }
        false
    }

    /// Sends one message, which must be accepted without a restart.
    pub async fn send_one(&self, ledger: &Ledger) -> Result<(), String> {
        self.send_one_at(self.addr, ledger).await
    }

    /// The same at another node.
    pub async fn send_one_at(&self, addr: SocketAddr, ledger: &Ledger) -> Result<(), String> {
        let to = "after@example.com";
        let body = json!({ "templateId": self.template, "to": to, "variables": { "index": 0 } });
        let answer = ask(addr, "POST", "/api/v1/send", &self.bearer(), &body.to_string()).await;
        match &answer {
            Some((200, answer)) => {
                ledger.accept(answer["data"]["id"].as_str().unwrap().parse().unwrap(), to);
                Ok(())
            }
            _ => Err(format!("{answer:?}")),
        }
    }

    /// Waits until no message is left to be sent, and ends the program. The outbox says what is left: a message whose last
    /// attempt was cut off waits for another, even if a reported event made it delivered.
    pub async fn settle(&mut self, patience: Duration) {
        let deadline = Instant::now() + patience;
        loop {
            self.wait_for_queued(deadline).await;
            self.stop_gently();
            let (waiting,): (i64,) = self.database().await.all("SELECT COUNT(*) FROM outbox").await[0];
            if waiting == 0 || Instant::now() >= deadline {
                return;
            }
            self.start();
            sleep(Duration::from_secs(5)).await;
        }
    }

    /// Waits until no message has the status `queued`.
    async fn wait_for_queued(&self, deadline: Instant) {
        while Instant::now() < deadline {
            let answer = ask(self.addr, "GET", "/api/logs?status=queued", &self.bearer(), "").await;
            if answer.is_some_and(|(status, answer)| status == 200 && answer["data"]["total"] == 0) {
                return;
            }
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// The database, past the program, which has ended.
    pub async fn database(&self) -> Database {
        match &self.place {
            Place::Sqlite(path) => {
                let path = self.copied_out(path);
                let options = SqliteConnectOptions::new().filename(path).busy_timeout(PATIENCE);
                Database::Sqlite(options.connect().await.unwrap())
            }
            Place::Postgres { url, .. } => Database::Postgres(PgConnection::connect(url).await.unwrap()),
        }
    }

    /// A copy that everybody sees, of a database on a disk that the program alone sees.
    fn copied_out(&self, path: &Path) -> PathBuf {
        // The wrapper's `-t PID` names the process whose disk it is.
        let Some(pid) = self.wrapper.iter().skip_while(|word| *word != "-t").nth(1) else { return path.to_owned() };
        let outside = Path::new("/proc").join(pid).join("root").join(path.strip_prefix("/").unwrap());
        let copy = self.folder.database();
        for ending in ["", "-wal"] {
            let named = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
            if named(&outside).exists() {
                std::fs::copy(named(&outside), named(&copy)).unwrap();
            }
        }
        copy
    }

    /// Takes away what is not in its folder.
    pub async fn remove(mut self) {
        self.kill();
        if let Place::Postgres { server, name, .. } = &self.place {
            let mut connection = PgConnection::connect(server).await.unwrap();
            let statement = format!("DROP DATABASE {name} WITH (FORCE)");
            sqlx::query(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        }
    }
}

/// One of several programs on the target's database. It is killed (SIGKILL) with its value.
pub struct Node {
    child: Child,
    pub addr: SocketAddr,
    pub smtp_addr: SocketAddr,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A connection to either engine.
pub enum Database {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Database {
    /// Every row of a statement that reads the same on both.
    pub async fn all<T>(&mut self, statement: &str) -> Vec<T>
    where
        T: for<'row> FromRow<'row, SqliteRow> + for<'row> FromRow<'row, PgRow> + Send + Unpin,
    {
        match self {
            Self::Sqlite(connection) => sqlx::query_as(AssertSqlSafe(statement)).fetch_all(connection).await.unwrap(),
            Self::Postgres(connection) => sqlx::query_as(AssertSqlSafe(statement)).fetch_all(connection).await.unwrap(),
        }
    }
}

/// Asks over a connection of its own. `None` unless the whole answer came.
pub async fn ask(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &str,
) -> Option<(u16, Value)> {
    let asking = async {
        let mut stream = TcpStream::connect(addr).await.ok()?;
        stream.write_all(request(addr, method, path, headers, body).as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
        });
        if length.is_some_and(|length| length != body.len()) {
            return None;
        }
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, serde_json::from_str(body).unwrap_or(Value::Null)))
    };
    timeout(PATIENCE, asking).await.ok().flatten()
}

/// A request as it goes over the wire.
pub fn request(addr: SocketAddr, method: &str, path: &str, headers: &[(String, String)], body: &str) -> String {
    let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nUser-Agent: torture\r\nContent-Type: application/json\r\n{more}\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
