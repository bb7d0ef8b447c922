//! The addresses of the pages that list: a query string is the whole state of its page. Unknown and impossible parameters are
//! refused, so that a mistyped link never shows other rows than it says. The pages read and write them; so do the exports.

pub mod audit;
pub mod logs;
pub mod requests;
pub mod resends;

use std::str::FromStr;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::domain::error::AppError;
use crate::domain::mount::inside;
use crate::domain::period::{PeriodChoice, Preset};

/// The parameters of a state: their names and values.
pub type Fields = Vec<(&'static str, String)>;

/// What is escaped in a value: all but what is safe in a query string and reads better as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b',')
    .remove(b':')
    .remove(b'@')
    .remove(b'/');

/// The names and values of a query string, with or without its question mark, without those that have no value.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.trim_start_matches('?').as_bytes())
        .into_owned()
        .filter(|(_, value)| !value.trim().is_empty())
        .collect()
}

/// The address of a state.
pub fn url(path: &str, fields: Fields) -> String {
    let fields: Vec<String> =
        fields.into_iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(&value, ESCAPED))).collect();
    if fields.is_empty() { path.to_owned() } else { format!("{path}?{}", fields.join("&")) }
}

/// A value of a type that says itself what is wrong.
pub fn read<T: FromStr<Err: std::fmt::Display>>(name: &str, value: &str) -> Result<T, AppError> {
    value.parse().map_err(|cause: T::Err| AppError::invalid_field(name, cause.to_string()))
}

/// An id; `noun` says of what: "a template".
pub fn read_id<T: FromStr>(name: &str, value: &str, noun: &str) -> Result<T, AppError> {
    value.parse().map_err(|_| AppError::invalid_field(name, format!("that is not {noun}'s id")))
}

/// A text that is not too long, without the spaces around it.
pub fn read_text(name: &str, value: &str, max_chars: usize) -> Result<String, AppError> {
    if value.chars().count() > max_chars {
        return Err(AppError::invalid_field(name, format!("use at most {max_chars} characters")));
    }
    if value.contains('\0') {
        return Err(AppError::invalid_field(name, "text must not hold the character U+0000"));
    }
    Ok(value.trim().to_owned())
}

/// The refusal of a parameter that a page does not have.
pub fn unknown(name: String) -> AppError {
    AppError::invalid_field(name, "this page has no such parameter")
}

/// The parameters of a period.
pub const PERIOD_PARAMETERS: [&str; 6] = ["preset", "from", "to", "from_time", "to_time", "when"];

/// The parameters of a period, as they are met.
#[derive(Debug, Default)]
pub struct PeriodReader {
    preset: Option<Preset>,
    from: Option<String>,
    to: Option<String>,
    from_time: Option<String>,
    to_time: Option<String>,
    typed: Option<String>,
}

/// The longest period in words, in characters.
const MAX_TYPED_CHARS: usize = 100;

impl PeriodReader {
    /// Takes a parameter, if it is one of the period's.
    pub fn take(&mut self, name: &str, value: &str) -> Result<bool, AppError> {
        match name {
            "preset" => self.preset = Some(read(name, value)?),
            "from" => self.from = Some(value.to_owned()),
            "to" => self.to = Some(value.to_owned()),
            "from_time" => self.from_time = Some(value.trim().to_owned()),
            "to_time" => self.to_time = Some(value.trim().to_owned()),
            "when" => self.typed = Some(read_text(name, value, MAX_TYPED_CHARS)?),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// The period that the parameters choose. `from`, `to` or `when` alone mean a custom one; `when` goes before the others, as
    /// the last that somebody typed.
    pub fn finish(self) -> Result<PeriodChoice, AppError> {
        let Self { preset, from, to, from_time, to_time, typed } = self;
        if typed.is_some() {
            return Ok(PeriodChoice { preset: Preset::Custom, from: None, to: None, typed });
        }
        let (from, to) = (at_time("from", from, from_time)?, at_time("to", to, to_time)?);
        let has_ends = from.is_some() || to.is_some();
        let preset = preset.unwrap_or(if has_ends { Preset::Custom } else { Preset::default() });
        match preset {
            Preset::Custom if !has_ends => Ok(PeriodChoice::of(Preset::AllTime)),
            Preset::Custom => Ok(PeriodChoice { preset, from, to, typed: None }),
            _ if has_ends => {
                let field = if from.is_some() { "from" } else { "to" };
                Err(AppError::invalid_field(field, "it counts for preset=custom alone"))
            }
            _ => Ok(PeriodChoice::of(preset)),
        }
    }
}

/// A date with the time beside it: `2026-11-20` and `9:30`.
fn at_time(name: &str, day: Option<String>, time: Option<String>) -> Result<Option<String>, AppError> {
    match (day, time.filter(|time| !time.is_empty())) {
        (Some(day), Some(time)) => Ok(Some(format!("{day}T{time:0>5}"))),
        (None, Some(_)) => Err(AppError::invalid_field(name, "a time needs a date beside it")),
        (day, None) => Ok(day),
    }
}

/// The parameters of a period, without those that have their default value.
pub fn period_fields(period: &PeriodChoice) -> Fields {
    let preset = (period.preset != Preset::default()).then(|| ("preset", period.preset.as_str().to_owned()));
    let from = period.from.clone().map(|from| ("from", from));
    let to = period.to.clone().map(|to| ("to", to));
    let typed = period.typed.clone().map(|typed| ("when", typed));
    [preset, from, to, typed].into_iter().flatten().collect()
}

/// Where a log-in leads unless the page that asked for it said otherwise.
pub const HOME: &str = "/logs";

/// The path to go on to after a log-in: `next` where it is a path of this site, with or without the path that the site is mounted
/// at, otherwise [HOME].
pub fn safe_next(next: &str) -> &str {
    let next = inside(next);
    let is_path = next.starts_with('/') && !next.starts_with("//") && !next.starts_with("/fn/");
    let is_plain = next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_path && is_plain { next } else { HOME }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        let fields = vec![("endpoint", "/api/v1".to_owned()), ("search", "50% off & more: +1 €".to_owned())];
        let url = url("/requests", fields.clone());
        assert_eq!(url, "/requests?endpoint=/api/v1&search=50%25%20off%20%26%20more:%20%2B1%20%E2%82%AC");
        let read = pairs(url.split_once('?').unwrap().1);
        assert_eq!(read, fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Vec<_>>());
    }

    #[test]
    fn a_date_has_its_time_in_a_field_beside_it() {
        let read = |query: &str| {
            let mut reader = PeriodReader::default();
            for (name, value) in pairs(query) {
                assert_eq!(reader.take(&name, &value), Ok(true), "{name}");
            }
            reader.finish()
        };
        let choice = read("preset=custom&from=2026-11-20&from_time=9:30&to=2026-11-21&to_time=").unwrap();
        assert_eq!((choice.from.as_deref(), choice.to.as_deref()), (Some("2026-11-20T09:30"), Some("2026-11-21")));
        assert!(read("preset=custom&from_time=9:30").is_err());
        assert_eq!(read("preset=custom").unwrap().preset, Preset::AllTime);
        assert_eq!(read("preset=7d&when=yesterday").unwrap().typed.as_deref(), Some("yesterday"));
    }

    #[test]
    fn parameters_without_a_value_count_as_absent() {
        assert_eq!(pairs("?a=&b=+&c&d=1"), [("d".to_owned(), "1".to_owned())]);
        assert_eq!(url("/logs", Vec::new()), "/logs");
    }

    #[test]
    fn a_text_is_trimmed_and_held_to_its_length() {
        assert_eq!(read_text("search", " ada ", 5), Ok("ada".to_owned()));
        assert!(read_text("search", "adalovelace", 5).is_err());
        assert!(read_text("search", "a\0b", 5).is_err());
    }
}
