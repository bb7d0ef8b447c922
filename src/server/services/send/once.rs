//! A request that is sent twice with one key is accepted once, and told twice what the first was told.

use axum::body::Bytes;
use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::domain::error::AppError;
use crate::domain::permission::Permission;
use crate::domain::viewer::Viewer;
use crate::server::App;
use crate::server::secrets::token_hash;
use crate::server::store::emails::{KeptAnswer, NewIdempotencyKey};
pub use crate::server::turns::OnceKey;
use crate::server::turns::Turn;

/// How long an idempotency key is remembered. Source: Resend, Idempotency Keys.
const IDEMPOTENCY_HOURS: i64 = 24;
/// A key that the caller chose for a request, so that sending it twice accepts its messages once.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// The endpoint it counts for: the same key can stand for another request elsewhere.
    pub endpoint: &'static str,
    pub key: String,
    /// What the request says: the same key with anything else is refused.
    pub body: Bytes,
}

impl IdempotencyKey {
    pub(super) fn request_hash(&self) -> String {
        hex::encode(Sha256::digest(&self.body))
    }
}

/// What the request was answered that came first with this key; [AppError::IdempotencyMismatch] when that was another one.
/// It is looked for before anything else of a request, since what it names may be gone by now. Needs `permission`, the one
/// that the request needs.
pub async fn find_first_answer(
    app: &App,
    viewer: &Viewer,
    permission: Permission,
    key: &IdempotencyKey,
) -> Result<Option<KeptAnswer>, AppError> {
    viewer.require(permission)?;
    let (key_hash, request_hash) = (token_hash(&key.key), key.request_hash());
    app.store.find_first_answer(viewer.team, key.endpoint, &key_hash, &request_hash, app.clock.now()).await
}

/// Waits until no other request with this key is being answered, then does what [find_first_answer] does. Who lets the turn
/// go has answered. Needs `permission`.
pub async fn begin_once(
    app: &App,
    viewer: &Viewer,
    permission: Permission,
    key: &IdempotencyKey,
) -> Result<(Turn<OnceKey>, Option<KeptAnswer>), AppError> {
    viewer.require(permission)?;
    let turn = app.turns.take((viewer.team, key.endpoint, key.key.clone())).await;
    let first = find_first_answer(app, viewer, permission, key).await?;
    Ok((turn, first))
}

/// What the first request with this key was answered, where this one cannot be accepted any more: another program may have
/// accepted the first since it was looked for, and what both name is gone. Otherwise `error`.
pub async fn first_answer_or(
    app: &App,
    viewer: &Viewer,
    key: Option<&IdempotencyKey>,
    error: AppError,
) -> Result<KeptAnswer, AppError> {
    let is_about_request = !matches!(error, AppError::Unavailable | AppError::TooSlow | AppError::Internal);
    let Some(key) = key.filter(|_| is_about_request) else { return Err(error) };
    match find_first_answer(app, viewer, Permission::EmailsSend, key).await {
        Ok(Some(first)) => Ok(first),
        Ok(None) | Err(_) => Err(error),
    }
}

pub(in crate::server::services) fn new_key(app: &App, key: &IdempotencyKey, answer: KeptAnswer) -> NewIdempotencyKey {
    let now = app.clock.now();
    NewIdempotencyKey {
        endpoint: key.endpoint.to_owned(),
        key_hash: token_hash(&key.key),
        request_hash: key.request_hash(),
        answer,
        expires_at: now + TimeDelta::hours(IDEMPOTENCY_HOURS),
        now,
    }
}
