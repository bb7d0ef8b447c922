//! The state of the page of API requests, which is the query string of its address.

use super::{Fields, PeriodReader, period_fields, read, read_id, read_text};
use crate::domain::api_request::ApiRequestFilter;
use crate::domain::error::AppError;
use crate::domain::field_rule::FieldRule;
use crate::domain::filter::TimeRange;
use crate::domain::ids::{ApiKeyId, ApiRequestId};
use crate::domain::named::named;
use crate::domain::period::{PeriodChoice, Preset};

/// The longest part of an endpoint, of a user agent or of a body, and the longest address, in characters.
pub const MAX_PART_CHARS: usize = 200;

/// The methods that a request can be asked for by.
pub const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

named! {
    /// What an answer's status begins with.
    pub enum StatusClass, "unknown class: use 2xx, 3xx, 4xx or 5xx" {
        Success = "2xx" "2xx, success",
        Redirect = "3xx" "3xx, redirected",
        Refused = "4xx" "4xx, refused",
        Fault = "5xx" "5xx, our fault",
    }
}

impl StatusClass {
    /// The first digit of its statuses.
    pub const fn digit(self) -> i64 {
        match self {
            Self::Success => 2,
            Self::Redirect => 3,
            Self::Refused => 4,
            Self::Fault => 5,
        }
    }
}

/// A place in the list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Place {
    #[default]
    Newest,
    /// What is older than this one.
    After(ApiRequestId),
    /// What is newer than this one, next to it.
    Before(ApiRequestId),
}

/// What the page shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestQuery {
    pub period: PeriodChoice,
    /// Their method, in capitals.
    pub method: Option<&'static str>,
    /// A part of path and query. Never empty.
    pub endpoint: Option<String>,
    pub status: Option<StatusClass>,
    pub key: Option<ApiKeyId>,
    /// A part of what the client calls itself. Never empty.
    pub user_agent: Option<String>,
    /// Whom a message of theirs is for: a whole address. Never empty.
    pub recipient: Option<String>,
    /// What was typed in the place of a whole address. Nothing is filtered by it, and no address keeps it.
    pub wrong_recipient: Option<String>,
    /// A part of what was posted or answered where that did not succeed. Never empty.
    pub error: Option<String>,
    pub place: Place,
}

impl RequestQuery {
    /// Reads a query string. Parameters without a value count as absent.
    pub fn parse(query: &str) -> Result<Self, AppError> {
        let mut parsed = Self::default();
        let mut period = PeriodReader::default();
        for (name, value) in super::pairs(query) {
            if period.take(&name, &value)? {
                continue;
            }
            match name.as_str() {
                "method" => parsed.method = Some(read_method(&name, &value)?),
                "endpoint" => parsed.endpoint = Some(read_text(&name, &value, MAX_PART_CHARS)?),
                "status" => parsed.status = Some(read(&name, &value)?),
                "key" => parsed.key = Some(read_id(&name, &value, "an API key")?),
                "agent" => parsed.user_agent = Some(read_text(&name, &value, MAX_PART_CHARS)?),
                "recipient" => {
                    let text = read_text(&name, &value, MAX_PART_CHARS)?;
                    let is_whole = is_whole_address(&text);
                    let place = if is_whole { &mut parsed.recipient } else { &mut parsed.wrong_recipient };
                    *place = Some(text);
                }
                "error" => parsed.error = Some(read_text(&name, &value, MAX_PART_CHARS)?),
                "after" | "before" => {
                    if parsed.place != Place::Newest {
                        return Err(AppError::invalid_field(name, "use either after or before, and once"));
                    }
                    let id = read_id(&name, &value, "an API request")?;
                    parsed.place = if name == "after" { Place::After(id) } else { Place::Before(id) };
                }
                _ => return Err(super::unknown(name)),
            }
        }
        parsed.period = period.finish()?;
        Ok(parsed)
    }

    /// The address of this state.
    pub fn to_url(&self) -> String {
        super::url("/requests", self.fields())
    }

    /// The parameters of this state, without those that have their default value.
    pub fn fields(&self) -> Fields {
        let mut fields = period_fields(&self.period);
        let mut push = |name, value: Option<String>| fields.extend(value.map(|value| (name, value)));
        push("method", self.method.map(str::to_owned));
        push("endpoint", self.endpoint.clone());
        push("status", self.status.map(|class| class.as_str().to_owned()));
        push("key", self.key.map(|id| id.to_string()));
        push("agent", self.user_agent.clone());
        push("recipient", self.recipient.clone());
        push("error", self.error.clone());
        match self.place {
            Place::Newest => {}
            Place::After(id) => push("after", Some(id.to_string())),
            Place::Before(id) => push("before", Some(id.to_string())),
        }
        fields
    }

    /// The parameters that a form beside this state keeps: those of its beginning, but for one that it sets itself.
    pub fn kept(&self, without: &str) -> Fields {
        let mut fields = self.at(Place::Newest).fields();
        fields.retain(|(name, _)| *name != without);
        fields
    }

    /// Which requests the state is about. The range is the period's, which the server knows.
    pub fn filter(&self) -> ApiRequestFilter {
        ApiRequestFilter {
            range: TimeRange::default(),
            method: self.method.map(str::to_owned),
            endpoint: self.endpoint.clone(),
            status_class: self.status.map(StatusClass::digit),
            api_key_id: self.key,
            user_agent: self.user_agent.clone(),
            recipient: self.recipient.clone(),
            error: self.error.clone(),
            ..ApiRequestFilter::default()
        }
    }

    /// The beginning of a preset, filters kept.
    pub fn with_preset(&self, preset: Preset) -> Self {
        let period = PeriodChoice::of(preset);
        Self { period, place: Place::Newest, ..self.clone() }
    }

    /// Another place of the same list.
    pub fn at(&self, place: Place) -> Self {
        Self { place, ..self.clone() }
    }

    /// The same period without any filter.
    pub fn without_filters(&self) -> Self {
        Self { period: self.period.clone(), ..Self::default() }
    }

    /// Whether anything but the period narrows the list.
    pub fn has_filters(&self) -> bool {
        self.method.is_some()
            || self.endpoint.is_some()
            || self.status.is_some()
            || self.key.is_some()
            || self.user_agent.is_some()
            || self.recipient.is_some()
            || self.error.is_some()
    }
}

/// Whether a text can be whom a message is for, rather than a part of that: an email address, or a number or an id of
/// another channel, which no word and no domain is.
fn is_whole_address(text: &str) -> bool {
    let is_id = |letter: char| !letter.is_alphabetic() && letter != '.';
    if text.contains('@') {
        FieldRule::Mailbox.takes(text)
    } else {
        text.contains(is_id) && !text.contains(char::is_whitespace)
    }
}

fn read_method(name: &str, value: &str) -> Result<&'static str, AppError> {
    METHODS
        .into_iter()
        .find(|method| *method == value)
        .ok_or_else(|| AppError::invalid_field(name, format!("unknown method: use {}", METHODS.join(", "))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused_field(query: &str) -> Option<String> {
        match RequestQuery::parse(query) {
            Err(AppError::Validation { field, .. }) => field,
            _ => None,
        }
    }

    #[test]
    fn an_empty_address_is_the_default_view() {
        for query in ["", "?", "endpoint=&method=&status=&key=&agent=&after=", "preset=7d"] {
            assert_eq!(RequestQuery::parse(query), Ok(RequestQuery::default()));
        }
        assert_eq!(RequestQuery::default().to_url(), "/requests");
    }

    #[test]
    fn every_state_reads_back_from_its_address() {
        let query = RequestQuery {
            period: PeriodChoice {
                preset: Preset::Custom,
                from: Some("2026-11-20T09:30".to_owned()),
                to: Some("2026-11-20".to_owned()),
                typed: None,
            },
            method: Some("POST"),
            endpoint: Some("/api/v1/send?x=1".to_owned()),
            status: Some(StatusClass::Refused),
            key: Some(ApiKeyId(7)),
            user_agent: Some("finch (node 22)".to_owned()),
            recipient: Some("ada@finch.example".to_owned()),
            wrong_recipient: None,
            error: Some("not an address".to_owned()),
            place: Place::After(ApiRequestId(9)),
        };
        let url = query.to_url();
        assert_eq!(
            url,
            "/requests?preset=custom&from=2026-11-20T09:30&to=2026-11-20&method=POST&endpoint=/api/v1/send%3Fx%3D1\
             &status=4xx&key=key_0000000000007&agent=finch%20%28node%2022%29\
             &recipient=ada@finch.example&error=not%20an%20address&after=req_0000000000009"
        );
        assert_eq!(RequestQuery::parse(url.split_once('?').unwrap().1), Ok(query.clone()));
        let before = query.at(Place::Before(ApiRequestId(9)));
        assert_eq!(RequestQuery::parse(before.to_url().split_once('?').unwrap().1), Ok(before));
    }

    #[test]
    fn unknown_and_impossible_parameters_are_named() {
        let long = format!("endpoint={}", "x".repeat(MAX_PART_CHARS + 1));
        for (query, field) in [
            ("page=2", "page"),
            ("preset=year", "preset"),
            ("preset=today&to=2026-11-20", "to"),
            ("method=get", "method"),
            ("method=BREW", "method"),
            ("status=404", "status"),
            ("status=1xx", "status"),
            ("key=eml_0000000000007", "key"),
            ("after=eml_0000000000007", "after"),
            ("before=9", "before"),
            ("after=req_0000000000009&before=req_0000000000007", "before"),
            ("agent=a%00b", "agent"),
            (long.as_str(), "endpoint"),
        ] {
            assert_eq!(refused_field(query).as_deref(), Some(field), "{query}");
        }
    }

    #[test]
    fn a_recipient_is_a_whole_address_and_a_part_filters_by_nothing() {
        for whole in ["ada@finch.example", "Ada <ada@finch.example>", "ada@finch", "+491701234567", "customer-ab"] {
            let query = RequestQuery { recipient: Some(whole.to_owned()), ..RequestQuery::default() };
            assert_eq!(RequestQuery::parse(query.to_url().split_once('?').unwrap().1), Ok(query));
        }
        for part in ["@finch.example", "ada@", "finch.example", "Ada", "Ada 7"] {
            let typed = RequestQuery { recipient: Some(part.to_owned()), ..RequestQuery::default() };
            let query = RequestQuery::parse(typed.to_url().split_once('?').unwrap().1).unwrap();
            assert_eq!((query.recipient.as_deref(), query.wrong_recipient.as_deref()), (None, Some(part)));
            assert_eq!((query.to_url().as_str(), query.filter().recipient), ("/requests", None));
        }
    }

    #[test]
    fn a_filter_begins_at_the_newest() {
        let query = RequestQuery::parse("preset=30d&method=GET&status=5xx&after=req_0000000000009").unwrap();
        assert_eq!(query.kept("status"), [("preset", "30d".to_owned()), ("method", "GET".to_owned())]);
        assert_eq!(query.with_preset(Preset::Today).to_url(), "/requests?preset=today&method=GET&status=5xx");
        assert_eq!(query.without_filters().to_url(), "/requests?preset=30d");
        assert_eq!(query.filter().status_class, Some(5));
    }
}
