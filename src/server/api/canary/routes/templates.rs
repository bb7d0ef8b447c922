//! Templates and their versions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Answer;
use crate::domain::ids::TemplateId;
use crate::domain::template::TemplateSource;
use crate::server::App;
use crate::server::api::canary::error::{
    CanaryError, Clash, Faults, InvalidBody, InvalidParameters, Missing, Refusals,
};
use crate::server::api::canary::extract::{Caller, JsonBody, NoParameters, PathText, id_of};
use crate::server::api::canary::wire::{
    Deleted, NewTemplateBody, Success, TemplateBody, TemplateChangeBody, TemplateVersionBody, success,
};
use crate::server::services::templates;

/// The endpoints of this file.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(list_templates, create_template))
        .routes(routes!(find_template, update_template, delete_template))
        .routes(routes!(list_versions))
}

/// Lists the team's templates. Needs `templates:view`.
#[utoipa::path(
    get, path = "/api/templates", operation_id = "listTemplates", tag = "templates", summary = "List templates",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    responses(
        (status = 200, description = "The templates, by name", body = Success<Vec<TemplateBody>>),
        InvalidParameters, Refusals, Faults,
    ),
)]
async fn list_templates(
    State(app): State<App>,
    Caller(viewer): Caller,
    _query: NoParameters,
) -> Answer<Vec<TemplateBody>> {
    let found = templates::list_templates(&app, &viewer).await?;
    Ok(success(found.into_iter().map(TemplateBody::from).collect()))
}

/// Makes a template. Needs `templates:create`.
#[utoipa::path(
    post, path = "/api/templates", operation_id = "createTemplate", tag = "templates", summary = "Create a template",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    request_body(content = NewTemplateBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The template", body = Success<TemplateBody>),
        InvalidBody, Refusals, Clash, Faults,
    ),
)]
async fn create_template(
    State(app): State<App>,
    Caller(viewer): Caller,
    _query: NoParameters,
    JsonBody(body): JsonBody<NewTemplateBody>,
) -> Result<(StatusCode, Json<Success<TemplateBody>>), CanaryError> {
    let source = TemplateSource { subject: body.subject, html: body.html, text: body.text };
    let masked = body.masked_variables.unwrap_or_default();
    let template = templates::create_template(&app, &viewer, &body.name, source, &masked).await?;
    Ok((StatusCode::CREATED, success(template.into())))
}

/// Shows a template. Needs `templates:view`.
#[utoipa::path(
    get, path = "/api/templates/{id}", operation_id = "findTemplate", tag = "templates", summary = "Show a template",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The template's id")),
    responses(
        (status = 200, description = "The template", body = Success<TemplateBody>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn find_template(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<TemplateBody> {
    Ok(success(templates::find_template(&app, &viewer, id_of(&id)).await?.into()))
}

/// Changes a template: other texts become a new version. Needs `templates:update` and `templates:view`.
#[utoipa::path(
    put, path = "/api/templates/{id}", operation_id = "updateTemplate", tag = "templates",
    summary = "Change a template",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The template's id")),
    request_body(content = TemplateChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The template", body = Success<TemplateBody>),
        InvalidBody, Refusals, Missing, Clash, Faults,
    ),
)]
async fn update_template(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
    JsonBody(mut body): JsonBody<TemplateChangeBody>,
) -> Answer<TemplateBody> {
    let id: TemplateId = id_of(&id);
    let present = templates::find_template(&app, &viewer, id).await?;
    let (name, masked) = (body.name.take(), body.masked_variables.take());
    let source = body.apply_to(present.current.source);
    let updated = templates::update_template(&app, &viewer, id, name.as_deref(), source, masked.as_deref()).await?;
    Ok(success(updated.into()))
}

/// Deletes a template; messages made from it keep what they said. Needs `templates:delete`.
#[utoipa::path(
    delete, path = "/api/templates/{id}", operation_id = "deleteTemplate", tag = "templates",
    summary = "Delete a template",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The template's id")),
    responses(
        (status = 200, description = "The template is gone", body = Success<Deleted<String>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn delete_template(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<Deleted<String>> {
    let id: TemplateId = id_of(&id);
    templates::delete_template(&app, &viewer, id).await?;
    Ok(success(Deleted { id: id.to_string() }))
}

/// Lists the versions of a template, newest first. Needs `templates:view`.
#[utoipa::path(
    get, path = "/api/templates/{id}/versions", operation_id = "listTemplateVersions", tag = "templates",
    summary = "List the versions of a template",
    security(("session" = []), ("bearer" = []), ("apiKey" = [])),
    params(("id" = String, Path, description = "The template's id")),
    responses(
        (status = 200, description = "The versions", body = Success<Vec<TemplateVersionBody>>),
        InvalidParameters, Refusals, Missing, Faults,
    ),
)]
async fn list_versions(
    State(app): State<App>,
    Caller(viewer): Caller,
    PathText(id): PathText<String>,
    _query: NoParameters,
) -> Answer<Vec<TemplateVersionBody>> {
    let versions = templates::list_versions(&app, &viewer, id_of(&id)).await?;
    Ok(success(versions.into_iter().map(TemplateVersionBody::from).collect()))
}
