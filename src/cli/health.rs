//! `sendlog health`: for containers and supervisors, which have no other program at hand that could ask.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use clap::Args;

use super::{Failure, print_line};

/// How long a server that is well may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which server is asked.
#[derive(Args)]
pub struct HealthArgs {
    /// The address that the server listens at
    #[arg(long, env = "SENDLOG_ADDR", default_value = "127.0.0.1:3000")]
    addr: SocketAddr,
}

/// Asks the server whether it serves and its database takes writes.
pub async fn health(HealthArgs { addr }: HealthArgs) -> Result<(), Failure> {
    let url = format!("http://{}/health", reachable(addr));
    let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build()?;
    let response = client.get(&url).send().await.map_err(|_| Failure(format!("nothing answers at {url}")))?;
    let status = response.status();
    if !status.is_success() {
        return Err(Failure(format!("{url} answers {status}")));
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
