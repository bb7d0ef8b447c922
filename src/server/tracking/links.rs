//! Rewrites a mail's HTML so that it tells when it is opened and which of its links are followed: web addresses of `<a>` and
//! `<area>`, and a picture of one pixel. Everything else stays byte for byte: comments, among them those that only Outlook
//! reads, styles, `mailto:`, `tel:`, places within the mail, and links that say `data-sendlog-track="off"`.
//! Source of the tokens: HTML, section 13.2.5; their places in the text are html5gum's.

use std::borrow::Cow;
use std::ops::Range;

use html5gum::emitters::default::{DefaultEmitter, StartTag, Token};
use html5gum::{Span, Tokenizer};

use super::token::{MAX_TARGET_BYTES, MailCopy, Signer, TokenKind};

/// The largest HTML that is rewritten, in bytes: a mail program cuts a larger one off anyway.
const MAX_HTML_BYTES: usize = 4 * 1024 * 1024;
/// How many links of a mail are rewritten; those behind them lead where they did.
const MAX_LINKS: usize = 1_000;

/// What a link says that is to be left alone.
const SWITCH: &[u8] = b"data-sendlog-track";

/// The links of one copy of a message.
#[derive(Clone, Copy, Debug)]
pub struct Links<'a> {
    /// The address people open, without a slash at its end.
    pub base_url: &'a str,
    pub signer: &'a Signer,
    pub copy: MailCopy,
}

impl Links<'_> {
    /// The address of a token.
    pub fn url(&self, kind: TokenKind, target: &str) -> String {
        format!("{}{}{}", self.base_url, kind.folder(), self.signer.sign(kind, self.copy, target))
    }

    /// The HTML with links that tell who follows them, and a picture that tells who opens it.
    pub fn rewrite<'h>(&self, html: &'h str, opens: bool, clicks: bool) -> Cow<'h, str> {
        if html.len() > MAX_HTML_BYTES {
            return Cow::Borrowed(html);
        }
        let found = Found::in_html(html);
        let mut edits: Vec<(Range<usize>, String)> = Vec::new();
        if clicks {
            let own = |link: &Link| self.leads_to_us(&link.target);
            let links = found.links.into_iter().filter(|link| !own(link)).take(MAX_LINKS);
            edits.extend(links.map(|link| (link.place, self.url(TokenKind::Click, &link.target))));
        }
        if opens {
            let end = found.body_end.unwrap_or(html.len());
            let pixel =
                format!(r#"<img src="{}" width="1" height="1" border="0" alt="">"#, self.url(TokenKind::Open, ""));
            edits.push((end..end, pixel));
        }
        edits.sort_by_key(|(place, _)| place.start);
        edited(html, &edits)
    }

    /// Whether it is one of our own links: none is followed twice, and unsubscribing is no click.
    fn leads_to_us(&self, target: &str) -> bool {
        let kinds = [TokenKind::Open, TokenKind::Click, TokenKind::Unsubscribe];
        target.strip_prefix(self.base_url).is_some_and(|path| kinds.iter().any(|kind| path.starts_with(kind.folder())))
    }
}

/// The text with other texts in some of its places, which are in order.
fn edited<'h>(html: &'h str, edits: &[(Range<usize>, String)]) -> Cow<'h, str> {
    if edits.is_empty() {
        return Cow::Borrowed(html);
    }
    let mut written = String::with_capacity(html.len() + edits.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut rest = 0;
    for (place, text) in edits {
        written.push_str(&html[rest..place.start]);
        written.push_str(text);
        rest = place.end;
    }
    written.push_str(&html[rest..]);
    Cow::Owned(written)
}

/// A link that can be rewritten.
#[derive(Debug, PartialEq, Eq)]
struct Link {
    /// Where its address stands, without quotes.
    place: Range<usize>,
    /// The address, without what HTML escapes.
    target: String,
}

#[derive(Debug, Default)]
struct Found {
    /// In their order.
    links: Vec<Link>,
    /// Where the last `</body>` begins.
    body_end: Option<usize>,
}

impl Found {
    fn in_html(html: &str) -> Self {
        let mut emitter = DefaultEmitter::<usize>::new_with_span();
        emitter.naively_switch_states(true);
        let mut found = Self::default();
        for token in Tokenizer::new_with_emitter(html, emitter) {
            let Ok(token) = token;
            match token {
                Token::StartTag(tag) => found.links.extend(link_of(html, &tag)),
                Token::EndTag(tag) if *tag.name == *b"body" => {
                    found.body_end =
                        tag_text(html, tag.span).filter(|(_, text)| text.starts_with("</")).map(|(at, _)| at);
                }
                Token::EndTag(_) | Token::String(_) | Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
            }
        }
        found
    }
}

/// The link that a start tag is, where it is one that can be rewritten.
fn link_of(html: &str, tag: &StartTag<usize>) -> Option<Link> {
    if !matches!(&**tag.name, b"a" | b"area") {
        return None;
    }
    let value = |name: &[u8]| tag.attributes.get(name).map(|value| &***value);
    if value(SWITCH).is_some_and(|value| value.trim_ascii().eq_ignore_ascii_case(b"off")) {
        return None;
    }
    let target = web_address(std::str::from_utf8(value(b"href")?).ok()?)?;
    let (at, text) = tag_text(html, tag.span)?;
    let place = attribute_value(text, "href")?;
    Some(Link { place: at + place.start..at + place.end, target })
}

/// Where a link leads, as a browser reads it, for one that leads to the web.
fn web_address(href: &str) -> Option<String> {
    let href = href.trim_matches(|letter: char| letter.is_ascii_whitespace());
    let begins_with = |scheme: &str| href.get(..scheme.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(scheme));
    if !begins_with("http://") && !begins_with("https://") {
        return None;
    }
    let url = url::Url::parse(href).ok()?;
    // As it is written, where it can stand in a header; else as browsers write it.
    let is_plain = href.bytes().all(|byte| byte.is_ascii_graphic());
    let target = if is_plain { href.to_owned() } else { url.into() };
    (target.len() <= MAX_TARGET_BYTES).then_some(target)
}

/// A tag's text with its place, where what stands at the place is a tag.
fn tag_text(html: &str, span: Span<usize>) -> Option<(usize, &str)> {
    let text = html.get(span.start..span.end)?;
    (text.starts_with('<') && text.ends_with('>')).then_some((span.start, text))
}

/// Where the value of an attribute stands in a start tag, without its quotes: the first attribute of this name counts. `None`
/// for one without a value. Source: HTML, sections 13.2.5.32 to 13.2.5.39.
fn attribute_value(tag: &str, wanted: &str) -> Option<Range<usize>> {
    let bytes = tag.as_bytes();
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c');
    let find = |from: usize, end: &dyn Fn(u8) -> bool| {
        bytes[from..].iter().position(|byte| end(*byte)).map_or(bytes.len(), |length| from + length)
    };
    let mut at = find(1, &|byte| is_space(byte) || matches!(byte, b'/' | b'>'));
    loop {
        at = find(at, &|byte| !is_space(byte) && byte != b'/');
        if at >= bytes.len() || bytes[at] == b'>' {
            return None;
        }
        // An equals sign at the beginning of a name is a part of it.
        let name_end = find(at + 1, &|byte| is_space(byte) || matches!(byte, b'/' | b'>' | b'='));
        let name = at..name_end;
        at = find(name_end, &|byte| !is_space(byte));
        let mut value = None;
        if bytes.get(at) == Some(&b'=') {
            at = find(at + 1, &|byte| !is_space(byte));
            let range = match bytes.get(at) {
                Some(quote @ (b'"' | b'\'')) => at + 1..find(at + 1, &|byte| byte == *quote),
                _ => at..find(at, &|byte| is_space(byte) || byte == b'>'),
            };
            at = if range.start > at { range.end + 1 } else { range.end };
            value = Some(range);
        }
        if tag[name].eq_ignore_ascii_case(wanted) {
            return value;
        }
        at = at.min(bytes.len());
    }
}

#[cfg(test)]
mod tests;
