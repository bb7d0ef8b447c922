//! `/hooks/{provider}/{token}`: what providers post. The address and the provider's signature prove who posts: neither sessions
//! nor keys are asked for.

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;

use super::body;
use crate::domain::error::AppError;
use crate::domain::provider_webhook::{RefusalReason, WebhookProvider};
use crate::server::App;
use crate::server::inbound::{self, MAX_BODY_BYTES, Received};
use crate::server::telemetry::metrics;

/// The route.
pub fn routes(app: &App) -> Router {
    Router::new().route("/hooks/{provider}/{token}", post(receive)).with_state(app.clone())
}

async fn receive(
    State(app): State<App>,
    Path((provider, token)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let address = (provider.as_str(), token.as_str());
    let held = match body::read(&app.bodies, &parts, body, MAX_BODY_BYTES).await {
        Ok(held) => held,
        Err(error @ AppError::TooLarge { .. }) => {
            return failure(inbound::refuse_large(&app, address).await.err().as_ref().unwrap_or(&error));
        }
        Err(error) => return failure(&error),
    };
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let received = body::in_time(inbound::receive(&app, address, &parts.headers, path, &held.bytes)).await.flatten();
    if let (Ok(received), Ok(provider)) = (&received, provider.parse::<WebhookProvider>()) {
        let outcome = match received {
            Received::Taken => "taken",
            Received::Repeated => "repeated",
            Received::Refused(reason) => reason.as_str(),
        };
        metrics::count_hook_post(provider.as_str(), outcome);
    }
    match received {
        Ok(Received::Taken) => say(StatusCode::OK, "recorded"),
        // Providers post again what they heard no answer to.
        Ok(Received::Repeated) => say(StatusCode::OK, "recorded before"),
        Ok(Received::Refused(reason)) => say(status_of(reason), reason.label()),
        Err(error) => failure(&error),
    }
}

const fn status_of(reason: RefusalReason) -> StatusCode {
    match reason {
        RefusalReason::NotSetUp => StatusCode::SERVICE_UNAVAILABLE,
        RefusalReason::Unsigned => StatusCode::UNAUTHORIZED,
        RefusalReason::Forged | RefusalReason::Stale | RefusalReason::Replayed => StatusCode::FORBIDDEN,
        RefusalReason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        RefusalReason::Unreadable | RefusalReason::BadEvent | RefusalReason::UnknownMessage => StatusCode::BAD_REQUEST,
    }
}

fn failure(error: &AppError) -> Response {
    let status = match error {
        AppError::NotFound(_) => StatusCode::NOT_FOUND,
        AppError::Validation { .. } => StatusCode::BAD_REQUEST,
        AppError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    say(status, &error.to_string())
}

fn say(status: StatusCode, words: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{words}\n")).into_response()
}
