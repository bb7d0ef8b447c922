//! AUTH: who the client is, by PLAIN or LOGIN. An API key is the password; the user name is whatever the client says.
//! Sources: RFC 4954; RFC 4616 (PLAIN); draft-murchison-sasl-login (LOGIN).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::sleep;
use tracing::info;

use super::super::handler::{Handler, LogIn, Refused};
use super::super::protocol::connection::{Gone, Line, LineKind};
use super::super::protocol::reply::Reply;
use super::{Next, Session};

/// A user name and a secret, as the client gave them.
struct Credentials {
    user: String,
    secret: String,
}

/// What the client answered to a question, or why that is no answer.
type Answer = Result<Vec<u8>, Reply>;

impl<S: AsyncRead + AsyncWrite + Unpin, H: Handler> Session<'_, S, H> {
    pub(super) async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> Result<Next, Gone> {
        if self.login.is_some() {
            return Ok(Next::Wrong(Reply::new(503, (5, 1), "You have logged in already")));
        }
        if self.transaction.is_some() {
            return Ok(Next::Wrong(Reply::new(503, (5, 1), "Log in before MAIL")));
        }
        if !self.shared.settings.offers_log_in {
            return Ok(Next::Wrong(Reply::new(502, (5, 1), "Nobody logs in here")));
        }
        if !self.may_log_in() {
            return Ok(Next::Wrong(Reply::new(538, (7, 11), "Encrypt the connection first, by STARTTLS")));
        }
        let credentials = match mechanism {
            "PLAIN" => self.plain(initial).await?,
            "LOGIN" => self.by_questions(initial).await?,
            _ => Err(Reply::new(504, (5, 4), "Log in by PLAIN or LOGIN")),
        };
        match credentials {
            Ok(credentials) => self.log_in(credentials).await,
            Err(reply) => Ok(Next::Wrong(reply)),
        }
    }

    async fn plain(&mut self, initial: Option<String>) -> Result<Result<Credentials, Reply>, Gone> {
        let message = match initial {
            Some(initial) => decoded(initial.as_bytes()),
            None => self.ask("").await?,
        };
        Ok(message.and_then(|message| read_plain(&message).ok_or_else(malformed)))
    }

    async fn by_questions(&mut self, initial: Option<String>) -> Result<Result<Credentials, Reply>, Gone> {
        let user = match initial {
            Some(initial) => decoded(initial.as_bytes()),
            None => self.ask(&STANDARD.encode("Username:")).await?,
        };
        let user = match user {
            Ok(user) => user,
            Err(reply) => return Ok(Err(reply)),
        };
        let secret = self.ask(&STANDARD.encode("Password:")).await?;
        Ok(secret.and_then(|secret| {
            let read = |bytes| String::from_utf8(bytes).map_err(|_| malformed());
            Ok(Credentials { user: read(user)?, secret: read(secret)? })
        }))
    }

    /// Asks a question of the log-in. A star takes the log-in back. Source: RFC 4954, section 4.
    async fn ask(&mut self, question: &str) -> Result<Answer, Gone> {
        self.connection.answer(&Reply::bare(334, question)).await?;
        let line = self.connection.line(LineKind::Answer, self.deadline()).await?;
        Ok(match line {
            Line::Whole(line) if line == b"*" => Err(Reply::new(501, (7, 0), "The log-in is taken back")),
            Line::Whole(line) => decoded(&line),
            Line::Bare => Err(malformed()),
            Line::TooLong => Err(Reply::new(500, (5, 6), "That line is too long for a log-in")),
        })
    }

    async fn log_in(&mut self, credentials: Credentials) -> Result<Next, Gone> {
        let (user, secret) = (credentials.user.as_str(), credentials.secret.as_str());
        let attempt = LogIn { user, secret, peer: self.peer.ip() };
        let limits = &self.shared.settings.limits;
        match self.shared.handler.log_in(attempt).await {
            Ok(login) => {
                self.login = Some(login);
                Ok(Next::Answer(Reply::new(235, (7, 0), "Welcome")))
            }
            Err(Refused::ForNow) => {
                Ok(Next::Wrong(Reply::new(454, (7, 0), "Log-ins cannot be checked now: try again later")))
            }
            Err(why @ (Refused::Wrong | Refused::OtherApis)) => {
                info!(peer.ip = %self.peer.ip(), "refused a log-in by SMTP");
                self.conduct.wrong_log_ins += 1;
                // What was asked before is answered before the pause.
                self.connection.flush().await?;
                sleep(limits.wrong_log_in_pause).await;
                let words = match why {
                    Refused::OtherApis => "This key is for other APIs: SMTP takes keys that are for Sendlog's own API",
                    Refused::Wrong | Refused::ForNow => "No API key has that secret: the password is the key",
                };
                let reply = Reply::new(535, (7, 8), words);
                if self.conduct.wrong_log_ins < limits.wrong_log_ins {
                    return Ok(Next::Wrong(reply));
                }
                self.connection.answer(&reply).await?;
                Ok(Next::Last(Reply::new(421, (7, 0), "Too many wrong log-ins: goodbye")))
            }
        }
    }
}

/// Reads what the client encoded. `=` is an answer that says nothing. Source: RFC 4954, section 4.
fn decoded(text: &[u8]) -> Answer {
    if text == b"=" {
        return Ok(Vec::new());
    }
    STANDARD.decode(text).map_err(|_| malformed())
}

/// On whose behalf the client acts, its name and its secret. The first is left alone: a key acts for its team.
fn read_plain(message: &[u8]) -> Option<Credentials> {
    let mut parts = message.split(|byte| *byte == 0).map(|part| String::from_utf8(part.to_vec()).ok());
    let (Some(_), Some(user), Some(secret), None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    Some(Credentials { user, secret })
}

fn malformed() -> Reply {
    Reply::new(501, (5, 2), "That is no answer of a log-in in base64")
}
