//! Sends by Mailjet's API. Called by the worker. Mailjet knows no idempotency key: a repeated request sends again.
//! Sources: Mailjet, "Send API v3.1" (POST /v3.1/send), "Status codes"; npm `node-mailjet` 6; django-anymail 15.2.

use std::collections::BTreeMap;

use http::HeaderMap;
use serde::Serialize;
use serde_json::Value;

use super::{
    Account, Answer, Attempt, Limits, OutMessage, OutRequest, Provider, RecipientOutcome, base64, basic, id_of,
    json_request, text_of, url,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::email::Attachment;
use crate::domain::mailbox::Mailbox;

/// How Mailjet is spoken to, and what it takes at most.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 50, bytes: 15 * 1024 * 1024, requests_per_second: None },
};

const MAX_CAMPAIGN_LETTERS: usize = 255;

/// Headers that Mailjet makes of other fields, beside those of every provider.
const RESERVED_PREFIX: &str = "x-mj-";

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Send<'a> {
    messages: [Mail<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mail<'a> {
    from: Address,
    to: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cc: Vec<Address>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    bcc: Vec<Address>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<Address>,
    subject: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_part: Option<&'a str>,
    #[serde(rename = "HTMLPart", skip_serializing_if = "Option::is_none")]
    html_part: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    inlined_attachments: Vec<File<'a>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(rename = "CustomID")]
    custom_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_payload: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    custom_campaign: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track_opens: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    track_clicks: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Address {
    email: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct File<'a> {
    content_type: &'a str,
    filename: &'a str,
    base64_content: String,
    #[serde(rename = "ContentID", skip_serializing_if = "Option::is_none")]
    content_id: Option<&'a str>,
}

/// The request that sends a message to its pending recipients.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let grouped = message.grouped()?;
    let (text_part, html_part) = message.bodies();
    let (inlined, attached): (Vec<_>, Vec<_>) = message.attachments.iter().partition(|it| it.content_id.is_some());
    let headers = message.own_headers().filter(|(name, _)| !name.to_ascii_lowercase().starts_with(RESERVED_PREFIX));
    let switch = |setting: Option<bool>| setting.map(|is_on| if is_on { "enabled" } else { "disabled" });
    let has_metadata = message.metadata.as_object().is_some_and(|entries| !entries.is_empty());
    let mail = Mail {
        from: address(message.sender()?),
        to: addresses(grouped.to),
        cc: addresses(grouped.cc),
        bcc: addresses(grouped.bcc),
        // Mailjet knows one.
        reply_to: message.repliers()?.into_iter().next().map(address),
        subject: message.subject,
        // Mailjet takes no empty text.
        text_part: text_part.map(|text| if text.is_empty() { " " } else { text }),
        html_part,
        attachments: attached.into_iter().map(file).collect(),
        inlined_attachments: inlined.into_iter().map(file).collect(),
        headers: headers.collect(),
        custom_id: message.id,
        event_payload: has_metadata.then(|| message.metadata.to_string()),
        custom_campaign: message.tags_within(1, MAX_CAMPAIGN_LETTERS).first().copied(),
        track_opens: switch(account.flag("trackOpens")),
        track_clicks: switch(account.flag("trackLinks")),
    };
    let log_in = basic(account.user, account.key)?;
    json_request(url(account.base, "/v3.1/send")?, log_in, &Send { messages: [mail] })
}

/// What became of a message, from Mailjet's answer. The answer tells each recipient's id; that of the first is taken,
/// and the webhooks of the others bring the message's id back.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending);
    let errors = answer.list("/Messages/0/Errors");
    let words = words(&answer, errors);
    let told = words.as_deref();
    let is_error = answer.text("/Messages/0/Status").is_some_and(|status| status == "error");
    if status >= 500 || matches!(status, 401 | 403 | 429) {
        return answer.by_status(told);
    }
    if is_error || !errors.is_empty() {
        return refused(&answer, errors, told);
    }
    match status {
        200..=299 => accepted(&answer, told),
        _ => answer.by_status(told),
    }
}

fn address(mailbox: Mailbox) -> Address {
    Address { email: mailbox.address, name: mailbox.name }
}

fn addresses(mailboxes: Vec<Mailbox>) -> Vec<Address> {
    mailboxes.into_iter().map(address).collect()
}

fn file(attachment: &Attachment) -> File<'_> {
    File {
        // Mailjet adds the letters' encoding itself, and wants a name.
        content_type: attachment.content_type.split(';').next().unwrap_or_default().trim(),
        filename: if attachment.filename.is_empty() { "attachment" } else { &attachment.filename },
        base64_content: base64(&attachment.content),
        content_id: attachment.content_id.as_deref(),
    }
}

/// Taken for those whom Mailjet gave an id. Nobody else is known of.
fn accepted(answer: &Answer<'_>, told: Option<&str>) -> Attempt {
    let fields = ["/Messages/0/To", "/Messages/0/Cc", "/Messages/0/Bcc"];
    let taken: Vec<&Value> = fields.iter().flat_map(|field| answer.list(field)).collect();
    let id = taken.iter().find_map(|one| id_of(&text_of(one.get("MessageID")?)?));
    let sent = answer.accepted(id, told);
    if taken.is_empty() {
        return sent;
    }
    let known: Vec<&String> = taken.iter().filter_map(|one| answer.pending_as(one.get("Email")?.as_str()?)).collect();
    let of = |address| {
        let is_known = known.is_empty() || known.contains(&address);
        let reason = "Mailjet did not say whether it took the message for this recipient".to_owned();
        if is_known {
            RecipientOutcome::Accepted { reply: answer.reply(told) }
        } else {
            RecipientOutcome::Unknown { reason }
        }
    };
    Attempt { recipients: answer.each(of).recipients, ..sent }
}

/// Mailjet sent nothing.
fn refused(answer: &Answer<'_>, errors: &[Value], told: Option<&str>) -> Attempt {
    let blames = |is_blamed: fn(&str) -> bool| {
        let fields = errors.iter().filter_map(|error| error.get("ErrorRelatedTo")?.as_array()).flatten();
        fields.filter_map(Value::as_str).any(is_blamed)
    };
    let has_code = |code: &str| errors.iter().any(|error| error.get("ErrorCode").and_then(Value::as_str) == Some(code));
    // "mj-0013": an address that is none.
    let is_recipient = |field: &str| ["To[", "Cc[", "Bcc["].iter().any(|start| field.starts_with(start));
    if has_code("mj-0013") && blames(is_recipient) {
        return answer.recipient_refused(told.unwrap_or_default());
    }
    // "send-0008": a sender whom the account may not use.
    if has_code("send-0008") || blames(|field| field.starts_with("From")) {
        return answer.failed(told, AdapterFault::SenderRefused);
    }
    answer.failed(told, AdapterFault::ContentRefused)
}

/// Mailjet's words: each error's message, its code, and the field that it is about.
fn words(answer: &Answer<'_>, errors: &[Value]) -> Option<String> {
    const SHOWN: usize = 3;
    let of = |error: &Value| {
        let message = text_of(error.get("ErrorMessage")?)?;
        let code = error.get("ErrorCode").and_then(text_of);
        let field = error.get("ErrorRelatedTo").and_then(|fields| text_of(fields.get(0)?));
        let notes: Vec<String> = code.into_iter().chain(field).collect();
        Some(if notes.is_empty() { message } else { format!("{message} ({})", notes.join(", ")) })
    };
    let words: Vec<String> = errors.iter().take(SHOWN).filter_map(of).collect();
    if words.is_empty() {
        of(answer.at("")?).or_else(|| answer.text("/Messages/0/Status"))
    } else {
        Some(words.join("; "))
    }
}

#[cfg(test)]
mod tests;
