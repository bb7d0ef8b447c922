//! Limits how many requests a key makes in a second, and says so in every answer of the APIs. Counted in memory, and
//! told to other nodes. Source of the headers: RateLimit Fields for HTTP, draft 03, which Resend's clients read.

use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::Api;
use crate::server::bounds::{Admission, WINDOW};
use crate::server::identity::KeyInUse;
use crate::server::telemetry::metrics;

/// Layer of the APIs: refuses what is too much, in the dialect's words. A key's own limit counts where it has one, up to
/// the server's.
pub async fn limit(State((app, dialect)): State<(App, Api)>, request: Request, next: Next) -> Response {
    let key = request.extensions().get::<KeyInUse>().map(|key| &key.0);
    let own = key.and_then(|key| key.limits.rate_limit);
    let allowed = own.map_or(app.config.rate_limit, |own| own.min(app.config.rate_limit));
    let id = key.and_then(|key| key.viewer.api_key_id());
    let free = Admission { is_admitted: true, remaining: allowed };
    let admission = id.map_or(free, |id| app.rate_limiter.admit(id, allowed, Instant::now()));
    let mut response = if admission.is_admitted {
        next.run(request).await
    } else {
        metrics::count_rate_limited(dialect.as_str());
        dialect.refuse(AppError::RateLimited { retry_after_s: WINDOW.as_secs() })
    };
    for (name, value) in [
        ("ratelimit-limit", u64::from(allowed)),
        ("ratelimit-remaining", u64::from(admission.remaining)),
        ("ratelimit-reset", WINDOW.as_secs()),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    response
}
