//! Addresses that are not written to any more.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::SuppressionId;
use crate::domain::page::CursorPage;
use crate::domain::suppression::{Suppression, SuppressionReason};

/// Rows on a page of the list.
pub const PAGE_SIZE: i64 = 50;

/// What the page of suppressed addresses shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SuppressionsView {
    /// The newest first.
    pub page: CursorPage<Suppression>,
    /// How many the filters find.
    pub total: i64,
    /// What was typed and refused.
    pub draft: Draft,
}

/// The team's suppressed addresses, those with ids below `before` where that is given. Needs `suppressions:view`.
#[server]
pub async fn load_suppressions(
    search: Option<String>,
    reason: Option<SuppressionReason>,
    before: Option<SuppressionId>,
) -> Result<SuppressionsView, AppError> {
    use crate::domain::page::Cursor;
    use crate::server::{
        context,
        services::suppressions::{self, SuppressionFilter},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let filter = SuppressionFilter { search, reasons: reason.into_iter().collect() };
    let cursor = before.map_or(Cursor::Newest, Cursor::After);
    let page = suppressions::list_suppressions(&app, &viewer, &filter, cursor, PAGE_SIZE).await?;
    let total = suppressions::count_suppressions(&app, &viewer, &filter).await?;
    Ok(SuppressionsView { page, total, draft: super::draft::load_draft("suppressions".to_owned()).await? })
}

/// Suppresses addresses: those that were typed, one a line, and those of a file. Needs `suppressions:update`.
#[server]
pub async fn add_suppressions(
    #[server(default)] addresses: String,
    #[server(default)] file: String,
    reason: SuppressionReason,
    #[server(default)] note: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::suppressions};
    let draft = Draft::of("suppressions").with("addresses", &addresses).with("note", &note);
    let draft = draft.with("reason", reason.as_str());
    let viewer = context::viewer_of(&draft).await?;
    let result = suppressions::add_suppressions(&context::app(), &viewer, &[&addresses, &file], reason, &note).await;
    let label_of = |field: &str| match field {
        "addresses" => Some("Addresses"),
        "note" => Some("Note"),
        _ => None,
    };
    let added = context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    let kind = if added.wrong.is_empty() { context::FlashKind::Success } else { context::FlashKind::Warning };
    context::flash(kind, added.sentence());
    crate::server::context::redirect("/settings/suppressions");
    Ok(())
}

/// Lets an address be written to again. Needs `suppressions:update`.
#[server]
pub async fn lift_suppression(id: SuppressionId, reason: String) -> Result<(), AppError> {
    use crate::server::{
        context,
        services::suppressions::{self, SuppressionName},
    };
    let viewer = context::viewer().await?;
    let lifted = suppressions::lift_suppression(&context::app(), &viewer, &SuppressionName::Id(id), &reason).await?;
    context::flash(context::FlashKind::Success, format!("{} can be written to again.", lifted.address));
    Ok(())
}
