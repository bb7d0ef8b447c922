//! Sessions: beginning one, who it belongs to, and a person's own list of them. A session's id never leaves the server but
//! in its cookie; here it is named by its hash.

use serde_json::json;
use tower_sessions::Session;
use tracing::error;

use crate::domain::account::PersonSession;
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::team::User;
use crate::domain::viewer::{RequestOrigin, Viewer};
use crate::server::App;
use crate::server::services::audit;
use crate::server::store::audit::AuditEvent;
use crate::server::store::sessions::{
    SESSION_ADDRESS, SESSION_BEGAN, SESSION_TEAM, SESSION_USER, SESSION_USER_AGENT, hash,
};

/// A person at their own account, whatever teams they are in and whatever those demand.
#[derive(Clone, Debug)]
pub struct Account {
    pub user: User,
    /// The public name of the session.
    pub session: String,
    pub origin: RequestOrigin,
}

impl Account {
    /// A line about what the person does to their own account.
    pub(super) fn event(&self, app: &App, action: AuditAction) -> AuditEvent {
        audit::by_account(app, self.user.id, &self.user.email, action, &self.origin)
            .about(self.user.id, &self.user.email)
    }
}

/// The person whom a session belongs to; [AppError::NoSession] when nobody is logged in.
pub async fn account_of(app: &App, session: &Session, origin: RequestOrigin) -> Result<Account, AppError> {
    let (user, _) = session_user(session).await?;
    let user = app.store.find_user(user).await?.ok_or(AppError::InvalidSession)?;
    Ok(Account { user, session: session.id().map(hash).unwrap_or_default(), origin })
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
    // The session keeps naming the team that is gone: who reads writes nothing.
    app.store.find_viewer(first.team_id, user).await?.ok_or(AppError::NoTeam)
}

/// Notes that a session asked for something. A failure is logged and stops nobody.
pub async fn note_seen(app: &App, session: &Session) {
    if let Some(id) = session.id()
        && let Err(cause) = app.store.touch_session(id, app.clock.now()).await
    {
        error!(%cause, "a session was seen and that was not noted");
    }
}

/// The person's own sessions, the one that was seen last first.
pub async fn list_sessions(app: &App, account: &Account) -> Result<Vec<PersonSession>, AppError> {
    let sessions = app.store.list_sessions(account.user.id, app.clock.now()).await?;
    let shown = |session: crate::server::store::sessions::LoggedInSession| PersonSession {
        is_this: session.name == account.session,
        name: session.name,
        device: crate::domain::account::device_words(session.user_agent.as_deref().unwrap_or_default()),
        address: session.address,
        began_at: session.began_at,
        last_seen_at: session.last_seen_at,
    };
    Ok(sessions.into_iter().map(shown).collect())
}

/// Ends one of the person's own sessions.
pub async fn end_session(app: &App, account: &Account, name: &str) -> Result<(), AppError> {
    let event = account.event(app, AuditAction::SessionsEnded).removed(json!({ "sessions": 1 }));
    let ended = app.store.end_session(account.user.id, name, &event).await?;
    if ended { Ok(()) } else { Err(AppError::not_found("Session")) }
}

/// Ends all of the person's sessions but this one.
pub async fn end_other_sessions(app: &App, account: &Account) -> Result<u64, AppError> {
    let others = app.store.list_sessions(account.user.id, app.clock.now()).await?.len().saturating_sub(1);
    let event = account.event(app, AuditAction::SessionsEnded).removed(json!({ "sessions": others }));
    app.store.end_other_sessions(account.user.id, &account.session, &event).await
}

/// Makes the session one of `user`, who has proved to be that. Nothing of what it held before stays.
pub(super) async fn begin_session(
    app: &App,
    session: &Session,
    user: UserId,
    team: Option<TeamId>,
    origin: &RequestOrigin,
) -> Result<(), AppError> {
    session.clear().await;
    // A new id: one that somebody planted before log-in opens nothing.
    session.cycle_id().await.map_err(session_error)?;
    session.insert(SESSION_USER, user).await.map_err(session_error)?;
    session.insert(SESSION_BEGAN, app.clock.now().timestamp_micros()).await.map_err(session_error)?;
    let texts = [(SESSION_USER_AGENT, &origin.user_agent), (SESSION_ADDRESS, &origin.address)];
    for (name, text) in texts {
        if let Some(text) = text {
            session.insert(name, text).await.map_err(session_error)?;
        }
    }
    if let Some(team) = team {
        session.insert(SESSION_TEAM, team).await.map_err(session_error)?;
    }
    Ok(())
}

pub(super) fn session_error(cause: tower_sessions::session::Error) -> AppError {
    error!(%cause, "session storage");
    AppError::Internal
}
