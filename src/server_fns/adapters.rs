//! Adapters: the ways out.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::adapter::form::{AddressForm, HttpForm, KeptLogIn, SmtpForm};
use crate::domain::adapter::{Adapter, AdapterDown, AdapterKind, Direction, LastTest};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::ids::AdapterId;

/// An adapter as the page of all of them shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ListedAdapter {
    pub adapter: Adapter,
    /// Where it leads, in words.
    pub place: String,
    pub last_test: Option<LastTest>,
    /// How many messages wait to go out by it.
    pub waiting: i64,
    /// Since when it cannot be used, where that is so, and by which one its messages go meanwhile.
    pub down: Option<(AdapterDown, Option<String>)>,
}

/// What the form that changes an adapter shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EditedAdapter {
    pub adapter: Adapter,
    /// Every part but the secrets.
    pub form: AddressForm,
    pub kept: KeptLogIn,
    /// What was typed and refused.
    pub draft: Draft,
}

/// The team's adapters, lane by lane in their order. Needs `adapters:view`.
#[server]
pub async fn load_adapters() -> Result<Vec<ListedAdapter>, AppError> {
    use crate::server::{context, services::adapters};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let waiting = adapters::count_waiting(&app, &viewer).await?;
    let all = adapters::list_adapters(&app, &viewer).await?;
    let tests = adapters::list_last_tests(&app, &viewer, &all).await?;
    let down = adapters::list_down(&app, &viewer).await?;
    let listed = all.into_iter().map(|adapter| ListedAdapter {
        place: adapters::place_of(&adapter),
        last_test: tests.iter().find(|(id, _)| *id == adapter.id).map(|(_, test)| *test),
        waiting: waiting.iter().find(|(id, _)| *id == adapter.id).map_or(0, |(_, count)| *count),
        down: down.iter().find(|(id, ..)| *id == adapter.id).map(|(_, state, next)| (state.clone(), next.clone())),
        adapter,
    });
    Ok(listed.collect())
}

/// What was typed into the form of a new adapter, and refused. Needs `adapters:create`.
#[server]
pub async fn load_new_adapter() -> Result<Draft, AppError> {
    use crate::domain::permission::Permission;
    crate::server::context::viewer().await?.require(Permission::AdaptersCreate)?;
    super::draft::load_draft("adapter".to_owned()).await
}

/// The form of an adapter that is to change. Needs `adapters:update`.
#[server]
pub async fn load_adapter(id: AdapterId) -> Result<EditedAdapter, AppError> {
    use crate::server::{context, services::adapters};
    let (adapter, form, kept) = adapters::form_of(&context::app(), &context::viewer().await?, id).await?;
    Ok(EditedAdapter { adapter, form, kept, draft: super::draft::load_draft(id.to_string()).await? })
}

/// Adds an adapter; which fields count, the kind says. Needs `adapters:create`.
#[server]
pub async fn create_adapter(
    name: String,
    kind: AdapterKind,
    #[server(default)] smtp: SmtpForm,
    #[server(default)] http: HttpForm,
    from_address: String,
    #[server(default)] is_default: Option<String>,
) -> Result<(), AppError> {
    use crate::domain::adapter::form;
    use crate::server::{context, services::adapters};
    let form = AddressForm { smtp, http };
    let draft = adapters::draft_of("adapter", &name, &from_address, &form).with("kind", kind.as_str());
    let draft = if is_default.is_some() { draft.with("is_default", "on") } else { draft };
    let address = adapters::GivenAddress::Form(Box::new(form));
    let new = adapters::NewAdapter { name, kind, address, from_address, is_default: is_default.is_some() };
    let viewer = context::viewer_of(&draft).await?;
    let result = adapters::create_adapter(&context::app(), &viewer, new).await;
    let adapter = context::or_point(&draft, result, |field| form::label_of(kind, field)).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("Adapter “{}” added.", adapter.name));
    crate::server::context::redirect(&format!("/settings/adapters?added={}", adapter.id));
    Ok(())
}

/// Changes an adapter. Without fields of an address that stays; a secret that is left empty stays while the server does.
/// Needs `adapters:update`.
#[server]
pub async fn update_adapter(
    id: AdapterId,
    /// What the form was for; what the adapter is, it stays.
    kind: AdapterKind,
    name: String,
    #[server(default)] smtp: SmtpForm,
    #[server(default)] http: HttpForm,
    #[server(default)] from_address: String,
) -> Result<(), AppError> {
    use crate::domain::adapter::form;
    use crate::server::{context, services::adapters};
    let form = AddressForm { smtp, http };
    let draft = adapters::draft_of(&id.to_string(), &name, &from_address, &form);
    let address = (form != AddressForm::default()).then_some(adapters::GivenAddress::Form(Box::new(form)));
    let change =
        adapters::AdapterChange { name: Some(name), address, from_address: Some(from_address), is_default: None };
    let viewer = context::viewer_of(&draft).await?;
    let result = adapters::update_adapter(&context::app(), &viewer, id, change).await;
    let adapter = context::or_point(&draft, result, |field| form::label_of(kind, field)).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, format!("Adapter “{}” changed.", adapter.name));
    crate::server::context::redirect("/settings/adapters");
    Ok(())
}

/// Sends a test message by an adapter; the page that follows says what the server said. Needs `adapters:update`.
#[server]
pub async fn test_adapter(id: AdapterId, to: String) -> Result<(), AppError> {
    use crate::server::{context, services::adapters};
    let viewer =
        context::viewer_or_say("Your session ended, and the test was not sent. Log in and send it again.").await?;
    context::flash_test(&adapters::send_test(&context::app(), &viewer, id, &to).await?);
    Ok(())
}

/// Removes an adapter. Needs `adapters:delete`.
#[server]
pub async fn delete_adapter(id: AdapterId) -> Result<(), AppError> {
    use leptos::server_fn::ServerFn;

    use crate::server::{context, services::adapters};
    let name = adapters::delete_adapter(&context::app(), &context::viewer().await?, id).await?;
    context::flash_undo(format!("Adapter “{name}” removed."), RestoreAdapter::PATH, id);
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

/// Moves an adapter one place up or down in its order. Needs `adapters:update`.
#[server]
pub async fn move_adapter(id: AdapterId, direction: Direction) -> Result<(), AppError> {
    use crate::server::{context, services::adapters};
    let (adapter, place) = adapters::move_adapter(&context::app(), &context::viewer().await?, id, direction).await?;
    let words = match (place, direction) {
        (Some(1), _) if adapter.is_default => format!("Adapter “{}” is now the first, and the default.", adapter.name),
        (Some(place), _) => format!("Adapter “{}” is now number {place}.", adapter.name),
        (None, Direction::Up) => format!("Adapter “{}” is the first already.", adapter.name),
        (None, Direction::Down) => format!("Adapter “{}” is the last already.", adapter.name),
    };
    context::flash(context::FlashKind::Success, words);
    Ok(())
}

/// Lets messages that name no adapter go out by this one. Needs `adapters:update`.
#[server]
pub async fn make_default_adapter(id: AdapterId) -> Result<(), AppError> {
    use crate::server::{context, services::adapters};
    let adapter = adapters::make_default(&context::app(), &context::viewer().await?, id).await?;
    context::flash(context::FlashKind::Success, format!("Adapter “{}” is now the default.", adapter.name));
    Ok(())
}
