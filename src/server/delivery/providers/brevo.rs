//! Sends by Brevo's API. Called by the worker. Brevo takes a request of one `idempotencyKey` once in 30 minutes. It has
//! no content ids, so that pictures of the HTML are attached, and no setting of tracking by message.
//! Sources: Brevo, "Send a transactional email" (POST /v3/smtp/email), "Idempotency for batch emails", "Rate limits",
//! "Rate limit headers"; npm `@getbrevo/brevo` 6; django-anymail 15.2 (what Brevo does to names and headers outside
//! ASCII).

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{
    Account, Answer, Attempt, ID_NAME, Limits, OutMessage, OutRequest, Provider, base64, encoded_words, id_of,
    json_request, seconds_pause, secret_value, url,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How Brevo is spoken to, and what it takes at most.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: true,
    limits: Limits { recipients: 99, bytes: 20 * 1024 * 1024, requests_per_second: Some(1000) },
};

const MAX_NAME_LETTERS: usize = 70;
const MAX_TAGS: usize = 10;
const MAX_TAG_LETTERS: usize = 255;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mail<'a> {
    sender: Address,
    to: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Address>,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html_content: Option<&'a str>,
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachment: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'a str>,
}

#[derive(Serialize)]
struct Address {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    content: String,
}

/// The request that sends a message to its pending recipients.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let (text_content, html_content) = message.bodies();
    let mail = Mail {
        sender: address(message.sender()?),
        to: addresses(grouped.to),
        cc: addresses(grouped.cc),
        bcc: addresses(grouped.bcc),
        // Brevo knows one.
        reply_to: message.repliers()?.into_iter().next().map(address),
        subject: message.subject,
        // Brevo takes no empty text.
        text_content: text_content.map(|text| if text.is_empty() { " " } else { text }),
        html_content,
        headers: headers(message),
        attachment: message.attachments.iter().map(file).collect(),
        tags: message.tags_within(MAX_TAGS, MAX_TAG_LETTERS),
    };
    let log_in = (HeaderName::from_static("api-key"), secret_value(account.key)?);
    json_request(url(account.base, "/v3/smtp/email")?, log_in, &mail)
}

/// What became of a message, from Brevo's answer.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending).or_pause(seconds_pause(headers, "x-sib-ratelimit-reset"));
    let code = answer.text("/code").unwrap_or_default();
    let message = answer.text("/message");
    let words = match &message {
        Some(message) if !code.is_empty() => Some(format!("{message} ({code})")),
        Some(_) | None => message.clone(),
    };
    let told = words.as_deref();
    let said = |text: &str| message.as_deref().is_some_and(|message| message.contains(text));
    match (status, code.as_str()) {
        (200..=299, _) => {
            let id = answer.text("/messageId").or_else(|| answer.text("/messageIds/0"));
            answer.accepted(id.as_deref().and_then(id_of), told)
        }
        // Brevo had this request within the last half hour. It does not repeat what it said then.
        (400, "duplicate_parameter" | "duplicate_request") => answer.unknown(told),
        (_, "unauthorized") => answer.unusable(told, AdapterFault::LogInRefused),
        (_, "not_enough_credits" | "account_under_validation") => answer.unusable(told, AdapterFault::Later),
        (400, "invalid_parameter") if said("sender") => answer.failed(told, AdapterFault::SenderRefused),
        // "email is not valid in to"
        (400, "invalid_parameter") if ["in to", "in cc", "in bcc"].iter().any(|field| said(field)) => {
            answer.recipient_refused(told.unwrap_or_default())
        }
        _ => answer.by_status(told),
    }
}

fn address(mailbox: Mailbox) -> Address {
    Address { email: mailbox.address, name: mailbox.name.as_deref().map(brevo_name) }
}

/// A name that Brevo takes: a longer one is refused, and one that has both letters outside ASCII and signs of the
/// header's own is dropped, unless it comes in encoded words.
fn brevo_name(name: &str) -> String {
    let name: String = name.chars().take(MAX_NAME_LETTERS).collect();
    let has_signs = name.contains(['(', ')', '<', '>', '[', ']', ':', ';', '@', '\\', ',', '.', '"']);
    let encoded = encoded_words(&name);
    if has_signs && encoded.chars().count() <= MAX_NAME_LETTERS { encoded } else { name }
}

fn addresses(mailboxes: Vec<Mailbox>) -> Vec<Address> {
    mailboxes.into_iter().map(address).collect()
}

fn file(attachment: &Attachment) -> File<'_> {
    File { name: &attachment.filename, content: base64(&attachment.content) }
}

/// The message's own headers, its id and metadata, and the key of the request.
fn headers<'a>(message: &'a OutMessage<'_>) -> BTreeMap<&'a str, String> {
    let mut headers: BTreeMap<&str, String> =
        message.own_headers().map(|(name, value)| (name, value.to_owned())).collect();
    headers.insert("X-Mailin-custom", custom(message));
    headers.insert("idempotencyKey", uuid(&message.request_key()));
    headers
}

/// A JSON object, as others that read Brevo's webhooks expect it. Brevo garbles a header outside ASCII, so that such an entry
/// stays out.
fn custom(message: &OutMessage<'_>) -> String {
    let is_plain = |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let metadata = message.metadata_texts().into_iter();
    let metadata = metadata.filter(|(name, value)| *name != ID_NAME && is_plain(name) && is_plain(value));
    let entries = metadata.chain([(ID_NAME, message.id.to_owned())]);
    json!(entries.collect::<BTreeMap<&str, String>>()).to_string()
}

/// A key in the form that Brevo asks for. The same text makes the same one.
fn uuid(text: &str) -> String {
    let digest = Sha256::digest(text);
    let digits = hex::encode(digest.get(..16).unwrap_or_default());
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

#[cfg(test)]
mod tests;
