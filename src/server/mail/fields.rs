//! The header fields of a message or of a part: where each begins and ends. Called by [super], by [super::parts] and by
//! [super::header_removal].
//! Source: RFC 5322, sections 2.2 and 4.5 (blanks before the colon).

use std::ops::Range;

use super::Unreadable;

/// The longest header section, in bytes, and the most fields.
const SECTION_BYTES: usize = 256 * 1024;
const FIELDS: usize = 1000;

/// A header section, and where the body begins.
pub(super) struct Section<'a> {
    pub(super) fields: Vec<Field<'a>>,
    pub(super) body_start: usize,
}

/// A field, with the lines that continue it.
pub(super) struct Field<'a> {
    /// Empty where a line is no field.
    pub(super) name: &'a [u8],
    /// What stands behind the colon, line ends included.
    value: &'a [u8],
    pub(super) range: Range<usize>,
}

impl Field<'_> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// What its name says behind `prefix`, if anything.
    pub(super) fn name_behind(&self, prefix: &str) -> Option<String> {
        let (start, rest) = self.name.split_at_checked(prefix.len())?;
        let is_longer = start.eq_ignore_ascii_case(prefix.as_bytes()) && !rest.is_empty();
        is_longer.then(|| String::from_utf8_lossy(rest).into_owned())
    }

    /// Its value, as the parser takes it: it reads nothing of a value that ends in no line end.
    pub(super) fn with_line_end(&self) -> Vec<u8> {
        let value = self.value.strip_suffix(b"\n").unwrap_or(self.value);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        [value, b"\r\n"].concat()
    }
}

/// Reads the header section at the beginning of `raw`, within bounds.
pub(super) fn read_section(raw: &[u8]) -> Result<Section<'_>, Unreadable> {
    let mut fields = Vec::new();
    let mut rest = Fields::new(raw);
    for field in rest.by_ref() {
        if field.range.end > SECTION_BYTES || fields.len() == FIELDS {
            return Err(Unreadable::Headers);
        }
        fields.push(field);
    }
    Ok(Section { fields, body_start: rest.body_start() })
}

/// The fields of a header section, whatever their number.
pub(super) struct Fields<'a> {
    raw: &'a [u8],
    at: usize,
    is_over: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(raw: &'a [u8]) -> Self {
        Self { raw, at: 0, is_over: false }
    }

    /// Where the body begins, once all fields are read: behind the empty line.
    pub(super) fn body_start(&self) -> usize {
        self.at
    }

    /// The place behind the next line end.
    fn end_of_line(&self, start: usize) -> usize {
        let line = self.raw.get(start..).unwrap_or_default();
        line.iter().position(|byte| *byte == b'\n').map_or(self.raw.len(), |end| start + end + 1)
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if self.is_over {
            return None;
        }
        let (start, mut end) = (self.at, self.end_of_line(self.at));
        let first = self.raw.get(start..end)?;
        if first.is_empty() || first == b"\r\n" || first == b"\n" {
            (self.at, self.is_over) = (end, true);
            return None;
        }
        while matches!(self.raw.get(end), Some(b' ' | b'\t')) {
            end = self.end_of_line(end);
        }
        self.at = end;
        let whole = self.raw.get(start..end)?;
        let colon = first.iter().position(|byte| *byte == b':');
        let (name, value) = match colon.and_then(|colon| Some((whole.get(..colon)?, whole.get(colon + 1..)?))) {
            Some((name, value)) => (name.trim_ascii(), value),
            None => (&b""[..], whole),
        };
        Some(Field { name, value, range: start..end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(raw: &str) -> (Vec<(String, String)>, String) {
        let section = read_section(raw.as_bytes()).unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let fields = section.fields.iter().map(|field| (text(field.name), text(field.value))).collect();
        (fields, raw[section.body_start..].to_owned())
    }

    #[test]
    fn a_field_goes_on_over_lines_that_begin_with_a_blank() {
        let (read, body) =
            fields("To: a@finch.example,\r\n\tb@finch.example\r\nX-Odd : 1\n no colon\r\n\r\nSubject: no\r\n");
        let expected = [("To", " a@finch.example,\r\n\tb@finch.example\r\n"), ("X-Odd", " 1\n no colon\r\n")];
        assert_eq!(read, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(body, "Subject: no\r\n");
        assert_eq!(fields("").0, []);
        assert_eq!(fields("no field\r\nTo: a\r\n\r\n").0.len(), 2);
        assert_eq!(fields("To: a").0, [("To".to_owned(), " a".to_owned())]);
        assert_eq!(fields("\r\nbody").1, "body");
    }

    #[test]
    fn a_header_section_has_bounds() {
        assert!(read_section("A: b\r\n".repeat(1000).as_bytes()).is_ok());
        assert!(read_section("A: b\r\n".repeat(1001).as_bytes()).is_err());
        assert!(read_section(format!("A: {}\r\n", "b".repeat(300_000)).as_bytes()).is_err());
    }
}
