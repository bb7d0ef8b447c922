//! Rows of the log of API requests on their way to the database: kept in batches, so that reading does not wait for the disk.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tracing::error;

use crate::domain::api_request::{ApiRequest, LoggedBody};
use crate::domain::error::AppError;
use crate::server::store::Store;

const BATCH: usize = 500;
const PAUSE: Duration = Duration::from_millis(200);
/// How long a database that is not available is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How much may wait to be written, in bytes. What comes then is not logged: callers do not wait for their log.
const MAX_WAITING_BYTES: usize = 32 * 1024 * 1024;
/// What a row takes beside its texts, in bytes.
const ROW_BYTES: usize = 512;
/// How long a program that ends waits for requests whose callers left and for a database that is not available.
const PARTING_LIMIT: Duration = Duration::from_secs(15);
/// How long the log's readers wait for what was just answered to be written.
const READERS_WAIT: Duration = Duration::from_millis(500);

/// Takes rows of the log and keeps them in the background. Cheap to clone.
#[derive(Clone)]
pub struct RequestLog {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    waiting: Mutex<Waiting>,
    arrived: Notify,
    writing: tokio::sync::Mutex<()>,
    /// Each request that will be a row holds a receiver.
    under_way: watch::Sender<()>,
}

/// Says that a request will be a row, while it lives.
pub struct Expected {
    _row: watch::Receiver<()>,
}

/// The rows that wait, and how much they and those being written take.
#[derive(Default)]
struct Waiting {
    rows: Vec<ApiRequest>,
    bytes: usize,
    dropped: u64,
}

impl RequestLog {
    /// Starts the task that keeps the rows. It ends with the runtime.
    pub fn start(store: Store) -> Self {
        let inner = Arc::new(Inner {
            store,
            waiting: Mutex::default(),
            arrived: Notify::new(),
            writing: tokio::sync::Mutex::default(),
            under_way: watch::Sender::default(),
        });
        let log = Self { inner };
        let writer = log.clone();
        tokio::spawn(async move {
            loop {
                writer.inner.arrived.notified().await;
                tokio::time::sleep(PAUSE).await;
                while !writer.write().await {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        });
        log
    }

    /// Takes a row, unless too much waits already. Waits for nothing.
    pub fn record(&self, request: ApiRequest) {
        let mut waiting = self.waiting();
        let bytes = bytes_of(&request);
        if waiting.bytes.saturating_add(bytes) > MAX_WAITING_BYTES {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes += bytes;
        waiting.rows.push(request);
        drop(waiting);
        self.inner.arrived.notify_one();
    }

    /// Says that a row will come, until the value is dropped.
    pub fn expect(&self) -> Expected {
        Expected { _row: self.inner.under_way.subscribe() }
    }

    /// Tries to keep every row that is waiting; `false` where the database is not available. Whoever leaves meanwhile, it
    /// goes on.
    pub async fn flush(&self) -> bool {
        let log = self.clone();
        tokio::spawn(async move { log.write().await }).await.unwrap_or(true)
    }

    /// Keeps every row before the program ends: waits for the requests that are still answered, whose callers may have left,
    /// and tries again where the database is not available, both for a time.
    pub async fn finish(&self) {
        let keep_all = async {
            self.inner.under_way.closed().await;
            while !self.flush().await {
                tokio::time::sleep(PAUSE).await;
            }
        };
        if tokio::time::timeout(PARTING_LIMIT, keep_all).await.is_err() {
            error!("API requests were not logged: the database was not available, or they did not end");
        }
    }

    /// Like [Self::flush], for a reader: who reads does not wait long for a write.
    pub(in crate::server::services) async fn settle(&self) {
        let _ = tokio::time::timeout(READERS_WAIT, self.flush()).await;
    }

    /// Keeps the rows that wait. `false` when the database is not available: they wait on. A row that the database does not
    /// take is dropped, its neighbours are kept. Runs to its end, so it is never a part of a request.
    async fn write(&self) -> bool {
        let _one_at_a_time = self.inner.writing.lock().await;
        let (mut rows, dropped) = {
            let mut waiting = self.waiting();
            (std::mem::take(&mut waiting.rows), std::mem::take(&mut waiting.dropped))
        };
        if dropped > 0 {
            error!(rows = dropped, "API requests were not logged: too many wait for the database");
        }
        while !rows.is_empty() {
            let rest = rows.split_off(rows.len().min(BATCH));
            let unwritten = self.write_batch(&rows).await;
            let written: usize = rows[..rows.len() - unwritten].iter().map(bytes_of).sum();
            let kept = rows.split_off(rows.len() - unwritten);
            let is_available = kept.is_empty();
            rows = kept;
            rows.extend(rest);
            let mut waiting = self.waiting();
            waiting.bytes = waiting.bytes.saturating_sub(written);
            if !is_available {
                rows.append(&mut waiting.rows);
                waiting.rows = rows;
                return false;
            }
        }
        true
    }

    /// Keeps a batch, together or row by row. Gives how many rows at its end wait for a database that is not available.
    async fn write_batch(&self, rows: &[ApiRequest]) -> usize {
        match self.inner.store.insert_api_requests(rows).await {
            Ok(()) => return 0,
            Err(AppError::Unavailable) => return rows.len(),
            Err(_) => {}
        }
        for (done, row) in rows.iter().enumerate() {
            match self.inner.store.insert_api_requests(std::slice::from_ref(row)).await {
                Ok(()) => {}
                Err(AppError::Unavailable) => return rows.len() - done,
                Err(cause) => error!(%cause, api_request.id = %row.id, "an API request was not logged"),
            }
        }
        0
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.inner.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a row takes while it waits, in bytes.
fn bytes_of(request: &ApiRequest) -> usize {
    let body = |body: &LoggedBody| body.text.as_ref().map_or(0, String::len);
    let agent = request.user_agent.as_ref().map_or(0, String::len);
    ROW_BYTES + request.endpoint.len() + agent + body(&request.request_body) + body(&request.response_body)
}
