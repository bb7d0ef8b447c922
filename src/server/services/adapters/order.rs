//! The order of adapters: moving them, and which of them are down.

use serde_json::json;

use super::super::audit;
use super::{AdapterChange, load, update_adapter};
use crate::domain::adapter::{Adapter, AdapterDown, Direction, Lane};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::AdapterId;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// Makes an adapter the default: the first in its order. Needs `adapters:update`.
pub async fn make_default(app: &App, viewer: &Viewer, id: AdapterId) -> Result<Adapter, AppError> {
    let change = AdapterChange { is_default: Some(true), ..AdapterChange::default() };
    update_adapter(app, viewer, id, change).await
}

/// Moves an adapter one place up or down among those that send the same channels; its place then, from 1, with it. Needs
/// `adapters:update`. One that is first or last already stays there, and the place is `None`.
pub async fn move_adapter(
    app: &App,
    viewer: &Viewer,
    id: AdapterId,
    direction: Direction,
) -> Result<(Adapter, Option<usize>), AppError> {
    viewer.require(Permission::AdaptersUpdate)?;
    let adapter = load(app, viewer.team, id).await?;
    let event = audit::by(app, viewer, AuditAction::AdapterUpdated).about(id, &adapter.name);
    let line = |from, to| event.changed(json!({ "place": from }), json!({ "place": to }));
    let moved = app.store.move_adapter(viewer.team, id, direction, line).await?;
    // Messages may wait for a default.
    app.outbox_waker.wake();
    Ok((load(app, viewer.team, id).await?, moved.map(|(_, to)| to)))
}

/// Those of the team's adapters that are down, each with the name of the one that its messages go by meanwhile. Needs
/// `adapters:view`.
pub async fn list_down(app: &App, viewer: &Viewer) -> Result<Vec<(AdapterId, AdapterDown, Option<String>)>, AppError> {
    viewer.require(Permission::AdaptersView)?;
    let mut down = Vec::new();
    for lane in Lane::ALL {
        let order = app.store.list_adapter_order(viewer.team, lane).await?;
        for (place, adapter) in order.iter().enumerate() {
            let Some(state) = adapter.down.clone() else { continue };
            let mut others = order.iter().cycle().skip(place + 1).take(order.len() - 1);
            let next = others.find(|other| other.down.is_none()).map(|other| other.name.clone());
            down.push((adapter.id, state, next));
        }
    }
    Ok(down)
}
