//! Mail, as bytes: whom it is from and to, what it says, what is attached to it; and the same mail with headers taken out.
//! Reading takes time in proportion to the mail's size, and memory of a few times that: not for an async task. Called by
//! [super::smtp_in], [super::delivery] and [super::inbound].
//! Sources: RFC 5322 and RFC 6532 (headers); RFC 2045 to 2047, RFC 2231 and RFC 2183 (MIME).

mod fields;
mod header_removal;
mod opened;
mod parts;

use std::borrow::Cow;
use std::collections::HashMap;

use mail_parser::Address;
use mail_parser::parsers::MessageStream;

use crate::domain::email::{Recipient, RecipientKind};
use crate::domain::mailbox::{Mailbox, mailbox_key};

use self::fields::{Field, Fields, read_section};
pub use self::header_removal::with_headers_removed;
pub use self::opened::{Headers, OpenedMail, open_mail, read_header_blocks};
pub use self::parts::Attached;
use self::parts::read_parts;

/// The header for one label of a message; it can stand several times.
pub const TAG_HEADER: &str = "X-Sendlog-Tag";
/// How the headers begin that hold the sender's own data: `X-Sendlog-Metadata-Order: 1001`.
pub const METADATA_PREFIX: &str = "X-Sendlog-Metadata-";
/// The header that makes a repetition of a message harmless.
pub const IDEMPOTENCY_HEADER: &str = "Idempotency-Key";

/// How many servers a message may have passed. Sources: RFC 5321, section 6.3 (at least 100).
const RECEIVED_LIMIT: usize = 100;

/// What a message says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// Those who wrote it. RFC 5322 allows several.
    pub from: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    /// Those that a `Bcc` header names; it does not go out.
    pub bcc: Vec<Mailbox>,
    pub subject: String,
    /// Without its angle brackets.
    pub message_id: Option<String>,
    /// Whether it says when it was written, rightly or not.
    pub has_date: bool,
    pub text: Option<String>,
    pub html: Option<String>,
    /// Everything that is no text to be read at once, in the order of the message.
    pub attachments: Vec<Attached>,
    pub tags: Vec<String>,
    /// Names as they were written behind [METADATA_PREFIX], and values.
    pub metadata: Vec<(String, String)>,
    pub idempotency_key: Option<String>,
    /// The headers that are none of these, with decoded values, in their order.
    pub headers: Vec<(String, String)>,
}

/// Why a message is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    #[error("The message has passed more than {RECEIVED_LIMIT} servers: it loops")]
    Loops,
    #[error("The headers of the message are too long or too many")]
    Headers,
    #[error("The message has too many parts, or parts within parts")]
    Parts,
    #[error("The message has no single From header")]
    From,
}

/// Reads a message, as it came.
pub fn read_message(raw: &[u8]) -> Result<Message, Unreadable> {
    let section = read_section(raw)?;
    if section.fields.iter().filter(|field| field.is("Received")).count() > RECEIVED_LIMIT {
        return Err(Unreadable::Loops);
    }
    // Two of them would show one author here and another in the recipient's mailbox. Source: RFC 5322, section 3.6.
    if section.fields.iter().filter(|field| field.is("From")).count() != 1 {
        return Err(Unreadable::From);
    }
    let mut message = Message::default();
    for field in &section.fields {
        message.take_field(field);
    }
    let parts = read_parts(raw, &section)?;
    (message.text, message.html, message.attachments) = (parts.text, parts.html, parts.attachments);
    Ok(message)
}

impl Message {
    fn take_field(&mut self, field: &Field<'_>) {
        match field.name.to_ascii_lowercase().as_slice() {
            b"from" => self.from.extend(mailboxes(field)),
            b"reply-to" => self.reply_to.extend(mailboxes(field)),
            b"to" => self.to.extend(mailboxes(field)),
            b"cc" => self.cc.extend(mailboxes(field)),
            b"bcc" => self.bcc.extend(mailboxes(field)),
            b"subject" if self.subject.is_empty() => self.subject = text(field),
            b"message-id" if self.message_id.is_none() => self.message_id = message_id(field),
            b"date" => self.has_date = true,
            b"subject" | b"message-id" => {}
            name if name == TAG_HEADER.to_ascii_lowercase().as_bytes() => {
                self.tags.extend(Some(text(field)).filter(|tag| !tag.is_empty()));
            }
            name if name == IDEMPOTENCY_HEADER.to_ascii_lowercase().as_bytes() => {
                self.idempotency_key = Some(text(field)).filter(|key| !key.is_empty());
            }
            name => {
                if let Some(name) = field.name_behind(METADATA_PREFIX) {
                    self.metadata.push((name, text(field)));
                } else if let (false, Ok(name)) = (name.is_empty(), std::str::from_utf8(field.name)) {
                    self.headers.push((name.to_owned(), text(field)));
                }
            }
        }
    }

    /// The envelope's recipients as the log shows them: those who stand in `To` or `Cc` with the names there, and the
    /// others as `Bcc`. Nobody else gets the message, whatever its headers say.
    pub fn recipients(&self, envelope: &[String]) -> Vec<Recipient> {
        let mut headers: HashMap<String, (RecipientKind, Option<&str>)> = HashMap::new();
        let named = |kind| move |mailbox| (kind, mailbox);
        let bcc = self.bcc.iter().map(named(RecipientKind::Bcc));
        let cc = self.cc.iter().map(named(RecipientKind::Cc));
        // The last to be inserted stays: To before Cc before Bcc.
        for (kind, mailbox) in bcc.chain(cc).chain(self.to.iter().map(named(RecipientKind::To))) {
            headers.insert(mailbox_key(&mailbox.address), (kind, mailbox.name.as_deref()));
        }
        let recipient = |address: &String| {
            let (kind, name) = headers.get(&mailbox_key(address)).copied().unwrap_or((RecipientKind::Bcc, None));
            Recipient { kind, address: address.clone(), name: name.map(str::to_owned) }
        };
        let mut recipients: Vec<Recipient> = envelope.iter().map(recipient).collect();
        recipients.sort_by_key(|recipient| match recipient.kind {
            RecipientKind::To => 0,
            RecipientKind::Cc => 1,
            RecipientKind::Bcc => 2,
        });
        recipients
    }
}

/// The `Message-ID` of a mail, in its angle brackets; `None` where it has none that can be read.
pub fn message_id_of(raw: &[u8]) -> Option<String> {
    let field = Fields::new(raw).find(|field| field.is("Message-ID"))?;
    message_id(&field).map(|id| format!("<{id}>"))
}

/// Whether the header section of a mail is ASCII, and whether the rest is.
pub fn is_ascii(raw: &[u8]) -> (bool, bool) {
    let mut fields = Fields::new(raw);
    fields.by_ref().for_each(drop);
    let (headers, body) = raw.split_at_checked(fields.body_start()).unwrap_or((raw, &[]));
    (headers.is_ascii(), body.is_ascii())
}

/// Whether a mail has a header of this name.
pub fn has_header(raw: &[u8], name: &str) -> bool {
    Fields::new(raw).any(|field| field.is(name))
}

/// The mailboxes of a field, those of groups too. What has no address is left out.
fn mailboxes(field: &Field<'_>) -> Vec<Mailbox> {
    let value = field.with_line_end();
    let addresses = MessageStream::new(&value).parse_address().into_address().map(Address::into_list);
    let mailbox = |address: mail_parser::Addr<'_>| {
        let name = address.name.map(|name| clean(name.trim())).filter(|name| !name.is_empty());
        let address = clean(address.address?.trim());
        address.contains('@').then_some(Mailbox { name, address })
    };
    addresses.unwrap_or_default().into_iter().filter_map(mailbox).collect()
}

/// The text of a field, its encoded words decoded. Source: RFC 2047.
fn text(field: &Field<'_>) -> String {
    decoded_text(&field.with_line_end())
}

/// A value that ends in a line end, its encoded words decoded.
fn decoded_text(value: &[u8]) -> String {
    MessageStream::new(value).parse_unstructured().into_text().map(|text| clean(text.trim())).unwrap_or_default()
}

fn message_id(field: &Field<'_>) -> Option<String> {
    let value = field.with_line_end();
    let ids = MessageStream::new(&value).parse_id().into_text_list()?;
    ids.first().map(|id| clean(id)).filter(|id| !id.is_empty())
}

/// A text without NUL, which PostgreSQL keeps in no text.
fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The same, without copying where there is nothing to replace.
fn cleaned(text: Cow<'_, str>) -> String {
    if text.contains('\0') { clean(&text) } else { text.into_owned() }
}

#[cfg(test)]
mod tests;
