//! Who is asking. Built once a request from a session or an API key, handed to every use case, asked by the pages.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::AppError;
use super::ids::{ApiKeyId, TeamId, UserId};
use super::permission::{Permission, PermissionSet};
use super::resend::ResendRule;
use super::role::Role;
use super::team::TeamRules;
use super::visibility::Reveal;

/// Who is asking, for which team, and what they may do there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    pub actor: Actor,
    pub team: TeamId,
    pub team_name: String,
    pub permissions: PermissionSet,
    pub rules: TeamRules,
    /// Whether the team demands a second factor that this person, or the one whose rights bound the key, does not have.
    /// They may do nothing until they have one.
    pub lacks_two_factor: bool,
    #[serde(skip)]
    pub origin: RequestOrigin,
    /// What the session gave a reason to see.
    #[serde(skip)]
    pub reveals: Vec<Reveal>,
}

/// Where a request came from, for the audit log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestOrigin {
    pub address: Option<String>,
    pub user_agent: Option<String>,
}

/// A person with a session, or a program with a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    User {
        /// The account.
        id: UserId,
        /// The account's address.
        email: String,
        /// The person's name.
        name: String,
        /// IANA time zone.
        time_zone: String,
        /// The role in the viewer's team.
        role: Role,
        /// That role's name.
        role_name: String,
    },
    ApiKey {
        /// The key's id.
        id: ApiKeyId,
        /// The key's name.
        name: String,
        /// Whose rights bound what it may do; `None` for one of the team's own.
        bound_to: Option<UserId>,
    },
}

impl Viewer {
    /// Whether the viewer holds `permission`.
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(permission)
    }

    /// Passes only a viewer that holds `permission`; otherwise [AppError::MissingPermission], or
    /// [AppError::LacksTwoFactor] where that is the reason.
    pub fn require(&self, permission: Permission) -> Result<(), AppError> {
        self.require_two_factor()?;
        if self.may(permission) { Ok(()) } else { Err(AppError::MissingPermission(permission)) }
    }

    /// Which messages the viewer may send again, where they hold `logs:resend`.
    pub fn resend_rule(&self) -> ResendRule {
        if self.may(Permission::LogsResendAny) { ResendRule::Any } else { ResendRule::Failed }
    }

    /// Passes every person of the team, and a key that holds `permission`.
    pub fn require_member_or(&self, permission: Permission) -> Result<(), AppError> {
        if self.user_id().is_none() { self.require(permission) } else { self.require_two_factor() }
    }

    /// Passes only a viewer who has the second factor that the team demands. For what needs no permission.
    pub fn require_two_factor(&self) -> Result<(), AppError> {
        match &self.actor {
            _ if !self.lacks_two_factor => Ok(()),
            Actor::User { .. } => Err(AppError::LacksTwoFactor),
            Actor::ApiKey { .. } => Err(AppError::Forbidden(
                "This team demands two-factor authentication, which the person who created this key has not set up"
                    .to_owned(),
            )),
        }
    }

    /// Whose rights count here: the person's, or those of the person that the key is bound to. `None` for a key of the
    /// team's own.
    pub fn liable(&self) -> Option<UserId> {
        match &self.actor {
            Actor::User { id, .. } => Some(*id),
            Actor::ApiKey { bound_to, .. } => *bound_to,
        }
    }

    /// Whether this is a key that only its scopes bound.
    pub fn is_teams_own_key(&self) -> bool {
        matches!(self.actor, Actor::ApiKey { bound_to: None, .. })
    }

    /// Whether a message that this key accepted, or `None`, is the viewer's to follow: all are with `logs:view`, and for a
    /// key those that it accepted itself.
    pub fn may_follow(&self, accepted_by: Option<ApiKeyId>) -> bool {
        self.may(Permission::LogsView) || accepted_by.is_some() && accepted_by == self.api_key_id()
    }

    /// The reason that the viewer gave to see the contents of the message or request with the id `target`, while it
    /// counts.
    pub fn reveal_of(&self, target: impl ToString, now: DateTime<Utc>) -> Option<&Reveal> {
        if self.reveals.is_empty() {
            return None;
        }
        let target = target.to_string();
        self.reveals.iter().find(|reveal| {
            reveal.target == target
                && reveal.team == self.team
                && Some(reveal.user) == self.user_id()
                && now < reveal.until
        })
    }

    /// The account, where a person asks.
    pub fn user_id(&self) -> Option<UserId> {
        match &self.actor {
            Actor::User { id, .. } => Some(*id),
            Actor::ApiKey { .. } => None,
        }
    }

    /// The key, where a program asks.
    pub fn api_key_id(&self) -> Option<ApiKeyId> {
        match &self.actor {
            Actor::User { .. } => None,
            Actor::ApiKey { id, .. } => Some(*id),
        }
    }

    /// The viewer's role, where a person asks.
    pub fn role(&self) -> Option<Role> {
        match &self.actor {
            Actor::User { role, .. } => Some(*role),
            Actor::ApiKey { .. } => None,
        }
    }

    /// The name of the viewer's role, where a person asks.
    pub fn role_name(&self) -> Option<&str> {
        match &self.actor {
            Actor::User { role_name, .. } => Some(role_name),
            Actor::ApiKey { .. } => None,
        }
    }

    /// The IANA time zone that the viewer reads times in; UTC for a key.
    pub fn time_zone(&self) -> &str {
        match &self.actor {
            Actor::User { time_zone, .. } => time_zone,
            Actor::ApiKey { .. } => "UTC",
        }
    }
}
