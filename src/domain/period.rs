//! The time range presets of the dashboard. Source: Canary, Email Logs API, "Time Range Filtering". A preset becomes a
//! range on the server, which knows the viewer's time zone.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::filter::TimeRange;

/// A choice of time range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Preset {
    /// The viewer's present day.
    Today,
    /// The present day and the six before it.
    #[default]
    Last7Days,
    /// The present day and the 29 before it.
    Last30Days,
    Custom,
}

impl Preset {
    /// Every preset, in the order the page shows them.
    pub const ALL: [Preset; 4] = [Self::Today, Self::Last7Days, Self::Last30Days, Self::Custom];

    /// Its name in the address.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Today => "today",
            Self::Last7Days => "7d",
            Self::Last30Days => "30d",
            Self::Custom => "custom",
        }
    }

    /// Its name on the page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Today => "Today",
            Self::Last7Days => "Last 7 days",
            Self::Last30Days => "Last 30 days",
            Self::Custom => "Custom",
        }
    }

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

/// A name that is no preset's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown period: use today, 7d, 30d or custom")]
pub struct UnknownPreset;

impl std::str::FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        Self::ALL.into_iter().find(|preset| preset.as_str() == name).ok_or(UnknownPreset)
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
