//! Teams, their members and the members' roles.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{InviteId, RoleId, TeamId, UserId};
use super::permission::PermissionSet;

/// A role: one of the four built-in ones, or one that a team made. The built-in ones are ordered from the least to the
/// most that they may do by default; serialized as its name in the database, `owner` or `rol_…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Role {
    /// One that the team made; what it may do is the team's choice alone.
    Custom(RoleId),
    /// Looks.
    Viewer,
    /// Looks, sends and writes templates.
    Member,
    /// Everything but roles and the team's end.
    Admin,
    /// Everything.
    Owner,
}

impl Role {
    /// Every built-in role, the most powerful first.
    pub const BUILT_IN: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];

    /// The name of a built-in role on a page; `None` for one that a team made, whose name the team chose.
    pub const fn built_in_label(self) -> Option<&'static str> {
        match self {
            Self::Owner => Some("Owner"),
            Self::Admin => Some("Admin"),
            Self::Member => Some("Member"),
            Self::Viewer => Some("Viewer"),
            Self::Custom(_) => None,
        }
    }

    /// Whether it is one that a team made.
    pub const fn is_custom(self) -> bool {
        matches!(self, Self::Custom(_))
    }
}

/// The name in the database and in JSON.
impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Owner => f.write_str("owner"),
            Self::Admin => f.write_str("admin"),
            Self::Member => f.write_str("member"),
            Self::Viewer => f.write_str("viewer"),
            Self::Custom(id) => id.fmt(f),
        }
    }
}

impl From<Role> for String {
    fn from(role: Role) -> Self {
        role.to_string()
    }
}

/// A name that is no role's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role: use owner, admin, member, viewer or the id of one that the team made")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        match name {
            "owner" => Ok(Self::Owner),
            "admin" => Ok(Self::Admin),
            "member" => Ok(Self::Member),
            "viewer" => Ok(Self::Viewer),
            id if id.starts_with("rol_") => id.parse().map(Self::Custom).map_err(|_| UnknownRole),
            _ => Err(UnknownRole),
        }
    }
}

impl TryFrom<String> for Role {
    type Error = UnknownRole;

    fn try_from(name: String) -> Result<Self, UnknownRole> {
        name.parse()
    }
}

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
