//! Encryption of the web server's connections, by files or by a certificate that is got from an authority and renewed by itself.
//! The authority asks at the same address: it comes with the protocol `acme-tls/1`, is shown what it asked for, and goes.
//! Sources: RFC 8555 (ACME); RFC 8737 (tls-alpn-01).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use futures_util::StreamExt;
use rustls_acme::caches::DirCache;
use rustls_acme::{AcmeConfig, AcmeState, EventOk, is_tls_alpn_challenge};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::Acceptor;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};

use super::ServerTls;
use super::files::{CertificateFiles, Contents};
use crate::server::private_files::create_folder;

/// The authority that is asked unless the operator names another.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// What is spoken under it.
const HTTP: &[u8] = b"http/1.1";

/// Settings of https without a proxy.
#[derive(Clone, Debug, Default, Args)]
pub struct TlsArgs {
    /// A file in PEM with the certificate for https and those that vouch for it; read again when it changes
    #[arg(long, env = "SENDLOG_TLS_CERT", requires = "tls_key", conflicts_with = "acme_domains")]
    pub tls_cert: Option<PathBuf>,

    /// A file in PEM with the private key that belongs to it
    #[arg(long, env = "SENDLOG_TLS_KEY", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// A name that people open: a certificate for it is got and renewed by itself. The world must reach this server by it, at
    /// port 443; can be repeated
    #[arg(long = "acme-domain", env = "SENDLOG_ACME_DOMAIN", value_delimiter = ',', value_parser = parse_domain, requires = "acme_cache")]
    pub acme_domains: Vec<String>,

    /// A folder in which the certificate, its key and the account stay; a node's own
    #[arg(long, env = "SENDLOG_ACME_CACHE")]
    pub acme_cache: Option<PathBuf>,

    /// An email address to which the authority may write; can be repeated
    #[arg(long = "acme-contact", env = "SENDLOG_ACME_CONTACT", value_delimiter = ',')]
    pub acme_contacts: Vec<String>,

    /// The authority's directory; by default that of Let's Encrypt
    #[arg(long, env = "SENDLOG_ACME_DIRECTORY")]
    pub acme_directory: Option<String>,
}

fn parse_domain(text: &str) -> Result<String, String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_letter);
    let is_name = text.len() <= 253 && text.contains('.') && text.split('.').all(is_label);
    let is_name = is_name && text.parse::<std::net::IpAddr>().is_err();
    is_name.then(|| text.to_ascii_lowercase()).ok_or_else(|| "write the name alone: mail.example.com".to_owned())
}

impl TlsArgs {
    /// Whether the server itself encrypts.
    pub const fn is_on(&self) -> bool {
        self.tls_cert.is_some() || !self.acme_domains.is_empty()
    }

    /// What encrypts; `None` where nothing is set. Why not, in words for whoever set it.
    pub fn open(&self) -> Result<Option<Encryption>, String> {
        if let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) {
            let files = CertificateFiles { about: "https", certificate: certificate.clone(), key: key.clone() };
            let (tls, contents) = files.open()?;
            let usual = tls.config_speaking(HTTP).map_err(|cause| cause.to_string())?;
            return Ok(Some(Encryption {
                https: Https { usual, challenge: None },
                upkeep: Upkeep::Files(files, tls, contents),
            }));
        }
        let Some(cache) = self.acme_cache.clone().filter(|_| !self.acme_domains.is_empty()) else { return Ok(None) };
        create_folder(&cache).map_err(|cause| format!("cannot make {}: {cause}", cache.display()))?;
        let state = AcmeConfig::new_with_client_config(&self.acme_domains, Arc::new(trusting_this_machine()?))
            .contact(
                self.acme_contacts.iter().map(|address| format!("mailto:{}", address.trim_start_matches("mailto:"))),
            )
            .cache(DirCache::new(cache))
            .directory(self.acme_directory.as_deref().unwrap_or(LETS_ENCRYPT))
            .state();
        let mut usual = ServerConfig::clone(&state.default_rustls_config());
        usual.alpn_protocols.push(HTTP.to_vec());
        let https = Https { usual: Arc::new(usual), challenge: Some(state.challenge_rustls_config()) };
        Ok(Some(Encryption { https, upkeep: Upkeep::Authority(Box::new(state)) }))
    }
}

/// A client that trusts the authorities that this machine does, or those of `SSL_CERT_FILE`.
fn trusting_this_machine() -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|cause| cause.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Encrypts connections, and keeps the certificate new.
pub struct Encryption {
    https: Https,
    upkeep: Upkeep,
}

enum Upkeep {
    Files(CertificateFiles, ServerTls, Contents),
    Authority(Box<AcmeState<io::Error>>),
}

impl Encryption {
    /// What encrypts a connection.
    pub fn https(&self) -> Https {
        self.https.clone()
    }

    /// Keeps the certificate new until the server stops.
    pub async fn keep(self, mut stop: watch::Receiver<bool>) {
        match self.upkeep {
            Upkeep::Files(files, tls, contents) => files.follow(tls, contents, stop).await,
            Upkeep::Authority(mut state) => loop {
                let event = tokio::select! {
                    event = state.next() => event,
                    _ = stop.wait_for(|stop| *stop) => return,
                };
                match event {
                    Some(Ok(EventOk::DeployedCachedCert)) => info!("https has the certificate that was kept"),
                    Some(Ok(EventOk::DeployedNewCert)) => info!("https has a new certificate"),
                    Some(Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore)) => {}
                    // It is tried again, later each time.
                    Some(Err(cause)) => warn!(%cause, "no certificate for https was got"),
                    None => return,
                }
            },
        }
    }
}

/// Encrypts connections. Cheap to clone; all clones have one certificate.
#[derive(Clone)]
pub struct Https {
    usual: Arc<ServerConfig>,
    /// What the authority is shown.
    challenge: Option<Arc<ServerConfig>>,
}

impl Https {
    /// Encrypts a connection, as its server; `None` where it was the authority's, which is over.
    pub async fn accept(&self, stream: TcpStream) -> io::Result<Option<TlsStream<TcpStream>>> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
        if let Some(challenge) = self.challenge.as_ref().filter(|_| is_tls_alpn_challenge(&begun.client_hello())) {
            begun.into_stream(Arc::clone(challenge)).await?.shutdown().await?;
            return Ok(None);
        }
        begun.into_stream(Arc::clone(&self.usual)).await.map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_asked_for_names_alone() {
        assert_eq!(parse_domain("Mail.example.com"), Ok("mail.example.com".to_owned()));
        for wrong in
            ["", "localhost", "192.0.2.7", "https://mail.example.com", "*.example.com", "a..b", "mail.example.com:443"]
        {
            assert!(parse_domain(wrong).is_err(), "{wrong}");
        }
    }
}
