//! The state that use cases work with.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use tokio::sync::{Mutex, Semaphore};

use super::amazon::Amazon;
use super::bounds::{BodyRoom, READERS_OF_A_TEAM, RateLimiter, VISITS_AT_ONCE};
use super::clock::Clock;
use super::config::Config;
use super::render::helper::Renderer;
use super::secrets::SecretKey;
use super::services::accounts::openid::Provider;
use super::services::api_requests::RequestLog;
use super::store::Store;
use super::tracking::geoip::GeoIp;
use super::tracking::token::Signer;
use super::turns::{OnceKey, Turns};
use super::waker::OutboxWaker;
use crate::domain::ids::TeamId;

/// How many passwords are hashed at once: each takes 19 MiB and a core.
const HASHING_PERMITS: usize = 2;

/// What every use case works with. Cheap to clone; the same in the web, the worker, the command line and the tests.
#[derive(Clone)]
pub struct App {
    pub store: Store,
    pub clock: Clock,
    pub config: Arc<Config>,
    /// Seals what the database must not show.
    pub secret_key: Arc<SecretKey>,
    /// Told when a message has been accepted, so that a worker looks at once.
    pub outbox_waker: OutboxWaker,
    pub request_log: RequestLog,
    /// Counts the requests of each key.
    pub rate_limiter: Arc<RateLimiter>,
    /// The room for the bodies of requests.
    pub bodies: Arc<BodyRoom>,
    pub openid: Option<Arc<Provider>>,
    /// What proves webhooks of Amazon's.
    pub amazon: Arc<Amazon>,
    pub renderer: Arc<Renderer>,
    /// Reads the links of tracked messages.
    pub signer: Signer,
    /// Where network addresses are, where the operator gives a file.
    pub geoip: Option<Arc<GeoIp>>,
    /// Bounds the visits of tracked links that are recorded at the same time.
    pub visits: Arc<Semaphore>,
    /// Has requests with the same idempotency key wait for each other.
    pub turns: Arc<Turns<OnceKey>>,
    /// The requests of each team that read.
    pub readers: Arc<Turns<TeamId>>,
    pub(super) hashing: Arc<Semaphore>,
    /// When the database was looked at last for the operator's numbers.
    pub(super) looked_at: Arc<Mutex<Option<Instant>>>,
    /// How many passwords were hashed or compared with a hash since the start.
    pub(super) hashed: Arc<AtomicU64>,
}

impl App {
    /// An app over an open database.
    pub fn new(store: Store, clock: Clock, config: Config, secret_key: SecretKey) -> Self {
        Self {
            signer: Signer::new(&secret_key),
            request_log: RequestLog::start(store.clone()),
            store,
            clock,
            openid: Provider::new(&config.openid, config.outbound()).map(Arc::new),
            amazon: Arc::new(Amazon::new(config.outbound())),
            config: Arc::new(config),
            secret_key: Arc::new(secret_key),
            outbox_waker: OutboxWaker::default(),
            rate_limiter: Arc::default(),
            bodies: Arc::default(),
            renderer: Arc::default(),
            geoip: None,
            visits: Arc::new(Semaphore::new(VISITS_AT_ONCE)),
            turns: Arc::new(Turns::of(1)),
            readers: Arc::new(Turns::of(READERS_OF_A_TEAM)),
            hashing: Arc::new(Semaphore::new(HASHING_PERMITS)),
            looked_at: Arc::default(),
            hashed: Arc::default(),
        }
    }
}
