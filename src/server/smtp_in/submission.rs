//! What becomes of what programs send: the services are asked. A program logs in with an API key that is for Sendlog's own API.

use std::net::SocketAddr;
use std::time::Instant;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::handler::{Envelope, Handler, LogIn, Refused};
use super::protocol::address::EnvelopeAddress;
use super::protocol::reply::Reply;
use super::trace::received_field;
use crate::domain::api_key::KeyApi;
use crate::domain::email::{Attachment, Recipient};
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::domain::viewer::{RequestOrigin, Viewer};
use crate::server::App;
use crate::server::mail::{Attached, IDEMPOTENCY_HEADER, Message, Unreadable, read_message, with_headers_removed};
use crate::server::services::accounts;
use crate::server::services::events::MAX_PROVIDER_ID_CHARS;
use crate::server::services::send::{MailRequest, Repetition, check_mail_sender, checked_mail_recipient, send_mail};
use crate::server::store::api_keys::FoundKey;
use crate::server::store::mimes::pack_mime;

/// The headers that are for Sendlog alone, and one that is nobody's but the last server's. Source: RFC 5321, section 4.4.
const NOT_SENT: [&str; 4] = ["Bcc", "X-Sendlog-*", IDEMPOTENCY_HEADER, "Return-Path"];

/// Takes messages for the teams whose keys programs log in with.
pub struct Submission {
    app: App,
    host_name: String,
}

/// The key of somebody who has logged in.
pub struct KeyHeld {
    secret: String,
}

impl Submission {
    /// A server that calls itself `host_name` in the trace that it leaves.
    pub fn new(app: App, host_name: String) -> Self {
        Self { app, host_name }
    }

    /// The key as it counts now: a connection can outlast it.
    async fn find(&self, login: Option<&KeyHeld>, peer: SocketAddr) -> Result<FoundKey, Reply> {
        let login = login.ok_or_else(|| Reply::new(530, (7, 0), "Log in first, with an API key as the password"))?;
        let found = accounts::find_key(&self.app, &login.secret).await.map_err(|error| refusal(&error))?;
        let origin = RequestOrigin { address: Some(peer.ip().to_canonical().to_string()), user_agent: None };
        Ok(FoundKey { viewer: Viewer { origin, ..found.viewer }, ..found })
    }

    /// A message counts as one request of its key.
    fn count(&self, key: &FoundKey) -> Result<(), Reply> {
        let most = self.app.config.rate_limit;
        let allowed = key.limits.rate_limit.map_or(most, |own| own.min(most));
        let is_admitted = |id| self.app.rate_limiter.admit(id, allowed, Instant::now()).is_admitted;
        if key.viewer.api_key_id().is_none_or(is_admitted) {
            return Ok(());
        }
        Err(Reply::new(
            450,
            (7, 1),
            format!("This key sends at most {allowed} messages a second: try again in a second"),
        ))
    }

    /// Reads a message and makes the mail that goes out of it.
    fn read(&self, envelope: &Envelope, recipients: &[String], raw: &[u8]) -> Result<MailRequest, Reply> {
        let message = read_message(raw).map_err(unreadable)?;
        let id: EmailId = self.app.clock.mint();
        let from = message.from.first().cloned().ok_or_else(|| unreadable(Unreadable::From))?;
        let date = self.app.clock.now().format("%a, %d %b %Y %H:%M:%S +0000").to_string();
        let mut mail = received_field(envelope, &self.host_name, &id.to_string(), &date);
        // Source: RFC 6409, sections 8.2 and 8.3.
        if !message.has_date {
            mail.push_str(&format!("Date: {date}\r\n"));
        }
        if message.message_id.is_none() {
            let domain = from.address.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
            mail.push_str(&format!("Message-ID: <{id}@{domain}>\r\n"));
        }
        let unreadable_id: &[&str] = if message.message_id.is_none() { &["Message-ID"] } else { &[] };
        let names: Vec<&str> = NOT_SENT.iter().chain(unreadable_id).copied().collect();
        let mut mail = mail.into_bytes();
        mail.append(&mut with_headers_removed(raw, &names));
        let own_id = message.message_id.clone().filter(|id| id.chars().count() <= MAX_PROVIDER_ID_CHARS);
        let mime = pack_mime(&mail, own_id).map_err(|_| refusal(&AppError::Internal))?;
        let recipients = message.recipients(recipients);
        Ok(MailRequest {
            repetition: repetition_of(&message, &recipients, raw),
            attachments: message.attachments.iter().map(|one| attachment(one, raw)).collect(),
            id,
            from,
            reply_to: message.reply_to,
            recipients,
            subject: message.subject,
            text: message.text,
            html: message.html,
            tags: message.tags,
            metadata: message.metadata,
            headers: message.headers,
            mime,
            way: ", by SMTP",
        })
    }
}

impl Handler for Submission {
    type Login = KeyHeld;

    async fn log_in(&self, attempt: LogIn<'_>) -> Result<KeyHeld, Refused> {
        match accounts::find_key(&self.app, attempt.secret.trim()).await {
            Ok(found) if found.limits.allow(KeyApi::Sendlog) => {
                Ok(KeyHeld { secret: attempt.secret.trim().to_owned() })
            }
            Ok(_) => Err(Refused::OtherApis),
            Err(AppError::Unavailable | AppError::TooSlow | AppError::Internal) => Err(Refused::ForNow),
            Err(_) => Err(Refused::Wrong),
        }
    }

    async fn sender(&self, login: Option<&KeyHeld>, envelope: &Envelope) -> Result<(), Reply> {
        let key = self.find(login, envelope.peer).await?;
        self.count(&key)?;
        check_mail_sender(&self.app, &key.viewer).await.map_err(|error| match error {
            // The team can add an adapter while the program keeps the message.
            AppError::Validation { message, .. } => Reply::new(451, (3, 5), message),
            error => refusal(&error),
        })
    }

    async fn recipient(&self, _: Option<&KeyHeld>, _: &Envelope, recipient: &EnvelopeAddress) -> Result<(), Reply> {
        match checked_mail_recipient(&recipient.to_string()) {
            Ok(_) => Ok(()),
            Err(error) => Err(Reply::new(553, (1, 3), error.to_string())),
        }
    }

    async fn accept(&self, login: Option<&KeyHeld>, envelope: Envelope, message: Bytes) -> Result<String, Reply> {
        let key = self.find(login, envelope.peer).await?;
        let recipients: Result<Vec<String>, AppError> =
            envelope.recipients.iter().map(|recipient| checked_mail_recipient(&recipient.to_string())).collect();
        let recipients = recipients.map_err(|error| refusal(&error))?;
        let reader = Self { app: self.app.clone(), host_name: self.host_name.clone() };
        let reading = tokio::task::spawn_blocking(move || reader.read(&envelope, &recipients, &message));
        let request = reading.await.unwrap_or_else(|_| Err(refusal(&AppError::Internal)))?;
        let id = send_mail(&self.app, &key.viewer, request).await.map_err(|error| refusal(&error))?;
        Ok(id.to_string())
    }
}

/// By what a repetition of the message is known: its key, or all of it where it has an id of its own.
fn repetition_of(message: &Message, recipients: &[Recipient], raw: &[u8]) -> Repetition {
    if let Some(key) = &message.idempotency_key {
        return Repetition::Key(key.clone());
    }
    if message.message_id.is_none() {
        return Repetition::Unknown;
    }
    let mut hash = Sha256::new();
    for recipient in recipients {
        hash.update(recipient.address.as_bytes());
        hash.update([0]);
    }
    hash.update(raw);
    Repetition::Bytes(hash.finalize().into())
}

fn attachment(attached: &Attached, raw: &[u8]) -> Attachment {
    let name = attached.name.clone().unwrap_or_else(|| match attached.content_type.as_str() {
        "message/rfc822" => "message.eml".to_owned(),
        _ => "attachment".to_owned(),
    });
    Attachment {
        filename: name,
        content_type: attached.content_type.clone(),
        content: attached.content(raw).into_owned(),
        content_id: attached.content_id.clone(),
    }
}

/// Why a message is not taken.
fn unreadable(why: Unreadable) -> Reply {
    let status = match why {
        Unreadable::Loops => (4, 6),
        Unreadable::Headers | Unreadable::Parts | Unreadable::From => (6, 0),
    };
    Reply::new(554, status, why.to_string())
}

/// A refusal of the services, as SMTP says it: 4xx for what can be right later.
fn refusal(error: &AppError) -> Reply {
    let words = error.to_string();
    match error {
        AppError::Unavailable | AppError::TooSlow | AppError::Internal => Reply::new(451, (3, 0), words),
        AppError::RateLimited { .. } => Reply::new(450, (7, 1), words),
        AppError::NoSession
        | AppError::InvalidSession
        | AppError::InvalidApiKey
        | AppError::WrongCredentials
        | AppError::TwoFactorRequired
        | AppError::WrongCode
        | AppError::NoTeam
        | AppError::MissingPermission(_)
        | AppError::LacksTwoFactor
        | AppError::Forbidden(_) => Reply::new(550, (7, 1), words),
        AppError::TooLarge { .. } => Reply::new(552, (3, 4), words),
        AppError::NotFound(_)
        | AppError::Validation { .. }
        | AppError::InvalidTemplate { .. }
        | AppError::AlreadyExists(_)
        | AppError::Conflict(_)
        | AppError::IdempotencyMismatch
        | AppError::Adapter(_) => Reply::new(554, (6, 0), words),
    }
}
