//! Who is asking: made once a request, from a session cookie or an API key, before any handler runs. The dialects'
//! extractors and [super::context] read it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;
use tower_sessions::Session;

use super::App;
use super::cookies::Cookie;
use super::dialects::{Credentials, Dialect};
use super::services::{accounts, reveal};
use crate::domain::error::AppError;
use crate::domain::viewer::{RequestOrigin, Viewer};

/// How much of what a client calls itself is kept, in characters.
const MAX_USER_AGENT_CHARS: usize = 500;

/// The viewer of this request, or why there is none. In the request's extensions.
#[derive(Clone, Debug)]
pub struct Identity(pub Result<Viewer, AppError>);

/// The network address of the client, as far as it is known; limits on guessing count by it. In the request's
/// extensions.
#[derive(Clone, Debug)]
pub struct ClientAddress(pub String);

/// Layer: puts [Identity] and [ClientAddress] into the request's extensions.
pub async fn identify(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let address = client_address(&app, &parts);
    let identity = Identity(viewer_of(&app, &parts).await.map(|viewer| seen_at(viewer, &address, &parts)));
    parts.extensions.insert(identity);
    parts.extensions.insert(address);
    next.run(Request::from_parts(parts, body)).await
}

/// Layer of a dialect: like [identify], by the key that the request carries in that system's way. Sessions do not count
/// there.
pub async fn identify_program(State((app, dialect)): State<(App, Dialect)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let identity = match dialect.credentials(&parts.headers) {
        Some(credentials) => program_of(&app, &credentials).await,
        None => Err(AppError::NoSession),
    };
    let address = client_address(&app, &parts);
    parts.extensions.insert(Identity(identity.map(|viewer| seen_at(viewer, &address, &parts))));
    parts.extensions.insert(address);
    next.run(Request::from_parts(parts, body)).await
}

async fn program_of(app: &App, credentials: &Credentials) -> Result<Viewer, AppError> {
    let viewer = accounts::find_key(app, &credentials.secret).await?.viewer;
    let is_its_id = |id: &String| viewer.api_key_id().is_some_and(|own| own.to_string() == *id);
    if credentials.key_id.as_ref().is_none_or(is_its_id) { Ok(viewer) } else { Err(AppError::InvalidApiKey) }
}

async fn viewer_of(app: &App, parts: &Parts) -> Result<Viewer, AppError> {
    if let Some(secret) = api_key(&parts.headers) {
        return Ok(accounts::find_key(app, secret).await?.viewer);
    }
    let session = parts.extensions.get::<Session>().ok_or(AppError::Internal)?;
    match accounts::session_viewer(app, session).await {
        Ok(viewer) => Ok(Viewer { reveals: reveal::reveals_of(session).await, ..viewer }),
        Err(AppError::NoSession) if Cookie::Session.find(&parts.headers, app.config.is_https()).is_some() => {
            Err(AppError::InvalidSession)
        }
        result => result,
    }
}

/// The API key that a request carries: `Authorization: Bearer …` or `X-API-Key: …`.
pub fn api_key(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).and_then(|value| {
        let (scheme, secret) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
    });
    bearer.or_else(|| headers.get("x-api-key")?.to_str().ok())
}

/// The viewer, with where the request came from.
fn seen_at(viewer: Viewer, address: &ClientAddress, parts: &Parts) -> Viewer {
    Viewer { origin: origin(address, &parts.headers), ..viewer }
}

/// Where a request came from.
pub fn origin(address: &ClientAddress, headers: &HeaderMap) -> RequestOrigin {
    let user_agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    RequestOrigin {
        address: Some(address.0.clone()),
        user_agent: user_agent.map(|text| text.chars().take(MAX_USER_AGENT_CHARS).collect()),
    }
}

fn client_address(app: &App, parts: &Parts) -> ClientAddress {
    if app.config.trust_proxy {
        let forwarded = parts.headers.get("x-forwarded-for").and_then(|value| value.to_str().ok());
        // The last one was written by our own proxy; those before it by whoever sent the request.
        if let Some(last) = forwarded.and_then(|list| list.rsplit(',').next()) {
            return ClientAddress(last.trim().to_owned());
        }
    }
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    ClientAddress(peer.map_or_else(|| "unknown".to_owned(), |ConnectInfo(peer)| peer.ip().to_string()))
}
