//! Log-in, in one step or, with a second factor, in two; and log-out. Failed ones are audited in every team of the account.

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;

use super::passwords::is_password_of;
use super::sessions::{begin_session, session_error};
use super::{known_time_zone, note_failure, two_factor};
use crate::domain::error::AppError;
use crate::domain::ids::UserId;
use crate::domain::viewer::RequestOrigin;
use crate::server::App;
use crate::server::secrets::token_hash;
use crate::server::services::limits;
use crate::server::store::accounts::{Credentials, email_key};

/// Where a session holds, before log-in, whose code it waits for ([Awaited]).
const AWAITED: &str = "awaited";
/// How long it waits.
const CODE_WITHIN: TimeDelta = TimeDelta::minutes(5);

/// What a person types to log in.
#[derive(Clone, Debug)]
pub struct LogIn {
    pub email: String,
    pub password: String,
    pub time_zone: Option<String>,
}

/// How far a log-in got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogInStep {
    Done,
    /// The password was right; the code of the second factor is asked for next.
    AwaitsCode,
}

/// The account whose password was right.
#[derive(Debug, Serialize, Deserialize)]
struct Awaited {
    user: UserId,
    /// In microseconds since 1970.
    until: i64,
    /// SHA-256 of the password's hash: a new password ends the wait.
    password: String,
}

/// Logs a person in, or asks for the code of their second factor. Wrong passwords are counted by account and by address;
/// which of the two was wrong is not said.
pub async fn log_in(app: &App, session: &Session, input: LogIn, origin: &RequestOrigin) -> Result<LogInStep, AppError> {
    let credentials = check_password(app, input, origin).await?;
    if credentials.has_two_factor {
        await_code(app, session, &credentials).await?;
        return Ok(LogInStep::AwaitsCode);
    }
    begin(app, session, credentials.user_id, origin).await?;
    Ok(LogInStep::Done)
}

/// Logs a person in with password and, where the account has a second factor, its code; [AppError::TwoFactorRequired] when
/// that is missing.
pub async fn log_in_at_once(
    app: &App,
    session: &Session,
    input: LogIn,
    code: Option<&str>,
    origin: &RequestOrigin,
) -> Result<(), AppError> {
    let credentials = check_password(app, input, origin).await?;
    if credentials.has_two_factor {
        let code = code.ok_or(AppError::TwoFactorRequired)?;
        two_factor::check_code(app, &credentials, code, origin).await?;
    }
    begin(app, session, credentials.user_id, origin).await
}

/// The second step: logs the person in whose password was right a moment ago, by a code of their authenticator or a
/// recovery code. [AppError::NoSession] when nobody is waited for any more.
pub async fn log_in_with_code(
    app: &App,
    session: &Session,
    code: &str,
    origin: &RequestOrigin,
) -> Result<(), AppError> {
    let credentials = awaited(app, session).await?.ok_or(AppError::NoSession)?;
    two_factor::check_code(app, &credentials, code, origin).await?;
    begin(app, session, credentials.user_id, origin).await
}

/// Whether the session waits for somebody's code.
pub async fn awaits_code(app: &App, session: &Session) -> Result<bool, AppError> {
    Ok(awaited(app, session).await?.is_some())
}

/// Ends the session.
pub async fn log_out(session: &Session) -> Result<(), AppError> {
    session.flush().await.map_err(session_error)
}

async fn check_password(app: &App, input: LogIn, origin: &RequestOrigin) -> Result<Credentials, AppError> {
    let account = email_key(&input.email);
    limits::count_attempt(app, limits::LOG_IN_ADDRESS, &limits::address(origin)).await?;
    limits::count_attempt(app, limits::LOG_IN, &account).await?;
    let credentials = app.store.find_credentials(&input.email).await?;
    let is_right = is_password_of(app, credentials.as_ref(), input.password).await?;
    let Some(credentials) = credentials.as_ref().filter(|_| is_right) else {
        note_failure(app, credentials.as_ref(), origin);
        return Err(AppError::WrongCredentials);
    };
    limits::clear_attempts(app, limits::LOG_IN, &account).await?;
    limits::forgive_attempt(app, limits::LOG_IN_ADDRESS, &limits::address(origin)).await?;
    if let (false, Some(zone)) = (credentials.time_zone_chosen, known_time_zone(input.time_zone.as_deref())) {
        app.store.guess_time_zone(credentials.user_id, zone).await?;
    }
    Ok(credentials.clone())
}

/// Makes the session one that holds nothing but whose code it waits for.
pub(super) async fn await_code(app: &App, session: &Session, credentials: &Credentials) -> Result<(), AppError> {
    let awaited = Awaited {
        user: credentials.user_id,
        until: (app.clock.now() + CODE_WITHIN).timestamp_micros(),
        password: token_hash(&credentials.password_hash),
    };
    session.clear().await;
    session.cycle_id().await.map_err(session_error)?;
    session.insert(AWAITED, awaited).await.map_err(session_error)
}

async fn awaited(app: &App, session: &Session) -> Result<Option<Credentials>, AppError> {
    let held: Option<Awaited> = session.get(AWAITED).await.map_err(session_error)?;
    let Some(held) = held.filter(|held| app.clock.now().timestamp_micros() < held.until) else { return Ok(None) };
    let credentials = app.store.find_credentials_of(held.user).await?;
    Ok(credentials.filter(|found| found.has_two_factor && token_hash(&found.password_hash) == held.password))
}

async fn begin(app: &App, session: &Session, user: UserId, origin: &RequestOrigin) -> Result<(), AppError> {
    let first_team = app.store.list_memberships(user).await?.first().map(|team| team.team_id);
    begin_session(app, session, user, first_team, origin).await
}
