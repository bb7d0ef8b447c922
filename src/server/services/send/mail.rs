//! A message that comes as mail is accepted like any other, and kept as it came beside what the log shows of it. Called by
//! [crate::server::smtp_in].

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::accept::{accept_all, accepted_by, choose_adapter, event};
use super::once::{IdempotencyKey, begin_once, first_answer_or};
use super::request::{MAX_RECIPIENTS, check_attachments, check_header_of, check_labels, check_subject, is_content_id};
use crate::domain::channel::Channel;
use crate::domain::email::{Attachment, Mime, NewEmail, Recipient};
use crate::domain::error::AppError;
use crate::domain::event::EventKind;
use crate::domain::ids::EmailId;
use crate::domain::mailbox::{Mailbox, is_same_address};
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::delivery::mailbox::parse_mailbox;
use crate::server::delivery::message::check_content_type;
use crate::server::store::emails::KeptAnswer;

/// The endpoint that idempotency keys of messages by SMTP count for.
const ENDPOINT: &str = "smtp";
/// The most headers that the log shows: as many as a caller of an API may give.
const SHOWN_HEADERS: usize = 30;
/// The longest name of a file, in characters.
const FILE_NAME_CHARS: usize = 255;
/// The longest subject that the log shows, in characters.
const SUBJECT_CHARS: usize = 998;

/// A message that came as mail.
#[derive(Clone, Debug)]
pub struct MailRequest {
    /// The id that it gets, which its trace names.
    pub id: EmailId,
    pub from: Mailbox,
    pub reply_to: Vec<Mailbox>,
    /// Those of the envelope, as the headers name them.
    pub recipients: Vec<Recipient>,
    pub subject: String,
    pub text: Option<String>,
    pub html: Option<String>,
    pub attachments: Vec<Attachment>,
    pub tags: Vec<String>,
    /// Names and values.
    pub metadata: Vec<(String, String)>,
    pub headers: Vec<(String, String)>,
    /// As it goes out.
    pub mime: Mime,
    /// How it came, behind "by API key …": `, by SMTP`.
    pub way: &'static str,
    pub repetition: Repetition,
}

/// By what a repetition of a message is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repetition {
    /// A key of the sender's own.
    Key(String),
    /// The bytes of a mail that has an id of its own.
    Bytes([u8; 32]),
    /// By nothing.
    Unknown,
}

/// Whether the viewer may begin a message now: it needs `emails:send`, and the team an adapter.
pub async fn check_mail_sender(app: &App, viewer: &Viewer) -> Result<(), AppError> {
    viewer.require(Permission::EmailsSend)?;
    choose_adapter(app, viewer, None).await.map(drop)
}

/// A recipient of the envelope, as the log has it; [AppError::Validation] where it is no address.
pub fn checked_mail_recipient(address: &str) -> Result<String, AppError> {
    parse_mailbox("to", address).map(|mailbox| mailbox.address)
}

/// Accepts a message that came as mail. Needs `emails:send`. Gives its id, or that of the message that this one repeats.
pub async fn send_mail(app: &App, viewer: &Viewer, request: MailRequest) -> Result<EmailId, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let once = idempotency_of(&request)?;
    let (_turn, first) = match &once {
        Some(key) => {
            let (turn, first) = begin_once(app, viewer, Permission::EmailsSend, key).await?;
            (Some(turn), first)
        }
        None => (None, None),
    };
    let answer = match first {
        Some(first) => first,
        None => match checked(app, viewer, request).await {
            Ok(email) => {
                let answer = KeptAnswer { status: 250, body: json!({ "id": email.id }).to_string() };
                accept_all(app, viewer, vec![email], None, once, answer).await?
            }
            Err(error) => first_answer_or(app, viewer, once.as_ref(), error).await?,
        },
    };
    let told: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    told["id"].as_str().and_then(|id| id.parse().ok()).ok_or(AppError::Internal)
}

fn idempotency_of(request: &MailRequest) -> Result<Option<IdempotencyKey>, AppError> {
    let key = match &request.repetition {
        Repetition::Key(key) if key.len() > 256 => {
            return Err(AppError::invalid_field("Idempotency-Key", "Idempotency-Key is longer than 256 bytes"));
        }
        Repetition::Key(key) => format!("key {key}"),
        Repetition::Bytes(hash) => format!("bytes {}", hex::encode(hash)),
        Repetition::Unknown => return Ok(None),
    };
    // A program writes the same message with another date and other boundaries each time.
    let recipients: Vec<&str> = request.recipients.iter().map(|recipient| recipient.address.as_str()).collect();
    let attachment = |one: &Attachment| (one.filename.clone(), hex::encode(Sha256::digest(&one.content)));
    let attachments: Vec<_> = request.attachments.iter().map(attachment).collect();
    let says = (&request.from.address, recipients, &request.subject, &request.text, &request.html, attachments);
    let body = serde_json::to_vec(&says).map_err(|_| AppError::Internal)?.into();
    Ok(Some(IdempotencyKey { endpoint: ENDPOINT, key, body }))
}

/// The message as it is kept. What the log cannot show as it is, it shows as far as it can: the mail itself stays whole.
async fn checked(app: &App, viewer: &Viewer, request: MailRequest) -> Result<NewEmail, AppError> {
    let from_address = request.from.format();
    parse_mailbox("From", &from_address)?;
    let recipients = distinct(request.recipients);
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
        return Err(AppError::invalid_field("to", format!("A message has 1 to {MAX_RECIPIENTS} recipients")));
    }
    check_labels(&request.tags)?;
    let attachments: Vec<Attachment> = request.attachments.into_iter().map(shown_attachment).collect();
    check_attachments(&attachments)?;
    let subject = one_line(&request.subject, SUBJECT_CHARS);
    check_subject(&subject)?;
    let reply_to = request.reply_to.iter().filter(|mailbox| parse_mailbox("Reply-To", &mailbox.format()).is_ok());
    let reply_to: Vec<String> = reply_to.take(MAX_RECIPIENTS).map(Mailbox::format).collect();
    let headers = request.headers.into_iter().filter(|(name, value)| is_shown(name, value));
    let metadata: Map<String, Value> =
        request.metadata.into_iter().map(|(name, value)| (name, Value::from(value))).collect();
    let adapter = choose_adapter(app, viewer, None).await?;
    let is_empty = request.text.is_none() && request.html.is_none();
    let came = accepted_by(viewer).map(|by| format!("{by}{}", request.way));
    Ok(NewEmail {
        adapter_id: Some(adapter.id),
        api_key_id: viewer.api_key_id(),
        recipients,
        from_address,
        reply_to: (!reply_to.is_empty()).then(|| reply_to.join(", ")),
        subject,
        tags: request.tags,
        metadata: Value::Object(metadata),
        headers: headers.take(SHOWN_HEADERS).collect(),
        html: request.html,
        text: if is_empty { Some(String::new()) } else { request.text },
        attachments,
        mime: Some(request.mime),
        events: vec![event(app, EventKind::Requested, came), event(app, EventKind::Queued, None)],
        ..NewEmail::blank(request.id, app.clock.mint(), Channel::Email)
    })
}

/// Each recipient once.
fn distinct(recipients: Vec<Recipient>) -> Vec<Recipient> {
    let mut distinct: Vec<Recipient> = Vec::new();
    for recipient in recipients {
        if !distinct.iter().any(|known| is_same_address(&known.address, &recipient.address)) {
            distinct.push(recipient);
        }
    }
    distinct
}

/// Whether a header is one of the sender's own: none that every mail has, that servers write on its way, or that says how the
/// mail is put together.
fn is_shown(name: &str, value: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let is_of_the_way = ["arc-", "authentication-results", "content-", "delivered-to", "dkim-", "received", "resent-"]
        .iter()
        .any(|start| lower.starts_with(start));
    !is_of_the_way && check_header_of(name, value).is_ok()
}

fn shown_attachment(attachment: Attachment) -> Attachment {
    let filename = one_line(&attachment.filename, FILE_NAME_CHARS);
    let is_type = check_content_type("attachments", &attachment.content_type).is_ok();
    let content_id = attachment.content_id.filter(|id| is_content_id(id));
    Attachment {
        filename: if filename.is_empty() { "attachment".to_owned() } else { filename },
        content_type: if is_type { attachment.content_type } else { "application/octet-stream".to_owned() },
        content_id,
        ..attachment
    }
}

/// A text without line breaks and other control characters, shortened.
fn one_line(text: &str, chars: usize) -> String {
    let letters = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter });
    letters.take(chars).collect::<String>().trim().to_owned()
}
