//! Periods in words: `16:40-16:50 yesterday`, `20 Nov - 22 Nov`, `since monday 9:00`, `last 3 hours`. Called by [super::resolve].

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;

use super::{back, instant_of, start_of_day};
use crate::domain::error::AppError;
use crate::domain::filter::TimeRange;

/// A piece of what was typed.
#[derive(Clone, Debug, PartialEq)]
enum Token {
    Day(NaiveDate),
    Time(NaiveTime),
    /// 24:00.
    EndOfDay,
    Number(u32),
    Word(String),
    Dash,
}

/// One end of a period: a day, a time, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moment {
    day: Option<NaiveDate>,
    time: Option<NaiveTime>,
    /// Whether the time is 24:00.
    is_end_of_day: bool,
    /// A number alone: an hour, or the day of a month that the other end names.
    number: Option<u32>,
}

/// The range that a text means at `now` for a viewer in `zone`.
pub(super) fn read(text: &str, zone: Tz, now: DateTime<Utc>) -> Result<TimeRange, AppError> {
    let read = tokens_of(text).and_then(|tokens| range_of(&tokens, zone, now));
    let range = read.ok_or_else(|| {
        let forms = "write “16:40-16:50 yesterday”, “20 Nov - 22 Nov”, “since Monday 9:00” or “last 3 hours”";
        AppError::invalid_field("when", format!("“{text}” is not a period: {forms}"))
    })?;
    match (range.from, range.to) {
        (Some(from), Some(to)) if from >= to => {
            Err(AppError::invalid_field("when", format!("“{text}” ends before it begins")))
        }
        _ => Ok(range),
    }
}

fn range_of(tokens: &[Token], zone: Tz, now: DateTime<Utc>) -> Option<TimeRange> {
    let today = now.with_timezone(&zone).date_naive();
    let words: Vec<&str> = tokens
        .iter()
        .filter_map(|token| if let Token::Word(word) = token { Some(word.as_str()) } else { None })
        .collect();
    if tokens.len() == words.len() && matches!(words.as_slice(), ["all"] | ["all", "time"]) {
        return Some(TimeRange::default());
    }
    if let Some(span) = span_of(tokens) {
        return Some(TimeRange { from: Some(now - span), to: None });
    }
    let (open_end, tokens) = match tokens {
        [Token::Word(word), rest @ ..] if word == "since" || word == "after" => (Some(true), rest),
        [Token::Word(word), rest @ ..] if word == "before" || word == "until" => (Some(false), rest),
        _ => (None, tokens),
    };
    let mut ends = tokens.split(|token| *token == Token::Dash);
    let (first, second) = (moment_of(ends.next()?, today)?, ends.next().map(|tokens| moment_of(tokens, today)));
    if ends.next().is_some() {
        return None;
    }
    match (open_end, second) {
        (None, Some(second)) => between(first, second?, today, zone, now),
        (None, None) => alone(first, today, zone, now),
        (Some(_), Some(_)) => None,
        (Some(true), None) => Some(TimeRange { from: Some(alone(first, today, zone, now)?.from?), to: None }),
        (Some(false), None) => Some(TimeRange { from: None, to: alone(first, today, zone, now)?.from }),
    }
}

/// `last hour`, `last 3 hours`, `24h`, `30 minutes`, `last 2 weeks`.
fn span_of(tokens: &[Token]) -> Option<TimeDelta> {
    let tokens = match tokens {
        [Token::Word(word), rest @ ..] if word == "last" || word == "past" => rest,
        [Token::Number(_), Token::Word(_)] => tokens,
        _ => return None,
    };
    let (count, unit) = match tokens {
        [Token::Word(unit)] => (1, unit),
        [Token::Number(count), Token::Word(unit)] => (i64::from(*count), unit),
        _ => return None,
    };
    let span = match unit.as_str() {
        "m" | "min" | "mins" | "minute" | "minutes" => TimeDelta::try_minutes(count),
        "h" | "hour" | "hours" => TimeDelta::try_hours(count),
        "d" | "day" | "days" => TimeDelta::try_days(count),
        "w" | "week" | "weeks" => TimeDelta::try_weeks(count),
        _ => None,
    }?;
    (TimeDelta::zero() < span && span <= TimeDelta::days(36_500)).then_some(span)
}

/// A day alone is all of it; a time, the hour from it.
fn alone(moment: Moment, today: NaiveDate, zone: Tz, now: DateTime<Utc>) -> Option<TimeRange> {
    let moment = with_hour(moment)?;
    let Some(time) = moment.time else {
        let day = moment.day?;
        return Some(TimeRange::new(start_of_day(day, zone), start_of_day(back(day, -1), zone)));
    };
    let mut from = instant_of(moment.day.unwrap_or(today).and_time(time), zone);
    if moment.day.is_none() && from > now {
        from = instant_of(back(today, 1).and_time(time), zone);
    }
    Some(TimeRange::new(from, from + TimeDelta::hours(1)))
}

/// From one end to the other. A day that one end names is both ends' day; without any it is today, or yesterday for what
/// would begin in the future.
fn between(first: Moment, second: Moment, today: NaiveDate, zone: Tz, now: DateTime<Utc>) -> Option<TimeRange> {
    let (first, second) = match (first.number, second) {
        (Some(day), Moment { day: Some(other), time: None, number: None, is_end_of_day: false }) => {
            (Moment { day: other.with_day(day), ..Moment::default() }, second)
        }
        _ => (with_hour(first)?, with_hour(second)?),
    };
    let has_day = first.day.is_some() || second.day.is_some();
    let start = |day: NaiveDate| {
        first.time.map_or_else(|| start_of_day(day, zone), |time| instant_of(day.and_time(time), zone))
    };
    let mut day = first.day.or(second.day).unwrap_or(today);
    if !has_day && start(day) > now {
        day = back(day, 1);
    }
    let last = second.day.unwrap_or(day);
    let to = match second.time {
        Some(time) if second.day.is_none() && first.time.is_some_and(|first| time <= first) => {
            instant_of(back(last, -1).and_time(time), zone)
        }
        Some(time) => instant_of(last.and_time(time), zone),
        None => start_of_day(back(last, -1), zone),
    };
    Some(TimeRange::new(start(day), to))
}

/// A number alone read as an hour.
fn with_hour(moment: Moment) -> Option<Moment> {
    match moment {
        Moment { number: Some(24), .. } | Moment { is_end_of_day: true, .. } => {
            Some(Moment { time: None, number: None, ..moment })
        }
        Moment { number: Some(hour), .. } => {
            Some(Moment { time: Some(NaiveTime::from_hms_opt(hour, 0, 0)?), number: None, ..moment })
        }
        _ => Some(moment),
    }
}

fn moment_of(tokens: &[Token], today: NaiveDate) -> Option<Moment> {
    let mut moment = Moment::default();
    let mut rest = tokens;
    let take_day = |moment: &mut Moment, day: Option<NaiveDate>| {
        let is_first = moment.day.is_none();
        moment.day = day;
        (is_first && day.is_some()).then_some(())
    };
    loop {
        rest = match rest {
            [] => break,
            [Token::Word(word), rest @ ..] if word == "at" || word == "on" || word == "from" => rest,
            [Token::Number(day), Token::Word(month), rest @ ..] if month_of(month).is_some() => {
                let (year, rest) = year_of(rest);
                take_day(&mut moment, day_of(*day, month_of(month)?, year, today))?;
                rest
            }
            [Token::Word(month), Token::Number(day), rest @ ..] if month_of(month).is_some() => {
                let (year, rest) = year_of(rest);
                take_day(&mut moment, day_of(*day, month_of(month)?, year, today))?;
                rest
            }
            [Token::Word(word), rest @ ..] => {
                take_day(&mut moment, named_day(word, today))?;
                rest
            }
            [Token::Day(day), rest @ ..] => {
                take_day(&mut moment, Some(*day))?;
                rest
            }
            [token @ (Token::Time(_) | Token::EndOfDay | Token::Number(_)), rest @ ..] => {
                if moment.time.is_some() || moment.is_end_of_day || moment.number.is_some() {
                    return None;
                }
                match token {
                    Token::Time(time) => moment.time = Some(*time),
                    Token::Number(number) => moment.number = Some(*number),
                    _ => moment.is_end_of_day = true,
                }
                rest
            }
            [Token::Dash, ..] => return None,
        };
    }
    (moment != Moment::default()).then_some(moment)
}

fn year_of(rest: &[Token]) -> (Option<i32>, &[Token]) {
    match rest {
        [Token::Number(year @ 2000..=2199), rest @ ..] => (i32::try_from(*year).ok(), rest),
        _ => (None, rest),
    }
}

/// The day, in the year or, without one, the last time it was.
fn day_of(day: u32, month: u32, year: Option<i32>, today: NaiveDate) -> Option<NaiveDate> {
    if let Some(year) = year {
        return NaiveDate::from_ymd_opt(year, month, day);
    }
    let in_year = |year| NaiveDate::from_ymd_opt(year, month, day);
    in_year(today.year()).filter(|day| *day <= today).or_else(|| in_year(today.year() - 1))
}

fn named_day(word: &str, today: NaiveDate) -> Option<NaiveDate> {
    match word {
        "today" => return Some(today),
        "yesterday" => return Some(back(today, 1)),
        _ => {}
    }
    let weekday: Weekday = word.parse().ok()?;
    let since = today.weekday().days_since(weekday);
    today.checked_sub_days(Days::new(u64::from(since)))
}

fn month_of(word: &str) -> Option<u32> {
    word.parse::<chrono::Month>().ok().map(|month| month.number_from_month())
}

fn tokens_of(text: &str) -> Option<Vec<Token>> {
    let text = text.to_lowercase().replace(['–', '—', '−'], "-").replace(['.', ','], " ");
    let mut tokens = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = if let Some(day) = iso_day(rest) {
            tokens.push(Token::Day(day));
            // An ISO time follows its date.
            if rest[10..].starts_with('t') { 11 } else { 10 }
        } else if first.is_ascii_digit() {
            let length = rest.find(|letter: char| !letter.is_ascii_digit() && letter != ':').unwrap_or(rest.len());
            let (number, after) = rest.split_at(length);
            let half = ["am", "pm"].into_iter().find(|half| after.trim_start().starts_with(half));
            tokens.push(number_of(number, half)?);
            length + half.map_or(0, |half| after.len() - after.trim_start().len() + half.len())
        } else if first == '-' {
            tokens.push(Token::Dash);
            1
        } else if first.is_alphabetic() {
            let length = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
            let word = &rest[..length];
            tokens.push(if word == "to" { Token::Dash } else { Token::Word(word.to_owned()) });
            length
        } else if first.is_whitespace() {
            first.len_utf8()
        } else {
            return None;
        };
        rest = &rest[length..];
    }
    Some(tokens)
}

/// The day at the beginning of a text.
fn iso_day(text: &str) -> Option<NaiveDate> {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let day = text.get(..10).filter(|_| text.starts_with(is_digit) && !text[10..].starts_with(is_digit))?;
    NaiveDate::parse_from_str(day, "%Y-%m-%d").ok()
}

/// A time, or a number: `16:40`, `4 pm`, `20`.
fn number_of(text: &str, half: Option<&str>) -> Option<Token> {
    let parts: Vec<u32> = text.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let hour_of = |hour: u32| match half {
        None => Some(hour),
        Some("am") => (1..=12).contains(&hour).then_some(hour % 12),
        Some(_) => (1..=12).contains(&hour).then_some(hour % 12 + 12),
    };
    match parts.as_slice() {
        [24, 0] | [24, 0, 0] => Some(Token::EndOfDay),
        [hour] if half.is_some() => NaiveTime::from_hms_opt(hour_of(*hour)?, 0, 0).map(Token::Time),
        [number] => Some(Token::Number(*number)),
        [hour, minute] => NaiveTime::from_hms_opt(hour_of(*hour)?, *minute, 0).map(Token::Time),
        [hour, minute, second] => NaiveTime::from_hms_opt(hour_of(*hour)?, *minute, *second).map(Token::Time),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text means to somebody in Berlin on Friday 20 November 2026 at 15:00, by their clock.
    fn meant(text: &str) -> Option<String> {
        let zone = Tz::Europe__Berlin;
        let range = read(text, zone, "2026-11-20T14:00:00Z".parse().unwrap()).ok()?;
        let shown = |time: Option<DateTime<Utc>>| {
            time.map_or_else(String::new, |time| time.with_timezone(&zone).format("%m-%d %H:%M").to_string())
        };
        Some(format!("{} / {}", shown(range.from), shown(range.to)))
    }

    #[test]
    fn what_people_type_is_understood() {
        for (text, expected) in [
            ("16:40-16:50 yesterday", "11-19 16:40 / 11-19 16:50"),
            ("yesterday 16:40 – 16:50", "11-19 16:40 / 11-19 16:50"),
            ("Yesterday", "11-19 00:00 / 11-20 00:00"),
            ("14:00-14:30", "11-20 14:00 / 11-20 14:30"),
            ("16:40-16:50", "11-19 16:40 / 11-19 16:50"),
            ("9-10 monday", "11-16 09:00 / 11-16 10:00"),
            ("fri", "11-20 00:00 / 11-21 00:00"),
            ("4pm to 5:30 pm on 18 Nov", "11-18 16:00 / 11-18 17:30"),
            ("20-22 nov", "11-20 00:00 / 11-23 00:00"),
            ("18 Nov - today", "11-18 00:00 / 11-21 00:00"),
            ("Nov 18, 22:00 - 2:00", "11-18 22:00 / 11-19 02:00"),
            ("2026-11-18 16:00 - 2026-11-19 08:15", "11-18 16:00 / 11-19 08:15"),
            ("2026-11-18T16:00-17:00", "11-18 16:00 / 11-18 17:00"),
            ("20:00-24:00 yesterday", "11-19 20:00 / 11-20 00:00"),
            ("22 nov", "11-22 00:00 / 11-23 00:00"),
            ("1 Nov 2026", "11-01 00:00 / 11-02 00:00"),
            ("yesterday 16", "11-19 16:00 / 11-19 17:00"),
            ("12:30", "11-20 12:30 / 11-20 13:30"),
            ("since monday 9:00", "11-16 09:00 / "),
            ("before 18 nov", " / 11-18 00:00"),
            ("last hour", "11-20 14:00 / "),
            ("last 3 hours", "11-20 12:00 / "),
            ("90m", "11-20 13:30 / "),
            ("all time", " / "),
        ] {
            assert_eq!(meant(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn a_day_without_a_year_is_the_last_one() {
        let range = read("22 nov", Tz::UTC, "2026-11-20T14:00:00Z".parse().unwrap()).unwrap();
        assert_eq!(range.from, "2025-11-22T00:00:00Z".parse().ok());
    }

    #[test]
    fn what_is_not_a_period_is_refused_and_never_panics() {
        for text in [
            "soon",
            "-",
            "16:40-",
            "25:00",
            "99:99-1:00",
            "40 nov",
            "16:40-16:50-17:00",
            "today yesterday",
            "9 10",
            "é:é",
            "2026-13-40",
            "last",
            "last 99999999999 hours",
            "last 0 hours",
            "13 pm",
            "since",
            "18 nov 10:00 - 17 nov 9:00",
            "since 9 - 10",
            "0-0 0",
            "2026-11-1",
            "€",
        ] {
            assert_eq!(meant(text), None, "{text}");
        }
    }
}
