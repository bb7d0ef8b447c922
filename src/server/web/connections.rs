//! Takes connections, as many as there are file handles for, and speaks HTTP/1.1 on each, whether they come by TCP or by a unix
//! socket. A connection that says nothing,
//! begins a request and does not go on, or does not take its answer is closed in time; when there are too many, those that
//! wait for their client make room for newcomers, first of whoever holds the most.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::Response;
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{Notify, watch};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tower::ServiceExt;
use tracing::{info, warn};

use crate::server::listen::{Listener, Peer, Stream};
use crate::server::telemetry::process::most_handles;
use crate::server::tls::https::Https;

/// The most connections, however many file handles there are.
const MOST_CONNECTIONS: usize = 2048;
/// File handles that are left for the database, for mail servers and for files.
const KEPT_HANDLES: usize = 128;
/// How long a connection may say nothing between requests.
const IDLE_LIMIT: Duration = Duration::from_secs(75);
/// How long the head of a request may take from its first byte.
const HEAD_LIMIT: Duration = Duration::from_secs(15);
/// How long a client may take nothing of its answer.
const STALL_LIMIT: Duration = Duration::from_secs(30);
/// How often a connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most that is kept of a head, or read ahead of a body.
const BUFFER_BYTES: usize = 64 * 1024;
/// How much of what a client still sends is thrown away after the last answer, so that it reads that answer.
const LINGER_BYTES: usize = 1024 * 1024;
/// For how long.
const LINGER: Duration = Duration::from_secs(2);
/// How long a server that was told to stop waits for running requests.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// The open connections of all listeners.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    open: Mutex<HashMap<u64, Arc<Conduct>>>,
    next: AtomicU64,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It waits for a request, or for something to tell.
    Quiet,
    HeadBegun,
    ReadsBody,
    /// A request is being answered.
    Busy,
}

#[derive(Debug)]
struct Activity {
    phase: Phase,
    since: Instant,
    stalled_since: Option<Instant>,
}

/// How a connection behaves. In the extensions of its requests.
#[derive(Debug)]
pub struct Conduct {
    /// Whom the connection counts for.
    holder: Peer,
    activity: Mutex<Activity>,
    make_room: Notify,
    stop: watch::Receiver<bool>,
}

impl Conduct {
    fn new(peer: Peer, stop: watch::Receiver<bool>) -> Self {
        let activity = Activity { phase: Phase::Quiet, since: Instant::now(), stalled_since: None };
        Self { holder: peer.holder(), activity: Mutex::new(activity), make_room: Notify::new(), stop }
    }

    fn activity(&self) -> MutexGuard<'_, Activity> {
        self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, phase: Phase) {
        let mut activity = self.activity();
        (activity.phase, activity.since) = (phase, Instant::now());
    }

    /// Notes that a body is being read until the value is dropped.
    pub fn read_body(self: &Arc<Self>) -> ReadingBody {
        self.enter(Phase::ReadsBody);
        ReadingBody(Arc::clone(self))
    }

    /// Notes that an answer has begun which waits for something to tell: it makes room like a connection without a request, and
    /// lasts no longer.
    pub fn wait_long(&self) {
        self.enter(Phase::Quiet);
    }

    /// Waits until the server is told to stop.
    pub async fn stopping(&self) {
        stopped(&mut self.stop.clone()).await;
    }

    /// Whether it has waited too long for its client; `idle` is how long it may between requests.
    fn is_overdue(&self, now: Instant, idle: Duration) -> bool {
        let activity = self.activity();
        let waits = now.saturating_duration_since(activity.since);
        let is_stalled = activity.stalled_since.is_some_and(|since| now.saturating_duration_since(since) > STALL_LIMIT);
        is_stalled
            || match activity.phase {
                Phase::Quiet => waits > idle,
                Phase::HeadBegun => waits > HEAD_LIMIT,
                // Bodies and handlers have limits of their own.
                Phase::ReadsBody | Phase::Busy => false,
            }
    }
}

/// Says that a body is being read, while it lives.
pub struct ReadingBody(Arc<Conduct>);

impl Drop for ReadingBody {
    fn drop(&mut self) {
        self.0.enter(Phase::Busy);
    }
}

/// Says that a request is being answered, while it lives.
struct Answering(Arc<Conduct>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.enter(Phase::Quiet);
    }
}

/// A place among the open connections, given back with the value.
struct Place {
    connections: Arc<Connections>,
    id: u64,
    conduct: Arc<Conduct>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.open().remove(&self.id);
    }
}

impl Connections {
    /// Room for as many connections as this process has file handles for.
    pub fn by_file_handles() -> Arc<Self> {
        let handles = most_handles().map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let kept = KEPT_HANDLES.max(handles / 4).min(handles.saturating_sub(16));
        Self::with_limit((handles - kept).clamp(16, MOST_CONNECTIONS))
    }

    /// Room for `limit` connections.
    pub fn with_limit(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, open: Mutex::default(), next: AtomicU64::new(0) })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<Conduct>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a newcomer, if need be that of a connection which waits for its client; `None` when all are busy.
    fn admit(self: &Arc<Self>, peer: Peer, stop: &watch::Receiver<bool>) -> Option<Place> {
        let conduct = Arc::new(Conduct::new(peer, stop.clone()));
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open();
        if open.len() >= self.limit {
            let least = least_needed(&open)?;
            if let Some(least) = open.remove(&least) {
                least.make_room.notify_one();
            }
        }
        open.insert(id, Arc::clone(&conduct));
        Some(Place { connections: Arc::clone(self), id, conduct })
    }
}

/// The connection that makes room: of those that wait for a request, the one that has waited longest among the address
/// that has most of them; then the one whose body has been under way longest.
fn least_needed(open: &HashMap<u64, Arc<Conduct>>) -> Option<u64> {
    let mut waiting: HashMap<Peer, (usize, Instant, u64)> = HashMap::new();
    let mut reading: Option<(Instant, u64)> = None;
    for (id, conduct) in open {
        let (phase, since) = {
            let activity = conduct.activity();
            (activity.phase, activity.since)
        };
        match phase {
            Phase::Quiet | Phase::HeadBegun => {
                let held = waiting.entry(conduct.holder).or_insert((0, since, *id));
                held.0 += 1;
                if since < held.1 {
                    (held.1, held.2) = (since, *id);
                }
            }
            Phase::ReadsBody if reading.is_none_or(|(oldest, _)| since < oldest) => reading = Some((since, *id)),
            Phase::ReadsBody | Phase::Busy => {}
        }
    }
    let longest = waiting.into_values().max_by_key(|(count, since, _)| (*count, std::cmp::Reverse(*since)));
    longest.map(|(_, _, id)| id).or(reading.map(|(_, id)| id))
}

/// Serves `router` at `listener`, encrypted where that is asked for and it is one of TCP, until `stop` says so, then lets running requests end.
pub async fn serve(
    router: Router,
    listener: Listener,
    https: Option<Https>,
    connections: Arc<Connections>,
    mut stop: watch::Receiver<bool>,
) {
    // Every connection holds a receiver.
    let (running, first) = watch::channel(());
    drop(first);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                // A client that hung up already is no trouble; without file handles, some must be given back first.
                if !is_of_client(&cause) {
                    warn!(%cause, "cannot take a connection");
                    sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        let Some(place) = connections.admit(peer, &stop) else { continue };
        let (router, stop, running) = (router.clone(), stop.clone(), running.subscribe());
        let https = https.clone();
        tokio::spawn(async move {
            if let Some(stream) = begun(stream, https, &place, stop.clone()).await {
                serve_connection(stream, peer, router, &place, stop).await;
            }
            drop((place, running));
        });
    }
    // A unix socket's file goes with it.
    drop(listener);
    if timeout(DRAIN_TIMEOUT, running.closed()).await.is_err() {
        info!("some requests did not end in time");
    }
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn is_of_client(cause: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The connection once it is encrypted, where it is to be. It has as long for that as for the head of a request, and makes room
/// for others meanwhile.
async fn begun(stream: Stream, https: Option<Https>, place: &Place, mut stop: watch::Receiver<bool>) -> Option<Stream> {
    let (stream, https) = match (stream, https) {
        (Stream::Tcp(stream), Some(https)) => (stream, https),
        (stream, _) => return Some(stream),
    };
    tokio::select! {
        encrypted = timeout(HEAD_LIMIT, https.accept(stream)) => {
            encrypted.ok()?.ok()?.map(|stream| Stream::Tls(Box::new(stream)))
        }
        () = place.conduct.make_room.notified() => None,
        () = stopped(&mut stop) => None,
    }
}

async fn serve_connection(stream: Stream, peer: Peer, router: Router, place: &Place, mut stop: watch::Receiver<bool>) {
    type Answer = Pin<Box<dyn Future<Output = Result<hyper::Response<Watched>, Infallible>> + Send>>;
    let conduct = &place.conduct;
    let of_requests = Arc::clone(conduct);
    let service = service_fn(move |request: hyper::Request<Incoming>| -> Answer {
        Box::pin(answer(router.clone(), Arc::clone(&of_requests), peer, request))
    });
    let io = TokioIo::new(Line { stream, conduct: Arc::clone(conduct) });
    let mut connection = http1::Builder::new().max_buf_size(BUFFER_BYTES).serve_connection(io, service);
    let (mut is_stopping, mut look) = (false, interval(LOOK_EVERY));
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => match ended {
                Ok(()) => break,
                Err(_) => return,
            },
            () = conduct.make_room.notified() => return,
            _ = look.tick() => {
                let idle = if is_stopping { LOOK_EVERY } else { IDLE_LIMIT };
                if conduct.is_overdue(Instant::now(), idle) {
                    return;
                }
            }
            () = stopped(&mut stop), if !is_stopping => {
                is_stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    }
    linger(connection.into_parts().io.into_inner().stream).await;
}

/// Ends a connection so that its client can read the last answer, though it still sends: closing at once would throw away
/// what it has not read yet.
async fn linger(mut stream: Stream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let (mut buffer, mut read) = (vec![0; 4096], 0);
        while read < LINGER_BYTES {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(more) => read += more,
            }
        }
    };
    let _ = timeout(LINGER, rest).await;
}

async fn answer(
    router: Router,
    conduct: Arc<Conduct>,
    peer: Peer,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Watched>, Infallible> {
    conduct.enter(Phase::Busy);
    let answering = Answering(Arc::clone(&conduct));
    let mut request: Request = request.map(Body::new);
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(conduct);
    let response: Response = router.oneshot(request).await?;
    Ok(response.map(|body| Watched { body, _answering: answering }))
}

/// An answer's body. The request is being answered until it has been given away.
struct Watched {
    body: Body,
    _answering: Answering,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A connection's two directions, with an eye on how it behaves.
struct Line {
    stream: Stream,
    conduct: Arc<Conduct>,
}

impl Line {
    fn note_write<T>(&self, result: &Poll<T>) {
        let mut activity = self.conduct.activity();
        match result {
            Poll::Pending => {
                activity.stalled_since.get_or_insert_with(Instant::now);
            }
            Poll::Ready(_) => activity.stalled_since = None,
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            let mut activity = self.conduct.activity();
            if activity.phase == Phase::Quiet {
                (activity.phase, activity.since) = (Phase::HeadBegun, Instant::now());
            }
        }
        result
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<std::io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, data);
        self.note_write(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.note_write(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests;
