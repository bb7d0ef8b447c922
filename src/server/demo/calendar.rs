//! When the demo's messages were sent: more by day than by night, more on working days than on Sundays, and a little
//! more every week, all in the team's own time zone.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The team's time zone.
pub(super) const ZONE: Tz = chrono_tz::Europe::Berlin;

/// How much is sent in which hour of the day.
const BY_HOUR: [u64; 24] = [14, 9, 7, 6, 7, 12, 26, 48, 70, 82, 86, 84, 78, 80, 84, 82, 78, 74, 72, 70, 62, 50, 36, 22];

/// The latest ordinary message is this old; the younger ones are those that still wait.
const YOUNGEST: TimeDelta = TimeDelta::seconds(45);

/// The hours of a run of days, each with its weight.
pub(super) struct Calendar {
    hours: Vec<(DateTime<Utc>, TimeDelta)>,
    /// The sums of the weights up to and with each hour.
    sums: Vec<u64>,
}

impl Calendar {
    /// The `days` calendar days that end with the day of `now`, up to `now`.
    pub fn new(now: DateTime<Utc>, days: u32) -> Self {
        let (latest, today) = (now - YOUNGEST, now.with_timezone(&ZONE).date_naive());
        let (mut hours, mut sums, mut sum) = (Vec::new(), Vec::new(), 0);
        for age in (0..days.max(1)).rev() {
            let day = today - Days::new(age.into());
            for (hour, by_hour) in (0..24).zip(BY_HOUR) {
                // An hour that summer time leaves out has no beginning.
                let Some(from) = instant(day, hour, 0) else { continue };
                let length = TimeDelta::hours(1).min(latest - from);
                if length <= TimeDelta::zero() {
                    continue;
                }
                let growth = 1000 + 6 * u64::from(days - age);
                let share = length.num_seconds().unsigned_abs();
                sum += by_hour * by_weekday(day.weekday()) * growth * share;
                hours.push((from, length));
                sums.push(sum);
            }
        }
        if hours.is_empty() {
            hours.push((latest - TimeDelta::hours(1), TimeDelta::hours(1)));
            sums.push(1);
        }
        Self { hours, sums }
    }

    /// A moment, to the millisecond, by the weights.
    pub fn moment(&self, rng: &mut ChaCha8Rng) -> DateTime<Utc> {
        let total = self.sums.last().copied().unwrap_or(1);
        let ticket = rng.random_range(0..total);
        let index = self.sums.partition_point(|sum| *sum <= ticket);
        let (from, length) = self.hours[index];
        from + TimeDelta::milliseconds(rng.random_range(0..length.num_milliseconds().max(1)))
    }
}

/// The afternoon of the incident: of the latest working day that is over before yesterday, or the day before.
pub(super) fn incident_start(now: DateTime<Utc>) -> DateTime<Utc> {
    let today = now.with_timezone(&ZONE).date_naive();
    let is_working = |day: &NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
    let day = (2..6).map(|age| today - Days::new(age)).find(is_working).unwrap_or(today - Days::new(2));
    instant(day, 13, 52).unwrap_or(now - TimeDelta::days(2))
}

/// The hour of the day and the day of the week in the team's time zone.
pub(super) fn local_hour(at: DateTime<Utc>) -> (Weekday, u32) {
    let local = at.with_timezone(&ZONE);
    (local.weekday(), local.hour())
}

fn by_weekday(day: Weekday) -> u64 {
    match day {
        Weekday::Mon => 104,
        Weekday::Tue => 108,
        Weekday::Wed => 104,
        Weekday::Thu => 106,
        Weekday::Fri => 96,
        Weekday::Sat => 52,
        Weekday::Sun => 44,
    }
}

fn instant(day: NaiveDate, hour: u32, minute: u32) -> Option<DateTime<Utc>> {
    let local = day.and_time(NaiveTime::from_hms_opt(hour, minute, 0)?);
    ZONE.from_local_datetime(&local).earliest().map(|time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn moments_lie_within_the_days_and_follow_the_hours() {
        let now: DateTime<Utc> = "2026-11-20T13:55:00Z".parse().unwrap();
        let calendar = Calendar::new(now, 30);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let moments: Vec<_> = (0..10_000).map(|_| calendar.moment(&mut rng)).collect();
        let first: DateTime<Utc> = "2026-10-21T22:00:00Z".parse().unwrap();
        assert!(moments.iter().all(|at| (first..=now - YOUNGEST).contains(at)));
        let in_hour = |hour| moments.iter().filter(|at| local_hour(**at).1 == hour).count();
        assert!(in_hour(10) > 4 * in_hour(3), "{} {}", in_hour(10), in_hour(3));
        let on = |day| moments.iter().filter(|at| local_hour(**at).0 == day).count();
        assert!(on(Weekday::Tue) > on(Weekday::Sun) * 3 / 2);
    }

    #[test]
    fn the_incident_is_on_a_working_day_after_noon() {
        for day in 0..14 {
            let now: DateTime<Utc> = "2026-11-20T13:55:00Z".parse().unwrap();
            let now = now + TimeDelta::days(day);
            let start = incident_start(now);
            assert!(!matches!(local_hour(start).0, Weekday::Sat | Weekday::Sun));
            assert_eq!(local_hour(start).1, 13);
            assert!(start < now - TimeDelta::days(1));
        }
    }
}
