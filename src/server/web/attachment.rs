//! A file that was sent with a message: `GET /logs/:id/attachments/:place`, counted from 0. It is only ever saved: no
//! browser shows it as a page of ours.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::csrf;
use super::refusal::Refusal;
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::emails;

/// Needs `logs:view` and `logs:reveal`. Every download is written into the audit log, so that none is made in advance.
pub async fn download(
    State(app): State<App>,
    Extension(identity): Extension<Identity>,
    Path((id, place)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let viewer = identity.0?;
    csrf::require_same_origin(&headers, &app.config)?;
    let id = id.parse().map_err(|_| AppError::not_found("Email log"))?;
    let place = place.parse().map_err(|_| AppError::not_found("Attachment"))?;
    let file = emails::open_attachment(&app, &viewer, id, place).await?;
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, disposition(&file.filename)),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((headers, file.content).into_response())
}

/// What is escaped in a file's name.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');

/// A file's name for every browser. Sources: RFC 6266; RFC 8187.
fn disposition(name: &str) -> String {
    let is_safe = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_' | ' ');
    let plain: String = name.chars().map(|letter| if is_safe(letter) { letter } else { '_' }).collect();
    let encoded = utf8_percent_encode(name, ESCAPED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_its_quotes() {
        assert_eq!(disposition("a.pdf"), "attachment; filename=\"a.pdf\"; filename*=UTF-8''a.pdf");
        assert_eq!(
            disposition("Ü\"; x=\r\n/1.pdf"),
            "attachment; filename=\"___ x____1.pdf\"; filename*=UTF-8''%C3%9C%22%3B%20x%3D%0D%0A%2F1.pdf"
        );
    }
}
