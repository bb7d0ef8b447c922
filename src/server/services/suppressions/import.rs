//! Reading addresses that are to be suppressed: one a line, or a CSV file as Sendlog, SendGrid, Postmark or Mailgun export it. A
//! file's columns are known by their names.
//! Sources: SendGrid, exports of bounces, blocks, spam reports, invalid emails and unsubscribes; Postmark, "Suppressions API" and
//! its export; Mailgun, exports of bounces, complaints and unsubscribes; RFC 4180.

use chrono::{DateTime, NaiveDateTime, Utc};
use csv::{ReaderBuilder, StringRecord, Trim};

use crate::domain::error::AppError;
use crate::domain::suppression::SuppressionReason;

/// How much is read at once, in bytes.
const MAX_IMPORT_BYTES: usize = 4 * 1024 * 1024;
/// How many lines are read at once.
const MAX_LINES: usize = 50_000;

/// What the column of the addresses is called.
const ADDRESS_COLUMNS: [&str; 6] = ["email", "address", "emailaddress", "email_address", "recipient", "email address"];
/// What the column of the reasons is called.
const REASON_COLUMNS: [&str; 5] = ["reason", "suppressionreason", "suppression_reason", "type", "status"];
/// What the column of the times is called.
const TIME_COLUMNS: [&str; 5] = ["created", "created_at", "createdat", "created at", "date"];

/// A line that names an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedLine {
    /// From 1.
    pub number: usize,
    pub address: String,
    pub reason: Option<SuppressionReason>,
    pub created_at: Option<DateTime<Utc>>,
}

/// Where a file's columns are.
#[derive(Clone, Copy, Default)]
struct Columns {
    address: usize,
    reason: Option<usize>,
    time: Option<usize>,
}

/// Reads the lines of a text. [AppError::Validation] of `addresses` for one that is too long.
pub fn read_import(text: &str) -> Result<Vec<ImportedLine>, AppError> {
    if text.len() > MAX_IMPORT_BYTES {
        let words = format!("This is longer than {} MiB: take it in parts", MAX_IMPORT_BYTES / (1024 * 1024));
        return Err(AppError::invalid_field("addresses", words));
    }
    let text = text.trim_start_matches('\u{feff}');
    let delimiter = if text.lines().next().unwrap_or_default().contains(';') { b';' } else { b',' };
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).trim(Trim::All).delimiter(delimiter);
    let mut reader = reader.from_reader(text.as_bytes());
    let (mut columns, mut lines) = (Columns::default(), Vec::new());
    let mut counter = LineCounter { text: text.as_bytes(), at: 0, line: 1 };
    for (place, record) in reader.records().enumerate() {
        // What is no CSV at all has no lines that can be told apart.
        let Ok(record) = record else { continue };
        let number = counter.line_at(record.position().map_or(0, |position| position.byte()));
        if place == 0
            && let Some(named) = named_columns(&record)
        {
            columns = named;
            continue;
        }
        if lines.len() == MAX_LINES {
            let words = format!("These are more than {MAX_LINES} addresses: take them in parts");
            return Err(AppError::invalid_field("addresses", words));
        }
        lines.extend(read_line(&record, columns, number));
    }
    Ok(lines)
}

/// Which line a place of the text is in. The reader passes over empty lines without counting them.
struct LineCounter<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl LineCounter<'_> {
    /// The line of the first letter from here on that ends none.
    fn line_at(&mut self, byte: u64) -> usize {
        let from = usize::try_from(byte).unwrap_or(usize::MAX).clamp(self.at, self.text.len());
        let rest = self.text.get(from..).unwrap_or_default();
        let begin = from + rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).count();
        let passed = self.text.get(self.at..begin).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.at = begin;
        self.line
    }
}

fn read_line(record: &StringRecord, columns: Columns, number: usize) -> Option<ImportedLine> {
    // An export writes an apostrophe before what a spreadsheet would take for a formula.
    let address = record.get(columns.address)?.trim_start_matches('\'');
    let reason = columns.reason.and_then(|place| record.get(place)).and_then(reason_of);
    let created_at = columns.time.and_then(|place| record.get(place)).and_then(time_of);
    let line = ImportedLine { number, address: address.to_owned(), reason, created_at };
    (!address.is_empty()).then_some(line)
}

/// The columns that a first line names; `None` where it is a line like the others.
fn named_columns(record: &StringRecord) -> Option<Columns> {
    let names: Vec<String> = record.iter().map(|name| name.trim_matches('"').to_lowercase()).collect();
    let place = |known: &[&str]| names.iter().position(|name| known.contains(&name.as_str()));
    Some(Columns { address: place(&ADDRESS_COLUMNS)?, reason: place(&REASON_COLUMNS), time: place(&TIME_COLUMNS) })
}

/// What a provider calls a reason. Words that are none of these say nothing: SendGrid's are the server's.
fn reason_of(text: &str) -> Option<SuppressionReason> {
    let plain: String = text.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
    match plain.as_str() {
        "bounced" | "bounce" | "bounces" | "hardbounce" | "invalid" | "invalidemail" => {
            Some(SuppressionReason::Bounced)
        }
        "complained" | "complaint" | "complaints" | "spamcomplaint" | "spamreport" | "spam" => {
            Some(SuppressionReason::Complained)
        }
        "unsubscribed" | "unsubscribe" | "unsubscribes" | "optout" => Some(SuppressionReason::Unsubscribed),
        "manual" | "manualsuppression" => Some(SuppressionReason::Manual),
        _ => None,
    }
}

/// A time as the providers write it: Unix seconds, RFC 3339, RFC 2822, or without a zone, which is UTC then.
fn time_of(text: &str) -> Option<DateTime<Utc>> {
    let seconds = text.parse::<i64>().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let rfc_3339 = || DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc());
    let rfc_2822 = || DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc());
    let plain = || {
        let forms = ["%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%a, %d %b %Y %H:%M:%S UTC"];
        forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|at| at.and_utc())
    };
    seconds.or_else(rfc_3339).or_else(rfc_2822).or_else(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String, Option<SuppressionReason>, Option<i64>)> {
        let lines = read_import(text).unwrap().into_iter();
        lines.map(|line| (line.number, line.address, line.reason, line.created_at.map(|at| at.timestamp()))).collect()
    }

    #[test]
    fn addresses_stand_one_a_line() {
        let expected =
            vec![(1, "ada@example.com".to_owned(), None, None), (3, "Bob <bob@example.com>".to_owned(), None, None)];
        assert_eq!(read("ada@example.com\n\n  Bob <bob@example.com>  \n"), expected);
        assert_eq!(read("\u{feff}ada@example.com\r\n\r\nBob <bob@example.com>"), expected);
        assert_eq!(read(""), []);
        assert_eq!(read("email"), []);
    }

    #[test]
    fn the_files_of_the_providers_are_read_by_the_names_of_their_columns() {
        use SuppressionReason::{Bounced, Complained, Manual, Unsubscribed};
        for (text, reason) in [
            // SendGrid: bounces and unsubscribes.
            ("status,reason,email,created\n5.1.1,\"550 5.1.1 no, such user\",ada@example.com,1705752000\n", None),
            ("email,created\nada@example.com,1705752000\n", None),
            // Postmark.
            (
                "EmailAddress,SuppressionReason,Origin,CreatedAt\nada@example.com,HardBounce,Recipient,2024-01-20T07:00:00-05:00\n",
                Some(Bounced),
            ),
            (
                "EmailAddress;SuppressionReason;CreatedAt\nada@example.com;SpamComplaint;2024-01-20T12:00:00Z\n",
                Some(Complained),
            ),
            (
                "EmailAddress,SuppressionReason,CreatedAt\nada@example.com,ManualSuppression,2024-01-20T12:00:00Z\n",
                Some(Manual),
            ),
            // Mailgun: bounces, unsubscribes.
            (
                "address,code,error,created_at\nada@example.com,550,\"no\nsuch\",\"Sat, 20 Jan 2024 12:00:00 UTC\"\n",
                None,
            ),
            ("address,tags,created_at\nada@example.com,*,2024-01-20 12:00:00\n", None),
            // Sendlog's own.
            (
                "\u{feff}address,reason,created_at,message,note\r\nada@example.com,unsubscribed,2024-01-20T12:00:00Z,,\r\n",
                Some(Unsubscribed),
            ),
        ] {
            assert_eq!(read(text), [(2, "ada@example.com".to_owned(), reason, Some(1_705_752_000))], "{text}");
        }
    }

    #[test]
    fn too_much_is_refused_whole() {
        let many = "a@example.com\n".repeat(MAX_LINES + 1);
        assert!(read_import(&many).unwrap_err().to_string().contains("50000"));
        let long = "x".repeat(MAX_IMPORT_BYTES + 1);
        assert!(read_import(&long).unwrap_err().to_string().contains("4 MiB"));
    }
}
