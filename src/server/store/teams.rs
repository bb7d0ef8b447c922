//! Teams, memberships, and the [Viewer] made from them and from what roles may do.

mod invites;

use chrono::{DateTime, Utc};

pub use invites::{FoundInvite, NewInvite};

use super::accounts::{NewUser, insert_account};
use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Transaction;
use super::roles::{keep_to_known_roles, lock_roles, name_of, replace_grants};
use super::{Store, instant, micros, stored};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::permission::PermissionSet;
use crate::domain::team::{Member, Membership, Role, Team, TeamRules};
use crate::domain::viewer::{Actor, RequestOrigin, Viewer};

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

/// Somebody to be made a member.
#[derive(Clone, Copy, Debug)]
pub struct NewMembership {
    pub user_id: UserId,
    pub role: Role,
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

/// Makes a team with what its built-in roles may do by default, inside a transaction; `false` when the slug is taken.
async fn insert_with_grants(tx: &mut Transaction, team: &Team) -> Result<bool, AppError> {
    let inserted = tx
        .query("INSERT INTO teams (id, slug, name, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING")
        .bind(team.id)
        .bind(&team.slug)
        .bind(&team.name)
        .bind(micros(team.created_at))
        .execute()
        .await?;
    if inserted == 0 {
        return Ok(false);
    }
    for role in Role::BUILT_IN {
        replace_grants(tx, team.id, role, PermissionSet::default_for(role)).await?;
    }
    Ok(true)
}

/// Makes an account the first owner of a new team, inside a transaction.
async fn insert_owner(tx: &mut Transaction, team: &Team, owner: UserId) -> Result<(), AppError> {
    tx.query("INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)")
        .bind(team.id)
        .bind(owner)
        .bind(Role::Owner.to_string())
        .bind(micros(team.created_at))
        .execute()
        .await?;
    Ok(())
}

/// Refuses to end the ownership of a team's last owner, inside a transaction after [lock_roles].
async fn keep_an_owner(tx: &mut Transaction, team_id: TeamId, user_id: UserId) -> Result<(), AppError> {
    let owners: Vec<UserId> = tx
        .query("SELECT user_id FROM memberships WHERE team_id = $1 AND role = 'owner'")
        .bind(team_id)
        .fetch_scalars()
        .await?;
    if owners == [user_id] {
        return Err(AppError::Conflict(
            "A team keeps at least one owner. Make somebody else an owner first".to_owned(),
        ));
    }
    Ok(())
}

impl Store {
    /// Makes a team with the default grants and its first owner; `false` when the slug is taken.
    pub async fn insert_team(&self, team: &Team, owner: Option<UserId>, event: &AuditEvent) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        if !insert_with_grants(&mut tx, team).await? {
            return Ok(false);
        }
        if let Some(owner) = owner {
            insert_owner(&mut tx, team, owner).await?;
        }
        append_event(&mut tx, team.id, event).await?;
        tx.commit().await?;
        Ok(true)
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
        let mut tx = self.begin().await?;
        // Of several at once, one deletes the row; the others wait for it and find none.
        let used = tx
            .query("DELETE FROM settings WHERE name = $1 AND value = $2")
            .bind(token.0)
            .bind(token.1)
            .execute()
            .await?;
        let somebody: Option<i64> = tx.query("SELECT id FROM users LIMIT 1").fetch_optional_scalar().await?;
        if used == 0 || somebody.is_some() {
            // A link that comes too late is used up all the same.
            tx.commit().await?;
            return Ok(false);
        }
        if !insert_account(&mut tx, user).await? {
            return Ok(false);
        }
        if !insert_with_grants(&mut tx, team).await? {
            return Err(AppError::AlreadyExists(format!("There is a team {}", team.slug)));
        }
        insert_owner(&mut tx, team, user.id).await?;
        append_event(&mut tx, team.id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    pub async fn find_team(&self, id: TeamId) -> Result<Option<Team>, AppError> {
        let statement = format!("SELECT {TEAM_COLUMNS} FROM teams t WHERE t.id = $1 AND t.deleted_at IS NULL");
        let row: Option<TeamRow> = self.read(statement).bind(id).fetch_optional().await?;
        Ok(row.map(Team::from))
    }

    pub async fn find_team_by_slug(&self, slug: &str) -> Result<Option<Team>, AppError> {
        let statement = format!("SELECT {TEAM_COLUMNS} FROM teams t WHERE t.slug = $1 AND t.deleted_at IS NULL");
        let row: Option<TeamRow> = self.read(statement).bind(slug).fetch_optional().await?;
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
        let mut tx = self.begin().await?;
        let updated = tx
            .query(
                "UPDATE teams SET name = $2, demands_two_factor = $3, masks_addresses = $4, reveals_with_reason = $5
                 WHERE id = $1 AND deleted_at IS NULL",
            )
            .bind(team_id)
            .bind(name)
            .bind(rules.demands_two_factor)
            .bind(rules.masks_addresses)
            .bind(rules.reveals_with_reason)
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
    }

    /// The teams of an account, by name.
    pub async fn list_memberships(&self, user_id: UserId) -> Result<Vec<Membership>, AppError> {
        let rows: Vec<(TeamId, String, String, String, Option<String>)> = self
            .read(
                "SELECT t.id, t.slug, t.name, m.role, r.name FROM memberships m
                 JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 LEFT JOIN roles r ON r.team_id = m.team_id AND r.role = m.role
                 WHERE m.user_id = $1 ORDER BY t.name, t.id",
            )
            .bind(user_id)
            .fetch_all()
            .await?;
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
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        keep_to_known_roles(&mut tx, team_id, new.role).await?;
        let inserted = tx
            .query(
                "INSERT INTO memberships (team_id, user_id, role, created_at, follows_groups)
                 VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(new.user_id)
            .bind(new.role.to_string())
            .bind(micros(new.at))
            .bind(new.follows_groups)
            .execute()
            .await?;
        commit_change(tx, team_id, event, inserted).await
    }

    /// The members of a team, by name.
    pub async fn list_members(&self, team_id: TeamId) -> Result<Vec<Member>, AppError> {
        type Row = (UserId, String, String, String, Option<String>, i64, bool, bool);
        let rows: Vec<Row> = self
            .read(
                "SELECT u.id, u.email, u.name, m.role, r.name, m.created_at, u.totp_confirmed_at IS NOT NULL,
                     m.follows_groups
                 FROM memberships m JOIN users u ON u.id = m.user_id
                 LEFT JOIN roles r ON r.team_id = m.team_id AND r.role = m.role
                 WHERE m.team_id = $1 ORDER BY u.name, u.id",
            )
            .bind(team_id)
            .fetch_all()
            .await?;
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
        let lacking = self
            .read(
                "SELECT u.id FROM memberships m JOIN users u ON u.id = m.user_id
                 WHERE m.team_id = $1 AND u.password_hash <> '' AND u.totp_confirmed_at IS NULL ORDER BY u.id",
            )
            .bind(team_id)
            .fetch_scalars()
            .await?;
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
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        keep_to_known_roles(&mut tx, team_id, role).await?;
        if role != Role::Owner {
            keep_an_owner(&mut tx, team_id, user_id).await?;
        }
        let updated = tx
            .query("UPDATE memberships SET role = $3 WHERE team_id = $1 AND user_id = $2")
            .bind(team_id)
            .bind(user_id)
            .bind(role.to_string())
            .execute()
            .await?;
        commit_change(tx, team_id, event, updated).await
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
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        keep_an_owner(&mut tx, team_id, user_id).await?;
        let deleted = tx
            .query("DELETE FROM memberships WHERE team_id = $1 AND user_id = $2")
            .bind(team_id)
            .bind(user_id)
            .execute()
            .await?;
        if deleted == 0 {
            return Ok(false);
        }
        tx.query("DELETE FROM sessions WHERE team_id = $1 AND user_id = $2")
            .bind(team_id)
            .bind(user_id)
            .execute()
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
        tx.query(keys)
            .bind(team_id)
            .bind(user_id)
            .bind(heir.map_or_else(|| micros(now), |heir| heir.0))
            .execute()
            .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
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
            permissions: Option<String>,
        }
        let granted = self.engine().joined("p.permission");
        let row: Option<Row> = self
            .read(format!(
                "SELECT u.email, u.name, u.time_zone, t.name AS team_name, t.demands_two_factor, t.masks_addresses,
                     t.reveals_with_reason, m.role, r.name AS role_name,
                     (SELECT {granted} FROM role_permissions p WHERE p.team_id = m.team_id AND p.role = m.role) AS permissions,
                     t.demands_two_factor AND u.password_hash <> '' AND u.totp_confirmed_at IS NULL AS lacks_two_factor
                 FROM memberships m
                 JOIN users u ON u.id = m.user_id
                 JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 LEFT JOIN roles r ON r.team_id = m.team_id AND r.role = m.role
                 WHERE m.team_id = $1 AND m.user_id = $2"
            ))
            .bind(team_id)
            .bind(user_id)
            .fetch_optional()
            .await?;
        let Some(row) = row else { return Ok(None) };
        let names = row.permissions.as_deref().unwrap_or_default();
        let granted = names.split(' ').filter_map(|name| name.parse().ok()).collect();
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
}
