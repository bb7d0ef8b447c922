//! A person, as the address that they are known by: finding it in what is kept, and putting something else in its place.
//! Texts of other programs write one address in several ways: in links, in escaped JSON, with the domain as DNS has it. Used by
//! [crate::server::store] to export and to forget.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::mailbox::{bare_address, folded, mailbox_key};

/// The longest address, in bytes. Source: RFC 5321, section 4.5.3.1, with room for its quotes.
const MAX_BYTES: usize = 330;

/// The fewest digits of a telephone number.
const MIN_DIGITS: usize = 7;

/// Somebody's address, as it is looked for. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    key: String,
    /// Every way of writing it, in lower case.
    forms: Vec<Vec<char>>,
    is_number: bool,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Person")
    }
}

impl Person {
    /// `None` for what is neither an email address nor a telephone number: a shorter text would be found in everything.
    pub fn new(typed: &str) -> Option<Self> {
        let key = mailbox_key(typed);
        let is_plain = key.len() <= MAX_BYTES && !key.chars().any(char::is_control);
        let digits = key.strip_prefix('+').unwrap_or_default();
        let is_number = digits.len() >= MIN_DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
        let is_mail = key.rsplit_once('@').is_some_and(|(local, domain)| {
            let is_one = !local.contains(['@', '<', '>', ',', ';']) && !domain.contains([' ', '<', '>', ',', ';']);
            !local.is_empty() && domain.contains('.') && is_one
        });
        (is_plain && (is_number || is_mail)).then(|| Self { forms: forms_of(&key), key, is_number })
    }

    /// The form in which recipients are compared: [mailbox_key].
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Whether an address is this person's.
    pub fn is(&self, address: &str) -> bool {
        mailbox_key(address) == self.key
    }

    /// Whether a sender or a reply address, with a name or without, is this person's.
    pub fn is_mailbox(&self, mailbox: &str) -> bool {
        self.is(bare_address(mailbox))
    }

    /// Whether a text has the address in it. `ada@example.com` is not in `nada@example.com`.
    pub fn is_in(&self, text: &str) -> bool {
        self.find(text).is_some()
    }

    /// Whether a text of any JSON value has it, or a name of a field.
    pub fn is_in_value(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => self.is_in(text),
            Value::Array(items) => items.iter().any(|item| self.is_in_value(item)),
            Value::Object(fields) => fields.iter().any(|(name, value)| self.is_in(name) || self.is_in_value(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The text with `placeholder` wherever the address was; `None` where it was not.
    pub fn replaced(&self, text: &str, placeholder: &str) -> Option<String> {
        let (mut rest, mut replaced) = (text, String::new());
        let mut before = "";
        while let Some(found) = self.find_after(before, rest) {
            replaced.push_str(&rest[..found.start]);
            replaced.push_str(placeholder);
            before = &rest[..found.end];
            rest = &rest[found.end..];
        }
        (rest.len() < text.len()).then(|| replaced + rest)
    }

    /// The JSON value with `placeholder` wherever the address was; `None` where it was not.
    pub fn replaced_in_value(&self, value: &Value, placeholder: &str) -> Option<Value> {
        if !self.is_in_value(value) {
            return None;
        }
        let of = |value: &Value| self.replaced_in_value(value, placeholder).unwrap_or_else(|| value.clone());
        Some(match value {
            Value::String(text) => Value::String(self.replaced(text, placeholder)?),
            Value::Array(items) => Value::Array(items.iter().map(of).collect()),
            Value::Object(fields) => {
                let name_of = |name: &String| self.replaced(name, placeholder).unwrap_or_else(|| name.clone());
                Value::Object(fields.iter().map(|(name, value)| (name_of(name), of(value))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        })
    }

    fn find(&self, text: &str) -> Option<Range<usize>> {
        self.find_after("", text)
    }

    /// The first place in `text`, of which `before` stands before it.
    fn find_after(&self, before: &str, text: &str) -> Option<Range<usize>> {
        // Only around what every form has: most of a body is looked at once, and quickly.
        let anchors: &[&str] =
            if self.is_number { &["+", "%2b", "%2B", "u002b", "u002B"] } else { &["@", "%40", "u0040"] };
        let mut places: Vec<usize> =
            anchors.iter().flat_map(|anchor| text.match_indices(anchor).map(|(place, _)| place)).collect();
        places.sort_unstable();
        places.into_iter().find_map(|place| {
            let low = text.floor_char_boundary(place.saturating_sub(self.reach()));
            let starts = text[low..=place].char_indices().map(|(start, _)| low + start);
            starts.into_iter().find_map(|start| self.found_at(before, text, start))
        })
    }

    fn found_at(&self, before: &str, text: &str, start: usize) -> Option<Range<usize>> {
        let length = self.forms.iter().find_map(|form| matched(&text[start..], form))?;
        let end = start + length;
        let is_alone = self.begins(before, &text[..start]) && self.ends(&text[end..]);
        is_alone.then_some(start..end)
    }

    /// How many bytes before an anchor a form can begin, at most.
    fn reach(&self) -> usize {
        self.forms.first().map_or(0, |longest| 4 * longest.len())
    }

    /// Whether an address can begin behind this.
    fn begins(&self, earlier: &str, before: &str) -> bool {
        let before = if before.is_empty() { earlier } else { before };
        if ends_with_escape(before) {
            return true;
        }
        let mut letters = before.chars().rev();
        let (last, second) = (letters.next(), letters.next());
        match last {
            None => true,
            Some(digit) if self.is_number => !digit.is_numeric() && digit != '+',
            Some(letter) if letter.is_alphanumeric() => false,
            Some('.' | '_' | '-' | '+' | '\'') => !second.is_some_and(char::is_alphanumeric),
            Some(_) => true,
        }
    }

    /// Whether an address can end before this.
    fn ends(&self, after: &str) -> bool {
        let mut letters = after.chars();
        match letters.next() {
            None => true,
            Some(letter) if self.is_number => !letter.is_numeric(),
            Some(letter) if letter.is_alphanumeric() || letter == '_' => false,
            Some('-' | '.') => !letters.next().is_some_and(char::is_alphanumeric),
            Some(_) => true,
        }
    }
}

/// How many bytes of the text a form takes at its beginning.
fn matched(text: &str, form: &[char]) -> Option<usize> {
    let mut letters = text.char_indices();
    for wanted in form {
        let (_, letter) = letters.next()?;
        if lower(letter) != *wanted {
            return None;
        }
    }
    Some(letters.next().map_or(text.len(), |(place, _)| place))
}

fn lower(letter: char) -> char {
    match letter.to_lowercase().next().unwrap_or(letter) {
        'ς' => 'σ',
        lower => lower,
    }
}

/// Whether the text ends with an escape of a link (`%3D`) or of JSON (`\u003c`, `\n`): its letters are no letters.
fn ends_with_escape(text: &str) -> bool {
    let tail = |count: usize| text.len().checked_sub(count).and_then(|start| text.get(start..));
    let is_hex = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    tail(3).and_then(|tail| tail.strip_prefix('%')).is_some_and(is_hex)
        || tail(6).and_then(|tail| tail.strip_prefix("\\u")).is_some_and(is_hex)
        || tail(2).is_some_and(|tail| matches!(tail, "\\n" | "\\t" | "\\r" | "\\b" | "\\f"))
}

/// The ways in which an address is written, from the form in which it is compared.
fn forms_of(key: &str) -> Vec<Vec<char>> {
    let mut plain: BTreeSet<String> = [key.to_owned()].into();
    if let Some((local, domain)) = key.rsplit_once('@') {
        let ascii = domain.split('.').map(ascii_label).collect::<Vec<_>>().join(".");
        let quoted = format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\""));
        let escaped = quoted.replace('\\', "\\\\").replace('"', "\\\"");
        for local in [local, &quoted, &escaped] {
            plain.insert(format!("{local}@{domain}"));
            plain.insert(format!("{local}@{ascii}"));
        }
    }
    let mut forms = plain.clone();
    for form in &plain {
        forms.insert(form.replace('@', "%40"));
        forms.insert(form.replace('+', "%2b"));
        forms.insert(in_link(form));
        forms.insert(in_json(form, |letter| !letter.is_ascii()));
        forms.insert(in_json(form, |letter| !letter.is_ascii() || letter == '+'));
        forms.insert(in_json(form, |letter| !letter.is_ascii() || matches!(letter, '+' | '@')));
    }
    // The longest first: one may begin another.
    let mut forms: Vec<Vec<char>> = forms.iter().map(|form| folded(form).chars().collect()).collect();
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms
}

/// A part of a domain as DNS has it. Source: RFC 3492.
fn ascii_label(label: &str) -> String {
    let encoded = (!label.is_ascii()).then(|| idna::punycode::encode_str(label)).flatten();
    encoded.map_or_else(|| label.to_owned(), |encoded| format!("xn--{encoded}"))
}

/// Source: RFC 3986, section 2.
fn in_link(form: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02x}"),
    };
    form.bytes().map(byte).collect()
}

/// As programs write JSON that keep to ASCII, or to what is safe in HTML. Source: RFC 8259, section 7.
fn in_json(form: &str, is_escaped: impl Fn(char) -> bool) -> String {
    let mut units = [0; 2];
    let mut text = String::new();
    for letter in form.chars() {
        match is_escaped(letter) {
            true => letter.encode_utf16(&mut units).iter().for_each(|unit| text.push_str(&format!("\\u{unit:04x}"))),
            false => text.push(letter),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_address_is_found_however_it_is_written() {
        for (typed, text) in [
            ("Ada@Example.com", "write to <ADA@example.com>, please"),
            ("ada@example.com", "https://a.example/?to=ada%40example.com&x"),
            ("ada@example.com", "next=%3Dada%40example.com"),
            ("ada+x@example.com", "https://a.example/?to=ada%2Bx%40example.com"),
            ("ada+x@example.com", r#"{"to":"ada\u002Bx@example.com"}"#),
            ("ada@example.com", r#"{"text":"Hi\nada@example.com\n"}"#),
            ("ada@example.com", r#"{"from":"\u003cada@example.com\u003e"}"#),
            ("jürgen@bücher.example", "jürgen@xn--bcher-kva.example"),
            ("jürgen@bücher.example", r#"{"to":"j\u00fcrgen@b\u00FCcher.example"}"#),
            ("jürgen@bücher.example", "to=j%C3%BCrgen%40b%C3%BCcher.example"),
            (r#""a b"@example.com"#, r#"{"to":"\"a b\"@example.com"}"#),
            ("ada@example.com", "Mail ada@example.com."),
            ("ada@example.com", "- ada@example.com -ada@example.com"),
            ("+15005550006", "to +15005550006!"),
            ("+15005550006", "to=%2B15005550006"),
        ] {
            let person = Person::new(typed).unwrap();
            assert!(person.is_in(text), "{typed} in {text}");
            let replaced = person.replaced(text, "X").unwrap();
            assert!(!person.is_in(&replaced) && replaced.contains('X'), "{replaced}");
        }
    }

    #[test]
    fn another_address_is_not_found() {
        for (typed, text) in [
            ("ada@example.com", "nada@example.com"),
            ("ada@example.com", "b.ada@example.com"),
            ("ada@example.com", "ada@example.com.au"),
            ("ada@example.com", "ada@example.community"),
            ("ada@example.com", "ada+x@example.com"),
            ("x@example.com", "ada+x@example.com"),
            ("+15005550006", "+150055500067"),
            ("+15005550006", "15005550006"),
        ] {
            let person = Person::new(typed).unwrap();
            assert!(!person.is_in(text), "{typed} in {text}");
            assert_eq!(person.replaced(text, "X"), None);
        }
    }

    #[test]
    fn what_is_no_address_is_nobody() {
        for typed in ["", "a", "@", "a@b", "@example.com", "12345678", "+123", "usr_1", "a@b.c,d@e.f"] {
            assert_eq!(Person::new(typed), None, "{typed}");
        }
    }

    #[test]
    fn every_text_of_a_value_is_replaced_and_nothing_else() {
        let person = Person::new("ada@example.com").unwrap();
        let value = json!({ "to": ["Ada <ada@example.com>", 7], "ada@example.com": null, "b": "bob@example.com" });
        let after = json!({ "to": ["Ada <X>", 7], "X": null, "b": "bob@example.com" });
        assert_eq!(person.replaced_in_value(&value, "X"), Some(after.clone()));
        assert_eq!(person.replaced_in_value(&after, "X"), None);
        assert_eq!(person.replaced("ada@example.com,ada@example.com", "X"), Some("X,X".to_owned()));
    }
}
