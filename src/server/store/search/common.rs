//! Searches that more than [COUNT_LIMIT](crate::domain::page::COUNT_LIMIT) messages match. Nobody is told how many more, so
//! what was counted is not counted again for a while: as many stay between the oldest and the newest that were counted.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::domain::filter::{EmailFilter, TimeRange};
use crate::domain::ids::TeamId;
use crate::server::store::range::IdRange;

/// For so long it may be told of messages that have been deleted since.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// How many searches are kept.
const MOST: usize = 64;

/// The searches of the last minute, in memory.
#[derive(Debug, Default)]
pub(in crate::server::store) struct CommonSearches(Mutex<VecDeque<Counted>>);

#[derive(Debug)]
struct Counted {
    at: Instant,
    team_id: TeamId,
    /// Of any range.
    filter: EmailFilter,
    ids: IdRange,
}

impl CommonSearches {
    /// Whether more messages of the range than are counted match the filter.
    pub fn has(&self, team_id: TeamId, filter: &EmailFilter, ids: IdRange) -> bool {
        let filter = of_any_range(filter);
        let is_it = |counted: &Counted| {
            counted.at.elapsed() < KEPT_FOR
                && counted.team_id == team_id
                && (ids.low <= counted.ids.low && counted.ids.high <= ids.high)
                && counted.filter == filter
        };
        self.counted().iter().any(is_it)
    }

    /// Keeps that more messages of the range than are counted match the filter.
    pub fn keep(&self, team_id: TeamId, filter: &EmailFilter, ids: IdRange) {
        let counted = Counted { at: Instant::now(), team_id, filter: of_any_range(filter), ids };
        let mut all = self.counted();
        all.truncate(MOST - 1);
        all.push_front(counted);
    }

    fn counted(&self) -> MutexGuard<'_, VecDeque<Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_any_range(filter: &EmailFilter) -> EmailFilter {
    EmailFilter { range: TimeRange::default(), ..filter.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_holds_for_the_same_search_of_no_shorter_range() {
        let common = CommonSearches::default();
        let (team, filter) = (TeamId(1), EmailFilter { search: Some("receipt".to_owned()), ..EmailFilter::default() });
        common.keep(team, &filter, IdRange { low: 10, high: 20 });
        assert!(common.has(team, &filter, IdRange { low: 10, high: 20 }));
        assert!(common.has(team, &filter, IdRange { low: 0, high: i64::MAX }));
        assert!(!common.has(team, &filter, IdRange { low: 11, high: 20 }));
        assert!(!common.has(team, &filter, IdRange { low: 10, high: 19 }));
        assert!(!common.has(TeamId(2), &filter, IdRange { low: 10, high: 20 }));
        assert!(!common.has(team, &EmailFilter::default(), IdRange { low: 10, high: 20 }));
        for number in 0..MOST {
            let filter = EmailFilter { search: Some(number.to_string()), ..EmailFilter::default() };
            common.keep(team, &filter, IdRange { low: 10, high: 20 });
        }
        assert!(!common.has(team, &filter, IdRange { low: 10, high: 20 }), "the oldest makes room");
    }
}
