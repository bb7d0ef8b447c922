//! `sendlog health`: for containers and supervisors, which have no other program at hand that could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sendlog::server::listen::Place;

use super::{Failure, print_line};

/// How long a server that is well may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which server is asked.
#[derive(Args)]
pub struct HealthArgs {
    /// Where the server listens: an address and a port, or unix:/run/sendlog/sendlog.sock
    #[arg(long, env = "SENDLOG_ADDR", default_value = "127.0.0.1:3000")]
    addr: Place,

    /// Whether the server itself encrypts: set like its own
    #[arg(long, env = "SENDLOG_TLS_CERT")]
    tls_cert: Option<PathBuf>,

    /// The same
    #[arg(long, env = "SENDLOG_ACME_DOMAIN")]
    acme_domain: Option<String>,
}

/// Asks the server whether it serves and its database takes writes.
pub async fn health(HealthArgs { addr, tls_cert, acme_domain }: HealthArgs) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE);
    let is_encrypted = tls_cert.is_some() || acme_domain.is_some();
    let scheme = if is_encrypted { "https" } else { "http" };
    // It is this machine's own server by an address, which its certificate does not name; nothing secret is said.
    let client = client.danger_accept_invalid_certs(is_encrypted);
    let (client, url) = match &addr {
        Place::Tcp(addr) => (client, format!("{scheme}://{}/health", reachable(*addr))),
        Place::Unix(path) => (client.unix_socket(path.as_path()), "http://localhost/health".to_owned()),
    };
    // No URL names a socket.
    let asked = if let Place::Unix(_) = addr { addr.to_string() } else { url.clone() };
    let client = client.build()?;
    let response = client.get(&url).send().await.map_err(|_| Failure(format!("nothing answers at {asked}")))?;
    let status = response.status();
    if !status.is_success() {
        return Err(Failure(format!("{addr} answers {status}")));
    }
    print_line("ok")
}

/// Where a server that listens on every network is reached from its own machine.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}
