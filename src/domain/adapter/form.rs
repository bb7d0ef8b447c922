//! What somebody types into the form of an adapter, field by field and as it is: percent-encoding is no business of
//! theirs. Filled in by `/settings/adapters`, read by the services. Secrets go in and never come out.

use std::fmt;

use super::AdapterKind;
use serde::{Deserialize, Serialize};

/// The field of a draft that names the secrets that were typed and are not in it.
pub const TYPED_SECRETS: &str = "typed_secrets";

/// What is said of a port that is none.
pub const PORT_WORDS: &str = "A port is a number from 1 to 65535";

/// The most requests in a second that an adapter can be set to.
pub const MOST_PER_SECOND: u32 = 1000;

/// What is said of a pace that is none.
pub const PACE_WORDS: &str = "A pace is a number from 1 to 1000";

/// What is said of a bounce domain that is none.
pub const BOUNCE_DOMAIN_WORDS: &str = "A bounce domain is a domain name of yours, such as bounces.example.com";

/// What is said of a sender that is no address.
pub const SENDER_WORDS: &str =
    "Write an email address, with or without a name before it, such as Finch <receipts@example.com>";

/// The fields of all kinds of adapter. The kind says which of them count: a provider's are those of a web address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressForm {
    pub smtp: SmtpForm,
    pub http: HttpForm,
}

/// A mail server. Its `Debug` shows nothing of the log-in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SmtpForm {
    /// A name or an IP address, with a port or not; or a whole `smtp://` address, which is taken apart.
    pub host: String,
    /// The domain that bounces come back to; nothing where they go to the sender.
    pub bounces: String,
    /// Nothing for the usual one.
    pub port: String,
    /// The name of a [TlsMode](super::TlsMode); nothing for the usual one.
    pub security: String,
    pub user: String,
    /// In a change, nothing keeps the one before.
    pub password: String,
    /// Whether it goes without a log-in, whatever else is there.
    pub no_log_in: bool,
}

/// A web address, or a provider's API. Its `Debug` shows nothing of the log-in.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpForm {
    /// With or without a log-in in it; `https://` where it has no scheme.
    pub url: String,
    /// Of a provider, its API key.
    pub token: String,
    pub user: String,
    /// In a change, nothing keeps the one before, and so with the token.
    pub password: String,
    /// Whether it goes without a log-in, whatever else is there.
    pub no_log_in: bool,
    /// Of a provider, the value of its [Setting](super::provider::Setting).
    pub setting: String,
    /// Of a provider, how many requests are made in a second; nothing for the provider's own pace.
    pub per_second: String,
}

/// What the form of a kind calls a field, where it says what is wrong beside it.
pub fn label_of(kind: AdapterKind, field: &str) -> Option<&'static str> {
    let provider = kind.provider_form();
    match (field, provider) {
        ("http[url]", Some(_)) => return Some("API address"),
        ("http[token]" | "http[password]", Some(form)) => return Some(form.key),
        ("http[user]", Some(form)) => return form.user,
        ("http[per_second]", Some(_)) => return Some("Messages a second"),
        ("http[setting]", Some(form)) => return form.setting.map(|setting| setting.label),
        _ => {}
    }
    match field {
        "name" => Some("Name"),
        "from" => Some("Default sender"),
        "smtp[host]" => Some("Host"),
        "smtp[port]" => Some("Port"),
        "smtp[bounces]" => Some("Bounce domain"),
        "http[url]" => Some("URL"),
        "http[token]" => Some("Token"),
        "smtp[user]" | "http[user]" => Some("User"),
        "smtp[password]" | "http[password]" => Some("Password"),
        _ => None,
    }
}

/// What an adapter is kept with, for the form that changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptLogIn {
    #[default]
    None,
    /// A user alone, whose password is empty.
    User,
    /// User and password.
    Password,
    Token,
}

impl fmt::Debug for SmtpForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SmtpForm(…)")
    }
}

impl fmt::Debug for HttpForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpForm(…)")
    }
}
