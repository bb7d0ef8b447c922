//! Pages of a list.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Counting the rows of a list stops here.
pub const COUNT_LIMIT: i64 = 10_000;

/// Which page of a list, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRequest {
    /// Counted from 1.
    pub page: i64,
    /// Rows on a page, from 1 to 100.
    pub page_size: i64,
}

impl PageRequest {
    /// The largest page size.
    pub const MAX_SIZE: i64 = 100;

    /// How many rows come before the page.
    pub const fn offset(self) -> i64 {
        (self.page - 1).saturating_mul(self.page_size)
    }
}

/// Some rows of a list, counted from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetRequest {
    /// How many rows come before.
    pub offset: i64,
    /// How many rows at most.
    pub limit: i64,
    pub oldest_first: bool,
}

/// Some rows of a list and how long the whole of it is.
#[derive(Clone, Debug, PartialEq)]
pub struct OffsetPage<T> {
    pub items: Vec<T>,
    /// How many rows the whole list has.
    pub total: Total,
    /// Where it begins, when no more of the log was looked through.
    pub looked_from: Option<DateTime<Utc>>,
}

/// A place in a list that is newest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor<Id> {
    Newest,
    /// Behind this row: what is older.
    After(Id),
    /// Before this row: what is newer, next to it.
    Before(Id),
}

/// Some rows at a place of a list, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CursorPage<T> {
    pub items: Vec<T>,
    /// Whether the list goes on beyond them, in the direction that was asked for.
    pub has_more: bool,
}

/// Some rows of a list in which a call looks no further than so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialPage<T, Id> {
    /// The rows; few or none where the walk was ended before it had found more.
    pub items: Vec<T>,
    /// Behind which place, in the direction that was asked for, the next call goes on; `None` at the list's end.
    pub next: Option<Id>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    pub items: Vec<T>,
    pub total: Total,
    pub request: PageRequest,
    /// Where the list begins, when no more of the log was looked through.
    pub looked_from: Option<DateTime<Utc>>,
}

/// The length of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Total {
    Exact(i64),
    /// At least this many: counting stopped here.
    AtLeast(i64),
}

impl Total {
    /// The number, exact or not.
    pub const fn count(self) -> i64 {
        match self {
            Self::Exact(count) | Self::AtLeast(count) => count,
        }
    }
}

impl<T> Page<T> {
    /// How many pages the whole list has; 0 for an empty list.
    pub fn total_pages(&self) -> i64 {
        let (count, size) = (self.total.count(), self.request.page_size);
        count / size + i64::from(count % size != 0)
    }
}
