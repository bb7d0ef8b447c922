//! Mounts the dialects: each under its prefix on the main address, and at the root of an address of its own where the
//! settings name one. Programs alone ask here, with a key, so sessions are not about these routes; a browser that was
//! told a key as a password is guarded against other sites like one with a session.

use axum::extract::Request;
use axum::http::{Method, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Router, middleware};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;

use super::{auth, csrf, fair, finish, rate_limit, request_log, security};
use crate::domain::error::AppError;
use crate::server::App;
use crate::server::dialects::Dialect;

/// Every dialect under its prefix.
pub fn under_prefixes(app: &App) -> Router {
    let nest = |router: Router, dialect: Dialect| router.nest(dialect.prefix(), routes(app, dialect));
    Dialect::ALL.into_iter().fold(Router::new(), nest)
}

/// What answers at a dialect's own address.
pub fn at_own_address(app: &App, dialect: Dialect) -> Router {
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
}

fn routes(app: &App, dialect: Dialect) -> Router {
    let (routes, document) = dialect.routes().split_for_parts();
    let document = document.to_json().unwrap_or_default();
    let show_document = move || async move { ([(header::CONTENT_TYPE, "application/json")], document).into_response() };
    routes
        .fallback(move || async move { dialect.refuse(AppError::not_found("The endpoint")) })
        .method_not_allowed_fallback(move |method: Method, _: Request| async move { dialect.refuse_method(&method) })
        .with_state(app.clone())
        .layer(middleware::from_fn_with_state(app.clone(), fair::take_turns))
        .layer(middleware::from_fn_with_state((app.clone(), Some(dialect)), rate_limit::limit))
        .layer(middleware::from_fn_with_state((app.clone(), Some(dialect)), request_log::record))
        .layer(middleware::from_fn_with_state((app.clone(), dialect), auth::identify_program))
        .layer(middleware::from_fn_with_state((app.clone(), dialect), csrf::refuse_borrowed_password))
        .route("/openapi.json", get(show_document))
}
