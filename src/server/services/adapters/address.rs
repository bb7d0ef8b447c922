//! Where an adapter leads and what it logs in with, read from an address or from the fields of a form. A log-in that is kept
//! never follows to another server: whoever may change an adapter could have it sent to a machine of their own.

mod provider;

use std::net::Ipv6Addr;

use self::provider::{checked_log_in, read_provider, setting_in, with_setting};
use crate::domain::adapter::form::{AddressForm, BOUNCE_DOMAIN_WORDS, HttpForm, KeptLogIn, PORT_WORDS, SmtpForm};
use crate::domain::adapter::{Adapter, AdapterKind, TlsMode};
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};
use crate::domain::named::UnknownName;
use crate::server::App;
use crate::server::delivery::endpoint::{ESCAPES, SmtpEndpoint, SmtpSecret, bounce_domain, usual_port};
use crate::server::delivery::http_endpoint::{HttpEndpoint, HttpLogIn, HttpSecret};
use crate::server::delivery::providers::PER_SECOND;
use crate::server::outbound::Unreachable;

/// What is asked for where a kept log-in would go to another server.
const TYPE_AGAIN: &str = "The saved log-in belongs to the previous server. Type the one of this server";

/// What is asked for where the user of a mail server was typed alone. The API takes an address with a user alone, and
/// receivers of web addresses may take a key for the user and no password.
const TYPE_PASSWORD: &str = "Type the password of this user";

/// Where an adapter is to lead, as somebody says it.
#[derive(Clone, Debug)]
pub enum GivenAddress {
    /// With user name and password in it: `smtp://user:password@mail.example.com:587`, or
    /// `https://token@example.com/messages`.
    Url(String),
    Form(Box<AddressForm>),
}

/// What an adapter's address says.
#[derive(PartialEq, Eq)]
pub(super) struct Address {
    /// The public half, as it is kept.
    pub(super) endpoint: String,
    pub(super) host: String,
    pub(super) secret: Secret,
}

#[derive(PartialEq, Eq)]
pub(super) enum Secret {
    Smtp(SmtpSecret),
    Http(HttpSecret),
}

impl Address {
    /// Reads an address and refuses one that is private by its very text. A name is looked up at every connection. What is
    /// left empty in a form is taken from the address before, where both are for the same server.
    pub(super) fn read(
        app: &App,
        kind: AdapterKind,
        given: &GivenAddress,
        before: Option<&Self>,
    ) -> Result<Self, AppError> {
        let (address, field) = match (given, kind) {
            (GivenAddress::Url(url), AdapterKind::Smtp) => (Self::smtp(SmtpEndpoint::parse(url)?), "url"),
            (GivenAddress::Url(url), AdapterKind::Http) => (Self::http(HttpEndpoint::parse(url)?), "url"),
            (GivenAddress::Url(url), _) => {
                (Self::http(checked_log_in(kind, "url", "url", HttpEndpoint::parse(url)?)?), "url")
            }
            (GivenAddress::Form(form), AdapterKind::Smtp) => {
                let before = before.and_then(Self::smtp_half).transpose()?;
                (Self::smtp(read_smtp(&form.smtp, before)?), "smtp[host]")
            }
            (GivenAddress::Form(form), AdapterKind::Http) => {
                let before = before.and_then(Self::http_half).transpose()?;
                (Self::http(read_http(&form.http, before)?), "http[url]")
            }
            (GivenAddress::Form(form), _) => {
                let before = before.and_then(Self::http_half).transpose()?;
                (Self::http(read_provider(kind, &form.http, before)?), "http[url]")
            }
        };
        let refused = |cause: Unreachable| AppError::invalid_field(field, cause.to_string());
        app.config.outbound().check_host(&address.host).map_err(refused)?;
        Ok(address)
    }

    /// The address of an adapter as it is kept.
    pub(super) async fn load(app: &App, team: TeamId, adapter: &Adapter) -> Result<Self, AppError> {
        let sealed = app.store.find_adapter_secret(team, adapter.id).await?.ok_or(AppError::Internal)?;
        match adapter.kind {
            AdapterKind::Smtp => {
                let endpoint = adapter.endpoint.parse().map_err(|_| AppError::Internal)?;
                Ok(Self::smtp((endpoint, SmtpSecret::open(&app.secret_key, &sealed, team, adapter.id)?)))
            }
            _ => {
                let endpoint = adapter.endpoint.parse().map_err(|_| AppError::Internal)?;
                Ok(Self::http((endpoint, HttpSecret::open(&app.secret_key, &sealed, team, adapter.id)?)))
            }
        }
    }

    /// The address of an adapter, as if it had no log-in.
    pub(super) fn without_log_in(adapter: &Adapter) -> Result<Self, AppError> {
        Ok(match adapter.kind {
            AdapterKind::Smtp => Self::smtp((adapter.endpoint.parse()?, SmtpSecret::default())),
            _ => Self::http((adapter.endpoint.parse()?, HttpSecret::default())),
        })
    }

    /// The form that says this address, without its secrets.
    pub(super) fn form(&self, kind: AdapterKind) -> Result<(AddressForm, KeptLogIn), AppError> {
        let mut form = AddressForm::default();
        let kept = match &self.secret {
            Secret::Smtp(secret) => {
                let endpoint: SmtpEndpoint = self.endpoint.parse()?;
                form.smtp.host = endpoint.host;
                form.smtp.bounces = endpoint.bounces.unwrap_or_default();
                form.smtp.port = endpoint.port.to_string();
                form.smtp.security = endpoint.tls.as_str().to_owned();
                form.smtp.user = shown_user(secret).unwrap_or_default().to_owned();
                match (&secret.user, secret.password.as_deref().unwrap_or_default()) {
                    (None, _) => KeptLogIn::None,
                    (Some(_), "") => KeptLogIn::User,
                    (Some(_), _) => KeptLogIn::Password,
                }
            }
            Secret::Http(secret) => {
                form.http.url = self.endpoint.clone();
                if let Some(setting) = kind.provider_form().and_then(|form| form.setting) {
                    form.http.setting = setting_in(secret.query.as_deref(), setting.name).unwrap_or_default();
                }
                if kind.provider_form().is_some() {
                    form.http.per_second = setting_in(secret.query.as_deref(), PER_SECOND).unwrap_or_default();
                }
                match &secret.log_in {
                    None => KeptLogIn::None,
                    Some(HttpLogIn::Bearer(_)) => KeptLogIn::Token,
                    Some(HttpLogIn::Basic(user, password)) => {
                        form.http.user = user.clone();
                        if password.is_empty() { KeptLogIn::User } else { KeptLogIn::Password }
                    }
                }
            }
        };
        Ok((form, kept))
    }

    /// The secret half with another value of a setting; a mail server has none.
    pub(super) fn with_setting(self, name: &str, value: &str) -> Secret {
        match self.secret {
            Secret::Http(HttpSecret { log_in, query }) => {
                Secret::Http(HttpSecret { log_in, query: with_setting(query.as_deref(), name, value) })
            }
            secret @ Secret::Smtp(_) => secret,
        }
    }

    fn smtp((endpoint, secret): (SmtpEndpoint, SmtpSecret)) -> Self {
        Self { endpoint: endpoint.to_string(), host: endpoint.host, secret: Secret::Smtp(secret) }
    }

    fn http((endpoint, secret): (HttpEndpoint, HttpSecret)) -> Self {
        let host = endpoint.host().to_owned();
        Self { endpoint: endpoint.to_string(), host, secret: Secret::Http(secret) }
    }

    fn smtp_half(&self) -> Option<Result<(SmtpEndpoint, &SmtpSecret), AppError>> {
        match &self.secret {
            Secret::Smtp(secret) => Some(self.endpoint.parse().map(|endpoint| (endpoint, secret))),
            Secret::Http(_) => None,
        }
    }

    fn http_half(&self) -> Option<Result<(HttpEndpoint, &HttpSecret), AppError>> {
        match &self.secret {
            Secret::Http(secret) => Some(self.endpoint.parse().map(|endpoint| (endpoint, secret))),
            Secret::Smtp(_) => None,
        }
    }
}

impl Secret {
    pub(super) fn seal(&self, app: &App, team: TeamId, id: AdapterId) -> String {
        match self {
            Self::Smtp(secret) => secret.seal(&app.secret_key, team, id),
            Self::Http(secret) => secret.seal(&app.secret_key, team, id),
        }
    }
}

/// The user name, for whoever may change it. Some providers take a token for both name and password: that is not shown.
fn shown_user(secret: &SmtpSecret) -> Option<&str> {
    secret.user.as_deref().filter(|user| secret.password.as_deref() != Some(user))
}

fn read_smtp(
    form: &SmtpForm,
    before: Option<(SmtpEndpoint, &SmtpSecret)>,
) -> Result<(SmtpEndpoint, SmtpSecret), AppError> {
    let (mut endpoint, in_host) = server_of(form, before.as_ref().map(|(before, _)| before.port))?;
    if !form.bounces.trim().is_empty() {
        let wrong = || AppError::invalid_field("smtp[bounces]", BOUNCE_DOMAIN_WORDS);
        endpoint.bounces = Some(bounce_domain(&form.bounces).ok_or_else(wrong)?);
    }
    if form.no_log_in {
        return Ok((endpoint, SmtpSecret::default()));
    }
    let saved_user = before.as_ref().and_then(|(_, secret)| shown_user(secret));
    let user = match (in_host.user, one_line("smtp[user]", form.user.trim())?) {
        (Some(in_host), Some(typed)) if in_host != typed && saved_user != Some(typed.as_str()) => {
            return Err(AppError::invalid_field("smtp[user]", "Host names another user than this"));
        }
        (in_host, typed) => in_host.or(typed),
    };
    let in_host = in_host.password.filter(|password| !password.is_empty());
    let password = one_line("smtp[password]", &form.password)?.or(in_host);
    let kept = before.filter(|(_, secret)| secret.user.is_some());
    let (kept, has_moved) = match kept {
        Some((before, secret)) if before.host == endpoint.host => (Some(secret), false),
        Some(_) => (None, true),
        None => (None, false),
    };
    let hidden_user = kept.filter(|secret| shown_user(secret).is_none()).and_then(|secret| secret.user.clone());
    let user = user.or(hidden_user);
    let password = password.or_else(|| kept.and_then(|secret| secret.password.clone()));
    match (user, password) {
        (_, None) if has_moved => Err(AppError::invalid_field("smtp[password]", TYPE_AGAIN)),
        (None, None) => Ok((endpoint, SmtpSecret::default())),
        (None, Some(_)) => Err(AppError::invalid_field("smtp[user]", "Fill in the user of this password")),
        (Some(_), None) => Err(AppError::invalid_field("smtp[password]", TYPE_PASSWORD)),
        (user @ Some(_), password @ Some(_)) => Ok((endpoint, SmtpSecret { user, password })),
    }
}

/// The server that the form names, and the log-in of an address that was put into the field of the host. What stands there
/// counts more than a field that is as it was saved.
fn server_of(form: &SmtpForm, saved_port: Option<u16>) -> Result<(SmtpEndpoint, SmtpSecret), AppError> {
    let host = form.host.trim();
    let wrong = |message: String| AppError::invalid_field("smtp[host]", message);
    if host.is_empty() {
        return Err(wrong("Write the name of the mail server, such as mail.example.com".to_owned()));
    }
    if host.contains("://") {
        let parsed = SmtpEndpoint::parse(host).map_err(|error| match error.to_string() {
            escapes if escapes == ESCAPES => wrong(format!("{ESCAPES}. Or type both into their own fields")),
            message => wrong(message),
        })?;
        // The port that a whole address leaves out is that of its scheme.
        if let Some(in_host) = port_in(host) {
            read_port(form, Some(in_host), saved_port)?;
        }
        return Ok(parsed);
    }
    let is_ipv6 = host.parse::<Ipv6Addr>().is_ok();
    let url = if is_ipv6 { format!("smtp://[{host}]") } else { format!("smtp://{host}") };
    let (mut endpoint, secret) = SmtpEndpoint::parse(&url).map_err(|_| {
        wrong(
            "Write only the server's name, such as mail.example.com. Port, user and password have their own fields"
                .into(),
        )
    })?;
    if !form.security.is_empty() {
        let unknown = |cause: UnknownName| AppError::invalid_field("smtp[security]", cause.to_string());
        endpoint.tls = form.security.parse::<TlsMode>().map_err(unknown)?;
    }
    endpoint.port = read_port(form, port_in(&url), saved_port)?.unwrap_or_else(|| usual_port(endpoint.tls));
    Ok((endpoint, secret))
}

/// The port that stands in an address.
fn port_in(url: &str) -> Option<u16> {
    url::Url::parse(url).ok()?.port()
}

/// The port of the host or of its own field, which do not contradict each other.
fn read_port(form: &SmtpForm, in_host: Option<u16>, saved: Option<u16>) -> Result<Option<u16>, AppError> {
    let wrong = |message: String| AppError::invalid_field("smtp[port]", message);
    let typed = match form.port.trim() {
        "" => None,
        port => {
            let port = port.parse::<u16>().ok().filter(|port| *port != 0);
            Some(port.ok_or_else(|| wrong(PORT_WORDS.to_owned()))?)
        }
    };
    match (in_host, typed) {
        (Some(in_host), Some(typed)) if in_host != typed && saved != Some(typed) => {
            Err(wrong(format!("Host says {in_host}, and this says {typed}")))
        }
        (in_host, typed) => Ok(in_host.or(typed)),
    }
}

fn read_http(
    form: &HttpForm,
    before: Option<(HttpEndpoint, &HttpSecret)>,
) -> Result<(HttpEndpoint, HttpSecret), AppError> {
    let url = form.url.trim();
    if url.is_empty() {
        let message = "Write the address that messages are posted to, such as https://example.com/messages";
        return Err(AppError::invalid_field("http[url]", message));
    }
    let url = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
    let wrong = |error: AppError| AppError::invalid_field("http[url]", error.to_string());
    let (endpoint, in_url) = HttpEndpoint::parse(&url).map_err(wrong)?;
    let (kept, has_moved) = match before {
        Some((before, secret)) if before == endpoint => (Some(secret), false),
        Some((_, secret)) => (None, secret.log_in.is_some()),
        None => (None, false),
    };
    let query = in_url.query.or_else(|| kept.and_then(|secret| secret.query.clone()));
    if form.no_log_in {
        return Ok((endpoint, HttpSecret { log_in: None, query }));
    }
    let token = one_line("http[token]", form.token.trim())?;
    let user = one_line("http[user]", form.user.trim())?;
    let password = one_line("http[password]", &form.password)?;
    let kept = kept.and_then(|secret| secret.log_in.clone());
    let log_in = match (token, user, password) {
        (Some(_), _, Some(_)) => {
            let message = "Fill in either the token, or user and password";
            return Err(AppError::invalid_field("http[token]", message));
        }
        (Some(token), _, None) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Some(HttpLogIn::Bearer(token)),
        (Some(_), _, None) => {
            return Err(AppError::invalid_field("http[token]", "A token has ASCII characters only, without spaces"));
        }
        (None, Some(user), Some(password)) => Some(HttpLogIn::Basic(user, password)),
        (None, None, Some(_)) => {
            return Err(AppError::invalid_field("http[user]", "Fill in the user of this password"));
        }
        (None, user, None) => match (in_url.log_in.or(kept), user) {
            (None, Some(_)) if has_moved => return Err(AppError::invalid_field("http[password]", TYPE_AGAIN)),
            (None, None) if has_moved => return Err(AppError::invalid_field("http[token]", TYPE_AGAIN)),
            (Some(HttpLogIn::Basic(_, password)), Some(user)) => Some(HttpLogIn::Basic(user, password)),
            (None | Some(HttpLogIn::Bearer(_)), Some(user)) => Some(HttpLogIn::Basic(user, String::new())),
            (found, None) => found,
        },
    };
    Ok((endpoint, HttpSecret { log_in, query }))
}

/// What was typed into a field; `None` for nothing.
fn one_line(field: &str, text: &str) -> Result<Option<String>, AppError> {
    if text.chars().any(char::is_control) {
        return Err(AppError::invalid_field(field, "This must be one line, without control characters"));
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn smtp(host: &str, port: &str, security: &str) -> SmtpForm {
        SmtpForm { host: host.into(), port: port.into(), security: security.into(), ..SmtpForm::default() }
    }

    fn with_log_in(host: &str, user: &str, password: &str) -> SmtpForm {
        SmtpForm { user: user.into(), password: password.into(), ..smtp(host, "587", "required") }
    }

    fn field_of<T>(result: Result<T, AppError>) -> String {
        result.err().and_then(|error| error.field().map(str::to_owned)).unwrap_or_default()
    }

    #[test]
    fn a_mail_server_is_its_fields_or_an_address_in_the_field_of_the_host() {
        for (form, shown, user) in [
            (smtp("mail.example.com", "", ""), "smtp://mail.example.com:587", None),
            (smtp(" mail.example.com ", "", "implicit"), "smtps://mail.example.com:465", None),
            (smtp("mail.example.com", "25", "opportunistic"), "smtp://mail.example.com:25?tls=opportunistic", None),
            (smtp("mail.example.com:2525", "", "required"), "smtp://mail.example.com:2525", None),
            (smtp("mail.example.com:2525", "2525", "required"), "smtp://mail.example.com:2525", None),
            (smtp("::1", "25", "none"), "smtp://[::1]:25?tls=none", None),
            (
                smtp("smtps://ada%40x:p%23w@mail.example.com", "587", "none"),
                "smtps://mail.example.com:465",
                Some("ada@x"),
            ),
            (smtp("ada:pw@mail.example.com", "25", "required"), "smtp://mail.example.com:25", Some("ada")),
        ] {
            let (endpoint, secret) = read_smtp(&form, None).unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!((endpoint.to_string().as_str(), secret.user.as_deref()), (shown, user));
        }
    }

    #[test]
    fn what_stands_in_the_host_counts_more_than_a_field_that_is_as_it_was_saved() {
        let (endpoint, secret) = read_smtp(&with_log_in("mail.example.com", "ada", "hush"), None).unwrap();
        let form = with_log_in("bea:other@mail.example.com:2525", "ada", "");
        let (endpoint, secret) = read_smtp(&form, Some((endpoint, &secret))).unwrap();
        assert_eq!(
            (endpoint.port, secret.user.as_deref(), secret.password.as_deref()),
            (2525, Some("bea"), Some("other"))
        );
        let form = with_log_in("bea@mail.example.com:2525", "", "pw");
        assert_eq!(read_smtp(&SmtpForm { port: String::new(), ..form }, None).unwrap().1.user.as_deref(), Some("bea"));
    }

    #[test]
    fn a_mistake_stands_at_its_field() {
        for (form, field) in [
            (smtp("", "587", ""), "smtp[host]"),
            (smtp("mail example.com", "", ""), "smtp[host]"),
            (smtp("http://mail.example.com", "", ""), "smtp[host]"),
            (smtp("smtp://ada:p#w@mail.example.com", "", ""), "smtp[host]"),
            (smtp("mail.example.com", "smtp", ""), "smtp[port]"),
            (smtp("mail.example.com", "70000", ""), "smtp[port]"),
            (smtp("mail.example.com", "0", ""), "smtp[port]"),
            (smtp("mail.example.com:587", "465", ""), "smtp[port]"),
            (smtp("mail.example.com:587", "smtp", ""), "smtp[port]"),
            (smtp("smtps://mail.example.com:465", "587", ""), "smtp[port]"),
            (with_log_in("bea@mail.example.com", "ada", "pw"), "smtp[user]"),
            (with_log_in("smtp://bea:pw@mail.example.com", "ada", ""), "smtp[user]"),
            (smtp("mail.example.com", "", "ssl"), "smtp[security]"),
            (with_log_in("mail.example.com", "", "pw"), "smtp[user]"),
            (with_log_in("mail.example.com", "ada", ""), "smtp[password]"),
            (smtp("ada@mail.example.com", "", ""), "smtp[password]"),
            (smtp("smtp://ada@mail.example.com", "", ""), "smtp[password]"),
            (with_log_in("mail.example.com", "ada", "p\nw"), "smtp[password]"),
        ] {
            assert_eq!(field_of(read_smtp(&form, None)), field);
        }
    }

    #[test]
    fn a_password_is_taken_as_it_is_typed() {
        for password in ["p#w", "a/b?c@d:e%41\\", " two words ", "пароль", "100%"] {
            let (_, secret) = read_smtp(&with_log_in("mail.example.com", "ada@x:y", password), None).unwrap();
            assert_eq!((secret.user.as_deref(), secret.password.as_deref()), (Some("ada@x:y"), Some(password)));
        }
    }

    #[test]
    fn a_kept_password_stays_with_its_server_and_follows_to_no_other() {
        let (endpoint, secret) = read_smtp(&with_log_in("mail.example.com", "ada", "hush"), None).unwrap();
        let before = || Some((endpoint.clone(), &secret));
        let same = with_log_in("mail.example.com", "bea", "");
        let found = read_smtp(&SmtpForm { port: "465".into(), security: "implicit".into(), ..same }, before());
        assert_eq!(found.unwrap().1, SmtpSecret { user: Some("bea".into()), password: Some("hush".into()) });
        for user in ["ada", ""] {
            assert_eq!(field_of(read_smtp(&with_log_in("evil.example", user, ""), before())), "smtp[password]");
        }
        let none = SmtpForm { no_log_in: true, ..with_log_in("evil.example", "ada", "") };
        assert_eq!(read_smtp(&none, before()).unwrap().1, SmtpSecret::default());
        assert_eq!(field_of(read_smtp(&with_log_in("mail.example.com", "", ""), before())), "smtp[user]");
    }

    #[test]
    fn a_user_who_is_kept_without_a_password_stays_and_no_password_is_claimed() {
        let (endpoint, secret) = SmtpEndpoint::parse("smtp://ada@mail.example.com").unwrap();
        let (form, kept) = Address::smtp((endpoint.clone(), secret.clone())).form(AdapterKind::Smtp).unwrap();
        assert_eq!((form.smtp.user.as_str(), kept), ("ada", KeptLogIn::User));
        assert_eq!(read_smtp(&form.smtp, Some((endpoint, &secret))).unwrap().1, secret);
        let (endpoint, secret) = HttpEndpoint::parse("https://hooks.example.com/sms?key=1").unwrap();
        let log_in = Some(HttpLogIn::Basic("ada".into(), String::new()));
        let secret = HttpSecret { log_in, ..secret };
        let (form, kept) = Address::http((endpoint.clone(), secret.clone())).form(AdapterKind::Http).unwrap();
        assert_eq!((form.http.user.as_str(), kept), ("ada", KeptLogIn::User));
        assert!(read_http(&form.http, Some((endpoint, &secret))).unwrap().1 == secret);
    }

    #[test]
    fn a_user_name_that_is_the_password_too_is_not_shown() {
        let token = SmtpSecret { user: Some("tok".into()), password: Some("tok".into()) };
        let (endpoint, _) = SmtpEndpoint::parse("smtp://mail.example.com").unwrap();
        let (form, kept) = Address::smtp((endpoint.clone(), token.clone())).form(AdapterKind::Smtp).unwrap();
        assert_eq!((form.smtp.user.as_str(), kept), ("", KeptLogIn::Password));
        assert_eq!(read_smtp(&form.smtp, Some((endpoint, &token))).unwrap().1, token);
    }

    #[test]
    fn a_web_address_keeps_its_secrets_while_it_stays_the_same() {
        let form = |url: &str, token: &str, user: &str, password: &str| HttpForm {
            url: url.into(),
            token: token.into(),
            user: user.into(),
            password: password.into(),
            setting: String::new(),
            no_log_in: false,
            per_second: String::new(),
        };
        let (endpoint, secret) = read_http(&form("hooks.example.com/sms?key=1", "tok", "", ""), None).unwrap();
        assert_eq!(endpoint.to_string(), "https://hooks.example.com/sms");
        assert!(secret.log_in == Some(HttpLogIn::Bearer("tok".into())) && secret.query.as_deref() == Some("key=1"));
        let before = || Some((endpoint.clone(), &secret));
        let same = "https://hooks.example.com/sms";
        assert!(read_http(&form(same, "", "", ""), before()).unwrap().1 == secret);
        let changed = read_http(&form(same, "", "ada", "p/w#"), before()).unwrap().1;
        assert!(changed.log_in == Some(HttpLogIn::Basic("ada".into(), "p/w#".into())) && changed.query == secret.query);
        for (form, field) in [
            (form("https://hooks.example.com/other", "", "", ""), "http[token]"),
            (form("https://evil.example/sms", "", "ada", ""), "http[password]"),
            (form(same, "tok", "ada", "pw"), "http[token]"),
            (form(same, "t k", "", ""), "http[token]"),
            (form(same, "", "", "pw"), "http[user]"),
            (form("", "tok", "", ""), "http[url]"),
            (form("smtp://mail.example.com", "", "", ""), "http[url]"),
        ] {
            assert_eq!(field_of(read_http(&form, before())), field);
        }
    }
}
