//! Templates. Called by the template pages, `/api/templates` and the dialects that send by a template's name.

mod preview;

use serde_json::{Value, json};

pub use self::preview::{keep_sample, preview, sample_values, send_preview};

use super::{audit, checked_name};
use crate::domain::audit::AuditAction;
use crate::domain::error::AppError;
use crate::domain::ids::{InvalidId, TemplateId};
use crate::domain::permission::Permission;
use crate::domain::template::{
    FIND_PARAMETER, MAX_FIND_CHARS, TEMPLATES_SHOWN, Template, TemplateSource, TemplateVersion,
};
use crate::domain::tracking::TemplateTracking;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::store::templates::TemplateChange;

/// The most variables of a template that are masked.
const MAX_MASKED_VARIABLES: usize = 50;
/// The longest name of a variable, in characters.
const MAX_VARIABLE_CHARS: usize = 100;

/// The team's templates. Needs `templates:view`.
pub async fn list_templates(app: &App, viewer: &Viewer) -> Result<Vec<Template>, AppError> {
    viewer.require(Permission::TemplatesView)?;
    app.store.list_templates(viewer.team).await
}

/// The ids and names of the team's newest templates whose names hold this part, one more than a list shows where there are
/// more, to filter the log by. Needs `logs:view`: the log shows the names anyway.
pub async fn find_names(app: &App, viewer: &Viewer, part: &str) -> Result<Vec<(TemplateId, String)>, AppError> {
    viewer.require(Permission::LogsView)?;
    let part = part.trim();
    if part.chars().count() > MAX_FIND_CHARS || part.contains('\0') {
        let message = format!("use at most {MAX_FIND_CHARS} characters, none of them U+0000");
        return Err(AppError::invalid_field(FIND_PARAMETER, message));
    }
    app.store.list_templates_named(viewer.team, part, TEMPLATES_SHOWN as i64 + 1).await
}

/// The ids and names of the newest templates, as many as a list shows, and of the chosen one. Needs `logs:view`.
pub async fn list_choices(
    app: &App,
    viewer: &Viewer,
    chosen: Option<TemplateId>,
) -> Result<Vec<(TemplateId, String)>, AppError> {
    let mut choices = find_names(app, viewer, "").await?;
    choices.truncate(TEMPLATES_SHOWN);
    if let Some(id) = chosen.filter(|id| choices.iter().all(|(known, _)| known != id)) {
        choices.extend(app.store.find_template(viewer.team, id).await?.map(|template| (id, template.name)));
    }
    Ok(choices)
}

/// One template. Needs `templates:view`.
pub async fn find_template(app: &App, viewer: &Viewer, id: TemplateId) -> Result<Template, AppError> {
    viewer.require(Permission::TemplatesView)?;
    load(app, viewer, id).await
}

/// One template, by its id in any form or by its name, for a message to be made from. Needs `emails:send`.
pub async fn find_template_to_send(app: &App, viewer: &Viewer, id_or_name: &str) -> Result<Template, AppError> {
    viewer.require(Permission::EmailsSend)?;
    let by_id = match id_or_name.parse() {
        Ok(id) => app.store.find_template(viewer.team, id).await?,
        Err(InvalidId) => None,
    };
    let found = match by_id {
        Some(template) => Some(template),
        None => app.store.find_template_by_name(viewer.team, id_or_name).await?,
    };
    found.ok_or_else(|| AppError::not_found("Template"))
}

/// The names of the variables that a template uses, in order. Those of a text that does not parse are left out.
pub async fn used_variables(app: &App, source: &TemplateSource) -> Vec<String> {
    app.renderer.used_variables(source).await
}

/// The versions of a template, newest first. Needs `templates:view`.
pub async fn list_versions(app: &App, viewer: &Viewer, id: TemplateId) -> Result<Vec<TemplateVersion>, AppError> {
    viewer.require(Permission::TemplatesView)?;
    load(app, viewer, id).await?;
    app.store.list_template_versions(viewer.team, id).await
}

/// Makes a template, of which some variables may be masked. Needs `templates:create`. Its sources must parse.
pub async fn create_template(
    app: &App,
    viewer: &Viewer,
    name: &str,
    source: TemplateSource,
    masked_variables: &[String],
    tracking: TemplateTracking,
) -> Result<Template, AppError> {
    viewer.require(Permission::TemplatesCreate)?;
    let name = checked_name("name", name)?;
    let masked_variables = checked_variables(masked_variables)?;
    app.renderer.check_template(&source).await?;
    let (id, version_id, now) = (app.clock.mint(), app.clock.mint(), app.clock.now());
    let current = TemplateVersion { id: version_id, version: 1, source, created_at: now };
    let template = Template { id, name, created_at: now, updated_at: now, masked_variables, tracking, current };
    let event = audit::by(app, viewer, AuditAction::TemplateCreated).about(id, &template.name).made(said(&template));
    if app.store.insert_template(viewer.team, &template, &event).await? {
        Ok(template)
    } else {
        Err(name_taken(&template.name))
    }
}

/// Gives a template a new version where the sources differ, and a new name, other masked variables or other tracking where
/// they are given. Needs `templates:update`.
pub async fn update_template(
    app: &App,
    viewer: &Viewer,
    id: TemplateId,
    name: Option<&str>,
    source: TemplateSource,
    masked_variables: Option<&[String]>,
    tracking: Option<TemplateTracking>,
) -> Result<Template, AppError> {
    viewer.require(Permission::TemplatesUpdate)?;
    let present = load(app, viewer, id).await?;
    app.renderer.check_template(&source).await?;
    let name = name.map(|name| checked_name("name", name)).transpose()?.filter(|name| *name != present.name);
    let version = (source != present.current.source).then(|| (app.clock.mint(), &source));
    let masked = masked_variables.map(checked_variables).transpose()?;
    let masked = masked.filter(|names| *names != present.masked_variables);
    let tracking = tracking.filter(|tracking| *tracking != present.tracking);
    if name.is_none() && version.is_none() && masked.is_none() && tracking.is_none() {
        return Ok(present);
    }
    let mut changed = present.clone();
    changed.name = name.clone().unwrap_or(changed.name);
    changed.current.source = source.clone();
    changed.masked_variables = masked.clone().unwrap_or(changed.masked_variables);
    changed.tracking = tracking.unwrap_or(changed.tracking);
    let event = audit::by(app, viewer, AuditAction::TemplateUpdated).about(id, &present.name);
    let event = event.changed(said(&present), said(&changed));
    let change = TemplateChange { name: name.as_deref(), masked_variables: masked.as_deref(), tracking, version };
    if !app.store.update_template(viewer.team, id, &change, app.clock.now(), &event).await? {
        return Err(AppError::not_found("Template"));
    }
    load(app, viewer, id).await
}

/// Deletes a template. Needs `templates:delete`. Messages made from it keep what they said.
pub async fn delete_template(app: &App, viewer: &Viewer, id: TemplateId) -> Result<String, AppError> {
    viewer.require(Permission::TemplatesDelete)?;
    let template = load(app, viewer, id).await?;
    let event = audit::by(app, viewer, AuditAction::TemplateDeleted).about(id, &template.name);
    let deleted = app.store.delete_template(viewer.team, id, app.clock.now(), &event).await?;
    if deleted { Ok(template.name) } else { Err(AppError::not_found("Template")) }
}

/// Brings back a deleted template, and answers with its name. Needs `templates:delete`.
pub async fn restore_template(app: &App, viewer: &Viewer, id: TemplateId) -> Result<String, AppError> {
    viewer.require(Permission::TemplatesDelete)?;
    let event = audit::by(app, viewer, AuditAction::TemplateRestored);
    let restored = app.store.restore_template(viewer.team, id, event).await?;
    restored.ok_or_else(|| AppError::not_found("Template"))
}

/// The names of variables as they are kept: trimmed, each once, in order.
fn checked_variables(names: &[String]) -> Result<Vec<String>, AppError> {
    let mut names: Vec<String> =
        names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    names.sort();
    names.dedup();
    let is_name = |name: &String| name.chars().count() <= MAX_VARIABLE_CHARS && !name.chars().any(char::is_control);
    if names.len() <= MAX_MASKED_VARIABLES && names.iter().all(is_name) {
        return Ok(names);
    }
    let message = format!(
        "At most {MAX_MASKED_VARIABLES} variables can be masked, each by a name of at most {MAX_VARIABLE_CHARS} characters in one line"
    );
    Err(AppError::invalid_field("maskedVariables", message))
}

/// What the audit log says of a template.
fn said(template: &Template) -> Value {
    let source = &template.current.source;
    json!({
        "name": template.name,
        "maskedVariables": template.masked_variables,
        "tracksOpens": template.tracking.tracks_opens,
        "tracksClicks": template.tracking.tracks_clicks,
        "offersUnsubscribe": template.tracking.offers_unsubscribe,
        "subject": source.subject,
        "html": source.html,
        "text": source.text,
    })
}

async fn load(app: &App, viewer: &Viewer, id: TemplateId) -> Result<Template, AppError> {
    app.store.find_template(viewer.team, id).await?.ok_or_else(|| AppError::not_found("Template"))
}

fn name_taken(name: &str) -> AppError {
    AppError::AlreadyExists(format!("A template named “{name}” exists already"))
}
