//! What a team keeps of whom: sizes, legal holds, and one person in everything.

use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::forgetting::{Footprint, Forgetting};
use crate::domain::held_size::KeptSizes;
use crate::domain::hold::{Hold, HoldScope};
use crate::domain::ids::HoldId;

/// What the page of privacy shows.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PrivacyView {
    pub sizes: KeptSizes,
    /// The newest first.
    pub holds: Vec<Hold>,
    /// For those who may forget; the newest first.
    pub forgettings: Vec<Forgetting>,
    /// Whether a person can be looked up.
    pub may_look_up: bool,
    /// What was typed and refused.
    pub draft: Draft,
}

/// A person who was looked up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PersonView {
    pub address: String,
    /// The sealed address, for links and forms.
    pub of: String,
    pub footprint: Footprint,
    /// Why they cannot be forgotten now.
    pub obstacle: Option<String>,
    pub draft: Draft,
}

/// What the team keeps, and its holds.
#[server]
pub async fn load_privacy() -> Result<PrivacyView, AppError> {
    use crate::domain::masking::masks_addresses;
    use crate::domain::permission::Permission;
    use crate::server::{
        context,
        services::{holds, persons, sizes},
    };
    let (app, viewer) = (context::app(), context::viewer().await?);
    let forgettings = match viewer.may(Permission::PrivacyForget) {
        true => persons::list_forgettings(&app, &viewer).await?,
        false => Vec::new(),
    };
    Ok(PrivacyView {
        sizes: sizes::measure(&app, &viewer).await?,
        holds: holds::list_holds(&app, &viewer).await?,
        forgettings,
        may_look_up: viewer.may(Permission::PrivacyExport) && !masks_addresses(&viewer),
        draft: super::draft::load_draft("privacy".to_owned()).await?,
    })
}

/// Looks an address up, and leads to what there is of it. Needs `privacy:export`.
#[server]
pub async fn look_up_person(address: String) -> Result<(), AppError> {
    use crate::server::{context, services::persons};
    let draft = Draft::of("privacy");
    let viewer = context::viewer_of(&draft).await?;
    let of = context::or_keep(&draft, persons::look_up(&context::app(), &viewer, &address)).await?;
    crate::server::context::redirect(&format!("/settings/privacy/person/{of}"));
    Ok(())
}

/// What there is of a person who was looked up. Needs `privacy:export`.
#[server]
pub async fn load_person(id: String) -> Result<PersonView, AppError> {
    use crate::server::{context, services::persons};
    let (app, viewer) = (context::app(), context::viewer().await?);
    let persons::LookedUp { address, footprint, obstacle } = persons::preview(&app, &viewer, &id).await?;
    let draft = super::draft::load_draft("person".to_owned()).await?;
    Ok(PersonView { address, of: id, footprint, obstacle, draft })
}

/// Begins to forget a person, where the address is typed again. Needs `privacy:export` and `privacy:forget`.
#[server]
pub async fn forget_person(
    of: String,
    typed: String,
    #[server(default)] reason: String,
    #[server(default)] stays_unwritten: Option<String>,
) -> Result<(), AppError> {
    use crate::server::{context, services::persons};
    let draft = Draft::of("person").with("reason", &reason);
    let viewer = context::viewer_of(&draft).await?;
    let app = context::app();
    let begun = persons::forget(&app, &viewer, &of, &typed, stays_unwritten.is_some(), &reason).await;
    context::or_keep(&draft, begun).await?;
    context::sent(&draft).await;
    context::flash(context::FlashKind::Success, "This person is being forgotten. It goes on in the background.");
    crate::server::context::redirect("/settings/privacy#forgettings");
    Ok(())
}

/// Lets a person who was forgotten be written to. Needs `privacy:export` and `privacy:forget`.
#[server]
pub async fn write_to_person_again(of: String) -> Result<(), AppError> {
    use crate::server::{context, services::persons};
    persons::write_again(&context::app(), &context::viewer().await?, &of).await?;
    context::flash(context::FlashKind::Success, "This address can be written to again.");
    Ok(())
}

/// Places a legal hold. Needs `holds:update`.
#[server]
pub async fn place_hold(
    name: String,
    reason: String,
    scope: HoldScope,
    #[server(default)] address: String,
    #[server(default)] from: String,
    #[server(default)] until: String,
    #[server(default)] message: String,
) -> Result<(), AppError> {
    use crate::server::{
        context,
        services::holds::{self, NewHold},
    };
    let typed = [("name", &name), ("reason", &reason), ("from", &from), ("until", &until), ("message", &message)];
    let draft = typed.iter().fold(Draft::of("privacy"), |draft, (field, typed)| draft.with(field, typed));
    let draft = draft.with("scope", scope.as_str());
    let viewer = context::viewer_of(&draft).await?;
    let new = NewHold {
        name: &name,
        reason: &reason,
        scope,
        address: &address,
        from: &from,
        until: &until,
        message: &message,
    };
    let label_of = |field: &str| match field {
        "name" => Some("Name"),
        "reason" => Some("Reason"),
        "address" => Some("Address"),
        "from" => Some("First day"),
        "until" => Some("Last day"),
        "message" => Some("Message"),
        _ => None,
    };
    let hold = holds::place_hold(&context::app(), &viewer, new).await;
    let hold = context::or_point(&draft, hold, label_of).await?;
    context::sent(&draft).await;
    let words = format!("The hold {} is in force: nothing that it covers is deleted.", hold.name);
    context::flash(context::FlashKind::Success, words);
    crate::server::context::redirect("/settings/privacy#holds");
    Ok(())
}

/// Ends a legal hold. Needs `holds:update`.
#[server]
pub async fn lift_hold(id: HoldId, reason: String) -> Result<(), AppError> {
    use crate::server::{context, services::holds};
    let hold = holds::lift_hold(&context::app(), &context::viewer().await?, id, &reason).await?;
    let words = format!("The hold {} is lifted. What it covered is kept as everything else from now on.", hold.name);
    context::flash(context::FlashKind::Success, words);
    Ok(())
}
