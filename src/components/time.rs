//! Times, in the viewer's zone. Formatted on the server alone.

use chrono::{DateTime, Datelike, LocalResult, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use leptos::prelude::*;

use super::markup::Markup;

/// The viewer's time zone and the moment the page is made. The frame provides it to the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewerClock {
    pub zone: Tz,
    pub now: DateTime<Utc>,
}

/// How much of a time is shown. The tooltip always has all of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStyle {
    /// As short as the present moment allows: `14:52` today, `20 Nov 14:52` this year.
    #[default]
    Short,
    /// The day alone: `20 Nov 2026`.
    Day,
    /// To the minute: `20 Nov 2026, 14:52`.
    Minute,
    /// To the second: `20 Nov 2026, 14:52:07`.
    Second,
    /// To the second, without the present year: `20 Nov, 14:52:07`.
    ShortSecond,
}

impl ViewerClock {
    /// The clock of the page that is being rendered; UTC where no frame provided one.
    pub fn of_page() -> Self {
        use_context().unwrap_or(Self { zone: Tz::UTC, now: DateTime::UNIX_EPOCH })
    }

    /// The clock of a viewer with this IANA zone.
    pub fn new(zone: &str, now: DateTime<Utc>) -> Self {
        Self { zone: zone.parse().unwrap_or(Tz::UTC), now }
    }

    /// The time on the viewer's clock.
    pub fn local(&self, time: DateTime<Utc>) -> DateTime<Tz> {
        time.with_timezone(&self.zone)
    }

    /// The time as text.
    pub fn format(&self, time: DateTime<Utc>, style: TimeStyle) -> String {
        let (local, now) = (self.local(time), self.local(self.now));
        let pattern = match style {
            TimeStyle::Short if local.date_naive() == now.date_naive() => "%H:%M",
            TimeStyle::Short if local.year() == now.year() => "%-d %b %H:%M",
            TimeStyle::Short => "%-d %b %Y %H:%M",
            TimeStyle::Day => "%-d %b %Y",
            TimeStyle::Minute => "%-d %b %Y, %H:%M",
            TimeStyle::ShortSecond if local.year() == now.year() => "%-d %b, %H:%M:%S",
            TimeStyle::Second | TimeStyle::ShortSecond => "%-d %b %Y, %H:%M:%S",
        };
        let zone = if style != TimeStyle::Day && self.is_twice(time) { " %Z" } else { "" };
        local.format(&format!("{pattern}{zone}")).to_string()
    }

    /// Whether the viewer's clock shows the time twice, in the hour that summer time ends with.
    pub fn is_twice(&self, time: DateTime<Utc>) -> bool {
        let local = self.local(time).naive_local();
        matches!(self.zone.from_local_datetime(&local), LocalResult::Ambiguous(..))
    }

    /// The time to the microsecond, with the zone: `Fri 20 Nov 2026, 14:52:07.123456 Europe/Berlin (UTC+01:00)`.
    pub fn format_exactly(&self, time: DateTime<Utc>) -> String {
        let local = self.local(time);
        format!("{} {} (UTC{})", local.format("%a %-d %b %Y, %H:%M:%S%.6f"), self.zone.name(), local.format("%:z"))
    }

    /// The values of a field for the day and of one for the time, which is empty at midnight.
    pub fn field_values(&self, time: DateTime<Utc>) -> (String, String) {
        let local = self.local(time);
        let pattern = if local.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
        let is_midnight = local.num_seconds_from_midnight() == 0;
        let time = if is_midnight { String::new() } else { local.format(pattern).to_string() };
        (local.format("%Y-%m-%d").to_string(), time)
    }
}

/// A time with its exact value as a tooltip.
#[component]
pub fn Time(at: DateTime<Utc>, #[prop(optional)] style: TimeStyle) -> impl IntoView {
    let clock = ViewerClock::of_page();
    view! {
        <time datetime=at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string() title=clock.format_exactly(at)>
            {clock.format(at, style)}
        </time>
    }
}

/// The same as text, by the clock of the page.
pub fn push_time(html: &mut Markup, at: DateTime<Utc>, clock: &ViewerClock) {
    html.html("<time").attribute("datetime", &at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string());
    html.attribute("title", &clock.format_exactly(at)).html(">");
    html.text(&clock.format(at, TimeStyle::default())).html("</time>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> ViewerClock {
        ViewerClock::new("Europe/Berlin", "2026-11-20T14:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_time_is_as_short_as_the_moment_allows() {
        let shown = |time: &str| clock().format(time.parse().unwrap(), TimeStyle::Short);
        assert_eq!(shown("2026-11-20T13:52:07Z"), "14:52");
        assert_eq!(shown("2026-11-19T23:30:00Z"), "00:30");
        assert_eq!(shown("2026-11-19T13:52:07Z"), "19 Nov 14:52");
        assert_eq!(shown("2025-11-19T13:52:07Z"), "19 Nov 2025 14:52");
    }

    #[test]
    fn the_tooltip_has_microseconds_and_the_zone() {
        let exact = clock().format_exactly("2026-07-01T13:52:07.123456Z".parse().unwrap());
        assert_eq!(exact, "Wed 1 Jul 2026, 15:52:07.123456 Europe/Berlin (UTC+02:00)");
    }

    #[test]
    fn the_hour_that_comes_twice_says_which_it_is() {
        let shown = |time: &str| clock().format(time.parse().unwrap(), TimeStyle::Short);
        assert_eq!(shown("2026-10-25T00:30:00Z"), "25 Oct 02:30 CEST");
        assert_eq!(shown("2026-10-25T01:30:00Z"), "25 Oct 02:30 CET");
        assert_eq!(shown("2026-10-25T02:30:00Z"), "25 Oct 03:30");
    }

    #[test]
    fn an_unknown_zone_is_utc() {
        assert_eq!(ViewerClock::new("Mars/Olympus", DateTime::UNIX_EPOCH).zone, Tz::UTC);
    }
}
