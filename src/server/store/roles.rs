//! What roles may do in a team, and the roles that the team made. The built-in ones have no row in `roles`; what every
//! role may do is in `role_permissions`.

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event, commit_change};
use super::engine::Transaction;
use super::{Store, micros, stored};
use crate::domain::error::AppError;
use crate::domain::ids::{RoleId, TeamId, UserId};
use crate::domain::permission::PermissionSet;
use crate::domain::team::{Role, RoleGrants};

/// A role to be made.
#[derive(Clone, Debug)]
pub struct NewRole {
    pub id: RoleId,
    /// Its name, unique in the team whatever the case of its letters, and none of the built-in ones.
    pub name: String,
    /// What it is for, in a sentence; may be empty.
    pub description: String,
    pub permissions: PermissionSet,
    pub created_at: DateTime<Utc>,
}

/// The most roles that a team makes, so that the grid stays a grid.
pub const MAX_CUSTOM_ROLES: i64 = 20;

/// A change of what one role may do.
#[derive(Clone, Debug)]
pub struct GrantChange {
    pub role: Role,
    /// What it may do until now, as the change and its line in the audit log were made from it.
    pub before: PermissionSet,
    /// What it may do from now on.
    pub permissions: PermissionSet,
    pub event: AuditEvent,
}

/// Writes what a role may do, in place of what it might do before, inside a transaction.
pub(super) async fn replace_grants(
    tx: &mut Transaction,
    team_id: TeamId,
    role: Role,
    permissions: PermissionSet,
) -> Result<(), AppError> {
    let role = role.to_string();
    tx.query("DELETE FROM role_permissions WHERE team_id = $1 AND role = $2")
        .bind(team_id)
        .bind(&role)
        .execute()
        .await?;
    for permission in permissions.iter() {
        tx.query("INSERT INTO role_permissions (team_id, role, permission) VALUES ($1, $2, $3)")
            .bind(team_id)
            .bind(&role)
            .bind(permission.as_str())
            .execute()
            .await?;
    }
    Ok(())
}

/// Makes changes of a team's roles, and of who has which, wait for each other, inside a transaction: a role is not given
/// to anybody while it is being deleted, and two owners cannot end each other's ownership at once. A deleted team's are
/// not changed: [AppError::NotFound].
pub(super) async fn lock_roles(tx: &mut Transaction, team_id: TeamId) -> Result<(), AppError> {
    let statement = "UPDATE teams SET name = name WHERE id = $1 AND deleted_at IS NULL";
    match tx.query(statement).bind(team_id).execute().await? {
        0 => Err(AppError::not_found("Team")),
        _ => Ok(()),
    }
}

/// Refuses a role that the team does not have, inside a transaction after [lock_roles].
pub(super) async fn keep_to_known_roles(tx: &mut Transaction, team_id: TeamId, role: Role) -> Result<(), AppError> {
    if !role.is_custom() {
        return Ok(());
    }
    let known: i64 = tx
        .query("SELECT COUNT(*) FROM roles WHERE team_id = $1 AND role = $2")
        .bind(team_id)
        .bind(role.to_string())
        .fetch_scalar()
        .await?;
    match known {
        0 => Err(AppError::Conflict("This role was deleted in the meantime".to_owned())),
        _ => Ok(()),
    }
}

/// The name of a role on a page: a built-in one's own, else the one that the team gave it.
pub(super) fn name_of(role: Role, given: Option<String>) -> String {
    role.built_in_label().map_or_else(|| given.unwrap_or_else(|| role.to_string()), str::to_owned)
}

fn name_key(name: &str) -> String {
    name.to_lowercase()
}

fn name_taken(name: &str) -> AppError {
    AppError::AlreadyExists(format!("A role named “{name}” exists already"))
}

impl Store {
    /// What every role may do in a team, and how many members hold it: the built-in ones first, then the team's own by
    /// name.
    pub async fn list_role_grants(&self, team_id: TeamId) -> Result<Vec<RoleGrants>, AppError> {
        let own: Vec<(String, String, String)> = self
            .read("SELECT role, name, description FROM roles WHERE team_id = $1 ORDER BY name_key, role")
            .bind(team_id)
            .fetch_all()
            .await?;
        let grants: Vec<(String, String)> = self
            .read("SELECT role, permission FROM role_permissions WHERE team_id = $1")
            .bind(team_id)
            .fetch_all()
            .await?;
        let holders: Vec<(String, i64)> = self
            .read("SELECT role, COUNT(*) FROM memberships WHERE team_id = $1 GROUP BY role")
            .bind(team_id)
            .fetch_all()
            .await?;
        let grants_of = |role: Role, name: Option<String>, description: String| {
            let key = role.to_string();
            let mine = grants.iter().filter(|(holder, _)| *holder == key);
            RoleGrants {
                role,
                name: name_of(role, name),
                description,
                permissions: mine.filter_map(|(_, permission)| permission.parse().ok()).collect(),
                members: holders.iter().find(|(holder, _)| *holder == key).map_or(0, |(_, count)| *count),
            }
        };
        let mut roles: Vec<RoleGrants> =
            Role::BUILT_IN.into_iter().map(|role| grants_of(role, None, String::new())).collect();
        for (role, name, description) in own {
            roles.push(grants_of(stored("roles.role", role.parse())?, Some(name), description));
        }
        Ok(roles)
    }

    /// Makes a role; [AppError::AlreadyExists] when the team has one of that name, [AppError::Conflict] when it has
    /// [MAX_CUSTOM_ROLES].
    pub async fn insert_role(&self, team_id: TeamId, new: &NewRole, event: &AuditEvent) -> Result<(), AppError> {
        let role = Role::Custom(new.id);
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        let count: i64 = tx.query("SELECT COUNT(*) FROM roles WHERE team_id = $1").bind(team_id).fetch_scalar().await?;
        if count >= MAX_CUSTOM_ROLES {
            return Err(AppError::Conflict(format!(
                "A team has at most {MAX_CUSTOM_ROLES} roles of its own. Delete one first"
            )));
        }
        let inserted = tx
            .query(
                "INSERT INTO roles (team_id, role, name, name_key, description, created_at)
                 VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            )
            .bind(team_id)
            .bind(role.to_string())
            .bind(&new.name)
            .bind(name_key(&new.name))
            .bind(&new.description)
            .bind(micros(new.created_at))
            .execute()
            .await?;
        if inserted == 0 {
            return Err(name_taken(&new.name));
        }
        replace_grants(&mut tx, team_id, role, new.permissions).await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// Changes the name and description of a role that the team made; `false` when there is none,
    /// [AppError::AlreadyExists] when another has the name.
    pub async fn rename_role(
        &self,
        team_id: TeamId,
        id: RoleId,
        name: &str,
        description: &str,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let role = Role::Custom(id).to_string();
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        let namesake: Option<String> = tx
            .query("SELECT role FROM roles WHERE team_id = $1 AND name_key = $2 AND role <> $3")
            .bind(team_id)
            .bind(name_key(name))
            .bind(&role)
            .fetch_optional_scalar()
            .await?;
        if namesake.is_some() {
            return Err(name_taken(name));
        }
        let renamed = tx
            .query("UPDATE roles SET name = $3, name_key = $4, description = $5 WHERE team_id = $1 AND role = $2")
            .bind(team_id)
            .bind(&role)
            .bind(name)
            .bind(name_key(name))
            .bind(description)
            .execute()
            .await?;
        commit_change(tx, team_id, event, renamed).await
    }

    /// Deletes a role that the team made; `false` when there is none. Its members, and the invitations to it, get the
    /// role `successor`; [AppError::Conflict] when the team does not have that one.
    pub async fn delete_role(
        &self,
        team_id: TeamId,
        id: RoleId,
        successor: Role,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let role = Role::Custom(id).to_string();
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        let deleted =
            tx.query("DELETE FROM roles WHERE team_id = $1 AND role = $2").bind(team_id).bind(&role).execute().await?;
        if deleted == 0 {
            return Ok(false);
        }
        keep_to_known_roles(&mut tx, team_id, successor).await?;
        for statement in [
            "UPDATE memberships SET role = $3 WHERE team_id = $1 AND role = $2",
            "UPDATE invites SET role = $3 WHERE team_id = $1 AND role = $2",
        ] {
            tx.query(statement).bind(team_id).bind(&role).bind(successor.to_string()).execute().await?;
        }
        tx.query("DELETE FROM role_permissions WHERE team_id = $1 AND role = $2")
            .bind(team_id)
            .bind(&role)
            .execute()
            .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Changes what roles may do, all or none; [AppError::Conflict] when one of them is gone or no longer is what the
    /// change was made from.
    pub async fn update_role_grants(&self, team_id: TeamId, changes: &[GrantChange]) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        for change in changes {
            keep_to_known_roles(&mut tx, team_id, change.role).await?;
            let names: Vec<String> = tx
                .query("SELECT permission FROM role_permissions WHERE team_id = $1 AND role = $2")
                .bind(team_id)
                .bind(change.role.to_string())
                .fetch_scalars()
                .await?;
            let present: PermissionSet = names.iter().filter_map(|name| name.parse().ok()).collect();
            if present != change.before {
                return Err(AppError::Conflict(
                    "Somebody else changed the roles at the same time. Look again and save once more".to_owned(),
                ));
            }
            replace_grants(&mut tx, team_id, change.role, change.permissions).await?;
            append_event(&mut tx, team_id, &change.event).await?;
        }
        tx.commit().await
    }

    /// A member's role in a team; `None` for somebody who is no member.
    pub async fn find_role(&self, team_id: TeamId, user_id: UserId) -> Result<Option<Role>, AppError> {
        let role: Option<String> = self
            .read(
                "SELECT m.role FROM memberships m JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
                 WHERE m.team_id = $1 AND m.user_id = $2",
            )
            .bind(team_id)
            .bind(user_id)
            .fetch_optional_scalar()
            .await?;
        role.map(|role| stored("role", role.parse())).transpose()
    }
}
