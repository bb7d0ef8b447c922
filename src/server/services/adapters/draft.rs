//! What is kept of an adapter's form that was refused: everything but its secrets, so that they rest nowhere.

use crate::domain::adapter::form::{AddressForm, TYPED_SECRETS};
use crate::domain::draft::Draft;

/// What was typed into the form of an adapter, but for the secrets; of these, that there were some.
pub fn draft_of(form_name: &str, name: &str, from_address: &str, form: &AddressForm) -> Draft {
    let AddressForm { smtp, http } = form;
    let secrets =
        [("smtp[password]", &smtp.password), ("http[token]", &http.token), ("http[password]", &http.password)];
    let typed: Vec<&str> = secrets.iter().filter(|(_, secret)| !secret.is_empty()).map(|(name, _)| *name).collect();
    Draft::of(form_name)
        .with("name", name)
        .with("from_address", from_address)
        .with("smtp[host]", &without_log_in(&smtp.host))
        .with("smtp[port]", &smtp.port)
        .with("smtp[security]", &smtp.security)
        .with("smtp[user]", &smtp.user)
        .with("http[url]", &without_log_in(&http.url))
        .with("http[user]", &http.user)
        .with(TYPED_SECRETS, &typed.join(" "))
}

/// An address that was typed, without what may be a password or a key in it.
fn without_log_in(address: &str) -> String {
    let (scheme, rest) = address.split_once("://").map_or(("", address), |(scheme, rest)| (scheme, rest));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split(['?', '#']).next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}
