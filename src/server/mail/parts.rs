//! The parts of a message: which are its text, and which are attached. They are taken apart here, within bounds, since
//! the parser of crate `mail-parser` has none for messages within messages; what a field or a body says, it reads.
//! Sources: RFC 2045 and RFC 2046, section 5.1 (parts); RFC 2183 (what is attached); RFC 2231 (file names).

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mail_parser::ContentType;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::parsers::MessageStream;

use super::fields::{Section, read_section};
use super::{Unreadable, clean, cleaned, decoded_text};

/// The most parts, and how deep they may stand within one another.
const PARTS: usize = 1000;
const DEPTH: usize = 20;
/// The longest boundary, in bytes. RFC 2046 allows 70.
const BOUNDARY_BYTES: usize = 250;

/// What a message holds beside its headers.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) text: Option<String>,
    pub(super) html: Option<String>,
    pub(super) attachments: Vec<Attached>,
    count: usize,
}

/// Something attached to a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// As the sender called it, without any folder.
    pub name: Option<String>,
    /// In lower case: `application/pdf`.
    pub content_type: String,
    /// Decoded.
    pub size_bytes: usize,
    /// Without its angle brackets: how the HTML refers to it.
    pub content_id: Option<String>,
    /// Whether it is to be shown within the text.
    pub is_inline: bool,
    range: Range<usize>,
    encoding: Encoding,
}

impl Attached {
    /// Its bytes, decoded, out of the message that it was read from.
    pub fn content<'a>(&self, raw: &'a [u8]) -> Cow<'a, [u8]> {
        self.encoding.decode(raw.get(self.range.clone()).unwrap_or_default())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Base64,
    QuotedPrintable,
}

impl Encoding {
    fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::Identity => Cow::Borrowed(body),
            Self::Base64 => Cow::Owned(decoded_base64(body)),
            Self::QuotedPrintable => match MessageStream::new(body).decode_quoted_printable_mime(b"") {
                // What cannot be decoded stays as it is.
                (usize::MAX, _) => Cow::Borrowed(body),
                (_, decoded) => decoded,
            },
        }
    }
}

/// Letters that are not of base64 do not count, and nothing does behind the padding, where mailing lists add footers.
/// Source: RFC 2045, section 6.8.
fn decoded_base64(body: &[u8]) -> Vec<u8> {
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let mut letters: Vec<u8> = body.iter().copied().take_while(|byte| *byte != b'=').filter(is_letter).collect();
    if letters.len() % 4 == 1 {
        letters.pop();
    }
    BASE64.decode(letters).unwrap_or_default()
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// What the fields of a part say of its body.
struct Description {
    /// In lower case.
    kind: String,
    boundary: Option<String>,
    charset: Option<String>,
    name: Option<String>,
    content_id: Option<String>,
    encoding: Encoding,
    is_attached: bool,
    is_inline: bool,
}

/// Reads the parts of a message whose header section is read.
pub(super) fn read_parts(raw: &[u8], section: &Section<'_>) -> Result<Parts, Unreadable> {
    let mut parts = Parts::default();
    parts.add(raw, section, section.body_start..raw.len(), Place { depth: 0, default_kind: "text/plain" })?;
    Ok(parts)
}

/// Where a part stands.
#[derive(Clone, Copy)]
struct Place {
    depth: usize,
    /// What it is where it does not say so.
    default_kind: &'static str,
}

impl Parts {
    fn add(&mut self, raw: &[u8], section: &Section<'_>, body: Range<usize>, place: Place) -> Result<(), Unreadable> {
        self.count += 1;
        if self.count > PARTS || place.depth > DEPTH {
            return Err(Unreadable::Parts);
        }
        let description = Description::read(section, place.default_kind);
        let bytes = raw.get(body.clone()).unwrap_or_default();
        if description.kind.starts_with("multipart/") {
            let children =
                description.boundary.as_deref().map(|boundary| children(bytes, boundary)).unwrap_or_default();
            let default_kind = if description.kind == "multipart/digest" { "message/rfc822" } else { "text/plain" };
            let place = Place { depth: place.depth + 1, default_kind };
            for child in &children {
                let child = body.start + child.start..body.start + child.end;
                let section = read_section(raw.get(child.clone()).unwrap_or_default())?;
                self.add(raw, &section, child.start + section.body_start..child.end, place)?;
            }
            if !children.is_empty() {
                return Ok(());
            }
        }
        self.add_leaf(bytes, body, description);
        Ok(())
    }

    fn add_leaf(&mut self, bytes: &[u8], range: Range<usize>, description: Description) {
        let decoded = description.encoding.decode(bytes);
        let is_text = !description.is_attached && description.name.is_none();
        match description.kind.as_str() {
            // A multipart without parts is shown as the text that it is.
            kind if is_text && (kind == "text/plain" || kind.starts_with("multipart/")) => {
                append(&mut self.text, text_of(decoded, description.charset.as_deref()));
            }
            "text/html" if is_text => append(&mut self.html, text_of(decoded, description.charset.as_deref())),
            _ => self.attachments.push(Attached {
                name: description.name,
                content_type: description.kind,
                size_bytes: decoded.len(),
                content_id: description.content_id,
                is_inline: description.is_inline,
                range,
                encoding: description.encoding,
            }),
        }
    }
}

/// Texts that follow one another, such as a footer that a mailing list adds, are one.
fn append(whole: &mut Option<String>, text: String) {
    match whole {
        Some(whole) => {
            whole.push('\n');
            whole.push_str(&text);
        }
        None => *whole = Some(text),
    }
}

fn text_of(bytes: Cow<'_, [u8]>, charset: Option<&str>) -> String {
    match charset.and_then(|charset| charset_decoder(charset.as_bytes())) {
        Some(decode) => cleaned(Cow::Owned(decode(&bytes))),
        None => cleaned(String::from_utf8_lossy(&bytes)),
    }
}

impl Description {
    fn read(section: &Section<'_>, default_kind: &str) -> Self {
        // Where a field stands twice, the first counts.
        let value = |name: &str| section.fields.iter().find(|field| field.is(name)).map(|field| field.with_line_end());
        let structured = |name: &str| {
            let value = value(name)?;
            MessageStream::new(&value).parse_content_type().into_owned().into_content_type()
        };
        let (content_type, disposition) = (structured("Content-Type"), structured("Content-Disposition"));
        let encoding = match value("Content-Transfer-Encoding").map(|value| decoded_text(&value).to_ascii_lowercase()) {
            Some(name) if name == "base64" => Encoding::Base64,
            Some(name) if name == "quoted-printable" => Encoding::QuotedPrintable,
            Some(_) | None => Encoding::Identity,
        };
        let attribute =
            |of: &Option<ContentType<'_>>, name: &str| of.as_ref().and_then(|of| of.attribute(name)).map(str::to_owned);
        let name = attribute(&disposition, "filename").or_else(|| attribute(&content_type, "name"));
        let content_id = value("Content-ID").and_then(|value| {
            let id = MessageStream::new(&value).parse_id().into_text()?;
            Some(clean(id.trim())).filter(|id| !id.is_empty())
        });
        let is_attached = disposition.as_ref().is_some_and(|disposition| disposition.is_attachment());
        Self {
            kind: content_type.as_ref().and_then(kind_of).unwrap_or_else(|| default_kind.to_owned()),
            boundary: attribute(&content_type, "boundary"),
            charset: attribute(&content_type, "charset"),
            name: name.and_then(|name| file_name(&name)),
            is_inline: !is_attached && (content_id.is_some() || disposition.is_some_and(|one| one.is_inline())),
            content_id,
            encoding,
            is_attached,
        }
    }
}

fn kind_of(content_type: &ContentType<'_>) -> Option<String> {
    let kind = format!("{}/{}", content_type.ctype(), content_type.subtype()?);
    let is_kind = kind.bytes().all(|byte| byte.is_ascii_graphic()) && kind.len() <= 127;
    is_kind.then(|| kind.to_ascii_lowercase())
}

/// A file's name, without folders. Many programs write encoded words where RFC 2231 wants its own form.
fn file_name(name: &str) -> Option<String> {
    let decoded = if name.contains("=?") { decoded_text(format!("{name}\r\n").as_bytes()) } else { clean(name.trim()) };
    let last = decoded.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    (!last.is_empty()).then(|| last.to_owned())
}

/// Where the parts between the lines of a boundary stand. What comes before the first and behind the last is no part.
/// A last part that is not closed goes to the end.
fn children(body: &[u8], boundary: &str) -> Vec<Range<usize>> {
    let mut children = Vec::new();
    // RFC 2046, section 5.1.1: blanks behind a boundary are not part of it.
    let boundary = boundary.trim_end_matches([' ', '\t']);
    if !(1..=BOUNDARY_BYTES).contains(&boundary.len()) {
        return children;
    }
    let (mut open, mut at): (Option<usize>, usize) = (None, 0);
    while at < body.len() {
        let rest = body.get(at..).unwrap_or_default();
        let line_end = rest.iter().position(|byte| *byte == b'\n').map_or(body.len(), |end| at + end + 1);
        let line = body.get(at..line_end).unwrap_or_default();
        if let Some(delimiter) = Delimiter::read(line, boundary.as_bytes()) {
            if let Some(start) = open {
                children.push(start..end_before(body, at).max(start));
            }
            open = match delimiter {
                Delimiter::Next => Some(line_end),
                Delimiter::Last => return children,
            };
            // One more than are allowed is enough to say so.
            if children.len() > PARTS {
                return children;
            }
        }
        at = line_end;
    }
    children.extend(open.map(|start| start..body.len()));
    children
}

enum Delimiter {
    Next,
    Last,
}

impl Delimiter {
    fn read(line: &[u8], boundary: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(b"--")?.strip_prefix(boundary)?;
        if rest.trim_ascii().is_empty() {
            return Some(Self::Next);
        }
        rest.strip_prefix(b"--").filter(|rest| rest.trim_ascii().is_empty()).map(|_| Self::Last)
    }
}

/// The line end before a boundary belongs to the boundary.
fn end_before(body: &[u8], at: usize) -> usize {
    let before = body.get(..at).unwrap_or_default();
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

#[cfg(test)]
mod tests;
