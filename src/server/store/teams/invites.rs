//! Invitations into a team. A link's token is kept as its SHA-256 alone.

use chrono::{DateTime, Utc};

use super::NewMembership;
use crate::domain::error::AppError;
use crate::domain::ids::{InviteId, TeamId, UserId};
use crate::domain::team::{Invite, Team};
use crate::server::store::accounts::email_key;
use crate::server::store::audit::{AuditEvent, append_event, commit_change};
use crate::server::store::roles::{keep_to_known_roles, lock_roles, name_of};
use crate::server::store::{Store, instant, micros, stored};

/// An invitation to be made. The token itself is only in the link.
#[derive(Clone, Debug)]
pub struct NewInvite {
    pub invite: Invite,
    /// SHA-256 of the token, in hexadecimal.
    pub token_hash: String,
    /// Who invites, where a person does.
    pub invited_by: Option<UserId>,
}

/// An invitation with its team, found by its token.
#[derive(Clone, Debug)]
pub struct FoundInvite {
    pub invite: Invite,
    pub team: Team,
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

impl Store {
    /// Makes an invitation, in place of an earlier one to the same address. [AppError::Conflict] when the role is gone.
    pub async fn insert_invite(&self, team_id: TeamId, new: &NewInvite, event: &AuditEvent) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        lock_roles(&mut tx, team_id).await?;
        keep_to_known_roles(&mut tx, team_id, new.invite.role).await?;
        tx.query("DELETE FROM invites WHERE team_id = $1 AND email_key = $2")
            .bind(team_id)
            .bind(email_key(&new.invite.email))
            .execute()
            .await?;
        tx.query(
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
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await
    }

    /// The invitations of a team that have not ended, newest first.
    pub async fn list_invites(&self, team_id: TeamId, now: DateTime<Utc>) -> Result<Vec<Invite>, AppError> {
        let statement = format!(
            "SELECT {INVITE_COLUMNS} FROM invites i
             LEFT JOIN roles r ON r.team_id = i.team_id AND r.role = i.role
             WHERE i.team_id = $1 AND i.expires_at > $2 ORDER BY i.id DESC"
        );
        let rows: Vec<InviteRow> = self.read(statement).bind(team_id).bind(micros(now)).fetch_all().await?;
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
        let mut tx = self.begin().await?;
        let renewed = tx
            .query("UPDATE invites SET token_hash = $3, expires_at = $4 WHERE team_id = $1 AND id = $2")
            .bind(team_id)
            .bind(id)
            .bind(token_hash)
            .bind(micros(expires_at))
            .execute()
            .await?;
        commit_change(tx, team_id, event, renewed).await
    }

    /// Takes an invitation back; `false` when there is none.
    pub async fn delete_invite(&self, team_id: TeamId, id: InviteId, event: &AuditEvent) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let deleted =
            tx.query("DELETE FROM invites WHERE team_id = $1 AND id = $2").bind(team_id).bind(id).execute().await?;
        commit_change(tx, team_id, event, deleted).await
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
        let mut tx = self.begin().await?;
        // The role may have been deleted since the invitation was read, and the invitation moved to another.
        lock_roles(&mut tx, team_id).await?;
        let role: Option<String> = tx
            .query("DELETE FROM invites WHERE team_id = $1 AND id = $2 RETURNING role")
            .bind(team_id)
            .bind(invite_id)
            .fetch_optional_scalar()
            .await?;
        let Some(role) = role else { return Ok(false) };
        tx.query(
            "INSERT INTO memberships (team_id, user_id, role, created_at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT DO NOTHING",
        )
        .bind(team_id)
        .bind(new.user_id)
        .bind(role)
        .bind(micros(new.at))
        .execute()
        .await?;
        append_event(&mut tx, team_id, event).await?;
        tx.commit().await?;
        Ok(true)
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
        let row: Option<Row> = self.read(statement).bind(token_hash).bind(micros(now)).fetch_optional().await?;
        let Some(row) = row else { return Ok(None) };
        let invite = row.invite.try_into()?;
        Ok(self.find_team(row.team_id).await?.map(|team| FoundInvite { invite, team }))
    }
}
