//! A message's HTML, for the sandboxed frame on its page: no script runs in it, and nothing is loaded from elsewhere
//! unless the reader asks for images.

use std::borrow::Cow;

use axum::Extension;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use serde::Deserialize;

use super::html::escaped;
use super::refusal::{status_of, words_for};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::emails;
use crate::server::services::send::Attachment;

/// The most that images within a body may add to it, in bytes.
const INLINE_CAP_BYTES: usize = 16 * 1024 * 1024;

/// The images that a body shows itself. An SVG is a document, not an image alone.
const IMAGE_TYPES: [&str; 6] = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"];

/// What a frame says without a session: no link leads out of it.
const SESSION_ENDED: &str = "Your session ended. Reload the page to log in.";

/// What stands in the place of a body that the viewer does not see.
const HIDDEN: &str = "<!doctype html><title>Message</title><p>Hidden.</p>";

/// `?images=1` lets images load from other servers.
#[derive(Deserialize)]
pub struct BodyQuery {
    #[serde(default)]
    images: u8,
}

/// `GET /logs/:id/body`. Needs `logs:view`; shows that the body is hidden to those who do not see contents.
pub async fn show(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Path(id): Path<String>,
    Query(query): Query<BodyQuery>,
) -> Response {
    let answer = match load(&app, identity.clone(), &id).await {
        Ok(html) => (StatusCode::OK, Html(html)),
        Err(error) => {
            let words = escaped(&words_in_frame(&app, &identity, &error).await);
            (status_of(&error), Html(format!("<!doctype html><title>Message</title><p>{words}</p>")))
        }
    };
    let headers = [
        (header::CONTENT_SECURITY_POLICY, frame_policy(query.images == 1)),
        (header::X_FRAME_OPTIONS, "SAMEORIGIN".to_owned()),
        (header::REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (headers, answer).into_response()
}

/// What a frame says of an error to who looks at it.
pub(super) async fn words_in_frame(app: &App, identity: &Identity, error: &AppError) -> String {
    match error {
        AppError::NoSession | AppError::InvalidSession => SESSION_ENDED.to_owned(),
        error => words_for(app, Some(identity), error).await,
    }
}

/// The policy of a frame that shows somebody's HTML: no script, and nothing from elsewhere but images that were asked for.
pub(super) fn frame_policy(shows_images: bool) -> String {
    let images = if shows_images { "https: http: data:" } else { "data:" };
    format!(
        "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; font-src data:; sandbox; \
         frame-ancestors 'self'"
    )
}

async fn load(app: &App, identity: Identity, id: &str) -> Result<String, AppError> {
    let viewer = identity.0?;
    let id = id.parse().map_err(|_| AppError::not_found("Email log"))?;
    let detail = emails::find_email(app, &viewer, id).await?;
    match detail.content.html {
        Some(html) if html.contains("cid:") => {
            Ok(with_inline_images(&html, &emails::list_inline_files(app, &viewer, id).await?))
        }
        Some(html) => Ok(html),
        None if !detail.visibility.shows_contents() => Ok(HIDDEN.to_owned()),
        None => Err(AppError::not_found("HTML body")),
    }
}

/// The HTML with the images that were sent with it in the place of their `cid:` addresses. Source: RFC 2392.
fn with_inline_images(html: &str, files: &[Attachment]) -> String {
    let images: Vec<(&str, String)> = files
        .iter()
        .filter_map(|file| {
            let kind = file.content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            let content_id = file.content_id.as_deref()?;
            let is_image = IMAGE_TYPES.contains(&kind.as_str());
            is_image.then(|| (content_id, format!("data:{kind};base64,{}", STANDARD.encode(&file.content))))
        })
        .collect();
    let (mut shown, mut rest, mut added) = (String::with_capacity(html.len()), html, 0);
    while let Some((before, behind)) = rest.split_once("cid:") {
        let length = behind.find(['"', '\'', '>', '<', ' ', ')', '\n', '\r', '\t']).unwrap_or(behind.len());
        let name = decoded(&behind[..length]);
        let image = images.iter().find(|(content_id, _)| *content_id == name);
        shown.push_str(before);
        match image {
            // It stands where an address does, not within a word.
            Some((_, data)) if before.ends_with(['"', '\'', '(', '=']) && added + data.len() <= INLINE_CAP_BYTES => {
                added += data.len();
                shown.push_str(data);
            }
            Some(_) | None => {
                shown.push_str("cid:");
                shown.push_str(&behind[..length]);
            }
        }
        rest = &behind[length..];
    }
    shown.push_str(rest);
    shown
}

/// A `cid:` address without its percent signs and without what HTML escapes.
fn decoded(text: &str) -> String {
    let text = if text.contains('&') { Cow::Owned(text.replace("&amp;", "&")) } else { Cow::Borrowed(text) };
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content_id: &str, content_type: &str, content: &[u8]) -> Attachment {
        Attachment {
            filename: "a".to_owned(),
            content_type: content_type.to_owned(),
            content: content.to_vec(),
            content_id: Some(content_id.to_owned()),
        }
    }

    #[test]
    fn the_preview_shows_images_that_came_with_the_message() {
        let files = [
            file("logo", "image/png", b"a"),
            file("a@b", "image/jpeg; name=x", b"b"),
            file("x", "image/svg+xml", b"<svg>"),
        ];
        let html = "<img src=\"cid:logo\"><img src='cid:a%40b'><img src=cid:logo><p style=\"background:url(cid:logo)\">\
            <img src=\"cid:x\"><img src=\"cid:none\"> acid:logo";
        assert_eq!(
            with_inline_images(html, &files),
            "<img src=\"data:image/png;base64,YQ==\"><img src='data:image/jpeg;base64,Yg=='>\
             <img src=data:image/png;base64,YQ==><p style=\"background:url(data:image/png;base64,YQ==)\">\
             <img src=\"cid:x\"><img src=\"cid:none\"> acid:logo"
        );
    }

    #[test]
    fn images_that_are_shown_over_and_over_do_not_grow_without_end() {
        let files = [file("logo", "image/png", &vec![0; 1024 * 1024])];
        let shown = with_inline_images(&"<img src=\"cid:logo\">".repeat(1000), &files);
        assert!(shown.len() < INLINE_CAP_BYTES + 1024 * 1024);
    }
}
