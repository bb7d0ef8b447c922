//! What handlers take out of a request: who asks, the path, parameters, the body. What is wrong is answered in the words of
//! the [Api] that was asked, which [crate::server::web] leaves in the request's extensions.

use std::convert::Infallible;
use std::error::Error;
use std::marker::PhantomData;
use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, SubsecRound, TimeDelta, Utc};
use http_body_util::LengthLimitError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tracing::error;

use super::Api;
use crate::domain::error::AppError;
use crate::domain::filter::TimeRange;
use crate::domain::ids::ApiRequestId;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::bounds::MAX_BODY_BYTES;
use crate::server::identity::Identity;
use crate::server::services::send::{self, IdempotencyKey, KeptAnswer, OnceKey};
use crate::server::services::suppressions::SuppressionName;
use crate::server::turns::Turn;

/// The system that was asked, in whose words errors are told.
fn asked(extensions: &Extensions) -> Api {
    extensions.get().copied().unwrap_or(Api::Sendlog)
}

/// Who asks, with the parameters of the query string; without `Q` there must be none.
pub struct Caller<Q = ()>(pub Viewer, pub Q);

impl<S: Sync, Q: QueryParameters> FromRequestParts<S> for Caller<Q> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let caller = || Ok(Self(identity(parts)?, read_query(parts)?));
        caller().map_err(|error| asked(&parts.extensions).refuse(error))
    }
}

/// Who asks, whatever the parameters.
pub fn identity(parts: &Parts) -> Result<Viewer, AppError> {
    parts.extensions.get::<Identity>().cloned().ok_or(AppError::Internal)?.0
}

/// Query parameters that are read strictly: none unknown, none twice.
pub trait QueryParameters: Sized {
    /// Every parameter there is.
    const NAMES: &'static [&'static str];

    /// Reads them.
    fn read(query: RawQuery) -> Result<Self, AppError>;
}

impl QueryParameters for () {
    const NAMES: &'static [&'static str] = &[];

    fn read(_: RawQuery) -> Result<Self, AppError> {
        Ok(())
    }
}

/// Reads the query string.
pub fn read_query<Q: QueryParameters>(parts: &Parts) -> Result<Q, AppError> {
    Q::read(RawQuery::parse(parts.uri.query().unwrap_or_default(), Q::NAMES)?)
}

/// The parameters of a query string, of whoever asks.
pub struct Query<Q>(pub Q);

impl<S: Sync, Q: QueryParameters> FromRequestParts<S> for Query<Q> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        read_query(parts).map(Self).map_err(|error| asked(&parts.extensions).refuse(error))
    }
}

/// This request's id in the log of API requests.
pub struct RequestId(pub Option<ApiRequestId>);

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<ApiRequestId>().copied()))
    }
}

/// The variable parts of a path, as text: one, or several. A path that is no UTF-8 leads nowhere.
pub struct PathText<T = String>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathText<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(text)) => Ok(Self(text)),
            Err(_) => Err(asked(&parts.extensions).refuse(AppError::not_found("The endpoint"))),
        }
    }
}

/// The id in a path; see [id_of].
pub struct PathId<Id>(pub Id);

impl<Id: FromStr + From<i64>, S: Send + Sync> FromRequestParts<S> for PathId<Id> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let PathText(text) = PathText::<String>::from_request_parts(parts, state).await?;
        Ok(Self(id_of(&text)))
    }
}

/// Reads an id. A text that is none becomes an id that nothing has, so that it is answered like any other id of nobody.
pub fn id_of<Id: FromStr + From<i64>>(text: &str) -> Id {
    text.parse().unwrap_or_else(|_| Id::from(NO_ID))
}

/// What names a suppression in a path: its id, or the address that is not written to. An id has no `@`.
pub fn suppression_name(text: &str) -> SuppressionName {
    match text.contains('@') {
        true => SuppressionName::Address(text.trim().to_owned()),
        false => SuppressionName::Id(id_of(text)),
    }
}

/// Ids are times since 1970: none is negative.
pub const NO_ID: i64 = -1;

/// The whole body, whatever its label says; at most [MAX_BODY_BYTES].
pub struct Body(pub Bytes);

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Response;

    async fn from_request(request: Request, _: &S) -> Result<Self, Response> {
        let api = asked(request.extensions());
        read_body(request).await.map(Self).map_err(|error| api.refuse(error))
    }
}

/// An endpoint that accepts messages.
pub trait Sending: 'static {
    /// What idempotency keys count for: the same key can stand for another request elsewhere.
    const ENDPOINT: &'static str;
    /// What the caller must be allowed.
    const RIGHT: Permission = Permission::EmailsSend;
    /// Whether the request's address says a part of what it asks for.
    const BY_ADDRESS: bool = false;
}

/// The whole body of a request to send, with the idempotency key that makes its repetition harmless, and the right to do
/// it where there is a key. A repetition does not get here: what the first request was answered is its answer, before anything
/// else of it is looked at. It waits for that one: while this lives, no other request with the key is begun.
pub struct Once<S> {
    pub body: Bytes,
    pub key: Option<IdempotencyKey>,
    _turn: Option<Turn<OnceKey>>,
    endpoint: PhantomData<fn() -> S>,
}

impl<S: Sending> FromRequest<App> for Once<S> {
    type Rejection = Response;

    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let api = asked(request.extensions());
        match Self::read(request, app).await {
            Ok((once, None)) => Ok(once),
            Ok((_, Some(first))) => Err(respond(first)),
            Err(error) => Err(api.refuse(error)),
        }
    }
}

impl<S: Sending> Once<S> {
    /// With what the first request was answered, where this one repeats it.
    async fn read(request: Request, app: &App) -> Result<(Self, Option<KeptAnswer>), AppError> {
        let viewer = request.extensions().get::<Identity>().cloned().ok_or(AppError::Internal)?.0?;
        let of_batch = request.extensions().get::<IdempotencyKey>().cloned();
        let own = read_idempotency_key(request.headers())?;
        let address = S::BY_ADDRESS.then(|| request.uri().to_string());
        let body = read_body(request).await?;
        let asked = match address {
            Some(address) => Bytes::from([address.as_bytes(), b"\n", &body].concat()),
            None => body.clone(),
        };
        let own = own.map(|key| IdempotencyKey { endpoint: S::ENDPOINT, key, body: asked });
        let key = of_batch.or(own);
        let (turn, first) = match &key {
            Some(key) => {
                let (turn, first) = send::begin_once(app, &viewer, S::RIGHT, key).await?;
                (Some(turn), first)
            }
            None => (None, None),
        };
        Ok((Self { body, key, _turn: turn, endpoint: PhantomData }, first))
    }
}

/// The header `Idempotency-Key`: 1 to 256 characters.
pub fn read_idempotency_key(headers: &HeaderMap) -> Result<Option<String>, AppError> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=MAX_KEY_CHARS).contains(&key.chars().count()));
    let wrong = || format!("{IDEMPOTENCY_KEY} must have 1 to {MAX_KEY_CHARS} characters");
    key.map(|key| Some(key.to_owned())).ok_or_else(|| AppError::invalid_field(IDEMPOTENCY_KEY, wrong()))
}

/// The header with a key that makes a repetition harmless.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// The longest idempotency key, in characters. Sources: Resend, Idempotency Keys; JetEmail, Idempotency Keys.
const MAX_KEY_CHARS: usize = 256;

/// An answer that can be kept for a repetition.
pub fn answer_of(status: StatusCode, body: &impl Serialize) -> Result<KeptAnswer, AppError> {
    let body = serde_json::to_string(body).map_err(|cause| {
        error!(%cause, "could not write an answer");
        AppError::Internal
    })?;
    Ok(KeptAnswer { status: status.as_u16(), body })
}

/// Gives the answer.
pub fn respond(answer: KeptAnswer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    (status, [(header::CONTENT_TYPE, "application/json")], answer.body).into_response()
}

/// Reads the whole body.
pub async fn read_body(request: Request) -> Result<Bytes, AppError> {
    to_bytes(request.into_body(), MAX_BODY_BYTES).await.map_err(|cause| {
        if cause.source().is_some_and(|source| source.is::<LengthLimitError>()) {
            AppError::TooLarge { limit_bytes: MAX_BODY_BYTES as u64 }
        } else {
            AppError::invalid("The request body did not arrive whole")
        }
    })
}

/// The parameters of a query string, decoded.
pub struct RawQuery(Vec<(String, String)>);

impl RawQuery {
    /// Reads a query string strictly: a parameter that is not in `names`, or that stands there twice, is an error.
    pub fn parse(query: &str, names: &[&str]) -> Result<Self, AppError> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if !names.contains(&name.as_ref()) {
                return Err(AppError::invalid_field(name.as_ref(), unknown_parameter(&name, names)));
            }
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(AppError::invalid_field(name.as_ref(), format!("{name} is given more than once")));
            }
            pairs.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(pairs))
    }

    /// A text, as it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A text of at most `max_chars` characters; `None` for an empty one too.
    pub fn short_text(&self, name: &str, max_chars: usize) -> Result<Option<String>, AppError> {
        let Some(text) = self.text(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        if text.chars().count() > max_chars {
            return Err(AppError::invalid_field(name, format!("{name} is longer than {max_chars} characters")));
        }
        Ok(Some(text.to_owned()))
    }

    /// A whole number in `range`; `default` where there is none.
    pub fn number(&self, name: &str, range: RangeInclusive<i64>, default: i64) -> Result<i64, AppError> {
        let Some(text) = self.text(name) else { return Ok(default) };
        let is_plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|number| is_plain && range.contains(number));
        number.ok_or_else(|| {
            let bounds = match (range.start(), range.end()) {
                (low, &MAX_NUMBER) => format!("of {low} or more"),
                (low, high) => format!("from {low} to {high}"),
            };
            AppError::invalid_field(name, format!("{name} must be a whole number {bounds}"))
        })
    }

    /// The range from `from` to `to`, which belongs to it: a date alone means to its end, in UTC. Messages are told apart
    /// by milliseconds.
    pub fn range(&self) -> Result<TimeRange, AppError> {
        let day = self.text("to").and_then(read_day);
        let to = match day.and_then(|day| day.checked_add_days(Days::new(1))) {
            Some(next) => Some(next.and_time(NaiveTime::MIN).and_utc()),
            None => self.instant("to")?.map(|to| to.trunc_subsecs(3) + TimeDelta::milliseconds(1)),
        };
        Ok(TimeRange { from: self.instant("from")?, to })
    }

    /// An instant: a date and time with its offset from UTC, or a date, which means its midnight in UTC.
    pub fn instant(&self, name: &str) -> Result<Option<DateTime<Utc>>, AppError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let instant = read_instant(text).ok_or_else(|| {
            AppError::invalid_field(
                name,
                format!("{name} must be an ISO 8601 date and time with its offset, like 2024-01-20T10:30:00Z"),
            )
        })?;
        Ok(Some(instant))
    }
}

/// The largest number that every JSON client reads exactly.
pub const MAX_NUMBER: i64 = 9_007_199_254_740_991;

fn unknown_parameter(name: &str, names: &[&str]) -> String {
    if names.is_empty() {
        format!("Unknown parameter {name}: there are none here")
    } else {
        format!("Unknown parameter {name}: use {}", names.join(", "))
    }
}

/// Reads an instant: a date and time with its offset from UTC, or a date, which means its midnight in UTC.
pub fn read_instant(text: &str) -> Option<DateTime<Utc>> {
    if NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() {
        return read_day(text).map(|day| day.and_time(NaiveTime::MIN).and_utc());
    }
    // A `+` that was not encoded arrives as a space.
    let text = text.replace(' ', "+");
    let forms = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M%#z"];
    let read = || forms.iter().find_map(|form| DateTime::parse_from_str(&text, form).ok());
    let time = DateTime::parse_from_rfc3339(&text).ok().or_else(read)?;
    let year_has_four_digits = text.as_bytes().get(4) == Some(&b'-');
    year_has_four_digits.then(|| time.with_timezone(&Utc).trunc_subsecs(6))
}

fn read_day(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d").ok().filter(|_| text.len() == 10)
}

#[cfg(test)]
mod tests {
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
    fn a_date_alone_as_to_means_to_its_end() {
        let range = |query: &str| {
            let range = RawQuery::parse(query, &["from", "to"]).unwrap().range().unwrap();
            [range.from, range.to]
                .map(|time| time.map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)))
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            range("from=2024-01-20&to=2024-01-20"),
            [text("2024-01-20T00:00:00Z"), text("2024-01-21T00:00:00Z")]
        );
        assert_eq!(range("to=2024-02-29"), [None, text("2024-03-01T00:00:00Z")]);
        assert_eq!(range("to=2024-01-20T00:00:00Z"), [None, text("2024-01-20T00:00:00.001Z")]);
        assert!(RawQuery::parse("to=2024-02-30", &["to"]).unwrap().range().is_err());
    }

    fn instant(text: &str) -> Option<String> {
        read_instant(text).map(|time| time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }

    #[test]
    fn instants_are_iso_8601_with_an_offset() {
        assert_eq!(instant("2024-01-20"), Some("2024-01-20T00:00:00Z".to_owned()));
        assert_eq!(instant("2024-01-20T10:30:00Z"), Some("2024-01-20T10:30:00Z".to_owned()));
        assert_eq!(instant("2024-01-20T10:30:00.123+02:00"), Some("2024-01-20T08:30:00.123Z".to_owned()));
        assert_eq!(instant("2024-01-20T10:30:00 02:00"), Some("2024-01-20T08:30:00Z".to_owned()));
        assert_eq!(instant("2024-01-20T10:30+0200"), Some("2024-01-20T08:30:00Z".to_owned()));
        for wrong in [
            "",
            "today",
            "2024-13-01",
            "2024-02-30T00:00:00Z",
            "2024-01-20T10:30:00",
            "1705746600",
            "+02024-01-20",
            "2024-1-2",
        ] {
            assert_eq!(instant(wrong), None, "{wrong}");
        }
    }
}
