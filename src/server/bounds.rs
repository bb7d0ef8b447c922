//! What bounds the requests that are answered at the same time: the requests of a key, a team's readers, the bytes of
//! bodies. Counted in memory, by each node for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
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

/// Counts the requests of each key.
#[derive(Debug, Default)]
pub struct RateLimiter {
    windows: Mutex<HashMap<ApiKeyId, (Instant, u32)>>,
}

impl RateLimiter {
    /// Counts one more request; how many there were in this second, with it.
    pub(super) fn count(&self, key: ApiKeyId, now: Instant) -> u32 {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() > CROWD {
            windows.retain(|_, (began, _)| now.duration_since(*began) < WINDOW);
        }
        let window = windows.entry(key).or_insert((now, 0));
        if now.duration_since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1
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

    #[test]
    fn a_key_is_counted_by_the_second() {
        let (limiter, start) = (RateLimiter::default(), Instant::now());
        let key = ApiKeyId(1);
        assert_eq!([limiter.count(key, start), limiter.count(key, start + WINDOW / 2)], [1, 2]);
        assert_eq!(limiter.count(ApiKeyId(2), start), 1);
        assert_eq!(limiter.count(key, start + WINDOW), 1);
    }
}
