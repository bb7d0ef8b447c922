//! What the handlers take out of a request: who asks, ids of the path, parameters, the JSON body. Every rejection is
//! Canary's error envelope.

use std::error::Error;
use std::str::FromStr;

use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use tower_sessions::Session;

use super::error::{CanaryError, ErrorDetails};
use crate::domain::error::AppError;
use crate::domain::ids::{ApiRequestId, UserId};
use crate::domain::viewer::{RequestOrigin, Viewer};
use crate::server::api::request::holds_nul;
pub(super) use crate::server::api::request::{MAX_NUMBER, RawQuery};
use crate::server::api::strict;
use crate::server::auth::{ClientAddress, Identity, origin};
use crate::server::services::accounts;
use crate::server::web::MAX_BODY_BYTES;

/// Who asks.
pub(super) struct Caller(pub Viewer);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        Ok(Self(identity(parts)?))
    }
}

/// The account that is logged in, member of a team or not yet, with its session. Refuses API keys.
pub(super) struct LoggedIn {
    /// The account.
    pub user: UserId,
    /// Its session.
    pub session: Session,
}

impl<S: Sync> FromRequestParts<S> for LoggedIn {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        let session = session(parts)?;
        let user = match identity(parts) {
            Ok(viewer) => viewer.user_id().ok_or_else(|| {
                AppError::Forbidden("Log in as a person to do this: an API key has no account".to_owned())
            })?,
            Err(AppError::NoTeam) => accounts::session_user(&session).await?.0,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { user, session })
    }
}

/// What log-in and registration need of a request by anybody.
pub(super) struct Visitor {
    /// The session that a log-in fills.
    pub session: Session,
    /// Where the request comes from; attempts are counted by its address.
    pub origin: RequestOrigin,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        let address = parts.extensions.get::<ClientAddress>().ok_or(AppError::Internal)?;
        Ok(Self { session: session(parts)?, origin: origin(address, &parts.headers) })
    }
}

/// This request's id in the log of API requests.
pub(super) struct RequestId(pub Option<ApiRequestId>);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        Ok(Self(parts.extensions.get::<ApiRequestId>().copied()))
    }
}

fn identity(parts: &Parts) -> Result<Viewer, AppError> {
    parts.extensions.get::<Identity>().cloned().ok_or(AppError::Internal)?.0
}

fn session(parts: &Parts) -> Result<Session, AppError> {
    parts.extensions.get::<Session>().cloned().ok_or(AppError::Internal)
}

/// The variable parts of a path, as text: one, or a pair.
pub(super) struct PathText<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathText<T> {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, CanaryError> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(AppError::not_found("The endpoint").into()),
        }
    }
}

/// Reads an id. A text that is none becomes an id that nothing has, so that it is answered like any other id of nobody.
pub(super) fn id_of<Id: FromStr + From<i64>>(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| Id::from(NO_ID))
}

/// Ids are times since 1970: none is negative.
const NO_ID: i64 = -1;

/// Query parameters that are read strictly: none unknown, none twice.
pub(super) trait QueryParameters: Sized {
    /// Every parameter there is.
    const NAMES: &'static [&'static str];

    /// Reads them.
    fn read(query: &RawQuery) -> Result<Self, AppError>;
}

/// Passes only a request without parameters.
pub(super) struct NoParameters;

impl<S: Sync> FromRequestParts<S> for NoParameters {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        RawQuery::parse(parts.uri.query().unwrap_or_default(), &[])?;
        Ok(Self)
    }
}

/// Reads the query string.
pub(super) struct StrictQuery<T>(pub T);

impl<T: QueryParameters, S: Sync> FromRequestParts<S> for StrictQuery<T> {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        let query = RawQuery::parse(parts.uri.query().unwrap_or_default(), T::NAMES)?;
        Ok(Self(T::read(&query)?))
    }
}

/// Reads the body as JSON, whatever letters its label is written in. An unknown field is an error.
pub(super) struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = CanaryError;

    async fn from_request(request: Request, _: &S) -> Result<Self, CanaryError> {
        if !is_json(request.headers()) {
            return Err(CanaryError::unsupported_media_type());
        }
        let bytes = to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|cause| {
            if cause.source().is_some_and(|source| source.is::<LengthLimitError>()) {
                AppError::TooLarge { limit_bytes: MAX_BODY_BYTES as u64 }.into()
            } else {
                CanaryError::invalid_body("The request body did not arrive whole", None)
            }
        })?;
        read_json(&bytes).map(Self)
    }
}

/// Reads a body that was taken already, as [JsonBody] does.
pub(super) fn json_body<T: DeserializeOwned>(headers: &HeaderMap, bytes: &[u8]) -> Result<T, CanaryError> {
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
    fn parameters_are_read_strictly() {
        let names = ["page", "search"];
        let field = |query: &str| match RawQuery::parse(query, &names) {
            Err(AppError::Validation { field, .. }) => field,
            _ => None,
        };
        assert_eq!(field("pages=1").as_deref(), Some("pages"));
        assert_eq!(field("page=1&page=2").as_deref(), Some("page"));
        let query = RawQuery::parse("page=2&search=", &names).unwrap();
        assert_eq!(query.number("page", 1..=3, 1), Ok(2));
        assert!(query.number("page", 3..=5, 3).is_err());
        assert_eq!(query.short_text("search", 5), Ok(None));
        for wrong in ["page=", "page=1.5", "page=-1", "page=%2B1", "page=1e1", "page=99999999999999999999"] {
            assert!(RawQuery::parse(wrong, &names).unwrap().number("page", 1..=100, 1).is_err(), "{wrong}");
        }
    }

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
