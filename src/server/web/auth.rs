//! Who is asking: made once a request, from a session cookie or an API key, before any handler runs. The APIs' extractors
//! and [super::context] read it.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use tower_sessions::Session;

use super::cookies::Cookie;
use crate::domain::error::AppError;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::api::{Api, Credentials};
use crate::server::identity::{ClientAddress, Identity, KeyInUse, api_key, origin};
use crate::server::listen::Peer;
use crate::server::services::{accounts, reveal};
use crate::server::store::api_keys::FoundKey;

/// Layer: puts [Identity], [ClientAddress] and [KeyInUse] into the request's extensions. A key counts here as one for
/// Sendlog's own API.
pub async fn identify(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let address = client_address(&app, &parts);
    let identity = match api_key(&parts.headers) {
        Some(secret) => {
            let found = accounts::find_key(&app, secret).await;
            let api = Api::Sendlog;
            found.and_then(|found| admit(found, api, &address, &mut parts))
        }
        None => person_of(&app, &parts).await.map(|viewer| seen_at(viewer, &address, &parts)),
    };
    parts.extensions.insert(Identity(identity));
    parts.extensions.insert(address);
    next.run(Request::from_parts(parts, body)).await
}

/// Layer of a dialect: like [identify], by the key that the request carries in that system's way. Sessions do not count
/// there.
pub async fn identify_program(State((app, dialect)): State<(App, Api)>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let address = client_address(&app, &parts);
    let found = match dialect.credentials(&parts.headers) {
        Some(credentials) => program_of(&app, &credentials).await,
        None => Err(AppError::NoSession),
    };
    let identity = found.and_then(|found| admit(found, dialect, &address, &mut parts));
    parts.extensions.insert(Identity(identity));
    parts.extensions.insert(address);
    next.run(Request::from_parts(parts, body)).await
}

async fn program_of(app: &App, credentials: &Credentials) -> Result<FoundKey, AppError> {
    let found = accounts::find_key(app, &credentials.secret).await?;
    let is_its_id = |id: &String| found.viewer.api_key_id().is_some_and(|own| own.to_string() == *id);
    if credentials.key_id.as_ref().is_none_or(is_its_id) { Ok(found) } else { Err(AppError::InvalidApiKey) }
}

/// The viewer of a key, where the key is for this API. Leaves a [KeyInUse] in any case.
fn admit(found: FoundKey, api: Api, address: &ClientAddress, parts: &mut Parts) -> Result<Viewer, AppError> {
    let found = FoundKey { viewer: seen_at(found.viewer, address, parts), ..found };
    let is_for_it = found.limits.allow(api);
    let viewer = found.viewer.clone();
    parts.extensions.insert(KeyInUse(found));
    if is_for_it {
        return Ok(viewer);
    }
    Err(AppError::Forbidden(format!(
        "This key is not for the {} API. Its page in the dashboard says which it is for.",
        api.label()
    )))
}

async fn person_of(app: &App, parts: &Parts) -> Result<Viewer, AppError> {
    let session = parts.extensions.get::<Session>().ok_or(AppError::Internal)?;
    let viewer = accounts::session_viewer(app, session).await;
    if matches!(viewer, Ok(_) | Err(AppError::NoTeam)) {
        accounts::note_seen(app, session).await;
    }
    match viewer {
        Ok(viewer) => Ok(Viewer { reveals: reveal::reveals_of(session).await, ..viewer }),
        Err(AppError::NoSession) if Cookie::Session.find(&parts.headers, app.config.is_https()).is_some() => {
            Err(AppError::InvalidSession)
        }
        result => result,
    }
}

/// The viewer, with where the request came from.
fn seen_at(viewer: Viewer, address: &ClientAddress, parts: &Parts) -> Viewer {
    Viewer { origin: origin(address, &parts.headers), ..viewer }
}

/// Who asks, by their network address; behind proxies of ours, as those say.
pub(super) fn client_address(app: &App, parts: &Parts) -> ClientAddress {
    let peer = parts.extensions.get::<Peer>();
    let client = peer.and_then(|peer| app.config.proxies.client(*peer, &parts.headers));
    ClientAddress(client.map_or_else(|| "unknown".to_owned(), |client| client.to_string()))
}
