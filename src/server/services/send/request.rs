//! What can be wrong with a message as an application asks for it.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use crate::domain::email::{Attachment, Recipient, RecipientKind, SendRequest};
use crate::domain::error::AppError;
use crate::domain::mailbox::is_same_address;
use crate::server::App;
use crate::server::delivery::header::check_header;
use crate::server::delivery::mailbox::{Mailbox, format_mailbox, parse_mailbox, parse_mailboxes};
use crate::server::delivery::message::check_content_type;

/// The most recipients of one message, over all headers.
pub const MAX_RECIPIENTS: usize = 50;
/// The most attachments of one message.
pub const MAX_ATTACHMENTS: usize = 20;
/// The most bytes of a message's attachments together, decoded.
pub const MAX_ATTACHMENT_BYTES: usize = 15 * 1024 * 1024;
/// The most labels of one message.
pub const MAX_TAGS: usize = 20;
/// The longest subject, in characters.
const MAX_SUBJECT_CHARS: usize = 998;

/// How far ahead a message can be scheduled.
const MAX_SCHEDULE_DAYS: i64 = 366;
/// The most headers that a caller adds to a message.
const MAX_HEADERS: usize = 30;

/// Headers that are ours to write; a caller cannot add them.
const OWN_HEADERS: [&str; 18] = [
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "return-path",
    "received",
    "dkim-signature",
    "x-sendlog-id",
    "resent-from",
];

/// Writes the mailbox of one person, whose name may stand beside the address or in the same text; a list is refused.
pub fn person_mailbox(field: &str, name: Option<&str>, address: &str) -> Result<String, AppError> {
    let read = parse_mailbox(field, address)?;
    let name = name.filter(|name| !name.trim().is_empty()).or(read.name.as_deref());
    Ok(format_mailbox(name, &read.address))
}

/// The mailboxes of a list that is kept, each as it was written.
pub fn list_mailboxes(list: &str) -> Vec<String> {
    match parse_mailboxes("replyTo", list) {
        Ok(mailboxes) => mailboxes.iter().map(Mailbox::format).collect(),
        // Kept before lists were read as they are now.
        Err(_) => vec![list.trim().to_owned()],
    }
}

pub(super) fn checked_recipients(request: &SendRequest) -> Result<Vec<Recipient>, AppError> {
    if request.to.is_empty() {
        return Err(AppError::invalid_field("to", "to must hold at least one address"));
    }
    let groups = [
        ("to", RecipientKind::To, &request.to),
        ("cc", RecipientKind::Cc, &request.cc),
        ("bcc", RecipientKind::Bcc, &request.bcc),
    ];
    let mut recipients: Vec<Recipient> = Vec::new();
    for (field, kind, mailboxes) in groups {
        for text in mailboxes {
            for Mailbox { name, address } in parse_mailboxes(field, text)? {
                if !recipients.iter().any(|known| is_same_address(&known.address, &address)) {
                    recipients.push(Recipient { kind, address, name });
                }
            }
            if recipients.len() > MAX_RECIPIENTS {
                return Err(AppError::invalid_field(
                    "to",
                    format!("A message has at most {MAX_RECIPIENTS} recipients"),
                ));
            }
        }
    }
    Ok(recipients)
}

pub(super) fn checked_mailbox(field: &str, text: &str) -> Result<String, AppError> {
    parse_mailbox(field, text)?;
    Ok(text.trim().to_owned())
}

pub(super) fn checked_reply_to(text: &str) -> Result<String, AppError> {
    let mailboxes = parse_mailboxes("replyTo", text)?;
    if mailboxes.len() > MAX_RECIPIENTS {
        return Err(AppError::invalid_field("replyTo", format!("replyTo holds at most {MAX_RECIPIENTS} addresses")));
    }
    Ok(mailboxes.iter().map(Mailbox::format).collect::<Vec<_>>().join(", "))
}

pub(in crate::server::services) fn checked_schedule(app: &App, at: DateTime<Utc>) -> Result<DateTime<Utc>, AppError> {
    if at <= app.clock.now() + TimeDelta::days(MAX_SCHEDULE_DAYS) {
        return Ok(at);
    }
    let message = format!("A message can be scheduled up to {MAX_SCHEDULE_DAYS} days ahead");
    Err(AppError::invalid_field("scheduledAt", message))
}

pub(super) fn check_headers(headers: &[(String, String)]) -> Result<(), AppError> {
    if headers.len() > MAX_HEADERS {
        return Err(AppError::invalid_field("headers", format!("A message has at most {MAX_HEADERS} added headers")));
    }
    headers.iter().try_for_each(|(name, value)| check_header_of(name, value))
}

/// Passes only a header that a caller can add to a message.
pub(super) fn check_header_of(name: &str, value: &str) -> Result<(), AppError> {
    let is_name = |byte: u8| byte.is_ascii_graphic() && byte != b':';
    if name.is_empty() || name.len() > 70 || !name.bytes().all(is_name) {
        let message = "A header's name has 1 to 70 ASCII characters, without spaces and colons";
        return Err(AppError::invalid_field("headers", message));
    }
    if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(AppError::invalid_field("headers", format!("The header {name} cannot be set")));
    }
    check_header("headers", value)?;
    if value.len() > 2_000 {
        return Err(AppError::invalid_field("headers", format!("The header {name} is longer than 2,000 bytes")));
    }
    Ok(())
}

pub(in crate::server::services) fn check_subject(subject: &str) -> Result<(), AppError> {
    check_header("subject", subject)?;
    if subject.chars().count() > MAX_SUBJECT_CHARS {
        return Err(AppError::invalid_field(
            "subject",
            format!("subject is longer than {MAX_SUBJECT_CHARS} characters"),
        ));
    }
    Ok(())
}

pub(super) fn checked_object(field: &str, value: Value) -> Result<Value, AppError> {
    match value {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Object(_) => Ok(value),
        _ => Err(AppError::invalid_field(field, format!("{field} must be a JSON object"))),
    }
}

pub(super) fn check_labels(tags: &[String]) -> Result<(), AppError> {
    let fits = |tag: &String| !tag.is_empty() && tag.chars().count() <= 100 && !tag.chars().any(char::is_control);
    if tags.len() <= MAX_TAGS && tags.iter().all(fits) {
        return Ok(());
    }
    Err(AppError::invalid_field("tags", format!("tags are at most {MAX_TAGS}, each of 1 to 100 characters")))
}

pub(super) fn check_attachments(attachments: &[Attachment]) -> Result<(), AppError> {
    if attachments.len() > MAX_ATTACHMENTS {
        return Err(AppError::invalid_field(
            "attachments",
            format!("A message has at most {MAX_ATTACHMENTS} attachments"),
        ));
    }
    for attachment in attachments {
        check_header("attachments", &attachment.filename)?;
        check_content_type("attachments", &attachment.content_type)?;
        if !attachment.content_id.as_deref().is_none_or(is_content_id) {
            let message = "A content id has 1 to 128 ASCII characters, without spaces and angle brackets";
            return Err(AppError::invalid_field("attachments", message));
        }
        if attachment.filename.is_empty() || attachment.filename.chars().count() > 255 {
            return Err(AppError::invalid_field("attachments", "filename must have 1 to 255 characters"));
        }
    }
    if attachments.iter().map(|attachment| attachment.content.len()).sum::<usize>() > MAX_ATTACHMENT_BYTES {
        return Err(AppError::invalid_field(
            "attachments",
            format!("attachments are larger than {} MiB together", MAX_ATTACHMENT_BYTES / 1024 / 1024),
        ));
    }
    Ok(())
}

pub(super) fn is_content_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'<' | b'>');
    (1..=128).contains(&text.len()) && text.bytes().all(fits)
}
