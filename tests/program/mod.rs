//! The real program, as the tests of this folder start it: on a database of its own, at a free loopback port.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

/// The slug of the team that [set_up] makes.
pub const TEAM: &str = "team";

/// Makes the team, its adapter and a key of every scope; gives the key.
pub fn set_up(folder: &Folder, smtp_url: &str) -> String {
    admin(folder, &["create-user", "--email", "a@example.com", "--name", "Ada", "--team", TEAM, "--role", "owner"]);
    let from = "Team <team@example.com>";
    admin(folder, &["create-adapter", "--team", TEAM, "--type", "smtp", "--url", smtp_url, "--from", from]);
    create_key(folder, "*")
}

/// Makes a key with one scope, or with all when it is `*`.
pub fn create_key(folder: &Folder, scope: &str) -> String {
    admin(folder, &["create-key", "--team", TEAM, "--name", "test", "--scope", scope])
}

/// Makes a template with this subject and a text; gives its id.
#[allow(dead_code, reason = "each test file uses its part")]
pub async fn create_template(addr: SocketAddr, key: &str, subject: &str) -> String {
    let body = json!({ "name": "Template", "subject": subject, "text": "Hello" });
    let answer = post(addr, key, "/api/templates", body).await;
    answer["data"]["id"].as_str().expect("a template id").to_owned()
}

/// Posts JSON and gives the JSON of the answer.
#[allow(dead_code, reason = "each test file uses its part")]
pub async fn post(addr: SocketAddr, key: &str, path: &str, body: Value) -> Value {
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

fn admin(folder: &Folder, arguments: &[&str]) -> String {
    let output = command(folder)
        .arg("admin")
        .args(arguments)
        .env("SENDLOG_PASSWORD", "a long enough password")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The program with its settings for the folder's database.
pub fn command(folder: &Folder) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sendlog"));
    command.env("SENDLOG_ALLOW_PRIVATE_ADAPTERS", "true");
    // A try that a kill cut off is made again soon.
    command.env("SENDLOG_RETRY_DELAYS", "1,1,1,1,1");
    command.env("SENDLOG_DATABASE_URL", format!("sqlite://{}", folder.database().display()));
    command
}

/// The program, serving. It is killed with its value.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Server {
    /// Starts `sendlog serve` on the folder's database and waits until it listens.
    pub fn start(folder: &Folder, arguments: &[&str]) -> Self {
        Self::start_by(command(folder), arguments)
    }

    /// Like [Self::start], with a limit on how many files the program may open.
    #[allow(dead_code, reason = "each test file uses its part")]
    pub fn start_with_files(folder: &Folder, files: u32) -> Self {
        let mut command = Command::new("sh");
        command.env("SENDLOG_ALLOW_PRIVATE_ADAPTERS", "true");
        command.env("SENDLOG_DATABASE_URL", format!("sqlite://{}", folder.database().display()));
        command.args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh", &files.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_sendlog"));
        Self::start_by(command, &["--only", "web"])
    }

    /// Like [Self::start], with every log line going to `log`.
    #[allow(dead_code, reason = "each test file uses its part")]
    pub fn start_with_log(folder: &Folder, log: Stdio) -> Self {
        let mut command = command(folder);
        command.env("RUST_LOG", "trace").stderr(log);
        Self::start_by(command, &[])
    }

    /// The most memory that the program has held so far, in KiB. Linux alone tells.
    #[allow(dead_code, reason = "each test file uses its part")]
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
        line.trim().trim_end_matches(" kB").trim().parse().unwrap()
    }

    /// Like [Self::start], with a command of the caller's.
    pub fn start_by(mut command: Command, arguments: &[&str]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = command
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

    /// The number of its process.
    #[allow(dead_code, reason = "each file of tests uses what it needs")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL: the program gets no chance to tidy up.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder that is deleted with its value.
pub struct Folder(PathBuf);

impl Folder {
    /// A folder of this name that is no other process's.
    pub fn new(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// The file of its database.
    pub fn database(&self) -> PathBuf {
        self.0.join("sendlog.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
