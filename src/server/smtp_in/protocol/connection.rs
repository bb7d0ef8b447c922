//! A connection: lines in, replies out. Replies wait until the client has said all that it says at once (PIPELINING),
//! and every wait is bounded.
//! Sources: RFC 5321, sections 2.3.8 (line ends) and 4.5.3.1 (sizes); RFC 2920, section 3.2; RFC 4954, section 4
//! (12,288 bytes).

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::reply::Reply;

/// The longest command, with its line end: 512 bytes, and what SIZE, BODY, SMTPUTF8 and AUTH add to MAIL, or ORCPT and
/// NOTIFY to RCPT. Sources: RFC 1870, RFC 6152, RFC 6531, RFC 4954 and RFC 3461, section 5.
const COMMAND_BYTES: usize = 512 + 26 + 17 + 10 + 500 + 500;
/// The longest line of a log-in.
const AUTH_BYTES: usize = 12_288;
/// How much is read of a line that is too long, before the connection ends.
const ENDLESS_BYTES: usize = 256 * 1024;
/// How much is read at once.
const READ_BYTES: usize = 16 * 1024;
/// How much waits to be written, at most, beside one reply.
const UNWRITTEN_BYTES: usize = 4 * 1024;
/// How much of what a client still sends is thrown away after the last reply, so that it reads that one, and for how
/// long.
const LINGER_BYTES: usize = 1024 * 1024;
const LINGER: Duration = Duration::from_secs(2);
/// The first byte of a handshake of TLS. Source: RFC 8446, section 5.1.
const HANDSHAKE: u8 = 0x16;

/// A connection, encrypted or not.
pub struct Connection<S> {
    stream: S,
    input: BytesMut,
    /// How much of `input` is known to hold no line end.
    searched: usize,
    output: Vec<u8>,
    silence: Duration,
    stop: watch::Receiver<bool>,
}

/// What kind of line is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    Command,
    /// An answer to a question of a log-in.
    Answer,
}

/// A line that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// Without its end.
    Whole(Vec<u8>),
    /// Its end was a LF alone.
    Bare,
    TooLong,
}

/// Why nothing more is to be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The client has closed the connection, or it broke.
    Closed,
    /// The client was silent for too long, or took too long in all.
    TooSlow,
    /// The server stops, and the client is between two commands.
    Stopping,
    /// The client talks without an end.
    Endless,
    /// The client begins a handshake where none is expected.
    Handshake,
}

impl From<io::Error> for Gone {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A conversation over an open connection. A client may be silent, or take nothing, for as long as `silence`.
    pub fn new(stream: S, silence: Duration, stop: watch::Receiver<bool>) -> Self {
        let (input, output) = (BytesMut::new(), Vec::new());
        Self { stream, input, searched: 0, output, silence, stop }
    }

    /// The connection below. What was said and not read is forgotten: before encryption, anybody can have said it.
    /// Source: CVE-2011-0411.
    pub fn into_stream(self) -> S {
        self.stream
    }

    /// Whether the server is to stop.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Waits for a line until `deadline`, or until the server stops.
    pub async fn line(&mut self, kind: LineKind, deadline: Instant) -> Result<Line, Gone> {
        let mut skipped = 0;
        loop {
            if let Some(line) = self.take_line(kind) {
                return Ok(if skipped > 0 { Line::TooLong } else { line });
            }
            if self.input.first() == Some(&HANDSHAKE) {
                return Err(Gone::Handshake);
            }
            if self.input.len() > self.longest(kind) {
                skipped += self.input.len();
                self.input.clear();
                self.searched = 0;
            }
            if skipped > ENDLESS_BYTES {
                return Err(Gone::Endless);
            }
            self.flush().await?;
            let mut stop = self.stop.clone();
            tokio::select! {
                biased;
                more = timeout_at(self.deadline(deadline), read(&mut self.stream, &mut self.input)) => {
                    more.map_err(|_| Gone::TooSlow)??;
                }
                () = stopped(&mut stop) => return Err(Gone::Stopping),
            }
        }
    }

    /// Waits for bytes of a message until `deadline`, and hands on what there is; `take` says how much of it it took,
    /// more than nothing.
    pub async fn bytes(&mut self, deadline: Instant, take: impl FnOnce(&[u8]) -> usize) -> Result<(), Gone> {
        if self.input.is_empty() {
            self.flush().await?;
            let more = timeout_at(self.deadline(deadline), read(&mut self.stream, &mut self.input)).await;
            more.map_err(|_| Gone::TooSlow)??;
        }
        let taken = take(&self.input).min(self.input.len());
        self.input.advance(taken);
        self.searched = 0;
        Ok(())
    }

    /// Answers, at once or together with the next answers.
    pub async fn answer(&mut self, reply: &Reply) -> Result<(), Gone> {
        self.output.extend_from_slice(reply.to_string().as_bytes());
        if self.output.len() > UNWRITTEN_BYTES { self.flush().await } else { Ok(()) }
    }

    /// Writes the answers that wait.
    pub async fn flush(&mut self) -> Result<(), Gone> {
        if self.output.is_empty() {
            return Ok(());
        }
        let writing = async {
            self.stream.write_all(&self.output).await?;
            self.stream.flush().await
        };
        timeout(self.silence, writing).await.map_err(|_| Gone::TooSlow)??;
        self.output.clear();
        Ok(())
    }

    /// Ends the connection so that the client can read the last answer, though it still sends: closing at once would
    /// throw that answer away.
    pub async fn close(mut self) {
        let ending = async {
            self.flush().await.ok()?;
            self.stream.shutdown().await.ok()?;
            let mut read_bytes = 0;
            while read_bytes < LINGER_BYTES {
                self.input.clear();
                read(&mut self.stream, &mut self.input).await.ok()?;
                read_bytes += self.input.len();
            }
            Some(())
        };
        let _ = timeout(LINGER, ending).await;
    }

    fn deadline(&self, latest: Instant) -> Instant {
        latest.min(Instant::now() + self.silence)
    }

    fn longest(&self, kind: LineKind) -> usize {
        let is_auth = self.input.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"AUTH "));
        if is_auth || kind == LineKind::Answer { AUTH_BYTES } else { COMMAND_BYTES }
    }

    /// The next line, where all of it has come.
    fn take_line(&mut self, kind: LineKind) -> Option<Line> {
        let unseen = self.input.get(self.searched..)?;
        let Some(end) = unseen.iter().position(|byte| *byte == b'\n') else {
            self.searched = self.input.len();
            return None;
        };
        let is_long = self.searched + end + 1 > self.longest(kind);
        let line = self.input.split_to(self.searched + end + 1);
        self.searched = 0;
        Some(match line.strip_suffix(b"\r\n") {
            _ if is_long => Line::TooLong,
            Some(line) => Line::Whole(line.to_vec()),
            None => Line::Bare,
        })
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut S, input: &mut BytesMut) -> Result<(), Gone> {
    input.reserve(READ_BYTES);
    let mut room = bytes::BufMut::limit(input, READ_BYTES);
    if stream.read_buf(&mut room).await? == 0 { Err(Gone::Closed) } else { Ok(()) }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(sent: &[u8], kind: LineKind) -> Vec<Result<Line, Gone>> {
        let (client, ours) = tokio::io::duplex(64);
        let (_stop, stopped) = watch::channel(false);
        let mut connection = Connection::new(ours, Duration::from_secs(10), stopped);
        let (mut lines, deadline) = (Vec::new(), Instant::now() + Duration::from_secs(60));
        let (_replies, mut writing) = tokio::io::split(client);
        let sent = sent.to_vec();
        let sending = tokio::spawn(async move {
            let _ = writing.write_all(&sent).await;
            let _ = writing.shutdown().await;
        });
        loop {
            lines.push(connection.line(kind, deadline).await);
            if lines.last().is_some_and(Result::is_err) {
                sending.abort();
                return lines;
            }
        }
    }

    #[tokio::test]
    async fn a_line_ends_in_crlf_and_is_bounded() {
        let whole = |text: &str| Ok(Line::Whole(text.as_bytes().to_vec()));
        let long = || Ok(Line::TooLong);
        let (command, answer) = (LineKind::Command, LineKind::Answer);
        let noop = |bytes: usize| format!("NOOP{}", " ".repeat(bytes - 4));
        let auth = |bytes: usize| format!("AUTH PLAIN {}", "a".repeat(bytes - 11));
        for (sent, kind, expected) in [
            ("NOOP\r\nQUIT\r\n".to_owned(), command, vec![whole("NOOP"), whole("QUIT")]),
            ("NOOP\nQUIT\r\n".to_owned(), command, vec![Ok(Line::Bare), whole("QUIT")]),
            ("NOOP\r\r\nQUI".to_owned(), command, vec![whole("NOOP\r")]),
            (format!("{}\r\nQUIT\r\n", noop(1563)), command, vec![whole(&noop(1563)), whole("QUIT")]),
            (format!("{}\r\nQUIT\r\n", noop(1564)), command, vec![long(), whole("QUIT")]),
            (format!("{}\r\nQUIT\r\n", noop(100_000)), command, vec![long(), whole("QUIT")]),
            (format!("{}\r\n", auth(12_286)), command, vec![whole(&auth(12_286))]),
            (format!("{}\r\n", auth(12_287)), command, vec![long()]),
            (format!("{}\r\n", noop(12_287)), answer, vec![long()]),
        ] {
            let expected = [expected, vec![Err(Gone::Closed)]].concat();
            assert_eq!(lines(sent.as_bytes(), kind).await, expected, "{}", sent.get(..30).unwrap_or(&sent));
        }
        assert_eq!(lines(&vec![b'x'; 1_000_000], command).await, [Err(Gone::Endless)]);
        assert_eq!(lines(b"\x16\x03\x01\x02\x00\x01", command).await, [Err(Gone::Handshake)]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_that_trickles_ends_with_its_time() {
        let (mut client, ours) = tokio::io::duplex(64);
        let (_stop, stopped) = watch::channel(false);
        let mut connection = Connection::new(ours, Duration::from_secs(10), stopped);
        let began = Instant::now();
        let trickle = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let line = connection.line(LineKind::Command, began + Duration::from_secs(60)).await;
        assert_eq!((line, began.elapsed().as_secs()), (Err(Gone::TooSlow), 60));
        trickle.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_answers_is_not_waited_for() {
        let (_client, ours) = tokio::io::duplex(64);
        let (_stop, stopped) = watch::channel(false);
        let mut connection = Connection::new(ours, Duration::from_secs(10), stopped);
        let reply = Reply::new(250, (0, 0), "x".repeat(400));
        let mut answers = 0;
        while connection.answer(&reply).await.is_ok() {
            answers += 1;
        }
        assert!(answers < 20, "{answers}");
    }
}
