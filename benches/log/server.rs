//! The released program as a process of its own, from its start until it is dropped.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Outcome;
use super::http::{self, Request};

const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
pub struct Server {
    process: Process,
    /// Where it listens.
    pub address: SocketAddr,
    /// How long it took from the start of the process to the first answer, in milliseconds.
    pub ready_ms: f64,
}

impl Server {
    /// Starts the web half over a database and waits for its first answer.
    pub async fn start(database_url: &str) -> Outcome<Self> {
        let address = free_address()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_sendlog"));
        command
            .args(["serve", "--only", "web", "--addr", &address.to_string(), "--database-url", database_url])
            .env("SENDLOG_SECRET_KEY", "5e".repeat(32))
            // What one key may do at most is not what is measured.
            .env("SENDLOG_RATE_LIMIT", "1000000")
            .env("RUST_LOG", "warn");
        let (process, ready_ms) = Process::start(command, address, "/health").await?;
        // What is done once after the start is over.
        tokio::time::sleep(Duration::from_millis(700)).await;
        Ok(Self { process, address, ready_ms })
    }

    /// The memory that the process holds, without what it shares with the page cache, in megabytes.
    pub fn memory_mb(&self) -> Outcome<f64> {
        self.process.memory_mb()
    }

    /// Logs in and gives the `Cookie` header of the session.
    pub async fn log_in(&self, email: &str, password: &str) -> Outcome<String> {
        let body = json!({ "email": email, "password": password }).to_string();
        let answer = http::answer(self.address, &Request::post("/api/auth/login", &body)).await?;
        let cookie = http::header(&answer.head, "set-cookie").and_then(|cookie| cookie.split(';').next());
        Ok(cookie.ok_or("the log-in set no cookie")?.to_owned())
    }
}

/// A child process, killed when it is dropped.
pub struct Process(Child);

impl Process {
    /// Starts a server that listens at `address`, and waits until it answers `path`; then also how long that took, in
    /// milliseconds.
    pub async fn start(mut command: Command, address: SocketAddr, path: &str) -> Outcome<(Self, f64)> {
        let started = Instant::now();
        let process = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
        let request = Request::get(path);
        while http::fetch(address, &request).await.is_err() {
            if started.elapsed() > PATIENCE {
                return Err("a server did not get ready".into());
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok((process, started.elapsed().as_secs_f64() * 1000.0))
    }

    /// Anonymous memory, in megabytes; Linux tells it.
    fn memory_mb(&self) -> Outcome<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let kib: f64 = line.and_then(|line| line.split_whitespace().next()).ok_or("no RssAnon")?.parse()?;
        Ok(kib * 1024.0 / 1e6)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A loopback address that nobody listens at.
pub fn free_address() -> Outcome<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}
