//! A message as mail: addresses, headers and MIME parts. One that came as mail goes out as it came. Called by [super::smtp] and
//! [super::providers], and by the services for their checks.
//! Sources: RFC 5322 (headers), RFC 2045 to 2047 and 2231 (MIME), RFC 6532 (non-ASCII addresses).

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment as AttachmentPart, Body, Mailbox, MessageBuilder, MultiPart, SinglePart};

use super::endpoint::SmtpEndpoint;
use super::header::{check_header, is_one_line};
use super::mailbox::{parse_mailbox, parse_mailboxes, wire_address};
use super::provider_id::id_header;
use crate::domain::email::{Attachment, RecipientKind};
use crate::domain::error::AppError;
use crate::domain::ids::EmailId;
use crate::server::mail;
use crate::server::store::outbox::Outgoing;

const ID_HEADER: &str = "X-Sendlog-Id";

/// Why a message cannot be written as mail; a sentence for the message's page.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("The message cannot be written as mail: {0}")]
pub struct BuildError(String);

/// Passes only a MIME type that an attachment can have: `type/subtype`, not a composite one. `field` names the
/// parameter in the error, [AppError::Validation].
pub fn check_content_type(field: &str, value: &str) -> Result<(), AppError> {
    check_header(field, value)?;
    if attachment_type(value).is_some() {
        Ok(())
    } else {
        Err(AppError::invalid_field(field, format!("{field} must be a MIME type like application/pdf")))
    }
}

/// A message's `Message-ID`: its own id at the domain of its sender.
pub fn message_id(email_id: EmailId, from: &Address) -> String {
    format!("<{email_id}@{}>", from.domain())
}

/// The address that a sender's text holds, its domain in ASCII.
pub fn sender_address(from_address: &str) -> Result<Address, BuildError> {
    mailbox("from", from_address).map(|mailbox| mailbox.email)
}

/// An address for an SMTP command: its domain in ASCII (`xn--…`), its local part as it is, in quotes where it needs them.
pub fn envelope_address(address: &str) -> Result<Address, BuildError> {
    let written = if is_one_line(address) { wire_address(address) } else { None };
    written.ok_or_else(|| BuildError("an address is not valid".to_owned()))
}

/// What a mail server takes beside ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Takes {
    /// Letters outside ASCII in addresses and headers (SMTPUTF8).
    pub utf8: bool,
    /// Any bytes in bodies (8BITMIME).
    pub eight_bit: bool,
}

/// The mail for a server: the message as it came, where it came as mail and the server takes it so; otherwise as
/// [build_message] writes it. With it goes its `Message-ID`.
pub fn mail_for(
    outgoing: &Outgoing,
    email_id: EmailId,
    date: DateTime<Utc>,
    takes: Takes,
) -> Result<(Vec<u8>, String), BuildError> {
    if let Some(mime) = &outgoing.mime {
        let (has_plain_headers, has_plain_body) = mail::is_ascii(mime);
        let message_id = mail::message_id_of(mime);
        if let (true, true, Some(message_id)) =
            (takes.utf8 || has_plain_headers, takes.eight_bit || has_plain_body, message_id)
        {
            return Ok((marked(mime, outgoing, email_id), message_id));
        }
    }
    let from = sender_address(&outgoing.from_address)?;
    Ok((build_message(outgoing, email_id, date, takes.utf8)?, message_id(email_id, &from)))
}

/// A mail with the message's id in front of it.
pub fn marked(mime: &[u8], outgoing: &Outgoing, email_id: EmailId) -> Vec<u8> {
    let mut head = format!("{ID_HEADER}: {email_id}\r\n");
    let of_provider = id_header_of(outgoing, email_id).filter(|(name, _)| !mail::has_header(mime, name));
    if let Some((name, value)) = of_provider {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [head.as_bytes(), mime].concat()
}

/// Writes a message as mail. Bcc recipients stand in no header. `date` is when it was accepted, so that every attempt
/// sends the same message. Without `allow_utf8` the result is ASCII throughout: recipients whose local part is not
/// ASCII are left out of the headers, and such a sender is an error.
pub fn build_message(
    outgoing: &Outgoing,
    email_id: EmailId,
    date: DateTime<Utc>,
    allow_utf8: bool,
) -> Result<Vec<u8>, BuildError> {
    let from = mailbox("from", &outgoing.from_address)?;
    let reply_to = outgoing.reply_to.as_deref().map(|list| parse_mailboxes("reply-to", list)).transpose();
    let reply_to = reply_to.map_err(|cause| BuildError(cause.to_string()))?.unwrap_or_default();
    let reply_to: Vec<Mailbox> = reply_to.into_iter().map(written).collect::<Result<_, _>>()?;
    if !allow_utf8 && reply_to.iter().chain([&from]).any(|sender| !is_ascii(&sender.email)) {
        return Err(BuildError("the mail server takes no sender with letters outside ASCII before the @".to_owned()));
    }
    check("subject", &outgoing.subject)?;
    let id_header = HeaderName::new_from_ascii_str(ID_HEADER);
    let mut builder = lettre::Message::builder()
        .date(SystemTime::from(date))
        .message_id(Some(message_id(email_id, &from.email)))
        .envelope(envelope(&from.email)?)
        .from(from)
        .subject(outgoing.subject.as_str())
        .raw_header(HeaderValue::new(id_header, email_id.to_string()));
    for reply_to in reply_to {
        builder = builder.reply_to(reply_to);
    }
    for (name, value) in &outgoing.headers {
        check("header", value)?;
        let name = HeaderName::new_from_ascii(name.clone())
            .map_err(|_| BuildError("a header has a name that no mail can have".to_owned()))?;
        builder = builder.raw_header(HeaderValue::new(name, value.clone()));
    }
    if let Some((name, value)) = id_header_of(outgoing, email_id) {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    builder = with_recipients(builder, outgoing, allow_utf8)?;
    let message = with_body(builder, outgoing)?;
    Ok(message.formatted())
}

/// What tells the provider whose mail server it goes to the message's id, unless the caller has that header for their own data.
fn id_header_of(outgoing: &Outgoing, email_id: EmailId) -> Option<(&'static str, String)> {
    let endpoint: SmtpEndpoint = outgoing.adapter.as_ref()?.endpoint.parse().ok()?;
    let header = id_header(&endpoint.host, email_id)?;
    let is_taken = outgoing.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(header.0));
    (!is_taken).then_some(header)
}

fn with_recipients(
    mut builder: MessageBuilder,
    outgoing: &Outgoing,
    allow_utf8: bool,
) -> Result<MessageBuilder, BuildError> {
    for recipient in &outgoing.recipients {
        let email = envelope_address(&recipient.address)?;
        if !allow_utf8 && !is_ascii(&email) {
            continue;
        }
        if let Some(name) = &recipient.name {
            check("recipient name", name)?;
        }
        let mailbox = Mailbox::new(recipient.name.clone().filter(|name| !name.trim().is_empty()), email);
        builder = match recipient.kind {
            RecipientKind::To => builder.to(mailbox),
            RecipientKind::Cc => builder.cc(mailbox),
            RecipientKind::Bcc => builder,
        };
    }
    Ok(builder)
}

/// Text and HTML side by side, pictures of the HTML beside it, and attachments after all of that. Source: RFC 2387.
fn with_body(builder: MessageBuilder, outgoing: &Outgoing) -> Result<lettre::Message, BuildError> {
    let has_html = outgoing.html.is_some();
    let (inline, attached): (Vec<_>, Vec<_>) =
        outgoing.attachments.iter().partition(|attachment| has_html && attachment.content_id.is_some());
    let html = outgoing.html.as_deref().map(with_plain_line_ends).map(SinglePart::html).map(Part::Single);
    let html = html.map(|html| html.followed_by(MultiPart::related().build(), inline)).transpose()?;
    let text = outgoing.text.as_deref().map(with_plain_line_ends).map(SinglePart::plain);
    let body = match (text, html) {
        (Some(text), Some(html)) => Part::Multi(html.in_multipart(MultiPart::alternative().singlepart(text))),
        (None, Some(html)) => html,
        (text, None) => Part::Single(text.unwrap_or_else(|| SinglePart::plain(String::new()))),
    };
    let built = match body.followed_by(MultiPart::mixed().build(), attached)? {
        Part::Single(part) => builder.singlepart(part),
        Part::Multi(parts) => builder.multipart(parts),
    };
    built.map_err(|cause| BuildError(cause.to_string()))
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

impl Part {
    /// This part as the next one of `parts`.
    fn in_multipart(self, parts: MultiPart) -> MultiPart {
        match self {
            Self::Single(part) => parts.singlepart(part),
            Self::Multi(inner) => parts.multipart(inner),
        }
    }

    /// This part in an empty multipart, with attachments after it; alone when there are none.
    fn followed_by(self, mut parts: MultiPart, attachments: Vec<&Attachment>) -> Result<Self, BuildError> {
        if attachments.is_empty() {
            return Ok(self);
        }
        parts = self.in_multipart(parts);
        for attachment in attachments {
            parts = parts.singlepart(attachment_part(attachment)?);
        }
        Ok(Self::Multi(parts))
    }
}

fn attachment_part(attachment: &Attachment) -> Result<SinglePart, BuildError> {
    check("attachment's file name", &attachment.filename)?;
    let content_type = attachment_type(&attachment.content_type)
        .ok_or_else(|| BuildError("an attachment has no valid content type".to_owned()))?;
    let part = match &attachment.content_id {
        Some(content_id) => {
            check("attachment's content id", content_id)?;
            AttachmentPart::new_inline_with_name(content_id.clone(), attachment.filename.clone())
        }
        None => AttachmentPart::new(attachment.filename.clone()),
    };
    // Always in base64: any other encoding lets mail servers touch line ends.
    let content = Body::new_with_encoding(attachment.content.clone(), ContentTransferEncoding::Base64)
        .map_err(|_| BuildError("an attachment cannot be encoded".to_owned()))?;
    Ok(part.body(content, content_type))
}

/// A lone CR would let a receiving server see other lines than ours (SMTP smuggling); lettre writes each LF as CRLF.
fn with_plain_line_ends(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn envelope(from: &Address) -> Result<lettre::address::Envelope, BuildError> {
    // The builder wants one; the true envelope is the attempt's.
    lettre::address::Envelope::new(Some(from.clone()), vec![from.clone()])
        .map_err(|cause| BuildError(cause.to_string()))
}

fn mailbox(field: &str, text: &str) -> Result<Mailbox, BuildError> {
    parse_mailbox(field, text).map_err(|cause| BuildError(cause.to_string())).and_then(written)
}

fn written(mailbox: super::mailbox::Mailbox) -> Result<Mailbox, BuildError> {
    Ok(Mailbox::new(mailbox.name, envelope_address(&mailbox.address)?))
}

fn check(field: &str, value: &str) -> Result<(), BuildError> {
    check_header(field, value).map_err(|cause| BuildError(format!("the {cause}")))
}

fn attachment_type(value: &str) -> Option<ContentType> {
    let is_composite = value.get(..10).is_some_and(|start| start.eq_ignore_ascii_case("multipart/"));
    if is_composite { None } else { ContentType::parse(value).ok() }
}

/// Whether an address needs no SMTPUTF8.
pub(super) fn is_ascii(address: &Address) -> bool {
    let text: &str = address.as_ref();
    text.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::adapter::AdapterKind;
    use crate::domain::channel::Channel;
    use crate::domain::email::Recipient;
    use crate::domain::ids::AdapterId;
    use crate::domain::tracking::MessageTracking;
    use crate::server::store::outbox::OutgoingAdapter;

    fn recipient(kind: RecipientKind, name: Option<&str>, address: &str) -> Recipient {
        Recipient { kind, address: address.to_owned(), name: name.map(str::to_owned) }
    }

    fn outgoing() -> Outgoing {
        Outgoing {
            names_adapter: false,
            adapter: None,
            channel: Channel::Email,
            notification_id: None,
            notification_kind: None,
            external_user_id: None,
            tags: Vec::new(),
            variables: serde_json::Value::Null,
            metadata: serde_json::Value::Null,
            headers: Vec::new(),
            from_address: "Finch <receipts@finch.example>".to_owned(),
            reply_to: Some("help@finch.example".to_owned()),
            recipients: vec![
                recipient(RecipientKind::To, Some("Zoë Ünal"), "zoe@example.com"),
                recipient(RecipientKind::Cc, None, "copy@example.com"),
                recipient(RecipientKind::Bcc, None, "hidden@example.com"),
            ],
            subject: "Ihre Quittung für März ✓".to_owned(),
            html: Some("<p>Grüße</p>".to_owned()),
            text: Some("Grüße".to_owned()),
            attachments: Vec::new(),
            mime: None,
            tracking: MessageTracking::default(),
        }
    }

    const ID: EmailId = EmailId(1_795_265_892_000 << 20);

    fn built(outgoing: &Outgoing) -> String {
        String::from_utf8(build_message(outgoing, ID, ID.created_at(), false).unwrap()).unwrap()
    }

    #[test]
    fn headers_are_complete_and_bcc_stands_in_none() {
        let message = built(&outgoing());
        let (headers, _) = message.split_once("\r\n\r\n").unwrap();
        for line in [
            "From: Finch <receipts@finch.example>".to_owned(),
            "Reply-To: help@finch.example".to_owned(),
            "Cc: copy@example.com".to_owned(),
            format!("Message-ID: <{ID}@finch.example>"),
            format!("X-Sendlog-Id: {ID}"),
            "MIME-Version: 1.0".to_owned(),
        ] {
            assert!(headers.lines().any(|header| header == line), "{line} in {headers}");
        }
        assert!(headers.contains("Date: Sat, 21 Nov 2026 "), "{headers}");
        assert!(headers.contains("multipart/alternative"));
        assert!(!message.contains("hidden@example.com") && !headers.to_lowercase().contains("bcc"));
        assert!(message.is_ascii());
    }

    #[test]
    fn the_same_message_is_written_at_every_attempt_but_for_its_boundary() {
        let mut outgoing = outgoing();
        outgoing.html = None;
        assert_eq!(built(&outgoing), built(&outgoing));
    }

    #[test]
    fn attachments_and_bodies_nest() {
        let mut outgoing = outgoing();
        let filename = "Übersicht.pdf".to_owned();
        let content = vec![0, 255, 13, 10, 46, 13, 10];
        outgoing.attachments =
            vec![Attachment { filename, content_type: "application/pdf".to_owned(), content, content_id: None }];
        let message = built(&outgoing);
        let place = |text: &str| message.find(text).unwrap_or_else(|| panic!("{text} in {message}"));
        assert!(place("multipart/mixed") < place("multipart/alternative"));
        assert!(place("text/plain") < place("text/html"));
        assert!(place("text/html") < place("application/pdf"));
        assert!(message.contains("filename*0*=utf-8''%C3%9Cbersicht.pdf") || message.contains("%C3%9Cbersicht.pdf"));
    }

    #[test]
    fn pictures_sit_beside_the_html_that_shows_them() {
        let mut outgoing = outgoing();
        let attachment = |filename: &str, content_id: Option<&str>| Attachment {
            filename: filename.to_owned(),
            content_type: "image/png".to_owned(),
            content: vec![1],
            content_id: content_id.map(str::to_owned),
        };
        outgoing.attachments = vec![attachment("attached.png", None), attachment("shown.png", Some("logo"))];
        // The parts in the order in which they begin; a boundary's end closes its multipart.
        let order = |message: &str, texts: &[&str]| {
            let mut rest = 0;
            for text in texts {
                let found = message[rest..].find(text).unwrap_or_else(|| panic!("{text} after {rest} in {message}"));
                rest += found + text.len();
            }
        };
        let message = built(&outgoing);
        order(
            &message,
            &[
                "multipart/mixed",
                "multipart/alternative",
                "text/plain",
                "multipart/related",
                "text/html",
                "Content-ID: <logo>",
                "attached.png",
            ],
        );
        outgoing.text = None;
        outgoing.attachments.remove(0);
        let message = built(&outgoing);
        order(&message, &["multipart/related", "text/html", "Content-ID: <logo>"]);
        assert!(!message.contains("multipart/mixed"));

        // Without HTML nothing shows it, so it is attached.
        (outgoing.html, outgoing.text) = (None, Some("Hello".to_owned()));
        let message = built(&outgoing);
        order(&message, &["multipart/mixed", "text/plain", "Content-ID: <logo>"]);
        assert!(!message.contains("multipart/related"));
    }

    #[test]
    fn an_attached_text_keeps_its_line_ends() {
        let mut outgoing = outgoing();
        let (filename, content_type) = ("a.csv".to_owned(), "text/csv".to_owned());
        let content = b"a;b\nc;d".to_vec();
        outgoing.attachments = vec![Attachment { filename, content_type, content, content_id: None }];
        assert!(built(&outgoing).contains("YTtiCmM7ZA=="));
    }

    #[test]
    fn a_line_break_in_a_header_is_refused_before_and_while_building() {
        for evil in ["Hi\r\nBcc: eve@example.com", "Hi\nBcc: eve@example.com", "Hi\r", "Hi\0"] {
            let refused = check_header("subject", evil).unwrap_err();
            assert!(matches!(&refused, AppError::Validation { field: Some(field), .. } if field == "subject"));
            let with = |change: &dyn Fn(&mut Outgoing)| {
                let mut outgoing = outgoing();
                change(&mut outgoing);
                build_message(&outgoing, ID, ID.created_at(), true)
            };
            let attachment = |filename: &str, content_type: &str| Attachment {
                filename: filename.to_owned(),
                content_type: content_type.to_owned(),
                content: Vec::new(),
                content_id: None,
            };
            assert!(with(&|o| o.subject = evil.to_owned()).is_err());
            assert!(with(&|o| o.from_address = format!("{evil} <a@finch.example>")).is_err());
            assert!(with(&|o| o.reply_to = Some(format!("a@finch.example{evil}"))).is_err());
            assert!(with(&|o| o.recipients[0].name = Some(evil.to_owned())).is_err());
            assert!(with(&|o| o.recipients[2].address = format!("{evil}@example.com")).is_err());
            assert!(with(&|o| o.attachments = vec![attachment(evil, "text/plain")]).is_err());
            assert!(with(&|o| o.attachments = vec![attachment("a.txt", evil)]).is_err());
        }
    }

    #[test]
    fn a_domain_outside_ascii_is_encoded_and_a_local_part_is_not() {
        assert_eq!(envelope_address("ada@bücher.example").unwrap().to_string(), "ada@xn--bcher-kva.example");
        let local = envelope_address("zoë@example.com").unwrap();
        assert!(!is_ascii(&local));
        let mut outgoing = outgoing();
        outgoing.recipients.push(recipient(RecipientKind::To, None, "zoë@example.com"));
        assert!(built(&outgoing).is_ascii());
        let message = build_message(&outgoing, ID, ID.created_at(), true).unwrap();
        assert!(String::from_utf8(message).unwrap().contains("zoë@example.com"));
    }

    #[test]
    fn a_local_part_that_needs_quotes_gets_them_in_the_headers() {
        let mut outgoing = outgoing();
        outgoing.recipients = vec![recipient(RecipientKind::To, Some("Ken"), "ken..sato.@docomo.example")];
        outgoing.reply_to = Some("Help <help@finch.example>; more..help@finch.example".to_owned());
        let message = built(&outgoing);
        for line in [
            "To: Ken <\"ken..sato.\"@docomo.example>",
            "Reply-To: Help <help@finch.example>, \"more..help\"@finch.example",
        ] {
            assert!(message.lines().any(|header| header == line), "{line} in {message}");
        }
    }

    #[test]
    fn a_lone_cr_never_leaves() {
        let mut outgoing = outgoing();
        outgoing.text = Some("a\r.\rb\n.\nc".to_owned());
        outgoing.html = None;
        let message = built(&outgoing);
        assert_eq!(message.matches('\r').count(), message.matches("\r\n").count());
        assert_eq!(message.matches('\n').count(), message.matches("\r\n").count());
    }

    #[test]
    fn a_providers_mail_server_is_told_the_id_beside_what_the_caller_says() {
        let at = |host: &str, headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let endpoint = format!("smtp://{host}:587");
            let (name, sealed_secret) = ("Mail".to_owned(), String::new());
            let (id, kind, from_address) = (AdapterId(1), AdapterKind::Smtp, String::new());
            let adapter = OutgoingAdapter { id, name, kind, endpoint, sealed_secret, from_address, down: None };
            built(&Outgoing { adapter: Some(adapter), headers, ..outgoing() })
        };
        let told = format!("X-SMTPAPI: {{\"unique_args\":{{\"sendlog_id\":\"{ID}\"}}}}");
        assert!(at("smtp.sendgrid.net", &[]).lines().any(|line| line == told));
        assert!(!at("mail.finch.example", &[]).contains("sendlog_id"));
        let own = at("smtp.sendgrid.net", &[("x-smtpapi", "{}")]);
        assert!(own.contains("x-smtpapi: {}") && !own.contains("sendlog_id"), "{own}");
    }

    #[test]
    fn only_a_plain_mime_type_is_an_attachments() {
        assert!(check_content_type("contentType", "application/pdf").is_ok());
        assert!(check_content_type("contentType", "text/plain; charset=utf-8").is_ok());
        for text in ["", "pdf", "multipart/mixed", "Multipart/Mixed", "a/b\r\nX: y"] {
            assert!(check_content_type("contentType", text).is_err(), "{text}");
        }
    }
}
