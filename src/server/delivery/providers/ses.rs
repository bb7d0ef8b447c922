//! Sends by Amazon SES. Called by the worker. SES knows no idempotency key: a repeated request sends again. It tracks
//! opens and links as the configuration set says, never by message.
//! Sources: Amazon SES API v2, "SendEmail", "Common errors"; Amazon SES Developer Guide, "Service quotas";
//! RFC 2047 (names outside ASCII).

use http::{HeaderMap, Method};
use serde::Serialize;

use super::amazon::{Unsigned, signed, without_request};
use super::{
    Account, Answer, Attempt, Limits, OutMessage, OutRequest, Provider, base64, encoded_words, id_of, plain_tags, url,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How Amazon SES is spoken to, and what it takes at most. How many messages a second it takes depends on the account.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 50, bytes: 40 * 1024 * 1024, requests_per_second: None },
};

const MAX_TAGS: usize = 50;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendEmail<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    from_email_address: Option<String>,
    destination: Destination,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reply_to_addresses: Vec<String>,
    content: EmailContent<'a>,
    email_tags: Vec<Pair<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    configuration_set_name: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    to_addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc_addresses: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc_addresses: Vec<String>,
}

#[derive(Serialize)]
enum EmailContent<'a> {
    Simple(Box<Simple<'a>>),
    #[serde(rename_all = "PascalCase")]
    Raw {
        data: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Simple<'a> {
    subject: Content<'a>,
    body: Body<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<Pair<String>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Body<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<Content<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Content<'a> {
    data: &'a str,
    charset: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Pair<T> {
    name: T,
    value: T,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct File<'a> {
    file_name: &'a str,
    raw_content: String,
    content_type: &'a str,
    content_disposition: &'static str,
    content_transfer_encoding: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
}

/// The request that sends a message to its pending recipients. A message that came as mail goes out as it is.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let lists = |mailboxes: &[Mailbox]| mailboxes.iter().map(written).collect::<Vec<_>>();
    let is_parts = message.mime.is_none();
    let tags = plain_tags(message, MAX_TAGS, |letter| matches!(letter, '.' | '@'));
    let send = SendEmail {
        // Of a whole mail, its own headers tell these.
        from_email_address: if is_parts { Some(written(&message.sender()?)) } else { None },
        reply_to_addresses: if is_parts { lists(&message.repliers()?) } else { Vec::new() },
        destination: Destination {
            to_addresses: lists(&grouped.to),
            cc_addresses: lists(&grouped.cc),
            bcc_addresses: lists(&grouped.bcc),
        },
        content: match message.mime {
            Some(mime) => EmailContent::Raw { data: base64(mime) },
            None => EmailContent::Simple(Box::new(simple(message))),
        },
        email_tags: tags.into_iter().map(|(name, value)| Pair { name, value }).collect(),
        configuration_set_name: account.option("configurationSet"),
    };
    let body = serde_json::to_vec(&send).map_err(|cause| format!("The message cannot be written: {cause}"))?;
    let url = url(account.base, "/v2/email/outbound-emails")?;
    let request = Unsigned { service: "ses", method: Method::POST, url, content_type: "application/json", body };
    signed(account, request, message.now)
}

/// What became of a message, from the answer of SES. The kind of error says more than the status, which is 400 for
/// most.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending);
    let kind = kind_of_error(&answer, headers).unwrap_or_default();
    let message = answer.text("/message").or_else(|| answer.text("/Message"));
    let message = message.as_deref().map(without_request);
    let words = message.map(|message| if kind.is_empty() { message.to_owned() } else { format!("{message} ({kind})") });
    let words = words.or_else(|| Some(kind.clone()).filter(|kind| !kind.is_empty()));
    let told = words.as_deref();
    match (status, kind.as_str()) {
        (200..=299, _) => answer.accepted(answer.text("/MessageId").as_deref().and_then(id_of), told),
        (_, "TooManyRequestsException" | "LimitExceededException" | "ThrottlingException" | "Throttling") => {
            answer.later(told)
        }
        (_, "AccountSuspendedException" | "SendingPausedException") => answer.unusable(told, AdapterFault::Later),
        (_, "MailFromDomainNotVerifiedException") => answer.failed(told, AdapterFault::SenderRefused),
        (_, "MessageRejected") if told.is_some_and(|words| words.contains("not verified")) => {
            answer.failed(told, AdapterFault::SenderRefused)
        }
        (400, _) if message.is_some_and(is_about_address) => answer.recipient_refused(told.unwrap_or_default()),
        // A configuration set that does not exist.
        (404, "NotFoundException") => answer.unusable(told, AdapterFault::Unusable),
        _ => answer.by_status(told),
    }
}

fn simple<'a>(message: &'a OutMessage<'_>) -> Simple<'a> {
    let content = |data: &'a str| Content { data, charset: "UTF-8" };
    let (text, html) = message.bodies();
    let header = |(name, value): (&str, &str)| Pair { name: name.to_owned(), value: encoded_words(value) };
    Simple {
        subject: content(message.subject),
        body: Body { text: text.map(content), html: html.map(content) },
        headers: message.own_headers().map(header).collect(),
        attachments: message.attachments.iter().map(file).collect(),
    }
}

fn file(attachment: &Attachment) -> File<'_> {
    File {
        file_name: &attachment.filename,
        raw_content: base64(&attachment.content),
        content_type: &attachment.content_type,
        content_disposition: if attachment.content_id.is_some() { "INLINE" } else { "ATTACHMENT" },
        content_transfer_encoding: "BASE64",
        content_id: attachment.content_id.as_deref(),
    }
}

/// A mailbox in ASCII: SES takes no other names.
fn written(mailbox: &Mailbox) -> String {
    match &mailbox.name {
        Some(name) if !name.is_ascii() => format!("{} <{}>", encoded_words(name), mailbox.address),
        Some(_) | None => mailbox.format(),
    }
}

/// The error's name, from the header or the body: `com.amazonaws.ses#MessageRejected:http://…`.
fn kind_of_error(answer: &Answer<'_>, headers: &HeaderMap) -> Option<String> {
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok()).map(str::to_owned);
    let told = header.or_else(|| answer.text("/__type")).or_else(|| answer.text("/code"))?;
    let name = told.split(':').next()?.rsplit('#').next()?.trim();
    let is_name = name.len() <= 100 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
    (is_name && !name.is_empty()).then(|| name.to_owned())
}

/// What SES says of an address that can be none.
fn is_about_address(message: &str) -> bool {
    const STARTS: [&str; 6] = [
        "Domain contains",
        "Domain ends",
        "Domain starts",
        "Illegal address",
        "Local address contains",
        "Missing final '@domain'",
    ];
    STARTS.iter().any(|start| message.starts_with(start))
}

#[cfg(test)]
mod tests;
