//! One after the other: requests that came with the same idempotency key. A repetition that came while the first is still
//! being answered waits for that answer, whatever happens meanwhile to what both name. Called by [super::services::send].
//! Another program on the same database knows nothing of it; there the key's row decides.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OwnedMutexGuard;

/// Who has a turn now, and who waits, by key. A key that nobody has is not kept.
#[derive(Debug)]
pub struct Turns<K> {
    known: Mutex<HashMap<K, Arc<tokio::sync::Mutex<()>>>>,
}

/// A turn, or a place among those who wait for one. It ends with the value.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash> {
    turns: Arc<Turns<K>>,
    key: K,
    held: Option<OwnedMutexGuard<()>>,
}

impl<K> Default for Turns<K> {
    fn default() -> Self {
        Self { known: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Waits until nobody else has the key's turn, in the order of those who ask.
    pub async fn take(self: &Arc<Self>, key: K) -> Turn<K> {
        let lock = Arc::clone(self.known().entry(key.clone()).or_default());
        // Made before the waiting: whoever stops to wait leaves nothing behind.
        let mut turn = Turn { turns: Arc::clone(self), key, held: None };
        turn.held = Some(lock.lock_owned().await);
        turn
    }
}

impl<K> Turns<K> {
    fn known(&self) -> MutexGuard<'_, HashMap<K, Arc<tokio::sync::Mutex<()>>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        drop(self.held.take());
        let mut known = self.turns.known();
        if known.get(&self.key).is_some_and(|lock| Arc::strong_count(lock) == 1) {
            known.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn one_has_the_turn_and_nothing_is_left_of_those_who_had_it() {
        let (turns, inside) = (Arc::new(Turns::default()), Arc::new(AtomicUsize::new(0)));
        let task = |place: usize| {
            let (turns, inside) = (Arc::clone(&turns), Arc::clone(&inside));
            tokio::spawn(async move {
                let turn = turns.take("key").await;
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                tokio::task::yield_now().await;
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(turn);
                place
            })
        };
        for running in (0..50).map(task).collect::<Vec<_>>() {
            running.await.unwrap();
        }
        assert!(turns.known().is_empty());
    }

    #[tokio::test]
    async fn whoever_stops_to_wait_leaves_nothing_behind() {
        let turns = Arc::new(Turns::default());
        let first = turns.take(1).await;
        let other = turns.take(2).await;
        let waiting = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { drop(turns.take(1).await) }
        });
        tokio::task::yield_now().await;
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        drop((first, other));
        assert!(turns.known().is_empty());
        drop(turns.take(1).await);
    }
}
