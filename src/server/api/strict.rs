//! JSON where objects are objects. What serde derives for a struct also takes an array, field by field in their order: a list
//! in the place of a recipient would be read as an address and a name, and the others lost without a word. Called by
//! handlers that take JSON and where a value is read that was parsed before.

use std::fmt;

use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_json::Value;

use crate::domain::error::AppError;

/// What is wrong with a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Where, and what: `to[0]: invalid type: integer `5`, expected a string at line 1 column 9`.
    pub words: String,
    /// Whether it is JSON at all.
    pub is_json: bool,
}

/// Reads the JSON of a body.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Wrong> {
    let not_json = |words: &str| Wrong { words: words.to_owned(), is_json: false };
    let bytes = json_text(bytes).map_err(not_json)?;
    if bytes.trim_ascii().is_empty() {
        return Err(not_json("The request body is empty: send JSON"));
    }
    let wrong = |words: String, cause: &serde_json::Error| Wrong { words: plain(&words), is_json: cause.is_data() };
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Strict(&mut reader));
    let value = value.map_err(|error| wrong(error.to_string(), error.inner()))?;
    reader.end().map_err(|error| wrong(error.to_string(), &error))?;
    Ok(value)
}

/// Reads JSON; [AppError::Validation] names the place of a mistake. Texts with U+0000, which PostgreSQL keeps nowhere,
/// are refused.
pub fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, AppError> {
    if holds_nul(bytes) {
        return Err(AppError::invalid("Texts must not contain the character U+0000"));
    }
    from_slice(bytes).map_err(|wrong| match wrong.is_json {
        true => AppError::invalid(format!("The request body is wrong: {}", wrong.words)),
        false => AppError::invalid(wrong.words),
    })
}

/// Whether a text in the JSON holds U+0000, which PostgreSQL keeps in no text.
pub fn holds_nul(bytes: &[u8]) -> bool {
    fn is_in(value: &serde_json::Value) -> bool {
        match value {
            serde_json::Value::String(text) => text.contains('\0'),
            serde_json::Value::Array(items) => items.iter().any(is_in),
            serde_json::Value::Object(fields) => fields.iter().any(|(name, field)| name.contains('\0') || is_in(field)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => false,
        }
    }
    let bytes = json_text(bytes).unwrap_or(bytes);
    bytes.windows(6).any(|window| window == br"\u0000")
        && serde_json::from_slice::<serde_json::Value>(bytes).is_ok_and(|value| is_in(&value))
}

/// A body without the mark that Windows' programs begin it with. An error where its first bytes show that it is another
/// thing than text in UTF-8.
pub fn json_text(bytes: &[u8]) -> Result<&[u8], &'static str> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    match bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes) {
        [0x1f, 0x8b, ..] => Err("The request body is compressed: send it as it is"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Err("The request body is UTF-16: send UTF-8"),
        text => Ok(text),
    }
}

/// An error's words with JSON's names of things: "expected struct SendBody with 12 elements" says nothing to a caller.
fn plain(words: &str) -> String {
    let mut shown: Vec<&str> = Vec::new();
    let mut parts = words.split(' ');
    while let Some(part) = parts.next() {
        if part == "struct" && parts.next().is_some() {
            shown.push("an object");
        } else {
            shown.push(part);
        }
    }
    shown.join(" ")
}

/// Reads a value that was parsed before.
pub fn from_value<T: DeserializeOwned>(value: Value) -> serde_json::Result<T> {
    T::deserialize(Strict(value)).map_err(|error| Error::custom(plain(&error.to_string())))
}

/// Whatever is read through it, with structs from objects alone, at every depth.
struct Strict<T>(T);

macro_rules! pass_on {
    ($($method:ident($($argument:ident: $kind:ty),*);)*) => {
        $(fn $method<V: Visitor<'de>>(self, $($argument: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($argument,)* Strict(visitor))
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    pass_on! {
        deserialize_any(); deserialize_bool(); deserialize_i8(); deserialize_i16(); deserialize_i32();
        deserialize_i64(); deserialize_i128(); deserialize_u8(); deserialize_u16(); deserialize_u32();
        deserialize_u64(); deserialize_u128(); deserialize_f32(); deserialize_f64(); deserialize_char();
        deserialize_str(); deserialize_string(); deserialize_bytes(); deserialize_byte_buf(); deserialize_option();
        deserialize_unit(); deserialize_seq(); deserialize_map(); deserialize_identifier(); deserialize_ignored_any();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_tuple(length: usize);
        deserialize_tuple_struct(name: &'static str, length: usize);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(Strict(visitor))
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! hand_on {
    ($($method:ident: $kind:ty,)*) => {
        $(fn $method<E: Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        })*
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Strict<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    hand_on! {
        visit_bool: bool, visit_i64: i64, visit_i128: i128, visit_u64: u64, visit_u128: u128, visit_f64: f64,
        visit_char: char, visit_str: &str, visit_borrowed_str: &'de str, visit_string: String, visit_bytes: &[u8],
        visit_borrowed_bytes: &'de [u8], visit_byte_buf: Vec<u8>,
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(deserializer))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(deserializer))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Strict(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(fields))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Strict(variant))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(deserializer))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<A> {
    type Error = A::Error;
    type Variant = Strict<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        self.0.variant_seed(seed).map(|(name, variant)| (name, Strict(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Strict(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(length, Strict(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Strict(visitor))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Deserialize)]
    struct Person {
        address: String,
        name: Option<String>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Message {
        to: Vec<Person>,
        about: Option<Person>,
        #[serde(default)]
        data: Value,
    }

    #[test]
    fn a_list_in_the_place_of_an_object_is_refused_at_every_depth() {
        for wrong in [
            r#"[[], null, 5]"#,
            r#"{"to": [["ada@example.com", "bob@example.com"]]}"#,
            r#"{"to": [], "about": ["ada@example.com", "Ada"]}"#,
        ] {
            let error = from_slice::<Message>(wrong.as_bytes()).unwrap_err();
            assert!(error.is_json && error.words.contains("invalid type: sequence, expected an object"), "{error:?}");
            let value = serde_json::from_str(wrong).unwrap();
            assert!(from_value::<Message>(value).is_err(), "{wrong}");
            assert!(serde_json::from_str::<Message>(wrong).is_ok(), "what serde itself makes of it: {wrong}");
        }
    }

    #[test]
    fn everything_else_is_read_as_it_is() {
        let right = json!({"to": [{"address": "a@b.example"}], "about": {"address": "c", "name": "C"},
            "data": {"deep": [1, 2.5, null, true, "x", {"y": [[]]}]}});
        let whole: Message = from_value(right.clone()).unwrap();
        assert_eq!(whole, serde_json::from_value(right.clone()).unwrap());
        assert_eq!(from_slice::<Message>(right.to_string().as_bytes()).unwrap(), whole);
        assert!(from_slice::<Message>(b"{\"to\": []} {}").is_err());
    }
}
