//! Imports of what other systems know of the team's messages.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::history_import::{HistoryImport, ImportSource};
use crate::domain::ids::ImportId;

/// What the page of imports shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ImportsView {
    /// The newest first.
    pub imports: Vec<HistoryImport>,
    /// For how many days the team keeps messages; `None` for ever.
    pub kept_days: Option<i64>,
    /// What was typed and refused.
    pub draft: Draft,
}

/// The team's imports. Needs `adapters:view`.
#[server]
pub async fn load_imports() -> Result<ImportsView, AppError> {
    use crate::server::{
        context,
        services::{history_imports, retention},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let imports = history_imports::list_imports(&app, &viewer).await?;
    let kept_days = retention::find_retention(&app, &viewer).await?.messages_days;
    Ok(ImportsView { imports, kept_days, draft: super::draft::load_draft("imports".to_owned()).await? })
}

/// Begins to read a source's API. Needs `adapters:update`.
#[server]
pub async fn start_import(
    source: ImportSource,
    #[server(default)] base: String,
    #[server(default)] account: String,
    #[server(default)] key: String,
    days: String,
) -> Result<(), AppError> {
    use crate::server::{
        context,
        services::history_imports::{self, NewPull},
    };
    let draft = Draft::of("imports").with("base", &base).with("account", &account).with("days", &days);
    let viewer = context::viewer_of(&draft).await?;
    // What is no number is refused as one that is out of bounds.
    let new = NewPull { source, base: &base, account: &account, key: &key, days: days.trim().parse().unwrap_or(0) };
    let result = history_imports::start_pull(&context::app(), &viewer, &new).await;
    let label_of = |field: &str| match field {
        "base" => Some("Address"),
        "account" => source.account().map(|field| field.label),
        "key" => Some(source.key().label),
        "days" => Some("Days"),
        _ => None,
    };
    context::or_point(&draft, result, label_of).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("The import from {} runs.", source.label()));
    crate::server::context::redirect("/settings/imports");
    Ok(())
}

/// Begins to read a file that a source exported. Needs `adapters:update`.
#[server]
pub async fn import_file(source: ImportSource, #[server(default)] file: String) -> Result<(), AppError> {
    use crate::domain::permission::Permission;
    use crate::server::{context, inbound::history::file, services::history_imports};
    let viewer = context::viewer().await?;
    viewer.require(Permission::AdaptersUpdate)?;
    let taken = file::take_apart(source, &file)?;
    history_imports::start_file(&context::app(), &viewer, source, taken.records, &taken.parts).await?;
    context::flash(context::FlashKind::Success, format!("The import of the file from {} runs.", source.label()));
    crate::server::context::redirect("/settings/imports");
    Ok(())
}

/// Has an import stop where it is. Needs `adapters:update`.
#[server]
pub async fn stop_import(id: ImportId) -> Result<(), AppError> {
    use crate::server::{context, services::history_imports};
    history_imports::stop_import(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, "The import stopped. It can go on where it was.");
    Ok(())
}

/// Has one go on, with another key where one is typed. Needs `adapters:update`.
#[server]
pub async fn resume_import(id: ImportId, #[server(default)] key: String) -> Result<(), AppError> {
    use crate::server::{context, services::history_imports};
    history_imports::resume_import(&context::app(), &context::viewer().await?, id, &key).await?;
    context::flash(context::FlashKind::Success, "The import goes on.");
    Ok(())
}

/// Removes one; what it recorded stays. Needs `adapters:update`.
#[server]
pub async fn delete_import(id: ImportId) -> Result<(), AppError> {
    use crate::server::{context, services::history_imports};
    history_imports::delete_import(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, "The import is removed. What it recorded stays in the log.");
    Ok(())
}
