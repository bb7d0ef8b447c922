//! A small mail server that keeps what it receives and sends nothing on: the target of the demo and of tests. A
//! recipient's local part decides its fate: `refused…` and `bounce…` do not exist (550), `policy…` is refused for its
//! content (550), `deferred…` is put off once (451) and then taken, `full…` is put off each time (452), `vanish…` closes
//! the connection after the message and before the answer; everybody else is taken.
//! Source: RFC 5321, as far as a mail client needs it; AUTH PLAIN of RFC 4954.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

/// How many messages are kept: the newest.
const KEPT_MESSAGES: usize = 1000;

/// The longest command line, in bytes.
const LINE_CAP_BYTES: u64 = 4096;

/// How long a client may be silent.
const SILENCE_LIMIT: Duration = Duration::from_secs(300);

/// How many put-off addresses are remembered.
const KEPT_DEFERRALS: usize = 100_000;

/// A message that the sink received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// The envelope's sender.
    pub from: String,
    /// The envelope's recipients, of whom the sink took the message.
    pub recipients: Vec<String>,
    /// The message as it came, each line ending in CRLF.
    pub raw: Vec<u8>,
}

/// Called with each message that arrives.
pub type OnMessage = Arc<dyn Fn(&ReceivedMessage) + Send + Sync>;

/// How a sink behaves.
#[derive(Clone)]
pub struct SinkSettings {
    pub size_limit_bytes: u64,
    /// Whether it takes addresses outside ASCII.
    pub offers_smtputf8: bool,
    /// The one user and password it lets in; it asks for no log-in when `None`.
    pub log_in: Option<(String, String)>,
    pub on_message: Option<OnMessage>,
}

impl Default for SinkSettings {
    fn default() -> Self {
        Self { size_limit_bytes: 50 * 1024 * 1024, offers_smtputf8: true, log_in: None, on_message: None }
    }
}

/// A running mail server. It stops when it is dropped.
pub struct Sink {
    addr: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    settings: SinkSettings,
    messages: Mutex<VecDeque<ReceivedMessage>>,
    deferred: Mutex<HashSet<String>>,
    connections: AtomicU64,
    queued: AtomicU64,
}

impl Sink {
    /// Starts a sink at `addr`; port 0 picks a free one.
    pub async fn start(addr: SocketAddr) -> io::Result<Self> {
        Self::start_with(addr, SinkSettings::default()).await
    }

    /// Starts a sink that behaves as `settings` say.
    pub async fn start_with(addr: SocketAddr, settings: SinkSettings) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            settings,
            messages: Mutex::default(),
            deferred: Mutex::default(),
            connections: AtomicU64::default(),
            queued: AtomicU64::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Ok(Self { addr, shared, accepting })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its address as an adapter takes it.
    pub fn url(&self) -> String {
        format!("smtp://{}?tls=none", self.addr)
    }

    /// The messages it received, oldest first; the newest thousand.
    pub fn messages(&self) -> Vec<ReceivedMessage> {
        lock(&self.shared.messages).iter().cloned().collect()
    }

    /// How many connections it has seen.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    // The connections end with the task that accepts them.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        while connections.try_join_next().is_some() {}
        shared.connections.fetch_add(1, Ordering::Relaxed);
        connections.spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let _ = stream.set_nodelay(true);
    let (read, write) = stream.into_split();
    let logged_in = shared.settings.log_in.is_none();
    let session = Session {
        shared,
        reader: BufReader::new(read),
        writer: write,
        logged_in,
        from: None,
        recipients: Vec::new(),
        vanishes: false,
    };
    // A client that breaks off has no one to tell.
    let _ = session.run().await;
}

/// One client's conversation.
struct Session {
    shared: Arc<Shared>,
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    logged_in: bool,
    from: Option<String>,
    recipients: Vec<String>,
    vanishes: bool,
}

impl Session {
    async fn run(mut self) -> io::Result<()> {
        self.reply("220 sink.sendlog.invalid ESMTP Sendlog sink").await?;
        while let Some(line) = self.read_line(LINE_CAP_BYTES).await? {
            let Ok(line) = String::from_utf8(line) else {
                self.reply("500 5.5.2 Not UTF-8").await?;
                continue;
            };
            let (verb, argument) = line.split_once(' ').unwrap_or((line.as_str(), ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.greet().await?,
                "HELO" => self.reply("250 sink.sendlog.invalid").await?,
                "AUTH" => self.log_in(argument).await?,
                "MAIL" => self.mail(argument).await?,
                "RCPT" => self.recipient(argument).await?,
                "DATA" => {
                    if !self.data().await? {
                        return Ok(());
                    }
                }
                "RSET" => {
                    self.reset();
                    self.reply("250 2.0.0 Ok").await?;
                }
                "NOOP" => self.reply("250 2.0.0 Ok").await?,
                "QUIT" => return self.reply("221 2.0.0 Bye").await,
                _ => self.reply("500 5.5.1 Unknown command").await?,
            }
        }
        Ok(())
    }

    async fn greet(&mut self) -> io::Result<()> {
        self.reset();
        let settings = &self.shared.settings;
        let mut lines = vec!["sink.sendlog.invalid".to_owned(), format!("SIZE {}", settings.size_limit_bytes)];
        if settings.offers_smtputf8 {
            lines.push("SMTPUTF8".to_owned());
        }
        if settings.log_in.is_some() {
            lines.push("AUTH PLAIN".to_owned());
        }
        lines.extend(["8BITMIME".to_owned(), "PIPELINING".to_owned()]);
        for line in lines {
            self.reply(&format!("250-{line}")).await?;
        }
        self.reply("250 ENHANCEDSTATUSCODES").await
    }

    async fn log_in(&mut self, argument: &str) -> io::Result<()> {
        let Some((user, password)) = &self.shared.settings.log_in else {
            return self.reply("503 5.5.1 No log-in here").await;
        };
        let expected = STANDARD.encode(format!("\0{user}\0{password}"));
        self.logged_in = argument.strip_prefix("PLAIN ").is_some_and(|given| given == expected);
        let answer = if self.logged_in { "235 2.7.0 Welcome" } else { "535 5.7.8 Error: authentication failed" };
        self.reply(answer).await
    }

    async fn mail(&mut self, argument: &str) -> io::Result<()> {
        if !self.logged_in {
            return self.reply("530 5.7.0 Authentication required").await;
        }
        match path(argument, "FROM:") {
            Some(from) => {
                self.reset();
                self.from = Some(from);
                self.reply("250 2.1.0 Ok").await
            }
            None => self.reply("501 5.5.4 Syntax: MAIL FROM:<address>").await,
        }
    }

    async fn recipient(&mut self, argument: &str) -> io::Result<()> {
        if self.from.is_none() {
            return self.reply("503 5.5.1 MAIL first").await;
        }
        let Some(address) = path(argument, "TO:").filter(|address| address.contains('@')) else {
            return self.reply("501 5.5.4 Syntax: RCPT TO:<address>").await;
        };
        let local = address.split('@').next().unwrap_or_default().to_ascii_lowercase();
        let answer = if local.starts_with("refused") || local.starts_with("bounce") {
            "550 5.1.1 No such user here"
        } else if local.starts_with("policy") {
            "550 5.7.1 Message rejected as spam"
        } else if local.starts_with("full") {
            "452 4.2.2 Mailbox full"
        } else if local.starts_with("deferred") && self.shared.is_first_try(&address) {
            "451 4.7.1 Greylisted, try again later"
        } else {
            self.vanishes |= local.starts_with("vanish");
            self.recipients.push(address);
            "250 2.1.5 Ok"
        };
        self.reply(answer).await
    }

    /// Takes a message; whether the conversation goes on.
    async fn data(&mut self) -> io::Result<bool> {
        if self.recipients.is_empty() {
            self.reply("503 5.5.1 RCPT first").await?;
            return Ok(true);
        }
        self.reply("354 End with a dot on a line of its own").await?;
        let Some(raw) = self.read_message().await? else { return Ok(false) };
        if self.vanishes {
            return Ok(false);
        }
        let size_limit_bytes = self.shared.settings.size_limit_bytes;
        let answer = if raw.len() as u64 > size_limit_bytes {
            format!("552 5.3.4 The message is larger than {size_limit_bytes} bytes")
        } else {
            let from = self.from.take().unwrap_or_default();
            let number =
                self.shared.keep(ReceivedMessage { from, recipients: std::mem::take(&mut self.recipients), raw });
            format!("250 2.0.0 Ok: queued as SINK{number:06}")
        };
        self.reset();
        self.reply(&answer).await?;
        Ok(true)
    }

    /// The lines up to the dot; `None` when the client went away. Of a message over the size limit only so much is
    /// kept that it shows.
    async fn read_message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut raw = Vec::new();
        let cap = self.shared.settings.size_limit_bytes + 1;
        loop {
            let start = raw.len();
            let mut line = Vec::new();
            let mut reader = (&mut self.reader).take(cap);
            timeout(SILENCE_LIMIT, reader.read_until(b'\n', &mut line)).await??;
            if line.is_empty() {
                return Ok(None);
            }
            let begins_line = start == 0 || raw.ends_with(b"\r\n");
            if begins_line && line == b".\r\n" {
                return Ok(Some(raw));
            }
            let content = if begins_line && line.starts_with(b".") { &line[1..] } else { &line[..] };
            raw.extend_from_slice(content);
            if raw.len() as u64 > cap {
                // Keeps the end, which tells where a line begins.
                raw.drain(..raw.len() - cap as usize);
            }
        }
    }

    async fn read_line(&mut self, cap: u64) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        timeout(SILENCE_LIMIT, (&mut self.reader).take(cap).read_until(b'\n', &mut line)).await??;
        if line.pop() != Some(b'\n') {
            return Ok(None);
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        Ok(Some(line))
    }

    async fn reply(&mut self, line: &str) -> io::Result<()> {
        self.writer.write_all(format!("{line}\r\n").as_bytes()).await
    }

    fn reset(&mut self) {
        self.from = None;
        self.recipients.clear();
        self.vanishes = false;
    }
}

impl Shared {
    fn is_first_try(&self, address: &str) -> bool {
        let mut deferred = lock(&self.deferred);
        if deferred.len() >= KEPT_DEFERRALS {
            deferred.clear();
        }
        deferred.insert(address.to_ascii_lowercase())
    }

    fn keep(&self, message: ReceivedMessage) -> u64 {
        if let Some(on_message) = &self.settings.on_message {
            on_message(&message);
        }
        let mut messages = lock(&self.messages);
        if messages.len() == KEPT_MESSAGES {
            messages.pop_front();
        }
        messages.push_back(message);
        self.queued.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The address of `FROM:<ada@example.com> SIZE=100`.
fn path(argument: &str, keyword: &str) -> Option<String> {
    let (head, rest) = argument.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (address, _) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

    /// Sends the text and gives everything the sink answers until it closes.
    async fn converse(sink: &Sink, text: &str) -> String {
        let mut stream = TcpStream::connect(sink.addr()).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        answers
    }

    #[tokio::test]
    async fn a_message_is_kept_as_it_was_written() {
        let sink = Sink::start(LOOPBACK).await.unwrap();
        let answers = converse(
            &sink,
            "HELO me\r\nMAIL FROM:<a@x.example> SIZE=9\r\nRCPT TO:<b@x.example>\r\nrcpt to: <refused@x.example>\r\n\
             DATA\r\nSubject: Hi\r\n\r\n..dot\r\n.. \r\nend\r\n.\r\nNOOP\r\nQUIT\r\n",
        )
        .await;
        let codes: Vec<&str> = answers.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["220", "250", "250", "250", "550", "354", "250", "250", "221"]);
        let kept = ReceivedMessage {
            from: "a@x.example".to_owned(),
            recipients: vec!["b@x.example".to_owned()],
            raw: b"Subject: Hi\r\n\r\n.dot\r\n. \r\nend\r\n".to_vec(),
        };
        assert_eq!(sink.messages(), [kept]);
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_refused_and_the_conversation_goes_on() {
        let settings = SinkSettings { size_limit_bytes: 20, ..SinkSettings::default() };
        let sink = Sink::start_with(LOOPBACK, settings).await.unwrap();
        let long = "0123456789\r\n".repeat(10);
        let text = format!("MAIL FROM:<a@x.example>\r\nRCPT TO:<b@x.example>\r\nDATA\r\n{long}.\r\nNOOP\r\nQUIT\r\n");
        let answers = converse(&sink, &text).await;
        assert!(answers.contains("552 5.3.4"), "{answers}");
        assert!(answers.ends_with("250 2.0.0 Ok\r\n221 2.0.0 Bye\r\n"), "{answers}");
        assert!(sink.messages().is_empty());
    }

    #[tokio::test]
    async fn commands_out_of_order_are_refused() {
        let sink = Sink::start(LOOPBACK).await.unwrap();
        let answers = converse(&sink, "RCPT TO:<b@x.example>\r\nDATA\r\nMAIL FROM:a\r\nHELP\r\nQUIT\r\n").await;
        let codes: Vec<&str> = answers.lines().map(|line| &line[..3]).collect();
        assert_eq!(codes, ["220", "503", "503", "501", "500", "221"]);
    }
}
