//! STARTTLS and TLS from the first byte. Sources: RFC 3207; RFC 8314; CVE-2011-0411.

use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::serve_encrypted;
use super::*;
use crate::server::tls::ServerTls;

const HOST: &str = "mail.finch.example";

struct Made {
    tls: ServerTls,
    connector: TlsConnector,
}

fn made() -> Made {
    let made = rcgen::generate_simple_self_signed(vec![HOST.to_owned()]).unwrap();
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = ServerTls::new(certificate.as_bytes(), key.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    Made { tls, connector: TlsConnector::from(Arc::new(config)) }
}

fn settings_with(tls: &ServerTls) -> Settings {
    Settings { tls: Some(tls.clone()), plain_log_in: PlainLogIn::Nobody, ..settings() }
}

async fn encrypted(connector: &TlsConnector, client: DuplexStream) -> TlsStream<DuplexStream> {
    connector.connect(ServerName::try_from(HOST).unwrap(), client).await.unwrap()
}

/// Says all of it, and QUIT, and gives all answers.
async fn conversation(mut client: TlsStream<DuplexStream>, said: &str) -> String {
    client.write_all(format!("{said}QUIT\r\n").as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    let _ = client.read_to_end(&mut heard).await;
    String::from_utf8(heard).unwrap()
}

#[tokio::test]
async fn a_client_encrypts_logs_in_and_sends() {
    let made = made();
    let mut talk = Talk::with(settings_with(&made.tls), ELSEWHERE);
    talk.reply().await;
    let offered = talk.say("EHLO c\r\n").await;
    assert!(offered.contains("250-STARTTLS\r\n") && !offered.contains("AUTH"), "{offered}");
    assert_eq!(codes(&talk.say("MAIL FROM:<a@b.example>\r\n").await), ["530 5.7.0"]);
    assert_eq!(codes(&talk.say("STARTTLS\r\n").await), ["220 2.0.0"]);
    let client = encrypted(&made.connector, talk.client).await;
    let said =
        format!("EHLO c\r\n{AUTH}MAIL FROM:<a@b.example>\r\nRCPT TO:<b@b.example>\r\nDATA\r\nhi\r\n.\r\nSTARTTLS\r\n");
    let heard = conversation(client, &said).await;
    assert!(heard.contains("250-AUTH PLAIN LOGIN\r\n") && !heard.contains("250-STARTTLS"), "{heard}");
    let expected = ["250", "235 2.7.0", "250 2.1.0", "250 2.1.5", "354", "250 2.0.0", "503 5.5.1", "221 2.0.0"];
    assert_eq!(codes(&heard), expected);
    let kept = talk.shared.handler.kept();
    assert_eq!((kept[0].0.protocol(), &kept[0].1[..]), ("ESMTPSA", &b"hi\r\n"[..]));
}

#[tokio::test]
async fn what_was_said_before_encryption_is_forgotten() {
    let made = made();
    let settings = Settings { takes_strangers: true, ..settings_with(&made.tls) };
    let mut talk = Talk::with(settings, ELSEWHERE);
    talk.reply().await;
    talk.say("EHLO c\r\n").await;
    talk.say("MAIL FROM:<eve@b.example>\r\n").await;
    // Somebody on the way adds commands behind STARTTLS: they are not read as said under encryption.
    let injected = "STARTTLS\r\nEHLO eve\r\nMAIL FROM:<eve@b.example>\r\nRCPT TO:<eve@b.example>\r\nDATA\r\n";
    assert_eq!(codes(&talk.say(injected).await), ["220 2.0.0"]);
    let client = encrypted(&made.connector, talk.client).await;
    let heard = conversation(client, "MAIL FROM:<a@b.example>\r\nRCPT TO:<a@b.example>\r\n").await;
    assert_eq!(codes(&heard), ["503 5.5.1", "503 5.5.1", "221 2.0.0"]);
}

#[tokio::test]
async fn a_port_can_be_encrypted_from_the_first_byte() {
    let made = made();
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (_stop, stopped) = watch::channel(false);
    let tls = made.tls.clone();
    let shared = Arc::new(Shared::new(settings_with(&made.tls), Keeper::default()));
    let serving = tokio::spawn(async move { serve_encrypted(server, ELSEWHERE, &tls, &shared, stopped).await });
    let heard = conversation(encrypted(&made.connector, client).await, &format!("EHLO c\r\n{AUTH}")).await;
    assert_eq!(codes(&heard), ["220 ESMTP".trim_end_matches(" ESMTP"), "250", "235 2.7.0", "221 2.0.0"]);
    serving.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_come_is_not_waited_for() {
    let made = made();
    let mut talk = Talk::with(settings_with(&made.tls), ELSEWHERE);
    talk.reply().await;
    talk.say("STARTTLS\r\n").await;
    let began = tokio::time::Instant::now();
    assert_eq!(talk.rest().await, "");
    assert_eq!(began.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn a_handshake_on_the_port_without_tls_is_told_so_at_once() {
    let made = made();
    let talk = Talk::with(settings_with(&made.tls), ELSEWHERE);
    let failed = made.connector.connect(ServerName::try_from(HOST).unwrap(), talk.client).await;
    assert!(failed.is_err());
    talk.serving.await.unwrap();
}

#[tokio::test]
async fn wrong_log_ins_are_not_forgotten_by_encryption() {
    let made = made();
    let settings = Settings { plain_log_in: PlainLogIn::Everybody, ..settings_with(&made.tls) };
    let settings = Settings {
        limits: super::super::super::settings::Limits { wrong_log_in_pause: Duration::ZERO, ..settings.limits },
        ..settings
    };
    let mut talk = Talk::with(settings, ELSEWHERE);
    talk.reply().await;
    let wrong = "AUTH PLAIN AHNlbmRsb2cAc2xfbm8=\r\n";
    talk.say(wrong).await;
    talk.say(wrong).await;
    talk.say("STARTTLS\r\n").await;
    let client = encrypted(&made.connector, talk.client).await;
    assert_eq!(codes(&conversation(client, wrong).await), ["535 5.7.8", "421 4.7.0"]);
}
