//! Whose address a request comes from, when proxies stand before this server. Each proxy appends the address that it was asked
//! from, so the list is read from its end: while an address is one of a proxy that is trusted, the one before it counts; the
//! first that is not trusted is the client. What stands before that anybody may have written. Asked once a request, by
//! [super::web]. Sources: RFC 7239 (Forwarded); MDN, X-Forwarded-For, "Selecting an IP address".

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use axum::http::{HeaderMap, HeaderName, header};
use clap::{Args, ValueEnum};

use super::listen::Peer;

/// The most proxies in a row.
const MOST_HOPS: usize = 32;

/// The header by which proxies hand the client's address on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProxyHeader {
    /// X-Forwarded-For.
    #[default]
    XForwardedFor,
    /// Forwarded, of RFC 7239.
    Forwarded,
}

/// Addresses that have their first bits in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    ip: IpAddr,
    bits: u32,
}

impl Network {
    /// Whether an address is one of them.
    pub fn holds(&self, ip: IpAddr) -> bool {
        match (self.ip, ip.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(ip)) => {
                (own.to_bits() ^ ip.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("{text:?} is no network: write addresses such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7");
        let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
        let ip: IpAddr = ip.parse().map_err(|_| wrong())?;
        let whole = if ip.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(whole), |bits| bits.parse().map_err(|_| wrong()))?;
        // All of the internet is trusted by nobody: who means it has --trust-proxy.
        if (1..=whole).contains(&bits) { Ok(Self { ip, bits }) } else { Err(wrong()) }
    }
}

/// Settings of the proxies before the server: which are believed, and what they write.
#[derive(Clone, Debug, Default, Args)]
pub struct Proxies {
    /// Read the client's address from the proxy's header, whoever connects; set it only where nobody but one proxy can
    #[arg(long, env = "SENDLOG_TRUST_PROXY")]
    pub trust_proxy: bool,

    /// The networks of the proxies before this server, whose header says where a request comes from:
    /// 10.0.0.0/8,2001:db8::/32; can be repeated. Who comes by a unix socket is believed in any case
    #[arg(long, env = "SENDLOG_TRUSTED_PROXIES", value_delimiter = ',')]
    pub trusted_proxies: Vec<Network>,

    /// The header in which they write it; the other one is never read
    #[arg(long, env = "SENDLOG_PROXY_HEADER", value_enum, default_value_t)]
    pub proxy_header: ProxyHeader,
}

impl Proxies {
    /// The client's address; `None` where only a unix socket tells, which has none. Whoever may open that is a proxy of ours.
    pub fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        let (mut client, is_proxy) = match peer {
            Peer::Ip(ip) => (Some(ip), self.trust_proxy || self.trusts(ip)),
            Peer::Unix => (None, true),
        };
        if !is_proxy {
            return client;
        }
        for hop in self.hops(headers).take(MOST_HOPS) {
            // A proxy that does not say whom it was asked by is the last that is known.
            let Some(ip) = hop else { break };
            client = Some(ip);
            if !self.trusts(ip) {
                break;
            }
        }
        client
    }

    fn trusts(&self, ip: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.holds(ip))
    }

    /// What the proxies say, the nearest one first; `None` for what is no address. A header on several lines is one list.
    fn hops<'a>(&self, headers: &'a HeaderMap) -> Box<dyn Iterator<Item = Option<IpAddr>> + 'a> {
        const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
        let lines = |name| headers.get_all(name).iter().rev().map(|line| line.to_str().ok());
        match self.proxy_header {
            ProxyHeader::XForwardedFor => Box::new(lines(X_FORWARDED_FOR).flat_map(|line| {
                // What is no text is one address that nobody can read.
                line.unwrap_or("?").rsplit(',').map(|hop| address(hop.trim()))
            })),
            ProxyHeader::Forwarded => Box::new(
                lines(header::FORWARDED)
                    .flat_map(|line| line.and_then(forwarded).unwrap_or_else(|| vec![None]).into_iter().rev()),
            ),
        }
    }
}

/// An address with or without brackets and a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inside| inside.contains(':'));
    let ip = match bare {
        Some(inside) => inside.parse().ok(),
        None => text.parse::<IpAddr>().ok().or_else(|| Some(text.parse::<SocketAddr>().ok()?.ip())),
    };
    ip.map(|ip| ip.to_canonical())
}

/// Whom each element of a line of Forwarded is about, the first one first; `None` where quotes do not end, because then nobody
/// knows where elements do.
fn forwarded(line: &str) -> Option<Vec<Option<IpAddr>>> {
    let elements = split_outside_quotes(line, ',')?;
    let about = |element: &str| {
        let pairs = split_outside_quotes(element, ';')?;
        let mut named = pairs
            .iter()
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        let (_, value) = named.next()?;
        // Said twice is said by two.
        if named.next().is_some() {
            return None;
        }
        let value = value.trim();
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        address(quoted.unwrap_or(value))
    };
    Some(elements.into_iter().map(about).collect())
}

fn split_outside_quotes(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (place, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(&text[start..place]);
                start = place + character.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!is_quoted).then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str], header: ProxyHeader) -> Proxies {
        let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
        Proxies { trust_proxy: false, trusted_proxies: networks, proxy_header: header }
    }

    fn peer(ip: &str) -> Peer {
        Peer::Ip(ip.parse().unwrap())
    }

    fn headers(lines: &[(&'static str, &[u8])]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, axum::http::HeaderValue::from_bytes(value).unwrap());
        }
        headers
    }

    fn client(proxies: &Proxies, by: Peer, lines: &[(&'static str, &str)]) -> String {
        let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        proxies.client(by, &headers(&lines)).map_or_else(|| "unknown".to_owned(), |ip| ip.to_string())
    }

    const XFF: &str = "x-forwarded-for";

    #[test]
    fn a_stranger_does_not_choose_their_address() {
        let trusted = proxies(&["10.0.0.0/8", "2001:db8:f::/48"], ProxyHeader::XForwardedFor);
        for said in ["127.0.0.1", "10.0.0.1", "198.51.100.1, 10.0.0.2"] {
            assert_eq!(client(&trusted, peer("192.0.2.7"), &[(XFF, said)]), "192.0.2.7", "{said}");
            assert_eq!(client(&Proxies::default(), peer("10.0.0.1"), &[(XFF, said)]), "10.0.0.1", "{said}");
        }
        // Nor by the header that our proxies do not write.
        let said = [("forwarded", "for=198.51.100.1"), (XFF, "192.0.2.7")];
        assert_eq!(client(&trusted, peer("10.0.0.1"), &said), "192.0.2.7");
    }

    #[test]
    fn the_first_that_is_not_trusted_is_the_client() {
        let trusted = proxies(&["10.0.0.0/8", "2001:db8:f::/48"], ProxyHeader::XForwardedFor);
        for (said, found) in [
            ("192.0.2.7", "192.0.2.7"),
            ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
            ("6.6.6.6, 192.0.2.7, 10.1.1.1", "192.0.2.7"),
            ("6.6.6.6,192.0.2.7 ,10.1.1.1, 2001:db8:f::1", "192.0.2.7"),
            ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("::ffff:192.0.2.7, ::ffff:10.1.1.1", "192.0.2.7"),
        ] {
            assert_eq!(client(&trusted, peer("10.0.0.1"), &[(XFF, said)]), found, "{said}");
        }
        assert_eq!(client(&trusted, peer("10.0.0.1"), &[]), "10.0.0.1");
    }

    #[test]
    fn lines_are_one_list_in_their_order() {
        let trusted = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        let lines = [(XFF, "6.6.6.6"), (XFF, "7.7.7.7, 192.0.2.7"), (XFF, "10.1.1.1, 10.1.1.2")];
        assert_eq!(client(&trusted, peer("10.0.0.1"), &lines), "192.0.2.7");
    }

    #[test]
    fn what_is_no_address_ends_what_is_known() {
        let trusted = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        for said in [
            "",
            "unknown",
            "6.6.6.6, unknown",
            "6.6.6.6, 1.2.3",
            "6.6.6.6, fe80::1%eth0",
            "6.6.6.6,",
            "6.6.6.6 7.7.7.7",
            "[192.0.2.7]",
        ] {
            assert_eq!(client(&trusted, peer("10.0.0.1"), &[(XFF, said)]), "10.0.0.1", "{said}");
            let beyond = format!("{said}, 10.1.1.1");
            assert_eq!(client(&trusted, peer("10.0.0.1"), &[(XFF, &beyond)]), "10.1.1.1", "{beyond}");
        }
        let bytes = headers(&[(XFF, b"6.6.6.6"), (XFF, b"\xff\xfe")]);
        assert_eq!(trusted.client(peer("10.0.0.1"), &bytes), "10.0.0.1".parse().ok());
        let endless = vec!["10.1.1.1"; 4_000].join(",");
        assert_eq!(client(&trusted, peer("10.0.0.1"), &[(XFF, &format!("6.6.6.6,{endless}"))]), "10.1.1.1");
    }

    #[test]
    fn a_unix_socket_knows_what_its_proxy_says() {
        let trusted = proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor);
        assert_eq!(client(&trusted, Peer::Unix, &[]), "unknown");
        assert_eq!(client(&trusted, Peer::Unix, &[(XFF, "6.6.6.6, 192.0.2.7, 10.1.1.1")]), "192.0.2.7");
        assert_eq!(client(&Proxies::default(), Peer::Unix, &[(XFF, "6.6.6.6, 192.0.2.7")]), "192.0.2.7");
    }

    #[test]
    fn every_peer_is_one_proxy() {
        let one = Proxies { trust_proxy: true, ..Proxies::default() };
        assert_eq!(client(&one, peer("203.0.113.1"), &[(XFF, "6.6.6.6, 192.0.2.7")]), "192.0.2.7");
        let two = Proxies { trust_proxy: true, ..proxies(&["10.0.0.0/8"], ProxyHeader::XForwardedFor) };
        assert_eq!(client(&two, peer("203.0.113.1"), &[(XFF, "6.6.6.6, 192.0.2.7, 10.0.0.1")]), "192.0.2.7");
    }

    #[test]
    fn forwarded_is_read_as_its_rfc_writes_it() {
        let trusted = proxies(&["10.0.0.0/8"], ProxyHeader::Forwarded);
        let of = |said: &str| client(&trusted, peer("10.0.0.1"), &[("forwarded", said)]);
        assert_eq!(of("for=192.0.2.7;proto=https;by=10.0.0.1"), "192.0.2.7");
        assert_eq!(of("For=\"[2001:db8:cafe::17]:4711\""), "2001:db8:cafe::17");
        assert_eq!(of("for=6.6.6.6, for=192.0.2.7, For=10.1.1.1;host=\"a,b;for=7.7.7.7\""), "192.0.2.7");
        for broken in [
            "for=_hidden",
            "for=unknown",
            "proto=https",
            "for=6.6.6.6;for=7.7.7.7",
            "for=6.6.6.6, x=\", for=192.0.2.7",
            "for=\"6.6.6.6, for=\"[2001:db8::1]\"",
            "for=\"192.0.2.7\\\"\"",
            "for",
        ] {
            assert_eq!(of(broken), "10.0.0.1", "{broken}");
        }
        let both = [(XFF, "6.6.6.6"), ("forwarded", "for=192.0.2.7")];
        assert_eq!(client(&trusted, peer("10.0.0.1"), &both), "192.0.2.7");
    }

    #[test]
    fn a_network_is_an_address_and_its_first_bits() {
        let holds = |network: &str, ip: &str| network.parse::<Network>().unwrap().holds(ip.parse().unwrap());
        assert!(holds("10.0.0.0/8", "10.255.0.1") && !holds("10.0.0.0/8", "11.0.0.1"));
        assert!(
            holds("192.0.2.7", "192.0.2.7")
                && holds("192.0.2.7", "::ffff:192.0.2.7")
                && !holds("192.0.2.7", "192.0.2.6")
        );
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert!(holds("::1/128", "::1") && !holds("::1", "127.0.0.1"));
        for wrong in ["", "10.0.0.0/33", "10.0.0.0/0", "::/0", "10.0.0", "host", "10.0.0.0/", "10.0.0.0/8/8"] {
            assert!(wrong.parse::<Network>().unwrap_err().contains("10.0.0.0/8"), "{wrong}");
        }
    }
}
