//! The program that the Rust tests are built with, as a person starts it: on a database of its own, at a free loopback
//! port. SENDLOG_BIN names another, such as the release.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

const TEAM: &str = "team";

/// The program, serving on a folder of its own. It ends with its value, and the folder with it.
pub struct Server {
    child: Child,
    folder: PathBuf,
    pub addr: SocketAddr,
    /// A key of every scope.
    pub key: String,
}

impl Server {
    /// Makes a team that sends to `smtp_url`, and a key of every scope; serves, and waits until the program listens.
    pub fn start(name: &str, smtp_url: &str, arguments: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        admin(
            &folder,
            &["create-user", "--email", "a@example.com", "--name", "Ada", "--team", TEAM, "--role", "owner"],
        );
        let from = "Team <team@example.com>";
        admin(&folder, &["create-adapter", "--team", TEAM, "--type", "smtp", "--url", smtp_url, "--from", from]);
        let key = create_key_in(&folder, "*");
        let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut child = command(&folder)
            .args(["serve", "--addr", &addr.to_string()])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first_line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
        assert!(first_line.contains("Sendlog is at"), "{first_line}");
        Self { child, folder, addr, key }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Makes a key with one scope.
pub fn create_key(server: &Server, scope: &str) -> String {
    create_key_in(&server.folder, scope)
}

/// Makes a template with this subject and a text; gives its id.
pub async fn create_template(server: &Server, subject: &str) -> String {
    let body = json!({ "name": "Template", "subject": subject, "text": "Hello" });
    let answer = post(server, "/api/templates", body).await;
    answer["data"]["id"].as_str().expect("a template id").to_owned()
}

/// Posts JSON to Sendlog's own API and gives the JSON of the answer.
pub async fn post(server: &Server, path: &str, body: Value) -> Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (addr, key, body) = (server.addr, &server.key, body.to_string());
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

fn create_key_in(folder: &Path, scope: &str) -> String {
    admin(folder, &["create-key", "--team", TEAM, "--name", "test", "--scope", scope])
}

fn admin(folder: &Path, arguments: &[&str]) -> String {
    let password = "a long enough password";
    let output = command(folder).arg("admin").args(arguments).env("SENDLOG_PASSWORD", password).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The program with its settings for the folder's database. The developer's own settings are not the test's.
fn command(folder: &Path) -> Command {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/sendlog");
    let program = std::env::var_os("SENDLOG_BIN").map_or(built, PathBuf::from);
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("SENDLOG_")) {
        command.env_remove(name);
    }
    command.env("RUST_LOG", "warn").env("SENDLOG_ALLOW_PRIVATE_ADAPTERS", "true");
    command.env("SENDLOG_DATABASE_URL", format!("sqlite://{}", folder.join("sendlog.db").display()));
    command
}
