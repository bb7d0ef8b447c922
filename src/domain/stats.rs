//! Counts of messages by status, as the cards and the chart show them.
//! Source of the arithmetic: Canary, Email Logs API, "Get Email Statistics".

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::email::EmailStatus;
use super::filter::StatusSet;

/// How many messages have each status now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCounts(pub [i64; EmailStatus::ALL.len()]);

impl StatusCounts {
    /// How many have `status`.
    pub const fn of(&self, status: EmailStatus) -> i64 {
        self.0[status as usize]
    }

    /// How many have a status in `set`; all of them for the empty set.
    pub fn in_set(&self, set: StatusSet) -> i64 {
        set.or_all().iter().map(|status| self.of(status)).sum()
    }

    /// The counts of the statuses in `set`, of all for the empty set, and none of the others.
    pub fn only(&self, set: StatusSet) -> Self {
        let mut counts = Self::default();
        set.or_all().iter().for_each(|status| counts.add(status, self.of(status)));
        counts
    }

    /// Changes the count of `status`.
    pub const fn add(&mut self, status: EmailStatus, count: i64) {
        self.0[status as usize] += count;
    }
}

impl std::ops::AddAssign for StatusCounts {
    fn add_assign(&mut self, other: Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

impl std::ops::SubAssign for StatusCounts {
    fn sub_assign(&mut self, other: Self) {
        for (count, less) in self.0.iter_mut().zip(other.0) {
            *count -= less;
        }
    }
}

/// The stats cards. `queued + sent + delivered + bounced + failed + spam` is `total`; `opened` and `clicked` are parts
/// of `delivered`, and `clicked` is a part of `opened`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub struct Stats {
    /// All messages of the period.
    pub total: i64,
    /// Waiting to be sent.
    pub queued: i64,
    /// Taken by a mail server, nothing more known.
    pub sent: i64,
    /// Arrived, opened or not.
    pub delivered: i64,
    /// Opened at least once.
    pub opened: i64,
    /// With a link followed at least once.
    pub clicked: i64,
    /// Refused for good.
    pub bounced: i64,
    /// Not sent.
    pub failed: i64,
    /// Marked as spam.
    pub spam: i64,
}

impl Stats {
    /// Whether messages were sent, and of none is known what became of it.
    pub const fn lacks_reports(&self) -> bool {
        self.sent > 0 && self.delivered == 0 && self.spam == 0
    }
}

impl From<StatusCounts> for Stats {
    fn from(counts: StatusCounts) -> Self {
        Self {
            total: counts.in_set(StatusSet::default()),
            queued: counts.of(EmailStatus::Queued),
            sent: counts.of(EmailStatus::Sent),
            delivered: counts.in_set(StatusSet::ARRIVED),
            opened: counts.in_set(StatusSet::READ),
            clicked: counts.of(EmailStatus::Clicked),
            bounced: counts.of(EmailStatus::Bounced),
            failed: counts.of(EmailStatus::Failed),
            spam: counts.of(EmailStatus::Spam),
        }
    }
}

/// One bar of the chart: the messages accepted from `from` up to, and without, `to`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChartBar {
    /// The first instant.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub to: DateTime<Utc>,
    pub counts: StatusCounts,
}

/// The cards and the chart of a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// The statuses that the list's messages may have; empty for any.
    pub statuses: StatusSet,
    pub stats: Stats,
    /// The counts of as much of the period before; `None` where there is no period before.
    pub previous: Option<Stats>,
    /// The chart, oldest bar first.
    pub bars: Vec<ChartBar>,
    /// Where counting stopped, for a list too long to be counted: what is older is in no number.
    pub counted_from: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up_to_the_total_as_in_the_specification() {
        let counts = StatusCounts([5, 20, 460, 570, 320, 45, 75, 5]);
        let stats = Stats::from(counts);
        let expected = Stats {
            total: 1500,
            queued: 5,
            sent: 20,
            delivered: 1350,
            opened: 890,
            clicked: 320,
            bounced: 45,
            failed: 75,
            spam: 5,
        };
        assert_eq!(stats, expected);
        assert_eq!(
            stats.queued + stats.sent + stats.delivered + stats.bounced + stats.failed + stats.spam,
            stats.total
        );
    }
}
