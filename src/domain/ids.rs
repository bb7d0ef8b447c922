//! Identifiers. Every id is a 64-bit integer: milliseconds since 1970 shifted left by [SEQUENCE_BITS], plus a
//! sequence number, so order by id is order by time. It is shown as a noun's prefix and 13 characters of Crockford
//! base32 (`eml_06xq3k9v2m4p8`), and crosses JSON as that text. The dialects show some ids in the forms of the systems
//! they speak for, as `log_…` or as a UUID; every form is read everywhere.
//! Sources: Douglas Crockford, Base 32, <https://www.crockford.com/base32.html>; RFC 9562, section 5.7, for UUIDs.

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

/// The UUID, version 7, that stands for an id: its milliseconds, its sequence, and bits that follow from the two.
fn encode_uuid(id: i64) -> String {
    let id = id as u64;
    let sequence = id & ((1 << SEQUENCE_BITS) - 1);
    let high = (id >> SEQUENCE_BITS) << 16 | 0x7000 | sequence >> 8;
    let low = 0b10 << 62 | (sequence & 0xff) << 54 | mixed(id) >> 10;
    let hex = format!("{high:016x}{low:016x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

fn decode_uuid(text: &str) -> Option<i64> {
    let is_separator = |at: usize| matches!(at, 8 | 13 | 18 | 23);
    let has_form = text.len() == 36 && text.bytes().enumerate().all(|(at, byte)| (byte == b'-') == is_separator(at));
    if !has_form {
        return None;
    }
    let digits = text.replace('-', "");
    let (high, low) =
        (u64::from_str_radix(digits.get(..16)?, 16).ok()?, u64::from_str_radix(digits.get(16..)?, 16).ok()?);
    let sequence = (high & 0xfff) << 8 | low >> 54 & 0xff;
    let id = i64::try_from((high >> 16) << SEQUENCE_BITS | sequence).ok()?;
    // Another UUID, one that was not made from an id, has other bits there.
    (encode_uuid(id) == text.to_ascii_lowercase()).then_some(id)
}

/// Spreads an id over 64 bits, so that UUIDs made one after the other look different. Source: SplitMix64.
fn mixed(id: u64) -> u64 {
    let z = id.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// A text that is not an id of the expected noun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct InvalidId;

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $prefix:literal $(| $alias:literal)*) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "ssr", derive(sqlx::Type))]
        #[cfg_attr(feature = "ssr", sqlx(transparent))]
        pub struct $name(pub i64);

        impl $name {
            /// What the shown form begins with.
            pub const PREFIX: &'static str = $prefix;

            /// The form with another beginning, `log_06xq3k9v2m4p8`; it reads back when this noun knows that beginning.
            pub fn with_prefix(self, prefix: &str) -> String {
                encode(prefix, self.0)
            }

            /// The form as a UUID. It reads back.
            pub fn to_uuid(self) -> String {
                encode_uuid(self.0)
            }

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
                let known = [$prefix, $($alias),*];
                let found = known.iter().find_map(|prefix| decode(prefix, text)).or_else(|| decode_uuid(text));
                found.map(Self).ok_or(InvalidId)
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
    "eml_" | "log_"
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
    "tpl_" | "tem_"
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
    /// An address that a provider posts to.
    WebhookId,
    "whk_"
);
id_type!(
    /// An address of a team's own that is told what becomes of messages.
    OutgoingWebhookId,
    "owh_"
);
id_type!(
    /// An import of a team's history.
    ImportId,
    "imp_"
);
id_type!(
    /// An address that is not written to any more.
    SuppressionId,
    "sup_"
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
    /// One request to tell somebody something, over one channel or several.
    NotificationId,
    "ntf_"
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
id_type!(
    /// A role that a team made.
    RoleId,
    "rol_"
);
id_type!(
    /// A line of the audit log.
    AuditEntryId,
    "aud_"
);
id_type!(
    /// A job that sends many messages again.
    ResendJobId,
    "rsd_"
);
id_type!(
    /// A legal hold.
    HoldId,
    "hld_"
);
id_type!(
    /// The forgetting of a person.
    ForgettingId,
    "fgt_"
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
    fn every_form_reads_back() {
        for raw in [0, 1, 255, 256, (1 << 20) - 1, 1_795_265_892_000 << SEQUENCE_BITS | 77, i64::MAX] {
            let id = EmailId(raw);
            assert_eq!(id.to_uuid().parse(), Ok(id));
            assert_eq!(id.to_uuid().to_uppercase().parse(), Ok(id));
            assert_eq!(id.with_prefix("log_").parse(), Ok(id));
        }
        assert_eq!("tem_0000000000001".parse(), Ok(TemplateId(1)));
    }

    #[test]
    fn a_uuid_is_of_version_7_and_begins_with_the_time() {
        let uuid = EmailId(0x17f_22e2_79b0 << SEQUENCE_BITS).to_uuid();
        assert!(uuid.starts_with("017f22e2-79b0-7000-8"), "{uuid}");
    }

    #[test]
    fn a_uuid_of_somebody_else_is_refused() {
        assert_eq!("37e4414c-5e25-4dbc-a071-43552a4bd53b".parse::<EmailId>(), Err(InvalidId));
        assert_eq!("017f22e2-79b0-7cc3-98c4-dc0c0c07398f".parse::<EmailId>(), Err(InvalidId));
        assert_eq!("017f22e2+79b0-7cc3-98c4-dc0c0c07398f".parse::<EmailId>(), Err(InvalidId));
        assert_eq!("017f22e2-79b0-7cc3-98c4-dc0c0c07398ü".parse::<EmailId>(), Err(InvalidId));
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
