//! The certificate and its key, as files, which somebody renews while the server runs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::ServerTls;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Where the certificate and its key are, in PEM.
#[derive(Clone, Debug)]
pub struct CertificateFiles {
    /// What they are for, in the log's words.
    pub about: &'static str,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Reads both and encrypts with them; why not, in words for whoever named them.
    pub fn open(&self) -> Result<(ServerTls, Contents), String> {
        let contents = self.read()?;
        let tls = ServerTls::new(&contents.certificate, &contents.key).map_err(|cause| self.wrong(&cause))?;
        Ok((tls, contents))
    }

    /// Uses what the files hold when they change, until the server stops.
    pub async fn follow(self, tls: ServerTls, mut known: Contents, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = sleep(LOOK_EVERY) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            // Whoever renews them writes one after the other: what does not fit yet is looked at again.
            match self.read() {
                Ok(contents) if contents == known => {}
                Ok(contents) => match tls.renew(&contents.certificate, &contents.key) {
                    Ok(()) => {
                        info!("the certificate for {} is renewed", self.about);
                        known = contents;
                    }
                    Err(cause) => {
                        warn!(cause = self.wrong(&cause), "the certificate for {} stays the one before", self.about)
                    }
                },
                Err(cause) => warn!(cause, "the certificate for {} stays the one before", self.about),
            }
        }
    }

    fn read(&self) -> Result<Contents, String> {
        let read =
            |path: &Path| std::fs::read(path).map_err(|cause| format!("cannot read {}: {cause}", path.display()));
        Ok(Contents { certificate: read(&self.certificate)?, key: read(&self.key)? })
    }

    fn wrong(&self, cause: &dyn std::fmt::Display) -> String {
        format!("{} and {}: {cause}", self.certificate.display(), self.key.display())
    }
}

/// What the files held when they were read.
#[derive(PartialEq, Eq)]
pub struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}
