//! The viewer's own name and time zone.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::draft::Draft;
use crate::domain::error::AppError;

/// What the profile page shows beside the viewer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProfileView {
    /// Every IANA time zone that can be chosen.
    pub time_zones: Vec<String>,
    /// What was typed and refused.
    pub draft: Draft,
}

/// The choices of the profile page.
#[server]
pub async fn load_profile() -> Result<ProfileView, AppError> {
    use crate::server::{context, services::accounts};
    context::viewer().await?;
    let time_zones = accounts::list_time_zones().into_iter().map(str::to_owned).collect();
    Ok(ProfileView { time_zones, draft: super::draft::load_draft("profile".to_owned()).await? })
}

/// Changes the viewer's own name and time zone.
#[server]
pub async fn update_profile(name: String, time_zone: String) -> Result<(), AppError> {
    use crate::server::{context, services::accounts};
    let draft = Draft::of("profile").with("name", &name).with("time_zone", &time_zone);
    let result = accounts::update_profile(&context::app(), &context::viewer().await?, &name, &time_zone).await;
    match &result {
        Ok(()) => context::flash(context::FlashKind::Success, "Profile saved."),
        Err(_) => drop(context::session().await.insert(super::draft::DRAFT_KEY, draft).await),
    }
    result
}
