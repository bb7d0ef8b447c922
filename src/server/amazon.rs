//! What is asked of Amazon about its webhooks: the certificates that SNS signs by, which are kept, and the confirmation of a
//! subscription. Called by [super::inbound], which decides whom to ask; those who vouch for a certificate are asked for at
//! Amazon's certificate authority alone.
//! Source of the addresses of issuers: RFC 5280, section 4.2.2.1; Amazon Trust Services, repository.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::OnceCell;
use tracing::warn;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
use x509_parser::parse_x509_certificate;

use super::outbound::{Outbound, Proxies};
use crate::domain::error::AppError;

const TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How many certificates stand between SNS's own and a root, at most.
const MAX_ISSUERS: usize = 4;
/// How many chains are kept.
const MAX_KEPT: usize = 64;
/// How long Amazon is not asked again for what it does not have.
const ABSENT_FOR: Duration = Duration::from_secs(300);

/// What is fetched from Amazon.
#[derive(Debug)]
pub struct Amazon {
    outbound: Outbound,
    asked: OnceCell<Asked>,
    /// The chains of certificates, by the addresses of the first.
    chains: Mutex<HashMap<String, Arc<Chain>>>,
    /// Addresses of certificates that Amazon does not have, and when it said so.
    absent: Mutex<HashMap<String, Instant>>,
}

/// A client, and the authorities that this machine trusts.
#[derive(Debug)]
struct Asked {
    client: Client,
    roots: Vec<CertificateDer<'static>>,
}

/// A certificate, and after it those that vouch for the one before.
pub type Chain = Vec<CertificateDer<'static>>;

impl Amazon {
    /// Asks Amazon where `outbound` lets it.
    pub fn new(outbound: Outbound) -> Self {
        Self { outbound, asked: OnceCell::new(), chains: Mutex::default(), absent: Mutex::default() }
    }

    /// Asks with this client and trusts these authorities alone.
    #[cfg(test)]
    pub(crate) fn with(client: Client, roots: Vec<CertificateDer<'static>>) -> Self {
        let asked = OnceCell::new_with(Some(Asked { client, roots }));
        Self { outbound: Outbound::default(), asked, chains: Mutex::default(), absent: Mutex::default() }
    }

    /// The authorities that this machine trusts.
    pub async fn roots(&self) -> Result<&[CertificateDer<'static>], AppError> {
        Ok(&self.asked().await?.roots)
    }

    /// Asks for an address, for a subscription to be confirmed by. [AppError::Unavailable] where that fails.
    pub async fn confirm(&self, url: &str) -> Result<(), AppError> {
        fetch(&self.asked().await?.client, url).await?.map(drop).ok_or(AppError::Unavailable)
    }

    async fn asked(&self) -> Result<&Asked, AppError> {
        let outbound = self.outbound;
        let make = || async move {
            let client = Client::builder()
                .redirect(Policy::none())
                .dns_resolver(outbound.resolver(Proxies::OfEnvironment.hosts()))
                .connect_timeout(TIMEOUT)
                .timeout(TIMEOUT);
            let built = tokio::task::spawn_blocking(move || {
                Ok::<_, reqwest::Error>(Asked {
                    client: client.build()?,
                    roots: rustls_native_certs::load_native_certs().certs,
                })
            });
            built.await.map_err(|_| AppError::Internal)?.map_err(|cause| {
                warn!(%cause, "this machine cannot make HTTP requests");
                AppError::Unavailable
            })
        };
        self.asked.get_or_try_init(make).await
    }

    /// The certificate at an address of SNS's, and those that vouch for it, unchecked; `None` where there is none, or something else.
    /// [AppError::Unavailable] where Amazon cannot be asked.
    pub async fn chain(&self, url: &str) -> Result<Option<Arc<Chain>>, AppError> {
        let asked = self.asked().await?;
        let kept = self.chains().get(url).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        if self.absent().get(url).is_some_and(|at| at.elapsed() < ABSENT_FOR) {
            return Ok(None);
        }
        let Some(pem) = fetch(&asked.client, url).await? else {
            let mut absent = self.absent();
            if absent.len() >= MAX_KEPT {
                absent.clear();
            }
            absent.insert(url.to_owned(), Instant::now());
            return Ok(None);
        };
        let certificates = CertificateDer::pem_slice_iter(&pem).take(MAX_ISSUERS);
        let Ok(mut chain) = certificates.collect::<Result<Chain, _>>() else { return Ok(None) };
        while let Some(issuer) = chain.last().and_then(issuer_url)
            && (1..MAX_ISSUERS).contains(&chain.len())
            && !is_vouched_for(&chain, &asked.roots)
        {
            let Some(issuer) = fetch(&asked.client, &issuer).await? else { return Ok(None) };
            chain.push(CertificateDer::from(issuer));
        }
        if chain.is_empty() {
            return Ok(None);
        }
        let chain = Arc::new(chain);
        let mut chains = self.chains();
        if chains.len() >= MAX_KEPT {
            chains.clear();
        }
        chains.insert(url.to_owned(), Arc::clone(&chain));
        Ok(Some(chain))
    }

    fn absent(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.absent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn chains(&self) -> MutexGuard<'_, HashMap<String, Arc<Chain>>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn fetch(client: &Client, url: &str) -> Result<Option<Vec<u8>>, AppError> {
    let unavailable = |cause: reqwest::Error| {
        warn!(cause = %cause.without_url(), "Amazon could not be asked about a webhook");
        AppError::Unavailable
    };
    let answer = client.get(url).send().await.map_err(unavailable)?;
    if answer.status().is_client_error() && answer.status() != StatusCode::TOO_MANY_REQUESTS {
        return Ok(None);
    }
    let mut answer = answer.error_for_status().map_err(unavailable)?;
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MAX_ANSWER_BYTES {
            return Err(AppError::Unavailable);
        }
    }
    Ok(Some(bytes))
}

/// Where the certificate is that vouches for this one, at Amazon's certificate authority.
fn issuer_url(certificate: &CertificateDer<'static>) -> Option<String> {
    let (_, parsed) = parse_x509_certificate(certificate).ok()?;
    let access = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => Some(access),
        _ => None,
    })?;
    let mut issuers =
        access.accessdescs.iter().filter(|one| one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS);
    let url = issuers.find_map(|one| match &one.access_location {
        GeneralName::URI(url) => Some((*url).to_owned()),
        _ => None,
    })?;
    is_of_authority(&url).then_some(url)
}

/// Whether an address is that of a certificate at Amazon Trust Services. They are published without encryption: a
/// certificate proves itself.
fn is_of_authority(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    let name = host.strip_prefix("crt.").and_then(|name| name.strip_suffix(".amazontrust.com"));
    let is_plain = |text: &str| {
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
    };
    name.is_some_and(|name| is_plain(name) && !name.contains('.')) && is_plain(path)
}

/// Whether the last certificate of a chain is vouched for by an authority that is trusted.
fn is_vouched_for(chain: &Chain, roots: &[CertificateDer<'static>]) -> bool {
    let Some((_, last)) = chain.last().and_then(|last| parse_x509_certificate(last).ok()) else { return false };
    roots.iter().any(|root| {
        parse_x509_certificate(root).is_ok_and(|(_, root)| root.subject().as_raw() == last.issuer().as_raw())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_asked_for_at_amazons_authority_alone() {
        for url in ["http://crt.r2m02.amazontrust.com/r2m02.cer", "https://crt.rootca1.amazontrust.com/rootca1.cer"] {
            assert!(is_of_authority(url), "{url}");
        }
        for url in [
            "http://crt.r2m02.amazontrust.com.evil.example/r2m02.cer",
            "http://crt.a@evil.example/.amazontrust.com/x",
            "http://crt.evil.example/r2m02.cer",
            "http://crt.r2m02.amazontrust.com:8080/r2m02.cer",
            "http://crt.a.b.amazontrust.com/r2m02.cer",
            "http://169.254.169.254/latest",
            "file:///etc/passwd",
            "http://crt.r2m02.amazontrust.com/../x/y?z",
            "http://crt..amazontrust.com/x",
        ] {
            assert!(!is_of_authority(url), "{url}");
        }
    }
}
