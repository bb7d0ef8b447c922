//! Amazon SNS as far as webhooks see it: it signs what it posts, and its hosts answer on this machine, over TLS where
//! Amazon's do. Its certificate leads to Amazon's authority, whose own it does not publish itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::providers::Sent;
use crate::server::amazon::Amazon;

/// The topic that a team allows.
pub(crate) const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:finch";

const HOST: &str = "sns.eu-west-1.amazonaws.com";
const AUTHORITY: &str = "crt.r2m01.amazontrust.com";
/// What SNS signs by: ring makes no RSA keys.
const KEY: &str = include_str!("../../inbound/sns/test_key.pem");

/// SNS, until the value ends.
pub(crate) struct Sns {
    root: CertificateDer<'static>,
    hosts: [SocketAddr; 2],
    asked: Arc<Mutex<Vec<String>>>,
    running: Vec<tokio::task::AbortHandle>,
}

impl Drop for Sns {
    fn drop(&mut self) {
        self.running.iter().for_each(tokio::task::AbortHandle::abort);
    }
}

impl Sns {
    pub(crate) async fn start() -> Self {
        let root = CertifiedIssuer::self_signed(authority("Root"), KeyPair::generate().unwrap()).unwrap();
        let middle =
            CertifiedIssuer::signed_by(authority("RSA 2048 M01"), KeyPair::generate().unwrap(), &root).unwrap();
        let leaf = CertificateParams::new(vec!["sns.amazonaws.com".to_owned()]).map(|mut leaf| {
            leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let issuer = issued_at(&format!("http://{AUTHORITY}/r2m01.cer"));
            leaf.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], issuer)];
            leaf.signed_by(&KeyPair::from_pem(KEY).unwrap(), &middle).unwrap().pem()
        });
        let mut sns = Self {
            root: CertificateDer::from(root.der().to_vec()),
            hosts: [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); 2],
            asked: Arc::default(),
            running: Vec::new(),
        };
        let key = KeyPair::generate().unwrap();
        let host = CertificateParams::new(vec![HOST.to_owned()]).unwrap().signed_by(&key, &root).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![host.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()));
        let tls = TlsAcceptor::from(Arc::new(config.unwrap()));
        sns.hosts[0] = sns.serve(HOST, Some(tls), leaf.unwrap().into_bytes()).await;
        sns.hosts[1] = sns.serve(AUTHORITY, None, middle.der().to_vec()).await;
        sns
    }

    /// Answers everybody with one body, and notes what was asked for.
    async fn serve(&mut self, host: &'static str, tls: Option<TlsAcceptor>, body: Vec<u8>) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::clone(&self.asked);
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let path = match &tls {
                    Some(tls) => match tls.accept(stream).await {
                        Ok(stream) => answer(stream, &body).await,
                        Err(_) => continue,
                    },
                    None => answer(stream, &body).await,
                };
                asked.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{host}{path}"));
            }
        });
        self.running.push(serving.abort_handle());
        address
    }

    /// What asks these hosts, and trusts their authority alone.
    pub(crate) fn amazon(&self) -> Amazon {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_built_in_root_certs(false)
            .add_root_certificate(reqwest::Certificate::from_der(&self.root).unwrap())
            .resolve(HOST, self.hosts[0])
            .resolve(AUTHORITY, self.hosts[1])
            .build();
        Amazon::with(client.unwrap(), vec![self.root.clone()])
    }

    /// What was asked for so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin, body: &[u8]) -> String {
    let mut stream = BufReader::new(stream);
    let (mut first, mut line) = (String::new(), String::new());
    stream.read_line(&mut first).await.unwrap();
    while stream.read_line(&mut line).await.unwrap() > 2 {
        line.clear();
    }
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
    stream.flush().await.unwrap();
    let _ = stream.shutdown().await;
    first.split(' ').nth(1).unwrap_or_default().to_owned()
}

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

/// Where the issuer's certificate is. Source: RFC 5280, section 4.2.2.1.
fn issued_at(url: &str) -> Vec<u8> {
    let wrapped = |tag: u8, content: &[u8]| [&[tag, u8::try_from(content.len()).unwrap()], content].concat();
    let method = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x02];
    let access = [method.as_slice(), &wrapped(0x86, url.as_bytes())].concat();
    wrapped(0x30, &wrapped(0x30, &access))
}

/// A message as SNS signs it, of a topic; `fields` are its own.
pub(crate) fn signed(topic: &str, fields: &Value) -> Sent {
    let mut message = json!({
        "TopicArn": topic, "Timestamp": "2024-01-20T12:00:00.000Z", "SignatureVersion": "2",
        "SigningCertURL": format!("https://{HOST}/SimpleNotificationService-1.pem"),
    });
    message.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let names: &[&str] = match message["Type"].as_str().unwrap() {
        "Notification" => &["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"],
        _ => &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"],
    };
    let known = names.iter().filter_map(|name| Some(format!("{name}\n{}\n", message.get(name)?.as_str()?)));
    let content: String = known.collect();
    let key =
        RsaKeyPair::from_pkcs8(PrivatePkcs8KeyDer::from_pem_slice(KEY.as_bytes()).unwrap().secret_pkcs8_der()).unwrap();
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content.as_bytes(), &mut signature).unwrap();
    message["Signature"] = json!(STANDARD.encode(signature));
    Sent { headers: vec![("content-type", "text/plain; charset=UTF-8".to_owned())], body: message.to_string() }
}

/// The question whether a topic may post here, which is confirmed at this host.
pub(crate) fn confirmation(topic: &str, host: &str) -> Sent {
    signed(
        topic,
        &json!({
            "Type": "SubscriptionConfirmation", "MessageId": "c-1", "Token": "2336412f37", "Message": "Visit the SubscribeURL",
            "SubscribeURL": format!("https://{host}/?Action=ConfirmSubscription&TopicArn={topic}&Token=2336412f37"),
        }),
    )
}

/// SES's word that a message was delivered.
pub(crate) fn delivered(topic: &str, message: &str) -> Sent {
    let at = "2024-01-20T11:59:58.000Z";
    let event = json!({
        "eventType": "Delivery",
        "mail": {"messageId": message, "timestamp": at, "destination": ["ada@finch.example"]},
        "delivery": {"timestamp": at, "recipients": ["ada@finch.example"], "smtpResponse": "250 OK"},
    });
    signed(topic, &json!({"Type": "Notification", "MessageId": format!("n-{message}"), "Message": event.to_string()}))
}
