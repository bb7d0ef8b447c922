//! Adapters: the ways out.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::adapter::{Adapter, AdapterKind};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::AdapterId;

/// What the adapters page shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AdaptersView {
    pub adapters: Vec<Adapter>,
    /// How many messages wait to go out by which; those by which none waits are left out.
    pub waiting: Vec<(AdapterId, i64)>,
    /// What was typed and refused, into the form of a new one.
    pub draft: Draft,
    /// What was typed and refused, into the form of a change.
    pub change: Draft,
}

/// The team's adapters. Needs `adapters:view`.
#[server]
pub async fn load_adapters() -> Result<AdaptersView, AppError> {
    use crate::server::{context, services::adapters};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let waiting = adapters::count_waiting(&app, &viewer).await?;
    let adapters = adapters::list_adapters(&app, &viewer).await?;
    let draft = super::draft::load_draft("adapter".to_owned()).await?;
    Ok(AdaptersView { adapters, waiting, draft, change: super::draft::load_draft("adapter_change".to_owned()).await? })
}

/// Adds an adapter. Needs `adapters:create`.
#[server]
pub async fn create_adapter(
    name: String,
    kind: AdapterKind,
    url: String,
    from_address: String,
    #[server(default)] is_default: Option<String>,
) -> Result<(), AppError> {
    use crate::server::{context, services::adapters};
    // The address holds a password, so it is not kept.
    let draft =
        Draft::of("adapter").with("name", &name).with("kind", kind.as_str()).with("from_address", &from_address);
    let input = adapters::NewAdapter { name, kind, url, from_address, is_default: is_default.is_some() };
    let result = adapters::create_adapter(&context::app(), &context::viewer().await?, input).await;
    let adapter = context::or_keep(&draft, result).await?;
    context::flash(context::FlashKind::Success, format!("Adapter “{}” added.", adapter.name));
    Ok(())
}

/// Changes an adapter; without `url` its address stays, with the log-in. Needs `adapters:update`.
#[server]
pub async fn update_adapter(
    id: AdapterId,
    name: String,
    #[server(default)] url: String,
    #[server(default)] from_address: String,
) -> Result<(), AppError> {
    use crate::server::{context, services::adapters};
    // The address holds a password, so it is not kept.
    let draft = Draft::of("adapter_change").with("name", &name).with("from_address", &from_address);
    let url = Some(url).filter(|url| !url.trim().is_empty());
    let change = adapters::AdapterChange { name: Some(name), url, from_address: Some(from_address), is_default: None };
    let result = adapters::update_adapter(&context::app(), &context::viewer().await?, id, change).await;
    let adapter = context::or_keep(&draft, result).await?;
    context::flash(context::FlashKind::Success, format!("Adapter “{}” changed.", adapter.name));
    leptos_axum::redirect("/settings/adapters");
    Ok(())
}

/// Removes an adapter. Needs `adapters:delete`.
#[server]
pub async fn delete_adapter(id: AdapterId) -> Result<(), AppError> {
    use leptos::server_fn::ServerFn;

    use crate::server::{context, services::adapters};
    adapters::delete_adapter(&context::app(), &context::viewer().await?, id).await?;
    context::flash_undo("Adapter removed.", RestoreAdapter::PATH, id);
    Ok(())
}

/// Brings back an adapter that was removed. Needs `adapters:delete`.
#[server]
pub async fn restore_adapter(id: AdapterId) -> Result<(), AppError> {
    use crate::server::{context, services::adapters};
    let name = adapters::restore_adapter(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, format!("The adapter “{name}” is back."));
    Ok(())
}

/// Lets messages that name no adapter go out by this one. Needs `adapters:update`.
#[server]
pub async fn make_default_adapter(id: AdapterId) -> Result<(), AppError> {
    use crate::server::{context, services::adapters};
    adapters::make_default(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, "Messages that name no adapter now go out by this one.");
    Ok(())
}
