//! Canary's JSON: the order of the fields is the specification's. Times are ISO 8601 in UTC with milliseconds.
//! Source: Canary, Email Logs API. What every noun shares is here, the rest in a file each.

mod accounts;
mod adapters;
mod api_keys;
mod audit;
mod events;
mod logs;
mod send;
mod teams;
mod templates;

pub use accounts::*;
pub use adapters::*;
pub use api_keys::*;
pub use audit::*;
pub use events::*;
pub use logs::*;
pub use send::*;
pub use teams::*;
pub use templates::*;

use std::fmt;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// The envelope of every answer that is no error.
#[derive(Debug, Serialize, ToSchema)]
pub struct Success<T> {
    /// Always `true`.
    #[schema(example = true)]
    pub success: bool,
    /// The answer itself.
    pub data: T,
}

/// Puts an answer into its envelope.
pub fn success<T>(data: T) -> axum::Json<Success<T>> {
    axum::Json(Success { success: true, data })
}

/// An instant, written `2024-01-20T10:30:00.000Z`.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2024-01-20T10:30:00.000Z")]
pub struct Timestamp(pub DateTime<Utc>);

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time)
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

/// A thing is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted<Id> {
    /// Its id.
    pub id: Id,
}

/// Nothing to tell.
#[derive(Debug, Serialize, ToSchema)]
pub struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_z() {
        let time = DateTime::from_timestamp_micros(1_705_746_600_123_999).unwrap();
        assert_eq!(serde_json::to_value(Timestamp(time)).unwrap(), "2024-01-20T10:30:00.123Z");
        let whole = DateTime::from_timestamp(1_705_746_600, 0).unwrap();
        assert_eq!(serde_json::to_value(Timestamp(whole)).unwrap(), "2024-01-20T10:30:00.000Z");
    }

    #[test]
    fn one_address_or_several() {
        let read = |json: &str| serde_json::from_str::<OneOrMany>(json).map(|many| many.0);
        assert_eq!(read(r#""a@b.c""#).unwrap(), ["a@b.c"]);
        assert_eq!(read(r#"["a@b.c","d@e.f"]"#).unwrap(), ["a@b.c", "d@e.f"]);
        assert!(read("5").unwrap_err().to_string().contains("an address or a list of addresses"));
    }
}
