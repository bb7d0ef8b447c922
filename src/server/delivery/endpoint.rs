//! Where an SMTP adapter connects to, and the log-in it uses there: the public and the secret half of its address.
//! Called by the services when they save an adapter, and by [super::worker] and [super::smtp] when they use it.
//! Sources: RFC 8314 (ports and TLS of mail submission), RFC 3986 (addresses).

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};

use crate::domain::adapter::TlsMode;
use crate::domain::adapter::form::{BOUNCE_DOMAIN_WORDS, PORT_WORDS};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};
use crate::server::bounce_address::MAX_DOMAIN_BYTES;
use crate::server::secrets::SecretKey;

/// The port of mail submission, where encryption begins with STARTTLS.
const SUBMISSION_PORT: u16 = 587;

/// The port of mail submission over TLS.
const SUBMISSIONS_PORT: u16 = 465;

/// The port of mail submission with this encryption.
pub const fn usual_port(tls: TlsMode) -> u16 {
    match tls {
        TlsMode::Implicit => SUBMISSIONS_PORT,
        TlsMode::Required | TlsMode::Opportunistic | TlsMode::None => SUBMISSION_PORT,
    }
}

/// What is said to a password that ends the address too early.
pub const ESCAPES: &str =
    "Percent-encode the user name and the password: write / as %2F, ? as %3F, # as %23, \\ as %5C and @ as %40";

const URL_FORM: &str = "write smtp://user:password@mail.example.com:587, or smtps:// for TLS from the first byte";

/// Where an SMTP adapter connects to: the public half of its address. Its text form is kept in `adapters.endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SmtpEndpoint {
    /// Host name in ASCII, or an IP address without brackets.
    pub host: String,
    pub port: u16,
    pub tls: TlsMode,
    /// The domain, in ASCII, that the bounces of what goes out by it come back to; `None` where they go to the sender.
    pub bounces: Option<String>,
}

/// The log-in of an SMTP adapter: the secret half of its address. Kept sealed. Its `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmtpSecret {
    /// User name; `None` where the server asks for no log-in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
}

impl SmtpEndpoint {
    /// Reads `smtp://[user[:password]@]host[:port][?tls=required|opportunistic|none]` or `smtps://…` into its public
    /// and its secret half; `bounces=DOMAIN` stands behind the `?`, too. The port is 587, for `smtps` 465; STARTTLS is required, to this machine itself only used
    /// where it is offered. An error blames the parameter `url` and never repeats the address.
    pub fn parse(url: &str) -> Result<(Self, SmtpSecret), AppError> {
        let wrong = |message: &str| AppError::invalid_field("url", message);
        if url.chars().any(char::is_control) {
            return Err(wrong("The address must be one line, without control characters"));
        }
        // Asked first: such an address may also name a wrong port or host, which would mislead.
        if has_sign_after_authority(url) {
            return Err(wrong(ESCAPES));
        }
        let parsed = url::Url::parse(url.trim()).map_err(|cause| match cause {
            url::ParseError::InvalidPort => wrong(PORT_WORDS),
            _ => wrong(&format!("The address of the mail server is wrong ({cause}): {URL_FORM}")),
        })?;
        let is_implicit = match parsed.scheme() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(wrong(&format!("The address must begin with smtp:// or smtps://: {URL_FORM}"))),
        };
        let host = parsed.host_str().filter(|host| !host.is_empty());
        let host = host.ok_or_else(|| wrong(&format!("The address names no host: {URL_FORM}")))?;
        let host = match url::Host::parse(host) {
            Ok(url::Host::Domain(name)) => name,
            Ok(url::Host::Ipv4(ip)) => ip.to_string(),
            Ok(url::Host::Ipv6(ip)) => ip.to_string(),
            Err(cause) => return Err(wrong(&format!("The host is wrong ({cause}): {URL_FORM}"))),
        };
        if !matches!(parsed.path(), "" | "/") || parsed.fragment().is_some() {
            return Err(wrong(&format!("The address must end after the port. {ESCAPES}")));
        }
        let port = parsed.port().unwrap_or(if is_implicit { SUBMISSIONS_PORT } else { SUBMISSION_PORT });
        if port == 0 {
            return Err(wrong(PORT_WORDS));
        }
        let (tls, bounces) = options(&parsed, is_implicit, &host)?;
        Ok((Self { host, port, tls, bounces }, secret(&parsed)?))
    }

    /// Whether the server is this machine itself.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }
}

/// Whether an `@` comes after what ends user, host and port: most likely a password holds a `/`, `?`, `#` or `\`.
pub(super) fn has_sign_after_authority(url: &str) -> bool {
    let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    after_scheme.split_once(['/', '?', '#', '\\']).is_some_and(|(_, rest)| rest.contains('@'))
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

fn default_tls(host: &str) -> TlsMode {
    if is_loopback(host) { TlsMode::Opportunistic } else { TlsMode::Required }
}

/// A domain that bounces can come back to, in ASCII and lower case; `None` for what is none.
pub fn bounce_domain(text: &str) -> Option<String> {
    let Ok(url::Host::Domain(name)) = url::Host::parse(text.trim()) else { return None };
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_domain = name.contains('.') && name.len() <= MAX_DOMAIN_BYTES && name.split('.').all(is_label);
    is_domain.then_some(name)
}

fn options(url: &url::Url, is_implicit: bool, host: &str) -> Result<(TlsMode, Option<String>), AppError> {
    let mut mode = if is_implicit { TlsMode::Implicit } else { default_tls(host) };
    let mut bounces = None;
    for (name, value) in url.query_pairs() {
        mode = match (&*name, &*value) {
            ("bounces", domain) => {
                let wrong = || AppError::invalid_field("url", BOUNCE_DOMAIN_WORDS);
                bounces = Some(bounce_domain(domain).ok_or_else(wrong)?);
                mode
            }
            ("tls", _) if is_implicit => {
                return Err(AppError::invalid_field("url", "An smtps:// address is always encrypted; leave out ?tls="));
            }
            ("tls", "required") => TlsMode::Required,
            ("tls", "opportunistic") => TlsMode::Opportunistic,
            ("tls", "none") => TlsMode::None,
            ("tls", _) => {
                return Err(AppError::invalid_field("url", "tls must be required, opportunistic or none"));
            }
            (other, _) => {
                let shown: String = other.chars().take(30).collect();
                let message = format!("The address has an unknown setting “{shown}”; there are only tls and bounces");
                return Err(AppError::invalid_field("url", message));
            }
        };
    }
    Ok((mode, bounces))
}

pub(super) fn secret(url: &url::Url) -> Result<SmtpSecret, AppError> {
    let read = |text: &str| {
        percent_decoded(text).filter(|plain| !plain.chars().any(char::is_control)).ok_or_else(|| {
            let message = "User and password must be text without control characters; write a % as %25";
            AppError::invalid_field("url", message)
        })
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(SmtpSecret::default()),
        ("", Some(_)) => Err(AppError::invalid_field("url", "The address has a password but no user name")),
        (user, password) => {
            let password = password.map(read).transpose()?.unwrap_or_default();
            Ok(SmtpSecret { user: Some(read(user)?), password: Some(password) })
        }
    }
}

/// `None` for a `%` without its two digits, and for what is no text.
fn percent_decoded(text: &str) -> Option<String> {
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_escape) {
        return None;
    }
    percent_decode_str(text).decode_utf8().ok().map(Cow::into_owned)
}

impl fmt::Display for SmtpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls == TlsMode::Implicit { "smtps" } else { "smtp" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)?;
        let tls = (self.tls != TlsMode::Implicit && self.tls != default_tls(&self.host)).then(|| self.tls.as_str());
        match (tls, &self.bounces) {
            (None, None) => Ok(()),
            (Some(tls), None) => write!(f, "?tls={tls}"),
            (None, Some(bounces)) => write!(f, "?bounces={bounces}"),
            (Some(tls), Some(bounces)) => write!(f, "?tls={tls}&bounces={bounces}"),
        }
    }
}

impl FromStr for SmtpEndpoint {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        Self::parse(text).map(|(endpoint, _)| endpoint)
    }
}

impl SmtpSecret {
    /// Encrypts the log-in of an adapter for `adapters.sealed_secret`. It opens in that place alone.
    pub fn seal(&self, key: &SecretKey, team_id: TeamId, adapter_id: AdapterId) -> String {
        let json = serde_json::json!(self).to_string();
        key.seal(json.as_bytes(), &seal_context(team_id, adapter_id))
    }

    /// The log-in of an adapter; [AppError::Internal] when it was sealed with another key or for another adapter.
    pub fn open(key: &SecretKey, sealed: &str, team_id: TeamId, adapter_id: AdapterId) -> Result<Self, AppError> {
        let json = key.open(sealed, &seal_context(team_id, adapter_id))?;
        serde_json::from_slice(&json).map_err(|_| AppError::Internal)
    }
}

pub(super) fn seal_context(team_id: TeamId, adapter_id: AdapterId) -> String {
    format!("adapter:{team_id}:{adapter_id}")
}

impl fmt::Debug for SmtpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (SmtpEndpoint, SmtpSecret) {
        SmtpEndpoint::parse(url).unwrap_or_else(|cause| panic!("{url}: {cause}"))
    }

    #[test]
    fn an_address_splits_into_endpoint_and_log_in() {
        let (endpoint, secret) = parsed("smtp://ada%40x.example:p%3Aa%2Fs%23s+@Mail.Example.com");
        assert_eq!(endpoint.to_string(), "smtp://mail.example.com:587");
        assert_eq!(endpoint.tls, TlsMode::Required);
        assert_eq!(secret.user.as_deref(), Some("ada@x.example"));
        assert_eq!(secret.password.as_deref(), Some("p:a/s#s+"));
        assert!(!format!("{endpoint:?} {secret:?}").contains("p:a"));
    }

    #[test]
    fn ports_and_encryption_have_defaults() {
        for (url, shown, tls) in [
            ("smtps://mail.example.com", "smtps://mail.example.com:465", TlsMode::Implicit),
            ("smtp://localhost:2525", "smtp://localhost:2525", TlsMode::Opportunistic),
            ("smtp://[::1]:25/", "smtp://[::1]:25", TlsMode::Opportunistic),
            ("smtp://127.0.0.1:25?tls=none", "smtp://127.0.0.1:25?tls=none", TlsMode::None),
            ("smtp://10.0.0.1?tls=required", "smtp://10.0.0.1:587", TlsMode::Required),
            ("smtp://mail.example.com?tls=none", "smtp://mail.example.com:587?tls=none", TlsMode::None),
            ("smtp://bücher.example", "smtp://xn--bcher-kva.example:587", TlsMode::Required),
            (
                "smtp://mail.example.com?bounces=Bounces.Bücher.example.",
                "smtp://mail.example.com:587?bounces=bounces.xn--bcher-kva.example",
                TlsMode::Required,
            ),
            (
                "smtp://mail.example.com?bounces=b.example.com&tls=none",
                "smtp://mail.example.com:587?tls=none&bounces=b.example.com",
                TlsMode::None,
            ),
            (
                "smtps://mail.example.com?bounces=b.example.com",
                "smtps://mail.example.com:465?bounces=b.example.com",
                TlsMode::Implicit,
            ),
        ] {
            let (endpoint, secret) = parsed(url);
            assert_eq!((endpoint.to_string().as_str(), endpoint.tls), (shown, tls));
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
            assert_eq!(secret, SmtpSecret::default());
        }
    }

    #[test]
    fn a_wrong_address_is_explained_and_not_repeated() {
        for url in [
            "",
            "mail.example.com",
            "http://mail.example.com",
            "smtp://",
            "smtp://u:hunter2@",
            "smtp://u:hunter2@mail.example.com:port",
            "smtp://mail.example.com:0",
            "smtp://mail.example.com:70000",
            "smtp://u:hunter2/x@mail.example.com",
            "smtp://u:hunter2@mail.example.com/path",
            "smtp://u:hunter2@mail.example.com#x",
            "smtp://u:hunter2%0d%0a@mail.example.com",
            "smtp://u:hunter2%zz@mail.example.com",
            "smtp://u:hunter2%+4@mail.example.com",
            "smtp://:hunter2@mail.example.com",
            "smtp://mail.example.com?tls=perhaps",
            "smtp://mail.example.com?ssl=true",
            "smtp://mail.example.com?bounces=",
            "smtp://mail.example.com?bounces=localhost",
            "smtp://mail.example.com?bounces=192.0.2.1",
            "smtp://mail.example.com?bounces=a%20b.example",
            "smtp://mail.example.com?bounces=-a.example",
            "smtps://mail.example.com?tls=none",
            "smtp://mail.exa\nmple.com",
            "smtp://mail example.com",
        ] {
            let refused = SmtpEndpoint::parse(url).expect_err(url);
            assert!(matches!(&refused, AppError::Validation { field: Some(field), .. } if field == "url"), "{url}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn a_password_that_ends_the_address_is_told_how_to_be_written() {
        for sign in ['/', '?', '#', '\\'] {
            for password in [format!("p{sign}w"), format!("{sign}pw"), format!("12{sign}pw"), format!("p@{sign}w")] {
                let url = format!("smtp://ada:{password}@mail.example.com:587");
                let refused = SmtpEndpoint::parse(&url).expect_err(&url).to_string();
                assert!(refused.contains("%2F") && refused.contains("%23"), "{url}: {refused}");
            }
        }
    }

    #[test]
    fn a_log_in_opens_for_its_adapter_alone() {
        let key = SecretKey::generate();
        let (_, secret) = parsed("smtp://ada:hunter2@mail.example.com");
        let sealed = secret.seal(&key, TeamId(1), AdapterId(2));
        assert_eq!(SmtpSecret::open(&key, &sealed, TeamId(1), AdapterId(2)), Ok(secret));
        assert_eq!(SmtpSecret::open(&key, &sealed, TeamId(1), AdapterId(3)), Err(AppError::Internal));
        assert_eq!(SmtpSecret::open(&key, &sealed, TeamId(2), AdapterId(2)), Err(AppError::Internal));
    }
}
