//! API keys.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{ApiKeyId, UserId};
use super::named::named;
use super::permission::PermissionSet;

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    /// The beginning of the secret, enough to tell keys apart: `sl_3fk9`.
    pub prefix: String,
    pub scopes: PermissionSet,
    /// What it may do at this moment: all of its scopes, or less, for the reason in `held_back`.
    pub effective: PermissionSet,
    pub held_back: Option<HeldBack>,
    /// Whether it is the team's own, which its scopes alone bound. Otherwise it may do at most what the person may who made
    /// it.
    pub belongs_to_team: bool,
    /// Who made it, or took it over; `None` for one made on the command line, or by a key of the team's own.
    pub created_by: Option<UserId>,
    pub created_by_name: Option<String>,
    pub created_at: DateTime<Utc>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    #[serde(flatten)]
    pub limits: KeyLimits,
    pub rotated_at: Option<DateTime<Utc>>,
    /// Until when the secret before that still counts.
    pub previous_ends_at: Option<DateTime<Utc>>,
}

/// How many recent requests of a key are counted at most.
pub const COUNTED_REQUESTS: i64 = 1_000;

/// Over how many days a key's recent requests are counted.
pub const RECENT_DAYS: i64 = 7;

impl ApiKey {
    /// Whether it counts no more at `now`: revoked, or past its end.
    pub fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_some() || self.limits.expires_at.is_some_and(|end| end <= now)
    }
}

/// Why a key may do less than its scopes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum HeldBack {
    /// Who made it is no member of the team any more.
    MakerLeft,
    /// The team demands a second factor, and who made it has none.
    MakerLacksTwoFactor,
    /// The role of who made it grants less.
    MakerMayLess,
}

impl HeldBack {
    /// What an open key may do of its `scopes`, and why less: `granted` is what its maker's role grants, `None` where they
    /// are no member; `lacks_two_factor` whether they lack the second factor that the team demands.
    pub fn of(
        scopes: PermissionSet,
        belongs_to_team: bool,
        granted: Option<PermissionSet>,
        lacks_two_factor: bool,
    ) -> (PermissionSet, Option<Self>) {
        if belongs_to_team {
            return (scopes, None);
        }
        let nothing = PermissionSet::default();
        match granted {
            None => (nothing, Some(Self::MakerLeft)),
            Some(_) if lacks_two_factor => (nothing, Some(Self::MakerLacksTwoFactor)),
            Some(granted) if granted.contains_all(scopes) => (scopes, None),
            Some(granted) => (scopes.shared_with(granted), Some(Self::MakerMayLess)),
        }
    }
}

/// What bounds a key beside its scopes. By default nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyLimits {
    /// When it ends by itself; `None` for never.
    pub expires_at: Option<DateTime<Utc>>,
    /// The APIs that take it, by [crate::domain::api_key::KeyApi]; `None` for all.
    pub apis: Option<Vec<KeyApi>>,
    /// How many requests it may make in a second; `None` for the server's limit.
    pub rate_limit: Option<u32>,
}

/// What is said of a number of requests that no key can have, by the server's own limit.
pub fn rate_words(most: u32) -> String {
    format!("Write a whole number of requests per second from 1 to {most}, the server's limit")
}

impl KeyLimits {
    /// Whether a key with these limits is for `api`.
    pub fn allow(&self, api: KeyApi) -> bool {
        self.apis.as_ref().is_none_or(|apis| apis.contains(&api))
    }

    /// Whether a key with the `other` limits lasts no longer, reaches no further and asks no more often.
    pub fn cover(&self, other: &KeyLimits) -> bool {
        let lasts = self.expires_at.is_none_or(|end| other.expires_at.is_some_and(|other| other <= end));
        let reaches = self
            .apis
            .as_ref()
            .is_none_or(|apis| other.apis.as_ref().is_some_and(|other| other.iter().all(|api| apis.contains(api))));
        let asks = self.rate_limit.is_none_or(|limit| other.rate_limit.is_some_and(|other| other <= limit));
        lasts && reaches && asks
    }
}

named! {
    /// An API that a key can be made for.
    #[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
    pub enum KeyApi, "unknown API: use sendlog, resend, sendwithus, jetemail or notificationapi" {
        /// Sendlog's own, `/api`.
        Sendlog = "sendlog" "Sendlog",
        /// `/resend`
        Resend = "resend" "Resend",
        /// `/sendwithus/api/v1`
        Sendwithus = "sendwithus" "Sendwithus",
        /// `/jetemail`
        Jetemail = "jetemail" "JetEmail",
        /// `/notificationapi`
        Notificationapi = "notificationapi" "NotificationAPI",
    }
}

/// A key that was just made, with its secret, which is never shown again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CreatedApiKey {
    pub key: ApiKey,
    pub secret: String,
}

/// What a program needs to use a key that was just made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// The key's id, which some systems ask for beside the secret.
    pub id: ApiKeyId,
    pub name: String,
    pub secret: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_cover_what_is_bounded_at_least_as_much() {
        let end = |hours| Some(DateTime::UNIX_EPOCH + chrono::TimeDelta::hours(hours));
        let none = KeyLimits::default();
        let some =
            KeyLimits { expires_at: end(2), apis: Some(vec![KeyApi::Resend, KeyApi::Sendlog]), rate_limit: Some(5) };
        let less = KeyLimits { expires_at: end(1), apis: Some(vec![KeyApi::Resend]), rate_limit: Some(4) };
        assert!(none.cover(&none) && none.cover(&some) && some.cover(&some) && some.cover(&less));
        assert!(!some.cover(&none) && !less.cover(&some));
        assert!(!some.cover(&KeyLimits { expires_at: None, ..less.clone() }));
        assert!(!some.cover(&KeyLimits { apis: Some(KeyApi::ALL.to_vec()), ..less.clone() }));
        assert!(!some.cover(&KeyLimits { rate_limit: Some(6), ..less }));
    }
}
