//! Accounts, the installation's settings, and the counters that limit guessing.

use chrono::{DateTime, Utc};

use super::{Store, instant, micros, read, write};
use crate::domain::error::AppError;
use crate::domain::ids::UserId;
use crate::domain::team::User;

/// An account to be made.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// Its id.
    pub id: UserId,
    /// Its address, as written.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// The password, hashed.
    pub password_hash: String,
    /// IANA time zone.
    pub time_zone: String,
}

/// An account with what log-in compares.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// The account.
    pub user_id: UserId,
    /// The password, hashed.
    pub password_hash: String,
    /// Whether the person chose the time zone, rather than the browser at log-in.
    pub time_zone_chosen: bool,
}

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

/// The form in which addresses are compared: trimmed, lower case.
pub fn email_key(email: &str) -> String {
    email.trim().to_lowercase()
}

impl Store {
    /// Makes an account; `false` when the address is taken.
    pub async fn insert_user(&self, user: &NewUser) -> Result<bool, AppError> {
        write!(self, |tx| {
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
            Ok(inserted.rows_affected() == 1)
        })
    }

    /// Whether any account exists.
    pub async fn has_users(&self) -> Result<bool, AppError> {
        let found: Option<i64> =
            read!(self, |pool| sqlx::query_scalar("SELECT id FROM users LIMIT 1").fetch_optional(pool).await)?;
        Ok(found.is_some())
    }

    /// The account with this id.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, AppError> {
        let row: Option<UserRow> = read!(self, |pool| {
            sqlx::query_as("SELECT id, email, name, time_zone, created_at FROM users WHERE id = $1")
                .bind(id)
                .fetch_optional(pool)
                .await
        })?;
        Ok(row.map(User::from))
    }

    /// The account with this address, in any case of letters.
    pub async fn find_user_by_email(&self, email: &str) -> Result<Option<User>, AppError> {
        let row: Option<UserRow> = read!(self, |pool| {
            sqlx::query_as("SELECT id, email, name, time_zone, created_at FROM users WHERE email_key = $1")
                .bind(email_key(email))
                .fetch_optional(pool)
                .await
        })?;
        Ok(row.map(User::from))
    }

    /// What log-in compares, for the account with this address.
    pub async fn find_credentials(&self, email: &str) -> Result<Option<Credentials>, AppError> {
        let row: Option<(UserId, String, bool)> = read!(self, |pool| {
            sqlx::query_as("SELECT id, password_hash, time_zone_chosen FROM users WHERE email_key = $1")
                .bind(email_key(email))
                .fetch_optional(pool)
                .await
        })?;
        Ok(row.map(|(user_id, password_hash, time_zone_chosen)| Credentials {
            user_id,
            password_hash,
            time_zone_chosen,
        }))
    }

    /// Sets the name and the time zone that a person chose.
    pub async fn update_profile(&self, id: UserId, name: &str, time_zone: &str) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("UPDATE users SET name = $2, time_zone = $3, time_zone_chosen = TRUE WHERE id = $1")
                .bind(id)
                .bind(name)
                .bind(time_zone)
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// Sets the time zone that the browser reported, unless the person chose one.
    pub async fn guess_time_zone(&self, id: UserId, time_zone: &str) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("UPDATE users SET time_zone = $2 WHERE id = $1 AND NOT time_zone_chosen AND time_zone <> $2")
                .bind(id)
                .bind(time_zone)
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// The installation's setting of this name.
    pub async fn setting(&self, name: &str) -> Result<Option<String>, AppError> {
        Ok(read!(self, |pool| {
            sqlx::query_scalar("SELECT value FROM settings WHERE name = $1").bind(name).fetch_optional(pool).await
        })?)
    }

    /// Writes the installation's setting of this name, or takes it away.
    pub async fn set_setting(&self, name: &str, value: Option<&str>) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("DELETE FROM settings WHERE name = $1").bind(name).execute(&mut *tx).await?;
            if let Some(value) = value {
                sqlx::query("INSERT INTO settings (name, value) VALUES ($1, $2)")
                    .bind(name)
                    .bind(value)
                    .execute(&mut *tx)
                    .await?;
            }
            Ok(())
        })
    }

    /// Counts one more attempt at `subject` and gives the number of attempts in the present window and its end. A
    /// window opens with the first attempt and ends at `window_ends_at`.
    pub async fn count_attempt(
        &self,
        subject: &str,
        now: DateTime<Utc>,
        window_ends_at: DateTime<Utc>,
    ) -> Result<(i64, DateTime<Utc>), AppError> {
        write!(self, |tx| {
            sqlx::query("DELETE FROM rate_limits WHERE window_ends_at <= $1")
                .bind(micros(now))
                .execute(&mut *tx)
                .await?;
            let (attempts, ends_at): (i64, i64) = sqlx::query_as(
                "INSERT INTO rate_limits (subject, window_ends_at, attempts) VALUES ($1, $2, 1)
                 ON CONFLICT (subject) DO UPDATE SET attempts = rate_limits.attempts + 1
                 RETURNING attempts, window_ends_at",
            )
            .bind(subject)
            .bind(micros(window_ends_at))
            .fetch_one(&mut *tx)
            .await?;
            Ok((attempts, instant(ends_at)))
        })
    }

    /// Takes one attempt at `subject` back.
    pub async fn forgive_attempt(&self, subject: &str) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("UPDATE rate_limits SET attempts = attempts - 1 WHERE subject = $1 AND attempts > 0")
                .bind(subject)
                .execute(&mut *tx)
                .await?;
            Ok(())
        })
    }

    /// Forgets the attempts at `subject`.
    pub async fn clear_attempts(&self, subject: &str) -> Result<(), AppError> {
        write!(self, |tx| {
            sqlx::query("DELETE FROM rate_limits WHERE subject = $1").bind(subject).execute(&mut *tx).await?;
            Ok(())
        })
    }
}
