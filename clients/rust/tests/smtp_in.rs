//! SMTP, driven by crates.io `lettre`: unencrypted, by STARTTLS and with TLS from the first byte. Odd mail goes through Sendlog to
//! the team's mail server and arrives byte for byte, behind what Sendlog puts in front.

#[allow(dead_code, unused_imports, reason = "the other tests use the rest")]
mod support;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lettre::address::Envelope;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use support::{Server, Sink};

/// A server with a certificate for `localhost`, and the mail server that it sends to.
struct Stage {
    server: Server,
    sink: Sink,
    certificate: Certificate,
    ports: [u16; 2],
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Plain,
    StartTls,
    Tls,
}

impl Stage {
    async fn set(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (certificate_path, key_path) = (folder.join(format!("{name}.pem")), folder.join(format!("{name}.key.pem")));
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate_path, made.cert.pem()).unwrap();
        std::fs::write(&key_path, made.signing_key.serialize_pem()).unwrap();
        let sink = Sink::start().await;
        let held = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = held.each_ref().map(|listener| listener.local_addr().unwrap().port());
        drop(held);
        let [plain, encrypted] = ports.map(|port| format!("127.0.0.1:{port}"));
        let path = |path: &PathBuf| path.to_str().unwrap().to_owned();
        let (certificate, key) = (path(&certificate_path), path(&key_path));
        let arguments = [
            ["--smtp-addr", &plain],
            ["--smtps-addr", &encrypted],
            ["--smtp-tls-cert", &certificate],
            ["--smtp-tls-key", &key],
        ];
        let server =
            Server::start(name, &sink.url(), &[&["--allow-private-adapters"], arguments.as_flattened()].concat());
        let certificate = Certificate::from_pem(made.cert.pem().as_bytes()).unwrap();
        Self { server, sink, certificate, ports }
    }

    fn transport(&self, mode: Mode, key: &str) -> AsyncSmtpTransport<Tokio1Executor> {
        let parameters = || {
            TlsParameters::builder("localhost".to_owned()).add_root_certificate(self.certificate.clone()).build_rustls()
        };
        let (port, tls) = match mode {
            Mode::Plain => (self.ports[0], Tls::None),
            Mode::StartTls => (self.ports[0], Tls::Required(parameters().unwrap())),
            Mode::Tls => (self.ports[1], Tls::Wrapper(parameters().unwrap())),
        };
        let credentials = Credentials::new("sendlog".to_owned(), key.to_owned());
        AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
            .port(port)
            .tls(tls)
            .credentials(credentials)
            .build()
    }

    /// The message for a recipient, once the mail server has it.
    async fn wait_for(&self, recipient: &str) -> Vec<u8> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let found = self.sink.messages().into_iter().find(|one| one.recipients.iter().any(|to| to == recipient));
            match found {
                Some(received) => return received.raw,
                None => assert!(Instant::now() < end, "no mail for {recipient}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn envelope(to: &[&str]) -> Envelope {
    let to = to.iter().map(|address| address.parse().unwrap()).collect();
    Envelope::new(Some("ada@finch.example".parse().unwrap()), to).unwrap()
}

/// The mails that are compared, by name. What takes a mail server with SMTPUTF8 is not among them: the sink has none.
fn mails() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/mail");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
    files.map(|path| (name(&path), std::fs::read(&path).unwrap())).filter(|(name, _)| name != "utf8-headers").collect()
}

#[tokio::test]
async fn mail_arrives_as_it_was_sent() {
    let stage = Stage::set("smtp-in").await;
    let mails = mails();
    assert!(mails.len() >= 11);
    for mode in [Mode::Plain, Mode::StartTls, Mode::Tls] {
        let transport = stage.transport(mode, &stage.server.key);
        for (name, mail) in &mails {
            let blind = format!("eve-{name}-{mode:?}@example.com").to_lowercase();
            let answer = transport.send_raw(&envelope(&["bob@example.com", &blind]), mail).await.unwrap();
            let words = answer.message().collect::<String>();
            let id = words.strip_prefix("2.0.0 Accepted as ").unwrap_or_else(|| panic!("{words}"));
            let came = stage.wait_for(&blind).await;
            // lettre ends every message with a line end of its own.
            let sent = [mail.as_slice(), b"\r\n"].concat();
            let front = came.len().checked_sub(sent.len()).unwrap_or_else(|| panic!("{name}: {came:?}"));
            let (front, rest) = came.split_at(front);
            assert_eq!(rest, sent, "{name}, {mode:?}: {}", String::from_utf8_lossy(&came));
            let front = String::from_utf8_lossy(front);
            let protocol = if mode == Mode::Plain { "ESMTPA" } else { "ESMTPSA" };
            assert!(front.starts_with(&format!("X-Sendlog-Id: {id}\r\nReceived: from ")), "{front}");
            assert!(front.contains(&format!("\r\n\tby localhost with {protocol}\r\n\tid {id};")), "{front}");
        }
    }
}

#[tokio::test]
async fn a_program_hears_why_it_is_refused() {
    let stage = Stage::set("smtp-in-refused").await;
    let code = |refused: lettre::transport::smtp::Error| refused.status().map(u16::from);
    let mail = b"From: ada@finch.example\r\n\r\nhi\r\n";
    let to_bob = envelope(&["bob@example.com"]);
    let wrong = stage.transport(Mode::Tls, "sl_nobody").send_raw(&to_bob, mail).await.unwrap_err();
    assert_eq!(code(wrong), Some(535));
    let transport = stage.transport(Mode::StartTls, &stage.server.key);
    let nobody = transport.send_raw(&to_bob, b"Subject: hi\r\n\r\nhi\r\n").await.unwrap_err();
    assert_eq!(code(nobody), Some(554));
    assert!(transport.send_raw(&to_bob, mail).await.is_ok());
}
