//! The second factor: time-based codes of an authenticator, each good once, and recovery codes. Codes are counted as they
//! are tried, whether at log-in or on the profile.
//! Sources: RFC 6238 and RFC 4226; Google Authenticator, Key URI Format.

use qrcode::{Color, EcLevel, QrCode};
use rand::Rng;
use serde_json::json;
use subtle::ConstantTimeEq;
use totp_rs::{Algorithm, TOTP};
use tracing::{error, info};

use super::note_failure;
use super::passwords::confirm_password;
use super::sessions::Account;
use crate::domain::account::{Square, TwoFactor};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::UserId;
use crate::domain::viewer::RequestOrigin;
use crate::server::App;
use crate::server::services::{audit, limits};
use crate::server::store::accounts::Credentials;

/// What authenticators show beside the account.
const ISSUER: &str = "Sendlog";
/// How long a code lasts, in seconds.
const STEP_S: u64 = 30;
const DIGITS: usize = 6;
/// How long a secret is, in bytes: that of SHA-1's output, as RFC 4226 recommends.
const SECRET_BYTES: usize = 20;
const RECOVERY_CODES: usize = 10;
/// Letters and digits that cannot be taken for one another.
const CODE_LETTERS: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const CODE_LENGTH: usize = 8;

/// Where a person stands with their second factor.
pub async fn find_two_factor(app: &App, account: &Account) -> Result<TwoFactor, AppError> {
    let Some(stored) = app.store.find_two_factor(account.user.id).await? else {
        let credentials = app.store.find_credentials_of(account.user.id).await?.ok_or(AppError::InvalidSession)?;
        return Ok(if credentials.password_hash.is_empty() { TwoFactor::AtProvider } else { TwoFactor::Off });
    };
    if stored.is_confirmed {
        return Ok(TwoFactor::On { recovery_codes: stored.recovery_codes });
    }
    let totp = open(app, account.user.id, &account.user.email, &stored.sealed_secret)?;
    let square = square_of(&totp.get_url())?;
    Ok(TwoFactor::Begun { secret: in_groups(&totp.get_secret_base32()), square })
}

/// Makes a secret for an authenticator. It counts once a code of it has been typed.
pub async fn begin_two_factor(app: &App, account: &Account) -> Result<(), AppError> {
    let credentials = app.store.find_credentials_of(account.user.id).await?.ok_or(AppError::InvalidSession)?;
    if credentials.password_hash.is_empty() {
        return Err(AppError::Forbidden("This account has no password: its provider looks after log-in".to_owned()));
    }
    let secret: [u8; SECRET_BYTES] = rand::rng().random();
    let sealed = app.secret_key.seal(&secret, &context(account.user.id));
    if app.store.set_pending_two_factor(account.user.id, Some(&sealed)).await? {
        return Ok(());
    }
    Err(AppError::Conflict("Two-factor authentication is set up already".to_owned()))
}

/// Forgets a secret that no code has confirmed.
pub async fn cancel_two_factor(app: &App, account: &Account) -> Result<(), AppError> {
    app.store.set_pending_two_factor(account.user.id, None).await.map(drop)
}

/// Sets two-factor authentication up by the first code of the new secret; gives the recovery codes, which nothing tells
/// again.
pub async fn confirm_two_factor(app: &App, account: &Account, code: &str) -> Result<Vec<String>, AppError> {
    let user = account.user.id;
    limits::count_attempt(app, limits::SECOND_FACTOR, &user.to_string()).await?;
    let stored = app.store.find_two_factor(user).await?.filter(|stored| !stored.is_confirmed);
    let stored = stored.ok_or_else(|| AppError::Conflict("There is nothing to confirm".to_owned()))?;
    let totp = open(app, user, &account.user.email, &stored.sealed_secret)?;
    let step = step_of(app, &totp, code).ok_or(AppError::WrongCode)?;
    let (codes, hashes) = recovery_codes(app, user);
    let event = account.event(app, AuditAction::TwoFactorEnabled);
    let now = app.clock.now();
    if !app.store.confirm_two_factor(user, &stored.sealed_secret, step, &hashes, now, &event).await? {
        return Err(AppError::Conflict("There is nothing to confirm".to_owned()));
    }
    limits::clear_attempts(app, limits::SECOND_FACTOR, &user.to_string()).await?;
    info!(user.id = %user, "set up two-factor authentication");
    Ok(codes)
}

/// Puts new recovery codes in the place of those that are left, with a code of the authenticator.
pub async fn renew_recovery_codes(app: &App, account: &Account, code: &str) -> Result<Vec<String>, AppError> {
    let user = account.user.id;
    use_step(app, user, &account.user.email, code).await?;
    let (codes, hashes) = recovery_codes(app, user);
    let event = account.event(app, AuditAction::RecoveryCodesRenewed);
    app.store.replace_recovery_codes(user, &hashes, &event).await?;
    Ok(codes)
}

/// Takes two-factor authentication away, with the password and a code. [AppError::Conflict] while a team of theirs
/// demands it.
pub async fn disable_two_factor(app: &App, account: &Account, password: String, code: &str) -> Result<(), AppError> {
    confirm_password(app, account, password).await?;
    let credentials = app.store.find_credentials_of(account.user.id).await?.ok_or(AppError::InvalidSession)?;
    check_code(app, &credentials, code, &account.origin).await?;
    let event = account.event(app, AuditAction::TwoFactorDisabled);
    app.store.delete_two_factor(account.user.id, &event).await?;
    info!(user.id = %account.user.id, "took two-factor authentication away");
    Ok(())
}

/// Passes only a code of the account's authenticator or a recovery code, and uses it up. A wrong one is audited as a failed
/// log-in.
pub(super) async fn check_code(
    app: &App,
    credentials: &Credentials,
    code: &str,
    origin: &RequestOrigin,
) -> Result<(), AppError> {
    let user = credentials.user_id;
    let result = match recovery_code(code) {
        Some(code) => use_recovery_code(app, credentials, &code, origin).await,
        None => use_step(app, user, &credentials.email, code).await,
    };
    if result == Err(AppError::WrongCode) {
        note_failure(app, Some(credentials), origin);
    }
    result
}

async fn use_recovery_code(
    app: &App,
    credentials: &Credentials,
    code: &str,
    origin: &RequestOrigin,
) -> Result<(), AppError> {
    let (user, email) = (credentials.user_id, &credentials.email);
    limits::count_attempt(app, limits::SECOND_FACTOR, &user.to_string()).await?;
    let event = audit::by_account(app, user, email, AuditAction::RecoveryCodeUsed, origin).about(user, email);
    let stored = app.store.find_two_factor(user).await?.filter(|stored| stored.is_confirmed);
    let left = stored.map_or(0, |stored| stored.recovery_codes - 1);
    let event = event.made(json!({ "left": left }));
    if !app.store.use_recovery_code(user, &app.secret_key.hash(code, &context(user)), &event).await? {
        return Err(AppError::WrongCode);
    }
    limits::clear_attempts(app, limits::SECOND_FACTOR, &user.to_string()).await
}

/// Passes only a code of the account's authenticator whose step was not used before.
async fn use_step(app: &App, user: UserId, email: &str, code: &str) -> Result<(), AppError> {
    limits::count_attempt(app, limits::SECOND_FACTOR, &user.to_string()).await?;
    let stored = app.store.find_two_factor(user).await?.filter(|stored| stored.is_confirmed);
    let stored = stored.ok_or(AppError::WrongCode)?;
    let totp = open(app, user, email, &stored.sealed_secret)?;
    let step = step_of(app, &totp, code).ok_or(AppError::WrongCode)?;
    if !app.store.use_two_factor_step(user, step).await? {
        return Err(AppError::WrongCode);
    }
    limits::clear_attempts(app, limits::SECOND_FACTOR, &user.to_string()).await
}

/// The step whose code this is: the present one, or one before or after it.
fn step_of(app: &App, totp: &TOTP, code: &str) -> Option<i64> {
    let code: String = code.chars().filter(|letter| !letter.is_whitespace()).collect();
    let present = app.clock.now().timestamp() / STEP_S as i64;
    let is_of = |step: &i64| {
        let expected = totp.generate(u64::try_from(*step).unwrap_or(0) * STEP_S);
        bool::from(expected.as_bytes().ct_eq(code.as_bytes()))
    };
    [present, present - 1, present + 1].into_iter().find(is_of)
}

fn open(app: &App, user: UserId, email: &str, sealed: &str) -> Result<TOTP, AppError> {
    let secret = app.secret_key.open(sealed, &context(user))?;
    // A colon parts the issuer from the account.
    let account = email.replace(':', ".");
    TOTP::new(Algorithm::SHA1, DIGITS, 1, STEP_S, secret, Some(ISSUER.to_owned()), account).map_err(|cause| {
        error!(%cause, user.id = %user, "a stored authenticator secret is no good");
        AppError::Internal
    })
}

fn context(user: UserId) -> String {
    format!("two-factor:{user}")
}

/// New recovery codes, and what is kept of them.
fn recovery_codes(app: &App, user: UserId) -> (Vec<String>, Vec<String>) {
    let mut random = rand::rng();
    let mut letters = || char::from(CODE_LETTERS[random.random_range(0..CODE_LETTERS.len())]);
    let codes: Vec<String> =
        (0..RECOVERY_CODES).map(|_| (0..CODE_LENGTH).map(|_| letters()).collect::<String>()).collect();
    let hashes = codes.iter().map(|code| app.secret_key.hash(code, &context(user))).collect();
    (codes.iter().map(|code| format!("{}-{}", &code[..4], &code[4..])).collect(), hashes)
}

/// The text as a recovery code, if it has the form of one, however it was typed.
fn recovery_code(text: &str) -> Option<String> {
    let letters = text.chars().filter(|letter| !letter.is_whitespace() && *letter != '-');
    let code: String = letters.map(|letter| letter.to_ascii_lowercase()).collect();
    let is_code = code.len() == CODE_LENGTH && code.bytes().all(|letter| CODE_LETTERS.contains(&letter));
    is_code.then_some(code)
}

fn in_groups(secret: &str) -> String {
    let letters: Vec<char> = secret.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// A text as the square that cameras read.
fn square_of(text: &str) -> Result<Square, AppError> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).map_err(|cause| {
        error!(%cause, "a QR code");
        AppError::Internal
    })?;
    let width = code.width();
    let dark = code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark);
    let path = dark.map(|(index, _)| format!("M{} {}h1v1h-1z", index % width, index / width)).collect();
    Ok(Square { width, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_code_is_read_however_it_was_typed() {
        for typed in ["abcd-ef23", " ABCD EF23", "abcdef23"] {
            assert_eq!(recovery_code(typed).as_deref(), Some("abcdef23"), "{typed}");
        }
        for other in ["123456", "abcd-ef2", "abcd-ef10", ""] {
            assert_eq!(recovery_code(other), None, "{other}");
        }
    }

    #[test]
    fn a_square_has_the_three_corners_that_cameras_look_for() {
        let square =
            square_of("otpauth://totp/Sendlog:ada@finch.example?secret=GEZDGNBVGY3TQOJQ&issuer=Sendlog").unwrap();
        assert!(square.width >= 21 && square.path.starts_with("M0 0h1v1h-1z"));
        assert!(square.path.contains(&format!("M{} 0h1v1h-1z", square.width - 1)));
        assert!(square.path.contains(&format!("M0 {}h1v1h-1z", square.width - 1)));
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        let secret = b"12345678901234567890".to_vec();
        let totp = TOTP::new(Algorithm::SHA1, DIGITS, 1, STEP_S, secret, None, "a".to_owned()).unwrap();
        // The last six of the eight digits in appendix B.
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(totp.generate(time), code);
        }
    }
}
