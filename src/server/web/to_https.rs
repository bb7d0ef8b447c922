//! What answers at the unencrypted address of a server that encrypts: everybody is sent to the same page of the other one, by the
//! address that the operator set, whatever host a request names.

use axum::Router;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Redirect, Response};

use crate::server::App;

/// The router.
pub(super) fn routes(app: &App) -> Router {
    let origin = app.config.public_origin().filter(|origin| origin.starts_with("https://")).map(str::to_owned);
    Router::new().fallback(move |uri: Uri| async move { lead(origin.as_deref(), &uri) })
}

fn lead(origin: Option<&str>, uri: &Uri) -> Response {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    match origin {
        // For good, and with the same method and body.
        Some(origin) if path.starts_with('/') => Redirect::permanent(&format!("{origin}{path}")).into_response(),
        Some(_) | None => StatusCode::NOT_FOUND.into_response(),
    }
}
