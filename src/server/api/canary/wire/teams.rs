//! Teams, their members and invitations.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Timestamp;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::retention::Retention;
use crate::domain::team::{Invite, Member, Role, Team, TeamRules};
use crate::server::services::mail::LetterFate;
use crate::server::services::teams::{SentInvite, TeamChange};

/// The name of a team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TeamNameBody {
    /// One line of 1 to 100 characters.
    pub name: String,
}

/// What changes about a team. What is left out stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TeamChangeBody {
    /// One line of 1 to 100 characters.
    pub name: Option<String>,
    /// Whether every member needs two-factor authentication. Only somebody who has it can turn this on.
    pub demands_two_factor: Option<bool>,
    /// Whether members without `logs:reveal` see addresses masked.
    pub masks_addresses: Option<bool>,
    /// Whether members with `logs:reveal` give a reason before they see variables, bodies and links.
    pub reveals_with_reason: Option<bool>,
}

impl From<TeamChangeBody> for TeamChange {
    fn from(body: TeamChangeBody) -> Self {
        let TeamChangeBody { name, demands_two_factor, masks_addresses, reveals_with_reason } = body;
        Self { name, demands_two_factor, masks_addresses, reveals_with_reason }
    }
}

/// For how many days a team keeps what it has; what is left out or null is kept for ever.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RetentionBody {
    /// Bodies, variables and attachments of messages; no longer than the messages.
    #[schema(minimum = 1, maximum = 36500)]
    pub bodies_days: Option<i64>,
    /// Events of messages, by the age of the message; no longer than the messages.
    #[schema(minimum = 1, maximum = 36500)]
    pub events_days: Option<i64>,
    /// Messages with everything that is theirs. One that still has to be sent stays.
    #[schema(minimum = 1, maximum = 36500)]
    pub messages_days: Option<i64>,
    /// The log of API requests.
    #[schema(minimum = 1, maximum = 36500)]
    pub requests_days: Option<i64>,
    /// The audit log.
    #[schema(minimum = 1, maximum = 36500)]
    pub audit_days: Option<i64>,
}

impl From<RetentionBody> for Retention {
    fn from(body: RetentionBody) -> Self {
        let RetentionBody { bodies_days, events_days, messages_days, requests_days, audit_days } = body;
        Self { bodies_days, events_days, messages_days, requests_days, audit_days }
    }
}

impl From<Retention> for RetentionBody {
    fn from(retention: Retention) -> Self {
        let Retention { bodies_days, events_days, messages_days, requests_days, audit_days } = retention;
        Self { bodies_days, events_days, messages_days, requests_days, audit_days }
    }
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
    /// Whether every member needs two-factor authentication.
    pub demands_two_factor: bool,
    /// Whether members without `logs:reveal` see addresses masked.
    pub masks_addresses: bool,
    /// Whether members with `logs:reveal` give a reason before they see variables, bodies and links.
    pub reveals_with_reason: bool,
}

impl From<Team> for TeamBody {
    fn from(team: Team) -> Self {
        let TeamRules { demands_two_factor, masks_addresses, reveals_with_reason } = team.rules;
        Self {
            id: team.id,
            slug: team.slug,
            name: team.name,
            created_at: team.created_at.into(),
            demands_two_factor,
            masks_addresses,
            reveals_with_reason,
        }
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
    /// The link that accepts it; shown only when it is made or sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invite_url: Option<String>,
    /// Whether the link went out by the team's mail server; shown with the link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_sent: Option<bool>,
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
            email_sent: None,
        }
    }
}

impl From<SentInvite> for InviteBody {
    fn from(sent: SentInvite) -> Self {
        let email_sent = Some(sent.letter == LetterFate::Sent);
        Self { invite_url: Some(sent.link.url), email_sent, ..sent.link.invite.into() }
    }
}

/// What becomes of the keys that a removed member made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeysOfMember {
    /// They end at once.
    #[default]
    Revoke,
    /// They are the caller's from then on.
    HandOver,
}

impl std::str::FromStr for KeysOfMember {
    type Err = AppError;

    fn from_str(name: &str) -> Result<Self, AppError> {
        match name {
            "revoke" => Ok(Self::Revoke),
            "hand-over" => Ok(Self::HandOver),
            _ => Err(AppError::invalid_field("keys", "keys must be revoke or hand-over")),
        }
    }
}
