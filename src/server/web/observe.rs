//! What is seen of each request from outside: its id, its span in log and trace, and its numbers. The outermost layer of
//! everything that is served.

use std::collections::HashSet;
use std::sync::LazyLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use leptos::server_fn::axum::server_fn_paths;
use tracing::field::Empty;
use tracing::{Instrument, debug, error_span};

use crate::server::api::Api;
use crate::server::telemetry::{metrics, traces};

/// The header that a request's id comes and goes in.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken from a caller.
const LONGEST_ID: usize = 64;

/// What stands for an address that no route knows.
const NO_ROUTE: &str = "none";

/// The server functions, which one route serves.
static FUNCTIONS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| server_fn_paths().map(|(path, _)| path).collect());

/// Layer: gives the request an id, which every line of the log carries and the answer tells, and counts it. The dialect is
/// that of an address of its own.
pub async fn observe(State(dialect): State<Option<Api>>, request: Request, next: Next) -> Response {
    let id = given_id(request.headers()).unwrap_or_else(|| format!("{:032x}", rand::random::<u128>()));
    let (method, route) = (method_of(request.method()), route_of(&request));
    let surface = dialect.map_or_else(|| surface_of(&route), Api::as_str);
    // Of the highest level, so that a warning carries it where nothing else is written.
    let span = error_span!(
        "request",
        request.id = %id,
        http.request.method = method,
        http.route = %route,
        http.response.status_code = Empty,
    );
    traces::continue_request(&span, request.headers());
    let began = Instant::now();
    let mut response = async {
        let response = next.run(request).await;
        debug!(status = response.status().as_u16(), "answered");
        response
    }
    .instrument(span.clone())
    .await;
    let (status, took) = (response.status(), began.elapsed());
    span.record("http.response.status_code", status.as_u16());
    metrics::count_request(surface, method, route, status.as_u16(), took);
    if let Ok(id) = HeaderValue::try_from(id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The id that a caller gave, if it can stand in a line of the log as it is.
fn given_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(REQUEST_ID)?.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    ((1..=LONGEST_ID).contains(&id.len()) && id.bytes().all(is_plain)).then(|| id.to_owned())
}

/// The method, of which there are few: what somebody makes up is one more.
fn method_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The route's template: addresses hold ids, and there is no end of them.
fn route_of(request: &Request) -> String {
    let path = request.uri().path();
    match request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) {
        None => NO_ROUTE.to_owned(),
        // What stands behind a dialect's prefix and is no endpoint.
        Some(route) if route.contains("__private") => NO_ROUTE.to_owned(),
        Some(route) if route.starts_with("/fn/") => {
            let name = path.find("/fn/").map_or("", |place| &path[place..]);
            FUNCTIONS.get(name).map_or(NO_ROUTE, |known| *known).to_owned()
        }
        Some(route) => route.to_owned(),
    }
}

/// Which part of the server a route belongs to.
fn surface_of(route: &str) -> &'static str {
    let is_of =
        |api: &Api| route.strip_prefix(api.prefix()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if let Some(api) = Api::OTHERS.into_iter().find(is_of) {
        return api.as_str();
    }
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| route.starts_with(prefix));
    match route {
        _ if begins(&["/api"]) => Api::Sendlog.as_str(),
        _ if begins(&["/fn/"]) => "functions",
        _ if begins(&["/hooks/"]) => "hooks",
        _ if begins(&["/t/", "/u/"]) => "tracking",
        _ if begins(&["/health", "/metrics"]) => "operator",
        _ if begins(&["/pkg/"]) => "files",
        NO_ROUTE => NO_ROUTE,
        _ => "pages",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_if_it_can_stand_in_a_log() {
        let given = |id: &str| given_id(&HeaderMap::from_iter([(REQUEST_ID, HeaderValue::try_from(id).unwrap())]));
        let longest = "a".repeat(LONGEST_ID);
        for right in ["a", "Req_1.2-3", &longest] {
            assert_eq!(given(right).as_deref(), Some(right));
        }
        for wrong in ["", "a b", "a\"b", "ada@example.com", "{}", &"a".repeat(LONGEST_ID + 1)] {
            assert_eq!(given(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_route_says_what_part_of_the_server_it_is() {
        for (route, surface) in [
            ("/sendwithus/api/v1/send", "sendwithus"),
            ("/api/logs/{id}", "sendlog"),
            ("/logs/{id}", "pages"),
            ("/resend/emails", "resend"),
            ("/resends/new", "pages"),
            ("/fn/log_in", "functions"),
            ("/hooks/{provider}/{token}", "hooks"),
            ("/health/ready", "operator"),
            (NO_ROUTE, NO_ROUTE),
        ] {
            assert_eq!(surface_of(route), surface, "{route}");
        }
    }
}
