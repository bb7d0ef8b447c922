//! Ranges of time as ranges of ids, and where they are cut at the hours that the rollups count.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::filter::TimeRange;
use crate::domain::ids::{EmailId, lowest_id_at};

/// The ids of a range: `low` is in it, `high` is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdRange {
    pub low: i64,
    pub high: i64,
}

impl From<TimeRange> for IdRange {
    fn from(range: TimeRange) -> Self {
        Self { low: range.from.map_or(0, first_id_from), high: range.to.map_or(i64::MAX, first_id_from) }
    }
}

/// The lowest id whose time is `time` or later. Ids tell milliseconds, so a finer `time` is rounded up.
fn first_id_from(time: DateTime<Utc>) -> i64 {
    let whole = lowest_id_at(time);
    let is_whole = EmailId(whole).created_at() >= time;
    let next = || time.checked_add_signed(TimeDelta::milliseconds(1)).map_or(i64::MAX, lowest_id_at);
    if is_whole { whole } else { next() }
}

/// A range cut at the hours: `[low, high)` in hours since 1970, with a piece of an hour before and one after it. A range
/// within one hour is all `head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HourCut {
    pub head: Option<IdRange>,
    pub low_hour: i64,
    pub high_hour: i64,
    pub tail: Option<IdRange>,
}

/// The lowest id of an hour, counted from 1970.
pub(super) fn lowest_id_of_hour(hour: i64) -> i64 {
    DateTime::from_timestamp(hour.saturating_mul(3600), 0).map_or(i64::MAX, lowest_id_at)
}

/// The hour, counted from 1970, in which a message was accepted.
pub(super) fn hour_of(id: EmailId) -> i64 {
    id.created_at().timestamp().div_euclid(3600)
}

/// The `hour` of the rollup rows that count a whole day, counted in UTC from 1970: below 0, which no hour is.
pub(super) fn hour_of_day(day: i64) -> i64 {
    -1 - day
}

/// The day of an hour.
pub(super) fn day_of(hour: i64) -> i64 {
    hour.div_euclid(24)
}

/// The first hour of a rollup row, and how many hours it counts.
pub(super) fn first_hour(hour: i64) -> (i64, i64) {
    if hour < 0 { ((-1 - hour).saturating_mul(24), 24) } else { (hour, 1) }
}

/// Whole hours as the rollup rows that count them, each once: ranges of their `hour`, of hours, of days and of hours.
pub(super) fn spans(low_hour: i64, high_hour: i64) -> [(i64, i64); 3] {
    let (first, end) = (day_of(low_hour.saturating_add(23)), day_of(high_hour));
    if first >= end {
        return [(low_hour, high_hour), (0, 0), (0, 0)];
    }
    // The newest day has the lowest `hour`.
    [(low_hour, first * 24), (hour_of_day(end) + 1, hour_of_day(first) + 1), (end * 24, high_hour)]
}

impl From<IdRange> for HourCut {
    fn from(ids: IdRange) -> Self {
        // No message is older than 1970.
        let ids = IdRange { low: ids.low.max(0), ..ids };
        if ids.low >= ids.high {
            return Self { head: None, low_hour: 0, high_hour: 0, tail: None };
        }
        let starts_whole = lowest_id_of_hour(hour_of(EmailId(ids.low))) == ids.low;
        let low_hour = hour_of(EmailId(ids.low)) + i64::from(!starts_whole);
        let high_hour = if ids.high == i64::MAX { i64::MAX } else { hour_of(EmailId(ids.high)) };
        if low_hour > high_hour {
            return Self { head: Some(ids), low_hour, high_hour: low_hour, tail: None };
        }
        let head = (!starts_whole).then(|| IdRange { low: ids.low, high: lowest_id_of_hour(low_hour) });
        let tail_low = if high_hour == i64::MAX { i64::MAX } else { lowest_id_of_hour(high_hour) };
        let tail = (tail_low < ids.high).then_some(IdRange { low: tail_low, high: ids.high });
        Self { head, low_hour, high_hour, tail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(hour: i64) -> i64 {
        lowest_id_of_hour(hour)
    }

    #[test]
    fn a_range_of_whole_hours_has_no_pieces() {
        let cut = HourCut::from(IdRange { low: hour(10), high: hour(12) });
        assert_eq!(cut, HourCut { head: None, low_hour: 10, high_hour: 12, tail: None });
    }

    #[test]
    fn pieces_and_hours_cover_the_range_once() {
        let (low, high) = (hour(10) + 5, hour(12) + 7);
        let cut = HourCut::from(IdRange { low, high });
        assert_eq!(cut.head, Some(IdRange { low, high: hour(11) }));
        assert_eq!((cut.low_hour, cut.high_hour), (11, 12));
        assert_eq!(cut.tail, Some(IdRange { low: hour(12), high }));
    }

    #[test]
    fn a_range_within_one_hour_is_counted_whole() {
        let ids = IdRange { low: hour(10) + 5, high: hour(10) + 9 };
        assert_eq!(HourCut::from(ids), HourCut { head: Some(ids), low_hour: 11, high_hour: 11, tail: None });
    }

    #[test]
    fn open_ends_need_no_pieces() {
        let cut = HourCut::from(IdRange::from(TimeRange::default()));
        assert_eq!(cut, HourCut { head: None, low_hour: 0, high_hour: i64::MAX, tail: None });
    }

    #[test]
    fn an_inverted_range_is_empty() {
        let cut = HourCut::from(IdRange { low: hour(12), high: hour(10) });
        assert_eq!((cut.head, cut.tail, cut.low_hour), (None, None, cut.high_hour));
    }

    #[test]
    fn days_and_hours_count_each_hour_once() {
        for (low, high) in
            [(0, 0), (0, 5), (3, 24), (0, 24), (23, 25), (24, 48), (5, 100), (5, 27), (47, 49), (10, 240)]
        {
            let mut counted = Vec::new();
            for (from, to) in spans(low, high) {
                for (first, length) in (from..to).map(first_hour) {
                    counted.extend(first..first + length);
                }
            }
            counted.sort_unstable();
            assert_eq!(counted, (low..high).collect::<Vec<_>>(), "{low} to {high}");
        }
        let [before, days, after] = spans(30, i64::MAX);
        assert_eq!((before, days.1), ((30, 48), hour_of_day(2) + 1));
        assert!(days.0 < hour_of_day(1_000_000) && after.0 > 1_000_000_000, "{days:?} {after:?}");
    }

    #[test]
    fn what_is_before_1970_reaches_no_day() {
        let cut = HourCut::from(IdRange { low: -(1 << 50), high: hour(3) });
        assert_eq!(cut, HourCut { head: None, low_hour: 0, high_hour: 3, tail: None });
    }
}
