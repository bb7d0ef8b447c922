//! Time ranges in the viewer's time zone: presets, custom ranges and the chart's bars, right across a change to or from
//! summer time. Called by [super::emails] for the pages.

mod typed;

use chrono::{
    DateTime, Days, Duration, DurationRound, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone,
    Timelike, Utc,
};
use chrono_tz::Tz;

use crate::domain::error::AppError;
use crate::domain::filter::TimeRange;
use crate::domain::period::{Period, PeriodChoice, Preset};
use crate::domain::stats::{ChartBar, StatusCounts};

/// No more bars than this, whatever the range.
const MAX_BARS: i64 = 62;

/// The time zone of this IANA name, or UTC for a name that is unknown.
pub fn time_zone(name: &str) -> Tz {
    name.parse().unwrap_or(Tz::UTC)
}

/// The range that `choice` means at `now` for a viewer in `zone`.
pub fn resolve(choice: &PeriodChoice, zone: Tz, now: DateTime<Utc>) -> Result<Period, AppError> {
    let today = now.with_timezone(&zone).date_naive();
    let preset = choice.preset;
    let (range, previous) = match preset {
        Preset::LastHour => span_before(now, TimeDelta::hours(1)),
        Preset::Last24Hours => span_before(now, TimeDelta::hours(24)),
        Preset::Today => days_to(today, 1, zone, now),
        Preset::Yesterday => {
            let (day, before) = (back(today, 1), back(today, 2));
            let range = TimeRange::new(start_of_day(day, zone), start_of_day(today, zone));
            (range, Some(TimeRange::new(start_of_day(before, zone), start_of_day(day, zone))))
        }
        Preset::Last7Days => days_to(today, 7, zone, now),
        Preset::Last30Days => days_to(today, 30, zone, now),
        Preset::Last90Days => days_to(today, 90, zone, now),
        Preset::AllTime => (TimeRange::default(), None),
        Preset::Custom => {
            let range = match &choice.typed {
                Some(text) => typed::read(text, zone, now)?,
                None => custom_range(choice, zone)?,
            };
            let previous = range.from.map(|from| {
                let end = range.to.map_or(now, |to| to.min(now).max(from));
                TimeRange::new(from - (end - from), from)
            });
            (range, previous)
        }
    };
    let label = if preset == Preset::Custom { label_of(range, zone) } else { preset.label().to_owned() };
    Ok(Period { preset, range, previous, label, now, time_zone: zone.name().to_owned() })
}

/// So many days to the end of today, and as much of as many days before them as has passed of these.
fn days_to(today: NaiveDate, days: i64, zone: Tz, now: DateTime<Utc>) -> (TimeRange, Option<TimeRange>) {
    let first = back(today, days - 1);
    let range = TimeRange::new(start_of_day(first, zone), start_of_day(back(today, -1), zone));
    (range, Some(TimeRange::new(start_of_day(back(first, days), zone), same_time(now, days, zone))))
}

/// The span before now, from a whole minute, and as much before it.
fn span_before(now: DateTime<Utc>, span: TimeDelta) -> (TimeRange, Option<TimeRange>) {
    let from = now - span;
    let from = from.duration_trunc(TimeDelta::minutes(1)).unwrap_or(from);
    (TimeRange { from: Some(from), to: None }, Some(TimeRange::new(from - (now - from), from)))
}

/// A range in the words of a heading, no longer than it must be: `28 Nov 2026, 16:40 – 16:50`.
pub fn label_of(range: TimeRange, zone: Tz) -> String {
    // Of days, nobody reads seconds.
    let is_long = range.from.zip(range.to).is_some_and(|(from, to)| to - from > TimeDelta::hours(1));
    let whole = |time: DateTime<Utc>| time.duration_trunc(TimeDelta::minutes(1)).unwrap_or(time);
    let local = |time: DateTime<Utc>| if is_long { whole(time) } else { time }.with_timezone(&zone);
    let is_midnight = |time: DateTime<Tz>| time.time() == NaiveTime::MIN;
    let exact = |time: DateTime<Tz>| match is_midnight(time) {
        true => time.format("%-d %b %Y").to_string(),
        false => format!("{}, {}", time.format("%-d %b %Y"), clock_time(time)),
    };
    let (from, to) = match (range.from.map(local), range.to.map(local)) {
        (Some(from), Some(to)) => (from, to),
        (Some(from), None) => return format!("Since {}", exact(from)),
        (None, Some(to)) => return format!("Before {}", exact(to)),
        (None, None) => return Preset::AllTime.label().to_owned(),
    };
    let last = if is_midnight(to) { back(to.date_naive(), 1) } else { to.date_naive() };
    if is_midnight(from) && is_midnight(to) {
        let day = |day: NaiveDate| day.format("%-d %b %Y").to_string();
        return if last <= from.date_naive() {
            day(from.date_naive())
        } else {
            format!("{} – {}", day(from.date_naive()), day(last))
        };
    }
    if last == from.date_naive() {
        return format!("{}, {} – {}", from.format("%-d %b %Y"), clock_time(from), clock_time(to));
    }
    format!("{} – {}", exact(from), exact(to))
}

/// `16:40`, with seconds where there are some, and with the zone's letters in the hour that comes twice.
fn clock_time(time: DateTime<Tz>) -> String {
    let pattern = if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    let is_twice = matches!(time.timezone().from_local_datetime(&time.naive_local()), LocalResult::Ambiguous(..));
    time.format(&format!("{pattern}{}", if is_twice { " %Z" } else { "" })).to_string()
}

fn back(day: NaiveDate, days: i64) -> NaiveDate {
    let moved = if days >= 0 {
        day.checked_sub_days(Days::new(days as u64))
    } else {
        day.checked_add_days(Days::new(-days as u64))
    };
    moved.unwrap_or(day)
}

/// The first instant of a day. Where summer time begins at midnight, that is 01:00.
pub fn start_of_day(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    instant_of(day.and_time(NaiveTime::MIN), zone)
}

/// The instant of a local time: the earlier one where a clock shows it twice, the first one after the gap where no clock
/// shows it.
fn instant_of(local: NaiveDateTime, zone: Tz) -> DateTime<Utc> {
    let mut candidate = local;
    loop {
        if let Some(time) = zone.from_local_datetime(&candidate).earliest() {
            return time.with_timezone(&Utc);
        }
        // Gaps begin and end on whole quarters of an hour.
        let into_quarter = candidate.and_utc().timestamp().rem_euclid(900);
        candidate += Duration::seconds(900 - into_quarter);
    }
}

fn same_time(now: DateTime<Utc>, days_before: i64, zone: Tz) -> DateTime<Utc> {
    let local = now.with_timezone(&zone).naive_local();
    instant_of(back(local.date(), days_before).and_time(local.time()), zone)
}

fn custom_range(choice: &PeriodChoice, zone: Tz) -> Result<TimeRange, AppError> {
    let from = choice.from.as_deref().filter(|text| !text.is_empty());
    let to = choice.to.as_deref().filter(|text| !text.is_empty());
    let range = TimeRange {
        from: from.map(|text| parse_time("from", text, zone, 0)).transpose()?,
        to: to.map(|text| parse_time("to", text, zone, 1)).transpose()?,
    };
    match (range.from, range.to) {
        (Some(from), Some(to)) if from >= to => {
            Err(AppError::invalid_field("to", "The period ends before it begins: choose a later “to”"))
        }
        _ => Ok(range),
    }
}

/// A time as an address says it or, like a day of a typed period, in words: `28.11.`, `28 Nov 9:10`, `yesterday`. A day is
/// its beginning.
pub(super) fn parse_moment(field: &str, text: &str, zone: Tz, now: DateTime<Utc>) -> Result<DateTime<Utc>, AppError> {
    let refusal = match parse_time(field, text, zone, 0) {
        Ok(time) => return Ok(time),
        Err(refusal) => refusal,
    };
    typed::read_moment(field, text, zone, now)?.filter(|time| is_plausible(*time)).ok_or(refusal)
}

fn parse_time(field: &str, text: &str, zone: Tz, days_after_date: u64) -> Result<DateTime<Utc>, AppError> {
    let not_a_time = || {
        AppError::invalid_field(field, format!("“{text}” is not a date or time: write 2026-11-20 or 2026-11-20T09:30"))
    };
    let time = if let Ok(time) = DateTime::parse_from_rfc3339(&text.replace(' ', "+")) {
        time.with_timezone(&Utc)
    } else if let Ok(day) = text.parse::<NaiveDate>() {
        start_of_day(day.checked_add_days(Days::new(days_after_date)).ok_or_else(not_a_time)?, zone)
    } else {
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S"))
            .map_err(|_| not_a_time())?;
        instant_of(local, zone)
    };
    if is_plausible(time) { Ok(time) } else { Err(not_a_time()) }
}

fn is_plausible(time: DateTime<Utc>) -> bool {
    let (first, last) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(365 * 200));
    (first..last).contains(&time)
}

/// The instants at which the bars of a period's chart begin and end: minutes for an hour, hours for a day or two, else days or
/// parts of days, all by the viewer's clock. `first` is the oldest message's time. Empty for a period without an end at
/// either side and without messages.
pub fn bar_edges(period: &Period, first: Option<DateTime<Utc>>, zone: Tz) -> Vec<DateTime<Utc>> {
    let Some(from) = period.range.from.or(first) else { return Vec::new() };
    let to = period.range.to.unwrap_or(period.now + TimeDelta::milliseconds(1));
    if from >= to {
        return Vec::new();
    }
    let span = to - from;
    let mut edges = vec![from];
    let mut push = |edge: DateTime<Utc>| {
        if edge > from && edge < to {
            edges.push(edge);
        }
    };
    if let Some(minutes) = minutes_of_bar(span) {
        let mut edge = from;
        while edge < to {
            let local = edge.with_timezone(&zone);
            let into = i64::from(local.num_seconds_from_midnight()).rem_euclid(minutes * 60);
            edge += TimeDelta::seconds(minutes * 60 - into) - TimeDelta::nanoseconds(i64::from(local.nanosecond()));
            push(edge);
        }
    } else {
        let first_day = from.with_timezone(&zone).date_naive();
        let days = span.num_days() + 2;
        let (hours, step) = if span <= TimeDelta::days(10) { (4, 1) } else { (24, (days / MAX_BARS) + 1) };
        for day in (0..=days).step_by(step as usize) {
            for hour in (0..24).step_by(hours) {
                let time = NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN);
                push(instant_of(back(first_day, -day).and_time(time), zone));
            }
        }
    }
    edges.dedup();
    edges.push(to);
    edges
}

/// The length of a bar in minutes; `None` for one of hours or days.
fn minutes_of_bar(span: TimeDelta) -> Option<i64> {
    [(62, 1), (5 * 60, 5), (13 * 60, 15), (50 * 60, 60)]
        .into_iter()
        .find(|(most, _)| span <= TimeDelta::minutes(*most))
        .map(|(_, minutes)| minutes)
}

/// Sums counts, each with an instant, into bars. What lies outside counts for the first or the last.
pub fn chart_bars(edges: &[DateTime<Utc>], samples: &[(DateTime<Utc>, StatusCounts)]) -> Vec<ChartBar> {
    let mut bars: Vec<ChartBar> =
        edges.windows(2).map(|edge| ChartBar { from: edge[0], to: edge[1], counts: StatusCounts::default() }).collect();
    for (at, counts) in samples {
        let index = bars.partition_point(|bar| bar.to <= *at);
        let last = bars.len().saturating_sub(1);
        if let Some(bar) = bars.get_mut(index.min(last)) {
            bar.counts += *counts;
        }
    }
    bars
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn preset(preset: Preset, zone: Tz, now: &str) -> Period {
        resolve(&PeriodChoice::of(preset), zone, utc(now)).unwrap()
    }

    fn custom(from: &str, to: &str, zone: Tz) -> Result<Period, AppError> {
        let (from, to) = (Some(from.to_owned()), Some(to.to_owned()));
        resolve(&PeriodChoice { preset: Preset::Custom, from, to, typed: None }, zone, utc("2026-11-20T12:00:00Z"))
    }

    #[test]
    fn today_is_the_viewers_day() {
        let period = preset(Preset::Today, Tz::Asia__Tokyo, "2026-11-20T20:00:00Z");
        assert_eq!(period.range, TimeRange::new(utc("2026-11-20T15:00:00Z"), utc("2026-11-21T15:00:00Z")));
    }

    #[test]
    fn the_day_summer_time_ends_has_25_hours() {
        let period = preset(Preset::Today, Tz::Europe__Berlin, "2026-10-25T10:00:00Z");
        assert_eq!(period.range, TimeRange::new(utc("2026-10-24T22:00:00Z"), utc("2026-10-25T23:00:00Z")));
        assert_eq!(bars(&period, Tz::Europe__Berlin).len(), 25);
    }

    #[test]
    fn the_day_summer_time_begins_has_23_hours() {
        let period = preset(Preset::Today, Tz::America__New_York, "2026-03-08T12:00:00Z");
        assert_eq!(period.range, TimeRange::new(utc("2026-03-08T05:00:00Z"), utc("2026-03-09T04:00:00Z")));
        assert_eq!(bars(&period, Tz::America__New_York).len(), 23);
    }

    #[test]
    fn a_day_without_midnight_begins_at_one() {
        // Summer time began at midnight in Cairo on 2024-04-26.
        let day = NaiveDate::from_ymd_opt(2024, 4, 26).unwrap();
        assert_eq!(start_of_day(day, Tz::Africa__Cairo), utc("2024-04-25T22:00:00Z"));
    }

    #[test]
    fn seven_days_are_compared_with_as_much_of_the_seven_before() {
        let period = preset(Preset::Last7Days, Tz::UTC, "2026-11-20T12:00:00Z");
        assert_eq!(period.range, TimeRange::new(utc("2026-11-14T00:00:00Z"), utc("2026-11-21T00:00:00Z")));
        assert_eq!(period.previous, Some(TimeRange::new(utc("2026-11-07T00:00:00Z"), utc("2026-11-13T12:00:00Z"))));
    }

    #[test]
    fn a_custom_date_includes_its_day() {
        let period = custom("2026-11-01", "2026-11-02", Tz::Europe__Berlin).unwrap();
        assert_eq!(period.range, TimeRange::new(utc("2026-10-31T23:00:00Z"), utc("2026-11-02T23:00:00Z")));
    }

    #[test]
    fn a_custom_local_time_is_the_viewers() {
        let period = custom("2026-07-01T09:30", "2026-07-01T10:00:00Z", Tz::Europe__Berlin).unwrap();
        assert_eq!(period.range, TimeRange::new(utc("2026-07-01T07:30:00Z"), utc("2026-07-01T10:00:00Z")));
    }

    #[test]
    fn a_time_that_no_clock_shows_is_the_first_one_after_the_gap() {
        let period = custom("2026-03-29T02:30", "2026-03-30", Tz::Europe__Berlin).unwrap();
        assert_eq!(period.range.from, Some(utc("2026-03-29T01:00:00Z")));
    }

    #[test]
    fn nonsense_and_inverted_ranges_are_refused() {
        assert!(custom("yesterday", "2026-11-02", Tz::UTC).is_err());
        assert!(custom("2026-11-03", "2026-11-01", Tz::UTC).is_err());
        assert!(custom("2026-13-01", "2026-11-01", Tz::UTC).is_err());
        assert!(custom("+262142-12-31", "", Tz::UTC).is_err());
    }

    fn bars(period: &Period, zone: Tz) -> Vec<ChartBar> {
        chart_bars(&bar_edges(period, None, zone), &[])
    }

    #[test]
    fn bars_hold_every_message_of_the_period_once() {
        let zone = Tz::Asia__Kathmandu;
        let period = preset(Preset::Last7Days, zone, "2026-11-20T12:00:00Z");
        let (from, to) = (period.range.from.unwrap(), period.range.to.unwrap());
        let mut counts = StatusCounts::default();
        counts.add(crate::domain::email::EmailStatus::Sent, 1);
        let quarters = (0..).map(|count| from + TimeDelta::minutes(15 * count)).take_while(|at| *at < to);
        let samples: Vec<_> = quarters.map(|at| (at, counts)).collect();
        let bars = chart_bars(&bar_edges(&period, None, zone), &samples);
        let total: i64 = bars.iter().map(|bar| bar.counts.0.iter().sum::<i64>()).sum();
        assert_eq!(total, samples.len() as i64);
        assert!(bars.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!((bars[0].from, bars[bars.len() - 1].to), (from, to));
        assert_eq!(bars.len(), 42);
    }

    #[test]
    fn in_a_zone_of_half_hours_bars_begin_at_its_own_midnight_and_hours() {
        let zone = Tz::Asia__Kolkata;
        for (choice, most) in [(Preset::Last7Days, 42), (Preset::Last30Days, 30), (Preset::Today, 24)] {
            let bars = bars(&preset(choice, zone, "2026-11-20T12:00:00Z"), zone);
            assert_eq!(bars.len(), most, "{choice:?}");
            assert!(bars.iter().all(|bar| bar.from.with_timezone(&zone).minute() == 0), "{choice:?}");
            assert_eq!(bars[0].from.with_timezone(&zone).hour(), 0, "{choice:?}");
        }
    }

    #[test]
    fn a_short_period_has_bars_of_minutes() {
        for (from, to, length, count) in [
            ("2026-11-19T16:40", "2026-11-19T16:50", 1, 10),
            ("2026-11-19T16:00", "2026-11-19T20:00", 5, 48),
            ("2026-11-19T08:00", "2026-11-19T20:00", 15, 48),
            ("2026-11-19", "2026-11-19", 60, 24),
        ] {
            let period = custom(from, to, Tz::Europe__Berlin).unwrap();
            let bars = bars(&period, Tz::Europe__Berlin);
            assert_eq!(bars.len(), count, "{from}");
            assert!(bars.iter().all(|bar| bar.to - bar.from == TimeDelta::minutes(length)), "{from}");
        }
        let hour = preset(Preset::LastHour, Tz::UTC, "2026-11-20T12:00:20.5Z");
        assert_eq!(bars(&hour, Tz::UTC).len(), 61);
    }

    #[test]
    fn a_label_says_a_day_once() {
        let label = |from: &str, to: &str, zone| custom(from, to, zone).unwrap().label;
        let berlin = Tz::Europe__Berlin;
        assert_eq!(label("2026-11-19T16:40", "2026-11-19T16:50", berlin), "19 Nov 2026, 16:40 – 16:50");
        assert_eq!(label("2026-11-19", "2026-11-19", berlin), "19 Nov 2026");
        assert_eq!(label("2026-11-18", "2026-11-19", berlin), "18 Nov 2026 – 19 Nov 2026");
        assert_eq!(label("2026-11-18T22:00", "2026-11-19T02:00", berlin), "18 Nov 2026, 22:00 – 19 Nov 2026, 02:00");
        assert_eq!(label("2026-11-18T22:00", "2026-11-19T00:00", berlin), "18 Nov 2026, 22:00 – 00:00");
        let week = label("2026-11-11T22:00:13", "2026-11-18T22:00:13", berlin);
        assert_eq!(week, "11 Nov 2026, 22:00 – 18 Nov 2026, 22:00");
        let minutes = label("2026-11-18T22:00:13", "2026-11-18T22:10:13", berlin);
        assert_eq!(minutes, "18 Nov 2026, 22:00:13 – 22:10:13");
        assert_eq!(label("2026-11-18", "", berlin), "Since 18 Nov 2026");
        assert_eq!(
            label("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", berlin),
            "25 Oct 2026, 02:30 CEST – 02:30 CET"
        );
    }

    #[test]
    fn what_is_said_exactly_means_the_same_in_every_zone() {
        let period = custom("2026-11-19T16:40", "2026-11-19T16:50", Tz::Europe__Berlin).unwrap();
        let exact = period.for_others();
        assert!(!exact.is_local());
        assert_eq!(resolve(&exact, Tz::Asia__Tokyo, utc("2026-11-22T12:00:00Z")).unwrap().range, period.range);
        let week = preset(Preset::Last7Days, Tz::Europe__Berlin, "2026-11-20T12:00:00Z");
        assert_eq!(resolve(&week.for_others(), Tz::UTC, utc("2026-12-20T12:00:00Z")).unwrap().range, week.range);
    }
}
