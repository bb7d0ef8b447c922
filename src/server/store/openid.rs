//! Accounts of OpenID providers, and the memberships that follow their groups.

use chrono::{DateTime, Utc};

use super::accounts::{NewUser, append_to_teams_of, email_key};
use super::audit::AuditEvent;
use super::{Store, micros, read, stored, write};
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
    /// The team.
    pub team_id: TeamId,
    /// The role.
    pub role: Role,
    /// Whether it follows the groups of a provider.
    pub follows_groups: bool,
}

/// Notes that a person at a provider is an account here, inside a transaction.
macro_rules! link {
    ($tx:expr, $name:expr, $user_id:expr, $now:expr) => {
        sqlx::query(
            "INSERT INTO openid_accounts (issuer, subject, user_id, created_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT DO NOTHING",
        )
        .bind($name.issuer)
        .bind($name.subject)
        .bind($user_id)
        .bind(micros($now))
        .execute(&mut *$tx)
        .await?
    };
}

impl Store {
    /// The account of a person at a provider.
    pub async fn find_openid_account(&self, name: OpenIdName<'_>) -> Result<Option<UserId>, AppError> {
        Ok(read!(self, |pool| {
            sqlx::query_scalar("SELECT user_id FROM openid_accounts WHERE issuer = $1 AND subject = $2")
                .bind(name.issuer)
                .bind(name.subject)
                .fetch_optional(pool)
                .await
        })?)
    }

    /// Whether an account belongs to somebody at this provider.
    pub async fn has_openid_account(&self, user_id: UserId, issuer: &str) -> Result<bool, AppError> {
        let found: Option<String> = read!(self, |pool| {
            sqlx::query_scalar("SELECT subject FROM openid_accounts WHERE user_id = $1 AND issuer = $2 LIMIT 1")
                .bind(user_id)
                .bind(issuer)
                .fetch_optional(pool)
                .await
        })?;
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
        write!(self, |tx| {
            let linked = link!(tx, name, user_id, now).rows_affected() == 1;
            if linked {
                append_to_teams_of!(tx, user_id, event);
            }
            Ok(linked)
        })
    }

    /// Makes an account for a person at a provider; `false` when the person or the address has one.
    pub async fn insert_openid_user(&self, name: OpenIdName<'_>, user: &NewUser) -> Result<bool, AppError> {
        write!(self, |tx| {
            let taken: Option<UserId> =
                sqlx::query_scalar("SELECT user_id FROM openid_accounts WHERE issuer = $1 AND subject = $2")
                    .bind(name.issuer)
                    .bind(name.subject)
                    .fetch_optional(&mut *tx)
                    .await?;
            if taken.is_some() {
                return Ok(false);
            }
            let inserted = sqlx::query(
                "INSERT INTO users (id, email, email_key, name, password_hash, time_zone, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
            )
            .bind(user.id)
            .bind(user.email.trim())
            .bind(email_key(&user.email))
            .bind(&user.name)
            .bind(&user.password_hash)
            .bind(&user.time_zone)
            .bind(micros(user.id.created_at()))
            .execute(&mut *tx)
            .await?;
            if inserted.rows_affected() == 0 {
                return Ok(false);
            }
            link!(tx, name, user.id, user.id.created_at());
            Ok(true)
        })
    }

    /// The roles that an account holds, by team.
    pub async fn list_held_roles(&self, user_id: UserId) -> Result<Vec<HeldRole>, AppError> {
        let rows: Vec<(TeamId, String, bool)> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT m.team_id, m.role, m.follows_groups
                 FROM memberships m JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 WHERE m.user_id = $1 ORDER BY m.team_id",
            )
            .bind(user_id)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter()
            .map(|(team_id, role, follows_groups)| {
                Ok(HeldRole { team_id, role: stored("role", role.parse())?, follows_groups })
            })
            .collect()
    }
}
