//! Takes a file of a history apart: answers of the source's API as JSON, one or many, in a list or one a line; or a CSV file,
//! whose columns are known by their names. Called by the server function of the form. Sources: RFC 8259, RFC 4180, JSON Lines.

use std::borrow::Cow;
use std::collections::HashMap;

use csv::{ReaderBuilder, Trim};
use serde_json::value::RawValue;
use serde_json::{Deserializer, Map, Value};

use super::source;
use crate::domain::error::AppError;
use crate::domain::history_import::{ImportSource, MAX_FILE_BYTES};

/// How many records a part has, and how long it is, at most, in bytes.
const PART_RECORDS: usize = 500;
const PART_BYTES: usize = 1024 * 1024;

/// How deep whole answers may stand in lists.
const DEPTH: usize = 4;

/// The parts of a file, each a JSON list of records.
#[derive(Debug, Default)]
pub struct FileParts {
    pub records: usize,
    pub parts: Vec<String>,
    /// The part that grows, and how many records it has.
    open: (String, usize),
}

/// Takes a file apart. [AppError::Validation] of `file` for one that is too long, or that is neither.
pub fn take_apart(of: ImportSource, text: &str) -> Result<FileParts, AppError> {
    let wrong = |words: &str| AppError::invalid_field("file", words);
    if text.len() > MAX_FILE_BYTES {
        let words = format!("The file is larger than {} MiB: take it in parts", MAX_FILE_BYTES / (1024 * 1024));
        return Err(wrong(&words));
    }
    let text = text.trim_start_matches('\u{feff}').trim();
    let mut file = FileParts::default();
    match text.chars().next() {
        None => return Err(wrong("Choose a file: this one is empty")),
        Some('{' | '[') => read_json(of, text, &mut file)
            .ok_or_else(|| wrong("The file begins like JSON and is none: export it again, or choose another"))?,
        Some(_) => read_csv(text, &mut file).ok_or_else(|| {
            wrong("The file is neither JSON nor a CSV file with the names of its columns in the first line")
        })?,
    }
    file.close();
    Ok(file)
}

fn read_json(of: ImportSource, text: &str, file: &mut FileParts) -> Option<()> {
    let path = source(of).records_at;
    for value in Deserializer::from_str(text).into_iter::<&RawValue>() {
        collect(value.ok()?, path, DEPTH, file)?;
    }
    Some(())
}

/// Finds the records in a value: a list of such values, an answer that holds records, or a record.
fn collect(value: &RawValue, path: &[&str], depth: usize, file: &mut FileParts) -> Option<()> {
    match value.get().chars().next() {
        Some('[') if depth > 0 => {
            let values: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
            values.into_iter().try_for_each(|value| collect(value, path, depth - 1, file))?;
        }
        Some('{') => match held(value, path) {
            Some(inner) => collect(inner, &[], depth.saturating_sub(1), file)?,
            None => file.push(value.get()),
        },
        Some(_) | None => {}
    }
    Some(())
}

/// What an answer holds at the place of its records, where it has one: a list, or one record alone.
fn held<'a>(value: &'a RawValue, path: &[&str]) -> Option<&'a RawValue> {
    let (name, rest) = path.split_first()?;
    let members: HashMap<Cow<'a, str>, &'a RawValue> = serde_json::from_str(value.get()).ok()?;
    let inner = *members.get(*name)?;
    match inner.get().chars().next() {
        Some('[') if rest.is_empty() => Some(inner),
        Some('{') => held(inner, rest).or(Some(inner)),
        Some(_) | None => None,
    }
}

fn read_csv(text: &str, file: &mut FileParts) -> Option<()> {
    let head = text.lines().next()?;
    let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|sign| head.bytes().filter(|byte| byte == sign).count());
    let mut reader = ReaderBuilder::new();
    let reader = reader.has_headers(false).flexible(true).trim(Trim::All).delimiter(delimiter?);
    let mut reader = reader.from_reader(text.as_bytes());
    let mut rows = reader.records();
    let names: Vec<String> = rows.next()?.ok()?.iter().map(column_name).collect();
    if names.len() < 2 {
        return None;
    }
    // A row that is no CSV at all cannot be told apart from the next.
    for row in rows.filter_map(Result::ok) {
        let cells = names.iter().zip(&row).filter(|(name, cell)| !name.is_empty() && !cell.is_empty());
        let members: Map<String, Value> = cells.map(|(name, cell)| (name.clone(), Value::from(cell))).collect();
        if !members.is_empty() {
            file.push(&Value::Object(members).to_string());
        }
    }
    Some(())
}

/// `Message ID`, `messageId` and `message-id` as `message_id`.
fn column_name(name: &str) -> String {
    let mut plain = String::new();
    let mut was_small = false;
    for letter in name.trim_matches('"').chars() {
        if letter.is_ascii_uppercase() && was_small {
            plain.push('_');
        }
        was_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        plain.push(if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' });
    }
    plain.split('_').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("_")
}

impl FileParts {
    fn push(&mut self, record: &str) {
        let (part, count) = &self.open;
        if *count == PART_RECORDS || (*count > 0 && part.len() + record.len() > PART_BYTES) {
            self.close();
        }
        let (part, count) = &mut self.open;
        part.push(if *count == 0 { '[' } else { ',' });
        part.push_str(record);
        *count += 1;
        self.records += 1;
    }

    fn close(&mut self) {
        let (mut part, count) = std::mem::take(&mut self.open);
        if count > 0 {
            part.push(']');
            self.parts.push(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(of: ImportSource, text: &str) -> Vec<Value> {
        let file = take_apart(of, text).unwrap();
        let parts: Vec<Vec<Value>> = file.parts.iter().map(|part| serde_json::from_str(part).unwrap()).collect();
        let records = parts.concat();
        assert_eq!(records.len(), file.records);
        records
    }

    #[test]
    fn records_are_found_in_lists_in_answers_and_one_a_line() {
        let (one, two) = (json!({ "id": "a", "items": 1 }), json!({ "id": "b" }));
        for text in [
            json!([one, two]).to_string(),
            json!({ "data": { "items": [one, two] }, "success": true }).to_string(),
            json!([{ "data": { "items": [one] } }, { "data": { "items": [two] } }]).to_string(),
            format!("{one}\n{two}\n"),
            format!("\u{feff}{}\r\n\r\n{}", json!({ "data": { "items": [one] } }), json!({ "data": two })),
        ] {
            assert_eq!(read(ImportSource::Canary, &text), [one.clone(), two.clone()], "{text}");
        }
        assert_eq!(read(ImportSource::Sendwithus, &json!([one, two]).to_string()), [one, two]);
    }

    #[test]
    fn columns_are_known_by_their_names_however_they_are_written() {
        let expected = [json!({ "message_id": "x", "to_email": "ada@example.com", "api_key_id": "1" })];
        for text in [
            "Message ID,toEmail,API-Key-ID\nx,ada@example.com,1\n",
            "message_id;to_email;api_key_id\r\n\"x\";ada@example.com;1\r\n;;\r\n",
            "MessageId\tTo Email\tapi key id\nx\tada@example.com\t1",
        ] {
            assert_eq!(read(ImportSource::SendGrid, text), expected, "{text}");
        }
        let quoted = read(ImportSource::Postmark, "a,b\n\"two\nlines, with a comma\",2\n");
        assert_eq!(quoted, [json!({ "a": "two\nlines, with a comma", "b": "2" })]);
    }

    #[test]
    fn a_file_that_is_neither_is_refused_in_words() {
        for text in ["", "  \n", "[{\"a\":1}", "{\"a\":", "one word", "words without columns\nand lines"] {
            let refused = take_apart(ImportSource::Postmark, text).unwrap_err();
            assert!(matches!(refused, AppError::Validation { .. }), "{text}: {refused:?}");
        }
        let large = "x,".repeat(MAX_FILE_BYTES / 2 + 1);
        assert!(take_apart(ImportSource::Postmark, &large).unwrap_err().to_string().contains("16 MiB"));
    }

    #[test]
    fn parts_are_small_and_hold_everything() {
        let rows: String = (0..1_234).map(|number| format!("{number},b\n")).collect();
        let file = take_apart(ImportSource::Postmark, &format!("a,b\n{rows}")).unwrap();
        assert_eq!((file.records, file.parts.len()), (1_234, 3));
        let long = "y".repeat(700 * 1024);
        let file = take_apart(ImportSource::Postmark, &format!("a,b\n1,{long}\n2,{long}\n3,c\n")).unwrap();
        assert_eq!((file.records, file.parts.len()), (3, 2));
    }
}
