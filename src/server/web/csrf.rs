//! Refuses requests that another site made a browser send. A browser says where a request comes from in
//! `Sec-Fetch-Site` or, older ones, in `Origin`; a program says neither and carries no cookie it was not given.
//! Source: OWASP, Cross-Site Request Forgery Prevention, "Fetch Metadata"; RFC 6454 for `Origin`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::auth::api_key;
use crate::server::dialects::canary::error::CanaryError;

/// Layer: answers 403 to a request that would change something and that another site caused.
pub async fn refuse_cross_site(State(app): State<App>, request: Request, next: Next) -> Response {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    // A key is never sent by a browser of its own accord.
    if is_safe
        || api_key(request.headers()).is_some()
        || is_same_origin(request.headers(), app.config.base_url.as_deref())
    {
        return next.run(request).await;
    }
    CanaryError::from(AppError::Forbidden("This request came from another site and was refused".to_owned()))
        .into_response()
}

fn is_same_origin(headers: &HeaderMap, base_url: Option<&str>) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(header::HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = text(header::HOST).unwrap_or_default();
    let own_host = origin.split_once("://").is_some_and(|(_, origin_host)| origin_host == host);
    own_host || base_url == Some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_own(pairs: &[(&'static str, &str)]) -> bool {
        let headers = pairs.iter().map(|(name, value)| {
            (header::HeaderName::from_static(name), header::HeaderValue::from_str(value).unwrap())
        });
        is_same_origin(&headers.collect(), None)
    }

    #[test]
    fn a_program_without_origin_is_no_other_site() {
        assert!(is_own(&[("host", "mail.example.com")]));
    }

    #[test]
    fn another_site_and_a_sibling_are_refused() {
        assert!(!is_own(&[("host", "mail.example.com"), ("sec-fetch-site", "cross-site")]));
        assert!(!is_own(&[("host", "mail.example.com"), ("sec-fetch-site", "same-site")]));
        assert!(!is_own(&[("host", "mail.example.com"), ("origin", "https://evil.example")]));
        assert!(!is_own(&[("host", "mail.example.com"), ("origin", "null")]));
    }

    #[test]
    fn the_own_site_may() {
        assert!(is_own(&[("host", "mail.example.com"), ("sec-fetch-site", "same-origin")]));
        assert!(is_own(&[("host", "mail.example.com"), ("origin", "https://mail.example.com")]));
    }
}
