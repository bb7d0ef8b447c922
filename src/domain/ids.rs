//! Identifiers. Every id is a 64-bit integer: milliseconds since 1970 shifted left by [SEQUENCE_BITS], plus a
//! sequence number, so order by id is order by time. It is shown as a noun's prefix and 13 characters of Crockford
//! base32 (`eml_06xq3k9v2m4p8`), and crosses JSON as that text.
//! Source of the alphabet: Douglas Crockford, Base 32, <https://www.crockford.com/base32.html>.

use chrono::{DateTime, TimeDelta, Utc};

/// How many low bits of an id count messages within one millisecond.
pub const SEQUENCE_BITS: u32 = 20;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const ENCODED_LENGTH: usize = 13;

/// The smallest id that can be minted at `time`, in any noun; times before 1970 count as 1970.
pub fn lowest_id_at(time: DateTime<Utc>) -> i64 {
    time.timestamp_millis().clamp(0, i64::MAX >> SEQUENCE_BITS) << SEQUENCE_BITS
}

/// The time an id was minted, to the millisecond.
pub fn time_of_id(id: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::milliseconds(id >> SEQUENCE_BITS)
}

fn encode(prefix: &str, id: i64) -> String {
    let mut text = String::with_capacity(prefix.len() + ENCODED_LENGTH);
    text.push_str(prefix);
    for position in (0..ENCODED_LENGTH).rev() {
        let digit = (id as u64 >> (position * 5)) & 31;
        text.push(char::from(ALPHABET[digit as usize]));
    }
    text
}

fn decode(prefix: &str, text: &str) -> Option<i64> {
    let digits = text.strip_prefix(prefix)?;
    if digits.len() != ENCODED_LENGTH {
        return None;
    }
    let mut id: u128 = 0;
    for byte in digits.bytes() {
        let lower = byte.to_ascii_lowercase();
        let digit = ALPHABET.iter().position(|letter| *letter == lower)?;
        id = (id << 5) | digit as u128;
    }
    i64::try_from(id).ok()
}

/// A text that is not an id of the expected noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct InvalidId;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "ssr", derive(sqlx::Type))]
        #[cfg_attr(feature = "ssr", sqlx(transparent))]
        pub struct $name(pub i64);

        impl $name {
            /// What the shown form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// When this id was minted, to the millisecond.
            pub fn created_at(self) -> DateTime<Utc> {
                time_of_id(self.0)
            }
        }

        impl From<i64> for $name {
            fn from(id: i64) -> Self {
                Self(id)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&encode($prefix, self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                decode($prefix, text).map(Self).ok_or(InvalidId)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

id_type!(
    /// A message in the log. Its minting time is the message's `created_at`.
    EmailId,
    "eml_"
);
id_type!(
    /// The background job that delivers a message.
    JobId,
    "job_"
);
id_type!(
    /// One fact about a message.
    EventId,
    "evt_"
);
id_type!(
    /// A template, over all its versions.
    TemplateId,
    "tpl_"
);
id_type!(
    /// One version of a template.
    TemplateVersionId,
    "ver_"
);
id_type!(
    /// A way out: an SMTP server and the credentials for it.
    AdapterId,
    "adp_"
);
id_type!(
    /// An API key (its public id, not the secret).
    ApiKeyId,
    "key_"
);
id_type!(
    /// One request to an API.
    ApiRequestId,
    "req_"
);
id_type!(
    /// A team: the owner of messages, templates, adapters and keys.
    TeamId,
    "team_"
);
id_type!(
    /// A person's account.
    UserId,
    "usr_"
);
id_type!(
    /// An invitation to join a team.
    InviteId,
    "inv_"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_form_reads_back() {
        for raw in [0, 1, 31, 32, 1_795_265_892_000 << SEQUENCE_BITS, i64::MAX] {
            let id = EmailId(raw);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), "eml_".len() + ENCODED_LENGTH);
        }
    }

    #[test]
    fn text_order_is_time_order() {
        let earlier = EmailId(1_795_265_892_000 << SEQUENCE_BITS).to_string();
        let later = EmailId(1_795_265_892_001 << SEQUENCE_BITS).to_string();
        assert!(earlier < later);
    }

    #[test]
    fn another_nouns_id_is_refused() {
        assert_eq!("tpl_0000000000001".parse::<EmailId>(), Err(InvalidId));
        assert_eq!("eml_abc123".parse::<EmailId>(), Err(InvalidId));
        assert_eq!("eml_zzzzzzzzzzzzz".parse::<EmailId>(), Err(InvalidId));
        assert_eq!("eml_ü".parse::<EmailId>(), Err(InvalidId));
    }

    #[test]
    fn created_at_is_the_minting_millisecond() {
        let time = DateTime::from_timestamp_millis(1_795_265_892_123).unwrap();
        assert_eq!(EmailId(lowest_id_at(time) + 77).created_at(), time);
    }
}
