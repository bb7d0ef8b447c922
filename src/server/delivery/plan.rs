//! Who sends next. Every running attempt holds a [Slot] of its adapter and its team; [Slots::share] says how many messages
//! of which queue to lease, so that an adapter that is slow, or a team with very much to send, stops nobody else, and large
//! messages do not fill the memory. Called by [super::worker].

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::ids::{AdapterId, EmailId, TeamId};
use crate::server::store::outbox::{Lease, Queue, Share};

/// How many bytes an attempt holds for each byte of its message: what was loaded, its parts in base64, and the whole.
const HELD_FOR_A_BYTE: usize = 4;

/// A message up to this size finds memory always, in bytes.
const SMALL: usize = 64 * 1024;

/// How long a queue rests whose next message found no memory.
const REST: Duration = Duration::from_secs(1);

/// The longest that a server's wish for a pause keeps a whole queue. Each message's own next attempt keeps more.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);

/// The places for attempts that run at once, and the memory for their messages.
#[derive(Debug)]
pub(super) struct Slots {
    all: usize,
    per_adapter: usize,
    memory: usize,
    taken: Mutex<Taken>,
}

/// How many attempts run, and how many bytes they hold.
#[derive(Clone, Debug, Default)]
struct Taken {
    all: usize,
    by_team: HashMap<TeamId, usize>,
    by_adapter: HashMap<(TeamId, AdapterId), usize>,
    held: usize,
    held_by_team: HashMap<TeamId, usize>,
    /// The messages under way, with their leases.
    messages: HashMap<(TeamId, EmailId), Arc<AtomicI64>>,
    /// The queues that rest for want of memory, until when.
    resting: HashMap<(TeamId, AdapterId), Instant>,
    /// The queues whose adapter's server asked for a pause, until when.
    paused: HashMap<(TeamId, AdapterId), Instant>,
}

/// The place of one attempt, free again with the value's end.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    key: (TeamId, AdapterId),
    email_id: EmailId,
    holds: usize,
}

/// Why a leased message is not sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSlot {
    NoMemory,
    IsRunning,
}

impl Slots {
    /// So many places in all, so many for one adapter, and so many bytes of memory.
    pub fn new(all: usize, per_adapter: usize, memory: usize) -> Self {
        Self { all, per_adapter, memory, taken: Mutex::default() }
    }

    /// Takes a place for the message of a lease, whether or not there is room: its row is leased already. When there is no
    /// memory for it now, its queue rests for a moment. A message whose attempt runs already is one whose lease ended while
    /// the whole program stood still: the attempt goes on with the new lease.
    pub fn take(self: &Arc<Self>, lease: &Lease) -> Result<Slot, NoSlot> {
        let key = (lease.team_id, lease.adapter_id);
        let team_id = lease.team_id;
        let bytes = usize::try_from(lease.bytes).unwrap_or(usize::MAX);
        let holds = if bytes > SMALL { bytes.saturating_mul(HELD_FOR_A_BYTE) } else { 0 };
        let mut taken = self.taken();
        let message = (team_id, lease.email_id);
        if let Some(running) = taken.messages.get(&message) {
            running.store(lease.lease_id.load(Ordering::SeqCst), Ordering::SeqCst);
            return Err(NoSlot::IsRunning);
        }
        if holds > 0 && !self.has_memory(&taken, team_id, holds) {
            let now = Instant::now();
            taken.resting.retain(|_, until| *until > now);
            taken.resting.insert(key, now + REST);
            return Err(NoSlot::NoMemory);
        }
        taken.add(key);
        taken.hold(team_id, holds);
        taken.messages.insert(message, Arc::clone(&lease.lease_id));
        Ok(Slot { slots: Arc::clone(self), key, email_id: lease.email_id, holds })
    }

    /// As with places: a team holds at most half of what the others leave; its first message may take all that is left, and
    /// one that is larger than everything goes alone.
    fn has_memory(&self, taken: &Taken, team_id: TeamId, holds: usize) -> bool {
        let of_team = taken.held_by_team.get(&team_id).copied().unwrap_or_default();
        let left_by_others = self.memory.saturating_sub(taken.held - of_team);
        match of_team {
            0 => holds <= left_by_others || taken.held == 0,
            _ => of_team + holds <= left_by_others / 2,
        }
    }

    /// Leases no more messages of a queue for as long as its adapter's server asks.
    pub fn pause(&self, key: (TeamId, AdapterId), pause: Duration) {
        let mut taken = self.taken();
        let now = Instant::now();
        taken.paused.retain(|_, until| *until > now);
        taken.paused.insert(key, now + pause.min(LONGEST_PAUSE));
    }

    /// How many more messages of this queue may be sent now.
    pub fn room(&self, queue: &Queue) -> usize {
        self.room_in(&self.taken(), queue)
    }

    /// How many messages of each of these queues to lease: one of each in turn, until there is no room. Those come first
    /// whose team and adapter have the fewest under way, then those that are due the longest.
    pub fn share(&self, mut due: Vec<Queue>) -> Vec<Share> {
        let mut taken = self.taken().clone();
        due.sort_by_key(|queue| {
            let (of_team, of_adapter) = taken.of(queue);
            (of_team, of_adapter, queue.due_at())
        });
        let mut shares: Vec<Share> =
            due.iter().map(|queue| Share { team_id: queue.team_id, adapter_id: queue.adapter_id, count: 0 }).collect();
        loop {
            let before = taken.all;
            for (queue, share) in due.iter().zip(&mut shares) {
                if self.room_in(&taken, queue) > 0 {
                    taken.add((queue.team_id, queue.adapter_id));
                    share.count += 1;
                }
            }
            if taken.all == before {
                break;
            }
        }
        shares.retain(|share| share.count > 0);
        shares
    }

    /// A team has at most half of the places that the others leave: however many teams hold what they can, one that comes
    /// with its first message finds a place, while there are places at all.
    fn room_in(&self, taken: &Taken, queue: &Queue) -> usize {
        let key = (queue.team_id, queue.adapter_id);
        let stands = |waiting: &HashMap<_, Instant>| waiting.get(&key).is_some_and(|until| *until > Instant::now());
        if stands(&taken.resting) || stands(&taken.paused) {
            return 0;
        }
        let (of_team, of_adapter) = taken.of(queue);
        let for_team = self.all.saturating_sub(taken.all - of_team).div_ceil(2);
        let free = self.all.saturating_sub(taken.all);
        free.min(for_team.saturating_sub(of_team)).min(self.per_adapter.saturating_sub(of_adapter))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// How many attempts of its team and of its adapter run.
    fn of(&self, queue: &Queue) -> (usize, usize) {
        let of_team = self.by_team.get(&queue.team_id).copied().unwrap_or_default();
        (of_team, self.by_adapter.get(&(queue.team_id, queue.adapter_id)).copied().unwrap_or_default())
    }

    fn add(&mut self, key: (TeamId, AdapterId)) {
        self.all += 1;
        *self.by_team.entry(key.0).or_default() += 1;
        *self.by_adapter.entry(key).or_default() += 1;
    }

    fn hold(&mut self, team_id: TeamId, bytes: usize) {
        if bytes > 0 {
            self.held += bytes;
            *self.held_by_team.entry(team_id).or_default() += bytes;
        }
    }

    fn remove(&mut self, key: (TeamId, AdapterId), holds: usize) {
        self.all -= 1;
        subtract(&mut self.by_team, key.0, 1);
        subtract(&mut self.by_adapter, key, 1);
        if holds > 0 {
            self.held -= holds;
            subtract(&mut self.held_by_team, key.0, holds);
            // There is memory again.
            self.resting.clear();
        }
    }
}

fn subtract<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, usize>, key: K, count: usize) {
    if let Some(left) = counts.get_mut(&key) {
        *left -= count;
        if *left == 0 {
            counts.remove(&key);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = self.slots.taken();
        taken.remove(self.key, self.holds);
        taken.messages.remove(&(self.key.0, self.email_id));
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;

    const MIB: usize = 1024 * 1024;

    fn queue(team: i64, adapter: i64, due_s: i64) -> Queue {
        Queue::at(TeamId(team), AdapterId(adapter), DateTime::UNIX_EPOCH + TimeDelta::seconds(due_s))
    }

    /// What each queue's share is, in the order of the plan.
    fn shares(slots: &Slots, due: &[Queue]) -> Vec<(i64, i64, usize)> {
        let shares = slots.share(due.to_vec()).into_iter();
        shares.map(|share| (share.team_id.0, share.adapter_id.0, share.count)).collect()
    }

    fn lease(team: i64, adapter: i64, bytes: usize) -> Lease {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        Lease {
            lease_id: Arc::new(AtomicI64::new(number)),
            team_id: TeamId(team),
            adapter_id: AdapterId(adapter),
            email_id: EmailId(number),
            pending: Vec::new(),
            attempts: 0,
            in_doubt: false,
            tried: Vec::new(),
            stays: false,
            trace: None,
            was_cut_off: false,
            bytes: bytes as i64,
        }
    }

    fn take(slots: &Arc<Slots>, team: i64, adapter: i64, count: usize) -> Vec<Slot> {
        (0..count).map(|_| slots.take(&lease(team, adapter, 100)).unwrap()).collect()
    }

    #[test]
    fn an_adapter_has_its_places_and_no_more() {
        let slots = Arc::new(Slots::new(32, 8, MIB));
        assert_eq!(shares(&slots, &[queue(1, 1, 0)]), [(1, 1, 8)]);
        let mut taken = take(&slots, 1, 1, 8);
        assert_eq!((shares(&slots, &[queue(1, 1, 0)]), slots.room(&queue(1, 1, 0))), (vec![], 0));
        taken.truncate(6);
        assert_eq!(shares(&slots, &[queue(1, 1, 0)]), [(1, 1, 2)]);
    }

    #[test]
    fn a_team_has_at_most_half_of_what_the_others_leave() {
        let slots = Arc::new(Slots::new(32, 8, MIB));
        let many: Vec<Queue> = (1..=9).map(|adapter| queue(1, adapter, 0)).collect();
        assert_eq!(shares(&slots, &many).iter().map(|share| share.2).sum::<usize>(), 16);
        let _first = take(&slots, 1, 1, 16);
        let _second = take(&slots, 2, 2, 8);
        assert_eq!(slots.room(&queue(3, 3, 0)), 4, "half of the 8 that are left");
    }

    #[test]
    fn a_team_that_comes_with_its_first_message_finds_a_place() {
        let slots = Arc::new(Slots::new(32, 8, MIB));
        let mut taken = Vec::new();
        // Each team takes all it may, by as many adapters as it needs, and keeps it.
        for team in 1..=5 {
            for share in slots.share((1..=9).map(|adapter| queue(team, 10 * team + adapter, 0)).collect()) {
                taken.extend(take(&slots, team, share.adapter_id.0, share.count));
            }
        }
        assert_eq!(slots.room(&queue(6, 1, 0)), 1);
    }

    #[test]
    fn queues_take_turns_and_those_with_the_least_under_way_come_first() {
        let slots = Arc::new(Slots::new(8, 8, MIB));
        let due = [queue(1, 1, 0), queue(2, 2, 1), queue(3, 3, 2)];
        assert_eq!(shares(&slots, &due), [(1, 1, 2), (2, 2, 2), (3, 3, 2)]);
        let taken = take(&slots, 1, 1, 3);
        assert_eq!(shares(&slots, &due), [(2, 2, 2), (3, 3, 2)]);
        drop(taken);
        assert_eq!(shares(&slots, &[queue(1, 1, 5), queue(2, 2, 1)]), [(2, 2, 3), (1, 1, 3)]);
    }

    #[test]
    fn one_place_is_enough_to_send() {
        let slots = Arc::new(Slots::new(1, 8, MIB));
        assert_eq!(shares(&slots, &[queue(1, 1, 0), queue(2, 2, 1)]), [(1, 1, 1)]);
    }

    #[test]
    fn large_messages_of_a_team_hold_at_most_half_of_the_memory_that_others_leave() {
        let slots = Arc::new(Slots::new(32, 8, 8 * MIB));
        let take = |team, bytes| slots.take(&lease(team, team, bytes));
        let half_mib = MIB / 2;
        let first = [take(1, half_mib), take(1, half_mib), take(1, half_mib)].map(|slot| slot.is_ok());
        assert_eq!(first, [true, true, false], "each holds two MiB");
        let (_one, two) = (take(1, half_mib).unwrap(), take(1, half_mib).unwrap());
        assert_eq!(take(1, half_mib).unwrap_err(), NoSlot::NoMemory);
        assert_eq!((slots.room(&queue(1, 1, 0)), slots.room(&queue(2, 2, 0))), (0, 8), "its queue rests");
        assert!(take(1, SMALL).is_ok(), "a small one is sent");
        let _other = take(2, half_mib).unwrap();
        drop(two);
        assert!(slots.room(&queue(1, 1, 0)) > 0, "there is memory again");
    }

    #[test]
    fn a_queue_whose_server_asks_for_a_pause_waits_and_no_other_does() {
        let slots = Arc::new(Slots::new(32, 8, MIB));
        slots.pause((TeamId(1), AdapterId(1)), Duration::from_secs(60));
        assert_eq!((slots.room(&queue(1, 1, 0)), slots.room(&queue(1, 2, 0))), (0, 8));
        slots.pause((TeamId(1), AdapterId(1)), Duration::ZERO);
        assert_eq!(slots.room(&queue(1, 1, 0)), 8);
    }

    #[test]
    fn a_message_that_is_larger_than_the_memory_goes_alone() {
        let slots = Arc::new(Slots::new(32, 8, MIB));
        let large = slots.take(&lease(1, 1, MIB)).unwrap();
        assert!(slots.take(&lease(2, 2, MIB)).is_err());
        drop(large);
        assert!(slots.take(&lease(2, 2, MIB)).is_ok());
    }

    #[test]
    fn an_attempt_goes_on_with_the_lease_that_follows_its_own() {
        let slots = Arc::new(Slots::new(32, 8, MIB));
        let first = lease(1, 1, 100);
        let slot = slots.take(&first).unwrap();
        let second = Lease { lease_id: Arc::new(AtomicI64::new(7)), ..first.clone() };
        assert_eq!(slots.take(&second).unwrap_err(), NoSlot::IsRunning);
        assert_eq!(first.lease_id.load(Ordering::SeqCst), 7);
        drop(slot);
        assert!(slots.take(&second).is_ok());
    }
}
