//! A template that is being written, with sample values in it, for the sandboxed frame of its editor. The editor's form was
//! sent before, and its page given back: this shows what was kept of it.

use axum::Extension;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;
use tower_sessions::Session;

use super::body_page::{frame_policy, words_in_frame};
use super::html::escaped;
use super::refusal::status_of;
use super::{context, drafts};
use crate::domain::draft::Draft;
use crate::domain::error::AppError;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::render::RenderedTemplate;
use crate::server::services::templates;
use crate::server_fns::templates::{IMAGES_FIELD, SAMPLE_FIELD, source_of_draft};

/// The editor's form: a template's id, or the form of a new one.
#[derive(Deserialize)]
pub struct PreviewQuery {
    #[serde(default)]
    form: String,
}

/// `GET /templates/preview`. Needs `templates:view`. An error is the page, for its reader is in the editor. Its policy is that
/// of a message's frame: images load from elsewhere only when the reader asks for them.
pub async fn show(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Extension(session): Extension<Session>,
    headers: HeaderMap,
    Query(query): Query<PreviewQuery>,
) -> Response {
    let (status, page, shows_images) = match preview(&app, identity.clone(), &session, &headers, &query.form).await {
        Ok((rendered, shows_images)) => (StatusCode::OK, page_of(&rendered), shows_images),
        Err(error) => {
            // The browser's console would count a template that does not parse as a fault of the page.
            let is_writers = matches!(error, AppError::InvalidTemplate { .. } | AppError::Validation { .. });
            let words = escaped(&words_in_frame(&app, &identity, &error).await);
            let page = format!("<!doctype html><title>Preview</title>{}", fault_of(&words));
            (if is_writers { StatusCode::OK } else { status_of(&error) }, page, false)
        }
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, frame_policy(shows_images)),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    (headers, (status, Html(page))).into_response()
}

/// How what is ours in the frame looks.
const STYLE: &str = "style=\"font:15px/1.5 system-ui,sans-serif;margin:0 0 1em;white-space:pre-wrap\"";

/// What is wrong, in the red box of the house. The frame is light paper in dark pages too.
fn fault_of(words: &str) -> String {
    format!(
        "<div role=\"alert\" style=\"font:15px/1.5 system-ui,sans-serif;padding:.7em 1em;border-radius:10px;color:#1c2029;\
         background:oklch(95.4% .028 22);border:1px solid oklch(86% .075 22);white-space:pre-wrap;overflow-wrap:anywhere\">\
         <strong style=\"color:oklch(51% .19 26)\">There is no preview yet</strong>\n{words}</div>"
    )
}

async fn preview(
    app: &App,
    identity: Identity,
    session: &Session,
    headers: &HeaderMap,
    form: &str,
) -> Result<(RenderedTemplate, bool), AppError> {
    let viewer = identity.0?;
    let draft = find_draft(app, &viewer, session, headers, form).await.unwrap_or_default();
    let rendered = templates::preview(app, &viewer, &source_of_draft(&draft), &draft.text(SAMPLE_FIELD)).await?;
    Ok((rendered, draft.text(IMAGES_FIELD) == "1"))
}

/// What was sent last of the editor's form, or else what waits for it since before a log-in.
async fn find_draft(app: &App, viewer: &Viewer, session: &Session, headers: &HeaderMap, form: &str) -> Option<Draft> {
    match context::find_in_session(app, session).await.filter(|draft| draft.form() == form) {
        Some(draft) => Some(draft),
        None => drafts::find(app, headers, session, Some(viewer.team), form).await,
    }
}

fn page_of(rendered: &RenderedTemplate) -> String {
    let subject = escaped(&rendered.subject);
    let head = format!("<!doctype html><title>Preview</title><p {STYLE}><strong>{subject}</strong></p>");
    let text = rendered.text.as_deref().map(|text| format!("<hr><pre {STYLE}>{}</pre>", escaped(text)));
    [head, rendered.html.clone().unwrap_or_default(), text.unwrap_or_default()].concat()
}
