//! Where this server may connect to on a team's word: the mail servers and web addresses of adapters, and what an OpenID
//! provider names. Private addresses are refused unless the operator allows them: a team must not reach what stands beside
//! the server. A name is looked up once, and the connection goes to exactly the address that was looked at. Called by
//! [crate::server::delivery] and the services.
//! Sources: the IANA registries of special-purpose addresses; RFC 6052 (NAT64), RFC 6890.

use std::error::Error;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{ClientBuilder, Proxy};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::domain::adapter::fault::AdapterFault;

/// How long a name may be looked up before a proxy is asked for it.
const LOOK_UP_LIMIT: Duration = Duration::from_secs(5);

/// Where may be connected to. The default is the internet alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbound {
    allows_private: bool,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The name leads to private addresses or to none: the words are the same, so that nobody maps a network with them.
    #[error(
        "{0} leads to no public address. Whoever runs this server can allow private ones (--allow-private-adapters)"
    )]
    NotPublic(String),
    /// The name leads to no address. Said only where private ones are allowed.
    #[error("{0}")]
    Name(io::Error),
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Unreachable {
    /// What that is to whoever sets an adapter up.
    pub fn fault(&self) -> AdapterFault {
        match self {
            Self::NotPublic(_) => AdapterFault::NotPublic,
            Self::Name(_) => AdapterFault::NameUnknown,
            Self::Io(cause) if cause.kind() == io::ErrorKind::ConnectionRefused => AdapterFault::ConnectionRefused,
            Self::Io(_) => AdapterFault::Unreachable,
        }
    }
}

impl Outbound {
    /// The internet, and private addresses too where `allows_private` says so.
    pub const fn new(allows_private: bool) -> Self {
        Self { allows_private }
    }

    /// Refuses a host that is private by its very text: an address, or `localhost`. A name is looked up when it is used.
    pub fn check_host(self, host: &str) -> Result<(), Unreachable> {
        let is_private = match literal(host) {
            Some(ip) => !is_public(ip),
            None => {
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                host == "localhost" || host.ends_with(".localhost")
            }
        };
        if is_private && !self.allows_private { Err(Unreachable::NotPublic(host.to_owned())) } else { Ok(()) }
    }

    /// Refuses a host that may not be asked by HTTP. An address in numbers never passes a client's resolver, and a name
    /// does not where a proxy looks it up, so both are looked at here. A proxy's own host is no better than others.
    pub async fn check_request(self, host: &str, proxies: &Proxies) -> Result<(), Unreachable> {
        self.check_host(host)?;
        if !self.allows_private && !proxies.hosts().is_empty() {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "its name could not be looked up in time");
            timeout(LOOK_UP_LIMIT, self.addresses(host, 0)).await.map_err(late)??;
        }
        Ok(())
    }

    /// The addresses of a host that may be connected to; never an empty list.
    pub async fn addresses(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
        let found = look_up(host, port).await;
        if self.allows_private {
            let found = found.map_err(Unreachable::Name)?;
            let nothing = || io::Error::new(io::ErrorKind::NotFound, "the name has no address");
            return if found.is_empty() { Err(Unreachable::Name(nothing())) } else { Ok(found) };
        }
        let mut found = found.unwrap_or_default();
        found.retain(|addr| is_public(addr.ip()));
        if found.is_empty() { Err(Unreachable::NotPublic(host.to_owned())) } else { Ok(found) }
    }

    /// Connects to the first address of a host that answers.
    pub async fn connect(self, host: &str, port: u16) -> Result<TcpStream, Unreachable> {
        Ok(TcpStream::connect(&self.addresses(host, port).await?[..]).await?)
    }

    /// What looks names up for an HTTP client. The `trusted` names, which the operator set, may be private.
    pub fn resolver(self, trusted: Vec<String>) -> Arc<Resolver> {
        Arc::new(Resolver { outbound: self, trusted })
    }
}

/// Looks names up for an HTTP client; an address written in numbers does not pass here.
#[derive(Debug)]
pub struct Resolver {
    outbound: Outbound,
    trusted: Vec<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_owned();
        let is_trusted = self.trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(&host));
        let outbound = if is_trusted { Outbound::new(true) } else { self.outbound };
        Box::pin(async move {
            let found = outbound.addresses(&host, 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// The proxies that HTTP requests go through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Proxies {
    /// Those that the environment names (`HTTPS_PROXY` …).
    #[default]
    OfEnvironment,
    None,
    One(String),
}

impl Proxies {
    /// Their hosts. The operator named them, so they may be private.
    pub fn hosts(&self) -> Vec<String> {
        let values: Vec<String> = match self {
            Self::OfEnvironment => {
                let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
                names.into_iter().filter_map(|name| std::env::var(name).ok()).collect()
            }
            Self::None => Vec::new(),
            Self::One(url) => vec![url.clone()],
        };
        let host = |value: String| {
            let url = if value.contains("://") { value } else { format!("http://{value}") };
            url::Url::parse(&url).ok()?.host_str().map(str::to_owned)
        };
        values.into_iter().filter(|value| !value.is_empty()).filter_map(host).collect()
    }

    /// A client that goes through them.
    pub fn set(&self, client: ClientBuilder) -> reqwest::Result<ClientBuilder> {
        Ok(match self {
            Self::OfEnvironment => client,
            Self::None => client.no_proxy(),
            Self::One(url) => client.proxy(Proxy::all(url.as_str())?),
        })
    }
}

/// The cause that the others are about, in a request that failed.
pub fn innermost(cause: &reqwest::Error) -> String {
    let mut innermost: &dyn Error = cause;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match literal(host) {
        Some(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        None => Ok(lookup_host((host, port)).await?.collect()),
    }
}

/// The address that a host is, in brackets or not.
fn literal(host: &str) -> Option<IpAddr> {
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host.parse().ok()
}

/// Whether an address is one of the internet's, to which anybody may connect.
fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    !matches!(
        ip.octets(),
        [0 | 10 | 127, ..]
            | [100, 64..=127, ..]
            | [169, 254, ..]
            | [172, 16..=31, ..]
            | [192, 0, 0 | 2, _]
            | [192, 88, 99, _]
            | [192, 168, ..]
            | [198, 18 | 19, ..]
            | [198, 51, 100, _]
            | [203, 0, 113, _]
            | [224..=255, ..]
    )
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let embedded = || {
        let [.., high, low] = segments;
        Ipv4Addr::from_bits((u32::from(high) << 16) | u32::from(low))
    };
    match segments {
        // An IPv4 address in other clothes: written as IPv6, and behind NAT64.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_public_v4(embedded()),
        // Protocols' own, Teredo, documentation, 6to4.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        [first, ..] => (0x2000..=0x3fff).contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIVATE: [&str; 34] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "[::1]",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fe80::1",
        "ff02::1",
    ];

    #[tokio::test]
    async fn private_addresses_are_refused_unless_allowed() {
        for host in PRIVATE {
            let refused = Outbound::default().check_host(host).unwrap_err().to_string();
            assert!(refused.starts_with(&format!("{host} leads to no public address")), "{refused}");
            assert!(Outbound::default().addresses(host, 25).await.is_err(), "{host}");
            assert!(Outbound::new(true).check_host(host).is_ok(), "{host}");
        }
        for host in ["localhost", "LOCALHOST.", "mail.localhost"] {
            assert!(Outbound::default().check_host(host).is_err(), "{host}");
        }
    }

    #[tokio::test]
    async fn public_addresses_are_not() {
        for host in [
            "1.1.1.1",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.169.0.1",
            "223.255.255.255",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
        ] {
            assert!(Outbound::default().check_host(host).is_ok(), "{host}");
            assert_eq!(Outbound::default().addresses(host, 25).await.unwrap().len(), 1, "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_in_the_words_of_one_that_does_not_exist() {
        let words = async |host: &str| {
            let refused = Outbound::default().connect(host, 25).await.unwrap_err();
            refused.to_string().replace(host, "HOST")
        };
        assert_eq!(words("localhost").await, words("nobody.invalid").await);
        assert_eq!(words("localhost").await, words("169.254.169.254").await);
    }

    #[tokio::test]
    async fn a_proxy_opens_no_way_inside() {
        let proxies = Proxies::One("http://127.1:3128".to_owned());
        assert_eq!(proxies.hosts(), ["127.0.0.1"]);
        // What reads like a name and is looked up as 127.0.0.1; a name of nobody here, which a proxy may know; its own.
        for host in ["127.1", "nobody.invalid", "127.0.0.1"] {
            let refused = Outbound::default().check_request(host, &proxies).await.unwrap_err();
            assert!(matches!(refused, Unreachable::NotPublic(_)), "{host}: {refused}");
            assert!(Outbound::new(true).check_request(host, &proxies).await.is_ok(), "{host}");
        }
        assert!(Outbound::default().check_request("1.1.1.1", &proxies).await.is_ok());
    }

    #[tokio::test]
    async fn open_and_closed_private_ports_are_refused_alike() {
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let words = async |port| Outbound::default().connect("127.0.0.1", port).await.unwrap_err().to_string();
        assert_eq!(words(open.local_addr().unwrap().port()).await, words(1).await);
        assert!(Outbound::new(true).connect("127.0.0.1", open.local_addr().unwrap().port()).await.is_ok());
    }
}
