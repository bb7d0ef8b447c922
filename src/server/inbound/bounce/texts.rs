//! Bounces of servers that write to people alone: Exim, which names the failed recipients in a header, and qmail, whose text has a
//! form of its own.
//! Sources: D. J. Bernstein, "The qmail-send Bounce Message Format"; Exim, "Customizing messages", and its `X-Failed-Recipients`.

use super::{MAX_NOTICES, Notice, addresses_in, line};
use crate::domain::event::{EventCause, EventDetail, EventKind};
use crate::server::mail::OpenedMail;

/// How much of a text is read, in bytes.
const READ_BYTES: usize = 64 * 1024;
/// The most lines that tell of one recipient.
const WORDS_LINES: usize = 12;

/// What stands before the copy of the message, at the beginning of a line.
const COPY_LINES: [&str; 4] = [
    "------ This is a copy of",
    "--- Below this line is a copy",
    "--- Original message",
    "--- Enclosed are the original",
];

/// Reads such a text; nothing of any other.
pub(super) fn read(mail: &OpenedMail) -> Vec<Notice> {
    let text = mail.text.as_deref().map(beginning).unwrap_or_default();
    let failed: Vec<String> =
        mail.headers.all("X-Failed-Recipients").flat_map(addresses_in).take(MAX_NOTICES).collect();
    if !failed.is_empty() {
        return failed.into_iter().map(|address| notice(words_behind(text, &address), address)).collect();
    }
    let is_answer = mail.headers.get("Auto-Submitted").is_some_and(|value| !value.eq_ignore_ascii_case("no"));
    if is_answer { Vec::new() } else { read_qmail(text) }
}

/// The copy of the message that follows the text.
pub(super) fn returned(text: &str) -> Option<&str> {
    let text = beginning(text);
    let is_copy = |line: &str| COPY_LINES.iter().any(|copy| line.starts_with(copy));
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if is_copy(line) {
            return text.get(at..).map(|rest| rest.trim_start_matches(['\r', '\n']));
        }
    }
    None
}

fn notice(words: Option<String>, address: String) -> Notice {
    // A server that says for how long it tried gives up on something that may pass.
    let may_pass = words.as_deref().is_some_and(|words| {
        let words = words.to_ascii_lowercase();
        ["retry timeout exceeded", "in the queue too long", "too long in the queue"]
            .iter()
            .any(|sign| words.contains(sign))
    });
    let cause = if may_pass { EventCause::Soft } else { EventCause::Hard };
    let cause = words.is_some().then_some(cause);
    let detail = EventDetail { reply: words, cause, ..EventDetail::default() };
    Notice { kind: EventKind::Bounced, recipients: vec![address], at: None, detail }
}

/// What Exim says behind an address that stands on a line of its own: the lines further in, up to an empty one. What the other
/// server said begins with its code.
fn words_behind(text: &str, address: &str) -> Option<String> {
    let is_of_address = |line: &&str| line.trim().trim_end_matches(':').eq_ignore_ascii_case(address);
    let words: Vec<&str> = text
        .lines()
        .skip_while(|line| !is_of_address(line))
        .skip(1)
        .take_while(|line| !line.trim().is_empty() && line.starts_with([' ', '\t']))
        .take(WORDS_LINES)
        .collect();
    let is_reply = |line: &&str| {
        let (code, rest) = line.trim().split_at_checked(3).unwrap_or(("", ""));
        code.starts_with(['4', '5']) && code.bytes().all(|byte| byte.is_ascii_digit()) && rest.starts_with([' ', '-'])
    };
    let first = words.iter().position(is_reply).unwrap_or_default();
    line(&words.get(first..)?.join(" "))
}

/// Paragraphs that begin with an address in angle brackets and a colon, behind one by which the form is known, up to one that
/// begins with a dash.
fn read_qmail(text: &str) -> Vec<Notice> {
    let text = text.replace("\r\n", "\n");
    let mut paragraphs = text.split("\n\n").map(|paragraph| paragraph.trim_matches('\n'));
    let first = paragraphs.next().unwrap_or_default().trim_start();
    if !["Hi. This is the", "Message from yahoo.com", "Message from  yahoo.com"]
        .iter()
        .any(|sign| first.starts_with(sign))
    {
        return Vec::new();
    }
    let of_recipients = paragraphs.take_while(|paragraph| !paragraph.starts_with('-'));
    let read = |paragraph: &str| {
        let (address, words) = paragraph.strip_prefix('<')?.split_once(">:")?;
        let is_address = address.contains('@') && !address.contains(char::is_whitespace);
        is_address.then(|| notice(line(words), address.to_owned()))
    };
    of_recipients.filter_map(read).take(MAX_NOTICES).collect()
}

/// The beginning of a text, cut where a letter ends.
fn beginning(text: &str) -> &str {
    let mut end = text.len().min(READ_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
