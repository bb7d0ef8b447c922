//! One message, from MAIL to the answer after its content.
//! Sources: RFC 5321, sections 3.3 and 4.1.1; RFC 1870, section 6; RFC 2920, section 3.1 (RCPT and DATA said at once);
//! RFC 3030 (BDAT).

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

use super::super::handler::{Envelope, Handler};
use super::super::protocol::address::EnvelopeAddress;
use super::super::protocol::command::needs_utf8;
use super::super::protocol::connection::Gone;
use super::super::protocol::dots::{DotReader, LineCheck};
use super::super::protocol::parameters::MailParameters;
use super::super::protocol::reply::Reply;
use super::content::{Content, too_large};
use super::{Next, Session};

/// A message that was begun.
pub(super) struct Transaction {
    envelope: Envelope,
    pub(super) deadline: Instant,
    chunks: Option<Chunks>,
}

/// What BDAT has brought so far.
struct Chunks {
    content: Content,
    lines: LineCheck,
}

impl<S: AsyncRead + AsyncWrite + Unpin, H: Handler> Session<'_, S, H> {
    pub(super) async fn mail(&mut self, sender: Option<EnvelopeAddress>, parameters: MailParameters) -> Next {
        if self.connection.is_stopping() {
            return Next::Last(Reply::new(421, (3, 2), "The server is stopping: try again in a minute"));
        }
        let Some(client_name) = self.client_name.clone() else {
            return Next::Wrong(Reply::new(503, (5, 1), "Say EHLO first"));
        };
        if let Some(reply) = self.log_in_wanted() {
            return Next::Wrong(reply);
        }
        if self.transaction.is_some() {
            return Next::Wrong(Reply::new(503, (5, 1), "A message was begun already: RSET forgets it"));
        }
        let settings = &self.shared.settings;
        if parameters.size_bytes.is_some_and(|size| size > settings.size_limit_bytes as u64) {
            return Next::Idle(too_large(settings.size_limit_bytes));
        }
        let envelope = Envelope {
            sender,
            recipients: Vec::new(),
            is_utf8: parameters.is_utf8,
            peer: self.peer,
            client_name,
            is_encrypted: self.is_encrypted,
            is_logged_in: self.login.is_some(),
        };
        if let Err(reply) = self.shared.handler.sender(self.login.as_ref(), &envelope).await {
            return self.refused(reply);
        }
        let deadline = Instant::now() + settings.limits.transaction;
        self.transaction = Some(Transaction { envelope, deadline, chunks: None });
        Next::Answer(Reply::new(250, (1, 0), "The sender is right"))
    }

    /// Why the client has to say who it is first.
    fn log_in_wanted(&self) -> Option<Reply> {
        if self.login.is_some() || self.shared.settings.takes_strangers {
            return None;
        }
        Some(if self.may_log_in() {
            Reply::new(530, (7, 0), "Log in first, with an API key as the password")
        } else {
            Reply::new(530, (7, 0), "Encrypt the connection first, by STARTTLS, then log in")
        })
    }

    pub(super) async fn recipient(&mut self, recipient: EnvelopeAddress) -> Next {
        let Some(Transaction { envelope, chunks: None, .. }) = &mut self.transaction else {
            return Next::Wrong(no_sender());
        };
        if !envelope.is_utf8 && !recipient.is_ascii() {
            return self.refused(needs_utf8());
        }
        let taken = Next::Answer(Reply::new(250, (1, 5), "The recipient is right"));
        if envelope.recipients.contains(&recipient) {
            return taken;
        }
        let limit = self.shared.settings.recipient_limit;
        if envelope.recipients.len() >= limit {
            let words = format!("A message has at most {limit} recipients: send it to the others again");
            return Next::Answer(Reply::new(452, (5, 3), words));
        }
        if let Err(reply) = self.shared.handler.recipient(self.login.as_ref(), envelope, &recipient).await {
            return self.refused(reply);
        }
        envelope.recipients.push(recipient);
        taken
    }

    /// An address that is not taken. A stranger who tries addresses is not listened to for ever.
    pub(super) fn refused(&self, reply: Reply) -> Next {
        let reply = as_refusal(reply);
        if self.login.is_some() { Next::Answer(reply) } else { Next::Wrong(reply) }
    }

    pub(super) async fn data(&mut self) -> Result<Next, Gone> {
        match &self.transaction {
            None => return Ok(Next::Wrong(no_sender())),
            Some(Transaction { chunks: Some(_), .. }) => {
                return Ok(Next::Wrong(Reply::new(503, (5, 1), "The message comes by BDAT: DATA cannot follow")));
            }
            // RFC 5321, section 3.3. Not counted as wrong: who says all at once says DATA before it hears of the
            // recipients.
            Some(Transaction { envelope, .. }) if envelope.recipients.is_empty() => {
                return Ok(Next::Idle(no_recipient()));
            }
            Some(_) => {}
        }
        let Some(Transaction { envelope, deadline, .. }) = self.transaction.take() else { return Ok(Next::Answered) };
        self.connection.answer(&Reply::bare(354, "Send the message, and a dot alone on the last line")).await?;
        let settings = &self.shared.settings;
        let mut content = Content::new(self.shared.room.clone(), settings.size_limit_bytes);
        let (mut dots, mut is_end) = (DotReader::default(), false);
        while !is_end {
            let take = |bytes: &[u8]| {
                let (taken, is_last) = dots.read(bytes, |piece| content.add(piece));
                is_end = is_last;
                taken
            };
            self.connection.bytes(deadline, take).await?;
            if dots.is_flawed() {
                content.refuse_line_ends();
            }
            if content.read_bytes > self.most_read_bytes() && !is_end {
                return Ok(Next::Last(too_large(settings.size_limit_bytes)));
            }
        }
        self.accept(envelope, content).await
    }

    pub(super) async fn chunk(&mut self, size_bytes: u64, is_last: bool) -> Result<Next, Gone> {
        let (deadline, most, limit) = (self.deadline(), self.most_read_bytes(), self.shared.settings.size_limit_bytes);
        // Taken out, so that nothing is left of it where a chunk breaks off.
        let begun = self.transaction.take_if(|transaction| !transaction.envelope.recipients.is_empty());
        let Some(Transaction { envelope, deadline: end, chunks }) = begun else {
            // The chunk comes all the same, and holds no commands.
            if size_bytes > most {
                return Ok(Next::Last(too_large(limit)));
            }
            self.read_chunk(size_bytes, deadline, |_| {}).await?;
            return Ok(match self.transaction {
                Some(_) => Next::Idle(no_recipient()),
                None => Next::Wrong(no_sender()),
            });
        };
        let mut chunks = chunks.unwrap_or_else(|| Chunks {
            content: Content::new(self.shared.room.clone(), limit),
            lines: LineCheck::default(),
        });
        if chunks.content.read_bytes.saturating_add(size_bytes) > most {
            return Ok(Next::Last(too_large(limit)));
        }
        let keep = |piece: &[u8]| {
            chunks.lines.check(piece);
            chunks.content.add(piece);
        };
        self.read_chunk(size_bytes, deadline, keep).await?;
        if !is_last && !chunks.content.is_refused() {
            self.transaction = Some(Transaction { envelope, deadline: end, chunks: Some(chunks) });
            return Ok(Next::Answer(Reply::new(250, (0, 0), format!("{size_bytes} bytes read"))));
        }
        if is_last && chunks.lines.ends_flawed() {
            chunks.content.refuse_line_ends();
        }
        self.accept(envelope, chunks.content).await
    }

    /// Reads as many bytes, whatever they are, and hands them on in pieces.
    async fn read_chunk(&mut self, bytes: u64, deadline: Instant, mut keep: impl FnMut(&[u8])) -> Result<(), Gone> {
        let mut left = bytes;
        while left > 0 {
            let take = |bytes: &[u8]| {
                let piece = bytes.get(..usize::try_from(left).unwrap_or(usize::MAX)).unwrap_or(bytes);
                keep(piece);
                left -= piece.len() as u64;
                piece.len()
            };
            self.connection.bytes(deadline, take).await?;
        }
        Ok(())
    }

    /// How much of one message is read, kept or not.
    fn most_read_bytes(&self) -> u64 {
        let settings = &self.shared.settings;
        (settings.size_limit_bytes as u64).saturating_add(settings.limits.beyond_size_bytes)
    }

    async fn accept(&mut self, envelope: Envelope, content: Content) -> Result<Next, Gone> {
        let whole = match content.finish() {
            Ok(whole) => whole,
            Err(reply) => return Ok(Next::Answer(reply)),
        };
        let accepted = self.shared.handler.accept(self.login.as_ref(), envelope, whole.message.clone()).await;
        Ok(Next::Answer(match accepted {
            Ok(id) => {
                (self.conduct.wrong_commands, self.conduct.idle_commands) = (0, 0);
                Reply::new(250, (0, 0), format!("Accepted as {id}"))
            }
            Err(reply) => as_refusal(reply),
        }))
    }
}

fn no_sender() -> Reply {
    Reply::new(503, (5, 1), "Name the sender first, by MAIL")
}

fn no_recipient() -> Reply {
    Reply::new(554, (5, 1), "No recipient was accepted")
}

/// A handler that refuses says so; anything else would be taken for a message that was accepted.
fn as_refusal(reply: Reply) -> Reply {
    if reply.is_refusal() { reply } else { Reply::new(451, (3, 0), "That cannot be done now: try again later") }
}
