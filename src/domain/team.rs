//! Teams, their members and the members' roles.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::{InviteId, TeamId, UserId};
use super::permission::PermissionSet;

/// A built-in role. Ordered from the least to the most that it may do by default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "ssr", derive(utoipa::ToSchema))]
pub enum Role {
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
    /// Every role, the most powerful first.
    pub const ALL: [Role; 4] = [Role::Owner, Role::Admin, Role::Member, Role::Viewer];

    /// Its name in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Member => "member",
            Self::Viewer => "viewer",
        }
    }

    /// Its name on a page.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Owner => "Owner",
            Self::Admin => "Admin",
            Self::Member => "Member",
            Self::Viewer => "Viewer",
        }
    }
}

/// A name that is no role's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown role: use owner, admin, member or viewer")]
pub struct UnknownRole;

impl std::str::FromStr for Role {
    type Err = UnknownRole;

    fn from_str(name: &str) -> Result<Self, UnknownRole> {
        Self::ALL.into_iter().find(|role| role.as_str() == name).ok_or(UnknownRole)
    }
}

/// A team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Team {
    /// Its id.
    pub id: TeamId,
    /// Its name in addresses and on the command line: lower-case letters, digits and hyphens, unique.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// A team as one of its members sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The team's id.
    pub team_id: TeamId,
    /// The team's slug.
    pub slug: String,
    /// The team's name.
    pub name: String,
    /// The member's role in it.
    pub role: Role,
}

/// Somebody in a team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The account.
    pub user_id: UserId,
    /// The account's address.
    pub email: String,
    /// The account's name.
    pub name: String,
    /// The role in this team.
    pub role: Role,
    /// When the account joined this team.
    pub joined_at: DateTime<Utc>,
}

/// What a role may do in one team.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleGrants {
    /// The role.
    pub role: Role,
    /// What it may do.
    pub permissions: PermissionSet,
    /// How many members hold it.
    pub members: i64,
}

/// An invitation that has not been accepted yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Invite {
    /// Its id.
    pub id: InviteId,
    /// The only address that can accept it.
    pub email: String,
    /// The role that it grants.
    pub role: Role,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// An account, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// Its id.
    pub id: UserId,
    /// Its address, as it was written at registration.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// IANA time zone, `Europe/Berlin`.
    pub time_zone: String,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// An invitation with the link that accepts it. The link is shown once; the server keeps a hash of its token alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InviteLink {
    /// The invitation.
    pub invite: Invite,
    /// The address to open.
    pub url: String,
}
