//! Sends by Mailgun's API. Called by the worker. Mailgun knows no idempotency key: a repeated request sends again.
//! Sources: Mailgun, "Messages" (POST /v3/{domain}/messages), "Send via HTTP"; npm `mailgun.js` 14; RFC 7578
//! (multipart).

use http::{HeaderMap, HeaderValue};
use sha2::{Digest, Sha256};

use super::{
    Account, Answer, Attempt, ID_NAME, Limits, OutMessage, OutRequest, Provider, basic, clock_pause, id_of, post,
    segment, url,
};
use crate::domain::adapter::fault::AdapterFault;
use crate::domain::mailbox::Mailbox;

/// How Mailgun is spoken to, and what it takes at most.
pub const PROVIDER: Provider = Provider {
    request,
    answer,
    is_idempotent: false,
    limits: Limits { recipients: 1000, bytes: 25 * 1024 * 1024, requests_per_second: None },
};

const MAX_TAGS: usize = 10;
const MAX_TAG_LETTERS: usize = 128;

/// A field of a form: a text, or a file with its name and type.
struct Field<'a> {
    name: String,
    file: Option<(&'a str, &'a str)>,
    content: &'a [u8],
}

/// The request that sends a message to its pending recipients. A message that came as mail goes out as it is.
fn request(account: &Account<'_>, message: &OutMessage<'_>) -> Result<OutRequest, String> {
    message.check()?;
    let texts = texts(account, message)?;
    let mut fields: Vec<Field<'_>> =
        texts.iter().map(|(name, value)| Field { name: name.clone(), file: None, content: value.as_bytes() }).collect();
    match message.mime {
        Some(mime) => {
            let file = Some(("message.eml", "message/rfc822"));
            fields.push(Field { name: "message".to_owned(), file, content: mime });
        }
        None => fields.extend(message.attachments.iter().map(|attachment| {
            // Mailgun makes the content id of an inline file from its name.
            let (name, filename) = match &attachment.content_id {
                Some(content_id) => ("inline", content_id),
                None => ("attachment", &attachment.filename),
            };
            let file = Some((filename.as_str(), attachment.content_type.as_str()));
            Field { name: name.to_owned(), file, content: &attachment.content }
        })),
    }
    let boundary = boundary(message.id, &fields)?;
    let content_type = HeaderValue::from_str(&format!("multipart/form-data; boundary={boundary}"));
    let content_type = content_type.map_err(|_| "The message cannot be written as a form")?;
    let what = if message.mime.is_some() { "messages.mime" } else { "messages" };
    let url = url(account.base, &format!("{}/{what}", domain_path(account, message)?))?;
    Ok(post(url, basic("api", account.key)?, content_type, multipart(&boundary, &fields)))
}

/// What became of a message, from Mailgun's answer.
fn answer(status: u16, headers: &HeaderMap, body: &[u8], pending: &[String]) -> Attempt {
    let answer = Answer::new(status, headers, body, pending).or_pause(clock_pause(headers, "x-ratelimit-reset"));
    let words = answer.text("/message").or_else(|| answer.text("/Error"));
    let told = words.as_deref();
    let said = |text: &str| told.is_some_and(|words| words.contains(text));
    match status {
        200..=299 => answer.accepted(answer.text("/id").as_deref().and_then(id_of), told),
        // "'to' parameter is not a valid address. please check documentation"
        400 if said("'from' parameter") || said("from parameter") => answer.failed(told, AdapterFault::SenderRefused),
        400 if ["to", "cc", "bcc"].iter().any(|field| is_bad_address(told, field)) => {
            answer.recipient_refused(told.unwrap_or_default())
        }
        // "Domain not found": the adapter's domain or its region is wrong.
        404 => answer.unusable(told, AdapterFault::WrongUrl),
        _ => answer.by_status(told),
    }
}

/// The path of the domain that Mailgun sends for: the address names it, or else it is the sender's.
fn domain_path(account: &Account<'_>, message: &OutMessage<'_>) -> Result<String, String> {
    if account.base.contains("/v3/") {
        return Ok(String::new());
    }
    let sender = message.sender()?.address;
    let domain = sender.rsplit_once('@').map_or("", |(_, domain)| domain);
    Ok(format!("/v3/{}", segment(domain)?))
}

/// The fields that are texts.
fn texts(account: &Account<'_>, message: &OutMessage<'_>) -> Result<Vec<(String, String)>, String> {
    let grouped = message.grouped()?;
    let mut fields = Vec::new();
    let mut put = |name: &str, value: String| fields.push((name.to_owned(), value));
    if message.mime.is_some() {
        // Its headers say how each one is named; the form says who gets it.
        grouped.all().for_each(|mailbox| put("to", mailbox.address.clone()));
    } else {
        put("from", message.sender()?.format());
        for (name, mailboxes) in [("to", &grouped.to), ("cc", &grouped.cc), ("bcc", &grouped.bcc)] {
            mailboxes.iter().for_each(|mailbox| put(name, mailbox.format()));
        }
        put("subject", message.subject.to_owned());
        let (text, html) = message.bodies();
        text.into_iter().for_each(|text| put("text", text.to_owned()));
        html.into_iter().for_each(|html| put("html", html.to_owned()));
        let repliers = message.repliers()?;
        if !repliers.is_empty() {
            put("h:Reply-To", repliers.iter().map(Mailbox::format).collect::<Vec<_>>().join(", "));
        }
        message.own_headers().for_each(|(name, value)| put(&format!("h:{name}"), value.to_owned()));
    }
    put(&format!("v:{ID_NAME}"), message.id.to_owned());
    for (name, value) in message.metadata_texts().into_iter().filter(|(name, _)| *name != ID_NAME) {
        put(&format!("v:{name}"), value);
    }
    let tags = message.tags_within(MAX_TAGS, MAX_TAG_LETTERS);
    tags.into_iter().for_each(|tag| put("o:tag", tag.to_owned()));
    let on_off = |is_on: bool| if is_on { "yes" } else { "no" }.to_owned();
    account.flag("trackOpens").into_iter().for_each(|is_on| put("o:tracking-opens", on_off(is_on)));
    account.flag("trackLinks").into_iter().for_each(|is_on| put("o:tracking-clicks", on_off(is_on)));
    Ok(fields)
}

/// A line that stands in no field. The same message has the same one, so that a repetition is the same request.
fn boundary(id: &str, fields: &[Field<'_>]) -> Result<String, String> {
    const TRIES: u32 = 8;
    for number in 0..TRIES {
        let boundary = format!("sendlog-{}", hex::encode(Sha256::digest(format!("{id}/{number}"))));
        let stands_in = |field: &Field<'_>| contains(field.content, boundary.as_bytes());
        if !fields.iter().any(stands_in) {
            return Ok(boundary);
        }
    }
    Err("The message cannot be written as a form".to_owned())
}

fn contains(content: &[u8], part: &[u8]) -> bool {
    content.windows(part.len()).any(|window| window == part)
}

fn multipart(boundary: &str, fields: &[Field<'_>]) -> Vec<u8> {
    let size: usize = fields.iter().map(|field| field.content.len() + 300).sum();
    let mut body = Vec::with_capacity(size);
    for field in fields {
        body.extend_from_slice(format!("--{boundary}\r\nContent-Disposition: form-data").as_bytes());
        body.extend_from_slice(format!("; name=\"{}\"", quoted(&field.name)).as_bytes());
        if let Some((filename, content_type)) = field.file {
            body.extend_from_slice(format!("; filename=\"{}\"", quoted(filename)).as_bytes());
            body.extend_from_slice(format!("\r\nContent-Type: {content_type}").as_bytes());
        }
        body.extend_from_slice(b"\r\n\r\n");
        body.extend_from_slice(field.content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    body
}

/// A name between quotes, as browsers write it. Source: WHATWG, HTML, "Multipart form data".
fn quoted(name: &str) -> String {
    name.replace('\r', "%0D").replace('\n', "%0A").replace('"', "%22")
}

fn is_bad_address(words: Option<&str>, field: &str) -> bool {
    let names = |words: &str| {
        words.contains(&format!("'{field}' parameter")) || words.starts_with(&format!("{field} parameter"))
    };
    words.is_some_and(|words| names(words) && words.contains("not a valid address"))
}

#[cfg(test)]
mod tests;
