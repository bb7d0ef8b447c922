//! Passwords: hashing and comparing them, changing one's own, and setting a new one by a mail's link.

use std::sync::atomic::Ordering;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use chrono::TimeDelta;
use tracing::{error, info, warn};

use super::sessions::Account;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::team::User;
use crate::domain::viewer::RequestOrigin;
use crate::server::App;
use crate::server::secrets::{random_token, token_hash};
use crate::server::services::mail::{self, SystemMail};
use crate::server::services::{audit, checked_email, limits};
use crate::server::store::accounts::{Credentials, email_key};

/// The shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 10;
/// The longest password, in bytes: hashing is not to be made slow by its input.
const MAX_PASSWORD_BYTES: usize = 1024;

/// How long the link of a mail can be used.
const RESET_LASTS: TimeDelta = TimeDelta::hours(1);

/// A hash that no password matches, so that an unknown account takes as long as a known one.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2VuZGxvZy1ub2JvZHk$2Qd1xtbYhO0zZ4Wcmv4yYPbe6nWb2XeX2Gm8fZ2mJ4k";

/// Changes a person's password, who knows the present one, and ends their other sessions. Wrong ones count as failed
/// log-ins do.
pub async fn change_password(
    app: &App,
    account: &Account,
    present: String,
    new: String,
    again: &str,
) -> Result<(), AppError> {
    if new != again {
        return Err(AppError::invalid_field("new_password_again", "The two new passwords differ"));
    }
    check_new_password(&new)?;
    confirm_password(app, account, present).await?;
    let hash = hash_password(app, new).await?;
    let event = account.event(app, AuditAction::PasswordChanged);
    app.store.set_password(account.user.id, &hash, Some(&account.session), &event).await?;
    info!(user.id = %account.user.id, "changed a password");
    Ok(())
}

/// Passes only a person's own password, asked for again before something grave.
pub(super) async fn confirm_password(app: &App, account: &Account, password: String) -> Result<(), AppError> {
    let key = email_key(&account.user.email);
    limits::count_attempt(app, limits::LOG_IN, &key).await?;
    let credentials = app.store.find_credentials_of(account.user.id).await?.ok_or(AppError::InvalidSession)?;
    if credentials.password_hash.is_empty() {
        return Err(AppError::Forbidden(
            "This account has no password. Set one by “Forgot your password?” on the log-in page".to_owned(),
        ));
    }
    if !is_password_of(app, Some(&credentials), password).await? {
        return Err(AppError::invalid_field("password", "The present password is wrong"));
    }
    limits::clear_attempts(app, limits::LOG_IN, &key).await
}

/// Sends a mail with a link that sets a new password to the account with this address, if there is one. Whether there is
/// one, neither the answer nor its time tells: looking for it is left to a task of its own.
pub async fn forgot_password(app: &App, email: &str, origin: &RequestOrigin) -> Result<(), AppError> {
    let email = checked_email(email)?;
    limits::count_attempt(app, limits::RESET_ADDRESS, &limits::address(origin)).await?;
    limits::count_attempt(app, limits::RESET, &email_key(&email)).await?;
    let app = app.clone();
    tokio::spawn(async move {
        if let Err(cause) = send_reset(&app, &email).await {
            warn!(%cause, "a mail for a new password was not sent");
        }
    });
    Ok(())
}

async fn send_reset(app: &App, email: &str) -> Result<(), AppError> {
    let Some(user) = app.store.find_user_by_email(email).await? else { return Ok(()) };
    let mut sender = None;
    for team in app.store.list_memberships(user.id).await? {
        if mail::can_send(app, team.team_id).await? {
            sender = Some(team.team_id);
            break;
        }
    }
    let sender = sender.ok_or_else(|| AppError::Adapter("No team of the account has a mail adapter".to_owned()))?;
    let token = random_token();
    app.store.insert_password_reset(user.id, &token_hash(&token), app.clock.now() + RESET_LASTS).await?;
    let text = format!(
        "Hello {},\n\nsomebody asked for a new password for your Sendlog account. If that was you, set one here:\n\n\
         {}/reset/{token}\n\nThe link works once, for one hour. If it was not you, there is nothing to do: your present \
         password stays.\n",
        user.name,
        app.config.public_url()
    );
    let mail = SystemMail { to: user.email, subject: "Set a new password for Sendlog".to_owned(), text };
    mail::send_system_mail(app, sender, &mail).await
}

/// The account whose password the link with this token sets, while it lasts.
pub async fn find_reset(app: &App, token: &str) -> Result<User, AppError> {
    let found = app.store.find_password_reset(&token_hash(token), app.clock.now()).await?;
    found.ok_or_else(|| AppError::not_found("Link for a new password"))
}

/// Sets the password that a mail's link allows, once, and ends every session of the account. It logs nobody in: a second
/// factor is still asked for.
pub async fn reset_password(app: &App, token: &str, password: String, origin: &RequestOrigin) -> Result<(), AppError> {
    check_new_password(&password)?;
    let user = find_reset(app, token).await?;
    let hash = hash_password(app, password).await?;
    let event = audit::by_nobody(app, &user.email, AuditAction::PasswordReset, origin).about(user.id, &user.email);
    if !app.store.reset_password(&token_hash(token), user.id, &hash, app.clock.now(), &event).await? {
        return Err(AppError::not_found("Link for a new password"));
    }
    limits::clear_attempts(app, limits::LOG_IN, &email_key(&user.email)).await?;
    info!(user.id = %user.id, "set a password by a mail's link");
    Ok(())
}

pub(super) fn check_new_password(password: &str) -> Result<(), AppError> {
    if password.chars().count() < MIN_PASSWORD_CHARS || password.len() > MAX_PASSWORD_BYTES {
        return Err(AppError::invalid_field(
            "password",
            format!("password must be at least {MIN_PASSWORD_CHARS} characters long"),
        ));
    }
    Ok(())
}

pub(super) async fn hash_password(app: &App, password: String) -> Result<String, AppError> {
    hashing(app, move || {
        let salt = SaltString::generate(&mut OsRng);
        Argon2::default().hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string())
    })
    .await?
    .map_err(|cause| {
        error!(%cause, "password hashing");
        AppError::Internal
    })
}

/// Whether an account has this password. An unknown account has none, nor has one that only an OpenID provider opens; both
/// take as long.
pub(super) async fn is_password_of(
    app: &App,
    account: Option<&Credentials>,
    password: String,
) -> Result<bool, AppError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Ok(false);
    }
    let own = account.map(|account| account.password_hash.as_str()).filter(|hash| !hash.is_empty());
    let hash = own.unwrap_or(NOBODYS_HASH).to_owned();
    hashing(app, move || {
        let parsed = PasswordHash::new(&hash);
        parsed.is_ok_and(|parsed| Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok())
    })
    .await
}

/// Runs `work` off the async threads, a few at a time.
async fn hashing<T: Send + 'static>(app: &App, work: impl FnOnce() -> T + Send + 'static) -> Result<T, AppError> {
    let _permit = app.hashing.acquire().await.map_err(|_| AppError::Unavailable)?;
    app.hashed.fetch_add(1, Ordering::Relaxed);
    tokio::task::spawn_blocking(work).await.map_err(|cause| {
        error!(%cause, "password hashing");
        AppError::Internal
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_hash_takes_as_long_as_a_real_one() {
        let parsed = PasswordHash::new(NOBODYS_HASH).unwrap();
        let params = argon2::Params::try_from(&parsed).unwrap();
        assert_eq!(params, argon2::Params::try_from(&PasswordHash::new(&default_hash()).unwrap()).unwrap());
    }

    fn default_hash() -> String {
        let salt = SaltString::generate(&mut OsRng);
        Argon2::default().hash_password(b"password", &salt).unwrap().to_string()
    }
}
