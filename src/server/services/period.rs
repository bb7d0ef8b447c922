//! Time ranges in the viewer's time zone: presets, custom ranges and the chart's bars, right across a change to or from
//! summer time. Called by [super::emails] for the pages.

use chrono::{DateTime, Days, Duration, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
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
    let (range, previous, label) = match choice.preset.days() {
        Some(days) => {
            let (first, end) = (back(today, days - 1), back(today, -1));
            let range = TimeRange::new(start_of_day(first, zone), start_of_day(end, zone));
            let previous = TimeRange::new(start_of_day(back(first, days), zone), same_time(now, days, zone));
            (range, Some(previous), preset_label(choice.preset))
        }
        None => {
            let range = custom_range(choice, zone)?;
            let previous = match (range.from, range.to) {
                (Some(from), to) => {
                    let end = to.map_or(now, |to| to.min(now).max(from));
                    Some(TimeRange::new(from - (end - from), from))
                }
                (None, _) => None,
            };
            (range, previous, custom_label(range, zone))
        }
    };
    Ok(Period { preset: choice.preset, range, previous, label, now, time_zone: zone.name().to_owned() })
}

fn preset_label(preset: Preset) -> String {
    match preset {
        Preset::Today => "today".to_owned(),
        Preset::Last7Days => "the last 7 days".to_owned(),
        Preset::Last30Days => "the last 30 days".to_owned(),
        Preset::Custom => "this period".to_owned(),
    }
}

fn custom_label(range: TimeRange, zone: Tz) -> String {
    let shown = |time: DateTime<Utc>| time.with_timezone(&zone).format("%-d %b %Y %H:%M").to_string();
    match (range.from, range.to) {
        (Some(from), Some(to)) => format!("{} – {}", shown(from), shown(to)),
        (Some(from), None) => format!("since {}", shown(from)),
        (None, Some(to)) => format!("before {}", shown(to)),
        (None, None) => "all time".to_owned(),
    }
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

pub(super) fn parse_time(field: &str, text: &str, zone: Tz, days_after_date: u64) -> Result<DateTime<Utc>, AppError> {
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
    let (first, last) = (DateTime::UNIX_EPOCH, DateTime::UNIX_EPOCH + TimeDelta::days(365 * 200));
    if (first..last).contains(&time) { Ok(time) } else { Err(not_a_time()) }
}

/// Sums hourly counts into the bars of a chart. The bars are hours, or begin at hours of the viewer's clock; in a zone
/// that is half an hour off, at the nearest whole UTC hour before. Empty for a range without messages.
pub fn chart_bars(period: &Period, zone: Tz, hours: &[(DateTime<Utc>, StatusCounts)]) -> Vec<ChartBar> {
    let first_message = hours.first().map(|(hour, _)| *hour);
    let (Some(from), Some(to)) = (period.range.from.or(first_message), period.range.to.or(Some(period.now))) else {
        return Vec::new();
    };
    let edges = bar_edges(from, to, zone);
    let mut bars: Vec<ChartBar> =
        edges.windows(2).map(|edge| ChartBar { from: edge[0], to: edge[1], counts: StatusCounts::default() }).collect();
    for (hour, counts) in hours {
        let index = bars.partition_point(|bar| bar.to <= *hour);
        let last = bars.len().saturating_sub(1);
        if let Some(bar) = bars.get_mut(index.min(last)) {
            bar.counts += *counts;
        }
    }
    bars
}

fn bar_edges(from: DateTime<Utc>, to: DateTime<Utc>, zone: Tz) -> Vec<DateTime<Utc>> {
    let span = to - from;
    let mut edges = vec![from];
    let mut push = |edge: DateTime<Utc>| {
        let edge = whole_hour(edge);
        if edge > from && edge < to {
            edges.push(edge);
        }
    };
    let first_day = from.with_timezone(&zone).date_naive();
    if span <= TimeDelta::hours(50) {
        let mut edge = whole_hour(from);
        while edge < to {
            push(edge);
            edge += TimeDelta::hours(1);
        }
    } else {
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

fn whole_hour(time: DateTime<Utc>) -> DateTime<Utc> {
    time - TimeDelta::seconds(time.timestamp().rem_euclid(3600))
        - TimeDelta::nanoseconds(i64::from(time.timestamp_subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn preset(preset: Preset, zone: Tz, now: &str) -> Period {
        resolve(&PeriodChoice { preset, from: None, to: None }, zone, utc(now)).unwrap()
    }

    fn custom(from: &str, to: &str, zone: Tz) -> Result<Period, AppError> {
        let choice = PeriodChoice { preset: Preset::Custom, from: Some(from.to_owned()), to: Some(to.to_owned()) };
        resolve(&choice, zone, utc("2026-11-20T12:00:00Z"))
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
        assert_eq!(chart_bars(&period, Tz::Europe__Berlin, &[]).len(), 25);
    }

    #[test]
    fn the_day_summer_time_begins_has_23_hours() {
        let period = preset(Preset::Today, Tz::America__New_York, "2026-03-08T12:00:00Z");
        assert_eq!(period.range, TimeRange::new(utc("2026-03-08T05:00:00Z"), utc("2026-03-09T04:00:00Z")));
        assert_eq!(chart_bars(&period, Tz::America__New_York, &[]).len(), 23);
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

    #[test]
    fn bars_hold_every_message_of_the_period_once() {
        let zone = Tz::Asia__Kathmandu;
        let period = preset(Preset::Last7Days, zone, "2026-11-20T12:00:00Z");
        let range = period.range;
        let mut counts = StatusCounts::default();
        counts.add(crate::domain::email::EmailStatus::Sent, 1);
        let (mut hour, mut hours) = (whole_hour(range.from.unwrap()), Vec::new());
        while hour < range.to.unwrap() {
            hours.push((hour, counts));
            hour += TimeDelta::hours(1);
        }
        let bars = chart_bars(&period, zone, &hours);
        let total: i64 = bars.iter().map(|bar| bar.counts.0.iter().sum::<i64>()).sum();
        assert_eq!(total, hours.len() as i64);
        assert!(bars.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!((bars[0].from, bars[bars.len() - 1].to), (range.from.unwrap(), range.to.unwrap()));
        assert!((40..=44).contains(&bars.len()));
    }
}
