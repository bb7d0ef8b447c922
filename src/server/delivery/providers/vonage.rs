//! Sends text messages and calls by Vonage's Messages and Voice APIs, each to one number. Called by the worker. Vonage
//! knows no idempotency key: a repeated request sends again. A call's webhooks bring the message's id back as the
//! address has it.
//! Sources: Vonage, "Messages API" (POST /v1/messages), "Voice API" (POST /v1/calls), "NCCO reference", "API errors",
//! "Generating JWTs"; npm `@vonage/server-sdk` 3; RFC 7519 (JWT).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue};
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    Account, Answer, Attempt, ID_NAME, Limits, OutMessage, OutRequest, Provider, basic, bearer, id_of, json_request,
    text_of, url, without_addresses,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::channel::Channel;

/// How Vonage is spoken to, and what it takes at most. Its pace depends on the sender.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 1, bytes: 64 * 1024, requests_per_second: None },
};

const MAX_SMS_LETTERS: usize = 1000;
const MAX_TALK_LETTERS: usize = 1500;

/// How long a request's token is good for.
const TOKEN_LIFE_S: i64 = 300;

/// The request that sends a text message, or makes a call, to the only pending recipient.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    let to = number(message.only_recipient()?);
    let text = message.text.unwrap_or_default().trim();
    if text.is_empty() {
        return Err("The message has no text".to_owned());
    }
    match message.channel {
        Channel::Sms => {
            check_length(text, MAX_SMS_LETTERS)?;
            let log_in = log_in(account, message)?;
            json_request(url(account.base, "/v1/messages")?, log_in, &sms(account, message, &to, text))
        }
        Channel::Call => {
            check_length(text, MAX_TALK_LETTERS)?;
            if !is_application(account) {
                return Err("Calls need an application of Vonage's: its id, and its private key".to_owned());
            }
            let log_in = log_in(account, message)?;
            json_request(url(account.base, "/v1/calls")?, log_in, &call(account, message, &to, text)?)
        }
        Channel::Email | Channel::Push | Channel::InApp => Err("Vonage sends text messages and calls".to_owned()),
    }
}

/// What became of a message, from Vonage's answer.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending);
    if (200..=299).contains(&status) {
        let id = answer.text("/message_uuid").or_else(|| answer.text("/uuid"));
        let told = answer.text("/status");
        return answer.accepted(id.as_deref().and_then(id_of), told.as_deref());
    }
    let title = answer.text("/title").or_else(|| answer.text("/error_title"));
    let reason = invalid_reason(&answer);
    let detail = reason.or_else(|| answer.text("/detail"));
    let words = match (&title, detail) {
        (Some(title), Some(detail)) if *title != detail => Some(format!("{title}: {detail}")),
        (Some(title), _) => Some(title.clone()),
        (None, detail) => detail,
    };
    let words = words.map(|words| without_addresses(&words));
    let told = words.as_deref();
    let kind = answer.text("/type").unwrap_or_default();
    let is_kind = |name: &str| kind.ends_with(&format!("#{name}"));
    match status {
        _ if ["low-balance", "account-suspended", "1060", "1070"].into_iter().any(is_kind) => {
            answer.unusable(told, AdapterFault::Later)
        }
        _ if is_kind("1000") || is_kind("throttled") => answer.later(told),
        // A number that is barred, or that is none.
        _ if is_kind("1050") || is_kind("1170") => answer.recipient_refused(told.unwrap_or_default()),
        _ if is_kind("1120") => answer.failed(told, AdapterFault::SenderRefused),
        400 | 422 if blames(&answer, "to") => answer.recipient_refused(told.unwrap_or_default()),
        400 | 422 if blames(&answer, "from") => answer.failed(told, AdapterFault::SenderRefused),
        _ => answer.by_status(told),
    }
}

fn sms(account: &Account<'_>, message: &OutMessage<'_>, to: &str, text: &str) -> Value {
    let mut sms = json!({
        "channel": "sms",
        "message_type": "text",
        "to": to,
        "from": sender(&message.from.address),
        "text": text,
        "client_ref": message.id,
    });
    if let (Some(callback), Some(sms)) = (account.option("statusCallback"), sms.as_object_mut()) {
        sms.insert("webhook_url".to_owned(), Value::from(callback));
    }
    sms
}

/// The call: a voice reads the text out.
fn call(account: &Account<'_>, message: &OutMessage<'_>, to: &str, text: &str) -> Result<Value, String> {
    let mut talk = json!({"action": "talk", "text": text});
    if let (Some(language), Some(talk)) = (account.option("language"), talk.as_object_mut()) {
        talk.insert("language".to_owned(), Value::from(language));
    }
    let mut call = json!({
        "to": [{"type": "phone", "number": to}],
        "from": {"type": "phone", "number": number(&message.from.address)},
        "ncco": [talk],
    });
    if let (Some(address), Some(call)) = (account.option("statusCallback"), call.as_object_mut()) {
        let mut url = url::Url::parse(address).map_err(|_| "The callback address is not a web address")?;
        url.query_pairs_mut().append_pair(ID_NAME, message.id);
        call.insert("event_url".to_owned(), json!([url.as_str()]));
    }
    Ok(call)
}

/// An application logs in with a token that its private key signs, an account with its key and secret.
fn log_in(account: &Account<'_>, message: &OutMessage<'_>) -> Result<(HeaderName, HeaderValue), String> {
    if is_application(account) { bearer(&token(account, message)?) } else { basic(account.user, account.key) }
}

fn is_application(account: &Account<'_>) -> bool {
    account.key.contains("PRIVATE KEY")
}

/// A token for this request, signed by the application's key (RS256).
fn token(account: &Account<'_>, message: &OutMessage<'_>) -> Result<String, String> {
    let now = message.now;
    let unique = hex::encode(Sha256::digest(format!("{}/{}", message.id, now.timestamp_micros())));
    let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let head = part(&json!({"alg": "RS256", "typ": "JWT"}));
    let claims = part(&json!({
        "application_id": account.user,
        "iat": now.timestamp(),
        "exp": now.timestamp() + TOKEN_LIFE_S,
        "jti": unique,
    }));
    let signed = format!("{head}.{claims}");
    let key = private_key(account.key)?;
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
        .map_err(|_| "The request to Vonage cannot be signed")?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// Reads a key whose lines may be one: a field of a form has no other.
fn private_key(pem: &str) -> Result<RsaKeyPair, String> {
    const NO_KEY: &str = "The application's private key is not an RSA key in PEM";
    let parts: Vec<&str> = pem.trim().split("-----").map(str::trim).collect();
    let ["", begin, base64, end, ""] = parts[..] else { return Err(NO_KEY.to_owned()) };
    let base64: String = base64.split_whitespace().collect();
    let lines: Vec<&str> = base64.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let pem = format!("-----{begin}-----\n{}\n-----{end}-----\n", lines.join("\n"));
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| NO_KEY)? {
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).map_err(|_| NO_KEY.to_owned()),
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map_err(|_| NO_KEY.to_owned()),
        _ => Err(NO_KEY.to_owned()),
    }
}

/// A telephone number as Vonage writes it: its digits, with the country's code, without `+`.
fn number(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// A number's digits, or a name as it is.
fn sender(text: &str) -> String {
    let text = text.trim();
    if text.chars().any(char::is_alphabetic) { text.to_owned() } else { number(text) }
}

/// The parameters that Vonage calls invalid: a list, or one by itself.
fn invalid<'a>(answer: &'a Answer<'_>) -> Vec<&'a Value> {
    match answer.at("/invalid_parameters") {
        Some(Value::Array(parameters)) => parameters.iter().take(100).collect(),
        Some(parameter) => vec![parameter],
        None => Vec::new(),
    }
}

fn blames(answer: &Answer<'_>, field: &str) -> bool {
    let is_field =
        |name: &str| name == field || name.starts_with(&format!("{field}[")) || name.starts_with(&format!("{field}."));
    invalid(answer).iter().any(|parameter| parameter.get("name").and_then(Value::as_str).is_some_and(is_field))
}

fn invalid_reason(answer: &Answer<'_>) -> Option<String> {
    invalid(answer).first().and_then(|parameter| text_of(parameter.get("reason")?))
}

fn check_length(text: &str, letters: usize) -> Result<(), String> {
    if text.chars().count() > letters {
        return Err(format!("The text is longer than the {letters} letters that Vonage takes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
