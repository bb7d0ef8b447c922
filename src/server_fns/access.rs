//! Log-in, log-out, the set-up of a new database, invitations and the choice of team.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

pub use crate::domain::address::{HOME, safe_next};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;

/// What is said when somebody asks for a new password, whether or not there is such an account.
pub const MAIL_SENT: &str = "If there is an account, an email is on its way. Its link works for one hour.";

/// An invitation as its page shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InviteView {
    /// The address that can accept it.
    pub email: String,
    pub role_name: String,
    pub team_name: String,
    /// The address of the account that is logged in, if one is.
    pub logged_in_as: Option<String>,
}

/// What the log-in page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogInView {
    /// The OpenID provider's name, and whether it can be reached; `None` where the server knows none.
    pub provider: Option<(String, bool)>,
    /// The address of whoever left a form in this browser that waits for their log-in.
    pub awaited: Option<String>,
    pub draft: Draft,
}

/// What the log-in page shows.
#[server]
pub async fn load_log_in() -> Result<LogInView, AppError> {
    use crate::server::{context, services::accounts};
    let provider = accounts::openid::find_provider(&context::app());
    let awaited = context::awaited_email().await;
    Ok(LogInView { provider, awaited, draft: super::draft::load_draft("log_in".to_owned()).await? })
}

/// Logs in and goes on to `next`, or to the page that asks for the code of the second factor.
#[server]
pub async fn log_in(
    email: String,
    password: String,
    #[server(default)] time_zone: Option<String>,
    #[server(default)] next: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let (session, draft) = (context::session().await, Draft::of("log_in").with("email", &email));
    let input = accounts::LogIn { email, password, time_zone };
    let result = accounts::log_in(&context::app(), &session, input, &context::origin()).await;
    match &result {
        Ok(step) => context::go_on(*step, safe_next(&next)).await,
        Err(AppError::RateLimited { .. }) => {}
        Err(_) => context::keep_draft(&draft).await,
    }
    result.map(drop)
}

/// Whether this browser's log-in waits for the code of a second factor.
#[server]
pub async fn load_code_request() -> Result<bool, AppError> {
    use crate::server::{context, services::accounts};
    accounts::awaits_code(&context::app(), &context::session().await).await
}

/// The second step of a log-in: a code of the authenticator, or a recovery code. Goes on to `next`.
#[server]
pub async fn log_in_with_code(code: String, #[server(default)] next: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let session = context::session().await;
    match accounts::log_in_with_code(&context::app(), &session, &code, &context::origin()).await {
        Err(AppError::NoSession) => {
            context::flash(context::FlashKind::Error, "That took more than five minutes. Log in again.");
            let query = serde_urlencoded::to_string([("next", safe_next(&next))]).unwrap_or_default();
            crate::server::context::redirect(&format!("/login?{query}"));
            Ok(())
        }
        Err(error) => Err(error),
        Ok(()) => {
            context::go_on(accounts::LogInStep::Done, safe_next(&next)).await;
            Ok(())
        }
    }
}

/// Sends a mail with a link for a new password, if the address is an account's; says the same either way.
#[server]
pub async fn forgot_password(email: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    accounts::forgot_password(&context::app(), &email, &context::origin()).await?;
    context::flash(context::FlashKind::Success, MAIL_SENT);
    crate::server::context::redirect("/login");
    Ok(())
}

/// The address of the account whose password a mail's link sets.
#[server]
pub async fn load_reset(token: String) -> Result<String, AppError> {
    use crate::server::{context, services::accounts};
    Ok(accounts::find_reset(&context::app(), &token).await?.email)
}

/// Sets the password that a mail's link allows, and ends every session of the account.
#[server]
pub async fn reset_password(token: String, password: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    accounts::reset_password(&context::app(), &token, password, &context::origin()).await?;
    context::flash(context::FlashKind::Success, "Password set. Log in with it.");
    crate::server::context::redirect("/login");
    Ok(())
}

/// Ends the session.
#[server]
pub async fn log_out() -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    accounts::log_out(&context::session().await).await?;
    crate::server::context::redirect("/login");
    Ok(())
}

/// Makes the first account and its team, with the one-time token of the set-up link.
#[server]
pub async fn set_up(
    token: String,
    name: String,
    email: String,
    password: String,
    team_name: String,
    #[server(default)] time_zone: Option<String>,
) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let draft = Draft::of("set_up").with("name", &name).with("email", &email).with("team_name", &team_name);
    let (session, input) =
        (context::session().await, accounts::SetUp { token, name, email, password, team_name, time_zone });
    let result = accounts::set_up(&context::app(), &session, input, &context::origin()).await;
    match &result {
        Ok(()) => crate::server::context::redirect(HOME),
        Err(AppError::RateLimited { .. }) => {}
        Err(_) => context::keep_draft(&draft).await,
    }
    result
}

/// The invitation behind a link.
#[server]
pub async fn load_invite(token: String) -> Result<InviteView, AppError> {
    use crate::domain::viewer::Actor;
    use crate::server::{context, services::accounts};
    let (invite, team) = accounts::find_invite(&context::app(), &token).await?;
    let logged_in_as = context::try_viewer().await.and_then(|viewer| match viewer.actor {
        Actor::User { email, .. } => Some(email),
        Actor::ApiKey { .. } => None,
    });
    Ok(InviteView { email: invite.email, role_name: invite.role_name, team_name: team.name, logged_in_as })
}

/// Joins a team with a new account, or with the one that the invited address has.
#[server]
pub async fn accept_invite(
    token: String,
    #[server(default)] name: String,
    password: String,
    #[server(default)] time_zone: Option<String>,
) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let page = format!("/invite/{token}");
    let (session, draft) = (context::session().await, Draft::of("accept_invite").with("name", &name));
    let input = accounts::AcceptInvite { token, name, password, time_zone };
    let result = accounts::accept_invite(&context::app(), &session, input, &context::origin()).await;
    match &result {
        Ok(accounts::LogInStep::Done) => crate::server::context::redirect(HOME),
        Ok(step @ accounts::LogInStep::AwaitsCode) => context::go_on(*step, safe_next(&page)).await,
        Err(AppError::RateLimited { .. }) => {}
        Err(_) => context::keep_draft(&draft).await,
    }
    result.map(drop)
}

/// Joins a team with the account that is logged in.
#[server]
pub async fn join_team(token: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let team = accounts::accept_invite_as(&context::app(), &context::session().await, &token).await?;
    context::flash(context::FlashKind::Success, format!("You are now a member of {}.", team.name));
    crate::server::context::redirect(HOME);
    Ok(())
}

/// Makes another of the viewer's teams the present one.
#[server]
pub async fn switch_team(team: TeamId) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let session = context::session().await;
    let (user, _) = accounts::session_user(&session).await?;
    accounts::switch_team(&context::app(), &session, user, team).await?;
    crate::server::context::redirect(HOME);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_path_of_this_site_is_followed() {
        assert_eq!(safe_next("/logs/eml_1?images=1"), "/logs/eml_1?images=1");
        for foreign in ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "/fn/log_out", "logs"]
        {
            assert_eq!(safe_next(foreign), HOME);
        }
    }
}
