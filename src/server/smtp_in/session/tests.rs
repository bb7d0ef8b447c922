//! Conversations over a connection in memory.

mod content;
mod conversations;
mod encryption;
mod hostile;
mod log_in;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::super::handler::{Envelope, Handler, LogIn, Refused};
use super::super::protocol::address::EnvelopeAddress;
use super::super::protocol::reply::Reply;
use super::super::settings::{PlainLogIn, Settings};
use super::{Shared, serve};

const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);
const ELSEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 4000);

/// `\0sendlog\0sl_key` in base64, which the keeper lets in.
const AUTH: &str = "AUTH PLAIN AHNlbmRsb2cAc2xfa2V5\r\n";

/// Keeps what it accepts. Local parts decide: `unknown…` is refused, `later…` for now, and `odd…` with what is no
/// refusal.
#[derive(Default)]
struct Keeper {
    kept: Mutex<Vec<(Envelope, Bytes)>>,
    asked: Mutex<u32>,
}

impl Keeper {
    fn kept(&self) -> Vec<(Envelope, Bytes)> {
        self.kept.lock().unwrap().clone()
    }

    fn fate(local: &str) -> Result<(), Reply> {
        match local {
            local if local.starts_with("unknown") => Err(Reply::new(550, (1, 1), "Nobody has that name")),
            local if local.starts_with("later") => Err(Reply::new(451, (2, 0), "Not now")),
            local if local.starts_with("odd") => Err(Reply::new(250, (0, 0), "A refusal that is none")),
            _ => Ok(()),
        }
    }
}

impl Handler for Keeper {
    type Login = String;

    async fn log_in(&self, attempt: LogIn<'_>) -> Result<String, Refused> {
        *self.asked.lock().unwrap() += 1;
        match attempt.secret {
            "sl_key" => Ok(attempt.user.to_owned()),
            "sl_busy" => Err(Refused::ForNow),
            _ => Err(Refused::Wrong),
        }
    }

    async fn sender(&self, _: Option<&String>, envelope: &Envelope) -> Result<(), Reply> {
        Self::fate(envelope.sender.as_ref().map_or("", |sender| sender.local()))
    }

    async fn recipient(&self, _: Option<&String>, _: &Envelope, recipient: &EnvelopeAddress) -> Result<(), Reply> {
        Self::fate(recipient.local())
    }

    async fn accept(&self, _: Option<&String>, envelope: Envelope, message: Bytes) -> Result<String, Reply> {
        // A commit takes a moment.
        tokio::time::sleep(Duration::from_millis(5)).await;
        if message.starts_with(b"full") {
            return Err(Reply::new(452, (3, 1), "No space"));
        }
        let mut kept = self.kept.lock().unwrap();
        kept.push((envelope, message));
        Ok(format!("eml_{}", kept.len()))
    }
}

fn settings() -> Settings {
    Settings { host_name: "mail.finch.example".to_owned(), size_limit_bytes: 1000, ..Settings::default() }
}

/// A conversation under way.
struct Talk {
    client: DuplexStream,
    shared: Arc<Shared<Keeper>>,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Talk {
    fn with(settings: Settings, peer: SocketAddr) -> Self {
        Self::sharing(&Arc::new(Shared::new(settings, Keeper::default())), peer)
    }

    fn sharing(shared: &Arc<Shared<Keeper>>, peer: SocketAddr) -> Self {
        let (client, server) = tokio::io::duplex(64 * 1024);
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::clone(shared);
        let serving = tokio::spawn({
            let shared = Arc::clone(&shared);
            async move { serve(server, peer, &shared, stopped).await }
        });
        Self { client, shared, stop, serving }
    }

    /// Sends text and gives the next line, or the lines of one reply.
    async fn say(&mut self, text: &str) -> String {
        self.client.write_all(text.as_bytes()).await.unwrap();
        self.reply().await
    }

    async fn reply(&mut self) -> String {
        let mut reply = Vec::new();
        loop {
            let line_start = reply.len();
            while !reply.ends_with(b"\n") || reply.len() == line_start {
                match self.client.read_u8().await {
                    Ok(byte) => reply.push(byte),
                    Err(_) => return String::from_utf8(reply).unwrap(),
                }
            }
            if reply.get(line_start + 3) != Some(&b'-') {
                return String::from_utf8(reply).unwrap();
            }
        }
    }

    /// Everything else that the server says.
    async fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.client.read_to_end(&mut rest).await;
        String::from_utf8(rest).unwrap()
    }
}

/// What the server answers to all of this said at once, without the greeting, and what it has kept.
async fn answers(settings: Settings, peer: SocketAddr, said: &[u8]) -> (String, Vec<(Envelope, Bytes)>) {
    let talk = Talk::with(settings, peer);
    let (mut reading, mut writing) = tokio::io::split(talk.client);
    let said = said.to_vec();
    let saying = tokio::spawn(async move {
        let _ = writing.write_all(&said).await;
        let _ = writing.shutdown().await;
    });
    let mut heard = Vec::new();
    let _ = reading.read_to_end(&mut heard).await;
    saying.abort();
    talk.serving.await.unwrap();
    let heard = String::from_utf8(heard).unwrap();
    let heard = heard.strip_prefix("220 mail.finch.example ESMTP Sendlog\r\n").unwrap().to_owned();
    (heard, talk.shared.handler.kept())
}

/// The beginnings of the answers' lines: three digits, and the enhanced code where there is one.
fn codes(answers: &str) -> Vec<String> {
    let code = |line: &str| match line.split_once(' ') {
        Some((code, rest)) if rest.starts_with(|letter: char| letter.is_ascii_digit()) => {
            format!("{code} {}", rest.split(' ').next().unwrap_or_default())
        }
        Some((code, _)) => code.to_owned(),
        None => line.to_owned(),
    };
    answers.lines().filter(|line| line.as_bytes().get(3) != Some(&b'-')).map(code).collect()
}

fn plain_log_in(plain_log_in: PlainLogIn) -> Settings {
    Settings { plain_log_in, ..settings() }
}
