//! Shapes that several systems have: addresses, files.

use std::fmt;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;

use crate::domain::error::AppError;
use crate::server::services::send::Attachment;

/// One text or a list of texts.
#[derive(Clone, Debug, Default, ToSchema)]
#[schema(value_type = OneOrManySchema)]
pub struct OneOrMany(pub Vec<String>);

/// One text, or a list of them.
#[derive(ToSchema)]
#[schema(as = OneOrMany)]
#[serde(untagged)]
#[expect(dead_code, reason = "only described")]
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

/// Base64 with or without `=` at its end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of base64 in one line or several; `None` where it is none.
pub fn decode(mut base64: String) -> Option<Vec<u8>> {
    base64.retain(|letter| !letter.is_ascii_whitespace());
    BASE64.decode(base64).ok()
}

/// A file to attach, from its name, its base64, which stands in `field`, and its MIME type where that is given.
pub fn file(field: &str, name: String, base64: String, content_type: Option<String>) -> Result<Attachment, AppError> {
    let content = decode(base64).ok_or_else(|| AppError::invalid_field(field, format!("{field} must be base64")))?;
    let content_type = content_type.unwrap_or_else(|| content_type_of(&name).to_owned());
    Ok(Attachment { filename: name, content_type, content, content_id: None })
}

/// The MIME type that a file's name says.
pub fn content_type_of(filename: &str) -> &'static str {
    let ending = filename.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    match ending.as_str() {
        "pdf" => "application/pdf",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "gif" => "image/gif",
        "txt" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "html" => "text/html; charset=utf-8",
        "ics" => "text/calendar; charset=utf-8",
        "json" => "application/json",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_or_several() {
        let read = |json: &str| serde_json::from_str::<OneOrMany>(json).map(|many| many.0);
        assert_eq!(read(r#""a@b.c""#).unwrap(), ["a@b.c"]);
        assert_eq!(read(r#"["a@b.c","d@e.f"]"#).unwrap(), ["a@b.c", "d@e.f"]);
        assert!(read("5").unwrap_err().to_string().contains("an address or a list of addresses"));
    }
}
