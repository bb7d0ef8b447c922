//! What adapters read of a message, and how they write its texts. Called by the adapters.
//! Source: RFC 2047 (encoded words).

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::base64;
use crate::domain::channel::Channel;
use crate::domain::email::{Attachment, Recipient};
use crate::domain::mailbox::Mailbox;

/// The headers that the parts of the message make, and those that the provider writes.
const MADE_BY_OTHERS: [&str; 17] = [
    "bcc",
    "cc",
    "content-disposition",
    "content-id",
    "content-transfer-encoding",
    "content-type",
    "date",
    "dkim-signature",
    "from",
    "message-id",
    "mime-version",
    "received",
    "reply-to",
    "return-path",
    "sender",
    "subject",
    "to",
];

/// A message to send.
#[derive(Clone, Debug)]
pub struct OutMessage<'a> {
    /// Sendlog's id of it: `eml_…`.
    pub id: &'a str,
    pub channel: Channel,
    /// In other channels than email, the address is what the sender is called there: a number, a name.
    pub from: Mailbox,
    pub reply_to: &'a [Mailbox],
    /// Everybody it is for.
    pub recipients: &'a [Recipient],
    /// The addresses of those that this request is for.
    pub pending: &'a [String],
    pub subject: &'a str,
    pub text: Option<&'a str>,
    pub html: Option<&'a str>,
    pub attachments: &'a [Attachment],
    pub headers: &'a [(String, String)],
    pub tags: &'a [String],
    /// A JSON object.
    pub metadata: &'a Value,
    /// The whole mail, where it came as mail and has to stay as it is. Adapters that cannot send it use the parts.
    pub mime: Option<&'a [u8]>,
    /// When the request is made: some providers want it signed.
    pub now: DateTime<Utc>,
}

impl OutMessage<'_> {
    /// Passes only a message whose header texts are one line each, and whose headers have names that mail can have.
    pub fn check(&self) -> Result<(), String> {
        check_line("subject", self.subject)?;
        for mailbox in self.reply_to.iter().chain([&self.from]) {
            check_line("sender", &mailbox.address)?;
            check_line("sender's name", mailbox.name.as_deref().unwrap_or_default())?;
        }
        for recipient in self.recipients {
            check_line("recipient's name", recipient.name.as_deref().unwrap_or_default())?;
        }
        for (name, value) in self.headers {
            let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
            if !is_name {
                return Err("A header has a name that no mail can have".to_owned());
            }
            check_line("header", value)?;
        }
        for attachment in self.attachments {
            check_line("attachment's file name", &attachment.filename)?;
            check_line("attachment's content type", &attachment.content_type)?;
            check_line("attachment's content id", attachment.content_id.as_deref().unwrap_or_default())?;
        }
        Ok(())
    }

    /// The headers of the message's own: none that its parts or the provider make.
    pub fn own_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        headers.filter(|(name, _)| !MADE_BY_OTHERS.contains(&name.to_ascii_lowercase().as_str()))
    }

    /// The tags, each once, at most `count` of at most `letters` letters: what the provider does not take stays out.
    pub fn tags_within(&self, count: usize, letters: usize) -> Vec<&str> {
        let mut tags: Vec<&str> = Vec::new();
        for tag in self.tags {
            let fits = !tag.is_empty() && tag.chars().count() <= letters;
            if fits && tags.len() < count && !tags.contains(&tag.as_str()) {
                tags.push(tag);
            }
        }
        tags
    }

    /// The metadata as names and texts, by name. A value that is no text is its JSON; null is left out.
    pub fn metadata_texts(&self) -> Vec<(&str, String)> {
        let entries = self.metadata.as_object().into_iter().flatten();
        entries.filter_map(|(name, value)| Some((name.as_str(), metadata_text(value)?))).collect()
    }

    /// What tells this request apart from all others: the message's id, and for some of its recipients only, who they
    /// are. A provider that remembers it takes the same request once, and never the rest of the recipients for a
    /// repetition.
    pub fn request_key(&self) -> String {
        if self.recipients.iter().all(|recipient| self.pending.contains(&recipient.address)) {
            return self.id.to_owned();
        }
        let mut pending: Vec<&str> = self.pending.iter().map(String::as_str).collect();
        pending.sort_unstable();
        let digest = Sha256::digest(pending.join("\n"));
        format!("{}-{}", self.id, hex::encode(digest.get(..8).unwrap_or_default()))
    }

    /// The text and the HTML that are there. A message with neither has an empty text.
    pub fn bodies(&self) -> (Option<&str>, Option<&str>) {
        let html = self.html.filter(|html| !html.is_empty());
        let text = self.text.filter(|text| !text.is_empty());
        if text.is_none() && html.is_none() { (Some(self.text.unwrap_or_default()), None) } else { (text, html) }
    }
}

/// Those of `entries` that fit into `bytes` together, as the JSON object that they are members of.
pub fn within_bytes(entries: Vec<(&str, String)>, bytes: usize) -> Vec<(&str, String)> {
    let mut left = bytes;
    let mut fitting = Vec::new();
    for (name, value) in entries {
        // Two pairs of quotes, a colon, a comma.
        let size = Value::from(name).to_string().len() + Value::from(value.as_str()).to_string().len() + 2;
        if size <= left {
            left -= size;
            fitting.push((name, value));
        }
    }
    fitting
}

/// A text as it stands in a header: as it is, or in encoded words where it is not ASCII. Source: RFC 2047.
pub fn encoded_words(text: &str) -> String {
    /// A word has at most 75 characters, 12 of them around the text; Base64 makes four of three bytes.
    const WORD_BYTES: usize = 45;
    if text.is_ascii() {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for letter in text.chars() {
        match words.last_mut() {
            Some(word) if word.len() + letter.len_utf8() <= WORD_BYTES => word.push(letter),
            Some(_) | None => words.push(letter.to_string()),
        }
    }
    let encoded = words.iter().map(|word| format!("=?UTF-8?B?{}?=", base64(word.as_bytes())));
    encoded.collect::<Vec<_>>().join(" ")
}

/// A text with each letter that `is_allowed` does not name as `_`, at most `letters` letters.
pub fn plain_word(text: &str, letters: usize, is_allowed: impl Fn(char) -> bool) -> String {
    text.chars().take(letters).map(|letter| if is_allowed(letter) { letter } else { '_' }).collect()
}

/// A name and a value for each tag and each entry of the metadata, for providers that know names and values of plain
/// letters only. The message's id comes first. `is_allowed` says which letters a value can have beside ASCII letters,
/// digits, `_` and `-`.
pub fn plain_tags(message: &OutMessage<'_>, count: usize, is_allowed: fn(char) -> bool) -> Vec<(String, String)> {
    const LETTERS: usize = 256;
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-');
    let name = |text: &str| plain_word(text, LETTERS, is_plain);
    let value = |text: &str| plain_word(text, LETTERS, |letter| is_plain(letter) || is_allowed(letter));
    let mut tags = vec![(super::ID_NAME.to_owned(), value(message.id))];
    for (index, tag) in message.tags_within(count, LETTERS).into_iter().enumerate() {
        let number = index + 1;
        let tag_name = if number == 1 { "tag".to_owned() } else { format!("tag_{number}") };
        tags.push((tag_name, value(tag)));
    }
    for (key, text) in message.metadata_texts() {
        tags.push((name(key), value(&text)));
    }
    let mut names = HashSet::new();
    tags.retain(|(name, value)| !name.is_empty() && !value.is_empty() && names.insert(name.clone()));
    tags.truncate(count);
    tags
}

fn check_line(what: &str, text: &str) -> Result<(), String> {
    if text.chars().any(|letter| letter.is_control() && letter != '\t') {
        return Err(format!("The {what} must be one line, without control characters"));
    }
    Ok(())
}

fn metadata_text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => Some(value.to_string()),
    }
}
