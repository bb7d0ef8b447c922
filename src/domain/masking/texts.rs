//! Texts without what a viewer does not see: addresses, the names before them, and the words of an API's path and query.

use chrono::{DateTime, NaiveDate, NaiveDateTime};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::domain::ids::{
    AdapterId, ApiKeyId, ApiRequestId, EmailId, InviteId, JobId, NotificationId, TeamId, TemplateId, UserId,
};

/// What stands in the place of a secret, and of a whole body that cannot be searched for secrets.
pub const REDACTED: &str = "[redacted]";

/// What stands in the place of a value that is not shown.
pub const MASK: &str = "••••••";

/// What stands between the ends of an address that is not shown in full.
const BULLETS: &str = "•••";

/// Whether something in a text is masked: nothing is found by it.
pub fn is_masked(text: &str) -> bool {
    text.contains(BULLETS)
}

/// The shortest value of a variable that is looked for in other texts, in characters: shorter ones occur by chance.
pub(super) const MIN_SCRUBBED_CHARS: usize = 4;

/// What is escaped in a link. Source: RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Parameters of the APIs whose values are numbers or words of theirs.
const PLAIN_PARAMETERS: [&str; 23] = [
    "page",
    "pageSize",
    "limit",
    "count",
    "offset",
    "status",
    "statuses",
    "order",
    "sort",
    "type",
    "action",
    "kind",
    "channel",
    "preset",
    "format",
    "keys",
    "after",
    "before",
    "created_gt",
    "created_gte",
    "created_lt",
    "created_lte",
    "again",
];

/// The longest word of a path or name of a parameter that is shown to those who do not see contents, in characters.
const MAX_WORD_CHARS: usize = 40;

/// A text in which every email address is `a•••@example.com` and every telephone number in international form
/// `+15•••06`.
pub fn mask_addresses(text: &str) -> String {
    mask_numbers(&mask_mailboxes(text))
}

fn mask_mailboxes(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('@') {
        let (before, after) = rest.split_at(at);
        let local = local_part(before);
        masked.push_str(&before[..before.len() - local.len()]);
        match local.trim_start_matches('"').chars().next() {
            Some(first) if after[1..].starts_with(|next: char| next.is_alphanumeric() || next == '[') => {
                masked.push(first);
                masked.push_str(BULLETS);
            }
            Some(_) | None => masked.push_str(local),
        }
        masked.push('@');
        rest = &after[1..];
    }
    masked.push_str(rest);
    masked
}

/// What stands before an `@` and belongs to the address. Source: RFC 5322, `local-part`; letters beyond ASCII are those of
/// RFC 6531.
fn local_part(before: &str) -> &str {
    if let Some(quoted) = before.strip_suffix('"')
        && let Some(start) = quoted.rfind('"')
    {
        return &before[start..];
    }
    let belongs = |letter: char| !letter.is_whitespace() && !"<>()[]\\,;:@\"".contains(letter);
    let start = before.char_indices().rev().take_while(|(_, letter)| belongs(*letter)).last();
    start.map_or("", |(start, _)| &before[start..])
}

/// Source of the lengths: ITU-T E.164.
fn mask_numbers(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        let (before, after) = rest.split_at(plus + 1);
        masked.push_str(before);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if (7..=15).contains(&digits) {
            masked.push_str(&after[..2]);
            masked.push_str(BULLETS);
            masked.push_str(&after[digits - 2..digits]);
        } else {
            masked.push_str(&after[..digits]);
        }
        rest = &after[digits..];
    }
    masked.push_str(rest);
    masked
}

/// A path and query of which nothing is left but what the API itself says, ids, times, whole addresses, and what is so
/// short that it occurs by chance.
pub(super) fn hide_words(endpoint: &str) -> String {
    let (path, query) = endpoint.split_once('?').map_or((endpoint, None), |(path, query)| (path, Some(query)));
    let part = |part: &str| {
        let is_shown = says_nothing(part) || is_word(part.strip_suffix(".json").unwrap_or(part));
        if is_shown { part.to_owned() } else { MASK.to_owned() }
    };
    let path = path.split('/').map(part).collect::<Vec<_>>().join("/");
    let parameter = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if is_word(name) => {
            let is_plain = PLAIN_PARAMETERS.contains(&name) && is_number_or_words(value);
            if is_plain || says_nothing(value) { pair.to_owned() } else { format!("{name}={MASK}") }
        }
        Some(_) => MASK.to_owned(),
        None if says_nothing(pair) => pair.to_owned(),
        None => MASK.to_owned(),
    };
    match query {
        Some(query) => format!("{path}?{}", query.split('&').map(parameter).collect::<Vec<_>>().join("&")),
        None => path,
    }
}

/// Whether a part of a path or the value of a parameter says nothing of what a message holds but whom it is for.
pub(super) fn says_nothing(part: &str) -> bool {
    let plain = unescaped(part);
    let is_id = || {
        plain.parse::<EmailId>().is_ok()
            || plain.parse::<ApiRequestId>().is_ok()
            || plain.parse::<NotificationId>().is_ok()
            || plain.parse::<TemplateId>().is_ok()
            || plain.parse::<ApiKeyId>().is_ok()
            || plain.parse::<AdapterId>().is_ok()
            || plain.parse::<TeamId>().is_ok()
            || plain.parse::<UserId>().is_ok()
            || plain.parse::<InviteId>().is_ok()
            || plain.parse::<JobId>().is_ok()
    };
    let is_time = || {
        plain.parse::<NaiveDate>().is_ok()
            || DateTime::parse_from_rfc3339(&plain).is_ok()
            || NaiveDateTime::parse_from_str(&plain, "%Y-%m-%dT%H:%M").is_ok()
    };
    plain.chars().count() < MIN_SCRUBBED_CHARS
        || matches!(plain.as_str(), "true" | "false" | REDACTED)
        || is_address(&plain)
        || is_id()
        || is_time()
}

/// Whether a text is one address or telephone number and nothing else.
fn is_address(text: &str) -> bool {
    let is_number = text
        .strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()));
    let is_mailbox = text.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && local_part(local) == local && domain.contains('.') && local_part(domain) == domain
    });
    is_number || is_mailbox
}

/// Whether a text is a word of an API: letters, `-` and `_`.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD_CHARS && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_".contains(&byte))
}

fn is_number_or_words(text: &str) -> bool {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || text.split([',', '+']).all(is_word)
}

/// A text without the names that stand before addresses in angle brackets. Where a name begins is not said in a text that is
/// no list of addresses: what may belong to it goes with it.
pub(super) fn without_names(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        let (before, after) = rest.split_at(open);
        let names_address = after.find('>').is_some_and(|close| after[..close].contains('@'));
        if names_address {
            shown.push_str(&before[..before.len() - name_at_end(before).len()]);
        } else {
            shown.push_str(before);
        }
        shown.push('<');
        rest = &after[1..];
    }
    shown.push_str(rest);
    shown
}

/// The end of a text that may be a name: a text in quotes, or words without a delimiter. Source: RFC 5322, `display-name`.
fn name_at_end(text: &str) -> &str {
    let trimmed = text.trim_end();
    if let Some(quoted) = trimmed.strip_suffix('"') {
        return quoted.rfind('"').map_or(text, |open| &text[open..]);
    }
    let belongs = |letter: char| {
        !matches!(letter, ',' | ';' | ':' | '<' | '>' | '(' | ')' | '[' | ']' | '\n' | '/' | '=' | '&' | '?')
    };
    let start = text.char_indices().rev().take_while(|(_, letter)| belongs(*letter)).last();
    let name = start.map_or("", |(start, _)| &text[start..]);
    let spaces = name.len() - name.trim_start().len();
    &name[spaces..]
}

/// A path and query in which addresses are masked, also those that are escaped, and the names before them left out.
pub(super) fn mask_endpoint(endpoint: &str) -> String {
    let mut masked = String::with_capacity(endpoint.len());
    for piece in endpoint.split_inclusive(['/', '?', '&', '=']) {
        let end = piece.len() - usize::from(piece.ends_with(['/', '?', '&', '=']));
        let (name, delimiter) = piece.split_at(end);
        let plain = unescaped(name);
        let hidden = mask_addresses(&without_names(&plain));
        masked.push_str(if hidden == plain { name } else { &hidden });
        masked.push_str(delimiter);
    }
    masked
}

/// A text as it stands in a link.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, RESERVED).to_string()
}

/// A text with its `%40` and the like read, twice where it was escaped twice.
fn unescaped(text: &str) -> String {
    let once = percent_decode_str(text).decode_utf8_lossy();
    percent_decode_str(&once).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_keep_their_first_letter_and_their_domain() {
        for (text, expected) in [
            ("ada@example.com", "a•••@example.com"),
            ("Ada <ada.l+x@example.com>, bob@b.example", "Ada <a•••@example.com>, b•••@b.example"),
            ("550 5.1.1 <ada@example.com>: unknown", "550 5.1.1 <a•••@example.com>: unknown"),
            ("\"ada lovelace\"@example.com", "a•••@example.com"),
            ("élan@exämple.com", "é•••@exämple.com"),
            ("ada@[192.0.2.1]", "a•••@[192.0.2.1]"),
            ("a@b@c.example", "a•••@b•••@c.example"),
            ("at 5 @ noon, @here", "at 5 @ noon, @here"),
            ("+15005550006", "+15•••06"),
            ("+15005550006 and +49170 1234567", "+15•••06 and +49170 1234567"),
            ("usr_42", "usr_42"),
            ("", ""),
        ] {
            assert_eq!(mask_addresses(text), expected, "{text}");
        }
        let twice = mask_addresses(&mask_addresses("ada@example.com +15005550006"));
        assert_eq!(twice, "a•••@example.com +15•••06");
    }

    #[test]
    fn addresses_in_paths_and_queries_are_masked_escaped_or_not() {
        for (endpoint, expected) in [
            ("/api/v1/customers/ada@example.com/logs", "/api/v1/customers/a•••@example.com/logs"),
            ("/customers/ada%40example.com/logs?count=2", "/customers/a•••@example.com/logs?count=2"),
            ("/customers/ada%2540example.com/logs", "/customers/a•••@example.com/logs"),
            ("/api/logs?search=%2B15005550006&page=2", "/api/logs?search=+15•••06&page=2"),
            (
                "/api/logs?search=50%25+off&to_address=ada%40b.example",
                "/api/logs?search=50%25+off&to_address=a•••@b.example",
            ),
            ("/%zz/%", "/%zz/%"),
        ] {
            assert_eq!(mask_endpoint(endpoint), expected);
        }
    }

    #[test]
    fn of_a_path_and_query_nothing_is_left_but_what_the_api_says() {
        let id = EmailId(7);
        for (endpoint, expected) in [
            ("/api/logs", "/api/logs"),
            ("/api/v1/send", "/api/v1/send"),
            ("/api/openapi.json", "/api/openapi.json"),
            ("/api/logs?search=4711-42&page=12345&status=bounced", "/api/logs?search=••••••&page=12345&status=bounced"),
            ("/api/logs?search=sunshine", "/api/logs?search=••••••"),
            ("/api/logs?page=4711-42", "/api/logs?page=••••••"),
            ("/api/logs?4711-42=1&4711-42", "/api/logs?••••••&••••••"),
            (
                "/api/logs/4711-42?from=2024-01-20&to=2024-01-20T10:00:00Z",
                "/api/logs/••••••?from=2024-01-20&to=2024-01-20T10:00:00Z",
            ),
            ("/customers/ada%40b.example/logs?count=2", "/customers/ada%40b.example/logs?count=2"),
            ("/customers/Ada%20%3Cada%40b.example%3E/logs", "/customers/••••••/logs"),
            ("/api/logs?search=Ada+%3Cada%40b.example%3E", "/api/logs?search=••••••"),
            ("/api/logs?search=%2B15005550006&x=abc", "/api/logs?search=%2B15005550006&x=abc"),
            ("/api/logs?token=[redacted]", "/api/logs?token=[redacted]"),
        ] {
            assert_eq!(hide_words(endpoint), expected);
        }
        let path = format!("/resend/emails/{id}/x?after={}", id.to_uuid());
        assert_eq!(hide_words(&path), path);
    }

    #[test]
    fn names_before_addresses_are_left_out() {
        for (text, expected) in [
            ("Ada Lovelace <ada@b.example>", "<ada@b.example>"),
            ("\"Lovelace, Ada\" <ada@b.example>, Bob <bob@b.example>", "<ada@b.example>, <bob@b.example>"),
            ("to: Zoë O'Neil-Süß <z@b.example>; and", "to: <z@b.example>; and"),
            ("1 < 2 and <b>bold</b>", "1 < 2 and <b>bold</b>"),
            ("ada@b.example", "ada@b.example"),
            ("", ""),
        ] {
            assert_eq!(without_names(text), expected, "{text}");
        }
        assert_eq!(
            mask_endpoint("/api/logs?search=Ada%20L.%20%3Cada%40b.example%3E&page=2"),
            "/api/logs?search=<a•••@b.example>&page=2"
        );
    }
}
