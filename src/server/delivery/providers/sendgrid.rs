//! Sends by SendGrid's API. Called by the worker. SendGrid knows no idempotency key: a repeated request sends again.
//! Sources: Twilio SendGrid, "Mail Send" (v3), its limits and errors; "Rate Limits" of the v3 API; npm `@sendgrid/mail`
//! 8.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde::Serialize;

use super::{
    Account, Answer, Attempt, ID_NAME, Limits, OutMessage, OutRequest, Provider, base64, bearer, clock_pause, id_of,
    json_request, text_of, url, within_bytes,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How SendGrid is spoken to, and what it takes at most. Its limit of requests stands in its answers only.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 1000, bytes: 30 * 1024 * 1024, requests_per_second: None },
};

const MAX_TAGS: usize = 10;
const MAX_TAG_LETTERS: usize = 255;
const MAX_ARGUMENT_BYTES: usize = 10_000 - 2;

/// Headers that SendGrid writes, beside those of every provider.
const RESERVED_HEADERS: [&str; 2] = ["x-sg-eid", "x-sg-id"];

#[derive(Serialize)]
struct Mail<'a> {
    personalizations: [Personalization; 1],
    from: Address,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reply_to_list: Vec<Address>,
    subject: &'a str,
    content: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    categories: Vec<&'a str>,
    custom_args: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tracking_settings: Option<Tracking>,
}

#[derive(Serialize)]
struct Personalization {
    to: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<Address>,
}

#[derive(Serialize)]
struct Address {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Content<'a> {
    r#type: &'static str,
    value: &'a str,
}

#[derive(Serialize)]
struct File<'a> {
    content: String,
    r#type: &'a str,
    filename: &'a str,
    disposition: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
}

#[derive(Serialize)]
struct Tracking {
    #[serde(skip_serializing_if = "Option::is_none")]
    click_tracking: Option<Switch>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_tracking: Option<Switch>,
}

#[derive(Serialize)]
struct Switch {
    enable: bool,
}

/// The request that sends a message to its pending recipients.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let headers = message.own_headers();
    let headers = headers.filter(|(name, _)| !RESERVED_HEADERS.contains(&name.to_ascii_lowercase().as_str()));
    let mail = Mail {
        personalizations: [Personalization {
            to: addresses(grouped.to),
            cc: addresses(grouped.cc),
            bcc: addresses(grouped.bcc),
        }],
        from: address(message.sender()?),
        reply_to_list: addresses(message.repliers()?),
        subject: message.subject,
        content: content(message),
        attachments: message.attachments.iter().map(file).collect(),
        headers: headers.collect(),
        categories: message.tags_within(MAX_TAGS, MAX_TAG_LETTERS),
        custom_args: arguments(message),
        tracking_settings: tracking(account),
    };
    json_request(url(account.base, "/v3/mail/send")?, bearer(account.key)?, &mail)
}

/// What became of a message, from SendGrid's answer. The first part of its webhooks' `sg_message_id` is the id.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending).or_pause(clock_pause(headers, "x-ratelimit-reset"));
    let words = words(&answer);
    let told = words.as_deref();
    let said = |text: &str| told.is_some_and(|words| words.contains(text));
    match status {
        200..=299 => {
            let id = headers.get("x-message-id").and_then(|id| id.to_str().ok()).and_then(id_of);
            answer.accepted(id, told)
        }
        400 if blames(&answer, is_recipient) => answer.recipient_refused(told.unwrap_or_default()),
        400 if blames(&answer, |field| field == "from" || field.starts_with("from.")) => {
            answer.failed(told, AdapterFault::SenderRefused)
        }
        401 if said("credits exceeded") => answer.unusable(told, AdapterFault::Later),
        403 if said("Sender Identity") => answer.unusable(told, AdapterFault::SenderRefused),
        _ => answer.by_status(told),
    }
}

fn address(mailbox: Mailbox) -> Address {
    Address { email: mailbox.address, name: mailbox.name }
}

fn addresses(mailboxes: Vec<Mailbox>) -> Vec<Address> {
    mailboxes.into_iter().map(address).collect()
}

/// The text first, as SendGrid wants it. It takes no empty one.
fn content<'a>(message: &'a OutMessage<'_>) -> Vec<Content<'a>> {
    let (text, html) = message.bodies();
    let text = text.map(|text| Content { r#type: "text/plain", value: if text.is_empty() { " " } else { text } });
    let html = html.map(|value| Content { r#type: "text/html", value });
    text.into_iter().chain(html).collect()
}

fn file(attachment: &Attachment) -> File<'_> {
    File {
        content: base64(&attachment.content),
        // SendGrid refuses a type with parameters.
        r#type: attachment.content_type.split(';').next().unwrap_or_default().trim(),
        filename: &attachment.filename,
        disposition: if attachment.content_id.is_some() { "inline" } else { "attachment" },
        content_id: attachment.content_id.as_deref(),
    }
}

/// The message's id and its metadata. What goes beyond SendGrid's limit stays out.
fn arguments<'a>(message: &'a OutMessage<'_>) -> BTreeMap<&'a str, String> {
    let metadata = message.metadata_texts().into_iter().filter(|(name, _)| *name != ID_NAME);
    let all = std::iter::once((ID_NAME, message.id.to_owned())).chain(metadata).collect();
    within_bytes(all, MAX_ARGUMENT_BYTES).into_iter().collect()
}

fn tracking(account: &Account<'_>) -> Option<Tracking> {
    let switch = |setting: Option<bool>| setting.map(|enable| Switch { enable });
    let tracking = Tracking {
        click_tracking: switch(account.flag("trackLinks")),
        open_tracking: switch(account.flag("trackOpens")),
    };
    (account.flag("trackLinks").is_some() || account.flag("trackOpens").is_some()).then_some(tracking)
}

/// SendGrid's words: each error's message, and the field that it is about.
fn words(answer: &Answer<'_>) -> Option<String> {
    const SHOWN: usize = 3;
    let of = |error: &serde_json::Value| {
        let message = text_of(error.get("message")?)?;
        let field = error.get("field").and_then(text_of);
        Some(field.map_or_else(|| message.clone(), |field| format!("{message} ({field})")))
    };
    let words: Vec<String> = answer.list("/errors").iter().filter_map(of).take(SHOWN).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

fn blames(answer: &Answer<'_>, is_blamed: impl Fn(&str) -> bool) -> bool {
    let fields = answer.list("/errors").iter().filter_map(|error| error.get("field")?.as_str());
    fields.take(100).any(is_blamed)
}

/// `personalizations.0.to.1.email`. The personalization itself is blamed for what is wrong with the request.
fn is_recipient(field: &str) -> bool {
    field.starts_with("personalizations.") && [".to.", ".cc.", ".bcc."].iter().any(|part| field.contains(part))
}

#[cfg(test)]
mod tests;
