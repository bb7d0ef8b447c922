//! Templates and their versions.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::body::JsonBody;
use super::error::{CanaryError, Clash};
use super::{Answer, Deleted, Success, Timestamp, given, success};
use crate::domain::ids::{TemplateId, TemplateVersionId};
use crate::domain::template::{Template, TemplateSource, TemplateVersion};
use crate::domain::tracking::TemplateTracking;
use crate::server::App;
use crate::server::api::extract::{Caller, PathId};
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
    get, path = "/api/templates", tag = "templates", summary = "List templates",
    responses((status = 200, description = "The templates, by name", body = Success<Vec<TemplateBody>>)),
)]
async fn list_templates(State(app): State<App>, Caller(viewer, ()): Caller) -> Answer<Vec<TemplateBody>> {
    let found = templates::list_templates(&app, &viewer).await?;
    Ok(success(found.into_iter().map(TemplateBody::from).collect()))
}

/// Makes a template. Needs `templates:create`.
#[utoipa::path(
    post, path = "/api/templates", tag = "templates", summary = "Create a template",
    request_body(content = NewTemplateBody, content_type = "application/json"),
    responses(
        (status = 201, description = "The template", body = Success<TemplateBody>),
        Clash,
    ),
)]
async fn create_template(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    JsonBody(body): JsonBody<NewTemplateBody>,
) -> Result<(StatusCode, Json<Success<TemplateBody>>), CanaryError> {
    let source = TemplateSource { subject: body.subject, html: body.html, text: body.text };
    let masked = body.masked_variables.unwrap_or_default();
    let tracking = TemplateTracking {
        tracks_opens: body.tracks_opens,
        tracks_clicks: body.tracks_clicks,
        offers_unsubscribe: body.offers_unsubscribe.unwrap_or_default(),
    };
    let template = templates::create_template(&app, &viewer, &body.name, source, &masked, tracking).await?;
    Ok((StatusCode::CREATED, success(template.into())))
}

/// Shows a template. Needs `templates:view`.
#[utoipa::path(
    get, path = "/api/templates/{id}", tag = "templates", summary = "Show a template",
    responses((status = 200, description = "The template", body = Success<TemplateBody>)),
)]
async fn find_template(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<TemplateId>,
) -> Answer<TemplateBody> {
    Ok(success(templates::find_template(&app, &viewer, id).await?.into()))
}

/// Changes a template: other texts become a new version. Needs `templates:update` and `templates:view`.
#[utoipa::path(
    put, path = "/api/templates/{id}", tag = "templates", summary = "Change a template",
    request_body(content = TemplateChangeBody, content_type = "application/json"),
    responses(
        (status = 200, description = "The template", body = Success<TemplateBody>),
        Clash,
    ),
)]
async fn update_template(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<TemplateId>,
    JsonBody(mut body): JsonBody<TemplateChangeBody>,
) -> Answer<TemplateBody> {
    let present = templates::find_template(&app, &viewer, id).await?;
    let (name, masked) = (body.name.take(), body.masked_variables.take());
    let tracking = body.tracking(present.tracking);
    let source = body.apply_to(present.current.source);
    let updated =
        templates::update_template(&app, &viewer, id, name.as_deref(), source, masked.as_deref(), Some(tracking))
            .await?;
    Ok(success(updated.into()))
}

/// Deletes a template; messages made from it keep what they said. Needs `templates:delete`.
#[utoipa::path(
    delete, path = "/api/templates/{id}", tag = "templates", summary = "Delete a template",
    responses((status = 200, description = "The template is gone", body = Success<Deleted<String>>)),
)]
async fn delete_template(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<TemplateId>,
) -> Answer<Deleted<String>> {
    templates::delete_template(&app, &viewer, id).await?;
    Ok(success(Deleted { id: id.to_string() }))
}

/// Lists the versions of a template, newest first. Needs `templates:view`.
#[utoipa::path(
    get, path = "/api/templates/{id}/versions", operation_id = "listTemplateVersions", tag = "templates",
    summary = "List the versions of a template",
    responses((status = 200, description = "The versions", body = Success<Vec<TemplateVersionBody>>)),
)]
async fn list_versions(
    State(app): State<App>,
    Caller(viewer, ()): Caller,
    PathId(id): PathId<TemplateId>,
) -> Answer<Vec<TemplateVersionBody>> {
    let versions = templates::list_versions(&app, &viewer, id).await?;
    Ok(success(versions.into_iter().map(TemplateVersionBody::from).collect()))
}

/// A template to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTemplateBody {
    /// Its name, unique in the team: one line of 1 to 100 characters.
    pub name: String,
    /// One line, in the language of Jinja.
    #[schema(example = "Welcome, {{ name }}!")]
    pub subject: String,
    /// HTML; variables are escaped. HTML or text is required.
    #[schema(example = "<p>Hello {{ name }}</p>")]
    pub html: Option<String>,
    /// Plain text.
    pub text: Option<String>,
    /// Variables, by their names at the top, whose values are shown to nobody who has not given a reason: at most 50, of
    /// 1 to 100 characters.
    #[serde(rename = "maskedVariables")]
    #[schema(example = json!(["code"]))]
    pub masked_variables: Option<Vec<String>>,
    /// Whether its messages tell when they are opened, where they go out by SMTP; null leaves it to the team.
    #[serde(rename = "tracksOpens")]
    pub tracks_opens: Option<bool>,
    /// Whether its messages tell which of their links are followed, where they go out by SMTP; null leaves it to the team.
    #[serde(rename = "tracksClicks")]
    pub tracks_clicks: Option<bool>,
    /// Whether its messages can be unsubscribed from with one click (RFC 8058), where they go out by SMTP.
    #[serde(rename = "offersUnsubscribe")]
    pub offers_unsubscribe: Option<bool>,
}

/// What of a template is to change; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateChangeBody {
    /// A new name.
    pub name: Option<String>,
    /// A new subject.
    pub subject: Option<String>,
    /// New HTML; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub html: Option<Option<String>>,
    /// New plain text; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub text: Option<Option<String>>,
    /// The variables, by their names at the top, whose values are shown to nobody who has not given a reason, in place of
    /// those before.
    #[serde(rename = "maskedVariables")]
    pub masked_variables: Option<Vec<String>>,
    /// Whether its messages tell when they are opened; null leaves it to the team.
    #[serde(rename = "tracksOpens", default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    pub tracks_opens: Option<Option<bool>>,
    /// Whether its messages tell which of their links are followed; null leaves it to the team.
    #[serde(rename = "tracksClicks", default, deserialize_with = "given")]
    #[schema(value_type = Option<bool>)]
    pub tracks_clicks: Option<Option<bool>>,
    /// Whether its messages can be unsubscribed from with one click (RFC 8058).
    #[serde(rename = "offersUnsubscribe")]
    pub offers_unsubscribe: Option<bool>,
}

impl TemplateChangeBody {
    /// What is tracked from now on, where it was this before.
    pub fn tracking(&self, present: TemplateTracking) -> TemplateTracking {
        TemplateTracking {
            tracks_opens: self.tracks_opens.unwrap_or(present.tracks_opens),
            tracks_clicks: self.tracks_clicks.unwrap_or(present.tracks_clicks),
            offers_unsubscribe: self.offers_unsubscribe.unwrap_or(present.offers_unsubscribe),
        }
    }

    /// `present` with the changes in it.
    pub fn apply_to(self, present: TemplateSource) -> TemplateSource {
        TemplateSource {
            subject: self.subject.unwrap_or(present.subject),
            html: self.html.unwrap_or(present.html),
            text: self.text.unwrap_or(present.text),
        }
    }
}

/// A template with its current version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TemplateId,
    /// Its name.
    pub name: String,
    /// The current version's number, from 1.
    pub version: i64,
    /// The current version.
    #[schema(value_type = String)]
    pub version_id: TemplateVersionId,
    /// One line.
    pub subject: String,
    /// HTML.
    #[schema(required)]
    pub html: Option<String>,
    /// Plain text.
    #[schema(required)]
    pub text: Option<String>,
    /// The variables whose values are shown to nobody who has not given a reason.
    pub masked_variables: Vec<String>,
    /// Whether its messages tell when they are opened; null leaves it to the team.
    #[schema(required)]
    pub tracks_opens: Option<bool>,
    /// Whether its messages tell which of their links are followed; null leaves it to the team.
    #[schema(required)]
    pub tracks_clicks: Option<bool>,
    /// Whether its messages can be unsubscribed from with one click.
    pub offers_unsubscribe: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the current version was made.
    pub updated_at: Timestamp,
}

impl From<Template> for TemplateBody {
    fn from(template: Template) -> Self {
        Self {
            id: template.id,
            name: template.name,
            version: template.current.version,
            version_id: template.current.id,
            subject: template.current.source.subject,
            html: template.current.source.html,
            text: template.current.source.text,
            masked_variables: template.masked_variables,
            tracks_opens: template.tracking.tracks_opens,
            tracks_clicks: template.tracking.tracks_clicks,
            offers_unsubscribe: template.tracking.offers_unsubscribe,
            created_at: template.created_at.into(),
            updated_at: template.updated_at.into(),
        }
    }
}

/// One version of a template.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TemplateVersionBody {
    /// Its id.
    #[schema(value_type = String)]
    pub id: TemplateVersionId,
    /// Its number, from 1.
    pub version: i64,
    /// One line.
    pub subject: String,
    /// HTML.
    #[schema(required)]
    pub html: Option<String>,
    /// Plain text.
    #[schema(required)]
    pub text: Option<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl From<TemplateVersion> for TemplateVersionBody {
    fn from(version: TemplateVersion) -> Self {
        Self {
            id: version.id,
            version: version.version,
            subject: version.source.subject,
            html: version.source.html,
            text: version.source.text,
            created_at: version.created_at.into(),
        }
    }
}
