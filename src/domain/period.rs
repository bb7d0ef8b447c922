//! The time range presets of the dashboard. Source: Canary, Email Logs API, "Time Range Filtering". A preset becomes a
//! range on the server, which knows the viewer's time zone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::filter::TimeRange;
use super::named::named;

named! {
    /// A choice of time range.
    #[derive(Default)]
    pub enum Preset, "unknown period: use today, 7d, 30d or custom" {
        /// The viewer's present day.
        Today = "today" "Today",
        /// The present day and the six before it.
        #[default]
        Last7Days = "7d" "Last 7 days",
        /// The present day and the 29 before it.
        Last30Days = "30d" "Last 30 days",
        Custom = "custom" "Custom",
    }
}

impl Preset {
    /// How many calendar days it spans; `None` for a custom range.
    pub const fn days(self) -> Option<i64> {
        match self {
            Self::Today => Some(1),
            Self::Last7Days => Some(7),
            Self::Last30Days => Some(30),
            Self::Custom => None,
        }
    }
}

/// A time range as the address says it. `from` and `to` count for [Preset::Custom] alone: a date (`2026-11-20`, `to`
/// includes that day), a local time (`2026-11-20T09:30`, in the viewer's time zone) or an instant with its offset
/// (`2026-11-20T09:30:00Z`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodChoice {
    pub preset: Preset,
    /// Where a custom range begins; open when absent.
    pub from: Option<String>,
    /// Where a custom range ends; open when absent.
    pub to: Option<String>,
}

/// A time range, resolved for one viewer at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    pub preset: Preset,
    pub range: TimeRange,
    /// As much of the time before as has passed of this range: what the change is measured against. `None` for a range
    /// with an open start.
    pub previous: Option<TimeRange>,
    /// In words, within a sentence: "the last 7 days".
    pub label: String,
    /// The moment it was resolved at.
    pub now: DateTime<Utc>,
    /// The viewer's IANA time zone.
    pub time_zone: String,
}
