//! Takes headers out of a message and leaves every other byte as it was, so that signatures over the others stay valid.

use super::fields::Fields;

/// The message without the headers of these names, in any case of letters. A name that ends in `*` is the beginning of
/// names: `X-Sendlog-*`.
pub fn with_headers_removed(raw: &[u8], names: &[&str]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(raw.len());
    let mut fields = Fields::new(raw);
    let mut at = 0;
    for field in fields.by_ref() {
        if names.iter().any(|name| is_named(field.name, name)) {
            kept.extend_from_slice(raw.get(at..field.range.start).unwrap_or_default());
            at = field.range.end;
        }
    }
    kept.extend_from_slice(raw.get(at..).unwrap_or_default());
    kept
}

fn is_named(field: &[u8], name: &str) -> bool {
    match name.strip_suffix('*') {
        Some(prefix) => field.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes())),
        None => field.eq_ignore_ascii_case(name.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_headers_go_with_their_continuations_and_nothing_else_changes() {
        let names = ["Bcc", "X-Sendlog-*", "Idempotency-Key"];
        for (raw, left) in [
            ("To: a\r\nBcc: b,\r\n c\r\nSubject: x\r\n\r\nBcc: body\r\n", "To: a\r\nSubject: x\r\n\r\nBcc: body\r\n"),
            ("bCC : b\r\nX-SENDLOG-Tag: t\r\nx-sendlog-: \r\n\r\n", "\r\n"),
            ("To: a\nBcc: b\n\tc\nSubject: x\n\nbody", "To: a\nSubject: x\n\nbody"),
            ("no field\r\nBcc: b\r\n\r\nbody", "no field\r\n\r\nbody"),
            ("To: a\r\nBcc: b", "To: a\r\n"),
            ("Bccs: a\r\nX-Sendlog: b\r\nidempotency-key: c\r\n\r\n", "Bccs: a\r\nX-Sendlog: b\r\n\r\n"),
            ("To: a\r\nSubject: bare \r Bcc: b\r\n\r\n", "To: a\r\nSubject: bare \r Bcc: b\r\n\r\n"),
            ("", ""),
            ("\r\n", "\r\n"),
        ] {
            assert_eq!(String::from_utf8_lossy(&with_headers_removed(raw.as_bytes(), &names)), left, "{raw:?}");
        }
    }

    #[test]
    fn nothing_is_lost_where_no_header_is_named() {
        let raw: Vec<u8> = (0..=255_u8).cycle().take(100_000).collect();
        assert_eq!(with_headers_removed(&raw, &[]), raw);
        assert_eq!(with_headers_removed(&raw, &["Bcc"]), raw);
    }
}
