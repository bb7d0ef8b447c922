//! Log-in, registration, the account and its selected team.

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use tower_sessions::Session;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::JsonBody;
use super::error::{CanaryError, Clash, ErrorEnvelope, Missing, Refusals, TooMany};
use super::{Answer, Nothing, Success, Timestamp, success};
use crate::domain::error::AppError;
use crate::domain::ids::{TeamId, UserId};
use crate::domain::permission::Permission;
use crate::domain::team::{Membership, Role, User};
use crate::domain::viewer::{RequestOrigin, Viewer};
use crate::server::App;
use crate::server::api::extract::{Query, id_of, identity, read_query};
use crate::server::identity::{ClientAddress, origin};
use crate::server::services::accounts::{AcceptInvite, LogIn, LogInStep, SetUp};
use crate::server::services::{accounts, limits};

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show_setup_status))
        .routes(routes!(register))
        .routes(routes!(log_in))
        .routes(routes!(log_out))
        .routes(routes!(forgot_password))
        .routes(routes!(reset_password))
        .routes(routes!(switch_team))
        .routes(routes!(show_me))
}

/// Tells whether the installation still waits for its first owner. Needs no log-in.
#[utoipa::path(
    get, path = "/api/auth/setup-status", tag = "auth", summary = "Tell whether the installation is set up",
    security(()),
    responses((status = 200, description = "Whether it waits", body = Success<SetupStatus>)),
)]
async fn show_setup_status(State(app): State<App>, Query(()): Query<()>) -> Answer<SetupStatus> {
    Ok(success(SetupStatus { needs_setup: accounts::needs_setup(&app).await? }))
}

/// Registers by the one-time set-up link or by an invitation, and logs in. At most three tries an hour and address.
#[utoipa::path(
    post, path = "/api/auth/register", tag = "auth", summary = "Register",
    security(()),
    request_body(content = RegisterBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The account, logged in", body = Success<Me>),
        Refusals,
        Missing,
        Clash,
        TooMany,
    ),
)]
async fn register(
    State(app): State<App>,
    visitor: Visitor,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<(StatusCode, Json<Success<Me>>), CanaryError> {
    limits::count_attempt(&app, limits::REGISTRATION, &limits::address(&visitor.origin)).await?;
    let required = |field: &str, value: Option<String>| {
        value.ok_or_else(|| AppError::invalid_field(field, format!("{field} is required")))
    };
    match (body.setup_token, body.invite_token) {
        (Some(token), None) => {
            let input = SetUp {
                token,
                name: required("name", body.name)?,
                email: required("email", body.email)?,
                password: body.password,
                team_name: required("teamName", body.team_name)?,
                time_zone: body.time_zone,
            };
            accounts::set_up(&app, &visitor.session, input, &visitor.origin).await?;
        }
        (None, Some(token)) => {
            let (invite, _) = accounts::find_invite(&app, &token).await?;
            if body.email.is_some_and(|email| !accounts::is_same_address(&email, &invite.email)) {
                return Err(AppError::Forbidden("This invitation is for another email address".to_owned()).into());
            }
            let name = body.name.unwrap_or_default();
            let input = AcceptInvite { token, name, password: body.password, time_zone: body.time_zone };
            if accounts::accept_invite(&app, &visitor.session, input, &visitor.origin).await? == LogInStep::AwaitsCode {
                return Err(AppError::TwoFactorRequired.into());
            }
        }
        (Some(_), Some(_)) => {
            return Err(AppError::invalid("Give setupToken or inviteToken, not both").into());
        }
        (None, None) => {
            let message = "Registration is by invitation: give the token of an invitation's link as inviteToken";
            return Err(AppError::Forbidden(message.to_owned()).into());
        }
    }
    Ok((StatusCode::CREATED, success(me(&app, &visitor.session).await?)))
}

/// Logs in: the answer sets the cookie `session`. An account with a second factor needs its `code`. At most five tries in
/// 15 minutes.
#[utoipa::path(
    post, path = "/api/auth/login", tag = "auth", summary = "Log in",
    security(()),
    request_body(content = LogInBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The account, logged in", body = Success<Me>),
        Refusals,
        TooMany,
    ),
)]
async fn log_in(State(app): State<App>, visitor: Visitor, JsonBody(body): JsonBody<LogInBody>) -> Answer<Me> {
    let input = LogIn { email: body.email, password: body.password, time_zone: body.time_zone };
    accounts::log_in_at_once(&app, &visitor.session, input, body.code.as_deref(), &visitor.origin).await?;
    Ok(success(me(&app, &visitor.session).await?))
}

/// Sends a letter with a link that sets a new password, if there is such an account. The answer is the same either way. At
/// most three an hour for one address, and for one account.
#[utoipa::path(
    post, path = "/api/auth/forgot-password", tag = "auth", summary = "Ask for a new password",
    security(()),
    request_body(content = ForgotPasswordBody, content_type = "application/json"),
    responses(
        (status = 200, description = "If there is an account, a letter is on its way", body = Success<Nothing>),
        (status = 403, description = "A browser sent it from another site", body = ErrorEnvelope),
        TooMany,
    ),
)]
async fn forgot_password(
    State(app): State<App>,
    visitor: Visitor,
    JsonBody(body): JsonBody<ForgotPasswordBody>,
) -> Answer<Nothing> {
    accounts::forgot_password(&app, &body.email, &visitor.origin).await?;
    Ok(success(Nothing {}))
}

/// Sets the password that a letter's link allows, once, and ends every session of the account. It logs nobody in.
#[utoipa::path(
    post, path = "/api/auth/reset-password", tag = "auth", summary = "Set a new password",
    security(()),
    request_body(content = ResetPasswordBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The password is set", body = Success<Nothing>),
        (status = 403, description = "A browser sent it from another site", body = ErrorEnvelope),
        Missing,
    ),
)]
async fn reset_password(
    State(app): State<App>,
    visitor: Visitor,
    JsonBody(body): JsonBody<ResetPasswordBody>,
) -> Answer<Nothing> {
    accounts::reset_password(&app, &body.token, body.password, &visitor.origin).await?;
    Ok(success(Nothing {}))
}

/// Logs out. Without a log-in there is nothing to do, and that is no error.
#[utoipa::path(
    post, path = "/api/auth/logout", tag = "auth", summary = "Log out",
    security((), ("session" = [])),
    responses(
        (status = 200, description = "The session has ended", body = Success<Nothing>),
        (status = 403, description = "A browser sent it from another site",
            body = ErrorEnvelope),
    ),
)]
async fn log_out(visitor: Visitor) -> Answer<Nothing> {
    accounts::log_out(&visitor.session).await?;
    Ok(success(Nothing {}))
}

/// Selects another of the account's teams.
#[utoipa::path(
    post, path = "/api/auth/switch-team", tag = "auth", summary = "Select a team",
    security(("session" = [])),
    request_body(content = SwitchTeamBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The account with its team", body = Success<Me>),
        Missing,
    ),
)]
async fn switch_team(
    State(app): State<App>,
    LoggedIn { user, session }: LoggedIn,
    JsonBody(body): JsonBody<SwitchTeamBody>,
) -> Answer<Me> {
    accounts::switch_team(&app, &session, user, id_of(&body.team_id)).await?;
    Ok(success(me(&app, &session).await?))
}

/// Shows the account that is logged in, its teams, and what it may do in the selected one.
#[utoipa::path(
    get, path = "/api/auth/me", tag = "auth", summary = "Show who is logged in",
    security(("session" = [])),
    responses((status = 200, description = "The account", body = Success<Me>)),
)]
async fn show_me(State(app): State<App>, LoggedIn { session, .. }: LoggedIn) -> Answer<Me> {
    Ok(success(me(&app, &session).await?))
}

async fn me(app: &App, session: &Session) -> Result<Me, AppError> {
    let viewer = match accounts::session_viewer(app, session).await {
        Ok(viewer) => Some(viewer),
        Err(AppError::NoTeam) => None,
        Err(error) => return Err(error),
    };
    let (user, teams) = accounts::find_me(app, session).await?;
    Ok(Me::new(user, teams, viewer.as_ref()))
}

/// The account that is logged in, member of a team or not yet, with its session. Refuses API keys, and every parameter.
pub struct LoggedIn {
    pub user: UserId,
    pub session: Session,
}

impl<S: Sync> FromRequestParts<S> for LoggedIn {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        read_query::<()>(parts)?;
        let session = session(parts)?;
        let user = match identity(parts) {
            Ok(viewer) => viewer.user_id().ok_or_else(|| {
                AppError::Forbidden("Log in as a person to do this: an API key has no account".to_owned())
            })?,
            Err(AppError::NoTeam) => accounts::session_user(&session).await?.0,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { user, session })
    }
}

/// What log-in and registration need of a request by anybody. Refuses every parameter.
pub struct Visitor {
    /// The session that a log-in fills.
    pub session: Session,
    /// Where the request comes from; attempts are counted by its address.
    pub origin: RequestOrigin,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = CanaryError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, CanaryError> {
        read_query::<()>(parts)?;
        let address = parts.extensions.get::<ClientAddress>().ok_or(AppError::Internal)?;
        Ok(Self { session: session(parts)?, origin: origin(address, &parts.headers) })
    }
}

fn session(parts: &Parts) -> Result<Session, AppError> {
    parts.extensions.get::<Session>().cloned().ok_or(AppError::Internal)
}

/// Whether the installation waits for its first owner.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetupStatus {
    /// Whether the one-time link, printed when the server started, is to be opened.
    pub needs_setup: bool,
}

/// A log-in.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogInBody {
    /// The account's address.
    #[schema(example = "ada@example.com")]
    pub email: String,
    /// The password.
    #[schema(format = Password)]
    pub password: String,
    /// A code of the authenticator or a recovery code, where the account has a second factor.
    #[schema(example = "123456")]
    pub code: Option<String>,
    /// The browser's IANA time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// A wish for a letter with a link that sets a new password.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForgotPasswordBody {
    /// The account's address.
    #[schema(example = "ada@example.com")]
    pub email: String,
}

/// A new password, with the token of a letter's link.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetPasswordBody {
    /// From the link.
    pub token: String,
    /// The new password, of at least 10 characters.
    #[schema(format = Password)]
    pub password: String,
}

/// A registration: by the one-time link of a new installation or by an invitation.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegisterBody {
    /// From the one-time link; then `email` and `teamName` are required.
    pub setup_token: Option<String>,
    /// From the invitation's link.
    pub invite_token: Option<String>,
    /// The account's address; an invitation knows it already.
    #[schema(example = "ada@example.com")]
    pub email: Option<String>,
    /// The person's name.
    pub name: Option<String>,
    /// The password, of at least 10 characters.
    #[schema(format = Password)]
    pub password: String,
    /// The first team's name.
    pub team_name: Option<String>,
    /// The browser's IANA time zone.
    #[schema(example = "Europe/Berlin")]
    pub time_zone: Option<String>,
}

/// A choice of team.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SwitchTeamBody {
    /// One of the account's teams.
    #[schema(example = "team_06xq3k9v2m4p8")]
    pub team_id: String,
}

/// The account that is logged in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    /// The account.
    pub user: UserBody,
    /// Its teams.
    pub teams: Vec<MembershipBody>,
    /// The team that requests are about; null when the account has none.
    #[schema(value_type = Option<String>, required)]
    pub team_id: Option<TeamId>,
    /// The role in that team.
    #[schema(required)]
    pub role: Option<Role>,
    /// What the account may do in that team.
    pub permissions: Vec<Permission>,
}

impl Me {
    /// An account with its teams, and who it is in the selected one.
    pub fn new(user: User, teams: Vec<Membership>, viewer: Option<&Viewer>) -> Self {
        Self {
            user: UserBody {
                id: user.id,
                email: user.email,
                name: user.name,
                time_zone: user.time_zone,
                created_at: user.created_at.into(),
            },
            teams: teams.into_iter().map(MembershipBody::from).collect(),
            team_id: viewer.map(|viewer| viewer.team),
            role: viewer.and_then(Viewer::role),
            permissions: viewer.map(|viewer| viewer.permissions.iter().collect()).unwrap_or_default(),
        }
    }
}

/// An account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: UserId,
    /// Its address.
    pub email: String,
    /// The person's name.
    pub name: String,
    /// IANA time zone.
    pub time_zone: String,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A team of an account.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct MembershipBody {
    /// The team's id.
    #[schema(value_type = String)]
    pub id: TeamId,
    /// The team's slug.
    pub slug: String,
    /// The team's name.
    pub name: String,
    /// The account's role in it.
    pub role: Role,
}

impl From<Membership> for MembershipBody {
    fn from(team: Membership) -> Self {
        Self { id: team.team_id, slug: team.slug, name: team.name, role: team.role }
    }
}
