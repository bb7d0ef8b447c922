//! A form with a file in it, made into one without: the file's text becomes the value of its field. Called by
//! [super::server_functions], before a function reads the form. Source: RFC 7578.

use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use form_urlencoded::Serializer;

use crate::domain::error::AppError;

/// The fields of a form that arrived as `multipart/form-data`, as `application/x-www-form-urlencoded`, which its head then says;
/// any other body as it is. A file that is no UTF-8 is read as well as it goes.
pub async fn flattened(parts: &mut Parts, bytes: Bytes) -> Result<Bytes, AppError> {
    let is_file_form = |kind: &HeaderValue| kind.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data");
    let Some(kind) = parts.headers.get(header::CONTENT_TYPE).filter(|kind| is_file_form(kind)).cloned() else {
        return Ok(bytes);
    };
    let unreadable = || AppError::invalid("The form cannot be read: send it again");
    let request = Request::builder().header(header::CONTENT_TYPE, kind).body(Body::from(bytes));
    let mut request = request.map_err(|_| unreadable())?;
    // Its size was bounded when it was read.
    DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| unreadable())?;
    let mut fields = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|_| unreadable())? {
        let Some(name) = field.name().map(str::to_owned) else { continue };
        let value = field.bytes().await.map_err(|_| unreadable())?;
        fields.push((name, String::from_utf8_lossy(&value).into_owned()));
    }
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Ok(Bytes::from(Serializer::new(String::new()).extend_pairs(fields).finish()))
}
