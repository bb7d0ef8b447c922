//! Time and the ids minted from it. Everything that needs either is handed a [Clock]; tests hand one that they set.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::ids::{SEQUENCE_BITS, lowest_id_at};

/// The time, and the ids that carry it.
#[derive(Clone, Debug)]
pub struct Clock {
    fixed_micros: Option<Arc<AtomicI64>>,
    last_id: Arc<AtomicI64>,
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Self {
        Self { fixed_micros: None, last_id: Arc::default() }
    }

    /// A clock that stands still at `time` until it is moved.
    pub fn fixed(time: DateTime<Utc>) -> Self {
        Self { fixed_micros: Some(Arc::new(AtomicI64::new(time.timestamp_micros()))), last_id: Arc::default() }
    }

    /// Moves a fixed clock forwards; a system clock is left alone.
    pub fn advance(&self, by: TimeDelta) {
        if let Some(micros) = &self.fixed_micros {
            micros.fetch_add(by.num_microseconds().unwrap_or(i64::MAX), Ordering::SeqCst);
        }
    }

    /// The present instant, to the microsecond.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn now(&self) -> DateTime<Utc> {
        let micros = match &self.fixed_micros {
            Some(micros) => micros.load(Ordering::SeqCst),
            None => Utc::now().timestamp_micros(),
        };
        DateTime::UNIX_EPOCH + TimeDelta::microseconds(micros)
    }

    /// A fresh id of any noun, larger than every id this clock minted before. Its first number in a millisecond is
    /// random, so that two nodes seldom mint the same.
    pub fn mint<Id: From<i64>>(&self) -> Id {
        let start = rand::random_range(0..1_i64 << (SEQUENCE_BITS - 1));
        let candidate = lowest_id_at(self.now()) + start;
        let mint = |last: i64| Some(candidate.max(last + 1));
        let last = self.last_id.fetch_update(Ordering::SeqCst, Ordering::SeqCst, mint);
        let last = last.unwrap_or_else(|last| last);
        Id::from(candidate.max(last + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::EmailId;

    #[test]
    fn ids_grow_within_one_instant() {
        let clock = Clock::fixed(DateTime::from_timestamp_millis(1_795_265_892_123).unwrap());
        let ids: Vec<EmailId> = (0..1000).map(|_| clock.mint()).collect();
        assert!(ids.is_sorted_by(|a, b| a < b));
        assert_eq!(ids[0].created_at(), clock.now());
    }
}
