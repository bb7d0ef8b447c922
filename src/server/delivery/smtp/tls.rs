//! Encryption of SMTP connections, and why there is none, in plain words. Called by [super::client].

use std::fmt;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OnceCell;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};

use crate::domain::adapter::fault::AdapterFault;
use crate::server::certificate::until;
use crate::server::outbound::Outbound;

/// How long a look at a certificate may take.
const LOOK_LIMIT: Duration = Duration::from_secs(10);

/// What all connections share that trust what the machine trusts.
static OF_MACHINE: LazyLock<Tls> = LazyLock::new(|| Tls::trusting(Vec::new()));

/// How connections are encrypted. The default trusts what the machine trusts. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    connectors: Arc<Connectors>,
}

/// Made for the first connection: it reads the certificates to trust.
struct Connectors {
    strict: OnceCell<TlsConnector>,
    lenient: OnceCell<TlsConnector>,
    authorities: Vec<CertificateDer<'static>>,
}

impl Default for Tls {
    fn default() -> Self {
        OF_MACHINE.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(…)")
    }
}

impl Tls {
    /// Trusts the certificates of these authorities too.
    pub fn trusting(authorities: Vec<CertificateDer<'static>>) -> Self {
        let connectors = Connectors { strict: OnceCell::new(), lenient: OnceCell::new(), authorities };
        Self { connectors: Arc::new(connectors) }
    }

    /// Until when the certificate holds that a host shows at a port, once it has proven who it is.
    pub async fn certificate_until(&self, outbound: Outbound, host: &str, port: u16) -> io::Result<DateTime<Utc>> {
        let look = async {
            let stream = outbound.connect(host, port).await.map_err(io::Error::other)?;
            let stream = self.encrypted(stream, host, false).await?;
            let (_, connection) = stream.get_ref();
            let shown = connection.peer_certificates().and_then(|chain| chain.first());
            shown.and_then(|certificate| until(certificate)).ok_or_else(|| io::Error::other("it shows no certificate"))
        };
        timeout(LOOK_LIMIT, look).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    /// Encrypts a connection to `host`. Any certificate does where `is_lenient` says so.
    pub(super) async fn encrypted<S>(&self, stream: S, host: &str, is_lenient: bool) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Connectors { strict, lenient, authorities } = &*self.connectors;
        let connector = if is_lenient { lenient } else { strict };
        let connector = connector.get_or_try_init(|| connector_for(is_lenient, authorities.clone())).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        connector.connect(name, stream).await.map_err(explained)
    }
}

/// How a connection is encrypted: `TLS 1.3`, and with the cipher, in brackets.
pub(super) fn used<S>(stream: &TlsStream<S>) -> (Option<String>, String) {
    let (_, connection) = stream.get_ref();
    let version = connection.protocol_version().and_then(|version| version.as_str());
    let version = version.map(|name| name.replace("TLSv", "TLS ").replace('_', "."));
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    let words: Vec<&str> = [version.as_deref(), cipher].into_iter().flatten().collect();
    let words = format!("({})", if words.is_empty() { "TLS".to_owned() } else { words.join(", ") });
    (version, words)
}

async fn connector_for(is_lenient: bool, authorities: Vec<CertificateDer<'static>>) -> io::Result<TlsConnector> {
    let build = move || -> io::Result<TlsConnector> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().map_err(io::Error::other)?;
        let config = if is_lenient {
            let any = Arc::new(AnyCertificate { provider });
            builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            roots.add_parsable_certificates(authorities);
            builder.with_root_certificates(roots).with_no_client_auth()
        };
        Ok(TlsConnector::from(Arc::new(config)))
    };
    tokio::task::spawn_blocking(build).await.map_err(io::Error::other)?
}

/// Why a handshake failed, for whoever has to mend it. What has no better words keeps its own.
fn explained(cause: io::Error) -> io::Error {
    let tls = cause.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    let Some((tls, words)) = tls.and_then(|tls| Some((tls, plain_words(tls)?))) else { return cause };
    let is_certificate = matches!(tls, Error::InvalidCertificate(_));
    io::Error::new(cause.kind(), Explained { words, is_certificate })
}

/// A handshake that failed, in plain words.
#[derive(Debug, thiserror::Error)]
#[error("{words}")]
struct Explained {
    words: String,
    is_certificate: bool,
}

/// What a handshake that failed is to whoever sets an adapter up.
pub(super) fn fault_of(cause: &io::Error) -> AdapterFault {
    let inner = cause.get_ref();
    let is_certificate = inner
        .and_then(|inner| inner.downcast_ref::<Explained>())
        .is_some_and(|one| one.is_certificate)
        || inner.and_then(|inner| inner.downcast_ref()).is_some_and(|one| matches!(one, Error::InvalidCertificate(_)));
    if is_certificate { AdapterFault::Certificate } else { AdapterFault::TlsFailed }
}

fn plain_words(cause: &Error) -> Option<String> {
    let words = match cause {
        Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
            "this machine does not trust who issued its certificate".to_owned()
        }
        Error::InvalidCertificate(CertificateError::Expired | CertificateError::ExpiredContext { .. }) => {
            "its certificate has expired".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) => {
            "its certificate is not valid yet".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidForName) => {
            "its certificate is made out to another name".to_owned()
        }
        Error::InvalidCertificate(CertificateError::NotValidForNameContext { presented, .. }) => {
            let names: Vec<&str> = presented.iter().map(|name| bare_name(name)).take(SHOWN_NAMES).collect();
            match names[..] {
                [] => "its certificate is made out to no name".to_owned(),
                _ => format!("its certificate is made out to another name: {}", names.join(", ")),
            }
        }
        Error::InvalidMessage(_) => {
            "what it answers is not TLS. smtps:// is for TLS from the first byte, smtp:// for STARTTLS".to_owned()
        }
        _ => return None,
    };
    Some(words)
}

/// How many of a certificate's names are told.
const SHOWN_NAMES: usize = 3;

/// A certificate's name without what rustls writes around it: `DnsName("mail.example.com")`.
fn bare_name(name: &str) -> &str {
    name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name).trim_matches('"')
}

/// Takes any certificate, but has its holder prove that it is theirs.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
