//! Encryption of connections, with a certificate that can be renewed while the server runs.
//! Sources: RFC 3207 (STARTTLS); RFC 8314 (TLS from the first byte).

pub mod files;
pub mod https;

use std::fmt;
use std::io;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::server::TlsStream;

/// Encrypts connections. Cheap to clone; all clones have one certificate.
#[derive(Clone)]
pub struct ServerTls {
    acceptor: TlsAcceptor,
    certificate: Arc<Certificate>,
}

/// Why a certificate cannot be used, in words for whoever set it.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("the file of the certificate holds none in PEM")]
    NoCertificate,
    #[error("the file of the key holds no private key in PEM")]
    NoKey,
    #[error("certificate and key do not fit: {0}")]
    Unfit(rustls::Error),
}

impl ServerTls {
    /// Encrypts with a certificate, followed by those that vouch for it, and its key, both in PEM.
    pub fn new(certificates_pem: &[u8], key_pem: &[u8]) -> Result<Self, CertificateError> {
        let key = certified_key(certificates_pem, key_pem)?;
        let certificate = Arc::new(Certificate(RwLock::new(Arc::new(key))));
        let config = config_with(Arc::clone(&certificate))?;
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), certificate })
    }

    /// The same for whoever encrypts connections that speak a protocol. It has the certificate that is in use.
    pub fn config_speaking(&self, protocol: &[u8]) -> Result<Arc<ServerConfig>, CertificateError> {
        let mut config = config_with(Arc::clone(&self.certificate))?;
        config.alpn_protocols.push(protocol.to_vec());
        Ok(Arc::new(config))
    }

    /// Uses another certificate for connections from now on. Where it cannot be used, the one before stays.
    pub fn renew(&self, certificates_pem: &[u8], key_pem: &[u8]) -> Result<(), CertificateError> {
        let key = Arc::new(certified_key(certificates_pem, key_pem)?);
        *self.certificate.0.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(())
    }

    /// Encrypts a connection, as its server.
    pub async fn accept<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> io::Result<TlsStream<S>> {
        self.acceptor.accept(stream).await
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ServerTls(…)")
    }
}

fn config_with(certificate: Arc<Certificate>) -> Result<ServerConfig, CertificateError> {
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(CertificateError::Unfit)?;
    Ok(builder.with_no_client_auth().with_cert_resolver(certificate))
}

fn certified_key(certificates_pem: &[u8], key_pem: &[u8]) -> Result<CertifiedKey, CertificateError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates_pem).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(CertificateError::NoCertificate)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|_| CertificateError::NoKey)?;
    let key = CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(CertificateError::Unfit)?;
    Ok(key)
}

/// The certificate that is in use.
struct Certificate(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(…)")
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pem(name: &str) -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn a_certificate_and_its_key_belong_together() {
        let ((one, one_key), (other, other_key)) = (pem("one.finch.example"), pem("other.finch.example"));
        let tls = ServerTls::new(one.as_bytes(), one_key.as_bytes()).unwrap();
        let refused = |certificate: &str, key: &str| tls.renew(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert!(matches!(refused(&one, &other_key), CertificateError::Unfit(_)));
        assert!(matches!(refused("", &one_key), CertificateError::NoCertificate));
        assert!(matches!(refused(&one_key, &one_key), CertificateError::NoCertificate));
        assert!(matches!(refused(&one, &one), CertificateError::NoKey));
        assert!(tls.renew(other.as_bytes(), other_key.as_bytes()).is_ok());
    }
}
