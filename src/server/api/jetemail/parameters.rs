//! The parameters of `GET /outbound/logs`: one table that both reads them and describes them. Source: JetEmail, Get
//! outbound email logs, parameters.
//!
//! What this log never holds is compared with what every entry carries ([super::entry]): `zone` is `default`, `src` and
//! `transtype` are `api`; nobody's message has a host of origin, an interface, a hash of its content or a rule, so asking
//! for one finds nothing. `user` and `headerFrom` are the sender's address. An empty text is no condition.

use std::net::Ipv4Addr;

use chrono::{DateTime, NaiveDate, SubsecRound, TimeDelta, Utc};
use serde_json::{Value, json};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use super::entry::{SRC, TRANSTYPE, ZONE};
use crate::domain::channel::Channel;
use crate::domain::email::EmailStatus;
use crate::domain::error::AppError;
use crate::domain::event::{EventKind, EventSet};
use crate::domain::filter::{Criteria, EmailFilter, StatusSet, TimeRange};
use crate::domain::ids::EmailId;
use crate::domain::page::OffsetRequest;
use crate::server::api::extract::{MAX_NUMBER, QueryParameters, RawQuery, read_instant};

const DEFAULT_LIMIT: i64 = 50;
const MAX_LIMIT: i64 = 100;
const MAX_SEARCH_CHARS: usize = 200;

const UID: Form = Form { pattern: "^[A-Za-z0-9-_]{1,100}$", fits: is_uid, example: "an id like eml_06xq3k9v2m4p8" };
const IPV4: Form = Form {
    pattern: r"^(?:(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\.){3}(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)$",
    fits: |text| read_ipv4(text).is_some(),
    example: "an IPv4 address like 192.0.2.1",
};
const MD5: Form = Form {
    pattern: "^[a-fA-F0-9]{32}$",
    fits: |text| text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()),
    example: "32 hexadecimal digits",
};

/// A pattern, and the same as a function.
struct Form {
    pattern: &'static str,
    fits: fn(&str) -> bool,
    example: &'static str,
}

/// What a parameter may hold.
enum Rule {
    /// A whole number; without a highest one, up to [MAX_NUMBER].
    Number {
        low: i64,
        high: Option<i64>,
        default: Option<i64>,
    },
    /// A text of at most so many characters.
    Text {
        max_chars: usize,
        default: Option<&'static str>,
    },
    OneOf {
        names: &'static [&'static str],
        default: Option<&'static str>,
    },
    Form(&'static Form),
    /// An email address, without a name.
    Email,
    /// `YYYY-MM-DD`, or a date and time.
    Date,
}

const fn text(max_chars: usize) -> Rule {
    Rule::Text { max_chars, default: None }
}

const fn one_of(names: &'static [&'static str]) -> Rule {
    Rule::OneOf { names, default: None }
}

const SORT_ORDERS: &[&str] = &["ASC", "DESC"];
const ACTIONS: &[&str] =
    &["ACCEPTED", "REJECTED", "BOUNCED_HARD", "BOUNCED_SOFT", "DEFERRED", "SPAM", "VIRUS", "QUEUED"];

/// What the log is in order of, by each of its names.
const SORT_NAMES: [&str; 5] = ["date", "timestamp", "first_seen", "id", "uid"];

type Row = (&'static str, &'static str, Rule);

const PARAMETERS: &[Row] = &[
    (
        "limit",
        "Number of records to return (1-100)",
        Rule::Number { low: 1, high: Some(MAX_LIMIT), default: Some(DEFAULT_LIMIT) },
    ),
    ("page", "Page number for pagination (starts from 1)", Rule::Number { low: 1, high: None, default: Some(1) }),
    (
        "offset",
        "Number of records to skip (alternative to page, and stronger than it unless 0)",
        Rule::Number { low: 0, high: None, default: Some(0) },
    ),
    (
        "sort_by",
        "Field to sort by: date, timestamp, first_seen, id or uid, which are one order",
        Rule::Text { max_chars: 50, default: Some("date") },
    ),
    ("sort_order", "Sort order", Rule::OneOf { names: SORT_ORDERS, default: Some("DESC") }),
    ("id", "Filter by record ID", text(100)),
    ("uid", "Filter by unique identifier", Rule::Form(&UID)),
    ("action", "Filter by email action status: messages that had this action at least once", one_of(ACTIONS)),
    ("zone", "Filter by zone", text(50)),
    ("message_id", "Filter by message ID", text(100)),
    ("from_address", "Filter by sender email address", Rule::Email),
    ("to_address", "Filter by recipient email address, in To, Cc or Bcc", Rule::Email),
    ("mx", "Filter by MX server", text(100)),
    ("host", "Filter by host server", text(100)),
    ("ip", "Filter by IP address", Rule::Form(&IPV4)),
    ("response", "Filter by server response: a part of it", text(500)),
    ("user", "Filter by username: the sender's address", Rule::Email),
    ("protocol", "Filter by protocol", one_of(&["smtp", "http", "https"])),
    ("src", "Filter by source", text(50)),
    ("subject", "Filter by email subject: a part of it", text(500)),
    ("md5", "Filter by MD5 hash", Rule::Form(&MD5)),
    ("interface", "Filter by interface", text(50)),
    ("originhost", "Filter by origin host", text(100)),
    ("transtype", "Filter by transport type", one_of(&["smtp", "http", "api"])),
    ("headerFrom", "Filter by header From field", Rule::Email),
    ("date_from", "Filter by start date (Unix timestamp, seconds)", Rule::Number { low: 0, high: None, default: None }),
    (
        "date_to",
        "Filter by end date (Unix timestamp, seconds): the last instant",
        Rule::Number { low: 0, high: None, default: None },
    ),
    ("from", "Filter by start date (YYYY-MM-DD or ISO format)", Rule::Date),
    ("to", "Filter by end date (YYYY-MM-DD or ISO format); a date alone is the whole day", Rule::Date),
    ("rule_id", "Filter by rule ID", text(100)),
    ("search", "General search term: a part of a To address or of the subject", text(MAX_SEARCH_CHARS)),
];

/// Which messages a request lists, and which page of them.
#[derive(Debug, PartialEq)]
pub struct LogsQuery {
    pub filter: EmailFilter,
    /// The page. Its limit is the caller's.
    pub window: OffsetRequest,
}

impl QueryParameters for LogsQuery {
    const NAMES: &'static [&'static str] = &{
        let mut names = [""; PARAMETERS.len()];
        let mut index = 0;
        while index < names.len() {
            names[index] = PARAMETERS[index].0;
            index += 1;
        }
        names
    };

    fn read(query: RawQuery) -> Result<Self, AppError> {
        PARAMETERS.iter().try_for_each(|(name, _, rule)| rule.check(name, &query))?;
        let window = read_window(&query)?;
        let mut filter = EmailFilter {
            range: read_range(&query)?,
            channel: Some(Channel::Email),
            search: given(&query, "search"),
            criteria: read_criteria(&query),
            ..EmailFilter::default()
        };
        if let Some(action) = query.text("action") {
            (filter.criteria.events, filter.statuses) = meaning_of_action(action);
        }
        Ok(Self { filter, window })
    }
}

/// The `uid` of `GET /outbound/logs/uid`, its only parameter. A text of the right form that is no id is `None`.
pub struct UidQuery(pub Option<EmailId>);

impl QueryParameters for UidQuery {
    const NAMES: &'static [&'static str] = &["uid"];

    fn read(query: RawQuery) -> Result<Self, AppError> {
        Rule::Form(&UID).check("uid", &query)?;
        match query.text("uid") {
            Some(uid) => Ok(Self(uid.parse().ok())),
            None => Err(AppError::invalid_field("uid", "uid is required")),
        }
    }
}

impl Rule {
    fn check(&self, name: &str, query: &RawQuery) -> Result<(), AppError> {
        let Some(given) = query.text(name) else { return Ok(()) };
        let refuse = |what: String| Err(AppError::invalid_field(name, format!("{name} must be {what}")));
        match self {
            Self::Number { low, high, .. } => {
                query.number(name, *low..=high.unwrap_or(MAX_NUMBER), 0)?;
            }
            Self::Text { max_chars, .. } => {
                query.short_text(name, *max_chars)?;
            }
            Self::OneOf { names, .. } if !names.contains(&given) => {
                return refuse(format!("one of {}", names.join(", ")));
            }
            Self::Form(form) if !(form.fits)(given) => return refuse(form.example.to_owned()),
            Self::Email if !is_email(given) => return refuse("an email address like ada@example.com".to_owned()),
            Self::Date if read_date(given).is_none() => {
                return refuse("a date like 2024-01-20, or a date and time like 2024-01-20T10:30:00Z".to_owned());
            }
            Self::OneOf { .. } | Self::Form(_) | Self::Email | Self::Date => {}
        }
        Ok(())
    }

    fn schema(&self) -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let format = |name: &str| Some(SchemaFormat::Custom(name.to_owned()));
        let object = match self {
            Self::Number { low, high, default } => ObjectBuilder::new()
                .schema_type(Type::Integer)
                .minimum(Some(*low))
                .maximum(*high)
                .default(default.map(Value::from)),
            Self::Text { max_chars, default } => {
                text().max_length(Some(*max_chars)).default(default.map(|name| json!(name)))
            }
            Self::OneOf { names, default } => {
                text().enum_values(Some(names.iter().copied())).default(default.map(|name| json!(name)))
            }
            Self::Form(form) => text().pattern(Some(form.pattern)),
            Self::Email => text().format(format("email")),
            Self::Date => text().format(format("date")),
        };
        RefOr::T(Schema::Object(object.build()))
    }
}

impl IntoParams for LogsQuery {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let parameter = |(name, description, rule): &Row| {
            ParameterBuilder::new()
                .name(*name)
                .parameter_in(ParameterIn::Query)
                .required(Required::False)
                .description(Some(*description))
                .schema(Some(rule.schema()))
                .build()
        };
        PARAMETERS.iter().map(parameter).collect()
    }
}

fn given(query: &RawQuery, name: &str) -> Option<String> {
    query.text(name).filter(|text| !text.is_empty()).map(str::to_owned)
}

/// An offset other than 0 is stronger than a page.
fn read_window(query: &RawQuery) -> Result<OffsetRequest, AppError> {
    let limit = query.number("limit", 1..=MAX_LIMIT, DEFAULT_LIMIT)?;
    let page = query.number("page", 1..=MAX_NUMBER, 1)?;
    let offset = match query.number("offset", 0..=MAX_NUMBER, 0)? {
        0 => (page - 1).saturating_mul(limit).min(MAX_NUMBER),
        offset => offset,
    };
    if let Some(field) = given(query, "sort_by").filter(|field| !SORT_NAMES.contains(&field.as_str())) {
        let message = format!("The log cannot be sorted by {field}: use {}", SORT_NAMES.join(", "));
        return Err(AppError::invalid_field("sort_by", message));
    }
    Ok(OffsetRequest { offset, limit, oldest_first: query.text("sort_order") == Some("ASC") })
}

/// Every limit that is given must hold; the last instant belongs to the range. Messages are told apart by milliseconds.
fn read_range(query: &RawQuery) -> Result<TimeRange, AppError> {
    let seconds = |name| match query.text(name) {
        Some(_) => query.number(name, 0..=MAX_NUMBER, 0).map(|seconds| Some(instant_of(seconds))),
        None => Ok(None),
    };
    let just_after =
        |at: DateTime<Utc>| at.trunc_subsecs(3).checked_add_signed(TimeDelta::milliseconds(1)).unwrap_or(at);
    let (from, to) = (query.text("from").and_then(read_date), query.text("to").and_then(read_date));
    let to = to.map(|to| match to {
        Date::Day(at) => at.checked_add_signed(TimeDelta::days(1)).unwrap_or(at),
        Date::Instant(at) => just_after(at),
    });
    let from = from.map(|from| match from {
        Date::Day(at) | Date::Instant(at) => at,
    });
    Ok(TimeRange {
        from: seconds("date_from")?.into_iter().chain(from).max(),
        to: seconds("date_to")?.map(just_after).into_iter().chain(to).min(),
    })
}

/// A time that lies too far ahead to be written is the last one.
fn instant_of(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

enum Date {
    /// The midnight that a day begins with.
    Day(DateTime<Utc>),
    Instant(DateTime<Utc>),
}

/// A time without an offset is one in UTC.
fn read_date(text: &str) -> Option<Date> {
    let is_day = text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok();
    let at = read_instant(text).or_else(|| read_instant(&format!("{text}Z")))?;
    Some(if is_day { Date::Day(at) } else { Date::Instant(at) })
}

fn read_criteria(query: &RawQuery) -> Criteria {
    let text = |name| given(query, name);
    let ids: Vec<Option<EmailId>> = ["id", "uid"].into_iter().filter_map(text).map(|id| id.parse().ok()).collect();
    let senders: Vec<String> =
        ["from_address", "user", "headerFrom"].into_iter().filter_map(text).map(|name| name.to_lowercase()).collect();
    let is_not = |name, constant: &str| text(name).is_some_and(|asked| !asked.eq_ignore_ascii_case(constant));
    let nothing = ids.contains(&None)
        || ids.iter().any(|id| *id != ids[0])
        || senders.iter().any(|sender| *sender != senders[0])
        || is_not("zone", ZONE)
        || is_not("src", SRC)
        || is_not("transtype", TRANSTYPE)
        || ["md5", "interface", "originhost", "rule_id"].into_iter().any(|name| text(name).is_some())
        // No text in the log holds U+0000.
        || PARAMETERS.iter().any(|(name, ..)| text(name).is_some_and(|asked| asked.contains('\0')));
    if nothing {
        return Criteria { nothing, ..Criteria::default() };
    }
    Criteria {
        email_id: ids.first().copied().flatten(),
        provider_message_id: text("message_id"),
        from_address: senders.into_iter().next(),
        recipient: text("to_address"),
        subject: text("subject"),
        reply: text("response"),
        server: text("host"),
        server_ip: text("ip").and_then(|ip| read_ipv4(&ip)).map(|ip| ip.to_string()),
        mx: text("mx"),
        protocol: text("protocol"),
        ..Criteria::default()
    }
}

/// The events that an action stands for, and the statuses that a message with such an event can have, where these are
/// few. An event's rank is the least that a message's status has, so the statuses are those of its rank and above.
fn meaning_of_action(action: &str) -> (EventSet, StatusSet) {
    use EventKind::*;
    let any = StatusSet::default();
    let ended = StatusSet::from_iter([EmailStatus::Failed, EmailStatus::Bounced, EmailStatus::Spam]);
    let bounced = StatusSet::from_iter([EmailStatus::Bounced, EmailStatus::Spam]);
    match action {
        "ACCEPTED" => (EventSet::of_kinds(&[Sent, Delivered]), any),
        "REJECTED" => (EventSet::one(Failed), ended),
        "BOUNCED_HARD" => (EventSet::HARD_BOUNCE, bounced),
        "BOUNCED_SOFT" => (EventSet::SOFT_BOUNCE, bounced),
        "DEFERRED" => (EventSet::of_kinds(&[Deferred, FailedToSend]), any),
        "SPAM" => (EventSet::one(ReportedAsSpam), StatusSet::one(EmailStatus::Spam)),
        // A virus is the cause of a drop.
        "VIRUS" => (EventSet::VIRUS, ended),
        // The rule has let through no other name than QUEUED.
        _ => (EventSet::of_kinds(&[Requested, Triggered, Queued, FailedToQueue]), any),
    }
}

fn is_uid(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

/// Four numbers to 255, each of up to three digits.
fn read_ipv4(text: &str) -> Option<Ipv4Addr> {
    let is_number = |part: &&str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<u8> = text.split('.').filter(is_number).filter_map(|part| part.parse().ok()).collect();
    let is_whole = text.split('.').count() == 4;
    <[u8; 4]>::try_from(parts).ok().filter(|_| is_whole).map(Ipv4Addr::from)
}

/// A name, an `@` and a domain, without the letters that separate addresses.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    let is_plain = |letter: char| !letter.is_whitespace() && !letter.is_control() && !"<>()[],;:\\\"@".contains(letter);
    let labels = || domain.split('.');
    (1..=64).contains(&local.len())
        && text.len() <= 320
        && text.chars().filter(|letter| *letter == '@').count() == 1
        && local.chars().all(is_plain)
        && labels()
            .all(|label| !label.is_empty() && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> LogsQuery {
        LogsQuery::read(RawQuery::parse(query, LogsQuery::NAMES).unwrap()).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn the_actions_narrow_to_the_statuses_that_their_events_allow() {
        for action in ACTIONS {
            let (events, statuses) = meaning_of_action(action);
            for kind in &EventKind::ALL {
                let own = EventSet::of(*kind, None).meets(events);
                let status = kind.rank().status();
                assert!(!own || statuses.or_all().contains(status), "{action} {kind:?}");
            }
            assert!(!events.is_empty(), "{action}");
        }
    }

    #[test]
    fn an_offset_is_stronger_than_a_page_unless_it_is_0() {
        let offset = |query: &str| read(query).window.offset;
        assert_eq!(offset(""), 0);
        assert_eq!(offset("page=3"), 100);
        assert_eq!(offset("page=3&limit=10&offset=0"), 20);
        assert_eq!(offset("page=3&offset=7"), 7);
        assert_eq!(offset("page=9007199254740991"), MAX_NUMBER);
    }

    #[test]
    fn the_last_instant_belongs_to_the_range() {
        let range = |query: &str| read(query).filter.range;
        let day = range("from=2024-01-20&to=2024-01-20");
        assert_eq!(day, TimeRange::new(at("2024-01-20T00:00:00Z"), at("2024-01-21T00:00:00Z")));
        let instants = range("from=2024-01-20T10:00:00&to=2024-01-20T10:00:00.5Z");
        assert_eq!(instants, TimeRange::new(at("2024-01-20T10:00:00Z"), at("2024-01-20T10:00:00.501Z")));
        let seconds = range("date_from=1705744800&date_to=1705744801");
        assert_eq!(seconds, TimeRange::new(at("2024-01-20T10:00:00Z"), at("2024-01-20T10:00:01.001Z")));
        let both = range("date_from=1705744800&from=2024-01-19&date_to=9007199254740991&to=2024-01-22");
        assert_eq!(both, TimeRange::new(at("2024-01-20T10:00:00Z"), at("2024-01-23T00:00:00Z")));
    }

    #[test]
    fn what_the_log_never_holds_finds_nothing() {
        let nothing = |query: &str| read(query).filter.criteria.nothing;
        for query in [
            "zone=eu",
            "src=smtp",
            "transtype=smtp",
            "originhost=a",
            "interface=eth0",
            "rule_id=1",
            "md5=0123456789abcdefABCDEF0123456789",
            "id=nobody",
            "uid=eml_0000000000001&id=eml_0000000000002",
            "user=a@b.example&from_address=c@b.example",
            "subject=a%00",
        ] {
            assert!(nothing(query), "{query}");
        }
        for query in
            ["zone=default", "src=API", "transtype=api", "originhost=", "user=a@b.example&headerFrom=A@b.example"]
        {
            assert!(!nothing(query), "{query}");
        }
    }

    #[test]
    fn an_ip_address_is_compared_as_numbers() {
        assert_eq!(read("ip=010.0.0.1").filter.criteria.server_ip.as_deref(), Some("10.0.0.1"));
    }
}
