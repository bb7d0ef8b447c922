//! The reasons behind failures: messages that failed alike, counted.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::FailureClass;
use crate::domain::ids::AdapterId;

/// Messages of a team that failed for one reason: of one class, at one mailbox provider, with the same words of the server. A
/// digest of a [super::Diagnosis] that the team's own salt goes into, so that nobody finds out what a server said by
/// guessing. It is written with the version of its making: `v1-00c0ffee00c0ffee`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FailureGroup(pub i64);

/// The version of what groups are made of, as it begins every [super::Diagnosis::fingerprint].
const VERSION: &str = super::fingerprint::VERSION;

/// A text that names no group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown failure group")]
pub struct UnknownFailureGroup;

impl fmt::Display for FailureGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERSION}-{:016x}", self.0)
    }
}

impl FromStr for FailureGroup {
    type Err = UnknownFailureGroup;

    /// Reads groups of every version: the digests of two versions are never the same.
    fn from_str(text: &str) -> Result<Self, UnknownFailureGroup> {
        let (version, digits) = text.split_once('-').ok_or(UnknownFailureGroup)?;
        let is_version = version
            .strip_prefix('v')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
        let is_digest = digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_version || !is_digest {
            return Err(UnknownFailureGroup);
        }
        u64::from_str_radix(digits, 16).map(|digest| Self(digest.cast_signed())).map_err(|_| UnknownFailureGroup)
    }
}

/// Why the problems of a list are problems.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reasons {
    /// How many messages of the list bounced or failed.
    pub problems: i64,
    /// How many of them were resent already, whatever became of the copy.
    pub resent: i64,
    /// How many groups these are.
    pub groups: i64,
    /// The groups with the most messages, the biggest first.
    pub shown: Vec<Reason>,
    /// How many of `problems` are of before diagnoses were kept and not looked at yet; they are in no group.
    pub undiagnosed: i64,
    /// Where looking ended, when the list has more problems than are looked at.
    pub looked_from: Option<DateTime<Utc>>,
}

/// A group within a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    pub group: FailureGroup,
    pub class: FailureClass,
    pub mailbox_provider: Option<String>,
    /// The adapter, where the team has several: a group by each. The name, unless it was removed.
    pub adapter: Option<(AdapterId, Option<String>)>,
    /// What the server said of the newest, normalised, as far as the viewer sees it.
    pub words: Option<String>,
    pub count: i64,
    /// How many of them were resent already.
    pub resent: i64,
    /// When the first and the last of them were accepted.
    pub first: DateTime<Utc>,
    pub last: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_read_back_with_their_version() {
        for group in [0, 1, -1, i64::MIN, i64::MAX].map(FailureGroup) {
            assert_eq!(group.to_string().parse(), Ok(group));
        }
        assert_eq!(FailureGroup(-2).to_string(), "v1-fffffffffffffffe");
        for text in [
            "",
            "v1",
            "v1-",
            "v1-12",
            "1-fffffffffffffffe",
            "v-fffffffffffffffe",
            "v1-+ffffffffffffffe",
            "v1-ffffffffffffffeg",
        ] {
            assert_eq!(text.parse::<FailureGroup>(), Err(UnknownFailureGroup), "{text}");
        }
    }
}
