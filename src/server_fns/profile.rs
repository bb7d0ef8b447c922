//! A person's own account: name and time zone, password, second factor, sessions. It works for people in no team and for
//! those who lack the second factor that their team demands.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::account::{PersonSession, TwoFactor};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::team::User;

/// What the profile page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProfileView {
    pub account: User,
    /// The name of the viewer's team and the role in it; `None` for somebody in no team.
    pub team: Option<(String, String)>,
    /// Whether that team demands a second factor that the person lacks.
    pub lacks_two_factor: bool,
    pub time_zones: Vec<String>,
    pub two_factor: TwoFactor,
    pub sessions: Vec<PersonSession>,
    pub draft: Draft,
}

/// What the profile page shows.
#[server]
pub async fn load_profile() -> Result<ProfileView, AppError> {
    use crate::server::{context, services::accounts};
    let (app, account) = (context::app(), context::account().await?);
    let viewer = match context::viewer().await {
        Ok(viewer) => Some(viewer),
        Err(AppError::NoTeam) => None,
        Err(error) => return Err(error),
    };
    Ok(ProfileView {
        two_factor: accounts::find_two_factor(&app, &account).await?,
        sessions: accounts::list_sessions(&app, &account).await?,
        lacks_two_factor: viewer.as_ref().is_some_and(|viewer| viewer.lacks_two_factor),
        team: viewer.map(|viewer| (viewer.team_name.clone(), viewer.role_name().unwrap_or("API key").to_owned())),
        time_zones: accounts::list_time_zones().into_iter().map(str::to_owned).collect(),
        account: account.user,
        draft: super::draft::load_draft(crate::domain::draft::PROFILE_FORM.to_owned()).await?,
    })
}

/// Changes the person's own name and time zone.
#[server]
pub async fn update_profile(name: String, time_zone: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let draft = Draft::of(crate::domain::draft::PROFILE_FORM).with("name", &name).with("time_zone", &time_zone);
    let account = context::or_keep(&draft, context::account().await).await?;
    let result = accounts::update_profile(&context::app(), &account, &name, &time_zone).await;
    // The API's field, by its name in the form.
    let result = result.map_err(|error| match error {
        AppError::Validation { field: Some(field), message } if field == "timeZone" => {
            AppError::invalid_field("time_zone", message)
        }
        error => error,
    });
    context::or_keep(&draft, result).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "Profile saved.");
    Ok(())
}

/// Changes the person's password and ends their other sessions.
#[server]
pub async fn change_password(
    present_password: String,
    new_password: String,
    new_password_again: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let (app, account) = (context::app(), context::account().await?);
    accounts::change_password(&app, &account, present_password, new_password, &new_password_again).await?;
    context::flash(context::FlashKind::Success, "Password changed. Your other sessions have ended.");
    Ok(())
}

/// Makes a secret for an authenticator, to be confirmed by a code.
#[server]
pub async fn begin_two_factor() -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    accounts::begin_two_factor(&context::app(), &context::account().await?).await
}

/// Forgets a secret that no code has confirmed.
#[server]
pub async fn cancel_two_factor() -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    accounts::cancel_two_factor(&context::app(), &context::account().await?).await
}

/// Sets two-factor authentication up by the first code; shows the recovery codes on the page that follows.
#[server]
pub async fn confirm_two_factor(code: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let codes = accounts::confirm_two_factor(&context::app(), &context::account().await?, &code).await?;
    context::flash_recovery_codes("Two-factor authentication is set up.", &codes);
    Ok(())
}

/// Puts new recovery codes in the place of the old ones; shows them on the page that follows.
#[server]
pub async fn renew_recovery_codes(renewal_code: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let codes = accounts::renew_recovery_codes(&context::app(), &context::account().await?, &renewal_code).await?;
    context::flash_recovery_codes("The old recovery codes no longer work.", &codes);
    Ok(())
}

/// Takes two-factor authentication away.
#[server]
pub async fn disable_two_factor(password: String, code: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    accounts::disable_two_factor(&context::app(), &context::account().await?, password, &code).await?;
    context::flash(context::FlashKind::Success, "Two-factor authentication is off. Your password alone logs you in.");
    Ok(())
}

/// Ends one of the person's sessions, by its public name.
#[server]
pub async fn end_session(session: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    accounts::end_session(&context::app(), &context::account().await?, &session).await?;
    context::flash(context::FlashKind::Success, "Session ended.");
    Ok(())
}

/// Ends all of the person's sessions but this one.
#[server]
pub async fn end_other_sessions() -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let ended = accounts::end_other_sessions(&context::app(), &context::account().await?).await?;
    let text = match ended {
        0 => "There was no other session.".to_owned(),
        1 => "One other session ended.".to_owned(),
        ended => format!("{ended} other sessions ended."),
    };
    context::flash(context::FlashKind::Success, text);
    Ok(())
}
