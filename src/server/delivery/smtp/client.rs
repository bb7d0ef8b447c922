//! The client's half of an SMTP conversation: lines out, replies in. A server is not trusted: its lines and replies are
//! capped, and what they say beside the three digits may be any bytes. Called by [super].
//! Sources: RFC 5321, sections 4.2 (replies), 4.5.2 (dots) and 4.5.3.1 (sizes); RFC 3207; RFC 4616 (PLAIN).

use std::fmt;
use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::attempt::clean;
use super::tls::{Tls, fault_of, used};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::exchange::bytes;
use crate::server::delivery::transcript::{SECRET, Transcript};
use crate::server::outbound::{Outbound, Unreachable};

/// The longest line of a reply, in bytes; RFC 5321 knows 512.
const LINE_CAP: u64 = 4 * 1024;

/// The longest reply, in lines and in bytes.
const REPLY_LINES_CAP: usize = 100;
const REPLY_BYTES_CAP: usize = 64 * 1024;

/// How much of a message goes to the socket at once, in bytes.
const CHUNK_BYTES: usize = 64 * 1024;

/// A connection, encrypted or not.
trait Duplex: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Duplex for T {}

/// A conversation with a mail server.
pub(super) struct Client {
    stream: BufReader<Box<dyn Duplex>>,
    /// What the server can do, by its answer to EHLO.
    pub(super) offers: Offers,
    /// Where what is said is noted.
    pub(super) transcript: Transcript,
    /// The encryption: `TLS 1.3`.
    pub(super) tls: Option<String>,
    is_over: bool,
}

/// What a server can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Offers {
    pub(super) starttls: bool,
    pub(super) smtputf8: bool,
    pub(super) eight_bit_mime: bool,
    pub(super) auth_plain: bool,
    pub(super) auth_login: bool,
}

/// What a server answered. The three digits decide; the text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    lines: Vec<String>,
    /// Whether the rest of it was not waited for: it was too long, or the server went away.
    is_cut: bool,
}

/// Why a conversation has ended.
#[derive(Debug)]
pub(super) enum Broken {
    Io(io::Error),
    Closed,
    /// What came is not a reply of SMTP. It is not repeated: it can be anything.
    NotSmtp,
    /// The server answers without an end.
    TooLong,
}

impl Broken {
    /// Whether the connection has ended, and not only what can be made of it.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Io(_) | Self::Closed => true,
            Self::NotSmtp | Self::TooLong => false,
        }
    }
}

impl Broken {
    /// What that is to whoever sets an adapter up, before the first message.
    pub(super) fn fault(&self) -> AdapterFault {
        match self {
            Self::Io(_) => AdapterFault::Broken,
            Self::Closed | Self::NotSmtp | Self::TooLong => AdapterFault::NotMailServer,
        }
    }

    /// The same, where the encryption was to begin.
    pub(super) fn tls_fault(&self) -> AdapterFault {
        match self {
            Self::Io(cause) => fault_of(cause),
            Self::Closed | Self::NotSmtp | Self::TooLong => AdapterFault::TlsFailed,
        }
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(cause) => f.write_str(&clean(&cause.to_string())),
            Self::Closed => f.write_str("the mail server closed the connection"),
            Self::NotSmtp => f.write_str("it does not answer as a mail server does (SMTP)"),
            Self::TooLong => f.write_str("the mail server's answer is too long"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(cause: io::Error) -> Self {
        Self::Io(cause)
    }
}

impl Reply {
    /// Whether the server took the command, or waits for the rest of it.
    pub(super) fn is_positive(&self) -> bool {
        (200..400).contains(&self.code)
    }

    /// Whether the server has done what it was asked.
    pub(super) fn is_done(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// Every line as the server said it, without control characters.
    fn lines_as_said(&self) -> String {
        let last = self.lines.len().saturating_sub(1);
        let line = |(place, text): (usize, &String)| {
            let mark = if place == last { ' ' } else { '-' };
            clean(&format!("{}{mark}{text}", self.code))
        };
        self.lines.iter().enumerate().map(line).collect::<Vec<_>>().join("\n")
    }

    /// The code and the server's words, on one line.
    pub(super) fn words(&self) -> String {
        clean(&format!("{} {}", self.code, self.lines.join(" ")))
    }
}

/// Connects to a mail server: the one place where connections to them are made.
pub(super) async fn connect(outbound: Outbound, host: &str, port: u16) -> Result<TcpStream, Unreachable> {
    let stream = outbound.connect(host, port).await?;
    // A message and the dot that ends it are two writes: Nagle's algorithm would hold the second back.
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Client {
    /// A conversation over an open connection, which nothing was read from. Call [Client::greeting] next.
    pub(super) fn new(stream: TcpStream, transcript: Transcript) -> Self {
        Self { transcript, ..Self::over(Box::new(stream)) }
    }

    fn over(stream: Box<dyn Duplex>) -> Self {
        let (offers, transcript) = Default::default();
        Self { stream: BufReader::new(stream), offers, transcript, tls: None, is_over: false }
    }

    /// Encrypts the connection. What was read before is forgotten; a server that has said too much is not listened to.
    pub(super) async fn encrypt(self, tls: &Tls, host: &str, is_lenient: bool) -> Result<Self, Broken> {
        if !self.stream.buffer().is_empty() {
            return Err(Broken::NotSmtp);
        }
        let stream = tls.encrypted(self.stream.into_inner(), host, is_lenient).await?;
        let (version, words) = used(&stream);
        self.transcript.say(words);
        Ok(Self { transcript: self.transcript, tls: version, ..Self::over(Box::new(stream)) })
    }

    /// Waits for the server's first words.
    pub(super) async fn greeting(&mut self) -> Result<Reply, Broken> {
        let reply = self.reply().await?;
        if reply.is_cut { Err(Broken::TooLong) } else { Ok(reply) }
    }

    /// Says EHLO and reads what the server can do.
    pub(super) async fn hello(&mut self, name: &str) -> Result<Reply, Broken> {
        let reply = self.command(&format!("EHLO {name}")).await?;
        // An old server knows the older greeting alone, and offers nothing. Source: RFC 5321, section 4.1.4.
        if matches!(reply.code, 500 | 502 | 504 | 550) && !reply.is_cut {
            self.offers = Offers::default();
            let reply = self.command(&format!("HELO {name}")).await?;
            return if reply.is_cut { Err(Broken::TooLong) } else { Ok(reply) };
        }
        if reply.is_cut {
            return Err(Broken::TooLong);
        }
        if reply.is_positive() {
            self.offers = Offers::read(&reply);
        }
        Ok(reply)
    }

    /// Sends a command, without its line end, and waits for the answer.
    pub(super) async fn command(&mut self, line: &str) -> Result<Reply, Broken> {
        self.transcript.say(line);
        self.secret_command(line).await
    }

    /// The same, where the line is not noted.
    async fn secret_command(&mut self, line: &str) -> Result<Reply, Broken> {
        if self.is_over {
            return Err(Broken::Closed);
        }
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.flush().await?;
        self.reply().await
    }

    /// Logs in by PLAIN or else by LOGIN; `None` where the server offers neither.
    pub(super) async fn log_in(&mut self, user: &str, password: &str) -> Result<Option<Reply>, Broken> {
        if self.offers.auth_plain {
            let line = format!("AUTH PLAIN {}", STANDARD.encode(format!("\0{user}\0{password}")));
            self.transcript.say(format!("AUTH PLAIN {SECRET}"));
            return self.secret_command(&line).await.map(Some);
        }
        if !self.offers.auth_login {
            return Ok(None);
        }
        let mut reply = self.command("AUTH LOGIN").await?;
        for answer in [user, password] {
            if reply.code != 334 {
                break;
            }
            self.transcript.say(SECRET);
            reply = self.secret_command(&STANDARD.encode(answer)).await?;
        }
        Ok(Some(reply))
    }

    /// Sends a message and the dot that ends it. Ask [Client::reply] then.
    pub(super) async fn write_message(&mut self, message: &[u8], all_written: &mut bool) -> Result<(), Broken> {
        self.transcript.say(format!("({}: the message)", bytes(message.len())));
        let mut dots = Dots::default();
        for chunk in message.chunks(CHUNK_BYTES) {
            self.stream.write_all(&dots.doubled(chunk)).await?;
        }
        // From here on the server may have the whole message.
        *all_written = true;
        let end = if dots.is_at_line_start() { &b".\r\n"[..] } else { b"\r\n.\r\n" };
        self.stream.write_all(end).await?;
        Ok(self.stream.flush().await?)
    }

    /// Waits for a reply. One that is too long, or that the end of the connection cut off behind its digits, still
    /// counts, and is the last.
    pub(super) async fn reply(&mut self) -> Result<Reply, Broken> {
        let result = self.read_reply().await;
        match &result {
            Ok(reply) => self.transcript.hear(reply.lines_as_said()),
            Err(cause) => self.transcript.hear(format!("({cause})")),
        }
        self.is_over |= result.as_ref().map_or(true, |reply| reply.is_cut);
        result
    }

    async fn read_reply(&mut self) -> Result<Reply, Broken> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let mut line = Vec::new();
            (&mut self.stream).take(LINE_CAP).read_until(b'\n', &mut line).await?;
            if line.is_empty() {
                return Err(Broken::Closed);
            }
            bytes += line.len();
            let (code, is_last, text) = parsed(&line).ok_or(Broken::NotSmtp)?;
            lines.push(text);
            let is_cut = !line.ends_with(b"\n") || bytes > REPLY_BYTES_CAP || lines.len() > REPLY_LINES_CAP;
            if is_last || is_cut {
                return Ok(Reply { code, lines, is_cut });
            }
        }
    }

    /// Whether nothing more can be said.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }
}

/// One line of a reply: its code, whether it is the last, and its text, in UTF-8 or else in Latin-1.
fn parsed(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let (digits, rest) = line.split_at_checked(3)?;
    let &[first @ b'2'..=b'5', second @ b'0'..=b'9', third @ b'0'..=b'9'] = digits else { return None };
    let code = [first, second, third].into_iter().fold(0_u16, |code, digit| code * 10 + u16::from(digit - b'0'));
    let (is_last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ' | b'\t', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    let text = match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().copied().map(char::from).collect(),
    };
    Some((code, is_last, text))
}

impl Offers {
    fn read(reply: &Reply) -> Self {
        let mut offers = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty()).map(str::to_ascii_uppercase);
            match words.next().as_deref() {
                Some("STARTTLS") => offers.starttls = true,
                Some("SMTPUTF8") => offers.smtputf8 = true,
                Some("8BITMIME") => offers.eight_bit_mime = true,
                Some("AUTH") => {
                    for mechanism in words {
                        offers.auth_plain |= mechanism == "PLAIN";
                        offers.auth_login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        offers
    }
}

/// Doubles the dots that begin a line, over any number of chunks.
#[derive(Default)]
struct Dots {
    place: Place,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    Within,
    BehindCr,
}

impl Dots {
    fn doubled(&mut self, chunk: &[u8]) -> Vec<u8> {
        let mut doubled = Vec::with_capacity(chunk.len() + chunk.len() / 64);
        for &byte in chunk {
            if byte == b'.' && self.place == Place::LineStart {
                doubled.push(b'.');
            }
            doubled.push(byte);
            self.place = match (byte, self.place) {
                (b'\r', _) => Place::BehindCr,
                (b'\n', Place::BehindCr) => Place::LineStart,
                _ => Place::Within,
            };
        }
        doubled
    }

    fn is_at_line_start(&self) -> bool {
        self.place == Place::LineStart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A conversation in which the server has said `bytes` and gone, or stays silent where `stays` says so.
    async fn heard(bytes: &[u8], stays: bool) -> Result<Reply, Broken> {
        let (mut server, ours) = tokio::io::duplex(1 << 20);
        server.write_all(bytes).await.unwrap();
        let _server = stays.then_some(server);
        Client::over(Box::new(ours)).reply().await
    }

    #[tokio::test]
    async fn the_three_digits_decide_whatever_the_text_is() {
        for (bytes, code, words) in [
            (&b"250 ok\r\n"[..], 250, "250 ok"),
            (&b"250 f\xfcr Zustellung\r\n"[..], 250, "250 für Zustellung"),
            ("250 für Zustellung\r\n".as_bytes(), 250, "250 für Zustellung"),
            (&b"250-one\r\n250-\xff\r\n250 three\r\n"[..], 250, "250 one ÿ three"),
            (&b"550\n"[..], 550, "550"),
            (&b"451\tlater\r\n"[..], 451, "451 later"),
            (&b"250 \x00\x1b[2J\r\n"[..], 250, "250   [2J"),
        ] {
            let reply = heard(bytes, true).await.unwrap();
            assert_eq!((reply.code, reply.words().as_str(), reply.is_cut), (code, words, false));
        }
    }

    #[tokio::test]
    async fn what_is_no_reply_is_not_repeated() {
        for bytes in
            [&b"SSH-2.0-OpenSSH_9.6\r\n"[..], b"HTTP/1.1 400 Bad Request\r\n", b"2x0 ok\r\n", b"2500 ok\r\n", b"\r\n"]
        {
            let broken = heard(bytes, true).await.unwrap_err();
            assert!(matches!(broken, Broken::NotSmtp), "{broken}");
            assert_eq!(broken.to_string(), "it does not answer as a mail server does (SMTP)");
        }
        assert!(matches!(heard(b"", false).await, Err(Broken::Closed)));
    }

    #[tokio::test]
    async fn an_endless_line_and_an_endless_reply_are_cut_and_their_code_counts() {
        let line = [b"250 ".as_slice(), &[b'x'; 100_000]].concat();
        let reply = heard(&line, true).await.unwrap();
        assert_eq!((reply.code, reply.is_cut), (250, true));
        assert!(reply.lines[0].len() <= LINE_CAP as usize);
        let reply = heard(&b"550-more\r\n".repeat(10_000), true).await.unwrap();
        assert_eq!((reply.code, reply.is_cut, reply.lines.len()), (550, true, REPLY_LINES_CAP + 1));
        let long = [b"250-".as_slice(), &[b'x'; 4000], b"\r\n"].concat().repeat(50);
        let reply = heard(&long, true).await.unwrap();
        assert!(reply.is_cut && reply.lines.iter().map(String::len).sum::<usize>() <= REPLY_BYTES_CAP + 4096);
        let reply = heard(b"250 queued as 7", false).await.unwrap();
        assert_eq!((reply.code, reply.is_cut), (250, true));
    }

    #[test]
    fn dots_that_begin_a_line_are_doubled_over_chunks() {
        for (message, sent) in [
            ("a\r\n.b\r\n", "a\r\n..b\r\n"),
            (".\r\n", "..\r\n"),
            ("a.b\r\n..\r\n", "a.b\r\n...\r\n"),
            ("a\r.b\r\n", "a\r.b\r\n"),
            ("", ""),
        ] {
            for size in 1..=message.len().max(1) {
                let mut dots = Dots::default();
                let doubled: Vec<u8> = message.as_bytes().chunks(size).flat_map(|chunk| dots.doubled(chunk)).collect();
                assert_eq!(String::from_utf8(doubled).unwrap(), sent, "{message:?} in chunks of {size}");
            }
        }
    }

    #[test]
    fn what_a_server_offers_is_read() {
        let lines = ["mail.example.com", "SIZE 1000", "auth plain LOGIN", "AUTH=LOGIN", "STARTTLS", "smtputf8"];
        let lines = lines.map(str::to_owned).to_vec();
        let offers = Offers::read(&Reply { code: 250, lines, is_cut: false });
        let expected =
            Offers { starttls: true, smtputf8: true, eight_bit_mime: false, auth_plain: true, auth_login: true };
        assert_eq!(offers, expected);
    }
}
