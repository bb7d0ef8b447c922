//! Everything that runs on the server alone. [web] and the worker of [delivery] serve what [App] holds.

pub mod api;
pub mod auth;
pub mod clock;
pub mod config;
pub mod context;
pub mod cookies;
pub mod delivery;
pub mod demo;
pub mod outbound;
mod private_files;
pub mod render;
pub mod secrets;
pub mod services;
pub mod store;
#[cfg(test)]
mod tests;
pub mod turns;
pub mod web;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::{Notify, Semaphore};

use crate::domain::ids::TeamId;
use clock::Clock;
use config::Config;
use render::helper::Renderer;
use secrets::SecretKey;
use services::accounts::openid::Provider;
use services::api_requests::RequestLog;
use services::send::OnceKey;
use store::Store;
use turns::Turns;
use web::{BodyRoom, READERS_OF_A_TEAM, RateLimiter};

/// How many passwords are hashed at once: each takes 19 MiB and a core.
const HASHING_PERMITS: usize = 2;

/// What every use case works with. Cheap to clone; the same in the web, the worker, the command line and the tests.
#[derive(Clone)]
pub struct App {
    /// The database.
    pub store: Store,
    /// The time.
    pub clock: Clock,
    /// The settings.
    pub config: Arc<Config>,
    /// Seals what the database must not show.
    pub secret_key: Arc<SecretKey>,
    /// Told when a message has been accepted, so that the worker looks at once.
    pub outbox_waker: Arc<Notify>,
    /// Takes rows of the log of API requests.
    pub request_log: RequestLog,
    /// Counts the requests of each key.
    pub rate_limiter: Arc<RateLimiter>,
    /// The room for the bodies of requests.
    pub bodies: Arc<BodyRoom>,
    /// The OpenID provider that people can log in by.
    pub openid: Option<Arc<Provider>>,
    /// Makes templates into messages.
    pub renderer: Arc<Renderer>,
    /// Has requests with the same idempotency key wait for each other.
    pub turns: Arc<Turns<OnceKey>>,
    /// The requests of each team that read.
    pub readers: Arc<Turns<TeamId>>,
    hashing: Arc<Semaphore>,
    /// How many passwords were hashed or compared with a hash since the start.
    hashed: Arc<AtomicU64>,
}

impl App {
    /// An app over an open database.
    pub fn new(store: Store, clock: Clock, config: Config, secret_key: SecretKey) -> Self {
        Self {
            request_log: RequestLog::start(store.clone()),
            store,
            clock,
            openid: Provider::new(&config.openid, config.outbound()).map(Arc::new),
            config: Arc::new(config),
            secret_key: Arc::new(secret_key),
            outbox_waker: Arc::new(Notify::new()),
            rate_limiter: Arc::default(),
            bodies: Arc::default(),
            renderer: Arc::default(),
            turns: Arc::new(Turns::of(1)),
            readers: Arc::new(Turns::of(READERS_OF_A_TEAM)),
            hashing: Arc::new(Semaphore::new(HASHING_PERMITS)),
            hashed: Arc::default(),
        }
    }
}

/// The OpenAPI document of the JSON API, for the page that shows it.
pub fn openapi_document() -> serde_json::Value {
    serde_json::to_value(api::canary::openapi()).unwrap_or_default()
}
