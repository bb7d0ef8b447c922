//! Serves everything under the path of the base URL. Proxies pass that path on or take it away, as they are told: both work,
//! because a path that begins with it loses it, once, and one that does not is taken as it is. No page of ours begins with it
//! (see [super::super::config]), so that neither is taken for the other.

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use tower::util::MapRequest;

use crate::domain::mount::{inside, mount_path};

/// The router, reached under the mount. Where there is none it is the router itself.
pub(super) fn under_mount(router: Router) -> Router {
    if mount_path().is_empty() {
        return router;
    }
    // Before the routes are looked at, so not as a layer of theirs.
    Router::new().fallback_service::<MapRequest<Router, fn(Request) -> Request>>(MapRequest::new(router, enter))
}

fn enter(mut request: Request) -> Request {
    if let Some(uri) = entered(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

fn entered(uri: &Uri) -> Option<Uri> {
    let path = inside(uri.path());
    if path == uri.path() {
        return None;
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{path}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}
