//! One client's conversation, from the greeting to the end. Called by [super::listener].
//! Sources: RFC 5321, chapters 3 and 4 (the order of commands, 4.1.4); RFC 6409 (submission); RFC 3207 (STARTTLS); RFC
//! 2920 (PIPELINING); RFC 1870 (SIZE); RFC 6531 (SMTPUTF8); RFC 3030 (CHUNKING).

mod content;
mod log_in;
mod transaction;

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tracing::debug;

pub use self::content::Room;
use self::transaction::Transaction;
use super::handler::Handler;
use super::protocol::command::{Command, Flaw, NoCommand, read_command};
use super::protocol::connection::{Connection, Gone, Line, LineKind};
use super::protocol::reply::Reply;
use super::settings::{PlainLogIn, Settings};
use crate::server::tls::ServerTls;

/// What all conversations share.
pub struct Shared<H> {
    pub settings: Settings,
    pub handler: H,
    /// The memory for the messages that are being read.
    pub room: Room,
}

impl<H: Handler> Shared<H> {
    /// A server that nobody has talked to.
    pub fn new(settings: Settings, handler: H) -> Self {
        let room = Room::new(settings.limits.room_bytes);
        Self { settings, handler, room }
    }
}

/// Talks with a client until one of them ends it, or the server stops. A message under way is taken to its end first.
pub async fn serve<S, H>(stream: S, peer: SocketAddr, shared: &Shared<H>, stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let mut conduct = Conduct::new();
    let mut session = Session::new(stream, peer, false, shared, &mut conduct, stop.clone());
    match session.run(true).await {
        End::Over => session.connection.close().await,
        End::Encrypt(tls) => {
            let stream = session.connection.into_stream();
            let handshake = timeout(shared.settings.limits.handshake, tls.accept(stream));
            let Ok(Ok(stream)) = handshake.await else { return };
            let mut session = Session::new(stream, peer, true, shared, &mut conduct, stop);
            session.run(false).await;
            session.connection.close().await;
        }
    }
}

/// The same over a connection that is encrypted from its first byte. Source: RFC 8314, section 3.3.
pub async fn serve_encrypted<S, H>(
    stream: S,
    peer: SocketAddr,
    tls: &ServerTls,
    shared: &Shared<H>,
    stop: watch::Receiver<bool>,
) where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Handler,
{
    let handshake = timeout(shared.settings.limits.handshake, tls.accept(stream));
    let Ok(Ok(stream)) = handshake.await else { return };
    let mut conduct = Conduct::new();
    let mut session = Session::new(stream, peer, true, shared, &mut conduct, stop);
    session.run(true).await;
    session.connection.close().await;
}

/// How a client has behaved. Encryption does not make it forgotten.
struct Conduct {
    began: Instant,
    wrong_commands: u32,
    idle_commands: u32,
    wrong_log_ins: u32,
}

impl Conduct {
    fn new() -> Self {
        Self { began: Instant::now(), wrong_commands: 0, idle_commands: 0, wrong_log_ins: 0 }
    }
}

struct Session<'a, S, H: Handler> {
    connection: Connection<S>,
    peer: SocketAddr,
    is_encrypted: bool,
    shared: &'a Shared<H>,
    conduct: &'a mut Conduct,
    /// What the client calls itself, once it has said so.
    client_name: Option<String>,
    login: Option<H::Login>,
    transaction: Option<Transaction>,
}

/// What follows a conversation.
enum End {
    Over,
    Encrypt(ServerTls),
}

/// What follows a command.
enum Next {
    Answer(Reply),
    /// The same, where the command was wrong.
    Wrong(Reply),
    /// The same, where the command was right and sends nothing.
    Idle(Reply),
    /// It has been answered.
    Answered,
    /// An answer that is the last.
    Last(Reply),
    Encrypt(ServerTls),
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin, H: Handler> Session<'a, S, H> {
    fn new(
        stream: S,
        peer: SocketAddr,
        is_encrypted: bool,
        shared: &'a Shared<H>,
        conduct: &'a mut Conduct,
        stop: watch::Receiver<bool>,
    ) -> Self {
        let connection = Connection::new(stream, shared.settings.limits.silence, stop);
        Self { connection, peer, is_encrypted, shared, conduct, client_name: None, login: None, transaction: None }
    }

    /// Talks, with a greeting where the client has not had one.
    async fn run(&mut self, greets: bool) -> End {
        let gone = match self.talk(greets).await {
            Ok(end) => return end,
            Err(gone) => gone,
        };
        let last = match gone {
            Gone::Closed => None,
            Gone::TooSlow => Some(Reply::new(421, (4, 2), "That took too long: goodbye")),
            Gone::Stopping => Some(Reply::new(421, (3, 2), "The server is stopping: try again in a minute")),
            Gone::Endless => Some(Reply::new(421, (5, 2), "That line has no end: goodbye")),
            Gone::Handshake => {
                Some(Reply::new(421, (7, 0), "This port begins without TLS: use STARTTLS, or the port for TLS"))
            }
        };
        debug!(peer.ip = %self.peer.ip(), ?gone, "a conversation by SMTP broke off");
        if let Some(last) = last {
            let _ = self.connection.answer(&last).await;
        }
        End::Over
    }

    async fn talk(&mut self, greets: bool) -> Result<End, Gone> {
        if greets {
            let greeting = format!("{} ESMTP Sendlog", self.shared.settings.host_name);
            self.connection.answer(&Reply::bare(220, greeting)).await?;
        }
        loop {
            let line = self.connection.line(LineKind::Command, self.deadline()).await?;
            match self.answer_to(line).await? {
                Next::Answered => {}
                Next::Answer(reply) => self.connection.answer(&reply).await?,
                Next::Wrong(reply) => {
                    self.connection.answer(&reply).await?;
                    self.conduct.wrong_commands += 1;
                }
                Next::Idle(reply) => {
                    self.connection.answer(&reply).await?;
                    self.conduct.idle_commands += 1;
                }
                Next::Last(reply) => {
                    self.connection.answer(&reply).await?;
                    return Ok(End::Over);
                }
                Next::Encrypt(tls) => {
                    self.connection.answer(&Reply::new(220, (0, 0), "Begin TLS")).await?;
                    self.connection.flush().await?;
                    return Ok(End::Encrypt(tls));
                }
            }
            let limits = &self.shared.settings.limits;
            if self.conduct.wrong_commands >= limits.wrong_commands {
                self.connection.answer(&Reply::new(421, (7, 0), "Too many wrong commands: goodbye")).await?;
                return Ok(End::Over);
            }
            if self.conduct.idle_commands >= limits.idle_commands {
                self.connection
                    .answer(&Reply::new(421, (7, 0), "Too many commands that send nothing: goodbye"))
                    .await?;
                return Ok(End::Over);
            }
        }
    }

    /// Until when the next line is waited for, beside the silence that the connection allows.
    fn deadline(&self) -> Instant {
        let limits = &self.shared.settings.limits;
        match (&self.transaction, &self.login) {
            (Some(transaction), _) => transaction.deadline,
            (None, Some(_)) => Instant::now() + limits.silence,
            (None, None) if self.shared.settings.takes_strangers => Instant::now() + limits.silence,
            (None, None) => self.conduct.began + limits.log_in,
        }
    }

    async fn answer_to(&mut self, line: Line) -> Result<Next, Gone> {
        let line = match line {
            Line::Whole(line) => line,
            Line::Bare => return Ok(Next::Wrong(Reply::new(500, (5, 2), "A line ends in CRLF, not in LF alone"))),
            Line::TooLong => return Ok(Next::Wrong(Reply::new(500, (5, 2), "That line is too long"))),
        };
        let command = match read_command(&line) {
            Ok(command) => command,
            Err(NoCommand { reply, flaw: Flaw::Unclear }) => return Ok(Next::Last(reply)),
            Err(NoCommand { reply, flaw: Flaw::Command }) => return Ok(Next::Wrong(reply)),
            Err(NoCommand { reply, flaw: Flaw::Address }) => return Ok(self.refused(reply)),
        };
        Ok(match command {
            Command::Extended(name) => self.greet(name, true),
            Command::Hello(name) => self.greet(name, false),
            Command::StartTls => self.start_tls(),
            Command::Auth { mechanism, initial } => return self.auth(&mechanism, initial).await,
            Command::Mail { sender, parameters } => self.mail(sender, parameters).await,
            Command::Recipient(recipient) => self.recipient(recipient).await,
            Command::Data => return self.data().await,
            Command::Chunk { size_bytes, is_last } => return self.chunk(size_bytes, is_last).await,
            Command::Reset => {
                self.transaction = None;
                Next::Idle(Reply::new(250, (0, 0), "Forgotten"))
            }
            Command::Nothing => Next::Idle(Reply::new(250, (0, 0), "Nothing done")),
            Command::Verify => Next::Idle(Reply::new(252, (0, 0), "Name it by RCPT to hear whether it is taken")),
            Command::Expand => Next::Idle(Reply::new(502, (5, 1), "There are no lists here")),
            Command::Help if self.shared.settings.offers_log_in => {
                Next::Idle(Reply::new(214, (0, 0), "Log in with an API key as the password"))
            }
            Command::Help => Next::Idle(Reply::new(214, (0, 0), "Only bounces of messages are taken here")),
            Command::Quit => Next::Last(Reply::new(221, (0, 0), "Goodbye")),
        })
    }

    /// EHLO and HELO also forget what was begun. Source: RFC 5321, section 4.1.4.
    fn greet(&mut self, name: String, is_extended: bool) -> Next {
        self.transaction = None;
        self.client_name = Some(name);
        let settings = &self.shared.settings;
        let mut reply = Reply::bare(250, settings.host_name.as_str());
        if is_extended {
            reply = reply.and("PIPELINING").and(format!("SIZE {}", settings.size_limit_bytes));
            if settings.tls.is_some() && !self.is_encrypted {
                reply = reply.and("STARTTLS");
            }
            if self.may_log_in() {
                reply = reply.and("AUTH PLAIN LOGIN");
            }
            reply = reply.and("ENHANCEDSTATUSCODES").and("8BITMIME").and("SMTPUTF8").and("CHUNKING");
        }
        Next::Idle(reply)
    }

    fn start_tls(&mut self) -> Next {
        match &self.shared.settings.tls {
            _ if self.is_encrypted => Next::Wrong(Reply::new(503, (5, 1), "The connection is encrypted already")),
            None => Next::Wrong(Reply::new(502, (5, 1), "There is no encryption here")),
            Some(tls) => Next::Encrypt(tls.clone()),
        }
    }

    /// Whether a log-in is safe from listeners, or the operator takes the risk.
    fn may_log_in(&self) -> bool {
        let settings = &self.shared.settings;
        let is_safe = self.is_encrypted
            || match settings.plain_log_in {
                PlainLogIn::Nobody => false,
                PlainLogIn::Loopback => self.peer.ip().to_canonical().is_loopback(),
                PlainLogIn::Everybody => true,
            };
        settings.offers_log_in && is_safe
    }
}

#[cfg(test)]
mod tests;
