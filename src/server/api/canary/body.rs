//! The JSON that handlers take: its label counts, and what is wrong with it is told with its place.

use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::de::DeserializeOwned;

use super::error::{CanaryError, ErrorDetails};
use crate::server::api::extract::read_body;
use crate::server::api::strict::{self, holds_nul};

/// Reads the body as JSON, whatever letters its label is written in. An unknown field is an error.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = CanaryError;

    async fn from_request(request: Request, _: &S) -> Result<Self, CanaryError> {
        if !is_json(request.headers()) {
            return Err(CanaryError::unsupported_media_type());
        }
        read_json(&read_body(request).await?).map(Self)
    }
}

/// Reads a body that was taken already, as [JsonBody] does.
pub fn json_body<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, CanaryError> {
    if is_json(headers) { read_json(bytes) } else { Err(CanaryError::unsupported_media_type()) }
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

fn read_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CanaryError> {
    if holds_nul(bytes) {
        return Err(CanaryError::invalid_body("Texts must not contain the character U+0000", None));
    }
    strict::from_slice(bytes).map_err(|wrong| {
        let details = place_of(&wrong.words);
        CanaryError::invalid_body(wrong.words, details)
    })
}

/// The field, line and column that a message of serde's names: `to[0]: invalid type: … at line 1 column 9`.
fn place_of(message: &str) -> Option<ErrorDetails> {
    let (what, place) = message.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    let named = ["missing field `", "unknown field `", "duplicate field `"].iter().find_map(|form| {
        let (before, after) = what.split_once(form)?;
        let (name, _) = after.split_once('`')?;
        let path = before.strip_suffix(": ").unwrap_or_default();
        Some(if path.is_empty() || path == name { name.to_owned() } else { format!("{path}.{name}") })
    });
    let path = || {
        let (path, _) = what.split_once(": ")?;
        path.chars().all(|letter| letter.is_alphanumeric() || "._-[]".contains(letter)).then(|| path.to_owned())
    };
    Some(ErrorDetails { field: named.or_else(path), line: line.parse().ok(), column: column.parse().ok() })
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[test]
    fn a_wrong_body_is_told_where() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct Body {
            to: Vec<String>,
        }
        let place = |body: &str| {
            let error = read_json::<Body>(body.as_bytes()).unwrap_err();
            let envelope = format!("{error:?}");
            (place_of(&message_of(body)), envelope)
        };
        fn message_of(body: &str) -> String {
            strict::from_slice::<Body>(body.as_bytes()).unwrap_err().words
        }
        let field = |body: &str| place(body).0.and_then(|details| details.field);
        assert_eq!(field(r#"{"to":[5]}"#).as_deref(), Some("to[0]"));
        assert_eq!(field("{}").as_deref(), Some("to"));
        assert_eq!(field(r#"{"to":[],"cc":[]}"#).as_deref(), Some("cc"));
        let syntax = place("{\n \"to\": ,}").0.unwrap();
        assert_eq!((syntax.line, syntax.column), (Some(2), Some(8)));
        assert!(read_json::<Body>(b" ").is_err());
        assert!(read_json::<Body>(br#"{"to":["a\u0000"]}"#).is_err());
        assert!(read_json::<Body>(br#"{"to":["a\\u0000"]}"#).is_ok());
    }
}
