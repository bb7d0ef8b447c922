//! Teams, their members and invitations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::team::{Invite, InviteLink, Member, Role, Team};

/// The name of a team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamNameBody {
    /// One line of 1 to 100 characters.
    pub name: String,
}

/// A team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TeamBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// Its name in addresses.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<Team> for TeamBody {
    fn from(team: Team) -> Self {
        Self { id: team.id, slug: team.slug, name: team.name, created_at: team.created_at.into() }
    }
}

/// A member of a team.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MemberBody {
    /// The account.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// Its address.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// The role in this team.
    pub role: Role,
    /// When the account joined.
    pub joined_at: Timestamp,
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self {
            user_id: member.user_id,
            email: member.email,
            name: member.name,
            role: member.role,
            joined_at: member.joined_at.into(),
        }
    }
}

/// A member's role.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// The role.
    pub role: Role,
}

/// A member's role has changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedRole {
    /// The account.
    #[schema(value_type = String)]
    pub user_id: UserId,
    /// Its role now.
    pub role: Role,
}

/// Somebody to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInviteBody {
    /// The only address that can accept.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The role that it grants; not `owner`.
    pub role: Role,
}

/// An invitation that waits.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InviteBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: InviteId,
    /// The only address that can accept it.
    pub email: String,
    /// The role that it grants.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The link that accepts it; shown only when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_url: Option<String>,
}

impl From<Invite> for InviteBody {
    fn from(invite: Invite) -> Self {
        Self {
            id: invite.id,
            email: invite.email,
            role: invite.role,
            created_at: invite.created_at.into(),
            expires_at: invite.expires_at.into(),
            invite_url: None,
        }
    }
}

impl From<InviteLink> for InviteBody {
    fn from(link: InviteLink) -> Self {
        Self { invite_url: Some(link.url), ..link.invite.into() }
    }
}
