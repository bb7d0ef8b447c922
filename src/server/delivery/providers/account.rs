//! The account at a provider, as an adapter's address and log-in say it.

use crate::server::delivery::http_endpoint::{HttpEndpoint, HttpLogIn, HttpSecret};

/// The account that a request is made for.
pub struct Account<'a> {
    /// The API's address, without a query: `https://api.sendgrid.com`.
    pub base: &'a str,
    /// The half of the log-in that is no secret; empty where the key is all of it.
    pub user: &'a str,
    pub key: &'a str,
    options: Vec<(String, String)>,
}

impl<'a> Account<'a> {
    /// An account whose settings stand in a query: `messageStream=receipts&trackOpens=false`.
    pub fn new(base: &'a str, user: &'a str, key: &'a str, query: &str) -> Self {
        Self { base, user, key, options: form_urlencoded::parse(query.as_bytes()).into_owned().collect() }
    }

    /// The account of an adapter.
    pub fn of(endpoint: &'a HttpEndpoint, secret: &'a HttpSecret) -> Self {
        let (user, key) = match &secret.log_in {
            Some(HttpLogIn::Bearer(key)) => ("", key.as_str()),
            Some(HttpLogIn::Basic(user, key)) => (user.as_str(), key.as_str()),
            None => ("", ""),
        };
        Self::new(endpoint.as_str(), user, key, secret.query.as_deref().unwrap_or_default())
    }

    /// A setting of the adapter's; `None` where it is empty.
    pub fn option(&self, name: &str) -> Option<&str> {
        let named = self.options.iter().find(|(key, _)| key == name);
        named.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A setting that is on or off; `None` leaves it to the provider.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.option(name)? {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }
}
