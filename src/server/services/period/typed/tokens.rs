//! A typed period in pieces: days, times, numbers and words. Called by the file that this is a part of.

use chrono::{Datelike, Days, NaiveDate, NaiveTime, Weekday};

use super::super::back;

/// No day comes back later than this, in years: 29 February around 2100.
const RAREST_DAY_YEARS: i32 = 8;

/// A piece of what was typed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Day(NaiveDate),
    Time(NaiveTime),
    /// 24:00.
    EndOfDay,
    Number(u32),
    /// Numbers with a dot between them, until it is settled whether they are a day or a time.
    Dotted(String),
    /// What can be two things: the sentence that says how to write each.
    Unsure(String),
    Word(String),
    Dash,
}

/// The pieces of a text; `None` where it has others.
pub(super) fn tokens_of(text: &str, today: NaiveDate) -> Option<Vec<Token>> {
    let text = text.to_lowercase().replace(['–', '—', '−'], "-");
    let mut tokens = Vec::new();
    let mut rest = text.as_str();
    while let Some(first) = rest.chars().next() {
        let length = if let Some(day) = iso_day(rest) {
            tokens.push(Token::Day(day));
            // An ISO time follows its date.
            if rest[10..].starts_with('t') { 11 } else { 10 }
        } else if first.is_ascii_digit() {
            let (token, length) = numeral(rest, today)?;
            tokens.push(token);
            length
        } else if first == '-' {
            tokens.push(Token::Dash);
            1
        } else if first.is_alphabetic() {
            let length = rest.find(|letter: char| !letter.is_alphabetic()).unwrap_or(rest.len());
            let word = &rest[..length];
            tokens.push(if word == "to" { Token::Dash } else { Token::Word(word.to_owned()) });
            length
        } else if first.is_whitespace() || matches!(first, '.' | ',') {
            first.len_utf8()
        } else {
            return None;
        };
        rest = &rest[length..];
    }
    settled(&tokens, today)
}

/// What begins with a digit, and its length in bytes: `20`, `16:40`, `4.30 pm`, `28.11.2026`, `28.11.`, `28/11/2026`.
fn numeral(rest: &str, today: NaiveDate) -> Option<(Token, usize)> {
    let is_part = |letter: char| letter.is_ascii_digit() || matches!(letter, ':' | '.' | '/');
    let length = rest.find(|letter: char| !is_part(letter)).unwrap_or(rest.len());
    let (written, after) = rest.split_at(length);
    let text = written.trim_end_matches('.');
    let spoken = after.trim_start();
    if let Some(half) = ["am", "pm"].into_iter().find(|half| spoken.starts_with(half)) {
        let time = number_of(&text.replace('.', ":"), Some(half))?;
        return Some((time, rest.len() - spoken.len() + half.len()));
    }
    let token = if text.contains('/') {
        slashed(text, today)?
    } else if !text.contains('.') {
        number_of(text, None)?
    } else if written.ends_with('.') || text.matches('.').count() > 1 {
        Token::Day(dotted_day(text, today)?)
    } else {
        Token::Dotted(text.to_owned())
    };
    Some((token, length))
}

/// `28/11/2026`, `11/28/2026`: which number is the month, the other tells where it is above 12.
fn slashed(text: &str, today: NaiveDate) -> Option<Token> {
    let numbers: Vec<u32> = text.split('/').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (first, second, year) = match numbers.as_slice() {
        [first, second] => (*first, *second, None),
        [first, second, year @ 2000..=2199] => (*first, *second, i32::try_from(*year).ok()),
        _ => return None,
    };
    if first == second || first > 12 {
        return day_of(first, second, year, today).map(Token::Day);
    }
    let other = day_of(second, first, year, today)?;
    if second > 12 {
        return Some(Token::Day(other));
    }
    let day = day_of(first, second, year, today)?;
    let year = year.map(|year| format!(" {year}")).unwrap_or_default();
    let meant = format!("{} or {}", day.format("%-d %B"), other.format("%-d %B"));
    let forms = format!("“{}{year}” or “{}{year}”", day.format("%-d %b"), other.format("%-d %b"));
    Some(Token::Unsure(format!("“{text}” can be {meant}: write {forms}")))
}

/// Numbers with a dot as days or times. What can be no time is a day, and so is what a time follows. The others are times
/// beside a day, and in a range of which something can be no day. In a range of two alone both are of one kind.
fn settled(tokens: &[Token], today: NaiveDate) -> Option<Vec<Token>> {
    let may_be_day = |text: &str| dotted_day(text, today).is_some();
    let may_be_time = |text: &str| dotted_time(text).is_some();
    let are_days = match tokens {
        [Token::Dotted(first), Token::Dash, Token::Dotted(second)] => !may_be_time(first) || !may_be_time(second),
        _ => false,
    };
    let is_day = |index: usize| match &tokens[index] {
        Token::Dotted(text) => {
            let has_time_behind = matches!(tokens.get(index + 1), Some(Token::Dotted(_) | Token::Time(_)));
            are_days || !may_be_time(text) || has_time_behind && may_be_day(text)
        }
        Token::Day(_) => true,
        Token::Word(word) => named_day(word, today).is_some() || month_of(word).is_some(),
        Token::Time(_) | Token::EndOfDay | Token::Number(_) | Token::Unsure(_) | Token::Dash => false,
    };
    let is_time = |token: &Token| match token {
        Token::Dotted(text) => !may_be_day(text),
        Token::Time(_) | Token::EndOfDay => true,
        Token::Day(_) | Token::Number(_) | Token::Unsure(_) | Token::Word(_) | Token::Dash => false,
    };
    let has_day = (0..tokens.len()).any(is_day);
    let are_times = has_day || tokens.contains(&Token::Dash) && tokens.iter().any(is_time);
    let settle = |(index, token): (usize, &Token)| match token {
        Token::Dotted(text) if is_day(index) => dotted_day(text, today).map(Token::Day),
        Token::Dotted(text) if are_times => dotted_time(text),
        Token::Dotted(text) => Some(Token::Unsure(how_to_write(text, may_be_day(text)))),
        other => Some(other.clone()),
    };
    tokens.iter().enumerate().map(settle).collect()
}

/// What is said of `9.10` where nothing tells what it is.
fn how_to_write(text: &str, may_be_day: bool) -> String {
    let time = text.replace('.', ":");
    if may_be_day {
        format!("“{text}” can be a day or a time: write “{text}.” for the day, “{time}” for the time")
    } else {
        format!("“{text}” stands alone: write “{time}” for the time")
    }
}

/// `28.11`, `28.11.2026`, `28.11.26`.
fn dotted_day(text: &str, today: NaiveDate) -> Option<NaiveDate> {
    let numbers: Vec<u32> = text.split('.').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (day, month, year) = match numbers.as_slice() {
        [day, month] => (*day, *month, None),
        [day, month, year @ 2000..=2199] => (*day, *month, i32::try_from(*year).ok()),
        [day, month, year @ 10..=99] => (*day, *month, i32::try_from(2000 + *year).ok()),
        _ => return None,
    };
    day_of(day, month, year, today)
}

/// `9.10`, `16.40`: minutes have two digits.
fn dotted_time(text: &str) -> Option<Token> {
    let (_, minutes) = text.split_once('.')?;
    if minutes.len() == 2 { number_of(&text.replace('.', ":"), None) } else { None }
}

/// The day, in the year or, without one, the last time it was.
pub(super) fn day_of(day: u32, month: u32, year: Option<i32>, today: NaiveDate) -> Option<NaiveDate> {
    if let Some(year) = year {
        return NaiveDate::from_ymd_opt(year, month, day);
    }
    let years = (0..=RAREST_DAY_YEARS).map(|before| today.year() - before);
    years.filter_map(|year| NaiveDate::from_ymd_opt(year, month, day)).find(|day| *day <= today)
}

pub(super) fn named_day(word: &str, today: NaiveDate) -> Option<NaiveDate> {
    match word {
        "today" => return Some(today),
        "yesterday" => return Some(back(today, 1)),
        _ => {}
    }
    let weekday: Weekday = word.parse().ok()?;
    let since = today.weekday().days_since(weekday);
    today.checked_sub_days(Days::new(u64::from(since)))
}

pub(super) fn month_of(word: &str) -> Option<u32> {
    let word = if word == "sept" { "sep" } else { word };
    word.parse::<chrono::Month>().ok().map(|month| month.number_from_month())
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
