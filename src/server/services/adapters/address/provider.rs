//! A provider's adapter: the address of its API, the log-in there, and a setting that stands in the address's query.

use super::{one_line, read_http};
use crate::domain::adapter::AdapterKind;
use crate::domain::adapter::form::{HttpForm, MOST_PER_SECOND, PACE_WORDS};
use crate::domain::adapter::provider::ProviderForm;
use crate::domain::error::AppError;
use crate::domain::field_rule::FieldRule;
use crate::server::delivery::http_endpoint::{HttpEndpoint, HttpLogIn, HttpSecret};
use crate::server::delivery::providers::PER_SECOND;

/// The address of a provider's API and the log-in there. The usual address is the one of an empty field.
pub(super) fn read_provider(
    kind: AdapterKind,
    form: &HttpForm,
    before: Option<(HttpEndpoint, &HttpSecret)>,
) -> Result<(HttpEndpoint, HttpSecret), AppError> {
    let Some(ProviderForm { address, user, setting, .. }) = kind.provider_form() else {
        return read_http(form, before);
    };
    let mut form = HttpForm { no_log_in: false, ..form.clone() };
    if form.url.trim().is_empty() {
        address.clone_into(&mut form.url);
    }
    // A key as its file has it: the lines of a PEM file are one in a field.
    form.password = form.password.trim().replace(['\r', '\n'], " ");
    let (endpoint, mut secret) = read_http(&form, before)?;
    if let Some(setting) = setting {
        let value = one_line("http[setting]", form.setting.trim())?.unwrap_or_default();
        secret.query = with_setting(secret.query.as_deref(), setting.name, &value);
    }
    let pace = form.per_second.trim();
    if !(FieldRule::Number { min: 1, max: MOST_PER_SECOND }).takes(pace) {
        return Err(AppError::invalid_field("http[per_second]", PACE_WORDS));
    }
    secret.query = with_setting(secret.query.as_deref(), PER_SECOND, pace);
    let user_field = if user.is_some() { "http[user]" } else { "http[token]" };
    let key_field = if user.is_some() { "http[password]" } else { "http[token]" };
    checked_log_in(kind, user_field, key_field, (endpoint, secret))
}

/// Passes only a log-in that a provider of this kind takes.
pub(super) fn checked_log_in(
    kind: AdapterKind,
    user_field: &str,
    key_field: &str,
    (endpoint, secret): (HttpEndpoint, HttpSecret),
) -> Result<(HttpEndpoint, HttpSecret), AppError> {
    let Some(ProviderForm { user, key, .. }) = kind.provider_form() else { return Ok((endpoint, secret)) };
    let missing = |field: &str, what: &str| Err(AppError::invalid_field(field, format!("Fill in the {what}")));
    match (&secret.log_in, user) {
        (Some(HttpLogIn::Basic(_, password)), _) if password.is_empty() => missing(key_field, key),
        (Some(HttpLogIn::Basic(_, _)), _) | (Some(HttpLogIn::Bearer(_)), None) => Ok((endpoint, secret)),
        (Some(HttpLogIn::Bearer(_)), Some(_)) => missing(key_field, key),
        (None, Some(user)) => missing(user_field, user),
        (None, None) => missing(key_field, key),
    }
}

/// A parameter of a query.
pub(super) fn setting_in(query: Option<&str>, name: &str) -> Option<String> {
    let mut pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// A query in which one parameter has this value, or is gone where that is empty.
pub(super) fn with_setting(query: Option<&str>, name: &str, value: &str) -> Option<String> {
    let others = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).filter(|(key, _)| key != name);
    let mut written = form_urlencoded::Serializer::new(String::new());
    written.extend_pairs(others);
    if !value.is_empty() {
        written.append_pair(name, value);
    }
    Some(written.finish()).filter(|query| !query.is_empty())
}
