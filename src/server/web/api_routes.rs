//! Mounts the dialects: each under its prefix on the main address, and at the root of an address of its own where the
//! settings name one. Programs alone ask here, with a key, so sessions are not about these routes; a browser that was
//! told a key as a password is guarded against other sites like one with a session.

use axum::http::{Method, Uri, header};
use axum::response::IntoResponse;
use axum::routing::{any, get};
use axum::{Extension, Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::{auth, csrf, fair, finish, observe, rate_limit, request_log, security};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::Api;

/// Our own API, whose callers the pages' layers know.
pub fn own(app: &App) -> Router<App> {
    let not_found =
        |uri: Uri| async move { Api::Sendlog.refuse(AppError::NotFound(format!("The endpoint {}", uri.path()))) };
    let (routes, _) = Api::Sendlog.routes().split_for_parts();
    routes
        .method_not_allowed_fallback(|method: Method, uri: Uri| async move {
            Api::Sendlog.refuse_method(&method, uri.path())
        })
        .route("/api", any(not_found))
        .route("/api/{*path}", any(not_found))
        .layer(Extension(Api::Sendlog))
        .layer(middleware::from_fn_with_state((app.clone(), Api::Sendlog), rate_limit::limit))
        .layer(middleware::from_fn_with_state((app.clone(), Api::Sendlog), request_log::record))
}

/// Every dialect under its prefix.
pub fn under_prefixes(app: &App) -> Router {
    let nest = |router: Router, dialect: Api| router.nest(dialect.prefix(), routes(app, dialect));
    Api::OTHERS.into_iter().fold(Router::new(), nest)
}

/// What answers at a dialect's own address.
pub fn at_own_address(app: &App, dialect: Api) -> Router {
    let routes = routes(app, dialect);
    let router = match dialect.own_prefix() {
        "" => routes,
        prefix => Router::new()
            .nest(prefix, routes)
            .fallback(move || async move { dialect.refuse(AppError::not_found("The endpoint")) }),
    };
    router
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(finish::finish_writes))
        .layer(middleware::from_fn_with_state(app.config.is_https(), security::set_headers))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn_with_state(Some(dialect), observe::observe))
}

fn routes(app: &App, dialect: Api) -> Router {
    let (routes, document) = dialect.routes().split_for_parts();
    let document = document.to_json().unwrap_or_default();
    let show_document = move || async move { ([(header::CONTENT_TYPE, "application/json")], document).into_response() };
    routes
        .fallback(move || async move { dialect.refuse(AppError::not_found("The endpoint")) })
        .method_not_allowed_fallback(move |method: Method, uri: Uri| async move {
            dialect.refuse_method(&method, uri.path())
        })
        .with_state(app.clone())
        .layer(Extension(dialect))
        .layer(middleware::from_fn_with_state(app.clone(), fair::take_turns))
        .layer(middleware::from_fn_with_state((app.clone(), dialect), rate_limit::limit))
        .layer(middleware::from_fn_with_state((app.clone(), dialect), request_log::record))
        .layer(middleware::from_fn_with_state((app.clone(), dialect), auth::identify_program))
        .layer(middleware::from_fn_with_state((app.clone(), dialect), csrf::refuse_borrowed_password))
        .route("/openapi.json", get(show_document))
}
