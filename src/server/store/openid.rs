//! Accounts of OpenID providers, and the memberships that follow their groups.

use chrono::{DateTime, Utc};

use super::accounts::{NewUser, append_to_teams_of, insert_account};
use super::audit::AuditEvent;
use super::engine::Transaction;
use super::{Store, micros, stored};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::team::Role;

/// Who somebody is at a provider.
#[derive(Clone, Copy, Debug)]
pub struct OpenIdName<'a> {
    /// The provider's address, as it names itself.
    pub issuer: &'a str,
    /// The name that the provider gives the person, for good.
    pub subject: &'a str,
}

/// A role in a team, as far as groups go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldRole {
    pub team_id: TeamId,
    pub role: Role,
    /// Whether it follows the groups of a provider.
    pub follows_groups: bool,
}

/// Notes that a person at a provider is an account here, inside a transaction; `false` when that person has one.
async fn link_account(
    tx: &mut Transaction,
    name: OpenIdName<'_>,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<bool, AppError> {
    let linked = tx
        .query(
            "INSERT INTO openid_accounts (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind(name.issuer)
        .bind(name.subject)
        .bind(user_id)
        .bind(micros(now))
        .execute()
        .await?;
    Ok(linked == 1)
}

impl Store {
    /// The account of a person at a provider.
    pub async fn find_openid_account(&self, name: OpenIdName<'_>) -> Result<Option<UserId>, AppError> {
        self.read("SELECT user_id FROM openid_accounts WHERE issuer = $1 AND subject = $2")
            .bind(name.issuer)
            .bind(name.subject)
            .fetch_optional_scalar()
            .await
    }

    /// Whether an account belongs to somebody at this provider.
    pub async fn has_openid_account(&self, user_id: UserId, issuer: &str) -> Result<bool, AppError> {
        let found: Option<String> = self
            .read("SELECT subject FROM openid_accounts WHERE user_id = $1 AND issuer = $2 LIMIT 1")
            .bind(user_id)
            .bind(issuer)
            .fetch_optional_scalar()
            .await?;
        Ok(found.is_some())
    }

    /// Makes an account that is here already that of a person at a provider too; `false` when that person has one.
    pub async fn link_openid_account(
        &self,
        name: OpenIdName<'_>,
        user_id: UserId,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let linked = link_account(&mut tx, name, user_id, now).await?;
        if linked {
            append_to_teams_of(&mut tx, user_id, event).await?;
        }
        tx.commit().await?;
        Ok(linked)
    }

    /// Makes an account for a person at a provider; `false` when the person or the address has one.
    pub async fn insert_openid_user(&self, name: OpenIdName<'_>, user: &NewUser) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let at = user.id.created_at();
        if !insert_account(&mut tx, user).await? || !link_account(&mut tx, name, user.id, at).await? {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// The roles that an account holds, by team.
    pub async fn list_held_roles(&self, user_id: UserId) -> Result<Vec<HeldRole>, AppError> {
        let rows: Vec<(TeamId, String, bool)> = self
            .read(
                "SELECT m.team_id, m.role, m.follows_groups
                 FROM memberships m JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 WHERE m.user_id = $1 ORDER BY m.team_id",
            )
            .bind(user_id)
            .fetch_all()
            .await?;
        rows.into_iter()
            .map(|(team_id, role, follows_groups)| {
                Ok(HeldRole { team_id, role: stored("role", role.parse())?, follows_groups })
            })
            .collect()
    }
}
