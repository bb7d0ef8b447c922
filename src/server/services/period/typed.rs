//! Periods in words: `16:40-16:50 yesterday`, `28.11. 9.10-9.20`, `20 Nov - 22 Nov`, `since monday 9:00`, `last 3 hours`. Called
//! by [super::resolve], and for the days of a search by [super::parse_moment].

mod tokens;

use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use self::tokens::{Token, day_of, month_of, named_day, tokens_of};
use super::{back, instant_of, start_of_day};
use crate::domain::error::AppError;
use crate::domain::filter::TimeRange;

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
    let today = now.with_timezone(&zone).date_naive();
    let read = pieces("when", text, today)?.and_then(|tokens| range_of(&tokens, today, zone, now));
    let range = read.ok_or_else(|| {
        let forms = "write “16:40-16:50 yesterday”, “28 Nov 9:10-9:20”, “20 Nov - 22 Nov”, “since Monday 9:00” or “last \
                     3 hours”";
        AppError::invalid_field("when", format!("“{text}” is not a period: {forms}"))
    })?;
    match (range.from, range.to) {
        (Some(from), Some(to)) if from >= to => {
            Err(AppError::invalid_field("when", format!("“{text}” ends before it begins")))
        }
        _ => Ok(range),
    }
}

/// The beginning of a day, or a time, that a text means at `now` for a viewer in `zone`; `None` for any other text.
pub(super) fn read_moment(
    field: &str,
    text: &str,
    zone: Tz,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, AppError> {
    let today = now.with_timezone(&zone).date_naive();
    let moment = pieces(field, text, today)?.and_then(|tokens| moment_of(&tokens, today));
    let said = moment.filter(|moment| moment.day.is_some() || moment.time.is_some());
    Ok(said.and_then(|moment| alone(moment, today, zone, now)).and_then(|range| range.from))
}

/// The pieces of a text, where it has only such as are known. Refused where one can be two things.
fn pieces(field: &str, text: &str, today: NaiveDate) -> Result<Option<Vec<Token>>, AppError> {
    let tokens = tokens_of(text, today);
    let unsure = tokens.iter().flatten().find_map(|token| match token {
        Token::Unsure(sentence) => Some(sentence.clone()),
        _ => None,
    });
    match unsure {
        Some(sentence) => Err(AppError::invalid_field(field, sentence)),
        None => Ok(tokens),
    }
}

fn range_of(tokens: &[Token], today: NaiveDate, zone: Tz, now: DateTime<Utc>) -> Option<TimeRange> {
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
    if let Some(range) = span_from(tokens, today, zone, now) {
        return Some(range);
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
    span(count, unit)
}

/// `10 minutes yesterday from 9:10`: that long from a time.
fn span_from(tokens: &[Token], today: NaiveDate, zone: Tz, now: DateTime<Utc>) -> Option<TimeRange> {
    let [Token::Number(count), Token::Word(unit), rest @ ..] = tokens else { return None };
    let span = span(i64::from(*count), unit)?;
    let moment = with_hour(moment_of(rest, today)?)?;
    let from = moment.time.and_then(|_| alone(moment, today, zone, now)?.from)?;
    Some(TimeRange::new(from, from + span))
}

fn span(count: i64, unit: &str) -> Option<TimeDelta> {
    let span = match unit {
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
        (Some(day), Moment { day: Some(other), time: None, number: None, is_end_of_day: false })
            if first.day.is_none() =>
        {
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
            [Token::Dash | Token::Dotted(_) | Token::Unsure(_), ..] => return None,
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

#[cfg(test)]
mod tests;
