//! Refuses requests that another site made a browser send. A browser says where a request comes from in
//! `Sec-Fetch-Site` or, older ones, in `Origin`. A request that says neither comes from a program, with a session that
//! somebody gave it: the browsers that say neither keep our cookies from other sites' forms, because those are
//! `SameSite=Lax`. No `GET` writes, so none is asked, but exports ask by themselves: they are noted in the audit log.
//! Sources: OWASP, Cross-Site Request Forgery Prevention, "Fetch Metadata"; RFC 6454 for `Origin`.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::api::Api;
use crate::server::config::Config;
use crate::server::identity::api_key;
use crate::server::web::cookies::Cookie;

/// Layer: answers 403 to a request that would change something and that another site caused.
pub async fn refuse_cross_site(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    // A key is never sent by a browser of its own accord; with a session beside it, the session is looked at.
    let has_key_alone = api_key(headers).is_some() && Cookie::Session.find(headers, app.config.is_https()).is_none();
    if is_safe(request.method()) || has_key_alone || is_same_origin(headers, &app.config) {
        return next.run(request).await;
    }
    Api::Sendlog.refuse(refusal())
}

/// Layer of a dialect: answers 403 when another site made a browser send a user name and a password. A browser that was
/// told them once sends them along from then on, like a cookie. The other ways to send a key it does not know.
pub async fn refuse_borrowed_password(
    State((app, dialect)): State<(App, Api)>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let authorization = headers.get(header::AUTHORIZATION).map(|value| value.as_bytes());
    let has_password = authorization.is_some_and(|value| value.len() >= 5 && value[..5].eq_ignore_ascii_case(b"basic"));
    if is_safe(request.method()) || !has_password || is_same_origin(headers, &app.config) {
        return next.run(request).await;
    }
    dialect.refuse(refusal())
}

/// Layer of what leaves a trace: answers 403 to a browser that only guesses where its person will go next. It then asks
/// again when they do. Source: Fetch, `Sec-Purpose`.
pub async fn refuse_prefetch(request: Request, next: Next) -> Response {
    if is_prefetch(request.headers()) {
        return Api::Sendlog.refuse(AppError::Forbidden("This leaves a trace and is not fetched ahead".to_owned()));
    }
    next.run(request).await
}

/// Whether a browser fetches ahead.
pub(super) fn is_prefetch(headers: &HeaderMap) -> bool {
    let names = ["sec-purpose", "purpose"];
    let mut purposes = names.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    purposes.any(|purpose| purpose.contains("prefetch"))
}

/// Passes only a request that no other site caused. For a `GET` that leaves a trace.
pub fn require_same_origin(headers: &HeaderMap, config: &Config) -> Result<(), AppError> {
    let has_key_alone = api_key(headers).is_some() && Cookie::Session.find(headers, config.is_https()).is_none();
    if has_key_alone || is_same_origin(headers, config) { Ok(()) } else { Err(refusal()) }
}

fn refusal() -> AppError {
    AppError::Forbidden("This request came from another site and was refused".to_owned())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// What the browser says of itself counts before what can be concluded from `Origin`, which a proxy in between can make
/// look like another's.
fn is_same_origin(headers: &HeaderMap, config: &Config) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if let Some(site) = text(HeaderName::from_static("sec-fetch-site")) {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text(header::ORIGIN) else { return true };
    let host = text(header::HOST).unwrap_or_default();
    let is_own_host =
        |(scheme, origin_host): (&str, &str)| origin_host == host && (scheme == "https" || !config.is_https());
    origin.split_once("://").is_some_and(is_own_host) || config.public_origin() == Some(origin)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::http::HeaderValue;

    use super::*;

    fn is_own_at(base_url: Option<&str>, pairs: &[(&'static str, &str)]) -> bool {
        let headers =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        let config = Config::at(SocketAddr::from(([127, 0, 0, 1], 3000)));
        is_same_origin(&headers.collect(), &Config { base_url: base_url.map(str::to_owned), ..config })
    }

    fn is_own(pairs: &[(&'static str, &str)]) -> bool {
        is_own_at(None, pairs)
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
    #[test]
    fn a_proxy_that_changes_the_host_is_known_by_the_base_url() {
        let own = Some("https://mail.example.com");
        assert!(is_own_at(own, &[("host", "127.0.0.1:3000"), ("origin", "https://mail.example.com")]));
        assert!(!is_own_at(own, &[("host", "127.0.0.1:3000"), ("origin", "https://evil.example")]));
    }

    #[test]
    fn behind_https_the_unencrypted_site_is_another_one() {
        let own = Some("https://mail.example.com");
        assert!(!is_own_at(own, &[("host", "mail.example.com"), ("origin", "http://mail.example.com")]));
        assert!(is_own(&[("host", "mail.example.com"), ("origin", "http://mail.example.com")]));
    }
}
