//! Sends by SparkPost's API. Called by the worker. SparkPost knows no idempotency key: a repeated request sends again.
//! It reads every text as a template, so that double curly brackets are written in its own words.
//! Sources: SparkPost, "Transmissions" (POST /api/v1/transmissions), "Template Language" (escaping), "Extended Error
//! Codes"; npm `sparkpost` 2; django-anymail 15.2.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName};
use serde::Serialize;
use serde_json::Value;

use super::{
    Account, Answer, Attempt, Grouped, ID_NAME, Limits, OutMessage, OutRequest, Provider, RecipientOutcome, base64,
    id_of, json_request, secret_value, text_of, url, within_bytes,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How SparkPost is spoken to, and what it takes at most. It documents that it limits callers, and no number.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 1000, bytes: 20 * 1024 * 1024, requests_per_second: None },
};

const MAX_TAGS: usize = 10;
const MAX_TAG_LETTERS: usize = 100;
const MAX_METADATA_BYTES: usize = 1000 - 2;

#[derive(Serialize)]
struct Transmission<'a> {
    #[serde(skip_serializing_if = "Options::is_empty")]
    options: Options,
    recipients: Vec<To<'a>>,
    content: Content<'a>,
    metadata: BTreeMap<&'a str, String>,
}

#[derive(Serialize)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    open_tracking: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    click_tracking: Option<bool>,
}

impl Options {
    fn is_empty(&self) -> bool {
        self.open_tracking.is_none() && self.click_tracking.is_none()
    }
}

#[derive(Serialize)]
struct To<'a> {
    address: ToAddress<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<&'a str>,
}

#[derive(Serialize)]
struct ToAddress<'a> {
    email: String,
    /// The header that this recipient reads: the same for all of a message.
    header_to: &'a str,
}

#[derive(Serialize)]
struct Content<'a> {
    from: From,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<String>,
    subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    html: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inline_images: Vec<File<'a>>,
}

#[derive(Serialize)]
struct From {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct File<'a> {
    name: &'a str,
    r#type: &'a str,
    data: String,
}

/// The request that sends a message to its pending recipients.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let header_to = list(&grouped.to);
    let tags = message.tags_within(MAX_TAGS, MAX_TAG_LETTERS);
    let to = |mailbox: &Mailbox| To {
        address: ToAddress { email: mailbox.address.clone(), header_to: &header_to },
        tags: tags.clone(),
    };
    let transmission = Transmission {
        options: Options { open_tracking: account.flag("trackOpens"), click_tracking: account.flag("trackLinks") },
        recipients: grouped.all().map(to).collect(),
        content: content(message, &grouped)?,
        metadata: metadata(message),
    };
    let log_in = (HeaderName::from_static("authorization"), secret_value(account.key)?);
    let path = format!("/api/v1/transmissions?num_rcpt_errors={}", grouped.all().count());
    json_request(url(account.base, &path)?, log_in, &transmission)
}

/// What became of a message, from SparkPost's answer. A transmission can be made for some of its recipients only.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending);
    let errors: Vec<&Value> = answer.list("/results/rcpt_to_errors").iter().chain(answer.list("/errors")).collect();
    let words = words(&errors);
    let told = words.as_deref();
    let has_code = |code: &str| errors.iter().any(|error| error.get("code").and_then(text_of).as_deref() == Some(code));
    let said = |text: &str| told.is_some_and(|words| words.contains(text));
    match status {
        // "recipient address suppressed due to customer policy". A 200 can tell it of the only recipient.
        400 if has_code("1902") && said("recipient address") => answer.recipient_refused(told.unwrap_or_default()),
        200 if has_code("1902") && pending.len() == 1 => answer.recipient_refused(told.unwrap_or_default()),
        200..=299 => accepted(&answer, told),
        // The hour's or the sandbox's messages are used up.
        420 => answer.later(told),
        400 if has_code("1502") => answer.later(told),
        400 if has_code("5002") => answer.recipient_refused(told.unwrap_or_default()),
        400 if has_code("7000") || has_code("7001") => answer.failed(told, AdapterFault::SenderRefused),
        403 if said("ending domain") => answer.unusable(told, AdapterFault::SenderRefused),
        _ => answer.by_status(told),
    }
}

fn content<'a>(message: &'a OutMessage<'_>, grouped: &Grouped) -> Result<Content<'a>, String> {
    let (text, html) = message.bodies();
    let sender = message.sender()?;
    let repliers = message.repliers()?;
    let mut headers: BTreeMap<&str, String> =
        message.own_headers().map(|(name, value)| (name, literal(value))).collect();
    if !grouped.cc.is_empty() {
        headers.insert("CC", list(&grouped.cc));
    }
    let (inline, attached): (Vec<_>, Vec<_>) = message.attachments.iter().partition(|it| it.content_id.is_some());
    Ok(Content {
        from: From { email: sender.address, name: sender.name.as_deref().map(literal) },
        reply_to: (!repliers.is_empty()).then(|| list(&repliers)),
        subject: literal(message.subject),
        // SparkPost takes no empty text.
        text: text.map(|text| if text.is_empty() { " ".to_owned() } else { literal(text) }),
        html: html.map(literal),
        headers,
        attachments: attached.into_iter().map(file).collect(),
        inline_images: inline.into_iter().map(file).collect(),
    })
}

/// SparkPost makes the content id of a picture from its name.
fn file(attachment: &Attachment) -> File<'_> {
    File {
        name: attachment.content_id.as_deref().unwrap_or(&attachment.filename),
        r#type: &attachment.content_type,
        data: base64(&attachment.content),
    }
}

fn list(mailboxes: &[Mailbox]) -> String {
    literal(&mailboxes.iter().map(Mailbox::format).collect::<Vec<_>>().join(", "))
}

/// A text that SparkPost's template language writes as it is.
fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("{{").into_iter().chain(rest.find("}}")).min() {
        let (before, found) = rest.split_at(at);
        literal.push_str(before);
        let is_opening = found.starts_with('{');
        literal.push_str(if is_opening { "{{opening_double_curly()}}" } else { "{{closing_double_curly()}}" });
        rest = found.get(2..).unwrap_or_default();
    }
    literal.push_str(rest);
    literal
}

/// The message's id and its metadata. What goes beyond SparkPost's limit stays out.
fn metadata<'a>(message: &'a OutMessage<'_>) -> BTreeMap<&'a str, String> {
    let others = message.metadata_texts().into_iter().filter(|(name, _)| *name != ID_NAME);
    let all = std::iter::once((ID_NAME, message.id.to_owned())).chain(others).collect();
    within_bytes(all, MAX_METADATA_BYTES).into_iter().collect()
}

/// Taken for as many as SparkPost counts. Where it names those that it did not take, the others got it; where it does
/// not, nobody knows who did.
fn accepted(answer: &Answer<'_>, told: Option<&str>) -> Attempt {
    let count = |name: &str| answer.text(&format!("/results/{name}")).and_then(|text| text.parse::<u64>().ok());
    let (taken, rejected) =
        (count("total_accepted_recipients"), count("total_rejected_recipients").unwrap_or_default());
    let id = answer.text("/results/id").as_deref().and_then(id_of);
    let sent = answer.accepted(id, told);
    if rejected == 0 {
        return sent;
    }
    let reply = answer.reply(told);
    let named = answer.named_in(told.unwrap_or_default());
    let is_told = u64::try_from(named.len()) == Ok(rejected);
    let outcome = |address| match (taken, is_told) {
        (Some(0), _) => RecipientOutcome::Refused { reply: reply.clone() },
        (_, true) if named.contains(address) => RecipientOutcome::Refused { reply: reply.clone() },
        (_, true) => RecipientOutcome::Accepted { reply: reply.clone() },
        (_, false) => RecipientOutcome::Unknown {
            reason: "SparkPost took the message for some of its recipients and did not say for whom".to_owned(),
        },
    };
    let provider_message_id = sent.provider_message_id.filter(|_| taken != Some(0));
    let fault = Some(AdapterFault::RecipientRefused);
    Attempt { provider_message_id, fault, ..answer.each(outcome) }
}

/// SparkPost's words: each error's message, what it is about, and its code.
fn words(errors: &[&Value]) -> Option<String> {
    const SHOWN: usize = 50;
    let of = |error: &&Value| {
        let message = text_of(error.get("message")?)?;
        let about = error.get("description").and_then(text_of).map(|about| format!(": {about}")).unwrap_or_default();
        let code = error.get("code").and_then(text_of).map(|code| format!(" ({code})")).unwrap_or_default();
        Some(format!("{message}{about}{code}"))
    };
    let words: Vec<String> = errors.iter().take(SHOWN).filter_map(of).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

#[cfg(test)]
mod tests;
