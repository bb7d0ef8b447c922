//! A template that is being written, with sample values in it, for the sandboxed frame of its editor. The editor's form is
//! posted straight into the frame, so that nothing typed is lost, with scripts or without.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde::Deserialize;

use super::body::{self, ANONYMOUS_BODY_BYTES};
use super::body_page::frame_policy;
use super::html::escaped;
use super::refusal::{status_of, words_for};
use super::server_functions::TEMPLATE_BODY_BYTES;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::render::RenderedTemplate;
use crate::server::services::templates;
use crate::server_fns::templates::source_of;

/// What of the editor's form a preview is made from.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    subject: String,
    html: String,
    text: String,
    sample: String,
    /// Of a template that is not new.
    id: Option<String>,
    /// `1` lets images load from other servers.
    images: String,
}

/// `POST /templates/preview`. Needs `templates:view`. Keeps the sample values for the next visit, and nothing else. An error is
/// the page, for its reader is in the editor. Its policy is that of a message's frame: images load from elsewhere only
/// when the reader asks for them.
pub async fn show(State(app): State<App>, Extension(identity): Extension<Identity>, request: Request) -> Response {
    let (status, page, shows_images) = match body::in_time(preview(&app, identity.clone(), request)).await {
        Ok(Ok((rendered, shows_images))) => (StatusCode::OK, page_of(&rendered), shows_images),
        Ok(Err(error)) | Err(error) => {
            // The browser's console would count a template that does not parse as a fault of the page.
            let is_writers = matches!(error, AppError::InvalidTemplate { .. } | AppError::Validation { .. });
            let words = escaped(&words_for(&app, Some(&identity), &error).await);
            let page = format!("<!doctype html><title>Preview</title>{}", fault_of(&words));
            (if is_writers { StatusCode::OK } else { status_of(&error) }, page, false)
        }
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, frame_policy(shows_images)),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
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

async fn preview(app: &App, identity: Identity, request: Request) -> Result<(RenderedTemplate, bool), AppError> {
    let (parts, body) = request.into_parts();
    let limit = if identity.0.is_ok() { TEMPLATE_BODY_BYTES } else { ANONYMOUS_BODY_BYTES };
    let held = body::read(&app.bodies, &parts, body, limit).await?;
    let viewer = identity.0?;
    let read = |_| AppError::invalid("The form did not arrive whole");
    let Written { subject, html, text, sample, id, images } =
        serde_urlencoded::from_bytes(&held.bytes).map_err(read)?;
    if let Some(id) = id.and_then(|id| id.parse().ok()) {
        templates::keep_sample(app, &viewer, id, &sample).await?;
    }
    let rendered = templates::preview(app, &viewer, &source_of(subject, html, text), &sample).await?;
    Ok((rendered, images == "1"))
}

fn page_of(rendered: &RenderedTemplate) -> String {
    let subject = escaped(&rendered.subject);
    let head = format!("<!doctype html><title>Preview</title><p {STYLE}><strong>{subject}</strong></p>");
    let text = rendered.text.as_deref().map(|text| format!("<hr><pre {STYLE}>{}</pre>", escaped(text)));
    [head, rendered.html.clone().unwrap_or_default(), text.unwrap_or_default()].concat()
}
