//! Takes connections at an address, as many as are allowed, and lets messages under way end when the server stops.
//! Sources: RFC 5321, section 3.1 (a server that cannot serve says 421); RFC 8314, section 3.3 (TLS from the first
//! byte).

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::handler::Handler;
use super::protocol::reply::Reply;
use super::session::{self, Shared};
use crate::server::listen::network_of;
use crate::server::telemetry::metrics;
use crate::server::tls::ServerTls;

/// How connections at an address begin.
#[derive(Clone, Debug)]
pub enum Beginning {
    /// Unencrypted; STARTTLS follows where the settings offer it.
    Plain,
    /// Encrypted from the first byte.
    Encrypted(ServerTls),
}

/// The open connections of all addresses at which a server listens.
#[derive(Debug)]
pub struct Connections {
    limit: usize,
    limit_of_address: usize,
    open: Mutex<HashMap<IpAddr, usize>>,
}

impl Connections {
    /// Room for `limit` connections, and for `limit_of_address` from one address.
    pub fn new(limit: usize, limit_of_address: usize) -> Arc<Self> {
        Arc::new(Self { limit, limit_of_address, open: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let network = network_of(peer);
        let mut open = self.open();
        if open.values().sum::<usize>() >= self.limit {
            return None;
        }
        if open.get(&network).copied().unwrap_or_default() >= self.limit_of_address {
            return None;
        }
        *open.entry(network).or_default() += 1;
        Some(Place { connections: Arc::clone(self), network })
    }
}

/// A place among the open connections, given back with the value.
struct Place {
    connections: Arc<Connections>,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if let Some(held) = open.get_mut(&self.network) {
            *held -= 1;
            if *held == 0 {
                open.remove(&self.network);
            }
        }
    }
}

/// Serves connections at `listener` until `stop` says so. Then nobody can begin a message, and those under way may end,
/// for as long as the settings allow.
pub async fn listen<H: Handler>(
    listener: TcpListener,
    beginning: Beginning,
    connections: Arc<Connections>,
    shared: Arc<Shared<H>>,
    mut stop: watch::Receiver<bool>,
) {
    let mut running = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = running.join_next() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(cause) => {
                // A client that hung up already is no trouble; without file handles, some must be given back first.
                if !is_of_client(&cause) {
                    warn!(%cause, "cannot take a connection by SMTP");
                    sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        let Some(place) = connections.admit(peer.ip()) else {
            metrics::count_refused_session();
            turn_away(&stream, &beginning);
            continue;
        };
        // A reply and the one after it are two writes: Nagle's algorithm would hold the second back.
        let _ = stream.set_nodelay(true);
        let (beginning, shared, stop) = (beginning.clone(), Arc::clone(&shared), stop.clone());
        running.spawn(async move {
            let _open = metrics::OpenSession::begin();
            serve(stream, peer, beginning, &shared, stop).await;
            drop(place);
        });
    }
    drop(listener);
    let ended = timeout(shared.settings.limits.drain, async { while running.join_next().await.is_some() {} });
    if ended.await.is_err() {
        info!(connections = running.len(), "some messages by SMTP did not end in time");
        running.shutdown().await;
    }
}

async fn serve<H: Handler>(
    stream: TcpStream,
    peer: SocketAddr,
    beginning: Beginning,
    shared: &Shared<H>,
    stop: watch::Receiver<bool>,
) {
    match beginning {
        Beginning::Plain => session::serve(stream, peer, shared, stop).await,
        Beginning::Encrypted(tls) => session::serve_encrypted(stream, peer, &tls, shared, stop).await,
    }
}

/// Says that there are too many connections, as far as that costs no waiting. Where a handshake would come first,
/// nothing is said.
fn turn_away(stream: &TcpStream, beginning: &Beginning) {
    match beginning {
        Beginning::Plain => {
            let reply = Reply::new(421, (7, 0), "Too many connections: try again in a minute");
            let _ = stream.try_write(reply.to_string().as_bytes());
        }
        Beginning::Encrypted(_) => {}
    }
}

fn is_of_client(cause: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(cause.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

#[cfg(test)]
mod tests;
