//! When certificates end. Asked by the doctor. Source: RFC 5280, section 4.1.2.5.

use chrono::{DateTime, Utc};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::parse_x509_certificate;

/// When a certificate ends, in DER.
pub fn until(certificate: &[u8]) -> Option<DateTime<Utc>> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    DateTime::from_timestamp(parsed.validity().not_after.timestamp(), 0)
}

/// When the first certificate of a file in PEM ends; why nobody knows, in words.
pub fn until_in_pem(file: &[u8]) -> Result<DateTime<Utc>, String> {
    let first = CertificateDer::pem_slice_iter(file).next().and_then(Result::ok);
    let certificate = first.ok_or("it holds no certificate")?;
    until(&certificate).ok_or_else(|| "its certificate cannot be read".to_owned())
}
