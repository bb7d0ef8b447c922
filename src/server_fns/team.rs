//! The team itself: its name, its rules and its end.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::TeamId;
use crate::domain::retention::Retention;
use crate::domain::team::Team;
use crate::domain::tracking::Tracking;

/// What the team's page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TeamView {
    pub team: Team,
    /// How many members lack the second factor that the team demands or could demand.
    pub without_two_factor: usize,
    /// Whether the viewer is one of them.
    pub viewer_lacks_it: bool,
    pub retention: Retention,
    pub tracking: Tracking,
    /// Why links of messages do not lead here as they should; `None` where they do.
    pub unreachable: Option<String>,
    pub draft: Draft,
}

/// The viewer's team with its rules.
#[server]
pub async fn load_team() -> Result<TeamView, AppError> {
    use crate::server::{context, services::retention, services::teams, services::tracking};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let tracked = tracking::find_tracking(&app, &viewer).await?;
    let unreachable = tracking::unreachable_words(&app).map(str::to_owned);
    let retention = retention::find_retention(&app, &viewer).await?;
    let team = teams::find_team(&app, &viewer).await?;
    let without = teams::list_without_two_factor(&app, &viewer).await?;
    let draft = super::draft::load_draft("team".to_owned()).await?;
    let viewer_lacks_it = viewer.user_id().is_some_and(|user| without.contains(&user));
    Ok(TeamView {
        team,
        without_two_factor: without.len(),
        viewer_lacks_it,
        retention,
        tracking: tracked,
        unreachable,
        draft,
    })
}

/// Changes the team's name and rules; a rule is on where its box was ticked. Needs `team:update`.
#[server]
pub async fn update_team(
    name: String,
    #[server(default)] demands_two_factor: Option<String>,
    #[server(default)] masks_addresses: Option<String>,
    #[server(default)] reveals_with_reason: Option<String>,
) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let rules = [
        ("demands_two_factor", &demands_two_factor),
        ("masks_addresses", &masks_addresses),
        ("reveals_with_reason", &reveals_with_reason),
    ];
    let draft = rules.iter().fold(Draft::of("team").with("name", &name), |draft, (rule, ticked)| {
        draft.with(rule, if ticked.is_some() { "on" } else { "off" })
    });
    let change = teams::TeamChange {
        name: Some(name),
        demands_two_factor: Some(demands_two_factor.is_some()),
        masks_addresses: Some(masks_addresses.is_some()),
        reveals_with_reason: Some(reveals_with_reason.is_some()),
    };
    let viewer = context::viewer_of(&draft).await?;
    let result = teams::update_team(&context::app(), &viewer, change).await;
    context::or_keep(&draft, result).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "Saved. The rules apply at once.");
    Ok(())
}

/// Changes for how many days the team keeps what it has; an empty field is for ever. Needs `team:update`.
#[server]
pub async fn update_retention(
    #[server(default)] bodies_days: String,
    #[server(default)] events_days: String,
    #[server(default)] messages_days: String,
    #[server(default)] requests_days: String,
    #[server(default)] audit_days: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::retention};
    let fields = [
        ("bodies_days", &bodies_days),
        ("events_days", &events_days),
        ("messages_days", &messages_days),
        ("requests_days", &requests_days),
        ("audit_days", &audit_days),
    ];
    let draft = fields.iter().fold(Draft::of("team"), |draft, (name, typed)| draft.with(name, typed));
    // What is no number is refused like 0, which nothing can be kept for.
    let read =
        |typed: &str| Some(typed.trim()).filter(|typed| !typed.is_empty()).map(|typed| typed.parse().unwrap_or(0));
    let viewer = context::viewer_of(&draft).await?;
    let change = async {
        let retention = Retention {
            bodies_days: read(&bodies_days),
            events_days: read(&events_days),
            messages_days: read(&messages_days),
            requests_days: read(&requests_days),
            audit_days: read(&audit_days),
        };
        retention::update_retention(&context::app(), &viewer, retention).await
    };
    context::or_point(&draft, change.await, kept_label).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "Saved. What is older is deleted within minutes.");
    Ok(())
}

/// Changes what the team tracks; each is on where its box was ticked. Needs `team:update`.
#[server]
pub async fn update_tracking(
    #[server(default)] tracks_opens: Option<String>,
    #[server(default)] tracks_clicks: Option<String>,
) -> Result<(), AppError> {
    use crate::server::{context, services::tracking};
    let boxes = [("tracks_opens", &tracks_opens), ("tracks_clicks", &tracks_clicks)];
    let draft = boxes
        .iter()
        .fold(Draft::of("team"), |draft, (name, ticked)| draft.with(name, if ticked.is_some() { "on" } else { "off" }));
    let viewer = context::viewer_of(&draft).await?;
    let wanted = Tracking { tracks_opens: tracks_opens.is_some(), tracks_clicks: tracks_clicks.is_some() };
    let result = tracking::update_tracking(&context::app(), &viewer, wanted).await;
    context::or_keep(&draft, result).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "Saved. It applies to messages that go out from now on.");
    Ok(())
}

/// What the form calls a time that something is kept for.
pub fn kept_label(field: &str) -> Option<&'static str> {
    match field {
        "bodiesDays" => Some("Bodies and attachments, days"),
        "eventsDays" => Some("Events, days"),
        "messagesDays" => Some("Messages, days"),
        "requestsDays" => Some("API requests, days"),
        "auditDays" => Some("Audit log, days"),
        _ => None,
    }
}

/// Deletes a team with everything in it but its audit log, when `name` is its name. Needs `team:delete`.
#[server]
pub async fn delete_team(team: TeamId, name: String) -> Result<(), AppError> {
    use crate::server::{context, services::teams};
    let app = context::app();
    // The page's team, which need not be the one that another window switched to.
    let viewer = teams::viewer_for_team(&app, &context::viewer().await?, team).await?;
    teams::delete_team_named(&app, &viewer, &name).await?;
    context::flash(context::FlashKind::Success, format!("The team {} is deleted.", viewer.team_name));
    crate::server::context::redirect(super::access::HOME);
    Ok(())
}
