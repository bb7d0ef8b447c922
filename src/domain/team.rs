//! Teams and their members.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{InviteId, TeamId, UserId};
use super::permission::PermissionSet;

pub use super::role::{Role, UnknownRole};

/// A team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    pub id: TeamId,
    /// Its name in addresses and on the command line: lower-case letters, digits and hyphens, unique.
    pub slug: String,
    pub name: String,
    pub created_at: DateTime<Utc>,
    #[serde(flatten)]
    pub rules: TeamRules,
}

/// What a team demands of its members, and what it shows to those who do not hold `logs:reveal`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TeamRules {
    /// Whether every member with a password needs a second factor. Until they have one they see nothing of the team.
    pub demands_two_factor: bool,
    /// Whether those without `logs:reveal` see addresses masked, `a•••@example.com`, rather than in full.
    pub masks_addresses: bool,
    /// Whether those who hold `logs:reveal` give a reason before they see variables, bodies and links, message by
    /// message. Otherwise they see them at once, but for variables that a template marks.
    pub reveals_with_reason: bool,
}

/// A team as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    pub team_id: TeamId,
    pub slug: String,
    pub name: String,
    pub role: Role,
    pub role_name: String,
}

/// Somebody in a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    pub user_id: UserId,
    pub email: String,
    pub name: String,
    pub role: Role,
    pub role_name: String,
    pub joined_at: DateTime<Utc>,
    pub has_two_factor: bool,
    /// Whether the role follows the groups of an OpenID provider, so that changing it here lasts until the next log-in.
    pub follows_groups: bool,
}

/// One of those who can give a role what it lacks, to ask by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamOwner {
    pub name: String,
    pub email: String,
}

/// What a role may do in one team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleGrants {
    pub role: Role,
    pub name: String,
    /// What it is for, in a sentence; empty for a built-in one.
    pub description: String,
    pub permissions: PermissionSet,
    /// How many members hold it.
    pub members: i64,
}

/// What somebody ticked and unticked for a role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrantEdit {
    pub role: Role,
    /// What was ticked.
    pub granted: PermissionSet,
    /// What was unticked.
    pub withdrawn: PermissionSet,
}

/// An invitation that has not been accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    pub id: InviteId,
    /// The only address that can accept it.
    pub email: String,
    pub role: Role,
    pub role_name: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// An account, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    pub id: UserId,
    /// Its address, as it was written at registration.
    pub email: String,
    pub name: String,
    /// IANA time zone, `Europe/Berlin`.
    pub time_zone: String,
    pub created_at: DateTime<Utc>,
}

/// An invitation with the link that accepts it. The link is shown once; the server keeps a hash of its token alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InviteLink {
    pub invite: Invite,
    pub url: String,
}

/// The slug that a name gives: lower-case letters, digits and single hyphens.
pub fn slug_of(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.to_lowercase().chars() {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.ends_with('-') && !slug.is_empty() {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "team".to_owned() } else { slug.chars().take(48).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_plain() {
        assert_eq!(slug_of("Finch Payments, Inc."), "finch-payments-inc");
        assert_eq!(slug_of("  Żółw! "), "w");
        assert_eq!(slug_of("日本"), "team");
    }
}
