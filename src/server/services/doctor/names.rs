//! What names lead to, and the certificates that go with them.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::Finding;
use crate::server::App;
use crate::server::certificate::until_in_pem;
use crate::server::delivery::smtp::Tls;
use crate::server::outbound::Outbound;

/// A certificate that ends sooner should have been renewed by now.
const SOON: TimeDelta = TimeDelta::days(14);

/// What is found out about a server's name and certificate.
pub(super) fn certificate(about: &'static str, host: &str, until: DateTime<Utc>, now: DateTime<Utc>) -> Finding {
    let day = until.format("%Y-%m-%d");
    if until <= now {
        Finding::wrong(about, format!("the certificate of {host} ended on {day}: renew it"))
    } else if until - now < SOON {
        Finding::doubtful(about, format!("the certificate of {host} ends on {day}: is it renewed by itself?"))
    } else {
        Finding::well(about, format!("the certificate of {host} holds until {day}"))
    }
}

/// The address that people open. It is this server itself, or the proxy before it.
pub(super) async fn public_address(app: &App) -> Vec<Finding> {
    const ABOUT: &str = "public address";
    let Some(url) = app.config.base_url.as_deref().and_then(|url| Url::parse(url).ok()) else { return Vec::new() };
    let Some(host) = url.host_str().map(str::to_owned) else { return Vec::new() };
    let port = url.port_or_known_default().unwrap_or(443);
    // It may well lead to a private address: this is the operator's own.
    let outbound = Outbound::new(true);
    match outbound.addresses(&host, port).await {
        Err(cause) => {
            return vec![Finding::wrong(ABOUT, format!("{host} leads nowhere ({cause}): make its DNS record"))];
        }
        Ok(_) if url.scheme() == "http" => return vec![Finding::well(ABOUT, format!("{host} has an address"))],
        Ok(_) => {}
    }
    vec![match Tls::default().certificate_until(outbound, &host, port).await {
        Ok(until) => certificate(ABOUT, &host, until, app.clock.now()),
        Err(cause) => Finding::wrong(ABOUT, format!("no https at {host}, port {port}: {cause}")),
    }]
}

/// The certificate by which programs send.
pub(super) fn smtp_certificate(app: &App) -> Vec<Finding> {
    const ABOUT: &str = "SMTP certificate";
    let Some(file) = &app.config.smtp.smtp_tls_cert else { return Vec::new() };
    vec![of_file(app, ABOUT, file)]
}

/// The certificates of https that this server has itself.
pub(super) fn https_certificate(app: &App) -> Vec<Finding> {
    const ABOUT: &str = "https certificate";
    let tls = &app.config.tls;
    if let Some(file) = &tls.tls_cert {
        return vec![of_file(app, ABOUT, file)];
    }
    let Some(cache) = tls.acme_cache.as_deref().filter(|_| !tls.acme_domains.is_empty()) else { return Vec::new() };
    let kept = std::fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_certificate = |path: &Path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("cached_cert_"))
    };
    // One of earlier settings may lie beside it.
    let changed = |path: &PathBuf| std::fs::metadata(path).and_then(|file| file.modified()).ok();
    vec![match kept.filter(|path| is_certificate(path)).max_by_key(changed) {
        Some(file) => of_file(app, ABOUT, &file),
        None => Finding::doubtful(
            ABOUT,
            format!(
                "none in {} yet: the server gets one when it runs, once the authority reaches {} at port 443",
                cache.display(),
                tls.acme_domains.join(" and ")
            ),
        ),
    }]
}

fn of_file(app: &App, about: &'static str, file: &Path) -> Finding {
    let name = file.display().to_string();
    match std::fs::read(file).map_err(|cause| cause.to_string()).and_then(|held| until_in_pem(&held)) {
        Ok(until) => certificate(about, &name, until, app.clock.now()),
        Err(cause) => Finding::wrong(about, format!("{name}: {cause}")),
    }
}
