//! How routes that are neither pages nor APIs refuse: a status and a sentence, as text.

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::domain::error::AppError;
use crate::server::App;
use crate::server::identity::Identity;
use crate::server::services::teams;

/// An error as the answer to a browser that asked for a file or for a part of a page. Its sentence is [say]'s.
#[derive(Clone)]
pub struct Refusal(AppError);

impl From<AppError> for Refusal {
    fn from(error: AppError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = status_of(&self.0).into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Layer: the sentence of a [Refusal], in words for who asks.
pub async fn say(State(app): State<App>, request: Request, next: Next) -> Response {
    let identity = request.extensions().get::<Identity>().cloned();
    let response = next.run(request).await;
    match response.extensions().get::<Refusal>() {
        Some(Refusal(error)) => {
            (response.status(), format!("{}\n", words_for(&app, identity.as_ref(), error).await)).into_response()
        }
        None => response,
    }
}

pub(super) fn status_of(error: &AppError) -> StatusCode {
    StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// What an error says to who asks: to a person, whom to ask for a permission; to a program, its name.
pub(super) async fn words_for(app: &App, identity: Option<&Identity>, error: &AppError) -> String {
    match (error, identity) {
        (AppError::MissingPermission(_), Some(Identity(Ok(viewer)))) if viewer.user_id().is_some() => {
            error.to_person(&teams::list_owners(app, viewer).await.unwrap_or_default())
        }
        _ => error.to_string(),
    }
}
