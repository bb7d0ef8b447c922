//! Teams, memberships, what roles grant, invitations, and the [Viewer] made from them.

use chrono::{DateTime, Utc};

use super::accounts::email_key;
use super::{Store, instant, micros, read, stored, write};
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::permission::{Permission, PermissionSet};
use crate::domain::team::{Invite, Member, Membership, Role, RoleGrants, Team};
use crate::domain::viewer::{Actor, Viewer};

/// An invitation to be made. The token itself is only in the link.
#[derive(Clone, Debug)]
pub struct NewInvite {
    /// What the dashboard shows of it.
    pub invite: Invite,
    /// SHA-256 of the token, in hexadecimal.
    pub token_hash: String,
}

/// An invitation with its team, found by its token.
#[derive(Clone, Debug)]
pub struct FoundInvite {
    /// The invitation.
    pub invite: Invite,
    /// The team it leads to.
    pub team: Team,
}

#[derive(sqlx::FromRow)]
struct TeamRow {
    id: TeamId,
    slug: String,
    name: String,
    created_at: i64,
}

impl From<TeamRow> for Team {
    fn from(row: TeamRow) -> Self {
        Self { id: row.id, slug: row.slug, name: row.name, created_at: instant(row.created_at) }
    }
}

#[derive(sqlx::FromRow)]
struct InviteRow {
    id: InviteId,
    email: String,
    role: String,
    created_at: i64,
    expires_at: i64,
}

impl TryFrom<InviteRow> for Invite {
    type Error = AppError;

    fn try_from(row: InviteRow) -> Result<Self, AppError> {
        Ok(Self {
            id: row.id,
            email: row.email,
            role: stored("role", row.role.parse())?,
            created_at: instant(row.created_at),
            expires_at: instant(row.expires_at),
        })
    }
}

impl Store {
    /// Makes a team with the default grants and its first owner; `false` when the slug is taken.
    pub async fn insert_team(&self, team: &Team, owner: Option<UserId>) -> Result<bool, AppError> {
        write!(self, |tx| {
            let inserted = sqlx::query(
                "INSERT INTO teams (id, slug, name, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            )
            .bind(team.id)
            .bind(&team.slug)
            .bind(&team.name)
            .bind(micros(team.created_at))
            .execute(&mut *tx)
            .await?;
            if inserted.rows_affected() == 0 {
                return Ok(false);
            }
            for role in Role::ALL {
                for permission in PermissionSet::default_for(role).iter() {
                    sqlx::query("INSERT INTO role_permissions (team_id, role, permission) VALUES ($1, $2, $3)")
                        .bind(team.id)
                        .bind(role.as_str())
                        .bind(permission.as_str())
                        .execute(&mut *tx)
                        .await?;
                }
            }
            if let Some(owner) = owner {
                sqlx::query("INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)")
                    .bind(team.id)
                    .bind(owner)
                    .bind(Role::Owner.as_str())
                    .bind(micros(team.created_at))
                    .execute(&mut *tx)
                    .await?;
            }
            Ok(true)
        })
    }

    /// The team with this id.
    pub async fn find_team(&self, id: TeamId) -> Result<Option<Team>, AppError> {
        let row: Option<TeamRow> = read!(self, |pool| {
            sqlx::query_as("SELECT id, slug, name, created_at FROM teams WHERE id = $1")
                .bind(id)
                .fetch_optional(pool)
                .await
        })?;
        Ok(row.map(Team::from))
    }

    /// The team with this slug.
    pub async fn find_team_by_slug(&self, slug: &str) -> Result<Option<Team>, AppError> {
        let row: Option<TeamRow> = read!(self, |pool| {
            sqlx::query_as("SELECT id, slug, name, created_at FROM teams WHERE slug = $1")
                .bind(slug)
                .fetch_optional(pool)
                .await
        })?;
        Ok(row.map(Team::from))
    }

    /// Changes a team's name.
    pub async fn rename_team(&self, team_id: TeamId, name: &str) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("UPDATE teams SET name = $2 WHERE id = $1").bind(team_id).bind(name).execute(&mut *tx).await?;
            Ok(())
        })
    }

    /// Deletes a team with everything that is its own.
    pub async fn delete_team(&self, team_id: TeamId) -> Result<(), AppError> {
        let unindex = self.delete_search_statement();
        write!(self, |tx| {
            if let Some(unindex) = unindex {
                sqlx::query(unindex).bind(team_id).execute(&mut *tx).await?;
            }
            sqlx::query("DELETE FROM teams WHERE id = $1").bind(team_id).execute(&mut *tx).await?;
            Ok(())
        })
    }

    /// The teams of an account, by name.
    pub async fn list_memberships(&self, user_id: UserId) -> Result<Vec<Membership>, AppError> {
        let rows: Vec<(TeamId, String, String, String)> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT t.id, t.slug, t.name, m.role FROM memberships m JOIN teams t ON t.id = m.team_id
                 WHERE m.user_id = $1 ORDER BY t.name, t.id",
            )
            .bind(user_id)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter()
            .map(|(team_id, slug, name, role)| {
                Ok(Membership { team_id, slug, name, role: stored("role", role.parse())? })
            })
            .collect()
    }

    /// Adds an account to a team; `false` when it is a member already.
    pub async fn insert_membership(
        &self,
        team_id: TeamId,
        user_id: UserId,
        role: Role,
        now: DateTime<Utc>,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            let inserted = sqlx::query(
                "INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(user_id)
            .bind(role.as_str())
            .bind(micros(now))
            .execute(&mut *tx)
            .await?;
            Ok(inserted.rows_affected() == 1)
        })
    }

    /// The members of a team, by name.
    pub async fn list_members(&self, team_id: TeamId) -> Result<Vec<Member>, AppError> {
        let rows: Vec<(UserId, String, String, String, i64)> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT u.id, u.email, u.name, m.role, m.created_at
                 FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.team_id = $1 ORDER BY u.name, u.id",
            )
            .bind(team_id)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter()
            .map(|(user_id, email, name, role, joined_at)| {
                let role = stored("role", role.parse())?;
                Ok(Member { user_id, email, name, role, joined_at: instant(joined_at) })
            })
            .collect()
    }

    /// A member's role in a team; `None` for somebody who is no member.
    pub async fn find_role(&self, team_id: TeamId, user_id: UserId) -> Result<Option<Role>, AppError> {
        let role: Option<String> = read!(self, |pool| {
            sqlx::query_scalar("SELECT role FROM memberships WHERE team_id = $1 AND user_id = $2")
                .bind(team_id)
                .bind(user_id)
                .fetch_optional(pool)
                .await
        })?;
        role.map(|role| stored("role", role.parse())).transpose()
    }

    /// Changes a member's role.
    pub async fn update_role(&self, team_id: TeamId, user_id: UserId, role: Role) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("UPDATE memberships SET role = $3 WHERE team_id = $1 AND user_id = $2")
                .bind(team_id)
                .bind(user_id)
                .bind(role.as_str())
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// Ends a membership.
    pub async fn delete_membership(&self, team_id: TeamId, user_id: UserId) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("DELETE FROM memberships WHERE team_id = $1 AND user_id = $2")
                .bind(team_id)
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// What every role may do in a team, and how many members hold it.
    pub async fn list_role_grants(&self, team_id: TeamId) -> Result<Vec<RoleGrants>, AppError> {
        let grants: Vec<(String, String)> = read!(self, |pool| {
            sqlx::query_as("SELECT role, permission FROM role_permissions WHERE team_id = $1")
                .bind(team_id)
                .fetch_all(pool)
                .await
        })?;
        let holders: Vec<(String, i64)> = read!(self, |pool| {
            sqlx::query_as("SELECT role, COUNT(*) FROM memberships WHERE team_id = $1 GROUP BY role")
                .bind(team_id)
                .fetch_all(pool)
                .await
        })?;
        let grants_of = |role: Role| {
            let mine = grants.iter().filter(move |(name, _)| name == role.as_str());
            RoleGrants {
                role,
                permissions: mine.filter_map(|(_, permission)| permission.parse().ok()).collect(),
                members: holders.iter().find(|(name, _)| name == role.as_str()).map_or(0, |(_, count)| *count),
            }
        };
        Ok(Role::ALL.into_iter().map(grants_of).collect())
    }

    /// Grants a permission to a role, or withdraws it.
    pub async fn set_role_permission(
        &self,
        team_id: TeamId,
        role: Role,
        permission: Permission,
        granted: bool,
    ) -> Result<(), AppError> {
        let statement = if granted {
            "INSERT INTO role_permissions (team_id, role, permission) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
        } else {
            "DELETE FROM role_permissions WHERE team_id = $1 AND role = $2 AND permission = $3"
        };
        write!(self, |tx| {
            sqlx::query(statement)
                .bind(team_id)
                .bind(role.as_str())
                .bind(permission.as_str())
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// The person `user_id` as a viewer of `team_id`, with what the role grants at this moment; `None` when the account
    /// is gone or is no member.
    pub async fn find_viewer(&self, team_id: TeamId, user_id: UserId) -> Result<Option<Viewer>, AppError> {
        type Row = (String, String, String, String, String, Option<String>);
        let rows: Vec<Row> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT u.email, u.name, u.time_zone, t.name, m.role, p.permission
                 FROM memberships m
                 JOIN users u ON u.id = m.user_id
                 JOIN teams t ON t.id = m.team_id
                 LEFT JOIN role_permissions p ON p.team_id = m.team_id AND p.role = m.role
                 WHERE m.team_id = $1 AND m.user_id = $2",
            )
            .bind(team_id)
            .bind(user_id)
            .fetch_all(pool)
            .await
        })?;
        let permissions = rows.iter().filter_map(|row| row.5.as_deref()?.parse().ok()).collect();
        let Some((email, name, time_zone, team_name, role, _)) = rows.into_iter().next() else { return Ok(None) };
        let role = stored("role", role.parse())?;
        let actor = Actor::User { id: user_id, email, name, time_zone, role };
        Ok(Some(Viewer { actor, team: team_id, team_name, permissions }))
    }

    /// Makes an invitation, in place of an earlier one to the same address.
    pub async fn insert_invite(&self, team_id: TeamId, new: &NewInvite) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("DELETE FROM invites WHERE team_id = $1 AND email_key = $2")
                .bind(team_id)
                .bind(email_key(&new.invite.email))
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO invites (team_id, id, email, email_key, role, token_hash, created_at, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(team_id)
            .bind(new.invite.id)
            .bind(&new.invite.email)
            .bind(email_key(&new.invite.email))
            .bind(new.invite.role.as_str())
            .bind(&new.token_hash)
            .bind(micros(new.invite.created_at))
            .bind(micros(new.invite.expires_at))
            .execute(&mut *tx)
            .await?;
            Ok(())
        })
    }

    /// The invitations of a team that have not ended, newest first.
    pub async fn list_invites(&self, team_id: TeamId, now: DateTime<Utc>) -> Result<Vec<Invite>, AppError> {
        let rows: Vec<InviteRow> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT id, email, role, created_at, expires_at FROM invites
                 WHERE team_id = $1 AND expires_at > $2 ORDER BY id DESC",
            )
            .bind(team_id)
            .bind(micros(now))
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter().map(Invite::try_from).collect()
    }

    /// Takes an invitation back; `false` when there is none.
    pub async fn delete_invite(&self, team_id: TeamId, id: InviteId) -> Result<bool, AppError> {
        write!(self, |tx| {
            let deleted = sqlx::query("DELETE FROM invites WHERE team_id = $1 AND id = $2")
                .bind(team_id)
                .bind(id)
                .execute(&mut *tx)
                .await?;
            Ok(deleted.rows_affected() == 1)
        })
    }

    /// The invitation with this token, while it lasts. The token stands for the team here.
    pub async fn find_invite(&self, token_hash: &str, now: DateTime<Utc>) -> Result<Option<FoundInvite>, AppError> {
        type Row = (InviteId, String, String, i64, i64, TeamId, String, String, i64);
        let row: Option<Row> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT i.id, i.email, i.role, i.created_at, i.expires_at, t.id, t.slug, t.name, t.created_at
                 FROM invites i JOIN teams t ON t.id = i.team_id
                 WHERE i.token_hash = $1 AND i.expires_at > $2",
            )
            .bind(token_hash)
            .bind(micros(now))
            .fetch_optional(pool)
            .await
        })?;
        let Some((id, email, role, created_at, expires_at, team_id, slug, name, team_created_at)) = row else {
            return Ok(None);
        };
        let invite = Invite {
            id,
            email,
            role: stored("role", role.parse())?,
            created_at: instant(created_at),
            expires_at: instant(expires_at),
        };
        let team = Team { id: team_id, slug, name, created_at: instant(team_created_at) };
        Ok(Some(FoundInvite { invite, team }))
    }
}
