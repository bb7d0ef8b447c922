//! Leaves room for others: of one team's requests that read, a few are answered at a time, and the others wait for them. A
//! team that searches a hundred times at once so delays its own searches, and neither another team's nor what anybody sends.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::domain::api_request::only_reads;
use crate::server::App;
use crate::server::identity::Identity;

/// Layer, behind the one that identifies: waits for the team's turn. Whoever hangs up waits no longer.
pub async fn take_turns(State(app): State<App>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let reads = only_reads(request.method().as_str(), path) || path.starts_with("/fn/load_");
    let team = request.extensions().get::<Identity>().and_then(|identity| identity.0.as_ref().ok()).map(|it| it.team);
    let _turn = match team.filter(|_| reads) {
        Some(team) => Some(app.readers.take(team).await),
        None => None,
    };
    next.run(request).await
}
