//! Accounts, the installation's settings, and the counters that limit guessing.

use chrono::{DateTime, Utc};

use super::audit::{AuditEvent, append_event};
use super::engine::Transaction;
use super::{Store, instant, micros};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::team::User;

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    pub id: UserId,
    /// Its address, as written.
    pub email: String,
    pub name: String,
    pub password_hash: String,
    /// IANA time zone.
    pub time_zone: String,
}

/// An account with what log-in compares.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Credentials {
    pub user_id: UserId,
    /// Its address, as written.
    pub email: String,
    /// The password, hashed; empty for an account that only an OpenID provider opens.
    pub password_hash: String,
    pub has_two_factor: bool,
    /// Whether the person chose the time zone, rather than the browser at log-in.
    pub time_zone_chosen: bool,
}

/// Writes a line into the log of every team of an account, as the last step of a transaction. Every caller takes the teams
/// in the same order, so that none waits for another in a circle.
pub(super) async fn append_to_teams_of(
    tx: &mut Transaction,
    user_id: UserId,
    event: &AuditEvent,
) -> Result<(), AppError> {
    let teams: Vec<TeamId> = tx
        .query(
            "SELECT m.team_id FROM memberships m JOIN teams t ON t.id = m.team_id AND t.deleted_at IS NULL
             WHERE m.user_id = $1 ORDER BY m.team_id",
        )
        .bind(user_id)
        .fetch_scalars()
        .await?;
    for team_id in teams {
        append_event(tx, team_id, event).await?;
    }
    Ok(())
}

/// Makes an account, inside a transaction; `false` when the address is taken.
pub(super) async fn insert_account(tx: &mut Transaction, user: &NewUser) -> Result<bool, AppError> {
    let inserted = tx
        .query(
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
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// Sets a password and ends what an earlier one opened, but for the session with the hash `kept`.
async fn replace_password(
    tx: &mut Transaction,
    user_id: UserId,
    password_hash: &str,
    kept: &str,
) -> Result<(), AppError> {
    tx.query("UPDATE users SET password_hash = $2 WHERE id = $1").bind(user_id).bind(password_hash).execute().await?;
    tx.query("DELETE FROM sessions WHERE user_id = $1 AND id_hash <> $2").bind(user_id).bind(kept).execute().await?;
    tx.query("DELETE FROM password_resets WHERE user_id = $1").bind(user_id).execute().await?;
    Ok(())
}

const CREDENTIALS_COLUMNS: &str =
    "id AS user_id, email, password_hash, totp_confirmed_at IS NOT NULL AS has_two_factor, time_zone_chosen";

#[derive(sqlx::FromRow)]
struct UserRow {
    id: UserId,
    email: String,
    name: String,
    time_zone: String,
    created_at: i64,
}

impl From<UserRow> for User {
    fn from(row: UserRow) -> Self {
        Self {
            id: row.id,
            email: row.email,
            name: row.name,
            time_zone: row.time_zone,
            created_at: instant(row.created_at),
        }
    }
}

/// The form in which the addresses of accounts are compared.
pub fn email_key(email: &str) -> String {
    crate::domain::mailbox::address_key(email)
}

impl Store {
    /// Makes an account; `false` when the address is taken.
    pub async fn insert_user(&self, user: &NewUser) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let is_new = insert_account(&mut tx, user).await?;
        tx.commit().await?;
        Ok(is_new)
    }

    /// Whether any account exists.
    pub async fn has_users(&self) -> Result<bool, AppError> {
        let found: Option<i64> = self.read("SELECT id FROM users LIMIT 1").fetch_optional_scalar().await?;
        Ok(found.is_some())
    }

    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, AppError> {
        let row: Option<UserRow> = self
            .read("SELECT id, email, name, time_zone, created_at FROM users WHERE id = $1")
            .bind(id)
            .fetch_optional()
            .await?;
        Ok(row.map(User::from))
    }

    /// The account with this address, in any case of letters.
    pub async fn find_user_by_email(&self, email: &str) -> Result<Option<User>, AppError> {
        let row: Option<UserRow> = self
            .read("SELECT id, email, name, time_zone, created_at FROM users WHERE email_key = $1")
            .bind(email_key(email))
            .fetch_optional()
            .await?;
        Ok(row.map(User::from))
    }

    /// What log-in compares, for this account.
    pub async fn find_credentials_of(&self, id: UserId) -> Result<Option<Credentials>, AppError> {
        let statement = format!("SELECT {CREDENTIALS_COLUMNS} FROM users WHERE id = $1");
        self.read(statement).bind(id).fetch_optional().await
    }

    /// What log-in compares, for the account with this address.
    pub async fn find_credentials(&self, email: &str) -> Result<Option<Credentials>, AppError> {
        let statement = format!("SELECT {CREDENTIALS_COLUMNS} FROM users WHERE email_key = $1");
        self.read(statement).bind(email_key(email)).fetch_optional().await
    }

    /// Writes a line about an account that changed nothing, into the log of each of its teams: a failed log-in.
    pub async fn append_account_event(&self, id: UserId, event: &AuditEvent) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        append_to_teams_of(&mut tx, id, event).await?;
        tx.commit().await
    }

    /// Sets the name and the time zone that a person chose.
    pub async fn update_profile(
        &self,
        id: UserId,
        name: &str,
        time_zone: &str,
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query("UPDATE users SET name = $2, time_zone = $3, time_zone_chosen = TRUE WHERE id = $1")
            .bind(id)
            .bind(name)
            .bind(time_zone)
            .execute()
            .await?;
        append_to_teams_of(&mut tx, id, event).await?;
        tx.commit().await
    }

    /// Sets a new password. Ends every session of the account but the one with the hash `kept`, and every link that
    /// would set another password.
    pub async fn set_password(
        &self,
        id: UserId,
        password_hash: &str,
        kept: Option<&str>,
        event: &AuditEvent,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        replace_password(&mut tx, id, password_hash, kept.unwrap_or_default()).await?;
        append_to_teams_of(&mut tx, id, event).await?;
        tx.commit().await
    }

    /// Makes a link's token good for setting the account's password until `expires_at`, in place of an earlier one.
    pub async fn insert_password_reset(
        &self,
        id: UserId,
        token_hash: &str,
        expires_at: DateTime<Utc>,
    ) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query("DELETE FROM password_resets WHERE user_id = $1").bind(id).execute().await?;
        tx.query("INSERT INTO password_resets (token_hash, user_id, expires_at) VALUES ($1, $2, $3)")
            .bind(token_hash)
            .bind(id)
            .bind(micros(expires_at))
            .execute()
            .await?;
        tx.commit().await
    }

    /// The account whose password a link's token may set, while it lasts.
    pub async fn find_password_reset(&self, token_hash: &str, now: DateTime<Utc>) -> Result<Option<User>, AppError> {
        let row: Option<UserRow> = self
            .read(
                "SELECT u.id, u.email, u.name, u.time_zone, u.created_at
                 FROM password_resets r JOIN users u ON u.id = r.user_id WHERE r.token_hash = $1 AND r.expires_at > $2",
            )
            .bind(token_hash)
            .bind(micros(now))
            .fetch_optional()
            .await?;
        Ok(row.map(User::from))
    }

    /// Uses a link's token up and sets the account's password. Ends every session of the account; `false` when the token
    /// was used, replaced or has ended.
    pub async fn reset_password(
        &self,
        token_hash: &str,
        id: UserId,
        password_hash: &str,
        now: DateTime<Utc>,
        event: &AuditEvent,
    ) -> Result<bool, AppError> {
        let mut tx = self.begin().await?;
        let used = tx
            .query("DELETE FROM password_resets WHERE token_hash = $1 AND user_id = $2 AND expires_at > $3")
            .bind(token_hash)
            .bind(id)
            .bind(micros(now))
            .execute()
            .await?;
        if used == 0 {
            return Ok(false);
        }
        replace_password(&mut tx, id, password_hash, "").await?;
        append_to_teams_of(&mut tx, id, event).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Sets the time zone that the browser reported, unless the person chose one.
    pub async fn guess_time_zone(&self, id: UserId, time_zone: &str) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query("UPDATE users SET time_zone = $2 WHERE id = $1 AND NOT time_zone_chosen AND time_zone <> $2")
            .bind(id)
            .bind(time_zone)
            .execute()
            .await?;
        tx.commit().await
    }

    /// The installation's setting of this name.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, AppError> {
        self.read("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional_scalar().await
    }

    /// Writes the installation's setting of this name, or takes it away.
    pub async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query("DELETE FROM settings WHERE name = $1").bind(name).execute().await?;
        if let Some(value) = value {
            tx.query("INSERT INTO settings (name, value) VALUES ($1, $2)").bind(name).bind(value).execute().await?;
        }
        tx.commit().await
    }

    /// Counts one more attempt at `subject` and gives the number of attempts in the present window and its end. A
    /// window opens with the first attempt and ends at `window_ends_at`.
    pub async fn count_attempt(
        &self,
        subject: &str,
        now: DateTime<Utc>,
        window_ends_at: DateTime<Utc>,
    ) -> Result<(i64, DateTime<Utc>), AppError> {
        let mut tx = self.begin().await?;
        // Others' go in steps of their own: nobody waits here for them.
        tx.query("DELETE FROM rate_limits WHERE subject = $1 AND window_ends_at <= $2")
            .bind(subject)
            .bind(micros(now))
            .execute()
            .await?;
        let (attempts, ends_at): (i64, i64) = tx
            .query(
                "INSERT INTO rate_limits (subject, window_ends_at, attempts) VALUES ($1, $2, 1)
                 ON CONFLICT (subject) DO UPDATE SET attempts = rate_limits.attempts + 1
                 RETURNING attempts, window_ends_at",
            )
            .bind(subject)
            .bind(micros(window_ends_at))
            .fetch_one()
            .await?;
        tx.commit().await?;
        Ok((attempts, instant(ends_at)))
    }

    /// Takes one attempt at `subject` back.
    pub async fn forgive_attempt(&self, subject: &str) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query("UPDATE rate_limits SET attempts = attempts - 1 WHERE subject = $1 AND attempts > 0")
            .bind(subject)
            .execute()
            .await?;
        tx.commit().await
    }

    /// Forgets the attempts at `subject`.
    pub async fn clear_attempts(&self, subject: &str) -> Result<(), AppError> {
        let mut tx = self.begin().await?;
        tx.query("DELETE FROM rate_limits WHERE subject = $1").bind(subject).execute().await?;
        tx.commit().await
    }
}
