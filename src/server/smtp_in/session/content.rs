//! A message while it is being read: its bytes as far as they are kept, and why they are not. Called by
//! [super::transaction].
//! Source: RFC 1870, section 6 (a message that is too large is read to its end, then refused).

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::super::protocol::reply::Reply;

/// Memory is taken from the room in pieces of this size.
const KIB: usize = 1024;
/// The first memory of a message, in bytes. It takes nothing of the room: most messages are no larger, and never wait for large
/// ones.
const FIRST_BYTES: usize = 64 * KIB;

/// The memory for all large messages that are being read. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Room {
    kib: Arc<Semaphore>,
}

impl Room {
    /// Room for as many bytes.
    pub fn new(bytes: usize) -> Self {
        Self { kib: Arc::new(Semaphore::new((bytes / KIB).min(Semaphore::MAX_PERMITS))) }
    }

    fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(KIB)).ok()?;
        Arc::clone(&self.kib).try_acquire_many_owned(kib).ok()
    }
}

/// A message that is being read.
pub(super) struct Content {
    kept: Vec<u8>,
    /// What `kept` takes of the room.
    taken: Option<OwnedSemaphorePermit>,
    room: Room,
    limit_bytes: usize,
    /// How many bytes have been read, kept or not.
    pub(super) read_bytes: u64,
    fault: Option<Fault>,
}

/// Why a message is read and not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    TooLarge,
    NoRoom,
    BareLineEnd,
}

/// A message that was read, and the room that it takes until it is dropped.
pub(super) struct Whole {
    pub(super) message: Bytes,
    pub(super) _taken: Option<OwnedSemaphorePermit>,
}

impl Content {
    pub(super) fn new(room: Room, limit_bytes: usize) -> Self {
        Self { kept: Vec::new(), taken: None, room, limit_bytes, read_bytes: 0, fault: None }
    }

    /// Keeps a piece, unless the message cannot be kept.
    pub(super) fn add(&mut self, piece: &[u8]) {
        self.read_bytes = self.read_bytes.saturating_add(piece.len() as u64);
        if self.fault.is_some() {
            return;
        }
        let length = self.kept.len().saturating_add(piece.len());
        if length > self.limit_bytes {
            self.give_up(Fault::TooLarge);
        } else if !self.has_room_for(length) {
            self.give_up(Fault::NoRoom);
        } else {
            self.kept.extend_from_slice(piece);
        }
    }

    /// Whether the message is refused, whatever follows.
    pub(super) fn is_refused(&self) -> bool {
        self.fault.is_some()
    }

    /// Refuses the message for a line that ends in a CR or LF alone.
    pub(super) fn refuse_line_ends(&mut self) {
        if self.fault.is_none() {
            self.give_up(Fault::BareLineEnd);
        }
    }

    fn give_up(&mut self, fault: Fault) {
        self.fault = Some(fault);
        self.kept = Vec::new();
        self.taken = None;
    }

    /// Makes sure of the memory before it is used. It doubles, so that a large message is moved a few times only.
    fn has_room_for(&mut self, length: usize) -> bool {
        if length <= self.kept.capacity() {
            return true;
        }
        let capacity = length.max(self.kept.capacity() * 2).max(FIRST_BYTES).min(self.limit_bytes.max(length));
        if capacity > FIRST_BYTES {
            let held = self.taken.as_ref().map_or(0, |taken| taken.num_permits() * KIB);
            let Some(more) = self.room.take(capacity - held) else { return false };
            match &mut self.taken {
                Some(taken) => taken.merge(more),
                None => self.taken = Some(more),
            }
        }
        self.kept.reserve_exact(capacity - self.kept.len());
        true
    }

    /// The whole message, or why it is refused.
    pub(super) fn finish(self) -> Result<Whole, Reply> {
        match self.fault {
            None => Ok(Whole { message: Bytes::from(self.kept), _taken: self.taken }),
            Some(Fault::TooLarge) => Err(too_large(self.limit_bytes)),
            Some(Fault::NoRoom) => Err(Reply::new(452, (3, 1), "Too many messages at once: try again in a minute")),
            Some(Fault::BareLineEnd) => {
                Err(Reply::new(550, (6, 11), "A line of the message ends in CR or LF alone: end lines with CRLF"))
            }
        }
    }
}

/// That a message is larger than the server takes.
pub(super) fn too_large(limit_bytes: usize) -> Reply {
    Reply::new(552, (3, 4), format!("A message has at most {limit_bytes} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_takes_room_while_it_is_kept_and_no_longer() {
        let room = Room::new(256 * KIB);
        let mut one = Content::new(room.clone(), 1024 * KIB);
        one.add(&[b'a'; 100 * KIB]);
        let mut other = Content::new(room.clone(), 1024 * KIB);
        (0..200).for_each(|_| other.add(&[b'b'; KIB]));
        // What is read on and not kept takes no room.
        assert!(other.is_refused() && room.kib.available_permits() == 156);
        assert_eq!(other.finish().err().map(|reply| reply.code()), Some(452));
        let whole = one.finish().unwrap();
        assert_eq!((whole.message.len(), room.kib.available_permits()), (100 * KIB, 156));
        drop(whole);
        assert_eq!(room.kib.available_permits(), 256);
    }

    #[test]
    fn a_small_message_never_waits_for_large_ones() {
        let room = Room::new(0);
        let mut small = Content::new(room.clone(), 1024 * KIB);
        (0..64).for_each(|_| small.add(&[b'a'; KIB]));
        assert!(!small.is_refused());
        small.add(b"a");
        assert!(small.is_refused());
    }

    #[test]
    fn a_message_over_the_limit_keeps_nothing() {
        let mut content = Content::new(Room::new(1024 * KIB), 100);
        content.add(&[b'a'; 100]);
        assert_eq!(content.kept.len(), 100);
        content.add(b"a");
        content.add(b"a");
        assert_eq!((content.kept.capacity(), content.read_bytes), (0, 102));
        assert_eq!(content.finish().err().map(|reply| reply.code()), Some(552));
    }
}
