//! What became of a message for each recipient, as mail servers say it to programs.
//! Sources: RFC 3464, section 2 (the fields); RFC 3463 (status codes); RFC 3461, section 4 (encoded addresses); RFC 6533,
//! section 3 (addresses outside ASCII).

use super::{MAX_NOTICES, Notice, date_of, line};
use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::mail::{Headers, read_header_blocks};

/// Reads the part that says it.
pub(super) fn read(content: &[u8]) -> Vec<Notice> {
    let blocks = read_header_blocks(content, MAX_NOTICES + 1);
    let reporter = blocks.iter().find_map(|block| host_in(block.get("Reporting-MTA")?));
    let is_of_recipient = |block: &&Headers| {
        ["Final-Recipient", "Original-Recipient", "Action"].iter().any(|name| block.get(name).is_some())
    };
    blocks.iter().filter(is_of_recipient).filter_map(|block| notice(block, reporter.as_deref())).collect()
}

fn notice(block: &Headers, reporter: Option<&str>) -> Option<Notice> {
    let status = block.get("Status").and_then(status_in);
    let diagnostic = block.get("Diagnostic-Code").and_then(|code| line(without_type(code)));
    let (kind, cause) = news(block.get("Action"), status.as_deref(), diagnostic.as_deref())?;
    let remote = block.get("Remote-MTA").and_then(host_in);
    // The name that the sender used comes first: a server can have passed the message on to another.
    let named = ["Original-Recipient", "Final-Recipient", "X-Actual-Recipient"];
    let recipients = named.iter().flat_map(|name| block.all(name)).flat_map(addresses_of).collect();
    let detail = EventDetail {
        reply: reply(status, diagnostic),
        cause,
        mx: remote.or_else(|| reporter.map(str::to_owned)),
        ..EventDetail::default()
    };
    Some(Notice { kind, recipients, at: date_of(block.get("Last-Attempt-Date")), detail })
}

/// What the action comes to. Where it is missing or not known, the status says it.
fn news(
    action: Option<&str>,
    status: Option<&str>,
    diagnostic: Option<&str>,
) -> Option<(EventKind, Option<EventCause>)> {
    let class = status.and_then(|status| status.chars().next());
    let word = action.unwrap_or_default().split([' ', '\t', ';', '(']).next().unwrap_or_default().to_ascii_lowercase();
    match (word.as_str(), class) {
        // A server that gives up after days says why it could not, which is no word about the address.
        ("failed", Some('4')) => Some((EventKind::Bounced, Some(EventCause::Soft))),
        ("failed", None) if diagnostic.is_none() => Some((EventKind::Bounced, None)),
        ("failed", _) => Some((EventKind::Bounced, Some(EventCause::Hard))),
        ("delayed", _) => Some((EventKind::Deferred, None)),
        ("delivered" | "relayed" | "expanded", _) => Some((EventKind::Delivered, None)),
        (_, Some('5')) => Some((EventKind::Bounced, Some(EventCause::Hard))),
        (_, Some('4')) => Some((EventKind::Deferred, None)),
        (_, Some('2')) => Some((EventKind::Delivered, None)),
        (_, _) => None,
    }
}

/// The server's words, with the status where they do not say it themselves.
fn reply(status: Option<String>, diagnostic: Option<String>) -> Option<String> {
    match (status, diagnostic) {
        (status, None) => status,
        (None, diagnostic) => diagnostic,
        (Some(status), Some(words)) => Some(match words.split_once([' ', '-']) {
            // `5.0.0` says no more than 550 does.
            _ if words.contains(&status) || status.ends_with(".0.0") || has_status(&words) => words,
            Some((code, rest)) if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{code} {status} {rest}")
            }
            _ => format!("{status} {words}"),
        }),
    }
}

fn has_status(words: &str) -> bool {
    words.split([' ', '-', '(', '#', ')']).take(4).any(|word| status_in(word).as_deref() == Some(word))
}

/// `5.1.1`, without the comment behind it.
fn status_in(text: &str) -> Option<String> {
    let word = text.split([' ', '\t', '(', ';']).find(|word| !word.is_empty())?;
    let mut numbers = word.split('.');
    let is_number = |part: Option<&str>, most: usize| {
        part.is_some_and(|part| (1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let is_status = is_number(numbers.next(), 1) && is_number(numbers.next(), 3) && is_number(numbers.next(), 3);
    (is_status && numbers.next().is_none()).then(|| word.to_owned())
}

/// What stands behind the type: `smtp; 550 No such user`.
fn without_type(value: &str) -> &str {
    match value.split_once(';') {
        Some((kind, rest)) if !kind.trim().contains([' ', '\t']) => rest.trim(),
        _ => value.trim(),
    }
}

/// A host without its type and what is said of it: `dns; mx.example.com (192.0.2.1)`.
fn host_in(value: &str) -> Option<String> {
    without_type(value).split_whitespace().next().map(|host| host.trim_matches(['[', ']']).to_owned())
}

/// The address as it stands there, and what it is once it is decoded.
fn addresses_of(value: &str) -> Vec<String> {
    let address = without_type(value).trim_matches(['<', '>']).trim().to_owned();
    let decoded = decoded(&address);
    if decoded == address { vec![address] } else { vec![address, decoded] }
}

/// `+2B` of RFC 3461 is a `+`, `\x{E4}` of RFC 6533 an `ä`.
fn decoded(address: &str) -> String {
    let (mut text, mut rest) = (String::new(), address);
    while let Some(at) = rest.find(['+', '\\']) {
        let (before, coded) = rest.split_at(at);
        text.push_str(before);
        let in_braces = coded.strip_prefix("\\x{").and_then(|coded| coded.split_once('}'));
        let two = coded.strip_prefix('+').and_then(|coded| coded.split_at_checked(2));
        let letter = |digits: &str| {
            let is_hex = (2..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            is_hex.then(|| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)).flatten()
        };
        let found = in_braces.or(two).and_then(|(digits, after)| Some((letter(digits)?, after)));
        let mut letters = coded.chars();
        let (next, after) = match found {
            Some((letter, after)) => (Some(letter), after),
            None => (letters.next(), letters.as_str()),
        };
        text.extend(next);
        rest = after;
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_decides_and_a_status_tells_what_may_pass() {
        let read = |action: &str, status: &str| {
            let block = format!("Final-Recipient: rfc822;ada@example.com\r\n{action}\r\n{status}\r\n");
            read(block.as_bytes()).pop().map(|notice| (notice.kind, notice.detail.cause))
        };
        for (action, status, expected) in [
            ("Action: failed", "Status: 5.1.1 (bad address)", Some((EventKind::Bounced, Some(EventCause::Hard)))),
            ("Action: FAILED", "Status: 4.4.7", Some((EventKind::Bounced, Some(EventCause::Soft)))),
            ("Action: failed", "X: y", Some((EventKind::Bounced, None))),
            ("Action: delayed", "Status: 4.2.2", Some((EventKind::Deferred, None))),
            ("Action: delivered (to mailbox)", "Status: 2.0.0", Some((EventKind::Delivered, None))),
            ("Action: relayed", "X: y", Some((EventKind::Delivered, None))),
            ("X: y", "Status: 5.0.0", Some((EventKind::Bounced, Some(EventCause::Hard)))),
            ("Action: pondered", "Status: none", None),
        ] {
            assert_eq!(read(action, status), expected, "{action} {status}");
        }
    }

    #[test]
    fn a_status_joins_words_that_lack_it() {
        let joined = |status: &str, words: &str| reply(status_in(status), line(words)).unwrap_or_default();
        assert_eq!(joined("5.1.1", "550 No such user"), "550 5.1.1 No such user");
        assert_eq!(joined("5.1.1", "550 5.1.1 No such user"), "550 5.1.1 No such user");
        assert_eq!(joined("5.2.0", "550 5.2.2 Mailbox full"), "550 5.2.2 Mailbox full");
        assert_eq!(joined("5.4.4", "Host not found"), "5.4.4 Host not found");
        assert_eq!(joined("5.0.0", "550 Rejected"), "550 Rejected");
        assert_eq!((joined("5.7.1", ""), joined("odd", "")), ("5.7.1".to_owned(), String::new()));
    }

    #[test]
    fn an_encoded_address_is_tried_in_both_forms() {
        assert_eq!(addresses_of("rfc822; <ada@example.com>"), ["ada@example.com"]);
        assert_eq!(addresses_of("rfc822;ada+2Bx@example.com"), ["ada+2Bx@example.com", "ada+x@example.com"]);
        assert_eq!(addresses_of("utf-8; zo\\x{EB}@example.com"), ["zo\\x{EB}@example.com", "zoë@example.com"]);
        for odd in ["rfc822;+", "rfc822;\\x{", "\\x{110000}@é", "+ü@example.com", ";"] {
            addresses_of(odd);
        }
    }
}
