//! The certificates that the tests of the envelope make themselves.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::KEY;
use crate::server::inbound::sns::{Envelope, check};
use crate::server::inbound::testing::{NOW_S, at};
use crate::server::inbound::{Genuine, Refusal};

const DAY_S: i64 = 86_400;

/// A root, an intermediate and SNS's certificate with the key [KEY].
pub struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
    pub intermediate: CertifiedIssuer<'static, KeyPair>,
}

fn ca(name: &str) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    valid_around_now(&mut params, 1_000);
    params
}

fn valid_around_now(params: &mut CertificateParams, days: i64) {
    let date = |second: i64| {
        let date = at(second).date_naive();
        rcgen::date_time_ymd(
            chrono::Datelike::year(&date),
            u8::try_from(chrono::Datelike::month(&date)).unwrap(),
            u8::try_from(chrono::Datelike::day(&date)).unwrap(),
        )
    };
    params.not_before = date(NOW_S - days * DAY_S);
    params.not_after = date(NOW_S + days * DAY_S);
}

impl Authority {
    pub fn new() -> Self {
        let root = CertifiedIssuer::self_signed(ca("Finch Root"), KeyPair::generate().unwrap()).unwrap();
        let middle = CertifiedIssuer::signed_by(ca("Finch Intermediate"), KeyPair::generate().unwrap(), &root).unwrap();
        Self { root, intermediate: middle }
    }

    pub fn leaf(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> String {
        let key = KeyPair::from_pem(std::str::from_utf8(KEY).unwrap()).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        valid_around_now(&mut params, 100);
        change(&mut params);
        params.signed_by(&key, &self.intermediate).unwrap().pem()
    }

    /// The chain of a certificate for this name.
    pub fn chain(&self, name: &str) -> String {
        self.leaf(name, |_| ()) + &self.intermediate.pem()
    }

    pub fn check(&self, envelope: &Envelope, chain: &str) -> Result<Genuine, Refusal> {
        self.check_all(envelope, &certificates(chain))
    }

    pub fn check_all(&self, envelope: &Envelope, chain: &[CertificateDer<'_>]) -> Result<Genuine, Refusal> {
        let root = CertificateDer::from(self.root.der().to_vec());
        check(envelope, chain, &[webpki::anchor_from_trusted_cert(&root).unwrap()], at(NOW_S))
    }
}

/// The certificates of a text in PEM.
pub fn certificates(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap()
}
