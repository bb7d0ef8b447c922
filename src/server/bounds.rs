//! What bounds the requests that are answered at the same time: the requests of a key, a team's readers, the bytes of
//! bodies. Counted in memory, by each node for itself, but for the requests of a key, of which nodes tell each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use crate::domain::ids::ApiKeyId;

/// The largest request body, in bytes: a message with its attachments in base64.
pub const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;

/// How many of a team's requests read at once: half of the connections that the store reads by.
pub const READERS_OF_A_TEAM: usize = 4;

/// How many visits of tracked links are recorded at once; those that come beyond are answered and not recorded.
pub const VISITS_AT_ONCE: usize = 256;

/// What small bodies hold together, in KiB.
pub(super) const SMALL_ROOM_KIB: usize = 16 * 1024;
/// What large bodies hold together, in KiB.
pub(super) const LARGE_ROOM_KIB: usize = 64 * 1024;
/// In this time a key's requests are counted together.
pub(super) const WINDOW: Duration = Duration::from_secs(1);

/// Above how many known keys those without a running window are forgotten.
const CROWD: usize = 10_000;

/// A key counts as busy, and other nodes are told, from this part of what a node allows.
const BUSY_PART: u32 = 8;

/// For how long counts: what another node said of a key.
const SAID_LASTS: Duration = Duration::from_millis(2_500);

/// The most keys that other nodes are told of: what they are told has 8,000 bytes.
const TOLD_KEYS: usize = 200;

/// Counts the requests of each key, those of other nodes among them.
///
/// Nodes tell each other once a second how much is asked of them for busy keys (see [super::services::nodes]); each allows the part of the
/// key's limit that is its part of all that is asked. Together they keep to the limit, but for the first second of a burst.
#[derive(Debug, Default)]
pub struct RateLimiter {
    keys: Mutex<HashMap<ApiKeyId, KeyWindow>>,
}

#[derive(Debug)]
struct KeyWindow {
    began: Instant,
    /// The requests of this second, and of the whole second before.
    count: u32,
    before: u32,
    /// What other nodes said last, by their numbers.
    elsewhere: Vec<(u64, Instant, u32)>,
}

/// What becomes of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Admission {
    pub is_admitted: bool,
    /// How many more there may be in this second.
    pub remaining: u32,
}

impl KeyWindow {
    fn new(now: Instant) -> Self {
        Self { began: now, count: 0, before: 0, elsewhere: Vec::new() }
    }

    fn turn(&mut self, now: Instant) {
        let past = now.duration_since(self.began);
        if past >= WINDOW {
            self.before = if past < WINDOW * 2 { self.count } else { 0 };
            (self.began, self.count) = (now, 0);
        }
    }

    /// How many requests this node allows in a second, of `limit` that all nodes allow.
    fn share(&mut self, limit: u32, now: Instant) -> u32 {
        self.elsewhere.retain(|(_, said_at, _)| now.duration_since(*said_at) < SAID_LASTS);
        let elsewhere: u64 = self.elsewhere.iter().map(|(_, _, count)| u64::from(*count)).sum();
        let (here, limit) = (u64::from(self.count.max(self.before)), u64::from(limit));
        let share = match here + elsewhere {
            all if all <= limit => limit - elsewhere,
            all => (limit * here).div_ceil(all).max(1),
        };
        u32::try_from(share).unwrap_or(u32::MAX)
    }

    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= WINDOW * 2 && self.elsewhere.is_empty()
    }
}

impl RateLimiter {
    /// Counts one more request of a key that may make `limit` in a second.
    pub(super) fn admit(&self, key: ApiKeyId, limit: u32, now: Instant) -> Admission {
        let mut keys = self.lock();
        if keys.len() > CROWD {
            keys.retain(|_, window| !window.is_over(now));
        }
        let window = keys.entry(key).or_insert_with(|| KeyWindow::new(now));
        window.turn(now);
        window.count = window.count.saturating_add(1);
        let share = window.share(limit, now);
        Admission { is_admitted: window.count <= share, remaining: share.saturating_sub(window.count) }
    }

    /// How much is asked for busy keys, of which a node allows up to `limit` requests in a second: for other nodes.
    pub(super) fn demand(&self, limit: u32, now: Instant) -> Vec<(ApiKeyId, u32)> {
        let mut keys = self.lock();
        let mut busy: Vec<(ApiKeyId, u32)> = keys
            .iter_mut()
            .map(|(key, window)| {
                window.turn(now);
                (*key, window.count.max(window.before))
            })
            // A key's own limit may be far below the server's.
            .filter(|(_, count)| *count > 0 && *count >= limit.min(80) / BUSY_PART)
            .collect();
        busy.sort_unstable_by_key(|(_, count)| std::cmp::Reverse(*count));
        busy.truncate(TOLD_KEYS);
        busy
    }

    /// Takes what another node says of its requests.
    pub(super) fn hear(&self, node: u64, demand: &[(ApiKeyId, u32)], now: Instant) {
        let mut keys = self.lock();
        for (key, count) in demand {
            let window = keys.entry(*key).or_insert_with(|| KeyWindow::new(now));
            window.elsewhere.retain(|(other, _, _)| *other != node);
            window.elsewhere.push((node, now, *count));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ApiKeyId, KeyWindow>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The room for bodies, shared by all requests.
#[derive(Debug)]
pub struct BodyRoom {
    /// For small ones, in KiB.
    pub(super) small: Arc<Semaphore>,
    /// For large ones, in KiB.
    pub(super) large: Arc<Semaphore>,
}

impl Default for BodyRoom {
    fn default() -> Self {
        Self { small: Arc::new(Semaphore::new(SMALL_ROOM_KIB)), large: Arc::new(Semaphore::new(LARGE_ROOM_KIB)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: ApiKeyId = ApiKeyId(1);

    #[test]
    fn a_key_is_counted_by_the_second() {
        let (limiter, start) = (RateLimiter::default(), Instant::now());
        let remaining = |key, now| limiter.admit(key, 2, now);
        let admitted = |remaining| Admission { is_admitted: true, remaining };
        assert_eq!([remaining(KEY, start), remaining(KEY, start + WINDOW / 2)], [admitted(1), admitted(0)]);
        assert!(!remaining(KEY, start + WINDOW / 2).is_admitted);
        assert_eq!(remaining(ApiKeyId(2), start), admitted(1));
        assert_eq!(remaining(KEY, start + WINDOW), admitted(1));
    }

    /// Lets nodes take so many requests of a key in each of some seconds; how many all of them admitted in the last one.
    fn admitted_together(requests: &[u32], limit: u32) -> u32 {
        let nodes: Vec<RateLimiter> = requests.iter().map(|_| RateLimiter::default()).collect();
        let mut now = Instant::now();
        let mut admitted = 0;
        for _ in 0..5 {
            admitted = 0;
            for (node, count) in nodes.iter().zip(requests) {
                admitted += (0..*count).filter(|_| node.admit(KEY, limit, now).is_admitted).count() as u32;
            }
            for (number, node) in nodes.iter().enumerate() {
                let demand = node.demand(limit, now);
                for (_, other) in nodes.iter().enumerate().filter(|(other, _)| *other != number) {
                    other.hear(number as u64, &demand, now);
                }
            }
            now += WINDOW;
        }
        admitted
    }

    #[test]
    fn nodes_keep_to_a_limit_together_and_give_all_of_it() {
        for requests in [&[300, 300, 300][..], &[1_000, 10], &[100, 0, 0], &[400, 400]] {
            let (all, limit) = (requests.iter().sum::<u32>(), 400);
            let admitted = admitted_together(requests, limit);
            assert!(admitted <= limit + 3, "{requests:?}: {admitted}");
            assert!(admitted + 60 >= all.min(limit), "{requests:?}: {admitted}");
        }
    }

    #[test]
    fn what_a_node_said_is_forgotten_when_it_says_no_more() {
        let (limiter, now) = (RateLimiter::default(), Instant::now());
        limiter.hear(7, &[(KEY, 90)], now);
        assert_eq!(limiter.admit(KEY, 100, now).remaining, 9);
        assert_eq!(limiter.admit(KEY, 100, now + SAID_LASTS).remaining, 99);
    }
}
