//! Sends by Postmark's API. Called by the worker. Postmark knows no idempotency key: a repeated request sends again.
//! Sources: Postmark, "Email API" (POST /email), "API overview" (statuses and error codes); npm `postmark` 5.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use serde::Serialize;

use super::{
    Account, Answer, Attempt, ID_NAME, Limits, OutMessage, OutRequest, Provider, RecipientOutcome, base64, id_of,
    json_request, secret_value, url,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How Postmark is spoken to, and what it takes at most. It documents that it slows callers down, and no number.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 50, bytes: 10 * 1024 * 1024, requests_per_second: None },
};

const MAX_TAG_LETTERS: usize = 1000;
const MAX_METADATA: usize = 10;
const MAX_METADATA_NAME: usize = 20;
const MAX_METADATA_VALUE: usize = 80;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mail<'a> {
    from: String,
    to: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cc: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    bcc: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reply_to: String,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html_body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
    metadata: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Header<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_stream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track_opens: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track_links: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Header<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct File<'a> {
    name: &'a str,
    content: String,
    content_type: &'a str,
    #[serde(rename = "ContentID", skip_serializing_if = "Option::is_none")]
    content_id: Option<String>,
}

/// The request that sends a message to its pending recipients.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let (text_body, html_body) = message.bodies();
    let mail = Mail {
        from: message.sender()?.format(),
        to: list(&grouped.to),
        cc: list(&grouped.cc),
        bcc: list(&grouped.bcc),
        reply_to: list(&message.repliers()?),
        subject: message.subject,
        text_body,
        html_body,
        tag: message.tags_within(1, MAX_TAG_LETTERS).first().copied(),
        metadata: metadata(message),
        headers: message.own_headers().map(|(name, value)| Header { name, value }).collect(),
        attachments: message.attachments.iter().map(file).collect(),
        message_stream: account.option("messageStream"),
        track_opens: account.flag("trackOpens"),
        track_links: account.flag("trackLinks").map(|is_on| if is_on { "HtmlAndText" } else { "None" }),
    };
    let log_in = (HeaderName::from_static("x-postmark-server-token"), secret_value(account.key)?);
    json_request(url(account.base, "/email")?, log_in, &mail)
}

/// What became of a message, from Postmark's answer. Its error code says more than the status, which is 422 for most.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending);
    let code = answer.text("/ErrorCode").unwrap_or_default();
    let message = answer.text("/Message");
    let words = match (code.as_str(), &message) {
        ("" | "0", _) | (_, None) => message,
        (code, Some(message)) => Some(format!("{message} ({code})")),
    };
    let told = words.as_deref();
    match (status, code.as_str()) {
        // "Message OK, but will not deliver to these inactive addresses: …"
        (200..=299, "" | "0") => accepted(&answer, told),
        (_, "10") => answer.unusable(told, AdapterFault::LogInRefused),
        (_, "100" | "429") => answer.later(told),
        (422, "300") if names_recipients(told) => answer.recipient_refused(told.unwrap_or_default()),
        (422, "300") if told.is_some_and(|words| words.contains("'From'")) => {
            answer.failed(told, AdapterFault::SenderRefused)
        }
        (422, "400" | "401") => answer.failed(told, AdapterFault::SenderRefused),
        // No credit, an account that waits for approval, one that may not send.
        (422, "405" | "412" | "413") => answer.unusable(told, AdapterFault::Later),
        (_, "406") => inactive(&answer, told),
        (200..=299, _) => answer.failed(told, AdapterFault::ContentRefused),
        _ => answer.by_status(told),
    }
}

fn list(mailboxes: &[Mailbox]) -> String {
    mailboxes.iter().map(Mailbox::format).collect::<Vec<_>>().join(", ")
}

fn file(attachment: &Attachment) -> File<'_> {
    File {
        name: &attachment.filename,
        content: base64(&attachment.content),
        content_type: &attachment.content_type,
        content_id: attachment.content_id.as_ref().map(|id| format!("cid:{id}")),
    }
}

/// The message's id and its metadata. What goes beyond Postmark's limits stays out.
fn metadata<'a>(message: &'a OutMessage<'_>) -> BTreeMap<&'a str, String> {
    let fits = |(name, value): &(&str, String)| {
        let is_short = value.chars().count() <= MAX_METADATA_VALUE && name.chars().count() <= MAX_METADATA_NAME;
        is_short && !name.is_empty() && *name != ID_NAME
    };
    let others = message.metadata_texts().into_iter().filter(fits).take(MAX_METADATA - 1);
    std::iter::once((ID_NAME, message.id.to_owned())).chain(others).collect()
}

/// Taken for all whose addresses Postmark does not call inactive.
fn accepted(answer: &Answer<'_>, told: Option<&str>) -> Attempt {
    let id = answer.text("/MessageID").as_deref().and_then(id_of);
    let mut sent = answer.accepted(id, told);
    let words = told.unwrap_or_default();
    let inactive = if words.contains("inactive addresses") { answer.named_in(words) } else { Default::default() };
    for (address, outcome) in &mut sent.recipients {
        if inactive.contains(address) {
            *outcome = RecipientOutcome::Refused { reply: answer.reply(told) };
            sent.fault = Some(AdapterFault::RecipientRefused);
        }
    }
    sent
}

/// Postmark sent nothing: all that it names are inactive, and it means everybody.
fn inactive(answer: &Answer<'_>, told: Option<&str>) -> Attempt {
    let words = told.unwrap_or_default();
    if answer.named_in(words).is_empty() {
        return answer.all(&RecipientOutcome::Refused { reply: answer.reply(told) }, AdapterFault::RecipientRefused);
    }
    answer.recipient_refused(words)
}

/// "Error parsing 'To': …", "Invalid 'Cc' address".
fn names_recipients(words: Option<&str>) -> bool {
    words.is_some_and(|words| ["'To'", "'Cc'", "'Bcc'"].iter().any(|field| words.contains(field)))
}

#[cfg(test)]
mod tests;
