//! Accounts: setting up the installation, joining by invitation, the profile; below this, log-in, passwords, second
//! factors, sessions and OpenID. Called by the pages' server functions, the JSON API and the command line.

mod log_in;
pub mod openid;
mod passwords;
mod sessions;
mod two_factor;

use serde_json::json;
use subtle::ConstantTimeEq;
use tower_sessions::Session;
use tracing::{error, info};

pub use self::log_in::{LogIn, LogInStep, awaits_code, log_in, log_in_at_once, log_in_with_code, log_out};
pub use self::passwords::{MIN_PASSWORD_CHARS, change_password, find_reset, forgot_password, reset_password};
pub use self::sessions::{
    Account, account_of, end_other_sessions, end_session, list_sessions, note_seen, session_user, session_viewer,
    switch_team,
};
pub use self::two_factor::{
    begin_two_factor, cancel_two_factor, confirm_two_factor, disable_two_factor, find_two_factor, renew_recovery_codes,
};

use self::passwords::{check_new_password, hash_password, is_password_of};
use self::sessions::{begin_session, session_error};
use super::{audit, checked_member_email, checked_name, limits};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::team::{Invite, Membership, Role, Team, TeamRules, User, slug_of};
use crate::domain::viewer::RequestOrigin;
use crate::server::App;
use crate::server::secrets::{random_token, token_hash};
use crate::server::store::accounts::{Credentials, NewUser};
use crate::server::store::api_keys::FoundKey;
use crate::server::store::sessions::SESSION_TEAM;
use crate::server::store::teams::NewMembership;

const SETUP_TOKEN: &str = "setup_token_hash";
/// How many slugs are tried for the first team.
const MAX_SLUGS: u32 = 100;

/// What the first owner types.
#[derive(Clone, Debug)]
pub struct SetUp {
    /// From the one-time link.
    pub token: String,
    pub name: String,
    pub email: String,
    pub password: String,
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
    pub password: String,
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
pub async fn set_up(app: &App, session: &Session, input: SetUp, origin: &RequestOrigin) -> Result<(), AppError> {
    let expected = app.store.setting(SETUP_TOKEN).await?.unwrap_or_default();
    let is_right: bool = token_hash(&input.token).as_bytes().ct_eq(expected.as_bytes()).into();
    if !is_right || !needs_setup(app).await? {
        return Err(used_link());
    }
    let team_name = checked_name("teamName", &input.team_name)?;
    let user = new_user(app, &input.email, &input.name, input.password, input.time_zone.as_deref()).await?;
    let (id, base) = (app.clock.mint::<TeamId>(), slug_of(&team_name));
    for attempt in 1..=MAX_SLUGS {
        let slug = if attempt == 1 { base.clone() } else { format!("{base}-{attempt}") };
        let team = Team { id, slug, name: team_name.clone(), created_at: id.created_at(), rules: TeamRules::default() };
        let event = audit::by_account(app, user.id, &user.email, AuditAction::TeamCreated, &RequestOrigin::default())
            .about(team.id, &team.name)
            .made(json!({ "name": team.name, "slug": team.slug }));
        match app.store.set_up((SETUP_TOKEN, &expected), &user, &team, &event).await {
            Ok(true) => {
                info!(team.id = %team.id, "set up");
                return begin_session(app, session, user.id, Some(team.id), origin).await;
            }
            Ok(false) => return Err(used_link()),
            Err(AppError::AlreadyExists(_)) => {}
            Err(error) => return Err(error),
        }
    }
    Err(AppError::AlreadyExists("There are too many teams of this name".to_owned()))
}

fn used_link() -> AppError {
    AppError::Forbidden("This set-up link has been used or replaced. Restart the server to print a new one.".to_owned())
}

/// Makes an account; for the command line, set-up and invitations.
pub async fn create_user(
    app: &App,
    email: &str,
    name: &str,
    password: String,
    time_zone: Option<&str>,
) -> Result<UserId, AppError> {
    let new = new_user(app, email, name, password, time_zone).await?;
    if app.store.insert_user(&new).await? {
        Ok(new.id)
    } else {
        Err(AppError::AlreadyExists(format!("An account for {} exists already", new.email)))
    }
}

/// An account as it will be kept, when all of it is right.
async fn new_user(
    app: &App,
    email: &str,
    name: &str,
    password: String,
    time_zone: Option<&str>,
) -> Result<NewUser, AppError> {
    let email = checked_member_email(email)?;
    let name = checked_name("name", name)?;
    check_new_password(&password)?;
    Ok(NewUser {
        id: app.clock.mint(),
        email,
        name,
        password_hash: hash_password(app, password).await?,
        time_zone: known_time_zone(time_zone).unwrap_or("UTC").to_owned(),
    })
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

/// Joins the team of an invitation, with a new account or with the one that the invited address has, and logs in. An
/// account with a second factor is asked for its code first and joins after that, at the invitation's page. A refusal does
/// not tell whether there is an account: each is in the same words and takes the same time.
pub async fn accept_invite(
    app: &App,
    session: &Session,
    input: AcceptInvite,
    origin: &RequestOrigin,
) -> Result<LogInStep, AppError> {
    limits::count_attempt(app, limits::LOG_IN_ADDRESS, &limits::address(origin)).await?;
    let (invite, team) = find_invite(app, &input.token).await?;
    check_new_password(&input.password)?;
    let (name, account) = (checked_name("name", &input.name), crate::server::store::accounts::email_key(&invite.email));
    limits::count_attempt(app, limits::LOG_IN, &account).await?;
    let credentials = app.store.find_credentials(&invite.email).await?;
    let is_new = credentials.is_none();
    let user = if is_new && name.is_ok() {
        create_user(app, &invite.email, &input.name, input.password, input.time_zone.as_deref()).await?
    } else {
        let is_right = is_password_of(app, credentials.as_ref(), input.password).await?;
        match credentials {
            Some(credentials) if is_right => {
                if credentials.has_two_factor {
                    limits::clear_attempts(app, limits::LOG_IN, &account).await?;
                    limits::forgive_attempt(app, limits::LOG_IN_ADDRESS, &limits::address(origin)).await?;
                    log_in::await_code(app, session, &credentials).await?;
                    return Ok(LogInStep::AwaitsCode);
                }
                credentials.user_id
            }
            wrong => {
                note_failure(app, wrong.as_ref(), origin);
                return Err(name.err().unwrap_or(AppError::WrongCredentials));
            }
        }
    };
    limits::clear_attempts(app, limits::LOG_IN, &account).await?;
    limits::forgive_attempt(app, limits::LOG_IN_ADDRESS, &limits::address(origin)).await?;
    join(app, &invite, &team, user).await?;
    begin_session(app, session, user, Some(team.id), origin).await?;
    Ok(LogInStep::Done)
}

/// Joins the team of an invitation with the account that is logged in, whose address must be the invited one.
pub async fn accept_invite_as(app: &App, session: &Session, token: &str) -> Result<Team, AppError> {
    let (user, _) = session_user(session).await?;
    let (invite, team) = find_invite(app, token).await?;
    let account = app.store.find_user(user).await?.ok_or(AppError::InvalidSession)?;
    if !is_same_address(&account.email, &invite.email) {
        return Err(AppError::Forbidden("This invitation is for another email address".to_owned()));
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

/// Sets a person's own name and time zone.
pub async fn update_profile(app: &App, account: &Account, name: &str, time_zone: &str) -> Result<(), AppError> {
    let name = checked_name("name", name)?;
    let zone = typed_time_zone(time_zone).ok_or_else(|| {
        let words = format!("“{}” is not a time zone: type a place like Europe/Berlin", time_zone.trim());
        AppError::invalid_field("timeZone", words)
    })?;
    let before = json!({ "name": account.user.name, "timeZone": account.user.time_zone });
    let event = account.event(app, AuditAction::ProfileUpdated);
    let event = event.changed(before, json!({ "name": name, "timeZone": zone }));
    app.store.update_profile(account.user.id, &name, zone, &event).await
}

/// Every IANA time zone that names a place, and UTC.
pub fn list_time_zones() -> Vec<&'static str> {
    let is_place = |name: &&str| name.contains('/') && !name.starts_with("Etc/") && !name.starts_with("US/");
    let mut names: Vec<&str> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).filter(is_place).collect();
    names.sort_unstable();
    names.insert(0, "UTC");
    names
}

/// The time zone that somebody typed: its name in any case of letters, with blanks or without, or its place alone where
/// only one zone has it, "Berlin".
fn typed_time_zone(text: &str) -> Option<&'static str> {
    let wanted = text.trim().to_lowercase().replace(' ', "_");
    let is_place = |zone: &&str| zone.to_lowercase().rsplit_once('/').is_some_and(|(_, place)| place == wanted);
    let named = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).find(|zone| zone.to_lowercase() == wanted);
    named.or_else(|| {
        let mut places = list_time_zones().into_iter().filter(is_place);
        places.next().filter(|_| places.next().is_none())
    })
}

fn known_time_zone(name: Option<&str>) -> Option<&'static str> {
    let zone: chrono_tz::Tz = name?.parse().ok()?;
    Some(zone.name())
}

/// Audits a failed log-in, in a task of its own: the time of the answer must not tell whether the account exists.
fn note_failure(app: &App, credentials: Option<&Credentials>, origin: &RequestOrigin) {
    let Some(Credentials { user_id, email, .. }) = credentials.cloned() else { return };
    let event = audit::by_nobody(app, &email, AuditAction::LogInFailed, origin).about(user_id, &email);
    let store = app.store.clone();
    tokio::spawn(async move {
        if let Err(cause) = store.append_account_event(user_id, &event).await {
            error!(%cause, user.id = %user_id, "a failed log-in was not audited");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_zones_name_places() {
        let zones = list_time_zones();
        assert!(zones.contains(&"Europe/Berlin") && zones[0] == "UTC" && !zones.contains(&"Etc/GMT+1"));
    }

    #[test]
    fn a_time_zone_is_known_by_its_name_or_its_place() {
        for (typed, zone) in [
            ("Europe/Berlin", Some("Europe/Berlin")),
            (" europe/berlin ", Some("Europe/Berlin")),
            ("America/New York", Some("America/New_York")),
            ("tokyo", Some("Asia/Tokyo")),
            ("UTC", Some("UTC")),
            ("Etc/GMT+1", Some("Etc/GMT+1")),
            ("Europe", None),
            ("Atlantis", None),
            ("", None),
        ] {
            assert_eq!(typed_time_zone(typed), zone, "{typed}");
        }
    }
}
