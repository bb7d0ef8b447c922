//! Members of the providers' JSON, as providers really send them. One that is missing, null or of another type than
//! documented counts as missing, so that an odd member loses no event.

use serde::de::{DeserializeOwned, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::email_id;
use crate::domain::ids::EmailId;

/// A text that may be missing, null or a number. A blank one, a list and an object count as missing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(Option<String>);

impl Text {
    /// The text, trimmed; never an empty one.
    pub fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// A copy of the text.
    pub fn owned(&self) -> Option<String> {
        self.0.clone()
    }

    /// The text, or an empty one where it is missing.
    pub fn or_empty(&self) -> &str {
        self.get().unwrap_or_default()
    }

    /// This text, or the other where this one is missing.
    pub fn or<'a>(&'a self, other: &'a Text) -> &'a Text {
        if self.0.is_some() { self } else { other }
    }

    /// The text of a JSON value.
    pub fn of(value: Option<&Value>) -> Self {
        value.and_then(|value| Self::deserialize(value).ok()).unwrap_or_default()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        let text = text.trim();
        Self((!text.is_empty()).then(|| text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a text, a number or null")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Ok(Text::from(text))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_unit<E: Error>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Text, A::Error> {
        while object.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

/// A yes or no that may be missing, null, a text or a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub Option<bool>);

impl Flag {
    /// Whether it is a plain yes.
    pub fn is_set(self) -> bool {
        self.0 == Some(true)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Ok(Flag(match text.or_empty().to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }))
    }
}

/// Texts, of which there may be one alone. What is no text is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(Vec<String>);

impl Texts {
    /// All of them, in their order.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }

    /// The first one.
    pub fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let values = value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice);
        Ok(Self(values.iter().filter_map(|value| Text::of(Some(value)).0).collect()))
    }
}

/// What Sendlog's adapters put into a message, as the provider passes it on.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Metadata {
    pub sendlog_id: Text,
}

impl Metadata {
    /// Sendlog's id of the message, where they hold it.
    pub fn email_id(&self) -> Option<EmailId> {
        email_id(self.sendlog_id.get())
    }
}

/// Reads an object within an event; one that is missing, null or something else is an empty one.
pub fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(object_or_default(Value::deserialize(deserializer)?))
}

/// Reads a list of objects within an event. An element that is none is kept as an empty one, so that it can be told of.
pub fn lenient_list<'de, D: Deserializer<'de>, T: DeserializeOwned + Default>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Array(values) => values.into_iter().map(object_or_default).collect(),
        _ => Vec::new(),
    })
}

fn object_or_default<T: DeserializeOwned + Default>(value: Value) -> T {
    if value.is_object() { T::deserialize(value).unwrap_or_default() } else { T::default() }
}
