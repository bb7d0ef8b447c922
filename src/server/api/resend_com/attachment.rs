//! Files to attach, as Resend's clients write them.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, de};
use utoipa::ToSchema;

use super::error::ResendError;
use crate::server::api::shapes;
use crate::server::services::send::Attachment;

/// What an attachment is called that has no name.
const NAMELESS: &str = "attachment";

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

impl AttachmentBody {
    /// The file; `index` is its place among the attachments, for the error.
    pub fn decode(self, index: usize) -> Result<Attachment, ResendError> {
        let wrong = |what: &str| ResendError::invalid_attachment(format!("attachments[{index}] {what}"));
        let content = match (self.content, self.path) {
            (Some(Content::Bytes(bytes)), _) => bytes,
            (Some(Content::Text(text)), _) => {
                shapes::decode(text).ok_or_else(|| wrong("must have its `content` in base64 or as a list of bytes"))?
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
        let content_type = self.content_type.unwrap_or_else(|| shapes::content_type_of(&filename).to_owned());
        let content_id = self.content_id.or(self.inline_content_id);
        let content_id = content_id.map(|id| id.trim_start_matches('<').trim_end_matches('>').to_owned());
        Ok(Attachment { filename, content_type, content, content_id: content_id.filter(|id| !id.is_empty()) })
    }
}

/// The bytes of an attachment, as they come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Base64.
    Text(String),
    Bytes(Vec<u8>),
}

/// The bytes of an attachment: base64, a list of bytes, or what Node makes of a Buffer.
#[derive(ToSchema)]
#[schema(as = Content)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
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
#[expect(dead_code, reason = "only described")]
pub struct BufferSchema {
    /// Always `Buffer`.
    pub r#type: BufferType,
    /// The bytes.
    pub data: Vec<u8>,
}

/// The word for a Buffer.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only described")]
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
    Text(String),
    /// None: `false`.
    None,
}

/// The name of an attachment, or `false`.
#[derive(ToSchema)]
#[schema(as = Filename)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
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
