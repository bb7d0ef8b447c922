//! Limits how many requests a key makes in a second, and says so in every answer of the APIs. Counted in memory, by each
//! node for itself. Source of the headers: RateLimit Fields for HTTP, draft 03, which Resend's clients read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use crate::domain::error::AppError;
use crate::domain::ids::ApiKeyId;
use crate::server::App;
use crate::server::api::Api;
use crate::server::auth::KeyInUse;

const WINDOW: Duration = Duration::from_secs(1);

/// Above how many known keys those without a running window are forgotten.
const CROWD: usize = 10_000;

/// Counts the requests of each key.
#[derive(Debug, Default)]
pub struct RateLimiter {
    windows: Mutex<HashMap<ApiKeyId, (Instant, u32)>>,
}

impl RateLimiter {
    /// Counts one more request; how many there were in this second, with it.
    fn count(&self, key: ApiKeyId, now: Instant) -> u32 {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() > CROWD {
            windows.retain(|_, (began, _)| now.duration_since(*began) < WINDOW);
        }
        let window = windows.entry(key).or_insert((now, 0));
        if now.duration_since(window.0) >= WINDOW {
            *window = (now, 0);
        }
        window.1 = window.1.saturating_add(1);
        window.1
    }
}

/// Layer of the APIs: refuses what is too much, in the dialect's words. A key's own limit counts where it has one, up to
/// the server's.
pub async fn limit(State((app, dialect)): State<(App, Api)>, request: Request, next: Next) -> Response {
    let key = request.extensions().get::<KeyInUse>().map(|key| &key.0);
    let own = key.and_then(|key| key.limits.rate_limit);
    let allowed = own.map_or(app.config.rate_limit, |own| own.min(app.config.rate_limit));
    let id = key.and_then(|key| key.viewer.api_key_id());
    let count = id.map_or(0, |id| app.rate_limiter.count(id, Instant::now()));
    let mut response = if count <= allowed {
        next.run(request).await
    } else {
        dialect.refuse(AppError::RateLimited { retry_after_s: WINDOW.as_secs() })
    };
    for (name, value) in [
        ("ratelimit-limit", u64::from(allowed)),
        ("ratelimit-remaining", u64::from(allowed.saturating_sub(count))),
        ("ratelimit-reset", WINDOW.as_secs()),
    ] {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_counted_by_the_second() {
        let (limiter, start) = (RateLimiter::default(), Instant::now());
        let key = ApiKeyId(1);
        assert_eq!([limiter.count(key, start), limiter.count(key, start + WINDOW / 2)], [1, 2]);
        assert_eq!(limiter.count(ApiKeyId(2), start), 1);
        assert_eq!(limiter.count(key, start + WINDOW), 1);
    }
}
