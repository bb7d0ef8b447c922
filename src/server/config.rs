//! Settings: each is a flag of the command line and an environment variable of the same name, `SENDLOG_…`.

#![allow(rustdoc::bare_urls, reason = "these comments are the help of the command line")]

mod base_url;
mod observe;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

pub use self::base_url::OWN_PATHS;
use self::base_url::parse_base_url;
pub use self::observe::ObserveArgs;
use super::api::Api;
use super::listen::{Place, SOCKET_MODE, parse_mode};
use super::outbound::Outbound;
use super::proxies::Proxies;
use super::tls::https::TlsArgs;

/// Requests in a second, for one key.
const DEFAULT_RATE_LIMIT: u32 = 1000;

/// How many seconds after each failed try the next one follows, unless the operator says otherwise.
pub const RETRY_DELAYS_S: [u64; 7] = [30, 120, 600, 1800, 3600, 10_800, 21_600];

/// The longest pause between two tries: a week.
const MAX_RETRY_DELAY_S: u64 = 7 * 24 * 60 * 60;

/// Settings of every command that opens the database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// Where the data is: sqlite://PATH or postgres://USER:PASSWORD@HOST/NAME
    #[arg(long, env = "SENDLOG_DATABASE_URL", default_value = "sqlite://data/sendlog.db", hide_env_values = true)]
    pub database_url: String,

    /// 64 hexadecimal digits that seal adapter passwords; made and kept beside the database when absent
    #[arg(long, env = "SENDLOG_SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<String>,

    /// A file that holds them, and nothing else
    #[arg(long, env = "SENDLOG_SECRET_KEY_FILE", conflicts_with = "secret_key")]
    pub secret_key_file: Option<PathBuf>,
}

/// Settings of the web server and the worker.
#[derive(Clone, Debug, Args)]
pub struct Config {
    /// Where to listen: an address and a port, or a file, unix:/run/sendlog/sendlog.sock. Sockets that systemd hands over take
    /// its place
    #[arg(long, env = "SENDLOG_ADDR", default_value = "127.0.0.1:3000")]
    pub addr: Place,

    /// Who may open the file, as its mode in octal digits: its user and its group, or 666 for everybody
    #[arg(long, env = "SENDLOG_SOCKET_MODE", default_value = "660", value_parser = parse_mode)]
    pub socket_mode: u32,

    /// An address at which a dialect alone answers, at the root: sendwithus=127.0.0.1:3101; can be repeated
    #[arg(long = "dialect-addr", env = "SENDLOG_DIALECT_ADDR", value_delimiter = ',', value_parser = parse_dialect_addr)]
    pub dialect_addrs: Vec<(Api, SocketAddr)>,

    /// How many requests an API key may make in a second
    #[arg(long, env = "SENDLOG_RATE_LIMIT", default_value_t = DEFAULT_RATE_LIMIT, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit: u32,

    /// The address people open, when a proxy stands before this server: https://mail.example.com, or with a path,
    /// https://example.com/sendlog
    #[arg(long, env = "SENDLOG_BASE_URL", value_parser = parse_base_url)]
    pub base_url: Option<String>,

    /// Run one half alone
    #[arg(long, env = "SENDLOG_ONLY", value_enum)]
    pub only: Option<Half>,

    /// The proxies before the server.
    #[command(flatten)]
    pub proxies: Proxies,

    /// Let adapters reach private addresses: this machine and the networks beside it
    #[arg(long, env = "SENDLOG_ALLOW_PRIVATE_ADAPTERS")]
    pub allow_private_adapters: bool,

    /// A file of GeoIP2 or GeoLite2, City or Country: opens and clicks then say where they came from, roughly
    #[arg(long, env = "SENDLOG_GEOIP_FILE")]
    pub geoip_file: Option<PathBuf>,

    /// How many seconds after each failed try of a message the next one follows, a fifth more or less; there is one try
    /// more than there are delays
    #[arg(long, env = "SENDLOG_RETRY_DELAYS", value_delimiter = ',', default_values_t = RETRY_DELAYS_S, value_parser = clap::value_parser!(u64).range(1..=MAX_RETRY_DELAY_S))]
    pub retry_delays: Vec<u64>,

    /// Https without a proxy.
    #[command(flatten)]
    pub tls: TlsArgs,

    /// An address at which everybody is led to the base URL: 0.0.0.0:80, beside https
    #[arg(long, env = "SENDLOG_REDIRECT_ADDR", value_parser = parse_addr)]
    pub redirect_addr: Option<SocketAddr>,

    /// Messages by SMTP.
    #[command(flatten)]
    pub smtp: SmtpArgs,

    /// Log-in by an OpenID provider.
    #[command(flatten)]
    pub openid: OpenIdArgs,

    /// Backups.
    #[command(flatten)]
    pub backups: ScheduleArgs,

    /// What is seen from outside.
    #[command(flatten)]
    pub observe: ObserveArgs,
}

/// Settings of the backups that a server makes by itself.
#[derive(Clone, Debug, Default, Args)]
pub struct ScheduleArgs {
    /// A folder in which the worker keeps backups; set it for one worker alone
    #[arg(long, env = "SENDLOG_BACKUP_FOLDER")]
    pub backup_folder: Option<PathBuf>,

    /// How many hours after one backup the next one is made
    #[arg(long, env = "SENDLOG_BACKUP_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8784))]
    pub backup_hours: u32,

    /// How many backups stay
    #[arg(long, env = "SENDLOG_BACKUP_KEEP", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub backup_keep: u32,
}

/// Settings of the server's side of SMTP.
#[derive(Clone, Debug, Default, Args)]
pub struct SmtpArgs {
    /// The address at which programs send messages by SMTP, with STARTTLS: 0.0.0.0:587
    #[arg(long, env = "SENDLOG_SMTP_ADDR", value_parser = parse_addr)]
    pub smtp_addr: Option<SocketAddr>,

    /// The same with TLS from the first byte: 0.0.0.0:465
    #[arg(long, env = "SENDLOG_SMTPS_ADDR", value_parser = parse_addr, requires = "smtp_tls_cert")]
    pub smtps_addr: Option<SocketAddr>,

    /// The address at which mail servers report by SMTP what became of messages, with STARTTLS: 0.0.0.0:25
    #[arg(long, env = "SENDLOG_BOUNCE_ADDR", value_parser = parse_addr)]
    pub bounce_addr: Option<SocketAddr>,

    /// A maildir that such reports are delivered to; those in its folder new are read and moved to cur
    #[arg(long, env = "SENDLOG_BOUNCE_MAILDIR")]
    pub bounce_maildir: Option<PathBuf>,

    /// The name that programs connect to by SMTP; by default the host of the base URL
    #[arg(long, env = "SENDLOG_SMTP_HOST_NAME", value_parser = parse_host_name)]
    pub smtp_host_name: Option<String>,

    /// A file in PEM with the certificate for SMTP and those that vouch for it; read again when it changes
    #[arg(long, env = "SENDLOG_SMTP_TLS_CERT", requires = "smtp_tls_key")]
    pub smtp_tls_cert: Option<PathBuf>,

    /// A file in PEM with the private key that belongs to it
    #[arg(long, env = "SENDLOG_SMTP_TLS_KEY", requires = "smtp_tls_cert")]
    pub smtp_tls_key: Option<PathBuf>,

    /// Who may log in by SMTP without encryption
    #[arg(long, env = "SENDLOG_SMTP_PLAIN_LOG_IN", value_enum, default_value_t)]
    pub smtp_plain_log_in: PlainLogIn,
}

/// Who may log in by SMTP without encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum PlainLogIn {
    /// Nobody.
    Nobody,
    /// Programs on this machine.
    #[default]
    Loopback,
    /// Everybody: the network itself keeps keys secret.
    Everybody,
}

/// Settings of log-in by an OpenID provider.
#[derive(Clone, Debug, Default, Args)]
pub struct OpenIdArgs {
    /// The OpenID provider's address, as it names itself: https://id.example.com/realms/main
    #[arg(long, env = "SENDLOG_OIDC_ISSUER", value_parser = parse_issuer, requires = "oidc_client_id")]
    pub oidc_issuer: Option<String>,

    /// The name that the provider knows this server by
    #[arg(long, env = "SENDLOG_OIDC_CLIENT_ID")]
    pub oidc_client_id: Option<String>,

    /// The secret that goes with it; none for a public client
    #[arg(long, env = "SENDLOG_OIDC_CLIENT_SECRET", hide_env_values = true)]
    pub oidc_client_secret: Option<String>,

    /// What the log-in page calls the provider
    #[arg(long, env = "SENDLOG_OIDC_NAME", default_value = "OpenID")]
    pub oidc_name: String,

    /// The claim that lists a person's groups
    #[arg(long, env = "SENDLOG_OIDC_GROUPS_CLAIM", default_value = "groups")]
    pub oidc_groups_claim: String,

    /// The role that a group has in a team: GROUP=TEAM_SLUG:ROLE, with a built-in role or the name of one of the team's;
    /// can be repeated
    #[arg(long = "oidc-role", env = "SENDLOG_OIDC_ROLE", value_delimiter = ',', value_parser = parse_group_role)]
    pub oidc_roles: Vec<GroupRole>,
}

/// The role that a provider's group has in a team.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRole {
    /// The group, as the provider names it.
    pub group: String,
    /// The team.
    pub team_slug: String,
    /// A built-in role, or the name of a role that the team made.
    pub role: String,
}

/// A half of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// The pages and the APIs.
    Web,
    /// The sending of accepted messages.
    Worker,
}

impl Config {
    /// The settings of a server at `addr` with every default.
    pub fn at(addr: SocketAddr) -> Self {
        Self {
            addr: Place::Tcp(addr),
            socket_mode: SOCKET_MODE,
            dialect_addrs: Vec::new(),
            rate_limit: DEFAULT_RATE_LIMIT,
            base_url: None,
            only: None,
            proxies: Proxies::default(),
            allow_private_adapters: false,
            geoip_file: None,
            retry_delays: RETRY_DELAYS_S.to_vec(),
            tls: TlsArgs::default(),
            redirect_addr: None,
            smtp: SmtpArgs::default(),
            openid: OpenIdArgs::default(),
            backups: ScheduleArgs::default(),
            observe: ObserveArgs::default(),
        }
    }

    /// Where adapters and the OpenID provider may lead.
    pub const fn outbound(&self) -> Outbound {
        Outbound::new(self.allow_private_adapters)
    }

    /// Settles the address people open, where the server encrypts by itself and none is set.
    pub fn settle_base_url(&mut self) {
        let Place::Tcp(addr) = self.addr else { return };
        if self.base_url.is_none() && self.tls.is_on() {
            let port = if addr.port() == 443 { String::new() } else { format!(":{}", addr.port()) };
            let host = self.tls.acme_domains.first().map(|name| format!("{name}{port}"));
            self.base_url = Some(format!("https://{}", host.unwrap_or_else(|| addr.to_string())));
        }
    }

    /// The address people open, without a slash at its end.
    pub fn public_url(&self) -> String {
        self.base_url.clone().unwrap_or_else(|| match &self.addr {
            Place::Tcp(addr) => format!("http://{addr}"),
            Place::Unix(_) => "http://localhost".to_owned(),
        })
    }

    /// The path of the address people open, without a slash at its end; empty for the root.
    pub fn base_path(&self) -> &str {
        let rest = self.base_url.as_deref().and_then(|url| url.split_once("://")).map_or("", |(_, rest)| rest);
        rest.find('/').map_or("", |place| &rest[place..])
    }

    /// The scheme and the host of the address people open, where one is set. Source: RFC 6454.
    pub fn public_origin(&self) -> Option<&str> {
        let url = self.base_url.as_deref()?;
        url.strip_suffix(self.base_path())
    }

    /// The address at which a dialect alone answers, without a path, where it has one. Where it listens on every network,
    /// the host is that of the public address.
    pub fn own_url(&self, dialect: Api) -> Option<String> {
        let (_, addr) = self.dialect_addrs.iter().find(|(known, _)| *known == dialect)?;
        let public = url::Url::parse(&self.public_url()).ok();
        let host = public.as_ref().and_then(url::Url::host_str).filter(|_| addr.ip().is_unspecified());
        let scheme = if self.tls.is_on() { "https" } else { "http" };
        Some(match host {
            Some(host) => format!("{scheme}://{host}:{}", addr.port()),
            None => format!("{scheme}://{addr}"),
        })
    }

    /// What the server calls itself by SMTP.
    pub fn smtp_host_name(&self) -> String {
        let of_url = || {
            let public = url::Url::parse(self.base_url.as_deref()?).ok()?;
            public.host_str().map(str::to_owned)
        };
        self.smtp.smtp_host_name.clone().or_else(of_url).unwrap_or_else(|| "localhost".to_owned())
    }

    /// Whether people reach this server by https, so that cookies can demand it.
    pub fn is_https(&self) -> bool {
        self.base_url.as_deref().is_some_and(|url| url.starts_with("https://"))
    }
}

fn parse_addr(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port: 127.0.0.1:3000, or 0.0.0.0:3000 for every network".to_owned())
}

fn parse_dialect_addr(text: &str) -> Result<(Api, SocketAddr), String> {
    let (name, addr) = text.split_once('=').ok_or("write a dialect and an address: sendwithus=127.0.0.1:3101")?;
    let dialect = name.to_ascii_lowercase().parse().ok().filter(|api| Api::OTHERS.contains(api)).ok_or_else(|| {
        let names = Api::OTHERS.map(Api::as_str);
        format!("there is no dialect {name:?}: use {}", names.join(", "))
    })?;
    let parsed = addr.parse().map_err(|_| format!("write an IP address and a port: {name}=127.0.0.1:3101"))?;
    Ok((dialect, parsed))
}

fn parse_host_name(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let is_name = text.len() <= 253 && text.split('.').all(is_label);
    is_name.then(|| text.to_owned()).ok_or_else(|| "write the name alone: smtp.example.com".to_owned())
}

/// What is secret goes to a provider over https alone, unless it runs on this machine.
fn parse_issuer(text: &str) -> Result<String, String> {
    const EXAMPLE: &str = "write the provider's https address: https://id.example.com/realms/main";
    let url = url::Url::parse(text).map_err(|_| EXAMPLE.to_owned())?;
    let is_here = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
    match url.scheme() {
        "https" => Ok(text.to_owned()),
        "http" if is_here => Ok(text.to_owned()),
        _ => Err(EXAMPLE.to_owned()),
    }
}

fn parse_group_role(text: &str) -> Result<GroupRole, String> {
    let parts = text.rsplit_once('=').and_then(|(group, place)| Some((group, place.split_once(':')?)));
    match parts {
        Some((group, (team, role))) if ![group, team, role].iter().any(|part| part.trim().is_empty()) => {
            Ok(GroupRole {
                group: group.trim().to_owned(),
                team_slug: team.trim().to_owned(),
                role: role.trim().to_owned(),
            })
        }
        _ => Err("write a group, a team and a role: support=finch:viewer".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_address_is_refused_with_an_example() {
        for wrong in ["localhost:3000", "127.0.0.1", ":3000", "http://127.0.0.1:3000"] {
            assert!(parse_addr(wrong).unwrap_err().contains("127.0.0.1:3000"), "{wrong}");
            let of_dialect = parse_dialect_addr(&format!("resend={wrong}")).unwrap_err();
            assert!(of_dialect.contains("resend=127.0.0.1:3101"), "{of_dialect}");
            assert!(
                parse_base_url(wrong).is_err_and(|said| said.contains("https://mail.example.com"))
                    || wrong.starts_with("http")
            );
            assert!(
                parse_issuer(wrong).is_err_and(|said| said.contains("https://id.example.com"))
                    || wrong.starts_with("http")
            );
        }
        assert_eq!(parse_addr("[::1]:3000"), Ok("[::1]:3000".parse().unwrap()));
    }

    #[test]
    fn a_server_calls_itself_by_its_own_name_in_smtp() {
        let mut config = Config::at(([127, 0, 0, 1], 3000).into());
        assert_eq!(config.smtp_host_name(), "localhost");
        config.base_url = Some("https://mail.example.com".to_owned());
        assert_eq!(config.smtp_host_name(), "mail.example.com");
        config.smtp.smtp_host_name = parse_host_name("smtp.example.com").ok();
        assert_eq!(config.smtp_host_name(), "smtp.example.com");
        for wrong in ["", "smtp.example.com:587", "a b", "a..b", "größe.example", "x\r\n250 y"] {
            assert!(parse_host_name(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_group_is_given_a_role_in_a_team() {
        let read = |text: &str| parse_group_role(text).map(|role| (role.group, role.team_slug, role.role));
        let texts = |one: &str, two: &str, three: &str| Ok((one.to_owned(), two.to_owned(), three.to_owned()));
        assert_eq!(read("support=finch:viewer"), texts("support", "finch", "viewer"));
        assert_eq!(read("cn=ops = finch : On call"), texts("cn=ops", "finch", "On call"));
        for wrong in ["support", "support=finch", "=finch:viewer", "support=:viewer", "support=finch:"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_provider_elsewhere_is_reached_by_https() {
        for right in ["https://id.example.com/realms/main", "http://127.0.0.1:4000", "http://localhost:4000"] {
            assert_eq!(parse_issuer(right).as_deref(), Ok(right));
        }
        assert!(parse_issuer("http://id.example.com").is_err() && parse_issuer("id.example.com").is_err());
    }

    #[test]
    fn a_dialects_own_address_is_one_that_programs_can_ask() {
        let mut config = Config::at(([127, 0, 0, 1], 3000).into());
        config.dialect_addrs =
            vec![(Api::Sendwithus, ([127, 0, 0, 1], 3101).into()), (Api::Resend, ([0, 0, 0, 0], 3102).into())];
        config.base_url = Some("https://mail.example.com".to_owned());
        assert_eq!(config.own_url(Api::Sendwithus).as_deref(), Some("http://127.0.0.1:3101"));
        assert_eq!(config.own_url(Api::Resend).as_deref(), Some("http://mail.example.com:3102"));
        assert_eq!(config.own_url(Api::Jetemail), None);
    }
}
