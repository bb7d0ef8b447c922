//! One after the other, or a few at a time. Requests that came with the same idempotency key: a repetition that came while the
//! first is still being answered waits for that answer, whatever happens meanwhile to what both name. Called by
//! [super::services::send]. Another program on the same database knows nothing of it; there the key's row decides. And
//! requests of one team that read, so that they leave room for other teams: the web server has a layer for that.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::ids::TeamId;

/// A team, an endpoint and a key that was chosen for it.
pub type OnceKey = (TeamId, &'static str, String);

/// Who has a turn now, and who waits, by key. A key that nobody has is not kept.
#[derive(Debug)]
pub struct Turns<K> {
    /// How many have a key's turn at once.
    places: usize,
    known: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A turn, or a place among those who wait for one. It ends with the value.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash> {
    turns: Arc<Turns<K>>,
    key: K,
    held: Option<OwnedSemaphorePermit>,
}

impl<K> Turns<K> {
    /// So many have a key's turn at once.
    pub fn of(places: usize) -> Self {
        Self { places, known: Mutex::default() }
    }
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// Waits until fewer than that have the key's turn, in the order of those who ask.
    pub async fn take(self: &Arc<Self>, key: K) -> Turn<K> {
        let new = || Arc::new(Semaphore::new(self.places));
        let places = Arc::clone(self.known().entry(key.clone()).or_insert_with(new));
        // Made before the waiting: whoever stops to wait leaves nothing behind.
        let mut turn = Turn { turns: Arc::clone(self), key, held: None };
        // Nobody closes it.
        turn.held = places.acquire_owned().await.ok();
        turn
    }
}

impl<K> Turns<K> {
    fn known(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
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
        let (turns, inside) = (Arc::new(Turns::of(1)), Arc::new(AtomicUsize::new(0)));
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
        let turns = Arc::new(Turns::of(1));
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

    #[tokio::test]
    async fn a_key_has_its_places_and_another_key_its_own() {
        let turns = Arc::new(Turns::of(2));
        let held = (turns.take(1).await, turns.take(1).await);
        let third = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move { drop(turns.take(1).await) }
        });
        drop(turns.take(2).await);
        tokio::task::yield_now().await;
        assert!(!third.is_finished());
        drop(held);
        third.await.unwrap();
    }
}
