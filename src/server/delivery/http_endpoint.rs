//! Where an HTTP adapter posts to, and what it proves itself with: the public and the secret half of its address. Called by
//! the services when they save an adapter, and by [super::worker] and [super::http] when they use it.
//! Sources: RFC 3986 (addresses), RFC 6750 (bearer tokens), RFC 7617 (Basic).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use super::endpoint::{ESCAPES, has_sign_after_authority, seal_context, secret};
use crate::domain::adapter::form::PORT_WORDS;
use crate::domain::error::AppError;
use crate::domain::ids::{AdapterId, TeamId};
use crate::server::secrets::SecretKey;

const URL_FORM: &str = "write https://token@example.com/messages, or https://user:password@example.com/messages";

/// Where an HTTP adapter posts to: scheme, host, port and path. Its text form is kept in `adapters.endpoint`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpEndpoint(Url);

/// What an HTTP adapter proves itself with. Kept sealed. Its `Debug` shows nothing of it.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpSecret {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_in: Option<HttpLogIn>,
    /// The query string, which often holds a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// How a request says who sends it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HttpLogIn {
    /// `Authorization: Bearer …`
    Bearer(String),
    /// `Authorization: Basic …`: user and password.
    Basic(String, String),
}

impl HttpEndpoint {
    /// Reads `https://[token@|user:password@]host[:port]/path[?query]`, or `http://…`, into its public and its secret half.
    /// An error blames the parameter `url` and never repeats the address.
    pub fn parse(url: &str) -> Result<(Self, HttpSecret), AppError> {
        let wrong = |message: &str| AppError::invalid_field("url", message);
        if url.chars().any(char::is_control) {
            return Err(wrong("The address must be one line, without control characters"));
        }
        // An `@` may stand in a path or a query, so it is a sign of a cut password only where something is wrong anyway.
        let cut_password = has_sign_after_authority(url).then(|| wrong(ESCAPES));
        let mut parsed = Url::parse(url.trim()).map_err(|cause| match (cut_password.clone(), cause) {
            (Some(cut_password), _) => cut_password,
            (None, url::ParseError::InvalidPort) => wrong(PORT_WORDS),
            (None, cause) => wrong(&format!("The address is wrong ({cause}): {URL_FORM}")),
        })?;
        if !matches!(parsed.scheme(), "http" | "https") {
            return Err(wrong(&format!("The address must begin with https:// or http://: {URL_FORM}")));
        }
        if parsed.fragment().is_some() {
            return Err(wrong(&format!("The address must not have a part after #. {ESCAPES}")));
        }
        if let Some(cut_password) = cut_password.filter(|_| parsed.domain().is_some_and(is_short_name)) {
            return Err(cut_password);
        }
        if parsed.port() == Some(0) {
            return Err(wrong(PORT_WORDS));
        }
        let has_password = parsed.password().is_some();
        let given = secret(&parsed)?;
        let log_in = match (given.user, given.password) {
            (Some(user), Some(password)) if has_password => Some(HttpLogIn::Basic(user, password)),
            (Some(token), _) if token.bytes().all(|byte| byte.is_ascii_graphic()) => Some(HttpLogIn::Bearer(token)),
            (Some(_), _) => return Err(wrong("A token has ASCII characters only, without spaces")),
            (None, _) => None,
        };
        let query = parsed.query().filter(|query| !query.is_empty()).map(str::to_owned);
        parsed.set_query(None);
        if parsed.set_username("").is_err() || parsed.set_password(None).is_err() {
            return Err(wrong(&format!("The address names no host: {URL_FORM}")));
        }
        Ok((Self(parsed), HttpSecret { log_in, query }))
    }

    /// The host that is talked to.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// The address without its query.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &str {
        self.0.scheme()
    }

    /// The host and the port that are talked to over TLS; `None` where nothing is encrypted.
    pub fn encrypted_host(&self) -> Option<(String, u16)> {
        let host = self.0.host_str()?.trim_matches(['[', ']']).to_owned();
        (self.scheme() == "https").then_some((host, self.0.port_or_known_default()?))
    }

    /// The whole address, as it is requested.
    pub(super) fn with_query(&self, secret: &HttpSecret) -> Url {
        let mut url = self.0.clone();
        url.set_query(secret.query.as_deref());
        url
    }
}

impl fmt::Display for HttpEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl FromStr for HttpEndpoint {
    type Err = AppError;

    fn from_str(text: &str) -> Result<Self, AppError> {
        Self::parse(text).map(|(endpoint, _)| endpoint)
    }
}

/// Whether a host is one word, as the user name before a cut password is.
fn is_short_name(host: &str) -> bool {
    !host.contains('.') && host != "localhost"
}

impl HttpSecret {
    /// Encrypts the secret half for `adapters.sealed_secret`. It opens in that place alone.
    pub fn seal(&self, key: &SecretKey, team_id: TeamId, adapter_id: AdapterId) -> String {
        let json = serde_json::json!(self).to_string();
        key.seal(json.as_bytes(), &seal_context(team_id, adapter_id))
    }

    /// The secret half of an adapter; [AppError::Internal] when it was sealed with another key or for another adapter.
    pub fn open(key: &SecretKey, sealed: &str, team_id: TeamId, adapter_id: AdapterId) -> Result<Self, AppError> {
        let json = key.open(sealed, &seal_context(team_id, adapter_id))?;
        serde_json::from_slice(&json).map_err(|_| AppError::Internal)
    }
}

impl fmt::Debug for HttpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> (HttpEndpoint, HttpSecret) {
        HttpEndpoint::parse(url).unwrap_or_else(|cause| panic!("{url}: {cause}"))
    }

    #[test]
    fn an_address_splits_into_endpoint_and_secret() {
        let bearer = |token: &str| Some(HttpLogIn::Bearer(token.to_owned()));
        for (url, shown, log_in, query) in [
            ("https://Hooks.example.com", "https://hooks.example.com/", None, None),
            ("http://tok-1@127.0.0.1:8080/a/b?", "http://127.0.0.1:8080/a/b", bearer("tok-1"), None),
            (
                "https://ada%40x:p%3Aa%2F@h.example/m?key=1&x=2",
                "https://h.example/m",
                Some(HttpLogIn::Basic("ada@x".to_owned(), "p:a/".to_owned())),
                Some("key=1&x=2"),
            ),
        ] {
            let (endpoint, secret) = parsed(url);
            assert_eq!(endpoint.to_string(), shown);
            assert_eq!(shown.parse(), Ok(endpoint.clone()));
            assert!(secret.log_in == log_in && secret.query.as_deref() == query, "{url}");
            let whole = endpoint.with_query(&secret);
            assert_eq!((whole.username(), whole.query()), ("", query));
            assert!(!format!("{endpoint:?} {secret:?}").contains("p:a"));
        }
    }

    #[test]
    fn a_wrong_address_is_explained_and_not_repeated() {
        for url in [
            "",
            "hooks.example.com",
            "smtp://u:hunter2@hooks.example.com",
            "https://",
            "https://u:hunter2@",
            "https://u:hunter2@h.example:port",
            "https://u:hunter2@h.example:0",
            "https://u:hunter2@h.example/#x",
            "https://u:hunter2%0d%0a@h.example",
            "https://:hunter2@h.example",
            "https://hunter2%20ü@h.example",
            "https://h.exa\nmple.com",
        ] {
            let refused = HttpEndpoint::parse(url).expect_err(url);
            assert!(matches!(&refused, AppError::Validation { field: Some(field), .. } if field == "url"), "{url}");
            assert!(!refused.to_string().contains("hunter2"), "{refused}");
        }
    }

    #[test]
    fn a_secret_that_ends_the_address_is_told_how_to_be_written() {
        for sign in ['/', '?', '#', '\\'] {
            for secret in [format!("ada:p{sign}w"), format!("tok{sign}en")] {
                let url = format!("https://{secret}@h.example/m");
                let refused = HttpEndpoint::parse(&url).expect_err(&url).to_string();
                assert!(refused.contains("%2F") && refused.contains("%23"), "{url}: {refused}");
            }
        }
        for url in
            ["https://h.example:8080/users/@me", "https://localhost/m?to=a@b.example", "https://tok@h.example/@me"]
        {
            assert!(HttpEndpoint::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_secret_opens_for_its_adapter_alone() {
        let key = SecretKey::generate();
        let (_, secret) = parsed("https://token@h.example?key=hush");
        let sealed = secret.seal(&key, TeamId(1), AdapterId(2));
        assert_eq!(HttpSecret::open(&key, &sealed, TeamId(1), AdapterId(2)), Ok(secret));
        assert_eq!(HttpSecret::open(&key, &sealed, TeamId(1), AdapterId(3)), Err(AppError::Internal));
    }
}
