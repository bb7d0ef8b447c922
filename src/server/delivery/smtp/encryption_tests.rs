//! Encryption and log-in, against real TLS servers: each is a front that encrypts and hands the conversation on.

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::domain::channel::Channel;
use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::tracking::MessageTracking;
use crate::server::demo::sink::{Sink, SinkSettings};
use crate::server::outbound::Outbound;

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Years in which a certificate is valid.
const NOW: Range<i32> = 2000..4000;

/// The names that every test's server is reached by.
const RIGHT: &[&str] = &["127.0.0.1", "localhost"];

/// Who issues certificates.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let (mut params, key) = (CertificateParams::default(), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A server's side of encryption, with a certificate for these names and years.
    fn acceptor(&self, names: &[&str], years: Range<i32>) -> TlsAcceptor {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let (mut params, key) = (CertificateParams::new(names).unwrap(), KeyPair::generate().unwrap());
        params.not_before = date_time_ymd(years.start, 1, 1);
        params.not_after = date_time_ymd(years.end, 1, 1);
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], PrivateKeyDer::Pkcs8(key.serialize_der().into()));
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }

    /// A sender that trusts this authority.
    fn sender(&self) -> SmtpSender {
        let tls = Tls::trusting(vec![self.certificate.clone()]);
        SmtpSender::new(SmtpSettings { tls, ..settings() })
    }
}

fn settings() -> SmtpSettings {
    let outbound = Outbound::new(true);
    SmtpSettings { connect_timeout: Duration::from_secs(10), outbound, ..SmtpSettings::default() }
}

/// What a server does before anything is encrypted.
#[derive(Clone)]
enum Plain {
    /// Nothing: it encrypts from the first byte.
    Nothing,
    /// It offers this, and gives this answer to STARTTLS; it goes on encrypted after a 220.
    Says { offers: &'static str, answer: &'static [u8] },
}

const STARTTLS: Plain = Plain::Says { offers: "STARTTLS", answer: b"220 2.0.0 Go ahead\r\n" };

/// A server that encrypts and hands the conversation on to another one.
struct Front {
    addr: SocketAddr,
    /// What it heard before anything was encrypted, line by line.
    heard: Arc<Mutex<Vec<String>>>,
    accepting: AbortHandle,
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Front {
    async fn start(acceptor: TlsAcceptor, plain: Plain, behind: SocketAddr) -> Self {
        let listener = TcpListener::bind(LOOPBACK).await.unwrap();
        let (addr, heard) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<String>>>::default());
        let log = Arc::clone(&heard);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), plain.clone(), behind, Arc::clone(&log)));
            }
        });
        Self { addr, heard, accepting: accepting.abort_handle() }
    }

    /// Nobody between here and there has heard a name, a password or an address.
    fn assert_told_nothing(&self) {
        let heard = self.heard.lock().unwrap();
        assert!(heard.iter().all(|line| line.starts_with("EHLO ") || line == "STARTTLS"), "{heard:?}");
    }
}

/// A conversation. Whoever breaks it off has no one to tell.
async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    plain: Plain,
    behind: SocketAddr,
    log: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let stream = match plain {
        Plain::Nothing => stream,
        Plain::Says { offers, answer } => speak_plainly(stream, offers, answer, &log).await?,
    };
    let is_greeted = !matches!(plain, Plain::Nothing);
    let mut stream = acceptor.accept(stream).await.ok()?;
    let mut behind = BufReader::new(TcpStream::connect(behind).await.ok()?);
    if is_greeted {
        behind.read_line(&mut String::new()).await.ok()?;
    }
    copy_bidirectional(&mut stream, &mut behind).await.ok()?;
    Some(())
}

/// Talks until STARTTLS was agreed to.
async fn speak_plainly(stream: TcpStream, offers: &str, answer: &[u8], log: &Mutex<Vec<String>>) -> Option<TcpStream> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 front ESMTP\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        let line = line.trim_end();
        log.lock().unwrap().push(line.to_owned());
        match line {
            "STARTTLS" => {
                stream.write_all(answer).await.ok()?;
                if answer.starts_with(b"220") {
                    return Some(stream.into_inner());
                }
            }
            hello if hello.starts_with("EHLO") => {
                stream.write_all(format!("250-front\r\n250-{offers}\r\n250 8BITMIME\r\n").as_bytes()).await.ok()?;
            }
            _ => stream.write_all(b"250 2.0.0 Ok\r\n").await.ok()?,
        }
    }
}

fn route(url: &str) -> SmtpRoute {
    let (endpoint, secret) = SmtpEndpoint::parse(url).unwrap();
    SmtpRoute { adapter_id: AdapterId(1), endpoint, secret, bounce_address: None }
}

async fn refused(sender: &SmtpSender, url: &str) -> String {
    sender.check(&route(url)).await.expect_err(url).to_string()
}

async fn guarded_sink() -> Sink {
    let log_in = Some(("ada".to_owned(), "hunter2".to_owned()));
    Sink::start_with(LOOPBACK, SinkSettings { log_in, ..SinkSettings::default() }).await.unwrap()
}

/// What became of a message to one recipient.
async fn sent(sender: &SmtpSender, url: &str) -> RecipientOutcome {
    let address = "ada@example.com".to_owned();
    let outgoing = Outgoing {
        names_adapter: false,
        adapter: None,
        channel: Channel::Email,
        notification_id: None,
        notification_kind: None,
        external_user_id: None,
        tags: Vec::new(),
        variables: serde_json::Value::Null,
        metadata: serde_json::Value::Null,
        headers: Vec::new(),
        from_address: "Finch <receipts@finch.example>".to_owned(),
        reply_to: None,
        recipients: vec![Recipient { kind: RecipientKind::To, address: address.clone(), name: None }],
        subject: "Your receipt".to_owned(),
        html: None,
        text: Some("Thank you".to_owned()),
        attachments: Vec::new(),
        mime: None,
        tracking: MessageTracking::default(),
    };
    let id = EmailId(1_795_265_892_000 << 20);
    let attempt = sender.send(&route(url), &outgoing, (id, id.created_at()), &[address], async || true).await;
    attempt.unwrap().recipients.remove(0).1
}

#[tokio::test]
async fn a_message_goes_out_encrypted_and_logged_in() {
    let (authority, sink) = (Authority::new(), guarded_sink().await);
    let sender = authority.sender();
    for (plain, scheme, query) in [(Plain::Nothing, "smtps", ""), (STARTTLS, "smtp", "?tls=required")] {
        let front = Front::start(authority.acceptor(RIGHT, NOW), plain, sink.addr()).await;
        for host in RIGHT {
            let url = format!("{scheme}://ada:hunter2@{host}:{}{query}", front.addr.port());
            let outcome = sent(&sender, &url).await;
            assert!(matches!(outcome, RecipientOutcome::Accepted { .. }), "{url}: {outcome:?}");
        }
        front.assert_told_nothing();
    }
    assert_eq!(sink.messages().len(), 4);
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_refused_in_plain_words() {
    let (authority, stranger, sink) = (Authority::new(), Authority::new(), guarded_sink().await);
    let sender = authority.sender();
    for (acceptor, words) in [
        (stranger.acceptor(RIGHT, NOW), "this machine does not trust who issued its certificate"),
        (authority.acceptor(RIGHT, 2000..2001), "its certificate has expired"),
        (authority.acceptor(RIGHT, 3999..4000), "its certificate is not valid yet"),
        (
            authority.acceptor(&["mail.example.com"], NOW),
            "its certificate is made out to another name: mail.example.com",
        ),
    ] {
        for (plain, scheme, query) in [(Plain::Nothing, "smtps", ""), (STARTTLS, "smtp", "?tls=required")] {
            let front = Front::start(acceptor.clone(), plain, sink.addr()).await;
            let server = format!("localhost:{}", front.addr.port());
            let url = format!("{scheme}://ada:hunter2@{server}{query}");
            let expected = format!("Cannot encrypt the connection to {server}: {words}");
            assert_eq!(sent(&sender, &url).await, RecipientOutcome::Unreachable { reason: expected });
            let fault = sender.connect(&route(&url), &Transcript::default()).await.err().map(|unusable| unusable.fault);
            assert_eq!(fault, Some(AdapterFault::Certificate));
        }
    }
    assert!(sink.messages().is_empty() && sink.connections() == 0);
}

#[tokio::test]
async fn encryption_that_guards_nothing_takes_any_certificate() {
    let (sink, sender) = (Sink::start(LOOPBACK).await.unwrap(), SmtpSender::new(settings()));
    let front = Front::start(Authority::new().acceptor(&["mail.example.com"], 2000..2001), STARTTLS, sink.addr()).await;
    let outcome = sent(&sender, &format!("smtp://{}", front.addr)).await;
    assert!(matches!(outcome, RecipientOutcome::Accepted { .. }), "{outcome:?}");
    // A password is worth a certificate, and so is encryption that was asked for.
    let (authority, mut route) = (Authority::new(), route("smtp://mail.example.com?tls=opportunistic"));
    assert!(is_lenient(&route));
    route.secret = SmtpSecret { user: Some("ada".to_owned()), password: None };
    assert!(!is_lenient(&route));
    let front = Front::start(authority.acceptor(RIGHT, NOW), Plain::Nothing, sink.addr()).await;
    assert!(refused(&sender, &format!("smtps://{}", front.addr)).await.contains("does not trust"));
}

#[tokio::test]
async fn a_connection_that_must_be_encrypted_is_or_nothing_is_said() {
    let (authority, sink) = (Authority::new(), guarded_sink().await);
    let sender = authority.sender();
    for (offers, answer, words) in [
        // Taken out by somebody in between, whole or in part.
        ("AUTH PLAIN LOGIN", &b"220 2.0.0 Go ahead\r\n"[..], "offers no encryption (STARTTLS), and the adapter"),
        ("XXXXXXXA", b"500 5.5.1 Unknown command\r\n", "offers no encryption (STARTTLS), and the adapter"),
        ("STARTTLS", b"454 4.7.0 TLS not available\r\n", "454 4.7.0 TLS not available"),
        ("STARTTLS", b"502 5.5.1 No\r\n", "502 5.5.1 No"),
        ("STARTTLS", b"354 Go ahead\r\n", "354 Go ahead"),
    ] {
        let front = Front::start(authority.acceptor(RIGHT, NOW), Plain::Says { offers, answer }, sink.addr()).await;
        let outcome = sent(&sender, &format!("smtp://ada:hunter2@{}?tls=required", front.addr)).await;
        let RecipientOutcome::Unreachable { reason } = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(words), "{reason}");
        front.assert_told_nothing();
    }
    assert_eq!(sink.connections(), 0);
}

/// What was said in the open could come from anybody: CVE-2011-0411.
#[tokio::test]
async fn what_was_said_before_the_encryption_counts_for_nothing() {
    let (authority, sink) = (Authority::new(), Sink::start(LOOPBACK).await.unwrap());
    let sender = authority.sender();
    // Answers that lie ready when the encryption begins.
    for answer in [
        &b"220 2.0.0 Go ahead\r\n250-front\r\n250 AUTH PLAIN\r\n235 2.7.0 Welcome\r\n"[..],
        b"220 2.0.0 Go ahead\r\n250",
        b"220 2.0.0 Go ahead\r\n\n",
    ] {
        let plain = Plain::Says { offers: "STARTTLS", answer };
        let front = Front::start(authority.acceptor(RIGHT, NOW), plain, sink.addr()).await;
        let reason = refused(&sender, &format!("smtp://ada:hunter2@{}?tls=required", front.addr)).await;
        assert!(reason.contains("Cannot encrypt the connection"), "{reason}");
        assert_eq!(sink.connections(), 0);
    }
    // What was offered in the open.
    let plain = Plain::Says { offers: "AUTH PLAIN LOGIN\r\n250-STARTTLS", answer: b"220 2.0.0 Go ahead\r\n" };
    let front = Front::start(authority.acceptor(RIGHT, NOW), plain, sink.addr()).await;
    let reason = refused(&sender, &format!("smtp://ada:hunter2@{}?tls=required", front.addr)).await;
    assert!(reason.contains("offers no log-in by PLAIN or LOGIN"), "{reason}");
}

#[tokio::test]
async fn a_server_that_does_not_encrypt_from_the_first_byte_is_told_from_one_that_is_not_there() {
    let sink = guarded_sink().await;
    let reason = refused(&Authority::new().sender(), &format!("smtps://ada:hunter2@{}", sink.addr())).await;
    let words = "what it answers is not TLS. smtps:// is for TLS from the first byte, smtp:// for STARTTLS";
    assert!(reason.ends_with(words), "{reason}");
}

/// A conversation with a server that logs in by LOGIN and knows nothing else.
async fn log_in_by_login(stream: TcpStream) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 login ESMTP\r\n").await.ok()?;
    let mut said = Vec::new();
    loop {
        let mut line = String::new();
        (&mut stream).take(1000).read_line(&mut line).await.ok()?;
        said.push(line.trim_end().to_owned());
        let answer = match &said[..] {
            [.., last] if last.starts_with("EHLO") => "250-login\r\n250 AUTH LOGIN",
            [.., last] if last == "AUTH LOGIN" => "334 VXNlcm5hbWU6",
            [.., before, _] if before == "AUTH LOGIN" => "334 UGFzc3dvcmQ6",
            [.., before, user, password] if before == "AUTH LOGIN" => {
                let is_right = *user == STANDARD.encode("ada") && *password == STANDARD.encode("hunter2");
                if is_right { "235 2.7.0 Welcome" } else { "535 5.7.8 Error: authentication failed" }
            }
            _ => return None,
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
    }
}

#[tokio::test]
async fn a_server_that_offers_login_alone_is_logged_in_to() {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let accepting = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(log_in_by_login(stream));
        }
    });
    let authority = Authority::new();
    let front = Front::start(authority.acceptor(RIGHT, NOW), Plain::Nothing, addr).await;
    assert_eq!(authority.sender().check(&route(&format!("smtps://ada:hunter2@{}", front.addr))).await, Ok(()));
    let reason = refused(&authority.sender(), &format!("smtps://ada:wrong@{}", front.addr)).await;
    assert!(reason.ends_with("535 5.7.8 Error: authentication failed"), "{reason}");
    accepting.abort();
}

#[tokio::test]
async fn a_wrong_password_leaves_the_message_waiting_for_a_better_one() {
    let (authority, sink) = (Authority::new(), guarded_sink().await);
    let front = Front::start(authority.acceptor(RIGHT, NOW), Plain::Nothing, sink.addr()).await;
    let outcome = sent(&authority.sender(), &format!("smtps://ada:wrong@{}", front.addr)).await;
    let reason = format!("The log-in was refused by {}: 535 5.7.8 Error: authentication failed", front.addr);
    assert_eq!(outcome, RecipientOutcome::Unreachable { reason });
}
