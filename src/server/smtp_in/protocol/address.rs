//! Addresses of the envelope, as MAIL and RCPT name them.
//! Sources: RFC 5321, sections 4.1.2 (syntax), 4.1.3 (address literals) and 4.5.3.1 (sizes), appendix C (source
//! routes); RFC 6531, section 3.3 (letters outside ASCII). More lenient in one thing: dots may stand anywhere in a
//! local part without quotes, since mailboxes of that kind exist.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The longest local part, domain and path, in bytes. Source: RFC 5321, section 4.5.3.1.
const LOCAL_BYTES: usize = 64;
const DOMAIN_BYTES: usize = 255;
const PATH_BYTES: usize = 256;
/// The longest part of a domain, in bytes. Source: RFC 1035, section 2.3.4.
const LABEL_BYTES: usize = 63;

/// A mailbox of the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EnvelopeAddress {
    /// Without the quotes that it may need on the way.
    local: String,
    domain: String,
}

impl EnvelopeAddress {
    /// What stands before the `@`, without quotes.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// What stands behind the `@`, as it was written: a domain, or an address in brackets.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether it can be sent without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii() && self.domain.is_ascii()
    }
}

/// In the shortest form that SMTP takes: the local part in quotes where it needs them.
impl fmt::Display for EnvelopeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        let escaped = self.local.replace('\\', "\\\\").replace('"', "\\\"");
        write!(f, "\"{escaped}\"@{}", self.domain)
    }
}

/// Why a text is no path, in words for whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("write the address in angle brackets: <ada@example.com>")]
    NoBrackets,
    #[error("the address is empty")]
    Empty,
    #[error("the address has no domain")]
    NoDomain,
    #[error("what stands before the @ is not valid")]
    Local,
    #[error("the domain is not valid")]
    Domain,
    #[error("the address is too long")]
    TooLong,
}

/// Reads a path, `<ada@example.com>`, and gives what follows it. `None` is the empty path, `<>`. A source route
/// (`<@one.example:ada@example.com>`) is left out.
pub fn read_path(text: &str) -> Result<(Option<EnvelopeAddress>, &str), PathError> {
    let inner = text.strip_prefix('<').ok_or(PathError::NoBrackets)?;
    let end = end_of_path(inner).ok_or(PathError::NoBrackets)?;
    let (path, rest) = inner.split_at_checked(end).ok_or(PathError::NoBrackets)?;
    let rest = rest.strip_prefix('>').ok_or(PathError::NoBrackets)?;
    if !rest.is_empty() && !rest.starts_with(' ') {
        return Err(PathError::NoBrackets);
    }
    if path.is_empty() {
        return Ok((None, rest));
    }
    let mailbox = match path.strip_prefix('@') {
        Some(routed) => routed.split_once(':').ok_or(PathError::NoDomain)?.1,
        None => path,
    };
    if mailbox.len() + 2 > PATH_BYTES {
        return Err(PathError::TooLong);
    }
    read_mailbox(mailbox).map(|address| (Some(address), rest))
}

/// The place of the closing bracket: the first that stands in no quotes.
fn end_of_path(inner: &str) -> Option<usize> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (at, byte) in inner.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b'>' if !is_quoted => return Some(at),
            _ => {}
        }
    }
    None
}

fn read_mailbox(text: &str) -> Result<EnvelopeAddress, PathError> {
    let (local, domain) = match text.strip_prefix('"') {
        Some(quoted) => {
            let (local, rest) = read_quoted(quoted).ok_or(PathError::Local)?;
            (local, rest.strip_prefix('@').ok_or(PathError::NoDomain)?)
        }
        None => {
            let (local, domain) = text.split_once('@').ok_or(PathError::NoDomain)?;
            if local.is_empty() || !local.chars().all(|letter| letter == '.' || is_atom(letter)) {
                return Err(PathError::Local);
            }
            (local.to_owned(), domain)
        }
    };
    if local.is_empty() {
        return Err(PathError::Local);
    }
    if local.len() > LOCAL_BYTES || domain.len() > DOMAIN_BYTES {
        return Err(PathError::TooLong);
    }
    if !is_domain(domain) && !is_address_literal(domain) {
        return Err(PathError::Domain);
    }
    Ok(EnvelopeAddress { local, domain: domain.to_owned() })
}

/// Reads behind an opening quotation mark: what the quotes hold, and what follows them.
fn read_quoted(text: &str) -> Option<(String, &str)> {
    let mut unquoted = String::new();
    let mut letters = text.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return Some((unquoted, text.get(at + 1..)?)),
            '\\' => unquoted.push(letters.next().map(|(_, letter)| letter).filter(|letter| is_quotable(*letter))?),
            letter if is_quotable(letter) => unquoted.push(letter),
            _ => return None,
        }
    }
    None
}

fn is_quotable(letter: char) -> bool {
    matches!(letter, ' '..='~') || is_beyond_ascii(letter)
}

/// RFC 5321's `Dot-string`.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atom))
}

/// RFC 5322's `atext`, and what RFC 6531 adds.
fn is_atom(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(letter) || is_beyond_ascii(letter)
}

fn is_beyond_ascii(letter: char) -> bool {
    !letter.is_ascii() && !letter.is_control() && !letter.is_whitespace()
}

/// Underscores are no letters of a host's name, but some domains of mail have them.
fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || is_beyond_ascii(letter);
        (1..=LABEL_BYTES).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter == '-' || is_letter(letter))
    })
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`.
fn is_address_literal(domain: &str) -> bool {
    let Some(literal) = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else { return false };
    match literal.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPv6:") => v6.parse::<Ipv6Addr>().is_ok(),
        _ => literal.parse::<Ipv4Addr>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, PathError> {
        read_path(text).map(|(address, _)| address.map_or_else(String::new, |address| address.to_string()))
    }

    #[test]
    fn addresses_are_read_as_the_standard_writes_them() {
        for (text, address) in [
            ("<>", ""),
            ("<ada@finch.example>", "ada@finch.example"),
            ("<ada+o'neil=x@finch.example>", "ada+o'neil=x@finch.example"),
            (r#"<"ada"@finch.example>"#, "ada@finch.example"),
            (r#"<"ada b"@finch.example>"#, r#""ada b"@finch.example"#),
            (r#"<"a\"\\>@b"@finch.example>"#, r#""a\"\\>@b"@finch.example"#),
            ("<a..b@finch.example>", r#""a..b"@finch.example"#),
            ("<ada@[192.0.2.1]>", "ada@[192.0.2.1]"),
            ("<ada@[IPv6:2001:db8::1]>", "ada@[IPv6:2001:db8::1]"),
            ("<@one.example,@two.example:ada@finch.example>", "ada@finch.example"),
            ("<jürgen@bücher.example>", "jürgen@bücher.example"),
            ("<ada@xn--bcher-kva.example>", "ada@xn--bcher-kva.example"),
            ("<ada@localhost>", "ada@localhost"),
            ("<ada@my_host.finch.example>", "ada@my_host.finch.example"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(address), "{text}");
        }
        let (address, rest) = read_path(r#"<"a>b"@finch.example> SIZE=1"#).unwrap();
        assert_eq!((address.unwrap().local(), rest), ("a>b", " SIZE=1"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        for (text, why) in [
            ("", PathError::NoBrackets),
            ("ada@finch.example", PathError::NoBrackets),
            ("<ada@finch.example", PathError::NoBrackets),
            ("<ada@finch.example>SIZE=1", PathError::NoBrackets),
            (r#"<"ada@finch.example>"#, PathError::NoBrackets),
            ("<ada>", PathError::NoDomain),
            ("<@finch.example>", PathError::NoDomain),
            (r#"<"ada"finch.example>"#, PathError::NoDomain),
            ("<ada b@finch.example>", PathError::Local),
            ("<a<b@finch.example>", PathError::Local),
            (r#"<""@finch.example>"#, PathError::Local),
            ("<\"a\u{1}\"@finch.example>", PathError::Local),
            ("<ada@>", PathError::Domain),
            ("<ada@.finch.example>", PathError::Domain),
            ("<ada@finch.example.>", PathError::Domain),
            ("<ada@-finch.example>", PathError::Domain),
            ("<ada@finch example>", PathError::Domain),
            ("<ada@b@finch.example>", PathError::Domain),
            ("<ada@[300.0.2.1]>", PathError::Domain),
            ("<ada@[IPv6:zz]>", PathError::Domain),
            ("<ada@[tag:x]>", PathError::Domain),
        ] {
            assert_eq!(read(text), Err(why), "{text}");
        }
    }

    #[test]
    fn the_parts_of_an_address_have_the_standards_bounds() {
        let domain = |bytes: usize| ["x".repeat(63).as_str(); 4].join(".").split_at(bytes).0.to_owned();
        let read = |local: usize, bytes: usize| read(&format!("<{}@{}>", "a".repeat(local), domain(bytes)));
        assert!(read(64, 189).is_ok());
        assert_eq!(read(65, 100), Err(PathError::TooLong));
        assert_eq!(read(64, 190), Err(PathError::TooLong));
        assert_eq!(super::read_path(&format!("<a@{}>", "x".repeat(64))), Err(PathError::Domain));
    }
}
