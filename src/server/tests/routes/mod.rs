//! The JSON API, by its addresses.

mod accounts;
mod adapter_form;
mod adapter_order;
mod adapter_test;
mod adapters;
mod api_keys;
mod attachments;
mod audit;
mod auth;
mod connect_webhooks;
mod documents;
mod drafts;
mod events;
mod export;
mod first_steps;
mod hooks;
mod imports;
mod jetemail;
mod live;
mod log_page;
mod logs;
mod message;
mod notificationapi;
mod overview;
mod privacy;
mod provider_adapters;
mod races;
mod reasons;
mod recipients;
mod requests;
mod resend;
mod resend_changes;
mod resend_com;
mod resend_page;
mod resends;
mod roles;
mod search;
mod security;
mod send;
mod sendwithus;
mod stats;
mod suggest;
mod suppressions;
mod teams;
mod templates;
mod tracking;
mod webhooks;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

use super::{Answer, Client, Message, PASSWORD, TestApp, at, on_both_databases, test_key};

/// Puts `"eml_…"` in the place of every id, so that answers compare with the specification's samples.
fn without_ids(value: &Value) -> Value {
    const PREFIXES: [&str; 8] = ["eml_", "job_", "tpl_", "ver_", "adp_", "key_", "team_", "usr_"];
    match value {
        Value::String(text) => match PREFIXES.iter().find(|prefix| text.starts_with(**prefix)) {
            Some(prefix) => Value::String(format!("{prefix}…")),
            None => value.clone(),
        },
        Value::Array(items) => items.iter().map(without_ids).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), without_ids(field))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// The names of the fields in the order in which they stand in the text.
fn field_order(json: &str) -> Vec<String> {
    let (mut names, mut text, mut inside, mut escaped) = (Vec::new(), String::new(), false, false);
    for letter in json.chars() {
        match (inside, letter) {
            (true, '\\') if !escaped => escaped = true,
            (true, '"') if !escaped => inside = false,
            (true, _) => {
                escaped = false;
                text.push(letter);
            }
            (false, '"') => {
                inside = true;
                text.clear();
            }
            (false, ':') => names.push(text.clone()),
            (false, _) => {}
        }
    }
    names
}

/// What the page after a form says.
fn said(answer: &Answer) -> String {
    let cookies = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let flash = cookies.into_iter().find_map(|cookie| cookie.strip_prefix("flash=")).unwrap_or_default();
    let sealed = BASE64_URL_SAFE_NO_PAD.decode(flash.split(';').next().unwrap()).unwrap();
    let plain = test_key().try_open(std::str::from_utf8(&sealed).unwrap(), "__Host-flash").unwrap_or_default();
    serde_json::from_slice::<Value>(&plain)
        .map(|flash| flash[1]["text"].as_str().unwrap().to_owned())
        .unwrap_or_default()
}
