//! Sends by the API of Resend (the company). Called by the worker. Resend takes a request of one `Idempotency-Key` once
//! in 24 hours. It tracks opens and links as the domain says, never by message.
//! Sources: Resend, "Send Email" (POST /emails), "Idempotency Keys", "Errors", "Rate Limit"; Resend's OpenAPI document;
//! npm `resend` 6.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::{
    Account, Answer, Attempt, Limits, OutMessage, OutRequest, Provider, base64, bearer, id_of, json_request,
    plain_tags, seconds_pause, url,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How Resend is spoken to, and what it takes at most. The requests are those of a new team.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: true,
    limits: Limits { recipients: 50, bytes: 40 * 1024 * 1024, requests_per_second: Some(2) },
};

const MAX_TAGS: usize = 50;

#[derive(Serialize)]
struct Mail<'a> {
    from: String,
    to: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reply_to: Vec<String>,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<&'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct File<'a> {
    filename: &'a str,
    content: String,
    content_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Tag {
    name: String,
    value: String,
}

/// The request that sends a message to its pending recipients.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let lists = |mailboxes: &[Mailbox]| mailboxes.iter().map(Mailbox::format).collect::<Vec<_>>();
    let (text, html) = message.bodies();
    let tags = plain_tags(message, MAX_TAGS, |_| false).into_iter().map(|(name, value)| Tag { name, value });
    let mail = Mail {
        from: message.sender()?.format(),
        to: lists(&grouped.to),
        cc: lists(&grouped.cc),
        bcc: lists(&grouped.bcc),
        reply_to: lists(&message.repliers()?),
        subject: message.subject,
        text,
        html,
        headers: message.own_headers().collect(),
        attachments: message.attachments.iter().map(file).collect(),
        tags: tags.collect(),
    };
    let mut request = json_request(url(account.base, "/emails")?, bearer(account.key)?, &mail)?;
    let key = HeaderValue::from_str(&message.request_key()).map_err(|_| "The message's id cannot be a key")?;
    request.headers.insert(HeaderName::from_static("idempotency-key"), key);
    Ok(request)
}

/// What became of a message, from Resend's answer. An error's name says more than the status.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending).or_pause(seconds_pause(headers, "ratelimit-reset"));
    let name = answer.text("/name").unwrap_or_default();
    let message = answer.text("/message");
    let words = match &message {
        Some(message) if !name.is_empty() => Some(format!("{message} ({name})")),
        Some(_) | None => message.clone(),
    };
    let told = words.as_deref();
    let said = |text: &str| message.as_deref().is_some_and(|message| message.contains(text));
    match (status, name.as_str()) {
        (200..=299, _) => answer.accepted(answer.text("/id").as_deref().and_then(id_of), told),
        (_, "missing_api_key" | "restricted_api_key" | "invalid_api_key") => {
            answer.unusable(told, AdapterFault::LogInRefused)
        }
        (400, "validation_error") if said("API key") => answer.unusable(told, AdapterFault::LogInRefused),
        // A domain that is not verified, or a team that may write to itself only.
        (403, "validation_error" | "invalid_access") => answer.unusable(told, AdapterFault::SenderRefused),
        (_, "invalid_from_address") => answer.failed(told, AdapterFault::SenderRefused),
        (409, "concurrent_idempotent_requests") => answer.later(told),
        (400 | 422, _) if ["`to`", "`cc`", "`bcc`"].iter().any(|field| said(field)) => {
            answer.recipient_refused(told.unwrap_or_default())
        }
        _ => answer.by_status(told),
    }
}

fn file(attachment: &Attachment) -> File<'_> {
    File {
        filename: &attachment.filename,
        content: base64(&attachment.content),
        content_type: &attachment.content_type,
        content_id: attachment.content_id.as_deref(),
    }
}

#[cfg(test)]
mod tests;
