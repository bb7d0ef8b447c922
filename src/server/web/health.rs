//! What supervisors, load balancers and Prometheus ask: `/health/live` (the process answers), `/health/ready` (it can serve),
//! `/health` (the database takes writes) and `/metrics`. At the main address, and at one of their own on every kind of node.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use subtle::ConstantTimeEq;

use super::observe;
use crate::server::App;
use crate::server::services::gauges;

/// The text format of Prometheus. Source: Prometheus, Exposition formats.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The routes at the main address.
pub fn routes(app: &App) -> Router {
    let metrics = Router::new().route("/metrics", get(metrics_by_token));
    checks().merge(metrics).with_state(app.clone())
}

/// Everything at the operator's own address, whose network says who may ask.
pub fn own_address(app: &App) -> Router {
    let metrics = Router::new().route("/metrics", get(metrics));
    let all = checks().merge(metrics).with_state(app.clone());
    all.layer(middleware::from_fn_with_state(None, observe::observe))
}

fn checks() -> Router<App> {
    Router::new()
        .route("/health", get(takes_writes))
        .route("/health/live", get(live))
        .route("/health/ready", get(ready))
}

/// Whoever hears nothing may start the process anew. A database that is away is no reason to.
async fn live() -> &'static str {
    "ok\n"
}

async fn takes_writes(State(app): State<App>) -> Response {
    match app.store.ping().await {
        Ok(()) => "ok\n".into_response(),
        Err(_) => not_ready("the database takes no writes"),
    }
}

/// Whoever hears of trouble sends nobody here until it is over.
async fn ready(State(app): State<App>) -> Response {
    if app.store.ping().await.is_err() {
        return not_ready("the database takes no writes");
    }
    match app.store.migration_versions().await {
        Ok((found, known)) if found >= known => "ok\n".into_response(),
        Ok((found, known)) => not_ready(&format!("the database's tables are at migration {found} of {known}")),
        Err(_) => not_ready("the database does not answer"),
    }
}

fn not_ready(why: &str) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response()
}

async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, METRICS_TYPE)], gauges::exposition(&app).await).into_response()
}

/// The same for whoever shows the token; without one in the settings there is nothing here.
async fn metrics_by_token(State(app): State<App>, headers: HeaderMap) -> Response {
    let Some(token) = &app.config.observe.metrics_token else {
        return (StatusCode::NOT_FOUND, "not found\n").into_response();
    };
    let given = headers.get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
    let given = given.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"bearer ")).map(|it| it.1);
    if !bool::from(given.unwrap_or_default().ct_eq(token.as_bytes())) {
        let asks = [(header::WWW_AUTHENTICATE, "Bearer")];
        return (StatusCode::UNAUTHORIZED, asks, "the token is missing or wrong\n").into_response();
    }
    metrics(State(app)).await
}
