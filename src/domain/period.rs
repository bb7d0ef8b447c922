//! The time range presets of the dashboard. Source: Canary, Email Logs API, "Time Range Filtering". A preset becomes a
//! range on the server, which knows the viewer's time zone.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::filter::TimeRange;
use super::named::named;

named! {
    /// A choice of time range.
    #[derive(Default)]
    pub enum Preset, "unknown period: use 1h, 24h, today, yesterday, 7d, 30d, 90d, all or custom" {
        /// The 60 minutes before now.
        LastHour = "1h" "Last hour",
        /// The 24 hours before now.
        Last24Hours = "24h" "Last 24 hours",
        /// The viewer's present day.
        Today = "today" "Today",
        /// The viewer's day before.
        Yesterday = "yesterday" "Yesterday",
        /// The present day and the six before it.
        #[default]
        Last7Days = "7d" "Last 7 days",
        /// The present day and the 29 before it.
        Last30Days = "30d" "Last 30 days",
        /// The present day and the 89 before it.
        Last90Days = "90d" "Last 90 days",
        AllTime = "all" "All time",
        Custom = "custom" "Custom",
    }
}

impl Preset {
    /// The period in a sentence: " in the last 7 days"; " in this period" for one that has no name.
    pub const fn within(self) -> &'static str {
        match self {
            Self::LastHour => " in the last hour",
            Self::Last24Hours => " in the last 24 hours",
            Self::Today => " today",
            Self::Yesterday => " yesterday",
            Self::Last7Days => " in the last 7 days",
            Self::Last30Days => " in the last 30 days",
            Self::Last90Days => " in the last 90 days",
            Self::AllTime => " in all time",
            Self::Custom => " in this period",
        }
    }
}

/// A time range as the address says it. `from` and `to` count for [Preset::Custom] alone: a date (`2026-11-20`, `to`
/// includes that day), a local time (`2026-11-20T09:30`, in the viewer's time zone) or an instant with its offset
/// (`2026-11-20T09:30:00Z`), which means the same to every viewer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodChoice {
    pub preset: Preset,
    /// Where a custom range begins; open when absent.
    pub from: Option<String>,
    /// Where a custom range ends; open when absent.
    pub to: Option<String>,
    /// A custom range in words, in the place of both: `16:40-16:50 yesterday`.
    pub typed: Option<String>,
}

impl PeriodChoice {
    /// The choice of a preset.
    pub fn of(preset: Preset) -> Self {
        Self { preset, ..Self::default() }
    }

    /// The choice that means this range to every viewer, whenever they look.
    pub fn exactly(range: TimeRange) -> Self {
        let text = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
        let (from, to) = (range.from.map(text), range.to.map(text));
        let preset = if from.is_none() && to.is_none() { Preset::AllTime } else { Preset::Custom };
        Self { preset, from, to, typed: None }
    }

    /// Whether a custom range is said by the viewer's own clock, so that it means another one elsewhere.
    pub fn is_local(&self) -> bool {
        let is_local = |text: &String| DateTime::parse_from_rfc3339(text).is_err();
        self.typed.is_some() || self.from.as_ref().is_some_and(is_local) || self.to.as_ref().is_some_and(is_local)
    }
}

/// A time range, resolved for one viewer at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub preset: Preset,
    pub range: TimeRange,
    /// As much of the time before as has passed of this range: what the change is measured against. `None` for a range
    /// with an open start.
    pub previous: Option<TimeRange>,
    /// In words, for a heading: "Last 7 days", "28 Nov 2026, 16:40 – 16:50".
    pub label: String,
    /// The moment it was resolved at.
    pub now: DateTime<Utc>,
    /// The viewer's IANA time zone.
    pub time_zone: String,
}

impl Period {
    /// The period as a link says it to others: the instants between which it is now.
    pub fn for_others(&self) -> PeriodChoice {
        PeriodChoice::exactly(TimeRange { to: Some(self.range.to.unwrap_or(self.now)), ..self.range })
    }

    /// The same, cut to what lies in `range`; a custom one where that changes it.
    pub fn cut_to(self, range: TimeRange, label: impl FnOnce(TimeRange) -> String) -> Self {
        if range == self.range {
            return self;
        }
        Self { preset: Preset::Custom, range, previous: None, label: label(range), ..self }
    }
}
