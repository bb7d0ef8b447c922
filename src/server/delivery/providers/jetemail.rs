//! Sends by JetEmail's API. Called by the worker. JetEmail takes a request of one `Idempotency-Key` once. It documents
//! no content ids, metadata or tags: pictures of the HTML are attached, and the message's id goes out as a header.
//! Sources: JetEmail, "Send an email" (POST /email), "Idempotency keys"; npm `jetemail`.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use super::{
    Account, Answer, Attempt, Limits, OutMessage, OutRequest, Provider, base64, bearer, id_of, json_request, url,
};
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How JetEmail is spoken to, and what it takes at most.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: true,
    limits: Limits { recipients: 50, bytes: 40 * 1024 * 1024, requests_per_second: None },
};

const ID_HEADER: &str = "X-Sendlog-Id";

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
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    eu: bool,
}

#[derive(Serialize)]
struct File<'a> {
    filename: &'a str,
    data: String,
}

/// The request that sends a message to its pending recipients.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let lists = |mailboxes: &[Mailbox]| mailboxes.iter().map(Mailbox::format).collect::<Vec<_>>();
    let (text, html) = message.bodies();
    let mail = Mail {
        from: message.sender()?.format(),
        to: lists(&grouped.to),
        cc: lists(&grouped.cc),
        bcc: lists(&grouped.bcc),
        reply_to: lists(&message.repliers()?),
        subject: message.subject,
        // JetEmail takes no empty text.
        text: text.map(|text| if text.is_empty() { " " } else { text }),
        html,
        headers: message.own_headers().chain([(ID_HEADER, message.id)]).collect(),
        attachments: message.attachments.iter().map(file).collect(),
        eu: account.flag("eu").unwrap_or_default(),
    };
    let mut request = json_request(url(account.base, "/email")?, bearer(account.key)?, &mail)?;
    let key = HeaderValue::from_str(&message.request_key()).map_err(|_| "The message's id cannot be a key")?;
    request.headers.insert(HeaderName::from_static("idempotency-key"), key);
    Ok(request)
}

/// What became of a message, from JetEmail's answer.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending);
    let id = answer.text("/id").as_deref().and_then(id_of);
    let taken = answer.text("/response");
    let error = ["/message", "/error", "/error/message"].iter().find_map(|pointer| answer.text(pointer));
    let code = ["/code", "/error/code", "/error_code"].iter().find_map(|pointer| answer.text(pointer));
    let error = match (error, &code) {
        (Some(error), Some(code)) if !error.contains(code.as_str()) => Some(format!("{error} ({code})")),
        (error, _) => error.or_else(|| code.clone()),
    };
    let told = taken.as_deref().or(error.as_deref());
    match status {
        200..=299 => answer.accepted(id, told),
        // The same request is under way.
        409 if told.is_some_and(|words| words.contains("IDEMPOTENCY_IN_FLIGHT")) => answer.later(told),
        _ => answer.by_status(told),
    }
}

fn file(attachment: &Attachment) -> File<'_> {
    File { filename: &attachment.filename, data: base64(&attachment.content) }
}

#[cfg(test)]
mod tests;
