//! What every page shows around its content: who is looking, their teams, the notice left by the last form, the theme.

use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::error::AppError;
use crate::domain::notice::Notice;
use crate::domain::team::{Membership, TeamOwner};
use crate::domain::viewer::Viewer;

/// The layout of a page for somebody who is logged in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    pub viewer: Viewer,
    /// The teams they can switch to, the present one included.
    pub teams: Vec<Membership>,
    /// Those who can give the viewer's role more, where it lacks something that pages tell of.
    pub owners: Vec<TeamOwner>,
    /// What is said of a form that was given back after a log-in.
    pub kept: Option<Notice>,
    pub setting: Setting,
}

/// What every page has, with a session or without.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The theme chosen with the switch, `light` or `dark`; `None` to follow the system.
    pub theme: Option<String>,
    /// What the last form left to say.
    pub notice: Option<Notice>,
    pub now: DateTime<Utc>,
}

/// The layout of the page that is being made. It comes after what the page shows, for it says what that gave back.
#[server]
pub async fn load_layout() -> Result<Layout, AppError> {
    use leptos::server_fn::ServerFn;

    use super::draft::{DiscardDraft, WELCOME_BACK};
    use crate::domain::notice::{NoticeKind, Undo};
    use crate::domain::permission::ASKED_FOR;
    use crate::server::context;
    use crate::server::services::teams;
    let viewer = context::viewer().await?;
    let teams = match viewer.user_id() {
        Some(user) => teams::list_memberships(&context::app(), user).await?,
        None => Vec::new(),
    };
    let owners = match ASKED_FOR.iter().all(|permission| viewer.may(*permission)) {
        true => Vec::new(),
        false => teams::list_owners(&context::app(), &viewer).await.unwrap_or_default(),
    };
    let kept = context::given_back().map(|id| Notice {
        kind: NoticeKind::Warning,
        text: WELCOME_BACK.to_owned(),
        undo: Some(Undo { action: DiscardDraft::PATH.to_owned(), id, label: "Discard".to_owned() }),
    });
    Ok(Layout { viewer, teams, owners, kept, setting: load_setting().await? })
}

/// What a page without a session has.
#[server]
pub async fn load_setting() -> Result<Setting, AppError> {
    use crate::server::context::{self, Flash};
    let notice = context::take_flash().map(|flash| {
        let Flash { kind, text, undo, .. } = flash;
        Notice { kind, text, undo }
    });
    Ok(Setting { theme: context::theme(), notice, now: context::app().clock.now() })
}

/// Gives the page that is being made the HTTP status of an error. Where a permission is missing, answers with those
/// who can give it.
#[server]
pub async fn mark_failed(error: AppError) -> Result<Vec<TeamOwner>, AppError> {
    use crate::server::{context, services::teams};
    context::set_status(&error);
    match (&error, context::try_viewer().await) {
        (AppError::MissingPermission(_), Some(viewer)) => {
            Ok(teams::list_owners(&context::app(), &viewer).await.unwrap_or_default())
        }
        _ => Ok(Vec::new()),
    }
}

/// Remembers a theme in this browser: `light` or `dark`; anything else follows the system.
#[server]
pub async fn set_theme(theme: String) -> Result<(), AppError> {
    crate::server::context::set_theme(&theme);
    Ok(())
}
