//! Log-in, registration, the account and its selected team.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use tower_sessions::Session;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::canary::error::{
    CanaryError, Clash, ErrorEnvelope, Faults, InvalidBody, InvalidParameters, Missing, Refusals, TooMany,
};
use crate::server::api::canary::extract::{JsonBody, LoggedIn, NoParameters, Visitor, id_of};
use crate::server::api::canary::wire::{
    ForgotPasswordBody, LogInBody, Me, Nothing, RegisterBody, ResetPasswordBody, SetupStatus, Success, SwitchTeamBody,
    success,
};
use crate::server::services::accounts::{self, AcceptInvite, LogIn, LogInStep, SetUp};
use crate::server::services::limits;

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
    get, path = "/api/auth/setup-status", operation_id = "showSetupStatus", tag = "auth",
    summary = "Tell whether the installation is set up",
    responses(
        (status = 200, description = "Whether it waits", body = Success<SetupStatus>),
        InvalidParameters, Faults,
    ),
)]
async fn show_setup_status(State(app): State<App>, _query: NoParameters) -> Answer<SetupStatus> {
    Ok(success(SetupStatus { needs_setup: accounts::needs_setup(&app).await? }))
}

/// Registers by the one-time set-up link or by an invitation, and logs in. At most three tries an hour and address.
#[utoipa::path(
    post, path = "/api/auth/register", operation_id = "register", tag = "auth", summary = "Register",
    request_body(content = RegisterBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The account, logged in", body = Success<Me>),
        InvalidBody, Refusals, Missing, Clash, TooMany, Faults,
    ),
)]
async fn register(
    State(app): State<App>,
    visitor: Visitor,
    _query: NoParameters,
    JsonBody(body): JsonBody<RegisterBody>,
) -> Result<(StatusCode, Json<Success<Me>>), CanaryError> {
    limits::count_attempt(&app, limits::REGISTRATION, limits::address(&visitor.origin)).await?;
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
                return Err(AppError::Forbidden("This invitation is for another e-mail address".to_owned()).into());
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
    post, path = "/api/auth/login", operation_id = "logIn", tag = "auth", summary = "Log in",
    request_body(content = LogInBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The account, logged in", body = Success<Me>),
        InvalidBody, Refusals, TooMany, Faults,
    ),
)]
async fn log_in(
    State(app): State<App>,
    visitor: Visitor,
    _query: NoParameters,
    JsonBody(body): JsonBody<LogInBody>,
) -> Answer<Me> {
    let input = LogIn { email: body.email, password: body.password, time_zone: body.time_zone };
    accounts::log_in_at_once(&app, &visitor.session, input, body.code.as_deref(), &visitor.origin).await?;
    Ok(success(me(&app, &visitor.session).await?))
}

/// Sends a letter with a link that sets a new password, if there is such an account. The answer is the same either way. At
/// most three an hour for one address, and for one account.
#[utoipa::path(
    post, path = "/api/auth/forgot-password", operation_id = "forgotPassword", tag = "auth",
    summary = "Ask for a new password",
    request_body(content = ForgotPasswordBody, content_type = "application/json"),
    responses(
        (status = 200, description = "If there is an account, a letter is on its way", body = Success<Nothing>),
        (status = 403, description = "A browser sent it from another site", body = ErrorEnvelope),
        InvalidBody, TooMany, Faults,
    ),
)]
async fn forgot_password(
    State(app): State<App>,
    visitor: Visitor,
    _query: NoParameters,
    JsonBody(body): JsonBody<ForgotPasswordBody>,
) -> Answer<Nothing> {
    accounts::forgot_password(&app, &body.email, &visitor.origin).await?;
    Ok(success(Nothing {}))
}

/// Sets the password that a letter's link allows, once, and ends every session of the account. It logs nobody in.
#[utoipa::path(
    post, path = "/api/auth/reset-password", operation_id = "resetPassword", tag = "auth",
    summary = "Set a new password",
    request_body(content = ResetPasswordBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The password is set", body = Success<Nothing>),
        (status = 403, description = "A browser sent it from another site", body = ErrorEnvelope),
        InvalidBody, Missing, Faults,
    ),
)]
async fn reset_password(
    State(app): State<App>,
    visitor: Visitor,
    _query: NoParameters,
    JsonBody(body): JsonBody<ResetPasswordBody>,
) -> Answer<Nothing> {
    accounts::reset_password(&app, &body.token, body.password, &visitor.origin).await?;
    Ok(success(Nothing {}))
}

/// Logs out. Without a log-in there is nothing to do, and that is no error.
#[utoipa::path(
    post, path = "/api/auth/logout", operation_id = "logOut", tag = "auth", summary = "Log out",
    security((), ("session" = [])),
    responses(
        (status = 200, description = "The session has ended", body = Success<Nothing>),
        (status = 403, description = "A browser sent it from another site",
            body = ErrorEnvelope),
        InvalidParameters, Faults,
    ),
)]
async fn log_out(visitor: Visitor, _query: NoParameters) -> Answer<Nothing> {
    accounts::log_out(&visitor.session).await?;
    Ok(success(Nothing {}))
}

/// Selects another of the account's teams.
#[utoipa::path(
    post, path = "/api/auth/switch-team", operation_id = "switchTeam", tag = "auth", summary = "Select a team",
    security(("session" = [])),
    request_body(content = SwitchTeamBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The account with its team", body = Success<Me>),
        InvalidBody, Refusals, Missing, Faults,
    ),
)]
async fn switch_team(
    State(app): State<App>,
    LoggedIn { user, session }: LoggedIn,
    _query: NoParameters,
    JsonBody(body): JsonBody<SwitchTeamBody>,
) -> Answer<Me> {
    accounts::switch_team(&app, &session, user, id_of(&body.team_id)).await?;
    Ok(success(me(&app, &session).await?))
}

/// Shows the account that is logged in, its teams, and what it may do in the selected one.
#[utoipa::path(
    get, path = "/api/auth/me", operation_id = "showMe", tag = "auth", summary = "Show who is logged in",
    security(("session" = [])),
    responses(
        (status = 200, description = "The account", body = Success<Me>),
        InvalidParameters, Refusals, Faults,
    ),
)]
async fn show_me(State(app): State<App>, LoggedIn { session, .. }: LoggedIn, _query: NoParameters) -> Answer<Me> {
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
