//! Accounts: setting up the installation, log-in and log-out, joining by invitation, the profile. Called by the pages'
//! server functions, the JSON API and the command line.

use std::sync::atomic::Ordering;

use argon2::Argon2;
use argon2::password_hash::rand_core::OsRng;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use lettre::Address;
use subtle::ConstantTimeEq;
use tower_sessions::Session;
use tracing::{error, info};

use super::{audit, checked_name, limits};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::team::{Invite, Membership, Role, Team, User};
use crate::domain::viewer::{RequestOrigin, Viewer};
use crate::server::App;
use crate::server::secrets::{random_token, token_hash};
use crate::server::store::accounts::{Credentials, NewUser};
use crate::server::store::api_keys::FoundKey;
use crate::server::store::sessions::{SESSION_TEAM, SESSION_USER};
use crate::server::store::teams::NewMembership;

/// The shortest password, in characters.
pub const MIN_PASSWORD_CHARS: usize = 10;
/// The longest password, in bytes: hashing is not to be made slow by its input.
const MAX_PASSWORD_BYTES: usize = 1024;

const SETUP_TOKEN: &str = "setup_token_hash";

/// A hash that no password matches, so that an unknown account takes as long as a known one.
const NOBODYS_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$c2VuZGxvZy1ub2JvZHk$2Qd1xtbYhO0zZ4Wcmv4yYPbe6nWb2XeX2Gm8fZ2mJ4k";

/// What a person types to log in.
#[derive(Clone, Debug)]
pub struct LogIn {
    /// The account's address.
    pub email: String,
    /// The password.
    pub password: String,
    /// The browser's IANA time zone, where it tells one.
    pub time_zone: Option<String>,
}

/// What the first owner types.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// From the one-time link.
    pub token: String,
    /// The person's name.
    pub name: String,
    /// The account's address.
    pub email: String,
    /// The password.
    pub password: String,
    /// The first team's name.
    pub team_name: String,
    /// The browser's IANA time zone, where it tells one.
    pub time_zone: Option<String>,
}

/// What an invited person types. One with an account gives its password.
#[derive(Clone, Debug)]
pub struct AcceptInvite {
    /// From the invitation's link.
    pub token: String,
    /// The person's name; unused where the account exists.
    pub name: String,
    /// The password.
    pub password: String,
    /// The browser's IANA time zone, where it tells one.
    pub time_zone: Option<String>,
}

/// Makes the one-time set-up link's token when the database has no account; `None` when it has one. An earlier token
/// ends.
pub async fn create_setup_token(app: &App) -> Result<Option<String>, AppError> {
    if app.store.has_users().await? {
        return Ok(None);
    }
    let token = random_token();
    app.store.set_setting(SETUP_TOKEN, Some(&token_hash(&token))).await?;
    Ok(Some(token))
}

/// Whether the installation still waits for its first owner.
pub async fn needs_setup(app: &App) -> Result<bool, AppError> {
    Ok(!app.store.has_users().await?)
}

/// Makes the owner and the team, with the token of the one-time link, and logs the owner in.
pub async fn set_up(app: &App, session: &Session, input: SetUp) -> Result<(), AppError> {
    let expected = app.store.setting(SETUP_TOKEN).await?.unwrap_or_default();
    let is_right: bool = token_hash(&input.token).as_bytes().ct_eq(expected.as_bytes()).into();
    if !is_right || !needs_setup(app).await? {
        return Err(AppError::Forbidden(
            "This set-up link has been used or replaced. Restart the server to print a new one.".to_owned(),
        ));
    }
    let team_name = checked_name("teamName", &input.team_name)?;
    let user = create_user(app, &input.email, &input.name, input.password, input.time_zone.as_deref()).await?;
    let team = super::teams::create_team_of(app, &team_name, Some(user)).await?;
    app.store.set_setting(SETUP_TOKEN, None).await?;
    info!(team.id = %team.id, "set up");
    begin_session(session, user, Some(team.id)).await
}

/// Makes an account; for the command line, set-up and invitations.
pub async fn create_user(
    app: &App,
    email: &str,
    name: &str,
    password: String,
    time_zone: Option<&str>,
) -> Result<UserId, AppError> {
    let email = checked_email(email)?;
    let name = checked_name("name", name)?;
    check_new_password(&password)?;
    let new = NewUser {
        id: app.clock.mint(),
        email: email.clone(),
        name,
        password_hash: hash_password(app, password).await?,
        time_zone: known_time_zone(time_zone).unwrap_or("UTC").to_owned(),
    };
    if app.store.insert_user(&new).await? {
        Ok(new.id)
    } else {
        Err(AppError::AlreadyExists(format!("An account for {email} exists already")))
    }
}

/// Logs a person in. Wrong passwords are counted by account and by address; which of the two was wrong is not said.
pub async fn log_in(app: &App, session: &Session, input: LogIn, client_address: &str) -> Result<(), AppError> {
    let account = crate::server::store::accounts::email_key(&input.email);
    limits::count_attempt(app, limits::LOG_IN_ADDRESS, client_address).await?;
    limits::count_attempt(app, limits::LOG_IN, &account).await?;
    let credentials = app.store.find_credentials(&input.email).await?;
    let is_right = is_password_of(app, credentials.as_ref(), input.password).await?;
    let Some(credentials) = credentials.filter(|_| is_right) else {
        return Err(AppError::WrongCredentials);
    };
    limits::clear_attempts(app, limits::LOG_IN, &account).await?;
    limits::forgive_attempt(app, limits::LOG_IN_ADDRESS, client_address).await?;
    if let (false, Some(zone)) = (credentials.time_zone_chosen, known_time_zone(input.time_zone.as_deref())) {
        app.store.guess_time_zone(credentials.user_id, zone).await?;
    }
    let first_team = app.store.list_memberships(credentials.user_id).await?.first().map(|team| team.team_id);
    begin_session(session, credentials.user_id, first_team).await
}

/// Ends the session.
pub async fn log_out(session: &Session) -> Result<(), AppError> {
    session.flush().await.map_err(session_error)
}

/// Makes another of the person's teams the session's.
pub async fn switch_team(app: &App, session: &Session, user: UserId, team: TeamId) -> Result<(), AppError> {
    app.store.find_role(team, user).await?.ok_or_else(|| AppError::not_found("Team"))?;
    session.insert(SESSION_TEAM, team).await.map_err(session_error)
}

/// The account that a session belongs to, with its team; [AppError::NoSession] when nobody is logged in.
pub async fn session_user(session: &Session) -> Result<(UserId, Option<TeamId>), AppError> {
    let user: Option<UserId> = session.get(SESSION_USER).await.map_err(session_error)?;
    let team: Option<TeamId> = session.get(SESSION_TEAM).await.map_err(session_error)?;
    user.map(|user| (user, team)).ok_or(AppError::NoSession)
}

/// The viewer of a session: role and permissions as they are at this moment. Falls back to another team when the
/// session's is gone.
pub async fn session_viewer(app: &App, session: &Session) -> Result<Viewer, AppError> {
    let (user, team) = session_user(session).await?;
    if let Some(team) = team
        && let Some(viewer) = app.store.find_viewer(team, user).await?
    {
        return Ok(viewer);
    }
    if app.store.find_user(user).await?.is_none() {
        return Err(AppError::InvalidSession);
    }
    let first = app.store.list_memberships(user).await?.into_iter().next().ok_or(AppError::NoTeam)?;
    session.insert(SESSION_TEAM, first.team_id).await.map_err(session_error)?;
    app.store.find_viewer(first.team_id, user).await?.ok_or(AppError::NoTeam)
}

/// The viewer of an API key and what bounds it; [AppError::InvalidApiKey] when it is unknown, revoked or has ended.
pub async fn find_key(app: &App, secret: &str) -> Result<FoundKey, AppError> {
    let found = app.store.find_key_by_hash(&token_hash(secret), app.clock.now()).await?;
    found.ok_or(AppError::InvalidApiKey)
}

/// The account of a session with its teams, for `GET /api/auth/me`.
pub async fn find_me(app: &App, session: &Session) -> Result<(User, Vec<Membership>), AppError> {
    let (user, _) = session_user(session).await?;
    let found = app.store.find_user(user).await?.ok_or(AppError::InvalidSession)?;
    Ok((found, app.store.list_memberships(user).await?))
}

/// Whether two addresses name the same account.
pub fn is_same_address(one: &str, other: &str) -> bool {
    let key = crate::server::store::accounts::email_key;
    key(one) == key(other)
}

/// The invitation with this token, while it lasts.
pub async fn find_invite(app: &App, token: &str) -> Result<(Invite, Team), AppError> {
    let found = app.store.find_invite(&token_hash(token), app.clock.now()).await?;
    found.map(|found| (found.invite, found.team)).ok_or_else(|| AppError::not_found("Invitation"))
}

/// Joins the team of an invitation, with a new account or with the one that the invited address has, and logs in. A
/// refusal does not tell whether there is one: each is in the same words and takes the same time.
pub async fn accept_invite(
    app: &App,
    session: &Session,
    input: AcceptInvite,
    client_address: &str,
) -> Result<(), AppError> {
    limits::count_attempt(app, limits::LOG_IN_ADDRESS, client_address).await?;
    let (invite, team) = find_invite(app, &input.token).await?;
    check_new_password(&input.password)?;
    let (name, account) = (checked_name("name", &input.name), crate::server::store::accounts::email_key(&invite.email));
    limits::count_attempt(app, limits::LOG_IN, &account).await?;
    let credentials = app.store.find_credentials(&invite.email).await?;
    let user = if credentials.is_none() && name.is_ok() {
        create_user(app, &invite.email, &input.name, input.password, input.time_zone.as_deref()).await?
    } else {
        let is_right = is_password_of(app, credentials.as_ref(), input.password).await?;
        match credentials.filter(|_| is_right) {
            Some(credentials) => credentials.user_id,
            None => return Err(name.err().unwrap_or(AppError::WrongCredentials)),
        }
    };
    limits::clear_attempts(app, limits::LOG_IN, &account).await?;
    limits::forgive_attempt(app, limits::LOG_IN_ADDRESS, client_address).await?;
    join(app, &invite, &team, user).await?;
    begin_session(session, user, Some(team.id)).await
}

/// Joins the team of an invitation with the account that is logged in, whose address must be the invited one.
pub async fn accept_invite_as(app: &App, session: &Session, token: &str) -> Result<Team, AppError> {
    let (user, _) = session_user(session).await?;
    let (invite, team) = find_invite(app, token).await?;
    let account = app.store.find_user(user).await?.ok_or(AppError::InvalidSession)?;
    if !is_same_address(&account.email, &invite.email) {
        return Err(AppError::Forbidden("This invitation is for another e-mail address".to_owned()));
    }
    join(app, &invite, &team, user).await?;
    session.insert(SESSION_TEAM, team.id).await.map_err(session_error)?;
    Ok(team)
}

async fn join(app: &App, invite: &Invite, team: &Team, user: UserId) -> Result<(), AppError> {
    let event = audit::by_account(app, user, &invite.email, AuditAction::MemberJoined, &RequestOrigin::default());
    let event = event.about(user, &invite.email).made(serde_json::json!({ "role": invite.role_name }));
    let new = NewMembership { user_id: user, role: invite.role, at: app.clock.now(), follows_groups: false };
    if !app.store.accept_invite(team.id, invite.id, &new, &event).await? {
        return Err(AppError::not_found("Invitation"));
    }
    info!(team.id = %team.id, user.id = %user, "joined by invitation");
    Ok(())
}

/// Adds an account to a team, for the command line.
pub async fn add_member(app: &App, team: TeamId, user: UserId, role: Role) -> Result<(), AppError> {
    let email = app.store.find_user(user).await?.map(|user| user.email).unwrap_or_default();
    let event = audit::by_command_line(app, AuditAction::MemberJoined).about(user, email);
    let new = NewMembership { user_id: user, role, at: app.clock.now(), follows_groups: false };
    app.store.insert_membership(team, &new, &event).await.map(drop)
}

/// Sets the viewer's own name and time zone.
pub async fn update_profile(app: &App, viewer: &Viewer, name: &str, time_zone: &str) -> Result<(), AppError> {
    let user = viewer.user_id().ok_or_else(|| AppError::Forbidden("An API key has no profile".to_owned()))?;
    let name = checked_name("name", name)?;
    let zone = known_time_zone(Some(time_zone))
        .ok_or_else(|| AppError::invalid_field("timeZone", format!("“{time_zone}” is not a time zone")))?;
    app.store.update_profile(user, &name, zone).await
}

/// Every IANA time zone that names a place, and UTC.
pub fn list_time_zones() -> Vec<&'static str> {
    let is_place = |name: &&str| name.contains('/') && !name.starts_with("Etc/") && !name.starts_with("US/");
    let mut names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).filter(is_place).collect();
    names.sort_unstable();
    names.insert(0, "UTC");
    names
}

fn known_time_zone(name: Option<&str>) -> Option<&'static str> {
    let zone: chrono_tz::Tz = name?.parse().ok()?;
    Some(zone.name())
}

async fn begin_session(session: &Session, user: UserId, team: Option<TeamId>) -> Result<(), AppError> {
    // A new id: one that somebody planted before log-in opens nothing.
    session.cycle_id().await.map_err(session_error)?;
    session.insert(SESSION_USER, user).await.map_err(session_error)?;
    session.remove::<TeamId>(SESSION_TEAM).await.map_err(session_error)?;
    if let Some(team) = team {
        session.insert(SESSION_TEAM, team).await.map_err(session_error)?;
    }
    Ok(())
}

fn session_error(cause: tower_sessions::session::Error) -> AppError {
    error!(%cause, "session storage");
    AppError::Internal
}

/// An address as it is kept.
pub(super) fn checked_email(email: &str) -> Result<String, AppError> {
    let email = email.trim();
    let parsed: Result<Address, _> = email.parse();
    match parsed {
        Ok(_) if email.len() <= 254 => Ok(email.to_owned()),
        _ => Err(AppError::invalid_field("email", "email must be an address like ada@example.com")),
    }
}

fn check_new_password(password: &str) -> Result<(), AppError> {
    if password.chars().count() < MIN_PASSWORD_CHARS || password.len() > MAX_PASSWORD_BYTES {
        return Err(AppError::invalid_field(
            "password",
            format!("password must be at least {MIN_PASSWORD_CHARS} characters long"),
        ));
    }
    Ok(())
}

async fn hash_password(app: &App, password: String) -> Result<String, AppError> {
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

/// Whether an account has this password. An unknown account has none, and takes as long.
async fn is_password_of(app: &App, account: Option<&Credentials>, password: String) -> Result<bool, AppError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Ok(false);
    }
    let hash = account.map_or(NOBODYS_HASH, |account| &account.password_hash).to_owned();
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

    #[test]
    fn time_zones_name_places() {
        let zones = list_time_zones();
        assert!(zones.contains(&"Europe/Berlin") && zones[0] == "UTC" && !zones.contains(&"Etc/GMT+1"));
    }
}
