//! How far a team has come in setting up, by what the store has. Called by the log before the first message, and by the page
//! Connect.

use super::emails;
use crate::domain::error::AppError;
use crate::domain::filter::EmailFilter;
use crate::domain::first_steps::{FirstSteps, Step};
use crate::domain::page::PageRequest;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;

/// A team with so many messages needs no first steps.
const MANY: i64 = 20;

/// The first steps of the viewer's team; `None` once all are done, or where it has many messages. Needs `logs:view`.
pub async fn first_steps(app: &App, viewer: &Viewer) -> Result<Option<FirstSteps>, AppError> {
    let newest = PageRequest { page: 1, page_size: 1 };
    let messages = emails::list_emails(app, viewer, &EmailFilter::default(), newest).await?;
    if messages.total.count() >= MANY {
        return Ok(None);
    }
    let seen = |permission: Permission, name: String, url: &str| Step {
        is_done: true,
        name: viewer.may(permission).then_some(name),
        url: viewer.may(permission).then(|| url.to_owned()),
    };
    let mut steps = FirstSteps::default();
    let adapters = app.store.list_adapters(viewer.team).await?;
    if let Some(adapter) = adapters.iter().find(|adapter| adapter.is_default).or(adapters.first()) {
        steps.adapter = seen(Permission::AdaptersView, adapter.name.clone(), "/settings/adapters");
    }
    let keys = app.store.list_api_keys(viewer.team).await?;
    let sends = keys.into_iter().find(|key| key.revoked_at.is_none() && key.scopes.contains(Permission::EmailsSend));
    if let Some(key) = sends {
        let url = format!("/settings/api-keys/{}", key.id);
        steps.key = seen(Permission::ApiKeysView, key.name, &url);
    }
    if let Some((id, name)) = app.store.list_templates_named(viewer.team, "", 1).await?.pop() {
        steps.template = seen(Permission::TemplatesView, name, &format!("/templates/{id}"));
        steps.template_id = Some(id).filter(|_| viewer.may(Permission::TemplatesView));
    }
    if let Some(message) = messages.items.first() {
        steps.message = seen(Permission::LogsView, message.id.to_string(), &format!("/logs/{}", message.id));
    }
    steps.report.is_done = app.store.has_reports(viewer.team).await?;
    Ok(Some(steps).filter(|steps| !steps.are_done()))
}
