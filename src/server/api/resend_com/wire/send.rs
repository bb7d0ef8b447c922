//! Messages to send, as Resend's clients write them: a recipient is a text or a list of texts, an attachment is base64, a
//! list of bytes or Node's Buffer, and the time can be said in words. Fields that we do not know are passed over, as
//! Resend does.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine;
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, SubsecRound, TimeDelta, Utc};
use serde::de::{self, DeserializeOwned, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::email::TOPIC_ID;
use crate::domain::email::Accepted;
use crate::domain::error::AppError;
use crate::server::api::attachment::{BASE64, content_type_of};
use crate::server::api::request::holds_nul;
use crate::server::api::resend_com::error::ResendError;
use crate::server::api::strict;
use crate::server::services::send::{Attachment, SendRequest};

/// The most messages of a batch.
pub const MAX_BATCH: usize = 100;
/// The longest part of a tag, in characters.
const MAX_TAG_CHARS: usize = 256;
/// What an attachment is called that has no name.
const NAMELESS: &str = "attachment";

/// Reads a body, whatever its label says. What is no JSON is told apart from JSON that is no message.
pub fn read_body<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ResendError> {
    if holds_nul(bytes) {
        return Err(ResendError::invalid("Texts must not contain the character U+0000"));
    }
    strict::from_slice(bytes).map_err(|wrong| match wrong.is_json {
        true => ResendError::invalid(wrong.words),
        false => ResendError::malformed(wrong.words),
    })
}

/// Reads a batch: each of its messages by itself, right or wrong.
pub fn read_batch(bytes: &[u8], now: DateTime<Utc>) -> Result<Vec<Result<SendRequest, ResendError>>, ResendError> {
    let messages: Vec<Box<RawValue>> = read_body(bytes)?;
    if messages.is_empty() || messages.len() > MAX_BATCH {
        return Err(ResendError::invalid(format!("A batch has 1 to {MAX_BATCH} emails")));
    }
    let read = |message: Box<RawValue>| read_body::<SendBody>(message.get().as_bytes())?.into_request(now);
    Ok(messages.into_iter().map(read).collect())
}

/// A message to send: `html` or `text`, or a template.
#[derive(Debug, Deserialize, ToSchema)]
pub struct SendBody {
    /// The sender; with a template it can be left out.
    #[schema(example = "Acme <onboarding@resend.dev>")]
    pub from: Option<String>,
    /// One address or several, 50 at most with `cc` and `bcc`: `ada@example.com` or `Ada <ada@example.com>`.
    #[schema(value_type = OneOrMany, required)]
    pub to: Option<OneOrMany>,
    /// The subject; with a template it can be left out.
    pub subject: Option<String>,
    /// The HTML body.
    pub html: Option<String>,
    /// The plain-text body.
    pub text: Option<String>,
    /// Further recipients, seen by everybody.
    pub cc: Option<OneOrMany>,
    /// Further recipients, seen by nobody else.
    pub bcc: Option<OneOrMany>,
    /// Where answers go. `replyTo` is read too.
    #[serde(alias = "replyTo")]
    pub reply_to: Option<OneOrMany>,
    /// Headers to add: 30 at most.
    pub headers: Option<BTreeMap<String, String>>,
    /// What is attached: at most 20 files of 15 MiB together.
    pub attachments: Option<Vec<AttachmentBody>>,
    /// Labels: at most 20, each of 100 characters at most, its parts together.
    pub tags: Option<Vec<TagBody>>,
    /// When to send it: ISO 8601, in UTC where it has no offset, or `in 5 minutes`, `in 2 hours`, `in 1 day`.
    #[schema(example = "2026-08-05T11:52:01.858Z")]
    pub scheduled_at: Option<String>,
    /// The topic: kept and shown.
    pub topic_id: Option<String>,
    /// The template, in place of `html` and `text`.
    pub template: Option<TemplateBody>,
}

/// A template with its values.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TemplateBody {
    /// The template.
    #[schema(example = "tpl_06xq3k9v2m4p8")]
    pub id: String,
    /// The template's values.
    #[schema(value_type = Option<Object>)]
    pub variables: Option<Map<String, Value>>,
}

/// A label in two parts, each of ASCII letters, digits, `_` and `-`.
#[derive(Debug, Deserialize, ToSchema)]
pub struct TagBody {
    /// The first part.
    #[schema(example = "category", min_length = 1, max_length = 256, pattern = "^[A-Za-z0-9_-]+$")]
    pub name: String,
    /// The second part.
    #[schema(example = "confirm_email", max_length = 256, pattern = "^[A-Za-z0-9_-]*$")]
    pub value: Option<String>,
}

/// A file to attach.
#[derive(Debug, Deserialize, ToSchema)]
pub struct AttachmentBody {
    /// The bytes.
    #[schema(value_type = Option<ContentSchema>)]
    pub content: Option<Content>,
    /// The name the recipient sees; `false` for none.
    #[schema(value_type = Option<FilenameSchema>)]
    pub filename: Option<Filename>,
    /// Where the file is on another server. It is not fetched: send `content`.
    pub path: Option<String>,
    /// MIME type; by default what the name's ending says.
    #[serde(alias = "contentType")]
    pub content_type: Option<String>,
    /// What the HTML body calls it (`cid:logo`), for one that is shown within the text.
    #[serde(alias = "contentId")]
    pub content_id: Option<String>,
    /// The same, as it was called before.
    pub inline_content_id: Option<String>,
}

/// A change to a message that has not gone out yet.
#[derive(Debug, Deserialize, ToSchema)]
pub struct UpdateBody {
    /// When to send it: ISO 8601, in UTC where it has no offset, or `in 5 minutes`, `in 2 hours`, `in 1 day`.
    #[serde(alias = "scheduledAt")]
    #[schema(value_type = String, required, example = "2026-08-05T11:52:01.858Z")]
    pub scheduled_at: Option<String>,
}

impl UpdateBody {
    /// The new time.
    pub fn into_time(self, now: DateTime<Utc>) -> Result<DateTime<Utc>, ResendError> {
        let text = self.scheduled_at.ok_or_else(|| ResendError::missing_field("`scheduled_at`"))?;
        read_time(&text, now)
    }
}

impl SendBody {
    /// The message as the use case takes it.
    pub fn into_request(self, now: DateTime<Utc>) -> Result<SendRequest, ResendError> {
        let is_text = |text: &String| !text.is_empty();
        let (html, text) = (self.html.filter(is_text), self.text.filter(is_text));
        let to = match (self.from.is_some() || self.template.is_some(), self.to) {
            (false, _) => return Err(ResendError::missing_field("`from`")),
            (true, None) => return Err(ResendError::missing_field("`to`")),
            (true, Some(to)) => to.0,
        };
        let (template_id, variables) = match self.template {
            None if self.subject.is_none() => return Err(ResendError::missing_field("`subject`")),
            None if html.is_none() && text.is_none() => return Err(ResendError::missing_field("`html` or `text`")),
            None => (None, Value::Null),
            Some(_) if html.is_some() || text.is_some() => {
                return Err(ResendError::invalid("`html` and `text` cannot be used together with `template`"));
            }
            Some(template) => {
                let id = template.id.parse().map_err(|_| AppError::not_found("Template"));
                let id = id.map_err(ResendError::of_message)?;
                (Some(id), template.variables.map_or(Value::Null, Value::Object))
            }
        };
        let reply_to = self.reply_to.map(|reply_to| reply_to.0.join(", ")).filter(is_text);
        let attachments = self.attachments.unwrap_or_default().into_iter().enumerate();
        Ok(SendRequest {
            template_id,
            to,
            cc: self.cc.unwrap_or_default().0,
            bcc: self.bcc.unwrap_or_default().0,
            variables,
            from: self.from,
            subject: self.subject,
            html,
            text,
            reply_to,
            headers: self.headers.unwrap_or_default().into_iter().collect(),
            attachments: attachments.map(|(index, body)| body.decode(index)).collect::<Result<_, _>>()?,
            tags: self.tags.unwrap_or_default().into_iter().map(TagBody::into_label).collect::<Result<_, _>>()?,
            metadata: self.topic_id.map_or(Value::Null, |topic_id| json!({ TOPIC_ID: topic_id })),
            scheduled_at: self.scheduled_at.map(|text| read_time(&text, now)).transpose()?,
            ..SendRequest::default()
        })
    }
}

impl TagBody {
    fn into_label(self) -> Result<String, ResendError> {
        let value = self.value.unwrap_or_default();
        let fits = |text: &str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            text.len() <= MAX_TAG_CHARS && text.bytes().all(is_plain)
        };
        if self.name.is_empty() || !fits(&self.name) || !fits(&value) {
            let message = "A tag's name and value have ASCII letters, digits, underscores and dashes";
            return Err(ResendError::invalid(format!("Invalid `tags` field: {message}, at most {MAX_TAG_CHARS} each")));
        }
        Ok(if value.is_empty() { self.name } else { format!("{}:{value}", self.name) })
    }
}

impl AttachmentBody {
    fn decode(self, index: usize) -> Result<Attachment, ResendError> {
        let wrong = |what: &str| ResendError::invalid_attachment(format!("attachments[{index}] {what}"));
        let content = match (self.content, self.path) {
            (Some(Content::Bytes(bytes)), _) => bytes,
            (Some(Content::Text(mut text)), _) => {
                text.retain(|letter| !letter.is_ascii_whitespace());
                BASE64.decode(text).map_err(|_| wrong("must have its `content` in base64 or as a list of bytes"))?
            }
            (None, Some(_)) => {
                return Err(wrong("has a `path`: files are not fetched from other servers, send the `content`"));
            }
            (None, None) => return Err(wrong("must have a `content`")),
        };
        let filename = match self.filename {
            Some(Filename::Text(name)) if !name.is_empty() => name,
            Some(Filename::Text(_) | Filename::None) | None => NAMELESS.to_owned(),
        };
        let content_type = self.content_type.unwrap_or_else(|| content_type_of(&filename).to_owned());
        let content_id = self.content_id.or(self.inline_content_id);
        let content_id = content_id.map(|id| id.trim_start_matches('<').trim_end_matches('>').to_owned());
        Ok(Attachment { filename, content_type, content, content_id: content_id.filter(|id| !id.is_empty()) })
    }
}

/// Reads a time: ISO 8601, or how long from now.
fn read_time(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, ResendError> {
    let later = || read_delay(text).and_then(|delay| now.checked_add_signed(delay));
    read_instant(text.trim()).or_else(later).map(|time| time.trunc_subsecs(6)).ok_or_else(|| {
        let forms = "an ISO 8601 date and time like 2026-08-05T11:52:01.858Z, or like `in 5 minutes`";
        ResendError::invalid(format!("Invalid `scheduled_at` field: it must be {forms}"))
    })
}

/// ISO 8601; what has no offset is in UTC, as Python's `isoformat()` writes it.
fn read_instant(text: &str) -> Option<DateTime<Utc>> {
    let has_date = text.is_ascii() && text.len() >= 10 && text.as_bytes()[4] == b'-' && text.as_bytes()[7] == b'-';
    if !has_date {
        return None;
    }
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    let text = text.replacen(' ', "T", 1);
    let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    let with_offset = || forms.iter().find_map(|form| DateTime::parse_from_str(&text, &format!("{form}%#z")).ok());
    let without = || forms.iter().find_map(|form| NaiveDateTime::parse_from_str(&text, form).ok());
    let time = DateTime::parse_from_rfc3339(&text).ok().or_else(with_offset).map(|time| time.with_timezone(&Utc));
    time.or_else(|| without().map(|time| time.and_utc()))
}

/// `in 5 minutes`, `in 1 min`, `in an hour`.
fn read_delay(text: &str) -> Option<TimeDelta> {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let ["in", number, unit] = words[..] else { return None };
    let number = match number {
        "a" | "an" => 1,
        number => i64::from(number.parse::<u32>().ok()?),
    };
    match unit {
        "s" | "sec" | "secs" | "second" | "seconds" => TimeDelta::try_seconds(number),
        "m" | "min" | "mins" | "minute" | "minutes" => TimeDelta::try_minutes(number),
        "h" | "hr" | "hrs" | "hour" | "hours" => TimeDelta::try_hours(number),
        "d" | "day" | "days" => TimeDelta::try_days(number),
        "w" | "week" | "weeks" => TimeDelta::try_weeks(number),
        _ => None,
    }
}

/// One text or a list of texts.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(value_type = OneOrManySchema)]
pub struct OneOrMany(pub Vec<String>);

/// One text, or a list of them.
#[derive(ToSchema)]
#[schema(as = OneOrMany)]
#[serde(untagged)]
pub enum OneOrManySchema {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for OneOrMany {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMany;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an address or a list of addresses")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<OneOrMany, E> {
                Ok(OneOrMany(vec![text.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<OneOrMany, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = items.next_element()? {
                    texts.push(text);
                }
                Ok(OneOrMany(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

/// The bytes of an attachment, as they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Base64.
    Text(String),
    /// The bytes themselves.
    Bytes(Vec<u8>),
}

/// The bytes of an attachment: base64, a list of bytes, or what Node makes of a Buffer.
#[derive(ToSchema)]
#[schema(as = Content)]
#[serde(untagged)]
pub enum ContentSchema {
    /// Base64.
    Base64(String),
    /// A list of bytes.
    Bytes(Vec<u8>),
    /// Node's Buffer.
    Buffer(BufferSchema),
}

/// What Node makes of a Buffer.
#[derive(ToSchema)]
#[schema(as = Buffer)]
pub struct BufferSchema {
    /// Always `Buffer`.
    pub r#type: BufferType,
    /// The bytes.
    pub data: Vec<u8>,
}

/// The word for a Buffer.
#[derive(ToSchema)]
pub enum BufferType {
    /// `Buffer`
    Buffer,
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Contents;

        impl<'de> Visitor<'de> for Contents {
            type Value = Content;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("base64, a list of bytes or a Buffer")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Text(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Content, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = items.next_element()? {
                    bytes.push(byte);
                }
                Ok(Content::Bytes(bytes))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Content, A::Error> {
                let (mut is_buffer, mut bytes) = (false, None);
                while let Some(name) = fields.next_key::<String>()? {
                    match name.as_str() {
                        "type" => is_buffer = fields.next_value::<String>()? == "Buffer",
                        "data" => bytes = Some(fields.next_value::<Vec<u8>>()?),
                        _ => drop(fields.next_value::<IgnoredAny>()?),
                    }
                }
                match bytes {
                    Some(bytes) if is_buffer => Ok(Content::Bytes(bytes)),
                    Some(_) | None => Err(de::Error::custom("expected base64, a list of bytes or a Buffer")),
                }
            }
        }

        deserializer.deserialize_any(Contents)
    }
}

/// The name of an attachment, as it comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filename {
    /// A name.
    Text(String),
    /// None: `false`.
    None,
}

/// The name of an attachment, or `false`.
#[derive(ToSchema)]
#[schema(as = Filename)]
#[serde(untagged)]
pub enum FilenameSchema {
    /// A name.
    Text(String),
    /// None.
    None(bool),
}

impl<'de> Deserialize<'de> for Filename {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl Visitor<'_> for Names {
            type Value = Filename;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a file name")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Filename, E> {
                Ok(Filename::Text(text.to_owned()))
            }

            fn visit_bool<E: de::Error>(self, _: bool) -> Result<Filename, E> {
                Ok(Filename::None)
            }
        }

        deserializer.deserialize_any(Names)
    }
}

/// A message has been accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Sent {
    /// Its id.
    #[schema(example = "4ef9a417-02e9-4d39-ad75-9611e0fcc33c", format = "uuid")]
    pub id: String,
}

impl From<Accepted> for Sent {
    fn from(accepted: Accepted) -> Self {
        Self { id: accepted.id.to_uuid() }
    }
}

/// What became of a batch.
#[derive(Debug, Serialize, ToSchema)]
pub struct SentBatch {
    /// The messages that have been accepted, in their order.
    pub data: Vec<Sent>,
    /// Those that have not been; only of a permissive batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub errors: Option<Vec<BatchError>>,
}

/// Why a message of a batch was not accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchError {
    /// Its place in the batch, from 0.
    pub index: usize,
    /// The reason.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> DateTime<Utc> {
        "2024-01-20T12:00:00Z".parse().unwrap()
    }

    fn read(body: Value) -> Result<SendRequest, ResendError> {
        read_body::<SendBody>(body.to_string().as_bytes())?.into_request(now())
    }

    /// The smallest message, with `change` in it.
    fn message(change: Value) -> Value {
        let mut body = json!({"from": "a@b.example", "to": "c@d.example", "subject": "s", "text": "t"});
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        body
    }

    #[test]
    fn times_are_iso_8601_or_in_words() {
        for (text, expected) in [
            ("2024-08-05T11:52:01.858Z", "2024-08-05T11:52:01.858Z"),
            ("2024-08-05T11:52:01+02:00", "2024-08-05T09:52:01Z"),
            ("2024-08-05T11:52:01.858123", "2024-08-05T11:52:01.858123Z"),
            ("2024-08-05 11:52:01.622865+00", "2024-08-05T11:52:01.622865Z"),
            ("2024-08-05T11:52", "2024-08-05T11:52:00Z"),
            ("2024-08-05", "2024-08-05T00:00:00Z"),
            ("in 1 min", "2024-01-20T12:01:00Z"),
            ("In 5 Minutes", "2024-01-20T12:05:00Z"),
            ("in 2 hours", "2024-01-20T14:00:00Z"),
            ("in an hour", "2024-01-20T13:00:00Z"),
            ("in 3 days", "2024-01-23T12:00:00Z"),
        ] {
            let expected: DateTime<Utc> = expected.parse().unwrap();
            assert_eq!(read_time(text, now()).unwrap(), expected, "{text}");
        }
        for wrong in [
            "",
            "soon",
            "tomorrow at 9am",
            "in minutes",
            "in -1 min",
            "in 1 year",
            "in 5 minutes please",
            "1705746600",
            "2024-13-01",
            "2024-02-30T00:00:00Z",
            "+02024-08-05",
            "2024-8-5",
            "20ä4-08-05T00:00:00Z",
        ] {
            assert!(read_time(wrong, now()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_shape_of_a_message_is_read() {
        let request = read(message(json!({
            "to": ["c@d.example", "e@f.example"],
            "cc": "g@h.example",
            "bcc": null,
            "replyTo": ["i@j.example", "k@l.example"],
            "headers": {"X-Id": "7"},
            "tags": [{"name": "category", "value": "confirm"}, {"name": "plain"}],
            "topic_id": "topic",
            "react": {"unknown": true},
            "html": "",
        })))
        .unwrap();
        assert_eq!(request.to, ["c@d.example", "e@f.example"]);
        assert_eq!((request.cc.len(), request.bcc.len()), (1, 0));
        assert_eq!(request.reply_to.as_deref(), Some("i@j.example, k@l.example"));
        assert_eq!(request.headers, [("X-Id".to_owned(), "7".to_owned())]);
        assert_eq!(request.tags, ["category:confirm", "plain"]);
        assert_eq!(request.metadata, json!({"topic_id": "topic"}));
        assert_eq!((request.html, request.text.as_deref()), (None, Some("t")));
    }

    #[test]
    fn every_shape_of_an_attachment_is_read() {
        let request = read(message(json!({"attachments": [
            {"filename": "a.pdf", "content": "AP8B"},
            {"filename": "b", "content": [0, 255, 1], "contentType": "image/png", "contentId": "<logo>"},
            {"filename": false, "content": {"type": "Buffer", "data": [0, 255, 1]}, "inline_content_id": "old"},
            {"content": "AP8\nB==", "path": "https://example.com/a"},
        ]})));
        // The last one's base64 has one `=` too many.
        assert!(request.is_err());
        let request = read(message(json!({"attachments": [
            {"filename": "a.pdf", "content": "AP8B"},
            {"filename": "b", "content": [0, 255, 1], "contentType": "image/png", "contentId": "<logo>"},
            {"filename": false, "content": {"type": "Buffer", "data": [0, 255, 1]}, "inline_content_id": "old"},
            {"content": "AP8\nB", "path": "https://example.com/a"},
        ]})))
        .unwrap();
        let attachment = |filename: &str, content_type: &str, content_id: Option<&str>| Attachment {
            filename: filename.to_owned(),
            content_type: content_type.to_owned(),
            content: vec![0, 255, 1],
            content_id: content_id.map(str::to_owned),
        };
        assert_eq!(
            request.attachments,
            [
                attachment("a.pdf", "application/pdf", None),
                attachment("b", "image/png", Some("logo")),
                attachment("attachment", "application/octet-stream", Some("old")),
                attachment("attachment", "application/octet-stream", None),
            ]
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (change, part) in [
            (json!({"from": null}), "Missing `from` field"),
            (json!({"to": null}), "Missing `to` field"),
            (json!({"subject": null}), "Missing `subject` field"),
            (json!({"text": ""}), "Missing `html` or `text` field"),
            (json!({"to": 5}), "to: invalid type"),
            (json!({"to": ["a@b.example", 5]}), "to[1]: invalid type"),
            (json!({"headers": {"X-Id": 7}}), "headers.X-Id: invalid type"),
            (json!({"tags": [{"name": "no spaces", "value": "x"}]}), "`tags`"),
            (json!({"tags": [{"name": "", "value": "x"}]}), "`tags`"),
            (json!({"tags": ["plain"]}), "tags[0]"),
            (json!({"scheduled_at": "tomorrow"}), "`scheduled_at`"),
            (json!({"attachments": [{"filename": "a"}]}), "attachments[0] must have a `content`"),
            (json!({"attachments": [{"path": "https://example.com/a"}]}), "attachments[0] has a `path`"),
            (json!({"attachments": [{"content": "!"}]}), "attachments[0] must have its `content` in base64"),
            (json!({"attachments": [{"content": [256]}]}), "attachments[0].content[0]: invalid value"),
            (json!({"attachments": [{"content": {"data": [1]}}]}), "attachments[0].content: expected base64"),
            (json!({"template": {"id": "tpl_0000000000001"}}), "cannot be used together with `template`"),
            (json!({"template": {"id": "nonsense"}, "text": null}), "Template not found"),
            (json!({"template": {}, "text": null}), "template: missing field `id`"),
        ] {
            let error = read(message(change.clone())).unwrap_err().into_message();
            assert!(error.contains(part), "{change}: {error}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        use axum::response::IntoResponse;
        for (body, status) in [
            ("", 400),
            ("  ", 400),
            ("{", 400),
            ("{} {}", 400),
            ("[]", 422),
            ("null", 422),
            ("{\"to\":\"a\\u0000\"}", 422),
        ] {
            let error = read_body::<SendBody>(body.as_bytes()).unwrap_err();
            assert_eq!(error.into_response().status(), status, "{body}");
        }
    }
}
