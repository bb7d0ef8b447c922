//! A mail of any kind, such as servers write to each other: its headers, its text and its parts, without a rule for who it is from.
//! And blocks of headers that stand in a part. Called by [crate::server::inbound], which reads delivery reports.

use super::fields::{Section, read_section};
use super::parts::{Attached, read_parts};
use super::{Unreadable, text};

/// What a mail holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OpenedMail {
    pub headers: Headers,
    pub text: Option<String>,
    pub attachments: Vec<Attached>,
    /// Where the body begins.
    pub body_start: usize,
}

/// Header fields with decoded values, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    fn of(section: &Section<'_>) -> Self {
        let field = |field: &super::Field<'_>| (String::from_utf8_lossy(field.name).into_owned(), text(field));
        Self(section.fields.iter().map(field).collect())
    }

    /// The first value of this name that says something.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).find(|value| !value.is_empty())
    }

    /// The values of this name.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads a mail, whoever it is from.
pub fn open_mail(raw: &[u8]) -> Result<OpenedMail, Unreadable> {
    let section = read_section(raw)?;
    let parts = read_parts(raw, &section)?;
    Ok(OpenedMail {
        headers: Headers::of(&section),
        text: parts.text,
        attachments: parts.attachments,
        body_start: section.body_start,
    })
}

/// The blocks of headers in a text, which empty lines part; at most `most`, and those before one that is too large.
pub fn read_header_blocks(text: &[u8], most: usize) -> Vec<Headers> {
    let (mut blocks, mut rest) = (Vec::new(), text);
    while !rest.is_empty() && blocks.len() < most {
        let Ok(section) = read_section(rest) else { break };
        let headers = Headers::of(&section);
        if !headers.is_empty() {
            blocks.push(headers);
        }
        let next = rest.get(section.body_start..).unwrap_or_default();
        if next.len() == rest.len() {
            break;
        }
        rest = next;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_from_nobody_is_opened() {
        let opened = open_mail(b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX: \r\nX: two\r\n\r\nhi\r\n").unwrap();
        assert_eq!(opened.headers.get("subject"), Some("Grüße"));
        assert_eq!((opened.headers.get("x"), opened.headers.all("X").count()), (Some("two"), 2));
        assert_eq!((opened.text.as_deref(), opened.body_start), (Some("hi\r\n"), 53));
        assert!(open_mail(b"").is_ok_and(|opened| opened.headers.is_empty()));
    }

    #[test]
    fn blocks_of_headers_are_parted_by_empty_lines() {
        let blocks = read_header_blocks(b"\n\r\nA: 1\n folded\nB: 2\n\n\n\nA: 3\r\n\r\n", 9);
        let values: Vec<_> = blocks.iter().map(|block| block.get("a")).collect();
        assert_eq!(values, [Some("1 folded"), Some("3")]);
        assert_eq!(read_header_blocks("A: 1\n\n".repeat(100).as_bytes(), 7).len(), 7);
        assert_eq!(read_header_blocks(format!("A: 1\n\n{}", "B: 1\n".repeat(2000)).as_bytes(), 7).len(), 1);
    }
}
