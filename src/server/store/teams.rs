//! Teams, memberships, invitations, and the [Viewer] made from them and from what roles may do.

use chrono::{DateTime, Utc};

use super::accounts::{NewUser, email_key};
use super::audit::{self, AuditEvent};
use super::roles::{keep_to_known_roles, lock_roles, name_of, replace_grants};
use super::{Store, instant, micros, read, stored, write};
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::permission::PermissionSet;
use crate::domain::team::{Invite, Member, Membership, Role, Team, TeamRules};
use crate::domain::viewer::{Actor, RequestOrigin, Viewer};

/// An invitation to be made. The token itself is only in the link.
#[derive(Clone, Debug)]
pub struct NewInvite {
    /// What the dashboard shows of it.
    pub invite: Invite,
    /// SHA-256 of the token, in hexadecimal.
    pub token_hash: String,
    /// Who invites, where a person does.
    pub invited_by: Option<UserId>,
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
    demands_two_factor: bool,
    masks_addresses: bool,
    reveals_with_reason: bool,
}

const TEAM_COLUMNS: &str =
    "t.id, t.slug, t.name, t.created_at, t.demands_two_factor, t.masks_addresses, t.reveals_with_reason";

impl From<TeamRow> for Team {
    fn from(row: TeamRow) -> Self {
        let TeamRow { id, slug, name, created_at, demands_two_factor, masks_addresses, reveals_with_reason } = row;
        let rules = TeamRules { demands_two_factor, masks_addresses, reveals_with_reason };
        Self { id, slug, name, created_at: instant(created_at), rules }
    }
}

#[derive(sqlx::FromRow)]
struct InviteRow {
    id: InviteId,
    email: String,
    role: String,
    role_name: Option<String>,
    created_at: i64,
    expires_at: i64,
}

const INVITE_COLUMNS: &str = "i.id, i.email, i.role, r.name AS role_name, i.created_at, i.expires_at";

impl TryFrom<InviteRow> for Invite {
    type Error = AppError;

    fn try_from(row: InviteRow) -> Result<Self, AppError> {
        let role = stored("role", row.role.parse())?;
        Ok(Self {
            id: row.id,
            email: row.email,
            role,
            role_name: name_of(role, row.role_name),
            created_at: instant(row.created_at),
            expires_at: instant(row.expires_at),
        })
    }
}

/// Somebody to be made a member.
#[derive(Clone, Copy, Debug)]
pub struct NewMembership {
    /// The account.
    pub user_id: UserId,
    /// Its role.
    pub role: Role,
    /// When it joined.
    pub at: DateTime<Utc>,
    /// Whether the role follows the groups of an OpenID provider.
    pub follows_groups: bool,
}

/// A team as the row of one of its viewers holds it.
#[derive(sqlx::FromRow)]
pub(super) struct ViewedTeam {
    pub(super) team_name: String,
    demands_two_factor: bool,
    masks_addresses: bool,
    reveals_with_reason: bool,
}

impl ViewedTeam {
    pub(super) const fn rules(&self) -> TeamRules {
        TeamRules {
            demands_two_factor: self.demands_two_factor,
            masks_addresses: self.masks_addresses,
            reveals_with_reason: self.reveals_with_reason,
        }
    }
}

/// Refuses to end the ownership of a team's last owner, inside a transaction after [lock_roles].
macro_rules! keep_an_owner {
    ($tx:expr, $team_id:expr, $user_id:expr, $stays_owner:expr) => {
        let others: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM memberships WHERE team_id = $1 AND user_id <> $2 AND role = 'owner'",
        )
        .bind($team_id)
        .bind($user_id)
        .fetch_one(&mut *$tx)
        .await?;
        let is_owner: i64 = sqlx::query_scalar(
            "SELECT COUNT(*) FROM memberships WHERE team_id = $1 AND user_id = $2 AND role = 'owner'",
        )
        .bind($team_id)
        .bind($user_id)
        .fetch_one(&mut *$tx)
        .await?;
        if is_owner > 0 && others == 0 && !$stays_owner {
            return Err(AppError::Conflict(
                "A team keeps at least one owner. Make somebody else an owner first".to_owned(),
            ));
        }
    };
}

impl Store {
    /// Makes a team with the default grants and its first owner; `false` when the slug is taken.
    pub async fn insert_team(&self, team: &Team, owner: Option<UserId>, event: &AuditEvent) -> Result<bool, AppError> {
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
            for role in Role::BUILT_IN {
                replace_grants!(tx, team.id, role, PermissionSet::default_for(role));
            }
            if let Some(owner) = owner {
                sqlx::query("INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)")
                    .bind(team.id)
                    .bind(owner)
                    .bind(Role::Owner.to_string())
                    .bind(micros(team.created_at))
                    .execute(&mut *tx)
                    .await?;
            }
            audit::append!(tx, team.id, event);
            Ok(true)
        })
    }

    /// Sets the installation up: uses up the set-up link's token, kept as the setting `token.0` with the hash `token.1`,
    /// and makes the first account with its team. `false` when the token is used up or another one, or there is an account
    /// already; [AppError::AlreadyExists] when the team's slug is taken, and then nothing is written.
    pub async fn set_up(
        &self,
        token: (&str, &str),
        user: &NewUser,
        team: &Team,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            // Of several at once, one deletes the row; the others wait for it and find none.
            let used = sqlx::query("DELETE FROM settings WHERE name = $1 AND value = $2")
                .bind(token.0)
                .bind(token.1)
                .execute(&mut *tx)
                .await?;
            let somebody: Option<i64> =
                sqlx::query_scalar("SELECT id FROM users LIMIT 1").fetch_optional(&mut *tx).await?;
            if used.rows_affected() == 0 || somebody.is_some() {
                return Ok(false);
            }
            sqlx::query(
                "INSERT INTO users (id, email, email_key, name, password_hash, time_zone, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
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
                return Err(AppError::AlreadyExists(format!("There is a team {}", team.slug)));
            }
            for role in Role::BUILT_IN {
                replace_grants!(tx, team.id, role, PermissionSet::default_for(role));
            }
            sqlx::query("INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)")
                .bind(team.id)
                .bind(user.id)
                .bind(Role::Owner.to_string())
                .bind(micros(team.created_at))
                .execute(&mut *tx)
                .await?;
            audit::append!(tx, team.id, event);
            Ok(true)
        })
    }

    /// The team with this id.
    pub async fn find_team(&self, id: TeamId) -> Result<Option<Team>, AppError> {
        let statement = format!("SELECT {TEAM_COLUMNS} FROM teams t WHERE t.id = $1 AND t.deleted_at IS NULL");
        let row: Option<TeamRow> =
            read!(self, |pool| sqlx::query_as(sqlx::AssertSqlSafe(&*statement)).bind(id).fetch_optional(pool).await)?;
        Ok(row.map(Team::from))
    }

    /// The team with this slug.
    pub async fn find_team_by_slug(&self, slug: &str) -> Result<Option<Team>, AppError> {
        let statement = format!("SELECT {TEAM_COLUMNS} FROM teams t WHERE t.slug = $1 AND t.deleted_at IS NULL");
        let row: Option<TeamRow> =
            read!(self, |pool| sqlx::query_as(sqlx::AssertSqlSafe(&*statement)).bind(slug).fetch_optional(pool).await)?;
        Ok(row.map(Team::from))
    }

    /// Changes a team's name and rules; `false` when it is gone.
    pub async fn update_team(
        &self,
        team_id: TeamId,
        name: &str,
        rules: TeamRules,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            let updated = sqlx::query(
                "UPDATE teams SET name = $2, demands_two_factor = $3, masks_addresses = $4, reveals_with_reason = $5
                 WHERE id = $1 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(name)
            .bind(rules.demands_two_factor)
            .bind(rules.masks_addresses)
            .bind(rules.reveals_with_reason)
            .execute(&mut *tx)
            .await?;
            if updated.rows_affected() == 1 {
                audit::append!(tx, team_id, event);
            }
            Ok(updated.rows_affected() == 1)
        })
    }

    /// The teams of an account, by name.
    pub async fn list_memberships(&self, user_id: UserId) -> Result<Vec<Membership>, AppError> {
        let rows: Vec<(TeamId, String, String, String, Option<String>)> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT t.id, t.slug, t.name, m.role, r.name FROM memberships m
                 JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 LEFT JOIN roles r ON r.team_id = m.team_id AND r.role = m.role
                 WHERE m.user_id = $1 ORDER BY t.name, t.id",
            )
            .bind(user_id)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter()
            .map(|(team_id, slug, name, role, role_name)| {
                let role = stored("role", role.parse())?;
                Ok(Membership { team_id, slug, name, role, role_name: name_of(role, role_name) })
            })
            .collect()
    }

    /// Adds an account to a team; `false` when it is a member already. [AppError::Conflict] when the role is gone.
    pub async fn insert_membership(
        &self,
        team_id: TeamId,
        new: &NewMembership,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            lock_roles!(tx, team_id);
            keep_to_known_roles!(tx, team_id, new.role);
            let inserted = sqlx::query(
                "INSERT INTO memberships (team_id, user_id, role, created_at, follows_groups)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(new.user_id)
            .bind(new.role.to_string())
            .bind(micros(new.at))
            .bind(new.follows_groups)
            .execute(&mut *tx)
            .await?;
            if inserted.rows_affected() == 1 {
                audit::append!(tx, team_id, event);
            }
            Ok(inserted.rows_affected() == 1)
        })
    }

    /// The members of a team, by name.
    pub async fn list_members(&self, team_id: TeamId) -> Result<Vec<Member>, AppError> {
        type Row = (UserId, String, String, String, Option<String>, i64, bool, bool);
        let rows: Vec<Row> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT u.id, u.email, u.name, m.role, r.name, m.created_at, u.totp_confirmed_at IS NOT NULL,
                     m.follows_groups
                 FROM memberships m JOIN users u ON u.id = m.user_id
                 LEFT JOIN roles r ON r.team_id = m.team_id AND r.role = m.role
                 WHERE m.team_id = $1 ORDER BY u.name, u.id",
            )
            .bind(team_id)
            .fetch_all(pool)
            .await
        })?;
        rows.into_iter()
            .map(|(user_id, email, name, role, role_name, joined_at, has_two_factor, follows_groups)| {
                let role = stored("role", role.parse())?;
                let (role_name, joined_at) = (name_of(role, role_name), instant(joined_at));
                Ok(Member { user_id, email, name, role, role_name, joined_at, has_two_factor, follows_groups })
            })
            .collect()
    }

    /// The members who have no second factor and need one where the team demands it: those with a password.
    pub async fn list_without_two_factor(&self, team_id: TeamId) -> Result<Vec<UserId>, AppError> {
        let lacking = read!(self, |pool| {
            sqlx::query_scalar(
                "SELECT u.id FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.team_id = $1 AND u.password_hash <> '' AND u.totp_confirmed_at IS NULL ORDER BY u.id",
            )
            .bind(team_id)
            .fetch_all(pool)
            .await
        })?;
        Ok(lacking)
    }

    /// Changes a member's role; `false` when there is no such member. [AppError::Conflict] when no owner would remain, or
    /// the role is gone.
    pub async fn update_member_role(
        &self,
        team_id: TeamId,
        user_id: UserId,
        role: Role,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            lock_roles!(tx, team_id);
            keep_to_known_roles!(tx, team_id, role);
            keep_an_owner!(tx, team_id, user_id, role == Role::Owner);
            let updated = sqlx::query("UPDATE memberships SET role = $3 WHERE team_id = $1 AND user_id = $2")
                .bind(team_id)
                .bind(user_id)
                .bind(role.to_string())
                .execute(&mut *tx)
                .await?;
            if updated.rows_affected() == 1 {
                audit::append!(tx, team_id, event);
            }
            Ok(updated.rows_affected() == 1)
        })
    }

    /// Ends a membership, the person's sessions in the team, and the keys that they made, unless those are the team's own
    /// or handed to `heir`; `false` when there is no such member. [AppError::Conflict] when no owner would remain.
    pub async fn delete_membership(
        &self,
        team_id: TeamId,
        user_id: UserId,
        heir: Option<UserId>,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            lock_roles!(tx, team_id);
            keep_an_owner!(tx, team_id, user_id, false);
            let deleted = sqlx::query("DELETE FROM memberships WHERE team_id = $1 AND user_id = $2")
                .bind(team_id)
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
            if deleted.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM sessions WHERE team_id = $1 AND user_id = $2")
                .bind(team_id)
                .bind(user_id)
                .execute(&mut *tx)
                .await?;
            let keys = match heir {
                Some(_) => {
                    "UPDATE api_keys SET created_by = $3
                     WHERE team_id = $1 AND created_by = $2 AND NOT belongs_to_team"
                }
                None => {
                    "UPDATE api_keys SET revoked_at = $3
                     WHERE team_id = $1 AND created_by = $2 AND revoked_at IS NULL AND NOT belongs_to_team"
                }
            };
            sqlx::query(keys)
                .bind(team_id)
                .bind(user_id)
                .bind(heir.map_or_else(|| micros(now), |heir| heir.0))
                .execute(&mut *tx)
                .await?;
            audit::append!(tx, team_id, event);
            Ok(true)
        })
    }

    /// The person `user_id` as a viewer of `team_id`, with what the role grants at this moment; `None` when the account
    /// is gone or is no member. A person without the second factor that the team demands may do nothing.
    pub async fn find_viewer(&self, team_id: TeamId, user_id: UserId) -> Result<Option<Viewer>, AppError> {
        #[derive(sqlx::FromRow)]
        struct Row {
            email: String,
            name: String,
            time_zone: String,
            lacks_two_factor: bool,
            #[sqlx(flatten)]
            team: ViewedTeam,
            role: String,
            role_name: Option<String>,
            permission: Option<String>,
        }
        let rows: Vec<Row> = read!(self, |pool| {
            sqlx::query_as(
                "SELECT u.email, u.name, u.time_zone, t.name AS team_name, t.demands_two_factor, t.masks_addresses,
                     t.reveals_with_reason, m.role, r.name AS role_name, p.permission,
                     t.demands_two_factor AND u.password_hash <> '' AND u.totp_confirmed_at IS NULL AS lacks_two_factor
                 FROM memberships m
                 JOIN users u ON u.id = m.user_id
                 JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 LEFT JOIN roles r ON r.team_id = m.team_id AND r.role = m.role
                 LEFT JOIN role_permissions p ON p.team_id = m.team_id AND p.role = m.role
                 WHERE m.team_id = $1 AND m.user_id = $2",
            )
            .bind(team_id)
            .bind(user_id)
            .fetch_all(pool)
            .await
        })?;
        let granted = rows.iter().filter_map(|row| row.permission.as_deref()?.parse().ok()).collect();
        let Some(row) = rows.into_iter().next() else { return Ok(None) };
        let role = stored("role", row.role.parse())?;
        let actor = Actor::User {
            id: user_id,
            email: row.email,
            name: row.name,
            time_zone: row.time_zone,
            role,
            role_name: name_of(role, row.role_name),
        };
        Ok(Some(Viewer {
            actor,
            team: team_id,
            rules: row.team.rules(),
            team_name: row.team.team_name,
            permissions: if row.lacks_two_factor { PermissionSet::default() } else { granted },
            lacks_two_factor: row.lacks_two_factor,
            origin: RequestOrigin::default(),
            reveals: Vec::new(),
        }))
    }

    /// Makes an invitation, in place of an earlier one to the same address. [AppError::Conflict] when the role is gone.
    pub async fn insert_invite(&self, team_id: TeamId, new: &NewInvite, event: &AuditEvent) -> Result<(), AppError> {
        write!(self, |tx| {
            lock_roles!(tx, team_id);
            keep_to_known_roles!(tx, team_id, new.invite.role);
            sqlx::query("DELETE FROM invites WHERE team_id = $1 AND email_key = $2")
                .bind(team_id)
                .bind(email_key(&new.invite.email))
                .execute(&mut *tx)
                .await?;
            sqlx::query(
                "INSERT INTO invites (team_id, id, email, email_key, role, token_hash, created_at, expires_at, invited_by)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            )
            .bind(team_id)
            .bind(new.invite.id)
            .bind(&new.invite.email)
            .bind(email_key(&new.invite.email))
            .bind(new.invite.role.to_string())
            .bind(&new.token_hash)
            .bind(micros(new.invite.created_at))
            .bind(micros(new.invite.expires_at))
            .bind(new.invited_by)
            .execute(&mut *tx)
            .await?;
            audit::append!(tx, team_id, event);
            Ok(())
        })
    }

    /// The invitations of a team that have not ended, newest first.
    pub async fn list_invites(&self, team_id: TeamId, now: DateTime<Utc>) -> Result<Vec<Invite>, AppError> {
        let statement = format!(
            "SELECT {INVITE_COLUMNS} FROM invites i
             LEFT JOIN roles r ON r.team_id = i.team_id AND r.role = i.role
             WHERE i.team_id = $1 AND i.expires_at > $2 ORDER BY i.id DESC"
        );
        let rows: Vec<InviteRow> = read!(self, |pool| sqlx::query_as(sqlx::AssertSqlSafe(&*statement))
            .bind(team_id)
            .bind(micros(now))
            .fetch_all(pool)
            .await)?;
        rows.into_iter().map(Invite::try_from).collect()
    }

    /// Gives an invitation another token and another end, so that its old link ends; `false` when there is none.
    pub async fn renew_invite(
        &self,
        team_id: TeamId,
        id: InviteId,
        token_hash: &str,
        expires_at: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            let renewed =
                sqlx::query("UPDATE invites SET token_hash = $3, expires_at = $4 WHERE team_id = $1 AND id = $2")
                    .bind(team_id)
                    .bind(id)
                    .bind(token_hash)
                    .bind(micros(expires_at))
                    .execute(&mut *tx)
                    .await?;
            if renewed.rows_affected() == 1 {
                audit::append!(tx, team_id, event);
            }
            Ok(renewed.rows_affected() == 1)
        })
    }

    /// Takes an invitation back; `false` when there is none.
    pub async fn delete_invite(&self, team_id: TeamId, id: InviteId, event: &AuditEvent) -> Result<bool, AppError> {
        write!(self, |tx| {
            let deleted = sqlx::query("DELETE FROM invites WHERE team_id = $1 AND id = $2")
                .bind(team_id)
                .bind(id)
                .execute(&mut *tx)
                .await?;
            if deleted.rows_affected() == 1 {
                audit::append!(tx, team_id, event);
            }
            Ok(deleted.rows_affected() == 1)
        })
    }

    /// Makes an account a member with the role that an invitation grants at this moment, and uses the invitation up;
    /// `false` when it was used or taken back in the meantime. Somebody who is a member already keeps their role.
    pub async fn accept_invite(
        &self,
        team_id: TeamId,
        invite_id: InviteId,
        new: &NewMembership,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        write!(self, |tx| {
            // The role may have been deleted since the invitation was read, and the invitation moved to another.
            lock_roles!(tx, team_id);
            let role: Option<String> =
                sqlx::query_scalar("DELETE FROM invites WHERE team_id = $1 AND id = $2 RETURNING role")
                    .bind(team_id)
                    .bind(invite_id)
                    .fetch_optional(&mut *tx)
                    .await?;
            let Some(role) = role else { return Ok(false) };
            sqlx::query(
                "INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(new.user_id)
            .bind(role)
            .bind(micros(new.at))
            .execute(&mut *tx)
            .await?;
            audit::append!(tx, team_id, event);
            Ok(true)
        })
    }

    /// The invitation with this token, while it lasts. The token stands for the team here.
    pub async fn find_invite(&self, token_hash: &str, now: DateTime<Utc>) -> Result<Option<FoundInvite>, AppError> {
        let statement = format!(
            "SELECT {INVITE_COLUMNS}, i.team_id FROM invites i
             LEFT JOIN roles r ON r.team_id = i.team_id AND r.role = i.role
             WHERE i.token_hash = $1 AND i.expires_at > $2"
        );
        #[derive(sqlx::FromRow)]
        struct Row {
            #[sqlx(flatten)]
            invite: InviteRow,
            team_id: TeamId,
        }
        let row: Option<Row> = read!(self, |pool| {
            sqlx::query_as(sqlx::AssertSqlSafe(&*statement))
                .bind(token_hash)
                .bind(micros(now))
                .fetch_optional(pool)
                .await
        })?;
        let Some(row) = row else { return Ok(None) };
        let invite = row.invite.try_into()?;
        Ok(self.find_team(row.team_id).await?.map(|team| FoundInvite { invite, team }))
    }
}
