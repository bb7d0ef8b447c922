//! Mailboxes and lists of them, as people and programs write them. The one parser of every recipient and sender: called by
//! the services before they accept a message, and by [super::message] when it is written as mail.
//! Sources: RFC 5322, section 3.4 (address lists, groups, comments) and 4.4 (empty elements); RFC 5321, section 4.1.2
//! (local parts in quotes); RFC 6531 (non-ASCII addresses). More lenient than they are where nothing is lost: `;` stands
//! between mailboxes like `,`, a name may hold any letters, a local part dots anywhere.

use lettre::Address;

use super::header::check_header;
use crate::domain::error::AppError;

pub use crate::domain::mailbox::{Mailbox, format_mailbox};

/// The longest list, in bytes.
const MAX_LIST_BYTES: usize = 64 * 1024;

/// Reads every mailbox of a list, in its order: `Ada <ada@example.com>, "King, Bob" <bob@example.com>; eve@example.com`,
/// also in groups (`Team: ada@example.com, bob@example.com;`). There is at least one. What cannot be read is refused, never
/// left out. `field` names the parameter in the error, [AppError::Validation].
pub fn parse_mailboxes(field: &str, list: &str) -> Result<Vec<Mailbox>, AppError> {
    check_header(field, list)?;
    if list.len() > MAX_LIST_BYTES {
        let message = format!("{field} is longer than {} KiB: send to fewer at once", MAX_LIST_BYTES / 1024);
        return Err(AppError::invalid_field(field, message));
    }
    let mut mailboxes = Vec::new();
    for element in elements(list).map_err(|unclosed| refused(field, unclosed.text, unclosed.why))? {
        mailboxes.push(read_element(element).map_err(|why| refused(field, element, why))?);
    }
    if mailboxes.is_empty() {
        return Err(refused(field, list, NO_ADDRESS));
    }
    Ok(mailboxes)
}

/// Reads exactly one mailbox, `ada@example.com` or `Ada Lovelace <ada@example.com>`. `field` names the parameter in the
/// error, [AppError::Validation].
pub fn parse_mailbox(field: &str, text: &str) -> Result<Mailbox, AppError> {
    let mut mailboxes = parse_mailboxes(field, text)?;
    if mailboxes.len() > 1 {
        let message = format!("{field} takes one address, and “{}” holds {}", shortened(text), mailboxes.len());
        return Err(AppError::invalid_field(field, message));
    }
    mailboxes.pop().ok_or_else(|| refused(field, text, NO_ADDRESS))
}

/// An address as SMTP and the headers take it: its domain in ASCII (`xn--…`), its local part as it is, in quotes where its
/// dots need them (`"a..b"@example.com`). `None` when it is no address.
pub fn wire_address(address: &str) -> Option<Address> {
    let (local, domain) = address.rsplit_once('@')?;
    let has_odd_dots = local.starts_with('.') || local.ends_with('.') || local.contains("..");
    let local =
        if has_odd_dots && !local.starts_with('"') && local.chars().all(|letter| letter == '.' || is_atom(letter)) {
            format!("\"{local}\"")
        } else {
            local.to_owned()
        };
    let written = if domain.is_ascii() {
        format!("{local}@{domain}")
    } else {
        format!("{local}@{}", url::Host::parse(domain).ok()?)
    };
    written.parse().ok()
}

/// RFC 5322's `atext`, and what RFC 6532 adds.
const fn is_atom(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || matches!(letter, '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' | '=' | '?')
        || matches!(letter, '^' | '_' | '`' | '{' | '|' | '}' | '~')
        || !letter.is_ascii()
}

const NO_ADDRESS: &str = "it is not an email address";

/// What a list that cannot be split holds, and why it cannot.
struct Unclosed<'a> {
    text: &'a str,
    why: &'static str,
}

/// Splits a list at the commas and semicolons that stand outside quotes, comments and angle brackets. The names of groups
/// and empty elements are left out.
fn elements(list: &str) -> Result<Vec<&str>, Unclosed<'_>> {
    let marks = top_level_marks(list)?;
    let last_semicolon = marks.iter().rev().find(|(_, mark)| *mark == ';').map_or(0, |(at, _)| *at);
    let (mut elements, mut start, mut is_in_group) = (Vec::new(), 0, false);
    for (at, mark) in marks {
        let element = &list[start..at];
        match mark {
            // A colon without an end of its group is a letter of a name.
            ':' if is_in_group || at > last_semicolon => continue,
            ':' if element.contains(['@', '<']) => {
                return Err(Unclosed { text: element, why: "the name of a group cannot hold an address" });
            }
            ':' => is_in_group = true,
            ';' => {
                is_in_group = false;
                elements.push(element);
            }
            _ => elements.push(element),
        }
        start = at + 1;
    }
    elements.push(&list[start..]);
    elements.retain(|element| !element.trim().is_empty());
    Ok(elements)
}

/// The commas, colons and semicolons outside quotes, comments, angle brackets and address literals, with their places.
fn top_level_marks(list: &str) -> Result<Vec<(usize, char)>, Unclosed<'_>> {
    let (mut marks, mut stretches, mut start) = (Vec::new(), Vec::new(), 0);
    let mut letters = list.char_indices();
    while let Some((at, letter)) = letters.next() {
        let within = stretches.last().copied();
        match (within, letter) {
            (Some('"' | ')'), '\\') => drop(letters.next()),
            (Some(end), letter) if end == letter => drop(stretches.pop()),
            (Some('"'), _) => {}
            (Some(')') | None, '(') => stretches.push(')'),
            (Some(')'), _) => {}
            (_, '"') => stretches.push('"'),
            (None, '<') => stretches.push('>'),
            (_, '[') => stretches.push(']'),
            (None, ',' | ';' | ':') => {
                marks.push((at, letter));
                start = at + 1;
            }
            (_, _) => {}
        }
    }
    let why = match stretches.first() {
        None => return Ok(marks),
        Some('"') => "a quotation mark is not closed",
        Some('>') => "an angle bracket is not closed",
        Some(_) => "a bracket is not closed",
    };
    Err(Unclosed { text: &list[start..], why })
}

/// Reads `ada@example.com`, `ada@example.com (Ada)`, `Ada <ada@example.com>` or `"King, Ada" <ada@example.com>`.
fn read_element(element: &str) -> Result<Mailbox, &'static str> {
    let element = element.trim();
    let Some((phrase, rest)) = split_at_angle(element) else {
        let (address, comment) = without_comments(element);
        let name = (!comment.is_empty()).then_some(comment);
        return Ok(Mailbox { name, address: checked_address(&address)? });
    };
    let (inner, rest) = rest.rsplit_once('>').ok_or(NO_ADDRESS)?;
    if !without_comments(rest).0.is_empty() {
        return Err("between two mailboxes stands a comma");
    }
    let address = checked_address(&without_comments(inner).0)?;
    let name = unquoted(phrase);
    // `ada@example.com bob <carl@example.com>` lost a comma, and would lose Ada.
    if phrase_holds_address(phrase) && !name.eq_ignore_ascii_case(&address) {
        return Err("a name that holds an @ stands in quotes, and between two mailboxes stands a comma");
    }
    Ok(Mailbox { name: (!name.is_empty()).then_some(name), address })
}

/// What stands before the `<` of an address and behind it.
fn split_at_angle(element: &str) -> Option<(&str, &str)> {
    let (mut is_quoted, mut letters) = (false, element.char_indices());
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if is_quoted => drop(letters.next()),
            '"' => is_quoted ^= true,
            '<' if !is_quoted => return Some((&element[..at], &element[at + 1..])),
            _ => {}
        }
    }
    None
}

fn phrase_holds_address(phrase: &str) -> bool {
    let (mut is_quoted, mut letters) = (false, phrase.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' if is_quoted => drop(letters.next()),
            '"' => is_quoted ^= true,
            '@' if !is_quoted => return true,
            _ => {}
        }
    }
    false
}

/// A text without its comments, and what the last of them says.
fn without_comments(text: &str) -> (String, String) {
    let (mut plain, mut comment, mut depth, mut is_quoted) = (String::new(), String::new(), 0_usize, false);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        let into = if depth > 0 { &mut comment } else { &mut plain };
        match letter {
            '\\' if depth > 0 || is_quoted => {
                if depth == 0 {
                    into.push('\\');
                }
                into.extend(letters.next());
            }
            '"' if depth == 0 => {
                is_quoted ^= true;
                into.push('"');
            }
            '(' if !is_quoted => {
                if depth == 0 {
                    comment.clear();
                } else {
                    into.push('(');
                }
                depth += 1;
            }
            ')' if depth > 0 => {
                depth -= 1;
                if depth > 0 {
                    comment.push(')');
                }
            }
            letter => into.push(letter),
        }
    }
    (plain.trim().to_owned(), comment.trim().to_owned())
}

fn checked_address(address: &str) -> Result<String, &'static str> {
    let is_valid = address.len() <= 320 && wire_address(address).is_some();
    if is_valid { Ok(address.to_owned()) } else { Err(NO_ADDRESS) }
}

/// A name without its quotation marks and the backslashes within them.
fn unquoted(phrase: &str) -> String {
    let (mut name, mut is_quoted, mut letters) = (String::with_capacity(phrase.len()), false, phrase.trim().chars());
    while let Some(letter) = letters.next() {
        match letter {
            '"' => is_quoted ^= true,
            '\\' if is_quoted => name.extend(letters.next()),
            letter => name.push(letter),
        }
    }
    name.trim().to_owned()
}

fn refused(field: &str, text: &str, why: &str) -> AppError {
    let shown = shortened(text);
    let message = if why == NO_ADDRESS {
        format!("“{shown}” is not an email address: write ada@example.com or Ada Lovelace <ada@example.com>")
    } else {
        format!("“{shown}” cannot be read as an email address: {why}")
    };
    AppError::invalid_field(field, message)
}

fn shortened(text: &str) -> String {
    text.trim().chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str) -> Vec<(Option<String>, String)> {
        let mailboxes = parse_mailboxes("to", list).unwrap_or_else(|error| panic!("{list}: {error}"));
        mailboxes.into_iter().map(|mailbox| (mailbox.name, mailbox.address)).collect()
    }

    fn mailbox(name: &str, address: &str) -> (Option<String>, String) {
        ((!name.is_empty()).then(|| name.to_owned()), address.to_owned())
    }

    #[test]
    fn every_mailbox_of_a_list_is_read() {
        for (list, expected) in [
            ("a@x.io", vec![("", "a@x.io")]),
            ("a@x.io,", vec![("", "a@x.io")]),
            ("a@x.io,b@x.io", vec![("", "a@x.io"), ("", "b@x.io")]),
            ("a@x.io, Bob <b@x.io>", vec![("", "a@x.io"), ("Bob", "b@x.io")]),
            ("\"Doe, Jane\" <a@x.io>, Bob <b@x.io>", vec![("Doe, Jane", "a@x.io"), ("Bob", "b@x.io")]),
            ("a@x.io; Bob <b@x.io>", vec![("", "a@x.io"), ("Bob", "b@x.io")]),
            ("\"a;b,c\" <a@x.io>;<b@x.io>;", vec![("a;b,c", "a@x.io"), ("", "b@x.io")]),
            ("Team: Ada <a@x.io>, b@x.io; c@x.io", vec![("Ada", "a@x.io"), ("", "b@x.io"), ("", "c@x.io")]),
            ("\"Re: all\": a@x.io;, B: c@x.io;", vec![("", "a@x.io"), ("", "c@x.io")]),
            ("Finch: Receipts <a@x.io>, b@x.io", vec![("Finch: Receipts", "a@x.io"), ("", "b@x.io")]),
            ("a@x.io (Ada, the first), b@x.io", vec![("Ada, the first", "a@x.io"), ("", "b@x.io")]),
            ("Finch (EU, all) <a@x.io> (shop), b@x.io", vec![("Finch (EU, all)", "a@x.io"), ("", "b@x.io")]),
            ("a@x.io <a@x.io>", vec![("a@x.io", "a@x.io")]),
            ("\"b@x.io\" <a@x.io>", vec![("b@x.io", "a@x.io")]),
            ("\"a,b\"@x.io, c@x.io", vec![("", "\"a,b\"@x.io"), ("", "c@x.io")]),
            ("\"a@b\"@x.io", vec![("", "\"a@b\"@x.io")]),
            ("a@[IPv6:2001:db8::1], b@x.io", vec![("", "a@[IPv6:2001:db8::1]"), ("", "b@x.io")]),
            ("a..b@x.io, c.@x.io, .d@x.io", vec![("", "a..b@x.io"), ("", "c.@x.io"), ("", ".d@x.io")]),
            ("Zoë Ünal <zoë@bücher.example>", vec![("Zoë Ünal", "zoë@bücher.example")]),
            ("O'Neil \\ Sons <a@x.io>", vec![("O'Neil \\ Sons", "a@x.io")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(name, address)| mailbox(name, address)).collect();
            assert_eq!(read(list), expected, "{list}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_refused_never_left_out() {
        for list in [
            "",
            " , ;",
            "undisclosed-recipients:;",
            "a",
            "a@",
            "@x.io",
            "a@x.io b@x.io",
            "a@x.io Bob <b@x.io>",
            "Ada <a@x.io> Bob <b@x.io>",
            "Ada <a@x.io> b@x.io",
            "Ada <a@x.io, b@x.io>",
            "<<a@x.io>>",
            "Ada <a@x.io",
            "\"Ada <a@x.io>, b@x.io",
            "(Ada a@x.io, b@x.io",
            "a@x.io, Bob",
            "a@x.io: b@x.io;",
            "a@x.io\r\nBcc: b@x.io",
            "a@x.io, <@relay.io:b@x.io>",
            "a b@x.io",
            "a@ex ample.com",
            "a@b@x.io",
            "Ada <>",
        ] {
            assert!(parse_mailboxes("to", list).is_err(), "{list}: {:?}", parse_mailboxes("to", list));
        }
        assert!(parse_mailboxes("to", &"a@x.io,".repeat(20_000)).is_err());
    }

    #[test]
    fn as_many_mailboxes_come_out_as_went_in() {
        let names = ["", "Ada", "Doe, Jane", "a; b", "Zoë \"the first\"", "x@y.io", "Re: (all) <you>", "back\\slash"];
        let addresses =
            ["a@x.io", "a..b@x.io", "\"a, b; c\"@x.io", "zoë@bücher.example", "o'neil+tag@x.io", "a@[192.0.2.1]"];
        let mailboxes: Vec<Mailbox> = names
            .iter()
            .flat_map(|name| addresses.iter().map(move |address| (name, address)))
            .map(|(name, address)| Mailbox {
                name: (!name.is_empty()).then(|| (*name).to_owned()),
                address: (*address).to_owned(),
            })
            .collect();
        for separator in [", ", ",", ";", " ; ", ",,", "; ,"] {
            for size in 1..=mailboxes.len() {
                let list: Vec<String> = mailboxes[..size].iter().map(Mailbox::format).collect();
                let read = parse_mailboxes("to", &list.join(separator)).unwrap();
                assert_eq!(read, mailboxes[..size]);
            }
        }
    }

    /// Whatever is written, each address that stands in it alone is either read or the text is refused.
    #[test]
    fn no_mixture_of_marks_loses_an_address() {
        let marks = [",", ";", ":", "\"", "<", ">", "(", ")", "@", " ", "\\", "[", "]", "a", "é", ".", "x@x.io"];
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let mut next = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below as u64) as usize
        };
        for _ in 0..60_000 {
            let text: String = (0..next(12) + 1).map(|_| marks[next(marks.len())]).collect();
            let Ok(read) = parse_mailboxes("to", &text) else { continue };
            let kept: usize = read.iter().map(|mailbox| mailbox.format().matches("x@x.io").count()).sum();
            let outside_comments = !text.contains(['(', ')']);
            assert!(!outside_comments || kept >= text.matches("x@x.io").count().min(read.len()), "{text}: {read:?}");
            for mailbox in &read {
                assert!(wire_address(&mailbox.address).is_some(), "{text}");
                assert_eq!(
                    parse_mailbox("to", &mailbox.address).map(|again| again.address),
                    Ok(mailbox.address.clone())
                );
            }
        }
    }

    #[test]
    fn a_sender_is_one() {
        for text in ["", "a@x.io, b@x.io", "a@x.io; b@x.io", "Team: a@x.io, b@x.io;", ","] {
            assert!(parse_mailbox("from", text).is_err(), "{text}");
        }
        let message = parse_mailbox("from", "a@x.io, b@x.io").unwrap_err().to_string();
        assert!(message.contains("from takes one address") && message.contains("holds 2"), "{message}");
    }

    #[test]
    fn local_parts_of_real_mailboxes_are_taken_and_quoted() {
        let wire = |address: &str| wire_address(address).map(|address| address.to_string());
        for (address, written) in [
            ("a..b@docomo.example", "\"a..b\"@docomo.example"),
            ("a.@docomo.example", "\"a.\"@docomo.example"),
            (".a@docomo.example", "\".a\"@docomo.example"),
            ("a.b@x.io", "a.b@x.io"),
            ("\"a b\"@x.io", "\"a b\"@x.io"),
            ("a@bücher.example", "a@xn--bcher-kva.example"),
        ] {
            assert_eq!(wire(address).as_deref(), Some(written));
        }
        for wrong in ["a b@x.io", "a<b@x.io", "a..b c@x.io", "\"a@x.io", "a\"b@x.io"] {
            assert_eq!(wire(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_mailbox_reads_back_as_it_was_written() {
        for name in ["Ada", "Zoë Ünal", "King, Ada", "Ada \"The First\" <King>", "back\\slash"] {
            let text = format_mailbox(Some(name), "ada@example.com");
            let read = parse_mailbox("to", &text).unwrap();
            assert_eq!((read.name.as_deref(), read.address.as_str()), (Some(name), "ada@example.com"), "{text}");
        }
        assert_eq!(format_mailbox(Some(" "), "ada@example.com"), "ada@example.com");
    }
}
